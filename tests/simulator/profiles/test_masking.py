"""Lines that hide features: what they hold, what goes along, who cannot be given any."""

import pytest
from msgspec.structs import replace

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import JUDGED, MASKS, features_in
from simulator.facts.override import format_override
from simulator.kernel.containers import Container, Needs
from simulator.profiles.changes import MAX_KEPT, Obstacle, write_mask
from simulator.profiles.masking import (
    MASKABLE,
    Basis,
    basis_of,
    features_of,
    make_lines,
    numbers_bits,
    with_dependents,
)
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.store import load_node
from support.simulated_nodes import BASELINE, cpu, maskable, plain

RECORDED = "042stab141.3.SandyBridge.forced_cpuid_faulting"

#: Leaf 1 EDX of the baseline: CMOV 15, SEP 11, MMX 23, FXSR 24, SSE 25, SSE2 26.
EDX = "0x07808800"


def bits(text: str) -> int:
    return sum(MASKS[name] for name in text.split())


def names(features: int) -> set[str]:
    return {row.name for row in features_in(features)}


def lines(profile: NodeProfile, hidden: str) -> list[str]:
    basis = basis_of(profile)
    assert isinstance(basis, Basis)
    return format_override(make_lines(basis, with_dependents(bits(hidden)))).splitlines()


# What goes along


def test_all_that_xsave_saves_goes_with_it() -> None:
    saved = {row.name for row in features_in(JUDGED) if row.state == "xsave"}
    assert saved <= names(with_dependents(bits("xsave")))


def test_all_of_avx512_goes_with_its_foundation_and_with_avx2() -> None:
    avx512 = {row.name for row in features_in(JUDGED) if row.name.startswith("avx512")}
    assert names(with_dependents(bits("avx512f"))) == avx512
    assert avx512 < names(with_dependents(bits("avx2")))


@pytest.mark.parametrize(
    ("hidden", "also", "stays"),
    [
        ("sse4_1", "sse4_2 avx", "ssse3 popcnt aes"),
        ("sse4_2", "avx fma f16c xop fma4 avx2", "sse4_1 xsave aes"),
        ("pni", "ssse3 sse4_1 sse4a", "sse2"),
        ("aes", "vaes", "avx pclmulqdq"),
        ("3dnow", "3dnowext", "3dnowprefetch"),
        ("xsave", "avx xsaveopt amx_bf16", "sse4_2 bmi1 bmi2 rdrand"),
        ("avx", "avx512bw vpclmulqdq", "xsave xsaveopt sse4_2"),
        ("rdrand", "", "rdseed"),
    ],
)
def test_what_cannot_be_without_a_feature_goes_with_it(hidden: str, also: str, stays: str) -> None:
    grown = names(with_dependents(bits(hidden)))
    assert {hidden, *also.split()} <= grown
    assert grown.isdisjoint(stays.split())


def test_nothing_is_hidden_with_nothing() -> None:
    assert with_dependents(0) == 0


def test_words_of_the_kernel_are_features() -> None:
    assert MASKS["aesni"] == MASKS["aes"]
    assert features_of(1 << 27 | 1 << 29) == bits("aes rdrand")
    assert numbers_bits(bits("aes xsave avx2")) == 1 << 27 | 1 << 25


def test_what_every_program_takes_for_granted_is_never_hidden() -> None:
    # CMOV, FXSR, SSE, SSE2, MMX, SEP, SYSCALL; EMT64, SYSCALL32 and SEP32 are no features.
    assert features_of(0x1D9F) == 0
    kept = {row.name for row in features_in(~MASKABLE & JUDGED)}
    taken = "fpu tsc cx8 cmov clflush mmx fxsr sse sse2 sep syscall lm"
    assert " ".join(sorted(kept)) == " ".join(sorted(taken.split()))


# Lines, by hand: leaf 1 of this node is 000206a1 00000800 9e982203 078bfbfd


@pytest.mark.parametrize(
    ("hidden", "written"),
    [
        ("avx", ["0x00000001: 0x000206a1 0x00000800 0x8e982203 0x078bfbfd"]),
        ("aes", ["0x00000001: 0x000206a1 0x00000800 0x9c982203 0x078bfbfd"]),
        (
            "xsave",
            [
                "0x00000001: 0x000206a1 0x00000800 0x82982203 0x078bfbfd",
                "0x0000000d: 0x00000000 0x00000000 0x00000000 0x00000000",
            ],
        ),
        ("xsaveopt", ["0x0000000d 0x00000001: 0x00000000 0x00000340 0x00000000 0x00000000"]),
        ("lahf_lm", ["0x80000001: 0x000206a1 0x00000000 0x00000000 0x28100800"]),
        ("avx2", []),
    ],
)
def test_a_node_gets_its_own_answers_less_what_is_hidden(hidden: str, written: list[str]) -> None:
    assert lines(load_node(RECORDED), hidden) == written


def test_a_leaf_with_subleaves_gets_a_line_for_its_own_alone() -> None:
    haswell = load_node("masked-nothing.042stab113.5")
    written = ["0x00000007 0x00000000: 0x00000000 0x0000378b 0x00000000 0x00000000"]
    assert lines(haswell, "avx2") == written


def table_with(leaf: int, subleaf: int = 0, **registers: int) -> CpuidTable:
    table = cpu(*BASELINE)
    return table.replace({(leaf, subleaf): table[leaf, subleaf]._replace(**registers)})


def test_the_apic_id_of_one_cpu_is_not_told_for_all() -> None:
    profile = maskable("a", table=table_with(1, 0, ebx=0x05200800, ecx=1 << 25))
    assert lines(profile, "aes") == [f"0x00000001: 0x000206d7 0x00200800 0x00000000 {EDX}"]


@pytest.mark.parametrize(
    ("options", "ecx"),
    [
        # Recorded where XSAVE was off; this kernel turns it on: OSXSAVE (27) beside XSAVE (26).
        ((), "0x0c000000"),
        (("noxsave",), "0x04000000"),
    ],
)
def test_programs_are_told_whether_this_kernel_has_turned_xsave_on(
    options: tuple[str, ...], ecx: str
) -> None:
    table = table_with(1, 0, ecx=1 << 26 | 1 << 25)
    profile = maskable("a", table=table, boot_options=options)
    assert lines(profile, "aes") == [f"0x00000001: 0x000206d7 0x00000000 {ecx} {EDX}"]


def test_a_feature_that_one_cpu_of_the_node_lacks_is_not_shown() -> None:
    profile = maskable("a", "aesni", "rdrand", "sse4_1")
    other = replace(profile.cpus[0], processors="1", cpuid=cpu(*BASELINE, "aesni", "rdrand"))
    both = replace(profile, cpus=(*profile.cpus, other))
    assert lines(both, "aes") == [f"0x00000001: 0x000206d7 0x00000000 0x40000000 {EDX}"]


def test_lines_that_are_there_stay_less_what_is_hidden() -> None:
    there = "1: 1 2 fffffffe ffffffff\n7 1: 5 6 7 8\n80000002: 1 1 1 1\n1: 0 0 0 0\n"
    profile = maskable("a", "aesni", "rdrand", override=there)
    assert lines(profile, "aes") == [
        # The first of its leaf is the one that counts; what the CPU has not is not shown.
        f"0x00000001: 0x00000001 0x00000002 0x40000000 {EDX}",
        "0x00000007 0x00000001: 0x00000005 0x00000006 0x00000007 0x00000008",
        "0x80000002: 0x00000001 0x00000001 0x00000001 0x00000001",
    ]


def test_a_line_for_all_subleaves_stays_behind_the_one_for_the_first() -> None:
    there = "7: 0 ffffffff 0 0\nd 0: 7 340 340 0\nd: 0 0 0 0\n"
    table = table_with(7, 0, ebx=1 << 5 | 1 << 3)
    profile = maskable("a", table=table, override=there)
    assert lines(profile, "avx2") == [
        "0x00000007 0x00000000: 0x00000000 0x00000008 0x00000000 0x00000000",
        "0x00000007: 0x00000000 0xffffffff 0x00000000 0x00000000",
        "0x0000000d 0x00000000: 0x00000007 0x00000340 0x00000340 0x00000000",
        "0x0000000d: 0x00000000 0x00000000 0x00000000 0x00000000",
    ]


# Who cannot


FULL = "".join(f"8000000{number}: 0 0 0 0\n" for number in range(2, 9)) + "2: 0 0 0 0\n"


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (plain("a", release="2.6.32-042stab092.1"), Obstacle.CPU),
        (plain("a"), Obstacle.CPU),
        (plain("a", machine="ia64", override=""), Obstacle.CPU),
        (maskable("a", override=FULL + "3: 0 0 0 0\n"), Obstacle.FULL),
    ],
)
def test_a_node_that_cannot_be_given_lines(profile: NodeProfile, why: Obstacle) -> None:
    assert basis_of(profile) is why
    assert why.remedy


def test_a_node_whose_features_are_not_known() -> None:
    rows = [(key, registers) for key, registers in cpu(*BASELINE).items() if key != (7, 0)]
    profile = maskable("a", table=CpuidTable(rows))
    assert basis_of(profile) is Obstacle.NOT_RECORDED


def test_a_table_that_is_as_full_as_may_be_leaves_room() -> None:
    assert FULL.count("\n") == MAX_KEPT
    everything = Registers(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
    table = cpu(*BASELINE).replace(
        {
            (0x7, 0): everything._replace(eax=1),
            (0x7, 1): everything,
            (0xD, 1): everything,
            (0x80000000, 0): Registers(0x80000008, 0, 0, 0),
            (0x80000001, 0): everything,
            (0x80000008, 0): everything,
        }
    )
    # The longest lines that can be there: with subleaves, and none of a leaf with features.
    full = "".join(f"4000000{number} 0: 0 0 0 0\n" for number in range(MAX_KEPT))
    basis = basis_of(maskable("a", table=table, override=full))
    assert isinstance(basis, Basis)
    hidden = MASKABLE & ~bits("xsave") | bits("pni xsaveopt rdrand")
    entries = make_lines(basis, hidden)
    assert len(entries) == MAX_KEPT + 5
    assert len(format_override(entries)) < 1024


# What the node answers then


def test_what_is_written_is_what_the_node_then_goes_by() -> None:
    profile = maskable("a", "aesni", "rdrand", containers=("101:fpu", "102:stopped"))
    container = Container(ctid=103, needs=Needs(1 << 27 | 1 << 16, ("said",)))
    profile = replace(profile, containers=(*profile.containers, container))
    masked = write_mask(profile, "1: 206d7 0 40000000 7808800\n")
    assert profile.answers.capability_number == 0x2802159F
    assert masked.answers.capability_number == 0x2002159F
    first, second, third = masked.containers
    # CMOV, FXSR, SSE, SSE2, MMX, EMT64, SYSCALL, RDRAND.
    assert first.needs == Needs(0x2000051F, ())
    assert second.needs is None
    assert third.needs == Needs(1 << 16, ("said",))
    assert check_profile(masked, "a") is masked
