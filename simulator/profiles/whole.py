"""A node whose CPU is known in part, made whole: what runs on it may ask for any bit."""

from collections.abc import Iterator

from msgspec.structs import replace

from simulator.errors import UserError
from simulator.facts.capabilities import X86_64
from simulator.facts.cpuid import (
    EXTENDED_LEAF,
    VENDOR_LEAF,
    ZEROS,
    CpuidTable,
    Key,
    Registers,
)
from simulator.facts.deduction import known_features
from simulator.facts.features import JUDGED, JUDGED_LEAVES, features_in, with_features
from simulator.profiles.changes import derived
from simulator.profiles.profile import NodeProfile

#: A message names no more features.
_MOST_NAMED = 40


def whole_node(profile: NodeProfile, *, assumes_clear: bool = False) -> NodeProfile:
    """Return a node, known in part, with the bits that are not known clear, if so assumed.

    UserError names those bits where that is not assumed.
    """
    if not assumes_clear:
        raise UserError(
            f"node {profile.name!r}: its CPU is known in part, and what runs on it may ask for any "
            f"bit. Not known: {_unknown_words(profile)}. Record its CPU whole ('vzcptcheck "
            "capture' there, or 'cpuid -r'), or take them for clear: '--assume-missing clear'"
        )
    is_64bit = profile.kernel.machine == X86_64
    cpus = tuple(
        replace(cpu, cpuid=_with_clear_bits(cpu.cpuid, is_64bit=is_64bit)) for cpu in profile.cpus
    )
    return derived(replace(profile, cpus=cpus), profile, "unknown bits of CPUID taken for clear")


def _unknown_words(profile: NodeProfile) -> str:
    is_64bit = profile.kernel.machine == X86_64
    unknown = 0
    for cpu in profile.cpus:
        has, may_have = known_features(cpu.cpuid, is_64bit=is_64bit)
        unknown |= may_have & ~has & JUDGED
    names = [feature.name for feature in features_in(unknown)]
    more = len(names) - _MOST_NAMED
    words = ", ".join(names[:_MOST_NAMED]) or "no feature, but other bits"
    return f"{words} and {more} more" if more > 0 else words


def _with_clear_bits(table: CpuidTable, *, is_64bit: bool) -> CpuidTable:
    answers = dict(table.items()) | {key: values for key, (values, _) in table.partial.items()}
    has, _ = known_features(table, is_64bit=is_64bit)
    for key in JUDGED_LEAVES:
        if has & JUDGED_LEAVES[key] or key in answers:
            answers[key] = with_features(key, answers.get(key, ZEROS), has & JUDGED_LEAVES[key])
    answers.update(_with_last_leaves(answers))
    return CpuidTable(answers.items())


def _with_last_leaves(answers: dict[Key, Registers]) -> Iterator[tuple[Key, Registers]]:
    """Yield the leaves that tell of the last ones, so that none that is known is beyond those."""
    for first in (VENDOR_LEAF, EXTENDED_LEAF):
        own = answers.get((first, 0), ZEROS)
        last = max((leaf for leaf, _ in answers if leaf & 0xFFFF_0000 == first), default=0)
        yield (first, 0), own._replace(eax=max(own.eax, last))
