"""The simulator's own table of capability bits: the header's numbers, the kernel's words."""

import pytest

from simulator.facts import bits
from simulator.facts.bits import WORD_BITS, WORDS, bits_with_words, mask
from support.simulated_nodes import BIT_NUMBERS

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
    assert list(WORD_BITS.items()) == list(NUMBERED.items())
    assert {word: bit for bit, word in WORDS.items()} == NUMBERED


def test_the_words_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WORD_BITS["cmov"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("numbers", "expected"), [((), 0), ((0,), 1), ((0, 8), 0x101), ((29,), 0x20000000), ((3, 3), 8)]
)
def test_a_mask_has_each_bit_once(numbers: tuple[int, ...], expected: int) -> None:
    assert mask(*numbers) == expected


def test_bits_with_words_are_in_the_order_of_the_diagnostics() -> None:
    assert list(bits_with_words(0xFFFFFFFF)) == list(NUMBERED.values())
    assert list(bits_with_words(mask(25, 16, 14, 4))) == [14, 4, 25]
