"""Compose the fixtures that composed.tsv lists, or check that they are as they would be made.

Usage: python tools/compose_fixtures.py [--check]

Each row is the command line of one ``vzcptsim compose``: the node's name, its CPU ('vzcptsim
cpus'), its kernel's release, its set of containers (container-sets.tsv), further options.
"""

import csv
import io
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.cli import main as run_vzcptsim

TOOLS = Path(__file__).resolve().parent
FIXTURES = TOOLS.parent / "fixtures"


def main(arguments: list[str]) -> int:
    """Write every composed fixture; with --check compare instead, and name those that differ."""
    checking = arguments == ["--check"]
    differing = [
        name for name, text in composed() if not _agrees(FIXTURES / f"{name}.json", text, checking)
    ]
    for name in differing:
        print(f"fixtures/{name}.json differs from what tools/composed.tsv composes")
    return int(bool(differing))


def composed() -> Iterator[tuple[str, str]]:
    """Yield each composed node's name and the text of its profile."""
    with (TOOLS / "container-sets.tsv").open(encoding="utf-8", newline="") as file:
        specs = {name: words.split() for name, words in csv.reader(file, delimiter="\t")}
    with (TOOLS / "composed.tsv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", restval=""):
            yield row["node"], _compose(row, specs[row["containers"]])


def _compose(row: dict[str, str], specs: list[str]) -> str:
    words = ["compose", "--kernel", row["kernel"], *shlex.split(row["options"])]
    if row["cpu"]:
        words += ["--cpuid", row["cpu"]]
    for spec in specs:
        words += ["--ct", spec]
    stdout, stderr = io.StringIO(), io.StringIO()
    if run_vzcptsim(words, stdout, stderr) != 0:
        raise SystemExit(f"{row['node']}: {stderr.getvalue()}")
    return stdout.getvalue()


def _agrees(path: Path, text: str, checking: bool) -> bool:
    if checking:
        return path.is_file() and path.read_text("utf-8") == text
    path.write_text(text, "utf-8")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
