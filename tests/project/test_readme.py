"""The README: its commands, links, figures and examples are the project's."""

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from recorded import NAMES, read_rows
from replayed import replay
from simulator.cli import build_parser
from simulator.cli import main as run_vzcptsim
from simulator.fixtures import load_fixtures, load_node
from simulator.profile import OriginKind
from vectors import read_vectors

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def command_after(marker: str) -> str:
    """Return the one line that a reader pastes."""
    block = re.search(rf"<!-- {marker} -->\n```sh\n(.*)\n```", README)
    assert block is not None
    return block[1]


def test_ci_runs_the_readmes_command_for_the_tests() -> None:
    assert command_after("the tests").startswith("python3 -m venv .venv && ")
    assert "<!-- the tests -->" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_main_job_is_between_two_recorded_nodes() -> None:
    script, source, destination, ctid = shlex.split(command_after("the main job"))[-4:]
    assert (ROOT / script).is_file()
    assert int(ctid) in {container.ctid for container in load_node(source).containers}
    assert load_node(destination).answers.capability_number


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target


def test_the_figures_are_the_projects() -> None:
    kinds = [profile.origin.kind for profile in load_fixtures()]
    rows = [row.kind for name in NAMES for row in read_rows(name)]
    vectors = sum(map(len, map(read_vectors, ("caps.tsv", "vecaps.tsv", "versions.tsv"))))
    observed = sum(kind not in {"container", "open", "close"} for kind in rows)
    assert f"and {len(kinds)} recorded nodes" in README
    assert f"{kinds.count(OriginKind.CAPTURED)} are *captured*" in README
    assert f"{kinds.count(OriginKind.COMPOSED)} are *composed*" in README
    assert f"{rows.count('original'):,} of them are\n  runs of the original program" in README
    assert f"answered to {vectors} questions" in README
    assert f"{observed // 1000},000 recorded observations" in README


def test_the_refusal_that_is_shown_is_what_is_said() -> None:
    block = re.search(r"```\n# vzcptcheck (caps 102 \d+)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    said = replay(load_node("042stab141.3.SandyBridge.default").boot(), *block[1].split())
    assert (said.status, said.stderr) == (2, block[2])


def test_every_command_of_vzcptsim_is_in_its_table() -> None:
    help_text = build_parser().format_help()
    listed = set(re.findall(r"^    (\w+) ", help_text, re.MULTILINE))
    assert listed == set(re.findall(r"^\| `vzcptsim (\w+)", README, re.MULTILINE))


def test_the_program_on_a_node_prints_what_it_shows() -> None:
    block = re.search(r"```\n\$ vzcptsim (run.*)\n((?:.*\n)*?)```", README)
    assert block is not None
    ended = subprocess.run(
        [sys.executable, "-m", "simulator", *shlex.split(block[1])],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
    )
    assert ended.stdout == block[2]


def test_the_checked_migration_prints_what_it_shows() -> None:
    block = re.search(r"```\n\$ vzcptsim (check.*)\n((?:.*\n)*?)```", README)
    assert block is not None
    stdout, stderr = io.StringIO(), io.StringIO()
    assert run_vzcptsim(shlex.split(block[1]), stdout, stderr) == 2
    assert (stdout.getvalue(), stderr.getvalue()) == (block[2], "")


def test_the_composed_example_prints_what_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```\n(\$ vzcptsim compose.*?)```", README, re.DOTALL)
    assert block is not None
    for command, shown in re.findall(r"^\$ vzcptsim (.*)\n((?:[^$].*\n)*)", block[1], re.MULTILINE):
        stdout, stderr = io.StringIO(), io.StringIO()
        assert run_vzcptsim(shlex.split(command), stdout, stderr) == 0, stderr.getvalue()
        assert stdout.getvalue() == shown
