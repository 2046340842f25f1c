"""What pools of recorded nodes are told to do: every pair of nodes, and all of them at once."""

import pytest

from simulator.fleets.pool import Rule
from simulator.fleets.pool_change import make_pool
from simulator.profiles.store import fixture_names
from support.pool_changes import apply_steps, check_pair, stage_of, steps_of
from support.simulated_profiles import recorded_nodes

RULES = [Rule(), Rule(restore_only=True)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", fixture_names())
def test_no_change_that_would_mend_a_pair_is_missed(name: str, rule: Rule) -> None:
    nodes = recorded_nodes()
    for other in fixture_names():
        if name < other:
            check_pair(nodes[name], nodes[other], rule)


@pytest.mark.parametrize("rule", RULES)
def test_all_recorded_nodes_are_told_what_works(rule: Rule) -> None:
    nodes = list(recorded_nodes().values())
    change = make_pool(nodes, rule).change
    assert change is not None
    assert stage_of(apply_steps(nodes, steps_of(change)), rule).groups == change.after.groups
