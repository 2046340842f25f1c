"""Which ways are open between the nodes of a matrix: one-way ones, islands, best destinations.

A way is open where at least one migration is possible, and closed where every one is not
possible: what is unknown neither opens nor closes it. Where it is strict, our opinion counts.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from simulator.facts.generations import GENERATIONS
from simulator.fleets.fleet import ContainerGroup, Group, NodeClass
from simulator.fleets.matrix import Matrix, Pair
from simulator.verdicts.verdict import Verdict

_AGE = {generation.name: number for number, generation in enumerate(GENERATIONS)}
_BEST_FIRST = (Verdict.POSSIBLE, Verdict.UNKNOWN, Verdict.NOT_POSSIBLE)

#: What counts in a rank: each of them more than all that come before it.
_OTHER_VENDOR = 1 << 4
_OTHER_CPU = 1 << 5
_REASON = 1 << 6
_FIRST_UNKNOWN = 1 << 18


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
        bits = [1 << group.number for group in self._groups]
        for pair in pairs:
            possible, _, unknown = pair.summary.both if self._strict else pair.summary.kernel
            if possible:
                self._open[pair.source.number] |= bits[pair.destination.number]
            elif not unknown:
                self._closed[pair.source.number] |= bits[pair.destination.number]
            yield pair
        self._reached = reduce(or_, self._open, 0)

    def one_way(self, source: Group) -> list[Group]:
        """List where something can go to from a group, and nothing can come back from."""
        there = self._open[source.number]
        return [
            group
            for group in self._groups
            if there >> group.number & 1 and self._closed[group.number] >> source.number & 1
        ]

    def islands(self) -> list[Group]:
        """List the groups of one node with no possible migration to another, nor from one."""
        return [
            group
            for group in self._groups
            if not self._open[group.number] and not self._reached >> group.number & 1
        ]


#: A group's number, and the numbers of its class of nodes, of kernels, of CPUs.
_Places = tuple[int, int, int, int]


class Route(NamedTuple):
    """Containers of a group, by their labels, and where they can go to, the best first."""

    labels: tuple[int | None, ...]
    destinations: tuple[Group, ...]


class Router:
    """Finds where containers can go to.

    Possible is what the kernel says is; where it is strict, we too. Best is where we say
    possible, then unknown, then not possible; of these where there is least to be said against
    it; then the same CPU to programs, then the same vendor's; then the nearest generation of
    kernels; then the one that was named first.

    A rank is a number, the best the lowest: from its highest bits on it has our verdict, the count
    of reasons, whether the CPU differs, and the vendor, and how far apart the kernels are.
    """

    def __init__(self, matrix: Matrix, *, strict: bool = False) -> None:
        self._matrix = matrix
        self._strict = strict
        self._classes = matrix.fleet.classes
        self._kernels = {self._classes[group.node_class].kernel: group for group in matrix.groups}
        classes = (self._classes[group.node_class] for group in matrix.groups)
        self._places_of_groups: list[_Places] = [
            (group, one.number, one.kernel, one.cpu) for group, one in enumerate(classes)
        ]
        self._kernel_of_group = [kernel for _, _, kernel, _ in self._places_of_groups]
        self._known_takers: dict[tuple[int, int | None], frozenset[int]] = {}
        self._of_opinions: list[int] = []
        self._of_kernels: dict[int, dict[int, int]] = {}

    def routes(self, source: Group) -> list[Route]:
        """Return the destinations of a group's containers; those that have the same together."""
        labels: dict[tuple[bool, frozenset[int]], list[int | None]] = {}
        for load in source.loads:
            key = self._matrix.uses_fpu(load.container), self._takers(source, load)
            labels.setdefault(key, []).append(load.label)
        kinds = {uses_fpu for uses_fpu, _ in labels}
        ranked = {uses_fpu: self._rank(source, uses_fpu=uses_fpu) for uses_fpu in kinds}
        routes: dict[tuple[int, ...], list[int | None]] = {}
        for (uses_fpu, takers), alike in labels.items():
            kernels = self._kernel_of_group
            destinations = tuple(
                [number for number in ranked[uses_fpu] if kernels[number] in takers]
            )
            routes.setdefault(destinations, []).extend(alike)
        groups = self._matrix.groups
        return [
            Route(tuple(alike), tuple(map(groups.__getitem__, destinations)))
            for destinations, alike in routes.items()
        ]

    def _takers(self, source: Group, load: ContainerGroup) -> frozenset[int]:
        """Return the kernels to which the kernel lets a container go."""
        matrix = self._matrix
        one = self._classes[source.node_class]
        key = one.source_kernel, load.container
        if key not in self._known_takers:
            self._known_takers[key] = frozenset(
                kernel
                for kernel, group in self._kernels.items()
                if matrix.verdicts[
                    matrix.kernel_opinion(one, self._classes[group.node_class], load.container)
                ]
                is Verdict.POSSIBLE
            )
        return self._known_takers[key]

    def _rank(self, source: Group, *, uses_fpu: bool) -> list[int]:
        """Sort the numbers of the other groups, the best first."""
        one = self._classes[source.node_class]
        others = list(self._places_of_groups)
        if len(source.nodes) == 1:
            del others[source.number]
        ours = self._our_opinions(one, others, uses_fpu=uses_fpu)
        of_kernels, of_cpus = self._ranks_of_kernels(one, others), self._ranks_of_cpus(one)
        of_opinions, count = self._of_opinions, len(self._places_of_groups)
        ranks = [
            (of_opinions[ours[number]] + of_kernels[kernel] + of_cpus[cpu]) * count + group
            for group, number, kernel, cpu in others
        ]
        ranks.sort()
        if self._strict:
            del ranks[bisect_left(ranks, _FIRST_UNKNOWN * count) :]
        return [rank % count for rank in ranks]

    def _our_opinions(
        self, one: NodeClass, others: Iterable[_Places], *, uses_fpu: bool
    ) -> Mapping[int, int]:
        """Return the numbers of what we say, by class, and know what each counts in ranks."""
        matrix = self._matrix
        said = matrix.our_opinions(one, uses_fpu=uses_fpu)
        said.ask([number for _, number, _, _ in others])
        for number in range(len(self._of_opinions), len(matrix.opinions)):
            verdict = _BEST_FIRST.index(matrix.verdicts[number])
            size = matrix.opinions[number].size
            self._of_opinions.append(verdict * _FIRST_UNKNOWN + size * _REASON)
        return said

    def _ranks_of_kernels(self, one: NodeClass, others: Iterable[_Places]) -> Mapping[int, int]:
        """Return what the kernels' say and their ages count in ranks, by kernel."""
        ranks = self._of_kernels.setdefault(one.source_kernel, {})
        if len(ranks) < len(self._kernels):
            own_age = _AGE[one.traits.kernel.generation_name]
            for _, number, kernel, _ in others:
                if kernel not in ranks:
                    other = self._classes[number]
                    said = self._matrix.opinions[self._matrix.kernel_opinion(one, other, None)]
                    distance = abs(own_age - _AGE[other.traits.kernel.generation_name])
                    ranks[kernel] = said.size * _REASON + distance
        return ranks

    def _ranks_of_cpus(self, one: NodeClass) -> Sequence[int]:
        """Return what another CPU, and another vendor's, counts in ranks, by CPU."""
        own = self._matrix.fleet.cpus[one.cpu]
        return [
            _OTHER_CPU * (cpu != own) + _OTHER_VENDOR * (cpu.vendor != own.vendor)
            for cpu in self._matrix.fleet.cpus
        ]
