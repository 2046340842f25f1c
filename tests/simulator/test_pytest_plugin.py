"""The pytest plugin: other projects' tests run programs on simulated nodes."""

import os
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from simulator import pytest_plugin
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from simulator.pytest_plugin import SimulatedNode, SimulationError, _absolute
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
    node = SimulatedNode(NODE, sshd_for={"dest": NODE}, root_for={"dest": "/srv"})
    assert node.command_line(["a", "b"]) == [
        *(sys.executable, "-P", "-m", "simulator", "run", "--node", NODE),
        *("--sshd-for", f"dest={NODE}", "--root-for", "dest=/srv", "--", "a", "b"),
    ]


def test_nothing_of_the_simulator_is_imported_until_a_test_asks() -> None:
    script = "import sys, simulator.pytest_plugin as p; print(*sorted(sys.modules))"
    loaded = printed(finish([sys.executable, "-c", script], WITH_ROOT)).split()
    ours = [name for name in loaded if name.split(".")[0] in ("simulator", "vzcptcheck")]
    assert ours == ["simulator", "simulator.pytest_plugin"]


def test_a_node_that_is_not_there_is_no_programs_answer() -> None:
    for make in (
        lambda: SimulatedNode("042stab141.3.SandyBridg.default"),
        lambda: SimulatedNode(NODE, node_for={"b": "nowhere"}),
        lambda: SimulatedNode(NODE).check("nowhere"),
        lambda: SimulatedNode(NODE).check(NODE, ct=7),
    ):
        with pytest.raises(SimulationError, match=r"no node is recorded|no container 7"):
            make()


def test_without_the_simulators_libraries_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "simulator.profiles.nodes", None)
    with pytest.raises(SimulationError, match=r"pip install 'vzcptcheck\[sim\]'"):
        SimulatedNode(NODE)


def test_where_the_system_refuses_nothing_is_taken_for_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pytest_plugin, "_PROBE", "nowhere")
    pytest_plugin._require_running.cache_clear()  # what was tried before is remembered
    with pytest.raises(SimulationError, match="cannot be run on simulated nodes here: vzcptsim: "):
        SimulatedNode(NODE).run(["true"])
    pytest_plugin._require_running.cache_clear()


def test_a_node_is_judged_without_a_process() -> None:
    node = SimulatedNode(NODE)
    assert node.caps == load_node(NODE).answers.capability_number
    assert repr(node.check("042stab141.3.Haswell.default", ct=102)) == "safe"
    refused = node.check("042stab141.3.Penryn.default", ct=102)
    assert (refused.outcome, refused.codes[0]) == ("refused", "cpu-feature-missing")
    assert node.check("042stab141.3.Haswell.default").outcome == "safe"


GIVEN = "hello\n"


@pytest.mark.parametrize(
    ("options", "stdout"),
    [
        ({}, "hello\n"),
        ({"capture_output": True}, "hello\n"),
        ({"capture_output": False}, None),
        ({"text": False, "input": b"hello\n"}, b"hello\n"),
        ({"input": b"hello\n"}, b"hello\n"),
        ({"encoding": "latin-1"}, "hello\n"),
        ({"stdout": None}, None),
        ({"cwd": "/"}, "hello\n"),
        ({"env": {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, "timeout": 60}, "hello\n"),
    ],
)
def test_a_run_takes_what_subprocess_takes(options: dict[str, Any], stdout: object) -> None:
    assert SimulatedNode(NODE).run(["cat"], **{"input": GIVEN, **options}).stdout == stdout


def test_a_run_raises_what_subprocess_raises() -> None:
    node = SimulatedNode(NODE)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        node.run("exit 3", shell=True, check=True)  # noqa: S604 (a shell is what is tried)
    assert failed.value.returncode == 3
    with pytest.raises(subprocess.TimeoutExpired):
        node.run(["sleep", "60"], timeout=1)
    assert node.run(["sh", "-c", "kill -9 $$"]).returncode == -signal.SIGKILL
    assert node.run("true").returncode == 0


def test_a_node_is_the_same_in_every_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text(format_profile(load_node(NODE)), "utf-8")
    Path("cpus.json").write_text('[{"cpuid": [["1", "0", "0", "0", "0", "0"]]}]', "utf-8")
    node = SimulatedNode("mine.json", node_for={"b": "mine.json"})
    assert node.options == [
        *("--node", str(tmp_path / "mine.json")),
        *("--node-for", f"b={tmp_path / 'mine.json'}"),
    ]
    assert node.run(["uname", "-r"], cwd="/").stdout == "2.6.32-042stab141.3\n"
    assert _absolute("cpus.json@042stab141.3") == f"{tmp_path}/cpus.json@042stab141.3"
    assert _absolute("intel-xeon-x5550@042stab141.3") == "intel-xeon-x5550@042stab141.3"


@pytest.mark.parametrize(
    ("command", "how", "why"),
    [
        (["./my-chek"], {}, "No such file or directory"),
        ([ROOT], {}, "Permission denied"),
        (["true"], {"env": {}, "text": False}, "No module named simulator"),
        (["true"], {"capture_output": False}, "status 1"),
    ],
)
def test_a_command_that_was_not_started_gives_no_status(
    tmp_path: Path, command: list[str], how: dict[str, Any], why: str
) -> None:
    node = SimulatedNode(NODE)
    if "env" in how:
        (tmp_path / "simulator").mkdir()
        (tmp_path / "simulator" / "__init__.py").touch()
        how = {**how, "env": {"PYTHONPATH": str(tmp_path)}}
    if why.startswith("status"):
        node.options += ["--inside", "7777"]
    with pytest.raises(SimulationError, match=f"it was not run on the node: .*{why}"):
        node.run(command, **how)


def test_the_statuses_of_a_shell_are_its_own() -> None:
    node = SimulatedNode(NODE)
    assert [node.run(["sh", "-c", f"exit {n}"]).returncode for n in (126, 127, 1)] == [126, 127, 1]
