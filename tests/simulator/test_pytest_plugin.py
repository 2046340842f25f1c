"""The pytest plugin: other projects' tests run programs on simulated nodes."""

import os
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from simulator.pytest_plugin import SimulatedNode
from support.running import NODE, ROOT, Ended, finish, printed

WITH_ROOT = {**os.environ, "PYTHONPATH": str(ROOT)}


SUITE = (ROOT / "tests" / "data" / "suite.txt").read_text("utf-8")


def run_pytest(folder: Path, *options: str) -> Ended:
    """Run pytest in a folder of somebody's, which has a folder ``simulator`` of its own."""
    (folder / "simulator").mkdir()
    (folder / "simulator" / "__init__.py").touch()
    pytest_with_it = ("-P", "-m", "pytest", "-p", "no:vzcptsim", "-p", "simulator.pytest_plugin")
    return finish([sys.executable, *pytest_with_it, *options], WITH_ROOT, cwd=folder)


def test_a_suite_runs_its_programs_on_nodes(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(SUITE, "utf-8")
    ended = run_pytest(tmp_path, "-p", "no:cacheprovider")
    assert "5 passed" in ended.stdout, ended.stdout


def test_the_fixture_tells_what_it_is_for(tmp_path: Path) -> None:
    shown = run_pytest(tmp_path, "--fixtures").stdout
    assert "Make a simulated node to run commands on" in shown


def test_pytest_finds_it_by_its_entry_point() -> None:
    found = [one for one in entry_points(group="pytest11") if one.name == "vzcptsim"]
    if not found:
        pytest.skip("this checkout is not installed")
    assert found[0].load().SimulatedNode.__name__ == SimulatedNode.__name__


def test_what_is_started_can_be_started_by_any_means() -> None:
    node = SimulatedNode(NODE, sshd_for={"dest": "other.json"})
    assert node.command_line(["a", "b"]) == [
        *(sys.executable, "-P", "-m", "simulator", "run", "--node", NODE),
        *("--sshd-for", "dest=other.json", "--", "a", "b"),
    ]


def test_nothing_of_the_simulator_is_imported_until_a_test_asks() -> None:
    script = "import sys, simulator.pytest_plugin as p; print(*sorted(sys.modules))"
    loaded = printed(finish([sys.executable, "-c", script], WITH_ROOT)).split()
    ours = [name for name in loaded if name.split(".")[0] in ("simulator", "vzcptcheck")]
    assert ours == ["simulator", "simulator.pytest_plugin"]
