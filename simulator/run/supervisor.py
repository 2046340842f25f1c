"""Answer the system calls of a tree of processes as the node would.

A call that does not concern the node is let through. The kernel then reads its path anew, so a
program that changes a path while another of its threads is in the call may see this machine: a run
keeps programs from nothing. What is the node's is opened here, and handed over.
"""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from types import MappingProxyType
from typing import ClassVar

from msgspec import Struct

from simulator.kernel.calls import OpenFile, fail
from simulator.kernel.files import CpuidFile, Stat
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.affinity import Affinity
from simulator.run.called_paths import CalledPaths
from simulator.run.cpuid_reads import read_cpuid
from simulator.run.machine import (
    AT_FDCWD,
    Target,
    list_here,
)
from simulator.run.made_devices import is_cpuid
from simulator.run.opened import Served
from simulator.run.remote import (
    CONTENT_LIMIT,
    HeldFile,
    RemoteProcess,
    pack_stat,
    pack_stat32,
    pack_stat64,
    pack_statx,
    pack_utsname,
)
from simulator.run.seccomp import Listener, Notification, Selections
from simulator.run.system_calls import PATHS
from simulator.run.tracer import enter_folder

_AT_EMPTY_PATH = 0x1000
_CLONE_NEWNS = 0x20000

#: Of ioctls, those of the checkpoint's type are notified, and TCGETS: by it C libraries and
#: Python's open() ask whether a file is a terminal, which makes a context of /proc/cpt.
_OF_CHECKPOINT = (1, 0xFF00, ord("-") << 8)
_TCGETS = (1, 0xFFFFFFFF, 0x5401)

#: Of reads, those of up to 31 CPUID leaves; of writes, those of a number, such as a sysctl's.
_CPUID_READ = (2, 0xFFFFFE0F, 0)
_SHORT_WRITE = (2, 0xFFFFFFF0, 0)

_NEW_MOUNTS = (0, _CLONE_NEWNS, _CLONE_NEWNS)

#: Calls after which threads may have other roots and mounts than the supervisor.
_ROOT_CALLS = ("chroot", "pivot_root", "setns", "mount", "umount2", "clone", "unshare")

#: System calls to notify of on every node.
SELECTIONS: Selections = {
    **dict.fromkeys(PATHS, ()),
    **dict.fromkeys(("fstat", "fstat64", "getcwd", "uname"), ()),
    **dict.fromkeys(_ROOT_CALLS, ()),
    "clone": (_NEW_MOUNTS,),
    "unshare": (_NEW_MOUNTS,),
    "ioctl": (_OF_CHECKPOINT, _TCGETS),
    "pread64": (_CPUID_READ,),
    "read": (_CPUID_READ,),
    **dict.fromkeys(("readv", "preadv", "preadv2"), ()),
    **dict.fromkeys(("sched_getaffinity", "sched_setaffinity"), ()),
    "write": (_SHORT_WRITE,),
}

#: On a node whose kernel masks CPUID, a write may be to /proc/vz/cpuid_override.
OVERRIDE_SELECTIONS: Selections = {**SELECTIONS, "write": ()}

#: The errnos of calls that are refused on the node's files, if not EACCES.
_REFUSALS = {
    **dict.fromkeys(("mkdir", "mkdirat", "mknod", "mknodat", "symlink", "symlinkat"), errno.EEXIST),
    **dict.fromkeys(("link", "linkat", "rename", "renameat", "renameat2"), errno.EXDEV),
    **dict.fromkeys(("chmod", "fchmodat", "fchmodat2"), errno.EPERM),
    **dict.fromkeys(("chown", "chown32", "lchown", "lchown32", "fchownat"), errno.EPERM),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), errno.EPERM),
    **{name: errno.EOPNOTSUPP for name in PATHS if name.endswith("xattr")},
}

_NEW = os.O_CREAT | os.O_EXCL

#: How the stat that a call asks for is written, where that does not depend on the architecture.
_PACKED: Mapping[str, Callable[[Stat], bytes]] = {
    **dict.fromkeys(("stat64", "lstat64", "fstat64", "fstatat64"), pack_stat64),
    "statx": pack_statx,
}

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


class Supervisor:
    """Answers a tree of processes by the kernel of one node.

    ``roots_differ`` says that they have mounts of their own from the start.
    """

    def __init__(self, place: Place, listener: Listener, *, roots_differ: bool = False) -> None:
        self.kernel = place.kernel
        self.listener = listener
        self._place = place
        self._owner = os.geteuid()
        self._paths = CalledPaths(place.kernel, place.doors, roots_differ=roots_differ)
        self._files, self._nodes = self._paths.files, self._paths.nodes
        self._devices = self._paths.devices
        self._affinity = Affinity(place.kernel.processors)
        self.inotify = self._files.inotify

    def close(self) -> None:
        """Close all open files, once all processes are gone."""
        self._paths.close()
        os.close(self.listener.fd)

    def serve(self) -> None:
        """Receive one notification and answer it, even on errors: an unanswered process hangs."""
        notification = self.listener.receive()
        if notification is None:
            return
        try:
            handled = not self._paths.is_elsewhere(notification) and self._handle(notification)
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
        self._files.forget_closed()

    def _handle(self, notification: Notification) -> bool:
        """Answer a system call; return False if it is not about the node."""
        if self._files:
            self._files.forget_closed()
        still_waits = partial(self.listener.is_valid, notification)
        user = self._user(notification.tid)
        process = RemoteProcess(notification, user, self._place.ctid, still_waits)
        return self._handlers.get(notification.name, Supervisor._refuse)(self, process)

    def _user(self, tid: int) -> int:
        if self._place.uid is not None:
            return self._place.uid
        actual = os.stat(f"/proc/{tid}").st_uid
        return 0 if actual == self._owner else actual

    def _refuse(self, process: RemoteProcess) -> bool:
        """Refuse a call that would change, execute or mount over a file of the node."""
        for argument in PATHS[process.call.name]:
            follow = argument.is_followed(process.call.arguments)
            target = self._paths.target(process, argument, follow=follow)
            if target is not None and (target.is_nodes or target.is_astray):
                self._stat_of(process, target)
                raise fail(_REFUSALS.get(process.call.name, errno.EACCES))
        return False

    def _make_device(self, process: RemoteProcess, mode: int) -> bool:
        """Make a CPUID device; ``mode`` is the position of mknod()'s mode."""
        target = self._paths.first_target(process)
        given = process.call.arguments[mode : mode + 2]
        if target is None or target.is_nodes or not is_cpuid(*given):
            return self._refuse(process)
        self._devices.make(target.here, given[1], process)
        self.listener.answer(process.call, 0)
        return True

    def _remove(self, process: RemoteProcess) -> bool:
        target = self._paths.first_target(process)
        if target is None or not self._devices.remove(target.here):
            return self._refuse(process)
        self.listener.answer(process.call, 0)
        return True

    # Opening

    def _open(self, process: RemoteProcess, flags: int) -> bool:
        """Open a file; ``flags`` is the position of open()'s flags, the mode comes after them."""
        given, mode = process.call.arguments[flags : flags + 2]
        return self._open_by(process, given, mode)

    def _create(self, process: RemoteProcess) -> bool:
        return self._open_by(process, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0)

    def _open_by_memory(self, process: RemoteProcess) -> bool:
        """Open a file by openat2(), whose flags, mode and rules are in memory."""
        how = process.read_memory(process.call.arguments[2], 24)
        flags, mode, rules = (int.from_bytes(how[at : at + 8], "little") for at in (0, 8, 16))
        return self._open_by(process, flags, mode, rules)

    def _open_by(self, process: RemoteProcess, flags: int, mode: int, rules: int = 0) -> bool:
        is_new = flags & _NEW == _NEW
        follow = not (flags & os.O_NOFOLLOW or is_new)
        [argument] = PATHS[process.call.name]
        target = self._paths.target(process, argument, follow=follow, rules=rules)
        if target is None:
            return False
        if target.here in self._devices:
            file = self._devices.open(target.here, process, flags)
            held = self._files.serve(file, target.path, flags)
        elif target.is_nodes:
            held = self._open_own(process, target.path, flags, is_new=is_new)
        else:
            found = self._open_here(process, target, flags, mode)
            if found is None:
                return False
            held = found
        with closing(held):
            self.listener.answer_with_file(process.call, held.fd, flags & os.O_CLOEXEC)
        return True

    def _open_own(self, process: RemoteProcess, path: str, flags: int, *, is_new: bool) -> HeldFile:
        """Open a file or folder of the node."""
        if path in self._place.doors:
            return HeldFile(self._place.doors[path](process))
        is_folder = stat.S_ISDIR(self._nodes.stat(path, process).mode)
        if is_new:
            raise fail(errno.EEXIST)
        if flags & os.O_DIRECTORY and not is_folder:
            raise fail(errno.ENOTDIR)
        if is_folder and (flags & os.O_PATH or flags & os.O_ACCMODE == os.O_RDONLY):
            names = self.kernel.list_folder(path, process)
            return HeldFile(self._paths.folders.open(path, names))
        if flags & os.O_PATH:
            return self._files.serve_path(path)
        return self._files.serve(self.kernel.open(path, process, flags), path, flags)

    def _open_here(
        self, process: RemoteProcess, target: Target, flags: int, mode: int
    ) -> HeldFile | None:
        """Open what the kernel would not show or find as the node does; None where it would."""
        is_read = flags & (os.O_ACCMODE | os.O_PATH) == os.O_RDONLY
        if is_read and self._nodes.is_merged(target.path) and os.path.isdir(target.here):
            names = self._nodes.merge(target.path, list_here(target.here), process)
            return HeldFile(self._paths.folders.open(target.path, names))
        if target.is_astray:
            return HeldFile(os.open(target.here, flags & ~os.O_PATH | os.O_CLOEXEC, mode))
        return None

    # Open files

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
            self._files.refresh(file.source)

    def _read(self, process: RemoteProcess, file: OpenFile) -> int | None:
        return read_cpuid(process, file) if isinstance(file, CpuidFile) else None

    def _write(self, process: RemoteProcess, file: OpenFile) -> int:
        _, address, size, *_ = process.call.arguments
        written = file.write(process.read_memory(address, min(size, CONTENT_LIMIT)))
        self._files.refresh(file.source)
        return written

    def _served_by(self, process: RemoteProcess) -> Served | None:
        identity = process.identity(process.call.arguments[0] & 0xFFFFFFFF)
        return None if identity is None else self._files.find(identity)

    # Telling

    def _stat(self, process: RemoteProcess) -> bool:
        return self._tell(process, self._paths.first_target(process), 1)

    def _fstat(self, process: RemoteProcess) -> bool:
        return self._tell(process, self._paths.behind(process), 1)

    def _stat_at(self, process: RemoteProcess, flags: int, buffer: int) -> bool:
        """Tell of a path, or of an open file if the path is empty and AT_EMPTY_PATH is given."""
        target = None
        if process.call.arguments[flags] & _AT_EMPTY_PATH:
            target = self._paths.behind(process)
        return self._tell(process, self._paths.first_target(process) or target, buffer)

    def _tell(self, process: RemoteProcess, target: Target | None, buffer: int) -> bool:
        """Write the stat of a target into the buffer that an argument points to."""
        if target is None or not (target.is_nodes or target.is_astray):
            return False
        found = self._stat_of(process, target)
        bits = process.pointer_bits()
        pack = _PACKED.get(process.call.name) or (pack_stat if bits == 64 else pack_stat32)
        process.write_memory(process.call.arguments[buffer], pack(found))
        self.listener.answer(process.call, 0)
        return True

    def _stat_of(self, process: RemoteProcess, target: Target) -> Stat:
        if target.is_nodes:
            return self._nodes.stat(target.path, process)
        if target.here in self._devices:
            return self._devices.stat(target.here)
        found = os.lstat(target.here)
        owner = {"uid": found.st_uid, "gid": found.st_gid, "rdev": found.st_rdev}
        return Stat(found.st_mode, found.st_ino, **owner, size=found.st_size, nlink=found.st_nlink)

    def _access(self, process: RemoteProcess, position: int) -> bool:
        target = self._paths.first_target(process)
        if target is None or not (target.is_nodes or target.is_astray):
            return False
        wanted = process.call.arguments[position + 1] & 0o7
        mode = self._stat_of(process, target).mode
        # Root may read and write anything, and execute what anybody may.
        granted = mode & 0o7 if process.uid else 0o6 | (mode | mode >> 3 | mode >> 6) & 0o1
        if wanted & ~granted:
            raise fail(errno.EACCES)
        self.listener.answer(process.call, 0)
        return True

    def _read_link(self, process: RemoteProcess) -> bool:
        """Tell where a link leads: descriptors and working folders to the node's paths."""
        target = self._paths.first_target(process)
        if target is None:
            return False
        if target.is_nodes:
            self._nodes.stat(target.path, process)
            raise fail(errno.EINVAL)
        view = self._paths.view(process)
        entry = view.look_up(target.here.removeprefix(view.root.prefix))
        text = entry.jump or entry.link
        if not target.is_astray and text == entry.link:
            return False
        if text is None:
            raise fail(errno.EINVAL)
        position = PATHS[process.call.name][0].position
        _, address, size = process.call.arguments[position : position + 3]
        data = os.fsencode(text)[: size & 0x7FFFFFFF]
        process.write_memory(address, data)
        self.listener.answer(process.call, len(data))
        return True

    def _working_folder(self, process: RemoteProcess) -> bool:
        """Answer getcwd()."""
        path = self._paths.view(process).folder(AT_FDCWD)
        if path is None:
            return False
        address, size, *_ = process.call.arguments
        data = os.fsencode(path) + b"\0"
        if size < len(data):
            raise fail(errno.ERANGE)
        process.write_memory(address, data)
        self.listener.answer(process.call, len(data))
        return True

    def _enter(self, process: RemoteProcess) -> bool:
        """Enter a folder; the kernel enters none that it would not find."""
        target = self._paths.first_target(process)
        if target is None or not (target.is_nodes or target.is_astray):
            return False
        if not stat.S_ISDIR(self._stat_of(process, target).mode):
            raise fail(errno.ENOTDIR)
        if target.is_nodes:
            held = self._open_own(process, target.path, os.O_RDONLY, is_new=False)
        else:
            held = HeldFile(os.open(target.here, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        with closing(held):
            enter_folder(self.listener, process, held.fd)
        return True

    def _differ(self, _: RemoteProcess) -> bool:
        """Note that from now on threads may have other roots and mounts."""
        self._paths.differ()
        return False

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

    #: Calls with paths that are not among these are refused on the node's.
    _handlers: ClassVar[Mapping[str, Callable[..., bool]]] = {
        "open": partial(_open, flags=1),
        "openat": partial(_open, flags=2),
        "openat2": _open_by_memory,
        "creat": _create,
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
        "mknod": partial(_make_device, mode=1),
        "mknodat": partial(_make_device, mode=2),
        "unlink": _remove,
        "unlinkat": _remove,
        "readlink": _read_link,
        "readlinkat": _read_link,
        "getcwd": _working_folder,
        "chdir": _enter,
        **dict.fromkeys(_ROOT_CALLS, _differ),
        "uname": _uname,
        "sched_getaffinity": _get_affinity,
        "sched_setaffinity": _set_affinity,
        "ioctl": partial(_on_file, answer=_ioctl),
        **dict.fromkeys(
            ("read", "pread64", "readv", "preadv", "preadv2"), partial(_on_file, answer=_read)
        ),
        "write": partial(_on_file, answer=_write),
    }
