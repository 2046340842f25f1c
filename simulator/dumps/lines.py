"""Forms that write one answer a line, with headings where a CPU begins."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simulator.dumps.model import (
    MOST_ANSWERS_OF_CPU,
    CpuDump,
    DumpError,
    bits_of,
    infer_mode,
    told_apart,
    too_many_answers,
)
from simulator.dumps.subleaves import Row, number_rows
from simulator.facts.cpuid import CpuidTable, Registers

_LONGEST_SHOWN = 100


class LineForm(NamedTuple):
    """A form with one answer a line.

    ``start`` matches where a line has to be a row, ``row`` a whole row, and ``headings``
    the lines that a CPU begins with. Other lines belong to other sections and are skipped.
    """

    name: str
    start: re.Pattern[str]
    row: re.Pattern[str]
    headings: tuple[re.Pattern[str], ...]


class _Section(NamedTuple):
    """The rows of one CPU; ``cpus`` is empty where no heading says whose they are."""

    cpus: str
    rows: list[Row]

    @property
    def is_open(self) -> bool:
        """Whether leaf 0 has come: where it comes again, the next CPU begins."""
        return any(row.leaf == 0 for row in self.rows)


def pattern(text: str) -> re.Pattern[str]:
    """Compile what matches in any case."""
    return re.compile(text, re.ASCII | re.IGNORECASE)


def has_rows(form: LineForm, lines: Iterable[str]) -> bool:
    """Tell whether a text tries to be of a form."""
    return any(map(form.start.match, lines))


def parse_lines(form: LineForm, lines: Iterable[str]) -> list[CpuDump]:
    """Parse every CPU, in the order written. DumpError where one is not sound."""
    sections = (one for one in _sections(form, lines) if one.rows)
    return told_apart(
        _parse_section(form, section, section.cpus or str(position))
        for position, section in enumerate(sections)
    )


def _sections(form: LineForm, lines: Iterable[str]) -> Iterator[_Section]:
    """Cut a dump at its headings, and where leaf 0 comes again without one."""
    section = _Section("", [])
    for number, line in enumerate(lines, start=1):
        cpus = _heading(form, line)
        if cpus is not None:
            yield section
            section = _Section(cpus, [])
        elif form.start.match(line):
            row = _parse_row(form, number, line)
            if row.leaf == 0 and not row.subleaf and section.is_open:
                yield section
                section = _Section("", [])
            section.rows.append(row)
            if len(section.rows) > MOST_ANSWERS_OF_CPU:
                raise too_many_answers(number)
    yield section


def _heading(form: LineForm, line: str) -> str | None:
    """Return which CPUs a heading names, and None for a line that is no heading."""
    for heading in form.headings:
        if match := heading.fullmatch(line):
            return _cpus(**match.groupdict(default=""))
    return None


def _cpus(cpu: str = "", mask: str = "") -> str:
    if mask:
        return ",".join(map(str, bits_of(int(mask, 16))))
    return cpu and str(int(cpu))


def _parse_row(form: LineForm, number: int, line: str) -> Row:
    match = form.row.fullmatch(line)
    if match is None:
        shown = repr(line[:_LONGEST_SHOWN])
        raise DumpError(f"not an answer as {form.name} writes them: {shown}", number)
    subleaf = match["subleaf"]
    return Row(
        line=number,
        leaf=int(match["leaf"], 16),
        subleaf=None if subleaf is None else int(subleaf, 16),
        registers=Registers(*(int(match[name], 16) for name in Registers._fields)),
    )


def _parse_section(form: LineForm, section: _Section, cpus: str) -> CpuDump:
    try:
        table = CpuidTable(number_rows(section.rows))
    except ValueError as error:
        raise DumpError(f"CPU {cpus}, which begins here: {error}", section.rows[0].line) from None
    return CpuDump(cpus, table, infer_mode(table), form.name)
