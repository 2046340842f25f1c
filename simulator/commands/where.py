"""vzcptsim where: where a container can go, the best destination first."""

import argparse
import os

from simulator.commands.options import (
    add_counted,
    add_engine,
    add_json,
    add_kernel,
    container_id,
    engine_of,
    kernel_of,
    waived_codes,
)
from simulator.errors import UsageError
from simulator.output import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.fleets.destinations import Search

_EPILOG = """\
The first NODE is where the container is, and NODE:ID names both. With --ct alone the node is found
among those that are given. The exit status is that of the best destination: 0 where one is safe, 2
where the best is risky or refused, 3 where it is unknown; 1 on an error. 'vzcptsim schema where'
prints the JSON's shape.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = _EPILOG
    parser.add_argument("nodes", metavar="NODE", nargs="+", help="the source, and where it may go")
    container = parser.add_mutually_exclusive_group()
    container.add_argument(
        "--ct", metavar="ID", type=container_id, help="the container; its node is found"
    )
    container.add_argument(
        "--any", action="store_true", help="any container of the first NODE's, whatever it uses"
    )
    add_counted(parser)
    add_kernel(parser)
    add_engine(parser)
    add_json(parser)
    parser.set_defaults(command=_where)


def _where(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.verdicts.migrations import status_of

    search = _search(options)
    if options.json:
        from simulator.reports.where_report import format_search

        streams.answer(format_search(search))
    else:
        from simulator.reports.terminal import render
        from simulator.reports.where_report import search_lines

        streams.answer(render(search_lines(search), streams.stdout))
    return status_of(search.outcome)


def _search(options: argparse.Namespace) -> "Search":
    from simulator.fleets.destinations import find_destinations, find_source
    from simulator.profiles.nodes import read_all, require_one

    first, ctid = _split(options.nodes[0])
    if ctid is not None and (options.ct is not None or options.any):
        raise UsageError(f"{options.nodes[0]} names a container: no --ct, no --any")
    if ctid is None and options.ct is None and not options.any:
        raise UsageError("say which container: NODE:ID, --ct ID, or --any")
    engine = engine_of(options)
    if options.ct is None:
        require_one(first, kernel_of(options))
    nodes = list(read_all([first, *options.nodes[1:]], kernel_of(options), options.printed_by))
    source = nodes[0] if options.ct is None else find_source(nodes, options.ct)
    moved = ctid if options.ct is None else options.ct
    waived, only = waived_codes(options), options.restore_only
    return find_destinations(source, moved, nodes, waived, engine, restore_only=only)


def _split(node: str) -> tuple[str, int | None]:
    """Split NODE:ID; a path with a colon in its name is a path."""
    name, colon, number = node.rpartition(":")
    if not colon or not number.isdigit() or os.path.exists(node):
        return node, None
    try:
        return name, container_id(number)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{node}: {error}") from error
