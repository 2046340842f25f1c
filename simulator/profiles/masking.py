"""What /proc/vz/cpuid_override can take from containers, as lines that a node can be given.

A line replaces the whole answer to a leaf, on every CPU of the node, so it is made of what the
node's own programs see now, less what is hidden. Features are masks over facts/features.txt. What
cannot be without a hidden feature is hidden with it: lines never describe a CPU that cannot be.
Sources: Intel SDM volume 1, chapters 13 to 15 (what has to be looked at before an instruction set
is used), Linux arch/x86/kernel/cpu/cpuid-deps.c.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from simulator.facts.bits import COMPARED
from simulator.facts.capabilities import NodeFacts, shown_registers
from simulator.facts.cpuid import (
    SIGNATURE_LEAF,
    XSAVE_LEAF,
    ZEROS,
    CpuidTable,
    Key,
    MissingLeafError,
    Registers,
)
from simulator.facts.deduction import needs
from simulator.facts.features import (
    FEATURES,
    JUDGED,
    JUDGED_LEAVES,
    OSXSAVE,
    XSAVE,
    features_in,
    without_features,
)
from simulator.facts.override import OverrideEntry
from simulator.profiles.changes import Obstacle, obstacle_to_masking
from simulator.profiles.profile import NodeProfile

#: The features that a line may hide.
MASKABLE = JUDGED & ~sum(feature.mask for feature in FEATURES if feature.always_stays)

#: Few sets of features are hidden in one fleet: so many are remembered.
_MOST_REMEMBERED = 1024

#: The lowest 24 bits of leaf 1's EBX; those above are an APIC id, which every CPU has its own of.
_ALL_BUT_APIC_ID = 0x00FFFFFF

#: Leaves whose answer depends on the subleaf; a line for any other is for all that ECX may hold.
_WITH_SUBLEAVES = frozenset({0x7, XSAVE_LEAF})


class Basis(NamedTuple):
    """What a node's lines are made of.

    ``leaves`` are what its programs see of the leaves with features, and of 0xD, in order;
    ``kept`` are the lines that are there already.
    """

    leaves: tuple[tuple[Key, Registers], ...]
    kept: tuple[OverrideEntry, ...]


@lru_cache(_MOST_REMEMBERED)
def numbers_bits(features: int) -> int:
    """Return the bits of a capability number that go with features."""
    return sum(1 << bit for bit, one in COMPARED.items() if features & one.mask)


def features_of(capability_bits: int) -> int:
    """Return the features, of those that a line may hide, that bits of a number stand for."""
    found = sum(one.mask for bit, one in COMPARED.items() if capability_bits >> bit & 1)
    return found & MASKABLE


@lru_cache(_MOST_REMEMBERED)
def with_dependents(features: int) -> int:
    """Return features together with all that cannot be without them.

    XSAVE's own leaf 0xD is left as it is while XSAVE stays: a program that is told of a smaller
    area than the kernel has enabled is overrun, since XGETBV and XSAVE themselves are not masked.
    """
    while True:
        grown = features
        for dependent, needed in needs():
            if grown & needed:
                grown |= dependent
        if grown == features:
            return grown
        features = grown


def basis_of(profile: NodeProfile) -> Basis | Obstacle:
    """Return what a node's lines are made of, or why there are none."""
    obstacle = obstacle_to_masking(profile)
    if obstacle is not None:
        return obstacle
    facts = profile.facts()
    tables = [cpu.cpuid for cpu in profile.cpus]
    try:
        asked = (*JUDGED_LEAVES, (XSAVE_LEAF, 0))
        leaves = tuple((key, _seen(facts, tables, key)) for key in asked)
    except MissingLeafError:
        return Obstacle.NOT_RECORDED
    return Basis(leaves, facts.override)


def make_lines(basis: Basis, hidden: int, area: int = 0) -> tuple[OverrideEntry, ...]:
    """Return the whole table that hides features from a node's containers.

    Where ``area`` is given, programs are told that XSAVE's area has so many bytes at least.
    It is the node's present table where nothing of them is seen there.
    """
    seen = dict(basis.leaves)
    made = tuple(_changed(seen, hidden, area))
    kept = (old for old in basis.kept if not any(_shadows(new, old) for new in made))
    return (*made, *kept)


def _seen(facts: NodeFacts, tables: Iterable[CpuidTable], key: Key) -> Registers:
    """Return what programs in containers see of a leaf: all CPUs' features, less what is hidden."""
    answers = [_own(facts, table, key) for table in tables]
    answers[:0] = [entry.registers for entry in facts.override if entry.matches(*key)][:1]
    names = {feature.register for feature in features_in(JUDGED_LEAVES.get(key, 0))}
    seen, *limits = answers
    for limit in limits:
        common = {name: getattr(seen, name) & getattr(limit, name) for name in names}
        seen = seen._replace(**common)
    return seen


def _own(facts: NodeFacts, table: CpuidTable, key: Key) -> Registers:
    """Return a CPU's answer as it is on the running node, whatever was recorded it on."""
    registers = table.answer(*key)
    if key != (SIGNATURE_LEAF, 0):
        return registers
    ecx = registers.ecx
    if shown_registers(table, facts.boot_options).has_bit(*XSAVE.location):
        ecx |= 1 << OSXSAVE.bit
    return registers._replace(ebx=registers.ebx & _ALL_BUT_APIC_ID, ecx=ecx)


def _changed(seen: Mapping[Key, Registers], hidden: int, area: int) -> Iterator[OverrideEntry]:
    """Yield a line for each leaf that features are hidden in, and one that tells a larger area."""
    clears_areas = False
    if hidden & XSAVE.mask:
        hidden |= OSXSAVE.mask
        clears_areas = seen[XSAVE_LEAF, 0] != ZEROS
    elif area:
        sizes = seen[XSAVE_LEAF, 0]
        told = sizes._replace(ebx=max(area, sizes.ebx), ecx=max(area, sizes.ecx))
        yield OverrideEntry(XSAVE_LEAF, 0, told)
    for leaf, subleaf in JUDGED_LEAVES:
        if leaf == XSAVE_LEAF and clears_areas:
            yield OverrideEntry(XSAVE_LEAF, None, ZEROS)
            continue
        own = seen[leaf, subleaf]
        left = without_features((leaf, subleaf), own, hidden)
        if left != own:
            yield OverrideEntry(leaf, subleaf if leaf in _WITH_SUBLEAVES else None, left)


def _shadows(new: OverrideEntry, old: OverrideEntry) -> bool:
    """Tell whether a line answers first whatever another one does."""
    return new.leaf == old.leaf and new.subleaf in (None, old.subleaf)
