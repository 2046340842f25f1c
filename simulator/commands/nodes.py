"""vzcptsim nodes: the recorded nodes."""

import argparse

from simulator.commands.options import add_json
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument("pattern", nargs="*", help="only names like these, as in '*141.3*'")
    add_json(parser)
    parser.set_defaults(command=_nodes)


def _nodes(options: argparse.Namespace, streams: Streams) -> int:
    from fnmatch import fnmatch

    from simulator.profiles.store import fixture_names, load_node
    from simulator.reports.listings import node_listing

    names = [
        name
        for name in fixture_names()
        if not options.pattern or any(fnmatch(name, one) for one in options.pattern)
    ]
    listing = node_listing(map(load_node, names))
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES
