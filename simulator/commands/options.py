"""What the modules of commands share: their parser, and options that several of them take."""

import argparse

from simulator.errors import UsageError, UserError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


class HelpAsked(Exception):  # noqa: N818 (nothing is wrong)
    """Help, or the version, is asked for: the text is the answer."""


class Parser(argparse.ArgumentParser):
    """A parser that writes nothing, and leaves the exit status to main: 2 means no here."""

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError."""
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")

    def print_help(self, file: object = None) -> "NoReturn":  # noqa: ARG002 (argparse gives it)
        """Raise HelpAsked."""
        raise HelpAsked(self.format_help())


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a listing be for a machine to read."""
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def add_strictness(parser: argparse.ArgumentParser) -> None:
    """Let our opinion count, but for codes that are waived."""
    parser.add_argument(
        "--strict", action="store_true", help="count our opinion in, not the kernel's alone"
    )
    parser.add_argument(
        "--waive",
        metavar="CODE",
        action="append",
        default=[],
        help="a reason of ours that does not count; the kernel's cannot be waived",
    )


def waived_codes(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the codes that are waived, each once; UserError where one cannot be."""
    codes = tuple(dict.fromkeys(options.waive))
    if codes:
        from simulator.verdicts.codes import find_code

        for code in codes:
            if find_code(code).opinion == "kernel":
                raise UserError(
                    f"--waive {code}: this reason is the kernel's, and whoever waives it here, "
                    "the kernel refuses all the same; ours alone can be waived"
                )
    return codes
