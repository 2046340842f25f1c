"""The words that each kernel knows of those in /proc/cpuinfo's flags, and their order there.

Both are read from features.txt: features that the marks say are printed, and the words that
kernels set on their own account.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from simulator.facts.features import FEATURES, KERNEL, TABLE, Feature
from simulator.facts.generations import GENERATIONS, Release, parse_number

#: The 042stab numbers of the trees whose words were read.
_TREES = tuple(
    sorted({parse_number(tree) for one in GENERATIONS for tree in one.trees if parse_number(tree)})
)


class Word(NamedTuple):
    """A word of the flags; ``feature`` is None where kernels set it on their own account.

    ``place`` is the word and the bit of x86_capability, by which flags are in order.
    """

    name: str
    place: tuple[int, int]
    feature: Feature | None


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
    entry = next((entry for entry in _entries() if entry.word.feature is feature), None)
    if entry is None:
        return False
    return _is_since(release, _TREES[0] if entry.before else entry.since)


def words_of(release: Release) -> tuple[Word, ...]:
    """Return the words that a kernel may know, in the order of /proc/cpuinfo."""
    words = []
    for entry in _entries():
        if _is_since(release, entry.since) is not False:
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
def _entries() -> tuple[_Entry, ...]:
    words = _register_words()
    features = (_entry_of(one, words) for one in FEATURES if one.is_printed)
    return (*features, *_own_entries())


def _entry_of(feature: Feature, words: dict[tuple[int, int, str], int]) -> _Entry:
    told = feature.told
    if "at" in told:
        word, bit = _parse_place(told["at"])
    else:
        word, bit = words[feature.location[:3]], feature.bit
    before = None
    if "was" in told:
        name, at = told["was"].split("@")
        before = Word(name, _parse_place(at), feature)
    now = Word(told.get("as", feature.name), (word, bit), feature)
    return _Entry(now, _parse_since(told.get("since")), before)


def _own_entries() -> Iterator[_Entry]:
    number = None
    for line in _rows():
        first, name, *since = line.split()
        if first == KERNEL:
            number = int(name)
        elif number is not None:
            word = Word(name, (number, int(first)), None)
            yield _Entry(word, _parse_since(since[0].partition("=")[2] if since else None), None)


def _register_words() -> dict[tuple[int, int, str], int]:
    """Return the word of x86_capability of each register that has one."""
    words = {}
    for line in _rows():
        match line.split():
            case ["CPUID", leaf, subleaf, register, "word", number]:
                words[int(leaf, 16), int(subleaf), register] = int(number)
    return words


def _rows() -> list[str]:
    with open(TABLE, encoding="utf-8") as file:
        return [line for line in file if not line.startswith("#")]


def _parse_place(text: str) -> tuple[int, int]:
    word, bit = text.split(".")
    return int(word), int(bit)


def _parse_since(text: str | None) -> tuple[int, ...]:
    return _TREES[0] if text is None else tuple(map(int, text.split(".")))
