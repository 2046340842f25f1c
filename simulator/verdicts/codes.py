"""What each reason's code means, and what to do about it: codes.txt, read when somebody asks."""

import os
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from simulator.errors import UserError

_FILE = os.path.join(os.path.dirname(__file__), "codes.txt")
_HIDDEN_BY, _NEXT = "\nHidden by: ", "\nNext: "


class Code(NamedTuple):
    """One code: ``verdict`` is that which its reasons belong to, the rest is prose.

    ``verdict`` is ``restore``, or ``programs``, whose reasons may be waived. ``summary`` is a
    line, ``explanation`` a paragraph, ``next_step`` a sentence or two. ``hidden_by`` is what hides
    the feature on the destination; empty where the code is about no feature.
    """

    name: str
    verdict: str
    summary: str
    explanation: str
    hidden_by: str
    next_step: str


def find_code(name: str) -> Code:
    """Return a code; UserError where there is none of that name, with those that are near."""
    if name in CODES:
        return CODES[name]
    from difflib import get_close_matches

    near = get_close_matches(name, CODES, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(CODES)}"
    raise UserError(f"there is no code {name!r}: {hint}")


def _read_codes() -> Iterator[Code]:
    """Read the table: a paragraph each, the first of which tells how these are written."""
    with open(_FILE, encoding="utf-8") as file:
        _, *paragraphs = file.read().split("\n\n")
    for paragraph in paragraphs:
        about, summary, prose = paragraph.rstrip("\n").split("\n", 2)
        name, verdict = about.split()
        told, next_step = prose.split(_NEXT)
        explanation, _, hidden_by = told.partition(_HIDDEN_BY)
        texts = (text.replace("\n", " ") for text in (explanation, hidden_by, next_step))
        yield Code(name, verdict, summary, *texts)


#: Every code that a reason may have: those on restore first, then those on programs.
CODES: Mapping[str, Code] = MappingProxyType({code.name: code for code in _read_codes()})
