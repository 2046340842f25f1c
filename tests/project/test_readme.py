"""The README: its commands and figures are the project's; examples are in test_documents.py."""

import re
import shlex
import sys
from pathlib import Path

from simulator.cli import build_parser
from simulator.profiles.profile import OriginKind
from simulator.profiles.store import load_node
from support.documents import command_after, read_blocks, with_programs
from support.recorded import NAMES, read_rows
from support.running import ROOT, finish, succeed, write_program
from support.samples import read_vectors
from support.simulated_profiles import recorded_nodes
from tools.programs import vzcptcheck

README = (ROOT / "README.md").read_text("utf-8")
NODES = (ROOT / "docs" / "nodes.md").read_text("utf-8")
#: Where the README was once as long as a manual.
MOST_LINES = 220


def test_ci_runs_the_readmes_command_for_the_tests() -> None:
    assert command_after("the tests").startswith("python3 -m venv .venv && ")
    assert "<!-- the tests -->" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_the_main_job_is_between_two_recorded_nodes() -> None:
    script, source, destination, ctid = shlex.split(command_after("the main job"))[-4:]
    assert (ROOT / script).is_file()
    assert int(ctid) in {container.ctid for container in load_node(source).containers}
    assert load_node(destination).answers.capability_number


def test_the_figures_are_the_projects() -> None:
    kinds = [profile.origin.kind for profile in recorded_nodes().values()]
    rows = [row.kind for name in NAMES for row in read_rows(name)]
    vectors = sum(map(len, map(read_vectors, ("caps.tsv", "vecaps.tsv", "versions.tsv"))))
    observed = sum(kind not in {"container", "open", "close"} for kind in rows)
    assert f"and {len(kinds)} recorded nodes" in README
    assert f"{kinds.count(OriginKind.CAPTURED)} are *captured*" in NODES
    assert f"{kinds.count(OriginKind.COMPOSED)} are *composed*" in NODES
    assert f"{rows.count('original'):,} of them are\n  runs of the original program" in NODES
    assert f"answered to {vectors} questions" in NODES
    assert f"{observed // 1000},000 recorded observations" in NODES


def test_it_is_short_and_where_comes_first() -> None:
    assert README.count("\n") < MOST_LINES
    commands = re.findall(r"^(?:\$|\| `)(?: ?)vzcptsim (\w+)", README, re.MULTILINE)
    assert commands[0] == "where"
    assert re.findall(r"^\| `vzcptsim (\w+)", README, re.MULTILINE)[0] == "where"


def test_every_command_of_vzcptsim_is_in_its_table() -> None:
    help_text = build_parser().format_help()
    listed = set(re.findall(r"^    (\w+) ", help_text, re.MULTILINE))
    assert listed == set(re.findall(r"^\| `vzcptsim (\w+)", README, re.MULTILINE))


def test_every_command_of_vzcptcheck_is_in_its_table() -> None:
    listed = set(re.findall(r"^\| `vzcptcheck (\w+)", README, re.MULTILINE))
    assert listed == {command.name for command in vzcptcheck().commands} - {"help"}


def test_the_main_job_prints_both_results(tmp_path: Path) -> None:
    command = command_after("the main job").rpartition("PATH=")[2].split(" ", 1)[1]
    ended = finish(["sh", "-c", command], with_programs())
    assert ended.returncode == 2
    assert ended.stdout.endswith("Caps check result: 2\n")


def test_the_pytest_fixture_works_as_it_is_shown(tmp_path: Path) -> None:
    block = next(one for one in read_blocks(ROOT / "docs" / "run.md") if one.language == "python")
    (tmp_path / "test_mine.py").write_text(block.text, "utf-8")
    write_program(tmp_path / "my-check", '#!/bin/sh\nvzcptcheck caps "$1" 144799\n')
    plugin = ("-p", "no:vzcptsim", "-p", "simulator.pytest_plugin", "-p", "no:cacheprovider")
    command = [sys.executable, "-m", "pytest", *plugin, "-q"]
    assert "1 passed" in succeed(command, with_programs(PYTHONPATH=str(ROOT)), cwd=tmp_path)
