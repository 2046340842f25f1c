"""Another process as a caller: its memory and paths, and what it has open.

In place of a node's file a process has a memfd with the same content open, in place of a folder a
real one that shows the same names.

Sources: proc(5), pidfd_getfd(2), ptrace(2) on permissions; asm/stat.h, linux/stat.h,
linux/utsname.h and linux/fcntl.h. Yama asks that the supervisor is an ancestor of the process.
"""

import errno
import fcntl
import mmap
import os
import select
import stat
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from simulator.kernel.calls import fail
from simulator.kernel.files import Stat
from simulator.run.seccomp import LIBC, Notification, checked
from simulator.run.system_calls import AUDIT_ARCH_X86_64

if TYPE_CHECKING:
    from pathlib import Path

    from simulator.run.temporary import OwnFolder

_SYS_PIDFD_GETFD = 438
_PATH_MAX = 4096
_PAGE = 4096

#: No file of a node's is longer.
CONTENT_LIMIT = 1 << 20

#: fcntl() numbers: nobody writes from now on but through mappings there are.
_F_ADD_SEALS = 1033
_F_SEAL_FUTURE_WRITE = 0x10

#: struct stat of x86-64: dev (0), ino, nlink, mode, uid, gid, pad, rdev, size, blksize, blocks and
#: times (0).
_STAT_64 = struct.Struct("=8xQQIII4xQqq80x")

#: struct stat64 of i386: dev and pad (0), low half of ino, mode, nlink, uid, gid, rdev, pad, size,
#: blksize, blocks and times (0), ino.
_STAT_32 = struct.Struct("=12xIIIIIQ4xqI32xQ")

#: struct stat of i386: dev (0), ino, mode, nlink, uid, gid, rdev (0), size, blksize, the rest (0).
_STAT_OLD_32 = struct.Struct("=4xI4H4xII36x")

#: struct statx: mask, blksize, attributes (0), nlink, uid, gid, mode, pad, ino, size, blocks,
#: attributes and times (0), rdev's major and minor, the rest (0).
_STATX = struct.Struct("=II8xIIIHxxQQ80xII120x")
_STATX_BASIC_STATS = 0x7FF

_BLOCK = 1024

_UTSNAME_FIELD = 65

#: For so many seconds the memory of a thread is kept open: its number is not reused as fast.
_KEPT_SECONDS = 0.5

#: So much of a path is read at once, and of so many threads.
_USUAL_PATH = 256
_KEPT_MEMORIES = 32

#: Device and inode of a file.
Identity = tuple[int, int]


def identity_of(found: os.stat_result) -> Identity:
    """Return device and inode."""
    return found.st_dev, found.st_ino


def read_status(tid: int, key: str) -> list[int]:
    """Return the numbers behind a key in /proc/TID/status."""
    with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as status:
        return next(list(map(int, line.split()[1:])) for line in status if line.startswith(key))


class HeldFile(Struct, frozen=True):
    """An open file of another process, held by this one."""

    fd: int

    @property
    def is_directory(self) -> bool:
        """Tell whether it is a directory."""
        return stat.S_ISDIR(os.fstat(self.fd).st_mode)

    def write(self, data: bytes) -> None:
        """Write only what fits at once: the reader may be waiting for this process."""
        with suppress(OSError):
            if select.select([], [self.fd], [], 0)[1]:
                os.write(self.fd, data)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)


class RemoteProcess(Struct, frozen=True):
    """A thread that waits for the answer to a system call; a ``simulator.kernel.calls.Caller``.

    ``still_waits`` tells whether the thread still waits. If not, another thread may have its
    number, and files opened by that number are closed again, unused.
    """

    call: Notification
    uid: int
    ctid: int
    still_waits: Callable[[], bool]

    @property
    def tid(self) -> int:
        """The thread's number."""
        return self.call.tid

    def pointer_bits(self) -> int:
        """Return the width of its pointers."""
        return 64 if self.call.architecture == AUDIT_ARCH_X86_64 else 32

    def take(self, fd: int) -> HeldFile:
        """Return a reference to one of its open files."""
        if not self.has_descriptor(fd):
            raise fail(errno.EBADF)
        try:
            return self.share(fd)
        except OSError:
            # Some sandboxes deny that call; a pipe or a file can be opened once more.
            flags = os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC
            return self._if_still_waiting(os.open(self._link(fd), flags))

    def share(self, fd: int) -> HeldFile:
        """Duplicate one of its open files, which shares the position.

        OSError if this process may not.
        """
        return self._if_still_waiting(self._pidfd_getfd(fd))

    def has_descriptor(self, fd: int) -> bool:
        """Tell whether a descriptor is open."""
        return fd >= 0 and os.path.lexists(self._link(fd))

    def identity(self, fd: int) -> Identity | None:
        """Return device and inode of an open file; None where there is none."""
        try:
            return identity_of(os.stat(self._link(fd)))
        except OSError:
            return None

    def read_memory(self, address: int, size: int) -> bytes:
        """Read its memory."""
        with self._memory(os.O_RDONLY) as memory:
            data = os.pread(memory, size, address)
        if len(data) < size:
            raise fail(errno.EFAULT)
        return data

    def write_memory(self, address: int, data: bytes) -> None:
        """Write its memory."""
        with self._memory(os.O_RDWR) as memory:
            if os.pwrite(memory, data, address) < len(data):
                raise fail(errno.EFAULT)

    def read_path(self, address: int) -> str:
        """Read a path page by page: the next page may not be mapped."""
        path = b""
        while b"\0" not in path:
            if len(path) >= _PATH_MAX:
                raise fail(errno.ENAMETOOLONG)
            start = address + len(path)
            path += self.read_memory(start, _PAGE - start % _PAGE)
        return os.fsdecode(path.partition(b"\0")[0])

    def _if_still_waiting(self, fd: int) -> HeldFile:
        held = HeldFile(fd)
        if not self.still_waits():
            held.close()
            raise fail(errno.ESRCH)
        return held

    def _link(self, fd: int) -> str:
        return f"/proc/{self.tid}/fd/{fd}"

    def _pidfd_getfd(self, fd: int) -> int:
        pidfd = os.pidfd_open(read_status(self.tid, "Tgid:")[0])
        try:
            return checked(LIBC.syscall(_SYS_PIDFD_GETFD, pidfd, fd, 0))
        finally:
            os.close(pidfd)

    @contextmanager
    def _memory(self, flags: int) -> Iterator[int]:
        """Open its memory; any error in it is EFAULT."""
        memory = os.open(f"/proc/{self.tid}/mem", flags | os.O_CLOEXEC)
        try:
            if not self.still_waits():
                raise fail(errno.ESRCH)
            yield memory
        except (OSError, OverflowError) as error:
            raise fail(errno.EFAULT) from error
        finally:
            os.close(memory)


class PathReader:
    """Reads paths in the memory of threads, which stays open from one path to the next.

    What it reads may be of a process that is gone, so nothing is answered by it: it only tells
    which calls may be let through, which does no harm to a call that has ended.
    """

    def __init__(self) -> None:
        self._files: dict[int, tuple[int, float]] = {}

    def read(self, tid: int, address: int) -> str | None:
        """Return the path at an address; None if it cannot be read at once."""
        kept = self._files.get(tid)
        try:
            if kept is None or kept[1] < time.monotonic():
                kept = self._open(tid)
            path, end, _ = os.pread(kept[0], _USUAL_PATH, address).partition(b"\0")
        except (OSError, OverflowError):
            return None
        return os.fsdecode(path) if end else None

    def forget(self) -> None:
        """Close all memory: a program that is executed has another."""
        for fd, _ in self._files.values():
            os.close(fd)
        self._files.clear()

    def _open(self, tid: int) -> tuple[int, float]:
        if len(self._files) >= _KEPT_MEMORIES:
            self.forget()
        kept = self._files.pop(tid, None)
        if kept is not None:
            os.close(kept[0])
        fd = os.open(f"/proc/{tid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        self._files[tid] = fd, time.monotonic() + _KEPT_SECONDS
        return self._files[tid]


# What is written into its memory


def pack_stat(found: Stat) -> bytes:
    """Write struct stat as x86-64 programs read it."""
    owner = found.mode, found.uid, found.gid
    return _STAT_64.pack(found.inode, found.nlink, *owner, found.rdev, found.size, _BLOCK)


def pack_stat32(found: Stat) -> bytes:
    """Write struct stat as i386 programs read it."""
    owner = found.mode, found.nlink, found.uid & 0xFFFF, found.gid & 0xFFFF
    return _STAT_OLD_32.pack(found.inode & 0xFFFFFFFF, *owner, found.size, _BLOCK)


def pack_stat64(found: Stat) -> bytes:
    """Write struct stat64 as i386 programs read it."""
    owner = found.mode, found.nlink, found.uid, found.gid
    return _STAT_32.pack(
        found.inode & 0xFFFFFFFF, *owner, found.rdev, found.size, _BLOCK, found.inode
    )


def pack_statx(found: Stat) -> bytes:
    """Write struct statx."""
    owner = found.nlink, found.uid, found.gid, found.mode
    rdev = os.major(found.rdev), os.minor(found.rdev)
    return _STATX.pack(_STATX_BASIC_STATS, _BLOCK, *owner, found.inode, found.size, *rdev)


def pack_utsname(fields: Iterable[str]) -> bytes:
    """Write struct new_utsname: sysname, nodename, release, version, machine, domainname."""
    cut = (field.encode()[: _UTSNAME_FIELD - 1] for field in fields)
    return b"".join(field.ljust(_UTSNAME_FIELD, b"\0") for field in cut)


# What it has open in place of a node's files and folders


class Content:
    """The content of an open file: a memfd that only this mapping can write."""

    def __init__(self, name: str) -> None:
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, CONTENT_LIMIT)
        self._mapping = mmap.mmap(self.fd, CONTENT_LIMIT)
        self._shown = b""
        os.ftruncate(self.fd, 0)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _F_SEAL_FUTURE_WRITE)

    def open_again(self, flags: int) -> int:
        """Return another descriptor, opened with these flags."""
        return os.open(f"/proc/self/fd/{self.fd}", flags | os.O_CLOEXEC)

    def show(self, text: bytes) -> None:
        """Change the content."""
        if text != self._shown:
            os.ftruncate(self.fd, len(text))
            self._mapping[: len(text)] = text
            self._shown = text

    def close(self) -> None:
        """Close it here; processes that have it open keep it."""
        self._mapping.close()
        os.close(self.fd)


class Folders:
    """Real folders below a temporary one, created when a program opens the node's folder."""

    def __init__(self) -> None:
        self._root: OwnFolder | None = None

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return self._root is not None

    def open(self, path: str, names: Iterable[str]) -> int:
        """Open a real folder for one of the node's, with these names in it.

        A name that ends with a slash is a folder.
        """
        from pathlib import Path

        from simulator.run.temporary import OwnFolder

        if self._root is None:
            self._root = OwnFolder()
        folder = Path(self._root.name + path)
        folder.mkdir(parents=True, exist_ok=True)
        wanted = set(names)
        for name in wanted:
            inside = folder / name
            if name.endswith("/"):
                inside.mkdir(exist_ok=True)
            else:
                inside.touch()
        for there in folder.iterdir():
            if not wanted & {there.name, f"{there.name}/"}:
                _remove(there)
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def original(self, path: str) -> str:
        """Return the node's path for a path in these folders; other paths are unchanged."""
        if self._root is None or not path.startswith(f"{self._root.name}/"):
            return path
        return path.removeprefix(self._root.name)

    def close(self) -> None:
        """Remove the folders."""
        if self._root is not None:
            self._root.close()
            self._root = None


def _remove(path: "Path") -> None:
    if path.is_dir():
        for inside in path.iterdir():
            _remove(inside)
        path.rmdir()
    else:
        path.unlink()
