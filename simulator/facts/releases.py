"""Which release is of which generation: the simulator's business alone."""

import re
from typing import NamedTuple

from simulator.errors import UserError
from simulator.facts.generations import BY_NAME, Generation


class UnknownReleaseError(UserError):
    """A release that is of no generation known here."""


#: First 042stab number of each generation, ascending. Read from trees: 061.9, 088.4, 090.5,
#: 092.1, 108.1, 109.3 and later. 101.5 and 107.1 are the maintainer's own words for when
#: CPT_TEST_CAPS on /proc/cpt went away and came back; recordings of 108.1 show it away still.
#: The boundaries in between are estimates. One without a second part has all that begin with it.
_FIRST_NUMBERS = (
    ((), "042stab"),
    ((88,), "042stab088"),
    ((92,), "042stab092"),
    ((101, 5), "042stab101"),
    ((107, 1), "042stab107"),
    ((108,), "042stab101"),
    ((108, 2), "042stab107"),
)

#: Since when every process may count as having used the FPU: 113.5 is lazy on every CPU tried,
#: 141.3 is not (recordings). Where in between it began is not known: an estimate.
_EAGER_FPU_SINCE = (141, 3)

#: Section numbers of images end at 34 in 088.4 and at 35 in 141.3 (trees): which of the two it is
#: in between was not read.
_SECTIONS_END_LOW_UNTIL = (88, 4)
_SECTIONS_END_HIGH_SINCE = (141, 3)

_STAB = re.compile(r"042stab(\d{1,6})(?!\d)(?:[._](\d{1,6})(?!\d))?")

#: One release of each generation, of the tree that was read.
EXAMPLES = {
    "028stab": "2.6.18-028stab056.1",
    "2.6.32": "2.6.32-dzhanibekov.1",
    "042stab": "2.6.32-042stab061.9",
    "042stab088": "2.6.32-042stab088.4",
    "042stab092": "2.6.32-042stab092.1",
    "042stab101": "2.6.32-042stab108.1",
    "042stab107": "2.6.32-042stab113.5",
}


class Release(NamedTuple):
    """A kernel's release: its name, its generation, and what differs within one.

    ``section_ends`` are its generation's, or what is certain of this release.
    """

    name: str
    generation: Generation
    has_eager_fpu: bool
    section_ends: tuple[int, int]


def identify(release: str, vz_version: str = "") -> Release:
    """Say what a kernel is by uname's release, and by /proc/vz/version where that is silent.

    A kernel built from a published tree may call itself 2.6.32 alone. Raises
    UnknownReleaseError, which lists what is known.
    """
    stab = _STAB.search(release) or _STAB.search(vz_version)
    if stab:
        number = tuple(int(part) for part in stab.groups() if part)
        generation = BY_NAME[_name_of(number)]
        ends = _section_ends(generation, number)
        return Release(release, generation, number >= _EAGER_FPU_SINCE, ends)
    if release.startswith("2.6.18-") and "028stab" in release:
        return _without_number(release, BY_NAME["028stab"])
    if re.match(r"2\.6\.32(?![0-9])", release) and "stab" not in release:
        return _without_number(release, BY_NAME["2.6.32"])
    known = ", ".join(generation.releases for generation in BY_NAME.values())
    raise UnknownReleaseError(f"kernel release {release!r} is none that is known: {known}")


def _without_number(release: str, generation: Generation) -> Release:
    return Release(release, generation, False, generation.section_ends)


def _section_ends(generation: Generation, number: tuple[int, ...]) -> tuple[int, int]:
    lowest, highest = generation.section_ends
    if number <= _SECTIONS_END_LOW_UNTIL:
        return lowest, lowest
    if number >= _SECTIONS_END_HIGH_SINCE:
        return highest, highest
    return lowest, highest


def _name_of(number: tuple[int, ...]) -> str:
    return [name for first, name in _FIRST_NUMBERS if first <= number][-1]
