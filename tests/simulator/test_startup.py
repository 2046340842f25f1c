"""What commands import: a command starts in a few times an empty interpreter."""

import sys

import pytest

from support.running import UNMEASURED, finish

#: Modules that take as long to import as a command may take in all, or half of it.
SLOW = {
    "csv",
    "dataclasses",
    "difflib",
    "importlib.resources",
    "jinja2",
    "json",
    "jsonschema",
    "locale",
    "pathlib",
    "rich",
    "shutil",
    "subprocess",
    "tempfile",
    "tomllib",
    "xml",
}

PROGRAM = """
import sys
before = set(sys.modules)
from simulator.cli import build_parser, main
{}
print(*set(sys.modules) - before, file=sys.stderr)
"""


def imported(statement: str) -> set[str]:
    """Return the modules that a statement imports, in a process of its own."""
    ended = finish([sys.executable, "-c", PROGRAM.format(statement)], UNMEASURED)
    assert ended.returncode == 0
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


NODE, OTHER_NODE = "042stab141.3.SandyBridge.default", "amd-epyc-7742.042stab141.3"


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", NODE, OTHER_NODE, "--ct", "101"),
        ("run", "--node", NODE, "--", "/bin/true"),
        ("replay", NODE, "--", "version"),
        ("cpus", "E5-2650 v2"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_that_is_run_often_imports_nothing_that_takes_long(
    arguments: tuple[str, ...],
) -> None:
    modules = imported(f"main({arguments!r})")
    assert "msgspec" in modules
    assert sorted(modules & SLOW) == []
