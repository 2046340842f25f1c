"""The command line of vzcptsim."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path
from typing import NoReturn, TextIO, TypeAlias

from simulator.capabilities import MACHINES, X86_64
from simulator.compose import CpuSource, compose
from simulator.cpu import MissingLeafError
from simulator.cpus import UnknownCpuError, find_cpu, load_cpus
from simulator.dumps import DumpError, parse_dump
from simulator.fixtures import UnknownNodeError, fixture_names, load_node
from simulator.listings import Listing, cpu_listing, kernel_listing, node_listing
from simulator.override import OverrideError
from simulator.profile import KernelFacts, ProfileError
from simulator.profile_json import format_profile, parse_profile
from simulator.releases import EXAMPLES, UnknownReleaseError
from simulator.seam import SimulatedSyscalls
from simulator.specs import SYNTAX, SpecError, parse_spec
from vzcptcheck import __version__
from vzcptcheck.cli import main as run_vzcptcheck
from vzcptcheck.outcome import ExitStatus

#: What is wrong with what the user gave: each says what, where, and what there is instead.
_USER_ERRORS = (
    MissingLeafError,
    OverrideError,
    ProfileError,
    SpecError,
    UnknownNodeError,
    UnknownReleaseError,
)

_Command: TypeAlias = Callable[[argparse.Namespace, TextIO | None, TextIO | None], int]


class _UsageError(Exception):
    """The command line is wrong; the text ends with how it should be."""


class _OutputError(Exception):
    """Standard output did not take the whole answer."""


class _Shown(Exception):  # noqa: N818 (nothing is wrong)
    """Help, or the version, was asked for, and has been shown."""


class _Parser(argparse.ArgumentParser):
    """A parser that leaves the exit status to main: argparse's own 2 means no here."""

    def error(self, message: str) -> NoReturn:
        raise _UsageError(f"{message}\n{self.format_usage().rstrip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002
        raise _Shown


def main(
    arguments: Sequence[str] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Run one command and return its exit status; what is not given is the process's own."""
    stdout = sys.stdout if stdout is None else stdout
    stderr = sys.stderr if stderr is None else stderr
    try:
        return _run(sys.argv[1:] if arguments is None else arguments, stdout, stderr)
    except (_UsageError, _OutputError, *_USER_ERRORS) as error:
        return _fail(stderr, str(error))
    except OSError as error:
        return _fail(stderr, f"{error.filename}: {error.strerror}")


def _run(arguments: Sequence[str], stdout: TextIO | None, stderr: TextIO | None) -> int:
    own, words = _split(arguments)
    shown = StringIO()
    try:
        with redirect_stdout(shown):
            options = build_parser().parse_args(own)
    except _Shown:
        return _answer(stdout, shown.getvalue())
    options.words = words
    command: _Command = options.command
    return command(options, stdout, stderr)


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off what comes after the first ``--``: another program's arguments."""
    words = list(arguments)
    if "--" not in words:
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = _Parser(
        prog="vzcptsim",
        description="Simulate recorded OpenVZ nodes, where there is no OpenVZ at hand.",
        epilog="NODE is the name of a recorded node (see 'vzcptsim nodes') or a profile's path.",
    )
    parser.add_argument("--version", action="version", version=f"vzcptsim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_nodes(commands)
    _add_kernels(commands)
    _add_cpus(commands)
    _add_replay(commands)
    _add_run(commands)
    _add_compose(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"  # noqa: SLF001 (it has no other name)


def _add_nodes(commands: _Commands) -> None:
    parser = commands.add_parser("nodes", help="list the recorded nodes")
    parser.add_argument("pattern", nargs="*", help="only names like these, as in '*141.3*'")
    _add_json(parser)
    parser.set_defaults(command=_nodes)


def _add_kernels(commands: _Commands) -> None:
    parser = commands.add_parser("kernels", help="list the kernels that can be simulated")
    _add_json(parser)
    parser.set_defaults(command=_kernels)


def _add_cpus(commands: _Commands) -> None:
    parser = commands.add_parser("cpus", help="list the real CPUs to compose nodes from")
    _add_json(parser)
    parser.set_defaults(command=_cpus)


def _add_replay(commands: _Commands) -> None:
    parser = commands.add_parser(
        "replay",
        help="run vzcptcheck on a recorded node, in this process",
        usage="vzcptsim replay [-h] [--user UID] [--inside CTID] [--32-bit] NODE -- [ARGS...]",
        epilog="ARGS are those of vzcptcheck; its exit status is this command's.",
    )
    parser.add_argument("node", metavar="NODE", help="where vzcptcheck is to run")
    parser.add_argument("--user", metavar="UID", type=int, default=0, help="run as this user")
    parser.add_argument(
        "--inside", metavar="CTID", type=int, default=0, help="run inside this container"
    )
    parser.add_argument(
        "--32-bit", dest="bits", action="store_const", const=32, help="run as a 32-bit program"
    )
    parser.set_defaults(command=_replay)


def _add_run(commands: _Commands) -> None:
    parser = commands.add_parser(
        "run",
        help="run any program, with all that it starts, on a recorded node",
        usage="vzcptsim run [-h] --node NODE [--user UID] [--inside CTID] -- COMMAND...",
        epilog="The exit status is the command's; 1 where it cannot be started under a filter.",
    )
    parser.add_argument("--node", metavar="NODE", required=True, help="where it is to run")
    parser.add_argument(
        "--user", metavar="UID", type=int, help="who it is to the node: root if not said"
    )
    parser.add_argument(
        "--inside", metavar="CTID", type=int, default=0, help="run inside this container"
    )
    parser.set_defaults(command=_run_command)


def _add_compose(commands: _Commands) -> None:
    releases = ", ".join(EXAMPLES.values())
    parser = commands.add_parser(
        "compose",
        help="make a node's profile from a CPU's registers and a kernel release",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{SYNTAX}\n\nKernel releases are those as in: {releases}.",
    )
    parser.add_argument(
        "--cpuid",
        metavar="DUMP",
        help="a register dump's path (AIDA64, InstLatx64, cpuid -r, JSON), - for standard "
        "input, or a CPU's name from 'vzcptsim cpus'; none on ia64",
    )
    parser.add_argument(
        "--processor",
        metavar="N",
        type=int,
        default=0,
        help="take the N-th CPU of the dump, from 0",
    )
    parser.add_argument("--kernel", metavar="RELEASE", required=True, help="what uname -r prints")
    parser.add_argument("--machine", choices=MACHINES, default=X86_64, help="what uname -m prints")
    parser.add_argument(
        "--ct", metavar="SPEC", action="append", default=[], help="a container; see below"
    )
    parser.add_argument(
        "--boot-option",
        metavar="OPTION",
        action="append",
        default=[],
        help="of the kernel's command line: noxsave, nordrand, clearcpuid=N, eagerfpu=on...",
    )
    parser.add_argument("--no-ipv6", action="store_true", help="IPv6 is not loaded")
    parser.add_argument(
        "--slm", action="store_true", help="SLM is enabled, and slm_dmprst is not loaded"
    )
    parser.add_argument(
        "--no-module",
        metavar="MODULE",
        choices=("vzcpt", "vzrst"),
        action="append",
        default=[],
        help="vzcpt or vzrst is not loaded",
    )
    parser.add_argument(
        "--cpuid-override",
        metavar="TEXT",
        help="what is written to /proc/vz/cpuid_override; empty where the file is there",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there, not to stdout")
    parser.set_defaults(command=_compose)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def _nodes(options: argparse.Namespace, stdout: TextIO | None, _: TextIO | None) -> int:
    names = [
        name
        for name in fixture_names()
        if not options.pattern or any(fnmatch(name, one) for one in options.pattern)
    ]
    return _show(node_listing(map(load_node, names)), options, stdout)


def _kernels(options: argparse.Namespace, stdout: TextIO | None, _: TextIO | None) -> int:
    return _show(kernel_listing(), options, stdout)


def _cpus(options: argparse.Namespace, stdout: TextIO | None, _: TextIO | None) -> int:
    return _show(cpu_listing(load_cpus().values()), options, stdout)


def _replay(options: argparse.Namespace, stdout: TextIO | None, stderr: TextIO | None) -> int:
    process = SimulatedSyscalls(
        load_node(options.node).boot(),
        uid=options.user,
        ctid=options.inside,
        pointer_bits=options.bits,
    )
    return run_vzcptcheck(options.words, process, stdout, stderr)


def _run_command(options: argparse.Namespace, _: TextIO | None, __: TextIO | None) -> int:
    from simulator.run import RunError, end_as, run

    if not options.words:
        raise _UsageError("run: no command after --")
    kernel = load_node(options.node).boot()
    try:
        status = run(kernel, options.words, uid=options.user, ctid=options.inside)
    except RunError as error:
        raise _UsageError(str(error)) from error
    return end_as(status)


def _compose(options: argparse.Namespace, stdout: TextIO | None, _: TextIO | None) -> int:
    modules = frozenset({"vzcpt", "vzrst"} - set(options.no_module))
    kernel = KernelFacts(
        release=options.kernel,
        machine=options.machine,
        vz_version=None,
        boot_options=tuple(options.boot_option),
        modules=modules,
        ipv6=not (options.no_ipv6 or "ipv6.disable=1" in options.boot_option),
        slm_without_module=options.slm,
    )
    cpu = None if options.cpuid is None else _read_cpu(options.cpuid, options.processor)
    containers = [parse_spec(spec) for spec in options.ct]
    name = Path(options.output).stem if options.output else "composed"
    profile = compose(name, cpu, kernel, containers, options.cpuid_override)
    text = format_profile(profile)
    # Options are any text: a profile that could not be read again is not written.
    parse_profile(text.encode("utf-8", "surrogatepass"), name, name)
    if options.output is None:
        return _answer(stdout, text)
    write_atomically(Path(options.output), text)
    return ExitStatus.YES


def _read_cpu(dump: str, processor: int) -> CpuSource:
    """Read registers from a dump, or those of a recorded CPU."""
    cpus = _read_cpus(dump)
    if not 0 <= processor < len(cpus):
        raise _UsageError(f"{dump}: no --processor {processor}: the first of {len(cpus)} is 0")
    return cpus[processor]


def _read_cpus(dump: str) -> list[CpuSource]:
    if dump in load_cpus():
        cpu = find_cpu(dump)
        return [CpuSource(cpu.table, f"{cpu.name} ({cpu.source})", cpu.dump_mode)]
    where = "standard input" if dump == "-" else dump
    data = _read_stdin() if dump == "-" else _read_file(dump)
    try:
        dumps = parse_dump(data.decode("utf-8", "replace"))
    except DumpError as error:
        raise _UsageError(f"{where}: {error}") from error
    return [
        CpuSource(one.table, f"{Path(where).name}, {one.form}, CPU {one.cpus}", one.mode)
        for one in dumps
    ]


def _read_file(dump: str) -> bytes:
    path = Path(dump)
    if not path.exists():
        try:
            find_cpu(dump)
        except UnknownCpuError as error:
            raise _UsageError(f"{dump}: no such file; {error}") from error
    return path.read_bytes()


def _read_stdin() -> bytes:
    try:
        return sys.stdin.buffer.read()
    except (AttributeError, OSError) as error:
        # Python has none where it is closed.
        raise _UsageError(f"standard input: {_reason(error, 'it is closed')}") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all; a device or a pipe, which cannot be replaced, as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def _show(listing: Listing, options: argparse.Namespace, stdout: TextIO | None) -> int:
    return _answer(stdout, listing.as_json() if options.json else listing.as_table(stdout))


def _answer(stdout: TextIO | None, text: str) -> int:
    """Write the answer; one that is not taken whole is an error."""
    if stdout is None:
        raise _OutputError("standard output: it is closed")
    try:
        stdout.write(text)
        stdout.flush()
    except (OSError, ValueError) as error:
        _forget(stdout)
        raise _OutputError(f"standard output: {_reason(error, str(error))}") from error
    return ExitStatus.YES


def _reason(error: Exception, otherwise: str) -> str:
    return (isinstance(error, OSError) and error.strerror) or otherwise


def _fail(stderr: TextIO | None, message: str) -> int:
    """Say what is wrong; the status stands even where nobody can be told why."""
    with suppress(OSError, ValueError):
        if stderr is not None:
            stderr.write(f"vzcptsim: {message}\n")
            stderr.flush()
    return ExitStatus.ERROR


def _forget(stdout: TextIO) -> None:
    """Close an output that does not take its text, so that nobody flushes it again."""
    with suppress(OSError, ValueError):
        stdout.close()
