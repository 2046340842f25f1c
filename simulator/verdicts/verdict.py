"""Two verdicts on a migration, on restore and on programs, their reasons, and one outcome."""

from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import chain
from typing import NamedTuple, Protocol

from msgspec import Struct
from msgspec.structs import replace


class Verdict(Enum):
    """Whether something can be done. What could not be checked is never a yes."""

    POSSIBLE = "possible"
    NOT_POSSIBLE = "not possible"
    UNKNOWN = "unknown"

    #: That of Enum is a Python function, and verdicts are looked up by the ten thousand.
    __hash__ = object.__hash__


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of verdicts: a definite no outranks what is not known.

    Of none it is that all is possible.
    """
    found = Verdict.POSSIBLE
    for verdict in verdicts:
        if verdict is Verdict.NOT_POSSIBLE:
            return verdict
        if verdict is Verdict.UNKNOWN:
            found = verdict
    return found


class Outcome(Enum):
    """What both verdicts on a migration come to together."""

    SAFE = "safe"
    RISKY = "risky"
    REFUSED = "refused"
    UNKNOWN = "unknown"


#: What a pair of nodes is where some of its migrations are safe, and others are not.
PARTLY = "partly"

#: From the mildest on: a definite no outranks what is not known.
VERDICTS_BY_HARM = (Verdict.POSSIBLE, Verdict.UNKNOWN, Verdict.NOT_POSSIBLE)
OUTCOMES_BY_HARM = (Outcome.SAFE, Outcome.UNKNOWN, Outcome.RISKY, Outcome.REFUSED)


def worst_outcome(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the most harmful of outcomes; of none it is that all is safe."""
    return OUTCOMES_BY_HARM[max(map(OUTCOMES_BY_HARM.index, outcomes), default=0)]


class Weight(Enum):
    """What a reason does to the verdict that it belongs to."""

    REFUSES = "refuses"
    UNKNOWN = "leaves unknown"
    REMARK = "remark"

    __hash__ = object.__hash__


_VERDICT_OF_WEIGHT = {
    Weight.REFUSES: Verdict.NOT_POSSIBLE,
    Weight.UNKNOWN: Verdict.UNKNOWN,
    Weight.REMARK: Verdict.POSSIBLE,
}


class Finding(Protocol):
    """A part of what is found: its verdict is known at once, its reasons are made when read."""

    @property
    def verdict(self) -> Verdict:
        """The verdict that the finding comes to by itself."""

    @property
    def reasons(self) -> Iterable["Reason"]:
        """What there is to be said."""

    @property
    def size(self) -> int:
        """How many reasons there are."""

    def waive(self, codes: frozenset[str]) -> "Finding":
        """Return the finding with the reasons of these codes marked: they no longer count."""


class Reason(Struct, frozen=True, cache_hash=True, gc=False):
    """One thing to be said of a migration; by itself it is a finding.

    ``code`` is stable, and documented in codes.py, with what to do next. ``feature`` is
    what it is about, spelled as /proc/cpuinfo or the kernel does, ``place`` where that is to be
    found (``CPUID 0x00000001 ecx bit 20``). ``source`` and ``destination`` are the values on
    both sides, ``needed_by`` who needs it, ``said`` what an engine writes, in its own words. What
    does not apply is empty.
    """

    code: str
    weight: Weight
    feature: str = ""
    place: str = ""
    source: str = ""
    destination: str = ""
    needed_by: str = ""
    hidden_by: str = ""
    is_waived: bool = False
    said: str = ""

    @property
    def verdict(self) -> Verdict:
        """The verdict that this reason makes alone."""
        return Verdict.POSSIBLE if self.is_waived else _VERDICT_OF_WEIGHT[self.weight]

    @property
    def reasons(self) -> tuple["Reason", ...]:
        """The reason itself."""
        return (self,)

    @property
    def size(self) -> int:
        """One."""
        return 1

    def waive(self, codes: frozenset[str]) -> "Reason":
        """Return the reason, marked where its code is one of these."""
        return replace(self, is_waived=True) if self.code in codes else self


class Opinion(Struct, frozen=True, cache_hash=True):
    """All that is found on restore, or on programs, and the verdict that it makes."""

    findings: tuple[Finding, ...] = ()

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of all findings, in order."""
        return tuple(chain.from_iterable(finding.reasons for finding in self.findings))

    @property
    def counted(self) -> Iterator[Reason]:
        """The reasons that the verdict comes from: no remarks, and none that is waived."""
        return (one for one in self.reasons if one.verdict is not Verdict.POSSIBLE)

    @property
    def size(self) -> int:
        """How many reasons there are."""
        return sum(finding.size for finding in self.findings)

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of the findings: a refusal outweighs what is not known."""
        return worst(finding.verdict for finding in self.findings)

    def waive(self, codes: Iterable[str]) -> "Opinion":
        """Return the opinion with the reasons of these codes marked: they no longer count."""
        waived = frozenset(codes)
        if not waived:
            return self
        return Opinion(tuple(finding.waive(waived) for finding in self.findings))


class Judgement(NamedTuple):
    """Both verdicts on one migration, with all that was found."""

    restore: Opinion
    programs: Opinion

    def outcome(self, *, restore_only: bool = False) -> Outcome:
        """Return the outcome; where programs are left out, it follows restore alone."""
        programs = Verdict.POSSIBLE if restore_only else self.programs.verdict
        return outcome_of(self.restore.verdict, programs)

    def counted(self, *, restore_only: bool = False) -> tuple[Reason, ...]:
        """Return the reasons that the outcome comes from, each once."""
        opinions = (self.restore,) if restore_only else self
        return tuple(dict.fromkeys(chain.from_iterable(one.counted for one in opinions)))


def outcome_of(restore: Verdict, programs: Verdict) -> Outcome:
    """Return what two verdicts come to together."""
    if restore is Verdict.NOT_POSSIBLE:
        return Outcome.REFUSED
    if Verdict.UNKNOWN in {restore, programs}:
        return Outcome.UNKNOWN
    return Outcome.SAFE if programs is Verdict.POSSIBLE else Outcome.RISKY


class Remedy(NamedTuple):
    """What to do, what it costs, and on what condition, where it is not known whether it can be.

    ``lines`` are what is to be written to the source's cpuid_override, if anything is.
    """

    action: str
    cost: str
    condition: str = ""
    lines: str = ""


class Help(NamedTuple):
    """A remedy, the reasons that it turns away, and the outcome of the migration after it."""

    remedy: Remedy
    turns_away: tuple[Reason, ...]
    outcome: Outcome
