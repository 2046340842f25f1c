"""Fuzz one target: atheris's process, started by run.py.

Usage: python -m fuzz.one TARGET SHAPE RECORD [OPTION OF LIBFUZZER OR FOLDER...]

SHAPE is the target's (to import the table of targets is to be instrumented). RECORD is written
with what the longest input took and how much memory one input added.
"""

import json
import resource
import shlex
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import atheris

from fuzz.attempts import Target, attempt, require
from fuzz.mutators import Mutator, mutate_json, mutate_tar

#: What one input may add to this process's memory.
MOST_MEMORY_KIB = 64 << 10

_MUTATORS: dict[str, Mutator] = {"json": mutate_json, "tar": mutate_tar}


@dataclass
class Record:
    """The worst that came of any input so far: seconds of this process's time, and memory."""

    seconds: float = 0.0
    input_of_seconds: int = 0
    added_kib: int = 0


class _Fuzzer:
    def __init__(self, target: Target, record: Path) -> None:
        self._target = target
        self._path = record
        self._record = Record()

    def try_one(self, data: bytes) -> None:
        """Give an input to the target; whatever is raised is a finding."""
        memory, began = _peak_kib(), time.process_time()
        try:
            attempt(self._target, data)
        except Exception:
            # Of what is raised in here libFuzzer shows the last line alone.
            traceback.print_exc()
            raise
        taken, added = time.process_time() - began, _peak_kib() - memory
        if taken > 1.1 * self._record.seconds or added > self._record.added_kib:
            if taken > self._record.seconds:
                self._record.seconds, self._record.input_of_seconds = taken, len(data)
            self._record.added_kib = max(added, self._record.added_kib)
            self._path.write_text(json.dumps(asdict(self._record)), "utf-8")
        require(added <= MOST_MEMORY_KIB, f"one input took {added} KiB more")


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main(name: str, shape: str, record: str, *options: str) -> None:
    """Fuzz; this ends the process."""
    if shape == "text":
        # It cannot take a pattern of half characters, which is what profiles are searched for.
        atheris.enabled_hooks.add("RegEx")
    with atheris.instrument_imports(include=["simulator", "vzcptcheck"]):
        from fuzz.targets import TARGETS
    target = TARGETS[name]
    # The first input of all makes tables and caches: they are nobody's fault.
    for seed in target.seeds():
        attempt(target, seed)
    # To merge corpora libFuzzer starts itself again, through a shell.
    again = shlex.join([sys.executable, "-m", "fuzz.one", name, shape, record])
    arguments = [again, *options]
    fuzzer = _Fuzzer(target, Path(record))
    if shape in _MUTATORS:
        mutator = partial(_mutate, _MUTATORS[shape])
        atheris.Setup(arguments, fuzzer.try_one, custom_mutator=mutator)
    else:
        atheris.Setup(arguments, fuzzer.try_one)
    atheris.Fuzz()


def _mutate(mutate: Mutator, data: bytes, most: int, seed: int) -> bytes:
    return mutate(data, most, seed, atheris.Mutate)


if __name__ == "__main__":
    main(*sys.argv[1:])
