"""The table of CPUID features, and that no other module has one."""

import ast
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
    Feature,
    features_in,
    judged_in,
    without_features,
)

SOURCES = Path(simulator.__file__).parent

#: Every word that stands for a feature somewhere.
WORDS = {word for one in FEATURES for word in (one.name, one.word, *one.old_names) if word}

#: Modules that say such words of something else, or the kernel's words in the kernel's order.
ALLOWED = {
    "facts/bits.py": WORDS,  # the kernel's word for a bit of the capability number
    "facts/capabilities.py": {"ia64"},  # a machine
    "facts/generations.py": WORDS,  # which words a kernel compares, in its order
    "fleets/expectations.py": {"fpu"},  # whether a process used it
    "kernel/decision.py": {"sse4_2"},  # the kernel's word
    "profiles/gathered.py": {"ia64"},  # a machine
    "profiles/specs.py": {"fpu"},  # a process that used it
    "reports/as_html.py": {"ia64"},  # a machine
    "reports/pool_text.py": {"ia64", "sysenter"},  # a machine; how programs enter the kernel
    "reports/as_tables.py": {"ia64"},  # a machine
    "verdicts/programs.py": {"ia64"},  # a machine
    "verdicts/restore.py": {"ia64"},  # processes
}


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


def test_a_list_of_features_is_seen() -> None:
    assert list(map(feature_names, literals("a = 'avx2', 'sse4_1 - avx', 'an odd pat'"))) == [
        {"avx2"},
        {"sse4_1", "avx"},
        set(),
    ]


def test_names_places_and_labels_are_of_one_feature_each() -> None:
    words = [word for one in FEATURES for word in {one.name, one.word, *one.old_names} if word]
    assert len(words) == len(set(words))
    assert len(BY_NAME) == len({one.location for one in FEATURES}) == len(FEATURES) == 272
    labels = [(one.leaf, label) for one in FEATURES for label in one.labels]
    assert len(labels) == len(set(labels))


def test_rows_are_in_order_and_masks_with_them() -> None:
    masks = [one.mask for one in FEATURES]
    assert masks == sorted(set(masks))
    for one in FEATURES:
        assert one.mask.bit_length() % 32 == (one.bit + 1) % 32
        assert 0 <= one.bit < 32


def test_columns_have_no_other_values() -> None:
    assert {one.effect for one in FEATURES} == {"", "crash", "wrong", "slower", "kernel"}
    assert {one.state for one in FEATURES} == {"", "fpu", "xsave"}
    assert set("".join(one.marks for one in FEATURES)) == set("orvs")
    assert {word for one in FEATURES for word in one.needs} <= set(BY_NAME)
    for one in FEATURES:
        assert bool(one.word) == ("v" in one.marks)
        assert one.effect or not (one.state or one.word or one.needs or one.always_stays)


def test_words_of_another_spelling() -> None:
    assert {one.word: one.name for one in FEATURES if one.word not in ("", one.name)} == {
        "sysenter": "sep",
        "aesni": "aes",
    }
    assert BY_WORD["aesni"] == BY_NAME["aes"]
    assert MASKS["aesni"] == MASKS["aes"] == BY_NAME["aes"].mask


def test_a_nameless_bit_has_a_place() -> None:
    one = Feature("", 0x7, 1, "edx", 31)
    assert (one.place, one.qemu_name) == ("CPUID 0x00000007 subleaf 1 edx bit 31", "")
    assert one.is_in(CpuidTable([((0, 0), Registers(7, 0, 0, 0))])) is None


registers = st.builds(Registers, *[st.integers(0, 0xFFFF_FFFF)] * 4)


@given(st.sampled_from(sorted(JUDGED_LEAVES)), registers, st.integers(0, JUDGED))
def test_masks_are_the_bits_of_registers(
    key: tuple[int, int], answer: Registers, number: int
) -> None:
    has = judged_in(key, answer)
    rows = [one for one in FEATURES if one.effect and (one.leaf, one.subleaf) == key]
    assert sum(one.mask for one in rows) == JUDGED_LEAVES[key]
    assert list(features_in(has)) == [
        one for one in rows if getattr(answer, one.register) >> one.bit & 1
    ]
    hidden = number & JUDGED
    less = without_features(key, answer, hidden)
    assert judged_in(key, less) == has & ~hidden
    changed = Registers(*(one ^ other for one, other in zip(answer, less, strict=True)))
    assert judged_in(key, changed) == has & hidden
    assert sum(value.bit_count() for value in changed) == (has & hidden).bit_count()
