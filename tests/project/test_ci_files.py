"""Files for CI services: of the shape that the services take, and with commands that work."""

import os
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support.ci_files import load, scripts
from support.documents import with_programs
from support.named import unknown_words
from support.running import ROOT, Ended, finish

pytestmark = pytest.mark.unmeasured

OWN = ROOT / ".github" / "workflows" / "ci.yml"
GITHUB = ROOT / "examples" / "ci" / "github-actions.yml"
GITLAB = ROOT / "examples" / "ci" / "gitlab-ci.yml"
FILES = (OWN, GITHUB, GITLAB)
NODES = ("SandyBridge", "Haswell", "Penryn")

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def simulator_lines(path: Path) -> list[str]:
    """List the commands of vzcptsim's that a file runs, in order."""
    lines = [line for script in scripts(path) for line in script.splitlines()]
    return [line for line in lines if line.startswith("vzcptsim ")]


def run(line: str, folder: Path) -> Ended:
    return finish(["sh", "-ec", line], with_programs(), cwd=folder)


def repository(folder: Path, path: Path) -> Path:
    """Make what the file says that a user's repository has."""
    (folder / "nodes").mkdir()
    for name in NODES:
        source = ROOT / "fixtures" / f"042stab141.3.{name}.default.json"
        shutil.copy(source, folder / "nodes" / f"{name}.json")
    (update,) = re.findall(
        r"# .*(vzcptsim matrix .*--update)$", path.read_text("utf-8"), re.MULTILINE
    )
    assert run(update, folder).returncode == 0
    return folder


def cases(folder: Path) -> list[ET.Element]:
    """List the tests that JUnit's report has; those that fail have a child."""
    root = ET.parse(folder / "matrix.xml").getroot()  # noqa: S314 (it is ours)
    return list(root.iter("testcase"))


@each_file
def test_commands_and_options_are_the_programs(path: Path) -> None:
    commands = "\n".join(f"`{line}`" for line in simulator_lines(path))
    assert list(unknown_words(path.name, commands)) == []


def test_each_example_has_the_same_two_commands() -> None:
    assert simulator_lines(GITHUB) == simulator_lines(GITLAB)
    assert len(simulator_lines(GITHUB)) == 2


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.name)
def test_the_commands_pass_where_all_is_as_expected(path: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path, path)
    for line in simulator_lines(path):
        assert run(line, folder).returncode == 0, line
    pairs = cases(folder)
    assert len(pairs) == len(NODES) * (len(NODES) - 1)
    assert [case for case in pairs if len(case)] == []
    assert (folder / "matrix.html").read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("path", [GITHUB, GITLAB], ids=lambda path: path.name)
def test_the_last_command_fails_where_a_verdict_has_changed(path: Path, tmp_path: Path) -> None:
    folder = repository(tmp_path, path)
    changed = ROOT / "fixtures" / "042stab141.3.SandyBridge.ipv6.disable.json"
    shutil.copy(changed, folder / "nodes" / "SandyBridge.json")
    report, compare = simulator_lines(path)
    assert run(report, folder).returncode == 0
    ended = run(compare, folder)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "worse: Penryn to SandyBridge" in ended.stderr
    failed = {case.attrib["name"] for case in cases(folder) if len(case)}
    assert failed == {"Penryn to SandyBridge"}


def test_what_is_kept_is_what_the_commands_write() -> None:
    written = {
        words[words.index("-o") + 1]
        for line in simulator_lines(GITHUB)
        for words in [shlex.split(line)]
        if "-o" in words
    }
    (job,) = load(GITHUB)["jobs"].values()
    assert set(job["steps"][-1]["with"]["path"].split()) == written
    artifacts = load(GITLAB)["migrations"]["artifacts"]
    assert {*artifacts["paths"], artifacts["reports"]["junit"]} == written
    assert artifacts["when"] == "always"
    assert job["steps"][-1]["if"] == "always()"


def test_gitlabs_takes_no_container() -> None:
    assert "image" not in load(GITLAB)["migrations"]
    assert "image" not in load(GITLAB)


def test_this_repositorys_workflow_runs_what_ci_runs() -> None:
    workflow = load(OWN)
    assert any(".ci/run" in script for script in scripts(OWN))
    assert {job["runs-on"] for job in workflow["jobs"].values()} == {"ubuntu-latest"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_the_sessions_that_it_names_are_noxs() -> None:
    named = {name for script in scripts(OWN) for name in re.findall(r"nox -s (\w+)", script)}
    assert named == {"tests", "browser", "release"}
    pythons = load(OWN)["jobs"]["pythons"]["strategy"]["matrix"]["python"]
    assert all(re.fullmatch(r"3\.([7-9]|1[0-5])", version) for version in pythons)


@pytest.mark.parametrize(
    "path",
    [OWN, ROOT / ".ci" / "run", ROOT / "README.md", ROOT / "docs" / "developer.md"],
    ids=lambda path: path.name,
)
def test_every_session_that_is_named_is_in_the_noxfile(path: Path) -> None:
    named = re.findall(r"nox -s ((?:[a-z][\w.-]* ?)+)", path.read_text("utf-8"))
    assert named
    sessions = {word.partition("-")[0] for words in named for word in words.split()}
    noxfile = (ROOT / "noxfile.py").read_text("utf-8")
    assert sessions <= set(re.findall(r"^def (\w+)\(session", noxfile, re.MULTILINE))


def test_users_install_the_wheel_that_they_keep_and_nothing_of_that_name_from_an_index() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wheel = f'"$(echo wheels/{project["name"]}-*.whl)[sim]"'
    assert "sim" in project["optional-dependencies"]
    for path in (GITHUB, GITLAB):
        (line,) = (line for line in scripts(path) if "pip install" in line)
        assert line.endswith(f" {wheel}")
        assert "pip wheel --no-deps -w wheels CHECKOUT" in path.read_text("utf-8")


@each_file
def test_shellcheck_has_nothing_to_say_of_their_scripts(path: Path) -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.defpath}")
    assert shellcheck is not None
    for script in scripts(path):
        plain = re.sub(r"\$\{\{.*?\}\}", "value", script)
        assert finish([shellcheck, "--shell=bash", "-"], input=plain).stdout == "", script
