"""The table of CPUID features, and that no other module has one."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import simulator
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.features import (
    BY_NAME,
    BY_WORD,
    FEATURES,
    JUDGED,
    JUDGED_LEAVES,
    MASKS,
    OF_XSAVE,
    OF_YMM,
    OF_ZMM,
    Feature,
    features_in,
    judged_in,
    without_features,
)
from simulator.profiles.catalogue import load_cpus
from support.simulated_profiles import captured_nodes

SOURCES = Path(simulator.__file__).parent

#: Every word that stands for a feature somewhere.
WORDS = {word for one in FEATURES for word in (one.name, one.word, *one.old_names) if word}

#: Modules that say such words of something else.
ALLOWED = {
    "verdicts/criu_rules.py": {"fpu"},  # a mode of --cpu-cap, as CRIU spells it
    # Names that others have beside the table's, and what hypervisors offer on their own account.
    "dumps/named.py": {
        "amd_ibpb",
        "amd_ibrs",
        "amd_ssbd",
        "amd_stibp",
        "apic",
        "arat",
        "arch_capabilities",
        "avx10",
        "cqm",
        "hle",
        "hypervisor",
        "invtsc",
        "md_clear",
        "movbe",
        "mpx",
        "ospke",
        "osxsave",
        "pclmulqdq",
        "pni",
        "rdpid",
        "rtm",
        "spec_ctrl",
        "ssbd",
        "stibp",
        "tsc_adjust",
        "tsc_deadline_timer",
        "umip",
        "virt_ssbd",
        "x2apic",
    },
    "facts/bits.py": {"ia64"},  # a machine
    "facts/capabilities.py": {"ia64"},  # a machine
    "fleets/expectations.py": {"fpu"},  # whether a process used it
    "profiles/gathered.py": {"ia64"},  # a machine
    "profiles/compose.py": {"fpu"},  # a process that used it
    "reports/as_html.py": {"ia64"},  # a machine
    "reports/pool_report.py": {"ia64", "sysenter"},  # a machine; how programs enter the kernel
    "reports/as_tables.py": {"ia64"},  # a machine
    "verdicts/programs.py": {"ia64"},  # a machine
    "verdicts/restore.py": {"ia64"},  # processes
}


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
SLOWER = word_set("hle erms prefetchwt1 cldemote fsrm fzrm fsrs fsrc prefetchi 3dnowprefetch")
KERNEL = word_set(
    "vme de pse msr pae mce apic sep mtrr pge mca pat pse36 monitor vmx smx est pdcm pcid x2apic "
    "fsgsbase tsc_adjust mpx smep invpcid smap umip pku la57 enqcmd uintr amx_bf16 amx_tile "
    "amx_int8 amx_fp16 amx_complex apx_f xsaves syscall nx fxsr_opt pdpe1gb lm svm ibs skinit "
    "lwp topoext wbnoinvd"
)

FPU = word_set(
    "fpu mmx fxsr sse sse2 pni pclmulqdq ssse3 sse4_1 sse4_2 aes sha_ni gfni 3dnow 3dnowext sse4a "
    "misalignsse"
)
XSAVE = word_set("xsave mpx xsaveopt xsavec xgetbv1")
YMM = word_set(
    "fma avx f16c avx2 vaes vpclmulqdq sha512 sm3 sm4 avx_vnni avx_ifma avx_vnni_int8 "
    "avx_ne_convert avx_vnni_int16 xop fma4"
)
ZMM = word_set(
    "avx512f avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi "
    "avx512_vbmi2 avx512_vnni avx512_bitalg avx512_vpopcntdq avx512_4vnniw avx512_4fmaps "
    "avx512_vp2intersect avx512_fp16 avx512_bf16 avx10"
)


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


def literals(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def feature_names(text: str) -> set[str]:
    """Return the features that a text names, if it is a list of them: half of its words are."""
    words = text.replace(",", " ").split()
    found = WORDS.intersection(words)
    return found if 2 * sum(word in WORDS for word in words) >= len(words) else set()


@pytest.mark.parametrize(
    "module",
    [
        path.relative_to(SOURCES).as_posix()
        for path in sorted(SOURCES.rglob("*.py"))
        if path.name != "features.py"
    ],
)
def test_no_other_module_has_the_name_of_a_feature(module: str) -> None:
    source = (SOURCES / module).read_text("utf-8")
    found = {name for text in literals(source) for name in feature_names(text)}
    assert found <= ALLOWED.get(module, set())


def test_no_other_text_has_the_names_of_features() -> None:
    texts = [path for path in SOURCES.rglob("*") if path.suffix in {".txt", ".json", ".toml"}]
    tables = [path for path in texts if len(WORDS & set(re.split(r"\W+", path.read_text()))) > 20]
    assert [path.name for path in tables] == ["features.txt"]


def test_a_list_of_features_is_seen() -> None:
    assert list(map(feature_names, literals("a = 'avx2', 'sse4_1 - avx', 'an odd pat'"))) == [
        {"avx2"},
        {"sse4_1", "avx"},
        set(),
    ]


def test_names_places_and_labels_are_of_one_feature_each() -> None:
    words = [word for one in FEATURES for word in {one.name, one.word, *one.old_names} if word]
    assert len(words) == len(set(words))
    assert len(BY_NAME) == len({one.location for one in FEATURES}) == len(FEATURES) == 280
    labels = [(one.leaf, label) for one in FEATURES for label in one.labels]
    assert len(labels) == len(set(labels))


def test_rows_are_in_order_and_masks_with_them() -> None:
    masks = [one.mask for one in FEATURES]
    assert masks == sorted(set(masks))
    assert masks[:2] == [1, 2]
    for one in FEATURES:
        assert one.mask.bit_length() % 32 == (one.bit + 1) % 32
        assert 0 <= one.bit < 32


def test_columns_have_no_other_values() -> None:
    assert {one.effect for one in FEATURES} == {"", "crash", "wrong", "slower", "kernel"}
    assert {one.state for one in FEATURES} == {"", "fpu", "ymm", "zmm", "xsave"}
    assert set("".join(one.marks for one in FEATURES)) == set("orvsani")
    assert {word for one in FEATURES for word in one.needs} <= set(BY_NAME)
    assert {one.facts.get("with", "avx") for one in FEATURES} <= set(BY_NAME)
    for one in FEATURES:
        assert bool(one.word) == ("v" in one.marks)
        assert one.effect or not (one.state or one.word or one.needs or one.always_stays)


def test_what_hides_nothing_is_left_in_a_register() -> None:
    full = Registers(*[0xFFFF_FFFF] * 4)
    without = without_features((7, 0), full, BY_NAME["avx2"].mask | BY_NAME["gfni"].mask)
    assert without == full._replace(ebx=0xFFFF_FFFF - 32, ecx=0xFFFF_FFFF - 256)


def test_marks() -> None:
    one, other = BY_NAME["hypervisor"], BY_NAME["smap"]
    assert (one.is_printed, one.is_told, one.always_stays) == (True, False, False)
    assert (other.is_printed, other.is_told) == (False, True)
    assert BY_NAME["lm"].always_stays


def test_what_needs_states_of_xsave_has_masks() -> None:
    masks = {OF_ZMM: ZMM, OF_YMM: YMM | ZMM, OF_XSAVE: XSAVE | YMM | ZMM}
    for mask, expected in masks.items():
        assert {one.name for one in features_in(mask)} == expected


@pytest.mark.parametrize(
    ("name", "qemu_name"),
    [("avx", "avx"), ("sha_ni", "sha-ni"), ("sse4_1", "sse4.1"), ("dts", "ds")],
)
def test_qemu_has_names_of_its_own(name: str, qemu_name: str) -> None:
    assert BY_NAME[name].qemu_name == qemu_name


def test_words_of_another_spelling() -> None:
    assert {one.word: one.name for one in FEATURES if one.word not in ("", one.name)} == {
        "sysenter": "sep",
        "aesni": "aes",
    }
    assert BY_WORD["aesni"] == BY_NAME["aes"]
    assert MASKS["aesni"] == MASKS["aes"] == BY_NAME["aes"].mask


def test_a_nameless_bit_has_a_place() -> None:
    one = Feature("", 0x7, 1, "edx", 31)
    assert one.place == "CPUID 0x00000007 subleaf 1 edx bit 31"
    assert (one.mask, one.qemu_name) == (0, "")
    assert one.is_in(CpuidTable([((0, 0), Registers(7, 0, 0, 0))])) is None


registers = st.builds(Registers, *[st.integers(0, 0xFFFF_FFFF)] * 4)


judged_masks = st.sets(st.sampled_from([one.mask for one in features_in(JUDGED)])).map(sum)


@given(st.sampled_from(sorted(JUDGED_LEAVES)), registers, judged_masks)
def test_masks_are_bits_of_registers(key: tuple[int, int], answer: Registers, hidden: int) -> None:
    has = judged_in(key, answer)
    rows = [one for one in FEATURES if one.effect and (one.leaf, one.subleaf) == key]
    assert sum(one.mask for one in rows) == JUDGED_LEAVES[key]
    assert list(features_in(has)) == [
        one for one in rows if getattr(answer, one.register) >> one.bit & 1
    ]
    less = without_features(key, answer, hidden)
    assert judged_in(key, less) == has & ~hidden
    changed = Registers(*(one ^ other for one, other in zip(answer, less, strict=True)))
    assert judged_in(key, changed) == has & hidden
    assert sum(value.bit_count() for value in changed) == (has & hidden).bit_count()


def test_the_table_is_the_transcript() -> None:
    table = [
        (row.name, row.leaf, row.subleaf, row.register, row.bit) for row in features_in(JUDGED)
    ]
    assert sorted(table) == sorted(transcribed())


def test_effects_are_the_transcripts() -> None:
    by_effect: dict[str, set[str]] = {"wrong": WRONG, "slower": SLOWER, "kernel": KERNEL}
    for row in features_in(JUDGED):
        expected = [effect for effect, listed in by_effect.items() if row.name in listed]
        assert [row.effect] == (expected or ["crash"]), row.name


def test_states_are_the_transcripts() -> None:
    by_state = {"fpu": FPU, "xsave": XSAVE, "ymm": YMM, "zmm": ZMM}
    for row in features_in(JUDGED):
        expected = [state for state, listed in by_state.items() if row.name in listed]
        assert [row.state] == (expected or [""]), row.name


def test_a_name_and_a_place_come_once_and_leaves_in_order() -> None:
    table = list(features_in(JUDGED))
    assert max(Counter(row.name for row in table).values()) == 1
    assert max(Counter(row.place for row in table).values()) == 1
    leaves = [(row.leaf, row.subleaf) for row in table]
    assert leaves == sorted(leaves)


def test_recorded_kernels_spell_the_names_so() -> None:
    """What /proc/cpuinfo of a booted kernel lists, that CPU has by the table."""
    found = set()
    for node in captured_nodes():
        for one in node.cpus:
            for row in features_in(JUDGED):
                if row.name in (one.flags or "").split():
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
    assert [row.place for row in features_in(BY_NAME[name].mask)] == [place]


@given(st.sets(st.sampled_from([row.name for row in features_in(JUDGED)])))
def test_a_mask_names_its_rows_in_the_tables_order(chosen: set[str]) -> None:
    expected = [row for row in features_in(JUDGED) if row.name in chosen]
    assert list(features_in(sum(BY_NAME[name].mask for name in chosen))) == expected


def test_no_recorded_cpu_has_a_feature_without_what_came_before_it() -> None:
    for cpu in load_cpus().values():
        for one in FEATURES:
            before = one.facts.get("with")
            if before is not None and one.is_in(cpu.table):
                assert BY_NAME[before].is_in(cpu.table), (cpu.name, one.name)
