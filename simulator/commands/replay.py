"""vzcptsim replay: the real vzcptcheck on a simulated node, in this process."""

import argparse

from simulator.commands.options import add_assumption, add_identity, add_kernel, load_runnable
from simulator.output import Streams


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.usage = "vzcptsim replay [OPTION]... NODE -- [ARGS...]"
    parser.epilog = "ARGS are those of vzcptcheck; its exit status is this command's."
    parser.add_argument("node", metavar="NODE", help="where vzcptcheck is to run")
    add_identity(parser, 0)
    parser.add_argument(
        "--32-bit", dest="bits", action="store_const", const=32, help="run as a 32-bit program"
    )
    add_assumption(parser)
    add_kernel(parser)
    parser.set_defaults(command=_replay)


def _replay(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.run.in_process import SimulatedSyscalls
    from vzcptcheck.cli import main as run_vzcptcheck

    process = SimulatedSyscalls(
        load_runnable(options).boot(),
        uid=options.user,
        ctid=options.inside,
        pointer_bits=options.bits,
    )
    return run_vzcptcheck(options.words, process, streams.stdout, streams.stderr)
