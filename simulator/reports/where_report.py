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
    main_reason,
    override_command_lines,
    verdict_document,
)
from simulator.reports.terminal import DIM, HEADING, Line, line, styled_word
from simulator.verdicts.verdict import Outcome


def search_lines(search: Search) -> Iterator[Line]:
    """Write what was found, the best first."""
    moved = "any container" if search.ctid is None else f"container {search.ctid}"
    yield line(0, (f"{moved} of {search.source}", HEADING))
    yield line(0, _counts(search))
    if search.waived:
        yield line(0, f"waived: {', '.join(search.waived)}")
    yield line(0)
    width = max(len(one.outcome.value) for one in search.destinations) + 2
    for destination in search.destinations:
        gap = " " * (width - len(destination.outcome.value))
        yield line(0, styled_word(destination.outcome.value), gap, (destination.name, HEADING))
        if destination.outcome is not Outcome.SAFE:
            yield from _reason_lines(destination, search, width)


def _counts(search: Search) -> str:
    counts = Counter(one.outcome for one in search.destinations)
    found = ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
    nodes = f"{sum(counts.values())} node{'s' if len(search.destinations) > 1 else ''}"
    return f"to {nodes}: {found}{', by restore alone' if search.restore_only else ''}"


def _reason_lines(destination: Destination, search: Search, indent: int) -> Iterator[Line]:
    """Write why, and the first remedy that works."""
    judgement = destination.migration.judgement
    yield line(indent, main_reason(judgement, restore_only=search.restore_only))
    counted = judgement.counted(restore_only=search.restore_only)
    yield line(indent, (", ".join(dict.fromkeys(reason.code for reason in counted)), DIM))
    remedy = destination.remedy
    if remedy is not None:
        yield line(
            indent, f"Helps: {remedy.remedy.action} Then ", styled_word(remedy.outcome.value), "."
        )
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
