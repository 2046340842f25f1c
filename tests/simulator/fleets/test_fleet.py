"""Fleets: nodes and containers by class, no name twice."""

import pytest
from msgspec import structs

from simulator.errors import UserError
from simulator.facts.capabilities import NOTHING_HIDDEN
from simulator.fleets.fleet import (
    Classes,
    ContainerGroup,
    Fleet,
    gather_fleet,
    group_by_class,
    group_by_node,
)
from simulator.verdicts.traits import container_traits, node_traits
from support.simulated_nodes import NEWEST, OLD, WEAK, node, small_nodes
from support.simulated_profiles import recorded_nodes


@pytest.fixture(scope="module")
def recorded() -> Fleet:
    """Return the fleet of all recorded nodes."""
    return gather_fleet(recorded_nodes().values())


# Classes


def test_what_is_equal_has_one_number() -> None:
    classes: Classes[str] = Classes()
    assert [classes[one] for one in "abacb"] == [0, 1, 0, 2, 1]
    assert list(classes) == ["a", "b", "c"]
    assert len(classes) == 3


def test_a_recorded_node_is_of_the_class_that_its_traits_make(recorded: Fleet) -> None:
    for member, profile in zip(recorded.members, recorded_nodes().values(), strict=True):
        traits = node_traits(profile)
        node_class = recorded.classes[member.node_class]
        assert (member.name, node_class.traits) == (profile.name, traits)
        assert recorded.kernels[node_class.kernel] == traits.kernel
        assert recorded.source_kernels[node_class.source_kernel] == structs.replace(
            traits.kernel, caps=0, hidden=NOTHING_HIDDEN
        )
        assert recorded.cpus[node_class.cpu] == traits.cpu


def test_a_recorded_container_is_of_the_class_that_its_traits_make(recorded: Fleet) -> None:
    for member, profile in zip(recorded.members, recorded_nodes().values(), strict=True):
        assert [(ctid, recorded.containers[number]) for ctid, number in member.containers] == [
            (one.ctid, container_traits(profile, one)) for one in profile.containers
        ]


def test_names_and_what_makes_no_difference_make_no_class() -> None:
    fleet = gather_fleet([node("one", "101:fpu"), node("other", "7:fpu,process=httpd")])
    assert [(one.name, one.node_class) for one in fleet.members] == [("one", 0), ("other", 0)]
    assert [one.containers for one in fleet.members] == [((101, 0),), ((7, 0),)]


def test_source_kernels_do_not_differ_by_their_numbers() -> None:
    nodes = [node("one"), node("other", words=WEAK), node("old", release=OLD)]
    fleet = gather_fleet(nodes)
    assert [(one.kernel, one.source_kernel) for one in fleet.classes] == [(0, 0), (1, 0), (2, 1)]


# Mistakes


def test_a_name_comes_once() -> None:
    with pytest.raises(UserError) as caught:
        gather_fleet([node("one"), node("one", release=OLD)])
    assert str(caught.value) == (
        "node 'one' comes twice: name each node once, and give each profile a file name of its own"
    )


# Groups


def test_a_node_is_a_group_with_its_containers() -> None:
    groups = group_by_node(gather_fleet(small_nodes()))
    assert [one.nodes for one in groups] == [(profile.name,) for profile in small_nodes()]
    assert [one.number for one in groups] == list(range(len(groups)))
    assert [load.label for load in groups[0].loads] == [101, 102, 103]
    assert {load.count for load in groups[0].loads} == {1}


def test_a_node_without_containers_is_to_be_moved_alone() -> None:
    (group,) = group_by_node(gather_fleet([node("bare")]))
    assert group.loads == (ContainerGroup(None, None, 1),)


def test_nodes_that_are_alike_are_a_group() -> None:
    nodes = [node("a", "1:fpu", "2:fpu", "3"), node("b", release=OLD), node("c", "1"), node("d")]
    groups = group_by_class(gather_fleet(nodes))
    assert [one.nodes for one in groups] == [("a", "c", "d"), ("b",)]
    assert groups[0].loads == (
        ContainerGroup(None, None, 1),
        ContainerGroup(0, 0, 2),
        ContainerGroup(1, 1, 2),
    )
    assert groups[1].loads == (ContainerGroup(None, None, 1),)


def test_the_release_of_a_generation_makes_no_group() -> None:
    nodes = [node("a", release=NEWEST), node("b", release="2.6.32-042stab111.12")]
    assert len(group_by_class(gather_fleet(nodes))) == 1
