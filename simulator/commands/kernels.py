"""vzcptsim kernels: the kernels that can be simulated."""

import argparse

from simulator.commands.options import Commands, add_json
from simulator.output import Streams
from simulator.reports.listings import kernel_listing
from vzcptcheck.outcome import ExitStatus


def add_parser(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("kernels", help="list the kernels that can be simulated")
    add_json(parser)
    parser.set_defaults(command=_kernels)


def _kernels(options: argparse.Namespace, streams: Streams) -> int:
    listing = kernel_listing()
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES
