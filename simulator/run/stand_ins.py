"""What processes have open in place of a node's files and folders.

A file is a memfd with the same content, a folder a real one that shows the same names.
"""

import fcntl
import mmap
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

#: No file of a node's is longer.
CONTENT_LIMIT = 1 << 20

#: fcntl() numbers of linux/fcntl.h: nobody writes from now on but through mappings there are.
_F_ADD_SEALS = 1033
_F_SEAL_FUTURE_WRITE = 0x10


class Content:
    """The content of an open file: a memfd that only this mapping can write."""

    def __init__(self, name: str) -> None:
        self.fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, CONTENT_LIMIT)
        self._mapping = mmap.mmap(self.fd, CONTENT_LIMIT)
        self._shown = b""
        os.ftruncate(self.fd, 0)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _F_SEAL_FUTURE_WRITE)

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
        self._root: TemporaryDirectory[str] | None = None

    def open(self, path: str, names: Iterable[str]) -> int:
        """Open a real folder for one of the node's, with these names in it.

        A name that ends with a slash is a folder.
        """
        from pathlib import Path
        from tempfile import TemporaryDirectory, gettempdir

        if self._root is None:
            # The kernel tells without links which folder a descriptor is open on.
            self._root = TemporaryDirectory(prefix="vzcptsim-", dir=os.path.realpath(gettempdir()))
        folder = Path(self._root.name + path)
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            inside = folder / name
            if name.endswith("/"):
                inside.mkdir(exist_ok=True)
            else:
                inside.touch()
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def original(self, path: str) -> str:
        """Return the node's path for a path in these folders; other paths are unchanged."""
        if self._root is None or not path.startswith(f"{self._root.name}/"):
            return path
        return path.removeprefix(self._root.name)

    def close(self) -> None:
        """Remove the folders."""
        if self._root is not None:
            self._root.cleanup()
