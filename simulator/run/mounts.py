"""A file system of a program's own: other files at some paths than this machine has there.

Sources: mount_namespaces(7), user_namespaces(7), mount(2), pivot_root(2) with its notes on two
times the same folder; linux/mount.h and linux/sched.h for the numbers.
"""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import NoReturn

from msgspec import Struct

from simulator.errors import UserError
from simulator.run.seccomp import LIBC, checked

_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000

_MS_BIND = 1 << 12
_MS_REC = 1 << 14
_MS_SLAVE = 1 << 19
_MNT_DETACH = 2
_SYS_PIVOT_ROOT = 155

#: Of a process's own descriptors, as paths that lead below mounts which hide them.
_BY_DESCRIPTOR = "/proc/self/fd/{}"


#: What a node's kernel tells, and the machine's devices.
_OF_THE_NODE = ("dev", "proc", "sys")


class Mount(Struct, frozen=True):
    """The file or folder ``source`` is found at the path ``target``."""

    source: str
    target: str


def own_files(text: str) -> tuple[Mount, ...]:
    """Return the mounts of ``FOLDER[:PATH]...``: what the folder has at each path is found there.

    Where no path is named, all paths are that the folder has. Raises UserError where there is
    nothing to mount, or where it would hide what a run needs.
    """
    folder, *named = text.split(":/")
    if not os.path.isdir(folder):
        raise UserError(f"{folder}: no folder; make it, with what is to be found on the host")
    names = named or [name for name in sorted(os.listdir(folder)) if name not in _OF_THE_NODE]
    if not names:
        raise UserError(f"{folder}: nothing in it; make the folders that the host has of its own")
    return tuple(_own_file(os.path.abspath(folder), name) for name in names)


def _own_file(folder: str, name: str) -> Mount:
    mount = Mount(os.path.normpath(f"{folder}/{name}"), os.path.normpath(f"/{name}"))
    top = mount.target.split("/")[1]
    if top in {"", *_OF_THE_NODE}:
        raise UserError(f"{mount.target}: is the node's own; name other paths")
    if not os.path.exists(mount.source):
        raise UserError(f"{mount.source}: not there; make what is to be found at {mount.target}")
    from tempfile import gettempdir

    if f"{os.path.realpath(gettempdir())}/".startswith(f"{os.path.realpath(mount.target)}/"):
        raise UserError(f"{mount.target}: the run has its files there; set TMPDIR to elsewhere")
    return mount


def may_mount() -> bool:
    """Tell whether this machine lets programs have file systems of their own."""
    return os.waitpid(os.fork() or _try_to(_leave_the_machines), 0)[1] == 0


def _try_to(leave: Callable[[], None]) -> NoReturn:
    """End this process, a child, with a status that tells whether it could."""
    status = 1
    try:
        leave()
        status = 0
    finally:
        os._exit(status)


def enter(mounts: Sequence[Mount]) -> None:
    """Give this process, and what it starts, a file system with these mounts, made in this order.

    Targets that this machine does not have are there for this process alone. Raises OSError, with
    the path that it is about, if there is any.
    """
    if not mounts:
        return
    _leave_the_machines()
    missing = [mount for mount in mounts if not os.path.exists(mount.target)]
    for parent in dict.fromkeys(_nearest_folder(mount.target) for mount in missing):
        _make_growable(parent)
    for mount in mounts:
        if not os.path.exists(mount.target):
            _make_place(mount)
        _mount(mount.source, mount.target, _MS_BIND | _MS_REC)


def _leave_the_machines() -> None:
    """Enter a mount namespace; who is not root takes a user namespace for it.

    There everybody but the user has the number of nobody.
    """
    uid, gid = os.geteuid(), os.getegid()
    try:
        checked(LIBC.unshare(_CLONE_NEWNS))
    except PermissionError:
        checked(LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS))
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{uid} {uid} 1"),
            ("gid_map", f"{gid} {gid} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    # What the machine unmounts later goes here too, and nothing goes the other way.
    _mount("none", "/", _MS_REC | _MS_SLAVE)


def _nearest_folder(path: str) -> str:
    """Return the first folder above a path that this machine has."""
    while not os.path.isdir(path := os.path.dirname(path)):
        pass
    return path


def _make_place(mount: Mount) -> None:
    """Make an empty file or folder to mount on."""
    if os.path.isdir(mount.source):
        os.makedirs(mount.target)
    else:
        os.makedirs(os.path.dirname(mount.target), exist_ok=True)
        os.close(os.open(mount.target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _make_growable(folder: str) -> None:
    """Put a folder in memory in a folder's place: all that was there is there, and more may be.

    Nothing can be put over the root of all; another takes its place.
    """
    if folder != "/":
        was = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        below = _BY_DESCRIPTOR.format(was)
        _mount_memory(folder, folder)
        _show(below, folder, os.listdir(below))
        os.close(was)
        return
    from tempfile import gettempdir, mkdtemp

    scratch = mkdtemp(prefix="vzcptsim-", dir=os.path.realpath(gettempdir()))
    _mount_memory(scratch, "/")
    _show("", scratch, os.listdir("/"))
    here = os.getcwd()
    os.chdir(scratch)
    checked(LIBC.syscall(_SYS_PIVOT_ROOT, b".", b"."))
    checked(LIBC.umount2(b".", _MNT_DETACH))
    checked(LIBC.umount2(os.fsencode(scratch), _MNT_DETACH))
    os.rmdir(scratch)
    os.chdir("/")
    with suppress(OSError):
        os.chdir(here)


def _mount_memory(place: str, like: str) -> None:
    """Mount a folder in memory that may be used as another folder may."""
    mode = stat.S_IMODE(os.stat(like).st_mode)
    _mount("tmpfs", place, 0, kind="tmpfs", options=f"mode={mode:o}")


def _show(folder: str, place: str, names: Iterable[str]) -> None:
    """Show what has these names in one folder in another."""
    for name in names:
        source, target = f"{folder}/{name}", f"{place}/{name}"
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
            continue
        _make_place(Mount(source, target))
        _mount(source, target, _MS_BIND | _MS_REC)


def _mount(source: str, target: str, flags: int, kind: str = "", options: str = "") -> None:
    """Call mount(2); an error names the target."""
    words = (os.fsencode(word) or None for word in (source, target, kind))
    try:
        checked(LIBC.mount(*words, flags, options.encode() or None))
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from error
