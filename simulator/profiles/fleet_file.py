"""Fleet files: CSV with a node a line, as spreadsheets write it.

The columns are name, cpu, kernel and containers, in this order or as a first line names them.
Containers are as ``compose.parse_spec`` has them, apart by spaces. A first line may name
printed_by, too: the kernel that printed a /proc/cpuinfo. Commas, semicolons and tabs separate
columns alike. Empty lines, those that begin with #, and a spreadsheet's ``sep=;`` say nothing.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from simulator.errors import UserError
from simulator.kernel.containers import Container
from simulator.profiles.compose import SpecError, parse_spec
from simulator.sources.files import decode

COLUMNS = ("name", "cpu", "kernel", "containers")

#: Columns that a first line may name beside those.
_MORE_COLUMNS = ("printed_by",)

#: What first lines are made of, where they do not name the CPU's column as it is called here.
_LIKELY = frozenset({*COLUMNS, "node", "host", "hostname", "model", "processor", "release"})

#: How a spreadsheet says what separates its columns.
_SAYS_SEPARATOR = "sep="

_SEPARATORS = ",;\t"

_UNCLOSED = "unexpected end of data: a quotation mark is not closed"

#: A whole file's problems are told together, up to so many.
_MOST_TOLD = 20


class Row(NamedTuple):
    """One node: ``cpu`` is never empty, and what else is not said is."""

    line: int
    name: str
    cpu: str
    kernel: str
    containers: tuple[Container, ...]
    printed_by: str = ""


class RowError(UserError):
    """A line that is no node; the text does not name it."""


class Problems:
    """The lines of a file that cannot be read, by their numbers."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, line: int, problem: object) -> None:
        """Remember what is wrong with a line: the first line of a text."""
        first = str(problem).partition("\n")[0]
        self._texts.append(f"line {line}: {first}")

    def raise_any(self, where: str) -> None:
        """Raise UserError where there are any."""
        if not self._texts:
            return
        count, more = len(self._texts), len(self._texts) - _MOST_TOLD
        told = [f"{where}: {count} line{'' if count == 1 else 's'} cannot be read"]
        told += self._texts[:_MOST_TOLD]
        told += [f"and {more} more"] if more > 0 else []
        raise UserError("\n  ".join(told))


def parse_rows(data: bytes, problems: Problems) -> Iterator[Row]:
    """Yield the nodes of a fleet file; what is wrong with other lines is added to the problems."""
    text = decode(data)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=True)
    columns: Sequence[str] = ()
    lines: dict[str, int] = {}
    line = 1
    try:
        for cells in reader:
            words = [cell.strip() for cell in cells]
            if any(words) and not words[0].startswith(("#", _SAYS_SEPARATOR)):
                try:
                    named = () if columns else _named_columns(words)
                    columns = columns or named or COLUMNS
                    if not named:
                        row = _row(line, columns, words)
                        _require_new(row, lines)
                        yield row
                except (RowError, SpecError) as error:
                    problems.add(line, error)
            # A cell may have several lines.
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add(line, _UNCLOSED if "end of data" in str(error) else error)


def _require_new(row: Row, lines: dict[str, int]) -> None:
    first = lines.setdefault(row.name, row.line)
    if row.name and first != row.line:
        raise RowError(f"the name {row.name!r} is on line {first} already")


def _separator(text: str) -> str:
    """Return what is most often between the columns of the first line that says something."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return max(_SEPARATORS, key=first.count)


def _named_columns(words: Sequence[str]) -> Sequence[str]:
    """Return the columns that a first line names; nothing where it is a node's."""
    columns = [word.lower() for word in words]
    if "cpu" not in columns:
        if len(columns) > 1 and _LIKELY.issuperset(columns):
            raise RowError(f"no column is named cpu; the columns are {', '.join(COLUMNS)}")
        return ()
    for column in columns:
        if column not in (*COLUMNS, *_MORE_COLUMNS) or columns.count(column) > 1:
            raise RowError(f"the columns are {', '.join(COLUMNS)}, each once, and not {column!r}")
    return columns


def _row(line: int, columns: Sequence[str], words: Sequence[str]) -> Row:
    if any(words[len(columns) :]):
        raise RowError(
            f"{len(words)} columns, where there are {len(columns)}: {', '.join(columns)}. "
            'Containers with commas go into quotes: "101:fpu,entered"'
        )
    cells = dict(zip(columns, words, strict=False))
    if not cells.get("cpu"):
        raise RowError("no CPU: its name, a dump's path, a recorded node or a profile's path")
    containers = tuple(map(parse_spec, cells.get("containers", "").split()))
    name, kernel, printed_by = (cells.get(key, "") for key in ("name", "kernel", "printed_by"))
    return Row(line, name, cells["cpu"], kernel, containers, printed_by)
