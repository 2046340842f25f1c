"""What programs in a node's containers get from its CPUs: features, and the area of XSAVE.

The kernel compares 19 features; the table in features.txt has the others too.
"""

from collections.abc import Iterable
from typing import NamedTuple

from simulator.facts.capabilities import NodeFacts, shown_registers
from simulator.facts.cpuid import XSAVE_LEAF, CpuidTable, MissingLeafError, user_components
from simulator.facts.features import JUDGED_LEAVES, OF_XSAVE, XSAVE, judged_in
from simulator.facts.override import OverrideEntry

#: XSAVE's components by their bit. The kernels enable the first three from Linux 2.6.30 on.
#: That one of them enables those after is not known, and taken for granted: a component that
#: programs cannot use is no loss, one that is overlooked is. Later ones take newer kernels.
COMPONENTS = (
    "x87",
    "SSE",
    "AVX",
    "MPX bounds",
    "MPX configuration",
    "AVX-512 masks",
    "AVX-512 upper halves",
    "AVX-512 upper registers",
)

#: x87 and SSE are in the first 512 bytes, as FXSAVE has them where there is no XSAVE. Then come
#: XSAVE's header, which says nothing of them, and AVX, to which every CPU gives the same place.
_FXSAVE_SIZE = 512
_AVX = 2
_AVX_END = 832

#: AVX and those after it, which XSAVE alone saves.
_XSAVED = (1 << len(COMPONENTS)) - (1 << _AVX)


class XsaveArea(NamedTuple):
    """What a process's FPU state is saved in, in XSAVE's standard form.

    ``components`` is a mask of those that XSAVE alone saves (AVX and later), ``size`` in bytes is
    where the last of them ends, ``offsets`` are pairs of a component after AVX and where it
    begins. Without any it is FXSAVE's area.
    """

    components: int = 0
    size: int = _FXSAVE_SIZE
    offsets: tuple[tuple[int, int], ...] = ()


class CpuTraits(NamedTuple):
    """A node's CPUs as programs in containers see them; masks are of features.

    ``shown``: CPUID tells of it on some CPU; ``usable``: it works on all of them; both may
    hold of more (``may_be_``) where a leaf was not recorded. ``area`` is None where it is not
    known. ``vendor`` is empty on ia64, which has no CPUID.
    """

    vendor: str = ""
    shown: int = 0
    may_be_shown: int = 0
    usable: int = 0
    may_be_usable: int = 0
    area: XsaveArea | None = XsaveArea()


def cpu_traits(facts: NodeFacts, cpus: Iterable[CpuidTable]) -> CpuTraits:
    """Return what of a node's CPUs matters to programs: the facts' kernel, and all its CPUs."""
    if facts.cpuid is None:
        return CpuTraits()
    uses_xsave = facts.release.generation.enables_xsave and _kernel_sees_xsave(facts, facts.cpuid)
    disabled = 0 if uses_xsave else OF_XSAVE
    hidden = _hidden(facts.override) if facts.release.generation.masked_cpuid else 0
    shown = may_be_shown = 0
    usable = may_be_usable = ~disabled
    for table in cpus:
        has, may_have = _masks(table)
        usable &= has
        may_be_usable &= may_have
        shown |= has & ~disabled & ~hidden
        may_be_shown |= may_have & ~disabled & ~hidden
    # The kernel asks its first CPU alone what XSAVE has.
    area = _area(facts.cpuid) if uses_xsave else XsaveArea()
    return CpuTraits(facts.cpuid.vendor, shown, may_be_shown, usable, may_be_usable, area)


def _kernel_sees_xsave(facts: NodeFacts, cpuid: CpuidTable) -> bool:
    """Tell whether the kernel turns XSAVE on: boot options may hide it, an override does not."""
    return shown_registers(cpuid, facts.boot_options).has_bit(*XSAVE.location)


def _masks(table: CpuidTable) -> tuple[int, int]:
    """Return what a CPU has, and what it may have: all of a leaf that was not recorded."""
    has = may_have = 0
    for key, every in JUDGED_LEAVES.items():
        try:
            own = judged_in(key, table.answer(*key))
        except MissingLeafError:
            may_have |= every
        else:
            has |= own
            may_have |= own
    return has, may_have


def _hidden(override: Iterable[OverrideEntry]) -> int:
    """Return what CPUID does not tell in containers: /proc/vz/cpuid_override answers instead.

    That may show what the CPU has not; a program that believes it has crashed already.
    """
    hidden = 0
    for key, every in JUDGED_LEAVES.items():
        entry = next((entry for entry in override if entry.matches(*key)), None)
        if entry is not None:
            hidden |= every & ~judged_in(key, entry.registers)
    return hidden


def _area(table: CpuidTable) -> XsaveArea | None:
    """Return the area that XSAVE saves to; None where a leaf that tells was not recorded.

    Source: Intel SDM volume 1, 13.4: subleaf N of leaf 0xD has component N's size in EAX and
    its offset in EBX.
    """
    try:
        components = user_components(table.answer(XSAVE_LEAF, 0)) & _XSAVED
        end = _AVX_END if components >> _AVX & 1 else _FXSAVE_SIZE
        offsets = []
        for number in range(_AVX + 1, len(COMPONENTS)):
            if components >> number & 1:
                size, offset, _, _ = table.answer(XSAVE_LEAF, number)
                offsets.append((number, offset))
                end = max(end, offset + size)
    except MissingLeafError:
        return None
    return XsaveArea(components, end, tuple(offsets))
