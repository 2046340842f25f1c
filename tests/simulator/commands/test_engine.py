"""--engine criu in every command that judges: nodes without kernels, in every form of report."""

import csv
import io
import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from simulator.dumps.model import CpuDump
from simulator.dumps.own_json import format_dumps
from simulator.fleets.fleet import gather_fleet
from simulator.reports.as_json import json_text
from simulator.reports.view import View
from simulator.verdicts.migrations import NodePair
from support.criu import bare_node, criu, recorded_cpus
from support.programs import mistake, vzcptsim

OLD, NEW, AMD = "intel-xeon-e5-2650-0", "intel-xeon-e5-2680-v3", "amd-epyc-7742"
RECORDED = "042stab141.3.Haswell.default"
CRIU = ("--engine", "criu")
SCOPE = (
    "By the rules of criu@4.2, 'criu restore': a yes says that the CPU is no obstacle; not looked"
)


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(vzcptsim("schema", name).stdout))


def answer(name: str, *arguments: str, status: int = 0) -> dict[str, object]:
    """Return a command's JSON, which is as its schema says."""
    said = vzcptsim(name, *arguments, *CRIU, *(() if name == "matrix" else ("--json",)))
    assert said.status == status, said
    document: dict[str, object] = json.loads(said.stdout)
    schema(name).validate(document)
    return document


# What is asked


def test_a_check_says_what_criu_says_and_what_it_does_not_look_at() -> None:
    said = vzcptsim("check", OLD, AMD, *CRIU, "--criu-check")
    assert said.status == 2
    assert "\n      it says: CPU xsave max size mismatch (832/896)\n" in said.stdout
    assert said.stdout.count("a yes says that the CPU is no obstacle; not looked at are files") == 1
    assert "Ask 'criu cpuinfo check --cpu-cap=none,ins'" in said.stdout
    said = vzcptsim("check", OLD, AMD, *CRIU)
    assert said.status == 0
    assert SCOPE in said.stdout
    document = answer("check", OLD, AMD, "--criu-check", status=2)
    assert document["engine"]["name"] == "criu@4.2"
    (migration,) = document["migrations"]
    assert [reason["said"] for reason in migration["restore"]["reasons"]] == [
        "CPU xsave max size mismatch (832/896)"
    ]


@pytest.mark.parametrize(
    ("options", "command"),
    [
        (("--engine", "criu@3.12"), "criu restore"),
        ((*CRIU, "--cpu-cap"), "criu restore --cpu-cap=all"),
        ((*CRIU, "--cpu-cap=^ins", "--criu-check"), "criu cpuinfo check --cpu-cap=none,fpu"),
    ],
)
def test_modes_and_releases_are_those_of_the_options(
    options: tuple[str, ...], command: str
) -> None:
    said = vzcptsim("check", OLD, OLD, *options, "--json")
    assert said.status == 0
    engine = json.loads(said.stdout)["engine"]
    assert engine["command"] == command
    assert engine["name"] == ("criu@3.12" if "criu@3.12" in options else "criu@4.2")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--engine", "podman"), "there are cpt, criu and criu@VERSION, and no 'podman'"),
        (("--engine", "criu@"), "there are cpt, criu and criu@VERSION, and no 'criu'"),
        (("--engine", "criu@9.9"), "the rules of CRIU '9.9' are not known"),
        (("--engine", "cpt@1"), "there are cpt, criu and criu@VERSION, and no 'cpt'"),
        (("--cpu-cap=all",), "--cpu-cap and --criu-check are CRIU's: --engine criu"),
        (("--criu-check",), "--cpu-cap and --criu-check are CRIU's: --engine criu"),
        ((*CRIU, "--cpu-cap=sse"), "--cpu-cap: 'sse' is none of fpu, ins, cpu, all, none"),
        ((*CRIU, "--suspended", "1"), "images and suspended containers are CPT's"),
        ((*CRIU, "--image"), "images and suspended containers are CPT's"),
    ],
)
def test_what_no_engine_is_asked_is_refused(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake("check", OLD, NEW, *arguments)


def test_a_missing_kernel_is_an_error_of_cpt_alone() -> None:
    assert "say the kernel of this CPU" in mistake("check", OLD, NEW)
    assert vzcptsim("check", OLD, NEW, *CRIU).status == 0


def test_nodes_with_kernels_do_as_well(here: Path) -> None:
    said = vzcptsim("check", RECORDED, f"{OLD}@042stab141.3", *CRIU, "--ct", "101")
    assert said.status == 2
    assert "container 101: risky, restore possible, programs not possible" in said.stdout
    assert vzcptsim("check", OLD, NEW, *CRIU, "--kernel", "042stab141.3").status == 0


def test_files_and_folders_of_dumps_are_nodes(here: Path) -> None:
    text = format_dumps([CpuDump("0", recorded_cpus()["Haswell"].table, "64-bit", "a test")])
    (here / "one.json").write_text(text)
    (here / "fleet.csv").write_text(f"name,cpu,kernel,containers\nbox,one.json,,101\nold,{OLD},,\n")
    said = vzcptsim("check", "one.json", OLD, *CRIU)
    assert said.stdout.startswith(f"risky: one.json to {OLD}\n")
    said = vzcptsim("where", "--ct", "101", "fleet.csv", *CRIU)
    assert said.stdout.startswith(
        "container 101 of box\nto 1 node: 1 risky\nBy the rules of criu@4.2"
    )


# Every report


def test_where_sorts_destinations_and_tells_what_it_says() -> None:
    said = vzcptsim("where", OLD, NEW, AMD, *CRIU, "--criu-check", "--any")
    assert said.status == 0
    assert "it says: CPU xsave max size mismatch (832/896)" in said.stdout
    assert "Helps: Ask 'criu cpuinfo check --cpu-cap=none,ins'" in said.stdout
    document = answer("where", OLD, NEW, AMD, "--any")
    assert [one["outcome"] for one in document["destinations"]] == ["safe", "safe"]


def test_diff_compares_cpus_and_verdicts() -> None:
    said = vzcptsim("diff", OLD, NEW, OLD, AMD, *CRIU)
    assert said.status == 2
    assert "By the rules of criu@4.2" in said.stdout
    document = answer("diff", OLD, NEW, AMD, status=0)
    assert document["engine"]["command"] == "criu restore"
    assert {change["part"] for change in document["changes"]} == {"cpu"}


def test_a_pool_names_where_to_take_checkpoints() -> None:
    said = vzcptsim("pool", OLD, NEW, AMD, *CRIU)
    assert said.status == 2
    assert f"Take checkpoints on {OLD}: all others restore them.\n" in said.stdout
    assert f"  {NEW}: programs are shown, and not all have: fma" in said.stdout
    assert "cpuid_override" not in said.stdout.partition("Take checkpoints")[0]
    document = answer("pool", OLD, NEW, AMD, status=2)
    assert document["checkpoints"]["sources"] == [OLD]
    assert "avx" in document["checkpoints"]["common"]
    assert [one["nodes"] for one in document["checkpoints"]["beyond"]] == [[NEW], [AMD]]
    said = vzcptsim("pool", OLD, OLD + "@042stab141.3", *CRIU)
    assert said.stdout.startswith("one group: 2 nodes")
    assert "not all have" not in said.stdout
    said = vzcptsim("pool", OLD, AMD, *CRIU, "--criu-check")
    assert f"CPUs keep them apart; apart from {OLD} are:\n  {AMD}:\n" in said.stdout
    assert "On no machine are checkpoints taken that all others restore safely." in said.stdout


def test_what_glibc_cannot_leave_out_has_no_tunable() -> None:
    said = vzcptsim("pool", "intel-xeon-gold-6230", "amd-opteron-6272", *CRIU).stdout
    lacking = (
        "  amd-opteron-6272: programs are shown, and not all have: sse4a misalignsse xop fma4\n"
    )
    assert "GLIBC_TUNABLES=" not in said.partition(lacking)[2]


def test_the_page_tells_by_whose_rules_it_is() -> None:
    page = " ".join(matrix("--format", "html", "--restore-only").split())
    assert " UTC. Programs are left out: restore alone counts. By the rules of criu@" in page


def matrix(*options: str) -> str:
    said = vzcptsim("matrix", OLD, NEW, AMD, *CRIU, *options)
    assert said.status == 0, said
    return said.stdout


def test_a_matrix_has_the_same_in_every_form() -> None:
    document = answer("matrix", OLD, NEW, AMD, "--format", "json", "--criu-check")
    assert document["engine"]["command"] == "criu cpuinfo check"
    assert [kernel["xsave_size_max"] for kernel in document["kernels"]] == [832, 832, 896]
    assert "By the rules of criu@4.2, 'criu restore'" in matrix()
    assert r"By the rules of criu\@4.2" in matrix("--format", "markdown")
    reasons = [
        row["restore_reasons"]
        for row in csv.DictReader(io.StringIO(matrix("--format", "csv", "--criu-check")))
    ]
    assert 'criu-xsave-max-size-differs "CPU xsave max size mismatch (832/896)"' in reasons
    suites = ET.fromstring(matrix("--format", "junit", "--cpu-cap=none,ins"))  # noqa: S314 (ours)
    assert "'criu restore --cpu-cap=none,ins'" in suites.attrib["name"]
    assert "CPU instruction capabilities do not match run time" in ET.tostring(suites).decode()
    page = matrix("--format", "html", "--criu-check")
    assert "CPU xsave max size mismatch (832/896)" in page
    assert "a yes says that the CPU is no obstacle" in page
    assert "Mask the source" not in page


def test_a_matrix_is_kept_and_compared(here: Path) -> None:
    assert vzcptsim("matrix", OLD, NEW, *CRIU, "--expect", "kept", "--update").status == 0
    assert vzcptsim("matrix", OLD, NEW, *CRIU, "--expect", "kept").status == 0
    said = vzcptsim("matrix", OLD, NEW, *CRIU, "--criu-check", "--cpu-cap=all", "--expect", "kept")
    assert said.status == 2
    assert "criu-words-differ" in said.stdout


@settings(max_examples=20)
@given(st.lists(st.sampled_from(sorted(recorded_cpus())), min_size=2, max_size=5, unique=True))
def test_a_matrix_is_what_pairs_are(names: list[str]) -> None:
    """What is asked of classes is what is asked of two nodes."""
    engine = criu("", "all", check=True)
    nodes = {name: bare_node(recorded_cpus()[name].table, name) for name in names}
    view = View(gather_fleet(nodes.values(), engine), is_by_class=False)
    for pair in view.matrix.pairs():
        one, other = (group.nodes[0] for group in (pair.source, pair.destination))
        judgement = NodePair(nodes[one], nodes[other], (), engine).judge_nodes().judgement
        assert view.matrix.judge(pair.source.node_class, pair.destination.node_class) == judgement
    assert "".join(json_text(view))
