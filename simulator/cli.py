"""The command line of vzcptsim."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from simulator.commands.options import HANDING_ON, HelpAsked, Parser
from simulator.errors import UsageError, UserError
from simulator.output import Streams
from vzcptcheck import __version__
from vzcptcheck.outcome import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

#: The commands, with a line of help, in the order of the help. Each is a module of
#: simulator.commands, which is imported if the command is given: its ``add_options`` adds the
#: options to a parser.
_COMMANDS = {
    "where": "say where a container can go, the best destination first",
    "check": "say whether containers can migrate from one node to another, and why not",
    "matrix": "say who can migrate where: all pairs of nodes",
    "pool": "group nodes that can all migrate to each other, and say what makes one group",
    "diff": "say what differs between two nodes, and which verdicts change with it",
    "nodes": "list the recorded nodes",
    "kernels": "list the kernels that can be simulated",
    "cpus": "list the real CPUs to compose nodes from",
    "compose": "make a node's profile from a CPU's registers and a kernel release",
    "import": "read a register dump in any form, and write it in the project's own (JSON)",
    "replay": "run vzcptcheck on a recorded node, in this process",
    "run": "run any program, with all that it starts, on a recorded node",
    "schema": "print the JSON Schema of what a command answers, or of a profile",
    "help": "say how a command is used",
}


def main(
    arguments: Sequence[str] | None = None,
    stdout: "TextIO | None" = None,
    stderr: "TextIO | None" = None,
) -> int:
    """Run one command and return its exit status; by default with the process's own arguments."""
    streams = Streams(
        sys.stdout if stdout is None else stdout, sys.stderr if stderr is None else stderr
    )
    try:
        return _run(sys.argv[1:] if arguments is None else arguments, streams)
    except UserError as error:
        streams.show_usage(error.usage if isinstance(error, UsageError) else "")
        streams.remark(str(error))
    except OSError as error:
        streams.remark(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        streams.remark("interrupted")
        return ExitStatus.INTERRUPTED
    return ExitStatus.ERROR


def _run(arguments: Sequence[str], streams: Streams) -> int:
    own, words = _split(_asking_help(arguments))
    try:
        options = build_parser(own).parse_args(own)
    except HelpAsked as asked:
        streams.answer(str(asked))
        return ExitStatus.YES
    options.words = words
    status: int = options.command(options, streams)
    return status


def _asking_help(arguments: Sequence[str]) -> Sequence[str]:
    """Return 'COMMAND --help' for 'help COMMAND', and '--help' for 'help' alone."""
    command, *asked = arguments or [""]
    if command != "help":
        return arguments
    if len(asked) > 1 or (asked and asked[0].startswith("-") and asked[0] not in {"-h", "--help"}):
        raise UsageError(f"help takes a command's name, not {' '.join(asked)!r}")
    return [*asked, "--help"]


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split off the words after the first ``--``, of a command that hands these on."""
    words = list(arguments)
    if "--" not in words or words[0] not in HANDING_ON:
        return words, []
    cut = words.index("--")
    return words[:cut], words[cut + 1 :]


class _Version(argparse.Action):
    """Show the version of the program, as --help shows its text."""

    def __call__(self, *_: object) -> None:
        """Raise HelpAsked."""
        raise HelpAsked(f"vzcptsim {__version__}\n")


def build_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Return the parser, with the options of the commands among the words; by default of all."""
    parser = Parser(
        prog="vzcptsim",
        description="Say where OpenVZ containers can migrate, and live on simulated nodes, where "
        "there is no OpenVZ at hand. Begin with: vzcptsim where NODE:CTID NODE...",
        epilog="NODE is the name of a recorded node (see 'vzcptsim nodes'), a profile's path, a "
        "folder of profiles, CPU@KERNEL with a CPU's name (see 'vzcptsim cpus') or a register "
        "dump's path, a fleet file (CSV: name, cpu, kernel, containers), or - for profiles on "
        "standard input, a JSON document a line.",
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="show program's version number and exit"
    )
    commands = parser.add_subparsers(prog=parser.prog, required=True, metavar="COMMAND")
    parser.commands = commands.choices
    # A command that comes first is the one that is meant: to make the parsers of others takes time.
    for name in words[:1] if words and words[0] in _COMMANDS else _COMMANDS:
        text = _COMMANDS[name]
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name != "help" and (words is None or name in words):
            module = "import_" if name == "import" else name
            import_module(f"simulator.commands.{module}").add_options(command)
    return parser
