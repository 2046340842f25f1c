"""Output: a command's streams, and files that are written whole or not at all."""

import os
import stat
from collections.abc import Iterable

from simulator.errors import UserError
from vzcptcheck.outcome import printable_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


#: The width of a terminal that does not tell it.
_COLUMNS = 80


def terminal_columns() -> int:
    """Return the terminal's width, as shutil does, whose import takes long."""
    try:
        return int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size().columns or _COLUMNS
    except (OSError, ValueError):
        return _COLUMNS


class OutputError(UserError):
    """An answer could not be written completely."""


class Streams:
    """A command's standard output and standard error; None if it is closed."""

    def __init__(self, stdout: "TextIO | None", stderr: "TextIO | None") -> None:
        self.stdout = stdout
        self.stderr = stderr

    def answer(self, text: str) -> None:
        """Write the answer; OutputError if that fails."""
        if self.stdout is None:
            raise OutputError("standard output: it is closed")
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except (OSError, ValueError) as error:
            _close(self.stdout)
            raise OutputError(f"standard output: {reason_of(error, str(error))}") from error

    def show_usage(self, usage: str) -> None:
        """Write how a command is used to standard error, before what is wrong with it."""
        try:
            if self.stderr is not None and usage:
                self.stderr.write(f"{usage}\n")
        except (OSError, ValueError):
            pass

    def remark(self, text: str) -> None:
        """Write a remark to standard error; a failure to do so is ignored."""
        try:
            if self.stderr is not None:
                self.stderr.write(f"vzcptsim: {printable_lines(text)}\n")
                self.stderr.flush()
        except (OSError, ValueError):
            pass


def _close(stdout: "TextIO") -> None:
    """Close an output that failed, so that it is not flushed again at exit."""
    try:
        stdout.close()
    except (OSError, ValueError):
        pass


def reason_of(error: Exception, otherwise: str) -> str:
    """Return the system's text for an error, or the given one."""
    return (isinstance(error, OSError) and error.strerror) or otherwise


def write_atomically(path: str, chunks: Iterable[str]) -> None:
    """Write a file whole or not at all; a device or a pipe is written in place."""
    if not path:
        raise UserError("the name of the file to write is empty")
    try:
        write = _write_beside if _is_replaceable(path) else _write
        write(path, chunks)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def _write_beside(path: str, chunks: Iterable[str]) -> None:
    """Write a file under another name, and rename it; what fails leaves nothing."""
    draft = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}")
    try:
        _write(draft, chunks)
        os.replace(draft, path)
    except BaseException:
        try:
            os.unlink(draft)
        except OSError:
            pass
        raise


def _is_replaceable(path: str) -> bool:
    """Return whether a path is a regular file's, or no file's yet."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _write(path: str, chunks: Iterable[str]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(chunks)
