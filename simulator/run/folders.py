"""Folders of a node's, to be listed: real ones that show the same names."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir


class Folders:
    """Real folders, made when they are opened, below one that stands for the node's root."""

    def __init__(self) -> None:
        self._root: TemporaryDirectory[str] | None = None

    def open(self, path: str, names: Iterable[str]) -> int:
        """Open the folder that stands for one of the node's, with these names in it.

        Names that end in a slash are folders.
        """
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
        """Return the node's own path for one in these folders; others as they are."""
        if self._root is None or not path.startswith(f"{self._root.name}/"):
            return path
        return path.removeprefix(self._root.name)

    def close(self) -> None:
        """Remove what was made."""
        if self._root is not None:
            self._root.cleanup()
