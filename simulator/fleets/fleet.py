"""Many nodes and their containers, kept by class: what makes no difference is not kept.

A profile is read, reduced to its traits, and let go of; a fleet of 10,000 nodes with 20 containers
each is small.
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct

from simulator.errors import UserError
from simulator.facts.cpu_traits import CpuTraits
from simulator.profiles.bare_node import AnyNode
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.traits import ContainerTraits, NodeTraits, RestoreTraits

_Traits = TypeVar("_Traits", bound=Hashable)


class Classes(dict[_Traits, int]):
    """Distinct traits and their numbers from 0 on, in the order in which they were looked up."""

    def __missing__(self, traits: _Traits) -> int:
        self[traits] = number = len(self)
        return number


class Member(NamedTuple):
    """One node of a fleet: its class, and its containers as (ctid, class)."""

    name: str
    node_class: int
    containers: tuple[tuple[int, int], ...]


class NodeClass(Struct, frozen=True, gc=False):
    """What nodes of one class are; the numbers are places in the fleet's lists."""

    number: int
    traits: NodeTraits
    kernel: int
    source_kernel: int
    cpu: int


class Fleet(NamedTuple):
    """Nodes, and the classes that they and their containers fall into.

    ``kernels`` are what the engine restores by, as destinations have it, ``source_kernels`` the
    same of sources: of OpenVZ's kernels without their capability numbers.
    """

    members: tuple[Member, ...]
    classes: tuple[NodeClass, ...]
    kernels: tuple[RestoreTraits, ...]
    source_kernels: tuple[RestoreTraits, ...]
    cpus: tuple[CpuTraits, ...]
    containers: tuple[ContainerTraits, ...]
    engine: Engine[Any] = CPT


class ContainerGroup(Struct, frozen=True, gc=False):
    """Migrations that are alike: of ``count`` containers of a class, or of the nodes alone.

    ``label`` is what a report calls the container: its ctid, or its class where nodes are
    grouped; None for the nodes alone, as ``container`` is.
    """

    label: int | None
    container: int | None
    count: int


class Group(Struct, frozen=True, gc=False):
    """Nodes of one class that are one row, and one column, of a matrix.

    ``number`` is its place among all groups. A node's migrations are its containers'; of one
    that has none, the nodes alone.
    """

    number: int
    node_class: int
    nodes: tuple[str, ...]
    loads: tuple[ContainerGroup, ...]


class Part(NamedTuple):
    """Some nodes of a fleet, with the classes of their own that their numbers are places of."""

    members: tuple[Member, ...]
    nodes: tuple[NodeTraits, ...]
    containers: tuple[ContainerTraits, ...]


class Gathering:
    """Sorts nodes into classes, one by one or a part at a time; profiles are not kept."""

    def __init__(self, engine: Engine[Any] = CPT) -> None:
        self._engine = engine
        self._members: dict[str, Member] = {}
        self._nodes: Classes[NodeTraits] = Classes()
        self._containers: Classes[ContainerTraits] = Classes()

    def add(self, profile: AnyNode) -> None:
        """Add a checked profile; UserError where its name came before."""
        self._require_new(profile.name)
        traits, containers_own = self._engine.node_traits(profile), self._engine.stated_traits
        containers = self._containers
        held = tuple(
            [(one.ctid, containers[containers_own(profile, one)]) for one in profile.containers]
        )
        self._members[profile.name] = Member(profile.name, self._nodes[traits], held)

    def add_part(self, part: Part) -> None:
        """Add the nodes of a part, as if one by one; UserError where a name came before."""
        nodes = list(map(self._nodes.__getitem__, part.nodes))
        containers = list(map(self._containers.__getitem__, part.containers))
        for name, node_class, held in part.members:
            self._require_new(name)
            renumbered = tuple([(ctid, containers[number]) for ctid, number in held])
            self._members[name] = Member(name, nodes[node_class], renumbered)

    def part(self) -> Part:
        """Return the nodes so far."""
        return Part(tuple(self._members.values()), tuple(self._nodes), tuple(self._containers))

    def fleet(self) -> Fleet:
        """Return the fleet of the nodes so far."""
        return _assemble(*self.part(), self._engine)

    def _require_new(self, name: str) -> None:
        if name in self._members:
            raise UserError(
                f"node {name!r} comes twice: name each node once, and give each "
                "profile a file name of its own"
            )


def gather_fleet(profiles: Iterable[AnyNode], engine: Engine[Any] = CPT) -> Fleet:
    """Sort nodes into classes; profiles may come one by one. Raises what ``Gathering.add`` does."""
    gathering = Gathering(engine)
    for profile in profiles:
        gathering.add(profile)
    return gathering.fleet()


def group_by_node(fleet: Fleet) -> tuple[Group, ...]:
    """Make each node a group of its own; containers are called by their ctids."""
    return tuple(
        Group(number, member.node_class, (member.name,), _loads_of(member))
        for number, member in enumerate(fleet.members)
    )


def group_by_class(fleet: Fleet) -> tuple[Group, ...]:
    """Make each class of nodes a group; containers are called by their classes."""
    members: dict[int, list[Member]] = {number: [] for number in range(len(fleet.classes))}
    for member in fleet.members:
        members[member.node_class].append(member)
    return tuple(
        Group(number, number, tuple(one.name for one in alike), _loads_of_class(alike))
        for number, alike in members.items()
    )


def _assemble(
    members: tuple[Member, ...],
    nodes: Iterable[NodeTraits],
    containers: Iterable[ContainerTraits],
    engine: Engine[Any],
) -> Fleet:
    kernels: Classes[RestoreTraits] = Classes()
    source_kernels: Classes[RestoreTraits] = Classes()
    cpus: Classes[CpuTraits] = Classes()
    classes = tuple(
        NodeClass(
            number,
            traits,
            kernels[traits.kernel],
            source_kernels[traits.kernel.as_source()],
            cpus[traits.cpu],
        )
        for number, traits in enumerate(nodes)
    )
    return Fleet(
        members,
        classes,
        tuple(kernels),
        tuple(source_kernels),
        tuple(cpus),
        tuple(containers),
        engine,
    )


def _loads_of(member: Member) -> tuple[ContainerGroup, ...]:
    loads = tuple(ContainerGroup(ctid, container, 1) for ctid, container in member.containers)
    return loads or (ContainerGroup(None, None, 1),)


def _loads_of_class(members: Iterable[Member]) -> tuple[ContainerGroup, ...]:
    counts: Counter[int | None] = Counter()
    for member in members:
        counts.update(container for _, container in member.containers)
        if not member.containers:
            counts[None] += 1
    alone = counts.pop(None, 0)
    loads = [ContainerGroup(None, None, alone)] if alone else []
    loads += [ContainerGroup(number, number, count) for number, count in sorted(counts.items())]
    return tuple(loads)
