"""Our opinion on a migration: what the kernel does not look at, and programs or restore meet.

It never changes the kernel's. Sources: facts/features.txt for what programs lose;
kernel-facts.md, section 5, for the rules that live in restore itself.
"""

from collections.abc import Iterator
from functools import cache, lru_cache

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.cpu_traits import COMPONENTS, CpuTraits, XsaveArea
from simulator.facts.cpuid import ALL_BITS, XSAVE_LEAF
from simulator.facts.features import FEATURES, JUDGED, JUDGED_LEAVES, Feature, features_in
from simulator.verdicts.restore import refused_version
from simulator.verdicts.traits import ContainerTraits, KernelTraits, NodeTraits
from simulator.verdicts.verdict import Finding, Opinion, Reason, Verdict, Weight

_CODES = {
    "crash": "instructions-missing",
    "wrong": "instructions-differ",
    "slower": "instructions-slower",
    "kernel": "instructions-kernel-only",
}

_WITH_EFFECT = {
    effect: sum(one.mask for one in FEATURES if one.effect == effect) for effect in _CODES
}

#: Features whose loss harms a program that uses them, and those that take the FPU to be used.
_HARMFUL = _WITH_EFFECT["crash"] | _WITH_EFFECT["wrong"]
_NEEDS_FPU = JUDGED & ~_WITH_EFFECT["kernel"] & sum(one.mask for one in FEATURES if one.state)

#: The places in masks at which a register of CPUID begins.
_REGISTERS = [shift for shift in range(0, JUDGED.bit_length(), 32) if JUDGED >> shift & ALL_BITS]

#: Nodes of a large fleet have few CPUs: so many pairs of their XSAVE areas are remembered.
_MOST_REMEMBERED = 1 << 14

_YES, _NO, _NOT_RECORDED = "yes", "no", "not recorded"


class Losses(Struct, frozen=True, cache_hash=True, gc=False):
    """Features that programs were shown and that do not work on the destination, as masks.

    ``unused`` are those of them that no process can have used so far, as none has used the FPU;
    ``waived`` those whose code does not count.
    """

    lost: int
    unused: int
    waived: int = 0

    @property
    def verdict(self) -> Verdict:
        """Not possible where the loss would harm a program."""
        harmful = self.lost & _HARMFUL & ~self.unused & ~self.waived
        return Verdict.NOT_POSSIBLE if harmful else Verdict.POSSIBLE

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Every feature by its name, in the order of the table."""
        found: tuple[Reason, ...] = ()
        for shift in _REGISTERS:
            lost = self.lost >> shift & ALL_BITS
            if lost:
                unused, waived = self.unused >> shift & ALL_BITS, self.waived >> shift & ALL_BITS
                found += _lost_in(shift, lost, unused, waived)
        return found

    @property
    def size(self) -> int:
        """How many reasons there are: a bit each."""
        return self.lost.bit_count()

    def waive(self, codes: frozenset[str]) -> "Losses":
        """Return the losses, with those marked whose code is one of these."""
        effects = (effect for effect, code in _CODES.items() if code in codes)
        return replace(self, waived=self.lost & sum(_WITH_EFFECT[effect] for effect in effects))


def our_opinion(
    source: NodeTraits, destination: NodeTraits, container: ContainerTraits | None = None
) -> Opinion:
    """Return what we say of moving a container; without one, of one that uses all there is."""
    uses_fpu = container is None or container.may_have_used_fpu
    return Opinion(
        (
            *_version_reasons(source.kernel, destination.kernel),
            *_vendor_reasons(source.cpu.vendor, destination.cpu.vendor),
            *_width_reasons(source.kernel, destination.kernel),
            *_cpu_findings(source.cpu, destination.cpu, uses_fpu=uses_fpu),
        )
    )


def opinion_on_kernels(source: KernelTraits, destination: KernelTraits) -> Opinion:
    """Return what we say of two kernels alone; their capability numbers make no difference."""
    return Opinion((*_version_reasons(source, destination), *_width_reasons(source, destination)))


def opinion_on_cpus(source: CpuTraits, destination: CpuTraits, *, uses_fpu: bool) -> Opinion:
    """Return what we say of two nodes' CPUs alone."""
    vendors = _vendor_reasons(source.vendor, destination.vendor)
    return Opinion((*vendors, *_cpu_findings(source, destination, uses_fpu=uses_fpu)))


def _version_reasons(source: KernelTraits, destination: KernelTraits) -> Iterator[Reason]:
    """Say what restore makes of the image, where its kernel is not asked."""
    is_asked = (
        source.has_cpt
        and source.generation.has_test_version
        and destination.has_rst
        and destination.generation.has_test_version
    )
    version = source.generation.image_version
    if not is_asked and not destination.generation.restores(version):
        yield refused_version("restore-version", version, destination.generation)


def _width_reasons(source: KernelTraits, destination: KernelTraits) -> Iterator[Reason]:
    if source.is_64_bit and not destination.is_64_bit:
        yield Reason("kernel-narrower", Weight.UNKNOWN, source="64 bits", destination="32 bits")


@cache
def _vendor_reasons(source: str, destination: str) -> tuple[Reason, ...]:
    """Compare what both CPUs are; vendors are empty on ia64."""
    if bool(source) != bool(destination):
        one, other = _architecture(source), _architecture(destination)
        return (Reason("architecture-differs", Weight.REFUSES, source=one, destination=other),)
    if source == destination:
        return ()
    return (Reason("vendor-differs", Weight.REMARK, source=source, destination=destination),)


def _architecture(vendor: str) -> str:
    return "x86" if vendor else "ia64"


def _cpu_findings(
    source: CpuTraits, destination: CpuTraits, *, uses_fpu: bool
) -> Iterator[Finding]:
    """Compare two CPUs of one architecture: ia64 has nothing of what is compared."""
    if not (source.vendor and destination.vendor):
        return
    lost = source.shown & ~destination.may_be_usable
    if lost:
        yield Losses(lost, 0 if uses_fpu else lost & _NEEDS_FPU)
    unsure = source.may_be_shown & ~destination.usable & ~lost & _HARMFUL
    if not uses_fpu:
        unsure &= ~_NEEDS_FPU
    if unsure:
        yield from _leaf_reasons(unsure, source, destination)
    if uses_fpu:
        yield from _area_reasons(source.area, destination.area)


@cache
def _lost_in(shift: int, lost: int, unused: int, waived: int) -> tuple[Reason, ...]:
    """Name the features that are lost in one register of CPUID."""
    return tuple(
        _lost(feature.mask, is_unused=bool(unused & bit), is_waived=bool(waived & bit))
        for feature in features_in(lost << shift)
        for bit in (feature.mask >> shift,)
    )


@cache
def _lost(mask: int, *, is_unused: bool, is_waived: bool) -> Reason:
    """Name a feature that programs were shown, and that does not work there."""
    (feature,) = features_in(mask)
    return Reason(
        _CODES[feature.effect],
        Weight.REFUSES if mask & _HARMFUL and not is_unused else Weight.REMARK,
        feature=feature.name,
        place=feature.place,
        source=_YES,
        destination=_NO,
        needed_by=_who_needs(feature, is_unused=is_unused),
        is_waived=is_waived,
    )


def _who_needs(feature: Feature, *, is_unused: bool) -> str:
    if feature.effect == "kernel":
        return ""
    return "nobody so far: no process has used the FPU" if is_unused else "programs that use it"


def _leaf_reasons(unsure: int, source: CpuTraits, destination: CpuTraits) -> Iterator[Reason]:
    """Say which leaves were not recorded of a traits and would matter to programs."""
    for (leaf, subleaf), judged in JUDGED_LEAVES.items():
        bits = unsure & judged
        if bits:
            yield Reason(
                "cpuid-not-recorded",
                Weight.UNKNOWN,
                feature=" ".join(feature.name for feature in features_in(bits)),
                place=f"CPUID {leaf:#010x} subleaf {subleaf}",
                source=_NOT_RECORDED if bits & ~source.shown else _YES,
                destination=_NOT_RECORDED if bits & destination.may_be_usable else _NO,
            )


@lru_cache(_MOST_REMEMBERED)
def _area_reasons(source: XsaveArea | None, destination: XsaveArea | None) -> tuple[Reason, ...]:
    """Compare the areas that the FPU's state is saved in: restore copies what fits, as it is."""
    return tuple(_area_differences(source, destination))


def _area_differences(source: XsaveArea | None, destination: XsaveArea | None) -> Iterator[Reason]:
    if source is None or destination is None:
        yield Reason(
            "xsave-not-recorded",
            Weight.UNKNOWN,
            place=f"CPUID {XSAVE_LEAF:#010x}",
            source=_size(source),
            destination=_size(destination),
        )
        return
    for number, name in enumerate(COMPONENTS):
        if source.components & ~destination.components & 1 << number:
            yield Reason(
                "xsave-component-missing",
                Weight.REFUSES,
                feature=name,
                place=f"CPUID {XSAVE_LEAF:#010x} eax bit {number}",
                source=_YES,
                destination=_NO,
            )
    places = dict(destination.offsets)
    for number, offset in source.offsets:
        if places.get(number, offset) != offset:
            yield Reason(
                "xsave-layout-differs",
                Weight.REFUSES,
                feature=COMPONENTS[number],
                place=f"CPUID {XSAVE_LEAF:#010x} subleaf {number} ebx",
                source=f"at byte {offset}",
                destination=f"at byte {places[number]}",
            )
    if source.size > destination.size:
        yield Reason(
            "xsave-area-smaller",
            Weight.REFUSES,
            place=f"CPUID {XSAVE_LEAF:#010x}",
            source=_size(source),
            destination=_size(destination),
        )


def _size(area: XsaveArea | None) -> str:
    return _NOT_RECORDED if area is None else f"{area.size} bytes"
