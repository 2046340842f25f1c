"""vzcptsim matrix: what an operator reads, what a machine reads, and the status."""

import csv
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from simulator.cli import main
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from support.programs import Terminal
from support.simulated_nodes import OLD, WEAK, node, small_nodes


def matrix(*arguments: str, stdout: io.StringIO | None = None) -> tuple[int, str, str]:
    """Run the command, and return its status and what it wrote."""
    stdout, stderr = stdout or io.StringIO(), io.StringIO()
    status = main(["matrix", *arguments], stdout, stderr)
    return status, stdout.getvalue(), stderr.getvalue()


def written(folder: Path, nodes: Sequence[NodeProfile]) -> list[str]:
    """Write nodes' profiles, and return their paths."""
    folder.mkdir(exist_ok=True)
    paths = []
    for one in nodes:
        paths.append(str(folder / f"{one.name}.json"))
        Path(paths[-1]).write_text(format_profile(one), "utf-8")
    return paths


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Return the paths of the small nodes."""
    return written(tmp_path / "nodes", small_nodes())


# Formats


def test_a_table_is_what_people_get(paths: list[str]) -> None:
    status, stdout, stderr = matrix(*paths)
    assert (status, stderr) == (0, "")
    assert stdout.startswith("6 nodes, 8 containers, 30 ordered pairs. ")
    assert matrix(*paths, "--format", "table") == (status, stdout, stderr)


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("json", '{\n"format": 2,\n"by": "node",\n'),
        ("csv", "source,destination,containers,outcome,restore,programs,"),
        ("markdown", "## Matrix\n\n6 nodes"),
        ("html", "<!DOCTYPE html>"),
        ("junit", '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites '),
    ],
)
def test_a_format_may_be_asked_for(
    paths: list[str], tmp_path: Path, form: str, beginning: str
) -> None:
    status, stdout, stderr = matrix(*paths, "--format", form)
    assert (status, stderr) == (0, "")
    assert stdout.startswith(beginning)
    output = tmp_path / "output"
    assert matrix(*paths, "--format", form, "-o", str(output)) == (0, "", "")
    assert output.read_text("utf-8") == stdout


def test_a_table_in_a_file_has_no_colour(paths: list[str], tmp_path: Path) -> None:
    output = tmp_path / "output"
    status, stdout, _ = matrix(*paths, "-o", str(output), stdout=Terminal())
    assert (status, stdout) == (0, "")
    assert "\x1b" not in output.read_text("utf-8")


def test_a_terminal_gets_the_whole_answer(paths: list[str]) -> None:
    status, stdout, _ = matrix(*paths, "--format", "csv", stdout=Terminal())
    assert (status, stdout) == (0, matrix(*paths, "--format", "csv")[1])


@pytest.mark.parametrize("by", ["node", "class"])
def test_nodes_or_classes_may_be_asked_for(paths: list[str], by: str) -> None:
    assert json.loads(matrix(*paths, "--format", "json", "--by", by)[1])["by"] == by


@pytest.mark.parametrize(
    ("options", "restore_only", "waived"),
    [
        ((), False, []),
        (("--restore-only",), True, []),
        (("--waive", "instructions-missing"), False, ["instructions-missing"]),
    ],
)
def test_what_counts_is_handed_on(
    paths: list[str], options: tuple[str, ...], restore_only: bool, waived: list[str]
) -> None:
    document = json.loads(matrix(*paths, "--format", "json", *options)[1])
    assert (document["restore_only"], document["waived"]) == (restore_only, waived)


def test_every_pair_may_be_asked_for(paths: list[str]) -> None:
    lines = matrix(*paths, "--full", "--format", "json")[1].splitlines()
    assert len(lines) == 30
    assert json.loads(lines[0])["source"] == "strong"
    status, stdout, _ = matrix(*paths, "--full", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(stdout)))
    assert status == 0
    assert len({(row["source"], row["destination"]) for row in rows}) == 30


# Mistakes


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--update"], "matrix: --update takes --expect FILE, which it writes"),
        (["--full"], "matrix: --full takes --format csv or --format json"),
        (["--full", "--format", "junit"], "matrix: --full takes --format csv or --format json"),
        (["--full", "--format", "csv", "--by", "class"], "matrix: --full is by node"),
        (["--ignore-containers"], "matrix: --ignore-containers takes --expect FILE, to compare"),
        (["--expect", "x", "-o", "y"], "matrix: with --expect, --output takes a --format"),
        (["--waive", "module-missing"], "--waive module-missing: "),
    ],
)
def test_options_that_contradict_each_other_are_a_mistake(
    paths: list[str], options: list[str], problem: str
) -> None:
    status, stdout, stderr = matrix(*paths, *options)
    assert (status, stdout) == (1, "")
    assert stderr.startswith(f"vzcptsim: {problem}")


def test_a_pair_takes_two_nodes(paths: list[str]) -> None:
    assert matrix(paths[0]) == (1, "", "vzcptsim: matrix: a pair takes two nodes or more\n")


def test_a_node_is_named_once(paths: list[str]) -> None:
    status, _, stderr = matrix(paths[0], paths[1], paths[0])
    assert status == 1
    assert stderr.startswith("vzcptsim: node 'strong' comes twice: ")


# Kept matrices


def test_a_kept_matrix_is_as_it_was(paths: list[str], tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tsv")
    said = f"vzcptsim: {kept}: written, 6 nodes\n"
    assert matrix(*paths, "--expect", kept, "--update") == (0, "", said)
    assert matrix(*paths, "--expect", kept) == (0, "", "")
    assert matrix(*reversed(paths), "--expect", kept) == (0, "", "")


def test_what_has_changed_is_the_answer(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tsv")
    before = written(tmp_path / "nodes", [node("a", "1:fpu"), node("b")])
    assert matrix(*before, "--expect", kept, "--update")[0] == 0
    after = written(tmp_path / "nodes", [node("a", "1:fpu"), node("b", ipv6=False)])
    line = "worse: a to b, containers 1: restore: possible -> not possible (destination-ipv6)\n"
    assert matrix(*after, "--expect", kept) == (2, line, "")
    status, stdout, stderr = matrix(*after, "--expect", kept, "--format", "csv")
    assert (status, stderr) == (2, f"vzcptsim: {line}")
    assert stdout == matrix(*after, "--format", "csv")[1]
    assert matrix(*after, "--expect", kept, "--update")[0] == 0
    assert matrix(*after, "--expect", kept) == (0, "", "")


def test_waived_codes_are_kept(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tsv")
    nodes = written(tmp_path / "nodes", [node("a"), node("b", words=WEAK)])
    waive = "--waive", "instructions-missing"
    assert matrix(*nodes, *waive, "--expect", kept, "--update")[0] == 0
    assert "~instructions-missing" in Path(kept).read_text("utf-8")
    assert matrix(*nodes, *waive, "--expect", kept)[0] == 0
    status, stdout, _ = matrix(*nodes, "--expect", kept)
    # What was waived counts now; the outcome was risky, and still is, for other reasons too.
    assert (status, matrix(*nodes, "--expect", kept, "--fail-on", "any")[0]) == (0, 2)
    assert stdout.startswith("other reasons: a to b, containers any: programs: ")


Nodes = Sequence[NodeProfile]

A, B = node("a", "1:fpu"), node("b", "2")
CLOSED_B = node("b", "2", ipv6=False)
P, Q, WEAK_Q = node("p"), node("q"), node("q", words=WEAK)

#: Nodes as they were, and as they are; what is told; the pairs that are worse.
CHANGES: dict[str, tuple[Nodes, Nodes, list[str], list[str]]] = {
    "nothing": ([A, B], [A, B], [], []),
    "safe is refused": (
        [A, B],
        [A, CLOSED_B],
        ["worse: a to b, containers 1: restore: possible -> not possible (destination-ipv6)"],
        ["a to b"],
    ),
    "safe is risky": (
        [P, Q],
        [P, WEAK_Q],
        ["worse: p to q, containers any: programs: possible -> not possible (instructions-"],
        ["p to q"],
    ),
    "risky is refused": (
        [P, WEAK_Q],
        [P, node("q", words=WEAK, release=OLD)],
        ["worse: p to q, containers any: restore: possible -> not possible (version-too-new)"],
        ["p to q"],
    ),
    "safe is unknown": (
        [A, B],
        [A, node("b", "2", modules=frozenset({"vzcpt"}))],
        ["worse: a to b, containers 1: restore: possible -> unknown (module-missing)"],
        ["a to b"],
    ),
    "risky is safe": (
        [P, WEAK_Q],
        [P, Q],
        ["better: p to q, containers any: programs: not possible (instructions-"],
        [],
    ),
    "refused is safe": ([A, CLOSED_B], [A, B], ["better: a to b, containers 1: restore: not"], []),
    "another reason": (
        [node("a", "1:entered"), B],
        [node("a", "1:entered"), CLOSED_B],
        ["other reasons: a to b, containers 1: restore: not possible (container-entered) -> "],
        [],
    ),
    "a container is gone": ([A, B], [A, node("b")], ["container 2 of node b has vanished"], []),
    "a container is new": (
        [A, B],
        [A, node("b", "2", "3:entered")],
        ["container 3 of node b has appeared"],
        [],
    ),
    "a node is gone": ([A, B, P], [A, B], ["node p has vanished, with all of its pairs"], []),
    "a node is new": (
        [A, B],
        [A, B, node("n", ipv6=False)],
        ["node n has appeared, with all of its pairs"],
        [],
    ),
    "a node is called otherwise": (
        [A, B],
        [A, node("c", "2")],
        ["node c has appeared", "node b has vanished"],
        [],
    ),
    "one is worse and one is better": (
        [A, B, P, WEAK_Q],
        [A, CLOSED_B, P, Q],
        ["worse: a to b, ", "better: p to q, "],
        ["a to b"],
    ),
}
FORMS: dict[str, tuple[str, ...]] = {"text": (), "junit": ("--format", "junit")}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fail_on", [None, "worse", "any"])
@pytest.mark.parametrize("change", CHANGES)
def test_the_gate(tmp_path: Path, change: str, fail_on: str | None, form: str) -> None:
    kept = str(tmp_path / "kept.tsv")
    before, after, told, worse = CHANGES[change]
    assert matrix(*written(tmp_path / "before", before), "--expect", kept, "--update")[0] == 0
    options = (*FORMS[form], *(("--fail-on", fail_on) if fail_on else ()))
    paths = written(tmp_path / "after", after)
    status, stdout, stderr = matrix(*paths, "--expect", kept, *options)
    assert status == (2 if worse or (told and fail_on == "any") else 0)
    lines = (stderr.replace("vzcptsim: ", "") if form == "junit" else stdout).splitlines()
    assert [any(line.startswith(one) for line in lines) for one in told] == [True] * len(told)
    assert all(line.startswith("worse: ") for line in lines[: len(worse)])
    assert {line.split(", ")[0] for line in lines if line.startswith("worse: ")} == {
        f"worse: {pair}" for pair in worse
    }
    if form == "junit":
        failed = re.findall(r'name="(\w to \w)">\s*<(?:failure|error)', stdout)
        assert (sorted(failed), bool(lines)) == (sorted(worse), bool(told))
        assert stdout.count("<testcase ") == len(after) * (len(after) - 1)
    else:
        assert stderr == ""


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("fail_on", ["worse", "any"])
def test_the_gate_without_a_kept_matrix_says_how_to_keep_one(
    tmp_path: Path, fail_on: str, form: str
) -> None:
    kept = str(tmp_path / "kept.tsv")
    paths = written(tmp_path, [A, B])
    status, stdout, stderr = matrix(*paths, "--expect", kept, "--fail-on", fail_on, *FORMS[form])
    assert (status, stdout) == (1, "")
    assert stderr.endswith("there is no such file; --update keeps this matrix there\n")
    assert not Path(kept).exists()


def test_the_gate_may_leave_containers_aside(tmp_path: Path) -> None:
    kept = str(tmp_path / "kept.tsv")
    before = written(tmp_path / "before", [node("a", "1:fpu"), node("b", "2")])
    assert matrix(*before, "--expect", kept, "--update")[0] == 0
    after = written(tmp_path / "after", [node("a", "3:fpu"), node("b")])
    arguments = (*after, "--expect", kept, "--ignore-containers", "--fail-on", "any")
    assert matrix(*arguments) == (0, "", "")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"nothing\n", "line 1: the first line is not "),
        (b"# vzcptsim matrix, kept by --update; format 1\n", "line 1: the first line is not "),
        (b"ab\xff", "not UTF-8 at byte 2"),
    ],
)
def test_a_file_that_is_no_kept_matrix_is_a_mistake(
    paths: list[str], tmp_path: Path, content: bytes, problem: str
) -> None:
    kept = tmp_path / "kept.tsv"
    kept.write_bytes(content)
    status, stdout, stderr = matrix(*paths, "--expect", str(kept))
    assert (status, stdout) == (1, "")
    assert stderr.startswith(f"vzcptsim: {kept}: {problem}")


def test_a_file_too_large_to_be_a_matrix_is_not_read(paths: list[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept.tsv"
    with kept.open("wb") as file:
        file.truncate(1 << 40)
    said = f"vzcptsim: {kept}: over 64 MiB, which no kept matrix has\n"
    assert matrix(*paths, "--expect", str(kept)) == (1, "", said)


# What makes one pool, on the page


def change_of(*arguments: str) -> object:
    """Return what the page has of a pool."""
    _, page, _ = matrix("--format", "html", *arguments)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    return json.loads(data)["change"]


def test_the_page_says_what_makes_one_pool(paths: list[str], tmp_path: Path) -> None:
    assert isinstance(change_of(*paths), list)
    assert isinstance(change_of(str(tmp_path / "nodes")), list)
    assert isinstance(change_of("intel-xeon-x5550@042stab092.1", paths[0]), list)


def test_not_of_what_can_be_read_once(paths: list[str]) -> None:
    reading, writing = os.pipe()
    os.write(writing, Path(paths[0]).read_bytes())
    os.close(writing)
    assert change_of(f"/dev/fd/{reading}", paths[1]) is None
    os.close(reading)


def test_nor_of_many_nodes(paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.commands.matrix._MOST_POOLED", len(paths) - 1)
    assert change_of(*paths) is None
