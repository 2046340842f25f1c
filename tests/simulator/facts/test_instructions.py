"""What programs get from a CPU: the table against a second transcript, and sides made of it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.capabilities import PLACES
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import BY_NAME, JUDGED, features_in
from simulator.facts.generations import GENERATIONS
from simulator.facts.instructions import CpuSide, XsaveArea, cpu_side
from simulator.facts.override import parse_override
from support.simulated_nodes import AMD, cpu, node_facts
from support.simulated_profiles import captured_nodes

#: Written down once more from the manuals: leaf/subleaf register, then the names by their bits.
TRANSCRIPT = """
1/0 edx: 0 fpu 1 vme 2 de 3 pse 4 tsc 5 msr 6 pae 7 mce 8 cx8 9 apic 11 sep 12 mtrr 13 pge 14 mca \
15 cmov 16 pat 17 pse36 19 clflush 23 mmx 24 fxsr 25 sse 26 sse2
1/0 ecx: 0 pni 1 pclmulqdq 3 monitor 5 vmx 6 smx 7 est 9 ssse3 12 fma 13 cx16 15 pdcm 17 pcid \
19 sse4_1 20 sse4_2 21 x2apic 22 movbe 23 popcnt 25 aes 26 xsave 28 avx 29 f16c 30 rdrand
7/0 ebx: 0 fsgsbase 1 tsc_adjust 3 bmi1 4 hle 5 avx2 7 smep 8 bmi2 9 erms 10 invpcid 11 rtm \
14 mpx 16 avx512f 17 avx512dq 18 rdseed 19 adx 20 smap 21 avx512ifma 23 clflushopt 24 clwb \
26 avx512pf 27 avx512er 28 avx512cd 29 sha_ni 30 avx512bw 31 avx512vl
7/0 ecx: 0 prefetchwt1 1 avx512vbmi 2 umip 3 pku 5 waitpkg 6 avx512_vbmi2 8 gfni 9 vaes \
10 vpclmulqdq 11 avx512_vnni 12 avx512_bitalg 14 avx512_vpopcntdq 16 la57 22 rdpid 25 cldemote \
27 movdiri 28 movdir64b 29 enqcmd
7/0 edx: 2 avx512_4vnniw 3 avx512_4fmaps 4 fsrm 5 uintr 8 avx512_vp2intersect 14 serialize \
16 tsxldtrk 22 amx_bf16 23 avx512_fp16 24 amx_tile 25 amx_int8
7/1 eax: 0 sha512 1 sm3 2 sm4 4 avx_vnni 5 avx512_bf16 7 cmpccxadd 10 fzrm 11 fsrs 12 fsrc \
21 amx_fp16 23 avx_ifma
7/1 edx: 4 avx_vnni_int8 5 avx_ne_convert 8 amx_complex 10 avx_vnni_int16 14 prefetchi 19 avx10 \
21 apx_f
d/1 eax: 0 xsaveopt 1 xsavec 2 xgetbv1 3 xsaves
80000001/0 edx: 11 syscall 20 nx 25 fxsr_opt 26 pdpe1gb 27 rdtscp 29 lm 30 3dnowext 31 3dnow
80000001/0 ecx: 0 lahf_lm 2 svm 5 abm 6 sse4a 7 misalignsse 8 3dnowprefetch 10 ibs 11 xop \
12 skinit 15 lwp 16 fma4 21 tbm 22 topoext 29 mwaitx
80000008/0 ebx: 0 clzero 4 rdpru 9 wbnoinvd
"""


def word_set(text: str) -> set[str]:
    return set(text.split())


#: All that is not among these is undefined where the bit is not set.
WRONG = {"abm"}
SLOWER = word_set("hle erms mpx prefetchwt1 cldemote fsrm fzrm fsrs fsrc prefetchi 3dnowprefetch")
KERNEL = word_set(
    "vme de pse msr pae mce apic sep mtrr pge mca pat pse36 monitor vmx smx est pdcm pcid x2apic "
    "fsgsbase tsc_adjust smep invpcid smap umip pku la57 enqcmd uintr amx_bf16 amx_tile amx_int8 "
    "amx_fp16 amx_complex apx_f xsaves syscall nx fxsr_opt pdpe1gb lm svm ibs skinit lwp topoext "
    "wbnoinvd"
)

FPU = word_set(
    "fpu mmx fxsr sse sse2 pni pclmulqdq ssse3 sse4_1 sse4_2 aes sha_ni gfni 3dnow 3dnowext sse4a "
    "misalignsse"
)
XSAVE = word_set(
    "fma xsave avx f16c avx2 mpx avx512f avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw "
    "avx512vl avx512vbmi avx512_vbmi2 vaes vpclmulqdq avx512_vnni avx512_bitalg avx512_vpopcntdq "
    "avx512_4vnniw avx512_4fmaps avx512_vp2intersect avx512_fp16 sha512 sm3 sm4 avx_vnni "
    "avx512_bf16 avx_ifma avx_vnni_int8 avx_ne_convert avx_vnni_int16 avx10 xsaveopt xsavec "
    "xgetbv1 xop fma4"
)

SANDY_BRIDGE = ("cmov", "fxsr", "sse", "sse2", "mmx", "xsave", "avx", "xsaveopt")


def transcribed() -> list[tuple[str, int, int, str, int]]:
    rows = []
    for line in TRANSCRIPT.strip().splitlines():
        place, _, listed = line.partition(": ")
        key, register = place.split()
        leaf, subleaf = (int(part, 16) for part in key.split("/"))
        words = listed.split()
        bits = zip(words[::2], words[1::2], strict=True)
        rows += [(name, leaf, subleaf, register, int(bit)) for bit, name in bits]
    return rows


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


def side(table: CpuidTable, *others: CpuidTable, **traits: Any) -> CpuSide:
    generation = traits.pop("generation", "042stab107")
    return cpu_side(node_facts(generation, cpuid=table, **traits), (table, *others))


def test_the_table_is_the_transcript() -> None:
    table = [(row.name, row.leaf, row.subleaf, row.register, row.bit) for row in JUDGED_FEATURES]
    assert sorted(table) == sorted(transcribed())


def test_effects_are_the_transcripts() -> None:
    by_effect: dict[str, set[str]] = {"wrong": WRONG, "slower": SLOWER, "kernel": KERNEL}
    for row in JUDGED_FEATURES:
        expected = [effect for effect, listed in by_effect.items() if row.name in listed]
        assert [row.effect] == (expected or ["crash"]), row.name


def test_states_are_the_transcripts() -> None:
    for row in JUDGED_FEATURES:
        expected = "fpu" if row.name in FPU else "xsave" if row.name in XSAVE else ""
        assert row.state == expected, row.name


def test_a_name_and_a_place_come_once_and_leaves_in_order() -> None:
    table = JUDGED_FEATURES
    assert max(Counter(row.name for row in table).values()) == 1
    assert max(Counter(row.place for row in table).values()) == 1
    leaves = [(row.leaf, row.subleaf) for row in table]
    assert leaves == sorted(leaves)


def test_the_places_of_what_the_kernel_compares_are_its_own() -> None:
    spelled = {"sysenter": "sep", "aesni": "aes"}
    table = {row.name: row for row in JUDGED_FEATURES}
    for word, place in PLACES.items():
        row = table[spelled.get(word, word)]
        assert (row.leaf, row.subleaf, row.register, row.bit) == place


def test_recorded_kernels_spell_the_names_so() -> None:
    """What /proc/cpuinfo of a booted kernel lists, that CPU has by the table."""
    found = set()
    for node in captured_nodes():
        for one in node.cpus:
            for row in JUDGED_FEATURES:
                if row.name in (one.flags or ()):
                    assert one.cpuid.has_bit(row.leaf, row.subleaf, row.register, row.bit)
                    found.add(row.name)
    assert {"pni", "sse4_1", "popcnt", "aes", "avx2", "bmi1", "lahf_lm", "xsaveopt", "abm"} <= found


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("avx", "CPUID 0x00000001 ecx bit 28"),
        ("avx_vnni", "CPUID 0x00000007 subleaf 1 eax bit 4"),
        ("abm", "CPUID 0x80000001 ecx bit 5"),
    ],
)
def test_a_place_is_spelled(name: str, place: str) -> None:
    assert [row.place for row in features_in(rows(name))] == [place]


@given(st.sets(st.sampled_from([row.name for row in JUDGED_FEATURES])))
def test_a_mask_names_its_rows_in_the_tables_order(chosen: set[str]) -> None:
    expected = [row for row in JUDGED_FEATURES if row.name in chosen]
    assert list(features_in(rows(*chosen))) == expected


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
    expected = {name for name, leaf, *_ in transcribed() if leaf in (0x1, 0x80000001)}
    table = cpu()
    for name in expected:
        table = with_bit(table, name)
    for generation in GENERATIONS[1:]:
        seen = side(table, generation=generation.name)
        assert names(seen.shown) == names(seen.usable) == expected


def test_ia64_has_no_cpuid() -> None:
    assert cpu_side(node_facts(cpuid=None, machine="ia64"), ()) == CpuSide("", 0, 0, 0, 0)


def test_a_leaf_that_was_not_recorded_may_have_it_all() -> None:
    answers = {key: answer for key, answer in cpu("xsave").items() if key != (0x7, 0)}
    seen = side(CpuidTable(answers.items()))
    assert names(seen.shown) == names(seen.usable) == {"xsave"}
    leaf_7 = {name for name, leaf, subleaf, _, _ in transcribed() if leaf == 0x7}
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
def test_a_boot_option_that_hides_xsave_takes_all_that_needs_it(
    option: str, generation: str
) -> None:
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
    leaf_7_1 = {name for name, leaf, subleaf, _, _ in transcribed() if (leaf, subleaf) == (7, 1)}
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

some_words = st.sets(st.sampled_from(sorted(PLACES))).map(sorted)


@given(some_words, some_words)
def test_sides_keep_within_each_other(one: list[str], other: list[str]) -> None:
    seen = side(cpu(*one), cpu(*other))
    assert seen.usable & ~seen.may_be_usable == 0
    assert seen.shown & ~seen.may_be_shown == 0
    assert seen.usable & ~seen.shown == 0
    assert side(cpu(*one), cpu(*other)) == seen
