"""vzcptsim run: any program, unmodified, on a simulated node."""

import argparse
import re
from collections.abc import Iterable

from simulator.commands.options import (
    add_assumption,
    add_identity,
    add_kernel,
    load_runnable,
    whole,
)
from simulator.errors import UsageError
from simulator.output import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.kernel.kernel import SimulatedKernel
    from simulator.profiles.profile import NodeProfile

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.usage = "vzcptsim run [-h] --node NODE [OPTION]... -- COMMAND..."
    parser.epilog = "The exit status is the command's; 1 where it cannot be started under a filter."
    parser.add_argument("--node", metavar="NODE", required=True, help="the node to run it on")
    add_identity(parser, None)
    parser.add_argument(
        "--node-for",
        metavar="HOST=NODE",
        action="append",
        default=[],
        help="'ssh HOST COMMAND' runs COMMAND on that other node",
    )
    parser.add_argument(
        "--sshd-for",
        metavar="HOST=NODE",
        action="append",
        default=[],
        help="the same, through the real ssh and a real sshd on that node",
    )
    parser.add_argument(
        "--cpu-instruction",
        action="store_true",
        help="run it under qemu-user with a CPU like the node's: for programs that execute CPUID",
    )
    add_assumption(parser)
    add_kernel(parser)
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.run.session import end_as, run

    if not options.words or not options.words[0]:
        raise UsageError("run: no command after --")
    seen: set[str] = set()
    node_for, sshd_for = (
        _booted(pairs, seen, options) for pairs in (options.node_for, options.sshd_for)
    )
    profile = load_runnable(options)
    command = options.words
    if options.cpu_instruction:
        command = _emulated(command, profile, streams)
    status = run(
        profile.boot(),
        command,
        uid=options.user,
        ctid=options.inside,
        node_for=node_for,
        sshd_for=sshd_for,
    )
    return end_as(status)


def _emulated(command: list[str], profile: "NodeProfile", streams: Streams) -> tuple[str, ...]:
    """Return the command that runs it under qemu-user, and remark on the differences."""
    from simulator.run.qemu import describe, emulate

    emulation = emulate(command, profile.cpus[0].cpuid if profile.cpus else None)
    for line in describe(emulation).splitlines():
        streams.remark(line)
    return emulation.command


def _booted(
    pairs: Iterable[str], seen: set[str], options: argparse.Namespace
) -> "dict[str, SimulatedKernel]":
    """Boot the nodes of HOST=NODE; return them by host name, which must not have been seen."""
    from simulator.profiles.nodes import load_one

    hosts = {}
    for pair in pairs:
        host, equals, node = pair.partition("=")
        if not (equals and node and _HOST.fullmatch(host)):
            raise UsageError(f"run: {pair!r} is no HOST=NODE")
        if host.lower() in seen:
            raise UsageError(f"run: host {host} is named twice")
        seen.add(host.lower())
        hosts[host] = whole(load_one(node, options.kernel), options).boot()
    return hosts
