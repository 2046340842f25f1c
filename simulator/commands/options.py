"""What the modules of commands share: their parser, and options that several of them take."""

import argparse
from typing import NoReturn, TypeAlias

from simulator.errors import UsageError


class HelpShown(Exception):  # noqa: N818 (nothing is wrong)
    """Help, or the version, was asked for, and has been shown."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves the exit status to main: argparse's own 2 means no here."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002
        """Raise, since what there was to do is done."""
        raise HelpShown


#: What modules add their parsers to. Each sets ``command`` to a function of its options and of
#: ``simulator.output.Streams`` that returns the exit status.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 (it has no other name)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a listing be for a machine to read."""
    parser.add_argument("--json", action="store_true", help="for a machine to read")
