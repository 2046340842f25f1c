"""What programs in containers get from a node's CPUs."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.facts.cpu_traits import (
    NOT_TOLD,
    Component,
    CpuTraits,
    Hole,
    XsaveArea,
    cpu_traits,
    traits_without_kernel,
)
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import (
    BY_NAME,
    BY_WORD,
    JUDGED,
    OF_XSAVE,
    OF_ZMM,
    Feature,
    features_in,
)
from simulator.facts.generations import GENERATIONS, identify
from simulator.facts.override import parse_override
from support.criu import RecordedCpu, recorded_cpus
from support.simulated_nodes import AMD, cpu, node_facts
from support.simulated_traits import (
    AVX512_AREA,
    AVX512_AREA_OF_AMD,
    AVX_AREA,
    BARE_AREA,
    FXSAVE_AREA,
)

SANDY_BRIDGE = ("cmov", "fxsr", "sse", "sse2", "mmx", "xsave", "avx", "xsaveopt")

JUDGED_FEATURES = tuple(features_in(JUDGED))

#: A CPU with AVX-512 as Intel's have it, and with MPX and PKRU: leaf 0xd by subleaf.
LEAF_D = {
    (0xD, 0): Registers(0x2FF, 0xA88, 0xA88, 0),
    (0xD, 2): Registers(0x100, 0x240, 0, 0),
    (0xD, 3): Registers(0x40, 0x3C0, 0, 0),
    (0xD, 4): Registers(0x40, 0x400, 0, 0),
    (0xD, 5): Registers(0x40, 0x440, 0, 0),
    (0xD, 6): Registers(0x200, 0x480, 0, 0),
    (0xD, 7): Registers(0x400, 0x680, 0, 0),
    (0xD, 9): Registers(0x8, 0xA80, 0, 0),
}


def rows(*names: str) -> int:
    """Make a mask of the table's rows of these names."""
    return sum(BY_NAME[name].mask for name in names)


#: A CPU with XSAVE and without AVX.
NO_AVX = cpu("xsave").replace({(0xD, 0): Registers(0x3, 0x240, 0x240, 0)})


def needs_avx(feature: Feature) -> bool:
    # No CPU has had CMPccXADD without AVX-VNNI.
    names = (*feature.needs, "avx_vnni") if feature.name == "cmpccxadd" else feature.needs
    return any(name == "avx" or needs_avx(BY_NAME[name]) for name in names)


def names(mask: int) -> set[str]:
    return {row.name for row in features_in(mask)}


def with_bit(table: CpuidTable, name: str) -> CpuidTable:
    """Give a CPU one feature of the table more, and the leaf that tells of it."""
    row = next(features_in(rows(name)))
    key = row.leaf, row.subleaf
    own = table[key] if key in table else Registers(0, 0, 0, 0)
    changed = own._replace(**{row.register: getattr(own, row.register) | 1 << row.bit})
    return table.replace({key: changed})


def without(table: CpuidTable, *keys: tuple[int, int]) -> CpuidTable:
    return CpuidTable((key, answer) for key, answer in table.items() if key not in keys)


def side(table: CpuidTable, *others: CpuidTable, **traits: Any) -> CpuTraits:
    generation = traits.pop("generation", "042stab107")
    return cpu_traits(node_facts(generation, cpuid=table, **traits), (table, *others))


# A CPU as programs see it


def test_what_a_cpu_has_is_shown_and_works() -> None:
    seen = side(with_bit(cpu("sse2", "xsave", "avx", "lm", "syscall"), "movbe"))
    assert names(seen.shown) == {"sse2", "xsave", "avx", "lm", "syscall", "movbe"}
    assert (seen.vendor, seen.usable) == ("GenuineIntel", seen.shown)
    assert (seen.may_be_shown, seen.may_be_usable) == (seen.shown, seen.usable)


def test_every_row_is_read_from_its_own_place() -> None:
    plain = cpu("xsave").replace(
        {
            **LEAF_D,
            (0x7, 0): Registers(1, 0, 0, 0),
            (0x7, 1): Registers(0, 0, 0, 0),
            (0x80000000, 0): Registers(0x80000008, 0, 0, 0),
            (0x80000008, 0): Registers(0, 0, 0, 0),
        }
    )
    for row in JUDGED_FEATURES:
        assert names(side(with_bit(plain, row.name)).shown) == {"xsave", row.name}


def test_programs_get_all_that_the_cpu_has_on_every_kernel_that_enables_xsave() -> None:
    expected = {row.name for row in JUDGED_FEATURES if row.leaf in (0x1, 0x80000001)}
    assert {"avx", "fma4"} <= expected
    table = cpu()
    for name in expected:
        table = with_bit(table, name)
    for generation in GENERATIONS[1:]:
        seen = side(table, generation=generation.name)
        assert names(seen.shown) == names(seen.usable) == expected


def test_ia64_has_no_cpuid() -> None:
    assert cpu_traits(node_facts(cpuid=None, machine="ia64"), ()) == CpuTraits("", 0, 0, 0, 0)


def test_a_leaf_that_was_not_recorded_may_have_it_all() -> None:
    seen = side(without(NO_AVX, (0x7, 0)))
    assert names(seen.shown) == names(seen.usable) == {"xsave"}
    # The CPU has no AVX, and so nothing that needs it.
    leaf_7 = {row.name for row in JUDGED_FEATURES if row.leaf == 0x7 and not needs_avx(row)}
    assert names(seen.may_be_shown) == names(seen.may_be_usable) == {"xsave"} | leaf_7
    wide = side(without(cpu("xsave", "avx").replace(LEAF_D), (0x7, 0)))
    assert {"avx2", "avx512f"} <= names(wide.shown)  # Leaf 0xd has AVX-512's components.
    assert "avx512vl" in names(wide.may_be_shown) - names(wide.shown)
    narrow = side(without(cpu("xsave", "avx"), (0x7, 0)))
    assert "avx2" in names(narrow.may_be_shown)
    assert not narrow.may_be_shown & OF_ZMM  # No state for these is enabled.


def test_of_several_cpus_one_shows_it_and_all_must_have_it() -> None:
    seen = side(cpu("sse", "sse2"), cpu("sse", "sse4_1"))
    assert names(seen.shown) == {"sse", "sse2", "sse4_1"}
    assert names(seen.usable) == {"sse"}
    assert (seen.may_be_shown, seen.may_be_usable) == (seen.shown, seen.usable)


def test_a_hole_in_one_of_several_cpus() -> None:
    full, bare = cpu(), cpu()
    full = with_bit(full, "bmi1")
    answers = {key: answer for key, answer in bare.items() if key != (0x7, 0)}
    seen = side(full, CpuidTable(answers.items()))
    assert names(seen.shown) == {"bmi1"}
    assert {"bmi1", "bmi2"} <= names(seen.may_be_shown)
    assert names(seen.usable) == set()
    assert names(seen.may_be_usable) == {"bmi1"}  # All others are known not to be on the first.


def test_on_028stab_nothing_works_that_takes_xsave() -> None:
    table = with_bit(cpu(*SANDY_BRIDGE), "avx2")
    seen = side(table, generation="028stab")
    assert names(seen.shown) == names(seen.usable) == {"cmov", "fxsr", "sse", "sse2", "mmx"}
    assert seen.area == FXSAVE_AREA


def test_xsave_is_enabled_on_all_generations_but_the_first() -> None:
    enabled = [generation.name for generation in GENERATIONS if any(generation.xcr0)]
    assert enabled == [generation.name for generation in GENERATIONS[1:]]
    for name in enabled:
        assert "avx" in names(side(cpu(*SANDY_BRIDGE), generation=name).usable)


@pytest.mark.parametrize("option", ["noxsave", "clearcpuid=154"])
@pytest.mark.parametrize("generation", ["2.6.32", "042stab107"])
def test_hiding_xsave_takes_all_that_needs_it(option: str, generation: str) -> None:
    seen = side(cpu(*SANDY_BRIDGE), generation=generation, boot_options=(option,))
    assert names(seen.shown) == {"cmov", "fxsr", "sse", "sse2", "mmx"}
    assert seen.may_be_shown == seen.shown
    assert seen.area == FXSAVE_AREA


def test_another_boot_option_changes_nothing_for_programs() -> None:
    options = ("nordrand", "clearcpuid=153")
    table = cpu(*SANDY_BRIDGE, "rdrand", "aesni")
    assert side(table, boot_options=options) == side(table)


# /proc/vz/cpuid_override

MASKED = parse_override("1: 0 0 0xefffffff 0xffffffff")  # All of leaf 1 but avx.


def test_an_override_hides_from_programs_and_takes_nothing_away() -> None:
    table = cpu(*SANDY_BRIDGE)
    seen = side(table, override=MASKED)
    assert names(side(table).shown) - names(seen.shown) == {"avx"}
    assert seen.usable == side(table).usable


def test_an_override_adds_nothing() -> None:
    everything = parse_override("1: 0xffffffff 0xffffffff 0xffffffff 0xffffffff")
    assert side(cpu("sse"), override=everything) == side(cpu("sse"))


def test_kernels_before_101_have_no_override() -> None:
    table = cpu(*SANDY_BRIDGE)
    seen = side(table, generation="042stab092", override=MASKED)
    assert seen == side(table, generation="042stab092")


def test_an_override_of_a_subleaf_is_for_that_one_alone() -> None:
    table = with_bit(cpu(*SANDY_BRIDGE).replace({(0x7, 0): Registers(1, 0, 0, 0)}), "avx_vnni")
    table = with_bit(table, "bmi1")
    zeros = "0 0 0 0"
    assert names(side(table, override=parse_override(f"7 1: {zeros}")).shown) >= {"bmi1"}
    assert "avx_vnni" not in names(side(table, override=parse_override(f"7 1: {zeros}")).shown)
    both = names(side(table, override=parse_override(f"7: {zeros}")).shown)
    assert both == set(SANDY_BRIDGE)


def test_the_first_line_that_matches_has_the_say() -> None:
    text = "1: 0 0 0xefffffff 0xffffffff\n1: 0 0 0 0"
    table = cpu(*SANDY_BRIDGE)
    assert side(table, override=parse_override(text)) == side(table, override=MASKED)


def test_what_an_override_hides_of_an_unrecorded_leaf_is_known_to_be_hidden() -> None:
    seen = side(without(NO_AVX, (0x7, 0)), override=parse_override("7 0: 0 0x8 0 0"))
    leaf_7_1 = {
        row.name
        for row in JUDGED_FEATURES
        if (row.leaf, row.subleaf) == (7, 1) and not needs_avx(row)
    }
    assert names(seen.may_be_shown) == {"xsave", "bmi1"} | leaf_7_1


# The area that XSAVE saves to

SKYLAKE = with_bit(cpu(*SANDY_BRIDGE).replace(LEAF_D), "avx512f")


def area_of(
    words: Iterable[str] = SANDY_BRIDGE, **leaf_d: tuple[int, int, int, int]
) -> XsaveArea | None:
    """Return the area of a CPU whose leaf 0xd has these subleaves (``_0``, ``_2``...)."""
    answers = {(0xD, int(name[1:])): Registers(*answer) for name, answer in leaf_d.items()}
    return side(cpu(*words).replace(answers)).area


def test_avx_ends_at_byte_832() -> None:
    assert area_of(_0=(0x7, 0x340, 0x340, 0)) == AVX_AREA
    assert area_of(_2=(0x100, 0x240, 0, 0)) == AVX_AREA
    assert area_of(_2=(0x100, 0x280, 0, 0)) == XsaveArea(896, (Component(2, 640, 896),))


def test_without_xsave_it_is_what_fxsave_takes() -> None:
    assert area_of(["fxsr", "sse"]) == FXSAVE_AREA == XsaveArea()


def test_with_xsave_and_no_avx_it_has_the_header_beside() -> None:
    assert area_of(_0=(0x3, 0x240, 0x240, 0)) == BARE_AREA


def test_each_component_of_avx_512_has_its_place_in_the_standard_form() -> None:
    assert side(SKYLAKE).area == AVX512_AREA


def test_the_size_in_the_dump_is_of_the_machine_that_it_was_made_on() -> None:
    for size in (0, 0x240, 0x340, 0xA88, 0x2B00):
        changed = SKYLAKE.replace({(0xD, 0): Registers(0x2FF, size, size, 0)})
        assert side(changed) == side(SKYLAKE)


def test_the_last_component_to_end_makes_the_size() -> None:
    amd = {5: 0x340, 6: 0x380, 7: 0x580}
    places = {(0xD, one): SKYLAKE[0xD, one]._replace(ebx=at) for one, at in amd.items()}
    assert side(SKYLAKE.replace(places)).area == AVX512_AREA_OF_AMD
    odd = area_of(_0=(0x27, 0, 0, 0), _5=(0x40, 0x200, 0, 0))
    assert odd == XsaveArea(832, (Component(2, 576, 832), Component(5, 512, 576)))


@pytest.mark.parametrize("bit", [3, 4, *range(8, 64)])
def test_no_kernel_enables_another_component(bit: int) -> None:
    """MPX's (bits 3 and 4), PKRU (9), AMX (17, 18), LWP (62)..."""
    low, high = (0x7 | 1 << bit) & 0xFFFFFFFF, 1 << bit >> 32
    assert area_of(_0=(low, 0x2B00, 0x2B00, high)) == AVX_AREA


@pytest.mark.parametrize("generation", ["2.6.32", "042stab", "042stab088", "042stab092"])
def test_kernels_before_108_enable_avx_and_no_more(generation: str) -> None:
    seen = side(SKYLAKE, generation=generation)
    assert seen.area == AVX_AREA
    assert names(seen.shown) == names(seen.usable) == set(SANDY_BRIDGE)
    assert seen == side(without(SKYLAKE, (0xD, 5), (0xD, 6), (0xD, 7)), generation=generation)


@pytest.mark.parametrize("generation", ["042stab101", "042stab107"])
def test_kernels_since_108_enable_avx_512_too(generation: str) -> None:
    seen = side(SKYLAKE, generation=generation)
    assert seen.area == AVX512_AREA
    assert names(seen.shown) == names(seen.usable) == {*SANDY_BRIDGE, "avx512f"}
    assert seen.with_more is None


def test_avx_512_works_where_all_its_components_are_enabled() -> None:
    for bit in (5, 6, 7):
        part = SKYLAKE.replace({(0xD, 0): Registers(0xE7 & ~(1 << bit), 0, 0, 0)})
        assert names(side(part).usable) == set(SANDY_BRIDGE)
    bare = SKYLAKE.replace({(0xD, 0): Registers(3, 0, 0, 0)})
    assert names(side(bare).usable) == set(SANDY_BRIDGE) - {"avx"}
    assert side(bare).area == BARE_AREA


UNREAD = identify("2.6.32-042stab104.1")


def test_between_two_trees_both_cases_are_kept_where_they_differ() -> None:
    seen = side(SKYLAKE, release=UNREAD)
    assert seen.kernel == "042stab104.1"
    assert seen.with_more == side(SKYLAKE)
    assert replace(seen, kernel="", with_more=None) == side(SKYLAKE, generation="042stab092")
    plain = cpu(*SANDY_BRIDGE)
    assert side(plain, release=UNREAD) == side(plain)
    assert side(cpu("sse"), release=UNREAD) == side(cpu("sse"))
    off = side(SKYLAKE, release=UNREAD, boot_options=("noxsave",))
    assert (off.with_more, off.area) == (None, FXSAVE_AREA)


# What programs take the area for


def told(text: str, table: CpuidTable = SKYLAKE, **traits: Any) -> int | None:
    return side(table, override=parse_override(text), **traits).told


def test_programs_are_told_of_the_area_itself() -> None:
    assert side(SKYLAKE).told is None
    assert told("7 0: 0 0 0 0") is None
    assert told("0xd 1: 0 0 0x123 0") is None


def test_an_override_may_tell_of_a_larger_area() -> None:
    assert told("0xd 0: 0xe7 0xb00 0xb00 0") == 0xB00
    assert told("0xd: 0xe7 0xb00 0xb00 0") == 0xB00
    assert told("0xd 0: 7 0xa80 0xa80 0\n0xd: 7 0xb00 0 0", cpu(*SANDY_BRIDGE)) == 0xA80


@pytest.mark.parametrize("size", ["0xa80", "0x340", "0x1"])
def test_one_that_tells_of_less_has_harmed_here_already(size: str) -> None:
    assert told(f"0xd 0: 7 {size} {size} 0") is None


def test_who_is_not_shown_xsave_does_not_use_it() -> None:
    without_osxsave, without_xsave = "1: 0 0 0xf7ffffff 0", "1: 0 0 0xfbffffff 0"
    assert told(without_osxsave) == told(f"{without_osxsave}\n0xd: 7 0xb00 0 0") == 0
    assert told(without_xsave) is None
    assert told("0xd: 0 0 0 0") == 0


def test_kernels_before_101_tell_what_the_cpu_tells() -> None:
    assert told("0xd: 0 0 0 0", generation="042stab092") is None


def test_a_place_that_was_not_recorded_leaves_it_unknown() -> None:
    assert side(without(SKYLAKE, (0xD, 5))).area is None


def test_where_subleaf_0_was_not_recorded_the_features_tell_the_components() -> None:
    assert side(without(SKYLAKE, (0xD, 0))).area == AVX512_AREA
    assert side(without(cpu(*SANDY_BRIDGE), (0xD, 0))).area == AVX_AREA
    assert side(without(cpu("xsave"), (0xD, 0))).area == BARE_AREA


def test_the_first_cpu_decides_what_the_kernel_enables() -> None:
    wide = cpu(*SANDY_BRIDGE)
    narrow = wide.replace({(0xD, 0): Registers(0x3, 0x240, 0x240, 0)})
    assert side(wide, narrow).area == AVX_AREA
    assert side(narrow, wide).area == BARE_AREA
    assert names(side(cpu("sse"), wide).shown) == {"sse", "sse2", "cmov", "fxsr", "mmx"}


def test_vendors_are_the_first_cpus() -> None:
    assert side(cpu("sse", vendor=AMD)).vendor == "AuthenticAMD"


# Leaves that were not recorded

NO_LEAF_7 = without(SKYLAKE, (0x7, 0))


def hole_of(table: CpuidTable, *others: CpuidTable, **traits: Any) -> Hole:
    hole = side(table, *others, **traits).hole
    assert hole is not None
    return hole


def test_where_all_was_recorded_there_is_no_hole() -> None:
    assert side(SKYLAKE).hole is None
    assert side(without(SKYLAKE, (0xD, 3), (0xD, 9))).hole is None


@pytest.mark.parametrize("missing", [(0x7, 0), (0xD, 1), (0xD, 6)])
def test_a_hole_has_what_was_recorded_all_the_same(missing: tuple[int, int]) -> None:
    table = without(SKYLAKE, missing)
    (seen,) = hole_of(table).cpus
    assert list(seen) == list(table)
    other = table.replace({(0x1, 0): table[0x1, 0]._replace(eax=0x000206D8)})
    assert hole_of(other) != hole_of(table)


def test_what_is_a_processors_own_makes_no_other_hole() -> None:
    second = NO_LEAF_7.replace({(0x1, 0): NO_LEAF_7[0x1, 0]._replace(ebx=0x07000000)})
    assert hole_of(second) == hole_of(NO_LEAF_7) == hole_of(NO_LEAF_7, second)
    lesser = without(NO_LEAF_7, (0xD, 1))
    assert len(hole_of(NO_LEAF_7, lesser).cpus) == 2


def test_what_the_running_kernel_has_enabled_makes_no_other_hole() -> None:
    """A dump may be of any kernel: OSXSAVE, and the size of the area that it has enabled."""
    first, area = NO_LEAF_7[0x1, 0], NO_LEAF_7[0xD, 0]
    elsewhere = {
        (0x1, 0): first._replace(ecx=first.ecx | 1 << 27),
        (0xD, 0): area._replace(ebx=0x240),
        (0xD, 1): NO_LEAF_7[0xD, 1]._replace(ebx=0x240),
    }
    assert hole_of(NO_LEAF_7.replace(elsewhere)) == hole_of(NO_LEAF_7)
    other = NO_LEAF_7.replace({(0xD, 0): area._replace(ecx=0x240)})
    assert hole_of(other) != hole_of(NO_LEAF_7)


def test_a_hole_has_what_the_kernel_enables() -> None:
    new, old = hole_of(NO_LEAF_7), hole_of(NO_LEAF_7, generation="042stab092")
    assert (new.xcr0, old.xcr0) == (0xE7, 0x7)
    assert new.enabled & ~old.enabled == OF_ZMM
    none = hole_of(NO_LEAF_7, generation="028stab")
    assert (none.xcr0, old.enabled & ~none.enabled) == (0, OF_XSAVE & ~OF_ZMM)


def test_features_that_others_depend_on_make_a_case_each() -> None:
    hole = hole_of(without(SKYLAKE, (0xD, 0), (0x7, 0)))
    (other,) = hole.others
    assert (hole.xcr0, names(hole.deciding)) == (0x7, {"avx512f"})
    assert other.hole is not None
    assert other.hole.xcr0 == 0xE7
    assert other.area == AVX512_AREA


# Properties

some_words = st.sets(st.sampled_from(sorted(BY_WORD))).map(sorted)


@given(some_words, some_words)
def test_sides_keep_within_each_other(one: list[str], other: list[str]) -> None:
    seen = side(cpu(*one), cpu(*other))
    assert seen.usable & ~seen.may_be_usable == 0
    assert seen.shown & ~seen.may_be_shown == 0
    assert seen.usable & ~seen.shown == 0
    assert side(cpu(*one), cpu(*other)) == seen


# Of CPUs alone, whose kernel is not told

BOOTED = [one for one in recorded_cpus().values() if one.xcr0]


def works(traits: CpuTraits | None) -> tuple[bool, bool, bool]:
    """Tell whether XSAVE, AVX and AVX-512 work."""
    usable = traits.usable if traits else 0
    return tuple(bool(usable & rows(name)) for name in ("xsave", "avx", "avx512f"))  # type: ignore[return-value]


@pytest.mark.parametrize("booted", BOOTED, ids=lambda one: one.name)
def test_what_the_running_kernel_enabled_is_told_by_leaf_d(booted: RecordedCpu) -> None:
    """XCR0 was read by XGETBV there."""
    traits = traits_without_kernel((booted.table,))
    assert traits.with_more is None
    has_zmm = bool(traits.may_be_usable & rows("avx512f"))
    assert works(traits) == (True, bool(booted.xcr0 & 4), has_zmm)
    assert has_zmm == (booted.xcr0 & 0xE0 == 0xE0)


def leaf_d(ebx: int, *without: tuple[int, int], osxsave: bool = True) -> CpuidTable:
    """Make a CPU with AVX-512 whose leaf 0xd tells of this size, less some subleaves."""
    table = cpu("xsave", "avx", "lm")
    one = table[1, 0]
    seven = table[7, 0]._replace(ebx=1 << 5 | 1 << 16)
    answers = {
        **LEAF_D,
        (0xD, 0): LEAF_D[0xD, 0]._replace(ebx=ebx),
        (1, 0): one._replace(ecx=one.ecx | osxsave << 27),
        (7, 0): seven,
    }
    return CpuidTable(
        (key, value)
        for key, value in {**dict(table.items()), **answers}.items()
        if key not in without
    )


@pytest.mark.parametrize(
    ("ebx", "least", "most"),
    [
        (0x240, (True, False, False), None),
        (0x340, (True, True, False), None),
        (0x440, (True, True, False), None),
        (0xA80, (True, True, True), None),
        (0xA88, (True, True, True), None),
        (0x480, (True, True, False), None),
        (0x3F0, (True, False, False), (True, True, False)),
        (0x900, (True, False, False), (True, True, False)),
        (0xFFFF, (True, False, False), (True, True, True)),
        (0x100, (True, False, False), None),
    ],
)
def test_the_size_tells_what_is_enabled(
    ebx: int, least: tuple[bool, ...], most: tuple[bool, ...] | None
) -> None:
    traits = traits_without_kernel((leaf_d(ebx),))
    assert works(traits) == least
    assert (traits.with_more and works(traits.with_more)) == most
    assert traits.kernel == ""


def test_a_kernel_without_xsave_is_told_by_osxsave() -> None:
    traits = traits_without_kernel((leaf_d(0xA88, osxsave=False),))
    assert works(traits) == (False, False, False)
    assert traits.with_more is None
    assert traits.area == FXSAVE_AREA


@pytest.mark.parametrize("without", [(0xD, 0), (0xD, 5), (0xD, 9)])
def test_what_leaf_d_does_not_tell_is_between(without: tuple[int, int]) -> None:
    traits = traits_without_kernel((leaf_d(0xA88, without),))
    assert works(traits)[:2] == (True, False)
    assert traits.with_more is not None
    assert works(traits.with_more)[1]


def test_osxsave_that_is_not_told_may_be_clear() -> None:
    table = leaf_d(0xA88)
    known = Registers(*[0xFFFFFFFF] * 2, 0xFFFFFFFF & ~(1 << 27), 0xFFFFFFFF)
    values = table[1, 0]._replace(ecx=table[1, 0].ecx & known.ecx)
    rest = [(key, one) for key, one in table.items() if key != (1, 0)]
    traits = traits_without_kernel((CpuidTable(rest, [((1, 0), (values, known))]),))
    assert works(traits) == (False, False, False)
    assert works(traits.with_more) == (True, True, True)


def test_a_32_bit_machine_has_no_long_mode() -> None:
    table = cpu("sse2", "cmov")
    assert traits_without_kernel((table,)).usable == rows("sse2", "cmov")


def test_of_a_cpu_of_which_nothing_is_known_all_may_be() -> None:
    assert (NOT_TOLD.shown, NOT_TOLD.usable, NOT_TOLD.area) == (0, 0, None)
    assert NOT_TOLD.may_be_shown == NOT_TOLD.may_be_usable == JUDGED
