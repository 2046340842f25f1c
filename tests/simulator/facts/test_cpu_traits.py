"""What programs in containers get from a node's CPUs."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.cpu_traits import CpuTraits, XsaveArea, cpu_traits
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import BY_NAME, BY_WORD, JUDGED, features_in
from simulator.facts.generations import GENERATIONS
from simulator.facts.override import parse_override
from support.simulated_nodes import AMD, cpu, node_facts

SANDY_BRIDGE = ("cmov", "fxsr", "sse", "sse2", "mmx", "xsave", "avx", "xsaveopt")

JUDGED_FEATURES = tuple(features_in(JUDGED))


def rows(*names: str) -> int:
    """Make a mask of the table's rows of these names."""
    return sum(BY_NAME[name].mask for name in names)


def names(mask: int) -> set[str]:
    return {row.name for row in features_in(mask)}


def with_bit(table: CpuidTable, name: str) -> CpuidTable:
    """Give a CPU one feature of the table more, and the leaf that tells of it."""
    row = next(features_in(rows(name)))
    key = row.leaf, row.subleaf
    own = table[key] if key in table else Registers(0, 0, 0, 0)
    changed = own._replace(**{row.register: getattr(own, row.register) | 1 << row.bit})
    return table.replace({key: changed})


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
    table = cpu()
    for name in expected:
        table = with_bit(table, name)
    for generation in GENERATIONS[1:]:
        seen = side(table, generation=generation.name)
        assert names(seen.shown) == names(seen.usable) == expected


def test_ia64_has_no_cpuid() -> None:
    assert cpu_traits(node_facts(cpuid=None, machine="ia64"), ()) == CpuTraits("", 0, 0, 0, 0)


def test_a_leaf_that_was_not_recorded_may_have_it_all() -> None:
    answers = {key: answer for key, answer in cpu("xsave").items() if key != (0x7, 0)}
    seen = side(CpuidTable(answers.items()))
    assert names(seen.shown) == names(seen.usable) == {"xsave"}
    leaf_7 = {row.name for row in JUDGED_FEATURES if row.leaf == 0x7}
    assert names(seen.may_be_shown) == names(seen.may_be_usable) == {"xsave"} | leaf_7


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
    assert seen.area == XsaveArea()


def test_xsave_is_enabled_on_all_generations_but_the_first() -> None:
    enabled = [generation.name for generation in GENERATIONS if generation.enables_xsave]
    assert enabled == [generation.name for generation in GENERATIONS[1:]]
    for name in enabled:
        assert "avx" in names(side(cpu(*SANDY_BRIDGE), generation=name).usable)


@pytest.mark.parametrize("option", ["noxsave", "clearcpuid=154"])
@pytest.mark.parametrize("generation", ["2.6.32", "042stab107"])
def test_hiding_xsave_takes_all_that_needs_it(option: str, generation: str) -> None:
    seen = side(cpu(*SANDY_BRIDGE), generation=generation, boot_options=(option,))
    assert names(seen.shown) == {"cmov", "fxsr", "sse", "sse2", "mmx"}
    assert seen.may_be_shown == seen.shown
    assert seen.area == XsaveArea()


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
    answers = {key: answer for key, answer in cpu("xsave").items() if key != (0x7, 0)}
    seen = side(CpuidTable(answers.items()), override=parse_override("7 0: 0 0x8 0 0"))
    leaf_7_1 = {row.name for row in JUDGED_FEATURES if (row.leaf, row.subleaf) == (7, 1)}
    assert names(seen.may_be_shown) == {"xsave", "bmi1"} | leaf_7_1


# The area that XSAVE saves to


def area_of(words: Iterable[str] = SANDY_BRIDGE, **leaf_d: tuple[int, int, int, int]) -> Any:
    """Return the area of a CPU whose leaf 0xd has these subleaves (``_0``, ``_2``...)."""
    answers = {(0xD, int(name[1:])): Registers(*answer) for name, answer in leaf_d.items()}
    return side(cpu(*words).replace(answers)).area


def test_avx_ends_at_byte_832() -> None:
    assert area_of(_0=(0x7, 0x340, 0x340, 0)) == XsaveArea(0x4, 832, ())


def test_without_xsave_it_is_what_fxsave_takes() -> None:
    assert area_of(["fxsr", "sse"]) == XsaveArea(0, 512, ())


def test_with_xsave_and_no_avx_nothing_is_in_it_that_fxsave_has_not() -> None:
    assert area_of(_0=(0x3, 0x240, 0x240, 0)) == XsaveArea()


def test_each_component_after_avx_has_its_place_in_the_standard_form() -> None:
    intel = area_of(
        _0=(0xFF, 0xA80, 0xA80, 0),
        _3=(0x40, 0x3C0, 0, 0),
        _4=(0x40, 0x400, 0, 0),
        _5=(0x40, 0x440, 0, 0),
        _6=(0x200, 0x480, 0, 0),
        _7=(0x400, 0x680, 0, 0),
    )
    places = ((3, 0x3C0), (4, 0x400), (5, 0x440), (6, 0x480), (7, 0x680))
    assert intel == XsaveArea(0xFC, 0xA80, places)


def test_the_last_component_to_end_makes_the_size() -> None:
    odd = area_of(_0=(0x2B, 0, 0, 0), _3=(0x40, 0x500, 0, 0), _5=(0x40, 0x240, 0, 0))
    assert odd == XsaveArea(0x28, 0x540, ((3, 0x500), (5, 0x240)))


def test_avx_s_place_counts_where_avx_is() -> None:
    without = area_of(_0=(0xB, 0, 0, 0), _3=(0x40, 0x240, 0, 0))
    assert without == XsaveArea(0x8, 0x280, ((3, 0x240),))
    beside = area_of(_0=(0xF, 0, 0, 0), _3=(0x40, 0x200, 0, 0))
    assert beside == XsaveArea(0xC, 832, ((3, 0x200),))


def test_components_of_newer_kernels_are_left_out() -> None:
    """PKRU (bit 9), AMX (17, 18), LWP (62): no kernel here enables them."""
    assert area_of(_0=(0x60207, 0x2B00, 0x2B00, 0x40000000)) == XsaveArea(0x4, 832, ())


@pytest.mark.parametrize("bit", range(8, 64))
def test_no_component_is_in_it_after_avx_512_which_ends_at_bit_7(bit: int) -> None:
    low, high = (0x7 | 1 << bit) & 0xFFFFFFFF, 1 << bit >> 32
    assert area_of(_0=(low, 0x2B00, 0x2B00, high)) == XsaveArea(0x4, 832, ())


@pytest.mark.parametrize("missing", [(0xD, 0), (0xD, 5)])
def test_a_subleaf_that_was_not_recorded_leaves_it_unknown(missing: tuple[int, int]) -> None:
    table = cpu(*SANDY_BRIDGE).replace({(0xD, 0): Registers(0x27, 0x480, 0x480, 0)})
    answers = {key: answer for key, answer in table.items() if key != missing}
    assert side(CpuidTable(answers.items())).area is None


def test_the_first_cpu_decides_what_the_kernel_enables() -> None:
    wide = cpu(*SANDY_BRIDGE)
    narrow = wide.replace({(0xD, 0): Registers(0x3, 0x240, 0x240, 0)})
    assert side(wide, narrow).area == XsaveArea(0x4, 832)
    assert side(narrow, wide).area == XsaveArea()
    assert names(side(cpu("sse"), wide).shown) == {"sse", "sse2", "cmov", "fxsr", "mmx"}


def test_vendors_are_the_first_cpus() -> None:
    assert side(cpu("sse", vendor=AMD)).vendor == "AuthenticAMD"


# Properties

some_words = st.sets(st.sampled_from(sorted(BY_WORD))).map(sorted)


@given(some_words, some_words)
def test_sides_keep_within_each_other(one: list[str], other: list[str]) -> None:
    seen = side(cpu(*one), cpu(*other))
    assert seen.usable & ~seen.may_be_usable == 0
    assert seen.shown & ~seen.may_be_shown == 0
    assert seen.usable & ~seen.shown == 0
    assert side(cpu(*one), cpu(*other)) == seen
