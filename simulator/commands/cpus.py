"""vzcptsim cpus: the real CPUs that nodes can be composed from."""

import argparse

from simulator.commands.options import Commands, add_json
from simulator.output import Streams
from simulator.profiles.cpus import load_cpus
from simulator.reports.listings import cpu_listing
from vzcptcheck.outcome import ExitStatus


def add_parser(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("cpus", help="list the real CPUs to compose nodes from")
    add_json(parser)
    parser.set_defaults(command=_cpus)


def _cpus(options: argparse.Namespace, streams: Streams) -> int:
    listing = cpu_listing(load_cpus().values())
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES
