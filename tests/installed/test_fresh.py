"""The README's two commands on a fresh Debian that has what the README names, and nothing else.

What is committed is cloned there: a change that is not committed is not tried.
"""

from pathlib import Path

import pytest

from support.documents import command_after
from support.installed import call, install_debian, pip_environment, run_in
from support.running import ROOT, Ended

PACKAGES = ("git", "python3", "python3-venv", "ca-certificates")
CLONE = "/home/vzcptcheck"


class Machine:
    """A fresh Debian with a clone of this repository."""

    def __init__(self, root: Path) -> None:
        install_debian(root, *PACKAGES)
        call("git", "clone", "--quiet", "--no-hardlinks", ROOT, f"{root}{CLONE}")
        self._root = root
        self._environment = pip_environment(root)

    def run(self, script: str) -> Ended:
        """Run a command in the clone."""
        return run_in(self._root, script, CLONE, self._environment)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(tmp_path_factory.mktemp("fresh") / "root")


def test_the_main_job_is_done(machine: Machine) -> None:
    ended = machine.run(command_after("the main job"))
    assert ended.returncode == 2, ended.stdout
    assert ended.stdout.endswith("Caps check result: 2\n")


def test_the_tests_pass_and_say_what_to_install(machine: Machine) -> None:
    machine.run("rm -rf .venv")
    ended = machine.run(command_after("the tests"))
    print(ended.stdout)
    assert ended.returncode == 0
    assert "Install what they need: apt-get install " in ended.stdout
    assert "openssh-server" in ended.stdout
    assert machine.run("git status --porcelain").stdout == ""
