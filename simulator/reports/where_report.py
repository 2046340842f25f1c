"""Where a container can go: for people, with why and what helps; and as JSON."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from simulator.fleets.destinations import Destination, Search
from simulator.reports.check_report import (
    FORMAT,
    code_documents,
    format_document,
    help_document,
    override_command_lines,
    verdict_document,
)
from simulator.reports.terminal import HEADING, Line, line, styled_word
from simulator.reports.view import why
from simulator.verdicts.verdict import Outcome


def search_lines(search: Search) -> Iterator[Line]:
    """Write what was found, the best first."""
    yield line(0, (_headline(search), HEADING))
    if search.waived:
        yield line(2, f"waived: {', '.join(search.waived)}")
    width = max(len(one.outcome.value) for one in search.destinations)
    for destination in search.destinations:
        gap = " " * (width + 2 - len(destination.outcome.value))
        yield line(2, styled_word(destination.outcome.value), gap, destination.name)
        yield from _reason_lines(destination, 2 + width + 2)


def _headline(search: Search) -> str:
    moved = "any container" if search.ctid is None else f"container {search.ctid}"
    counts = Counter(one.outcome for one in search.destinations)
    found = ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
    alone = ", by restore alone" if search.restore_only else ""
    return f"{moved} of {search.source}, to {len(search.destinations)} nodes: {found}{alone}"


def _reason_lines(destination: Destination, indent: int) -> Iterator[Line]:
    """Write why, and the first remedy that works."""
    reasons = "; ".join(filter(None, map(why, destination.migration.judgement)))
    if reasons and destination.outcome is not Outcome.SAFE:
        yield line(indent, reasons)
    remedy = destination.remedy
    if remedy is not None:
        yield line(indent, f"{remedy.remedy.action} Then ", styled_word(remedy.outcome.value))
        if remedy.remedy.lines:
            yield from override_command_lines(remedy.remedy.lines, indent)


# As JSON


def format_search(search: Search) -> str:
    """Write a search; schema/where.schema.json is its shape."""
    return format_document(
        {
            "format": FORMAT,
            "source": search.source,
            "container": search.ctid,
            "restore_only": search.restore_only,
            "waived": list(search.waived),
            "outcome": search.outcome.value,
            "destinations": list(map(_destination, search.destinations)),
            "codes": code_documents(
                reason
                for one in search.destinations
                for opinion in one.migration.judgement
                for reason in opinion.reasons
            ),
        }
    )


def _destination(destination: Destination) -> dict[str, Any]:
    migration = destination.migration
    return {
        "node": destination.name,
        "outcome": destination.outcome.value,
        "restore": verdict_document(migration, migration.judgement.restore),
        "programs": verdict_document(migration, migration.judgement.programs),
        "remedies": list(map(help_document, migration.helps)),
    }
