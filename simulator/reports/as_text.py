"""A matrix for people: a grid first, then where containers can go, then what stands in the way."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TextIO

from simulator.fleets.fleet import Group
from simulator.fleets.matrix import Row
from simulator.fleets.routes import Route, Router, Ways
from simulator.fleets.survey import Survey
from simulator.reports.as_tables import (
    Section,
    best,
    container_classes,
    headline,
    names,
    pair_sections,
    ranges,
)
from simulator.reports.grid import Grid, counts, legend
from simulator.reports.terminal import (
    HEADING,
    STYLES,
    Line,
    Word,
    line,
    render,
    render_table,
    shows_signs,
    width_of,
)
from simulator.reports.view import MOST_NODES, View
from simulator.verdicts.codes import find_code
from simulator.verdicts.verdict import PARTLY, Outcome
from vzcptcheck.outcome import printable

#: How many destinations are named where not all are.
_NAMED = 4

_KINDS = {PARTLY, *(outcome.value for outcome in Outcome)}
_MORE = "--verbose has every destination and every pair; 'vzcptsim where' asks about one container."


def table_text(view: View, stream: TextIO | None, *, is_verbose: bool = False) -> Iterator[str]:
    """Yield the parts of a report as text for a stream: all of it, unless that is a terminal."""
    width = width_of(stream)
    is_whole = is_verbose or width is None
    survey = Survey(view.matrix, restore_only=view.restore_only)
    kinds: list[tuple[str, ...]] = []
    read = _noted(view, survey.watch(view.matrix.rows()), kinds)
    pairs = pair_sections(view, chain.from_iterable(read)) if is_whole else []
    deque(read, maxlen=0)
    yield render([line(0, headline(view, survey.tally)), line(0)], stream)
    is_plain = not shows_signs(stream)
    if kinds:
        yield render(_grid(view, kinds).lines(width, is_plain=is_plain), stream)
    else:
        rows = _count_rows(view, survey, is_plain=is_plain)
        yield render([line(0, *legend(_KINDS, is_plain=is_plain)), line(0)], stream)
        yield render_table(("class", "to how many nodes"), rows, stream)
    yield _titled("Where containers can go, the best destination first", stream)
    yield render(_destination_lines(view, is_whole=is_whole), stream)
    yield from _obstacles_text(survey, stream)
    yield from _ways_text(view, survey.ways, stream, is_whole=is_whole)
    if view.is_by_class and not is_whole:
        yield from _section_text(container_classes(view), stream)
    for section in pairs:
        yield from _section_text(section, stream)
    if not is_whole:
        yield render([line(0), line(0, _MORE)], stream)


def _titled(title: str, stream: TextIO | None) -> str:
    return render([line(0), line(0, (title, HEADING))], stream)


def _section_text(section: Section, stream: TextIO | None) -> Iterator[str]:
    yield _titled(section.title, stream)
    rows = [[(cell, STYLES.get(cell, "")) for cell in row] for row in section.rows]
    yield render_table(section.columns, rows, stream)


# The grid


def _noted(view: View, rows: Iterable[Row], kinds: list[tuple[str, ...]]) -> Iterator[Row]:
    """Hand rows on; note the kinds of their pairs for a grid, unless that would be too large."""
    for row in rows:
        if len(view.matrix.groups) <= MOST_NODES:
            of_summaries = {
                kind: summary.outcomes(restore_only=view.restore_only).kind
                for kind, summary in row.summaries.items()
            }
            of_row = [of_summaries[kind] for kind in row.kinds]
            if len(of_row) < len(view.matrix.groups):
                of_row.insert(row.source.number, "")
            kinds.append(tuple(of_row))
        yield row


def _grid(view: View, kinds: Iterable[tuple[str, ...]]) -> Grid:
    groups = view.matrix.groups
    first = 0 if view.is_by_class else 1
    return Grid(
        numbers=tuple(group.number + first for group in groups),
        names=tuple(printable(group.nodes[0]) for group in groups),
        more=tuple(len(group.nodes) - 1 for group in groups),
        kinds=tuple(kinds),
    )


def _count_rows(view: View, survey: Survey, *, is_plain: bool) -> Iterator[tuple[str, str]]:
    """Count, for each group, the nodes that its containers can go to, and cannot."""
    for group, kinds in zip(view.matrix.groups, survey.kinds, strict=True):
        more = f" +{len(group.nodes) - 1}" if len(group.nodes) > 1 else ""
        name = f"{group.number} {printable(group.nodes[0])}{more}"
        yield name, counts(kinds, is_plain=is_plain)


# Destinations


def _destination_lines(view: View, *, is_whole: bool) -> Iterator[Line]:
    router = Router(view.matrix, restore_only=view.restore_only)
    for source in view.matrix.groups:
        routes = router.routes(source)
        yield line(0, (view.name(source), HEADING))
        for route in routes:
            yield line(2, f"{_moved(view, route)}: ", _destinations(view, route, is_whole=is_whole))


def _moved(view: View, route: Route) -> str:
    """Name the containers that share a route."""
    labels = sorted(label for label in route.labels if label is not None)
    if not labels:
        return "any container"
    what = "class" if view.is_by_class else "container"
    plural = "" if len(labels) == 1 else "es" if view.is_by_class else "s"
    others = " and any other" if None in route.labels else ""
    return f"{what}{plural} {ranges(labels)}{others}"


def _destinations(view: View, route: Route, *, is_whole: bool) -> Word:
    if not route.destinations:
        return "nowhere", STYLES[Outcome.REFUSED.value]
    if is_whole or view.is_by_class:
        return best(view, route.destinations)
    return _named(view, [view.matrix.groups[number] for number in route.destinations])


def _named(view: View, groups: Sequence[Group]) -> str:
    """Name the first nodes, and count the others."""
    more = len(groups) - _NAMED
    named = ", ".join(map(view.name, groups[:_NAMED]))
    return f"{named} and {more} more" if more > 0 else named


# What stands in the way


def _obstacles_text(survey: Survey, stream: TextIO | None) -> Iterator[str]:
    obstacles = survey.obstacles()
    if obstacles:
        yield _titled("What stands in the way: how many migrations it stops, alone or not", stream)
        width = max(len("stops"), len(str(obstacles[0].migrations)))
        rows = [
            (
                one.code,
                f"{one.migrations:>{width}}",
                f"{one.alone:>{width}}",
                find_code(one.code).summary,
            )
            for one in obstacles
        ]
        yield render_table(("code", "stops", "alone", "what it is"), rows, stream)


def _ways_text(view: View, ways: Ways, stream: TextIO | None, *, is_whole: bool) -> Iterator[str]:
    name = names if is_whole or view.is_by_class else _named
    one_way = [(group, ways.one_way(group)) for group in view.matrix.groups]
    lines = [
        line(0, f"{view.name(group)} -> {name(view, others)}")
        for group, others in one_way
        if others
    ]
    if lines:
        yield _titled("One-way: something can go there safely, and nothing back", stream)
        yield render(lines, stream)
    islands = ways.islands()
    if islands:
        yield _titled("Islands: no migration in or out is safe", stream)
        yield render([line(0, ", ".join(map(view.name, islands)))], stream)
