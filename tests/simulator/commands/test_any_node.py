"""NODE is anything, in every command: the answers are those of profiles composed beforehand."""

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from simulator.facts.cpuid import CpuidTable
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.catalogue import find_cpu
from simulator.profiles.nodes import load_all, load_each
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from support.images import build
from support.programs import mistake, vzcptsim
from support.simulated_profiles import rows_of

RELEASE = "042stab141.3"
RECORDED = "042stab141.3.SandyBridge.default"
CPUS = (
    "intel-xeon-x5550",
    "intel-xeon-x5650",
    "intel-xeon-e5345",
    "intel-xeon-e5462",
    "intel-xeon-x7460",
    "intel-xeon-e7-4870",
    "intel-xeon-e5-2650-0",
    "intel-xeon-e5-2680-v3",
    "amd-opteron-6272",
    "amd-opteron-6348",
    "amd-epyc-7451",
    "amd-epyc-7742",
)


def dump_of(table: CpuidTable) -> str:
    """Write registers as cpuid -r does."""
    lines = ["CPU 0:"]
    for row in rows_of(table):
        leaf, subleaf, *registers = row.replace(":", "").split()
        values = zip(("eax", "ebx", "ecx", "edx"), registers, strict=True)
        answer = " ".join(f"{name}={value}" for name, value in values)
        lines.append(f"   {leaf} {int(subleaf, 16):#04x}: {answer}")
    return "\n".join(lines) + "\n"


def write_profiles(folder: Path, profiles: Sequence[NodeProfile]) -> list[str]:
    """Write nodes by their names, and return their paths."""
    folder.mkdir()
    paths = [folder / f"{profile.name}.json" for profile in profiles]
    for path, profile in zip(paths, profiles, strict=True):
        path.write_text(format_profile(profile), "utf-8")
    return [str(path) for path in paths]


@pytest.fixture
def dumps(here: Path) -> list[str]:
    """Write a dump of each CPU, and return their paths."""
    (here / "dumps").mkdir()
    for cpu in CPUS:
        (here / "dumps" / f"{cpu}.txt").write_text(dump_of(find_cpu(cpu).table))
    return [f"dumps/{cpu}.txt" for cpu in CPUS]


# The matrix of many


def test_twelve_cpus_by_name_are_one_command(here: Path) -> None:
    names = sorted(CPUS)
    paths = write_profiles(here / "nodes", list(load_all(names, RELEASE)))
    said = vzcptsim("matrix", *names, "--kernel", RELEASE, "--format", "json")
    assert said == vzcptsim("matrix", *paths, "--format", "json")
    assert said == vzcptsim("matrix", "nodes", "--format", "json")
    groups = json.loads(said.stdout)["groups"]
    assert [group["nodes"] for group in groups] == [[f"{cpu}@{RELEASE}"] for cpu in names]


def test_twelve_dumps_are_one_command(here: Path, dumps: list[str]) -> None:
    said = vzcptsim("matrix", *dumps, "--kernel", RELEASE, "--format", "json")
    by_name = vzcptsim("matrix", *CPUS, "--kernel", RELEASE, "--format", "json")
    assert (said.status, said.stdout.replace(".txt@", "@")) == (0, by_name.stdout)


def test_a_fleet_file_that_mixes_all_is_one_command(here: Path, dumps: list[str]) -> None:
    lines = [f"dump-{number},{path}," for number, path in enumerate(dumps)]
    lines += [f"name-{number},{cpu},{RELEASE}" for number, cpu in enumerate(CPUS)]
    lines += [f"recorded,{RECORDED},", "profile,nodes/mine.json,"]
    write_profiles(here / "nodes", [load_node(RECORDED)])
    (here / "nodes" / f"{RECORDED}.json").rename(here / "nodes" / "mine.json")
    (here / "fleet.csv").write_text("\n".join(lines))
    said = vzcptsim("matrix", "fleet.csv", "--kernel", RELEASE, "--format", "json", "--by", "class")
    assert said.status == 0
    groups = [set(one["nodes"]) for one in json.loads(said.stdout)["groups"]]
    assert {"recorded", "profile"} in groups
    assert sum(map(len, groups)) == 26
    for number in range(12):
        (one,) = (names for names in groups if f"dump-{number}" in names)
        assert f"name-{number}" in one


def test_a_stream_is_the_same_as_its_files(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = list(load_all(CPUS, RELEASE))
    paths = write_profiles(here / "nodes", profiles)
    lines = []
    for path, profile in zip(paths, profiles, strict=True):
        document = {"name": profile.name, **json.loads(Path(path).read_text("utf-8"))}
        lines.append(json.dumps(document) + "\n")
    for command in (("matrix", "--format", "json"), ("pool", "--json")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("".join(lines).encode())))
        assert vzcptsim(*command, "-") == vzcptsim(*command, *paths)


@pytest.mark.parametrize("stream", [False, True])
def test_a_matrix_takes_two_nodes(
    here: Path, monkeypatch: pytest.MonkeyPatch, *, stream: bool
) -> None:
    (path,) = write_profiles(here / "nodes", [load_node(RECORDED)])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(Path(path).read_bytes())))
    message = mistake("matrix", "-" if stream else "nodes")
    assert message == "matrix: a pair takes two nodes or more"


# Commands that take a few


def test_commands_answer_as_for_profiles(here: Path, dumps: list[str]) -> None:
    nodes = [dumps[0], f"{dumps[8]}@042stab113.5", CPUS[3]]
    paths = write_profiles(here / "nodes", load_each(nodes, RELEASE))
    kernel = ("--kernel", RELEASE)
    for command in (("check", "--json"), ("check",)):
        assert vzcptsim(*command, *nodes[:2], *kernel) == vzcptsim(*command, *paths[:2])
    assert vzcptsim("pool", *nodes, *kernel) == vzcptsim("pool", *paths)
    assert vzcptsim("where", "--any", *nodes, *kernel) == vzcptsim("where", "--any", *paths)
    said, of_paths = (
        json.loads(vzcptsim("diff", "--json", *words).stdout)
        for words in ((*nodes, *kernel), paths)
    )
    assert {**said, "old": "", "new": ""} == {**of_paths, "old": "", "new": ""}
    for node, path in zip(nodes, paths, strict=True):
        said = vzcptsim("replay", node, *kernel, "--", "caps")
        assert said == vzcptsim("replay", path, "--", "caps")
        assert said.stdout.strip().isdecimal()


def test_a_container_of_a_fleet_file_is_found_and_its_node_may_be_one_of_many(here: Path) -> None:
    (here / "fleet.csv").write_text(f"a,{CPUS[0]},{RELEASE},101\nb,{CPUS[1]},{RELEASE},102:fpu\n")
    said = json.loads(vzcptsim("where", "--json", "--ct", "102", "fleet.csv").stdout)
    assert (said["source"], [one["node"] for one in said["destinations"]]) == ("b", ["a"])
    several = "fleet.csv: 2 nodes, where one is wanted: a, b"
    assert mistake("where", "--any", "fleet.csv") == several
    assert mistake("where", "fleet.csv:102", RECORDED) == several
    assert mistake("check", "fleet.csv", RECORDED) == several


# check: an image or a node


def test_what_is_no_profile_is_an_image_or_a_node(here: Path, dumps: list[str]) -> None:
    (here / "Dump.102").write_bytes(build())
    (here / "fleet.csv").write_text(f"a,{dumps[0]},{RELEASE}")
    message = mistake("check", dumps[0], RECORDED)
    assert message.startswith(f"{dumps[0]}: it is neither a profile nor a checkpoint image; ")
    assert message.endswith(f"say the kernel: {dumps[0]}@RELEASE, or --kernel RELEASE")
    for options in ((), ("--kernel", RELEASE)):
        image = json.loads(vzcptsim("check", "Dump.102", RECORDED, "--json", *options).stdout)
        assert "image" in image["migrations"][0]
        node = json.loads(vzcptsim("check", "fleet.csv", RECORDED, "--json", *options).stdout)
        assert node["source"] == "a"
    node = json.loads(vzcptsim("check", dumps[0], RECORDED, "--json", "--kernel", RELEASE).stdout)
    assert node["source"] == f"{CPUS[0]}.txt@{RELEASE}"


def test_programs_run_on_such_nodes(dumps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(kernel: SimulatedKernel, _: object, **options: Any) -> int:
        kernels = (kernel, *(host.kernel for host in options["hosts"]))
        ran.append([one.facts.release.name for one in kernels])
        return 0

    monkeypatch.setattr("simulator.run.session.run", run)
    monkeypatch.setattr("simulator.run.session.end_as", lambda status: status)
    others = ("--node-for", f"a={dumps[1]}@042stab092.1", "--sshd-for", f"b={CPUS[2]}")
    said = vzcptsim("run", "--node", dumps[0], *others, "--kernel", RELEASE, "--", "true")
    assert said == (0, "", "")
    assert ran == [["2.6.32-042stab141.3", "2.6.32-042stab092.1", "2.6.32-042stab141.3"]]
