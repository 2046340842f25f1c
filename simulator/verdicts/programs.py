"""Our opinion on a migration: what the kernel does not look at, and programs or restore meet.

It never changes the kernel's. Sources: facts/features.py for what programs lose;
kernel-facts.md, section 5, for the rules that live in restore itself.
"""

from collections.abc import Iterator

from simulator.facts.cpu_traits import COMPONENTS, CpuSide, XsaveArea
from simulator.facts.cpuid import XSAVE_LEAF
from simulator.facts.features import JUDGED_LEAVES, Feature, features_in
from simulator.verdicts.restore import refused_version
from simulator.verdicts.traits import ContainerSide, KernelSide, NodeSide
from simulator.verdicts.verdict import Opinion, Reason, Weight

_CODES = {
    "crash": "instructions-missing",
    "wrong": "instructions-differ",
    "slower": "instructions-slower",
    "kernel": "instructions-kernel-only",
}
_HARMFUL = frozenset({"crash", "wrong"})

_YES, _NO, _NOT_RECORDED = "yes", "no", "not recorded"


def our_opinion(
    source: NodeSide, destination: NodeSide, container: ContainerSide | None = None
) -> Opinion:
    """Return what we say of moving a container; without one, of one that uses all there is."""
    used_fpu = container is None or container.may_have_used_fpu
    return Opinion(
        (
            *_version_reasons(source.kernel, destination.kernel),
            *_machine_reasons(source, destination),
            *_cpu_reasons(source.cpu, destination.cpu, used_fpu=used_fpu),
        )
    )


def _version_reasons(source: KernelSide, destination: KernelSide) -> Iterator[Reason]:
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


def _machine_reasons(source: NodeSide, destination: NodeSide) -> Iterator[Reason]:
    """Compare what both nodes are; vendors are empty on ia64."""
    one, other = source.cpu.vendor, destination.cpu.vendor
    if bool(one) != bool(other):
        yield Reason(
            "architecture-differs",
            Weight.REFUSES,
            source=_architecture(one),
            destination=_architecture(other),
        )
    elif one != other:
        yield Reason("vendor-differs", Weight.REMARK, source=one, destination=other)
    if source.kernel.is_64_bit and not destination.kernel.is_64_bit:
        yield Reason("kernel-narrower", Weight.UNKNOWN, source="64 bits", destination="32 bits")


def _architecture(vendor: str) -> str:
    return "x86" if vendor else "ia64"


def _cpu_reasons(source: CpuSide, destination: CpuSide, *, used_fpu: bool) -> Iterator[Reason]:
    """Compare two CPUs of one architecture: ia64 has nothing of what is compared."""
    if not (source.vendor and destination.vendor):
        return
    yield from _instruction_reasons(source, destination, used_fpu=used_fpu)
    yield from _leaf_reasons(source, destination, used_fpu=used_fpu)
    if used_fpu:
        yield from _area_reasons(source.area, destination.area)


def _instruction_reasons(
    source: CpuSide, destination: CpuSide, *, used_fpu: bool
) -> Iterator[Reason]:
    """Name the instruction sets that programs were shown, and that do not work there."""
    for row in features_in(source.shown & ~destination.may_be_usable):
        yield Reason(
            _CODES[row.effect],
            Weight.REFUSES if _is_harmful(row, used_fpu=used_fpu) else Weight.REMARK,
            feature=row.name,
            place=row.place,
            source=_YES,
            destination=_NO,
            needed_by=_who_needs(row, used_fpu=used_fpu),
        )


def _is_harmful(row: Feature, *, used_fpu: bool) -> bool:
    """Tell whether the loss of it would harm a program of the container."""
    return row.effect in _HARMFUL and (used_fpu or not row.state)


def _who_needs(row: Feature, *, used_fpu: bool) -> str:
    if row.effect == "kernel":
        return ""
    if used_fpu or not row.state:
        return "programs that use it"
    return "nobody so far: no process has used the FPU"


def _leaf_reasons(source: CpuSide, destination: CpuSide, *, used_fpu: bool) -> Iterator[Reason]:
    """Say which leaves were not recorded of a side and would matter to programs."""
    certain = source.shown & ~destination.may_be_usable
    unsure = source.may_be_shown & ~destination.usable & ~certain
    for (leaf, subleaf), judged in JUDGED_LEAVES.items():
        rows = features_in(unsure & judged)
        harmful = [row for row in rows if _is_harmful(row, used_fpu=used_fpu)]
        bits = sum(row.mask for row in harmful)
        if bits:
            yield Reason(
                "cpuid-not-recorded",
                Weight.UNKNOWN,
                feature=" ".join(row.name for row in harmful),
                place=f"CPUID {leaf:#010x} subleaf {subleaf}",
                source=_NOT_RECORDED if bits & ~source.shown else _YES,
                destination=_NOT_RECORDED if bits & destination.may_be_usable else _NO,
            )


def _area_reasons(source: XsaveArea | None, destination: XsaveArea | None) -> Iterator[Reason]:
    """Compare the areas that the FPU's state is saved in: restore copies what fits, as it is."""
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
