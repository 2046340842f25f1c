"""Answer the system calls of a tree of processes as the node would.

A process that opens a file of the node gets a memfd. At each later call, device and inode of the
memfd identify the open file, even if its descriptor was duplicated or inherited. inotify tells when
the last descriptor is closed.
"""

import errno
import os
import stat
import struct
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from types import MappingProxyType
from typing import ClassVar

from msgspec import Struct

from simulator.kernel.calls import OpenFile, fail
from simulator.kernel.files import CpuidFile, Stat
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.affinity import Affinity
from simulator.run.cpuid_reads import read_cpuid
from simulator.run.remote import (
    CONTENT_LIMIT,
    Content,
    Folders,
    HeldFile,
    RemoteProcess,
    pack_stat,
    pack_stat64,
    pack_statx,
    pack_utsname,
)
from simulator.run.seccomp import LIBC, Listener, Notification, Selections, checked

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_IN_CLOSE = 0x18
_IN_CLOEXEC_NONBLOCK = 0o2004000
_INOTIFY_EVENT = struct.Struct("=iIII")
_MEMFD_PREFIX = "vzcptsim:"

#: Of ioctls, those of the checkpoint's type are notified, and TCGETS: by it C libraries and
#: Python's open() ask whether a file is a terminal, which makes a context of /proc/cpt.
_OF_CHECKPOINT = (1, 0xFF00, ord("-") << 8)
_TCGETS = (1, 0xFFFFFFFF, 0x5401)

#: Of reads, those of up to 31 CPUID leaves; of writes, those of a number, such as a sysctl's.
_CPUID_READ = (2, 0xFFFFFE0F, 0)
_SHORT_WRITE = (2, 0xFFFFFFF0, 0)

#: System calls to notify of on every node.
SELECTIONS: Selections = {
    **dict.fromkeys(("open", "openat", "openat2"), ()),
    **dict.fromkeys(("stat", "lstat", "fstat", "newfstatat", "statx"), ()),
    **dict.fromkeys(("stat64", "lstat64", "fstat64", "fstatat64"), ()),
    **dict.fromkeys(("access", "faccessat", "faccessat2", "uname"), ()),
    "ioctl": (_OF_CHECKPOINT, _TCGETS),
    "pread64": (_CPUID_READ,),
    "read": (_CPUID_READ,),
    **dict.fromkeys(("readv", "preadv", "preadv2"), ()),
    **dict.fromkeys(("sched_getaffinity", "sched_setaffinity"), ()),
    "write": (_SHORT_WRITE,),
}

#: On a node whose kernel masks CPUID, a write may be to /proc/vz/cpuid_override.
OVERRIDE_SELECTIONS: Selections = {**SELECTIONS, "write": ()}

#: Opens something other than a file of the node at a path, and returns the descriptor.
Door = Callable[[RemoteProcess], int]


class Place(Struct, frozen=True):
    """Where programs run, and as which user.

    The node sees the user ``uid``, or, if that is None, root for the supervisor's own user.
    ``ctid`` is the container that they run in, 0 for the node itself. uname says ``hostname``,
    or this machine's. ``doors`` are keyed by their paths.
    """

    kernel: SimulatedKernel
    uid: int | None = None
    ctid: int = 0
    hostname: str | None = None
    doors: Mapping[str, Door] = MappingProxyType({})


class _Served(Struct, frozen=True):
    """An open file of the node in some process, and its content."""

    path: str
    file: OpenFile
    content: Content
    watch: int


class Supervisor:
    """Answers a tree of processes by the kernel of one node."""

    def __init__(self, place: Place, listener: Listener) -> None:
        self.kernel = place.kernel
        self.listener = listener
        self._place = place
        self._owner = os.getuid()
        self._served: dict[tuple[int, int], _Served] = {}
        self._folders = Folders()
        self._affinity = Affinity(place.kernel.processors)
        self.inotify = checked(LIBC.inotify_init1(_IN_CLOEXEC_NONBLOCK))

    def close(self) -> None:
        """Close all open files, once all processes are gone."""
        for identity in list(self._served):
            self._release(identity)
        self._folders.close()
        os.close(self.inotify)
        os.close(self.listener.fd)

    def serve(self) -> None:
        """Receive one notification and answer it, even on errors: an unanswered process hangs."""
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
        """Close the node's files that no process has open any more."""
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
        """Answer a system call; return False if it is not about the node."""
        still_waits = partial(self.listener.is_valid, notification)
        user = self._user(notification.tid)
        process = RemoteProcess(notification, user, self._place.ctid, still_waits)
        return self._handlers[notification.name](self, process)

    def _user(self, tid: int) -> int:
        if self._place.uid is not None:
            return self._place.uid
        actual = os.stat(f"/proc/{tid}").st_uid
        return 0 if actual == self._owner else actual

    def _open(self, process: RemoteProcess, position: int) -> bool:
        path = self._own_path(process, position)
        if path is None:
            return False
        flags = self._open_flags(process, position + 1)
        if path in self._place.doors:
            fd = self._place.doors[path](process)
        else:
            is_folder = stat.S_ISDIR(self.kernel.stat(path, process).mode)
            if flags & os.O_DIRECTORY and not is_folder:
                raise fail(errno.ENOTDIR)
            if not is_folder or flags & os.O_ACCMODE != os.O_RDONLY:
                self._serve_file(process.call, self.kernel.open(path, process, flags), path, flags)
                return True
            fd = self._folders.open(path, self.kernel.list_folder(path, process))
        with closing(HeldFile(fd)):
            self.listener.answer_with_file(process.call, fd, flags & os.O_CLOEXEC)
        return True

    def _open_flags(self, process: RemoteProcess, position: int) -> int:
        argument = process.call.arguments[position]
        if process.call.name == "openat2":
            return int.from_bytes(process.read_memory(argument, 8), "little")
        return argument

    def _serve_file(self, call: Notification, file: OpenFile, path: str, flags: int) -> None:
        """Put a memfd with the file's content into the process.

        The memfd is opened again for the process: inotify reports nothing of the descriptor that
        memfd_create() returns (Linux 6.14).
        """
        with ExitStack() as undo:
            content = undo.enter_context(closing(Content(_MEMFD_PREFIX + os.path.basename(path))))
            if not isinstance(file, CpuidFile):
                content.show(file.pread(CONTENT_LIMIT, 0))
            handed = os.open(f"/proc/self/fd/{content.fd}", flags & os.O_ACCMODE | os.O_CLOEXEC)
            with closing(HeldFile(handed)):
                found = os.fstat(content.fd)
                served = _Served(path, file, content, self._watch(content.fd))
                self._served[found.st_dev, found.st_ino] = served
                undo.pop_all()
                self.listener.answer_with_file(call, handed, flags & os.O_CLOEXEC)

    def _watch(self, fd: int) -> int:
        path = f"/proc/self/fd/{fd}".encode()
        return checked(LIBC.inotify_add_watch(self.inotify, path, _IN_CLOSE))

    def _release(self, identity: tuple[int, int]) -> None:
        served = self._served.pop(identity)
        checked(LIBC.inotify_rm_watch(self.inotify, served.watch))
        served.content.close()
        served.file.close()
        self._refresh(served.file.source)

    def _refresh(self, source: object) -> None:
        """Update the content of all open files with the same source."""
        alike = [served for served in self._served.values() if served.file.source == source]
        if not alike or isinstance(alike[0].file, CpuidFile):
            return
        shown = alike[0].file.pread(CONTENT_LIMIT, 0)
        for served in alike:
            served.content.show(shown)

    def _on_file(self, process: RemoteProcess, answer: Callable[..., int | None]) -> bool:
        """Answer a call on an open file of the node; where ``answer`` returns None, Linux does."""
        served = self._served_by(process)
        value = None if served is None else answer(self, process, served.file)
        if value is None:
            return False
        self.listener.answer(process.call, value)
        return True

    def _ioctl(self, process: RemoteProcess, file: OpenFile) -> int:
        _, request, argument, *_ = process.call.arguments
        try:
            return file.ioctl(request & 0xFFFFFFFF, argument, process)
        finally:
            self._refresh(file.source)

    def _read(self, process: RemoteProcess, file: OpenFile) -> int | None:
        return read_cpuid(process, file) if isinstance(file, CpuidFile) else None

    def _write(self, process: RemoteProcess, file: OpenFile) -> int:
        _, address, size, *_ = process.call.arguments
        written = file.write(process.read_memory(address, min(size, CONTENT_LIMIT)))
        self._refresh(file.source)
        return written

    def _served_by(self, process: RemoteProcess) -> _Served | None:
        identity = process.identity(process.call.arguments[0] & 0xFFFFFFFF)
        return None if identity is None else self._served.get(identity)

    def _stat(self, process: RemoteProcess) -> bool:
        path = self._own_path(process, 0)
        return self._tell(process, path, 1)

    def _fstat(self, process: RemoteProcess) -> bool:
        path = self._open_path_of(process)
        return self._tell(process, path, 1)

    def _stat_at(self, process: RemoteProcess, flags: int, buffer: int) -> bool:
        """Tell of a path, or of an open file if the argument ``flags`` has AT_EMPTY_PATH."""
        path = None
        if process.call.arguments[flags] & _AT_EMPTY_PATH:
            path = self._open_path_of(process)
        return self._tell(process, path or self._own_path(process, 1), buffer)

    def _tell(self, process: RemoteProcess, path: str | None, buffer: int) -> bool:
        """Write the stat of a path into the buffer that an argument points to."""
        if path is None:
            return False
        is_statx = process.call.name == "statx"
        pack = pack_statx if is_statx else _PACKED[process.pointer_bits()]
        process.write_memory(process.call.arguments[buffer], pack(self.kernel.stat(path, process)))
        self.listener.answer(process.call, 0)
        return True

    def _access(self, process: RemoteProcess, position: int) -> bool:
        path = self._own_path(process, position)
        if path is None:
            return False
        wanted = process.call.arguments[position + 1] & 0o7
        mode = self.kernel.stat(path, process).mode
        # Root may read and write anything, and execute what anybody may.
        granted = mode & 0o7 if process.uid else 0o6 | (mode | mode >> 3 | mode >> 6) & 0o1
        if wanted & ~granted:
            raise fail(errno.EACCES)
        self.listener.answer(process.call, 0)
        return True

    def _uname(self, process: RemoteProcess) -> bool:
        hostname = self._place.hostname or os.uname().nodename
        names = ("Linux", hostname, self.kernel.release, self.kernel.version)
        fields = (*names, self.kernel.facts.machine, "(none)")
        process.write_memory(process.call.arguments[0], pack_utsname(fields))
        self.listener.answer(process.call, 0)
        return True

    def _get_affinity(self, process: RemoteProcess) -> bool:
        self.listener.answer(process.call, self._affinity.get(process))
        return True

    def _set_affinity(self, process: RemoteProcess) -> bool:
        self.listener.answer(process.call, self._affinity.set(process))
        return True

    def _own_path(self, process: RemoteProcess, position: int) -> str | None:
        """Return the path that is an argument if it is the node's, else None.

        A path that is not the first argument has its folder before it.
        """
        address = process.call.arguments[position]
        if not address:
            return None
        directory = _directory(process.call) if position else _AT_FDCWD
        try:
            path = process.resolve(directory, process.read_path(address))
        except OSError:
            return None  # The kernel itself says best what is wrong with it.
        return self._own(path)

    def _open_path_of(self, process: RemoteProcess) -> str | None:
        """Return the path of the node's file or folder that the first argument is open on."""
        served = self._served_by(process)
        if served is not None:
            return served.path
        return self._own(process.resolve(_directory(process.call), ""))

    def _own(self, path: str) -> str | None:
        path = self._folders.original(path)
        return path if path in self._place.doors or self.kernel.owns(path) else None

    _handlers: ClassVar[Mapping[str, Callable[..., bool]]] = {
        "open": partial(_open, position=0),
        "openat": partial(_open, position=1),
        "openat2": partial(_open, position=1),
        "stat": _stat,
        "lstat": _stat,
        "fstat": _fstat,
        "fstat64": _fstat,
        "stat64": _stat,
        "lstat64": _stat,
        "newfstatat": partial(_stat_at, flags=3, buffer=2),
        "fstatat64": partial(_stat_at, flags=3, buffer=2),
        "statx": partial(_stat_at, flags=2, buffer=4),
        "access": partial(_access, position=0),
        "faccessat": partial(_access, position=1),
        "faccessat2": partial(_access, position=1),
        "uname": _uname,
        "sched_getaffinity": _get_affinity,
        "sched_setaffinity": _set_affinity,
        "ioctl": partial(_on_file, answer=_ioctl),
        **dict.fromkeys(
            ("read", "pread64", "readv", "preadv", "preadv2"), partial(_on_file, answer=_read)
        ),
        "write": partial(_on_file, answer=_write),
    }


def _directory(call: Notification) -> int:
    """Read the first argument as the kernel's int."""
    number = call.arguments[0] & 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number


_PACKED: Mapping[int, Callable[[Stat], bytes]] = {64: pack_stat, 32: pack_stat64}
