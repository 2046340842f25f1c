"""The XML of RJCP.DLL.CpuId: ``<register eax="1" ecx="0">EAX,EBX,ECX,EDX</register>``.

The attributes are the leaf and the subleaf; each ``<processor>`` is a CPU; all figures are
hexadecimal. Source: memory of the library's own tests; no package of PyPI's or Debian's has such a
file that would confirm it.
"""

import re
from collections.abc import Iterator

from simulator.dumps.elements import Element, read_elements
from simulator.dumps.model import (
    MOST_ANSWERS_OF_CPU,
    CpuDump,
    DumpError,
    make_whole_dump,
    told_apart,
    too_many_answers,
)
from simulator.facts.cpuid import Key, Registers

NAME = "RJCP.DLL.CpuId"

_START = re.compile(r"<register\s[^<>]{0,200}>\s*[0-9A-Fa-fx]")
_FIGURE = "(?:0x)?([0-9A-F]{1,8})"
_FIGURES = re.compile(r"\s*,\s*".join([_FIGURE] * 4), re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(_FIGURE, re.ASCII | re.IGNORECASE)


def why_not(text: str) -> str | None:
    """Return why a text is no XML of that library's; None where it is."""
    return None if _START.search(text) else 'it has no element <register eax="0">'


def parse(text: str) -> list[CpuDump]:
    """Parse every processor. DumpError where one is not sound."""
    dumps = told_apart(
        make_whole_dump(str(number), [_answer(row) for row in rows], NAME, rows[0].line)
        for number, rows in enumerate(_processors(read_elements(text)))
    )
    if not dumps:
        raise DumpError("no processor has a register")
    return dumps


def _processors(elements: list[Element]) -> Iterator[list[Element]]:
    rows: list[Element] = []
    for element in elements:
        name = element.path[-1]
        if name == "processor" and rows:
            yield rows
            rows = []
        elif name == "register":
            rows.append(element)
            if len(rows) > MOST_ANSWERS_OF_CPU:
                raise too_many_answers(element.line)
    if rows:
        yield rows


def _answer(row: Element) -> tuple[Key, Registers]:
    figures = _FIGURES.fullmatch(row.text)
    leaf, subleaf = (_NUMBER.fullmatch(row.attributes.get(key, "0")) for key in ("eax", "ecx"))
    if figures is None or leaf is None or subleaf is None:
        raise DumpError("not a leaf, a subleaf and four registers of 32 bits", row.line)
    registers = Registers(*(int(figure, 16) for figure in figures.groups()))
    return (int(leaf[1], 16), int(subleaf[1], 16)), registers
