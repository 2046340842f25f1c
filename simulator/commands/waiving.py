"""Options on opinions that several commands take: how far ours count."""

import argparse

from simulator.errors import UserError
from simulator.verdicts.codes import find_code


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
    for code in codes:
        if find_code(code).opinion == "kernel":
            raise UserError(
                f"--waive {code}: this reason is the kernel's, and whoever waives it here, the "
                "kernel refuses all the same; ours alone can be waived"
            )
    return codes
