"""The words that kernels know of /proc/cpuinfo's flags, against a transcript of ten trees."""

from pathlib import Path

import pytest

from simulator.facts.features import BY_NAME, FEATURES
from simulator.facts.generations import identify
from simulator.facts.words import knows_word, tells_absence, words_of

_DATA = Path(__file__).parents[2] / "data" / "words.txt"
TREES = {
    tree: words.split()
    for tree, _, words in (
        line.partition(": ")
        for line in _DATA.read_text("utf-8").splitlines()
        if not line.startswith("#")
    )
}

#: Features for which kernels print words of their own.
CAUSES = {"amd_ibpb", "amd_ibrs", "amd_ssbd", "amd_stibp", "spec_ctrl", "ssbd", "stibp"}


@pytest.mark.parametrize("tree", TREES)
def test_each_tree_has_its_words_in_order(tree: str) -> None:
    assert [word.name for word in words_of(identify(f"2.6.32-{tree}"))] == TREES[tree]


@pytest.mark.parametrize("tree", TREES)
def test_whether_a_tree_knows_a_feature_is_certain(tree: str) -> None:
    release = identify(f"2.6.32-{tree}")
    known = {name for name, one in BY_NAME.items() if knows_word(release, one)}
    printed = {one for word in words_of(release) for one in word.features}
    assert {BY_NAME[name] for name in known} <= printed
    assert {one.name for one in printed} - known <= CAUSES
    assert None not in {knows_word(release, one) for one in BY_NAME.values()}


@pytest.mark.parametrize(
    ("release", "name", "known"),
    [
        ("2.6.32-042stab061.9", "avx2", False),
        ("2.6.32-042stab070.1", "avx2", None),
        ("2.6.32-042stab088.4", "avx2", True),
        ("2.6.32-042stab100.1", "rdseed", None),
        ("2.6.32-042stab092.1", "rdseed", False),
        ("2.6.32-042stab145.1", "smap", False),
        ("2.6.32-042stab145.1", "ssbd", False),  # the kernel's own word, not the bit of CPUID
        ("2.6.32-042stab100.1", "xsaveopt", True),  # in another word of x86_capability
        ("2.6.32-042stab050.1", "sse2", None),
        ("2.6.32-042stab050.1", "avx2", False),
        ("2.6.18-028stab056.1", "sse2", None),
        ("2.6.18-028stab056.1", "clzero", False),
        ("2.6.32-042stab109.3", "perfctr_llc", True),
        ("2.6.32-042stab088.4", "perfctr_llc", False),
    ],
)
def test_between_two_trees_it_is_not_known(release: str, name: str, known: bool | None) -> None:
    assert knows_word(identify(release), BY_NAME[name]) is known


def test_between_two_trees_words_of_features_are_there_and_of_the_kernel_not() -> None:
    words = {word.name for word in words_of(identify("2.6.32-042stab120.1"))}
    assert {"hwp", "clzero"} <= words
    assert not {"retpoline", "eagerfpu"} & words


def test_a_word_may_have_another_name_and_place() -> None:
    old, new = (words_of(identify(f"2.6.32-042stab{one}")) for one in ("061.9", "141.3"))
    places = [
        {word.place: word.name for word in words if word.features == (BY_NAME[name],)}
        for words in (old, new)
        for name in ("dtherm", "xsaveopt", "hwp_notify")
    ]
    assert places[:3] == [{(7, 7): "dts"}, {(7, 4): "xsaveopt"}, {}]
    assert places[3:] == [{(7, 7): "dtherm"}, {(10, 0): "xsaveopt"}, {(7, 11): "hwp_noitfy"}]


def test_with_the_kernel_of_most_words_few_of_them_tell_nothing() -> None:
    silent = {one.name for one in FEATURES if one.is_told and not tells_absence(one, "6.12.1")}
    assert {"pku", "sgx", "umip", "sha512", "lahf_lm"} <= silent
    assert not {"avx", "avx2", "avx512f", "sha_ni", "gfni", "sse4_1", "rdrand", "fma"} & silent


def test_a_word_that_no_kernel_prints_of_its_bit_alone_tells_nothing() -> None:
    assert not tells_absence(BY_NAME["invtsc"], "6.12.1")
    assert not tells_absence(BY_NAME["avx_vnni_int8"], "6.12.1")
