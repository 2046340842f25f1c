"""Xen's sets of features, in words of 32 bits: of ``xl info``, ``xe host-cpu-info``, ``xen-cpuid``.

``Raw`` of xen-cpuid is what CPUID answers: whole registers. All others are what is left when Xen,
its command line and a pool have taken bits away, so a bit that is clear tells nothing; and bits
that Xen offers on its own account tell nothing at all (``named``). Sources: Xen
xen/include/public/arch-x86/cpufeatureset.h and xen/include/asm-x86/cpufeature.h before 4.7,
xen/arch/x86/cpu-policy.c, tools/misc/xen-cpuid.c; the XenServer SDK, host.cpu_info.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from simulator.dumps.model import CpuDump, DumpError, KnownBits, make_dump, told_apart
from simulator.dumps.named import add_offered
from simulator.facts.cpuid import ALL_BITS, XSAVE_LEAF, Key, RegisterName
from simulator.facts.features import LONG_MODE

NAME = "Xen's featureset"

_Word = tuple[Key, RegisterName]

#: The words of a set since Xen 4.7. Those that come after have no feature of the table.
_WORDS: tuple[_Word, ...] = (
    ((0x1, 0), "edx"),
    ((0x1, 0), "ecx"),
    ((0x8000_0001, 0), "edx"),
    ((0x8000_0001, 0), "ecx"),
    ((XSAVE_LEAF, 1), "eax"),
    ((0x7, 0), "ebx"),
    ((0x7, 0), "ecx"),
    ((0x8000_0007, 0), "edx"),
    ((0x8000_0008, 0), "ebx"),
    ((0x7, 0), "edx"),
    ((0x7, 1), "eax"),
)

#: The words before, by their places; the others were Xen's own.
_OLD_WORDS: tuple[_Word | None, ...] = (
    ((0x1, 0), "edx"),
    ((0x8000_0001, 0), "edx"),
    None,
    None,
    ((0x1, 0), "ecx"),
    None,
    ((0x8000_0001, 0), "ecx"),
)

#: Four words: XenServer before 7.
_OF_XENSERVER: tuple[_Word, ...] = (
    ((0x1, 0), "ecx"),
    ((0x1, 0), "edx"),
    ((0x8000_0001, 0), "ecx"),
    ((0x8000_0001, 0), "edx"),
)

#: Bits of leaf 1 EDX that leaf 0x80000001 EDX never has: 10, PN, DS, HT.
_NEVER_EXTENDED = 1 << 10 | 1 << 18 | 1 << 21 | 1 << 28
_FIGURES = r"(?P<words>[0-9a-f]{8}(?:[:-][0-9a-f]{8}){3,31})"
_SET = re.compile(
    rf"(?P<name>hw_caps|physical_features|features(?:_pv|_hvm)?(?:_host)?)\s*:\s*{_FIGURES}"
    rf"|(?P<dynamic>Raw|Host)\s+{_FIGURES.replace('words', 'shown')}",
    re.ASCII,
)
_START = re.compile(
    r"(?:hw_caps|physical_features|features(?:_pv|_hvm)?(?:_host)?)\s*:\s*[0-9a-f]{8}[:-]"
    r"|(?:Raw|Host)\s+[0-9a-f]{8}:"
)
_FACT = re.compile(r"(?P<key>vendor|family|model|stepping|modelname)\s*:\s*(?P<value>.*)")
_NUMBER = re.compile("[0-9]{1,5}", re.ASCII)
_VENDOR_LENGTH = 12


class _Cpu:
    def __init__(self) -> None:
        self.known = KnownBits()
        self.facts: dict[str, str] = {}
        self.sets: set[str] = set()
        self.is_told = False


def why_not(lines: Iterable[str]) -> str | None:
    """Return why a text has no set of Xen's; None where it has."""
    if any(_START.match(part) for _, part in _parts(lines)):
        return None
    return "no line is 'hw_caps : bfebfbff:...' or 'Raw  bfebfbff:...'"


def parse(lines: Iterable[str]) -> list[CpuDump]:
    """Parse each host. DumpError where a set is not sound."""
    return told_apart(_dump(number, cpu) for number, cpu in enumerate(_cpus(lines)))


def _dump(number: int, cpu: _Cpu) -> CpuDump:
    facts = cpu.facts
    vendor = facts.get("vendor", "")
    if len(vendor) == _VENDOR_LENGTH and vendor.isascii():
        cpu.known.add_vendor(vendor)
    figures = [facts.get(key, "") for key in ("family", "model", "stepping")]
    if all(map(_NUMBER.fullmatch, figures)):
        try:
            cpu.known.add_signature(*map(int, figures))
        except ValueError as error:
            raise DumpError(str(error)) from None
    name = " ".join(facts.get("modelname", "").split())
    return make_dump(str(number), cpu.known.answers(), NAME, model_name=name or None)


def _parts(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers; ``xe host-list`` has several in one."""
    for number, line in enumerate(lines, start=1):
        yield from ((number, part.strip()) for part in line.split(";"))


def _cpus(lines: Iterable[str]) -> Iterator[_Cpu]:
    """Yield hosts; of sets in an order that is not known, what others tell will do."""
    cpu = _Cpu()
    for number, line in _parts(lines):
        if fact := _FACT.fullmatch(line):
            cpu.facts.setdefault(fact["key"], fact["value"])
        elif _START.match(line):
            found = _SET.fullmatch(line)
            if found is None:
                raise DumpError(f"not words of 32 bits: {line[:100]!r}", number)
            name = found["name"] or found["dynamic"]
            if name in cpu.sets:
                yield cpu
                cpu = _Cpu()
            cpu.sets.add(name)
            if name != "Raw" and "Raw" in cpu.sets:
                continue
            words = [int(one, 16) for one in re.split("[:-]", found["words"] or found["shown"])]
            order = _order(words)
            cpu.is_told |= order is not None
            _add_set(cpu.known, name, zip(order or (), words, strict=False), number)
    if not cpu.is_told:
        raise DumpError("the words are in no order that is known: none tells of long mode", number)
    yield cpu


def _add_set(
    known: KnownBits, name: str, words: Iterable[tuple[_Word | None, int]], line: int
) -> None:
    for place, word in words:
        if place is None:
            continue
        key, register = place
        if name != "Raw":
            add_offered(known, key, register, word)
            continue
        try:
            known.add(key, register, word, ALL_BITS)
        except ValueError as error:
            raise DumpError(str(error), line) from None


def _order(words: Sequence[int]) -> Sequence[_Word | None] | None:
    """Return the places of words; None where no order is known that they are in.

    Xen needs long mode, so leaf 0x80000001 EDX tells the order.
    """
    if len(words) == len(_OF_XENSERVER):
        return _OF_XENSERVER
    if _is_extended(words[2]):
        return _WORDS
    return _OLD_WORDS if _is_extended(words[1]) else None


def _is_extended(word: int) -> bool:
    """Tell whether a word may be leaf 0x80000001 EDX."""
    return bool(word >> LONG_MODE.bit & 1) and not word & _NEVER_EXTENDED
