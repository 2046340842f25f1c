"""Tests that start a program: skipped without it, and named; failed where CI runs them."""

import re
import sys
from pathlib import Path

import pytest

from support.needed import PACKAGES
from support.running import ROOT, UNMEASURED, finish

SUITE = """\
import pytest
from support import needed

needed.find = {"bash": "/bin/bash"}.get

@needed.needs("sshd")
@pytest.mark.parametrize("number", range(3))
def test_that_starts_one(number):
    pass

@needed.needs("sshd", "fish", "bash")
def test_that_starts_three():
    pass

@needed.needs("bash")
def test_that_starts_a_shell():
    pass

def test_whose_last_part_starts_one(request):
    needed.require(request.node, "sshd")
"""

#: What every Debian has.
ESSENTIAL = {"bash", "dash", "util-linux"}


def run_suite(folder: Path, *options: str, **environment: str) -> list[str]:
    """Run the suite above, and return the lines that pytest prints."""
    (folder / "test_it.py").write_text(SUITE, "utf-8")
    plugins = ("-p", "support.needed", "-p", "no:vzcptsim", "-p", "no:cacheprovider")
    inherited = {name: text for name, text in UNMEASURED.items() if name != "SKIP_NOTHING"}
    command = [sys.executable, "-m", "pytest", *plugins, *options]
    variables = {**inherited, "PYTHONPATH": str(ROOT / "tests"), **environment}
    return finish(command, variables, cwd=folder).stdout.splitlines()


@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["one process", "another process"])
def test_the_last_lines_tell_what_to_install(options: tuple[str, ...], tmp_path: Path) -> None:
    lines = run_suite(tmp_path, "-q", *options)
    assert "skipped for want of a program" in lines[-5]
    assert lines[-4:-1] == [
        "fish: 1",
        "sshd: 5",
        "Install what they need: apt-get install fish openssh-server",
    ]
    assert lines[-1].startswith("1 passed, 5 skipped in ")


def test_where_nothing_is_to_be_skipped_they_fail(tmp_path: Path) -> None:
    lines = run_suite(tmp_path, "-q", SKIP_NOTHING="1")
    assert "not installed: sshd (openssh-server), fish (fish)" in lines
    assert lines[-1].startswith("1 failed, 1 passed, 4 errors in ")


def test_ci_installs_what_every_test_needs() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    commands = re.findall(r"apt-get install (.*?)>", script, re.DOTALL)
    assert set(PACKAGES.values()) - ESSENTIAL <= set(" ".join(commands).split())


def test_programs_are_looked_for_in_one_place() -> None:
    """A condition of its own would be none of what the last lines tell, and pass in CI."""
    decorators = re.compile(r"skip(?:if)?\((?:[^()]|\([^()]*\))*\bwhich\(")
    files = [path for path in ROOT.glob("tests/**/*.py") if path != Path(__file__)]
    assert [str(path) for path in files if decorators.search(path.read_text("utf-8"))] == []
