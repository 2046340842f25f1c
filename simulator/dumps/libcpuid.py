"""libcpuid's raw data: ``basic_cpuid[1]=EAX EBX ECX EDX``, one array for each kind of leaf.

Sources: libcpuid's tests, and what ``cpuid_tool --save`` of 0.6.2 writes. Older versions know one
CPU and write no headings; its tests end with rows of dashes and what the library should find.
"""

import re
from collections.abc import Iterable, Iterator

from simulator.dumps.model import (
    MOST_ANSWERS_OF_CPU,
    CpuDump,
    DumpError,
    make_whole_dump,
    told_apart,
    too_many_answers,
    unsound_answer,
)
from simulator.facts.cpuid import ZEROS, Key, Registers

NAME = "libcpuid raw"

_EXTENDED = 0x8000_0000

_START = re.compile(r"(?:basic_cpuid|ext_cpuid|(?:intel|amd)_fn[0-9a-f]+h?)\s*\[")
_ROW = re.compile(
    r"(?P<array>\w+?)(?:_fn(?P<leaf>[0-9a-f]{1,8}h?))?\s*\[(?P<number>[0-9]{1,4})\]\s*=\s*"
    r"([0-9a-f]{1,8})\s+([0-9a-f]{1,8})\s+([0-9a-f]{1,8})\s+([0-9a-f]{1,8})",
    re.ASCII,
)
_HEADING = re.compile(r"_+\s*Logical CPU #(?P<cpu>[0-9]{1,6})\s*_+", re.ASCII)
_END = re.compile(r"-{8,}")

#: The first answer of a CPU in older versions, which have no headings.
_FIRST = re.compile(r"basic_cpuid\s*\[0+\]")


class _Cpu:
    """The answers of one CPU: of leaves each by itself, and of leaves that have an array."""

    def __init__(self, cpus: str, line: int) -> None:
        self.cpus = cpus
        self.line = line
        self.count = 0
        self.leaves: list[tuple[Key, Registers]] = []
        self.arrays: dict[int, list[tuple[Key, Registers]]] = {}

    def answers(self) -> Iterator[tuple[Key, Registers]]:
        """Yield them; an array of zeros alone was not gathered if nothing else bears it out.

        The library writes every array that its version knows, those that it only read from a
        file of an older version too. Where an array was gathered it says its subleaves, and the
        answer to that leaf by itself says none: it may have been another thread's.
        """
        alone = dict(self.leaves)
        gathered = [
            leaf
            for leaf, array in self.arrays.items()
            if any(registers != ZEROS for _, registers in array) or alone.get((leaf, 0)) == ZEROS
        ]
        told = [one for leaf in gathered for one in self.arrays[leaf]]
        keys = {key for key, _ in told}
        yield from told
        yield from (one for one in self.leaves if one[0] not in keys)


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text is no such data; None where it is."""
    if any(map(_START.match, lines)):
        return None
    return "no line begins like 'basic_cpuid[0]='"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse every CPU. DumpError where one is not sound."""
    cpus = (cpu for cpu in _cpus(lines) if cpu.leaves or cpu.arrays)
    dumps = told_apart(make_whole_dump(cpu.cpus, cpu.answers(), NAME, cpu.line) for cpu in cpus)
    if not dumps:
        raise DumpError("no CPU comes before the row of dashes")
    return dumps


def _cpus(lines: Iterable[str]) -> Iterator[_Cpu]:
    cpu = _Cpu("0", 1)
    count = 1
    for number, line in enumerate(lines, start=1):
        heading = _HEADING.fullmatch(line)
        if _END.fullmatch(line):
            break
        if heading or (_FIRST.match(line) and cpu.leaves):
            yield cpu
            cpu = _Cpu(str(int(heading["cpu"])) if heading else str(count), number)
            count += 1
        if _START.match(line):
            _add(cpu, number, line)
            cpu.count += 1
            if cpu.count > MOST_ANSWERS_OF_CPU:
                raise too_many_answers(number)
    yield cpu


def _add(cpu: _Cpu, number: int, line: str) -> None:
    match = _ROW.fullmatch(line)
    if match is None:
        raise unsound_answer(NAME, number, line)
    index = int(match["number"])
    registers = Registers(*(int(figure, 16) for figure in match.groups()[-4:]))
    if match["leaf"] is None:
        first = _EXTENDED if match["array"] == "ext_cpuid" else 0
        cpu.leaves.append(((first + index, 0), registers))
        return
    leaf = _leaf(match["leaf"], number)
    cpu.arrays.setdefault(leaf, []).append(((leaf, index), registers))


def _leaf(name: str, line: int) -> int:
    """Return the leaf of an array: hexadecimal with an h, as in 8000001dh, else decimal."""
    try:
        return int(name[:-1], 16) if name.endswith("h") else int(name)
    except ValueError:
        raise DumpError(f"not a leaf as {NAME} writes it: {name}", line) from None
