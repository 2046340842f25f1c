"""A matrix for people: tables, in colour and in the terminal's width where there is one."""

from collections.abc import Iterator
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulator.reports.sections import Cell, Section, sections
from simulator.reports.terminal import HEADING, STYLES
from simulator.reports.view import View
from simulator.verdicts.verdict import Verdict

#: As wide as a line may be where nobody looks at it on a terminal.
_UNBOUNDED = 10_000


def table_text(view: View, stream: TextIO | None) -> Iterator[str]:
    """Yield each section as text for a stream."""
    is_terminal = stream is not None and stream.isatty()
    for section in sections(view):
        text = StringIO()
        console = Console(
            file=text,
            force_terminal=is_terminal,
            width=None if is_terminal else _UNBOUNDED,
            highlight=False,
            markup=False,
            emoji=False,
        )
        console.print(Text(section.title, HEADING))
        console.print(_table(section) if section.rows else Text(section.text or "none"))
        console.line()
        yield text.getvalue()


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False, header_style=HEADING)
    for column in section.columns:
        table.add_column(column, overflow="fold")
    for row in section.rows:
        table.add_row(*map(_styled, row))
    return table


def _styled(cell: Cell) -> Text:
    if isinstance(cell, Verdict):
        return Text(cell.value, STYLES[cell.value])
    return Text(cell, STYLES.get(cell, ""))
