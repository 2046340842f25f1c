"""The kernels' own decision functions, row by row, against replays on simulated nodes."""

import errno
from functools import cache

import pytest

from simulator.facts.capabilities import X86_64, NodeFacts
from simulator.facts.generations import BY_NAME, EXAMPLES, GENERATIONS, identify
from simulator.kernel.calls import Request
from simulator.kernel.containers import Container, Needs
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.catalogue import find_cpu
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.run.in_process import SimulatedSyscalls
from support.programs import replay
from support.samples import read_vectors
from support.simulated_profiles import recorded_nodes

pytestmark = pytest.mark.unmeasured

CAPS = read_vectors("caps.tsv")
VECAPS = read_vectors("vecaps.tsv")
VERSIONS = read_vectors("versions.tsv")

#: Columns of caps.tsv: each generation, and the newest without IPv6.
CAPS_COLUMNS = [(generation.name, True) for generation in GENERATIONS] + [("042stab107", False)]

ANY_CPU = "intel-xeon-e5-2680-v3"
INT_MAX = 0x7FFFFFFF


def composed(cpu_name: str, generation: str, *, ipv6: bool = True) -> NodeProfile:
    """Compose a node of a recorded CPU and a generation's example release."""
    cpu = find_cpu(cpu_name)
    kernel = KernelFacts(release=EXAMPLES[generation], machine=X86_64, vz_version=None, ipv6=ipv6)
    return compose("node", CpuSource(cpu.table, cpu.source, cpu.dump_mode), kernel, ())


@cache
def node(generation: str) -> SimulatedKernel:
    """Return a running node of a generation."""
    return composed(ANY_CPU, generation).boot()


def node_with_needs(generation: str, required_caps: int) -> SimulatedKernel:
    """Return a node that runs container 101, which is known by its needs alone."""
    facts = NodeFacts(
        release=identify(EXAMPLES[generation]), machine=X86_64, cpuid=find_cpu(ANY_CPU).table
    )
    return SimulatedKernel(facts, [Container(ctid=101, needs=Needs(required_caps))])


@pytest.mark.parametrize("row", CAPS, ids=lambda row: row["cpu"])
def test_caps_shows_the_number_that_each_kernel_makes_of_the_registers(row: dict[str, str]) -> None:
    for generation, ipv6 in CAPS_COLUMNS:
        column = generation if ipv6 else f"{generation} without IPv6"
        said = replay(composed(row["cpu"], generation, ipv6=ipv6).boot(), "caps")
        assert (said.status, said.stdout) == (0, f"{row[column]}\n"), column


def test_every_plain_composed_fixture_shows_the_number_of_its_cpu_and_kernel() -> None:
    numbers = {row["cpu"]: row for row in CAPS}
    compared = 0
    for profile in recorded_nodes().values():
        cpu_name = profile.name.partition(".")[0]
        if cpu_name in numbers:
            generation = profile.facts().release.generation.name
            said = replay(profile.boot(), "caps")
            assert said.stdout == f"{numbers[cpu_name][generation]}\n", profile.name
            compared += 1
    assert compared == 2 * len(numbers)


@pytest.mark.parametrize("generation", EXAMPLES)
def test_version_tests_as_the_kernel_does(generation: str) -> None:
    statuses = {"1": 0, "0": 2, str(-errno.EINVAL): 0}
    for row in VERSIONS:
        if row["generation"] == generation and not row["version"].startswith("-"):
            said = replay(node(generation), "version", row["version"])
            assert (said.status, said.stdout) == (statuses[row["test_version"]], ""), row
            assert ("nothing was checked" in said.stderr) == row["test_version"].startswith("-")


@pytest.mark.parametrize("row", VERSIONS, ids=lambda row: f"{row['generation']}-{row['version']}")
def test_the_request_itself_answers_as_the_kernel_does(row: dict[str, str]) -> None:
    process = SimulatedSyscalls(node(row["generation"]))
    fd = process.open("/proc/rst", 2)
    try:
        answer = process.ioctl(fd, Request.TEST_VERSION, int(row["version"]))
    except OSError as error:
        answer = -(error.errno or 0)
    process.close(fd)
    assert answer == int(row["test_version"])


@pytest.mark.parametrize(
    "row",
    [row for row in VERSIONS if row["restore_accepts"] != "-"],
    ids=lambda row: f"{row['generation']}-{row['version']}",
)
def test_restore_takes_the_versions_that_the_kernel_takes(row: dict[str, str]) -> None:
    accepts = BY_NAME[row["generation"]].restores(int(row["version"]))
    assert accepts == (row["restore_accepts"] == "1")


@pytest.mark.parametrize(
    "row", VECAPS, ids=lambda row: f"{row['generation']}-{row['needs']}-{row['offered']}"
)
def test_caps_tests_a_container_as_the_kernel_does(row: dict[str, str]) -> None:
    kernel = node_with_needs(row["generation"], int(row["needs"]))
    process = SimulatedSyscalls(kernel)
    reader, writer = process.pipe()
    process.set_nonblocking(reader)
    fd = process.open("/proc/cpt", 2)
    process.ioctl(fd, Request.SET_ERRORFD, writer)
    process.ioctl(fd, Request.SET_VEID, 101)
    result = process.ioctl(fd, Request.TEST_VECAPS, int(row["offered"]))
    assert result == int(row["result"])
    messages = [message for message in row["messages"].split("|") if message]
    if messages:
        assert process.read(reader, 4096).decode().splitlines() == messages

    if int(row["offered"]) <= INT_MAX:
        said = replay(kernel, "caps", "101", row["offered"])
        assert (said.status, said.stdout) == (2 if result else 0, "")
        for message in messages:
            word = message.removeprefix("Error: Destination cpu does not have ")
            assert word in said.stderr


@pytest.mark.parametrize("row", [row for row in VECAPS if row["features"] != "0"])
def test_the_features_are_those_that_the_kernel_finds(row: dict[str, str]) -> None:
    kernel = node_with_needs(row["generation"], int(row["needs"]))
    process = SimulatedSyscalls(kernel)
    fd = process.open("/proc/cpt", 2)
    process.ioctl(fd, Request.SET_VEID, 101)
    vecaps = bytearray(int(row["offered"]).to_bytes(4, "little") + b"\xff\xff\xff\xff")
    process.ioctl(fd, Request.TEST_VECAPS2, vecaps)
    # 042stab092 finds them as well, and hands them over with result 0 alone.
    filled = row["generation"] != "042stab092"
    expected = int(row["features"]) if filled else 0xFFFFFFFF
    assert int.from_bytes(vecaps[4:], "little") == expected
