"""Where a container can go: for people, with why and what helps; and as JSON."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from simulator.fleets.destinations import Destination, Search
from simulator.reports.check_report import (
    FORMAT,
    code_documents,
    engine_document,
    engine_words,
    format_document,
    help_document,
    main_reason,
    override_command_lines,
    said_words,
    verdict_document,
)
from simulator.reports.terminal import DIM, HEADING, Line, line, styled_word
from simulator.verdicts.verdict import Outcome


def search_lines(search: Search) -> Iterator[Line]:
    """Write what was found, the best first."""
    moved = "any container" if search.ctid is None else f"container {search.ctid}"
    yield line(0, (f"{moved} of {search.source}", HEADING))
    yield line(0, _counts(search))
    yield from (line(0, words) for words in engine_words(search.engine))
    if search.waived:
        yield line(0, f"waived: {', '.join(search.waived)}")
    yield line(0)
    width = max(len(one.outcome.value) for one in search.destinations) + 2
    for alike in _alike(search):
        for one in alike:
            gap = " " * (width - len(one.outcome.value))
            yield line(0, styled_word(one.outcome.value), gap, (one.name, HEADING))
        if alike[0].outcome is not Outcome.SAFE:
            yield from _reason_lines(alike, search, width)


def _counts(search: Search) -> str:
    counts = Counter(one.outcome for one in search.destinations)
    found = ", ".join(f"{counts[one]} {one.value}" for one in Outcome if counts[one])
    nodes = f"{sum(counts.values())} node{'s' if len(search.destinations) > 1 else ''}"
    return f"to {nodes}: {found}{', by restore alone' if search.restore_only else ''}"


def _alike(search: Search) -> list[list[Destination]]:
    """Group destinations that the same is said of, each group where its best stands."""
    groups: dict[tuple[str, ...], list[Destination]] = {}
    for one in search.destinations:
        said: tuple[str, ...] = (one.outcome.value,)
        if one.outcome is not Outcome.SAFE:
            said += _because(one, search)
        if one.remedy is not None:
            action, lines = one.remedy.remedy.action, one.remedy.remedy.lines
            said += action.replace(one.name, ""), lines, one.remedy.outcome.value
        groups.setdefault(said, []).append(one)
    return list(groups.values())


def _because(destination: Destination, search: Search) -> tuple[str, ...]:
    """Say why it is not safe, by which codes, and what the engine says."""
    judgement = destination.migration.judgement
    counted = judgement.counted(restore_only=search.restore_only)
    codes = ", ".join(dict.fromkeys(reason.code for reason in counted))
    main = main_reason(judgement, restore_only=search.restore_only)
    return main, codes, *said_words(counted)


def _reason_lines(alike: list[Destination], search: Search, indent: int) -> Iterator[Line]:
    """Write why, and the first remedy that works."""
    reason, codes, *said = _because(alike[0], search)
    yield line(indent, reason)
    yield line(indent, (codes, DIM))
    yield from (line(indent, words) for words in said)
    remedy = alike[0].remedy
    if remedy is not None:
        helps = "Helps" if len(alike) == 1 else "Helps, on each alike"
        then = "Then still" if remedy.outcome is alike[0].outcome else "Then"
        action = f"{helps}: {remedy.remedy.action} {then} "
        yield line(indent, action, styled_word(remedy.outcome.value), ".")
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
            **engine_document(search.engine),
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
