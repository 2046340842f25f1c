"""Every remedy that is printed helps, and a pair without one is mended by no single change.

A remedy's text is read, what it says is done on the simulated nodes, and they are judged again.
"""

from functools import cache

import pytest

from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import fixture_names, load_node
from support.remedies import require_true

NAMES = fixture_names()

#: Of each source, one destination of so many: all of them take three minutes of CPU.
EVERY = 4


@cache
def node(name: str) -> NodeProfile:
    return load_node(name)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_remedies_are_true(number: int) -> None:
    for destination in NAMES[number % EVERY :: EVERY]:
        require_true(node(NAMES[number]), node(destination))
