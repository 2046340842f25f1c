"""Where to take checkpoints, so that every other machine of a pool restores them safely."""

from collections.abc import Iterable
from functools import reduce
from operator import and_
from typing import NamedTuple

from simulator.facts.features import FEATURES, HARMFUL, features_in
from simulator.fleets.pool import Stage

#: Of the x86-64 levels that ask for features of the table.
_LOWEST_LEVEL, _HIGHEST_LEVEL = 2, 4


class Plan(NamedTuple):
    """What a pool's machines have in common, and where its checkpoints can be taken.

    ``sources`` are the machines, by their numbers, whose checkpoints all others restore safely.
    ``common`` are the features that certainly work on all of them; ``extra`` what programs are
    shown beyond these, and may come to need, with the machines that show it.
    """

    sources: tuple[int, ...]
    common: int
    extra: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def level(self) -> str:
        """The highest x86-64 level (v2 to v4) whose programs run on all; empty where none is."""
        missing = (feature.level for feature in FEATURES if not feature.mask & self.common)
        lowest = min(filter(None, missing), default=_HIGHEST_LEVEL + 1)
        return f"x86-64-v{lowest - 1}" if lowest > _LOWEST_LEVEL else ""


def tunables_without(features: int) -> str:
    """Return the GLIBC_TUNABLES by which glibc uses none of them; empty where it would use none."""
    names = (feature.glibc_name for feature in features_in(features))
    taken = ",".join(f"-{name}" for name in names if name)
    return f"GLIBC_TUNABLES=glibc.cpu.hwcaps={taken}" if taken else ""


def plan_checkpoints(stage: Stage) -> Plan:
    """Return the plan for the machines of a pool as they are."""
    members = stage.members
    safe = (
        numbers
        for one, numbers in members.items()
        if all(
            stage.is_possible(one, other)
            for other, others in members.items()
            if other != one or len(others) > 1
        )
    )
    common = reduce(and_, (one.traits.cpu.usable for one in members), HARMFUL)
    extra: dict[int, list[int]] = {}
    for one, numbers in members.items():
        beyond = one.traits.cpu.may_be_shown & HARMFUL & ~common
        if beyond:
            extra.setdefault(beyond, []).extend(numbers)
    return Plan(
        _sorted(number for numbers in safe for number in numbers),
        common,
        tuple((beyond, _sorted(numbers)) for beyond, numbers in extra.items()),
    )


def _sorted(numbers: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(numbers))
