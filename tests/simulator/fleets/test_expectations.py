"""Kept matrices: what is kept, read back as written, and what has changed in between."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from simulator.errors import UserError
from simulator.fleets.expectation_changes import Comparison, compare, compare_nodes, kind_of
from simulator.fleets.expectation_text import format_expectation, parse_expectation
from simulator.fleets.expectations import Expectation, Kept, expect, keep
from simulator.fleets.fleet import gather_fleet, group_by_class
from simulator.fleets.matrix import Matrix
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Opinion, Outcome, Reason, Verdict, Weight
from support.simulated_nodes import OLD, WEAK, node, small_nodes

UNKNOWN = Kept(Verdict.UNKNOWN, ("surely-new",))


def expected(*nodes: NodeProfile, waived: tuple[str, ...] = ()) -> Expectation:
    fleet = gather_fleet(nodes)
    return expect(Matrix(fleet, group_by_class(fleet), waived))


def small_expectation() -> Expectation:
    return expected(*small_nodes())


def said(expectation: Expectation) -> dict[tuple[str, str, int | None], tuple[Kept, Kept]]:
    """Spell out what is said of each pair and container."""
    return {
        (source, destination, ctid): (
            expectation.restore_opinion(one, other, container),
            expectation.programs_opinion(one, other, container),
        )
        for source, one in expectation.nodes.items()
        for destination, other in expectation.nodes.items()
        if source != destination
        for ctid, container in one.migrations.items()
    }


# What is kept


def test_remarks_are_not_kept_and_waived_reasons_are_marked() -> None:
    opinion = Opinion(
        (
            Reason("zebra", Weight.REFUSES, feature="one"),
            Reason("zebra", Weight.REFUSES, feature="other"),
            Reason("remark", Weight.REMARK),
            Reason("waived", Weight.REFUSES, is_waived=True),
            Reason("apple", Weight.UNKNOWN),
        )
    )
    kept = keep(opinion)
    assert kept == Kept(Verdict.NOT_POSSIBLE, ("apple", "zebra", "~waived"))
    assert str(kept) == "not possible (apple zebra ~waived)"
    assert str(keep(Opinion())) == "possible"


@pytest.mark.parametrize("waived", [(), ("instructions-missing",)])
def test_what_is_kept_is_what_is_said_of_each_migration(waived: tuple[str, ...]) -> None:
    nodes = small_nodes()
    spelled = {}
    for source in nodes:
        for destination in nodes:
            if source is not destination:
                for one in NodePair(source, destination, waived).judge_all():
                    opinions = keep(one.judgement.restore), keep(one.judgement.programs)
                    spelled[source.name, destination.name, one.ctid] = opinions
    assert said(expected(*nodes, waived=waived)) == spelled


def test_names_of_classes_do_not_depend_on_who_else_is_there() -> None:
    one, other = (
        expected(node("a"), node("b", words=WEAK)),
        expected(node("0"), node("b", words=WEAK)),
    )
    assert one.nodes["b"] == other.nodes["b"]


# As text


def parsed(text: str) -> Expectation:
    return parse_expectation(text, "kept.tsv")


def refused(text: str) -> str:
    with pytest.raises(UserError) as caught:
        parsed(text)
    assert str(caught.value).startswith("kept.tsv: line ")
    return str(caught.value).removeprefix("kept.tsv: line ")


def small_text() -> str:
    return format_expectation(small_expectation())


def test_what_is_written_is_read_back() -> None:
    assert parsed(small_text()) == small_expectation()


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True))
def test_names_of_nodes_are_any_text(names: list[str]) -> None:
    expectation = expected(*(structs.replace(node("x", "1:fpu"), name=name) for name in names))
    text = format_expectation(expectation)
    assert text.isascii()
    assert text.isprintable() or set(text) <= {*map(chr, range(32, 127)), "\t", "\n"}
    assert parsed(text) == expectation


def test_half_a_surrogate_is_a_name_too() -> None:
    expectation = expected(structs.replace(node("x"), name="a\udcff"), node("b"))
    assert parsed(format_expectation(expectation)) == expectation


def test_a_line_is_a_node_or_a_verdict() -> None:
    first, *lines = (line.split("\t") for line in small_text().splitlines())
    assert first == ["# vzcptsim matrix, kept by --update; format 2"]
    nodes = [line[1] for line in lines if line[0] == "node"]
    assert nodes == ["bare", "old", "shut", "strong", "twin", "weak"]
    assert {line[0] for line in lines} == {"cpus", "restore", "makes", "node"}


def test_a_node_more_leaves_the_lines_of_others() -> None:
    before = set(small_text().splitlines())
    after = format_expectation(expected(*small_nodes(), node("another", "7:fpu"))).splitlines()
    assert before < set(after)
    assert len(after) == len(before) + 1


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("format 2", "format 1", "1: the first line is not "),
        ("node\tbare", "nodes\tbare", "2: 'nodes' is none of node, restore, makes, cpus"),
        ("node\tbare\t", "node\tbare ", "2: 4 columns, not 5, apart by tabs"),
        ("node\tbare", "node\tb\xe4r", "2: a character that --update does not write"),
        ("node\tbare", "node\tba\x1bre", "2: a character that --update does not write"),
        ("042stab107/cptrst", "042stab107/cpt?", "2: '042stab107/cpt?/64/"),
        ("node\tbare", 'node\tba"re', "2: 'ba\"re' is no name as JSON spells it"),
        ("401=", "0=", "3: '0=running/"),
        ("node\told", "node\tzebra", "3: the line is not as, or not where, --update writes it"),
        ("node\told", "node\tbare", "2: the line is not as, or not where, --update writes it"),
    ],
)
def test_a_line_that_is_wrong_is_told(old: str, new: str, problem: str) -> None:
    text = small_text()
    assert old in text
    assert refused(text.replace(old, new, 1)).startswith(problem)


def changed_line(kind: str, column: int, change: Any) -> tuple[int, str]:
    """Change a column of the first line of a kind, and return its number and the text."""
    lines = small_text().split("\n")
    number = next(number for number, line in enumerate(lines) if line.startswith(f"{kind}\t"))
    columns = lines[number].split("\t")
    columns[column] = change(columns[column])
    lines[number] = "\t".join(columns)
    return number + 1, "\n".join(lines)


@pytest.mark.parametrize(
    ("kind", "column", "change", "problem"),
    [
        ("restore", 3, lambda _: "maybe", "'maybe' is no verdict: possible, not-possible, unknown"),
        ("restore", 3, lambda _: "possible:", "'possible:' is no verdict: "),
        ("restore", 3, lambda _: "possible:A", "'possible:A' is no verdict: "),
        ("cpus", 4, lambda names: f"{names} {names}", "a second verdict for "),
        ("node", 3, lambda _: "cpu", "'cpu' is no CPU"),
    ],
)
def test_a_column_that_is_wrong_is_told(kind: str, column: int, change: Any, problem: str) -> None:
    number, text = changed_line(kind, column, change)
    assert refused(text).startswith(f"{number}: {problem}")


@pytest.mark.parametrize("kind", ["restore", "makes", "cpus"])
def test_a_migration_of_which_nothing_is_said_is_told(kind: str) -> None:
    lines = [line for line in small_text().split("\n") if not line.startswith(f"{kind}\t")]
    assert refused("\n".join(lines)).startswith("2: nothing is said of (")


def test_something_that_is_said_of_nobody_is_told() -> None:
    text = format_expectation(expected(node("a", "1:fpu"), node("b", release=OLD)))
    assert ": nothing is said of (" in refused(text.replace("makes\t", "makes\tx", 1))


@pytest.mark.parametrize(
    ("text", "number"), [("", 1), ("\n", 1), ("# vzcptsim matrix, kept by --update; format 2", 2)]
)
def test_an_empty_file_is_no_kept_matrix(text: str, number: int) -> None:
    assert refused(text).startswith(f"{number}: ")


@given(st.data())
def test_a_line_less_is_told(data: st.DataObject) -> None:
    lines = small_text().split("\n")
    del lines[data.draw(st.integers(0, len(lines) - 1))]
    try:
        kept = parsed("\n".join(lines))
    except UserError:
        return
    # A node less is a matrix too.
    assert len(kept.nodes) == len(small_nodes()) - 1


# Compared


def lines(comparison: Comparison) -> list[str]:
    found = list(comparison.lines())
    assert bool(comparison) is bool(found)
    return found


def test_a_matrix_is_as_it_was_kept() -> None:
    assert lines(compare(small_expectation(), parsed(small_text()))) == []


def test_a_change_is_told_with_its_reasons() -> None:
    nodes = node("a", "1:fpu", "2:fpu", "3:stopped"), node("b", "4")
    after = node("a", "1:fpu", "2:fpu", "3:stopped"), node("b", "4", ipv6=False)
    assert lines(compare(expected(*nodes), expected(*after))) == [
        "worse: a to b, containers 1 2: restore: possible -> not possible (destination-ipv6)"
    ]
    assert lines(compare(expected(*after), expected(*nodes))) == [
        "better: a to b, containers 1 2: restore: not possible (destination-ipv6) -> possible"
    ]


def test_changed_reasons_are_a_change_where_the_verdict_is_the_same() -> None:
    before = expected(node("a", "1:entered"), node("b"))
    after = expected(node("a", "1:entered"), node("b", ipv6=False))
    assert lines(compare(before, after)) == [
        "other reasons: a to b, containers 1: restore: not possible (container-entered) -> "
        "not possible (container-entered destination-ipv6)"
    ]


def test_programs_are_told_beside_restore() -> None:
    before, after = expected(node("a"), node("b")), expected(node("a"), node("b", words=WEAK))
    (line,) = lines(compare(before, after))
    assert line.startswith(
        "worse: a to b, containers any: programs: possible -> not possible (instructions-"
    )


def test_a_changed_source_changes_what_leaves_it() -> None:
    before = expected(node("a", "1:fpu", "2"), node("b"), node("c"))
    after = expected(
        node("a", "1:fpu", "2", words=WEAK, modules=frozenset({"vzrst"})), node("b"), node("c")
    )
    assert [line.split(": ")[1] for line in lines(compare(before, after))] == [
        "a to b, containers 1 2",
        "a to c, containers 1 2",
        "b to a, containers any",
        "c to a, containers any",
    ]


def test_nodes_and_containers_that_appear_and_vanish_are_told() -> None:
    before = expected(node("a", "1", "2"), node("b", "3"), node("gone\x1b"))
    after = expected(node("a", "1"), node("b", "3", "4"), node("new"))
    assert lines(compare(before, after)) == [
        "node new has appeared, with all of its pairs",
        "node gone\\x1b has vanished, with all of its pairs",
        "container 4 of node b has appeared",
        "container 2 of node a has vanished",
    ]


def test_the_nodes_alone_are_compared_where_there_are_no_containers_before_and_after() -> None:
    before = expected(node("a"), node("b"))
    assert lines(compare(before, expected(node("a", "1"), node("b")))) == [
        "container 1 of node a has appeared"
    ]
    assert lines(compare(before, expected(node("a"), node("b", modules=frozenset({"vzcpt"}))))) == [
        "worse: a to b, containers any: restore: possible -> unknown (module-missing)"
    ]


SAFE, RISKY, REFUSED, MAYBE = Outcome.SAFE, Outcome.RISKY, Outcome.REFUSED, Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (SAFE, RISKY, "worse"),
        (SAFE, REFUSED, "worse"),
        (SAFE, MAYBE, "worse"),
        (RISKY, REFUSED, "worse"),
        (RISKY, SAFE, "better"),
        (REFUSED, SAFE, "better"),
        (MAYBE, SAFE, "better"),
        (REFUSED, RISKY, "better"),
        (RISKY, MAYBE, "changed"),
        (REFUSED, MAYBE, "changed"),
        (MAYBE, RISKY, "changed"),
        (MAYBE, REFUSED, "changed"),
        (SAFE, SAFE, "other reasons"),
    ],
)
def test_worse_is_what_was_safe_or_becomes_refused(old: Outcome, new: Outcome, kind: str) -> None:
    assert kind_of(old, new).value == kind


def test_pairs_of_nodes_are_compared_whatever_containers_they_have() -> None:
    before = expected(node("a", "1:fpu", "2"), node("b"))
    moved = expected(node("a", "3:fpu"), node("b", "4"))
    assert lines(compare_nodes(before, moved)) == []
    worse = compare_nodes(before, expected(node("a", "3:fpu"), node("b", "4", ipv6=False)))
    assert lines(worse) == ["worse: a to b: safe -> refused"]
    assert worse.worse == {("a", "b")}


def test_where_restore_alone_counts_a_risk_is_not_worse() -> None:
    before, after = expected(node("a"), node("b")), expected(node("a"), node("b", words=WEAK))
    assert compare(before, after).worse == {("a", "b")}
    assert compare(before, after, restore_only=True).worse == set()
    assert lines(compare_nodes(before, after, restore_only=True)) == []


@given(st.data())
def test_any_change_of_what_is_said_is_found_and_no_other(data: st.DataObject) -> None:
    old = small_expectation()
    table = data.draw(st.sampled_from(["restore", "makes", "cpus"]))
    key = data.draw(st.sampled_from(sorted(getattr(old, table))))
    new = old._replace(**{table: {**getattr(old, table), key: UNKNOWN}})
    before, after = said(old), said(new)
    found = {
        (change.source, change.destination, ctid): (change.old, change.new)
        for change in compare(old, new).changes
        for ctid in change.ctids
    }
    assert found == {one: (before[one], after[one]) for one in before if before[one] != after[one]}


def test_the_fleet_of_these_tests_has_everything() -> None:
    verdicts = {
        kept.verdict for opinions in said(small_expectation()).values() for kept in opinions
    }
    assert verdicts == set(Verdict)
    assert len(gather_fleet(small_nodes()).classes) == 4
