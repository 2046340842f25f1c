"""A matrix as Markdown, with tables as GitHub and GitLab show them."""

import re
from collections.abc import Iterable, Iterator

from simulator.reports.sections import Cell, sections
from simulator.reports.view import View
from simulator.verdicts.verdict import Verdict

#: What may mean something to Markdown: with a backslash before it, it is itself.
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#!|~&@$])")


def markdown_text(view: View) -> Iterator[str]:
    """Yield each section as it is made."""
    for section in sections(view):
        yield f"## {_escape(section.title)}\n\n"
        if not section.rows:
            yield f"{_escape(section.text or 'none')}\n\n"
            continue
        yield _row(section.columns)
        yield _row("---" for _ in section.columns)
        for row in section.rows:
            yield _row(map(_cell, row))
        yield "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _cell(cell: Cell) -> str:
    return _escape(cell.value if isinstance(cell, Verdict) else cell)


def _escape(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", text)
