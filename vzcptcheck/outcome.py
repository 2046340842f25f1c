"""What a command has to say, before anything is written."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable


class ExitStatus:
    """The exit statuses that vzmigrate reads (plain ints: enum costs 4 ms of start-up)."""

    YES = 0
    ERROR = 1
    NO = 2


class Outcome:
    """A status, the answer for stdout, and what stderr gets.

    ``remarks`` are lines; one that begins with a space goes on with the one before.
    ``usage`` is text that follows them.
    """

    __slots__ = ("answer", "remarks", "status", "usage")

    def __init__(self, status: "int", answer: "str" = "", remarks: "Iterable[str]" = ()) -> "None":
        self.status = status
        self.answer = answer
        self.remarks = list(remarks)
        self.usage = ""
