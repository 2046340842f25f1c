"""The smallest change that makes one group of nodes, or else fewer of them.

It is lines for /proc/vz/cpuid_override where there is that file, and kernel upgrades where image
versions are refused. What a node has to hide is a least fixed point: all that its containers need
and some member of the group-to-be does not offer, which it then does not offer either. All of it
is necessary, so no smaller change of that kind will do. What is reported is what the changed
nodes, simulated, then answer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import and_
from typing import NamedTuple

from msgspec import structs

from simulator.errors import UserError
from simulator.facts.capabilities import IA64, node_capabilities
from simulator.facts.features import MASKS, Feature, features_in
from simulator.facts.generations import EXAMPLES, GENERATIONS, Generation
from simulator.facts.override import format_override
from simulator.fleets.pool import Behaviour, Difference, Judge, Node, Rule, Stage, cut
from simulator.kernel.containers import State
from simulator.profiles.changes import Obstacle, upgrade, write_mask
from simulator.profiles.masking import (
    MASKABLE,
    Basis,
    features_of,
    make_lines,
    numbers_bits,
    with_dependents,
)
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.traits import node_traits
from simulator.verdicts.verdict import Reason

#: The oldest generation that writes, and takes, images of the newest version: what a kernel is
#: upgraded to, at least.
UPGRADE = max(GENERATIONS, key=lambda one: one.image_version)
UPGRADE_RELEASE = EXAMPLES[UPGRADE.name]

#: Codes of reasons about programs that a line can do something about.
_INSTRUCTIONS = frozenset({"instructions-missing", "instructions-differ"})


class PoolError(Exception):
    """The program contradicts itself: no mistake of the user's."""


class Uncounted(NamedTuple):
    """A container that is not counted, and why not."""

    node: str
    ctid: int
    why: str


class Mask(NamedTuple):
    """Lines, and the nodes (by their numbers) that they are for."""

    text: str
    nodes: tuple[int, ...]


class Upgrade(NamedTuple):
    """Nodes of one generation that take a newer kernel."""

    generation: str
    nodes: tuple[int, ...]


class Change(NamedTuple):
    """What is to be done, and the nodes after it: with the lines alone, and with all of it."""

    masks: tuple[Mask, ...]
    upgrades: tuple[Upgrade, ...]
    with_lines: Stage
    with_all: Stage


class Loss(NamedTuple):
    """What containers lose on a node: features that worked, and bits of the node's number."""

    features: tuple[Feature, ...]
    number_before: int
    number_after: int


class Pool(NamedTuple):
    """The nodes as they are, and a change that makes fewer groups of them, if there is one."""

    rule: Rule
    now: Stage
    change: Change | None
    uncounted: tuple[Uncounted, ...] = ()


def make_pool(profiles: Iterable[NodeProfile], rule: Rule) -> Pool:
    """Group nodes, and find the smallest change that makes one group, or else fewer.

    UserError where two nodes have one name.
    """
    now = Stage(tuple(Node(profile, rule) for profile in profiles), Judge(rule))
    _require_names(now.nodes)
    uncounted = tuple(one for node in now.nodes for one in _uncounted(node.profile))
    return Pool(rule, now, _find_change(now) if len(now.groups) > 1 else None, uncounted)


def loss_of(before: Node, after: Node) -> Loss:
    """Compare what a node's containers see before a change and after it."""
    shown = node_traits(before.profile).cpu.shown & ~node_traits(after.profile).cpu.shown
    numbers = (node_capabilities(one.profile.facts()) for one in (before, after))
    return Loss(tuple(features_in(shown)), *numbers)


def obstacles(stage: Stage, found: Iterable[Difference]) -> dict[Obstacle, tuple[int, ...]]:
    """Return the nodes that are in the way for want of lines, by why they cannot have any."""
    numbers: dict[Obstacle, set[int]] = {}
    for difference in found:
        if MASKS.get(difference.feature, 0) & MASKABLE:
            for number in difference.sources:
                basis = stage.nodes[number].basis
                if isinstance(basis, Obstacle):
                    numbers.setdefault(basis, set()).add(number)
    return {why: tuple(sorted(members)) for why, members in numbers.items()}


def _require_names(nodes: Iterable[Node]) -> None:
    seen = set()
    for node in nodes:
        if node.name in seen:
            raise UserError(f"two nodes are named {node.name}: a pool has each node once")
        seen.add(node.name)


def _uncounted(profile: NodeProfile) -> Iterator[Uncounted]:
    for container in profile.containers:
        if container.state is not State.RUNNING:
            yield Uncounted(profile.name, container.ctid, container.state.value)
        elif container.needs is None:
            yield Uncounted(profile.name, container.ctid, "needs not known")


def _find_change(now: Stage) -> Change | None:
    """Return a change that makes fewer groups; None where nothing does."""
    hidden: dict[int, int] = {}
    outdated: set[int] = set()
    for group in _groups_to_be(now):
        own = _outdated(now.nodes, group)
        outdated |= own
        upgraded = _upgrade(now, own)
        hidden.update(_plan(upgraded, group))
    with_lines, masks = _mask(now, hidden)
    with_all = _upgrade(with_lines, outdated)
    if len(with_all.groups) >= len(now.groups):
        return None
    return Change(masks, _upgrades(now, outdated), with_lines, with_all)


def _groups_to_be(now: Stage) -> tuple[tuple[int, ...], ...]:
    """Cut the nodes into groups that lines and upgrades may make of them."""
    best = _upgrade(now, _outdated(now.nodes, range(len(now.nodes))))

    def could(source: Behaviour, destination: Behaviour) -> bool:
        reasons = best.judge.reasons(source, destination)
        return all(_hideable(reason, source) for reason in reasons)

    return cut(best.members, could)


def _hideable(reason: Reason, source: Behaviour) -> int:
    """Return the feature to hide on the source so that a reason goes; 0 where there is none."""
    if not source.is_maskable:
        return 0
    if reason.code != "cpu-feature-missing" and reason.code not in _INSTRUCTIONS:
        return 0
    return MASKS.get(reason.feature, 0) & MASKABLE


def _outdated(nodes: Sequence[Node], group: Iterable[int]) -> set[int]:
    """Return the nodes of a group to upgrade so that each takes the images of all others.

    There is no newer kernel for ia64. Nodes are not upgraded to what some other node of the
    group does not take: where anything has to be done, it is done to all that need it.
    """
    generations = {
        number: nodes[number].behaviour.traits.kernel.generation
        for number in group
        if nodes[number].profile.kernel.machine != IA64
    }
    distinct = {one.name: one for one in generations.values()}.values()
    if all(_takes(one, other) for one in distinct for other in distinct):
        return set()
    return {number for number, one in generations.items() if not _takes(one, UPGRADE)}


def _takes(generation: Generation, other: Generation) -> bool:
    return generation.has_test_version and generation.restores(other.image_version)


def _upgrade(stage: Stage, numbers: Iterable[int]) -> Stage:
    """Return the nodes with some of them upgraded."""
    nodes = list(stage.nodes)
    for number in numbers:
        node = nodes[number]
        nodes[number] = Node(upgrade(node.profile, UPGRADE_RELEASE), node.rule)
    return structs.replace(stage, nodes=tuple(nodes))


def _upgrades(now: Stage, outdated: Iterable[int]) -> tuple[Upgrade, ...]:
    by_generation: dict[str, list[int]] = {}
    for number in sorted(outdated):
        name = now.nodes[number].behaviour.traits.kernel.generation.name
        by_generation.setdefault(name, []).append(number)
    return tuple(Upgrade(name, tuple(numbers)) for name, numbers in by_generation.items())


def _plan(stage: Stage, group: Sequence[int]) -> dict[int, int]:
    """Return what each node of a group has to hide, so that all can migrate to each other."""
    members = stage.by_behaviour(group)
    hidden = {one: _hidden_for_us(stage.judge, one, members) for one in members}
    is_settled = False
    while not is_settled:
        common = reduce(and_, (_offers(one, features) for one, features in hidden.items()))
        grown = {one: _grow(one, features, common) for one, features in hidden.items()}
        is_settled = grown == hidden
        hidden = grown
    return {number: hidden[one] for one, numbers in members.items() for number in numbers}


def _hidden_for_us(judge: Judge, source: Behaviour, destinations: Iterable[Behaviour]) -> int:
    """Return what a node has to hide so that programs find all that they were shown.

    What a destination has does not depend on what it hides; what it offers to kernels does.
    """
    features = 0
    for destination in destinations:
        for reason in judge.reasons(source, destination):
            if reason.code in _INSTRUCTIONS:
                features |= _hideable(reason, source)
    return with_dependents(features)


def _offers(behaviour: Behaviour, hidden: int) -> int:
    return behaviour.traits.kernel.caps & ~numbers_bits(hidden)


def _grow(behaviour: Behaviour, hidden: int, common: int) -> int:
    """Return what a node has to hide where it is offered no more than ``common``."""
    if not behaviour.is_maskable:
        return 0
    return with_dependents(hidden | features_of(behaviour.needs & ~common))


def _mask(now: Stage, hidden: Mapping[int, int]) -> tuple[Stage, tuple[Mask, ...]]:
    """Write the lines on the simulated nodes, where there are any to write."""
    nodes = list(now.nodes)
    by_text: dict[str, list[int]] = {}
    for number, features in hidden.items():
        node = now.nodes[number]
        if not isinstance(node.basis, Basis):
            continue
        text = format_override(make_lines(node.basis, features))
        if text != node.profile.cpuid_override:
            nodes[number] = _proven(node, text, features)
            by_text.setdefault(text, []).append(number)
    masks = tuple(Mask(text, tuple(sorted(numbers))) for text, numbers in by_text.items())
    return structs.replace(now, nodes=tuple(nodes)), masks


def _proven(node: Node, text: str, features: int) -> Node:
    """Return a node with its lines; PoolError where it does not answer as was planned."""
    masked = Node(write_mask(node.profile, text), node.rule)
    planned = node_capabilities(node.profile.facts()) & ~numbers_bits(features)
    answered = node_capabilities(masked.profile.facts())
    if answered != planned:
        raise PoolError(f"{node.name}: with its lines {answered}, planned {planned}: {text!r}")
    return masked
