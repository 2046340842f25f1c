"""What FreeBSD prints of the CPU as it boots: registers of CPUID in hexadecimal, with names.

Lines that are not there tell nothing: a register that is zero has none. FreeBSD itself clears HTT,
MONITOR, FSGSBASE and SMEP on some machines, so those tell something only where they are set.
Source: FreeBSD sys/x86/x86/identcpu.c, printcpuinfo() and identify_cpu(), 6 to 14.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from simulator.dumps.model import CpuDump, DumpError, KnownBits, make_dump, told_apart
from simulator.facts.cpuid import ALL_BITS, XSAVE_LEAF, Key, RegisterName

NAME = "FreeBSD's dmesg"

_REGISTERS: Mapping[str, tuple[Key, RegisterName]] = {
    "Features": ((0x1, 0), "edx"),
    "Features2": ((0x1, 0), "ecx"),
    "AMD Features": ((0x8000_0001, 0), "edx"),
    "AMD Features2": ((0x8000_0001, 0), "ecx"),
    "Structured Extended Features": ((0x7, 0), "ebx"),
    "Structured Extended Features2": ((0x7, 0), "ecx"),
    "Structured Extended Features3": ((0x7, 0), "edx"),
    "Structured Extended Features4": ((0x7, 1), "eax"),
    "XSAVE Features": ((XSAVE_LEAF, 1), "eax"),
    "AMD Extended Feature Extensions ID EBX": ((0x8000_0008, 0), "ebx"),
}

#: Bits that FreeBSD may have cleared: HTT, MONITOR, FSGSBASE and SMEP.
_CLEARED: Mapping[str, int] = {
    "Features": 1 << 28,
    "Features2": 1 << 3,
    "Structured Extended Features": 1 << 0 | 1 << 7,
}

_CPU = re.compile(r"CPU:\s*(?P<name>.+?)\s*\([0-9.]+-MHz .*\)")
_FEATURES = re.compile(r"(?P<name>[A-Z][A-Za-z ]{0,60}[0-9]?)\s{0,4}=\s{0,4}0x(?P<value>\w+)")
_ORIGIN = re.compile(r'Origin\s*=\s*"(?P<vendor>[^"]{12})"\s+Id\s*=\s*0x(?P<signature>[0-9a-f]+)\b')
_NUMBER = re.compile(r"[0-9a-fA-F]{1,8}", re.ASCII)


class _Cpu:
    def __init__(self) -> None:
        self.name: str | None = None
        self.known = KnownBits()
        self.is_told = False


def why_not(lines: Sequence[str]) -> str | None:
    """Return why a text is not what FreeBSD prints; None where it is."""
    if any(line.startswith("Features") and _FEATURES.match(line) for line in lines):
        return None
    return "no line is 'Features=0x...<FPU,...>'"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse the CPU of each boot. DumpError where a line is not sound."""
    dumps = told_apart(
        make_dump(str(number), cpu.known.answers(), NAME, model_name=cpu.name)
        for number, cpu in enumerate(_cpus(lines))
    )
    if not dumps:
        raise DumpError("no CPU is told of")
    return dumps


def _cpus(lines: Iterable[str]) -> Iterator[_Cpu]:
    cpu = _Cpu()
    for number, line in enumerate(lines, start=1):
        if heading := _CPU.fullmatch(line):
            if cpu.is_told:
                yield cpu
            cpu = _Cpu()
            cpu.name = heading["name"]
            continue
        try:
            _read(cpu, line)
        except ValueError as error:
            raise DumpError(str(error), number) from None
    if cpu.is_told:
        yield cpu


def _read(cpu: _Cpu, line: str) -> None:
    if origin := _ORIGIN.match(line):
        if origin["vendor"].isascii():
            cpu.known.add_vendor(origin["vendor"])
        cpu.known.add((0x1, 0), "eax", _number(origin["signature"]))
        cpu.is_told = True
    elif (features := _FEATURES.match(line)) and (name := features["name"].rstrip()) in _REGISTERS:
        key, register = _REGISTERS[name]
        value = _number(features["value"])
        known = ALL_BITS & ~(_CLEARED.get(name, 0) & ~value)
        cpu.known.add(key, register, value, known)
        cpu.is_told = True


def _number(figure: str) -> int:
    if not _NUMBER.fullmatch(figure):
        raise ValueError(f"not a number of 32 bits: 0x{figure[:20]}")
    return int(figure, 16)
