"""The words that each kernel knows of those in /proc/cpuinfo's flags, and their order there.

Both are read from features.txt: features that the marks say are printed, and the words that
kernels set on their own account.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from simulator.errors import UserError
from simulator.facts.features import (
    BY_NAME,
    FEATURES,
    KERNEL,
    REGISTERS_OF_WORDS,
    SEP,
    TABLE,
    Feature,
)
from simulator.facts.generations import GENERATIONS, Release, format_number, identify, parse_number

#: The 042stab numbers of the trees whose words were read.
_TREES = tuple(
    sorted({parse_number(tree) for one in GENERATIONS for tree in one.trees if parse_number(tree)})
)

#: The oldest Linux beside OpenVZ's whose words were read (features.txt names the headers). Later
#: ones know what it knows.
_LINUX_READ = (6, 1)

#: Older ones know what RHEL 6 had taken over from them by 042stab061.9: Linux of 2012.
_LINUX_OF_2012 = (3, 2)

#: OpenVZ's kernels before this one print SEP of no CPU.
_SEP_SINCE = (88,)

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


def tells_absence(feature: Feature, printed_by: str | None) -> bool:
    """Tell whether a CPU lacks a feature if a kernel has printed its flags without the word.

    ``printed_by`` is the kernel's release. Without one it may be any whose words were read, the
    oldest of which is 042stab061.9. UserError where that is no kernel's release.
    """
    if not feature.is_told or feature.may_be_silent:
        return False
    if printed_by is None:
        return _is_always_known(feature)
    number = parse_number(printed_by)
    if number:
        is_printed = feature is not SEP or number >= _SEP_SINCE
        return is_printed and knows_word(identify(printed_by), feature) is True
    match = re.match(r"([0-9]{1,3})\.([0-9]{1,5})", printed_by)
    if match is None:
        raise UserError(f"{printed_by!r} is no kernel's release, as uname -r prints it")
    version = int(match[1]), int(match[2])
    if version >= _LINUX_READ:
        return feature.has_word_in_linux
    return version >= _LINUX_OF_2012 and _is_always_known(feature)


def _is_always_known(feature: Feature) -> bool:
    """Tell whether every kernel that was read has a word for a feature, and prints it."""
    oldest = identify(f"2.6.32-{format_number(_TREES[0])}")
    is_known = feature.has_word_in_linux and knows_word(oldest, feature) is True
    return is_known and feature is not SEP


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


def kernels_own_words() -> list[str]:
    """Return the words that kernels set on their own account."""
    return [entry.word.name for entry in _own()]


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
