"""The kernel's opinion is what the drop-in commands say: every pair of nodes, every container.

The commands are those of the manual's example, asked of both simulated nodes; what one node says
is asked once. There is no exception to the equality.
"""

import functools

import pytest

from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import fixture_names, load_node
from simulator.verdicts.restore import restore_opinion
from simulator.verdicts.traits import (
    SUSPENDED,
    ContainerTraits,
    KernelTraits,
    container_traits,
    node_traits,
)
from simulator.verdicts.verdict import Verdict
from support.programs import Said, replay


@functools.cache
def profile_of(name: str) -> NodeProfile:
    """Return a recorded node."""
    return load_node(name)


@functools.cache
def booted(name: str) -> SimulatedKernel:
    """Return a recorded node, running."""
    return profile_of(name).boot()


@functools.cache
def side_of(name: str) -> KernelTraits:
    """Return what a recorded node's kernel answers by."""
    return node_traits(profile_of(name)).kernel


@functools.cache
def said(name: str, *arguments: str) -> Said:
    """Run one command on a recorded node."""
    return replay(booted(name), *arguments)


def statuses(source: str, destination: str, about: tuple[str, ...] | None) -> set[int]:
    """Ask as the manual's example does; ``about`` is (CTID,), () of a suspended one, or None."""
    version = said(source, "version")
    number = said(destination, "caps")
    found = {version.status, number.status}
    if version.stdout:
        found.add(said(destination, "version", version.stdout.strip()).status)
    if number.stdout and about is not None:
        found.add(said(source, "caps", *about, number.stdout.strip()).status)
    return found


def verdict_of(found: set[int]) -> Verdict:
    """Say what the statuses come to."""
    if 2 in found:
        return Verdict.NOT_POSSIBLE
    return Verdict.UNKNOWN if 1 in found else Verdict.POSSIBLE


@pytest.mark.parametrize("source", fixture_names())
def test_the_kernels_opinion_on_every_container_is_what_the_commands_say(source: str) -> None:
    profile = profile_of(source)
    moved: list[tuple[ContainerTraits | None, tuple[str, ...] | None]] = [(None, None)]
    moved.append((SUSPENDED, ()))
    moved += [(container_traits(profile, one), (str(one.ctid),)) for one in profile.containers]
    for side, about in moved:
        for destination in fixture_names():
            opinion = restore_opinion(side_of(source), side_of(destination), side)
            found = verdict_of(statuses(source, destination, about))
            assert opinion.verdict is found, (destination, about, opinion.reasons)
