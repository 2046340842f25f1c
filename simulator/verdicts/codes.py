"""What each reason's code means, and what to do about it: data/codes.toml."""

import difflib
import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from types import MappingProxyType

from simulator.errors import UserError


@dataclass(frozen=True, slots=True)
class Code:
    """One code: ``opinion`` is whose reason it is, ``kernel`` or ``ours``, the rest is prose.

    ``summary`` is a line, ``explanation`` a paragraph, ``next_step`` a sentence or two.
    """

    name: str
    opinion: str
    summary: str
    explanation: str
    next_step: str


@functools.cache
def load_codes() -> Mapping[str, Code]:
    """Read all codes, by name; those of the kernel's opinion come first."""
    text = resources.files("simulator").joinpath("data", "codes.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    return MappingProxyType(
        {
            name: Code(
                name,
                opinion,
                table["summary"],
                " ".join(table["explanation"].split()),
                " ".join(table["next_step"].split()),
            )
            for opinion, codes in tables.items()
            for name, table in codes.items()
        }
    )


def find_code(name: str) -> Code:
    """Return a code; UserError where there is none of that name, with those that are near."""
    codes = load_codes()
    if name in codes:
        return codes[name]
    near = difflib.get_close_matches(name, codes, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(codes)}"
    raise UserError(f"there is no code {name!r}: {hint}")


def next_step(name: str) -> str:
    """Say what to do about a reason of this code; UserError where there is no such code."""
    return find_code(name).next_step
