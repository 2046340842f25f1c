"""Temporary folders of a run, which the next start removes if the run was killed.

A run that is killed leaves its folders behind, one of which may have keys in it. The lock of a
folder goes with the process that holds it, whatever has become of its number.
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress

_PREFIX = "vzcptsim-run-"

#: A folder is made before it is locked: one that is younger than this is left alone.
_SECONDS = 60.0


class OwnFolder:
    """A temporary folder, by a path without links: so the kernel tells where a descriptor leads."""

    def __init__(self) -> None:
        self.name = tempfile.mkdtemp(prefix=_PREFIX, dir=os.path.realpath(tempfile.gettempdir()))
        self._lock = os.open(self.name, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def __enter__(self) -> str:
        return self.name

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.name)
        os.close(self._lock)


def remove_leftovers() -> None:
    """Remove the folders of runs of this user that have been killed."""
    with suppress(OSError), os.scandir(os.path.realpath(tempfile.gettempdir())) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and _is_ours(entry):
                _remove_unlocked(entry.path)


def _is_ours(entry: os.DirEntry[str]) -> bool:
    """Return whether it is an older folder of this user."""
    found = entry.stat(follow_symlinks=False)
    is_old = time.time() - found.st_mtime > _SECONDS
    return entry.is_dir(follow_symlinks=False) and found.st_uid == os.geteuid() and is_old


def _remove_unlocked(path: str) -> None:
    """Remove a folder, unless its run is still there."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
