"""What the tests of the simulated kernel share."""

import pytest

from support.simulated_nodes import RELEASES


@pytest.fixture(params=RELEASES)
def generation(request: pytest.FixtureRequest) -> str:
    """Name each generation in turn."""
    name: str = request.param
    return name
