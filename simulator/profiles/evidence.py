"""CPUs by any evidence of them: a name of the catalogue, or a register dump's path in any form."""

import os
from collections.abc import Iterable

from simulator.dumps.cpuinfo import clear_absent
from simulator.dumps.model import DumpError, table_of
from simulator.dumps.recognise import parse_dump, read_source
from simulator.errors import UsageError
from simulator.facts.capabilities import X86_64, Machine
from simulator.facts.features import LONG_MODE
from simulator.kernel.containers import Container
from simulator.profiles.bare_node import BareNode
from simulator.profiles.catalogue import UnknownCpuError, find_cpu, is_cpu_name
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import CpuFacts, KernelFacts, NodeProfile
from simulator.sources.files import STDIN, title_of


def compose_node(
    name: str,
    cpu: str,
    release: str,
    containers: Iterable[Container] = (),
    printed_by: str | None = None,
) -> NodeProfile:
    """Return a node of a CPU, as ``read_cpu`` takes it, and of a kernel's release.

    Its kernel is a 32-bit one where the CPU runs no other. Raises what ``read_cpu`` and ``compose``
    raise.
    """
    source = read_cpu(cpu, printed_by=printed_by)
    machine: Machine = "i686" if LONG_MODE.is_in(source.table) is False else X86_64
    kernel = KernelFacts(release=release, machine=machine, vz_version=None)
    return compose(name, source, kernel, containers)


def read_bare_node(
    name: str, cpu: str, containers: tuple[Container, ...] = (), printed_by: str | None = None
) -> BareNode:
    """Return a node of a CPU, as ``read_cpu`` takes it, and of no kernel.

    Raises what ``read_cpu`` raises.
    """
    found = read_cpu(cpu, printed_by=printed_by)
    facts = CpuFacts(
        processors="0",
        cpuid=found.table,
        model_name=found.model_name,
        microcode=found.microcode,
        flags=None,
    )
    return BareNode(
        name=name, cpus=(facts,), source=found.source, image=found.image, containers=containers
    )


def read_cpu(cpu: str, processor: int = 0, printed_by: str | None = None) -> CpuSource:
    """Read registers from a dump, a file or standard input (-), or those of a recorded CPU.

    ``printed_by`` is the release of the kernel that printed it, where it is a /proc/cpuinfo.

    UserError where there is none, or not that processor in it.
    """
    if is_cpu_name(cpu) or not (cpu == STDIN or os.path.exists(cpu or os.curdir)):
        try:
            recorded = find_cpu(cpu)
        except UnknownCpuError as error:
            raise UsageError(f"{cpu}: no such file; {error}") from error
        _check_number(cpu, processor, 1)
        return CpuSource(recorded.table, f"{recorded.name} ({recorded.source})", recorded.dump_mode)
    where = title_of(cpu)
    try:
        dumps = parse_dump(read_source(cpu))
        _check_number(cpu, processor, len(dumps))
        one = clear_absent(dumps[processor], printed_by)
        table = table_of(one)
    except DumpError as error:
        raise UsageError(f"{where}: {error}") from error
    source = f"{os.path.basename(where)}, {one.form}, CPU {one.cpus}"
    return CpuSource(table, source, one.mode, one.model_name, one.microcode, one.image)


def _check_number(cpu: str, processor: int, count: int) -> None:
    if not 0 <= processor < count:
        raise UsageError(f"{cpu}: no --processor {processor}: the first of {count} is 0")
