"""What programs get from a CPU: instruction sets by their CPUID bits, and XSAVE's area.

The kernel compares 19 of these; data/instructions.tsv has the others too.
"""

import csv
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from simulator.facts.capabilities import PLACES, NodeFacts, shown_registers
from simulator.facts.cpuid import (
    XSAVE_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
    user_components,
)
from simulator.facts.override import OverrideEntry

#: XSAVE's components by their bit. The kernels enable the first three from Linux 2.6.30 on.
#: That one of them enables those after is not known, and taken for granted: a component that
#: programs cannot use is no loss, one that is overlooked is. Later ones take newer kernels.
COMPONENTS = (
    "x87",
    "SSE",
    "AVX",
    "MPX bounds",
    "MPX configuration",
    "AVX-512 masks",
    "AVX-512 upper halves",
    "AVX-512 upper registers",
)

#: x87 and SSE are in the first 512 bytes, as FXSAVE has them where there is no XSAVE. Then come
#: XSAVE's header, which says nothing of them, and AVX, to which every CPU gives the same place.
_FXSAVE_SIZE = 512
_AVX = 2
_AVX_END = 832

#: AVX and those after it, which XSAVE alone saves.
_XSAVED = (1 << len(COMPONENTS)) - (1 << _AVX)


@dataclass(frozen=True, slots=True)
class Instructions:
    """One row of the table: a CPUID bit, and what becomes of a program that loses it."""

    name: str
    leaf: int
    subleaf: int
    register: RegisterName
    bit: int
    effect: str
    state: str

    @property
    def place(self) -> str:
        """Say where CPUID has the bit."""
        subleaf = f" subleaf {self.subleaf}" if self.subleaf else ""
        return f"CPUID {self.leaf:#010x}{subleaf} {self.register} bit {self.bit}"


@dataclass(frozen=True, slots=True)
class XsaveArea:
    """What a process's FPU state is saved in, in XSAVE's standard form.

    ``components`` is a mask of those that XSAVE alone saves (AVX and later), ``size`` in bytes is
    where the last of them ends, ``offsets`` are pairs of a component after AVX and where it
    begins. Without any it is FXSAVE's area.
    """

    components: int = 0
    size: int = _FXSAVE_SIZE
    offsets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CpuSide:
    """A node's CPUs as programs in containers see them; masks are over ``load_instructions()``.

    ``shown``: CPUID tells of it on some CPU; ``usable``: it works on all of them; both may
    hold of more (``may_be_``) where a leaf was not recorded. ``area`` is None where it is not
    known. ``vendor`` is empty on ia64, which has no CPUID.
    """

    vendor: str = ""
    shown: int = 0
    may_be_shown: int = 0
    usable: int = 0
    may_be_usable: int = 0
    area: XsaveArea | None = XsaveArea()


@functools.cache
def load_instructions() -> tuple[Instructions, ...]:
    """Read the table."""
    text = resources.files("simulator").joinpath("data", "instructions.tsv").read_text("utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    return tuple(map(_instructions, csv.DictReader(lines, delimiter="\t")))


@functools.cache
def rows_by_leaf() -> Mapping[Key, Sequence[tuple[Instructions, int]]]:
    """Sort the rows by leaf and subleaf, each with its bit in masks."""
    sorted_rows: dict[Key, list[tuple[Instructions, int]]] = {}
    for number, row in enumerate(load_instructions()):
        sorted_rows.setdefault((row.leaf, row.subleaf), []).append((row, 1 << number))
    return sorted_rows


def named(mask: int) -> Iterator[Instructions]:
    """Yield the rows of a mask."""
    rows = load_instructions()
    while mask:
        lowest = mask & -mask
        yield rows[lowest.bit_length() - 1]
        mask ^= lowest


def cpu_side(facts: NodeFacts, cpus: Iterable[CpuidTable]) -> CpuSide:
    """Return what of a node's CPUs matters to programs: the facts' kernel, and all its CPUs."""
    if facts.cpuid is None:
        return CpuSide()
    uses_xsave = facts.release.generation.enables_xsave and _kernel_sees_xsave(facts, facts.cpuid)
    disabled = 0 if uses_xsave else _xsave_rows()
    hidden = _hidden(facts.override) if facts.release.generation.masked_cpuid else 0
    shown = may_be_shown = 0
    usable = may_be_usable = ~disabled
    for table in cpus:
        has, may_have = _masks(table)
        usable &= has
        may_be_usable &= may_have
        shown |= has & ~disabled & ~hidden
        may_be_shown |= may_have & ~disabled & ~hidden
    # The kernel asks its first CPU alone what XSAVE has.
    area = _area(facts.cpuid) if uses_xsave else XsaveArea()
    return CpuSide(facts.cpuid.vendor, shown, may_be_shown, usable, may_be_usable, area)


def _instructions(row: dict[str, str]) -> Instructions:
    return Instructions(
        name=row["name"],
        leaf=int(row["leaf"], 16),
        subleaf=int(row["subleaf"], 16),
        register=row["register"],  # type: ignore[arg-type]
        bit=int(row["bit"]),
        effect=row["effect"],
        state=row["state"],
    )


@functools.cache
def _xsave_rows() -> int:
    rows = enumerate(load_instructions())
    return sum(1 << number for number, row in rows if row.state == "xsave")


def _kernel_sees_xsave(facts: NodeFacts, cpuid: CpuidTable) -> bool:
    """Tell whether the kernel turns XSAVE on: boot options may hide it, an override does not."""
    return shown_registers(cpuid, facts.boot_options).has_bit(*PLACES["xsave"])


def _masks(table: CpuidTable) -> tuple[int, int]:
    """Return what a CPU has, and what it may have: all of a leaf that was not recorded."""
    has = may_have = 0
    for (leaf, subleaf), rows in rows_by_leaf().items():
        try:
            own = _set_in(table.answer(leaf, subleaf), rows)
        except MissingLeafError:
            may_have |= sum(bit for _, bit in rows)
        else:
            has |= own
            may_have |= own
    return has, may_have


def _set_in(registers: Registers, rows: Iterable[tuple[Instructions, int]]) -> int:
    return sum(bit for row, bit in rows if getattr(registers, row.register) >> row.bit & 1)


def _hidden(override: Iterable[OverrideEntry]) -> int:
    """Return what CPUID does not tell in containers: /proc/vz/cpuid_override answers instead.

    That may show what the CPU has not; a program that believes it has crashed already.
    """
    hidden = 0
    for (leaf, subleaf), rows in rows_by_leaf().items():
        entry = next((entry for entry in override if entry.matches(leaf, subleaf)), None)
        if entry is not None:
            hidden |= sum(bit for _, bit in rows) - _set_in(entry.registers, rows)
    return hidden


def _area(table: CpuidTable) -> XsaveArea | None:
    """Return the area that XSAVE saves to; None where a leaf that tells was not recorded.

    Source: Intel SDM volume 1, 13.4: subleaf N of leaf 0xD has component N's size in EAX and
    its offset in EBX.
    """
    try:
        components = user_components(table.answer(XSAVE_LEAF, 0)) & _XSAVED
        end = _AVX_END if components >> _AVX & 1 else _FXSAVE_SIZE
        offsets = []
        for number in range(_AVX + 1, len(COMPONENTS)):
            if components >> number & 1:
                size, offset, _, _ = table.answer(XSAVE_LEAF, number)
                offsets.append((number, offset))
                end = max(end, offset + size)
    except MissingLeafError:
        return None
    return XsaveArea(components, end, tuple(offsets))
