"""Every ordered pair of recorded nodes, with every container: what vzmigrate would be told.

Expected are, of versions, what the kernels' own decision functions answered; of containers, what
the rules make of the needs and the number that the profiles state. Nodes that answer alike are
asked once.
"""

import functools

import pytest

from simulator.kernel.containers import Container, State
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import fixture_names, load_node
from support.expectation import refuses
from support.programs import replay
from support.samples import read_vectors

#: What each generation writes, where it cannot be asked.
WRITTEN = {"028stab": 0x302, "2.6.32": 0x800}


@functools.cache
def node(name: str) -> NodeProfile:
    """Return a recorded node."""
    return load_node(name)


def generation_of(profile: NodeProfile) -> str:
    """Name the generation of a node's kernel."""
    return profile.facts().release.generation.name


@functools.cache
def offered_numbers() -> tuple[int, ...]:
    """List the capability numbers of all recorded nodes, each once."""
    answers = (node(name).answers.capability_number for name in fixture_names())
    return tuple(sorted({number for number in answers if number is not None}))


def written_version(profile: NodeProfile) -> int:
    """Return the version that a node writes, as its kernel tells or is known to."""
    return profile.answers.image_version or WRITTEN.get(generation_of(profile), 0x803)


@pytest.mark.parametrize("name", fixture_names())
def test_every_version_that_is_written_is_tested_as_the_kernel_does(name: str) -> None:
    destination = node(name)
    answers = {
        int(row["version"]): row["test_version"]
        for row in read_vectors("versions.tsv")
        if row["generation"] == generation_of(destination)
    }
    kernel = destination.boot()
    for version in sorted({written_version(node(source)) for source in fixture_names()}):
        expected = {"1": 0, "0": 2, "-22": 0}[answers[version]]
        if "vzrst" not in destination.kernel.modules:
            expected = 1
        assert replay(kernel, "version", str(version)).status == expected, version


@pytest.mark.parametrize("name", fixture_names())
def test_every_container_is_tested_against_every_node(name: str) -> None:
    source = node(name)
    kernel = source.boot()
    for container in source.containers:
        for number in offered_numbers():
            said = replay(kernel, "caps", str(container.ctid), str(number))
            assert said.status == expected_status(source, container, number), (container, number)
            assert said.stdout == ""


def expected_status(source: NodeProfile, container: Container, number: int) -> int:
    """Return what the rules say: 1 where the container or the kernel cannot be asked."""
    if "vzcpt" not in source.kernel.modules or container.state is not State.RUNNING:
        return 1
    assert container.needs is not None
    return 2 if refuses(generation_of(source), container.needs.caps, number) else 0
