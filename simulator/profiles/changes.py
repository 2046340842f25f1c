"""A node as it would be after one change: of its kernel, its boot options, or what it hides.

A changed node is composed of what was recorded, by the rules of its kernel. A reboot starts its
containers anew: those whose contents were recorded need what these contents need there. Of one
whose needs alone were recorded, what it needs of the CPU is taken to be of the same kind: what the
node no longer has goes, and what it has now counts for containers that have used the FPU.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from msgspec.structs import replace

from simulator.facts.bits import (
    CPT_CPU_X86_EMT64,
    CPT_CPU_X86_FXSR,
    CPT_CPU_X86_SEP,
    CPT_CPU_X86_SYSCALL32,
    mask,
)
from simulator.facts.capabilities import (
    IA64,
    NodeFacts,
    node_capabilities,
    shown_registers,
)
from simulator.facts.cpuid import INTEL, XSAVE_LEAF, CpuidTable, MissingLeafError
from simulator.facts.features import JUDGED_LEAVES
from simulator.facts.generations import UPGRADES, age_of
from simulator.facts.override import format_override
from simulator.kernel.containers import Container, Contents, Needs, Process
from simulator.kernel.decision import gather
from simulator.profiles.profile import (
    KernelFacts,
    NodeProfile,
    OriginKind,
    derive_answers,
    derive_needs,
)

#: The boot option that takes IPv6 from a node.
_NO_IPV6 = "ipv6.disable=1"

#: The oldest of Intel's CPUs with CPUID faulting, Ivy Bridge: their family, and their first model.
#: Source: Intel SDM volume 4, MSR_PLATFORM_INFO (0xCE) bit 31, by CPU model.
_FAULTING_FAMILY = 6
_FAULTING_MODEL = 0x3A

#: The leaves that features are hidden in.
_LEAVES = frozenset(leaf for leaf, _ in JUDGED_LEAVES) | {XSAVE_LEAF}

_HOW_TO_FIND_OUT = (
    "Look whether the node has /proc/vz/cpuid_override (on a kernel before 042stab101.5: whether "
    "'rdmsr -f 31:31 0xce' prints 1), and say so by 'vzcptsim compose --cpuid-override \"\"'."
)


class Obstacle(Enum):
    """Why a node cannot be given lines for /proc/vz/cpuid_override, or not certainly."""

    KERNEL = "its kernel is older than 042stab101.5, and has no /proc/vz/cpuid_override"
    CPU = "its CPU has no CPUID faulting, as Intel's have from Ivy Bridge on"
    FILE = "it has no /proc/vz/cpuid_override, as on CPUs without CPUID faulting"
    NOT_TOLD = "a dump does not tell whether its CPU has CPUID faulting"
    NOT_RECORDED = "not all leaves of its CPU were recorded"
    FULL = "its /proc/vz/cpuid_override is too full already"

    @property
    def remedy(self) -> str:
        """What would let it be given lines."""
        return _REMEDIES[self]


#: So many lines may stay in a table beside those that are to come: it is under 1,024 bytes then.
#: A shell's printf may write what is more in two pieces, and the second would be the whole table.
MAX_KEPT = 8

_NO_KERNEL_HELPS = "No kernel helps: give such a node its own pool, or leave it out."

_REMEDIES: Mapping[Obstacle, str] = MappingProxyType(
    {
        Obstacle.KERNEL: "Upgrade to 042stab101.5 or later: that has the file if the CPU has CPUID "
        "faulting, as Intel's from Ivy Bridge on may.",
        Obstacle.CPU: _NO_KERNEL_HELPS,
        Obstacle.FILE: _NO_KERNEL_HELPS,
        Obstacle.NOT_TOLD: _HOW_TO_FIND_OUT,
        Obstacle.NOT_RECORDED: "Record the node again.",
        Obstacle.FULL: f"Take lines out of it: {MAX_KEPT} may stay beside those that are to come.",
    }
)


class Cost(Enum):
    """What a change asks of those who run the node, the least first."""

    NO_MORE = ""
    NOTHING = "nothing: what runs there has been shown less"
    RESTART = (
        "containers that run there have to be started again: until then they keep the "
        "instructions that they were shown"
    )
    REBOOT = "a reboot, which starts the node's containers anew"


# Whether a node can hide features


def obstacle_to_masking(profile: NodeProfile) -> Obstacle | None:
    """Return why a node cannot be given lines, or not certainly; None where it can."""
    facts = profile.facts()
    if facts.cpuid is None:
        return Obstacle.CPU
    if not facts.release.generation.masked_cpuid:
        return Obstacle.KERNEL if _may_fault(facts.cpuid) else Obstacle.CPU
    if profile.cpuid_override is not None:
        return Obstacle.FULL if len(facts.override) > MAX_KEPT else None
    if profile.origin.kind is not OriginKind.COMPOSED:
        return Obstacle.FILE
    return Obstacle.NOT_TOLD if _may_fault(facts.cpuid) else Obstacle.CPU


def _may_fault(cpuid: CpuidTable) -> bool:
    """Tell whether a CPU is of a model that has CPUID faulting; a hypervisor may take it away."""
    if cpuid.vendor != INTEL or cpuid.family < _FAULTING_FAMILY:
        return False
    if cpuid.family == _FAULTING_FAMILY:
        return cpuid.model >= _FAULTING_MODEL
    return cpuid.family != 0xF


# What can be changed


def upgrades_of(profile: NodeProfile) -> tuple[str, ...]:
    """Return the releases that a node's kernel can be upgraded to, oldest first; none for ia64."""
    kernel = profile.kernel
    if kernel.machine == IA64:
        return ()
    age = age_of(kernel.release, kernel.vz_version or "")
    return tuple(release for release in UPGRADES if age_of(release) > age)


def hiding_boot_options(profile: NodeProfile) -> tuple[str, ...]:
    """Return the boot options that take something from a node that migrations depend on."""
    return tuple(one for one in profile.kernel.boot_options if _hides(profile, one))


def _hides(profile: NodeProfile, option: str) -> bool:
    return option == _NO_IPV6 or any(
        shown_registers(cpu.cpuid, (option,)) != cpu.cpuid for cpu in profile.cpus
    )


# Nodes after a change


def upgrade(profile: NodeProfile, release: str) -> NodeProfile:
    """Return a node with a newer kernel, of the same machine; ValueError where it is not newer.

    It costs Cost.REBOOT. CPU, boot options, containers and what is written to cpuid_override
    stay. What is then in /proc/cpuinfo is not known.
    """
    kernel = profile.kernel
    if age_of(release) <= age_of(kernel.release, kernel.vz_version or ""):
        raise ValueError(f"{release} is not newer than {kernel.release}")
    newer = replace(kernel, release=release, vz_version=None)
    return _rebooted(profile, newer, f"upgraded to {release}")


def without_boot_option(profile: NodeProfile, option: str) -> NodeProfile:
    """Return a node that was booted without an option of its; what was hidden by it is there.

    It costs Cost.REBOOT. What is then in /proc/cpuinfo is not known.
    """
    options = tuple(one for one in profile.kernel.boot_options if one != option)
    ipv6 = profile.kernel.ipv6 or option == _NO_IPV6
    kernel = replace(profile.kernel, boot_options=options, ipv6=ipv6)
    return _rebooted(profile, kernel, f"booted without {option}")


def with_module(profile: NodeProfile, module: str) -> NodeProfile:
    """Return a node with one more of the kernel's modules loaded; it costs Cost.NO_MORE."""
    kernel = replace(profile.kernel, modules=profile.kernel.modules | {module})
    return derived(replace(profile, kernel=kernel), profile, f"with {module} loaded")


def with_ipv6(profile: NodeProfile) -> NodeProfile:
    """Return a node with IPv6 loaded; it costs Cost.NO_MORE, if no boot option has disabled it."""
    kernel = replace(profile.kernel, ipv6=True)
    return derived(replace(profile, kernel=kernel), profile, "with IPv6 loaded")


def with_slm_module(profile: NodeProfile) -> NodeProfile:
    """Return a node on which SLM has its module; it costs Cost.NO_MORE."""
    kernel = replace(profile.kernel, slm_without_module=False)
    return derived(replace(profile, kernel=kernel), profile, "with slm_dmprst loaded")


def without_need(profile: NodeProfile, ctid: int, bits: int) -> NodeProfile:
    """Return a node, one of whose containers no longer has what these bits of its needs are of."""
    containers = tuple(
        replace(one, contents=None, needs=replace(one.needs, caps=one.needs.caps & ~bits))
        if one.ctid == ctid and one.needs
        else one
        for one in profile.containers
    )
    return replace(profile, containers=containers)


def lift_mask(profile: NodeProfile) -> NodeProfile:
    """Return a node that hides no feature; it costs Cost.NOTHING.

    Lines for other leaves of CPUID stay.
    """
    kept = [one for one in profile.facts().override if one.leaf not in _LEAVES]
    return write_mask(profile, format_override(kept))


def write_mask(profile: NodeProfile, text: str) -> NodeProfile:
    """Write a table to the simulated node's cpuid_override, and return the node as it is then.

    It costs Cost.RESTART where more is hidden, and the lines have to be written again at each
    boot, before containers start. A node that has no such file is taken for one with it.
    """
    has_file = replace(profile, cpuid_override=profile.cpuid_override or "")
    node = has_file.boot()
    node.write_override(text)
    changed = replace(has_file, cpuid_override=node.override_text())
    return derived(changed, profile, "with lines in cpuid_override")


def _rebooted(profile: NodeProfile, kernel: KernelFacts, what: str) -> NodeProfile:
    cpus = tuple(replace(cpu, flags=None) for cpu in profile.cpus)
    return derived(replace(profile, kernel=kernel, cpus=cpus), profile, what)


def derived(profile: NodeProfile, before: NodeProfile, what: str) -> NodeProfile:
    """Return a changed node with what its kernel then answers, by its rules."""
    origin = replace(
        profile.origin, kind=OriginKind.COMPOSED, source=f"{profile.origin.source}; {what}"
    )
    bare = replace(profile, origin=origin, answers=derive_answers(profile))
    containers = tuple(_with_needs(bare, before, one) for one in profile.containers)
    return replace(bare, containers=containers)


def _with_needs(profile: NodeProfile, before: NodeProfile, container: Container) -> Container:
    # What was needed before a change tells nothing of what a known process needs after it.
    bare = container if container.contents is None else replace(container, needs=None)
    needs = derive_needs(profile, bare)
    if needs is not None and container.contents is None:
        try:
            needs = replace(needs, caps=_changed_needs(needs, before.facts(), profile.facts()))
        except MissingLeafError:
            needs = None
    return replace(container, needs=needs)


def _changed_needs(needs: Needs, before: NodeFacts, after: NodeFacts) -> int:
    """Return what a container needs after a change, by what it needed before it."""
    contents = _explain(needs.caps, before)
    explained = gather(contents, before).caps
    lost = node_capabilities(before) & ~node_capabilities(after)
    others = needs.caps & ~explained & ~lost
    return gather(contents, after).caps & ~(explained & ~needs.caps) | others


def _explain(caps: int, facts: NodeFacts) -> Contents:
    """Return processes that need what a container needs of the CPU, as far as that is told."""
    used_fpu = bool(caps & mask(CPT_CPU_X86_FXSR))
    sees_vdso = facts.release.generation.sees_vdso
    has_64_bit = bool(caps & mask(CPT_CPU_X86_EMT64)) or facts.machine == IA64
    uses_vdso = sees_vdso and bool(caps & mask(CPT_CPU_X86_SEP, CPT_CPU_X86_SYSCALL32))
    processes = []
    if has_64_bit:
        processes.append(Process(pid=1, host_pid=1, used_fpu=used_fpu))
    if uses_vdso or not has_64_bit:
        vdso = uses_vdso or not sees_vdso
        processes.append(Process(pid=2, host_pid=2, used_fpu=used_fpu, bits=32, vdso=vdso))
    return Contents(tuple(processes))
