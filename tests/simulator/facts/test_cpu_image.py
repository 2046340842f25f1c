"""What CRIU keeps of a CPU: as real CRIU did of 61, and as a second transcription does of any."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.cpu_image import (
    EVERY_BIT,
    FPU_BITS,
    INSTRUCTIONS,
    CpuImage,
    image_of,
    joined,
    named_bits,
    words_of,
)
from simulator.facts.cpuid import CpuidTable, Key, Registers
from support.criu import RecordedCpu, recorded_cpus
from support.criu_rules import compel_cpuid, instructions
from support.mutated_cpus import cpuid_of, in_part, mutated

HYGON = "hygon-c86-7185"
ZEROS = Registers(0, 0, 0, 0)


@pytest.mark.parametrize("cpu", recorded_cpus().values(), ids=lambda cpu: cpu.name)
def test_words_components_and_sizes_are_those_that_criu_wrote(cpu: RecordedCpu) -> None:
    image = image_of(cpu.table)
    assert image.words == cpu.words
    assert words_of(joined(cpu.words)) == list(cpu.words)
    assert (image.xfeatures_mask, image.xsave_size, image.xsave_size_max) == cpu.area
    assert image.unknown_bits == 0
    assert not image.is_stored


@given(mutated(), st.sampled_from([(3, 11), (3, 12), (3, 13), (3, 14), (4, 2)]))
def test_a_second_transcription_makes_the_same_of_any_cpu(
    table: CpuidTable, version: tuple[int, int]
) -> None:
    image = image_of(table, knows_hygon=version >= (3, 13))
    expected = compel_cpuid(cpuid_of(table), version)
    assert image.words == tuple(expected.capability)
    assert image.vendor == ("" if expected.vendor == "UNKNOWN" else expected.vendor)
    area = image.xfeatures_mask, image.xsave_size, image.xsave_size_max
    assert area == (expected.xfeatures_mask, expected.xsave_size, expected.xsave_size_max)


@given(mutated(), st.data())
def test_what_is_not_known_is_all_that_may_be_otherwise(
    table: CpuidTable, data: st.DataObject
) -> None:
    part = image_of(in_part(table, data))
    whole = image_of(table)
    assert part.vendor == whole.vendor
    assert (part.known_bits ^ whole.known_bits) & ~part.unknown_bits == 0
    assert part.known_bits & part.unknown_bits == 0
    for one, other in (
        (part.xfeatures_mask, whole.xfeatures_mask),
        (part.xsave_size, whole.xsave_size),
        (part.xsave_size_max, whole.xsave_size_max),
    ):
        assert one in {None, other}


def test_instructions_are_the_74_bits() -> None:
    assert sum(1 << 32 * word + bit for word, bit in instructions()) == INSTRUCTIONS
    assert INSTRUCTIONS.bit_count() == 74
    assert [one.name for one in named_bits(FPU_BITS)] == ["fpu", "fxsr", "osxsave", "xsaves"]


def without(table: CpuidTable, *keys: Key) -> CpuidTable:
    return CpuidTable((key, one) for key, one in table.items() if key not in keys)


def test_a_leaf_that_was_not_recorded_is_not_known() -> None:
    table = without(recorded_cpus()["Haswell"].table, (6, 0), (0xD, 0), (0xD, 1))
    image = image_of(table)
    assert image.unknown[10] == image.unknown[14 if table[0, 0].eax >= 6 else 10] == 0xFFFFFFFF
    assert image.xfeatures_mask is image.xsave_size is image.xsave_size_max is None


def test_the_family_decides_where_it_is_known() -> None:
    """REP_GOOD of AMD's family 15 depends on the model; ERMS is taken from Intel's."""
    epyc = recorded_cpus()["EPYC"].table

    def good(signature: int, known: int = 0xFFFFFFFF) -> tuple[int, int]:
        own = epyc[1, 0]._replace(eax=signature)
        mask = Registers(known, *own[1:])._replace(ebx=0xFFFFFFFF, ecx=0xFFFFFFFF, edx=0xFFFFFFFF)
        values = own._replace(eax=signature & known)
        whole = [(key, one) for key, one in epyc.items() if key != (1, 0)]
        table = CpuidTable(whole, [((1, 0), (values, mask))])
        if known == 0xFFFFFFFF:
            table = epyc.replace({(1, 0): own})
        image = image_of(table)
        return image.words[3] >> 16 & 1, image.unknown[3] >> 16 & 1

    edges = (0xF47, 0xF48, 0xF4F, 0xF50, 0xF57, 0xF58, 0x0020_0FB1, 0x0010_0F00, 0x0006_0FB1)
    assert [good(one) for one in edges] == [
        (0, 0), (1, 0), (1, 0), (0, 0), (0, 0), (1, 0), (1, 0), (1, 0), (1, 0),
    ]  # fmt: skip
    assert good(0x0F48, 0xFFFF_FF0F) == (0, 1)
    assert good(0x0F48, 0xFFFF_FFE8) == (0, 1)
    assert good(0x0020_0F00, 0xFFFF_FFF0) == (1, 0)
    assert good(0x0020_0F00, 0xFFFF_F0FF) == (0, 1)


def test_a_cpu_whose_last_leaf_is_not_known_has_xsave_if_it_says_so() -> None:
    table = recorded_cpus()["Haswell"].table
    whole = [(key, one) for key, one in table.items() if key != (0, 0)]
    known = Registers(0, *[0xFFFFFFFF] * 3)
    part = image_of(CpuidTable(whole, [((0, 0), (table[0, 0]._replace(eax=0), known))]))
    assert part.words[4] == image_of(table).words[4]
    assert part.words[4] >> 26 & 1


def test_erms_of_a_family_that_is_not_known_is_not_known() -> None:
    table = recorded_cpus()["Haswell"].table
    whole = [(key, one) for key, one in table.items() if key != (1, 0)]
    known = Registers(0, *[0xFFFFFFFF] * 3)
    part = image_of(CpuidTable(whole, [((1, 0), (table[1, 0]._replace(eax=0), known))]))
    assert part.unknown[9] == 1 << 9
    assert part.words[9] == image_of(table).words[9] & ~(1 << 9)


def test_word_12_is_asked_for_where_word_16_says_so() -> None:
    table = recorded_cpus()["13th-gen-intel-core-i7-1370p"].table
    counts = {(0xF, 1): Registers(0, 0, 0, 7)}

    def words(edx: int, known: int = 0xFFFFFFFF) -> tuple[int, int]:
        answers = {**dict(table.items()), **counts}
        del answers[0xF, 0]
        values = Registers(0, 0, 0, edx), Registers(*[0xFFFFFFFF] * 3, known)
        if known == 0xFFFFFFFF:
            image = image_of(table.replace({**counts, (0xF, 0): values[0]}))
        else:
            image = image_of(CpuidTable(answers.items(), [((0xF, 0), values)]))
        return image.words[12], image.unknown[12]

    assert [words(2), words(5), words(0, 0xFFFFFFFD)] == [(7, 0), (0, 0), (0, 7)]


def test_hygon_is_known_since_a_release() -> None:
    table = recorded_cpus()[HYGON].table
    assert image_of(table).vendor == "AMD"
    none = CpuImage("", (0,) * 19, 0, 0, 0, is_stored=False)
    assert image_of(table, knows_hygon=False) == none


def test_words_are_joined_from_the_lowest_on() -> None:
    assert joined([0xFFFFFFFF] * 19) == EVERY_BIT
    image = CpuImage("INTEL", (1, 0, 2))
    assert joined((1, 0, 2)) == 1 | 2 << 64
    assert (image.known_bits, image.unknown_bits, image.stored_bits) == (
        1 | 2 << 64,
        0,
        (1 << 96) - 1,
    )


@pytest.mark.parametrize(
    ("word", "bit", "name", "place"),
    [
        (0, 4, "tsc", "CPUID 0x00000001 edx bit 4"),
        (10, 1, "xsavec", "CPUID 0x0000000d subleaf 1 eax bit 1"),
        (3, 16, "rep_good", "CRIU's word 3 bit 16"),
        (3, 20, "nopl", "CRIU's word 3 bit 20"),
        (3, 25, "cpuid", "CRIU's word 3 bit 25"),
        (3, 0, "", "CRIU's word 3 bit 0"),
        (5, 16, "", "CRIU's word 5 bit 16"),
        (14, 31, "", "CPUID 0x00000006 eax bit 31"),
    ],
)
def test_bits_have_names_and_places(word: int, bit: int, name: str, place: str) -> None:
    (one,) = named_bits(1 << 32 * word + bit)
    assert (one.mask, one.name, one.place) == (1 << 32 * word + bit, name, place)
    assert one.place == f"{one.register} bit {bit}"


def test_bits_are_named_in_order() -> None:
    assert [one.name for one in named_bits(1 << 4 | 1 << 128)] == ["tsc", "pni"]
