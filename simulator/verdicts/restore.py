"""The verdict on restore: what vzcptcheck's questions on both nodes come to.

Source: kernel-facts.md, sections 3, 5 and 6, by way of generations.py and decision.py. That the
verdict is what the two commands on the two simulated nodes say is a test over all fixtures.
"""

from collections.abc import Hashable, Iterable, Iterator
from functools import cache, lru_cache

from msgspec import Struct

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
    place_of,
)
from simulator.facts.capabilities import Hidden
from simulator.facts.generations import ASKED_VERSIONS, BY_NAME, Generation, first_showing
from simulator.kernel.containers import State
from simulator.kernel.decision import (
    DESTINATION_SLM,
    OTHER_BITS,
    bits_looked_at,
    by_word,
    missing_bits,
    refusals,
    refused_by,
)
from simulator.kernel.tree import CPT, RST
from simulator.verdicts.traits import ContainerTraits, KernelTraits
from simulator.verdicts.verdict import Finding, Opinion, Reason, Verdict, Weight
from vzcptcheck.versions import describe

#: A container that cannot be asked about: what is said of it.
_NOT_RUNNING = {
    State.STOPPED: "container-not-running",
    State.STOPPING: "container-not-running",
    State.LOCKED: "container-locked",
    State.SUSPENDED: "container-suspended",
    State.UNKNOWN: "container-state-unknown",
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

#: Codes of features that the destination does not show, and what hides them, in words.
FEATURE_CODES = frozenset(
    {
        "cpu-feature-missing",
        "feature-hidden-by-kernel",
        "feature-hidden-by-32-bit-kernel",
        "feature-hidden-by-boot-option",
        "feature-hidden-by-override",
    }
)

_NOT_TOLD = "not told"

#: Nodes of a large fleet have few kernels: so many pairs of them are remembered.
_MOST_REMEMBERED = 1 << 14


class Refusals(Struct, frozen=True, cache_hash=True, gc=False):
    """What CPT_TEST_VECAPS has against a container, as masks.

    ``refused`` is what ``decision.refusals`` returns. Of it, ``unsupported`` is the container's
    own; of the features that the destination lacks, ``by_all`` are those that every container
    needs, ``by_fpu`` those of processes that have used the FPU, ``by_64_bit`` those of 64-bit
    processes. ``sse4_2_bit`` is the bit that was looked at for CPT_CPU_X86_SSE4_2. ``hidden`` is
    what of the features the destination's CPU has. Two that say the same are equal, whatever
    kernels they are from.
    """

    refused: int
    unsupported: int
    by_all: int
    by_fpu: int
    by_64_bit: int
    sse4_2_bit: int
    hidden: Hidden

    @property
    def verdict(self) -> Verdict:
        """The kernel refuses the container."""
        return Verdict.NOT_POSSIBLE

    @property
    def reasons(self) -> Iterator[Reason]:
        """All that the kernel writes, in its order."""
        others = self.refused & ~self.unsupported
        for bit in bits_with_words(others):
            tested = self.sse4_2_bit if bit == CPT_CPU_X86_SSE4_2 else bit
            yield _missing_feature(bit, tested, self._who_needs(bit), self.hidden)
        if others & DESTINATION_SLM:
            yield _refused_bit("destination-slm-module", CPT_SLM_DMPRST, destination="1")
        for bit in range(self.unsupported.bit_length()):
            if self.unsupported >> bit & 1:
                yield _refused_bit(_UNSUPPORTED.get(bit, "container-other"), bit, source="1")
        if others >> CPT_NO_IPV6 & 1:
            yield _refused_bit("destination-ipv6", CPT_NO_IPV6, source="0", destination="1")
        if others >> CPT_NAMESPACES & 1:
            yield _refused_bit(
                "destination-namespaces", CPT_NAMESPACES, source="1", destination="0"
            )

    @property
    def size(self) -> int:
        """How many reasons there are: a bit each."""
        return self.refused.bit_count()

    def waive(self, _: frozenset[str]) -> "Refusals":
        """Return what cannot be waived as it is."""
        return self

    def _who_needs(self, bit: int) -> str:
        """Say through what a container comes by a need."""
        if self.by_all >> bit & 1:
            return "every container"
        if self.by_fpu >> bit & 1:
            return "processes that have used the FPU"
        if self.by_64_bit >> bit & 1:
            return "64-bit processes"
        return "ia64 processes" if bit == CPT_CPU_X86_IA64 else "32-bit processes"


def restore_opinion(
    source: KernelTraits, destination: KernelTraits, container: ContainerTraits | None = None
) -> Opinion:
    """Return what both kernels say of moving a container, or any container at all."""
    return Answers(source, destination).on(container)


class Answers:
    """What two kernels answer when they are asked about moving containers, one after the other.

    Equal opinions are mostly one and the same. What is refused of a running container is worked
    out as a mask; few masks are different.
    """

    def __init__(self, source: KernelTraits, destination: KernelTraits) -> None:
        self._source = source
        self._destination = destination
        self._on_kernels = opinion_on_kernels(source, destination)
        self._is_asked = _is_asked(source, destination)
        offered = destination.caps | destination.may_caps
        self._refused = refused_by(source.generation, offered)
        self._by_refused: dict[int, Opinion] = {}

    def on(self, container: ContainerTraits | None) -> Opinion:
        """Ask 'caps [CTID] CAPNUM' of the source, if the destination has told its number."""
        if container is None or not self._is_asked:
            return self._on_kernels
        if container.caps is None or container.state in _NOT_RUNNING or container.is_suspended:
            return _put_together(self._on_kernels, self._on_no_needs(container))
        refused = self._refused(container.caps)
        opinion = self._by_refused.get(refused)
        if opinion is None:
            opinion = self._by_refused[refused] = self._refuse(refused)
        if container.may_caps | self._destination.may_caps:
            return _put_together(opinion, self._not_told(container, refused))
        return opinion

    def _on_no_needs(self, container: ContainerTraits) -> Iterator[Reason]:
        """Say what is found on a container of which the kernel tells no needs."""
        if container.is_suspended:
            yield from _suspended_reasons(self._source, self._destination)
        elif container.state in _NOT_RUNNING:
            code = _NOT_RUNNING[container.state]
            yield Reason(code, Weight.UNKNOWN, source=container.state.value)
        else:
            yield Reason("needs-unknown", Weight.UNKNOWN)

    def _refuse(self, refused: int) -> Opinion:
        if not refused:
            return self._on_kernels
        generation, name = self._source.generation, self._source.generation_name
        looked_at = bits_looked_at(generation, refused & generation.vecaps_bits)
        hidden = self._destination.hidden.among(looked_at)
        return _with_refusals(self._on_kernels, name, refused, hidden)

    def _not_told(self, container: ContainerTraits, refused: int) -> Iterator[Reason]:
        caps, offered = container.caps or 0, self._destination.caps
        generation = self._source.generation
        may_be = refusals(generation, caps | container.may_caps, offered) & ~refused
        return _not_told(generation, may_be, caps, self._destination.may_caps, "the container")


def _put_together(opinion: Opinion, findings: Iterable[Finding]) -> Opinion:
    return Opinion((*opinion.findings, *findings))


@lru_cache(_MOST_REMEMBERED)
def opinion_on_kernels(source: KernelTraits, destination: KernelTraits) -> Opinion:
    """Return what both kernels say whatever the container is."""
    return Opinion(
        (
            *_module_reasons(source, destination),
            *_version_reasons(source, destination),
            *_number_reasons(destination),
        )
    )


def _module_reasons(source: KernelTraits, destination: KernelTraits) -> Iterator[Reason]:
    """Open the files: without one of them none of its questions has an answer."""
    missing = "not loaded"
    if not source.has_cpt:
        yield Reason("module-missing", Weight.UNKNOWN, feature="vzcpt", place=CPT, source=missing)
    if not destination.has_rst:
        yield Reason(
            "module-missing", Weight.UNKNOWN, feature="vzrst", place=RST, destination=missing
        )


def _version_reasons(source: KernelTraits, destination: KernelTraits) -> Iterator[Reason]:
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


def _number_reasons(destination: KernelTraits) -> Iterator[Reason]:
    """Ask 'caps' of the destination: 0 is no answer."""
    if destination.has_rst and not destination.caps | destination.may_caps:
        yield Reason("caps-not-told", Weight.UNKNOWN, destination="0")


@lru_cache(_MOST_REMEMBERED)
def question(source: KernelTraits, destination: KernelTraits) -> Hashable:
    """Return all that answers about containers depend on: where it is equal, they are."""
    on_kernels = opinion_on_kernels(source, destination)
    if not _is_asked(source, destination):
        return on_kernels
    generation = source.generation
    suspended = bits_looked_at(generation, generation.test_caps_bits or 0)
    running = bits_looked_at(generation, generation.vecaps_bits) | OTHER_BITS
    looked_at = suspended | running
    offered, hidden = destination.caps & looked_at, destination.hidden.among(looked_at)
    told = on_kernels, source.generation_name, source.caps & suspended, offered, hidden
    if source.may_caps | destination.may_caps:
        return told, source.may_caps & suspended, destination.may_caps & looked_at
    return told


def _is_asked(source: KernelTraits, destination: KernelTraits) -> bool:
    """Tell whether the source is asked about containers: the destination has told its number."""
    offered = destination.caps | destination.may_caps
    return source.has_cpt and destination.has_rst and offered != 0


@lru_cache(_MOST_REMEMBERED)
def _with_refusals(
    on_kernels: Opinion, generation_name: str, refused: int, hidden: Hidden
) -> Opinion:
    """Sort what is refused; the kernel returns the last refusal, this names all.

    ``hidden`` is what of the features that are refused the destination's CPU has.
    """
    generation = BY_NAME[generation_name]
    missing = refused & generation.vecaps_bits
    by_all = missing & by_word(generation, generation.always_bits)
    by_fpu = missing & by_word(generation, generation.fpu_bits) & ~by_all
    by_64_bit = missing & by_word(generation, generation.long_mode_bits) & ~(by_all | by_fpu)
    unsupported = refused & generation.unsupported_mask
    sse4_2_bit = CPT_CPU_X86_SSE4_2
    if missing >> CPT_CPU_X86_SSE4_2 & 1:
        sse4_2_bit = generation.sse4_2_bit
    found = Refusals(refused, unsupported, by_all, by_fpu, by_64_bit, sse4_2_bit, hidden)
    return _put_together(on_kernels, (found,))


def _suspended_reasons(source: KernelTraits, destination: KernelTraits) -> Iterator[Reason]:
    """Decide as CPT_TEST_CAPS on /proc/cpt does: the whole node's bits are compared."""
    generation = source.generation
    if generation.test_caps_bits is None:
        yield Reason("caps-not-compared", Weight.REMARK, source=source.generation_name)
        return
    by_node = "the source node: the container is suspended"
    compared, offered = generation.test_caps_bits, destination.caps
    missing = missing_bits(generation, compared, source.caps, offered | destination.may_caps)
    for bit in bits_with_words(missing):
        tested = generation.sse4_2_bit if bit == CPT_CPU_X86_SSE4_2 else bit
        yield _missing_feature(bit, tested, by_node, destination.hidden)
    may_be = missing_bits(generation, compared, source.caps | source.may_caps, offered) & ~missing
    yield from _not_told(generation, may_be, source.caps, destination.may_caps, by_node)


def _not_told(
    generation: Generation, may_be: int, required_caps: int, may_be_offered: int, needed_by: str
) -> Iterator[Reason]:
    """Name the features that may be refused, where the CPU of either node is known in part."""
    for bit in bits_with_words(may_be):
        tested = generation.sse4_2_bit if bit == CPT_CPU_X86_SSE4_2 else bit
        is_needed = required_caps >> tested & 1
        yield Reason(
            "feature-not-told",
            Weight.UNKNOWN,
            feature=WORDS[bit],
            place=place_of(tested),
            source="1" if is_needed else _NOT_TOLD,
            destination=_NOT_TOLD if may_be_offered >> tested & 1 else "0",
            needed_by=needed_by,
        )


@cache
def _missing_feature(bit: int, tested: int, needed_by: str, hidden: Hidden) -> Reason:
    """Name a feature by its bit's word; all else is of the bit that is looked at."""
    code, hidden_by = _what_hides(tested, hidden)
    return Reason(
        code,
        Weight.REFUSES,
        feature=WORDS[bit],
        place=place_of(tested),
        source="1",
        destination="0",
        needed_by=needed_by,
        hidden_by=hidden_by,
    )


def _what_hides(bit: int, hidden: Hidden) -> tuple[str, str]:
    """Return the code of what hides a bit, and all that does."""
    first = first_showing(bit)
    found = [
        (
            hidden.by_kernel,
            "kernel",
            f"its kernel, older than {first.label}" if first else "",
        ),
        (hidden.by_width, "32-bit-kernel", "its kernel is a 32-bit one"),
        *((bits, "boot-option", f"its boot option {name}") for name, bits in hidden.by_option),
        (hidden.by_override, "override", "its /proc/vz/cpuid_override"),
    ]
    hiding = [(cause, words) for bits, cause, words in found if bits >> bit & 1]
    if not hiding:
        return "cpu-feature-missing", ""
    return f"feature-hidden-by-{hiding[0][0]}", ", ".join(words for _, words in hiding)


@cache
def _refused_bit(code: str, bit: int, *, source: str = "", destination: str = "") -> Reason:
    place = f"capability bit {bit}"
    return Reason(code, Weight.REFUSES, place=place, source=source, destination=destination)
