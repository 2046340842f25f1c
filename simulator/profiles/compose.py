"""Make a profile of a node that never was: a CPU's registers and a kernel's rules."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from simulator.dumps.model import Mode, as_32bit, as_64bit
from simulator.facts.capabilities import I386, X86_64, has_eager_fpu, shown_registers
from simulator.facts.cpuid import CpuidTable, MissingLeafError
from simulator.facts.features import FEATURES
from simulator.facts.override import format_override, parse_override
from simulator.facts.releases import identify
from simulator.kernel.containers import Container
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    NodeProfile,
    Origin,
    OriginKind,
    derive_answers,
    derive_needs,
)
from simulator.profiles.profile_checks import check_profile

#: Registers in the order in which /proc/cpuinfo has their flags.
#: Source: /proc/cpuinfo of the recorded boots, and cpufeature.h of 2.6.32-042stab141.3.
_REGISTERS = (
    (0x1, 0, "edx"),
    (0x8000_0001, 0, "edx"),
    (0x1, 0, "ecx"),
    (0x8000_0001, 0, "ecx"),
    (0x7, 0, "ebx"),
    (0xD, 1, "eax"),
)

#: Flags in the order of /proc/cpuinfo.
_FLAGS = sorted(
    (feature for feature in FEATURES if feature.is_printed),
    key=lambda feature: (_REGISTERS.index(feature.location[:3]), feature.bit),
)


class CpuSource(NamedTuple):
    """Registers to compose from, where they come from, and which programs read them."""

    table: CpuidTable
    source: str
    mode: Mode


def compose(
    name: str,
    cpu: CpuSource | None,
    kernel: KernelFacts,
    containers: Iterable[Container],
    cpuid_override: str | None = None,
) -> NodeProfile:
    """Return a checked profile; ``cpu`` is None on ia64 alone.

    ``cpuid_override`` is as it would be written; None where there is no such file. The answers
    and the containers' needs are what the kernel's rules make of the facts. Raises
    UnknownReleaseError, OverrideError and ProfileError.
    """
    generation = identify(kernel.release, kernel.vz_version or "").generation
    registers = "no CPUID" if cpu is None else f"{cpu.source}, read in {cpu.mode} mode"
    source = f"registers: {registers}; kernel: the rules of {', '.join(generation.trees)}"
    bare = NodeProfile(
        name=name,
        origin=Origin(OriginKind.COMPOSED, source),
        kernel=kernel,
        cpus=() if cpu is None else (_cpu_facts(cpu, kernel),),
        cpuid_override=_as_read_back(cpuid_override),
        answers=Answers(None, None, None),
        containers=(),
    )
    return check_profile(_with_answers(bare, containers), name)


def _cpu_facts(cpu: CpuSource, kernel: KernelFacts) -> CpuFacts:
    # What a CPU answers to a leaf that it lacks is none of its own: zeros, or another leaf's.
    own = cpu.table.without_foreign()
    table = as_64bit(own) if kernel.machine == X86_64 else as_32bit(own)
    return CpuFacts(
        processors="0",
        cpuid=table,
        model_name=_brand(table),
        microcode=None,
        flags=" ".join(flags_of(shown_registers(table, kernel.boot_options))),
    )


def flags_of(cpuid: CpuidTable) -> tuple[str, ...]:
    """Return the flags that the registers alone give; those of recorded leaves.

    A kernel adds others (constant_tsc, rep_good, eagerfpu...) and hides some.
    """
    return tuple(
        flag.name
        for flag in _FLAGS
        if (flag.leaf, flag.subleaf) in cpuid and cpuid.has_bit(*flag.location)
    )


def _as_read_back(override: str | None) -> str | None:
    return None if override is None else format_override(parse_override(override))


def _brand(table: CpuidTable) -> str | None:
    try:
        return " ".join(table.brand.split()) or None
    except MissingLeafError:
        return None


def _without_long_mode(container: Container, machine: str) -> Container:
    """Make a container's processes 32-bit ones on a kernel that runs no others."""
    contents = container.contents
    if machine not in I386 or contents is None:
        return container
    processes = tuple(replace(process, bits=32) for process in contents.processes)
    return replace(container, contents=replace(contents, processes=processes))


def _with_answers(bare: NodeProfile, containers: Iterable[Container]) -> NodeProfile:
    if bare.cpus and has_eager_fpu(bare.facts()):
        cpu = bare.cpus[0]
        bare = replace(bare, cpus=(replace(cpu, flags=f"{cpu.flags} eagerfpu".lstrip()),))
    fitting = [_without_long_mode(one, bare.kernel.machine) for one in containers]
    needing = tuple(replace(one, needs=derive_needs(bare, one)) for one in fitting)
    return replace(bare, answers=derive_answers(bare), containers=needing)
