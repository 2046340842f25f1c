"""A matrix in words: titles and tables, as Markdown.

Sources and destinations with the same outcome are written together.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Struct

from simulator.fleets.fleet import Group
from simulator.fleets.matrix import Alike, Pair
from simulator.fleets.routes import Router, Ways
from simulator.fleets.survey import Survey
from simulator.reports.check_report import engine_words
from simulator.reports.view import (
    View,
    container_words,
    counts_words,
    first_nodes,
    labels_words,
)
from simulator.verdicts.verdict import Outcome
from vzcptcheck.processors import format_ranges

#: How many nodes of a class, and how many of the best destinations by class, are named.
_NAMED = 4


#: What may mean something to Markdown: with a backslash before it, it is itself.
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]<>#!|~&@$])")


class Section(Struct, frozen=True):
    """A table with a title; without rows it is a paragraph."""

    title: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text: str = "none"


def markdown_text(view: View) -> Iterator[str]:
    """Yield each section as it is made."""
    for section in sections(view):
        yield f"## {_escape(section.title)}\n\n"
        if not section.rows:
            yield f"{_escape(section.text)}\n\n"
            continue
        yield _markdown_row(section.columns)
        yield _markdown_row("---" for _ in section.columns)
        for row in section.rows:
            yield _markdown_row(map(_escape, row))
        yield "\n"


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _escape(text: str) -> str:
    return _PUNCTUATION.sub(r"\\\1", text)


def sections(view: View) -> Iterator[Section]:
    """Yield the sections of a matrix, the summary first."""
    survey = Survey(view.matrix, restore_only=view.restore_only)
    pairs = chain.from_iterable(survey.watch(view.matrix.rows()))
    parts = pair_sections(view, pairs)
    yield Section("Matrix", text=headline(view, survey.tally))
    yield from parts
    yield _one_way(view, survey.ways)
    yield _islands(view, survey.ways)
    yield _destinations(view)


def pair_sections(view: View, pairs: Iterable[Pair]) -> list[Section]:
    """Return the sections that list every pair; by class, what these are before them."""
    if view.is_by_class:
        return [_classes(view), container_classes(view), _class_pairs(view, pairs)]
    return [_node_pairs(view, pairs)]


def headline(view: View, tally: Counter[Outcome]) -> str:
    """Say how many nodes, containers and pairs there are, and what their migrations come to."""
    members = view.fleet.members
    containers = sum(len(member.containers) for member in members)
    counts = ", ".join(f"{tally[outcome]} {outcome.value}" for outcome in Outcome)
    left_out = "; programs left out" if view.restore_only else ""
    waived = f"; waived: {' '.join(view.matrix.waived)}" if view.matrix.waived else ""
    engine = "".join(f". {words}" for words in engine_words(view.fleet.engine))
    return (
        f"{len(members)} nodes, {containers} containers, {len(members) * (len(members) - 1)} "
        f"ordered pairs. Of the containers' {tally.total()} migrations (of a node without any, the "
        f"node's alone): {counts}{left_out}{waived}{engine}"
    )


# Node by node


def _node_pairs(view: View, pairs: Iterable[Pair]) -> Section:
    """List pairs; destinations to which all goes alike share a row."""
    columns = ("source", "destinations", "containers", "outcome", "because")
    rows: dict[tuple[int, tuple[Alike, ...]], list[Pair]] = {}
    for pair in pairs:
        migrations = view.matrix.alike(pair.source, pair.destination)
        rows.setdefault((pair.source.number, migrations), []).append(pair)
    return Section(
        "Pairs",
        columns,
        rows=tuple(
            (
                view.name(pairs_alike[0].source),
                ", ".join(view.name(pair.destination) for pair in pairs_alike),
                *_migration_cells(view, one),
            )
            for (_, migrations), pairs_alike in rows.items()
            for one in migrations
        ),
    )


def _migration_cells(view: View, alike: Alike) -> tuple[str, ...]:
    because = filter(None, map(view.why, (alike.restore, alike.programs)))
    return labels_words(alike.labels), view.outcome(alike).value, "; ".join(because)


# Class by class


def _classes(view: View) -> Section:
    columns = ("class", "nodes", "named", "vendor", "kernel")
    classes = view.fleet.classes
    return Section(
        "Classes of nodes",
        columns,
        rows=tuple(
            (
                str(group.number),
                str(len(group.nodes)),
                first_nodes(group, _NAMED),
                classes[group.node_class].traits.cpu.vendor or "ia64",
                classes[group.node_class].traits.kernel.words,
            )
            for group in view.matrix.groups
        ),
    )


def container_classes(view: View) -> Section:
    """List the classes that containers fall into."""
    counts = Counter(
        container for member in view.fleet.members for _, container in member.containers
    )
    return Section(
        "Classes of containers",
        ("class", "containers", "what they are"),
        rows=tuple(
            (str(number), str(counts[number]), container_words(container))
            for number, container in enumerate(view.fleet.containers)
        ),
    )


def _class_pairs(view: View, pairs: Iterable[Pair]) -> Section:
    """List for each class how many of its containers can go to which classes."""
    columns = ("source", "outcome", "to classes")
    rows: dict[tuple[int, str], list[int]] = {}
    for pair in pairs:
        counts = pair.summary.outcomes(restore_only=view.restore_only)
        key = pair.source.number, counts_words(counts)
        rows.setdefault(key, []).append(pair.destination.number)
    return Section(
        "Pairs of classes",
        columns,
        rows=tuple(
            (str(source), outcome, ranges(destinations))
            for (source, outcome), destinations in rows.items()
        ),
    )


# Ways


def _one_way(view: View, ways: Ways) -> Section:
    rows = []
    for source in view.matrix.groups:
        destinations = ways.one_way(source)
        if destinations:
            rows.append((view.name(source), names(view, destinations)))
    return Section(
        "One-way: something can go there safely, and nothing back", ("from", "to"), rows=tuple(rows)
    )


def _islands(view: View, ways: Ways) -> Section:
    named = ", ".join(view.name(group) for group in ways.islands())
    return Section("Islands: no migration in or out is safe", text=named or "none")


def _destinations(view: View) -> Section:
    router = Router(view.matrix, restore_only=view.restore_only)
    columns = ("source", "containers", "can go to, best first")
    return Section(
        "Destinations",
        columns,
        rows=tuple(
            (view.name(source), labels_words(route.labels), best(view, route.destinations))
            for source in view.matrix.groups
            for route in router.routes(source)
        ),
    )


def best(view: View, numbers: tuple[int, ...]) -> str:
    """Name destinations, best first: all nodes, or the first few classes."""
    if not numbers:
        return "nowhere"
    if not view.is_by_class:
        return ", ".join([view.name(view.matrix.groups[number]) for number in numbers])
    more = len(numbers) - _NAMED
    named = " ".join(map(str, numbers[:_NAMED]))
    return f"{named} and {more} more" if more > 0 else named


def names(view: View, groups: Iterable[Group]) -> str:
    """Name groups: nodes by their names, classes by their numbers."""
    if view.is_by_class:
        return ranges(group.number for group in groups)
    return ", ".join(map(view.name, groups))


def ranges(numbers: Iterable[int]) -> str:
    """Write ascending numbers as in 1-3 5."""
    return format_ranges(numbers).replace(",", " ")
