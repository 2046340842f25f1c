"""Register dumps: what programs that execute CPUID write down, parsed to tables.

Three forms are known: AIDA64's and InstLatx64's reports, ``cpuid -r`` by Todd Allen, and a
list of CPUs in JSON.
"""

import json
import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

from simulator.cpu import (
    XSAVE_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    Registers,
    parse_rows,
    supervisor_components,
    user_components,
)
from simulator.errors import UserError

Mode = Literal["64-bit", "32-bit", "unknown"]
MODES: tuple[Mode, ...] = get_args(Mode)

#: Leaves that look at ECX: where a dump repeats one of them, the subleaf counts up
#: (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
LEAVES_WITH_SUBLEAVES = frozenset(
    {0x4, 0x7, 0xB, 0xD, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1A, 0x1B, 0x1D, 0x1E, 0x1F, 0x20}
    | {0x23, 0x24, 0x8000_001D, 0x8000_0020, 0x8000_0026}
)

_INTEL = "GenuineIntel"
_FEATURES: Key = (0x8000_0001, 0)
_SYSCALL = 1 << 11
_LONG_MODE = 1 << 29


class DumpError(UserError):
    """A text is not a register dump, or not a sound one.

    ``line`` counts from 1; it is None where no line in particular is to blame.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class CpuDump:
    """One CPU of a dump.

    ``cpus`` says which: its number as the dump counts, several where one entry stands for
    them (``0,1``), or its name. ``mode`` is the mode in which CPUID was executed, ``form``
    how the dump is written.
    """

    cpus: str
    table: CpuidTable
    mode: Mode
    form: str


def parse_dump(text: str) -> list[CpuDump]:
    """Parse a register dump in any form known here: at least one CPU, in the order written.

    Raises ``DumpError`` where no form fits, and where one fits but the text is not sound.

    A line of AIDA64's may leave the subleaf unsaid. Then a leaf that has subleaves counts
    them up from 0, leaf 0xD names components of the state that XSAVE saves (those that the
    CPU says it has, in order; where this cannot be told, only subleaves 0 and 1 are taken),
    and any other leaf may be repeated with the same answer only.
    """
    text = text.removeprefix("\ufeff")
    for form in FORMS:
        if form.fits(text):
            return form.parse(text)
    names = ", ".join(form.name for form in FORMS)
    raise DumpError(f"not a register dump in any form known here: {names}")


def infer_mode(table: CpuidTable) -> Mode:
    """Tell in which mode a program ran that was given these answers.

    An Intel CPU reports SYSCALL to 64-bit programs only (Intel SDM volume 2A, CPUID leaf
    80000001H, EDX bit 11), so one with long mode but without SYSCALL was asked by a 32-bit
    program. Other vendors' CPUs, and one that was not asked, tell nothing.
    """
    if table.vendor != _INTEL:
        return "unknown"
    try:
        features = table.register(*_FEATURES, "edx")
    except MissingLeafError:
        return "unknown"
    if not features & _LONG_MODE:
        return "unknown"
    return "64-bit" if features & _SYSCALL else "32-bit"


def as_64bit(table: CpuidTable) -> CpuidTable:
    """Return what a 64-bit kernel on that CPU sees, whoever took the dump.

    An Intel CPU with long mode has SYSCALL then (see ``infer_mode``); all else is the same.
    ``MissingLeafError`` is raised where leaf 0x80000001 of an Intel CPU was not recorded.
    """
    if table.vendor != _INTEL or not table.register(*_FEATURES, "edx") & _LONG_MODE:
        return table
    features = table[_FEATURES]
    return table.replace({_FEATURES: features._replace(edx=features.edx | _SYSCALL)})


def as_32bit(table: CpuidTable) -> CpuidTable:
    """Return what a 32-bit kernel on that CPU sees: no Intel CPU shows SYSCALL to it."""
    if table.vendor != _INTEL or not table.register(*_FEATURES, "edx") & _SYSCALL:
        return table
    features = table[_FEATURES]
    return table.replace({_FEATURES: features._replace(edx=features.edx & ~_SYSCALL)})


@dataclass(frozen=True, slots=True)
class _Row:
    """An answer as a line gives it; ``subleaf`` is None where the line does not say."""

    line: int
    leaf: int
    subleaf: int | None
    registers: Registers


@dataclass(frozen=True, slots=True)
class _Section:
    """The rows of one CPU; ``cpus`` is empty where no heading says whose they are."""

    cpus: str
    rows: list[_Row]

    @property
    def is_open(self) -> bool:
        """Whether leaf 0 has come: where it comes again, the next CPU begins."""
        return any(row.leaf == 0 for row in self.rows)


@dataclass(frozen=True, slots=True)
class _LineForm:
    """A form with one answer a line.

    ``start`` matches where a line has to be a row, ``row`` a whole row, and ``headings``
    the lines that a CPU begins with. Other lines belong to other sections and are skipped.
    """

    name: str
    start: re.Pattern[str]
    row: re.Pattern[str]
    headings: tuple[re.Pattern[str], ...]


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII | re.IGNORECASE)


_AIDA64 = _LineForm(
    name="AIDA64 or InstLatx64",
    start=_pattern(r"CPUID\s+[0-9A-F]{8}"),
    row=_pattern(
        r"CPUID\s+(?P<leaf>[0-9A-F]{8})(?:\s*:\s*|\s+)"
        r"(?P<eax>[0-9A-F]{8})(?:-|\s+)(?P<ebx>[0-9A-F]{8})(?:-|\s+)"
        r"(?P<ecx>[0-9A-F]{8})(?:-|\s+)(?P<edx>[0-9A-F]{8})"
        r"(?:\s*\[SL (?P<subleaf>[0-9A-F]{2,8})\])?(?:\s*\[.*)?"
    ),
    headings=(
        _pattern(r"-+\[ (?:CPUID Registers / )?Logical CPU #(?P<cpu>[0-9]{1,6}) \]-+"),
        _pattern(r"CPUID Registers \(CPU #(?P<cpu>[0-9]{1,6})\):"),
        # The number is 000 for each of them: the mask tells them apart.
        _pattern(r"CPU#[0-9]+ AffMask: 0x(?P<mask>[0-9A-F]{1,256})"),
    ),
)

_CPUID_R = _LineForm(
    name="cpuid -r",
    start=_pattern(r"0x[0-9A-F]{8}\s+0x"),
    row=_pattern(
        r"0x(?P<leaf>[0-9A-F]{8})\s+0x(?P<subleaf>[0-9A-F]{1,8}):\s+"
        r"eax=0x(?P<eax>[0-9A-F]{8})\s+ebx=0x(?P<ebx>[0-9A-F]{8})\s+"
        r"ecx=0x(?P<ecx>[0-9A-F]{8})\s+edx=0x(?P<edx>[0-9A-F]{8})"
    ),
    # With -1, which asks one CPU only, there is no number.
    headings=(_pattern(r"CPU(?: (?P<cpu>[0-9]{1,6}))?:"),),
)


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n")]


def _fits_lines(form: _LineForm, text: str) -> bool:
    return any(map(form.start.match, _split(text)))


def _parse_lines(form: _LineForm, text: str) -> list[CpuDump]:
    sections = [section for section in _sections(form, _split(text)) if section.rows]
    return [
        _parse_section(form, section, section.cpus or str(position))
        for position, section in enumerate(sections)
    ]


def _sections(form: _LineForm, lines: Sequence[str]) -> Iterator[_Section]:
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
    yield section


def _heading(form: _LineForm, line: str) -> str | None:
    """Return which CPUs a heading names, and None for a line that is no heading."""
    for pattern in form.headings:
        if match := pattern.fullmatch(line):
            return _cpus(**match.groupdict(default=""))
    return None


def _cpus(cpu: str = "", mask: str = "") -> str:
    if mask:
        affinity = int(mask, 16)
        return ",".join(str(bit) for bit in _bits(affinity))
    return cpu and str(int(cpu))


def _parse_row(form: _LineForm, number: int, line: str) -> _Row:
    match = form.row.fullmatch(line)
    if match is None:
        raise DumpError(f"not an answer as {form.name} writes them: {line[:100]!r}", number)
    subleaf = match["subleaf"]
    return _Row(
        line=number,
        leaf=int(match["leaf"], 16),
        subleaf=None if subleaf is None else int(subleaf, 16),
        registers=Registers(*(int(match[name], 16) for name in Registers._fields)),
    )


def _parse_section(form: _LineForm, section: _Section, cpus: str) -> CpuDump:
    try:
        table = CpuidTable(_answers(section.rows))
    except ValueError as error:
        raise DumpError(f"CPU {cpus}, which begins here: {error}", section.rows[0].line) from None
    return CpuDump(cpus, table, infer_mode(table), form.name)


def _answers(rows: Sequence[_Row]) -> Iterator[tuple[Key, Registers]]:
    leaves: dict[int, list[_Row]] = {}
    for row in rows:
        leaves.setdefault(row.leaf, []).append(row)
    for leaf, repeats in leaves.items():
        # Shorter where some subleaves cannot be told: those rows are left out.
        for subleaf, row in zip(_subleaves(leaf, repeats), repeats, strict=False):
            yield (leaf, subleaf), row.registers


def _subleaves(leaf: int, rows: Sequence[_Row]) -> Sequence[int]:
    """Return the subleaf of each of a leaf's rows, as far as it can be told."""
    said = [row.subleaf for row in rows if row.subleaf is not None]
    if len(said) == len(rows):
        return said
    if said:
        raise DumpError(f"only some lines of leaf {leaf:#010x} say the subleaf", rows[0].line)
    if leaf == XSAVE_LEAF:
        return _number_xsave([row.registers for row in rows])
    return range(len(rows)) if leaf in LEAVES_WITH_SUBLEAVES else [0] * len(rows)


def _number_xsave(answers: Sequence[Registers]) -> Sequence[int]:
    """Return the subleaf of each answer of leaf 0xD, as far as it can be told.

    After subleaves 0 and 1 there is one subleaf for each component from 2 on. A program may
    show those that XCR0 or IA32_XSS may have, or XCR0's only; as many answers as components
    tell which. Or it shows every number, zeros where there is no component. Anything else
    cannot be told.
    """
    user = user_components(answers[0])
    both = user | sum(map(supervisor_components, answers[1:2]))
    shown = len(answers) - 2
    for components in (_bits(both & ~3), _bits(user & ~3)):
        if len(components) == shown:
            return [0, 1, *components]
    if all(any(answers[n]) == bool(both >> n & 1) for n in range(2, len(answers))):
        return range(len(answers))
    return [0, 1]


def _bits(mask: int) -> list[int]:
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


_JSON = "JSON"


def _fits_json(text: str) -> bool:
    return text.lstrip().startswith(("[", "{"))


def _parse_json(text: str) -> list[CpuDump]:
    """Parse ``[{"id", "cpuid", "mode"}, ...]`` or one such object; only ``cpuid`` is needed."""
    document = _load_json(text)
    entries = document if isinstance(document, list) else [document]
    if not entries:
        raise DumpError("a list without a CPU")
    return [_parse_entry(position, entry) for position, entry in enumerate(entries)]


def _load_json(text: str) -> object:
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise DumpError(f"not JSON: {error.msg}", error.lineno) from None
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, brackets nested by the thousand.
        raise DumpError(f"not JSON of a register dump: {error}") from None
    return document


def _parse_entry(position: int, entry: object) -> CpuDump:
    if not isinstance(entry, dict):
        raise DumpError(f"CPU {position}: not an object: {reprlib.repr(entry)}")
    cpus = entry.get("id", str(position))
    if not isinstance(cpus, str):
        raise DumpError(f"CPU {position}: the id is not a string: {reprlib.repr(cpus)}")
    mode = entry.get("mode", "unknown")
    if mode not in MODES:
        raise DumpError(f"CPU {cpus}: the mode is none of {MODES}: {reprlib.repr(mode)}")
    try:
        table = parse_rows(entry.get("cpuid"))
    except ValueError as error:
        raise DumpError(f"CPU {cpus}: {error}") from None
    return CpuDump(cpus, table, infer_mode(table) if mode == "unknown" else mode, _JSON)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write dumps: ``fits`` tells whether a text tries to be one."""

    name: str
    fits: Callable[[str], bool]
    parse: Callable[[str], list[CpuDump]]


FORMS = (
    Form(_AIDA64.name, partial(_fits_lines, _AIDA64), partial(_parse_lines, _AIDA64)),
    Form(_CPUID_R.name, partial(_fits_lines, _CPUID_R), partial(_parse_lines, _CPUID_R)),
    Form(_JSON, _fits_json, _parse_json),
)
