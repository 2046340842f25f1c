"""What hwloc-gather-cpuid gathers: a folder with a file for each processor, or its archive.

Each line of a file ``puN`` is a question and its answer, all in hexadecimal: a mask of the
registers that mattered (bit 0 EAX ... bit 3 EDX), the four that were asked with, ``=>``, the four
that came back. Sources: hwloc's tests, and hwloc 2.9.0.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from simulator.dumps.model import (
    CpuDump,
    DumpError,
    bounded_answers,
    make_whole_dump,
    told_apart,
    unsound_answer,
)
from simulator.dumps.pasted import as_lines, as_text
from simulator.facts.cpuid import Key, Registers
from vzcptcheck.outcome import printable

NAME = "hwloc"

_PROCESSOR = re.compile(r"pu(?P<cpu>[0-9]{1,6})", re.ASCII)

_ECX_MATTERED = 1 << 2
_FIGURES = r"\s+".join(["([0-9a-f]{1,8})"] * 4)
_START = re.compile(r"[^#]*=>")
_ROW = re.compile(rf"([0-9a-f]{{1,8}})\s+{_FIGURES}\s*=>\s*{_FIGURES}", re.ASCII | re.IGNORECASE)
_LONGEST_SHOWN = 100

#: A processor has some KiB.
_MOST_BYTES = 256 << 10


def is_processor(path: str) -> bool:
    """Tell whether a file is a processor's, by its name."""
    return _PROCESSOR.fullmatch(path.rpartition("/")[2]) is not None


def why_no_folder(files: Mapping[str, bytes]) -> str | None:
    """Return why files are not what hwloc gathers; None where they are."""
    return None if any(map(is_processor, files)) else "no file is named pu0, pu1..."


def parse_folder(files: Mapping[str, bytes]) -> list[CpuDump]:
    """Parse the files of a folder, by their paths: one CPU for each processor, in order.

    DumpError where processors are in several folders, which are several machines.
    """
    processors = {PurePosixPath(path): files[path] for path in files if is_processor(path)}
    folders = sorted({str(path.parent) for path in processors})
    if len(folders) > 1:
        named = ", ".join(printable(folder[:_LONGEST_SHOWN]) for folder in folders[:5])
        raise DumpError(f"processors are in several folders: {named}: take one")
    return told_apart(
        _parse_file(path, processors[path]) for path in sorted(processors, key=_number)
    )


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text is no file of a processor; None where it is one."""
    if any(map(_ROW.fullmatch, lines)):
        return None
    return "no line is like '1 0 0 0 0 => d 756e6547 6c65746e 49656e69'"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse the file of one processor."""
    return [_parse_lines(lines, "0")]


def _number(path: PurePosixPath) -> int:
    return int(path.name.removeprefix("pu"))


def _parse_file(path: PurePosixPath, data: bytes) -> CpuDump:
    if len(data) > _MOST_BYTES:
        raise DumpError(f"{path.name}: over {_MOST_BYTES >> 10} KiB, which no processor takes")
    try:
        return _parse_lines(as_lines(as_text(data)), str(_number(path)))
    except DumpError as error:
        raise DumpError(f"{path.name}: {error}") from None


def _parse_lines(lines: Iterable[str], cpus: str) -> CpuDump:
    return make_whole_dump(cpus, bounded_answers(_answers(lines)), NAME)


def _answers(lines: Iterable[str]) -> Iterator[tuple[Key, Registers]]:
    for number, line in enumerate(lines, start=1):
        match = _ROW.fullmatch(line)
        if match is None and _START.match(line):
            raise unsound_answer(NAME, number, line)
        if match is not None:
            mask, leaf, _, ecx, _, *registers = (int(figure, 16) for figure in match.groups())
            yield (leaf, ecx if mask & _ECX_MATTERED else 0), Registers(*registers)
