"""What a whole matrix comes to: the outcomes of all migrations, and which codes stand against them.

Rows are handed on as they are made: what is asked of all pairs takes one pass.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simulator.fleets.fleet import Group
from simulator.fleets.judge import Memo
from simulator.fleets.matrix import Matrix, Row
from simulator.fleets.routes import Ways
from simulator.verdicts.verdict import Outcome, Verdict


class Obstacle(NamedTuple):
    """How many migrations a code stands against, and against how many of them no other does."""

    code: str
    migrations: int
    alone: int


class _Alike(NamedTuple):
    """Pairs from one source that are alike: one of the destinations, and how many nodes these are.

    ``programs`` are the numbers of what is found on the programs that cannot have used the FPU,
    and on those that may have.
    """

    source: Group
    destination: Group
    programs: tuple[int | None, int | None]
    nodes: int


class Survey:
    """Learns from the rows that ``watch`` hands on.

    ``ways`` are those among the groups. ``tally`` counts the containers' migrations by outcome.
    ``kinds`` has, for each source, how many nodes its way to is of each kind (``Outcomes.kind``).
    """

    def __init__(self, matrix: Matrix, *, restore_only: bool = False) -> None:
        self.ways = Ways(matrix.groups, restore_only=restore_only)
        self.tally: Counter[Outcome] = Counter()
        self.kinds: list[Counter[str]] = []
        self._matrix = matrix
        self._restore_only = restore_only
        self._alike: list[_Alike] = []
        self._codes = Memo(self._codes_of)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Hand rows on, and count what is found on their pairs."""
        for row in self.ways.watch(rows):
            self._count(row)
            yield row

    def obstacles(self) -> list[Obstacle]:
        """List the codes that count, those that stand against most migrations first."""
        migrations: Counter[str] = Counter()
        alone: Counter[str] = Counter()
        for (restore, programs), count in self._count_found().items():
            codes = self._codes[restore]
            if programs is not None:
                codes |= self._codes[programs]
            for code in codes:
                migrations[code] += count
                alone[code] += count * (len(codes) == 1)
        obstacles = (Obstacle(code, count, alone[code]) for code, count in migrations.items())
        return sorted(obstacles, key=lambda one: (-one.migrations, one.code))

    def _count(self, row: Row) -> None:
        """Count the pairs of a row that are alike together."""
        pairs = list(zip(row.kinds, row.no_fpu, row.fpu, strict=True))
        nodes: Counter[tuple[int, int | None, int | None]] = Counter()
        for pair, group in zip(pairs, row.destinations, strict=True):
            nodes[pair] += len(group.nodes) - (group is row.source)
        kinds: Counter[str] = Counter()
        for (kind, no_fpu, fpu), group in dict(zip(pairs, row.destinations, strict=True)).items():
            count = nodes[kind, no_fpu, fpu]
            outcomes = row.summaries[kind].outcomes(restore_only=self._restore_only)
            kinds[outcomes.kind] += count
            for outcome, migrations in zip(Outcome, outcomes, strict=True):
                self.tally[outcome] += migrations * count
            self._alike.append(_Alike(row.source, group, (no_fpu, fpu), count))
        self.kinds.append(kinds)

    def _count_found(self) -> Counter[tuple[int, int | None]]:
        """Count migrations by the numbers of what is found on restore, and on programs."""
        matrix, classes = self._matrix, self._matrix.fleet.classes
        found: Counter[tuple[int, int | None]] = Counter()
        for source, destination, programs, nodes in self._alike:
            one, other = classes[source.node_class], classes[destination.node_class]
            for load in source.loads:
                restore = matrix.restore_opinion(one, other, load.container)
                number = None if self._restore_only else programs[matrix.uses_fpu(load.container)]
                found[restore, number] += load.count * nodes
        return found

    def _codes_of(self, number: int) -> frozenset[str]:
        """Return the codes that an opinion's verdict may come from."""
        reasons = self._matrix.opinions[number].reasons
        return frozenset(
            reason.code for reason in reasons if reason.verdict is not Verdict.POSSIBLE
        )
