"""Fuzz every target, each for its share of the time, from the corpus that is kept.

Usage: python -m fuzz.run FOLDER [SECONDS [TARGET...]]
       python -m fuzz.run FOLDER minimise [TARGET...]

'nox -s fuzz -- SECONDS' runs it. FOLDER takes what is found on the way: the corpora as they grow,
logs, and inputs that are findings; the status is 1 where there are any. 'minimise' puts into
corpus/ the fewest inputs of all that reach as much.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from json import loads
from pathlib import Path

from fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "fuzz" / "corpus"

SECONDS = 600

#: An input longer than this is no better at finding anything.
MOST_BYTES = {"json": 4096, "tar": 12288, "text": 4096, "bytes": 4096}

#: What is kept is small: a longer input may reach something, and is not kept for it.
_MOST_KEPT = 700

_LIMITS = ("-timeout=10", "-rss_limit_mb=512", "-print_final_stats=1")

_REACHED = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/(\S+)")
_STAT = re.compile(r"stat::(\w+):\s+(\d+)")
_FINDING = re.compile(r"Test unit written to (\S+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of fuzzing a target: figures as libFuzzer and one.py give them."""

    name: str
    runs: int
    per_second: int
    reached: tuple[str, str, str, str]
    seconds: float
    added_kib: int
    peak_mib: int
    finding: str

    def row(self) -> str:
        """Write a row of the table."""
        coverage, features, inputs, size = self.reached
        return (
            f"{self.name:<14} {self.runs:>9} {self.per_second:>6} {coverage:>6} {features:>6} "
            f"{inputs:>6} {size:>6} {self.seconds:>9.3f} {self.added_kib / 1024:>9.1f} "
            f"{self.peak_mib:>6}  {self.finding or 'none'}"
        )


HEADING = (
    f"{'target':<14} {'runs':>9} {'per s':>6} {'cov':>6} {'ft':>6} {'inputs':>6} {'bytes':>6} "
    f"{'longest s':>9} {'added MiB':>9} {'rss':>6}  finding"
)


def fuzz(name: str, seconds: int, folder: Path) -> Outcome:
    """Fuzz a target; its corpus in the folder grows."""
    grown = _folder(folder / "corpus" / name)
    findings = _folder(folder / "findings")
    record, log = folder / f"{name}.json", folder / f"{name}.log"
    record.write_text('{"seconds": 0, "added_kib": 0}', "utf-8")
    options = (
        *_LIMITS,
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES[TARGETS[name].shape]}",
        f"-artifact_prefix={findings}/{name}-",
    )
    with log.open("wb") as file:
        _start(name, record, *options, *map(str, (grown, *_kept(name, folder))), stdout=file)
    return _outcome(name, log.read_text("utf-8", "replace"), loads(record.read_text("utf-8")))


def _outcome(name: str, log: str, record: dict[str, float]) -> Outcome:
    stats = {key: int(value) for key, value in _STAT.findall(log)}
    found = _FINDING.search(log)
    return Outcome(
        name=name,
        runs=stats.get("number_of_executed_units", 0),
        per_second=stats.get("average_exec_per_sec", 0),
        reached=(_REACHED.findall(log) or [("0",) * 4])[-1],
        seconds=record["seconds"],
        added_kib=int(record["added_kib"]),
        peak_mib=stats.get("peak_rss_mb", 0),
        finding="" if "stat::number_of_executed_units" in log and not found else _seen(found),
    )


def _seen(found: re.Match[str] | None) -> str:
    return found[1] if found else "it did not end well: see its log"


def minimise(name: str, folder: Path) -> None:
    """Keep the fewest short inputs that reach what all short ones together do."""
    grown = _folder(folder / "corpus" / name)
    with tempfile.TemporaryDirectory() as fewest:
        options = (
            "-set_cover_merge=1",
            "-use_counters=0",
            f"-max_len={MOST_BYTES[TARGETS[name].shape]}",
        )
        short = _folder(Path(fewest) / "short")
        for source in (grown, *_kept(name, folder)):
            for path in source.iterdir():
                if path.stat().st_size <= _MOST_KEPT:
                    shutil.copy(path, short)
        kept = _folder(Path(fewest) / "kept")
        log = folder / f"{name}.merge.log"
        with log.open("wb") as file:
            record = folder / f"{name}.merge.json"
            _start(name, record, *options, *map(str, (kept, short)), stdout=file)
        shutil.rmtree(CORPUS / name, ignore_errors=True)
        shutil.copytree(kept, CORPUS / name)


def _kept(name: str, folder: Path) -> list[Path]:
    """Return the folders of the inputs to begin with."""
    seeds = _folder(folder / "seeds" / name)
    for number, data in enumerate(TARGETS[name].seeds()):
        (seeds / str(number)).write_bytes(data)
    return [seeds, *(one for one in [CORPUS / name] if one.is_dir())]


def _start(name: str, record: Path, *options: str, stdout: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "fuzz.one", name, TARGETS[name].shape, str(record), *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,  # type: ignore[call-overload]
        stderr=subprocess.STDOUT,
        check=False,
    )


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def main(folder: str, what: str = str(SECONDS), *names: str) -> int:
    """Fuzz or minimise the targets named, or all."""
    place = _folder(Path(folder).resolve())
    chosen = names or tuple(TARGETS)
    if what == "minimise":
        for name in chosen:
            minimise(name, place)
        return 0
    print(HEADING, flush=True)
    found = 0
    for name in chosen:
        outcome = fuzz(name, max(1, int(what) // len(chosen)), place)
        found += bool(outcome.finding)
        print(outcome.row(), flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
