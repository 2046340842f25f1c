"""What CPUID tells of caches, and of a processor's place."""

import pytest

from simulator.facts.cpu_layout import Cache, Place, apic_id, caches_of, place_of
from simulator.facts.cpuid import Key, Registers
from support.simulated_nodes import AMD, INTEL, cpu

KIB, MIB = 1 << 10, 1 << 20

Rows = dict[Key, tuple[int, int, int, int]]

#: Leaf 4 of a w7-2475X, as InstLatx64 has it, and what it says of each.
LEAF_4: Rows = {
    (0x4, 0): (0xFC004121, 0x02C0003F, 0x0000003F, 0),
    (0x4, 1): (0xFC004122, 0x01C0003F, 0x0000003F, 0),
}
W7_CACHES = [
    Cache(1, "Data", 48 * KIB, 64, 12, sharing=2),
    Cache(1, "Instruction", 32 * KIB, 64, 8, sharing=2),
]

#: Leaves of an Opteron under qemu, whose kernel prints "cache size : 512 KB" (a captured node).
OPTERON: Rows = {
    (0x8000_0000, 0): (0x8000_0008, 0, 0, 0),
    (0x8000_0005, 0): (0x01FF01FF, 0x01FF01FF, 0x40020140, 0x40020140),
    (0x8000_0006, 0): (0, 0x42004200, 0x02008140, 0x00808140),
}
OPTERON_CACHES = [
    Cache(1, "Data", 64 * KIB, 64, 2),
    Cache(1, "Instruction", 64 * KIB, 64, 2),
    Cache(2, "Unified", 512 * KIB, 64, 16),
    Cache(3, "Unified", 16 * MIB, 64, 16),
]

CACHES: dict[str, tuple[str, Rows, list[Cache]]] = {
    "leaf 4": (INTEL, LEAF_4, W7_CACHES),
    "leaf 4 ends with no type": (INTEL, {**LEAF_4, (0x4, 2): (0, 0, 0, 0)}, W7_CACHES),
    "Intel without": (INTEL, OPTERON, []),
    "AMD's leaves": (AMD, OPTERON, OPTERON_CACHES),
    "AMD's list": (
        AMD,
        {**OPTERON, (0x8000_001D, 0): (0x4163, 0x03C0003F, 0x7FFF, 1)},
        [Cache(3, "Unified", 32 * MIB, 64, 16, sharing=2)],
    ),
    "fully associative": (
        AMD,
        {
            (0x8000_0005, 0): (0, 0, 0x20FF0140, 0),
            (0x8000_0006, 0): (0, 0, 0x0200F140, 0),
        },
        [Cache(1, "Data", 32 * KIB, 64, 512), Cache(2, "Unified", 512 * KIB, 64, 8192)],
    ),
    "ways told elsewhere": (
        AMD,
        {(0x8000_0006, 0): (0, 0, 0, 0x0A009140)},
        [Cache(3, "Unified", 320 * MIB, 64, None)],
    ),
    "AMD without": (AMD, {}, []),
}


@pytest.mark.parametrize("name", CACHES)
def test_caches_are_as_leaves_tell(name: str) -> None:
    vendor, rows, caches = CACHES[name]
    table = cpu(vendor=vendor).replace({key: Registers(*row) for key, row in rows.items()})
    assert caches_of(table) == caches


def test_sets_follow_from_the_size() -> None:
    assert [one.sets for one in W7_CACHES] == [64, 64]
    assert Cache(3, "Unified", 320 * MIB, 64, None).sets is None


#: Leaf 1 says the APIC id, how many ids a package has, and that those count (bit 28).
def leaf_1(apic: int, count: int, *, counts: bool = True) -> Rows:
    return {(0x1, 0): (0x000206D7, apic << 24 | count << 16, 0, int(counts) << 28)}


FOUR_CORES: Rows = {(0x4, 0): (3 << 26 | 0x121, 0, 0, 0)}
SIZES: Rows = {(0x8000_0000, 0): (0x8000_001E, 0, 0, 0)}

PLACES: dict[str, tuple[str, Rows, Place | None]] = {
    "levels": (
        INTEL,
        {(0xB, 0): (1, 2, 0x100, 0x2B), (0xB, 1): (5, 24, 0x201, 0x2B)},
        Place(1, 5),
    ),
    "leaf 4, two threads a core": (INTEL, {**leaf_1(0x1B, 8), **FOUR_CORES}, Place(3, 1)),
    "leaf 4, more cores than ids": (INTEL, {**leaf_1(0x1B, 2), **FOUR_CORES}, Place(13, 1)),
    "leaf 4 is not recorded": (INTEL, leaf_1(0x1B, 8), None),
    "the first is so anywhere": (INTEL, leaf_1(0, 8), Place(0, 0)),
    "a core a package": (INTEL, leaf_1(3, 0, counts=False), Place(3, 0)),
    "AMD, the width is told": (
        AMD,
        {
            **leaf_1(0x1B, 8),
            **SIZES,
            (0x8000_0008, 0): (0, 0, 0x4007, 0),
            (0x8000_001E, 0): (0, 0x100, 0, 0),
        },
        Place(1, 5),
    ),
    "AMD, the width is counted": (
        AMD,
        {
            **leaf_1(0x1B, 8),
            **SIZES,
            (0x8000_0008, 0): (0, 0, 0x0005, 0),
            (0x8000_001E, 0): (0, 0, 0, 0),
        },
        Place(3, 3),
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_as_leaves_tell(name: str) -> None:
    vendor, rows, place = PLACES[name]
    table = cpu(vendor=vendor).replace({key: Registers(*row) for key, row in rows.items()})
    assert place_of(table) == place


def test_an_apic_id_has_more_than_eight_bits_where_levels_are_told() -> None:
    rows = {(0xB, 0): Registers(1, 2, 0x100, 0x12B), (0xB, 1): Registers(5, 24, 0x201, 0x12B)}
    assert apic_id(cpu().replace(rows)) == 0x12B
    empty = {(0xB, 0): Registers(0, 0, 0, 0x12B), (0xB, 1): Registers(0, 0, 1, 0x12B)}
    assert apic_id(cpu().replace(empty)) == 0
