"""Mutate the modules that decide, one spot at a time: each mutant must fail a test.

Usage: tools/mutation.py [MODULE...]     (all that are listed below, if none is named)

cosmic-ray makes the mutants; nothing is written: each is imported in place of its module, by a
process of its own that runs the tests. Numbers, comparisons, boolean and bit operators,
conditions, loops and decorators are mutated. What survives, since it does as the original does,
is explained in tools/mutation.toml; anything else that survives ends in status 1, as does an
explanation that is no longer needed.
"""

import difflib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import signal
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import ModuleType

import hypothesis  # noqa: F401 (once, for all)
import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
EXPLAINED = Path(__file__).with_suffix(".toml")

#: The modules that decide, each with the tests that are its specification.
TESTS = {
    "facts/bits": ("facts/bits", "facts/generations"),
    "facts/capabilities": ("facts/capabilities", "kernel/needs"),
    "facts/cpu_image": ("facts/cpu_image",),
    "facts/cpu_traits": ("facts/cpu_traits",),
    "facts/features": ("facts/features",),
    "facts/generations": ("facts/generations", "facts/cpu_traits"),
    "facts/override": ("facts/override",),
    "facts/words": ("facts/words",),
    "kernel/decision": ("kernel/decision", "kernel/needs", "fleets/judge"),
    "verdicts/criu": ("verdicts/criu",),
    "verdicts/criu_rules": ("verdicts/criu_rules",),
    "verdicts/programs": ("verdicts/programs", "fleets/judge"),
    "verdicts/restore": ("verdicts/restore", "fleets/judge"),
    "verdicts/traits": ("verdicts/traits",),
    "verdicts/verdict": ("verdicts/verdict",),
}

#: Arithmetic in place of a bit operation is nobody's slip; ``is`` for ``==`` is the linter's.
LEFT_OUT = re.compile(
    "core/(ReplaceBinaryOperator_.*_(Add|Sub|Mul|Div|FloorDiv|Mod|Pow)"
    "|ReplaceBinaryOperator_Bit(And|Or)_[LR]Shift"
    "|ReplaceUnaryOperator_Invert_.*"
    "|ReplaceComparisonOperator_.*_Is(Not)?)"
)

#: Lines that make things fast or strict, and decide nothing.
UNDECIDING = re.compile(
    r"@dataclass\(.*\)|@(functools\.)?(lru_)?cache.*|class \w+\(Struct, .*|_MOST_REMEMBERED = .*"
)

WORKERS = os.cpu_count() or 1

#: A mutant that hangs is killed after as many seconds.
TIMEOUT = 120


@dataclass(frozen=True)
class Mutant:
    """A module's text with one change: the lines as they were, and as they became."""

    module: str
    was: str
    becomes: str
    text: str = ""

    def named(self) -> "Mutant":
        """Return it without its text, to be compared with what is explained."""
        return Mutant(self.module, self.was, self.becomes)


class Importer(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a mutant in its module's place."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = f"simulator.{mutant.module.replace('/', '.')}"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find that one module, and no other."""
        del path, target
        if fullname != self._name:
            return None
        # With a path: modules look for their data beside it.
        return importlib.util.spec_from_file_location(
            fullname, path_of(self._mutant.module), loader=self
        )

    def get_source(self, fullname: str) -> str:
        """Return the mutant's text."""
        del fullname
        return self._mutant.text


def main(arguments: list[str]) -> int:
    """Mutate, tell of each module, and return 1 where something survives unexplained."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # They cost more than the tests.
    modules = arguments or list(TESTS)
    survivors: set[Mutant] = set()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = folder
        for module in modules:
            found = list(mutants(module))
            alive = survive(found)
            print(f"{module}: {len(found) - len(alive)} killed, {len(alive)} survive", flush=True)
            survivors.update(alive)
    return judge(modules, survivors)


def path_of(module: str) -> Path:
    """Return where a module is."""
    return ROOT / "simulator" / f"{module}.py"


def tests_of(module: str) -> list[str]:
    """Return the paths of the tests that are a module's specification."""
    tests = (test.partition("/") for test in TESTS[module])
    return [f"tests/simulator/{folder}/test_{name}.py" for folder, _, name in tests]


def mutants(module: str) -> Iterator[Mutant]:
    """Yield every mutant of a module."""
    original = path_of(module).read_text("utf-8")
    for name in operator_names():
        operator = get_operator(name)
        if LEFT_OUT.fullmatch(name) or operator.arguments():
            continue
        for occurrence in count():
            text = mutate_code(original, operator(), occurrence)
            if text is None:
                break
            lines = list(difflib.unified_diff(original.split("\n"), text.split("\n"), n=0))[2:]
            was, becomes = (
                " ".join(line[1:].strip() for line in lines if line.startswith(sign))
                for sign in "-+"
            )
            if not UNDECIDING.fullmatch(was.strip()):
                yield Mutant(module, was, becomes, text)


def survive(found: list[Mutant]) -> list[Mutant]:
    """Test all mutants, as many at a time as there are CPUs; list those that no test minds."""
    running: dict[int, Mutant] = {}
    alive: list[Mutant] = []
    waiting = iter(found)
    while True:
        while len(running) < (WORKERS) and (mutant := next(waiting, None)):
            running[start(mutant)] = mutant
        if not running:
            return alive
        pid, status = os.wait()
        mutant = running.pop(pid)
        if status == 0:
            alive.append(mutant.named())
            print(f"{mutant.module}:\n  - {mutant.was}\n  + {mutant.becomes}", flush=True)


def start(mutant: Mutant) -> int:
    """Start a process that runs the tests on a mutant, and ends with their status."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.alarm(TIMEOUT)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        sys.meta_path.insert(0, Importer(mutant))
        status = int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests_of(mutant.module)]))
    finally:
        os._exit(status)


def judge(modules: list[str], survivors: set[Mutant]) -> int:
    """Compare what survives with what is explained."""
    explained = {
        Mutant(one["module"], one["was"], becomes)
        for one in tomllib.loads(EXPLAINED.read_text("utf-8"))["survivor"]
        for becomes in one["becomes"]
        if one["module"] in modules
    }
    for mutant in sorted(survivors - explained, key=repr):
        print(f"survives unexplained: {mutant.module}: {mutant.becomes}")
    for mutant in sorted(explained - survivors, key=repr):
        print(f"explained, and does not survive: {mutant.module}: {mutant.becomes}")
    return int(survivors != explained)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
