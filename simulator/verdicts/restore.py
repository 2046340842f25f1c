"""The kernel's opinion on a migration: what vzcptcheck's questions on both nodes come to.

Source: kernel-facts.md, sections 3, 5 and 6, by way of generations.py and decision.py. That the
verdict is what the two commands on the two simulated nodes say is a test over all fixtures.
"""

from collections.abc import Iterator

from simulator.facts.bits import (
    CPT_BIND_MOUNT,
    CPT_CPU_X86_IA64,
    CPT_CPU_X86_SSE4_2,
    CPT_EXTERNAL_PROCESS,
    CPT_NAMESPACES,
    CPT_NO_IPV6,
    CPT_PTRACED_FROM_VE0,
    CPT_SCHEDULER_POLICY,
    CPT_SLM_DMPRST,
    CPT_UNSUPPORTED_FSTYPE,
    CPT_UNSUPPORTED_MISC,
    CPT_UNSUPPORTED_NETDEV,
    WORDS,
    bits_with_words,
    mask,
)
from simulator.facts.capabilities import PLACES
from simulator.facts.generations import ASKED_VERSIONS, Generation
from simulator.kernel.containers import State
from simulator.kernel.decision import DESTINATION_SLM, bits_looked_at, missing_bits, refusals
from simulator.kernel.kernel import CPT, RST
from simulator.verdicts.traits import ContainerSide, KernelSide
from simulator.verdicts.verdict import Opinion, Reason, Weight
from vzcptcheck.versions import describe

#: A container that cannot be asked about: what is said of it.
_NOT_RUNNING = {
    State.STOPPED: "container-not-running",
    State.STOPPING: "container-not-running",
    State.LOCKED: "container-locked",
    State.SUSPENDED: "container-suspended",
}

#: What cannot be checkpointed, by its capability bit.
_UNSUPPORTED = {
    CPT_EXTERNAL_PROCESS: "container-entered",
    CPT_NAMESPACES: "container-namespaces",
    CPT_SCHEDULER_POLICY: "container-scheduler",
    CPT_PTRACED_FROM_VE0: "container-traced",
    CPT_UNSUPPORTED_FSTYPE: "container-filesystem",
    CPT_BIND_MOUNT: "container-filesystem",
    CPT_UNSUPPORTED_NETDEV: "container-netdevice",
    CPT_UNSUPPORTED_MISC: "container-misc",
    CPT_SLM_DMPRST: "source-slm-module",
}


def kernel_opinion(
    source: KernelSide, destination: KernelSide, container: ContainerSide | None = None
) -> Opinion:
    """Return what both kernels say of moving a container, or any container at all."""
    return Opinion(
        (
            *_module_reasons(source, destination),
            *_version_reasons(source, destination),
            *_number_reasons(destination),
            *(() if container is None else _container_reasons(source, destination, container)),
        )
    )


def _module_reasons(source: KernelSide, destination: KernelSide) -> Iterator[Reason]:
    """Open the files: without one of them none of its questions has an answer."""
    missing = "not loaded"
    if not source.has_cpt:
        yield Reason("module-missing", Weight.UNKNOWN, feature="vzcpt", place=CPT, source=missing)
    if not destination.has_rst:
        yield Reason(
            "module-missing", Weight.UNKNOWN, feature="vzrst", place=RST, destination=missing
        )


def _version_reasons(source: KernelSide, destination: KernelSide) -> Iterator[Reason]:
    """Ask 'version' of the source, and 'version NUM' of the destination."""
    if not source.has_cpt:
        return
    if not source.generation.has_test_version:
        yield Reason("version-not-told", Weight.UNKNOWN, source=source.generation_name)
        return
    if not destination.has_rst:
        return
    version = source.generation.image_version
    if not destination.generation.has_test_version:
        yield Reason(
            "version-not-tested",
            Weight.REMARK,
            source=describe(version),
            destination=destination.generation_name,
        )
    elif not destination.generation.restores(version):
        yield refused_version("version", version, destination.generation)


def refused_version(prefix: str, version: int, generation: Generation) -> Reason:
    """Return the reason that a kernel does not restore images of a version.

    Its code says whether the version is too new or too old, beside those of its family (8 bits
    of it) that the kernel takes, or of a family of which it takes none.
    """
    taken = [one for one in ASKED_VERSIONS if generation.restores(one)]
    family = [one for one in taken if one & 0xFF00 == version & 0xFF00]
    why = "too-new" if version > max(family, default=version) else "too-old"
    if not family:
        why = "other-family"
    return Reason(
        f"{prefix}-{why}",
        Weight.REFUSES,
        source=describe(version),
        destination=", ".join(map(describe, taken)),
    )


def _number_reasons(destination: KernelSide) -> Iterator[Reason]:
    """Ask 'caps' of the destination: 0 is no answer."""
    if destination.has_rst and not destination.caps:
        yield Reason("caps-not-told", Weight.UNKNOWN, destination="0")


def _container_reasons(
    source: KernelSide, destination: KernelSide, container: ContainerSide
) -> Iterator[Reason]:
    """Ask 'caps [CTID] CAPNUM' of the source, if the destination has told its number."""
    if not (source.has_cpt and destination.has_rst and destination.caps):
        return
    if container.is_suspended:
        yield from _suspended_reasons(source, destination)
    elif container.state in _NOT_RUNNING:
        code = _NOT_RUNNING[container.state]
        yield Reason(code, Weight.UNKNOWN, source=container.state.value)
    elif container.caps is None:
        yield Reason("needs-unknown", Weight.UNKNOWN)
    else:
        refused = refusals(source.generation, container.caps, destination.caps)
        yield from _refusal_reasons(source.generation, refused)


def _suspended_reasons(source: KernelSide, destination: KernelSide) -> Iterator[Reason]:
    """Decide as CPT_TEST_CAPS on /proc/cpt does: the whole node's bits are compared."""
    generation = source.generation
    if generation.test_caps_bits is None:
        yield Reason("caps-not-compared", Weight.REMARK, source=source.generation_name)
        return
    missing = missing_bits(generation, generation.test_caps_bits, source.caps, destination.caps)
    for bit in bits_with_words(missing):
        yield _missing_feature(generation, bit, "the source node: the container is suspended")


def _refusal_reasons(generation: Generation, refused: int) -> Iterator[Reason]:
    """Say what CPT_TEST_VECAPS has against a container: all of it, in the kernel's order."""
    unsupported = refused & generation.unsupported_mask
    others = refused & ~unsupported
    for bit in bits_with_words(others):
        yield _missing_feature(generation, bit, _who_needs(generation, bit))
    if others & DESTINATION_SLM:
        yield _refused_bit("destination-slm-module", CPT_SLM_DMPRST, destination="1")
    for bit in range(unsupported.bit_length()):
        if unsupported >> bit & 1:
            yield _refused_bit(_UNSUPPORTED.get(bit, "container-other"), bit, source="1")
    if others >> CPT_NO_IPV6 & 1:
        yield _refused_bit("destination-ipv6", CPT_NO_IPV6, source="0", destination="1")
    if others >> CPT_NAMESPACES & 1:
        yield _refused_bit("destination-namespaces", CPT_NAMESPACES, source="1", destination="0")


def _missing_feature(generation: Generation, bit: int, needed_by: str) -> Reason:
    """Name a feature by its bit's word; its place and values are of the bit that is looked at."""
    tested = generation.sse4_2_bit if bit == CPT_CPU_X86_SSE4_2 else bit
    place = f"capability bit {tested}"
    if WORDS[tested] in PLACES:
        leaf, _, register, register_bit = PLACES[WORDS[tested]]
        place = f"CPUID {leaf:#010x} {register} bit {register_bit}, {place}"
    return Reason(
        "cpu-feature-missing",
        Weight.REFUSES,
        feature=WORDS[bit],
        place=place,
        source="1",
        destination="0",
        needed_by=needed_by,
    )


def _who_needs(generation: Generation, bit: int) -> str:
    """Say through what a container comes by a need."""
    tested = bits_looked_at(generation, mask(bit))
    if tested & generation.always_bits:
        return "every container"
    if tested & generation.fpu_bits:
        return "processes that have used the FPU"
    if tested & generation.long_mode_bits:
        return "64-bit processes"
    return "ia64 processes" if tested & mask(CPT_CPU_X86_IA64) else "32-bit processes"


def _refused_bit(code: str, bit: int, *, source: str = "", destination: str = "") -> Reason:
    place = f"capability bit {bit}"
    return Reason(code, Weight.REFUSES, place=place, source=source, destination=destination)
