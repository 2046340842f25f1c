"""Every recorded observation, done again in order on a simulated node, gives what was seen."""

import pytest

from support.recorded import NAMES, Player, bare_kernel, read_rows


@pytest.mark.parametrize("name", NAMES)
def test_the_simulated_node_answers_as_the_recorded_one(name: str) -> None:
    player = Player(bare_kernel(name))
    for row in read_rows(name):
        try:
            player.play(row)
        except AssertionError as error:
            raise AssertionError(f"{name}.tsv:{row.number}: {row.kind} {row.cells}") from error
    assert player.process.open_descriptors == (500, 501)
