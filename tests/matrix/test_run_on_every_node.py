"""vzcptcheck on every recorded node, under the supervisor, says what a replay says."""

import pytest

from simulator.facts.generations import GENERATIONS
from simulator.profiles.profile import NodeProfile
from support.programs import replay
from support.running import commands_on_nodes
from support.simulated_profiles import recorded_nodes

NODES = list(recorded_nodes().values())


def commands(profile: NodeProfile) -> list[list[str]]:
    """List every command that vzcptcheck(8) has, with arguments that fit the node and others."""
    number = str(profile.answers.capability_number or 1)
    tests = [
        ["caps", str(container.ctid), offered]
        for container in profile.containers
        for offered in (number, "0", "2147483647")
    ]
    return [
        ["help"],
        ["bogus"],
        ["version"],
        *(["version", str(version)] for version in (770, 0x800, 0x801, 0x803, 2052)),
        ["version", "abc"],
        ["caps"],
        ["caps", number],
        ["caps", "0"],
        *tests,
        ["caps", "4242", number],
        ["explain", "caps", number],
        ["explain", "version", "0x803"],
    ]


@pytest.mark.parametrize("generation", [one.name for one in GENERATIONS])
def test_every_command_on_every_node_says_what_a_replay_says(generation: str) -> None:
    nodes = [one for one in NODES if one.facts().release.generation.name == generation]
    answers = commands_on_nodes({one.name: commands(one) for one in nodes})
    for profile in nodes:
        kernel = profile.boot()
        for command, answer in zip(commands(profile), answers[profile.name], strict=True):
            said = replay(kernel, *command)
            assert [said.status, said.stdout, said.stderr] == answer, (profile.name, command)
