"""Many nodes and their containers, kept by class: what makes no difference is not kept.

A profile is read, reduced to its side, and let go of; a fleet of 10,000 nodes with 20 containers
each is small.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from simulator.errors import UserError
from simulator.facts.cpu_traits import CpuSide
from simulator.facts.cpuid import MissingLeafError
from simulator.kernel.containers import Container
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import load_node
from simulator.verdicts.traits import ContainerSide, KernelSide, NodeSide, node_side

_Side = TypeVar("_Side", bound=Hashable)


class Classes(Generic[_Side]):
    """Distinct sides, numbered from 0 in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[_Side, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[_Side]:
        return iter(self._numbers)

    def number(self, side: _Side) -> int:
        """Return a side's number, a new one where there is none alike."""
        return self._numbers.setdefault(side, len(self._numbers))


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a fleet: its class, and its containers as (ctid, class)."""

    name: str
    node_class: int
    containers: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """What nodes of one class are; the numbers are places in the fleet's lists."""

    side: NodeSide
    kernel: int
    make: int
    cpu: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """Nodes, and the classes that they and their containers fall into.

    ``kernels`` are as destinations have them, ``makes`` the same without their capability
    numbers: those of a source are not asked while its containers run.
    """

    members: tuple[Member, ...]
    classes: tuple[NodeClass, ...]
    kernels: tuple[KernelSide, ...]
    makes: tuple[KernelSide, ...]
    cpus: tuple[CpuSide, ...]
    containers: tuple[ContainerSide, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Migrations that are alike: of ``count`` containers of a class, or of the nodes alone.

    ``label`` is what a report calls the container: its ctid, or its class where nodes are
    grouped; None for the nodes alone, as ``container`` is.
    """

    label: int | None
    container: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes of one class that are one row, and one column, of a matrix.

    ``number`` is its place among all groups. A node's migrations are its containers'; of one
    that has none, the nodes alone.
    """

    number: int
    node_class: int
    nodes: tuple[str, ...]
    loads: tuple[Load, ...]


def gather_fleet(profiles: Iterable[NodeProfile]) -> Fleet:
    """Sort nodes into classes; profiles are checked ones, may come one by one, and are not kept.

    Raises UserError where two have the same name, or one lacks a leaf that its kernel needs.
    """
    sides: Classes[NodeSide] = Classes()
    containers: Classes[ContainerSide] = Classes()
    members: dict[str, Member] = {}
    for profile in profiles:
        if profile.name in members:
            raise UserError(
                f"node {profile.name!r} comes twice: name each node once, and give each "
                "profile a file name of its own"
            )
        members[profile.name] = _reduce(profile, sides, containers)
    return _assemble(tuple(members.values()), sides, containers)


def read_fleet(
    nodes: Iterable[str], seen: Callable[[NodeProfile], object] = lambda _: None
) -> Fleet:
    """Read nodes by name or path; ``seen`` is called with each of them, which is not kept."""

    def profiles() -> Iterator[NodeProfile]:
        for node in nodes:
            profile = load_node(node)
            seen(profile)
            yield profile

    return gather_fleet(profiles())


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


def _reduce(
    profile: NodeProfile, sides: Classes[NodeSide], containers: Classes[ContainerSide]
) -> Member:
    """Keep of a profile what matters."""
    try:
        side = node_side(profile)
    except MissingLeafError as error:
        raise UserError(f"node {profile.name!r}: {error}, and its kernel asks for it") from error
    return Member(
        profile.name,
        sides.number(side),
        tuple(
            (container.ctid, containers.number(_container_side(container)))
            for container in profile.containers
        ),
    )


def _container_side(container: Container) -> ContainerSide:
    """Return ``sides.container_side``: of a checked profile, what is stated is what is derived."""
    return ContainerSide(container.state, container.needs.caps if container.needs else None)


def _assemble(
    members: tuple[Member, ...], sides: Classes[NodeSide], containers: Classes[ContainerSide]
) -> Fleet:
    kernels: Classes[KernelSide] = Classes()
    makes: Classes[KernelSide] = Classes()
    cpus: Classes[CpuSide] = Classes()
    classes = tuple(
        NodeClass(
            side,
            kernels.number(side.kernel),
            makes.number(replace(side.kernel, caps=0)),
            cpus.number(side.cpu),
        )
        for side in sides
    )
    return Fleet(members, classes, tuple(kernels), tuple(makes), tuple(cpus), tuple(containers))


def _loads_of(member: Member) -> tuple[Load, ...]:
    loads = tuple(Load(ctid, container, 1) for ctid, container in member.containers)
    return loads or (Load(None, None, 1),)


def _loads_of_class(members: Iterable[Member]) -> tuple[Load, ...]:
    counts: Counter[int | None] = Counter()
    for member in members:
        counts.update(container for _, container in member.containers)
        if not member.containers:
            counts[None] += 1
    alone = counts.pop(None, 0)
    loads = [Load(None, None, alone)] if alone else []
    loads += [Load(number, number, count) for number, count in sorted(counts.items())]
    return tuple(loads)
