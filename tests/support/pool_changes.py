"""What must hold of each change that a pool is told: it works, all of it is needed, none is missed.

Changes are applied here by themselves, one after the other, to the nodes as they were recorded.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations

from msgspec.structs import replace

from simulator.facts.cpuid import MissingLeafError
from simulator.facts.features import MASKS
from simulator.facts.override import format_override
from simulator.fleets.pool import Judge, Node, Rule, Stage
from simulator.fleets.pool_change import Change, Pool, make_pool
from simulator.profiles.changes import (
    Obstacle,
    hiding_boot_options,
    lift_mask,
    obstacle_to_masking,
    upgrade,
    upgrades_of,
    without_boot_option,
    write_mask,
)
from simulator.profiles.masking import MASKABLE, Basis, basis_of, make_lines, with_dependents
from simulator.profiles.profile import NodeProfile

#: One change of one node: the node's number, what is done to it, and the text that says how.
Step = tuple[int, str, str]
Groups = tuple[tuple[int, ...], ...]


@cache
def judge_of(rule: Rule) -> Judge:
    """Return one judge for all stages: many of them ask the same."""
    return Judge(rule)


def stage_of(nodes: Iterable[NodeProfile], rule: Rule) -> Stage:
    """Return nodes as they are."""
    return Stage(tuple(Node(profile, rule) for profile in nodes), judge_of(rule))


def steps_of(change: Change) -> list[Step]:
    """Return all that a change does, a node each: what is done first comes first."""
    return [
        *((number, "upgrade", one.release) for one in change.upgrades for number in one.nodes),
        *(
            (number, "boot", option)
            for one in change.boots
            for number in one.nodes
            for option in one.without
        ),
        *((number, "write", one.text) for one in change.masks for number in one.nodes),
    ]


def apply_steps(nodes: Sequence[NodeProfile], steps: Iterable[Step]) -> list[NodeProfile]:
    """Return the nodes after these changes."""
    changed = list(nodes)
    applied = {"upgrade": upgrade, "boot": without_boot_option, "write": write_mask}
    for number, what, text in steps:
        changed[number] = applied[what](changed[number], text)
    return changed


def check_change(nodes: Sequence[NodeProfile], rule: Rule) -> bool:
    """Assert that what a pool is told to do makes the groups that it promises, and no less does.

    Tell whether it is told to do anything.
    """
    return _check_made(nodes, make_pool(nodes, rule), rule)


def _check_made(nodes: Sequence[NodeProfile], made: Pool, rule: Rule) -> bool:
    if made.change is None:
        return False
    promised = made.change.after.groups
    assert len(promised) < len(made.now.groups)
    steps = steps_of(made.change)
    assert stage_of(apply_steps(nodes, steps), rule).groups == promised
    for left_out in steps:
        fewer = [step for step in steps if step != left_out]
        try:
            groups = stage_of(apply_steps(nodes, fewer), rule).groups
        except MissingLeafError:
            continue
        assert groups != promised, left_out
    return True


def check_pair(one: NodeProfile, other: NodeProfile, rule: Rule) -> bool:
    """Assert that no change of one node that would mend a pair is missed; tell if there is one."""
    nodes = one, other
    made = make_pool(nodes, rule)
    if len(made.now.groups) == 1:
        return False
    mending = [changed for changed in _single_changes(nodes, made.now) if _is_one(changed, rule)]
    if mending:
        assert made.change is not None
        assert len(made.change.after.groups) == 1
    _check_made(nodes, made, rule)
    return bool(mending)


def _is_one(nodes: Iterable[NodeProfile], rule: Rule) -> bool:
    return len(stage_of(nodes, rule).groups) == 1


def _single_changes(nodes: Sequence[NodeProfile], now: Stage) -> Iterator[list[NodeProfile]]:
    """Yield a pair with one change of one of its nodes."""
    for number, profile in enumerate(nodes):
        for changed in _changes_of(profile, _missing(now, number)):
            pair = list(nodes)
            pair[number] = changed
            yield pair


def _changes_of(profile: NodeProfile, missing: int) -> Iterator[NodeProfile]:
    for release in upgrades_of(profile):
        try:
            yield upgrade(profile, release)
        except MissingLeafError:
            continue
    for option in hiding_boot_options(profile):
        yield without_boot_option(profile, option)
    if profile.cpuid_override:
        yield lift_mask(profile)
    if missing and obstacle_to_masking(profile) in {None, Obstacle.NOT_TOLD}:
        basis = basis_of(replace(profile, cpuid_override=profile.cpuid_override or ""))
        if isinstance(basis, Basis):
            lines = make_lines(basis, with_dependents(missing))
            yield write_mask(profile, format_override(lines))


def _missing(now: Stage, number: int) -> int:
    """Return the features that are named by reasons against what comes from a node of a pair."""
    source, destination = (now.nodes[one].behaviour for one in (number, 1 - number))
    features = 0
    for reason in now.judge.reasons(source, destination):
        features |= MASKS.get(reason.feature, 0)
    return features & MASKABLE


def pairs_of(nodes: Sequence[NodeProfile]) -> list[tuple[NodeProfile, NodeProfile]]:
    """Return all pairs of nodes, each once."""
    return list(combinations(nodes, 2))
