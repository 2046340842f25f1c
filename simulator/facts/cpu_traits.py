"""What programs in a node's containers get from its CPUs: features, and the area of XSAVE.

The kernel compares 19 features; the table in features.txt has the others too.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product, starmap
from types import MappingProxyType
from typing import NamedTuple, Optional

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.capabilities import X86_64, NodeFacts, eager_fpu, seen_features
from simulator.facts.cpuid import (
    ALL_BITS,
    EVERY_BIT,
    SIGNATURE_LEAF,
    XSAVE_LEAF,
    CpuidTable,
    Key,
    Registers,
)
from simulator.facts.deduction import YMM, ZMM, alternatives, components_of, known_features
from simulator.facts.features import (
    AVX,
    AVX512F,
    JUDGED,
    JUDGED_LEAVES,
    LONG_MODE,
    OF_XSAVE,
    OF_YMM,
    OF_ZMM,
    OSXSAVE,
    XSAVE,
    XSAVEOPT,
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

#: The components that are on every CPU that has XSAVE: x87 and SSE.
_ALWAYS = 0x03

#: The features that decide which components there are: each needs the one before it.
_DECIDING = (XSAVE.mask, AVX.mask, AVX512F.mask)

#: Where CPUs of one stepping differ: firmware and microcode switch features off there, and product
#: lines lack some (so it is among the 332 of the catalogue). Elsewhere they differ only with that.
_DIFFERING = {(one.leaf, one.subleaf) for one in (AVX, AVX512F, LONG_MODE)}

#: So many unknown bits of components' sizes and places are tried each way.
_MOST_TRIED = 6

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
    """A node's CPUs where something that matters is not known of them.

    ``cpus`` are without what is each processor's own, or its kernel's; ``unrecorded`` are
    features of leaves of which nothing was recorded, and that all CPUs of one stepping have that
    are alike in the others. ``xcr0`` has the components that are enabled where the CPU has them,
    and ``enabled`` the features that then work.

    ``deciding`` are features that are not known and that others depend on; ``others`` are the
    traits in the other cases of them.
    ``may_be_eager``: it is not known whether every process counts as having used the FPU.
    """

    cpus: tuple[CpuidTable, ...]
    unrecorded: int
    xcr0: int
    enabled: int
    deciding: int = 0
    may_be_eager: bool = False
    others: tuple["CpuTraits", ...] = ()


class CpuTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """A node's CPUs as programs in containers see them; masks are of features.

    ``shown``: CPUID tells of it on some CPU; ``usable``: it works on all of them; both may
    hold of more (``may_be_``) where bits are not known: then there is a ``hole``.
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


#: Those of a CPU of which nothing is known.
NOT_TOLD = CpuTraits("not known", may_be_shown=JUDGED, may_be_usable=JUDGED, area=None)


class Setting(NamedTuple):
    """What of a kernel decides what programs get from a CPU.

    ``override`` is what CPUID answers to programs in place of the CPU. ``is_eager``: every process
    counts as having used the FPU; None where that is not known.
    """

    is_64bit: bool
    boot_options: tuple[str, ...] = ()
    override: tuple[OverrideEntry, ...] = ()
    is_eager: bool | None = True


def cpu_traits(facts: NodeFacts, cpus: Iterable[CpuidTable]) -> CpuTraits:
    """Return what of a node's CPUs matters to programs: the facts' kernel, and all its CPUs."""
    if facts.cpuid is None:
        return CpuTraits()
    setting = Setting(
        facts.machine == X86_64,
        facts.boot_options,
        facts.override if facts.release.generation.masked_cpuid else (),
        eager_fpu(facts),
    )
    label = facts.release.label
    return _between(setting, facts.cpuid, tuple(cpus), facts.release.xcr0, label)


def traits_without_kernel(cpus: tuple[CpuidTable, ...]) -> CpuTraits:
    """Return the same of CPUs alone: what their kernel enables is what their leaf 0xD tells."""
    first = cpus[0]
    setting = Setting(LONG_MODE.is_in(first) is not False)
    return _between(setting, first, cpus, _told_components(first), "")


def _told_components(table: CpuidTable) -> tuple[int, int]:
    """Return the components that are certainly enabled, and those that may be.

    Source: Intel SDM volume 2A, CPUID: OSXSAVE is set where the kernel has turned XSAVE on, and EBX
    of leaf 0xD is the size that the components need that XCR0 has. What ends within that may be
    enabled; it is, where all of that together needs just that size.
    """
    is_on = OSXSAVE.is_in(table)
    if is_on is False:
        return 0, 0
    (has, size, *_), (has_known, size_known, *_) = table.known(XSAVE_LEAF, 0)
    rows = {n: _component_row(table, n) for n in range(2, 32) if has >> n & 1}
    every = sum(1 << number for number in COMPONENTS)
    is_known = has_known == size_known == ALL_BITS and all(
        known[:2] == (ALL_BITS, ALL_BITS) for _, known in rows.values()
    )
    least = _ALWAYS if is_on else 0
    if not is_known:
        return least, _ALWAYS | every
    ends = {number: sum(values) for number, (values, _) in rows.items()}
    enabled = _ALWAYS | sum(1 << number for number, end in ends.items() if end <= size)
    last = max((end for end in ends.values() if end <= size), default=_HEADERS_END)
    certain = enabled if last == size and is_on else least
    return certain & (_ALWAYS | every), enabled & (_ALWAYS | every)


def _between(
    setting: Setting,
    first: CpuidTable,
    cpus: tuple[CpuidTable, ...],
    xcr0: tuple[int, int],
    kernel: str,
) -> CpuTraits:
    """Return the traits where it is known which components are enabled, or between which."""
    least, most = xcr0
    traits = _traits(setting, first, cpus, least)
    if least == most:
        return traits
    with_more = _traits(setting, first, cpus, most)
    if traits == with_more:
        return traits
    return replace(traits, kernel=kernel, with_more=with_more)


def _traits(
    setting: Setting, first: CpuidTable, cpus: tuple[CpuidTable, ...], xcr0: int
) -> CpuTraits:
    """Return the traits with a kernel that enables these components, where the CPU has them.

    Where bits of the first CPU are not known that others depend on, each case has its own.
    """
    is_64bit = setting.is_64bit
    features = known_features(first, is_64bit=is_64bit)
    others = [known_features(one, is_64bit=is_64bit) for one in cpus if one != first]
    has, may_have = features
    deciding = may_have & ~has & sum(_DECIDING)
    traits, *rest = dict.fromkeys(
        _case(setting, first, cpus, (case, *others), enabled, area, deciding)
        for case in alternatives(*features, _DECIDING)
        for enabled in (_enabled(setting, first, case[0], xcr0),)
        for area in _areas(first, enabled)
    )
    if traits.hole is None or not rest:
        return traits
    return replace(traits, hole=replace(traits.hole, others=tuple(rest)))


def _case(  # noqa: PLR0913, PLR0917 (each is a fact of its own)
    setting: Setting,
    first: CpuidTable,
    cpus: tuple[CpuidTable, ...],
    features: tuple[tuple[int, int], ...],
    xcr0: int,
    area: XsaveArea | None,
    deciding: int,
) -> CpuTraits:
    """Return the traits of CPUs with these features, each that it has and that it may have."""
    enabled = ~_disabled(xcr0)
    hidden = _hidden(setting.override)
    shown = may_be_shown = unknown = 0
    usable = may_be_usable = enabled
    disabled = ~enabled
    for has, may_have in features:
        usable &= has
        disabled &= has
        may_be_usable &= may_have
        unknown |= may_have & ~has
        shown |= has & enabled & ~hidden
        may_be_shown |= may_have & enabled & ~hidden
    may_be_eager = setting.is_eager is None and bool(features[0][1] & XSAVEOPT.mask)
    hole = None
    is_known = shown == may_be_shown and usable == may_be_usable and area is not None
    if may_be_eager or deciding or not is_known or first.partial:
        kinds = tuple(dict.fromkeys(models_own(table) for table in cpus))
        unrecorded = unknown & _unrecorded(cpus)
        hole = Hole(kinds, unrecorded, xcr0, enabled, deciding, may_be_eager)
    masks = shown, may_be_shown, usable, may_be_usable
    return CpuTraits(first.vendor, *masks, area, _told(setting, area), hole, disabled=disabled)


def _unrecorded(cpus: Iterable[CpuidTable]) -> int:
    """Return the features of leaves that nothing was recorded of, on some CPU.

    There are none where it is not known whether CPUs of one stepping are alike.
    """
    unrecorded = 0
    for table in cpus:
        if any(least != most for least, most in starmap(table.bounds, _DIFFERING)):
            return 0
        for key, every in JUDGED_LEAVES.items():
            if key not in table and key not in table.partial:
                unrecorded |= every
    return unrecorded


def _enabled(setting: Setting, first: CpuidTable, has: int, xcr0: int) -> int:
    """Return the components that a kernel enables, of those that it knows.

    Boot options may hide XSAVE from it, and an override does not.
    """
    if not has & seen_features(setting.boot_options) & XSAVE.mask:
        return 0
    return xcr0 & (_ALWAYS | components_of(first, has))


def _disabled(xcr0: int) -> int:
    """Return the features that do not work with these components enabled alone."""
    if not xcr0:
        return OF_XSAVE
    if not xcr0 & YMM:
        return OF_YMM
    return 0 if xcr0 & ZMM == ZMM else OF_ZMM


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


def _told(setting: Setting, area: XsaveArea | None) -> int | None:
    """Return the size that CPUID tells programs, where it is more than the area's, or 0.

    It is told by EBX of leaf 0xD, and XSAVE is not used where that is 0 or leaf 1 has no OSXSAVE.
    Less than the area's size harms programs on this node: those that live on it do not use it.
    """
    features, sizes = (
        _instead(setting.override, (leaf, 0)) for leaf in (SIGNATURE_LEAF, XSAVE_LEAF)
    )
    if features is not None and not features.ecx >> OSXSAVE.bit & 1:
        return 0
    told = None if sizes is None else sizes.ebx
    return None if told and area is not None and told <= area.size else told


def _areas(table: CpuidTable, xcr0: int) -> Iterator[XsaveArea | None]:
    """Yield the areas that XSAVE may save to; None where what tells was not recorded.

    Source: Intel SDM volume 1, 13.4: subleaf N of leaf 0xD has component N's size in EAX and
    its offset in EBX. EBX of subleaf 0 is not looked at: it is of the XCR0 of the machine that the
    dump was made on.
    """
    if not xcr0:
        yield XsaveArea()
        return
    numbers = [number for number in COMPONENTS if xcr0 >> number & 1]
    rows = [_component_row(table, number) for number in numbers]
    unknown = sum((~one & ALL_BITS).bit_count() for _, known in rows for one in known[:2])
    if unknown > _MOST_TRIED:
        yield None
        return
    for places in product(*(product(*map(_each, *row)) for row in rows)):
        components = tuple(
            Component(number, offset, offset + size)
            for number, (size, offset) in zip(numbers, places, strict=True)
        )
        yield XsaveArea(max((one.end for one in components), default=_HEADERS_END), components)


def _component_row(table: CpuidTable, number: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return a component's size and offset, and which of their bits are known."""
    values, known = table.known(XSAVE_LEAF, number)
    if 1 << number == YMM and known != EVERY_BIT:
        values, known = _AVX_PLACE, EVERY_BIT
    return values[:2], known[:2]


def _each(value: int, known: int) -> Iterator[int]:
    """Yield each number that has the bits that are known."""
    unknown = ALL_BITS & ~known
    chosen = 0
    while True:
        yield value | chosen
        # Count up in the unknown bits alone.
        chosen = (chosen | known) + 1 & unknown
        if not chosen:
            return
