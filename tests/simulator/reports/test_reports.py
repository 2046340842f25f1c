"""Reports on a matrix: each format says what the matrix does, whatever nodes are called."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import permutations, product
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from msgspec import structs

from simulator.fleets.fleet import gather_fleet
from simulator.profiles.profile import NodeProfile
from simulator.reports.as_json import json_lines, json_text
from simulator.reports.as_tables import Section, markdown_text, sections
from simulator.reports.as_text import table_text
from simulator.reports.exports import csv_text, junit_text
from simulator.reports.view import MOST_NODES, View, why
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Judgement, Opinion, Outcome, Reason, Weight
from support.programs import validator
from support.simulated_nodes import OLD, STRONG, WEAK, node, small_nodes

Render = Callable[[View], Iterator[str]]

NAMES = [profile.name for profile in small_nodes()]

#: Names that mean something to some format or to a terminal.
HOSTILE = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "a|b`c*d_e[f](g)<h>&i#j!k~l\\m",
    "\x1b[31mred\x1b[0m\x07\x00",
    "two\nlines\r\t",
    '"quoted", with a comma',
    "]]><x/>",
    "\x9b31m\u202egnp\u2066\ufffe",
    "half\udcff",
    "[bold]not[/bold] :smile:",
]


def view(*nodes: NodeProfile, by_class: bool | None = False, restore_only: bool = False) -> View:
    return View(gather_fleet(nodes), is_by_class=by_class, restore_only=restore_only)


def small_view(*, by_class: bool = False, restore_only: bool = False) -> View:
    return view(*small_nodes(), by_class=by_class, restore_only=restore_only)


def hostile_view(*, by_class: bool = False) -> View:
    nodes = [
        structs.replace(node("x", "1:fpu", ipv6=number % 2 == 0), name=name)
        for number, name in enumerate(HOSTILE)
    ]
    return view(*nodes, by_class=by_class)


def text_of(render: Render, one: View) -> str:
    text = "".join(render(one))
    text.encode("utf-8")
    return text


def on_no_terminal(one: View) -> Iterator[str]:
    return table_text(one, None)


RENDERERS = [on_no_terminal, json_text, csv_text, markdown_text, junit_text, json_lines]


def judged(source: str, destination: str) -> dict[int | None, Judgement]:
    """Judge a pair of the small nodes by itself."""
    nodes = {profile.name: profile for profile in small_nodes()}
    migrations = NodePair(nodes[source], nodes[destination]).judge_all()
    return {one.ctid: one.judgement for one in migrations}


def found_on(judgement: Judgement, *, restore_only: bool = False) -> tuple[str, str, str]:
    """Return the outcome of a migration, and both verdicts, in words."""
    outcome = judgement.outcome(restore_only=restore_only)
    return outcome.value, judgement.restore.verdict.value, judgement.programs.verdict.value


def all_judged(*, restore_only: bool = False) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    """Return what is found on each container of each pair of the small nodes."""
    return {
        (*pair, "any" if ctid is None else str(ctid)): found_on(one, restore_only=restore_only)
        for pair in permutations(NAMES, 2)
        for ctid, one in judged(*pair).items()
    }


#: The worst outcome counts first.
WORST_FIRST = (Outcome.REFUSED, Outcome.RISKY, Outcome.UNKNOWN, Outcome.SAFE)


def outcomes_between(*pairs: tuple[str, str], restore_only: bool = False) -> Counter[Outcome]:
    """Count the outcomes of the migrations of pairs of the small nodes."""
    return Counter(
        one.outcome(restore_only=restore_only) for pair in pairs for one in judged(*pair).values()
    )


def without(word: str) -> tuple[str, ...]:
    return tuple(one for one in STRONG if one != word)


def partly_risky() -> tuple[NodeProfile, ...]:
    """Return two nodes that are alike, and between them one without RDRAND.

    The kernel asks for it only where a container has used the FPU; programs use it without.
    """
    return (
        node("a", "1:fpu", "2"),
        node("b", "3", words=without("rdrand")),
        node("c", "4:fpu", "5"),
    )


def test_the_small_nodes_have_every_outcome() -> None:
    assert set(outcomes_between(*permutations(NAMES, 2))) == set(Outcome)


# What all share


def test_up_to_64_nodes_are_reported_one_by_one() -> None:
    nodes = [node(f"n{number}") for number in range(MOST_NODES + 1)]
    assert not view(*nodes[:-1], by_class=None).is_by_class
    assert view(*nodes, by_class=None).is_by_class
    assert not view(*nodes, by_class=False).is_by_class


def test_why_names_codes_and_features_but_no_remarks() -> None:
    opinion = Opinion(
        (
            Reason("missing", Weight.REFUSES, feature="avx"),
            Reason("remark", Weight.REMARK, feature="vmx"),
            Reason("missing", Weight.REFUSES, feature="aes"),
            Reason("size", Weight.UNKNOWN),
            Reason("other", Weight.REFUSES, feature="rtm", is_waived=True),
        )
    )
    assert why(opinion) == "missing: avx aes; size; other (waived): rtm"


@pytest.mark.parametrize(
    ("render", "by_class"), [*product(RENDERERS, [False]), *product(RENDERERS[:-1], [True])]
)
def test_no_name_speaks_to_a_terminal(render: Render, by_class: bool) -> None:
    text = text_of(render, hostile_view(by_class=by_class))
    assert all(char.isprintable() for char in text.replace("\n", ""))


# JSON


def document_of(one: View) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text_of(json_text, one))
    validator("matrix").validate(document)
    return document


def test_json_keeps_every_name() -> None:
    assert [group["nodes"] for group in document_of(hostile_view())["groups"]] == [
        [name] for name in HOSTILE
    ]


def test_json_by_node_has_each_migration_with_its_reasons() -> None:
    document = document_of(small_view())
    assert (document["format"], document["by"], document["restore_only"]) == (2, "node", False)
    assert document["restore_opinions"] == []
    spelled = {}
    for pair in document["pairs"]:
        source, destination = (
            document["groups"][pair[end]]["nodes"][0] for end in ("source", "destination")
        )
        spelled[source, destination] = {
            ctid: tuple(opinion_of(document, one[about]) for about in ("restore", "programs"))
            for one in pair["migrations"]
            for ctid in one["containers"]
        }
    assert spelled == {
        pair: {
            ctid: tuple(map(spelled_out, judgement)) for ctid, judgement in judged(*pair).items()
        }
        for pair in permutations(NAMES, 2)
    }


def opinion_of(document: dict[str, Any], number: int) -> tuple[str, set[tuple[str, ...]]]:
    opinion = document["opinions"][number]
    reasons = [document["reasons"][one] for one in opinion["reasons"]]
    keys = ("code", "weight", "feature", "place", "source", "destination", "needed_by")
    assert all(reason["code"] in document["codes"] for reason in reasons)
    return opinion["verdict"], {tuple(reason[key] for key in keys) for reason in reasons}


def spelled_out(opinion: Opinion) -> tuple[str, set[tuple[str, ...]]]:
    return opinion.verdict.value, {
        (
            one.code,
            one.weight.value,
            one.feature,
            one.place,
            one.source,
            one.destination,
            one.needed_by,
        )
        for one in opinion.reasons
    }


def test_json_by_class_says_the_same_of_classes() -> None:
    document = document_of(small_view(by_class=True))
    on_restore = {tuple(row[:3]): row[3] for row in document["restore_opinions"]}
    groups, containers = document["groups"], document["containers"]
    seen = set()
    for pair in document["pairs"]:
        one, other = groups[pair["source"]], groups[pair["destination"]]
        for name in one["nodes"]:
            for destination in set(other["nodes"]) - {name}:
                seen.add((name, destination))
                restore, programs = set(), set()
                for load in one["loads"]:
                    container = load["container"]
                    number = on_restore[one["make"], other["kernel"], container]
                    restore.add(document["opinions"][number]["verdict"])
                    fpu = container is None or containers[container]["may_have_used_fpu"]
                    number = pair["programs_opinions"][fpu]
                    programs.add(document["opinions"][number]["verdict"])
                found = judged(name, destination).values()
                assert {one.restore.verdict.value for one in found} <= restore
                assert {one.programs.verdict.value for one in found} <= programs
    assert seen == set(permutations(NAMES, 2))


@pytest.mark.parametrize("restore_only", [False, True])
@pytest.mark.parametrize("by_class", [False, True])
def test_json_counts_the_outcomes_of_each_pair(by_class: bool, restore_only: bool) -> None:
    document = document_of(small_view(by_class=by_class, restore_only=restore_only))
    assert document["restore_only"] is restore_only
    for pair in document["pairs"]:
        sources, others = (
            document["groups"][pair[end]]["nodes"] for end in ("source", "destination")
        )
        # Of each source, to one node that is another.
        pairs = [(name, next(one for one in others if one != name)) for name in sources]
        found = outcomes_between(*pairs, restore_only=restore_only)
        assert pair["outcomes"] == [found[one] for one in Outcome]
        assert pair["outcome"] == next(one.value for one in WORST_FIRST if found[one])


def test_json_has_the_same_verdicts_where_programs_are_left_out() -> None:
    ones, others = (
        [(pair["restore"], pair["programs"], pair["migrations"]) for pair in document["pairs"]]
        for document in (document_of(small_view()), document_of(small_view(restore_only=True)))
    )
    assert ones == others


def test_json_names_what_is_waived() -> None:
    nodes = node("a", "1:fpu", release=OLD), node("b", release=OLD, words=without("rdrand"))
    one = View(gather_fleet(nodes), ("instructions-missing",))
    document = document_of(one)
    assert document["waived"] == ["instructions-missing"]
    assert any(reason["waived"] for reason in document["reasons"])


def test_json_has_ways_and_destinations() -> None:
    nodes = node("a", "1:fpu"), node("b", "2:fpu", words=WEAK), node("c", modules=frozenset())
    document = document_of(view(*nodes))
    assert document["one_way"] == [{"source": 1, "destinations": [0]}]
    assert document["islands"] == [2]
    assert document["destinations"] == [
        {"source": 0, "containers": [1], "nodes": 0, "best": []},
        {"source": 1, "containers": [2], "nodes": 1, "best": [0]},
        {"source": 2, "containers": [None], "nodes": 0, "best": []},
    ]


def test_json_by_class_has_the_five_best_destinations_and_how_many_there_are() -> None:
    releases = [OLD, *(f"2.6.32-042stab{number}" for number in ("088.4", "108.1", "113.5"))]
    nodes = [
        node(f"{release}{ipv6}{slm}", "1", release=release, ipv6=ipv6, slm_without_module=slm)
        for release in releases
        for ipv6 in (True, False)
        for slm in (True, False)
    ]
    one = view(*nodes, node("twin", "1", release=releases[-1]), by_class=True)
    document = document_of(one)
    best = {one["source"]: one for one in document["destinations"]}
    assert max(len(one["best"]) for one in best.values()) == 5
    assert max(one["nodes"] for one in best.values()) > 5


def test_json_has_an_entry_a_line() -> None:
    lines = text_of(json_text, small_view()).splitlines()
    assert sum(line.startswith('{"source":') and '"outcome"' in line for line in lines) == 30


# CSV


def rows_of(one: View) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(csv_text, one))))


@pytest.mark.parametrize("restore_only", [False, True])
def test_csv_by_node_has_each_migration(restore_only: bool) -> None:
    spelled = {
        (row["source"], row["destination"], container): (
            row["outcome"],
            row["restore"],
            row["programs"],
        )
        for row in rows_of(small_view(restore_only=restore_only))
        for container in row["containers"].split()
    }
    assert spelled == all_judged(restore_only=restore_only)


def test_csv_names_the_reasons() -> None:
    (row,) = [
        row
        for row in rows_of(view(node("a", "1:fpu"), node("b", words=WEAK)))
        if row["source"] == "a"
    ]
    assert row["restore_reasons"] == "cpu-feature-missing: xsave avx"
    assert row["programs_reasons"].startswith("instructions-missing: ")


def test_csv_by_class_has_the_counts() -> None:
    for restore_only, outcomes in ((False, "0 2 2 0"), (True, "2 0 2 0")):
        rows = rows_of(view(*partly_risky(), by_class=True, restore_only=restore_only))
        assert [
            (row["source"], row["source_nodes"], row["destination"], row["outcome"]) for row in rows
        ] == [("a", "2", "a", "safe"), ("a", "2", "b", "refused"), ("b", "1", "a", "safe")]
        counted = (rows[1][outcome.value] for outcome in Outcome)
        assert " ".join(counted) == outcomes


@pytest.mark.parametrize("by_class", [False, True])
def test_csv_has_no_formula(by_class: bool) -> None:
    rows = list(csv.reader(io.StringIO(text_of(csv_text, hostile_view(by_class=by_class)))))
    assert len({len(row) for row in rows}) == 1
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)


# JUnit


def suites(one: View) -> list[ET.Element]:
    return list(ET.fromstring(text_of(junit_text, one)))  # noqa: S314 (it is our own)


def test_junit_has_a_case_for_each_pair() -> None:
    found = suites(small_view())
    assert [suite.get("name") for suite in found] == NAMES
    cases = [case.get("name") for suite in found for case in suite]
    assert cases == [f"{source} to {destination}" for source, destination in permutations(NAMES, 2)]


@pytest.mark.parametrize("restore_only", [False, True])
def test_junit_fails_where_a_pair_is_not_safe(restore_only: bool) -> None:
    tags = {"refused": ["failure"], "risky": ["failure"], "unknown": ["error"], "safe": []}
    cases = [case for suite in suites(small_view(restore_only=restore_only)) for case in suite]
    for case, pair in zip(cases, permutations(NAMES, 2), strict=True):
        found = outcomes_between(pair, restore_only=restore_only)
        outcome = next(one.value for one in WORST_FIRST if found[one])
        assert [child.tag for child in case] == tags[outcome]
        assert {child.get("type") for child in case} <= {outcome}


def test_junit_counts_what_fails() -> None:
    for suite in suites(small_view()):
        tags = Counter(child.tag for case in suite for child in case)
        assert suite.get("tests") == "5"
        assert suite.get("failures") == str(tags["failure"])
        assert suite.get("errors") == str(tags["error"])


def test_junit_says_why() -> None:
    (case, _) = suites(view(*partly_risky()))[0]
    (failure,) = case
    assert failure.get("message") == "1 risky, 1 refused"
    assert failure.text is not None
    first, second = failure.text.splitlines()
    assert first == (
        "containers 1: refused: restore not possible, cpu-feature-missing: rdrand; "
        "programs not possible, instructions-missing: rdrand"
    )
    assert second == (
        "containers 2: risky: restore possible; programs not possible, instructions-missing: rdrand"
    )


def test_junit_by_class_has_counts_alone() -> None:
    failing = [case for suite in suites(small_view(by_class=True)) for case in suite if len(case)]
    assert failing
    assert {case[0].text for case in failing} == {None}


def test_junit_takes_any_name() -> None:
    assert len(suites(hostile_view())) == len(HOSTILE)


# The sections of Markdown


def by_title(one: View) -> dict[str, Section]:
    return {section.title.partition(":")[0]: section for section in sections(one)}


@pytest.mark.parametrize("restore_only", [False, True])
@pytest.mark.parametrize("by_class", [False, True])
def test_the_headline_counts_migrations_between_nodes(by_class: bool, restore_only: bool) -> None:
    found = outcomes_between(*permutations(NAMES, 2), restore_only=restore_only)
    counts = ", ".join(f"{found[outcome]} {outcome.value}" for outcome in Outcome)
    left_out = "; programs left out" if restore_only else ""
    one = small_view(by_class=by_class, restore_only=restore_only)
    assert by_title(one)["Matrix"].text == (
        f"6 nodes, 8 containers, 30 ordered pairs. Of the containers' {found.total()} "
        f"migrations (of a node without any, the node's alone): {counts}{left_out}"
    )


def test_the_headline_says_what_is_waived() -> None:
    one = View(gather_fleet(small_nodes()), ("vendor-differs",))
    assert by_title(one)["Matrix"].text.endswith("; waived: vendor-differs")


@pytest.mark.parametrize("restore_only", [False, True])
def test_pairs_say_what_becomes_of_each_container(restore_only: bool) -> None:
    spelled = {
        (row[0], destination, container): row[3]
        for row in by_title(small_view(restore_only=restore_only))["Pairs"].rows
        for destination in row[1].split(", ")
        for container in row[2].split()
    }
    judgements = all_judged(restore_only=restore_only)
    assert spelled == {key: outcome for key, (outcome, *_) in judgements.items()}


def test_ways_are_told_by_name() -> None:
    nodes = node("a", "1:fpu"), node("b", "2:fpu", words=WEAK), node("c", modules=frozenset())
    found = by_title(view(*nodes))
    assert found["One-way"].rows == (("b", "a"),)
    assert found["Islands"].text == "c"
    assert found["Destinations"].rows == (
        ("a", "1", "nowhere"),
        ("b", "2", "a"),
        ("c", "any", "nowhere"),
    )


def test_no_islands_are_told() -> None:
    assert by_title(view(node("a"), node("b")))["Islands"].text == "none"


def test_classes_are_told_with_their_nodes() -> None:
    nodes = [node(name, "1:fpu") for name in "abcdef"]
    old = node(
        "old", "1:locked", "2", release=OLD, modules=frozenset({"vzrst"}), vendor="AuthenticAMD"
    )
    found = by_title(view(*nodes, old, by_class=True))
    first, second = found["Classes of nodes"].rows
    assert first[:4] == ("0", "6", "a b c d and 2 more", "GenuineIntel")
    assert str(first[4]).startswith("042stab107, 64-bit, 0x")
    assert second[:4] == ("1", "1", "old", "AuthenticAMD")
    assert str(second[4]).endswith(", no vzcpt")
    containers = found["Classes of containers"].rows
    assert [row[:2] for row in containers] == [("0", "6"), ("1", "1"), ("2", "1")]
    assert str(containers[0][2]).startswith("running, needs 0x")
    assert containers[1][2] == "locked"


def test_a_narrow_kernel_is_told() -> None:
    one = view(node("a", machine="i686"), node("b"), by_class=True)
    assert ", 32-bit, " in str(by_title(one)["Classes of nodes"].rows[0][4])


def test_a_node_without_cpuid_is_told() -> None:
    fleet = gather_fleet([node("a"), node("b", release=OLD)])
    first = fleet.classes[0]
    traits = structs.replace(first.traits, cpu=structs.replace(fleet.cpus[0], vendor=""))
    classes = (structs.replace(first, traits=traits), *fleet.classes[1:])
    odd = fleet._replace(classes=classes)
    assert by_title(View(odd, is_by_class=True))["Classes of nodes"].rows[0][3] == "ia64"


def test_pairs_of_classes_say_how_many_containers_can_go() -> None:
    for restore_only, outcomes in ((False, "2 risky, 2 refused"), (True, "2 safe, 2 refused")):
        one = view(*partly_risky(), by_class=True, restore_only=restore_only)
        assert by_title(one)["Pairs of classes"].rows == (
            ("0", "safe", "0"),
            ("0", outcomes, "1"),
            ("1", "safe", "0"),
        )


def test_by_class_ways_are_told_by_number() -> None:
    weak = [node(f"weak{number}", "2:fpu", words=WEAK) for number in range(2)]
    found = by_title(view(node("a", "1:fpu"), *weak, by_class=True))
    assert found["One-way"].rows == (("1 (weak0 and 1 more)", "0"),)
    assert found["Destinations"].rows[1][2] == "1 0"


def test_by_class_the_best_destinations_are_told() -> None:
    releases = [OLD, *(f"2.6.32-042stab{number}" for number in ("088.4", "108.1", "113.5"))]
    nodes = [
        node(f"{release}{ipv6}", "1", release=release, ipv6=ipv6)
        for release in releases
        for ipv6 in (True, False)
    ]
    cells = [str(row[2]) for row in by_title(view(*nodes, by_class=True))["Destinations"].rows]
    assert any(cell.endswith(" more") for cell in cells)
    assert by_title(view(*nodes))["Destinations"].rows


def test_markdown_has_a_table_of_as_many_cells_in_each_row() -> None:
    for by_class in (False, True):
        text = text_of(markdown_text, hostile_view(by_class=by_class))
        tables = [part for part in text.split("\n\n") if part.startswith("| ")]
        assert len(tables) >= 2
        for table in tables:
            rows = [row.replace("\\\\", "").replace("\\|", "") for row in table.splitlines()]
            assert len({row.count("|") for row in rows}) == 1


def test_markdown_means_what_names_say() -> None:
    text = text_of(markdown_text, hostile_view())
    assert "a\\|b\\`c\\*d\\_e\\[f\\](g)\\<h\\>\\&i\\#j\\!k\\~l\\\\m" in text
    assert "## Pairs\n\n| source | destinations |" in text
    assert "## Islands: no migration in or out is safe\n\nnone\n" in text


# In full


def test_every_pair_is_a_line() -> None:
    lines = [json.loads(line) for line in text_of(json_lines, small_view()).splitlines()]
    assert [(line["source"], line["destination"]) for line in lines] == list(permutations(NAMES, 2))
    for line in lines:
        found = judged(line["source"], line["destination"])
        spelled = {
            ctid: (one["restore"]["verdict"], one["programs"]["verdict"])
            for one in line["migrations"]
            for ctid in one["containers"]
        }
        assert spelled == {ctid: found_on(one)[1:] for ctid, one in found.items()}
        outcomes = {one.outcome() for one in found.values()}
        assert line["outcome"] == next(one.value for one in WORST_FIRST if one in outcomes)


@pytest.mark.parametrize(
    ("waived", "restore_only", "outcome", "programs"),
    [
        ((), False, "risky", "not possible"),
        ((), True, "safe", "not possible"),
        (("instructions-missing",), False, "safe", "possible"),
    ],
)
def test_a_line_has_the_codes_of_what_counts(
    waived: tuple[str, ...], restore_only: bool, outcome: str, programs: str
) -> None:
    nodes = node("a", "1:fpu", release=OLD), node("b", release=OLD, words=without("rdrand"))
    one = View(gather_fleet(nodes), waived, restore_only=restore_only)
    assert json.loads(text_of(json_lines, one).splitlines()[0]) == {
        "source": "a",
        "destination": "b",
        "outcome": outcome,
        "migrations": [
            {
                "containers": [1],
                "restore": {"verdict": "possible", "codes": []},
                "programs": {"verdict": programs, "codes": ["instructions-missing"]},
            }
        ],
    }


def test_rows_come_as_they_are_made() -> None:
    chunks = json_lines(small_view())
    assert len(next(chunks).splitlines()) == 5
