"""What 'vzcptcheck version' costs beside the interpreter itself, on a machine without OpenVZ.

Usage: python benchmarks/startup.py VENV ZIPAPP

VENV has vzcptcheck installed from its wheel; ZIPAPP is vzcptcheck.pyz made for VENV's Python.
Each program is started in turn, many times over, so that a noisy machine is as noisy to all.
Exit status 1 where a ratio of minimums is above its limit.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import zipapp
from collections.abc import Mapping
from pathlib import Path

ROUNDS = 100
LIMIT = 1.25

#: A program, what it is compared with, and whether LIMIT holds for the two.
COMPARISONS = (
    ("installed", "empty program", True),
    ("zipapp", "empty zipapp, -IS", True),
    ("zipapp", "empty program", True),
    ("zipapp", "empty program, -IS", False),
)


def main(arguments: list[str]) -> int:
    """Measure, print, and compare with the limit."""
    venv, archive = Path(arguments[0]), Path(arguments[1])
    with tempfile.TemporaryDirectory() as folder:
        seconds = _measure(_programs(venv, archive, Path(folder)))
    print(f"{ROUNDS} starts each, in turn; milliseconds, least and median:")
    for name, times in seconds.items():
        print(f"  {name:<20} {min(times) * 1e3:7.2f} {statistics.median(times) * 1e3:7.2f}")
    exceeding = [comparison for comparison in COMPARISONS if _exceeds(seconds, *comparison)]
    return int(bool(exceeding))


def _programs(venv: Path, archive: Path, folder: Path) -> dict[str, list[str]]:
    python = str(venv / "bin" / "python")
    empty = folder / "empty.py"
    empty.write_text("", "utf-8")
    source = folder / "source"
    source.mkdir()
    (source / "__main__.py").write_text("", "utf-8")
    empty_archive = folder / "empty.pyz"
    zipapp.create_archive(source, empty_archive)
    return {
        "empty program": [python, str(empty)],
        "installed": [str(venv / "bin" / "vzcptcheck"), "version"],
        "empty program, -IS": [python, "-IS", str(empty)],
        "empty zipapp, -IS": [python, "-IS", str(empty_archive)],
        "zipapp": [str(archive), "version"],
    }


def _measure(programs: Mapping[str, list[str]]) -> dict[str, list[float]]:
    """Start each program in each round, and return the seconds that the starts took."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(ROUNDS):
        for name, command in programs.items():
            begun = time.perf_counter()
            subprocess.run(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def _exceeds(seconds: Mapping[str, list[float]], name: str, reference: str, limited: bool) -> bool:
    """Print two ratios, of the least times and of the medians; tell whether the first is over."""
    least = min(seconds[name]) / min(seconds[reference])
    median = statistics.median(seconds[name]) / statistics.median(seconds[reference])
    limit = f" (limit {LIMIT})" if limited else ""
    print(f"{name} : {reference} = {least:.2f} least, {median:.2f} median{limit}")
    return limited and least > LIMIT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
