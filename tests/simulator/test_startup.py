"""What commands import: a command starts in a few times an empty interpreter."""

import subprocess
import sys

import pytest

from support.running import ROOT, UNMEASURED

#: What the extra "sim" installs, and what that brings along.
THIRD_PARTY = {"attrs", "jinja2", "jsonschema", "markupsafe", "msgspec", "pygments", "rich"}

PROGRAM = """
import sys
before = set(sys.modules)
from simulator.cli import build_parser, main
{}
print(*set(sys.modules) - before, file=sys.stderr)
"""


def imported(statement: str) -> set[str]:
    """Return the modules that a statement imports, in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(statement)],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=UNMEASURED,
    )
    return set(ended.stderr.splitlines()[-1].split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("word", ["--help", "--version", "frobnicate"])
def test_no_command_is_imported_that_is_not_asked_for(word: str) -> None:
    modules = imported(f"main(['{word}'])")
    assert {name for name in modules if name.startswith("simulator.")} == {
        "simulator.cli",
        "simulator.commands",
        "simulator.commands.options",
        "simulator.errors",
        "simulator.output",
    }
    assert not packages(modules) & {"typing", "dataclasses", "pathlib", "contextlib"}


@pytest.mark.parametrize("command", ["kernels", "run", "check"])
def test_a_commands_help_imports_its_module_alone(command: str) -> None:
    modules = imported(f"main(['{command}', '--help'])")
    assert {name for name in modules if name.startswith("simulator.commands.")} == {
        "simulator.commands.options",
        f"simulator.commands.{command}",
    }
    assert not packages(modules) & {"typing", "dataclasses", "pathlib", "contextlib"}


def test_all_parsers_are_built_without_other_packages() -> None:
    # Manuals and completions are made of them where nothing is installed.
    assert not packages(imported("build_parser()")) & THIRD_PARTY
