"""Pools of a matrix: compared with what every single migration comes to."""

from itertools import chain, permutations

import pytest
from msgspec.structs import replace

from simulator.fleets.fleet import gather_fleet, group_by_class, group_by_node
from simulator.fleets.matrix import Matrix
from simulator.fleets.safe_pools import find_pools
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.verdict import Outcome
from support.simulated_profiles import captured_nodes


def matrix_of(profiles: list[NodeProfile], *, is_by_class: bool = False) -> Matrix:
    fleet = gather_fleet(profiles)
    groups = group_by_class(fleet) if is_by_class else group_by_node(fleet)
    return Matrix(fleet, groups)


def is_safe(matrix: Matrix, one: int, other: int, *, restore_only: bool) -> bool:
    """Tell whether all that can be moved from a group at all is safe on another."""
    source = matrix.groups[one]
    classes = range(len(matrix.fleet.classes))

    def is_moved(container: int | None, destination: int) -> bool:
        judgement = matrix.judge(source.node_class, destination, container)
        return judgement.outcome(restore_only=restore_only) is Outcome.SAFE

    counted = [
        load.container
        for load in source.loads
        if any(is_moved(load.container, number) for number in classes)
    ]
    destination = matrix.groups[other].node_class
    return bool(counted) and all(is_moved(container, destination) for container in counted)


@pytest.mark.parametrize("restore_only", [False, True])
@pytest.mark.parametrize("is_by_class", [False, True])
def test_within_a_pool_everything_is_safe_and_no_two_pools_could_be_one(
    is_by_class: bool, restore_only: bool
) -> None:
    matrix = matrix_of(captured_nodes(), is_by_class=is_by_class)
    pools = find_pools(matrix, restore_only=restore_only)
    groups = set(range(len(matrix.groups)))
    pooled = list(chain.from_iterable(pools))
    assert len(pooled) == len(set(pooled))
    left = groups.difference(pooled)
    safe = {
        (one, other)
        for one, other in permutations(range(len(matrix.groups)), 2)
        if is_safe(matrix, one, other, restore_only=restore_only)
    }
    assert all(pair in safe for pool in pools for pair in permutations(pool, 2))
    assert any(len(pool) > 1 for pool in pools)
    for one, other in permutations([*pools, *([number] for number in left)], 2):
        assert not all(pair in safe for pair in permutations([*one, *other], 2))


def test_the_pool_of_most_nodes_comes_first() -> None:
    matrix = matrix_of(captured_nodes(), is_by_class=True)
    sizes = [sum(len(matrix.groups[one].nodes) for one in pool) for pool in find_pools(matrix)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 5


def test_nodes_of_a_class_that_are_not_safe_to_each_other_are_in_no_pool() -> None:
    # Before 042stab088 no container ever passes to a node without IPv6, not even its own.
    (node,) = (one for one in captured_nodes() if one.name == "042stab061.9.qemu64.ipv6.disable")
    matrix = matrix_of([node, replace(node, name="twin")], is_by_class=True)
    assert find_pools(matrix) == []


def test_two_nodes_of_a_class_are_a_pool_and_one_is_none() -> None:
    node = captured_nodes()[25]
    twins = [node, replace(node, name="twin")]
    assert find_pools(matrix_of(twins, is_by_class=True)) == [[0]]
    assert find_pools(matrix_of(twins)) == [[0, 1]]
    assert find_pools(matrix_of([node])) == []
