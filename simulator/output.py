"""Where a command's answer goes: whole to its place, or an error."""

import os
import stat
from collections.abc import Iterable

from simulator.errors import UserError
from vzcptcheck.outcome import printable_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


class OutputError(UserError):
    """An output did not take the whole answer."""


class Streams:
    """A command's standard output and standard error; None where one is closed."""

    def __init__(self, stdout: "TextIO | None", stderr: "TextIO | None") -> None:
        self.stdout = stdout
        self.stderr = stderr

    def answer(self, text: str) -> None:
        """Write the answer; OutputError where it is not taken whole."""
        if self.stdout is None:
            raise OutputError("standard output: it is closed")
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except (OSError, ValueError) as error:
            _close(self.stdout)
            raise OutputError(f"standard output: {reason_of(error, str(error))}") from error

    def remark(self, text: str) -> None:
        """Say something to people; where nobody can be told, that is no mistake."""
        try:
            if self.stderr is not None:
                self.stderr.write(f"vzcptsim: {printable_lines(text)}\n")
                self.stderr.flush()
        except (OSError, ValueError):
            pass


def _close(stdout: "TextIO") -> None:
    """Close an output that does not take its text, so that nobody flushes it again."""
    try:
        stdout.close()
    except (OSError, ValueError):
        pass


def reason_of(error: Exception, otherwise: str) -> str:
    """Return what the system calls an error, or else a text."""
    return (isinstance(error, OSError) and error.strerror) or otherwise


def write_atomically(path: str, chunks: Iterable[str]) -> None:
    """Write a file whole or not at all; a device or a pipe, which cannot be replaced, as it is."""
    path = path or os.curdir
    if not _is_replaceable(path):
        _write(path, chunks)
        return
    draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
    try:
        _write(draft, chunks)
        os.replace(draft, path)
    except BaseException as error:
        try:
            os.unlink(draft)
        except OSError:
            pass
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, path) from error
        raise


def _is_replaceable(path: str) -> bool:
    """Tell whether a path is that of a regular file, or of none yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _write(path: str, chunks: Iterable[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(chunks)
