"""vzcptsim where: all destinations of a container, the best first, each with why and what helps."""

from pathlib import Path
from typing import Any

import pytest

from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from simulator.verdicts.migrations import NodePair
from support.programs import mistake, published, vzcptsim
from support.simulated_nodes import node

SOURCE = "042stab141.3.SandyBridge.default"
HASWELL = "042stab141.3.Haswell.default"
PENRYN = "042stab141.3.Penryn.default"
OLD = "042stab061.9.SandyBridge.default"
NOXSAVE = "042stab141.3.SandyBridge.noxsave"
ALL = (PENRYN, NOXSAVE, OLD, HASWELL)


def where(*arguments: str) -> tuple[int, Any]:
    """Run it as JSON, checked against its published schema."""
    return published("where", *arguments)


def test_every_other_node_is_there_once_the_best_first() -> None:
    status, document = where(f"{SOURCE}:102", *ALL, SOURCE)
    order = ["safe", "risky", "refused", "unknown"]
    outcomes = [one["outcome"] for one in document["destinations"]]
    assert sorted(outcomes, key=order.index) == outcomes
    assert {one["node"] for one in document["destinations"]} == set(ALL)
    assert (status, document["outcome"]) == (0, "safe")
    assert (document["source"], document["container"]) == (SOURCE, 102)


def test_each_is_judged_as_the_pair_by_itself() -> None:
    _, document = where(f"{SOURCE}:102", *ALL)
    for one in document["destinations"]:
        pair = NodePair(load_node(SOURCE), load_node(one["node"]))
        judgement = pair.judge_one(102).judgement
        assert one["outcome"] == judgement.outcome().value
        found = [reason["code"] for reason in one["restore"]["reasons"]]
        assert found == [reason.code for reason in judgement.restore.reasons]


@pytest.mark.parametrize(
    ("arguments", "container"),
    [
        ((f"{SOURCE}:102", HASWELL), 102),
        (("--ct", "1072", SOURCE, PENRYN), 1072),
        (("--any", SOURCE, HASWELL), None),
    ],
)
def test_the_container_is_said_in_one_of_three_ways(
    arguments: tuple[str, ...], container: int | None
) -> None:
    nodes = [name for name in (SOURCE, HASWELL, PENRYN) if name in " ".join(arguments)]
    if container == 1072:
        # Both nodes have such a container: it is to be said which is meant.
        assert "several nodes have a container 1072" in mistake("where", *arguments)
        return
    assert len(nodes) == 2
    assert where(*arguments)[1]["container"] == container


def test_a_containers_node_is_found(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(format_profile(node("mine", "4711:fpu")))
    _, document = where("--ct", "4711", HASWELL, str(path), PENRYN)
    assert document["source"] == "mine"
    assert {one["node"] for one in document["destinations"]} == {HASWELL, PENRYN}


@pytest.mark.parametrize(
    ("destinations", "arguments", "status"),
    [
        ((HASWELL, PENRYN), (), 0),
        ((PENRYN,), (), 2),
        ((PENRYN,), ("--restore-only",), 2),
        ((PENRYN, "no-vzrst.042stab092.1"), (), 2),
        (("no-vzrst.042stab092.1",), (), 3),
    ],
)
def test_the_status_is_the_best_destinations(
    destinations: tuple[str, ...], arguments: tuple[str, ...], status: int
) -> None:
    assert where(f"{SOURCE}:102", *destinations, *arguments)[0] == status


def test_what_is_unknown_is_status_3() -> None:
    assert where(f"{SOURCE}:112", HASWELL)[0] == 3


def test_people_read_a_line_each_with_why_and_the_first_remedy() -> None:
    status, text, _ = vzcptsim("where", f"{SOURCE}:102", *ALL)
    assert status == 0
    assert text.splitlines() == [
        f"container 102 of {SOURCE}",
        "to 4 nodes: 1 safe, 3 refused",
        "",
        f"safe     {HASWELL}",
        f"refused  {OLD}",
        "         The destination's kernel is too old for the source's image version",
        "         version-too-new",
        f"         Helps: Upgrade {OLD}'s kernel to 042stab088.4 or later. Then safe.",
        f"refused  {NOXSAVE}",
        "         The destination's CPU has the feature, and its kernel was booted without it: "
        "xsave",
        "         feature-hidden-by-boot-option, instructions-not-enabled, "
        "xsave-component-missing, xsave-area-smaller",
        f"         Helps: Boot {NOXSAVE} without noxsave. Then safe.",
        f"refused  {PENRYN}",
        "         The destination's CPU lacks a feature that the source's kernel compares: "
        "sse4_2 xsave avx aesni",
        "         cpu-feature-missing, instructions-missing, xsave-component-missing, "
        "xsave-area-smaller",
    ]


def test_what_is_said_of_several_is_said_once_below_the_last() -> None:
    old = ["042stab061.9.Opteron_G3.default", "042stab061.9.qemu64.default"]
    more = ["042stab141.3.Opteron_G3.default", "042stab141.3.qemu64.default"]
    _, text, _ = vzcptsim("where", f"{SOURCE}:102", *old, PENRYN, *more)
    lines = text.splitlines()[3:]
    assert [one for one in lines if one.startswith("refused  ")] == [
        f"refused  {name}" for name in (PENRYN, *more, *old)
    ]
    assert [place for place, one in enumerate(lines) if "compares" in one] == [1, 5]
    assert lines[-1] == (
        f"         Helps, on each alike: Upgrade {old[0]}'s kernel to 042stab088.4 or later. "
        "Then still refused."
    )


def test_codes_of_programs_are_not_told_where_restore_alone_counts() -> None:
    _, text, _ = vzcptsim("where", f"{SOURCE}:102", PENRYN, "--restore-only")
    assert text.splitlines()[1] == "to 1 node: 1 refused, by restore alone"
    assert text.splitlines()[5] == "         cpu-feature-missing"


def test_lines_to_write_are_shown_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(format_profile(node("mine", "7:fpu", override="")))
    _, text, _ = vzcptsim(
        "where", f"{path}:7", PENRYN, "--restore-only", "--waive", "xsave-area-smaller"
    )
    assert "by restore alone" in text
    assert "waived: xsave-area-smaller" in text
    assert "printf '%s\\n' \\" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((SOURCE, HASWELL), "say which container: NODE:ID, --ct ID, or --any"),
        ((f"{SOURCE}:102", HASWELL, "--any"), "names a container: no --ct, no --any"),
        ((f"{SOURCE}:7", HASWELL), "has no container 7"),
        ((f"{SOURCE}:102",), f"there is no node to move to but {SOURCE!r} itself"),
        (("--ct", "999", SOURCE, HASWELL), "no node that is given has a container 999"),
        ((f"{SOURCE}:0", HASWELL), "is no container's number"),
    ],
)
def test_a_mistake_is_told(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake("where", *arguments)
