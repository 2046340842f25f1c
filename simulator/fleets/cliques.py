"""A graph cut into groups whose members are all neighbours of each other."""

from collections.abc import Iterator, Sequence

#: As many vertices as a largest group is looked for among by trying all that there are. Above,
#: each group is grown from its heaviest member on, which may miss a heavier one.
EXACT = 30


def partition(weights: Sequence[int], neighbours: Sequence[int]) -> list[list[int]]:
    """Cut a graph into cliques: the heaviest one first, then the heaviest of what is left.

    ``neighbours`` has a mask of vertices for each vertex. Of cliques that weigh the same it is
    the one whose vertices come first. Vertices with the same neighbours, and each other's, stay
    together, so that many alike cost no more than one.
    """
    groups = []
    for component in _components(neighbours):
        left = component
        while left:
            group = _heaviest(weights, neighbours, left)
            groups.append(list(vertices(group)))
            left &= ~group
    return sorted(groups, key=lambda group: (-sum(weights[one] for one in group), group))


def _heaviest(weights: Sequence[int], neighbours: Sequence[int], left: int) -> int:
    """Return the heaviest clique, as a mask, among the vertices that are left."""
    merged = list(_twins(neighbours, left))
    sums = [sum(weights[vertex] for vertex in vertices(twins)) for twins in merged]
    reached = [_reach(neighbours, twins, merged) for twins in merged]
    best = (0, 0)
    for component in _components(reached):
        find = _exact if component.bit_count() <= EXACT else _grown
        best = max(best, find(sums, reached, component), key=_first)
    return sum(merged[vertex] for vertex in vertices(best[1]))


#: A clique and how much it weighs.
_Found = tuple[int, int]


def _first(found: _Found) -> tuple[int, list[int]]:
    """Rank cliques: by weight, then by their vertices, of which the first are best."""
    weight, clique = found
    return weight, [-vertex for vertex in vertices(clique)]


def _twins(neighbours: Sequence[int], left: int) -> Iterator[int]:
    """Yield masks of vertices that are neighbours, and of the same others."""
    by_closed: dict[int, int] = {}
    for vertex in vertices(left):
        closed = (neighbours[vertex] | 1 << vertex) & left
        by_closed[closed] = by_closed.get(closed, 0) | 1 << vertex
    yield from by_closed.values()


def _reach(neighbours: Sequence[int], twins: int, merged: Sequence[int]) -> int:
    """Return the neighbours of merged vertices, as merged ones are numbered."""
    own = neighbours[next(vertices(twins))]
    return sum(
        1 << number for number, others in enumerate(merged) if others != twins and own & others
    )


def _components(neighbours: Sequence[int]) -> Iterator[int]:
    """Yield masks of vertices that hang together."""
    left = (1 << len(neighbours)) - 1
    while left:
        component = grown = left & -left
        while grown:
            around = 0
            for vertex in vertices(grown):
                around |= neighbours[vertex]
            grown = around & ~component
            component |= around
        yield component
        left &= ~component


def _exact(weights: Sequence[int], neighbours: Sequence[int], among: int) -> _Found:
    """Try all maximal cliques (Bron and Kerbosch, with a pivot)."""

    def search(clique: int, candidates: int, done: int) -> Iterator[_Found]:
        if not candidates:
            if not done:
                yield sum(weights[vertex] for vertex in vertices(clique)), clique
            return
        both = candidates | done
        pivot = max(vertices(both), key=lambda one: (neighbours[one] & candidates).bit_count())
        for vertex in vertices(candidates & ~neighbours[pivot]):
            own = neighbours[vertex]
            yield from search(clique | 1 << vertex, candidates & own, done & own)
            candidates &= ~(1 << vertex)
            done |= 1 << vertex

    return max(search(0, among, 0), key=_first)


def _grown(weights: Sequence[int], neighbours: Sequence[int], among: int) -> _Found:
    """Grow a clique: always by the heaviest vertex, the first of those that weigh the same."""
    clique = weight = 0
    while among:
        vertex = max(vertices(among), key=lambda one: (weights[one], -one))
        clique |= 1 << vertex
        weight += weights[vertex]
        among &= neighbours[vertex]
    return weight, clique


def vertices(mask: int) -> Iterator[int]:
    """Yield the vertices of a mask, the first first."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
