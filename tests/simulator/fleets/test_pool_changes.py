"""What pools of recorded nodes are told to do: of all pairs a sample, and some whole fleets.

The exhaustive session takes all pairs (tests/matrix/test_pool_changes.py).
"""

import pytest

from simulator.fleets.pool import Rule
from support.pool_changes import check_change, check_pair, pairs_of
from support.simulated_profiles import recorded_nodes

RULES = [Rule(), Rule(restore_only=True), Rule(any_container=True)]


@pytest.mark.parametrize("rule", RULES)
def test_no_change_that_would_mend_a_pair_is_missed(rule: Rule) -> None:
    pairs = pairs_of(list(recorded_nodes().values()))
    mended = [check_pair(*pair, rule) for pair in pairs[:: len(pairs) // 100]]
    assert any(mended)
    assert not all(mended)


@pytest.mark.parametrize("rule", RULES)
def test_a_fleet_is_told_what_works_and_no_more(rule: Rule) -> None:
    nodes = list(recorded_nodes().values())
    told = [check_change(nodes[first::17], rule) for first in range(6)]
    assert sum(told) >= 5
