"""CPUs by any evidence of them: a name of the catalogue, or a register dump's path in any form."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from simulator.dumps.cpuinfo import clear_absent
from simulator.dumps.model import CpuDump, DumpError, table_of
from simulator.dumps.recognise import Source, parse_dump, read_source
from simulator.errors import UsageError
from simulator.facts.capabilities import X86_64, Machine
from simulator.facts.features import LONG_MODE
from simulator.kernel.containers import Container
from simulator.profiles.bare_node import BareNode
from simulator.profiles.catalogue import UnknownCpuError, find_cpu, is_cpu_name
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import CpuFacts, KernelFacts, NodeProfile
from simulator.sources.files import STDIN, title_of

if TYPE_CHECKING:
    from simulator.dumps.checkpoint import Checkpoint


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
    """Return a node of a CPU, as ``read_cpu`` takes it, or of a checkpoint, and of no kernel.

    Raises what ``read_cpu`` raises.
    """
    if _is_recorded(cpu):
        found = read_cpu(cpu)
        return BareNode(
            name=name, cpus=(_facts_of(found),), source=found.source, containers=containers
        )
    where = title_of(cpu)
    try:
        made = _checkpoint_of(read_source(cpu), printed_by)
        cpus = tuple(_facts(made.cpu, where))
    except DumpError as error:
        raise UsageError(f"{where}: {error}") from error
    said = "a checkpoint without cpuinfo.img" if made.cpu is None else _words(made.cpu)
    return BareNode(
        name=name,
        cpus=cpus,
        source=f"{os.path.basename(where.rstrip(os.sep))}, {said}",
        image=None if made.cpu is None else made.cpu.image,
        has_xsave_area=made.has_xsave_area,
        containers=containers,
        is_x86=made.is_x86,
    )


def _checkpoint_of(source: Source, printed_by: str | None) -> "Checkpoint":
    """Return a checkpoint, or one that tells no more than the first CPU of a dump."""
    from simulator.dumps.checkpoint import Checkpoint, parse_checkpoint, why_no_folder

    if isinstance(source, bytes) or why_no_folder(source) is not None:
        return Checkpoint(clear_absent(parse_dump(source)[0], printed_by))
    return parse_checkpoint(source)


def _facts(dump: CpuDump | None, where: str) -> Iterator[CpuFacts]:
    """Yield what is known of a CPU: nothing where CRIU stored one whose vendor it does not know."""
    if dump is not None and (dump.image is None or dump.answers()):
        yield _facts_of(_source_of(dump, where))


def _facts_of(source: CpuSource) -> CpuFacts:
    return CpuFacts(
        processors="0",
        cpuid=source.table,
        model_name=source.model_name,
        microcode=source.microcode,
        flags=None,
    )


def read_cpu(cpu: str, processor: int = 0, printed_by: str | None = None) -> CpuSource:
    """Read registers from a dump, a file or standard input (-), or those of a recorded CPU.

    ``printed_by`` is the release of the kernel that printed it, where it is a /proc/cpuinfo.

    UserError where there is none, or not that processor in it.
    """
    if _is_recorded(cpu):
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
        return _source_of(clear_absent(dumps[processor], printed_by), where)
    except DumpError as error:
        raise UsageError(f"{where}: {error}") from error


def _is_recorded(cpu: str) -> bool:
    """Tell whether this is the name of a recorded CPU, or at least no file."""
    return is_cpu_name(cpu) or not (cpu == STDIN or os.path.exists(cpu or os.curdir))


def _source_of(dump: CpuDump, where: str) -> CpuSource:
    """Return what a dump tells of a CPU. DumpError where its vendor is not told."""
    source = f"{os.path.basename(where)}, {dump.form}, CPU {dump.cpus}"
    return CpuSource(table_of(dump), source, dump.mode, dump.model_name, dump.microcode, dump.image)


def _words(dump: CpuDump) -> str:
    return f"{dump.form}, CPU {dump.cpus}"


def _check_number(cpu: str, processor: int, count: int) -> None:
    if not 0 <= processor < count:
        raise UsageError(f"{cpu}: no --processor {processor}: the first of {count} is 0")
