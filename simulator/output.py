"""Where a command's answer goes: whole to its place, or an error."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from simulator.errors import UserError
from vzcptcheck.outcome import printable_lines


class OutputError(UserError):
    """An output did not take the whole answer."""


@dataclass(frozen=True, slots=True)
class Streams:
    """A command's standard output and standard error; None where one is closed."""

    stdout: TextIO | None
    stderr: TextIO | None

    def answer(self, text: str) -> None:
        """Write the answer; OutputError where it is not taken whole."""
        if self.stdout is None:
            raise OutputError("standard output: it is closed")
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except (OSError, ValueError) as error:
            _forget(self.stdout)
            raise OutputError(f"standard output: {reason_of(error, str(error))}") from error

    def remark(self, text: str) -> None:
        """Say something to people; where nobody can be told, that is no mistake."""
        with suppress(OSError, ValueError):
            if self.stderr is not None:
                self.stderr.write(f"vzcptsim: {printable_lines(text)}\n")
                self.stderr.flush()


def reason_of(error: Exception, otherwise: str) -> str:
    """Return what the system calls an error, or else a text."""
    return (isinstance(error, OSError) and error.strerror) or otherwise


def write_atomically(path: Path, text: str) -> None:
    """Write a file whole or not at all; a device or a pipe, which cannot be replaced, as it is."""
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8")
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from error


def _forget(stdout: TextIO) -> None:
    """Close an output that does not take its text, so that nobody flushes it again."""
    with suppress(OSError, ValueError):
        stdout.close()
