"""What plain ``cpuid`` by Todd Allen prints: each bit that it knows, in words.

Bits that have no words, and leaves that the tables of labels leave out, are unknown: so is the
number of the last leaf, which is not printed. Versions differ in their words: newer ones say
``CMOV: conditional move/compare instr`` where older ones say the second half.
"""

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from simulator.dumps.model import CpuDump, DumpError, KnownBits, make_dump, told_apart
from simulator.facts.cpuid import ALL_BITS, REGISTERS, RegisterName
from simulator.facts.features import FEATURES

NAME = "cpuid in words"

_START = re.compile(
    r"[a-zA-Z ]+ (?:information|features?|flags) "
    r"\((?:1/e[acd]x|7|0xd/0|0x80000001/e[cd]x)\):"
)
_CPU = re.compile(r"CPU(?: *#?(?P<cpu>[0-9]{1,6}))?:", re.ASCII)
_TEXT = re.compile(r'(?P<name>vendor_id|brand)\s*=\s*"(?P<value>.*)"')
_HEADING = re.compile(
    r"[^=]*\((?:0x)?(?P<leaf>[0-9a-f]{1,8})(?:/(?P<part>\w+))?\):", re.ASCII | re.IGNORECASE
)
_FIELD = re.compile(r"(?P<label>[^=]*\S)\s*=\s*(?P<value>.*)")
_NUMBER = re.compile(r".*\((?P<decimal>[0-9]{1,20})\)|(?P<hex>0x[0-9a-f]{1,16})", re.ASCII)
_TRUTHS = {"true": 1, "false": 0}

_VENDOR_LENGTH = 12

#: Labels of what is no feature of facts/features.txt.
_OTHER_FIELDS = os.path.join(os.path.dirname(__file__), "cpuid_text.txt")


class Place(NamedTuple):
    """Where a number is: ``high`` is the register of what does not fit in the first."""

    subleaf: int
    register: RegisterName
    high: RegisterName | None
    bit: int
    width: int


class _Cpu:
    """What a CPU's lines have told so far; ``leaf`` and ``part`` are those of the last heading."""

    def __init__(self, cpus: str) -> None:
        self.cpus = cpus
        self.known = KnownBits()
        self.brand: str | None = None
        self.leaf: int | None = None
        self.part: str | None = None


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text is not that program's; None where it is."""
    if any(map(_START.fullmatch, lines)):
        return None
    return "no line is 'feature information (1/edx):'"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse every CPU. DumpError where a line contradicts another one."""
    dumps = told_apart(
        make_dump(cpu.cpus, answers, NAME, model_name=cpu.brand)
        for cpu in _cpus(lines)
        if (answers := cpu.known.answers())
    )
    if not dumps:
        raise DumpError("no line says anything in words that are known here")
    return dumps


def _cpus(lines: Iterable[str]) -> Iterator[_Cpu]:
    cpu = _Cpu("0")
    for number, line in enumerate(lines, start=1):
        if heading := _CPU.fullmatch(line):
            yield cpu
            cpu = _Cpu(str(int(heading["cpu"] or 0)))
            continue
        try:
            _read(cpu, line)
        except ValueError as error:
            raise DumpError(f"CPU {cpu.cpus}: {error}", number) from None
    yield cpu


def _read(cpu: _Cpu, line: str) -> None:
    if heading := _HEADING.fullmatch(line):
        cpu.leaf, cpu.part = int(heading["leaf"], 16), heading["part"]
    elif line.endswith(":"):
        cpu.leaf = None
    elif text := _TEXT.fullmatch(line):
        _read_text(cpu, text["name"], text["value"])
    elif cpu.leaf is not None and (said := _FIELD.fullmatch(line)):
        _read_field(cpu, said["label"], said["value"])


def _read_text(cpu: _Cpu, name: str, value: str) -> None:
    if name == "brand":
        cpu.brand = " ".join(value.split()) or None
    elif len(value) == _VENDOR_LENGTH and value.isascii():
        cpu.known.add_vendor(value)


def _read_field(cpu: _Cpu, label: str, value: str) -> None:
    leaf = cpu.leaf or 0
    place = _labels().get((leaf, label)) or _labels().get((leaf, _short(label)))
    if place is None or (cpu.part in REGISTERS and cpu.part != place.register):
        return
    number = _number(value)
    if number is None or number >> place.width:
        return
    key = leaf, place.subleaf
    mask = (1 << place.width) - 1
    cpu.known.add(key, place.register, number << place.bit & ALL_BITS, mask << place.bit & ALL_BITS)
    if place.high is not None:
        cpu.known.add(key, place.high, number >> 32)


def _number(value: str) -> int | None:
    """Read true and false, 0x1f (31), words (31), 0x000000000000001f; None for anything else."""
    if value in _TRUTHS:
        return _TRUTHS[value]
    match = _NUMBER.fullmatch(value)
    if match is None:
        return None
    return int(match["hex"], 16) if match["hex"] else int(match["decimal"])


def _short(label: str) -> str:
    """Take off what newer versions put before a label."""
    return label.partition(": ")[2] or label


@functools.cache
def _labels() -> Mapping[tuple[int, str], Place]:
    """Read the table: places by leaf and label, as newer and as older versions write it."""
    places: dict[tuple[int, str], Place] = {}
    for leaf, label, place in labelled_fields():
        places[leaf, label] = place
        places.setdefault((leaf, _short(label)), place)
    return places


def labelled_fields() -> Iterator[tuple[int, str, Place]]:
    """Yield each leaf's labels, and where what they are of is."""
    for feature in FEATURES:
        place = Place(feature.subleaf, feature.register, None, feature.bit, 1)
        yield from ((feature.leaf, label, place) for label in feature.labels)
    with open(_OTHER_FIELDS, encoding="utf-8") as file:
        rows = [line for line in file.read().splitlines() if not line.startswith("#")]
    for row in rows:
        leaf, subleaf, registers, bit, width, label = row.split(maxsplit=5)
        high, _, register = cast("list[RegisterName]", registers.rpartition(":"))
        place = Place(int(subleaf), register, high or None, int(bit), int(width))
        yield int(leaf, 16), label, place
