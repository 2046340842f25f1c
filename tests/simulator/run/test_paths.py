"""The walk, compared with this machine's kernel on folders of all shapes."""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.run.paths import (
    BENEATH,
    IN_ROOT,
    NO_MAGICLINKS,
    NO_SYMLINKS,
    Entry,
    Walk,
    WalkError,
)


def look_up(path: str) -> Entry:
    """Say what is at a path of this machine."""
    try:
        mode = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return Entry()
    link = os.readlink(path) if stat.S_ISLNK(mode) else None  # noqa: PTH115 (as it is written)
    return Entry(mode, link)


def walked(path: str, *, follow: bool) -> tuple[int, int] | int:
    """Return device and inode that the walk leads to, or the errno."""
    try:
        end = Walk(look_up, str(Path.cwd())).to(path, follow=follow)
        found = os.lstat(end)
    except WalkError as error:
        return error.errno
    except OSError as error:
        return error.errno or 0
    return found.st_dev, found.st_ino


def looked_up(path: str, *, follow: bool) -> tuple[int, int] | int:
    """Return the same from this machine's kernel."""
    try:
        found = os.stat(path, follow_symlinks=follow)  # noqa: PTH116 (a Path has no doubled slashes)
    except OSError as error:
        return error.errno or 0
    return found.st_dev, found.st_ino


#: The names in a tree are few, so that paths meet what is there.
NAMES = ("a", "b", "c")
PARTS = st.sampled_from((*NAMES, *NAMES, ".", "..", "", "none", "x" * 256))
RELATIVE = st.lists(PARTS, min_size=1, max_size=7).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Make files, folders and links to be made in this order: the path of each, and its kind.

    A link's kind is its text; where that begins with a slash, the tree's root comes before it.
    """
    folders = [""]
    made = []
    for _ in range(draw(st.integers(2, 8))):
        path = f"{draw(st.sampled_from(folders))}/{draw(st.sampled_from(NAMES))}"
        kind = draw(st.one_of(st.sampled_from(["folder", "folder", "file"]), RELATIVE))
        if path in [one for one, _ in made]:
            continue
        made.append((path, kind))
        if kind == "folder":
            folders.append(path)
    return made


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vzcptsim-paths-")).resolve()
    before = Path.cwd()
    yield folder
    os.chdir(before)
    shutil.rmtree(folder)


@given(tree=trees(), paths=st.lists(RELATIVE, min_size=1, max_size=8), follow=st.booleans())
def test_a_path_leads_where_the_kernel_finds_it(
    ground: Path, *, tree: list[tuple[str, str]], paths: list[str], follow: bool
) -> None:
    root = ground / "root"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, kind in tree:
        at = f"{root}{path}"
        if kind == "folder":
            Path(at).mkdir()
        elif kind == "file":
            Path(at).touch()
        elif kind:
            text = f"{root}{kind}" if kind.startswith("/") else kind
            os.symlink(text, at)  # noqa: PTH211 (a Path has no doubled slashes)
    os.chdir(root)
    for path in [*paths, *(f"{root}/{path}" for path in paths)]:
        assert walked(path, follow=follow) == looked_up(path, follow=follow), path


#: A tree that is told, not made: what is at each path.
FOLDER, FILE = Entry(stat.S_IFDIR | 0o755), Entry(stat.S_IFREG | 0o644)
LINK = stat.S_IFLNK | 0o777
TOLD = {
    "/": FOLDER,
    "/proc": FOLDER,
    "/proc/1": FOLDER,
    "/proc/1/cwd": Entry(LINK, "/gone", "/home/me"),
    "/proc/1/fd": FOLDER,
    "/proc/1/fd/3": Entry(LINK, "/gone", "/proc/version"),
    "/proc/self": Entry(LINK, "1"),
    "/proc/version": FILE,
    "/home": FOLDER,
    "/home/me": FOLDER,
    "/home/me/up": Entry(LINK, "../../proc/version"),
    "/home/me/away": Entry(LINK, "/proc/version"),
    **{f"/home/me/{n}": Entry(LINK, f"{n + 1}") for n in range(41)},
    "/home/me/41": FILE,
}


def tell(path: str) -> Entry:
    if path.startswith("/home/locked"):
        raise PermissionError(errno.EACCES, "no")
    return TOLD.get(path, Entry())


@pytest.mark.parametrize(
    ("path", "start", "rules", "leads"),
    [
        ("//proc/./1/../version", "/", 0, "/proc/version"),
        ("/../../proc/version", "/", 0, "/proc/version"),
        ("/proc/self/cwd/up", "/", 0, "/proc/version"),
        ("/proc/self/fd/3", "/", 0, "/proc/version"),
        ("/proc/self/fd/3/x", "/", 0, errno.ENOTDIR),
        ("/proc/self/fd/3/", "/", 0, errno.ENOTDIR),
        ("/home/locked/x", "/", 0, errno.EACCES),
        ("1", "/home/me", 0, "/home/me/41"),
        ("0", "/home/me", 0, errno.ELOOP),
        ("", "/home/me", 0, errno.ENOENT),
        ("away", "/home/me", BENEATH, errno.EXDEV),
        ("/home", "/home/me", BENEATH, errno.EXDEV),
        ("up", "/home/me", NO_SYMLINKS, errno.ELOOP),
        ("self/version", "/proc", NO_SYMLINKS, errno.ELOOP),
        ("self/cwd", "/proc", NO_MAGICLINKS, errno.ELOOP),
        ("self/../version", "/proc", NO_MAGICLINKS, "/proc/version"),
        ("self/cwd", "/proc", BENEATH, errno.EXDEV),
    ],
)
def test_links_and_rules(path: str, start: str, rules: int, leads: str | int) -> None:
    assert told(Walk(tell, start, rules=rules), path) == leads


@pytest.mark.parametrize(
    ("path", "rules", "leads"),
    [
        ("../../proc/version", IN_ROOT, errno.ENOENT),
        ("../1/./fd/../../version", IN_ROOT, "/proc/version"),
        ("/version", IN_ROOT, "/proc/version"),
        ("../version", BENEATH, errno.EXDEV),
        ("self/../version", BENEATH, "/proc/version"),
        ("self/cwd", IN_ROOT, errno.EXDEV),
    ],
)
def test_a_folder_as_the_root(path: str, rules: int, leads: str | int) -> None:
    assert told(Walk(tell, "/proc", "/proc", rules), path) == leads


def told(walk: Walk, path: str) -> str | int:
    try:
        return walk.to(path)
    except WalkError as error:
        return error.errno
