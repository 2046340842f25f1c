"""Graphs cut into groups: by hand, by trying everything, and where there is too much to try."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.fleets.cliques import EXACT, partition

Edge = tuple[int, int]


def masks(count: int, edges: list[Edge]) -> list[int]:
    neighbours = [0] * count
    for one, other in edges:
        neighbours[one] |= 1 << other
        neighbours[other] |= 1 << one
    return neighbours


def cut(weights: list[int], edges: list[Edge]) -> list[list[int]]:
    return partition(weights, masks(len(weights), edges))


@pytest.mark.parametrize(
    ("weights", "edges", "groups"),
    [
        ([], [], []),
        # A path of three is a pair and a rest; the heaviest pair comes first.
        ([1, 1, 1], [(0, 1), (1, 2)], [[0, 1], [2]]),
        ([1, 1, 2], [(0, 1), (1, 2)], [[1, 2], [0]]),
        # A heavy vertex outweighs a pair.
        ([1, 5, 1, 1], [(0, 2), (2, 3), (0, 3)], [[1], [0, 2, 3]]),
        # Growing from the heaviest would miss this: 0 (3) is a neighbour of 1 alone; 1, 2 and 3
        # (2 each) are a triangle.
        ([3, 2, 2, 2], [(0, 1), (1, 2), (1, 3), (2, 3)], [[1, 2, 3], [0]]),
        # What is left of a group falls apart.
        ([1] * 5, [(0, 1), (0, 2), (1, 2), (0, 3), (1, 4)], [[0, 1, 2], [3], [4]]),
    ],
)
def test_the_heaviest_group_comes_first(
    weights: list[int], edges: list[Edge], groups: list[list[int]]
) -> None:
    assert cut(weights, edges) == groups


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[Edge]]:
    weights = draw(st.lists(st.integers(1, 4), min_size=1, max_size=7))
    pairs = list(combinations(range(len(weights)), 2))
    return weights, [pair for pair in pairs if draw(st.booleans())]


@given(graphs())
def test_the_first_group_is_the_heaviest_there_is(graph: tuple[list[int], list[Edge]]) -> None:
    weights, edges = graph
    groups = cut(weights, edges)
    assert sorted(one for group in groups for one in group) == list(range(len(weights)))
    assert all(pair in edges for group in groups for pair in combinations(group, 2))
    cliques = [
        clique
        for size in range(1, len(weights) + 1)
        for clique in combinations(range(len(weights)), size)
        if all(pair in edges for pair in combinations(clique, 2))
    ]
    heaviest = max(sum(weights[one] for one in clique) for clique in cliques)
    assert sum(weights[one] for one in groups[0]) == heaviest


def test_many_vertices_are_grouped_without_trying_everything() -> None:
    # Each is a neighbour of all but one: 2 ** 16 groups of 16.
    count = EXACT + 2
    edges = [(a, b) for a, b in combinations(range(count), 2) if a ^ 1 != b]
    groups = cut([1] * count, edges)
    assert groups == [list(range(0, count, 2)), list(range(1, count, 2))]


def test_many_vertices_that_are_alike_cost_no_more_than_one() -> None:
    count = 1000
    groups = cut([1] * count, list(combinations(range(count - 1), 2)))
    assert groups == [list(range(count - 1)), [count - 1]]


def test_a_thousand_vertices_alone_are_a_thousand_groups() -> None:
    assert cut([1] * 1000, []) == [[one] for one in range(1000)]
