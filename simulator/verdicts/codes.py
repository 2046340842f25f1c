"""What each reason's code means, and what to do about it: data/codes.toml."""

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from simulator.errors import UserError

_FILE = os.path.join(os.path.dirname(__file__), os.pardir, "data", "codes.toml")


class Code(NamedTuple):
    """One code: ``opinion`` is whose reason it is, ``kernel`` or ``ours``, the rest is prose.

    ``summary`` is a line, ``explanation`` a paragraph, ``next_step`` a sentence or two.
    """

    name: str
    opinion: str
    summary: str
    explanation: str
    next_step: str


@cache
def load_codes() -> Mapping[str, Code]:
    """Read all codes, by name; those of the kernel's opinion come first.

    tomllib takes longer to import than a command may take to start. The file has the same three
    keys in each table, and no escapes: a test compares this with what tomllib reads.
    """
    with open(_FILE, encoding="utf-8") as file:
        tables = file.read().split("\n[")[1:]
    codes = map(_parse_table, tables)
    return MappingProxyType({code.name: code for code in codes})


def _parse_table(text: str) -> Code:
    header, _, rest = text.partition("]\nsummary = ")
    summary, _, rest = rest.partition("\nexplanation = ")
    explanation, _, step = rest.partition("\nnext_step = ")
    opinion, _, name = header.partition(".")
    proses = (" ".join(one.strip().strip('"').split()) for one in (summary, explanation, step))
    return Code(name, opinion, *proses)


def find_code(name: str) -> Code:
    """Return a code; UserError where there is none of that name, with those that are near."""
    codes = load_codes()
    if name in codes:
        return codes[name]
    from difflib import get_close_matches

    near = get_close_matches(name, codes, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(codes)}"
    raise UserError(f"there is no code {name!r}: {hint}")
