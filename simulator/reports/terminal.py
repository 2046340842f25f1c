"""Text for people: plain where nobody looks at it, folded and in colour on a terminal.

Lines are folded between words alone: names stay whole, and can be copied. Names cannot control the
terminal. rich takes long to import: only a progress bar needs it.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby, zip_longest
from typing import TextIO
from unicodedata import combining, east_asian_width

from msgspec import Struct

from simulator.output import terminal_columns
from simulator.verdicts.verdict import PARTLY, Outcome, Verdict
from vzcptcheck.outcome import printable

#: Seconds after which a bar appears.
_PATIENCE = 1.0

#: Styles are the parameters of SGR (ECMA-48, 8.3.117).
HEADING = "1"
DIM = "2"
STYLES = {
    Outcome.SAFE.value: "32",
    PARTLY: "36",
    Outcome.RISKY.value: "35",
    Outcome.REFUSED.value: "1;31",
    Verdict.POSSIBLE.value: "32",
    Verdict.NOT_POSSIBLE.value: "1;31",
    Verdict.UNKNOWN.value: "33",
}

#: What columns of tables, and of listings, are folded to at most.
_NARROWEST, _NARROWEST_LISTED = 16, 24
_GAP = 2
_WORDS = re.compile(" +|[^ ]+")

#: A text, or a text and its style.
Word = str | tuple[str, str]


class Line(Struct, frozen=True):
    """A line: its indentation and its words; without words it is blank.

    A terminal may fold it, unless it is to be copied: then it is indented less where it is wide.
    """

    indent: int
    words: tuple[Word, ...]
    is_to_be_copied: bool = False


def line(indent: int, *words: Word) -> Line:
    """Return a line."""
    return Line(indent, words)


def styled_word(word: str) -> tuple[str, str]:
    """Return an outcome or a verdict with its style."""
    return word, STYLES[word]


def width_of(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal; None where a stream is none, and nothing is folded."""
    return terminal_columns() if _is_terminal(stream) else None


def shows_signs(stream: TextIO | None) -> bool:
    """Tell whether a stream is a terminal that shows more than ASCII.

    Python takes LANG=C for UTF-8 (PEP 538), but not LC_ALL=C. Linux's own console has few signs.
    """
    is_plain = os.environ.get("LC_ALL") in {"C", "POSIX"} or os.environ.get("TERM") == "linux"
    return _is_terminal(stream) and not is_plain and not _is_dumb()


def render(lines: Iterable[Line], stream: TextIO | None) -> str:
    """Return lines as text for a stream: folded and in colour if that is a terminal."""
    width = width_of(stream)
    folded = lines if width is None else (part for one in lines for part in _fold(one, width))
    write = _paint if width is not None and not _is_colourless() else _plain
    return "".join(f"{' ' * one.indent}{write(one.words)}\n" for one in folded)


def render_table(
    titles: Sequence[str], rows: Iterable[Sequence[Word]], stream: TextIO | None
) -> str:
    """Return a table as text for a stream; on a terminal it is folded, and in colour.

    The first column is never folded. A table that does not fit is written as a list: the first
    cell of each row, and below it the others with their titles.
    """
    table = _Table(titles, rows)
    width = width_of(stream)
    widths = table.widths if width is None else table.fit(len(titles), width, _NARROWEST)
    return render(table.lines(widths) if widths else table.items(), stream)


def render_listing(
    titles: Sequence[str], rows: Iterable[Sequence[Word]], stream: TextIO | None
) -> str:
    """Return a table as text for a stream; a terminal gets the first columns, as many as fit."""
    table = _Table(titles, rows)
    width = width_of(stream)
    if width is None:
        return render(table.lines(table.widths), stream)
    fitting = (table.fit(count, width, _NARROWEST_LISTED) for count in range(len(titles), 1, -1))
    widths = next(filter(None, fitting), table.widths[:1])
    lines = list(table.lines(widths))
    if len(widths) < len(titles):
        left_out = ", ".join(titles[len(widths) :])
        lines.append(line(0, (f"Left out, as the terminal is narrow: {left_out}.", DIM)))
    return render(lines, stream)


class _Table:
    """The cells of a table, and how wide its columns are."""

    def __init__(self, titles: Sequence[str], rows: Iterable[Sequence[Word]]) -> None:
        self._titles = titles
        self._rows: list[Sequence[Word]] = [[(title, HEADING) for title in titles], *rows]
        texts = [list(map(_text, row)) for row in self._rows]
        self.widths = [max(map(columns_of, column)) for column in zip(*texts, strict=True)]
        words = (" ".join(column).split() for column in zip(*texts, strict=True))
        self._longest = [max(map(columns_of, found), default=0) for found in words]

    def fit(self, count: int, width: int, narrowest: int) -> list[int]:
        """Return the widths of the first columns within a width; none where they do not fit.

        No column is made narrower than ``narrowest``, or than a word in it.
        """
        natural = self.widths[:count]
        least = [
            max(longest, min(wide, narrowest))
            for wide, longest in zip(natural, self._longest[:count], strict=True)
        ]
        least[0] = natural[0]
        slack = width - _GAP * (count - 1) - sum(least)
        if slack < 0:
            return []
        wanting = sorted(range(count), key=lambda column: natural[column] - least[column])
        for place, column in enumerate(wanting):
            given = min(natural[column] - least[column], slack // (count - place))
            least[column] += given
            slack -= given
        return least

    def lines(self, widths: Sequence[int]) -> Iterator[Line]:
        """Write the first columns, as many as there are widths."""
        for row in self._rows:
            cells = [_folded(cell, at) for cell, at in zip(row, widths)]  # noqa: B905
            for parts in zip_longest(*cells, fillvalue=Line(0, ())):
                words: list[Word] = []
                blank = 0
                for part, width in zip(parts, widths, strict=True):
                    if part.words:
                        words += [" " * blank, *part.words]
                        blank = 0
                    blank += width - sum(columns_of(_text(word)) for word in part.words) + _GAP
                yield Line(0, tuple(words))

    def items(self) -> Iterator[Line]:
        """Write each row as its first cell, and below it the others with their titles."""
        for first, *others in self._rows[1:]:
            yield line(0, first)
            for title, cell in zip(self._titles[1:], others, strict=True):
                if _text(cell):
                    yield line(2, (f"{title}: ", DIM), cell)


def _folded(cell: Word, width: int) -> list[Line]:
    """Return a cell as lines that are no wider than its column."""
    one = Line(0, (cell,))
    return [one] if columns_of(_text(cell)) <= width else list(_fold(one, width))


def _fold(one: Line, width: int) -> Iterator[Line]:
    """Break a line between words, as late as it can be; a word that is too wide stays whole.

    What follows below is indented more, unless it is a paragraph's, or too wide for that.
    """
    if one.is_to_be_copied:
        size = columns_of(_plain(one.words))
        yield Line(max(0, min(one.indent, width - size)), one.words)
        return
    begun: list[tuple[str, str]] = []
    indent, below = one.indent, one.indent and one.indent + 2
    column = indent
    gap = 0
    for parts in _unbroken(one.words):
        text = "".join(text for text, _ in parts)
        if text.startswith(" "):
            gap = len(text)
            continue
        size = columns_of(text)
        if begun and column + gap + size > width:
            yield Line(indent, tuple(begun))
            begun, indent = [], max(0, min(below, width - size))
            column = indent
        elif gap:
            begun.append(_gap(gap, begun, parts))
            column += gap
        begun += parts
        column += size
        gap = 0
    yield Line(indent, tuple(begun))


def _gap(
    size: int, before: Sequence[tuple[str, str]], after: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """Return a gap, in the style of both words beside it where they have one in common."""
    style = before[-1][1] if before else ""
    return " " * size, style if style == after[0][1] else ""


def _unbroken(words: Iterable[Word]) -> Iterator[list[tuple[str, str]]]:
    """Yield what stands between two spaces, whatever its styles are, and the spaces between."""
    begun: list[tuple[str, str]] = []
    for word in words:
        style = "" if isinstance(word, str) else word[1]
        for part in _WORDS.findall(_text(word)):
            if begun and part.startswith(" ") != begun[0][0].startswith(" "):
                yield begun
                begun = []
            begun.append((part, style))
    if begun:
        yield begun


def columns_of(text: str) -> int:
    """Return the width of a text on a terminal."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(one) else 1 + (east_asian_width(one) in "WF") for one in text)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _is_dumb() -> bool:
    return os.environ.get("TERM") in {"dumb", "unknown"}


def _is_colourless() -> bool:
    """Tell whether a terminal shows, or is asked for, no colours (https://no-color.org)."""
    return _is_dumb() or bool(os.environ.get("NO_COLOR"))


def text_of(one: Line) -> str:
    """Return a line's words as plain text."""
    return _plain(one.words)


def _text(word: Word) -> str:
    return printable(word if isinstance(word, str) else word[0])


def _plain(words: Iterable[Word]) -> str:
    return "".join(map(_text, words))


def _paint(words: Iterable[Word]) -> str:
    """Write words in their styles; neighbours that have one in common together."""
    painted = ""
    for style, parts in groupby(words, lambda word: "" if isinstance(word, str) else word[1]):
        text = _plain(parts)
        painted += f"\x1b[{style}m{text}\x1b[0m" if style else text
    return painted


@contextmanager
def progress(stream: TextIO | None, what: str, total: int | None) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each of ``total`` steps; remove the bar at the end.

    ``total`` is None where it is not known.
    """
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
