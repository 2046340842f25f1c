"""vzcptsim run: any program, unmodified, on a simulated node."""

import argparse
import os
import re

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
    from collections.abc import Iterable, Iterator
    from typing import Any

    from simulator.profiles.profile import NodeProfile
    from simulator.run.ssh import Host

#: The first descriptor after the standard files, which are the command's.
_FIRST_OTHER = 3

_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.usage = "vzcptsim run --node NODE [OPTION]... -- COMMAND..."
    parser.epilog = (
        "The exit status is the command's; 1 where it cannot be started under a filter, 127 where "
        "there is no such command, 126 where it cannot be executed."
    )
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
        "--root",
        metavar="FOLDER",
        help="what the node itself has of its own, as --root-for",
    )
    parser.add_argument(
        "--root-for",
        metavar="HOST=FOLDER",
        action="append",
        default=[],
        help="the host has what FOLDER has, at the same paths (FOLDER:/vz: at /vz alone)",
    )
    parser.add_argument(
        "--bashrc",
        action="store_true",
        help="commands that come by a real sshd read ~/.bashrc, as bash does then",
    )
    parser.add_argument(
        "--cpu-instruction",
        action="store_true",
        help="run it under qemu-user with a CPU like the node's: for programs that execute CPUID",
    )
    parser.add_argument(
        "--status-fd",
        metavar="N",
        type=_descriptor,
        help="write the command's exit status (less than 0: the signal that ended it) to this "
        "descriptor too, and nothing there where the command was not started",
    )
    add_assumption(parser)
    add_kernel(parser)
    parser.set_defaults(command=_run)


def _descriptor(text: str) -> int:
    """Return the number of an open descriptor; ArgumentTypeError where the text is none."""
    try:
        number = int(text)
        os.fstat(number)
    except (ValueError, OverflowError, OSError):
        number = -1
    if number < _FIRST_OTHER:
        raise argparse.ArgumentTypeError(f"{text!r} is no open descriptor from 3 on")
    return number


def _run(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.run.mounts import own_files
    from simulator.run.session import end_as, run

    if not options.words or not options.words[0]:
        raise UsageError("run: no command after --")
    hosts = _hosts(options)
    profile = load_runnable(options)
    command = options.words
    if options.cpu_instruction:
        command = _emulated(command, profile, streams)
    status = run(
        profile.boot(),
        command,
        uid=options.user,
        ctid=options.inside,
        mounts=own_files(options.root) if options.root else (),
        hosts=hosts,
        reads_bashrc=options.bashrc,
        remark=streams.remark,
        status_fd=options.status_fd,
    )
    return end_as(status)


def _emulated(command: list[str], profile: "NodeProfile", streams: Streams) -> tuple[str, ...]:
    """Return the command that runs it under qemu-user, and remark on the differences."""
    from simulator.run.qemu import describe, emulate

    emulation = emulate(command, profile.cpus[0].cpuid if profile.cpus else None)
    for line in describe(emulation).splitlines():
        streams.remark(line)
    return emulation.command


def _hosts(options: argparse.Namespace) -> "list[Host]":
    """Boot the other nodes, each under a name of its own."""
    nodes = [
        (*_named(text, "NODE"), has_sshd)
        for texts, has_sshd in ((options.node_for, False), (options.sshd_for, True))
        for text in texts
    ]
    folders = [_named(text, "FOLDER") for text in options.root_for]
    names = [name.lower() for name, _, _ in nodes]
    for name in (name for listed in (nodes, folders) for name in _twice(listed)):
        raise UsageError(f"run: host {name} is named twice")
    for name, _ in folders:
        if name.lower() not in names:
            raise UsageError(f"run: --root-for {name}: no --node-for or --sshd-for makes that host")
    if not nodes:
        return []
    from simulator.profiles.nodes import load_one
    from simulator.run.mounts import own_files
    from simulator.run.ssh import Host

    mounts = {name.lower(): own_files(folder) for name, folder in folders}
    return [
        Host(
            name,
            whole(load_one(node, options.kernel, options.printed_by), options).boot(),
            has_sshd=has_sshd,
            mounts=mounts.get(name.lower(), ()),
        )
        for name, node, has_sshd in nodes
    ]


def _named(text: str, kind: str) -> tuple[str, str]:
    """Return the name and the rest of HOST=NODE or HOST=FOLDER."""
    host, equals, rest = text.partition("=")
    if not (equals and rest and _HOST.fullmatch(host)):
        raise UsageError(f"run: {text!r} is no HOST={kind}")
    return host, rest


def _twice(named: "Iterable[tuple[Any, ...]]") -> "Iterator[str]":
    """List the names of hosts that came before, in whatever letters."""
    seen: set[str] = set()
    for name, *_ in named:
        if name.lower() in seen:
            yield name
        seen.add(name.lower())
