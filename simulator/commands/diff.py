"""vzcptsim diff: what differs between two nodes, or one node at two times."""

import argparse

from simulator.commands.options import (
    add_counted,
    add_engine,
    add_json,
    add_kernel,
    engine_of,
    kernel_of,
    waived_codes,
)
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.fleets.diff import Diff

_EPILOG = """\
The exit status is 0 where the outcome of no migration to or from a NODE changes, and 2 where one
does; with --restore-only programs are left out of that. Without any NODE it is 0 where nothing
differs, else 2. It is 1 where something cannot be read. Left aside is what differs at every
reading: APIC ids, OSXSAVE, OSPKE, the XSAVE area's size for what is enabled by then. 'vzcptsim
schema diff' prints the JSON's shape.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = _EPILOG
    parser.add_argument("old", metavar="OLD", help="the node as it was")
    parser.add_argument("new", metavar="NEW", help="the node as it is, or another one")
    parser.add_argument(
        "nodes",
        metavar="NODE",
        nargs="*",
        default=[],
        help="nodes that it exchanges containers with",
    )
    add_counted(parser)
    add_kernel(parser)
    add_engine(parser)
    add_json(parser)
    parser.set_defaults(command=_diff)


def _diff(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.reports.diff_report import diff_lines, format_diff
    from simulator.reports.terminal import render

    diff = _compare(options)
    streams.answer(format_diff(diff) if options.json else render(diff_lines(diff), streams.stdout))
    return ExitStatus.NO if diff.matters else ExitStatus.YES


def _compare(options: argparse.Namespace) -> "Diff":
    from simulator.fleets.changes import node_changes
    from simulator.fleets.diff import Diff, verdict_changes
    from simulator.profiles.nodes import read_all, read_each

    waived, engine = waived_codes(options), engine_of(options)
    old, new = read_each([options.old, options.new], kernel_of(options), options.printed_by)
    nodes = list(read_all(options.nodes, kernel_of(options), options.printed_by))
    return Diff(
        old=options.old,
        new=options.new,
        changes=node_changes(old, new),
        nodes=tuple(node.name for node in nodes),
        verdicts=tuple(verdict_changes(old, new, nodes, waived, engine)),
        restore_only=options.restore_only,
        waived=waived,
        engine=engine,
    )
