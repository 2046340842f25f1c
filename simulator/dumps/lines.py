"""Forms that write one answer a line, with headings where a CPU begins: AIDA64's and cpuid -r.

AIDA64's reports, as InstLatx64 collects them, have ``CPUID LEAF: EAX-EBX-ECX-EDX``. Their versions
differ: a colon, a tab or a space comes after the leaf, dashes or spaces between the registers,
``[SL 01]`` after them or nothing; a CPU begins with one of three headings, or with its leaf 0.
``cpuid -r`` by Todd Allen has ``0x0000000d 0x01: eax=0x0000000f ebx=...``, by leaf and subleaf.

Sources: the collection of InstLatx64, and the reports among libcpuid's tests.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from simulator.dumps.model import (
    MOST_ANSWERS_OF_CPU,
    CpuDump,
    DumpError,
    bits_of,
    make_whole_dump,
    told_apart,
    too_many_answers,
    unsound_answer,
)
from simulator.facts.cpuid import XSAVE_LEAF, Key, Registers, supervisor_components, user_components

#: Leaves that look at ECX: where a dump repeats one of them, the subleaf counts up
#: (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
LEAVES_WITH_SUBLEAVES = frozenset(
    {0x4, 0x7, 0xB, 0xD, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1A, 0x1B, 0x1D, 0x1E, 0x1F, 0x20}
    | {0x23, 0x24, 0x27, 0x28, 0x29, 0x8000_001D, 0x8000_0020, 0x8000_0026}
)

#: AVX's component has this size and this place on every CPU (Intel SDM volume 1, 13.4.2).
_AVX = (0x100, 0x240)
_AVX_COMPONENT = 2


class Row(NamedTuple):
    """An answer as a line gives it; ``subleaf`` is None where the line does not say."""

    line: int
    leaf: int
    subleaf: int | None
    registers: Registers


class LineForm(NamedTuple):
    """A form with one answer a line.

    ``start`` matches where a line has to be a row, as ``example`` does, ``row`` a whole row, and
    ``headings`` the lines that a CPU begins with. Other lines belong to other sections and are
    skipped.
    """

    name: str
    example: str
    start: re.Pattern[str]
    row: re.Pattern[str]
    headings: tuple[re.Pattern[str], ...]

    def why_not(self, lines: Iterable[str]) -> str | None:
        """Return why a text is not of this form; None where it is."""
        if any(map(self.start.match, lines)):
            return None
        return f"no line begins like {self.example!r}"

    def parse(self, lines: Iterable[str]) -> list[CpuDump]:
        """Parse every CPU, in the order written. DumpError where one is not sound."""
        sections = (one for one in _sections(self, lines) if one.rows)
        return told_apart(
            make_whole_dump(
                section.cpus or str(position),
                number_rows(section.rows),
                self.name,
                section.rows[0].line,
            )
            for position, section in enumerate(sections)
        )


def _pattern(text: str) -> re.Pattern[str]:
    """Compile what matches in any case."""
    return re.compile(text, re.ASCII | re.IGNORECASE)


_EIGHT_DIGITS = "(?:0x)?[0-9A-F]{8}"

AIDA64 = LineForm(
    name="AIDA64 or InstLatx64",
    example="CPUID 00000001",
    start=_pattern(r"CPUID\s+(?:0x)?[0-9A-F]{8}\b"),
    row=_pattern(
        rf"CPUID\s+(?P<leaf>{_EIGHT_DIGITS})(?:\s*:\s*|\s+)"
        rf"(?P<eax>{_EIGHT_DIGITS})(?:\s*-\s*|\s+)(?P<ebx>{_EIGHT_DIGITS})(?:\s*-\s*|\s+)"
        rf"(?P<ecx>{_EIGHT_DIGITS})(?:\s*-\s*|\s+)(?P<edx>{_EIGHT_DIGITS})"
        # Then come remarks, of which one may say the subleaf.
        r"(?:\s*\[(?:.*\[)?SL (?P<subleaf>[0-9A-F]{1,8})\].*|\s*\[.*)?"
    ),
    headings=(
        _pattern(r"[-_=]*\[? *(?:CPUID Registers */ *)?Logical CPU #(?P<cpu>[0-9]{1,6})\b.*"),
        _pattern(r"CPUID Registers \(CPU #(?P<cpu>[0-9]{1,6})\b.*"),
        # The number is 000 for each of them: the mask tells them apart.
        _pattern(r"CPU *#[0-9]+ +AffMask: *(?:0x)?(?P<mask>[0-9A-F]{1,256})\b.*"),
    ),
)

_FIGURE = "0x(?P<{}>[0-9A-F]{{1,8}})"

CPUID_R = LineForm(
    name="cpuid -r",
    example="0x00000001 0x00: eax=",
    start=_pattern(r"0x[0-9A-F]{1,8}(?:\s+0x[0-9A-F]{1,8})?\s*(?::\s*e|\s+eax|:$)"),
    row=_pattern(
        # Before subleaves were shown, the leaf stood alone.
        rf"{_FIGURE.format('leaf')}(?:\s+{_FIGURE.format('subleaf')})?\s*:\s+"
        + r"\s+".join(f"{name}={_FIGURE.format(name)}" for name in ("eax", "ebx", "ecx", "edx"))
    ),
    # With -1, which asks one CPU only, there is no number.
    headings=(_pattern(r"CPU(?: *#?(?P<cpu>[0-9]{1,6}))?:"),),
)


class _Section(NamedTuple):
    """The rows of one CPU; ``cpus`` is empty where no heading says whose they are."""

    cpus: str
    rows: list[Row]

    @property
    def is_open(self) -> bool:
        """Whether leaf 0 has come: where it comes again, the next CPU begins."""
        return any(row.leaf == 0 for row in self.rows)


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
        raise unsound_answer(form.name, number, line)
    subleaf = match["subleaf"]
    return Row(
        line=number,
        leaf=int(match["leaf"], 16),
        subleaf=None if subleaf is None else int(subleaf, 16),
        registers=Registers(*(int(match[name], 16) for name in Registers._fields)),
    )


def number_rows(rows: Sequence[Row]) -> Iterator[tuple[Key, Registers]]:
    """Yield the answers of a CPU by leaf and subleaf, as far as that can be told.

    A row may leave its subleaf unsaid. Then a leaf that has subleaves counts them up from 0,
    leaf 0xD names components of the state that XSAVE saves (those that the CPU says it has, in
    order; where this cannot be told, only those that can are taken), and any other leaf may be
    repeated with the same answer only. DumpError where only some rows of a leaf say theirs.
    """
    leaves: dict[int, list[Row]] = {}
    for row in rows:
        leaves.setdefault(row.leaf, []).append(row)
    for leaf, repeats in leaves.items():
        # Shorter where some subleaves cannot be told: those rows are left out.
        for subleaf, row in zip(_subleaves(leaf, repeats), repeats, strict=False):
            yield (leaf, subleaf), row.registers


def _subleaves(leaf: int, rows: Sequence[Row]) -> Sequence[int]:
    """Return the subleaf of each of a leaf's rows, as far as it can be told."""
    said = [row.subleaf for row in rows if row.subleaf is not None]
    if len(said) == len(rows):
        return said
    if said:
        return _complete(said, rows)
    if leaf == XSAVE_LEAF:
        return _number_xsave([row.registers for row in rows])
    return range(len(rows)) if leaf in LEAVES_WITH_SUBLEAVES else [0] * len(rows)


def _complete(said: list[int], rows: Sequence[Row]) -> Sequence[int]:
    """Take the first row for subleaf 0 where all others say another."""
    if len(said) == len(rows) - 1 and rows[0].subleaf is None and 0 not in said:
        return [0, *said]
    raise DumpError(f"only some lines of leaf {rows[0].leaf:#010x} say the subleaf", rows[0].line)


def _number_xsave(answers: Sequence[Registers]) -> Sequence[int]:
    """Return the subleaf of each answer of leaf 0xD, as far as it can be told.

    Old versions list subleaf 0, and then the components: AVX's answer there is no subleaf 1,
    which has flags of XSAVE's instructions in EAX. Others list subleaf 1 between them.
    """
    if answers[1:] and answers[1][:2] == _AVX:
        return [0, *(_number_components(answers, 1, 0) or [_AVX_COMPONENT])]
    supervisor = sum(map(supervisor_components, answers[1:2]))
    return [0, 1, *(_number_components(answers, 2, supervisor) or [])]


def _number_components(
    answers: Sequence[Registers], begin: int, supervisor: int
) -> Sequence[int] | None:
    """Return the component of each answer from ``begin`` on; None where it cannot be told.

    There is one subleaf for each component from 2 on. A program may show those that XCR0 or
    IA32_XSS may have, or XCR0's only; as many answers as components tell which. Or it shows
    every number, zeros where there is no component.
    """
    user = user_components(answers[0])
    shown = answers[begin:]
    for components in _component_lists(user, supervisor):
        if len(components) == len(shown):
            return components
    numbers = range(_AVX_COMPONENT, _AVX_COMPONENT + len(shown))
    both = user | supervisor
    fits = all(
        any(one) == bool(both >> number & 1) for number, one in zip(numbers, shown, strict=True)
    )
    return numbers if fits else None


def _component_lists(user: int, supervisor: int) -> Iterator[list[int]]:
    yield bits_of((user | supervisor) & ~3)
    yield bits_of(user & ~3)
