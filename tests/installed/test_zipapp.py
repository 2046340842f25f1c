"""The node's tool as one file, on every Python at hand; every package, built twice."""

import os
import sys
import time
from pathlib import Path

import pytest

from support.installed import DEB, RPM, ZIPAPP, call, check_contract, everything_in
from support.interpreters import HostileFolder, pythons_at_hand
from support.running import ROOT

#: What the tool and the packages are built from.
SOURCES = ("LICENSE", "CHANGELOG.md", "*/vzcptcheck*", "vzcptcheck/*.py", "tools/*.py")
PACKAGING = ("packaging/*.in", "packaging/debian/*", "completions/*")


@pytest.fixture(params=pythons_at_hand())
def python(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return pythons_at_hand()[version]


def test_the_drop_in_contract_runs_and_nothing_is_left(python: str, tmp_path: Path) -> None:
    """The file that is released, copied to a folder, and run by each Python."""
    tool = tmp_path / "vzcptcheck.pyz"
    tool.write_bytes(ZIPAPP.read_bytes())
    check_contract([python, "-IBS", str(tool)])
    assert everything_in(tmp_path).keys() == {tool.name}


def test_built_on_the_oldest_python_for_itself_it_runs(tmp_path: Path) -> None:
    python, tool = pythons_at_hand()["3.6"], tmp_path / "vzcptcheck.pyz"
    call(python, "-B", ROOT / "tools" / "build_zipapp.py", tool, python)
    check_contract([str(tool)])


def test_the_released_file_runs_by_the_nodes_own_python() -> None:
    check_contract([str(ZIPAPP)])


def test_what_is_built_in_another_folder_at_another_time_is_the_same(tmp_path: Path) -> None:
    """At least a zip archive's two seconds, and an RPM's one, lie between the two."""
    compilers = os.environ["COMPILERS"].split(os.pathsep)
    newest = max(path.stat().st_mtime for path in (ZIPAPP, RPM, DEB))
    time.sleep(max(0.0, newest + 2.5 - time.time()))
    source = tmp_path / "another folder"
    for pattern in (*SOURCES, *PACKAGING):
        for path in ROOT.glob(pattern):
            copy = source / path.relative_to(ROOT)
            if path.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(path.read_bytes())
    again = tmp_path / "again"
    again.mkdir()
    there = ("env", "-C", source, "python3")
    zipapp = (again / ZIPAPP.name, "/usr/bin/python3")
    call(*there, "tools/build_zipapp.py", *zipapp, *compilers)
    for kind in ("rpm", "deb"):
        call(*there, "-m", "tools.build_packages", kind, again, *compilers)
    for first in (ZIPAPP, RPM, DEB):
        assert (again / first.name).read_bytes() == first.read_bytes(), first.name


def test_root_imports_nothing_hostile_on_any_python(python: str, tmp_path: Path) -> None:
    hostile, tool = HostileFolder(tmp_path / "hostile"), tmp_path / "vzcptcheck.pyz"
    call(sys.executable, ROOT / "tools" / "build_zipapp.py", tool, python, python)
    for arguments in ("help", "explain caps 1 --json"):
        call("env", "-C", hostile.path, tool, *arguments.split(), **hostile.environment)
    assert hostile.imported == []
    assert not hostile.has_cache
