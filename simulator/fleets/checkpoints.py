"""Where to take checkpoints, so that every other machine of a pool restores them safely."""

from collections.abc import Iterable
from functools import reduce
from operator import and_
from typing import NamedTuple

from simulator.facts.features import HARMFUL
from simulator.fleets.pool import Stage


class Plan(NamedTuple):
    """What a pool's machines have in common, and where its checkpoints can be taken.

    ``sources`` are the machines, by their numbers, whose checkpoints all others restore safely.
    ``common`` are the features that certainly work on all of them; ``extra`` what programs are
    shown beyond these, and may come to need, with the machines that show it.
    """

    sources: tuple[int, ...]
    common: int
    extra: tuple[tuple[int, tuple[int, ...]], ...]


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
