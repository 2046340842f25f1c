"""Text for people: as wide as their terminal, in colour on one, and harmless to it."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from simulator.verdicts.verdict import Verdict
from vzcptcheck.outcome import printable

#: As wide as a line may be where nobody looks at it on a terminal.
_UNBOUNDED = 10_000

#: Seconds after which a bar appears.
_PATIENCE = 1.0

HEADING = "bold"
STYLES = {
    Verdict.POSSIBLE.value: "green",
    Verdict.NOT_POSSIBLE.value: "bold red",
    Verdict.UNKNOWN.value: "yellow",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A line, or more where it is folded: how far it is indented, and its words with styles.

    Without words it is a blank one.
    """

    indent: int
    words: tuple[str | tuple[str, str], ...]


def line(indent: int, *words: str | tuple[str, str]) -> Line:
    """Make a line; a word is a text, or a text and its style."""
    return Line(indent, words)


def verdict_word(verdict: str) -> tuple[str, str]:
    """Return a verdict in its colour."""
    return verdict, STYLES[verdict]


def render(lines: Iterable[Line], stream: TextIO | None) -> str:
    """Write lines for a stream: in a terminal's width and colours where it is one."""
    text = StringIO()
    is_terminal = stream is not None and stream.isatty()
    console = Console(
        file=text, force_terminal=is_terminal, width=None if is_terminal else _UNBOUNDED
    )
    for one in lines:
        if not one.words:
            console.line()
            continue
        text_of_line = Text.assemble(*map(_harmless, one.words), overflow="fold")
        console.print(Padding(text_of_line, (0, 0, 0, one.indent), expand=False))
    return text.getvalue()


def _harmless(word: str | tuple[str, str]) -> str | tuple[str, str]:
    return printable(word) if isinstance(word, str) else (printable(word[0]), word[1])


@contextmanager
def progress(stream: TextIO | None, what: str, total: int) -> Iterator[Callable[[], None]]:
    """Give a function to be called after each of ``total`` steps; the bar goes when all is done."""
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
