"""Files, folders and standard input, each read whole and within bounds; and bytes as text."""

import codecs
import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from simulator.errors import UserError
from simulator.output import reason_of

#: Names standard input.
STDIN = "-"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: Most files have less: no room for as much as may be is made for them.
_USUAL_BYTES = 1 << 15


class SourceError(UserError):
    """What is wrong with a source, and the name that it goes by where that is known."""

    def __init__(self, problem: str, name: str = "") -> None:
        super().__init__(f"{name}: {problem}" if name else problem)
        self.problem = problem


def title_of(name: str) -> str:
    """Return what a source is called in messages."""
    return "standard input" if name == STDIN else name or os.curdir


def read_file(path: str, most: int, kind: str) -> bytes:
    """Read a file whole, of at most so many bytes.

    SourceError where it is larger than any ``kind`` is, OSError where it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(min(_USUAL_BYTES, most + 1))
        if len(data) == _USUAL_BYTES:
            data += file.read(most + 1 - len(data))
    return _bounded(data, most, kind, path)


def read_input(name: str, most: int, kind: str) -> bytes:
    """Read a file, or standard input (-), as ``read_file`` does."""
    if name != STDIN:
        return read_file(name, most, kind)
    try:
        data = sys.stdin.buffer.read(most + 1)
    except (AttributeError, OSError) as error:
        # Python has none where it is closed.
        raise SourceError(reason_of(error, "it is closed"), title_of(STDIN)) from error
    return _bounded(data, most, kind, STDIN)


def input_documents(most: int, kind: str) -> Iterator[tuple[int, bytes]]:
    """Yield JSON documents of standard input as they come, each with the number of its first line.

    One is a line, or begins with a line "{" and ends with a line "}", as programs print it for
    people. SourceError where one is larger than any ``kind`` is, or does not end.
    """
    lines: list[bytes] = []
    size = 0
    for number, line in enumerate(_input_lines(most + 1), start=1):
        size += len(line)
        if size > most:
            raise _too_large(STDIN, most, kind)
        lines.append(line)
        if lines[0].rstrip() == b"{" and line.rstrip() != b"}":
            continue
        document = b"".join(lines)
        if document.strip():
            yield number - len(lines) + 1, document
        lines, size = [], 0
    if lines:
        raise SourceError('it ends within a document, before a line "}"', title_of(STDIN))


def _input_lines(most: int) -> Iterator[bytes]:
    try:
        while line := sys.stdin.buffer.readline(most):
            yield line
    except (AttributeError, OSError) as error:
        raise SourceError(reason_of(error, "it is closed"), title_of(STDIN)) from error


def _bounded(data: bytes, most: int, kind: str, name: str) -> bytes:
    if len(data) > most:
        raise _too_large(name, most, kind)
    return data


def _too_large(name: str, most: int, kind: str) -> SourceError:
    return SourceError(f"over {most >> 20} MiB, which no {kind} has", title_of(name))


def read_beginning(path: str, size: int) -> bytes:
    """Read the first bytes of a file, as many as there are up to ``size``."""
    with open(path, "rb") as file:
        return file.read(size)


def read_plain_file(path: str, most: int) -> bytes | None:
    """Read up to ``most`` bytes of a regular file; None where there is no file.

    SourceError where it is a link, a folder, a device or a pipe, which are not followed or waited
    for.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise SourceError("a link, and no plain file", path) from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SourceError("no plain file", path)
        with open(fd, "rb", closefd=False) as file:
            return file.read(most)
    finally:
        os.close(fd)


def read_folder(
    folder: str, wanted: Callable[[str], bool], most: int, kind: str
) -> dict[str, bytes]:
    """Read the files of wanted names in a folder and in those inside of it, by their paths.

    SourceError where they are too large together, OSError where one cannot be read.
    """
    files: dict[str, bytes] = {}
    left = most
    for name in _file_names(folder):
        path = os.path.join(folder, name)
        if wanted(name) and os.path.isfile(path):
            files[name] = read_beginning(path, left + 1)
            left -= len(files[name])
            if left < 0:
                raise _too_large(folder, most, kind)
    return files


def _file_names(folder: str) -> Iterator[str]:
    """Yield the names in a folder and in those inside of it, in order."""
    for name in sorted(os.listdir(folder)):
        yield name
        inside = os.path.join(folder, name)
        if os.path.isdir(inside):
            yield from (f"{name}/{one}" for one in sorted(os.listdir(inside)))


def decode(data: bytes) -> str:
    """Return the text without a byte order mark; what is no character is replaced."""
    length, encoding = _encoding(data)
    return data[length:].decode(encoding, "replace")


def open_text(data: bytes) -> TextIO:
    """Return the text as a file, of which no copy is made; line ends are made one."""
    length, encoding = _encoding(data)
    stream = io.BytesIO(data)
    stream.seek(length)
    return io.TextIOWrapper(stream, encoding, "replace")


def _encoding(data: bytes) -> tuple[int, str]:
    """Return the length of the byte order mark, and the encoding."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return len(mark), encoding
    return 0, "utf-8"
