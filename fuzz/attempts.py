"""One input given to one target: what may come of it, and how that is checked.

What is promised of hostile input: one clear error, harmless to a terminal, or an answer. Any
other exception is a finding, and so is a message that breaks a promise.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from simulator.errors import UserError
from simulator.output import Streams
from vzcptcheck.cli import main as run_vzcptcheck
from vzcptcheck.errors import CheckError
from vzcptcheck.syscalls import Syscalls

#: A message is for people to read: one of several lines says why it is of none of a dozen forms.
LONGEST_MESSAGE = 16_000


class FindingError(AssertionError):
    """A promise is broken; the text says which."""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes from outside.

    ``attempts`` are each given the bytes. ``promised`` are the exceptions that are a clear
    error; ``hint`` is a text of more than a line that a message may end with. ``seeds`` makes
    the inputs to begin with, ``shape`` is how a fuzzer changes them: bytes,
    text (by what patterns look for, too), json or tar. ``most`` is the size of the longest input
    that a program reads.
    """

    name: str
    attempts: tuple[Callable[[bytes], object], ...]
    promised: tuple[type[Exception], ...]
    seeds: Callable[[], Iterable[bytes]]
    shape: str = "bytes"
    hint: str = ""
    most: int = 1 << 20


def attempt(target: Target, data: bytes) -> list[str]:
    """Give the bytes to a target; return the promised errors as they are printed.

    Raises FindingError, or whatever else was not promised.
    """
    printed = []
    for one in target.attempts:
        try:
            one(data)
        except target.promised as error:
            text = printed_error(error)
            require_message(text, target.hint)
            printed.append(text)
    return printed


def printed_error(error: Exception) -> str:
    """Return what the program that an error is of prints for it."""
    if isinstance(error, UserError):
        return printed_remark(str(error))
    if isinstance(error, CheckError):
        stderr = io.StringIO()
        run_vzcptcheck(["image", "/image"], _Failing(error), io.StringIO(), stderr)
        return stderr.getvalue()
    raise FindingError(f"nobody makes a message of {type(error).__name__}") from error


def printed_remark(text: str) -> str:
    """Return what vzcptsim prints for a remark."""
    stderr = io.StringIO()
    Streams(None, stderr).remark(text)
    return stderr.getvalue()


class _Failing(Syscalls):
    """A node of which the first question ends in an error."""

    def __init__(self, error: CheckError) -> None:
        self._error = error

    def stat_mode(self, path: str) -> int:  # noqa: ARG002 (as it is declared)
        """Fail."""
        raise self._error


def require_message(printed: str, hint: str = "") -> None:
    """Require a message of one line, with more that are indented, or that are a known hint."""
    message = printed.removesuffix("\n").removesuffix(hint.rstrip("\n")).removesuffix("\n")
    require(len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} characters")
    first, *more = message.split("\n")
    require(bool(first.partition(": ")[2].strip()), f"no message: {printed!r}")
    require(all(line.startswith("  ") for line in more), f"not one message: {printed!r}")
    require_printable(message)


def require_printable(text: str) -> None:
    """Require lines of which no character speaks to the terminal."""
    odd = sorted({char for char in text if char != "\n" and not char.isprintable()})
    require(not odd, f"control characters {odd} are printed in {text[:300]!r}")


def require(holds: bool, problem: str) -> None:
    """Raise FindingError where something does not hold."""
    if not holds:
        raise FindingError(problem)
