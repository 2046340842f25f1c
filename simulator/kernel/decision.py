"""CPT_TEST_VECAPS and CPT_TEST_CAPS: what a container needs, and what a kernel decides about it.

Pure functions over masks. Texts and order are the kernel's; sources: the trees in generations.py
and the recordings. Decisions are tested against every row of the kernels' own decision functions.
The simulated kernel's answers and the verdict on restore are both made from what ``refusals``
returns.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from msgspec import Struct

from simulator.facts.bits import (
    CPT_CPU_X86_IA64,
    CPT_CPU_X86_SEP,
    CPT_CPU_X86_SSE4_2,
    CPT_CPU_X86_SYSCALL32,
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
from simulator.facts.capabilities import (
    IA64,
    NodeFacts,
    capability_bounds,
    eager_fpu,
    has_eager_fpu,
    has_sysenter,
    node_capabilities,
)
from simulator.facts.generations import Generation, Vecaps2
from simulator.kernel.containers import Contents, Needs, Process

NO_CPU_FEATURE = 1
UNSUPPORTED_FEATURE = 2
NO_IPV6_MODULE = 3
NO_MNT_NAMESPACES = 5

SLM_TEXT = "SLM is enabled on destination node, but slm_dmprst module is not loaded"
NAMESPACES_TEXT = "Mount namespaces migration support is not present on destination node"

#: A refusal that no bit of a capability number stands for: the destination has SLM enabled.
DESTINATION_SLM = 1 << 32

_SLM = mask(CPT_SLM_DMPRST)
_NO_IPV6 = mask(CPT_NO_IPV6)
_NAMESPACES = mask(CPT_NAMESPACES)
_SSE4_2 = mask(CPT_CPU_X86_SSE4_2)

#: A need: capability bits, and the kernel's diagnostic (mostly empty).
_Need = tuple[int, str]

#: What CPT_TEST_VECAPS looks at in an offered number beside the bits that it compares.
OTHER_BITS = _SLM | _NO_IPV6 | _NAMESPACES


class Decision(Struct, frozen=True, gc=False):
    """The kernel's result code, its diagnostics (without ``Error: ``), and the features.

    ``unsupported_caps`` are the container's unsupported features as CPT_TEST_VECAPS2 knows
    them, 0 where the kernel has no such request.
    """

    result: int
    messages: tuple[str, ...]
    unsupported_caps: int


def bits_looked_at(generation: Generation, compared: int) -> int:
    """Return the bits that a kernel looks at when it compares bits of needs."""
    tested = compared & ~_SSE4_2
    return tested | 1 << generation.sse4_2_bit if compared & _SSE4_2 else tested


def by_word(generation: Generation, caps: int) -> int:
    """Return bits with CPT_CPU_X86_SSE4_2 as the bit is that is looked at for its word."""
    return caps & ~_SSE4_2 | (caps >> generation.sse4_2_bit & 1) << CPT_CPU_X86_SSE4_2


def missing_bits(
    generation: Generation, compared: int, required_caps: int, offered_caps: int
) -> int:
    """Return the bits, of those compared, that a kernel finds missing on the destination."""
    return by_word(generation, required_caps & ~offered_caps) & compared


def refusals(generation: Generation, required_caps: int, offered_caps: int) -> int:
    """Return all that CPT_TEST_VECAPS has against a container; 0 where it lets it go.

    A bit stands for what the kernel writes of it: a feature that the destination lacks
    (``vecaps_bits``), something of the container's that is unsupported (``unsupported_mask``), no
    IPv6 and no mount namespaces on the destination, DESTINATION_SLM.
    """
    return refused_by(generation, offered_caps)(required_caps)


def refused_by(generation: Generation, offered_caps: int) -> Callable[[int], int]:
    """Return ``refusals`` as a function of what containers need: many go to one destination."""
    lacking, compared = ~offered_caps, generation.vecaps_bits
    if_needed = lacking & compared & ~_SSE4_2 | generation.unsupported_mask
    if generation.tests_namespaces:
        if_needed |= lacking & _NAMESPACES
    if_not_needed = offered_caps & _NO_IPV6 if generation.ipv6_text else 0
    always = DESTINATION_SLM if generation.slm_result and offered_caps & _SLM else 0
    looked_at = lacking & bits_looked_at(generation, compared & _SSE4_2)

    def refused(required_caps: int) -> int:
        found = required_caps & if_needed | ~required_caps & if_not_needed | always
        return found | _SSE4_2 if required_caps & looked_at else found

    return refused


def decide(generation: Generation, required_caps: int, offered_caps: int) -> Decision:
    """Decide about a container; each later refusal overrides the result of an earlier one."""
    refused = refusals(generation, required_caps, offered_caps)
    unsupported_caps = refused & generation.unsupported_mask
    others = refused & ~unsupported_caps
    words = [WORDS[bit] for bit in bits_with_words(others)]
    result = NO_CPU_FEATURE if words else 0
    messages = [f"Destination cpu does not have {word}" for word in words]
    if others & DESTINATION_SLM:
        result = generation.slm_result
        messages.append(SLM_TEXT)
    if unsupported_caps:
        result = UNSUPPORTED_FEATURE
    if others & _NO_IPV6:
        result = NO_IPV6_MODULE
        messages.append(generation.ipv6_text)
    if others & _NAMESPACES:
        result = NO_MNT_NAMESPACES
        messages.append(NAMESPACES_TEXT)
    if generation.vecaps2 is Vecaps2.ABSENT:
        unsupported_caps = 0
    return Decision(result, tuple(messages), unsupported_caps)


# What a container needs


def gather(contents: Contents, facts: NodeFacts) -> Needs:
    """Gather a running container's needs on the node that it runs on.

    MissingLeafError where they depend on bits of the node's CPU that are not known.
    """
    needs, most = gather_bounds(contents, facts)
    if needs != most:
        node_capabilities(facts)
        has_eager_fpu(facts)
    return needs


@lru_cache(maxsize=4096)
def gather_bounds(contents: Contents, facts: NodeFacts) -> tuple[Needs, Needs]:
    """Gather what a container certainly needs, and what it may need, where the CPU is not known."""
    least, most = capability_bounds(facts)
    is_eager = eager_fpu(facts)
    needs = _gathered(contents, facts, least, is_eager=bool(is_eager))
    if least == most and is_eager is not None:
        return needs, needs
    return needs, _gathered(contents, facts, most, is_eager=is_eager is not False)


def _gathered(contents: Contents, facts: NodeFacts, own: int, *, is_eager: bool) -> Needs:
    found = list(_needs(contents, facts, own, is_eager=is_eager))
    caps = 0
    for bits, _ in found:
        caps |= bits
    return Needs(caps, tuple(text for _, text in found if text))


def _needs(contents: Contents, facts: NodeFacts, own: int, *, is_eager: bool) -> Iterator[_Need]:
    """Yield the needs in the kernel's order, on a node whose capability bits are ``own``."""
    generation = facts.release.generation
    yield own & generation.always_bits, ""
    if generation.carries_no_ipv6:
        yield own & mask(CPT_NO_IPV6), ""
    if own & mask(CPT_SLM_DMPRST):
        yield mask(CPT_SLM_DMPRST), "SLM is enabled, but slm_dmprst module is not loaded"
    for name in contents.unsupported_devices[:1]:  # The kernel stops at the first one.
        yield mask(CPT_UNSUPPORTED_NETDEV), f"unsupported netdevice {name}"
    for process in contents.processes:
        if process.kernel_thread and generation.skips_kernel_threads:
            continue
        if process.used_fpu or is_eager:
            yield own & generation.fpu_bits, ""
        yield _entry_bits(process, facts) & own, ""
        yield from _unsupported(process, facts)
    for fstype in contents.unsupported_mounts:
        yield mask(CPT_UNSUPPORTED_FSTYPE), f"Unsupported filesystem {fstype}"


def _entry_bits(process: Process, facts: NodeFacts) -> int:
    """Return the capability bits of the way that a process enters the kernel."""
    generation = facts.release.generation
    if facts.machine == IA64:
        return mask(CPT_CPU_X86_IA64)
    if process.bits == 64:
        return generation.long_mode_bits
    if not (generation.sees_vdso and process.vdso):
        return 0
    return mask(CPT_CPU_X86_SEP if has_sysenter(facts) else CPT_CPU_X86_SYSCALL32)


def _unsupported(process: Process, facts: NodeFacts) -> Iterator[_Need]:
    generation = facts.release.generation
    host_first = f"{process.host_pid}/{process.pid}({process.name})"
    guest_first = f"{process.pid}/{process.host_pid}({process.name})"
    if process.entered is not None:
        where = "inside CT (e.g. vzctl enter or vzctl exec)."
        yield mask(CPT_EXTERNAL_PROCESS), f"{process.entered.value} {guest_first} {where}"
    if process.private_mounts:
        text = f"namespaces are not supported: process {guest_first}"
        yield mask(CPT_NAMESPACES), text if generation.namespaces_text else ""
    if process.policy not in generation.policies:
        yield mask(CPT_SCHEDULER_POLICY), f"scheduler policy is not supported {guest_first}"
    if process.traced and facts.traces:
        yield mask(CPT_PTRACED_FROM_VE0), f"task {host_first} is ptraced from host system"
    # From 042stab088 on, the second is the node's again.
    second_pid = process.host_pid if generation.repeats_host_pid else process.pid
    pids = f"{process.host_pid},{second_pid}({process.name})"
    if process.mempolicy:
        yield mask(CPT_UNSUPPORTED_MISC), f"NUMA mempolicy is used by {pids}"
    if process.keys:
        yield mask(CPT_UNSUPPORTED_MISC), f"keys are used by {pids}"
