"""vzcptsim schema: the published shapes of what the commands answer, and of profiles."""

import argparse
import os

from simulator.output import Streams
from vzcptcheck.outcome import ExitStatus

_FOLDER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "schema")
_SUFFIX = ".schema.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.add_argument("name", metavar="NAME", choices=schema_names(), help="%(choices)s")
    parser.set_defaults(command=_schema)


def schema_names() -> list[str]:
    """List the published schemas."""
    names = os.listdir(_FOLDER)
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def _schema(options: argparse.Namespace, streams: Streams) -> int:
    with open(os.path.join(_FOLDER, f"{options.name}{_SUFFIX}"), encoding="utf-8") as file:
        streams.answer(file.read())
    return ExitStatus.YES
