"""Text for people: plain where nobody looks at it, folded and in colour on a terminal.

Names cannot control the terminal. rich takes long to import: only a terminal needs it.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from typing import TYPE_CHECKING, TextIO
from unicodedata import combining, east_asian_width

from msgspec import Struct

from simulator.verdicts.verdict import Outcome, Verdict
from vzcptcheck.outcome import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: Seconds after which a bar appears.
_PATIENCE = 1.0

HEADING = "bold"
STYLES = {
    Outcome.SAFE.value: "green",
    Outcome.RISKY.value: "magenta",
    Outcome.REFUSED.value: "bold red",
    Verdict.POSSIBLE.value: "green",
    Verdict.NOT_POSSIBLE.value: "bold red",
    Verdict.UNKNOWN.value: "yellow",
}

#: A text, or a text and its style.
Word = str | tuple[str, str]


class Line(Struct, frozen=True):
    """A line: its indentation and its words. A terminal may fold it; without words it is blank."""

    indent: int
    words: tuple[Word, ...]


def line(indent: int, *words: Word) -> Line:
    """Return a line."""
    return Line(indent, words)


def styled_word(word: str) -> tuple[str, str]:
    """Return an outcome or a verdict with its style."""
    return word, STYLES[word]


def render(lines: Iterable[Line], stream: TextIO | None) -> str:
    """Return lines as text for a stream: folded and in colour if that is a terminal."""
    if not _is_terminal(stream):
        return "".join(f"{' ' * one.indent}{''.join(map(_text, one.words))}\n" for one in lines)
    from rich.padding import Padding
    from rich.text import Text

    console, text = _console()
    for one in lines:
        if one.words:
            words = Text.assemble(*map(_styled, one.words), overflow="fold")
            console.print(Padding(words, (0, 0, 0, one.indent), expand=False))
        else:
            console.line()
    return text.getvalue()


def render_table(
    titles: Sequence[str], rows: Iterable[Sequence[Word]], stream: TextIO | None
) -> str:
    """Return a table as text for a stream: folded and in colour if that is a terminal."""
    if not _is_terminal(stream):
        return _plain_table([titles, *rows])
    from rich.table import Table

    console, text = _console()
    table = Table(box=None, pad_edge=False, header_style=HEADING)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*map(_styled, row))
    console.print(table)
    return text.getvalue()


def _plain_table(rows: Sequence[Sequence[Word]]) -> str:
    texts = [list(map(_text, row)) for row in rows]
    widths = [max(map(_columns, column)) for column in zip(*texts, strict=True)]
    return "".join(
        "  ".join(
            cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=True)
        )
        + "\n"
        for row in texts
    )


def _columns(text: str) -> int:
    """Return the width of a text on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(one) else 1 + (east_asian_width(one) in "WF") for one in text)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _text(word: Word) -> str:
    return printable(word if isinstance(word, str) else word[0])


def _styled(word: Word) -> "Text":
    from rich.text import Text

    return Text(_text(word), "" if isinstance(word, str) else word[1])


def _console() -> "tuple[Console, StringIO]":
    """Return a console for the terminal, and the buffer that it writes to."""
    from rich.console import Console

    text = StringIO()
    return Console(file=text, force_terminal=True, highlight=False), text


@contextmanager
def progress(stream: TextIO | None, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of ``total`` steps; remove the bar at the end."""
    if stream is None or not stream.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(file=stream), transient=True)
    task = bar.add_task(what, total=total)
    begun = time.monotonic()

    def step() -> None:
        bar.advance(task)
        if not bar.live.is_started and time.monotonic() - begun >= _PATIENCE:
            bar.start()

    try:
        yield step
    finally:
        if bar.live.is_started:
            bar.stop()
