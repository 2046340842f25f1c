"""What programs in a node's containers get from its CPUs: features, and the area of XSAVE.

The kernel compares 19 features; the table in features.txt has the others too.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Optional

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.capabilities import NodeFacts, shown_registers
from simulator.facts.cpuid import (
    SIGNATURE_LEAF,
    XSAVE_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    Registers,
    user_components,
)
from simulator.facts.features import (
    JUDGED_LEAVES,
    OF_XSAVE,
    OF_YMM,
    OF_ZMM,
    OSXSAVE,
    XSAVE,
    judged_in,
    models_own,
)
from simulator.facts.override import OverrideEntry

#: The components that XSAVE alone saves and that some kernel enables, by their bit in XCR0.
COMPONENTS: Mapping[int, str] = MappingProxyType(
    {
        2: "AVX",
        5: "AVX-512 masks",
        6: "AVX-512 upper halves",
        7: "AVX-512 upper registers",
    }
)

#: The features that change what is in each component.
USERS: Mapping[int, int] = MappingProxyType({2: OF_YMM, 5: OF_ZMM, 6: OF_ZMM, 7: OF_ZMM})

#: AVX's component in XCR0, and the three of AVX-512; x87 and SSE are on every CPU that has XSAVE.
_YMM, _ZMM = 0x04, 0xE0
_ALWAYS = 0x03

#: x87 and SSE are in the first 512 bytes, which is all that FXSAVE takes. XSAVE's header ends at
#: 576; then comes AVX, to which every CPU gives the same place (Intel SDM volume 1, 13.4).
_FXSAVE_SIZE = 512
_HEADERS_END = 576
_AVX_PLACE = Registers(256, _HEADERS_END, 0, 0)


class Component(Struct, frozen=True, gc=False):
    """A part of XSAVE's area: its bit in XCR0, where it begins, and the first byte after it."""

    number: int
    offset: int
    end: int


class XsaveArea(Struct, frozen=True, cache_hash=True, gc=False):
    """What a process's FPU state is saved in, in XSAVE's standard form.

    ``components`` are those of ``COMPONENTS`` that are enabled. ``size`` in bytes is where the
    last of them ends. Where the kernel does not turn XSAVE on it is FXSAVE's.
    """

    size: int = _FXSAVE_SIZE
    components: tuple[Component, ...] = ()


class Hole(Struct, frozen=True, cache_hash=True, gc=False):
    """A node's CPUs where a leaf that matters was not recorded.

    ``cpus`` are without what is each processor's own, or its kernel's; ``unrecorded`` are the
    features of leaves that some of them lack. ``xcr0`` has the components that are enabled where
    the CPU has them, and ``enabled`` the features that then work.
    """

    cpus: tuple[CpuidTable, ...]
    unrecorded: int
    xcr0: int
    enabled: int


class CpuTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """A node's CPUs as programs in containers see them; masks are of features.

    ``shown``: CPUID tells of it on some CPU; ``usable``: it works on all of them; both may
    hold of more (``may_be_``) where a leaf was not recorded: then there is a ``hole``.
    ``area`` is None where it is not known. ``told`` is the area's size that CPUID tells programs:
    None where that is its own, 0 where programs do not use XSAVE. ``vendor`` is empty on ia64,
    which has no CPUID.

    ``disabled`` are features that all CPUs have, and that do not work as the kernel does not
    enable the state that they need.

    ``with_more`` are the traits that the node has if its kernel enables more components than
    these were made of: it is not known of the release named ``kernel`` whether it does.
    """

    vendor: str = ""
    shown: int = 0
    may_be_shown: int = 0
    usable: int = 0
    may_be_usable: int = 0
    area: XsaveArea | None = XsaveArea()
    told: int | None = None
    hole: Hole | None = None
    kernel: str = ""
    with_more: Optional["CpuTraits"] = None
    disabled: int = 0


def cpu_traits(facts: NodeFacts, cpus: Iterable[CpuidTable]) -> CpuTraits:
    """Return what of a node's CPUs matters to programs: the facts' kernel, and all its CPUs."""
    if facts.cpuid is None:
        return CpuTraits()
    tables = tuple(cpus)
    least, most = facts.release.xcr0 if _kernel_sees_xsave(facts, facts.cpuid) else (0, 0)
    traits = _traits(facts, facts.cpuid, tables, least)
    if least == most:
        return traits
    with_more = _traits(facts, facts.cpuid, tables, most)
    if traits == with_more:
        return traits
    return replace(traits, kernel=facts.release.label, with_more=with_more)


def _traits(
    facts: NodeFacts, first: CpuidTable, cpus: tuple[CpuidTable, ...], xcr0: int
) -> CpuTraits:
    """Return the traits with a kernel that enables these components, where the CPU has them."""
    xcr0 &= _may_have(first)
    enabled = ~_disabled(xcr0)
    hidden = _hidden(facts.override) if facts.release.generation.masked_cpuid else 0
    shown = may_be_shown = unrecorded = 0
    usable = may_be_usable = enabled
    disabled = ~enabled
    for table in cpus:
        has, may_have = _masks(table)
        usable &= has
        disabled &= has
        may_be_usable &= may_have
        unrecorded |= may_have & ~has
        shown |= has & enabled & ~hidden
        may_be_shown |= may_have & enabled & ~hidden
    # The kernel asks its first CPU alone what XSAVE has.
    area = _area(first, xcr0)
    hole = None
    if shown != may_be_shown or usable != may_be_usable or area is None:
        kinds = tuple(dict.fromkeys(models_own(table) for table in cpus))
        hole = Hole(kinds, unrecorded, xcr0, enabled)
    masks = shown, may_be_shown, usable, may_be_usable
    return CpuTraits(first.vendor, *masks, area, _told(facts, area), hole, disabled=disabled)


def _kernel_sees_xsave(facts: NodeFacts, cpuid: CpuidTable) -> bool:
    """Tell whether the kernel turns XSAVE on: boot options may hide it, an override does not."""
    return shown_registers(cpuid, facts.boot_options).has_bit(*XSAVE.location)


def _may_have(table: CpuidTable) -> int:
    """Return the components that a CPU has, and those that it may have by its features."""
    try:
        return _ALWAYS | user_components(table.answer(XSAVE_LEAF, 0))
    except MissingLeafError:
        _, may_have = _masks(table)
        return _ALWAYS | _YMM | (_ZMM if may_have & OF_ZMM else 0)


def _disabled(xcr0: int) -> int:
    """Return the features that do not work with these components enabled alone."""
    if not xcr0:
        return OF_XSAVE
    if not xcr0 & _YMM:
        return OF_YMM
    return 0 if xcr0 & _ZMM == _ZMM else OF_ZMM


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
        instead = _instead(override, key)
        if instead is not None:
            hidden |= every & ~judged_in(key, instead)
    return hidden


def _instead(override: Iterable[OverrideEntry], key: Key) -> Registers | None:
    """Return what containers get in place of the CPU's answer."""
    return next((entry.registers for entry in override if entry.matches(*key)), None)


def _told(facts: NodeFacts, area: XsaveArea | None) -> int | None:
    """Return the size that CPUID tells programs, where it is more than the area's, or 0.

    It is told by EBX of leaf 0xD, and XSAVE is not used where that is 0 or leaf 1 has no OSXSAVE.
    Less than the area's size harms programs on this node: those that live on it do not use it.
    """
    override = facts.override if facts.release.generation.masked_cpuid else ()
    features, sizes = _instead(override, (SIGNATURE_LEAF, 0)), _instead(override, (XSAVE_LEAF, 0))
    if features is not None and not features.ecx >> OSXSAVE.bit & 1:
        return 0
    told = None if sizes is None else sizes.ebx
    return None if told and area is not None and told <= area.size else told


def _area(table: CpuidTable, xcr0: int) -> XsaveArea | None:
    """Return the area that XSAVE saves to; None where a leaf that tells was not recorded.

    Source: Intel SDM volume 1, 13.4: subleaf N of leaf 0xD has component N's size in EAX and
    its offset in EBX. EBX of subleaf 0 is not looked at: it is of the XCR0 of the machine that the
    dump was made on.
    """
    if not xcr0:
        return XsaveArea()
    try:
        table.answer(XSAVE_LEAF, 0)
        components = tuple(_component(table, number) for number in COMPONENTS if xcr0 >> number & 1)
    except MissingLeafError:
        return None
    return XsaveArea(max((one.end for one in components), default=_HEADERS_END), components)


def _component(table: CpuidTable, number: int) -> Component:
    key = XSAVE_LEAF, number
    is_avx = 1 << number == _YMM and key not in table
    size, offset, _, _ = _AVX_PLACE if is_avx else table.answer(*key)
    return Component(number, offset, offset + size)
