"""Walk a path as Linux does: name by name, through links, to the path of what it leads to.

What is at each path is asked of a function, so the walk itself touches no file. Sources:
path_resolution(7), symlink(7), openat2(2); fs/namei.c for the limit on links.
"""

import errno
import stat
from collections.abc import Callable

from msgspec import Struct

#: More links than this on one path are ELOOP.
_MAX_LINKS = 40

#: RESOLVE_... of openat2().
NO_XDEV, NO_MAGICLINKS, NO_SYMLINKS, BENEATH, IN_ROOT = 0x01, 0x02, 0x04, 0x08, 0x10


class Entry(Struct, frozen=True):
    """What is at a path: its mode (0: nothing), a symbolic link's text.

    A magic link, such as /proc/1/cwd, does not lead to its text but ``jump``s to this path.
    """

    mode: int = 0
    link: str | None = None
    jump: str | None = None

    @property
    def is_folder(self) -> bool:
        """Tell whether it is a directory."""
        return stat.S_ISDIR(self.mode)


ABSENT = Entry()

#: Returns what is at a path that has no links on its way; OSError if it may not be looked up.
LookUp = Callable[[str], Entry]


class WalkError(Exception):
    """A walk ends at a path, with an errno."""

    def __init__(self, number: int, path: str) -> None:
        super().__init__(number, path)
        self.errno = number
        self.path = path


class Walk(Struct, frozen=True):
    """How to walk: from which folder, below which root, and by which RESOLVE_... rules."""

    look_up: LookUp
    start: str = "/"
    root: str = "/"
    rules: int = 0

    def to(self, path: str, *, follow: bool = True) -> str:
        """Return the path that a path leads to; the last name need not exist.

        ``follow`` says whether a link at the end is followed. WalkError if something on the way is
        absent, no folder or not permitted, or if there are too many links.
        """
        if not path:
            raise WalkError(errno.ENOENT, self.start)
        at = self._first(path, self.start)
        names, links = _names(path), 0
        wants_folder = _ends_as_folder(path)
        while names:
            name = names.pop()
            if name == "..":
                at = self._above(at)
                continue
            inside = join(at, name)
            entry = self._entry(inside)
            if (entry.link or entry.jump) and (names or follow or wants_folder):
                links += 1
                self._check_link(entry, inside, links)
                if entry.jump:
                    at = entry.jump
                    _check(self._entry(at), at, is_needed=bool(names) or wants_folder)
                else:
                    text = entry.link or ""
                    wants_folder |= not names and _ends_as_folder(text)
                    names += _names(text)
                    at = self._first(text, at)
                continue
            _check(entry, inside, is_needed=bool(names) or wants_folder)
            at = inside
        return at

    def _entry(self, path: str) -> Entry:
        try:
            return self.look_up(path)
        except OSError as error:
            raise WalkError(error.errno or errno.EIO, path) from error

    def _first(self, text: str, relative: str) -> str:
        """Return the folder where a path or a link's text begins."""
        if not text.startswith("/"):
            return relative
        if self.rules & BENEATH:
            raise WalkError(errno.EXDEV, relative)
        return self.root

    def _above(self, path: str) -> str:
        if path != self.root:
            return path.rpartition("/")[0] or "/"
        if self.rules & BENEATH:
            raise WalkError(errno.EXDEV, path)
        return path

    def _check_link(self, entry: Entry, path: str, count: int) -> None:
        is_refused = self.rules & NO_SYMLINKS or (entry.jump and self.rules & NO_MAGICLINKS)
        if is_refused or count > _MAX_LINKS:
            raise WalkError(errno.ELOOP, path)
        if entry.jump and self.rules & (BENEATH | IN_ROOT):
            raise WalkError(errno.EXDEV, path)


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder."""
    return f"/{name}" if folder == "/" else f"{folder}/{name}"


def _names(path: str) -> list[str]:
    """Return the names in a path, the last first; a dot is none."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _ends_as_folder(path: str) -> bool:
    return path.endswith(("/", "/.")) or path == "."


def _check(entry: Entry, path: str, *, is_needed: bool) -> None:
    """Raise WalkError if a folder is needed, and there is none."""
    if is_needed and not entry.is_folder:
        raise WalkError(errno.ENOTDIR if entry.mode else errno.ENOENT, path)
