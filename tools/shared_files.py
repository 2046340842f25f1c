"""Write the completions and manual pages that are generated when a wheel is built.

Usage: python -m tools.shared_files FOLDER

FOLDER is the prefix of an installation: completions go to FOLDER/share/bash-completion and the
like, manual pages to FOLDER/share/man.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from simulator.facts.generations import EXAMPLES
from simulator.profiles.catalogue import load_cpus
from simulator.verdicts.codes import CODES
from tools.completions import completions
from tools.manuals import manuals
from tools.programs import ROOT, vzcptcheck, vzcptsim


def write(folder: Path) -> None:
    """Write every file below a folder."""
    for name, text in _files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _files() -> Iterator[tuple[str, str]]:
    for program in (vzcptcheck(), vzcptsim()):
        yield from completions(program, names())
    yield from manuals()


def names() -> dict[str, list[str]]:
    """Return the names that completions offer, by kind: of recorded nodes, CPUs and so on.

    They are read without third-party packages, which are absent where a wheel is built.
    """
    codes = CODES.values()
    return {
        "nodes": sorted(path.stem for path in ROOT.glob("fixtures/*.json")),
        "cpus": [name for cpu in load_cpus().values() for name in cpu.names],
        "releases": list(EXAMPLES.values()),
        "codes": [code.name for code in codes],
        "waivable": [code.name for code in codes if code.verdict == "programs"],
    }


if __name__ == "__main__":
    write(Path(sys.argv[1]))
