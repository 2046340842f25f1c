"""The command line of vzcptsim."""

import argparse
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from typing import TextIO

from simulator.commands import (
    check,
    compose,
    cpus,
    diff,
    import_,
    kernels,
    matrix,
    nodes,
    pool,
    replay,
    run,
)
from simulator.commands.options import HelpShown, Parser
from simulator.errors import UserError
from simulator.output import Streams
from vzcptcheck import __version__
from vzcptcheck.outcome import ExitStatus

#: The commands in the order of the help.
_COMMANDS = (nodes, kernels, cpus, replay, run, compose, import_, check, matrix, diff, pool)


def main(
    arguments: Sequence[str] | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
) -> int:
    """Run one command and return its exit status; what is not given is the process's own."""
    streams = Streams(
        sys.stdout if stdout is None else stdout, sys.stderr if stderr is None else stderr
    )
    try:
        return _run(sys.argv[1:] if arguments is None else arguments, streams)
    except UserError as error:
        streams.remark(str(error))
    except OSError as error:
        streams.remark(f"{error.filename}: {error.strerror}")
    return ExitStatus.ERROR


def _run(arguments: Sequence[str], streams: Streams) -> int:
    own, words = _split(arguments)
    shown = StringIO()
    try:
        with redirect_stdout(shown):
            options = build_parser().parse_args(own)
    except HelpShown:
        streams.answer(shown.getvalue())
        return ExitStatus.YES
    options.words = words
    status: int = options.command(options, streams)
    return status


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off what comes after the first ``--``: another program's arguments."""
    words = list(arguments)
    if "--" not in words:
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    parser = Parser(
        prog="vzcptsim",
        description="Simulate recorded OpenVZ nodes, where there is no OpenVZ at hand.",
        epilog="NODE is the name of a recorded node (see 'vzcptsim nodes') or a profile's path.",
    )
    parser.add_argument("--version", action="version", version=f"vzcptsim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add_parser(commands)
    return parser
