"""The files of a node that programs have open.

A process that opens a file of the node gets a memfd. At each later call, device and inode of the
memfd identify the open file, even if its descriptor was duplicated or inherited. inotify tells when
the last descriptor is closed.
"""

import os
import struct
from contextlib import ExitStack, closing

from msgspec import Struct

from simulator.kernel.calls import OpenFile
from simulator.kernel.files import CpuidFile
from simulator.run.remote import CONTENT_LIMIT, Content, HeldFile, Identity, identity_of
from simulator.run.seccomp import LIBC, checked

_IN_CLOSE = 0x18
_IN_CLOEXEC_NONBLOCK = 0o2004000
_INOTIFY_EVENT = struct.Struct("=iIII")
_MEMFD_PREFIX = "vzcptsim:"


class Served(Struct, frozen=True):
    """An open file of the node in some process, and its content."""

    path: str
    file: OpenFile
    content: Content
    watch: int


class OpenFiles:
    """All files of one node that its programs have open."""

    def __init__(self) -> None:
        self._served: dict[Identity, Served] = {}
        self._paths: dict[Identity, str] = {}
        self.inotify = checked(LIBC.inotify_init1(_IN_CLOEXEC_NONBLOCK))

    def __bool__(self) -> bool:
        """Tell whether there may be any."""
        return bool(self._served or self._paths)

    def close(self) -> None:
        """Close all open files, once all processes are gone."""
        for identity in list(self._served):
            self._release(identity)
        os.close(self.inotify)

    def find(self, identity: Identity) -> Served | None:
        """Return an open file by device and inode."""
        return self._served.get(identity)

    def path_of(self, identity: Identity) -> str | None:
        """Return the path of an open file, even if it is only open as a path."""
        served = self._served.get(identity)
        return self._paths.get(identity) if served is None else served.path

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

    def serve(self, file: OpenFile, path: str, flags: int) -> HeldFile:
        """Return a memfd with the file's content, to be handed to a process.

        The memfd is opened again for the process: inotify reports nothing of the descriptor that
        memfd_create() returns (Linux 6.14).
        """
        with ExitStack() as undo:
            content = undo.enter_context(closing(Content(_MEMFD_PREFIX + os.path.basename(path))))
            if not isinstance(file, CpuidFile):
                content.show(file.pread(CONTENT_LIMIT, 0))
            handed = HeldFile(content.open_again(flags & os.O_ACCMODE))
            undo.enter_context(closing(handed))
            served = Served(path, file, content, self._watch(content.fd))
            self._served[identity_of(os.fstat(content.fd))] = served
            undo.pop_all()
        return handed

    def serve_path(self, path: str) -> HeldFile:
        """Return an empty file in place of one that is open as a path only (O_PATH).

        The kernel hands no descriptor over that is itself open in this way.
        """
        with closing(Content(_MEMFD_PREFIX + os.path.basename(path))) as content:
            self._paths[identity_of(os.fstat(content.fd))] = path
            return HeldFile(content.open_again(os.O_RDONLY))

    def refresh(self, source: object) -> None:
        """Update the content of all open files with the same source."""
        alike = [served for served in self._served.values() if served.file.source == source]
        if not alike or isinstance(alike[0].file, CpuidFile):
            return
        shown = alike[0].file.pread(CONTENT_LIMIT, 0)
        for served in alike:
            served.content.show(shown)

    def _watch(self, fd: int) -> int:
        path = f"/proc/self/fd/{fd}".encode()
        return checked(LIBC.inotify_add_watch(self.inotify, path, _IN_CLOSE))

    def _release(self, identity: Identity) -> None:
        served = self._served.pop(identity)
        checked(LIBC.inotify_rm_watch(self.inotify, served.watch))
        served.content.close()
        served.file.close()
        self.refresh(served.file.source)
