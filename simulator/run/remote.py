"""Another process as a caller: its memory, its open files, its paths.

Sources: proc(5), pidfd_getfd(2), ptrace(2) on permissions. Yama asks that the supervisor is an
ancestor of the process.
"""

import ctypes
import errno
import os
import select
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct

from simulator.kernel.calls import fail

_SYS_PIDFD_GETFD = 438
_AT_FDCWD = -100
_PATH_MAX = 4096
_PAGE = 4096


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

    tid: int
    uid: int
    ctid: int
    bits: int
    still_waits: Callable[[], bool]

    def pointer_bits(self) -> int:
        """Return the width of its pointers."""
        return self.bits

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

    def identity(self, fd: int) -> tuple[int, int] | None:
        """Return device and inode of an open file; None where there is none."""
        try:
            found = os.stat(self._link(fd))
        except OSError:
            return None
        return found.st_dev, found.st_ino

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

    def resolve(self, directory: int, path: str) -> str:
        """Return a path from the root on, without following links."""
        if not path.startswith("/"):
            link = "cwd" if directory == _AT_FDCWD else f"fd/{directory}"
            try:
                path = os.path.join(os.readlink(f"/proc/{self.tid}/{link}"), path)
            except OSError:
                return path
        return os.path.normpath(path)

    def _if_still_waiting(self, fd: int) -> HeldFile:
        held = HeldFile(fd)
        if not self.still_waits():
            held.close()
            raise fail(errno.ESRCH)
        return held

    def _link(self, fd: int) -> str:
        return f"/proc/{self.tid}/fd/{fd}"

    def _pidfd_getfd(self, fd: int) -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        pidfd = os.pidfd_open(self._process())
        try:
            taken: int = libc.syscall(_SYS_PIDFD_GETFD, pidfd, fd, 0)
        finally:
            os.close(pidfd)
        if taken < 0:
            raise fail(ctypes.get_errno())
        return taken

    def _process(self) -> int:
        """Return the process that the thread belongs to."""
        with open(f"/proc/{self.tid}/status", encoding="utf-8", errors="replace") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("Tgid:"))

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
