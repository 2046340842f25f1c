"""The table of capability bits, against what the kernel's header and sources say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzcptcheck.features import (
    CPU_FEATURES,
    CPUINFO_WORDS,
    FEATURES,
    REGISTER_FEATURES,
    feature_by_word,
    features_in,
    unknown_bits,
)

# Bit, name, the kernel's word, CPUID leaf, register and bit.
TABLE = [
    (0, "CMOV", "cmov", 0x00000001, "edx", 15),
    (1, "FXSR", "fxsr", 0x00000001, "edx", 24),
    (2, "SSE", "sse", 0x00000001, "edx", 25),
    (3, "SSE2", "sse2", 0x00000001, "edx", 26),
    (4, "MMX", "mmx", 0x00000001, "edx", 23),
    (5, "3DNOW", "3dnow", 0x80000001, "edx", 31),
    (6, "3DNOW2", "3dnowext", 0x80000001, "edx", 30),
    (7, "SEP", "sysenter", 0x00000001, "edx", 11),
    (8, "EMT64", "emt64", None, "", 0),
    (9, "IA64", "ia64", None, "", 0),
    (10, "SYSCALL", "syscall", 0x80000001, "edx", 11),
    (11, "SYSCALL32", "syscall32", None, "", 0),
    (12, "SEP32", None, None, "", 0),
    (13, "SSE4_1", "sse4_1", 0x00000001, "ecx", 19),
    (14, "SSE4_2", "sse4_2", 0x00000001, "ecx", 20),
    (15, "SSE4A", "sse4a", 0x80000001, "ecx", 6),
    (16, "EXTERNAL_PROCESS", None, None, "", 0),
    (17, "NAMESPACES", None, None, "", 0),
    (18, "SCHEDULER_POLICY", None, None, "", 0),
    (19, "PTRACED_FROM_VE0", None, None, "", 0),
    (20, "UNSUPPORTED_FSTYPE", None, None, "", 0),
    (21, "BIND_MOUNT", None, None, "", 0),
    (22, "UNSUPPORTED_NETDEV", None, None, "", 0),
    (23, "UNSUPPORTED_MISC", None, None, "", 0),
    (24, "SLM_DMPRST", None, None, "", 0),
    (25, "XSAVE", "xsave", 0x00000001, "ecx", 26),
    (26, "AVX", "avx", 0x00000001, "ecx", 28),
    (27, "AESNI", "aesni", 0x00000001, "ecx", 25),
    (28, "NO_IPV6", None, None, "", 0),
    (29, "RDRAND", "rdrand", 0x00000001, "ecx", 30),
]

#: Every word that a kernel's list of tests has (19 of them).
WORDS = [
    "cmov", "fxsr", "sse", "sse2", "sse4_1", "sse4_2", "mmx", "3dnow", "3dnowext", "sse4a",
    "sysenter", "emt64", "ia64", "syscall", "syscall32", "xsave", "avx", "aesni", "rdrand",
]  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=[row[1] for row in TABLE])
def test_a_bit_is_as_the_kernel_has_it(row):
    one = FEATURES[row[0]]
    assert (one.bit, one.name, one.word, one.leaf, one.register, one.register_bit) == row
    assert one.subleaf == 0
    assert one.mask == 1 << row[0]


def test_the_bits_0_to_29_are_there_once_each_in_order():
    assert [feature.bit for feature in FEATURES] == list(range(30))


def test_no_name_and_no_word_comes_twice():
    names = [feature.name for feature in FEATURES]
    words = [feature.word for feature in FEATURES if feature.word]
    assert len(set(names)) == len(names)
    assert len(set(words)) == len(words)


def test_the_cpus_features_are_those_with_a_word():
    assert sorted(feature.word for feature in CPU_FEATURES) == sorted(WORDS)


def test_features_of_the_registers_are_those_whose_bit_is_the_registers():
    # SEP depends on the kernel too; EMT64, IA64 and SYSCALL32 have no register.
    without = {feature.name for feature in CPU_FEATURES} - {
        feature.name for feature in REGISTER_FEATURES
    }
    assert without == {"SEP", "EMT64", "IA64", "SYSCALL32"}
    assert all(feature.leaf is not None for feature in REGISTER_FEATURES)


def test_the_origin_is_a_register_or_a_meaning():
    assert feature_by_word("3dnow").origin == "CPUID 0x80000001 edx bit 31"
    assert feature_by_word("aesni").origin == "CPUID 0x00000001 ecx bit 25"
    assert feature_by_word("emt64").origin == "64-bit processes: the kernel is x86_64"
    assert all(feature.origin for feature in FEATURES)


@pytest.mark.parametrize("word", WORDS)
def test_a_feature_is_found_by_its_word(word):
    assert feature_by_word(word).word == word


@pytest.mark.parametrize("word", ["", "sep", "aes", "CMOV", "avx512f", "cmov "])
def test_an_unknown_word_finds_nothing(word):
    assert feature_by_word(word) is None


def test_cpuinfo_has_other_words_for_two():
    assert CPUINFO_WORDS == {"sysenter": "sep", "aesni": "aes"}


@pytest.mark.parametrize(
    ("mask", "names", "unknown"),
    [
        (0, [], []),
        (1, ["CMOV"], []),
        (0x30000, ["EXTERNAL_PROCESS", "NAMESPACES"], []),
        (1 << 30 | 1 << 29, ["RDRAND"], [30]),
        (0xC0000000, [], [30, 31]),
        (0xFFFFFFFF, [row[1] for row in TABLE], [30, 31]),
    ],
)
def test_a_mask_is_named_bit_by_bit(mask, names, unknown):
    assert [feature.name for feature in features_in(mask)] == names
    assert unknown_bits(mask) == unknown


@given(st.integers(0, 2**64 - 1))
def test_no_bit_of_a_mask_is_lost(mask):
    named = sum(feature.mask for feature in features_in(mask))
    nameless = sum(1 << bit for bit in unknown_bits(mask))
    assert named | nameless == mask
    assert named & nameless == 0
