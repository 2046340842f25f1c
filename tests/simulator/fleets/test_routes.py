"""Ways between nodes: one-way ones, islands, and destinations, the best first."""

from itertools import chain

import pytest

from simulator.fleets.fleet import Group, gather_fleet, group_by_class, group_by_node
from simulator.fleets.matrix import Counts, Matrix, Outcomes, Row, Summary
from simulator.fleets.routes import Router, Ways
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.verdict import Verdict
from support.simulated_nodes import AMD, NEWEST, OLD, STRONG, WEAK, node


def matrix_of(*nodes: NodeProfile) -> Matrix:
    fleet = gather_fleet(nodes)
    return Matrix(fleet, group_by_node(fleet))


def ways_of(matrix: Matrix, *, restore_only: bool = False) -> Ways:
    ways = Ways(matrix.groups, restore_only=restore_only)
    pairs = list(chain.from_iterable(ways.watch(matrix.rows())))
    assert pairs == list(matrix.pairs())
    assert len(pairs) == len(matrix.groups) * (len(matrix.groups) - 1)
    return ways


def names(groups: list[Group]) -> list[str]:
    return [group.nodes[0] for group in groups]


# One-way


def one_way(matrix: Matrix, *, restore_only: bool = False) -> dict[str, list[str]]:
    ways = ways_of(matrix, restore_only=restore_only)
    return {group.nodes[0]: names(ways.one_way(group)) for group in matrix.groups}


@pytest.mark.parametrize(
    ("containers", "closed"),
    [
        # A container that used more than the other node has cannot come back.
        (["1:fpu"], ["strong"]),
        # A way is open where anything can go, and not closed where something is unknown.
        (["1:fpu", "2"], []),
        (["1:fpu", "2:locked"], []),
    ],
)
def test_a_way_without_one_back_is_closed(containers: list[str], closed: list[str]) -> None:
    matrix = matrix_of(node("strong", *containers), node("weak", "1:fpu", words=WEAK))
    assert one_way(matrix) == {"strong": [], "weak": closed}


def test_a_risk_closes_ways_unless_programs_are_left_out() -> None:
    lesser = tuple(word for word in STRONG if word != "rdrand")
    nodes = node("a", "1", release=OLD), node("b", "1", release=OLD, words=lesser)
    assert one_way(matrix_of(*nodes)) == {"a": [], "b": ["a"]}
    assert one_way(matrix_of(*nodes), restore_only=True) == {"a": [], "b": []}


# Islands


@pytest.mark.parametrize(
    ("modules", "islands"),
    [(frozenset(), ["c"]), ({"vzcpt"}, []), ({"vzrst"}, []), ({"vzcpt", "vzrst"}, [])],
)
def test_an_island_is_what_nothing_leaves_and_nothing_comes_to(
    modules: frozenset[str], islands: list[str]
) -> None:
    odd = node("c", "1", modules=frozenset(modules))
    matrix = matrix_of(node("a", "1"), node("b", "1"), odd)
    assert names(ways_of(matrix).islands()) == islands


def test_a_class_whose_nodes_can_migrate_among_themselves_is_no_island() -> None:
    fleet = gather_fleet([node("a", "1"), node("b", "1"), node("c", "1", modules=frozenset())])
    matrix = Matrix(fleet, group_by_class(fleet))
    ways = Ways(matrix.groups)
    assert list(map(len, map(list, ways.watch(matrix.rows())))) == [2, 1]
    assert names(ways.islands()) == ["c"]


def test_ways_are_learnt_from_the_counts_that_matter() -> None:
    one, other = matrix_of(node("a"), node("b")).groups
    there = Summary(Counts(1, 1), Counts(0, 2), Outcomes(0, 1, 1))
    back = Summary(Counts(0, 2), Counts(2), Outcomes(0, 0, 2))
    rows = [
        Row(one, [other], [7], {7: there}, [None], [None]),
        Row(other, [one], [8], {8: back}, [None], [None]),
    ]
    for restore_only, found in ((True, [other]), (False, [])):
        ways = Ways((one, other), restore_only=restore_only)
        assert list(ways.watch(iter(rows))) == rows
        assert ways.one_way(one) == found
        assert ways.one_way(other) == []
        assert bool(ways.islands()) is not restore_only


# Destinations


def routes(
    matrix: Matrix, number: int = 0, *, restore_only: bool = False
) -> dict[int | None, list[str]]:
    found = Router(matrix, restore_only=restore_only).routes(matrix.groups[number])
    return {
        label: [matrix.groups[one].nodes[0] for one in route.destinations]
        for route in found
        for label in route.labels
    }


def test_destinations_are_those_on_which_a_container_is_restored() -> None:
    source = node("strong", "1:fpu", "2", "3:entered", "4:stopped")
    matrix = matrix_of(source, node("weak", words=WEAK), node("other"), node("old", release=OLD))
    found = routes(matrix, restore_only=True)
    assert found == {1: ["other"], 2: ["other", "weak"], 3: [], 4: []}


def test_containers_with_the_same_destinations_are_one_route() -> None:
    matrix = matrix_of(node("a", "1:fpu", "2", "3:fpu"), node("b"), node("c"))
    (route,) = Router(matrix).routes(matrix.groups[0])
    assert route.labels == (1, 3, 2)
    assert route.destinations == (1, 2)


def test_nodes_without_containers_have_destinations_too() -> None:
    matrix = matrix_of(node("a"), node("b"), node("weak", words=WEAK))
    assert routes(matrix, restore_only=True) == {None: ["b", "weak"]}


def test_a_risk_is_no_destination_unless_programs_are_left_out() -> None:
    lesser = tuple(word for word in STRONG if word != "rdrand")
    matrix = matrix_of(
        node("a", "1", release=OLD), node("b", release=OLD, words=lesser), node("c", release=OLD)
    )
    assert routes(matrix) == {1: ["c"]}
    assert routes(matrix, restore_only=True) == {1: ["c", "b"]}


def test_the_best_destination_is_the_one_that_has_least_against_it() -> None:
    amd = node("other-vendor", vendor="AuthenticAMD")
    matrix = matrix_of(node("a", "1"), amd, node("weak", words=WEAK), node("same"))
    found = routes(matrix, restore_only=True)[1]
    assert found[0] == "same"
    assert set(found) == {"same", "weak", "other-vendor"}


def test_of_cpus_with_as_much_against_them_those_of_the_same_vendor_come_first() -> None:
    lesser = [word for word in STRONG if word != "sse4a"]
    other = node("other-vendor", vendor=AMD)
    matrix = matrix_of(node("a", "1"), other, node("same-vendor", words=lesser))
    source, *others = matrix.fleet.classes
    numbers = [matrix.programs_opinion(source, one, uses_fpu=False) for one in others]
    assert {(matrix.verdicts[one], matrix.opinions[one].size) for one in numbers} == {
        (Verdict.POSSIBLE, 1)
    }
    assert routes(matrix)[1] == ["same-vendor", "other-vendor"]


def test_the_nearest_generation_comes_first_of_kernels_that_are_fine() -> None:
    releases = {"107": NEWEST, "101": "2.6.32-042stab108.1", "088": "2.6.32-042stab088.4"}
    nodes = [node(name, release=release) for name, release in releases.items()]
    matrix = matrix_of(node("a", "1", release=releases["088"]), *nodes)
    assert routes(matrix)[1] == ["088", "101", "107"]


def test_what_is_equally_good_stays_in_the_order_in_which_it_was_named() -> None:
    matrix = matrix_of(node("z", "1"), node("y"), node("a"), node("m"))
    assert routes(matrix)[1] == ["y", "a", "m"]


def test_by_class_a_container_may_stay_within_its_class() -> None:
    fleet = gather_fleet([node("a", "1"), node("b", "1"), node("c", "1", modules=frozenset())])
    matrix = Matrix(fleet, group_by_class(fleet))
    assert routes(matrix) == {0: ["a"]}
    assert routes(matrix, 1) == {1: []}
