"""/proc/vz/cpuid_override: the table of CPUID answers that containers get instead.

Source: 042stab108.1 and later trees; recordings/042stab141.3.SandyBridge.forced_cpuid_faulting.
"""

import errno
import re
from collections.abc import Iterable

from msgspec import Struct

from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable, RegisterName, Registers

MAX_ENTRIES = 16
#: A write of a page or more is refused whole.
PAGE_SIZE = 4096

_NUMBER = r"(?:0[xX])?([0-9A-Fa-f]+)"
_LINE = (
    rf"[ \t]*{_NUMBER}(?:[ \t]+{_NUMBER})?:"
    rf"[ \t]*{_NUMBER}[ \t]+{_NUMBER}[ \t]+{_NUMBER}[ \t]+{_NUMBER}[ \t]*"
)

#: The registers in which an override takes features from the node itself.
_MASKED: tuple[tuple[int, int, tuple[RegisterName, ...]], ...] = (
    (0x1, 0, ("ecx", "edx")),
    (0x7, 0, ("ebx",)),
    (0x80000001, 0, ("ecx", "edx")),
    (0xD, 1, ("eax",)),
)


class OverrideError(UserError):
    """A text that the kernel does not take, and why; ``errno`` is what a write of it ends in."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(problem)
        self.errno = number


class OverrideEntry(Struct, frozen=True, gc=False):
    """One line: the answer to a leaf, and to one subleaf of it where ``subleaf`` is given."""

    leaf: int
    subleaf: int | None
    registers: Registers

    def matches(self, leaf: int, subleaf: int) -> bool:
        """Tell whether this entry answers for the leaf and subleaf."""
        return self.leaf == leaf and self.subleaf in (None, subleaf)


def parse_override(text: str) -> tuple[OverrideEntry, ...]:
    """Parse what is written to the file; a text of blanks alone clears the table."""
    if len(text.encode("utf-8", "surrogateescape")) >= PAGE_SIZE:
        raise OverrideError(errno.E2BIG, f"the text is not under {PAGE_SIZE} bytes")
    entries = [
        _parse_line(number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip(" \t")
    ]
    if len(entries) > MAX_ENTRIES:
        raise OverrideError(errno.E2BIG, f"{len(entries)} entries, of at most {MAX_ENTRIES}")
    return tuple(entries)


def format_override(entries: Iterable[OverrideEntry]) -> str:
    """Write the table as the file reads back."""
    return "".join(map(_format_entry, entries))


def apply_override(table: CpuidTable, entries: tuple[OverrideEntry, ...]) -> CpuidTable:
    """Return what the node itself makes of its registers: what they have and the table leaves.

    Entries take features away and never add any.
    """
    masked = {}
    for leaf, subleaf, names in _MASKED:
        entry = next((entry for entry in entries if entry.matches(leaf, subleaf)), None)
        if entry is not None and (leaf, subleaf) in table:
            own = table[leaf, subleaf]
            changed = {name: getattr(own, name) & getattr(entry.registers, name) for name in names}
            masked[leaf, subleaf] = own._replace(**changed)
    return table.replace(masked)


def _parse_line(number: int, line: str) -> OverrideEntry:
    match = re.fullmatch(_LINE, line)
    if match is None:
        problem = f"line {number}: {line!r} is no 'LEAF[ SUBLEAF]: EAX EBX ECX EDX'"
        raise OverrideError(errno.EINVAL, problem)
    leaf, subleaf, *values = match.groups()
    return OverrideEntry(
        _number(leaf),
        None if subleaf is None else _number(subleaf),
        Registers(*map(_number, values)),
    )


def _number(digits: str) -> int:
    """Read a number as the kernel does: what is over 32 bits is cut off."""
    return int(digits, 16) & 0xFFFFFFFF


def _format_entry(entry: OverrideEntry) -> str:
    subleaf = "" if entry.subleaf is None else f" 0x{entry.subleaf:08x}"
    registers = " ".join(f"0x{value:08x}" for value in entry.registers)
    return f"0x{entry.leaf:08x}{subleaf}: {registers}\n"
