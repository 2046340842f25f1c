"""Answer the system calls of a tree of processes as their node would.

A file of the node's is a memfd in the process that opens it. Its device and inode say, at each
later call, which open file it is, whatever was duplicated or inherited; inotify tells when the
last of them is closed.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import ClassVar

from simulator.abi import pack_stat, pack_stat64, pack_statx, pack_utsname
from simulator.devices import fail
from simulator.kernel import CpuidFile, OpenFile, SimulatedKernel, Stat
from simulator.remote import HeldFile, RemoteProcess
from simulator.seccomp import (
    AUDIT_ARCH_X86_64,
    SYSCALLS,
    Listener,
    Notification,
    Selection,
)

_AT_FDCWD = -100
_IN_CLOSE = 0x18
_IN_CLOEXEC_NONBLOCK = 0o2004000
_INOTIFY_EVENT = struct.Struct("=iIII")
_CONTENT_LIMIT = 1 << 20
_MEMFD_PREFIX = "vzcptsim:"

#: Only requests of the checkpoint's type are notified, and readings of one CPUID leaf.
_IOCTL_TYPE = (1, 0xFF00, ord("-") << 8)
_CPUID_READ = (2, 0xFFFFFFFF, 16)

#: What is notified for every node.
SELECTIONS = (
    *map(Selection, ("open", "openat", "openat2")),
    *map(Selection, ("stat", "lstat", "stat64", "lstat64", "newfstatat", "fstatat64", "statx")),
    *map(Selection, ("access", "faccessat", "faccessat2", "uname")),
    Selection("ioctl", _IOCTL_TYPE),
    Selection("pread64", _CPUID_READ),
)

#: On a node whose kernel masks CPUID, a write may be to its table: it is refused or taken.
OVERRIDE_SELECTIONS = (*SELECTIONS, Selection("write"))


@dataclass(slots=True)
class _Served:
    """An open file of the node's in some process, and our own hold on its content."""

    file: OpenFile
    content: int
    watch: int
    shown: bytes


class Supervisor:
    """One node's kernel behind a tree of processes.

    ``owner`` is the user who runs the tree: to the node that is root, unless ``uid`` says who
    everybody is. ``ctid`` is the container that the tree runs in, 0 for the node itself.
    """

    def __init__(
        self, kernel: SimulatedKernel, listener: Listener, *, uid: int | None, ctid: int
    ) -> None:
        self.kernel = kernel
        self.listener = listener
        self._uid = uid
        self._ctid = ctid
        self._owner = os.getuid()
        self._served: dict[tuple[int, int], _Served] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.inotify = self._libc.inotify_init1(_IN_CLOEXEC_NONBLOCK)
        if self.inotify < 0:
            raise fail(ctypes.get_errno())

    def close(self) -> None:
        """Close what is still open: all processes are gone."""
        for identity in list(self._served):
            self._release(identity)
        os.close(self.inotify)
        os.close(self.listener.fd)

    def serve(self) -> None:
        """Receive one notification and answer it, whatever happens: an unanswered process hangs."""
        notification = self.listener.receive()
        if notification is None:
            return
        self.forget_closed()
        try:
            handled = self._handle(notification)
        except OSError as error:
            self.listener.fail(notification, error.errno or errno.EIO)
        except Exception:
            self.listener.fail(notification, errno.EIO)
            raise
        else:
            if not handled:
                self.listener.let_through(notification)

    def forget_closed(self) -> None:
        """Close the node's files that no process holds any more."""
        try:
            events = os.read(self.inotify, 1 << 16)
        except BlockingIOError:
            return
        position = 0
        while position < len(events):
            watch, _, _, length = _INOTIFY_EVENT.unpack_from(events, position)
            position += _INOTIFY_EVENT.size + length
            for identity, served in list(self._served.items()):
                if served.watch == watch:
                    self._release(identity)

    def _handle(self, notification: Notification) -> bool:
        """Answer a system call; False where it is none of the node's business."""
        name = _NAMES[notification.architecture, notification.number]
        bits = 64 if notification.architecture == AUDIT_ARCH_X86_64 else 32
        process = RemoteProcess(
            notification.tid,
            self._user(notification.tid),
            self._ctid,
            bits,
            lambda: self.listener.is_valid(notification),
        )
        return self._handlers[name](self, notification, process)

    def _user(self, tid: int) -> int:
        if self._uid is not None:
            return self._uid
        actual = os.stat(f"/proc/{tid}").st_uid
        return 0 if actual == self._owner else actual

    def _open(self, notification: Notification, process: RemoteProcess) -> bool:
        return self._open_path(notification, process, _AT_FDCWD, 0)

    def _openat(self, notification: Notification, process: RemoteProcess) -> bool:
        return self._open_path(notification, process, _directory(notification), 1)

    def _open_path(
        self, notification: Notification, process: RemoteProcess, directory: int, position: int
    ) -> bool:
        path = self._own_path(process, directory, notification.arguments[position])
        if path is None:
            return False
        flags = self._open_flags(notification, process, position + 1)
        self._serve_file(notification, self.kernel.open(path, process, flags), path, flags)
        return True

    def _open_flags(self, notification: Notification, process: RemoteProcess, position: int) -> int:
        argument = notification.arguments[position]
        if _NAMES[notification.architecture, notification.number] == "openat2":
            return int.from_bytes(process.read_memory(argument, 8), "little")
        return argument

    def _serve_file(
        self, notification: Notification, file: OpenFile, path: str, flags: int
    ) -> None:
        """Put a memfd with the file's content into the process.

        It is opened anew for it: what memfd_create() returns tells inotify nothing (Linux 6.14).
        """
        with ExitStack() as undo:
            content = os.memfd_create(_MEMFD_PREFIX + os.path.basename(path), os.MFD_CLOEXEC)
            undo.callback(os.close, content)
            shown = b"" if isinstance(file, CpuidFile) else file.pread(_CONTENT_LIMIT, 0)
            os.pwrite(content, shown, 0)
            handed = os.open(f"/proc/self/fd/{content}", flags & os.O_ACCMODE | os.O_CLOEXEC)
            with closing(HeldFile(handed)):
                found = os.fstat(content)
                served = _Served(file, content, self._watch(content), shown)
                self._served[found.st_dev, found.st_ino] = served
                undo.pop_all()
                self.listener.answer_with_file(notification, handed, flags & os.O_CLOEXEC)

    def _watch(self, fd: int) -> int:
        path = f"/proc/self/fd/{fd}".encode()
        watch: int = self._libc.inotify_add_watch(self.inotify, path, _IN_CLOSE)
        if watch < 0:
            raise fail(ctypes.get_errno())
        return watch

    def _release(self, identity: tuple[int, int]) -> None:
        served = self._served.pop(identity)
        self._libc.inotify_rm_watch(self.inotify, served.watch)
        os.close(served.content)
        served.file.close()
        self._refresh(served.file.source)

    def _refresh(self, source: object) -> None:
        """Show by now what has changed in all open files that are made from the same."""
        alike = [served for served in self._served.values() if served.file.source == source]
        if not alike or isinstance(alike[0].file, CpuidFile):
            return
        shown = alike[0].file.pread(_CONTENT_LIMIT, 0)
        for served in alike:
            if served.shown != shown:
                os.ftruncate(served.content, len(shown))
                os.pwrite(served.content, shown, 0)
                served.shown = shown

    def _ioctl(self, notification: Notification, process: RemoteProcess) -> bool:
        served = self._served_by(notification, process)
        if served is None:
            return False
        _, request, argument, *_ = notification.arguments
        try:
            result = served.file.ioctl(request & 0xFFFFFFFF, argument, process)
        finally:
            self._refresh(served.file.source)
        self.listener.answer(notification, result)
        return True

    def _pread(self, notification: Notification, process: RemoteProcess) -> bool:
        served = self._served_by(notification, process)
        if served is None or not isinstance(served.file, CpuidFile):
            return False
        _, address, size, low, high, _ = notification.arguments
        position = low if process.bits == 64 else low & 0xFFFFFFFF | (high & 0xFFFFFFFF) << 32
        data = served.file.pread(size, position)
        process.write_memory(address, data)
        self.listener.answer(notification, len(data))
        return True

    def _write(self, notification: Notification, process: RemoteProcess) -> bool:
        served = self._served_by(notification, process)
        if served is None:
            return False
        _, address, size, *_ = notification.arguments
        data = process.read_memory(address, min(size, _CONTENT_LIMIT))
        written = served.file.write(data)
        self._refresh(served.file.source)
        self.listener.answer(notification, written)
        return True

    def _served_by(self, notification: Notification, process: RemoteProcess) -> _Served | None:
        identity = process.identity(notification.arguments[0] & 0xFFFFFFFF)
        return None if identity is None else self._served.get(identity)

    def _stat(self, notification: Notification, process: RemoteProcess) -> bool:
        path = self._own_path(process, _AT_FDCWD, notification.arguments[0])
        return self._tell(notification, process, path, 1, _PACKED[process.bits])

    def _fstatat(self, notification: Notification, process: RemoteProcess) -> bool:
        path = self._own_path(process, _directory(notification), notification.arguments[1])
        return self._tell(notification, process, path, 2, _PACKED[process.bits])

    def _statx(self, notification: Notification, process: RemoteProcess) -> bool:
        path = self._own_path(process, _directory(notification), notification.arguments[1])
        return self._tell(notification, process, path, 4, pack_statx)

    def _tell(
        self,
        notification: Notification,
        process: RemoteProcess,
        path: str | None,
        buffer: int,
        pack: Callable[[Stat], bytes],
    ) -> bool:
        """Write what stat() tells of a path into the buffer that an argument points to."""
        if path is None:
            return False
        stat = self.kernel.stat(path, process)
        process.write_memory(notification.arguments[buffer], pack(stat))
        self.listener.answer(notification, 0)
        return True

    def _access(self, notification: Notification, process: RemoteProcess) -> bool:
        return self._access_path(notification, process, _AT_FDCWD, 0)

    def _faccessat(self, notification: Notification, process: RemoteProcess) -> bool:
        return self._access_path(notification, process, _directory(notification), 1)

    def _access_path(
        self, notification: Notification, process: RemoteProcess, directory: int, position: int
    ) -> bool:
        path = self._own_path(process, directory, notification.arguments[position])
        if path is None:
            return False
        wanted = notification.arguments[position + 1] & 0o7
        mode = self.kernel.stat(path, process).mode
        # Root may read and write anything, and execute what anybody may.
        granted = mode & 0o7 if process.uid else 0o6 | (mode | mode >> 3 | mode >> 6) & 0o1
        if wanted & ~granted:
            raise fail(errno.EACCES)
        self.listener.answer(notification, 0)
        return True

    def _uname(self, notification: Notification, process: RemoteProcess) -> bool:
        host = os.uname()
        names = ("Linux", host.nodename, self.kernel.release, host.version)
        fields = (*names, self.kernel.facts.machine, "(none)")
        process.write_memory(notification.arguments[0], pack_utsname(fields))
        self.listener.answer(notification, 0)
        return True

    def _own_path(self, process: RemoteProcess, directory: int, address: int) -> str | None:
        """Return the path that a call is about where it is the node's, else None."""
        if not address:
            return None
        try:
            path = process.resolve(directory, process.read_path(address))
        except OSError:
            return None  # The kernel itself says best what is wrong with it.
        return path if self.kernel.owns(path) else None

    _handlers: ClassVar[Mapping[str, Callable[..., bool]]] = {
        "open": _open,
        "openat": _openat,
        "openat2": _openat,
        "stat": _stat,
        "lstat": _stat,
        "stat64": _stat,
        "lstat64": _stat,
        "newfstatat": _fstatat,
        "fstatat64": _fstatat,
        "statx": _statx,
        "access": _access,
        "faccessat": _faccessat,
        "faccessat2": _faccessat,
        "uname": _uname,
        "ioctl": _ioctl,
        "pread64": _pread,
        "write": _write,
    }


def _directory(notification: Notification) -> int:
    """Read the first argument as the kernel's int."""
    number = notification.arguments[0] & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


_PACKED: Mapping[int, Callable[[Stat], bytes]] = {64: pack_stat, 32: pack_stat64}

_NAMES = {
    (architecture, number): name
    for architecture, numbers in SYSCALLS.items()
    for name, number in numbers.items()
}
