"""What commands share: their parser, and options that several of them have."""

import argparse
import re
import reprlib
from functools import partial

from simulator.errors import UsageError, UserError
from simulator.output import terminal_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, NoReturn

    from simulator.profiles.profile import NodeProfile


# Commands speak English. gettext would look for catalogs of argparse's words, and import locale.
setattr(argparse, "_", str)  # noqa: B010 (argparse's own: no type has it)


class HelpAsked(Exception):  # noqa: N818 (nothing is wrong)
    """Help or the version is asked for: the text is the answer."""


class Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits: argparse's status 2 means "no" here."""

    def __init__(self, **traits: "Any") -> None:  # noqa: ANN401 (argparse's own)
        formatter = partial(argparse.HelpFormatter, width=terminal_columns() - 2)
        super().__init__(formatter_class=formatter, **traits)
        self.commands: Mapping[str, argparse.ArgumentParser] = {}

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError."""
        given = next(iter(self.commands.values())) if len(self.commands) == 1 else self
        raise UsageError(self._explained(message), given.format_usage().rstrip())

    def _explained(self, message: str) -> str:
        """Say what was meant, where a word is near to one that there is."""
        if message.startswith("argument COMMAND: invalid choice: "):
            word = message.split("'")[1]
            return f"there is no command {word!r}{near(word, self.commands, 'see vzcptsim help')}"
        if ": invalid choice: " in message:
            word, *choices = re.findall(r"'([^']*)'", message)
            return f"{message}{near(word, choices)}"
        if message.startswith("unrecognized arguments: "):
            word = message.removeprefix("unrecognized arguments: ").split()[0]
            if word.startswith("-"):
                options = self.options_of_command()
                return f"there is no option {word!r}{near(word.partition('=')[0], options)}"
            return f"{message}; a command for a node comes after --"
        return message

    def options_of_command(self) -> "list[str]":
        """List the options of the parser, and of the command that was given."""
        parsers = [self, *self.commands.values()]
        return [option for one in parsers for option in one._option_string_actions]  # noqa: SLF001 (argparse lists them nowhere else)

    def print_help(self, file: object = None) -> "NoReturn":  # noqa: ARG002 (argparse gives it)
        """Raise HelpAsked."""
        raise HelpAsked(self.format_help())


def near(word: str, words: "Iterable[str]", otherwise: str = "") -> str:
    """Return what was meant by a word, as the end of a sentence."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(words), n=3, cutoff=0.65)
    if found:
        return f"; did you mean {' or '.join(found)}?"
    return f"; {otherwise}" if otherwise else ""


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option --json."""
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def add_assumption(parser: argparse.ArgumentParser) -> None:
    """Add the option --assume-missing."""
    parser.add_argument(
        "--assume-missing",
        metavar="clear",
        choices=("clear",),
        help="bits of the node's CPU that are not known are clear",
    )


def whole(node: "NodeProfile", options: argparse.Namespace) -> "NodeProfile":
    """Return a node that can run; UserError where its CPU is known in part, and nothing assumed."""
    from simulator.profiles.profile import is_cpu_known

    if is_cpu_known(node):
        return node
    from simulator.profiles.whole import whole_node

    return whole_node(node, assumes_clear=options.assume_missing is not None)


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Add the option --kernel."""
    parser.add_argument(
        "--kernel",
        metavar="RELEASE",
        help="the kernel of each node that is a CPU alone: a release, or 042stabN",
    )


def add_counted(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what counts: --restore-only and --waive."""
    parser.add_argument(
        "--restore-only",
        action="store_true",
        help="follow restore alone: leave out whether programs survive",
    )
    parser.add_argument(
        "--waive",
        metavar="CODE",
        action="append",
        default=[],
        help="leave out a reason about programs; what restore refuses cannot be waived",
    )


def waived_codes(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the waived codes, each once; UserError if one cannot be waived."""
    codes = tuple(dict.fromkeys(options.waive))
    if codes:
        from simulator.verdicts.codes import find_code

        for code in codes:
            if find_code(code).verdict == "restore":
                raise UserError(
                    f"--waive {code}: restore refuses for this reason, whoever waives it here; "
                    "reasons about programs alone can be waived"
                )
    return codes


def container_id(text: str) -> int:
    """Return a container's number; ArgumentTypeError where the text is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is no container's number")
    return int(text)
