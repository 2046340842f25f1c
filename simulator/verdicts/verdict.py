"""Verdicts on a migration, the reasons for them, and the two opinions that are never mixed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum


class Verdict(Enum):
    """Whether a container can be restored. What could not be checked is never a yes."""

    POSSIBLE = "possible"
    NOT_POSSIBLE = "not possible"
    UNKNOWN = "unknown"


class Weight(Enum):
    """What a reason does to the verdict of its opinion."""

    REFUSES = "refuses"
    UNKNOWN = "leaves unknown"
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing to be said of a migration.

    ``code`` is stable, and documented in data/codes.toml, with what to do next. ``feature`` is
    what it is about, spelled as /proc/cpuinfo or the kernel does, ``place`` where that is to be
    found (``CPUID 0x00000001 ecx bit 20``). ``source`` and ``destination`` are the values on
    both sides, ``needed_by`` who needs it. What does not apply is empty.
    """

    code: str
    weight: Weight
    feature: str = ""
    place: str = ""
    source: str = ""
    destination: str = ""
    needed_by: str = ""
    is_waived: bool = False


@dataclass(frozen=True, slots=True)
class Opinion:
    """What the kernel says, or what we do: all reasons at once, and the verdict they make."""

    reasons: tuple[Reason, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Return the verdict; a refusal outweighs what is not known."""
        weights = {reason.weight for reason in self.reasons if not reason.is_waived}
        if Weight.REFUSES in weights:
            return Verdict.NOT_POSSIBLE
        return Verdict.UNKNOWN if Weight.UNKNOWN in weights else Verdict.POSSIBLE

    def waive(self, codes: Iterable[str]) -> "Opinion":
        """Return the opinion with the reasons of these codes marked: they no longer count."""
        waived = frozenset(codes)
        return Opinion(
            tuple(
                replace(reason, is_waived=True) if reason.code in waived else reason
                for reason in self.reasons
            )
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """Both opinions on one migration."""

    kernel: Opinion
    ours: Opinion

    def verdict(self, *, strict: bool = False) -> Verdict:
        """Return the kernel's verdict; where it is strict, with ours counted in."""
        if not strict:
            return self.kernel.verdict
        return Opinion((*self.kernel.reasons, *self.ours.reasons)).verdict
