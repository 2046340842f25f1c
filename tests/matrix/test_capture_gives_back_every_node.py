"""What 'vzcptcheck capture' makes on a simulated node is the profile that the node is made of."""

import io
import json
from collections import Counter
from typing import Any

import pytest

from simulator.facts.generations import GENERATIONS
from simulator.kernel.calls import Request
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import format_profile, parse_profile
from simulator.run.in_process import SimulatedSyscalls
from support.programs import replay
from support.running import commands_on_nodes
from support.simulated_profiles import recorded_nodes, recorded_rows, shown_version
from vzcptcheck.cli import main

NODES = list(recorded_nodes().values())


def command(profile: NodeProfile) -> list[str]:
    """Name the containers too: those that are stopped are not there for the kernel."""
    return ["capture", *(f"--ct={container.ctid}" for container in profile.containers)]


def without_origin(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out where facts come from: the profile's, and each container's."""
    containers = [
        {key: value for key, value in container.items() if key != "origin"}
        for container in document["containers"]
    ]
    return {
        **document,
        "origin": None,
        "cpus": [{**cpu, "cpuid": recorded_rows(cpu["cpuid"])} for cpu in document["cpus"]],
        "containers": containers,
    }


def assert_gives_back(profile: NodeProfile, stdout: str) -> None:
    """Compare what was captured, as it is and as it is loaded, with the profile."""
    captured = json.loads(stdout)
    assert captured["origin"]["kind"] == "captured"
    expected = without_origin(json.loads(format_profile(profile)))
    expected["kernel"]["vz_version"] = shown_version(profile.kernel)
    if "vzcpt" not in profile.kernel.modules:  # Nobody can be asked whether one runs.
        for container in expected["containers"]:
            container["state"] = "unknown"
    assert without_origin(captured) == expected
    check_profile(parse_profile(stdout.encode(), profile.name, profile.name), profile.name)


def test_the_38_captured_nodes_are_among_them() -> None:
    assert len([one for one in NODES if one.origin.kind.value == "captured"]) == 38


@pytest.mark.parametrize("profile", NODES, ids=lambda one: one.name)
def test_under_replay(profile: NodeProfile) -> None:
    said = replay(profile.boot(), *command(profile))
    assert said.status == 0, said.stderr
    assert_gives_back(profile, said.stdout)


@pytest.mark.parametrize("profile", NODES, ids=lambda one: one.name)
def test_without_naming_containers_it_finds_those_that_the_kernel_has(profile: NodeProfile) -> None:
    captured = json.loads(replay(profile.boot(), "capture").stdout)
    stopped = {one.ctid for one in profile.containers if one.state.value == "stopped"}
    assert [one["ctid"] for one in captured["containers"]] == [
        one.ctid for one in profile.containers if one.ctid not in stopped
    ]


class Counting(SimulatedSyscalls):
    """A process whose refused requests are counted by the container that they are about."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        super().__init__(kernel)
        self.refused: Counter[int] = Counter()
        self._ctid = 0

    def ioctl(self, fd: int, request: int, argument: int | bytearray) -> int:
        answer = super().ioctl(fd, request, argument)
        if request == Request.SET_VEID and isinstance(argument, int):
            self._ctid = argument
        if request in (Request.TEST_VECAPS, Request.TEST_VECAPS2) and answer:
            self.refused[self._ctid] += 1
        return answer


@pytest.mark.parametrize("profile", NODES, ids=lambda one: one.name)
def test_each_container_is_refused_twice_at_most(profile: NodeProfile) -> None:
    """The kernel logs each refusal; what is captured all the same is tested above."""
    process = Counting(profile.boot())
    assert main(["capture"], process, io.StringIO(), io.StringIO()) == 0
    assert max(process.refused.values(), default=0) <= 2


@pytest.mark.parametrize("generation", [one.name for one in GENERATIONS])
def test_under_run(generation: str) -> None:
    nodes = [one for one in NODES if one.facts().release.generation.name == generation]
    answers = commands_on_nodes({one.name: [command(one)] for one in nodes})
    for profile in nodes:
        ((status, stdout, stderr),) = answers[profile.name]
        assert status == 0, stderr
        assert_gives_back(profile, stdout)
