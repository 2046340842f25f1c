"""Large inputs, made of small ones, and bombs: what grows faster than its input shows there.

Usage: python -m fuzz.large [TARGET...]

Gives inputs of a MiB, and of the largest size that is read, to each target or to those named, and
prints what the worst of them took. The status is 1 where one took more than is promised, or was
answered otherwise.
"""

import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.attempts import FindingError, Target, attempt, require
from fuzz.bombs import bombs
from fuzz.targets import TARGETS

SIZE = 1 << 20

#: What is promised of any input: memory beyond what the program has before, the input's own
#: included, and seconds of work.
MOST_MEMORY_MIB = 64
MOST_SECONDS = 10

_FILLERS = (
    *(("zeros", b"\0"), ("blanks", b" "), ("digits", b"7"), ("letters", b"a")),
    *(("lines", b"\n"), ("brackets", b"["), ("quotes", b'"'), ("no UTF-8", b"\xff")),
    ("no letters", "\N{FOX FACE}".encode()),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What an input took."""

    seconds: float
    memory_mib: float
    what: str


def large_inputs(seed: bytes, size: int) -> Iterator[tuple[str, bytes]]:
    """Yield an input blown up in several ways, each with its name."""
    yield "repeated", seed * (size // len(seed))
    middle = len(seed) // 2
    for name, filler in _FILLERS:
        yield name, seed[:middle] + filler * ((size - len(seed)) // len(filler)) + seed[middle:]
    lines = seed.split(b"\n")
    for number, line in list(enumerate(lines))[1:12:3]:
        repeated = (line + b"\n") * (size // (len(line) + 1))
        rest = b"\n".join(lines[number:])
        yield f"line {number} repeated", b"\n".join([*lines[:number], repeated, rest])


def measure(target: Target, sizes: Iterable[int]) -> tuple[Cost, Cost]:
    """Return the costs of the slowest of the large inputs, and of the one that took most memory.

    Raises FindingError where one costs more than is promised, or is answered otherwise.
    """
    for seed in target.seeds():
        attempt(target, seed)
    costs = [_measure_one(target, what, data) for what, data in _inputs(target, sizes)]
    return (
        max(costs, key=lambda cost: cost.seconds),
        max(costs, key=lambda cost: cost.memory_mib),
    )


def _inputs(target: Target, sizes: Iterable[int]) -> Iterator[tuple[str, bytes]]:
    for number, seed in enumerate(target.seeds()):
        for size in sizes:
            for name, data in large_inputs(seed, size):
                yield f"seed {number}, {name}, {size >> 20} MiB", data
    for name, data in bombs().get(target.name, {}).items():
        yield f"{name}, {len(data) >> 10} KiB", data


def _measure_one(target: Target, what: str, data: bytes) -> Cost:
    """Give an input to a process of its own: a peak of memory does not go down again."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os._exit(_try_one(target, data, writing))
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        answer = told.read()
    os.waitpid(child, 0)
    require(bool(answer), f"not answered as promised: {what}")
    seconds, added_mib = json.loads(answer)
    cost = Cost(seconds, len(data) / (1 << 20) + added_mib, what)
    require(cost.seconds <= MOST_SECONDS, f"{cost.seconds:.1f} s: {what}")
    require(cost.memory_mib <= MOST_MEMORY_MIB, f"{cost.memory_mib:.0f} MiB: {what}")
    return cost


def _try_one(target: Target, data: bytes, writing: int) -> int:
    """Write what an input takes, seconds and MiB; nothing if it is not answered as promised."""
    try:
        # A process that was forked has what its parent has read of files once it needs it.
        attempt(target, next(iter(target.seeds())))
        before, began = _resident_kib(), time.process_time()
        attempt(target, data)
        seconds = time.process_time() - began
    except BaseException:  # noqa: BLE001 (whatever it is, it is a finding)
        traceback.print_exc()
        return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    os.write(writing, json.dumps((seconds, max(0, peak - before) / 1024)).encode("ascii"))
    return 0


def _resident_kib() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() // 1024


def main(*names: str) -> int:
    """Measure and print each target; return the exit status."""
    failed = 0
    for name in names or TARGETS:
        try:
            slowest, largest = measure(TARGETS[name], sorted({SIZE, TARGETS[name].most}))
        except FindingError as error:
            failed += 1
            print(f"{name:<14} {error}", flush=True)
            continue
        print(
            f"{name:<14} {slowest.seconds:6.2f} s  ({slowest.what}); "
            f"{largest.memory_mib:5.1f} MiB  ({largest.what})",
            flush=True,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
