"""Real folders that stand for a node's, to be listed. That programs see them is in test_run.py."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from simulator.run.stand_ins import Folders


@pytest.fixture(params=["itself", "through a link"])
def temporary(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return the folder for what is temporary, as it is or behind a symbolic link."""
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.symlink_to(real)
    monkeypatch.setattr(tempfile, "tempdir", str(real if request.param == "itself" else link))
    return real


@pytest.fixture
def folders(temporary: Path) -> Iterator[Folders]:
    with closing(Folders()) as made:
        yield made


@pytest.fixture
def listing(folders: Folders) -> Callable[..., list[str]]:
    def listing(path: str, *names: str) -> list[str]:
        """Open a folder with these names and list it, folders with a slash."""
        fd = folders.open(path, names)
        with os.scandir(fd) as entries:
            found = sorted(f"{one.name}/" if one.is_dir() else one.name for one in entries)
        os.close(fd)
        return found

    return listing


def test_a_folder_shows_its_names(listing: Callable[..., list[str]]) -> None:
    assert listing("/dev/cpu", "0/", "1/") == ["0/", "1/"]
    assert listing("/proc/vz", "version", "veinfo") == ["veinfo", "version"]
    assert listing("/proc/bc") == []


def test_it_may_be_opened_again_and_in_any_order(listing: Callable[..., list[str]]) -> None:
    assert listing("/dev/cpu/0", "cpuid") == ["cpuid"]
    for _ in range(2):
        assert listing("/dev/cpu", "0/") == ["0/"]
        assert listing("/dev/cpu/0", "cpuid") == ["cpuid"]


def test_where_a_descriptor_leads_is_the_nodes_own_path(folders: Folders) -> None:
    fd = folders.open("/dev/cpu", ["0/"])
    behind = Path(f"/proc/self/fd/{fd}").readlink()
    os.close(fd)
    assert folders.original(str(behind)) == "/dev/cpu"
    assert folders.original(f"{behind}/0/cpuid") == "/dev/cpu/0/cpuid"


@pytest.mark.parametrize("path", ["/dev/cpu", "/", "", "/tmp"])  # noqa: S108 (nothing is there)
def test_any_other_path_is_as_it_is(folders: Folders, path: str) -> None:
    assert folders.original(path) == path
    os.close(folders.open("/proc/vz", []))
    assert folders.original(path) == path


def test_a_path_beside_is_no_path_within(folders: Folders, temporary: Path) -> None:
    os.close(folders.open("/proc/vz", []))
    [root] = temporary.iterdir()
    assert folders.original(f"{root}-other/proc") == f"{root}-other/proc"


def test_nothing_is_left_of_them(folders: Folders, temporary: Path) -> None:
    os.close(folders.open("/dev/cpu", ["0/", "1/"]))
    os.close(folders.open("/proc/vz", ["version"]))
    assert len(list(temporary.iterdir())) == 1
    folders.close()
    assert list(temporary.iterdir()) == []


def test_nothing_is_made_where_nothing_is_opened(folders: Folders, temporary: Path) -> None:
    folders.close()
    assert list(temporary.iterdir()) == []
