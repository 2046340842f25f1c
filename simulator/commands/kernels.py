"""vzcptsim kernels: the kernels that can be simulated."""

import argparse

from simulator.commands.options import add_json
from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    add_json(parser)
    parser.set_defaults(command=_kernels)


def _kernels(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.reports.listings import kernel_listing

    listing = kernel_listing()
    streams.answer(listing.as_json() if options.json else listing.as_table(streams.stdout))
    return ExitStatus.YES
