"""What commands take to start and to answer, as ratios of processor time.

Usage: python benchmarks/startup.py VENV ROOT

VENV has vzcptcheck[sim] installed from its wheel; ROOT is where tools/node_files.py laid out what
the RPM and the Debian package install, for VENV's Python. Its /usr/sbin/vzcptcheck is
vzcptcheck.pyz. Each program is started in turn, many times over, so that a noisy machine is as
noisy to all; its time is that of the whole process, with all that it starts. Exit status 1 where a
ratio of minimums is above its limit.
"""

import os
import statistics
import sys
import tempfile
import zipapp
import zipfile
from collections.abc import Mapping
from pathlib import Path

ROUNDS = 50

#: A program, what it is compared with, and the limit where there is one.
COMPARISONS = (
    ("vzcptcheck version, wheel", "empty program", 1.25),
    ("vzcptcheck version, package", "empty zipapp, -IS", 1.25),
    ("vzcptcheck version, package", "empty program", 1.25),
    ("vzcptcheck version, package", "empty program, -IS", None),
    ("vzcptcheck version, package", "vzcptcheck version, wheel", None),
    ("the package run by Python", "vzcptcheck version, package", None),
    ("the package not compiled", "vzcptcheck version, package", None),
    ("vzcptsim --help", "empty program", 4),
    ("vzcptsim replay NODE -- version", "empty program", 4),
    ("vzcptsim check NODE NODE --ct ID", "empty program", 6),
    ("vzcptsim run --node NODE -- /bin/true", "empty program", 6),
    ("vzcptsim cpus PATTERN", "empty program", 6),
    ("vzcptsim matrix, recorded nodes", "empty program", 40),
)

_NODE = "042stab141.3.SandyBridge.default"
_OTHER_NODE = "amd-epyc-7742.042stab141.3"
_CONTAINER = "101"


def main(arguments: list[str]) -> int:
    """Measure, print, and compare with the limits."""
    venv, tool = Path(arguments[0]), Path(arguments[1]) / "usr/sbin/vzcptcheck"
    with tempfile.TemporaryDirectory() as folder:
        programs = {**_vzcptcheck(venv, tool, Path(folder)), **_vzcptsim(venv)}
        seconds = _measure(programs)
    print(f"{ROUNDS} starts each, in turn; milliseconds of the processor, least and median:")
    for name, times in seconds.items():
        print(f"  {name:<38} {min(times) * 1e3:7.2f} {statistics.median(times) * 1e3:7.2f}")
    exceeding = [comparison for comparison in COMPARISONS if _exceeds(seconds, *comparison)]
    return int(bool(exceeding))


def _vzcptsim(venv: Path) -> dict[str, list[str]]:
    program = str(venv / "bin" / "vzcptsim")
    nodes = sorted(map(str, venv.glob("lib/python*/site-packages/simulator/fixtures/*.json")))
    check = ("check", _NODE, _OTHER_NODE, "--ct", _CONTAINER)
    run = ("run", "--node", _NODE, "--", "/bin/true")
    return {
        "vzcptsim --help": [program, "--help"],
        "vzcptsim replay NODE -- version": [program, "replay", _NODE, "--", "version"],
        "vzcptsim check NODE NODE --ct ID": [program, *check],
        "vzcptsim run --node NODE -- /bin/true": [program, *run],
        "vzcptsim cpus PATTERN": [program, "cpus", "E5-2650 v3"],
        "vzcptsim matrix, recorded nodes": [program, "matrix", "--format", "json", *nodes],
    }


def _vzcptcheck(venv: Path, tool: Path, folder: Path) -> dict[str, list[str]]:
    python = str(venv / "bin" / "python")
    empty = folder / "empty.py"
    empty.write_text("", "utf-8")
    source = folder / "source"
    source.mkdir()
    (source / "__main__.py").write_text("", "utf-8")
    empty_archive = folder / "empty.pyz"
    zipapp.create_archive(source, empty_archive)
    sources = _without_compiled(tool, folder / "sources.pyz")
    return {
        "empty program": [python, str(empty)],
        "vzcptcheck version, wheel": [str(venv / "bin" / "vzcptcheck"), "version"],
        "empty program, -IS": [python, "-IS", str(empty)],
        "empty zipapp, -IS": [python, "-IS", str(empty_archive)],
        "vzcptcheck version, package": [str(tool), "version"],
        "the package run by Python": [python, "-IS", str(tool), "version"],
        "the package not compiled": [str(sources), "version"],
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
            seconds[name].append(_processor_seconds(command))
    return seconds


def _processor_seconds(command: list[str]) -> float:
    """Run a program, and return what it took with all that it started."""
    silent = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=silent)
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime


def _exceeds(
    seconds: Mapping[str, list[float]], name: str, reference: str, limit: float | None
) -> bool:
    """Print two ratios, of the least times and of the medians; tell whether the first is over."""
    least = min(seconds[name]) / min(seconds[reference])
    median = statistics.median(seconds[name]) / statistics.median(seconds[reference])
    limited = "" if limit is None else f" (limit {limit})"
    print(f"{name} : {reference} = {least:.2f} least, {median:.2f} median{limited}")
    return limit is not None and least > limit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
