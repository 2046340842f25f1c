"""Kernel generations, row by row against a transcript of the trees' own; releases of each."""

from dataclasses import dataclass

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.facts.generations import (
    ASKED_VERSIONS,
    BY_NAME,
    EXAMPLES,
    GENERATIONS,
    Generation,
    UnknownReleaseError,
    Vecaps2,
    first_showing,
    identify,
)
from support.simulated_nodes import caps, words_of
from vzcptcheck.features import FEATURES, SHOWN_SINCE
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
    assert generation.section_ends == SECTION_ENDS.get(name, (35, 35))
    assert generation.xcr0 == XCR0.get(name, (0x7, 0xE7))


SECTION_ENDS = {
    "028stab": (31, 31),
    "2.6.32": (32, 32),
    "042stab": (33, 33),
    "042stab088": (34, 35),
}
XCR0 = {"028stab": (0, 0), "2.6.32": (7, 7), "042stab": (7, 7), "042stab088": (7, 7)}


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


def named(release: str, vz_version: str = "") -> str:
    return identify(release, vz_version).generation.name


NUMBERS = {
    "042stab": ["000", "001.1", "061.9", "087", "087.99"],
    "042stab088": ["088", "088.0", "088.4", "091.9"],
    "042stab092": ["092", "092.1", "101.4"],
    # A recording of 108.1 shows CPT_TEST_CAPS away still, so it had not come back before.
    "042stab101": ["101.5", "106.99", "107", "107.0", "108", "108.1"],
    "042stab107": ["107.1", "107.99", "108.2", "109.3", "141.3", "999.1"],
}


@pytest.mark.parametrize(
    ("generation", "number"), [(name, one) for name in NUMBERS for one in NUMBERS[name]]
)
def test_a_042stab_number_lies_between_these_boundaries(generation: str, number: str) -> None:
    assert named(f"2.6.32-042stab{number}") == generation


SECTION_ENDS_OF_RELEASES = {
    "18-028stab056.1": (31, 31), "32-a.1": (32, 32),
    "32-042stab061.9": (33, 33), "32-042stab087.99": (33, 33), "32-042stab088": (34, 34),
    # A tree with 34, and one with 35; in between it was not read.
    "32-042stab088.4": (34, 34), "32-042stab088.5": (34, 35), "32-042stab090": (34, 35),
    "32-042stab090.4": (34, 35), "32-042stab090.5": (35, 35), "32-042stab092.1": (35, 35),
    "32-042stab113.5": (35, 35), "32-042stab141.3": (35, 35), "32-042stab142": (35, 35),
}  # fmt: skip


@pytest.mark.parametrize(("release", "ends"), SECTION_ENDS_OF_RELEASES.items())
def test_section_numbers_end_where_it_was_read(release: str, ends: tuple[int, int]) -> None:
    assert identify(f"2.6.{release}").section_ends == ends


XCR0_OF_RELEASES = {
    "18-028stab056.1": (0, 0), "32-a.1": (7, 7), "32-042stab061.9": (7, 7),
    "32-042stab091.9": (7, 7),
    # 092.1 has no AVX-512, and 108.1 has it; in between no tree was read.
    "32-042stab092": (7, 7), "32-042stab092.1": (7, 7), "32-042stab092.2": (7, 0xE7),
    "32-042stab101.5": (7, 0xE7), "32-042stab107.1": (7, 0xE7), "32-042stab108": (7, 0xE7),
    "32-042stab108.1": (0xE7, 0xE7), "32-042stab108.2": (0xE7, 0xE7),
    "32-042stab109.3": (0xE7, 0xE7), "32-042stab141.3": (0xE7, 0xE7),
}  # fmt: skip


@pytest.mark.parametrize(("release", "xcr0"), XCR0_OF_RELEASES.items())
def test_xcr0_has_what_the_trees_enable(release: str, xcr0: tuple[int, int]) -> None:
    assert identify(f"2.6.{release}").xcr0 == xcr0


def test_no_kernel_enables_mpx_pkru_or_amx() -> None:
    assert not any(xcr0 & ~0xE7 for one in GENERATIONS for xcr0 in one.xcr0)


@pytest.mark.parametrize(
    ("release", "vz_version", "generation"),
    [
        ("2.6.18-028stab056.1", "", "028stab"),
        ("2.6.18-348.16.1.el5.028stab108.1", "", "028stab"),
        ("2.6.18-194.3.1.el5.028stab069.6PAE", "", "028stab"),
        ("2.6.32-dzhanibekov.1", "", "2.6.32"),
        ("2.6.32-dzhanibekov.1-smp", "", "2.6.32"),
        ("2.6.32-5-openvz-amd64", "", "2.6.32"),
        ("2.6.32", "dzhanibekov.1", "2.6.32"),
        ("2.6.32-4-pve", "dzhanibekov.1", "2.6.32"),
        ("2.6.32-39-pve", "042stab108.8", "042stab107"),
        ("2.6.32.28-belyayev", "", "2.6.32"),
        ("2.6.32-042stab113.11.debug", "", "042stab107"),
        ("2.6.32", "042stab061_9", "042stab"),
        ("2.6.32", "042stab088.4", "042stab088"),
        ("2.6.32", "042stab101_5", "042stab101"),
        ("2.6.32", "042stab141_3", "042stab107"),
        # The release goes before the vz_version.
        ("2.6.32-042stab061.9", "042stab141_3", "042stab"),
    ],
)
def test_a_release_as_uname_prints_it_or_a_bare_one_with_its_vz_version(
    release: str, vz_version: str, generation: str
) -> None:
    assert named(release, vz_version) == generation


UNKNOWN_RELEASES = [
    "", "3.10.0-1160.el7.x86_64", "2.6.320", "2.6.9-023stab044.4", "2.6.18-8.el5", "2.6.32-stab",
    "028stab056.1", "2.6.32-042stab" + "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("release", UNKNOWN_RELEASES)
def test_an_unknown_release_lists_what_is_known(release: str) -> None:
    with pytest.raises(UnknownReleaseError) as caught:
        identify(release)
    assert repr(release) in str(caught.value)
    assert "2.6.18-*028stab*" in str(caught.value)
    assert "042stab107.1 and later, but 108.1" in str(caught.value)


@pytest.mark.parametrize(
    ("release", "vz_version"),
    [
        ("2.6.32-26-pve", ""),
        ("2.6.32-754.35.1.el6.x86_64", ""),
        ("2.6.32", ""),
        ("2.6.32", "something else"),
        ("2.6.32", "042stab"),
        ("2.6.32-5-amd64", ""),
        ("2.6.32-generic", ""),
        ("2.6.32-dzhanibekov.1a", ""),
        ("2.6.32.71", ""),
    ],
)
def test_a_release_that_may_be_of_several_says_how_to_tell_which(
    release: str, vz_version: str
) -> None:
    with pytest.raises(UnknownReleaseError) as caught:
        identify(release, vz_version)
    said = str(caught.value)
    assert said.startswith(f"kernel release {release!r} is not certainly any that is known: ")
    for text in ("/proc/vz/version", "--vz-version", "kernel.vz_version", "no checkpointing"):
        assert text in said


@given(st.text(), st.text())
@example("2.6.32", "042stab" + "9" * 5000)
def test_any_release_is_of_a_generation_or_unknown(release: str, vz_version: str) -> None:
    try:
        said = named(release, vz_version)
    except UnknownReleaseError as refusal:
        said = str(refusal)
    assert said in BY_NAME or repr(release) in said


@pytest.mark.parametrize(
    "release", ["18-028stab056.1", "32-a.1", "32-042stab113.5", "32-042stab131.1"]
)
def test_the_fpu_may_be_eager_from_132_1_on(release: str) -> None:
    assert identify(f"2.6.{release}").may_have_eager_fpu is False
    assert identify("2.6.32-042stab132.1").may_have_eager_fpu is True
    assert identify("2.6.32-042stab145.1").may_have_eager_fpu is True


@pytest.mark.parametrize(
    ("release", "vz_version", "label"),
    [
        ("2.6.32-042stab101.5", "", "042stab101.5"),
        ("2.6.32", "042stab088_4", "042stab088.4"),
        ("2.6.32-042stab092", "", "042stab092"),
        ("2.6.18-028stab056.1", "", "2.6.18-028stab056.1"),
    ],
)
def test_a_release_has_a_label(release: str, vz_version: str, label: str) -> None:
    assert identify(release, vz_version).label == label


@pytest.mark.parametrize(
    ("bits", "first"),
    [
        (caps("CMOV", "EMT64", "IA64"), "2.6.18-028stab056.1"),
        (caps("SYSCALL", "SYSCALL32", "SEP32"), "2.6.32-dzhanibekov.1"),
        (caps("SSE4_1", "SSE4_2", "SSE4A", "XSAVE", "AVX", "AESNI"), "2.6.32-042stab061.9"),
        (caps("RDRAND"), "2.6.32-042stab101.5"),
        (1 << 16 | 1 << 18 | 1 << 31, None),
    ],
)
def test_the_first_release_that_shows_a_bit(bits: int, first: str | None) -> None:
    for bit in (bit for bit in range(32) if bits >> bit & 1):
        release = first_showing(bit)
        assert (release and release.name) == first
        assert release is None or release.generation.node_bits >> bit & 1


def test_there_is_an_example_of_each_generation() -> None:
    assert list(EXAMPLES) == [named(release) for release in EXAMPLES.values()]
    assert set(EXAMPLES) == set(BY_NAME)


def test_the_node_tool_says_the_same_of_the_first_kernels_that_show_a_bit() -> None:
    """It shares no table with the simulator: either may prove the other wrong."""
    firsts = {"2.6.32": "2.6.32", "042stab": "042stab", "042stab101": "042stab101.5"}
    for feature in FEATURES:
        showing = [one.name for one in GENERATIONS if one.node_bits >> feature.bit & 1]
        assert SHOWN_SINCE.get(feature.name) == firsts.get(next(iter(showing), "")), feature.name
    assert identify("2.6.32-042stab101.5").generation.name == "042stab101"
    assert identify("2.6.32-042stab101.4").generation.name == "042stab092"
