"""Which file the path in a system call means.

Most calls do not concern the node. What that can be told of at once, by what is remembered, is told
first; all others are walked name by name.
"""

import os
from collections.abc import Mapping

from msgspec import structs

from simulator.kernel.kernel import SimulatedKernel
from simulator.run.machine import AT_FDCWD, Elsewhere, NodePaths, Root, Roots, Target, View
from simulator.run.made_devices import MadeDevices
from simulator.run.opened import OpenFiles
from simulator.run.remote import Folders, PathReader, RemoteProcess, read_status
from simulator.run.seccomp import Notification
from simulator.run.system_calls import PATHS, PathArgument

#: Calls that concern the node only if a file or folder of it is open.
_ON_DESCRIPTORS = frozenset(
    (
        *("fstat", "fstat64", "getcwd", "ioctl", "write"),
        *("read", "pread64", "readv", "preadv", "preadv2"),
    )
)

#: Calls that concern it only if their one path does. That of openat2() may be below another root,
#: and mknod() makes the node's devices anywhere.
_ON_ONE_PATH = frozenset(
    name for name, paths in PATHS.items() if len(paths) == 1 and not name.startswith("mknod")
) - {"openat2"}

_EXECUTING = frozenset(("execve", "execveat"))


class CalledPaths:
    """The paths that a tree of processes calls by, and what they lead to.

    ``nodes`` are the node's. ``roots_differ`` says that threads may have other roots and mounts
    than this process.
    """

    def __init__(
        self, kernel: SimulatedKernel, doors: Mapping[str, object], *, roots_differ: bool
    ) -> None:
        self.nodes = NodePaths(kernel, doors)
        self.files = OpenFiles()
        self.folders = Folders()
        self.devices = MadeDevices(kernel)
        self._roots_differ = roots_differ
        self._roots = Roots(self.nodes)
        self._owner = os.geteuid()
        self._elsewhere = Elsewhere(self.nodes)
        self._reader = PathReader()

    def close(self) -> None:
        """Close all open files, once all processes are gone."""
        self.files.close()
        self.folders.close()
        self._reader.forget()
        self._roots.forget()

    def differ(self) -> None:
        """Note that from now on threads may have other roots and mounts, or have others."""
        self._roots_differ = True
        self._roots.forget()

    def is_elsewhere(self, call: Notification) -> bool:
        """Tell at once, by what is known, whether a call does not concern the node."""
        name = call.name
        if name in _ON_DESCRIPTORS:
            return not (self.files or self.folders)
        if name not in _ON_ONE_PATH or self.devices:
            return False
        [argument] = PATHS[name]
        path = self._reader.read(call.tid, call.arguments[argument.position])
        if name in _EXECUTING:
            self._reader.forget()
        if not path:
            return path is not None and not (self.files or self.folders)
        try:
            prefix = self._prefix(call, argument, path)
        except OSError:
            return False
        return self._elsewhere.has(prefix + path, follow=argument.is_followed(call.arguments))

    def _prefix(self, call: Notification, argument: PathArgument, path: str) -> str:
        """Return what this process finds a path below."""
        if path.startswith("/"):
            return self._root(call.tid).prefix
        directory = _directory(call, argument)
        link = "cwd" if directory == AT_FDCWD else f"fd/{directory}"
        return f"/proc/{call.tid}/{link}/"

    def _root(self, tid: int) -> Root:
        return self._roots.of(tid) if self._roots_differ else self._roots.own

    def view(self, process: RemoteProcess) -> View:
        """Return the files as a thread sees them."""
        tid = process.tid
        user, groups = os.stat(f"/proc/{tid}").st_uid, None
        if user != self._owner:
            groups = user, frozenset(read_status(tid, "Gid:") + read_status(tid, "Groups:"))
        return View(
            self.nodes,
            process,
            tid,
            self.files.path_of,
            self.folders.original,
            self._root(tid),
            groups,
        )

    def target(
        self, process: RemoteProcess, argument: PathArgument, *, follow: bool, rules: int = 0
    ) -> Target | None:
        """Return what a path leads to; None if that is for the machine's kernel to say."""
        address = process.call.arguments[argument.position]
        if not address:
            return None
        try:
            path = process.read_path(address)
        except OSError:
            return None  # The kernel itself says best what is wrong with it.
        if not path:
            return None
        view, directory = self.view(process), _directory(process.call, argument)
        target = view.target(path, directory, follow=follow, rules=rules)
        if target is not None and not target.is_nodes and not rules:
            prefix = self._prefix(process.call, argument, path)
            self._elsewhere.learn(path, view, directory, prefix)
        if target is not None and target.here in self.devices:
            return structs.replace(target, is_astray=True)
        return target

    def first_target(self, process: RemoteProcess) -> Target | None:
        """Return what the first path among a call's arguments leads to."""
        argument = PATHS[process.call.name][0]
        return self.target(process, argument, follow=argument.is_followed(process.call.arguments))

    def behind(self, process: RemoteProcess) -> Target | None:
        """Return the path of the node's file or folder that the first argument is open on."""
        directory = _signed(process.call.arguments[0])
        identity = process.identity(directory)
        path = None if identity is None else self.files.path_of(identity)
        if path is None and self.folders:
            path = self.view(process).folder(directory)
        return None if path is None else self.nodes.target(path)


def _directory(call: Notification, argument: PathArgument) -> int:
    """Return the descriptor of the folder that a path is relative to."""
    if argument.directory is None:
        return AT_FDCWD
    return _signed(call.arguments[argument.directory])


def _signed(number: int) -> int:
    """Read an argument as the kernel's int."""
    number &= 0xFFFFFFFF
    return number - (1 << 32) if number >> 31 else number
