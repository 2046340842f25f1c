"""The words that each kernel knows of those in /proc/cpuinfo's flags, and their order there.

Both are read from features.txt: features that the marks say are printed, and the words that
kernels set on their own account.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from simulator.facts.features import (
    BY_NAME,
    FEATURES,
    KERNEL,
    REGISTERS_OF_WORDS,
    TABLE,
    Feature,
)
from simulator.facts.generations import GENERATIONS, Release, parse_number

#: The 042stab numbers of the trees whose words were read.
_TREES = tuple(
    sorted({parse_number(tree) for one in GENERATIONS for tree in one.trees if parse_number(tree)})
)

_WORD_OF = {register: word for word, register in REGISTERS_OF_WORDS.items()}


class Word(NamedTuple):
    """A word of the flags.

    ``place`` is the word and the bit of x86_capability, by which flags are in order;
    ``features`` are those of which one is enough for the kernel to print it.
    """

    name: str
    place: tuple[int, int]
    features: tuple[Feature, ...]


class _Entry(NamedTuple):
    """A word, since which tree it is known, and what was in its place before."""

    word: Word
    since: tuple[int, ...]
    before: Word | None


def knows_word(release: Release, feature: Feature) -> bool | None:
    """Tell whether a kernel has a word for a feature.

    None where that cannot be told: no tree was read between one that has the word and one that
    has not, or no tree that is as old as the kernel.
    """
    entry = _features().get(feature.name)
    if entry is None:
        return False
    return _is_since(release, _TREES[0] if entry.before else entry.since)


def words_of(release: Release) -> tuple[Word, ...]:
    """Return a kernel's words in the order of /proc/cpuinfo.

    They are those for features that it may know, and those of its own that it certainly knows.
    """
    words = [entry.word for entry in _own() if _is_since(release, entry.since)]
    for entry in _features().values():
        if _is_since(release, entry.since) in (True, None):
            words.append(entry.word)
        elif entry.before is not None:
            words.append(entry.before)
    return tuple(sorted(words, key=lambda word: word.place))


def _is_since(release: Release, since: tuple[int, ...]) -> bool | None:
    """Tell whether a kernel is of a tree or later; None between it and the tree before it."""
    if release.number >= since:
        return True
    older = [tree for tree in _TREES if tree < since]
    return False if older and release.number <= older[-1] else None


@lru_cache(maxsize=1)
def _features() -> dict[str, _Entry]:
    return {one.name: _entry_of(one) for one in FEATURES if one.is_printed}


def _entry_of(feature: Feature) -> _Entry:
    told = feature.facts
    if "at" in told:
        place = _parse_place(told["at"])
    else:
        place = _WORD_OF[feature.location[:3]], feature.bit
    before = None
    if "was" in told:
        name, _, at = told["was"].partition("@")
        before = Word(name, _parse_place(at), (feature,))
    word = Word(told.get("as", feature.name), place, (feature,))
    return _Entry(word, _parse_since(told.get("since")), before)


@lru_cache(maxsize=1)
def _own() -> tuple[_Entry, ...]:
    with open(TABLE, encoding="utf-8") as file:
        _, *sections = file.read().split(f"\n{KERNEL} ")
    return tuple(entry for section in sections for entry in _parse_section(section))


def _parse_section(section: str) -> Iterator[_Entry]:
    number, *lines = section.splitlines()
    for line in lines:
        bit, name, *others = line.split()
        told = _parse_facts(others)
        features = tuple(BY_NAME[one] for one in told["of"].split(",")) if "of" in told else ()
        word = Word(name, (int(number), int(bit)), features)
        yield _Entry(word, _parse_since(told.get("since")), None)


def _parse_facts(columns: list[str]) -> dict[str, str]:
    return dict(column.split("=") for column in columns)


def _parse_place(text: str) -> tuple[int, int]:
    word, _, bit = text.partition(".")
    return int(word), int(bit)


def _parse_since(text: str | None) -> tuple[int, ...]:
    return _TREES[0] if text is None else tuple(map(int, text.split(".")))
