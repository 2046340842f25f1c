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
from simulator.reports.as_tables import Section, markdown_text, sections, table_text
from simulator.reports.exports import csv_text, junit_text
from simulator.reports.view import MOST_NODES, View, why
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Judgement, Opinion, Reason, Verdict, Weight
from support.programs import SGR, Terminal, validator
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


def view(*nodes: NodeProfile, by_class: bool | None = False, strict: bool = False) -> View:
    return View(gather_fleet(nodes), is_by_class=by_class, is_strict=strict)


def small_view(*, by_class: bool = False, strict: bool = False) -> View:
    return view(*small_nodes(), by_class=by_class, strict=strict)


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
    assert (document["format"], document["by"], document["strict"]) == (1, "node", False)
    assert document["kernel_opinions"] == []
    spelled = {}
    for pair in document["pairs"]:
        source, destination = (
            document["groups"][pair[end]]["nodes"][0] for end in ("source", "destination")
        )
        spelled[source, destination] = {
            ctid: tuple(opinion_of(document, outcome[whose]) for whose in ("kernel", "ours"))
            for outcome in pair["outcomes"]
            for ctid in outcome["containers"]
        }
    assert spelled == {
        pair: {
            ctid: (spelled_out(judgement.kernel), spelled_out(judgement.ours))
            for ctid, judgement in judged(*pair).items()
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
    by_kernels = {tuple(row[:3]): row[3] for row in document["kernel_opinions"]}
    groups, containers = document["groups"], document["containers"]
    seen = set()
    for pair in document["pairs"]:
        one, other = groups[pair["source"]], groups[pair["destination"]]
        for name in one["nodes"]:
            for destination in set(other["nodes"]) - {name}:
                seen.add((name, destination))
                kernel, ours = [], []
                for load in one["loads"]:
                    container = load["container"]
                    kernel.append(by_kernels[one["make"], other["kernel"], container])
                    fpu = container is None or containers[container]["may_have_used_fpu"]
                    ours.append(pair["our_opinions"][fpu])
                kernel_verdicts = {document["opinions"][number]["verdict"] for number in kernel}
                our_verdicts = {document["opinions"][number]["verdict"] for number in ours}
                found = judged(name, destination).values()
                assert {one.kernel.verdict.value for one in found} <= kernel_verdicts
                assert {one.ours.verdict.value for one in found} <= our_verdicts
    assert seen == set(permutations(NAMES, 2))


def test_json_says_what_counts() -> None:
    strict = document_of(small_view(strict=True))
    lax = document_of(small_view())
    assert strict["strict"]
    for one, other in zip(strict["pairs"], lax["pairs"], strict=True):
        assert (one["kernel"], one["ours"], one["both"]) == (
            other["kernel"],
            other["ours"],
            other["both"],
        )
    verdicts = [{pair["verdict"] for pair in one["pairs"]} for one in (strict, lax)]
    assert all("not possible" in found for found in verdicts)
    assert sum(pair["verdict"] == "possible" for pair in strict["pairs"]) <= sum(
        pair["verdict"] == "possible" for pair in lax["pairs"]
    )


def test_json_names_what_is_waived() -> None:
    nodes = node("a", "1:fpu", release=OLD), node("b", release=OLD, words=without("rdrand"))
    one = View(gather_fleet(nodes), ("instructions-missing",))
    document = document_of(one)
    assert document["waived"] == ["instructions-missing"]
    assert any(reason["waived"] for reason in document["reasons"])


def without(word: str) -> tuple[str, ...]:
    return tuple(one for one in STRONG if one != word)


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
    assert sum(line.startswith('{"source":') and '"verdict"' in line for line in lines) == 30


# CSV


def all_judged() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Return both verdicts, in words, on each container of each pair of the small nodes."""
    return {
        (*pair, "any" if ctid is None else str(ctid)): (
            judgement.kernel.verdict.value,
            judgement.ours.verdict.value,
        )
        for pair in permutations(NAMES, 2)
        for ctid, judgement in judged(*pair).items()
    }


def rows_of(one: View) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text_of(csv_text, one))))


def test_csv_by_node_has_each_migration() -> None:
    spelled = {
        (row["source"], row["destination"], container): (row["kernel"], row["ours"])
        for row in rows_of(small_view())
        for container in row["containers"].split()
    }
    assert spelled == all_judged()


def test_csv_names_the_reasons() -> None:
    (row,) = [
        row
        for row in rows_of(view(node("a", "1:fpu"), node("b", words=WEAK)))
        if row["source"] == "a"
    ]
    assert row["kernel_reasons"] == "cpu-feature-missing: xsave avx"
    assert row["our_reasons"].startswith("instructions-missing: ")


def test_csv_by_class_has_the_counts() -> None:
    nodes = node("a", "1:fpu", "2"), node("b", "3", words=WEAK), node("c", "4:fpu", "5")
    rows = rows_of(view(*nodes, by_class=True))
    assert [
        (row["source"], row["source_nodes"], row["destination"], row["kernel"]) for row in rows
    ] == [("a", "2", "a", "possible"), ("a", "2", "b", "not possible"), ("b", "1", "a", "possible")]
    assert rows[1]["kernel_possible"] == "2"
    assert rows[1]["kernel_not_possible"] == "2"
    assert rows[1]["kernel_unknown"] == "0"


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


@pytest.mark.parametrize("strict", [False, True])
def test_junit_fails_where_a_pair_is_not_possible(strict: bool) -> None:
    one = small_view(strict=strict)
    tags = {"failure": Verdict.NOT_POSSIBLE, "error": Verdict.UNKNOWN}
    cases = [case for suite in suites(one) for case in suite]
    for case, pair in zip(cases, one.matrix.pairs(), strict=True):
        verdict = pair.summary.counts(strict=strict).verdict
        assert [tags[child.tag] for child in case] == [verdict] * (verdict is not Verdict.POSSIBLE)


def test_junit_counts_what_fails() -> None:
    for suite in suites(small_view()):
        tags = Counter(child.tag for case in suite for child in case)
        assert suite.get("tests") == "5"
        assert suite.get("failures") == str(tags["failure"])
        assert suite.get("errors") == str(tags["error"])


def test_junit_says_why() -> None:
    (case,) = suites(view(node("a", "1:fpu", "2"), node("b", words=WEAK)))[0]
    (failure,) = case
    assert failure.get("message") == "1 possible, 1 not possible"
    assert failure.text is not None
    first, second = failure.text.splitlines()
    assert first.startswith(
        "containers 1: kernel: not possible, cpu-feature-missing: xsave avx; "
        "ours: not possible, instructions-missing: "
    )
    assert second.startswith("containers 2: kernel: possible; ours: ")


def test_junit_by_class_has_counts_alone() -> None:
    failing = [case for suite in suites(small_view(by_class=True)) for case in suite if len(case)]
    assert failing
    assert {case[0].text for case in failing} == {None}


def test_junit_takes_any_name() -> None:
    assert len(suites(hostile_view())) == len(HOSTILE)


# Sections: the table and Markdown


def by_title(one: View) -> dict[str, Section]:
    return {section.title.partition(":")[0]: section for section in sections(one)}


@pytest.mark.parametrize("by_class", [False, True])
def test_the_headline_counts_migrations_between_nodes(by_class: bool) -> None:
    verdicts = Counter(
        judgement.kernel.verdict
        for pair in permutations(NAMES, 2)
        for judgement in judged(*pair).values()
    )
    counts = ", ".join(f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict)
    assert by_title(small_view(by_class=by_class))["Matrix"].text == (
        f"6 nodes, 8 containers, 30 ordered pairs. Of the containers' {verdicts.total()} "
        f"migrations (of a node without any, the node's alone): {counts} (the kernel's verdicts)"
    )


def test_the_headline_says_what_counts_and_what_is_waived() -> None:
    one = View(gather_fleet(small_nodes()), ("vendor-differs",), is_strict=True)
    assert by_title(one)["Matrix"].text.endswith(" (ours counted in; waived: vendor-differs)")


def test_pairs_say_what_becomes_of_each_container() -> None:
    spelled = {
        (row[0], destination, container): (row[3], row[4])
        for row in by_title(small_view())["Pairs"].rows
        for destination in row[1].split(", ")
        for container in row[2].split()
    }
    assert spelled == all_judged()


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
    traits = structs.replace(first.traits, cpu=fleet.cpus[0]._replace(vendor=""))
    classes = (structs.replace(first, traits=traits), *fleet.classes[1:])
    odd = fleet._replace(classes=classes)
    assert by_title(View(odd, is_by_class=True))["Classes of nodes"].rows[0][3] == "ia64"


def test_pairs_of_classes_say_how_many_containers_can_go() -> None:
    nodes = node("a", "1:fpu", "2"), node("b", "3", words=WEAK), node("c", "4:fpu", "5")
    rows = by_title(view(*nodes, by_class=True))["Pairs of classes"].rows
    assert rows[0] == ("0", "possible", "possible", "0")
    assert rows[1][:2] == ("0", "2 possible, 2 not possible")
    assert rows[2] == ("1", "possible", "possible", "0")


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


def table_on(stream: io.StringIO | None, one: View) -> str:
    return "".join(table_text(one, stream))


def test_a_table_has_colour_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("NO_COLOR", raising=False)
    plain, coloured = table_on(io.StringIO(), small_view()), table_on(Terminal(), small_view())
    assert not SGR.search(plain)
    assert "\x1b[32mpossible" in coloured
    assert "\x1b[1;31mnot possible" in coloured
    assert "\x1b[33munknown" in coloured
    assert SGR.sub("", coloured).split() == plain.split()


def test_a_terminal_is_told_nothing_but_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    text = SGR.sub("", table_on(Terminal(), hostile_view()))
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_a_cell_is_text_and_nothing_else() -> None:
    assert "[bold]not[/bold] :smile:" in table_on(None, hostile_view())


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
    assert "## Islands: no migration in or out is possible\n\nnone\n" in text


# In full


def test_every_pair_is_a_line() -> None:
    lines = [json.loads(line) for line in text_of(json_lines, small_view()).splitlines()]
    assert [(line["source"], line["destination"]) for line in lines] == list(permutations(NAMES, 2))
    for line in lines:
        found = judged(line["source"], line["destination"])
        spelled = {
            ctid: (outcome["kernel"]["verdict"], outcome["ours"]["verdict"])
            for outcome in line["outcomes"]
            for ctid in outcome["containers"]
        }
        assert spelled == {
            ctid: (one.kernel.verdict.value, one.ours.verdict.value) for ctid, one in found.items()
        }


def test_a_line_has_the_codes_of_what_counts() -> None:
    nodes = node("a", "1:fpu", release=OLD), node("b", release=OLD, words=without("rdrand"))
    one = View(gather_fleet(nodes), ("instructions-missing",), is_strict=True)
    line = json.loads(text_of(json_lines, one).splitlines()[0])
    assert line["verdict"] == "possible"
    assert line["outcomes"][0]["ours"] == {"verdict": "possible", "codes": ["instructions-missing"]}
    assert line["outcomes"][0]["kernel"] == {"verdict": "possible", "codes": []}


def test_rows_come_as_they_are_made() -> None:
    chunks = json_lines(small_view())
    assert len(next(chunks).splitlines()) == 5
