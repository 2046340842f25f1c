"""The verdict on programs: what the kernel does not look at, and programs or restore meet.

Sources: facts/features.txt for what programs lose;
kernel-facts.md, section 5, for the rules that live in restore itself.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import product

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.cpu_traits import COMPONENTS, USERS, CpuTraits, XsaveArea
from simulator.facts.cpuid import ALL_BITS, XSAVE_LEAF, CpuidTable, MissingLeafError
from simulator.facts.features import (
    FEATURES,
    HARMFUL,
    JUDGED,
    JUDGED_LEAVES,
    XSAVEOPT,
    Feature,
    features_in,
)
from simulator.verdicts.restore import refused_version
from simulator.verdicts.traits import ContainerTraits, KernelTraits, NodeTraits
from simulator.verdicts.verdict import VERDICTS_BY_HARM, Finding, Opinion, Reason, Verdict, Weight

_CODES = {
    "crash": "instructions-missing",
    "wrong": "instructions-differ",
    "slower": "instructions-slower",
    "kernel": "instructions-kernel-only",
}

#: The code of a crash that the destination's kernel makes, and not its CPU.
_NOT_ENABLED = "instructions-not-enabled"

_WITH_EFFECT = {
    effect: sum(one.mask for one in FEATURES if one.effect == effect) for effect in _CODES
}

#: Features that take the FPU to be used.
_NEEDS_FPU = JUDGED & ~_WITH_EFFECT["kernel"] & sum(one.mask for one in FEATURES if one.state)

#: The places in masks at which a register of CPUID begins.
_REGISTERS = [shift for shift in range(0, JUDGED.bit_length(), 32) if JUDGED >> shift & ALL_BITS]

#: Nodes of a large fleet have few CPUs: so many pairs of their XSAVE areas are remembered.
_MOST_REMEMBERED = 1 << 14

#: Where the area is told of, its least size where XSAVE is on, and a size that none reaches.
_AREA_PLACE = f"CPUID {XSAVE_LEAF:#010x}"
_LEAST_SIZE = 576
_ANY_SIZE = float("inf")

_YES, _NO, _NOT_RECORDED = "yes", "no", "not recorded"


class Losses(Struct, frozen=True, cache_hash=True, gc=False):
    """Features that programs were shown and that do not work on the destination, as masks.

    ``unused`` are those of them that no process can have used so far, as none has used the FPU;
    ``disabled`` those that the destination's CPU has and its kernel does not enable, ``waived``
    those whose code does not count.
    """

    lost: int
    unused: int
    disabled: int = 0
    waived: int = 0

    @property
    def verdict(self) -> Verdict:
        """Not possible where the loss would harm a program."""
        harmful = self.lost & HARMFUL & ~self.unused & ~self.waived
        return Verdict.NOT_POSSIBLE if harmful else Verdict.POSSIBLE

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """Every feature by its name, in the order of the table."""
        found: tuple[Reason, ...] = ()
        unused, disabled, waived = self.unused, self.disabled, self.waived
        for shift in _REGISTERS:
            lost = self.lost >> shift & ALL_BITS
            if lost:
                found += _lost_in(
                    shift,
                    lost,
                    unused >> shift & lost,
                    disabled >> shift & lost,
                    waived >> shift & lost,
                )
        return found

    @property
    def size(self) -> int:
        """How many reasons there are: a bit each."""
        return self.lost.bit_count()

    def waive(self, codes: frozenset[str]) -> "Losses":
        """Return the losses, with those marked whose code is one of these."""
        effects = (effect for effect, code in _CODES.items() if code in codes)
        waived = self.lost & ~self.disabled & sum(_WITH_EFFECT[effect] for effect in effects)
        return replace(self, waived=waived | (self.disabled if _NOT_ENABLED in codes else 0))


def programs_opinion(
    source: NodeTraits, destination: NodeTraits, container: ContainerTraits | None = None
) -> Opinion:
    """Return what a container's programs meet; without one, those of one that uses all there is."""
    uses_fpu = container is None or container.may_have_used_fpu
    kernels = source.cpt, destination.cpt
    return Opinion(
        (
            *_version_reasons(*kernels),
            *_vendor_reasons(source.cpu.vendor, destination.cpu.vendor),
            *_width_reasons(*kernels),
            *_cpu_findings(source.cpu, destination.cpu, uses_fpu=uses_fpu),
        )
    )


def opinion_on_kernels(source: KernelTraits, destination: KernelTraits) -> Opinion:
    """Return what is found on two kernels alone; their capability numbers make no difference."""
    return Opinion((*_version_reasons(source, destination), *_width_reasons(source, destination)))


def opinion_on_cpus(source: CpuTraits, destination: CpuTraits, *, uses_fpu: bool) -> Opinion:
    """Return what is found on two nodes' CPUs alone."""
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
) -> tuple[Finding, ...]:
    """Compare two CPUs of one architecture: ia64 has nothing of what is compared.

    Where it is not known which components a kernel enables, both cases are compared; kernels of
    one release enable the same. So are all cases that features which are not known make.
    """
    if not (source.vendor and destination.vendor):
        return ()
    if not (source.hole or destination.hole or source.with_more or destination.with_more):
        return tuple(_differences(source, destination, uses_fpu=uses_fpu))
    cases = [
        ((kernel, other_kernel), (one, other, use))
        for (kernel, one), (other_kernel, other) in product(_cases(source), _cases(destination))
        if kernel == other_kernel or not source.kernel or source.kernel != destination.kernel
        for use in _fpu_uses(one, uses_fpu=uses_fpu)
    ]
    found = [
        (kernels, tuple(_differences(one, other, uses_fpu=use)))
        for kernels, (one, other, use) in cases
    ]
    verdicts = {findings: Opinion(findings).verdict for _, findings in found}
    mildest = min(verdicts, key=lambda findings: VERDICTS_BY_HARM.index(verdicts[findings]))
    by_kernels: dict[tuple[bool, bool], set[Verdict]] = {}
    for kernels, findings in found:
        by_kernels.setdefault(kernels, set()).add(verdicts[findings])
    if any(len(one) > 1 for one in by_kernels.values()):
        return *mildest, _unknown_cpu(source, destination)
    is_possible = set(verdicts.values()) == {Verdict.POSSIBLE}
    if len(verdicts) == 1 or len(by_kernels) == 1 or is_possible:
        return mildest
    return *mildest, _unknown_kernel(source, destination)


def _cases(traits: CpuTraits) -> Iterator[tuple[bool, CpuTraits]]:
    """Yield the traits that a node may have, each with whether its kernel enables more."""
    for is_more, one in ((False, traits), (True, traits.with_more)):
        if one is not None:
            yield is_more, one
            if one.hole is not None:
                for other in one.hole.others:
                    yield is_more, other


def _fpu_uses(source: CpuTraits, *, uses_fpu: bool) -> tuple[bool, ...]:
    """Return whether containers may have used the FPU: all have, where every process counts so."""
    may_be_eager = source.hole is not None and source.hole.may_be_eager
    return (False, True) if may_be_eager and not uses_fpu else (uses_fpu,)


def _unknown_cpu(source: CpuTraits, destination: CpuTraits) -> Reason:
    """Say that the verdict depends on features that others depend on."""
    one, other = _undecided(source, is_source=True), _undecided(destination, is_source=False)
    if not one | other:
        sizes = _size(source.area), _size(destination.area)
        return Reason("xsave-not-recorded", Weight.UNKNOWN, "", _AREA_PLACE, *sizes)
    return Reason(
        "cpuid-not-recorded",
        Weight.UNKNOWN,
        feature=" ".join(feature.name for feature in features_in(one | other)),
        source=_NOT_RECORDED if one else "",
        destination=_NOT_RECORDED if other else "",
    )


def _undecided(traits: CpuTraits, *, is_source: bool) -> int:
    """Return the features of a node's that decide what others come to, and are not known."""
    undecided = 0
    for _, one in _cases(traits):
        if one.hole is not None:
            undecided |= one.hole.deciding
            if is_source and one.hole.may_be_eager:
                undecided |= XSAVEOPT.mask
    return undecided


def _unknown_kernel(source: CpuTraits, destination: CpuTraits) -> Reason:
    """Say that the verdict depends on what an unread kernel enables."""
    return Reason(
        "xsave-not-settled",
        Weight.UNKNOWN,
        place="XCR0",
        source=source.kernel and f"not known of {source.kernel}",
        destination=destination.kernel and f"not known of {destination.kernel}",
    )


def _differences(source: CpuTraits, destination: CpuTraits, *, uses_fpu: bool) -> Iterator[Finding]:
    lost = source.shown & ~destination.may_be_usable
    if lost:
        disabled = lost & destination.disabled & _WITH_EFFECT["crash"]
        yield Losses(lost, 0 if uses_fpu else lost & _NEEDS_FPU, disabled)
    unsure = source.may_be_shown & ~destination.usable & ~lost & HARMFUL
    if not uses_fpu:
        unsure &= ~_NEEDS_FPU
    one, other = source.hole, destination.hole
    has_same_area = False
    if one and other and _are_of_one_model(one.cpus, other.cpus):
        # Neither lacks what the other has: their kernels may disable it.
        unsure &= ~(one.unrecorded & other.unrecorded & other.enabled)
        is_recorded = source.area is not None or destination.area is not None
        has_same_area = one.xcr0 == other.xcr0 and not is_recorded
    if unsure:
        yield from _leaf_reasons(unsure, source, destination)
    if not has_same_area:
        in_use = _in_use(source.may_be_shown) if uses_fpu else 0
        yield from _area_reasons(source.area, destination.area, source.told, in_use)


@cache
def _lost_in(shift: int, lost: int, unused: int, disabled: int, waived: int) -> tuple[Reason, ...]:
    """Name the features that are lost in one register of CPUID."""
    return tuple(
        _lost(feature.mask, *(bool(mask & bit) for mask in (unused, disabled, waived)))
        for feature in features_in(lost << shift)
        for bit in (feature.mask >> shift,)
    )


@cache
def _lost(mask: int, is_unused: bool, is_disabled: bool, is_waived: bool) -> Reason:
    """Name a feature that programs were shown, and that does not work there."""
    (feature,) = features_in(mask)
    return Reason(
        _NOT_ENABLED if is_disabled else _CODES[feature.effect],
        Weight.REFUSES if mask & HARMFUL and not is_unused else Weight.REMARK,
        feature=feature.name,
        place=feature.place,
        source=_YES,
        destination=_NO,
        needed_by=_who_needs(feature, is_unused=is_unused),
        hidden_by="its kernel, which does not enable it" if is_disabled else "",
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
def _are_of_one_model(cpus: tuple[CpuidTable, ...], others: tuple[CpuidTable, ...]) -> bool:
    """Tell whether all that was recorded of both is equal, family, model and stepping with it.

    Their areas are then the same where the same of it is enabled.
    """
    return len(cpus) == len(others) and all(
        _signature(cpu) is not None
        and cpu.partial == other.partial
        and all(cpu[key] == other[key] for key in cpu if key in other)
        for cpu, other in zip(cpus, others, strict=True)
    )


def _signature(cpu: CpuidTable) -> tuple[int, int, int] | None:
    """Return the family, the model and the stepping; None where they are not known."""
    try:
        return cpu.family, cpu.model, cpu.stepping
    except MissingLeafError:
        return None


@lru_cache(_MOST_REMEMBERED)
def _in_use(shown: int) -> int:
    """Return the components that may hold something, of all that programs were shown."""
    return sum(1 << number for number in COMPONENTS if USERS[number] & shown)


@lru_cache(_MOST_REMEMBERED)
def _area_reasons(
    source: XsaveArea | None, destination: XsaveArea | None, told: int | None, in_use: int
) -> tuple[Reason, ...]:
    """Compare the areas that the FPU's state is saved in.

    Restore copies what fits, as it is. ``told`` is the size that programs took the source's for,
    ``in_use`` the mask of components that something may be in.
    """
    if source is None or destination is None:
        written = _ANY_SIZE if destination is None else destination.size
        if not in_use and written <= _room(source, told):
            return ()
        sizes = _size(source), _size(destination)
        return (Reason("xsave-not-recorded", Weight.UNKNOWN, "", _AREA_PLACE, *sizes),)
    return tuple(_area_differences(source, destination, told, in_use))


def _area_differences(
    source: XsaveArea, destination: XsaveArea, told: int | None, in_use: int
) -> Iterator[Reason]:
    used = [one for one in source.components if in_use >> one.number & 1]
    offsets = {one.number: one.offset for one in destination.components}
    for number in (one.number for one in used):
        if number not in offsets:
            yield Reason(
                "xsave-component-missing",
                Weight.REFUSES,
                feature=COMPONENTS[number],
                place=f"{_AREA_PLACE} eax bit {number}",
                source=_YES,
                destination=_NO,
            )
    for number, offset in ((one.number, one.offset) for one in used):
        if offsets.get(number, offset) != offset:
            yield Reason(
                "xsave-layout-differs",
                Weight.REFUSES,
                feature=COMPONENTS[number],
                place=f"{_AREA_PLACE} subleaf {number} ebx",
                source=f"at byte {offset}",
                destination=f"at byte {offsets[number]}",
            )
    sizes = _size(source), _size(destination)
    if any(one.end > destination.size for one in used):
        yield Reason("xsave-area-smaller", Weight.REFUSES, "", _AREA_PLACE, *sizes)
    if destination.size > _room(source, told):
        yield Reason(
            "xsave-area-larger",
            Weight.REFUSES,
            place=_AREA_PLACE,
            source=f"{told} bytes by cpuid_override" if told else sizes[0],
            destination=sizes[1],
            needed_by="programs that bind functions lazily, and save registers by XSAVE",
        )


def _room(source: XsaveArea | None, told: int | None) -> float:
    """Return the least size that programs on the source took the area for, when they started.

    Those that do not use XSAVE have room for whatever it would write.
    """
    if told == 0 or source == XsaveArea():
        return _ANY_SIZE
    return told or (_LEAST_SIZE if source is None else source.size)


def _size(area: XsaveArea | None) -> str:
    return _NOT_RECORDED if area is None else f"{area.size} bytes"
