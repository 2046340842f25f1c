"""A process as a caller: here this very process, looked at from outside.

That programs see the folders that stand for a node's is in test_run.py.
"""

import ctypes
import errno
import mmap
import os
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from simulator.run.remote import Folders, HeldFile, PathReader, RemoteProcess
from simulator.run.seccomp import Notification
from simulator.run.system_calls import AUDIT_ARCH_X86_64
from support.simulated_nodes import failing

PAGE = mmap.PAGESIZE


def myself(*, waits: bool = True) -> RemoteProcess:
    call = Notification(1, os.getpid(), AUDIT_ARCH_X86_64, 0, (0, 0, 0, 0, 0, 0))
    return RemoteProcess(call, 0, 0, lambda: waits)


class TestMemory:
    def test_it_is_read_and_written(self) -> None:
        buffer = ctypes.create_string_buffer(b"before")
        address = ctypes.addressof(buffer)
        assert myself().read_memory(address, 6) == b"before"
        myself().write_memory(address, b"after!")
        assert buffer.value == b"after!"

    @pytest.mark.parametrize("address", [0, 1, 1 << 63, (1 << 64) - 1])
    def test_where_there_is_none_is_efault(self, address: int) -> None:
        with failing(errno.EFAULT):
            myself().read_memory(address, 4)
        with failing(errno.EFAULT):
            myself().write_memory(address, b"text")

    def test_where_it_ends_is_efault(self) -> None:
        with last_page() as end:
            assert myself().read_memory(end - 4, 4) == b"\0" * 4
            with failing(errno.EFAULT):
                myself().read_memory(end - 4, 8)
            with failing(errno.EFAULT):
                myself().write_memory(end - 4, b"eight..!")

    def test_a_path_may_end_with_it(self) -> None:
        with last_page() as end:
            myself().write_memory(end - 10, b"/proc/cpt")
            assert myself().read_path(end - 10) == "/proc/cpt"

    def test_a_path_has_an_end(self) -> None:
        buffer = ctypes.create_string_buffer(b"x" * 3 * PAGE)
        with failing(errno.ENAMETOOLONG):
            myself().read_path(ctypes.addressof(buffer))

    def test_that_of_a_process_which_is_gone_is_not_touched(self) -> None:
        buffer = ctypes.create_string_buffer(b"before")
        with pytest.raises(OSError):
            myself(waits=False).write_memory(ctypes.addressof(buffer), b"after!")
        assert buffer.value == b"before"


@contextmanager
def last_page() -> Iterator[int]:
    """Map a page with nothing behind it, and give the address of its end."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    start = libc.mmap(None, ctypes.c_size_t(2 * PAGE), 3, flags, -1, ctypes.c_long(0))
    libc.munmap(start + PAGE, PAGE)
    yield start + PAGE
    libc.munmap(start, PAGE)


class TestPathReader:
    @pytest.fixture
    def reader(self) -> Iterator[PathReader]:
        made = PathReader()
        yield made
        made.forget()

    def test_paths_are_read_from_memory_that_stays_open(self, reader: PathReader) -> None:
        buffer = ctypes.create_string_buffer(b"/proc/cpt")
        assert reader.read(os.getpid(), ctypes.addressof(buffer)) == "/proc/cpt"
        before = count_open()
        buffer.value = b"other"
        assert reader.read(os.getpid(), ctypes.addressof(buffer)) == "other"
        assert count_open() == before
        reader.forget()
        assert count_open() == before - 1

    def test_what_cannot_be_read_at_once_is_not_known(self, reader: PathReader) -> None:
        long = ctypes.create_string_buffer(b"x" * 300)
        assert reader.read(os.getpid(), ctypes.addressof(long)) is None
        assert reader.read(os.getpid(), 1) is None
        assert reader.read(os.getpid(), (1 << 64) - 1) is None
        assert reader.read(1 << 22, 1) is None

    def test_it_is_opened_again_after_a_while(
        self, reader: PathReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        buffer = ctypes.create_string_buffer(b"path")
        times = iter((0.0, 0.2, 0.6, 0.6, 0.7))
        monkeypatch.setattr("time.monotonic", lambda: next(times))
        opened = []
        monkeypatch.setattr(PathReader, "_open", spy(PathReader._open, opened))
        for _ in range(4):
            assert reader.read(os.getpid(), ctypes.addressof(buffer)) == "path"
        assert len(opened) == 2

    def test_of_few_threads_it_is_open(self, reader: PathReader) -> None:
        before = count_open()
        with ExitStack() as children:
            for _ in range(40):
                child = children.enter_context(subprocess.Popen(["sleep", "10"]))
                children.callback(child.kill)
                reader.read(child.pid, 1)
                assert count_open() <= before + 33


def count_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def spy(function: Callable[..., Any], seen: list[Any]) -> Callable[..., Any]:
    def spied(*words: Any) -> Any:
        seen.append(words)
        return function(*words)

    return spied


class TestDescriptors:
    @pytest.mark.parametrize("fd", [-1, 9999])
    def test_one_that_is_not_open(self, fd: int) -> None:
        assert not myself().has_descriptor(fd)
        assert myself().identity(fd) is None
        with failing(errno.EBADF):
            myself().take(fd)

    def test_what_it_is_open_on(self, tmp_path: Path) -> None:
        fd = os.open(tmp_path, os.O_RDONLY)
        found = tmp_path.stat()
        assert myself().identity(fd) == (found.st_dev, found.st_ino)
        held = myself().take(fd)
        assert held.is_directory
        held.close()
        os.close(fd)

    @pytest.mark.parametrize("denied", [False, True])
    def test_a_pipe_is_written(self, monkeypatch: pytest.MonkeyPatch, *, denied: bool) -> None:
        if denied:
            monkeypatch.setattr(RemoteProcess, "_pidfd_getfd", deny)
        reader, writer = os.pipe()
        held = myself().take(writer)
        os.close(writer)
        held.write(b"Error: something\n")
        assert not held.is_directory
        held.close()
        assert os.read(reader, 100) == b"Error: something\n"
        os.close(reader)

    def test_a_position_is_shared(self, tmp_path: Path) -> None:
        fd = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        os.lseek(fd, 0xD | 1 << 32, os.SEEK_SET)
        held = myself().share(fd)
        assert os.lseek(held.fd, 0, os.SEEK_CUR) == 0xD | 1 << 32
        os.lseek(held.fd, 7, os.SEEK_SET)
        held.close()
        assert os.lseek(fd, 0, os.SEEK_CUR) == 7
        os.close(fd)

    def test_a_position_is_not_shared_if_denied(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RemoteProcess, "_pidfd_getfd", deny)
        with failing(errno.EPERM):
            myself().share(0)

    def test_none_is_held_of_a_process_that_is_gone(self) -> None:
        reader, writer = os.pipe()
        with failing(errno.ESRCH):
            myself(waits=False).take(writer)
        os.close(writer)
        assert os.read(reader, 1) == b""
        os.close(reader)

    def test_a_descriptor_that_closes_meanwhile(self) -> None:
        with failing(errno.EBADF):
            myself()._pidfd_getfd(9999)

    def test_a_full_pipe_keeps_nobody_waiting(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        with suppress(BlockingIOError):
            while True:
                os.write(writer, b"x" * 4096)
        os.set_blocking(writer, True)
        HeldFile(writer).write(b"more")
        os.close(reader)
        os.close(writer)

    def test_what_cannot_be_written_is_lost(self) -> None:
        fd = os.open("/dev/null", os.O_RDONLY)
        HeldFile(fd).write(b"text")
        assert stat.S_ISCHR(os.fstat(fd).st_mode)
        os.close(fd)


def deny(_: RemoteProcess, __: int) -> int:
    raise PermissionError(errno.EPERM, "denied")


# Folders that stand for a node's


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


def test_names_that_are_gone_are_removed(listing: Callable[..., list[str]]) -> None:
    assert listing("/proc/1/task", "1/") == ["1/"]
    assert listing("/proc", "1/", "2/", "stat") == ["1/", "2/", "stat"]
    assert listing("/proc/2", "stat") == ["stat"]
    assert listing("/proc", "1/", "version") == ["1/", "version"]
    assert listing("/proc/1/task", "1/") == ["1/"]


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
