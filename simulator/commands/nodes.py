"""vzcptsim nodes: the recorded nodes."""

import argparse

from simulator.commands.options import add_json
from simulator.errors import UserError
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument("pattern", nargs="*", help="only names like these, as in '*141.3*'")
    parser.epilog = "The exit status is 0, or 1 where no name is like any of these."
    add_json(parser)
    parser.set_defaults(command=_nodes)


def _nodes(options: argparse.Namespace, streams: Streams) -> int:
    from fnmatch import fnmatch

    from simulator.profiles.store import fixture_names, load_node
    from simulator.reports.listings import node_listing

    names = [
        name
        for name in fixture_names()
        if not options.pattern or any(fnmatch(name.lower(), one.lower()) for one in options.pattern)
    ]
    if not names:
        raise _nothing(options.pattern, fixture_names())
    listing = node_listing(map(load_node, names))
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES


def _nothing(patterns: list[str], names: list[str]) -> UserError:
    """Return the error where no name is like any pattern, which says what there is."""
    from vzcptcheck.arguments import near

    asked = " or ".join(map(repr, patterns))
    parts = [one.strip("*") for one in patterns]
    within = [
        f"'*{part}*' (nodes: {len(found)})"
        for part in parts
        for found in [[name for name in names if part and part.lower() in name.lower()]]
        if found
    ]
    if within:
        return UserError(f"no node is recorded as {asked}; did you mean {' or '.join(within)}?")
    there_are = f"there are {len(names)}, as {names[0]}: see 'vzcptsim nodes'"
    words = dict.fromkeys(word for name in names for word in name.lower().split("."))
    return UserError(f"no node is recorded as {asked}{near(parts[0], words, there_are)}")
