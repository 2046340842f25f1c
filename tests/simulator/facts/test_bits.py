"""The simulator's own table of capability bits: the header's numbers, the kernel's words."""

import pytest

from simulator.facts import bits
from simulator.facts.bits import WORD_BITS, mask, mask_of_words
from support.simulated_nodes import BIT_NUMBERS

#: Words, and the bits that they stand for in the header.
WORDS = {
    "cmov": 0,
    "fxsr": 1,
    "sse": 2,
    "sse2": 3,
    "mmx": 4,
    "3dnow": 5,
    "3dnowext": 6,
    "sysenter": 7,
    "emt64": 8,
    "ia64": 9,
    "syscall": 10,
    "syscall32": 11,
    "sse4_1": 13,
    "sse4_2": 14,
    "sse4a": 15,
    "xsave": 25,
    "avx": 26,
    "aesni": 27,
    "rdrand": 29,
}


def test_the_numbers_are_those_of_the_header() -> None:
    numbers = {
        name.removeprefix("CPT_").removeprefix("CPU_X86_"): value
        for name, value in vars(bits).items()
        if name.startswith("CPT_")
    }
    assert numbers == BIT_NUMBERS


def test_the_words_are_those_of_the_diagnostics() -> None:
    assert dict(WORD_BITS) == WORDS


def test_the_words_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        WORD_BITS["cmov"] = 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("numbers", "expected"), [((), 0), ((0,), 1), ((0, 8), 0x101), ((29,), 0x20000000), ((3, 3), 8)]
)
def test_a_mask_has_each_bit_once(numbers: tuple[int, ...], expected: int) -> None:
    assert mask(*numbers) == expected


def test_a_mask_of_words() -> None:
    assert mask_of_words(["cmov", "xsave", "cmov"]) == 0x02000001


def test_a_word_that_is_none_is_no_empty_mask() -> None:
    with pytest.raises(KeyError):
        mask_of_words(["avx512f"])
