"""The table of kernel generations, row by row against a transcript of the trees' own."""

from dataclasses import dataclass

import pytest

from simulator.facts.generations import ASKED_VERSIONS, BY_NAME, GENERATIONS, Generation, Vecaps2
from support.simulated_nodes import caps, words_of
from vzcptcheck.versions import NAMES

_8 = "cmov fxsr sse sse2 mmx 3dnow 3dnowext sysenter"
_10 = f"{_8} emt64 ia64"
_12 = f"{_10} syscall syscall32"
_14 = "cmov fxsr sse sse2 sse4_1 sse4_2 mmx 3dnow 3dnowext sse4a sysenter xsave avx aesni"
_18 = (
    "cmov fxsr sse sse2 sse4_1 sse4_2 mmx 3dnow 3dnowext sse4a sysenter emt64 ia64 "
    "syscall syscall32 xsave avx aesni"
)
_19 = f"{_18} rdrand"

FPU_2632 = caps("FXSR", "SSE", "SSE2", "MMX", "3DNOW", "3DNOW2")
FPU_042 = FPU_2632 | caps("SSE4_1", "SSE4_2", "SSE4A", "XSAVE", "AVX", "AESNI")
NORMAL = frozenset({"normal"})
NORMAL_BATCH_IDLE = frozenset({"normal", "batch", "idle"})


@dataclass(frozen=True)
class Row:
    """A column of the transcript. Bits are written as the transcript does: first to last."""

    image_version: int
    test_version: bool
    test_caps_words: str | None
    vecaps_words: str
    vecaps2: Vecaps2
    node_bits: tuple[range, ...]
    masked: bool
    unsupported_mask: int
    carries_no_ipv6: bool
    sse4_2_bit: int
    always: int
    fpu: int
    slm_result: int
    ipv6_text: str
    policies: frozenset[str]


def bits(*numbers: int | tuple[int, int]) -> tuple[range, ...]:
    """Write bits as in 0-6,8."""
    pairs = ((one, one) if isinstance(one, int) else one for one in numbers)
    return tuple(range(first, last + 1) for first, last in pairs)


EARLY_IPV6 = "IPv6 not loaded on destination node"
IPV6 = "IPv6 not loaded or disabled on destination node"
CMOV = caps("CMOV")
CMOV_SYSCALL = caps("CMOV", "SYSCALL")
ABSENT, IF_COMPATIBLE, ALWAYS = Vecaps2
BITS_042 = bits((0, 8), (10, 12), (13, 15), 17, (25, 28))
BITS_101 = (*BITS_042, *bits(29))

# fmt: off
TABLE = {
    "028stab": Row(
        0x302, False, _8, _10, ABSENT, bits((0, 6), 7, 8), False, 0xFFFF0000, False, 14,
        CMOV, caps("CMOV", "FXSR", "SSE", "SSE2", "MMX", "3DNOW", "3DNOW2", "SEP"),
        0, "", NORMAL,
    ),
    "2.6.32": Row(
        0x800, False, _8, _12, ABSENT, bits((0, 8), (10, 12), 24), False, 0xFFFF0000, False, 14,
        CMOV, FPU_2632, 1, "", NORMAL,
    ),
    "042stab": Row(
        0x801, True, _14, _18, ABSENT, BITS_042, False, 0xE1FD0000, False, 13,
        CMOV_SYSCALL, FPU_042, 4, EARLY_IPV6, NORMAL_BATCH_IDLE,
    ),
    "042stab088": Row(
        0x803, True, _14, _18, ABSENT, BITS_042, False, 0xE1FD0000, True, 13,
        CMOV_SYSCALL, FPU_042, 4, IPV6, NORMAL_BATCH_IDLE,
    ),
    "042stab092": Row(
        0x803, True, _14, _18, IF_COMPATIBLE, BITS_042, False, 0xE1FD0000, True, 13,
        CMOV_SYSCALL, FPU_042, 4, IPV6, NORMAL_BATCH_IDLE,
    ),
    "042stab101": Row(
        0x803, True, None, _19, ALWAYS, BITS_101, True, 0xC1FD0000, True, 14,
        CMOV_SYSCALL, FPU_042 | caps("RDRAND"), 4, IPV6, NORMAL_BATCH_IDLE,
    ),
    "042stab107": Row(
        0x803, True, _19, _19, ALWAYS, BITS_101, True, 0xC1FD0000, True, 14,
        CMOV_SYSCALL, FPU_042 | caps("RDRAND"), 4, IPV6, NORMAL_BATCH_IDLE,
    ),
}
# fmt: on

#: Bits that a node with CPUID can show; IA64 is the other architecture's.
X86_BITS = ~caps("IA64")


@pytest.fixture(params=TABLE)
def name(request: pytest.FixtureRequest) -> str:
    """Name each generation in turn."""
    generation: str = request.param
    return generation


def generation_and_row(name: str) -> tuple[Generation, Row]:
    return BY_NAME[name], TABLE[name]


def test_the_generations_are_seven_oldest_first() -> None:
    assert [generation.name for generation in GENERATIONS] == list(TABLE)


def test_image_version_and_its_request(name: str) -> None:
    generation, row = generation_and_row(name)
    assert generation.image_version == row.image_version
    assert generation.has_test_version == row.test_version


def test_words_of_both_tests_in_order(name: str) -> None:
    generation, row = generation_and_row(name)
    compared = generation.test_caps_bits
    assert (None if compared is None else " ".join(words_of(compared))) == row.test_caps_words
    assert " ".join(words_of(generation.vecaps_bits)) == row.vecaps_words
    assert generation.vecaps2 is row.vecaps2


@pytest.mark.parametrize(("words", "count"), [(_8, 8), (_10, 10), (_12, 12), (_14, 14), (_18, 18)])
def test_the_transcript_has_as_many_words_as_the_trees(words: str, count: int) -> None:
    assert len(words.split()) == count


def test_bits_that_a_node_can_show(name: str) -> None:
    generation, row = generation_and_row(name)
    expected = sum(1 << number for numbers in row.node_bits for number in numbers)
    assert generation.node_bits & X86_BITS == expected
    assert generation.masked_cpuid == row.masked
    assert generation.node_bits & caps("IA64")


def test_what_is_gathered_of_a_container(name: str) -> None:
    generation, row = generation_and_row(name)
    assert generation.always_bits == row.always
    assert generation.fpu_bits == row.fpu
    assert generation.carries_no_ipv6 == row.carries_no_ipv6
    assert generation.policies == row.policies


def test_what_is_compared(name: str) -> None:
    generation, row = generation_and_row(name)
    assert generation.unsupported_mask == row.unsupported_mask
    assert generation.sse4_2_bit == row.sse4_2_bit
    assert generation.slm_result == row.slm_result
    assert generation.ipv6_text == row.ipv6_text


@pytest.mark.parametrize(
    ("trait", "generations"),
    [
        ("sysenter_on_any_vendor", {"028stab"}),
        ("namespaces_text", {"028stab"}),
        ("sees_vdso", set(TABLE) - {"028stab"}),
        ("skips_kernel_threads", set(TABLE) - {"028stab", "2.6.32"}),
        ("tests_namespaces", set(TABLE) - {"028stab", "2.6.32"}),
        ("has_late_requests", set(TABLE) - {"028stab", "2.6.32"}),
        ("has_tracker", set(TABLE) - {"028stab", "2.6.32", "042stab"}),
        ("repeats_host_pid", set(TABLE) - {"028stab", "2.6.32", "042stab"}),
    ],
)
def test_a_trait_belongs_to_these_generations(trait: str, generations: set[str]) -> None:
    assert {one.name for one in GENERATIONS if getattr(one, trait)} == generations


def test_the_rest(name: str) -> None:
    generation = BY_NAME[name]
    syscall = caps("SYSCALL") if name == "2.6.32" else 0
    assert generation.long_mode_bits == caps("EMT64") | syscall
    assert generation.hz == (None if name in ("028stab", "2.6.32") else 1000)
    assert generation.section_ends == SECTION_ENDS.get(name, (34, 35))


SECTION_ENDS = {"028stab": (31, 31), "2.6.32": (32, 32), "042stab": (33, 33)}


#: Versions that restore takes, and some that it refuses: rules A and B, and C of minor 1 and 3.
RULE_C3 = (
    [0x303, 0x304, 0x3FF, 0x800, 0x801, 0x802, 0x803, 0x813, 0x10803, 0x10300],
    [0x302, 0x300, 0x7FF, 0x804, 0x80F, 0x814, 0x900, 0x10200],
)
RESTORES = {
    "028stab": (
        [0x000, 0x102, 0x112, 0x2F2, 0x300, 0x301, 0x302],
        [0x003, 0x103, 0x2FF, 0x303, 0x304, 0x800],
    ),
    "2.6.32": (
        [0x000, 0x100, 0x300, 0x310, 0x7F0, 0x800],
        [0x101, 0x301, 0x302, 0x703, 0x801, 0x810, 0x900],
    ),
    "042stab": (
        [0x303, 0x304, 0x3FF, 0x800, 0x801, 0x810, 0x8F1, 0x10800],
        [0x302, 0x300, 0x7FF, 0x802, 0x803, 0x812, 0x900, 0x700, 0x10200],
    ),
}


def test_restore_takes_and_refuses(name: str) -> None:
    restores = BY_NAME[name].restores
    accepted, refused = RESTORES.get(name, RULE_C3)
    assert [f"{one:#x}" for one in accepted if not restores(one)] == []
    assert [f"{one:#x}" for one in refused if restores(one)] == []


def test_the_versions_asked_about_are_those_that_the_tool_names() -> None:
    assert tuple(sorted(NAMES)) == ASKED_VERSIONS
