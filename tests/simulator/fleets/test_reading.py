"""Fleets read from profiles: the same whatever the number of processes, errors too."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.fleets import reading
from simulator.fleets.fleet import Fleet, gather_fleet
from simulator.fleets.reading import read_fleet
from simulator.profiles.nodes import Source, load, resolve
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from support.simulated_nodes import node, small_nodes

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")

processes = pytest.mark.parametrize("processes", [1, 2, 3, 6])


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Write the small fleet's profiles, and return their paths."""
    return [write(tmp_path, profile) for profile in small_nodes()]


def write(folder: Path, profile: NodeProfile) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / f"{profile.name}.json"
    path.write_text(format_profile(profile), "utf-8")
    return str(path)


def read(paths: list[str], processes: int) -> Fleet:
    return read_fleet(resolve(paths), lambda _: None, processes=processes)


def refusal(paths: list[str], processes: int) -> str:
    with pytest.raises(UserError) as caught:
        read(paths, processes)
    return str(caught.value)


@pytest.fixture(autouse=True)
def _no_child_is_left() -> Iterator[None]:
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@processes
def test_the_fleet_and_the_notes_are_the_same(paths: list[str], processes: int) -> None:
    seen: list[tuple[str, int]] = []
    fleet = read_fleet(
        resolve(paths),
        lambda profile: len(profile.containers),
        lambda name, note: seen.append((name, note)),
        processes=processes,
    )
    assert fleet == gather_fleet(small_nodes())
    assert seen == [(profile.name, len(profile.containers)) for profile in small_nodes()]


@processes
def test_a_file_may_be_named_by_any_bytes(tmp_path: Path, paths: list[str], processes: int) -> None:
    name = os.fsdecode(b"\xff")
    paths[2] = str(Path(paths[2]).rename(tmp_path / f"{name}.json"))
    assert [one.name for one in read(paths, processes).members][2] == name


@processes
def test_the_first_profile_that_cannot_be_read_is_told(paths: list[str], processes: int) -> None:
    for number in (1, 4):
        Path(paths[number]).write_text("{", "utf-8")
    assert refusal(paths, processes).startswith(f"{paths[1]}: ")


@processes
def test_two_nodes_of_one_name_are_told(tmp_path: Path, paths: list[str], processes: int) -> None:
    paths[4] = write(tmp_path / "other", node("strong"))
    Path(paths[5]).write_text("{", "utf-8")
    assert refusal(paths, processes).startswith("node 'strong' comes twice: ")


def test_recorded_nodes_are_read_by_their_names(paths: list[str]) -> None:
    fleet = read_fleet(resolve(["042stab141.3.qemu64.default", paths[0]]), lambda _: None)
    assert [one.name for one in fleet.members] == ["042stab141.3.qemu64.default", "strong"]


def test_a_large_fleet_is_read_in_as_many_processes_as_there_are_processors(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[int] = []
    fork = os.fork

    def count() -> int:
        pid = fork()
        forked.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", count)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    assert len(read_fleet(resolve(paths), lambda _: None).members) == len(paths)
    assert forked == []
    monkeypatch.setattr(reading, "NODES_PER_PROCESS", 2)
    assert read_fleet(resolve(paths), lambda _: None) == gather_fleet(small_nodes())
    assert len(forked) == 3


def test_what_a_process_does_not_hand_back_is_read_here(
    paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = os.getpid()

    def load_here(source: Source) -> Iterator[NodeProfile]:
        if os.getpid() != own:
            os.kill(os.getpid(), signal.SIGKILL)
        return load(source)

    monkeypatch.setattr(reading, "load", load_here)
    assert read(paths, 2) == gather_fleet(small_nodes())


def test_an_interrupt_ends_every_process(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reading, "_receive", receive)
    with pytest.raises(KeyboardInterrupt):
        read(paths, 2)
