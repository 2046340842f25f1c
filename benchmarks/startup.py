"""What 'vzcptcheck version' costs beside the interpreter itself, on a machine without OpenVZ.

Usage: python benchmarks/startup.py VENV ROOT

VENV has vzcptcheck installed from its wheel; ROOT is where tools/node_files.py laid out what the
RPM and the Debian package install, for VENV's Python. Its /usr/sbin/vzcptcheck is vzcptcheck.pyz.
Each program is started in turn, many times over, so that a noisy machine is as noisy to all.
Exit status 1 where a ratio of minimums is above its limit.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import zipapp
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROUNDS = 100
LIMIT = 1.25

#: A program, what it is compared with, and whether LIMIT holds for the two.
COMPARISONS = (
    ("wheel", "empty program", True),
    ("package", "empty zipapp, -IS", True),
    ("package", "empty program", True),
    ("package", "empty program, -IS", False),
    ("package", "wheel", False),
    ("zipapp run by Python", "package", False),
    ("zipapp not compiled", "package", False),
)


def main(arguments: list[str]) -> int:
    """Measure, print, and compare with the limit."""
    venv, tool = Path(arguments[0]), Path(arguments[1]) / "usr/sbin/vzcptcheck"
    with tempfile.TemporaryDirectory() as folder:
        seconds = _measure(_programs(venv, tool, Path(folder)))
    print(f"{ROUNDS} starts each, in turn; milliseconds, least and median:")
    for name, times in seconds.items():
        print(f"  {name:<20} {min(times) * 1e3:7.2f} {statistics.median(times) * 1e3:7.2f}")
    exceeding = [comparison for comparison in COMPARISONS if _exceeds(seconds, *comparison)]
    return int(bool(exceeding))


def _programs(venv: Path, tool: Path, folder: Path) -> dict[str, list[str]]:
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
        "wheel": [str(venv / "bin" / "vzcptcheck"), "version"],
        "empty program, -IS": [python, "-IS", str(empty)],
        "empty zipapp, -IS": [python, "-IS", str(empty_archive)],
        "package": [str(tool), "version"],
        "zipapp run by Python": [python, "-IS", str(tool), "version"],
        "zipapp not compiled": [str(_without_compiled(tool, folder / "sources.pyz")), "version"],
    }


def _without_compiled(tool: Path, output: Path) -> Path:
    """Copy the tool without what was compiled: another Python's start."""
    prelude = tool.read_bytes().partition(b"PK\x03\x04")[0]
    output.write_bytes(prelude)
    with zipfile.ZipFile(tool) as whole, zipfile.ZipFile(output, "a") as sources:
        for name in whole.namelist():
            if not name.endswith(".pyc"):
                sources.writestr(name, whole.read(name))
    output.chmod(0o755)
    return output


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
