"""Which ways are open between the nodes of a matrix: one-way ones, islands, best destinations.

A way is open where at least one migration is possible, and closed where every one is not
possible: what is unknown neither opens nor closes it. Where it is strict, our opinion counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from simulator.facts.generations import GENERATIONS
from simulator.fleets.fleet import Group, Load, NodeClass
from simulator.fleets.matrix import Matrix, Pair
from simulator.verdicts.verdict import Verdict

_AGE = {generation.name: number for number, generation in enumerate(GENERATIONS)}
_BEST_FIRST = {Verdict.POSSIBLE: 0, Verdict.UNKNOWN: 1, Verdict.NOT_POSSIBLE: 2}


class Ways:
    """The ways among groups, learnt from the pairs that ``watch`` hands on.

    Masks have a bit for each group's number.
    """

    def __init__(self, groups: tuple[Group, ...], *, strict: bool = False) -> None:
        self._groups = groups
        self._strict = strict
        self._open = [0] * len(groups)
        self._closed = [0] * len(groups)
        self._reached = 0

    def watch(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """Hand pairs on, and remember of each whether its way is open or closed."""
        for pair in pairs:
            possible, _, unknown = pair.summary.counts(strict=self._strict)
            if possible:
                self._open[pair.source.number] |= 1 << pair.destination.number
                self._reached |= 1 << pair.destination.number
            elif not unknown:
                self._closed[pair.source.number] |= 1 << pair.destination.number
            yield pair

    def one_way(self, source: Group) -> list[Group]:
        """List where something can go to from a group, and nothing can come back from."""
        there = self._open[source.number]
        return [
            group
            for group in self._groups
            if there >> group.number & 1 and self._closed[group.number] >> source.number & 1
        ]

    def islands(self) -> list[Group]:
        """List the groups of one node that nothing can leave for another, nor come to."""
        return [
            group
            for group in self._groups
            if not self._open[group.number] and not self._reached >> group.number & 1
        ]


@dataclass(frozen=True, slots=True)
class Route:
    """Containers of a group, by their labels, and where they can go to, the best first."""

    labels: tuple[int | None, ...]
    destinations: tuple[Group, ...]


class Router:
    """Finds where containers can go to.

    Possible is what the kernel says is; where it is strict, we too. Best is where we say
    possible, then unknown, then not possible; of these where there is least to be said against
    it; then the same CPU to programs, then the same vendor's; then the nearest generation of
    kernels; then the one that was named first.
    """

    def __init__(self, matrix: Matrix, *, strict: bool = False) -> None:
        self._matrix = matrix
        self._strict = strict
        self._classes = matrix.fleet.classes
        self._kernels = {self._classes[group.node_class].kernel: group for group in matrix.groups}

    def routes(self, source: Group) -> list[Route]:
        """Return the destinations of a group's containers; those that have the same together."""
        labels: dict[tuple[bool, frozenset[int]], list[int | None]] = {}
        for load in source.loads:
            key = self._matrix.uses_fpu(load.container), self._takers(source, load)
            labels.setdefault(key, []).append(load.label)
        ranked = {uses_fpu: self._rank(source, uses_fpu=uses_fpu) for uses_fpu, _ in labels}
        routes: dict[tuple[int, ...], list[int | None]] = {}
        for (uses_fpu, takers), alike in labels.items():
            destinations = tuple(
                group.number
                for group in ranked[uses_fpu]
                if self._classes[group.node_class].kernel in takers
            )
            routes.setdefault(destinations, []).extend(alike)
        groups = self._matrix.groups
        return [
            Route(tuple(alike), tuple(groups[number] for number in destinations))
            for destinations, alike in routes.items()
        ]

    def _takers(self, source: Group, load: Load) -> frozenset[int]:
        """Return the kernels to which the kernel lets a container go."""
        matrix = self._matrix
        one = self._classes[source.node_class]
        return frozenset(
            kernel
            for kernel, group in self._kernels.items()
            if matrix.verdicts[
                matrix.kernel_opinion(one, self._classes[group.node_class], load.container)
            ]
            is Verdict.POSSIBLE
        )

    def _rank(self, source: Group, *, uses_fpu: bool) -> list[Group]:
        """Sort the other groups, the best first."""
        one = self._classes[source.node_class]
        ranks: dict[int, tuple[int, ...]] = {}
        ranked = []
        for group in self._matrix.groups:
            if group is source and len(group.nodes) == 1:
                continue
            if group.node_class not in ranks:
                other = self._classes[group.node_class]
                ranks[group.node_class] = self._rank_of(one, other, uses_fpu=uses_fpu)
            if not self._strict or ranks[group.node_class][0] == _BEST_FIRST[Verdict.POSSIBLE]:
                ranked.append(group)
        return sorted(ranked, key=lambda group: (*ranks[group.node_class], group.number))

    def _rank_of(self, one: NodeClass, other: NodeClass, *, uses_fpu: bool) -> tuple[int, ...]:
        matrix = self._matrix
        ours = matrix.our_opinion(one, other, uses_fpu=uses_fpu)
        kernel = matrix.kernel_opinion(one, other, None)
        return (
            _BEST_FIRST[matrix.verdicts[ours]],
            sum(len(matrix.opinions[number].reasons) for number in (ours, kernel)),
            int(one.cpu != other.cpu),
            int(one.side.cpu.vendor != other.side.cpu.vendor),
            abs(_AGE[one.side.kernel.generation_name] - _AGE[other.side.kernel.generation_name]),
        )
