"""What a command has to say, before anything is written."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


#: A line is for people to read.
_LONGEST_LINE = 2000


def printable(text: "str") -> "str":
    """Show what names may hold without letting it speak to the terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def printable_lines(text: "str") -> "str":
    """Make lines that quote what files, kernels and people say harmless, and not endless."""
    return "\n".join(map(_printable_line, text.split("\n")))


def _printable_line(line: "str") -> "str":
    shown = printable(line[:_LONGEST_LINE])
    return shown if len(line) <= _LONGEST_LINE else shown + "..."


class ExitStatus:
    """The exit statuses that vzmigrate reads (plain ints: enum costs 4 ms of start-up)."""

    YES = 0
    ERROR = 1
    NO = 2
    #: By Ctrl-C: what shells give for SIGINT.
    INTERRUPTED = 130


class Outcome:
    """A status, the answer for stdout, and what stderr gets.

    ``remarks`` are lines; one that begins with a space goes on with the one before.
    ``usage`` is text that comes before them.
    """

    __slots__ = ("answer", "remarks", "status", "usage")

    def __init__(self, status: "int", answer: "str" = "", remarks: "Iterable[str]" = ()) -> "None":
        self.status = status
        self.answer = answer
        self.remarks = list(remarks)
        self.usage = ""
