"""vzcptsim cpus: the real CPUs that nodes can be composed from."""

import argparse

from simulator.commands.options import add_json
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add_json(parser)
    parser.set_defaults(command=_cpus)


def _cpus(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.profiles.store import load_cpus
    from simulator.reports.listings import cpu_listing

    listing = cpu_listing(load_cpus().values())
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES
