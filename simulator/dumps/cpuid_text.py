"""What plain ``cpuid`` by Todd Allen prints: each bit that it knows, in words.

Bits that have no words, and leaves that the table of labels leaves out, are unknown: so is the
number of the last leaf, which is not printed. Versions differ in their words: newer ones say
``CMOV: conditional move/compare instr`` where older ones say the second half.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from simulator.dumps.model import (
    ALL_BITS,
    REGISTERS,
    CpuDump,
    DumpError,
    KnownBits,
    make_dump,
    told_apart,
)
from simulator.facts.cpuid import RegisterName
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


#: Labels of what is no feature of facts/features.txt: leaf, subleaf, register, lowest bit, number
#: of bits. A register of edx:eax has the upper 32 bits of a number of 64 in EDX. Leaf 0x80000001
#: EDX repeats leaf 1's on AMD's CPUs. Source: as of the features' labels.
_OTHER_FIELDS = """\
0x00000001 0 eax      0  4 stepping id
0x00000001 0 eax      4  4 model
0x00000001 0 eax      8  4 family
0x00000001 0 eax     12  2 processor type
0x00000001 0 eax     16  4 extended model
0x00000001 0 eax     20  8 extended family
0x00000001 0 ebx      0  8 brand index
0x00000001 0 ebx      8  8 CLFLUSH line size
0x00000001 0 ebx     16  8 maximum IDs for CPUs in pkg
0x00000001 0 ebx     24  8 process local APIC physical ID
0x00000007 0 ecx     17  5 BNDLDX/BNDSTX MAWAU value in 64-bit mode
0x00000007 1 ebx      0  1 IA32_PPIN & IA32_PPIN_CTL MSRs supported
0x00000007 1 edx     18  1 CET_SSS: shadow stacks w/o page faults
0x0000000d 0 edx:eax  0 64 XCR0 valid bit field mask
0x0000000d 0 eax      0 32 XCR0 lower 32 bits valid bit field mask
0x0000000d 0 ebx      0 32 bytes required by fields in XCR0
0x0000000d 0 ecx      0 32 bytes required by XSAVE/XRSTOR area
0x0000000d 0 edx      0 32 XCR0 upper 32 bits valid bit field mask
0x0000000d 1 ebx      0 32 SAVE area size in bytes
0x0000000d 1 edx:ecx  0 64 IA32_XSS valid bit field mask
0x80000001 0 eax      0  4 stepping id
0x80000001 0 eax      0  4 stepping
0x80000001 0 eax      4  4 model
0x80000001 0 eax      8  4 family/generation
0x80000001 0 eax      8  4 generation
0x80000001 0 eax     16  4 extended model
0x80000001 0 eax     20  8 extended family
0x80000001 0 ebx      0 32 raw
0x80000001 0 ebx      0 16 BrandId
0x80000001 0 ebx     28  4 PkgType
0x80000001 0 edx      0  1 x87 FPU on chip
0x80000001 0 edx      1  1 virtual-8086 mode enhancement
0x80000001 0 edx      2  1 debugging extensions
0x80000001 0 edx      3  1 page size extensions
0x80000001 0 edx      4  1 time stamp counter
0x80000001 0 edx      5  1 RDMSR and WRMSR support
0x80000001 0 edx      6  1 physical address extensions
0x80000001 0 edx      7  1 machine check exception
0x80000001 0 edx      8  1 CMPXCHG8B inst.
0x80000001 0 edx      9  1 APIC on chip
0x80000001 0 edx     12  1 memory type range registers
0x80000001 0 edx     13  1 global paging extension
0x80000001 0 edx     14  1 machine check architecture
0x80000001 0 edx     15  1 conditional move/compare instruction
0x80000001 0 edx     16  1 page attribute table
0x80000001 0 edx     16  1 FP conditional move instructions
0x80000001 0 edx     17  1 page size extension
0x80000001 0 edx     23  1 MMX Technology
0x80000001 0 edx     24  1 FXSAVE/FXRSTOR
0x80000001 0 edx     24  1 extended MMX
0x80000008 0 eax      0  8 maximum physical address bits
0x80000008 0 eax      8  8 maximum linear (virtual) address bits
0x80000008 0 eax     16  8 maximum guest physical address bits
0x80000008 0 ebx     13  1 interruptible WBINVD, WBNOINVD
0x80000008 0 ebx     16  1 CPU prefers: IBRS always on
0x80000008 0 ebx     18  1 IBRS preferred over software solution
0x80000008 0 ebx     19  1 IBRS provides same mode protection
0x80000008 0 ebx     20  1 EFER[LMSLE] not supported
0x80000008 0 ebx     21  1 INVLPGB supports TLB flush guest nested
0x80000008 0 ecx     12  4 ApicIdCoreIdSize
0x80000008 0 ecx     16  2 performance time-stamp counter size
0x80000008 0 edx      0 16 max page count for INVLPGB instruction
0x80000008 0 edx     16  8 RDPRU instruction max input support
"""


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
    for line in _OTHER_FIELDS.splitlines():
        leaf, subleaf, registers, bit, width, label = line.split(maxsplit=5)
        high, _, register = cast("list[RegisterName]", registers.rpartition(":"))
        place = Place(int(subleaf), register, high or None, int(bit), int(width))
        yield int(leaf, 16), label, place
