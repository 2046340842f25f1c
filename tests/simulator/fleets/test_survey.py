"""What a whole matrix comes to, beside what each migration comes to by itself."""

from collections import Counter, deque
from itertools import permutations

import pytest

from simulator.fleets.fleet import gather_fleet, group_by_class, group_by_node
from simulator.fleets.matrix import Matrix, Outcomes
from simulator.fleets.survey import Obstacle, Survey
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Outcome, Verdict
from support.simulated_nodes import node, small_nodes

WAIVED = ("instructions-missing",)


def survey(
    nodes: list[NodeProfile],
    *,
    by_class: bool = False,
    restore_only: bool = False,
    waived: tuple[str, ...] = (),
) -> Survey:
    fleet = gather_fleet(nodes)
    groups = group_by_class(fleet) if by_class else group_by_node(fleet)
    matrix = Matrix(fleet, groups, waived)
    one = Survey(matrix, restore_only=restore_only)
    rows = one.watch(matrix.rows())
    deque(rows, maxlen=0)
    return one


def many_nodes() -> list[NodeProfile]:
    """Return the small nodes, and some that are like one of them."""
    return [*small_nodes(), *(node(f"twin{number}", "1:fpu", "2") for number in range(3))]


@pytest.mark.parametrize("waived", [(), WAIVED])
@pytest.mark.parametrize("restore_only", [False, True])
@pytest.mark.parametrize("by_class", [False, True])
def test_it_counts_what_is_found_on_each_migration(
    by_class: bool, restore_only: bool, waived: tuple[str, ...]
) -> None:
    outcomes: Counter[Outcome] = Counter()
    stops: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for source, destination in permutations(many_nodes(), 2):
        for migration in NodePair(source, destination, waived).judge_all():
            judgement = migration.judgement
            outcomes[judgement.outcome(restore_only=restore_only)] += 1
            codes = {
                reason.code
                for opinion in judgement[: 1 if restore_only else 2]
                for reason in opinion.reasons
                if reason.verdict is not Verdict.POSSIBLE
            }
            stops.update(codes)
            alone.update(codes if len(codes) == 1 else ())
    found = survey(many_nodes(), by_class=by_class, restore_only=restore_only, waived=waived)
    assert +found.tally == outcomes
    assert found.obstacles() == sorted(
        (Obstacle(code, count, alone[code]) for code, count in stops.items()),
        key=lambda one: (-one.migrations, one.code),
    )
    assert len(stops) > 2


@pytest.mark.parametrize("by_class", [False, True])
def test_it_counts_the_nodes_that_each_group_can_go_to(by_class: bool) -> None:
    nodes = many_nodes()
    found = survey(nodes, by_class=by_class)
    expected: dict[str, Counter[str]] = {one.name: Counter() for one in nodes}
    for source, destination in permutations(nodes, 2):
        outcomes = [one.judgement.outcome() for one in NodePair(source, destination).judge_all()]
        counts = Outcomes(*(outcomes.count(one) for one in Outcome))
        expected[source.name][counts.kind] += 1
    fleet = gather_fleet(nodes)
    groups = group_by_class(fleet) if by_class else group_by_node(fleet)
    for group, kinds in zip(groups, found.kinds, strict=True):
        # Nodes of one class have the same containers here: each goes where its like do.
        assert +kinds == expected[group.nodes[0]]


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        (Outcomes(safe=3), "safe"),
        (Outcomes(safe=3, refused=1), "partly"),
        (Outcomes(safe=1, unknown=1), "partly"),
        (Outcomes(risky=1, refused=1), "refused"),
        (Outcomes(risky=1, unknown=1), "risky"),
        (Outcomes(unknown=1), "unknown"),
    ],
)
def test_a_pair_has_a_kind(counts: Outcomes, kind: str) -> None:
    assert counts.kind == kind
