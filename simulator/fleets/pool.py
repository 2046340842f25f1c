"""Groups of nodes that can all migrate to each other.

What counts of a node: its running containers whose needs are known, for what they ask of a
destination. What keeps a container from being checkpointed at all, or unknown, is the
container's own matter: it would be the same in any pool, and splits none. A node without such
containers, and with ``Rule.any_container`` every node, is taken for one that runs a container of
64-bit and 32-bit processes, with the FPU used and a private mount namespace.

"Can all migrate to each other" is no equivalence, so groups are cliques, cut as cliques.py says,
over nodes that are alike to every question.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.bits import mask
from simulator.facts.capabilities import I386
from simulator.facts.cpu_traits import CpuTraits
from simulator.facts.generations import Generation
from simulator.fleets.cliques import partition
from simulator.fleets.judge import Judge as MigrationJudge
from simulator.kernel.containers import Container, Contents, Process
from simulator.kernel.decision import gather_bounds
from simulator.profiles.changes import Obstacle
from simulator.profiles.masking import basis_of
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.traits import ContainerTraits, NodeTraits, container_traits
from simulator.verdicts.verdict import Opinion, Reason, Verdict, worst

#: Bits of needs that say that the container cannot be checkpointed, on any node.
_OWN_MATTER = mask(*range(16, 24))

#: A container that uses all that its node has.
_GREEDY = (
    Process(pid=1, host_pid=1001, used_fpu=True, private_mounts=True),
    Process(pid=2, host_pid=1002, used_fpu=True, bits=32),
)


class Rule(NamedTuple):
    """What counts: containers to come, too; programs, less what is waived, or restore alone."""

    any_container: bool = False
    restore_only: bool = False
    waived: tuple[str, ...] = ()
    engine: Engine[Any] = CPT


class Behaviour(Struct, frozen=True, cache_hash=True):
    """What of a node matters; nodes of equal behaviour are alike to every question.

    ``containers`` are in order, each once; there are none where nobody can be asked.
    """

    traits: NodeTraits
    containers: tuple[ContainerTraits, ...]

    @property
    def needs(self) -> int:
        """The bits that some container needs, of those that the kernel has a word for."""
        needed = reduce(or_, (one.caps or 0 for one in self.containers), 0)
        return needed & self.traits.cpt.generation.vecaps_bits


class Node(Struct, frozen=True, dict=True):
    """A node of the pool, as it is or as it would be: a ``NodeProfile`` where CPT is the engine."""

    profile: NodeProfile
    rule: Rule

    @property
    def name(self) -> str:
        """Its name."""
        return self.profile.name

    @cached_property
    def obstacle(self) -> Obstacle | None:
        """Why it cannot be given lines, or not certainly."""
        if self.rule.engine is not CPT:
            return None
        basis = basis_of(self.profile)
        return basis if isinstance(basis, Obstacle) else None

    @cached_property
    def behaviour(self) -> Behaviour:
        """What matters of it."""
        engine = self.rule.engine
        traits = engine.node_traits(self.profile)
        if self.rule.restore_only:
            traits = replace(traits, cpu=CpuTraits())
        counted = _counted(self.profile, self.rule) if engine is CPT else ()
        return Behaviour(traits, counted)


#: Whether containers can be moved from nodes of one behaviour to those of another.
Relation = Callable[[Behaviour, Behaviour], bool]


class Judge:
    """Judges what is asked of two behaviours, each distinct question once."""

    def __init__(self, rule: Rule) -> None:
        self._restore_only = rule.restore_only
        self._migrations = MigrationJudge(rule.waived, rule.engine)
        self._known: dict[tuple[Behaviour, Behaviour], tuple[int, ...]] = {}
        self._verdicts: dict[tuple[Behaviour, Behaviour], Verdict] = {}

    def reasons(self, source: Behaviour, destination: Behaviour) -> tuple[Reason, ...]:
        """Return all reasons against moving any of the containers that count, each once."""
        opinions = map(self.opinion, self.numbers(source, destination))
        found = dict.fromkeys(reason for opinion in opinions for reason in opinion.reasons)
        return tuple(one for one in found if one.verdict is not Verdict.POSSIBLE)

    def verdict(self, source: Behaviour, destination: Behaviour) -> Verdict:
        """Return what comes of moving all of them; a refusal outweighs what is not known."""
        key = source, destination
        if key not in self._verdicts:
            verdicts = self._migrations.verdicts
            self._verdicts[key] = worst(verdicts[one] for one in self.numbers(*key))
        return self._verdicts[key]

    def opinion(self, number: int) -> Opinion:
        """Return an opinion by its number."""
        return self._migrations.opinions[number]

    def numbers(self, source: Behaviour, destination: Behaviour) -> tuple[int, ...]:
        """Return the numbers of the opinions that count; equal ones have one number."""
        key = source, destination
        if key not in self._known:
            self._known[key] = tuple(dict.fromkeys(self._ask(source, destination)))
        return self._known[key]

    def _ask(self, source: Behaviour, destination: Behaviour) -> Iterator[int]:
        one, other = source.traits, destination.traits
        for container in source.containers or (None,):
            yield self._migrations.on_restore(one.kernel, other.kernel, container)
            if not self._restore_only:
                uses_fpu = container is None or container.may_have_used_fpu
                yield self._migrations.on_programs(one, other, uses_fpu=uses_fpu)


class Stage(Struct, frozen=True, dict=True):
    """The nodes at one time, before a change or after it, and what they answer."""

    nodes: tuple[Node, ...]
    judge: Judge

    @cached_property
    def members(self) -> Mapping[Behaviour, Sequence[int]]:
        """The nodes' numbers by their behaviour."""
        return self.by_behaviour(range(len(self.nodes)))

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The nodes' numbers by group, the largest group first."""
        return cut(self.members, self.is_possible)

    @cached_property
    def possible_pairs(self) -> int:
        """How many ordered pairs of nodes are possible."""
        return sum(
            len(ones) * (len(others) - (one == other))
            for one, ones in self.members.items()
            for other, others in self.members.items()
            if self.is_possible(one, other)
        )

    @property
    def verdict(self) -> Verdict:
        """The worst verdict on an ordered pair of nodes."""
        found = {
            self.judge.verdict(one, other)
            for one, ones in self.members.items()
            for other in self.members
            if one != other or len(ones) > 1
        }
        return worst(found)

    def is_possible(self, source: Behaviour, destination: Behaviour) -> bool:
        """Tell whether all containers that count can be moved."""
        return self.judge.verdict(source, destination) is Verdict.POSSIBLE

    def by_behaviour(self, numbers: Iterable[int]) -> dict[Behaviour, list[int]]:
        """Sort nodes by their behaviour."""
        found: dict[Behaviour, list[int]] = {}
        for number in numbers:
            found.setdefault(self.nodes[number].behaviour, []).append(number)
        return found

    def name(self, numbers: Iterable[int]) -> list[str]:
        """Return the names of nodes."""
        return [self.nodes[number].name for number in numbers]


class Pairs(NamedTuple):
    """Ordered pairs: from each of some nodes to each other of some nodes, by their numbers."""

    sources: tuple[int, ...]
    destinations: tuple[int, ...]


class Difference(NamedTuple):
    """One reason that keeps two groups apart, and the nodes that it is found between."""

    code: str
    feature: str
    sources: tuple[int, ...]
    destinations: tuple[int, ...]


def unlocked(before: Stage, after: Stage) -> tuple[Pairs, ...]:
    """Return the pairs that are possible in one stage and were not in another."""
    members: dict[tuple[Behaviour, Behaviour], list[int]] = {}
    for number, (node, later) in enumerate(zip(before.nodes, after.nodes, strict=True)):
        members.setdefault((node.behaviour, later.behaviour), []).append(number)
    found: dict[tuple[int, ...], list[int]] = {}
    for source, sources in members.items():
        reached = sorted(
            number
            for destination, destinations in members.items()
            if (source != destination or len(sources) > 1)
            and after.is_possible(source[1], destination[1])
            and not before.is_possible(source[0], destination[0])
            for number in destinations
        )
        if reached:
            found.setdefault(tuple(reached), []).extend(sources)
    return tuple(Pairs(tuple(sorted(sources)), reached) for reached, sources in found.items())


def count_pairs(pairs: Iterable[Pairs]) -> int:
    """Count ordered pairs of two nodes."""
    return sum(
        len(one.sources) * len(one.destinations) - len({*one.sources} & {*one.destinations})
        for one in pairs
    )


def differences(stage: Stage, group: Iterable[int], other: Iterable[int]) -> tuple[Difference, ...]:
    """Return what keeps two groups apart, in both directions."""
    found: dict[tuple[str, str, bool], tuple[set[int], set[int]]] = {}
    traits = [stage.by_behaviour(group), stage.by_behaviour(other)]
    for is_back in (False, True):
        ones, others = reversed(traits) if is_back else traits
        for source, sources in ones.items():
            for destination, destinations in others.items():
                for reason in stage.judge.reasons(source, destination):
                    key = reason.code, reason.feature, is_back
                    ends = found.setdefault(key, (set(), set()))
                    ends[0].update(sources)
                    ends[1].update(destinations)
    return tuple(
        Difference(code, feature, tuple(sorted(sources)), tuple(sorted(destinations)))
        for (code, feature, _), (sources, destinations) in found.items()
    )


def cut(members: Mapping[Behaviour, Sequence[int]], can: Relation) -> tuple[tuple[int, ...], ...]:
    """Cut nodes into groups by a relation between their behaviours."""
    vertices: list[tuple[Behaviour, Sequence[int]]] = []
    for behaviour, numbers in members.items():
        # Nodes that are alike and cannot migrate to each other are in groups of their own.
        alike = [numbers] if can(behaviour, behaviour) else [[number] for number in numbers]
        vertices += [(behaviour, one) for one in alike]
    neighbours = [
        sum(
            1 << number
            for number, (other, _) in enumerate(vertices)
            if other != behaviour and can(behaviour, other) and can(other, behaviour)
        )
        for behaviour, _ in vertices
    ]
    groups = partition([len(numbers) for _, numbers in vertices], neighbours)
    return tuple(
        tuple(sorted(number for vertex in group for number in vertices[vertex][1]))
        for group in groups
    )


def _counted(profile: NodeProfile, rule: Rule) -> tuple[ContainerTraits, ...]:
    """Return the containers that count, each that is different."""
    if "vzcpt" not in profile.kernel.modules:
        return ()
    found = {traits for one in profile.containers if (traits := _counted_traits(profile, one))}
    if rule.any_container or not found:
        found.add(_greedy_traits(profile))
    return tuple(sorted(found, key=lambda traits: (traits.caps or 0, traits.may_caps)))


def _counted_traits(profile: NodeProfile, container: Container) -> ContainerTraits | None:
    """Return what a container asks of a destination; None where that is not known."""
    traits = container_traits(profile, container)
    if traits.caps is None:
        return None
    return _without_own_matter(traits, profile.facts().release.generation)


def _without_own_matter(traits: ContainerTraits, generation: Generation) -> ContainerTraits:
    return replace(traits, caps=(traits.caps or 0) & ~(generation.unsupported_mask & _OWN_MATTER))


def _greedy_traits(profile: NodeProfile) -> ContainerTraits:
    """Return a container that uses all that the node has."""
    facts = profile.facts()
    generation = facts.release.generation
    processes = [one for one in _GREEDY if one.bits == 32 or facts.machine not in I386]
    least, most = gather_bounds(Contents(tuple(processes)), facts)
    traits = ContainerTraits(caps=least.caps, may_caps=most.caps & ~least.caps)
    return _without_own_matter(traits, generation)
