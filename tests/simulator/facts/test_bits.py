"""The simulator's own table of capability bits: the header's numbers, the kernel's words."""

import pytest

from simulator.facts import bits
from simulator.facts.bits import COMPARED, WORDS, bits_with_words, mask, place_of
from support.simulated_nodes import BIT_NUMBERS, PLACES

#: Words in the order of the newest trees, and the bits that they stand for in the header.
NUMBERED = {
    "cmov": 0, "fxsr": 1, "sse": 2, "sse2": 3, "sse4_1": 13, "sse4_2": 14, "mmx": 4, "3dnow": 5,
    "3dnowext": 6, "sse4a": 15, "sysenter": 7, "emt64": 8, "ia64": 9, "syscall": 10,
    "syscall32": 11, "xsave": 25, "avx": 26, "aesni": 27, "rdrand": 29,
}  # fmt: skip


def test_the_numbers_are_those_of_the_header() -> None:
    numbers = {
        name.removeprefix("CPT_").removeprefix("CPU_X86_"): value
        for name, value in vars(bits).items()
        if name.startswith("CPT_")
    }
    assert numbers == BIT_NUMBERS


def test_the_words_are_those_of_the_diagnostics() -> None:
    assert [(word, bit) for bit, word in WORDS.items()] == list(NUMBERED.items())


def test_the_words_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WORDS[0] = "cmov"  # type: ignore[index]


@pytest.mark.parametrize("word", PLACES)
def test_a_words_place_in_cpuid(word: str) -> None:
    found = {one.word: one.location for one in COMPARED.values()}
    assert found.get(word) == (None if word in ("lm", "xsaveopt") else PLACES[word])
    assert len(found) == len(PLACES) - 2


def test_a_place_is_in_cpuid_or_in_the_number_alone() -> None:
    assert place_of(14) == "CPUID 0x00000001 ecx bit 20, capability bit 14"
    assert place_of(8) == "capability bit 8"


@pytest.mark.parametrize(
    ("numbers", "expected"), [((), 0), ((0,), 1), ((0, 8), 0x101), ((29,), 0x20000000), ((3, 3), 8)]
)
def test_a_mask_has_each_bit_once(numbers: tuple[int, ...], expected: int) -> None:
    assert mask(*numbers) == expected


def test_bits_with_words_are_in_the_order_of_the_diagnostics() -> None:
    assert list(bits_with_words(0xFFFFFFFF)) == list(NUMBERED.values())
    assert list(bits_with_words(mask(25, 16, 14, 4))) == [14, 4, 25]
