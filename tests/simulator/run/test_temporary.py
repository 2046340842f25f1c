"""Folders of a run: what is left of one that was killed goes at the next start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from simulator.run import temporary
from simulator.run.temporary import OwnFolder, remove_leftovers
from support.running import ROOT, shell

LONG_AGO = 1_600_000_000


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let folders be made in a folder behind a link."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "link"))
    return tmp_path / "real"


def grow_old(folder: str | Path) -> None:
    os.utime(folder, (LONG_AGO, LONG_AGO))


def test_a_folder_is_there_while_it_is_used(place: Path) -> None:
    with OwnFolder() as name:
        assert Path(name).parent == place
        (Path(name) / "key").touch()
        grow_old(name)
        remove_leftovers()
        assert (Path(name) / "key").exists()
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_is_removed_at_the_next_start(place: Path) -> None:
    script = """
import os
from pathlib import Path
from simulator.run.temporary import OwnFolder
(Path(OwnFolder().name) / "user_key").touch()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    [left] = place.iterdir()
    remove_leftovers()
    assert (left / "user_key").exists(), "a folder that is young may not be locked yet"
    grow_old(left)
    options = ("--node-for", "dest=042stab141.3.Penryn.default")
    assert shell("ssh dest uname -n", options=options).stdout == "dest\n"
    assert list(place.iterdir()) == []


def test_what_is_no_folder_of_this_users_stays(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("vzcptsim-run-x", "other"):
        (place / name).mkdir()
        grow_old(place / name)
    (place / "vzcptsim-run-file").touch()
    grow_old(place / "vzcptsim-run-file")
    (place / "vzcptsim-run-link").symlink_to("other")
    os.utime(place / "vzcptsim-run-link", (LONG_AGO, LONG_AGO), follow_symlinks=False)
    with monkeypatch.context() as another:
        another.setattr(os, "geteuid", lambda: 77777)
        remove_leftovers()
    assert (place / "vzcptsim-run-x").exists()
    remove_leftovers()
    names = {"other", "vzcptsim-run-file", "vzcptsim-run-link"}
    assert {one.name for one in place.iterdir()} == names


def test_one_that_goes_meanwhile_is_no_error(place: Path) -> None:
    temporary._remove_unlocked(str(place / "gone"))  # as between listing and opening
    place.rmdir()
    remove_leftovers()
    place.mkdir()
