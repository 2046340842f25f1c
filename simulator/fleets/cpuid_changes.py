"""What differs between the answers of two CPUs to CPUID, but for what differs at every reading.

Features that the verdict on programs judges are told bit by bit, by their names; registers that
have none of them are told whole.
"""

import functools
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from simulator.facts.cpuid import (
    BRAND_LEAVES,
    PROCESSORS_OWN,
    VENDOR_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
)
from simulator.facts.features import JUDGED, OSPKE, OSXSAVE, features_in

_ALL = 0xFFFF_FFFF
_REGISTERS: tuple[RegisterName, ...] = ("eax", "ebx", "ecx", "edx")

_BRAND_KEYS: tuple[Key, ...] = tuple((leaf, 0) for leaf in BRAND_LEAVES)

#: What depends on what the kernel of a processor has set by then, and what is told otherwise: bits
#: by leaf, subleaf and register. Sources: as of PROCESSORS_OWN.
_LEFT_ASIDE: Mapping[tuple[int, int, RegisterName], int] = MappingProxyType(
    {
        (VENDOR_LEAF, 0, "ebx"): _ALL,  # the vendor's name, as the next two
        (VENDOR_LEAF, 0, "ecx"): _ALL,
        (VENDOR_LEAF, 0, "edx"): _ALL,
        OSXSAVE.location[:3]: 1 << OSXSAVE.bit,  # CR4 has it
        OSPKE.location[:3]: 1 << OSPKE.bit,  # CR4 has it
        (0xD, 0, "ebx"): _ALL,  # the area's size for what XCR0 enables
        (0xD, 1, "ebx"): _ALL,  # the same for XCR0 and IA32_XSS
    }
)


class CpuidChange(NamedTuple):
    """A bit or a register that differs, and its values; ``name`` is empty where it has none."""

    name: str
    place: str
    old: str
    new: str


def cpuid_changes(old: CpuidTable, new: CpuidTable) -> Iterator[CpuidChange]:
    """Yield what differs: the names that it has, then the rest by leaf."""
    if old.vendor != new.vendor:
        yield CpuidChange("vendor", _place((VENDOR_LEAF, 0)), old.vendor, new.vendor)
    brands = _brand(old), _brand(new)
    if None not in brands and brands[0] != brands[1]:
        yield CpuidChange("brand", _place(_BRAND_KEYS[0]), *map(str, brands))
    told = () if None in brands else _BRAND_KEYS
    for key in sorted({*old, *new}.difference(told)):
        one, other = _answer(old, key), _answer(new, key)
        if one is None or other is None:
            yield CpuidChange("", _place(key), _whole(one), _whole(other))
            continue
        for register in _REGISTERS:
            yield from _register_changes(key, register, one, other)


def _brand(table: CpuidTable) -> str | None:
    try:
        return table.brand
    except MissingLeafError:
        return None


def _answer(table: CpuidTable, key: Key) -> Registers | None:
    try:
        return table.answer(*key)
    except MissingLeafError:
        # What was recorded stands, even where the leaf that tells of it was not.
        return dict(table.items()).get(key)


def _register_changes(
    key: Key, register: RegisterName, old: Registers, new: Registers
) -> Iterator[CpuidChange]:
    one, other = getattr(old, register), getattr(new, register)
    differing = (one ^ other) & ~_left_aside(key, register)
    if not differing:
        return
    names = _names().get((*key, register))
    place = f"{_place(key)} {register}"
    if names is None:
        yield CpuidChange("", place, f"{one:#010x}", f"{other:#010x}")
        return
    for bit in range(32):
        if differing >> bit & 1:
            values = str(one >> bit & 1), str(other >> bit & 1)
            yield CpuidChange(names.get(bit, ""), f"{place} bit {bit}", *values)


def _left_aside(key: Key, register: RegisterName) -> int:
    leaf, _ = key
    return PROCESSORS_OWN.get((leaf, register), 0) | _LEFT_ASIDE.get((*key, register), 0)


@functools.cache
def _names() -> Mapping[tuple[int, int, RegisterName], Mapping[int, str]]:
    """Return the bits that have names, by the registers that hold flags."""
    names: dict[tuple[int, int, RegisterName], dict[int, str]] = {}
    for row in features_in(JUDGED):
        names.setdefault((row.leaf, row.subleaf, row.register), {})[row.bit] = row.name
    return names


def _place(key: Key) -> str:
    leaf, subleaf = key
    return f"CPUID {leaf:#010x}{f' subleaf {subleaf}' if subleaf else ''}"


def _whole(registers: Registers | None) -> str:
    """Write an answer that is on one side alone."""
    if registers is None:
        return "not recorded"
    return " ".join(f"{value:#010x}" for value in registers)
