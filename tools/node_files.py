"""Lay out what a node's package installs: the tool, its manual page, its completions.

Usage: python -m tools.node_files ROOT PYTHON ZSH [COMPILER]...

PYTHON is the interpreter that the tool names. ZSH is the folder below /usr where zsh looks for
completions: distributions differ. COMPILERs are those of build_zipapp.py. The paths below ROOT are
printed as lines of an RPM's %files. The package owns the folders of completions too, because they
may be no other package's. This runs on Python 3.6.
"""

import gzip
import io
import sys
from pathlib import Path

from tools import build_zipapp
from tools.completions import completions
from tools.programs import vzcptcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = build_zipapp.ROOT
TOOL = "usr/sbin/vzcptcheck"
_SHARED = "usr/share"


def main(arguments: "Sequence[str]") -> "int":
    """Lay the files out below a root, and print their paths."""
    root, python, zsh, *compilers = arguments
    for path in lay_out(Path(root), python, zsh, compilers or [sys.executable]):
        print(path)
    return 0


def lay_out(root: "Path", python: "str", zsh: "str", compilers: "Sequence[str]") -> "Iterator[str]":
    """Write the files below ``root``; yield each one's line of %files."""
    yield from _write(root, TOOL, b"")
    build_zipapp.build(root / TOOL, python, compilers)
    for name, data in sorted(_texts(zsh)):
        yield from _write(root, name, data)


def _texts(zsh: "str") -> "Iterator[tuple[str, bytes]]":
    """Yield the manual page and the completions, each with its place."""
    for page in ROOT.glob("man/vzcptcheck.[1-9]"):
        yield f"usr/share/man/man{page.suffix[1:]}/{page.name}.gz", compress(page.read_bytes())
    for name, text in completions(vzcptcheck(), {}, zsh):
        yield f"usr/{name}", text.encode()


def compress(data: "bytes") -> "bytes":
    """Compress without a name or a time."""
    buffer = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, buffer, 0) as stream:
        stream.write(data)
    return buffer.getvalue()


def _write(root: "Path", name: "str", data: "bytes") -> "Iterator[str]":
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o644)
    # The two folders of a completion: /usr/share/fish and the one in it.
    for folder in reversed(Path(name).parents):
        if _is_completions(folder):
            yield f"%dir /{folder}"
    yield f"%attr(755,root,root) /{name}" if name == TOOL else f"%attr(644,root,root) /{name}"


def _is_completions(folder: "Path") -> "bool":
    """Tell whether a folder is one below /usr/share, and none of the manual's."""
    return str(folder).startswith(_SHARED + "/") and not str(folder).startswith(_SHARED + "/man")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
