"""Which file a process means by a path: one of the node's, or one of this machine's.

The process may have another working folder, another root and other mounts than this process, and
/proc/self is another to it. Each name on the way is looked up on the node first, then here.

Sources: proc(5) and mount_namespaces(7) for /proc/PID and mountinfo; path_resolution(7) on
permission.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from msgspec import Struct

from simulator.kernel.calls import Caller, fail
from simulator.kernel.files import Stat
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.paths import ABSENT, IN_ROOT, NO_XDEV, Entry, Walk, WalkError, join
from simulator.run.remote import Identity, identity_of, read_status

AT_FDCWD = -100

#: Where the file systems are mounted whose files a node answers for, by their types.
_HOMES = {"proc": "/proc", "sysfs": "/sys", "devtmpfs": "/dev"}

#: Of these, nothing is answered by this machine where the way to a file cannot be told.
_TOLD_ONLY = ("/proc", "/sys")

#: What the folders of processes begin with.
_PROCESSES = tuple(f"/proc/{digit}" for digit in range(1, 10))

# Patterns are compiled when they are first used, which most programs do without.

#: Links of a process that lead to an open file, whatever their text.
_MAGIC = r"/proc/\d+(?:/task/\d+)?/(?:cwd|root|exe|fd/\d+|ns/\w+|map_files/[\da-f]+-[\da-f]+)"

#: The network of a process, in which it finds the files of /proc/net.
_NETWORK = r"/proc/\d+(?:/task/\d+)?/net(?=/|$)"

_ESCAPED = r"\\([0-7]{3})"

#: So many folders are remembered.
_REMEMBERED = 4096

#: A mount point, and the path that a node has for it: None if it answers for none of its files.
Mount = tuple[str, str | None]


def parse_mounts(lines: Iterable[str]) -> tuple[Mount, ...]:
    """Read /proc/PID/mountinfo; return the mounts, the innermost and latest first."""
    mounts: list[Mount] = []
    for line in lines:
        words = line.split()
        root, point = (_unescape(word) for word in words[3:5])
        home = _HOMES.get(words[words.index("-") + 1])
        mounts.append((point, None if home is None else home + root.rstrip("/")))
    mounts.reverse()
    return tuple(sorted(mounts, key=lambda one: -len(one[0])))


def list_here(path: str) -> list[str]:
    """List a folder of this machine; the names of folders end with a slash."""
    with os.scandir(path) as entries:
        return [
            f"{one.name}/" if one.is_dir(follow_symlinks=False) else one.name for one in entries
        ]


def _of_all(path: str) -> str:
    """Return a path of /proc that is the same for all processes, if there is one."""
    return re.sub(_NETWORK, "/proc/net", path) if path.startswith(_PROCESSES) else path


def _unescape(word: str) -> str:
    if "\\" not in word:
        return word
    return re.sub(_ESCAPED, lambda found: chr(int(found[1], 8)), word)


class Target(Struct, frozen=True):
    """What a path leads to: a path of the node's, or one of this machine's, which is ``here``.

    It is astray if the kernel would not find it: from a folder that only stands for the real one.
    """

    path: str
    here: str
    is_nodes: bool
    is_astray: bool = False


class NodePaths:
    """The paths that a node answers for: its kernel's files, and others by their paths."""

    def __init__(self, kernel: SimulatedKernel, others: Mapping[str, object]) -> None:
        self._kernel = kernel
        self._others = others
        self._above_others = {
            path[:at] for path in others for at in range(1, len(path)) if path[at] == "/"
        }

    def owns(self, path: str) -> bool:
        """Return whether a path is the node's, even if nothing is there."""
        return path in self._others or self._kernel.owns(path)

    def is_above(self, path: str) -> bool:
        """Return whether a folder of this machine has paths of the node below it."""
        return path in self._above_others or self._kernel.is_above(path)

    def is_special(self, path: str) -> bool:
        """Return whether a path is not simply this machine's."""
        return self.owns(path) or self.is_above(path)

    def is_missing(self, path: str, here: str) -> bool:
        """Return whether a folder above the node's files is lacking here, on this machine."""
        return self.is_above(path) and not os.path.lexists(here)

    def stat(self, path: str, caller: Caller) -> Stat:
        """Return the stat of a path of the node's; OSError if nothing is there."""
        if self.is_above(path) and self._kernel.list_folder(path, caller):
            return Stat(stat.S_IFDIR | 0o755)
        return self._kernel.stat(path, caller)

    def entry(self, path: str, caller: Caller) -> Entry:
        """Return what is at a path of the node's."""
        if path in self._others:
            return Entry(stat.S_IFCHR)
        try:
            return Entry(self.stat(path, caller).mode)
        except FileNotFoundError:
            return ABSENT

    def target(self, path: str) -> Target:
        """Return what a process has open by a path that the kernel does not know."""
        is_nodes = self.owns(path) or self.is_missing(path, path)
        return Target(path, path, is_nodes, is_astray=True)

    def is_merged(self, path: str) -> bool:
        """Return whether a folder shows names of this machine and of the node."""
        return path.startswith(_TOLD_ONLY) and self.is_above(path)

    def merge(self, path: str, names: Iterable[str], caller: Caller) -> list[str]:
        """Return the names in such a folder, given those that this machine has in it."""
        own = self._kernel.list_folder(path, caller)
        others = [name for name in names if not self.is_special(join(path, name.rstrip("/")))]
        above = [
            name for name in names if name.endswith("/") and self.is_above(join(path, name[:-1]))
        ]
        return [*own, *others, *above]


class Root(Struct, frozen=True):
    """A root: the path that leads to it, empty for this process's own, and the mounts below it.

    No mounts are known of a root that shows no file of the node at another path than its own.
    """

    prefix: str = ""
    mounts: tuple[Mount, ...] = ()


class Roots:
    """The roots of threads, each held open and read once as long as no mounts change."""

    def __init__(self, paths: NodePaths) -> None:
        self._paths = paths
        self._own_key = _root_key("self")
        self._known: dict[tuple[Identity, Identity], Root] = {}

    @property
    def own(self) -> Root:
        """The root of this process."""
        return self._known.get(self._own_key) or self._remember(self._own_key, self._read_own())

    def of(self, tid: int) -> Root:
        """Return a thread's root."""
        key = _root_key(tid)
        if key == self._own_key:
            return self.own
        return self._known.get(key) or self._remember(key, _read_other(tid))

    def forget(self) -> None:
        """Close all roots: there may be other mounts."""
        for root in self._known.values():
            if root.prefix:
                os.close(int(root.prefix.rpartition("/")[2]))
        self._known.clear()

    def _remember(self, key: tuple[Identity, Identity], root: Root) -> Root:
        self._known[key] = root
        return root

    def _read_own(self) -> Root:
        mounts = _read_mounts("self")
        others = [home for point, home in mounts if home not in (None, point)]
        is_other = any(home in _HOMES.values() or self._paths.is_special(home) for home in others)
        return Root(mounts=mounts if is_other else ())


def _root_key(process: int | str) -> tuple[Identity, Identity]:
    """Return what tells mount namespaces and roots apart."""
    namespace, root = (os.stat(f"/proc/{process}/{link}") for link in ("ns/mnt", "root"))
    return identity_of(namespace), identity_of(root)


def _read_mounts(process: int | str) -> tuple[Mount, ...]:
    with open(f"/proc/{process}/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        return parse_mounts(lines)


def _read_other(tid: int) -> Root:
    mounts = _read_mounts(tid)
    return Root(f"/proc/self/fd/{os.open(f'/proc/{tid}/root', os.O_PATH | os.O_CLOEXEC)}", mounts)


class View(Struct, frozen=True):
    """The files as a thread sees them.

    ``opened`` returns the node's path for an open file by its device and inode, ``original`` that
    for a path in a folder that stands for one of the node's. ``groups`` are the thread's user and
    groups if it is another user than this process.
    """

    paths: NodePaths
    caller: Caller
    tid: int
    opened: Callable[[Identity], str | None]
    original: Callable[[str], str]
    root: Root = Root()
    groups: tuple[int, frozenset[int]] | None = None

    def target(self, path: str, directory: int, *, follow: bool, rules: int = 0) -> Target | None:
        """Return what a path leads to; None if that is for this machine's kernel to say.

        OSError if the path ends on the node with an error, or nobody can tell where it leads.
        """
        start: str | None = "/"
        is_astray = False
        if rules or not path.startswith("/"):
            start, is_astray = self._start(directory)
        if start is None:
            return None
        root = start if rules & IN_ROOT else "/"
        passed: list[str] = []
        look_up = partial(self._look_up_noting, passed)
        try:
            end = Walk(look_up, start, root, rules).to(path, follow=follow)
        except WalkError as error:
            if self.owned(error.path) is None:
                return None
            raise fail(error.errno) from error
        own = self.owned(end) or self._missing(end)
        if own is None:
            self._refuse_untold(end)
        elif rules & NO_XDEV and start.split("/")[1] != own.split("/")[1]:
            raise fail(errno.EXDEV)
        path = own or self._canonical(end) or end
        return Target(path, self.root.prefix + end, own is not None, is_astray or bool(passed))

    def folder(self, directory: int) -> str | None:
        """Return the path of the working folder, or of an open one, if it stands for another."""
        path, stands = self._start(directory)
        return path if stands else None

    def _start(self, directory: int) -> tuple[str | None, bool]:
        """Return the path of the working folder or an open one, and whether it stands for it.

        The path is None if there is none.
        """
        link = "cwd" if directory == AT_FDCWD else f"fd/{directory}"
        try:
            text = os.readlink(f"/proc/{self.tid}/{link}")
            root = os.readlink(self.root.prefix) if self.root.prefix else "/"
        except OSError:
            return None, False
        if root != "/" and (text == root or text.startswith(f"{root}/")):
            text = text[len(root) :] or "/"
        path = self.original(text)
        return path if path.startswith("/") else None, path != text

    def owned(self, path: str) -> str | None:
        """Return the node's path for a path; None if the node does not answer for it."""
        found = self._canonical(path)
        return found if found is not None and self.paths.owns(found) else None

    def _look_up_noting(self, passed: list[str], path: str) -> Entry:
        """Look a path up, and note it if this machine's kernel would find something else."""
        entry = self.look_up(path)
        is_led = entry.jump is not None and entry.jump != entry.link
        if is_led or self.owned(path) or self._missing(path):
            passed.append(path)
        return entry

    def look_up(self, path: str) -> Entry:
        """Return what is at a path; OSError if it may not be looked up."""
        found = self._canonical(path)
        if found is not None:
            if self.paths.owns(found):
                return self.paths.entry(found, self.caller)
            if found == "/proc/self":
                return Entry(stat.S_IFLNK, str(self._number(path, "NStgid:")))
            if found == "/proc/thread-self":
                process, thread = (self._number(path, key) for key in ("NStgid:", "NSpid:"))
                return Entry(stat.S_IFLNK, f"{process}/task/{thread}")
            if found.startswith(_PROCESSES) and re.fullmatch(_MAGIC, found):
                return self._magic(self.root.prefix + path)
        if self.groups is not None:
            self._check_search(path.rpartition("/")[0])
        try:
            mode = os.lstat(self.root.prefix + path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            is_above = found is not None and self.paths.is_above(found)
            return Entry(stat.S_IFDIR | 0o755) if is_above else ABSENT
        return Entry(mode, os.readlink(self.root.prefix + path) if stat.S_ISLNK(mode) else None)

    def _canonical(self, path: str) -> str | None:
        """Return the path that a node has for a path; None for files of another root."""
        for point, home in self.root.mounts:
            if path == point or path.startswith(point if point == "/" else f"{point}/"):
                if home is not None:
                    return _of_all(home + path[len(point.rstrip("/")) :])
                break
        return None if self.root.prefix else _of_all(path)

    def _missing(self, path: str) -> str | None:
        """Return the node's path of a folder above its files that this machine lacks."""
        found = self._canonical(path)
        is_missing = found is not None and self.paths.is_missing(found, self.root.prefix + path)
        return found if is_missing else None

    def _number(self, path: str, key: str) -> int:
        """Return the number that the process or thread has in the /proc that a path is in."""
        folder = self.root.prefix + (path.rpartition("/")[0] or "/")
        is_own = os.stat(folder).st_dev == os.stat("/proc").st_dev
        return read_status(self.tid, key)[0 if is_own else -1]

    def _magic(self, link: str) -> Entry:
        """Return where the link of a process leads: its text may be of another root."""
        try:
            found, text = os.stat(link), os.readlink(link)
        except FileNotFoundError:
            return ABSENT
        path = self.opened(identity_of(found)) or self.original(text)
        if path == text and not self._is_at(text, found):
            return Entry(found.st_mode)
        return Entry(stat.S_IFLNK, text, path)

    def _is_at(self, path: str, found: os.stat_result) -> bool:
        try:
            return path.startswith("/") and identity_of(
                os.stat(self.root.prefix + path)
            ) == identity_of(found)
        except OSError:
            return False

    def _refuse_untold(self, path: str) -> None:
        """Refuse a file of /proc or /sys that is reached by a way that cannot be told."""
        found = self._canonical(path)
        magic = re.match(_MAGIC, found or "")
        if (
            found is not None
            and found.startswith(_TOLD_ONLY)
            and (magic is None or magic.end() == len(found))
        ):
            return
        try:
            device = os.lstat(self.root.prefix + path).st_dev
        except OSError:
            return
        if device in {os.stat(home).st_dev for home in _TOLD_ONLY}:
            raise fail(errno.EACCES)

    def _check_search(self, folder: str) -> None:
        """Fail with EACCES if the thread may not look up names in a folder of this machine."""
        user, groups = self.groups or (0, frozenset())
        found = os.stat(f"{self.root.prefix}{folder}/")
        if user == found.st_uid:
            bit = stat.S_IXUSR
        else:
            bit = stat.S_IXGRP if found.st_gid in groups else stat.S_IXOTH
        if not found.st_mode & bit:
            raise fail(errno.EACCES)


class Elsewhere:
    """Folders of this machine that lead nowhere on the node, remembered with what they are.

    A path whose folder is the same file as before leads to this machine if there is no link at its
    end. A path is as this process would look it up: /proc/TID/cwd/NAME, for one that is relative.
    """

    def __init__(self, paths: NodePaths) -> None:
        self._paths = paths
        self._known: dict[str, tuple[Identity, str | None]] = {}

    def has(self, path: str, *, follow: bool) -> bool:
        """Return whether a path leads to this machine for certain."""
        folder, _, name = path.rpartition("/")
        known = self._known.get(folder)
        if known is None or name in ("", ".", ".."):
            return False
        kept, above = known
        if above is not None and self._paths.is_special(join(above, name)):
            return False
        try:
            if identity_of(os.stat(folder or "/")) != kept:
                del self._known[folder]
                return False
            found = os.lstat(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        # What is mounted there may be another file's.
        is_link = follow and stat.S_ISLNK(found.st_mode)
        return not is_link and found.st_dev == kept[0]

    def learn(self, path: str, view: View, directory: int, prefix: str) -> None:
        """Remember the folder of a path, if it is certain."""
        key = f"{prefix}{path}".rpartition("/")[0]
        if key in self._known:
            return
        folder = f"{path.rpartition('/')[0]}/" if "/" in path else "."
        try:
            target = view.target(folder, directory, follow=True)
            if target is None or target.is_nodes or target.is_astray:
                return
            found = identity_of(os.stat(target.here))
            is_same = found == identity_of(os.stat(key or "/"))
        except OSError:
            return
        if not is_same or target.path.startswith(_TOLD_ONLY):
            return
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        is_above = target.path == "/" or self._paths.is_above(target.path)
        self._known[key] = found, target.path if is_above else None
