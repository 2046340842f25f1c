"""The smallest change that makes one group of nodes, or else fewer of them.

It is made of newer kernels, boot options that are taken away, masks that are lifted, and lines for
/proc/vz/cpuid_override. What is reported is what the changed nodes, simulated, then answer.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, cast

from msgspec import structs

from simulator.errors import UserError
from simulator.facts.capabilities import capability_bounds
from simulator.facts.features import MASKS, XSAVE, Feature, features_in
from simulator.facts.generations import UPGRADES, age_of
from simulator.facts.override import format_override
from simulator.fleets.pool import Difference, Judge, Node, Rule, Stage
from simulator.fleets.pool_options import LARGER_AREA, Kind, Option, kinds_of
from simulator.fleets.pool_search import Search
from simulator.kernel.containers import State
from simulator.profiles.bare_node import AnyNode
from simulator.profiles.changes import Obstacle, upgrade, upgrades_of, write_mask
from simulator.profiles.masking import MASKABLE, make_lines, numbers_bits
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.engine import CPT
from simulator.verdicts.traits import node_traits

#: The newest kernel that is known.
NEWEST = UPGRADES[-1]


class PoolError(Exception):
    """The program contradicts itself: no mistake of the user's."""


class Uncounted(NamedTuple):
    """A container that is not counted, and why not."""

    node: str
    ctid: int
    why: str


class Mask(NamedTuple):
    """A whole table for cpuid_override, and the nodes (by their numbers) that it is for.

    ``hides``: it hides something that they show now, or tells programs of a larger area; else it
    shows more. ``is_certain``: they certainly have the file. ``area`` is the size that programs
    are told for XSAVE's area, 0 where it is its own.
    """

    text: str
    hides: bool
    is_certain: bool
    area: int
    nodes: tuple[int, ...]


class Upgrade(NamedTuple):
    """Nodes that take a newer kernel; ``or_later``: the newest that is known does as well."""

    release: str
    or_later: bool
    nodes: tuple[int, ...]


class Boot(NamedTuple):
    """Nodes that are booted without some options."""

    without: tuple[str, ...]
    nodes: tuple[int, ...]


class Change(NamedTuple):
    """What is to be done, and the nodes after it."""

    masks: tuple[Mask, ...]
    upgrades: tuple[Upgrade, ...]
    boots: tuple[Boot, ...]
    after: Stage


class Loss(NamedTuple):
    """What containers lose on a node: features that worked, and bits of the node's number."""

    features: tuple[Feature, ...]
    number_before: int
    number_after: int


class Pool(NamedTuple):
    """The nodes as they are, and a change that makes fewer groups of them, if there is one.

    ``pairs`` are nodes of other groups than the first one, each with one of the first group's with
    which some change would bring it together, though not all of both groups.
    """

    rule: Rule
    now: Stage
    change: Change | None
    uncounted: tuple[Uncounted, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def last(self) -> Stage:
        """The nodes after the change, or as they are."""
        return self.now if self.change is None else self.change.after

    def pair_with(self, group: Iterable[int]) -> tuple[int, ...]:
        """Return such a pair with a node of a group; nothing where there is none."""
        members = set(group)
        return next((pair for pair in self.pairs if pair[1] in members), ())


def make_pool(profiles: Iterable[AnyNode], rule: Rule) -> Pool:
    """Group nodes, and find the smallest change that makes one group, or else fewer.

    Nothing that is changed there is another engine's matter than CPT's.

    UserError where two nodes have one name.
    """
    now = Stage(
        tuple(Node(cast("NodeProfile", profile), rule) for profile in profiles), Judge(rule)
    )
    _require_names(now.nodes)
    if rule.engine is not CPT:
        return Pool(rule, now, None)
    uncounted = tuple(one for node in now.nodes for one in _uncounted(node.profile))
    if len(now.groups) == 1:
        return Pool(rule, now, None, uncounted)
    search, kinds = Search(now.judge), kinds_of(now.nodes)
    made = Pool(rule, now, _find_change(now, search, kinds), uncounted)
    return made._replace(pairs=tuple(_pairs(made.last, search, kinds)))


def loss_of(before: Node, after: Node) -> Loss:
    """Compare what a node's containers see before a change and after it."""
    shown = node_traits(before.profile).cpu.shown & ~node_traits(after.profile).cpu.shown
    numbers = (capability_bounds(one.profile.facts())[0] for one in (before, after))
    return Loss(tuple(features_in(shown)), *numbers)


def obstacles(stage: Stage, found: Iterable[Difference]) -> dict[Obstacle, tuple[int, ...]]:
    """Return the nodes that are in the way for want of lines, by why they cannot have any."""
    numbers: dict[Obstacle, set[int]] = {}
    for difference in found:
        if MASKS.get(difference.feature, 0) & MASKABLE:
            for number in difference.sources:
                obstacle = stage.nodes[number].obstacle
                if obstacle is not None:
                    numbers.setdefault(obstacle, set()).add(number)
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


class _Made(NamedTuple):
    """Nodes of a kind, what they are made, what they hide then, and the area that they may tell."""

    kind: Kind
    option: Option
    hidden: int
    area: int

    @property
    def before(self) -> NodeProfile:
        """The first of the nodes, as it is."""
        return self.kind.options[0].node.profile

    @property
    def text(self) -> str | None:
        """The whole table of cpuid_override; None where there is no such file."""
        if self.option.basis is None or not self.hidden:
            return self.option.node.profile.cpuid_override
        return format_override(make_lines(self.option.basis, self.hidden, self.told_area))

    @property
    def told_area(self) -> int:
        """The size that programs have to be told for XSAVE's area; 0 where it is its own."""
        return self.area if self.hidden & LARGER_AREA and not self.hidden & XSAVE.mask else 0

    @property
    def hides(self) -> bool:
        """Tell whether programs have to be started again."""
        option = self.option
        lost = option.was_shown & (~option.shown | self.hidden)
        return bool(lost or self.hidden & LARGER_AREA)


def _find_change(now: Stage, search: Search, kinds: Iterable[Kind]) -> Change | None:
    """Return a change that makes fewer groups; None where nothing does."""
    made = [
        _Made(kind, option, plan.hidden[kind], plan.area)
        for plan in search.plans(kinds)
        for kind, option in plan.choice.items()
    ]
    nodes = list(now.nodes)
    for one in made:
        profile = _profile(one)
        if profile is not one.before:
            for number in one.kind.numbers:
                nodes[number] = _named(profile, now.nodes[number])
    after = structs.replace(now, nodes=tuple(nodes))
    if len(after.groups) >= len(now.groups):
        return None
    return Change(tuple(_masks(made)), tuple(_upgrades(made, after)), tuple(_boots(made)), after)


def _profile(made: _Made) -> NodeProfile:
    """Return a node with its lines; PoolError where it does not answer as was planned."""
    profile = made.option.node.profile
    text = made.text
    if text is None or text == profile.cpuid_override:
        return profile
    planned = capability_bounds(profile.facts())[0] & ~numbers_bits(made.hidden)
    masked = write_mask(profile, text)
    answered = capability_bounds(masked.facts())[0]
    if answered != planned:
        problem = f"with its lines {answered}, planned {planned}: {text!r}"
        raise PoolError(f"{profile.name}: {problem}")
    return masked


def _named(profile: NodeProfile, node: Node) -> Node:
    """Return a node of its own name as one of its kind was made."""
    return Node(structs.replace(profile, name=node.name), node.rule)


def _masks(made: Iterable[_Made]) -> Iterator[Mask]:
    found: dict[tuple[str, bool, bool, int], list[int]] = {}
    for one in made:
        if one.text is not None and one.text != one.before.cpuid_override:
            key = one.text, one.hides, one.option.has_file, one.told_area
            found.setdefault(key, []).extend(one.kind.numbers)
    for key, numbers in found.items():
        yield Mask(*key, tuple(sorted(numbers)))


def _upgrades(made: Iterable[_Made], after: Stage) -> Iterator[Upgrade]:
    found: dict[str, list[int]] = {}
    for kind, option, *_ in made:
        if option.release:
            found.setdefault(option.release, []).extend(kind.numbers)
    for release, numbers in sorted(found.items(), key=lambda one: age_of(one[0])):
        yield Upgrade(release, _may_be_later(after, numbers), tuple(sorted(numbers)))


def _may_be_later(after: Stage, numbers: Iterable[int]) -> bool:
    """Tell whether the newest kernel makes the same groups of nodes that were upgraded."""
    nodes = list(after.nodes)
    for number in numbers:
        profile = nodes[number].profile
        if NEWEST in upgrades_of(profile):
            nodes[number] = Node(upgrade(profile, NEWEST), nodes[number].rule)
    return structs.replace(after, nodes=tuple(nodes)).groups == after.groups


def _boots(made: Iterable[_Made]) -> Iterator[Boot]:
    found: dict[tuple[str, ...], list[int]] = {}
    for kind, option, *_ in made:
        if option.without:
            found.setdefault(option.without, []).extend(kind.numbers)
    for without, numbers in found.items():
        yield Boot(without, tuple(sorted(numbers)))


def _pairs(stage: Stage, search: Search, kinds: Iterable[Kind]) -> Iterator[tuple[int, int]]:
    """Yield a node of each other group with one of the first that it could be together with."""
    by_number = {number: kind for kind in kinds for number in kind.numbers}
    first, *others = stage.groups
    for group in others:
        found = (
            (one, other)
            for other in group
            for one in first
            if search.can_be_together(by_number[one], by_number[other])
        )
        yield from islice(found, 1)
