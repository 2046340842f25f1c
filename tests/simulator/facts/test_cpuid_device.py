"""What the CPUID device answers to leaves that the CPU lacks, and to those that nobody recorded."""

import pytest

from simulator.facts.cpuid import (
    ZEROS,
    CpuidTable,
    Key,
    MissingLeafError,
    Partly,
    Registers,
)
from simulator.facts.cpuid_device import device_answer
from support.simulated_nodes import AMD, EVERYTHING, INTEL, cpu
from support.simulated_profiles import recorded_nodes

#: Where the ranges of leaves begin that Todd Allen's cpuid reads.
RANGES = (0x0, 0x2000_0000, 0x4000_0000, 0x4000_0100, 0x8000_0000, 0x8086_0000, 0xC000_0000)

HYPERVISOR = Registers(0x4000_0001, 0x5447_4354, 0x4354_4743, 0x4743_5447)
TOLD = Registers(1, 2, 3, 4)


def with_rows(rows: dict[Key, Registers], vendor: str = INTEL) -> CpuidTable:
    """Return a CPU with these answers; its highest basic leaf is 0x1F."""
    table = cpu(vendor=vendor)
    return table.replace({(0x0, 0): table[0x0, 0]._replace(eax=0x1F), **rows})


#: The vendor's name, CentaurHauls.
CENTAUR = {(0x0, 0): Registers(0x1F, 0x746E6543, 0x736C7561, 0x48727561)}

#: Leaf 1 says that there is a hypervisor (ECX bit 31).
VIRTUAL = {(0x1, 0): Registers(0x000206D7, 0, 1 << 31, 0)}

LAST = {(0x1F, 0): TOLD}
LEVELS = {(0xB, 0): Registers(1, 2, 0x100, 7), (0xB, 1): Registers(4, 8, 0x201, 7)}

ANSWERS: dict[str, tuple[CpuidTable, Key, Registers]] = {
    "recorded": (cpu(*EVERYTHING), (0xD, 1), cpu(*EVERYTHING)[0xD, 1]),
    "Intel, beyond the last": (with_rows(LAST), (0x20, 0), TOLD),
    "Intel, between ranges": (with_rows(LAST), (0x2000_0000, 0), TOLD),
    "Intel, no hypervisor": (with_rows(LAST), (0x4000_0000, 0), TOLD),
    "Intel, Transmeta's range": (with_rows(LAST), (0x8086_0000, 0), TOLD),
    "Intel, extended": (with_rows(LAST), (0x8000_0008, 0), TOLD),
    "AMD, beyond the last": (with_rows(LAST, vendor=AMD), (0x20, 0), ZEROS),
    "AMD, extended": (with_rows(LAST, vendor=AMD), (0x8000_0008, 0), ZEROS),
    "AMD, between ranges": (with_rows(LAST, vendor=AMD), (0x2000_0000, 0), ZEROS),
    "Centaur, own range": (
        with_rows({**CENTAUR, (0xC000_0000, 0): Registers(0xC000_0001, 0, 0, 0)}),
        (0xC000_0000, 0),
        Registers(0xC000_0001, 0, 0, 0),
    ),
    "Centaur, own range is not recorded": (with_rows(CENTAUR), (0xC000_0001, 0), ZEROS),
    "hypervisor": (
        with_rows({**VIRTUAL, (0x4000_0000, 0): HYPERVISOR}),
        (0x4000_0000, 0),
        HYPERVISOR,
    ),
    "hypervisor, not recorded": (with_rows({**LAST, **VIRTUAL}), (0x4000_0010, 0), ZEROS),
    "no subleaves": (with_rows({(0x5, 0): TOLD}), (0x5, 3), TOLD),
    "leaf 1 has none": (cpu(*EVERYTHING), (0x1, 9), cpu(*EVERYTHING)[0x1, 0]),
    "subleaf": (with_rows({(0x4, 0): TOLD, (0x4, 1): HYPERVISOR}), (0x4, 1), HYPERVISOR),
    "after the last cache": (with_rows({(0x4, 0): TOLD}), (0x4, 5), ZEROS),
    "after the last level": (with_rows(LEVELS), (0xB, 0x102), Registers(0, 0, 2, 7)),
    "levels not recorded": (with_rows({}), (0xB, 1), ZEROS),
    "describes, not recorded": (with_rows({}), (0x2, 0), ZEROS),
    "AVX's place": (cpu("xsave", "avx"), (0xD, 2), Registers(0x100, 0x240, 0, 0)),
    "no such state": (cpu(), (0xD, 9), ZEROS),
    "feature subleaf beyond the last": (cpu(), (0x7, 1), ZEROS),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_as_the_cpu_gives_it(name: str) -> None:
    table, key, expected = ANSWERS[name]
    assert device_answer(table, *key) == expected


def test_of_what_describes_the_bits_that_are_known_are_told() -> None:
    partly: tuple[Key, Partly] = ((0x5, 0), (TOLD, Registers(1, 3, 3, 4)))
    table = CpuidTable(with_rows({}).items(), [partly])
    assert device_answer(table, 0x5, 0) == TOLD


HOLES: dict[str, tuple[CpuidTable, Key]] = {
    "features": (with_rows({(0x7, 0): Registers(1, 0, 0, 0)}), (0x7, 1)),
    "state": (cpu("xsave").replace({(0xD, 0): Registers(0xE7, 0, 0, 0)}), (0xD, 5)),
    "the leaf that tells which there are": (
        CpuidTable((key, row) for key, row in cpu().items() if key[0] < 0x8000_0000),
        (0x8000_0001, 0),
    ),
}


@pytest.mark.parametrize("name", HOLES)
def test_what_programs_decide_by_is_a_hole_and_no_zeros(name: str) -> None:
    table, key = HOLES[name]
    with pytest.raises(MissingLeafError):
        device_answer(table, *key)


def test_no_fixture_has_a_hole() -> None:
    """So 'cpuid -k', which ends at the first error, runs through on each."""
    tables = {one.cpuid for profile in recorded_nodes().values() for one in profile.cpus}
    assert len(tables) > 50
    for table in tables:
        for first in RANGES:
            last = device_answer(table, first, 0).eax
            for leaf in range(first, last + 1 if first <= last < first + 0x100 else first + 1):
                for subleaf in range(64 if leaf == 0xD else 3):
                    device_answer(table, leaf, subleaf)
