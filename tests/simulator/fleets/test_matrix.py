"""The matrix by class says of every pair what judging the pair by itself does."""

from collections.abc import Callable
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.fleets.fleet import Fleet, Group, gather_fleet, group_by_class, group_by_node
from simulator.fleets.matrix import Counts, Matrix, Outcomes
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import fixture_names
from simulator.verdicts.migrations import Migration, NodePair
from simulator.verdicts.verdict import (
    Judgement,
    Opinion,
    Outcome,
    Reason,
    Verdict,
    outcome_of,
    worst,
    worst_outcome,
)
from support.simulated_nodes import node, small_nodes
from support.simulated_profiles import recorded_nodes

#: Real pairs, spread over all of them.
PAIRS = list(permutations(fixture_names(), 2))[::17]

WAIVED = ("instructions-missing", "xsave-area-smaller")

verdicts = st.sampled_from(Verdict)


def counted(found: list[Verdict]) -> Counts:
    return Counts(*(found.count(verdict) for verdict in Verdict))


def counted_outcomes(found: list[Outcome]) -> Outcomes:
    return Outcomes(*(found.count(outcome) for outcome in Outcome))


# Counts


@given(st.lists(verdicts))
def test_the_verdict_of_counts_is_the_worst(found: list[Verdict]) -> None:
    assert counted(found).verdict is worst(found)


@given(st.lists(verdicts))
def test_restore_alone_makes_outcomes(found: list[Verdict]) -> None:
    outcomes = [outcome_of(one, Verdict.POSSIBLE) for one in found]
    assert counted(found).outcomes() == counted_outcomes(outcomes)


@given(st.lists(st.sampled_from(Outcome)))
def test_the_outcome_of_counts_is_the_worst(found: list[Outcome]) -> None:
    assert counted_outcomes(found).outcome is worst_outcome(found)


# Opinions


@pytest.fixture(scope="module")
def recorded() -> Matrix:
    """Return the matrix of all recorded nodes."""
    return matrix_of(gather_fleet(recorded_nodes().values()), group_by_node, WAIVED)


def matrix_of(
    fleet: Fleet,
    grouping: Callable[[Fleet], tuple[Group, ...]] = group_by_node,
    waived: tuple[str, ...] = (),
) -> Matrix:
    return Matrix(fleet, grouping(fleet), waived)


def reasons(opinion: Opinion) -> set[Reason]:
    assert len(set(opinion.reasons)) == len(opinion.reasons)
    return set(opinion.reasons)


def agree(one: Judgement, other: Judgement) -> bool:
    return all(reasons(mine) == reasons(theirs) for mine, theirs in zip(one, other, strict=True))


@pytest.mark.parametrize("part", range(8))
def test_each_migration_is_judged_as_by_itself(recorded: Matrix, part: int) -> None:
    members = {member.name: member for member in recorded.fleet.members}
    for source, destination in PAIRS[part::8]:
        pair = NodePair(recorded_nodes()[source], recorded_nodes()[destination], WAIVED)
        one, other = members[source], members[destination]
        classes = one.node_class, other.node_class
        assert agree(recorded.judge(*classes), pair.judge_nodes().judgement)
        for ctid, container in one.containers:
            assert agree(recorded.judge(*classes, container), pair.judge_one(ctid).judgement)


def test_opinions_that_are_equal_have_one_number() -> None:
    matrix = matrix_of(gather_fleet(small_nodes()))
    for source, destination in product(matrix.groups, repeat=2):
        matrix.alike(source, destination)
    assert len(set(matrix.opinions)) == len(matrix.opinions)
    assert matrix.verdicts == [opinion.verdict for opinion in matrix.opinions]


@pytest.mark.parametrize("grouping", [group_by_node, group_by_class])
def test_what_rows_asked_of_kernels_is_told_once(
    grouping: Callable[[Fleet], tuple[Group, ...]],
) -> None:
    matrix = matrix_of(gather_fleet(small_nodes()), grouping)
    classes = matrix.fleet.classes
    expected = {}
    for pair in [*matrix.pairs(), *matrix.pairs()]:
        source, destination = (
            classes[group.node_class] for group in (pair.source, pair.destination)
        )
        for load in pair.source.loads:
            key = source.source_kernel, destination.kernel, load.container
            expected[key] = matrix.restore_opinion(source, destination, load.container)
    assert {(*key, number) for key, number in expected.items()} == set(matrix.asked)
    assert len(matrix.asked) == len(expected)


# Pairs


def judged_one_by_one(source: NodeProfile, destination: NodeProfile) -> tuple[Migration, ...]:
    return NodePair(source, destination, WAIVED).judge_all()


def summary_of(migrations: list[Migration]) -> tuple[Counts, Counts, Outcomes]:
    judgements = [one.judgement for one in migrations]
    return (
        counted([one.restore.verdict for one in judgements]),
        counted([one.programs.verdict for one in judgements]),
        counted_outcomes([one.outcome() for one in judgements]),
    )


def test_every_ordered_pair_of_nodes_is_there_once() -> None:
    pairs = [
        (one.source.nodes, one.destination.nodes)
        for one in matrix_of(gather_fleet(small_nodes())).pairs()
    ]
    names = [(profile.name,) for profile in small_nodes()]
    assert pairs == list(permutations(names, 2))


@pytest.mark.parametrize("grouping", [group_by_node, group_by_class])
def test_a_pair_counts_its_migrations(grouping: Callable[[Fleet], tuple[Group, ...]]) -> None:
    nodes = {profile.name: profile for profile in small_nodes()}
    matrix = matrix_of(gather_fleet(small_nodes()), grouping, WAIVED)
    for pair in matrix.pairs():
        destination = nodes[pair.destination.nodes[-1]]
        migrations = [
            migration
            for name in pair.source.nodes
            for migration in judged_one_by_one(nodes[name], destination)
        ]
        assert pair.summary == summary_of(migrations)
        assert pair.summary.outcomes(restore_only=False) == pair.summary.both
        restored = [one.judgement.outcome(restore_only=True) for one in migrations]
        assert pair.summary.outcomes(restore_only=True) == counted_outcomes(restored)


def test_a_recorded_pair_counts_its_migrations(recorded: Matrix) -> None:
    nodes = recorded_nodes()
    source = recorded.groups[40]
    for pair in recorded.row(source):
        migrations = judged_one_by_one(nodes[source.nodes[0]], nodes[pair.destination.nodes[0]])
        assert pair.summary == summary_of(list(migrations))


def test_a_class_of_several_nodes_is_paired_with_itself() -> None:
    fleet = gather_fleet([node("a", "1"), node("b", "1"), node("c", "1", ipv6=False)])
    pairs = list(matrix_of(fleet, group_by_class).pairs())
    numbers = [(pair.source.number, pair.destination.number) for pair in pairs]
    assert numbers == [(0, 0), (0, 1), (1, 0)]
    assert [pair.summary.restore for pair in pairs] == [Counts(2), Counts(0, 2), Counts(1)]


def test_rows_that_are_done_are_told() -> None:
    matrix = matrix_of(gather_fleet(small_nodes()))
    seen: list[None] = []
    matrix.seen = lambda: seen.append(None)
    assert len(list(matrix.pairs())) == 30
    assert len(seen) == 6


def test_migrations_are_sorted_by_what_is_found_on_them() -> None:
    matrix = matrix_of(gather_fleet(small_nodes()))
    for pair in matrix.pairs():
        migrations = matrix.alike(pair.source, pair.destination)
        keys = [(one.restore, one.programs) for one in migrations]
        assert len(set(keys)) == len(keys)
        for load in pair.source.loads:
            classes = pair.source.node_class, pair.destination.node_class
            (alike,) = [one for one in migrations if load.label in one.labels]
            assert matrix.judge(*classes, load.container) == Judgement(
                matrix.opinions[alike.restore], matrix.opinions[alike.programs]
            )
