"""What the modules of commands share: types, and options that several of them take."""

import argparse
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from simulator.cli import Parser

#: What modules add their parsers to. Each sets ``command`` to a function of its options and of
#: ``simulator.output.Streams`` that returns the exit status.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 (it has no other name)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Let a listing be for a machine to read."""
    parser.add_argument("--json", action="store_true", help="for a machine to read")
