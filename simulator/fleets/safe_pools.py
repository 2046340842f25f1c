"""Pools as a matrix has them: groups of nodes among which every migration is safe, both ways.

A container that is safe nowhere, not even on a node of its own class, does not count: what keeps
it is its own matter, and would be the same in any pool. ``vzcptsim pool`` asks another question:
what would have to be changed for larger ones.
"""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from simulator.fleets.cliques import partition, vertices
from simulator.fleets.fleet import Group
from simulator.fleets.judge import Memo
from simulator.fleets.matrix import Matrix
from simulator.verdicts.verdict import Verdict


def find_pools(matrix: Matrix, *, restore_only: bool = False) -> list[list[int]]:
    """Cut a matrix's groups into pools, by their numbers: the one of most nodes first.

    Groups that are in none are left out.
    """
    there = list(map(_SafeGroups(matrix, restore_only=restore_only).of, matrix.groups))
    mutual = [
        _mask(other for other in vertices(others) if there[other] >> number & 1)
        for number, others in enumerate(there)
    ]
    nodes = [len(group.nodes) for group in matrix.groups]
    apart = _mask(
        number
        for number, others in enumerate(mutual)
        if nodes[number] > 1 and not others >> number & 1
    )
    neighbours = [
        0 if apart >> number & 1 else others & ~apart & ~(1 << number)
        for number, others in enumerate(mutual)
    ]
    return [
        pool
        for pool in partition(nodes, neighbours)
        if len(pool) > 1 or (nodes[pool[0]] > 1 and not apart >> pool[0] & 1)
    ]


class _SafeGroups:
    """Finds the groups on which all containers of a group are safe, as masks."""

    def __init__(self, matrix: Matrix, *, restore_only: bool) -> None:
        self._matrix = matrix
        self._restore_only = restore_only
        self._all = (1 << len(matrix.groups)) - 1
        self._of_class: Memo[int, int] = Memo(
            lambda one: _mask(group.number for group in matrix.groups if group.node_class == one)
        )
        self._takers = Memo(self._find_takers)
        self._survivors = Memo(self._find_survivors)

    def of(self, group: Group) -> int:
        """Return the groups that every container of a group can safely be moved to."""
        counted = list(filter(None, (self._safe(group, one.container) for one in group.loads)))
        common = self._all if counted else 0
        for groups in counted:
            common &= groups
        return common

    def _safe(self, group: Group, container: int | None) -> int:
        kernel = self._matrix.fleet.classes[group.node_class].source_kernel
        takers = self._takers[kernel, container]
        if self._restore_only:
            return takers
        return takers & self._survivors[group.node_class, self._matrix.uses_fpu(container)]

    def _find_takers(self, key: tuple[int, int | None]) -> int:
        """Return the groups whose kernels restore a container of a kernel's."""
        kernel, container = key
        matrix = self._matrix
        questions, asked = matrix.questions(kernel), matrix.traits(container)
        kernels = {one.kernel for one in matrix.fleet.classes}
        takers = {one for one in kernels if self._is_yes(matrix.answers[questions[one]][asked])}
        return self._groups(one.number for one in matrix.fleet.classes if one.kernel in takers)

    def _find_survivors(self, key: tuple[int, bool]) -> int:
        """Return the groups on which the programs of a class survive."""
        number, uses_fpu = key
        classes = self._matrix.fleet.classes
        said = self._matrix.programs_opinions(classes[number], uses_fpu=uses_fpu)
        said.ask(range(len(classes)))
        return self._groups(one for one in range(len(classes)) if self._is_yes(said[one]))

    def _is_yes(self, opinion: int) -> bool:
        return self._matrix.verdicts[opinion] is Verdict.POSSIBLE

    def _groups(self, classes: Iterable[int]) -> int:
        return reduce(or_, map(self._of_class.__getitem__, classes), 0)


def _mask(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)
