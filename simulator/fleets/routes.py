"""Which ways are open between the nodes of a matrix: one-way ones, islands, best destinations.

A way is open where at least one migration is safe, and closed where every one is risky or
refused: what is unknown neither opens nor closes it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import add
from typing import NamedTuple

from simulator.fleets.fleet import Group, NodeClass
from simulator.fleets.judge import Memo
from simulator.fleets.matrix import Matrix, Row, Summary
from simulator.verdicts.verdict import VERDICTS_BY_HARM, Verdict

#: What counts in a rank: each of them more than all that come before it.
_OTHER_VENDOR = 1 << 4
_OTHER_CPU = 1 << 5
_REASON = 1 << 6
_FIRST_UNKNOWN = 1 << 18

_NEITHER, _OPEN, _CLOSED = range(3)


class Ways:
    """The ways among groups, learnt from the rows that ``watch`` hands on: a byte for each."""

    def __init__(self, groups: tuple[Group, ...], *, restore_only: bool = False) -> None:
        self._groups = groups
        self._restore_only = restore_only
        self._ways = bytearray(len(groups) ** 2)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand rows on, and remember of each pair whether its way is open or closed."""
        for row in rows:
            ways = {kind: self._way(summary) for kind, summary in row.summaries.items()}
            of_row = bytearray(map(ways.__getitem__, row.kinds))
            if len(of_row) < len(self._groups):
                of_row.insert(row.source.number, _NEITHER)
            self._ways[self._row(row.source)] = of_row
            yield row

    def one_way(self, source: Group) -> list[Group]:
        """List where something can go to from a group, and nothing can come back from."""
        there, back = self._ways[self._row(source)], self._ways[self._column(source)]
        ways = zip(self._groups, there, back, strict=True)
        return [group for group, one, other in ways if one == _OPEN and other == _CLOSED]

    def islands(self) -> list[Group]:
        """List the groups of one node with no safe migration to another, nor from one."""
        return [
            group
            for group in self._groups
            if _OPEN not in self._ways[self._row(group)]
            and _OPEN not in self._ways[self._column(group)]
        ]

    def _way(self, summary: Summary) -> int:
        counts = summary.outcomes(restore_only=self._restore_only)
        return _OPEN if counts.safe else _NEITHER if counts.unknown else _CLOSED

    def _row(self, source: Group) -> slice:
        return slice(source.number * len(self._groups), (source.number + 1) * len(self._groups))

    def _column(self, destination: Group) -> slice:
        return slice(destination.number, None, len(self._groups))


class Route(NamedTuple):
    """Containers of a group, by their labels, and numbers of groups, the best destination first."""

    labels: tuple[int | None, ...]
    destinations: tuple[int, ...]


class Router:
    """Finds where containers can go to.

    That is where restore is possible, and where programs count, those too. Best is where programs
    survive, then where that is unknown, then where they do not; of these where there is least to
    be said against it; then the same CPU to programs, then the same vendor's; then the nearest
    generation of kernels; then the one that was named first.

    A rank is a number, the best the lowest: from its highest bits on it has the verdict on
    programs, the count of reasons, whether the CPU differs, and the vendor, and how far apart the
    kernels are.
    """

    def __init__(self, matrix: Matrix, *, restore_only: bool = False) -> None:
        self._matrix = matrix
        self._restore_only = restore_only
        self._classes = matrix.fleet.classes
        classes = [self._classes[group.node_class] for group in matrix.groups]
        self._kernels = [one.kernel for one in classes]
        #: By groups: their numbers, and those of their classes of nodes, of kernels, of CPUs.
        self._columns = (
            range(len(classes)),
            [one.number for one in classes],
            self._kernels,
            [one.cpu for one in classes],
        )
        self._known_takers: dict[tuple[int, int | None], frozenset[int]] = {}
        self._of_opinions: list[int] = []
        self._of_kernels: dict[int, dict[int, int]] = {}
        self._of_cpus = Memo(self._rank_cpus)

    def routes(self, source: Group) -> list[Route]:
        """Return the destinations of a group's containers; those that have the same together."""
        labels: dict[tuple[bool, frozenset[int]], list[int | None]] = {}
        make = self._classes[source.node_class].source_kernel
        for load in source.loads:
            key = self._matrix.uses_fpu(load.container), self._takers(make, load.container)
            labels.setdefault(key, []).append(load.label)
        ranked = self._rank(source, {uses_fpu for uses_fpu, _ in labels})
        kernels = self._kernels
        routes: dict[tuple[int, ...], list[int | None]] = {}
        for (uses_fpu, takers), alike in labels.items():
            destinations = [number for number in ranked[uses_fpu] if kernels[number] in takers]
            routes.setdefault(tuple(destinations), []).extend(alike)
        return [Route(tuple(alike), destinations) for destinations, alike in routes.items()]

    def _takers(self, make: int, container: int | None) -> frozenset[int]:
        """Return the kernels on which a container of a kernel's can be restored."""
        key = make, container
        if key not in self._known_takers:
            matrix, traits = self._matrix, self._matrix.traits(container)
            questions = matrix.questions(make)
            takes: Memo[int, bool] = Memo(
                lambda question: (
                    matrix.verdicts[matrix.answers[question][traits]] is Verdict.POSSIBLE
                )
            )
            self._known_takers[key] = frozenset(
                [kernel for kernel in dict.fromkeys(self._kernels) if takes[questions[kernel]]]
            )
        return self._known_takers[key]

    def _rank(self, source: Group, kinds: Iterable[bool]) -> dict[bool, list[int]]:
        """Sort the numbers of the other groups, the best first, by whether the FPU was used."""
        columns = list(map(list, self._columns))
        if len(source.nodes) == 1:
            for column in columns:
                del column[source.number]
        groups, classes, kernels, cpus = columns
        one = self._classes[source.node_class]
        of_kernels, of_cpus = self._rank_kernels(one, classes), self._of_cpus[one.cpu]
        count = len(self._kernels)
        ranks = [
            (of_kernels[kernel] + of_cpus[cpu]) * count + group
            for group, kernel, cpu in zip(groups, kernels, cpus, strict=True)
        ]
        limit = _FIRST_UNKNOWN * count
        ranked = {}
        for uses_fpu in kinds:
            programs = self._rank_programs(one, classes, uses_fpu=uses_fpu)
            known = map(add, programs, ranks)
            best = known if self._restore_only else filter(limit.__gt__, known)
            ranked[uses_fpu] = [rank % count for rank in sorted(best)]
        return ranked

    def _rank_programs(
        self, one: NodeClass, others: Sequence[int], *, uses_fpu: bool
    ) -> Iterator[int]:
        """Return what programs meet on other classes counts, above all a group's number."""
        matrix, ranks = self._matrix, self._of_opinions
        said = matrix.programs_opinions(one, uses_fpu=uses_fpu)
        said.ask(others)
        for number in range(len(ranks), len(matrix.opinions)):
            verdict = VERDICTS_BY_HARM.index(matrix.verdicts[number])
            rank = verdict * _FIRST_UNKNOWN + matrix.opinions[number].size * _REASON
            ranks.append(rank * len(self._kernels))
        return map(ranks.__getitem__, map(said.__getitem__, others))

    def _rank_kernels(self, one: NodeClass, others: Iterable[int]) -> Mapping[int, int]:
        """Return what kernels have against restore, and their ages, count in ranks, by kernel."""
        ranks = self._of_kernels.setdefault(one.source_kernel, {})
        if len(ranks) < len(self._matrix.fleet.kernels):
            own_age = one.traits.kernel.age
            for other in map(self._classes.__getitem__, others):
                if other.kernel not in ranks:
                    said = self._matrix.opinions[self._matrix.restore_opinion(one, other, None)]
                    distance = abs(own_age - other.traits.kernel.age)
                    ranks[other.kernel] = said.size * _REASON + distance
        return ranks

    def _rank_cpus(self, own: int) -> list[int]:
        """Return what another CPU, and another vendor's, counts in ranks, by CPU."""
        cpus = self._matrix.fleet.cpus
        return [
            _OTHER_CPU * (number != own) + _OTHER_VENDOR * (cpu.vendor != cpus[own].vendor)
            for number, cpu in enumerate(cpus)
        ]
