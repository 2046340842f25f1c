"""Which file a process means: here this very process, in folders of all kinds."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.kernel.calls import Caller
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from simulator.run.machine import (
    AT_FDCWD,
    Elsewhere,
    NodePaths,
    Root,
    Roots,
    View,
    list_here,
    parse_mounts,
)
from simulator.run.paths import NO_XDEV
from support.running import NODE, temporary_folder
from support.simulated_nodes import failing

KERNEL = load_node(NODE).boot()
CALLER: Caller = SimulatedSyscalls(KERNEL)
PATHS = NodePaths(KERNEL, {"/nowhere/door": None})


OWN_ROOT = Root()


def view(root: Root = OWN_ROOT, groups: tuple[int, frozenset[int]] | None = None) -> View:
    return View(PATHS, CALLER, os.getpid(), lambda _: None, lambda path: path, root, groups)


def led(path: str, seen: View | None = None, *, follow: bool = True) -> tuple[str, bool] | None:
    target = (seen or view()).target(path, AT_FDCWD, follow=follow)
    return None if target is None else (target.path, target.is_nodes)


MOUNTINFO = r"""
25 1 0:23 / / rw shared:1 - ext4 /dev/root rw
26 25 0:24 / /proc rw - proc proc rw
27 26 0:30 / /proc/acpi ro - tmpfs tmpfs ro
28 25 0:24 /sys /mnt/with\040space rw shared:3 master:1 - proc proc rw
29 25 0:25 / /sys rw - sysfs sysfs rw
30 25 0:5 /kmsg /log rw - devtmpfs udev rw
"""


def test_mounts_are_read_the_innermost_first() -> None:
    assert parse_mounts(MOUNTINFO.strip().splitlines()) == (
        ("/mnt/with space", "/proc/sys"),
        ("/proc/acpi", None),
        ("/proc", "/proc"),
        ("/log", "/dev/kmsg"),
        ("/sys", "/sys"),
        ("/", None),
    )


def test_of_two_mounts_at_a_point_the_later_counts() -> None:
    lines = [f"2{n} 1 0:{n} / /x rw - {name} x rw" for n, name in enumerate(("proc", "ext4"))]
    assert parse_mounts(lines)[0] == ("/x", None)


@pytest.mark.parametrize(
    ("path", "leads"),
    [
        ("/mnt/p/version", ("/proc/version", True)),
        ("/mnt/p", ("/proc", False)),
        ("/mnt/px/version", None),
        ("/proc/version", ("/proc/version", True)),
        ("/mnt/p/hidden/version", None),
        ("/nowhere/door", ("/nowhere/door", True)),
        ("/nowhere", ("/nowhere", True)),
        ("/proc/cpt/x", errno.ENOTDIR),
    ],
)
def test_other_mounts_lead_to_the_node(
    path: str, leads: tuple[str, bool] | int | None, tmp_path: Path
) -> None:
    """Mounts are told, not made: below the folder there are no files."""
    mounts = (("/mnt/p/hidden", None), ("/mnt/p", "/proc"), ("/", None))
    mounts = tuple((point.replace("/mnt", str(tmp_path)), home) for point, home in mounts)
    (tmp_path / "p").mkdir()
    seen = view(Root(mounts=mounts))
    where = path.replace("/mnt", str(tmp_path))
    if isinstance(leads, int):
        with failing(leads):
            led(where, seen)
    else:
        assert led(where, seen) == leads


@pytest.fixture
def folder_as_root(tmp_path: Path) -> Iterator[Root]:
    """A folder as a thread's root, which has no mounts in it."""
    fd = os.open(tmp_path, os.O_RDONLY)
    yield Root(f"/proc/self/fd/{fd}")
    os.close(fd)


def test_in_another_root_there_is_no_node_where_no_proc_is_mounted(
    folder_as_root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "version").write_text("mine")
    (tmp_path / "link").symlink_to("/proc/version")
    seen = view(folder_as_root)
    assert led("/link", seen) == ("/proc/version", False)
    monkeypatch.chdir(tmp_path / "proc")
    assert led("version", seen) == ("/proc/version", False)
    monkeypatch.chdir(tmp_path)
    assert led("proc/../link", seen) == ("/proc/version", False)
    assert led("..", seen) == ("/", False)


def test_what_nobody_can_tell_of_proc_is_refused() -> None:
    fd = os.open("/", os.O_RDONLY)
    seen = view(Root(f"/proc/self/fd/{fd}"))
    with failing(errno.EACCES):
        led("/proc/version", seen)
    with failing(errno.EACCES):
        led("/sys/kernel", seen)
    assert led("/etc", seen) == ("/etc", False)
    assert led("/proc-none", seen) == ("/proc-none", False)
    os.close(fd)


def test_a_folder_that_is_gone_has_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert led("file") == (f"{gone} (deleted)/file", False)
    assert led("/proc/self/cwd") == (f"/proc/{os.getpid()}/cwd", False)
    assert led("/proc/self/cwd/file") is not None


def test_what_is_open_and_has_no_path() -> None:
    reader, writer = os.pipe()
    own = f"/proc/{os.getpid()}/fd"
    assert led(f"/proc/self/fd/{reader}") == (f"{own}/{reader}", False)
    os.close(reader)
    os.close(writer)
    assert led(f"/proc/self/fd/{reader}") == (f"{own}/{reader}", False)
    assert view().target("x", 9999, follow=True) is None


def test_no_mount_is_crossed_where_that_is_asked() -> None:
    with failing(errno.EXDEV):
        fd = os.open("/", os.O_RDONLY)
        try:
            view().target("proc/version", fd, follow=True, rules=NO_XDEV)
        finally:
            os.close(fd)
    fd = os.open("/proc", os.O_RDONLY)
    assert view().target("version", fd, follow=True, rules=NO_XDEV) is not None
    os.close(fd)


@pytest.mark.parametrize(
    ("mode", "group", "may"),
    [(0o701, 7, True), (0o710, 7, False), (0o710, 9, True), (0o701, 9, False), (0o770, 7, False)],
)
def test_another_user_may_search_what_its_mode_lets_it(mode: int, group: int, *, may: bool) -> None:
    """The folder's group is this process's, which is called 9 here."""
    folder = temporary_folder()  # Others may search what is above it.
    folder.chmod(mode)
    (folder / "link").symlink_to("/proc/version")
    groups = frozenset({folder.stat().st_gid if group == 9 else 77777})
    seen = view(groups=(77777, groups))
    assert led(f"{folder}/link", seen) == (("/proc/version", True) if may else None)


def test_the_owner_of_a_folder_goes_by_its_own_bit() -> None:
    folder = temporary_folder()
    (folder / "link").symlink_to("/proc/version")
    seen = view(groups=(folder.stat().st_uid, frozenset()))
    assert led(f"{folder}/link", seen) == ("/proc/version", True)
    folder.chmod(0o677)
    assert led(f"{folder}/link", seen) is None
    folder.chmod(0o700)


def test_a_folder_lists_its_names(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    assert sorted(list_here(str(tmp_path))) == ["file", "folder/", "link"]


def test_names_of_this_machine_and_of_the_node_are_merged() -> None:
    names = ["1/", "cpuinfo", "interrupts", "net", "sys/", "vz/"]
    merged = PATHS.merge("/proc", names, CALLER)
    assert {"1/", "sys/", "cpt", "rst", "vz/"} < set(merged)
    assert "interrupts" not in merged
    assert PATHS.is_merged("/proc")
    assert not PATHS.is_merged("/etc")


class TestRoots:
    def test_this_process_and_its_children_have_one(self) -> None:
        roots = Roots(PATHS)
        assert roots.of(os.getpid()) is roots.own
        with subprocess.Popen(["sleep", "10"]) as child:
            assert roots.of(child.pid) is roots.own
            child.kill()
        roots.forget()

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can have another root")
    def test_another_is_held_until_mounts_change(self, tmp_path: Path) -> None:
        (tmp_path / "mark").touch()
        roots = Roots(PATHS)
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a count)
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            os.chroot(tmp_path)
            os.write(writer, b"x")
            signal.pause()
        os.read(reader, 1)
        root = roots.of(pid)
        assert Path(root.prefix, "mark").exists()
        assert roots.of(pid) is root
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        roots.forget()
        os.close(reader)
        os.close(writer)
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


class TestElsewhere:
    @pytest.fixture
    def known(self, tmp_path: Path) -> Elsewhere:
        """Remember a folder with a file and a link."""
        (tmp_path / "file").touch()
        (tmp_path / "link").symlink_to("/proc/version")
        elsewhere = Elsewhere(PATHS)
        elsewhere.learn(f"{tmp_path}/file", view(), AT_FDCWD, "")
        return elsewhere

    @pytest.mark.parametrize(
        ("name", "follow", "has"),
        [
            ("file", True, True),
            ("none", True, True),
            ("link", True, False),
            ("link", False, True),
            ("", True, False),
            ("..", True, False),
            (".", True, False),
            ("x" * 300, True, False),
        ],
    )
    def test_what_is_in_a_folder(
        self, name: str, known: Elsewhere, tmp_path: Path, *, follow: bool, has: bool
    ) -> None:
        assert known.has(f"{tmp_path}/{name}", follow=follow) is has

    def test_a_folder_that_is_another_by_now(self, known: Elsewhere, tmp_path: Path) -> None:
        tmp_path.rename(tmp_path.parent / "away")
        tmp_path.symlink_to("/proc")
        assert not known.has(f"{tmp_path}/version", follow=True)
        assert led(f"{tmp_path}/version") == ("/proc/version", True)
        assert not known.has(f"{tmp_path}/version", follow=True)
        tmp_path.unlink()
        (tmp_path.parent / "away").rename(tmp_path)

    def test_what_is_mounted_in_a_folder_is_another_file(self, known: Elsewhere) -> None:
        known.learn("/", view(), AT_FDCWD, "")
        known.learn("/x", view(), AT_FDCWD, "")
        assert not known.has("/proc", follow=True)
        assert not known.has("/dev", follow=True)
        assert known.has("/none", follow=True)

    @pytest.mark.parametrize(
        "path", ["/proc/x", "/proc/vz/x", "/sys/kernel/x", "/nowhere/x", "/none/x", "/proc/self/x"]
    )
    def test_what_is_not_remembered(self, path: str, known: Elsewhere) -> None:
        known.learn(path, view(), AT_FDCWD, "")
        assert not known.has(path, follow=True)

    def test_relative_to_the_working_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "in").mkdir()
        monkeypatch.chdir(tmp_path)
        elsewhere = Elsewhere(PATHS)
        base = f"/proc/{os.getpid()}/cwd/"
        for path in ("file", "in/file"):
            elsewhere.learn(path, view(), AT_FDCWD, base)
            assert elsewhere.has(base + path, follow=True)
        monkeypatch.chdir("/proc")
        assert not elsewhere.has(f"{base}version", follow=True)

    def test_of_folders_there_is_an_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("simulator.run.machine._REMEMBERED", 2)
        elsewhere = Elsewhere(PATHS)
        for name in "abc":
            (tmp_path / name).mkdir()
            elsewhere.learn(f"{tmp_path}/{name}/x", view(), AT_FDCWD, "")
        assert not elsewhere.has(f"{tmp_path}/a/x", follow=True)
        assert elsewhere.has(f"{tmp_path}/c/x", follow=True)
