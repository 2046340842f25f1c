"""What a container needs of a destination, gathered as CPT_TEST_VECAPS does.

Texts and order are the kernel's; sources: the trees in generations.py and the recordings.
"""

from collections.abc import Iterator
from functools import lru_cache

from simulator.facts.bits import (
    CPT_CPU_X86_IA64,
    CPT_CPU_X86_SEP,
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
    mask,
)
from simulator.facts.capabilities import (
    IA64,
    NodeFacts,
    has_eager_fpu,
    has_sysenter,
    node_capabilities,
)
from simulator.kernel.containers import Contents, Needs, Process

#: A need: capability bits, and the kernel's diagnostic (mostly empty).
_Need = tuple[int, str]


@lru_cache(maxsize=4096)
def gather(contents: Contents, facts: NodeFacts) -> Needs:
    """Gather a running container's needs on the node that it runs on."""
    found = [
        *_always(facts),
        *_of_devices(contents),
        *_of_processes(contents, facts),
        *_of_mounts(contents),
    ]
    caps = 0
    for bits, _ in found:
        caps |= bits
    return Needs(caps, tuple(text for _, text in found if text))


def _always(facts: NodeFacts) -> Iterator[_Need]:
    generation = facts.release.generation
    own = node_capabilities(facts)
    yield own & generation.always_bits, ""
    if generation.carries_no_ipv6:
        yield own & mask(CPT_NO_IPV6), ""
    if own & mask(CPT_SLM_DMPRST):
        yield mask(CPT_SLM_DMPRST), "SLM is enabled, but slm_dmprst module is not loaded"


def _of_devices(contents: Contents) -> Iterator[_Need]:
    """Yield the need of the first unsupported device only, as the kernel does."""
    for name in contents.unsupported_devices[:1]:
        yield mask(CPT_UNSUPPORTED_NETDEV), f"unsupported netdevice {name}"


def _of_mounts(contents: Contents) -> Iterator[_Need]:
    for fstype in contents.unsupported_mounts:
        yield mask(CPT_UNSUPPORTED_FSTYPE), f"Unsupported filesystem {fstype}"


def _of_processes(contents: Contents, facts: NodeFacts) -> Iterator[_Need]:
    own = node_capabilities(facts)
    eager = has_eager_fpu(facts)
    for process in contents.processes:
        if process.kernel_thread and facts.release.generation.skips_kernel_threads:
            continue
        if process.used_fpu or eager:
            yield own & facts.release.generation.fpu_bits, ""
        yield _entry_bits(process, facts) & own, ""
        yield from _unsupported(process, facts)


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
    pids = f"{process.host_pid},{_second_pid(process, facts)}({process.name})"
    if process.mempolicy:
        yield mask(CPT_UNSUPPORTED_MISC), f"NUMA mempolicy is used by {pids}"
    if process.keys:
        yield mask(CPT_UNSUPPORTED_MISC), f"keys are used by {pids}"


def _second_pid(process: Process, facts: NodeFacts) -> int:
    """Return the second pid in two diagnostics: from 042stab088 on, the node's again."""
    return process.host_pid if facts.release.generation.repeats_host_pid else process.pid
