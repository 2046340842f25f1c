"""What differs between two nodes: the verdicts that change, then each fact."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec import Struct

from simulator.fleets.changes import Change
from simulator.fleets.diff import Diff, VerdictChange, deciding
from simulator.reports.check_report import (
    FORMAT,
    code_documents,
    engine_document,
    engine_words,
    format_document,
    name_containers,
    reason_document,
)
from simulator.reports.terminal import HEADING, Line, line, styled_word
from simulator.verdicts.verdict import Opinion, Reason, Verdict

#: Of these there may be many, and nothing is said of each but that it came, or that it is gone.
_MANY = frozenset({"flag", "container"})


class _OpinionChange(Struct, frozen=True):
    """A changed verdict: towards which node, on what, as it was and is, and their reasons."""

    way: str
    about: str
    old: Verdict
    new: Verdict
    gone: tuple[Reason, ...]
    come: tuple[Reason, ...]


def diff_lines(diff: Diff) -> Iterator[Line]:
    """Write a difference for people."""
    yield line(0, (_summary(diff), HEADING))
    if diff.nodes:
        yield line(0, (_verdicts_summary(diff), HEADING))
        yield from (line(0, words) for words in engine_words(diff.engine))
        yield from _verdict_lines(diff.verdicts)
    for parts, changes in _alike(diff.changes):
        yield line(2, (_title(parts), HEADING))
        for change in changes:
            yield line(4, change)


def _alike(changes: Iterable[Change]) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Group parts (mostly containers) that have the same changes."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for part, members in groupby(changes, key=lambda change: change.part):
        parts.setdefault(tuple(_changes(members)), []).append(part)
    for lines, names in parts.items():
        yield names, lines


def _title(parts: Sequence[str]) -> str:
    """Name parts; several are containers, named together."""
    if len(parts) == 1:
        return parts[0]
    return name_containers([int(part.removeprefix("container ")) for part in parts])


def _summary(diff: Diff) -> str:
    parts = (change.part for change in diff.changes)
    counts = Counter("containers" if one.startswith("container ") else one for one in parts)
    found = ", ".join(f"{part} {count}" for part, count in counts.items())
    counted = f" ({found})" if len(counts) > 1 else ""
    return f"{diff.old} to {diff.new}: {_count(len(diff.changes), 'difference')}{counted}"


def _verdicts_summary(diff: Diff) -> str:
    count = _count(len(diff.verdicts), "migration")
    waived = f" but for {', '.join(diff.waived)}" if diff.waived else ""
    counted = "on restore alone" if diff.restore_only else f"on restore and programs{waived}"
    nodes = _count(len(diff.nodes), "node")
    return f"with {nodes}, verdicts change of {count}, {counted}"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _changes(changes: Iterable[Change]) -> Iterator[str]:
    """Write changes; flags or containers that came, or that are gone, on one line."""
    for (name, _, is_gone), alike in groupby(changes, key=_kind):
        if name in _MANY:
            sign, which = ("-", "old") if is_gone else ("+", "new")
            yield f"{sign} {name}s: {' '.join(getattr(one, which) for one in alike)}"
        else:
            yield from map(_change, alike)


def _kind(change: Change) -> tuple[str, bool, bool]:
    return change.name, change.old is None, change.new is None


def _change(change: Change) -> str:
    what = "  ".join(text for text in (change.name, change.place) if text)
    if change.old is None:
        return f"+ {what}: {change.new}"
    if change.new is None:
        return f"- {what}: {change.old}"
    return f"{what}: {change.old} -> {change.new}"


def _verdict_lines(verdicts: Iterable[VerdictChange]) -> Iterator[Line]:
    """List changed verdicts; containers with the same change share a line."""
    groups: dict[_OpinionChange, list[int]] = {}
    for one in verdicts:
        for turn in _opinion_changes(one):
            members = groups.setdefault(turn, [])
            members += [] if one.ctid is None else [one.ctid]
    for turn, ctids in groups.items():
        yield line(
            2,
            f"{turn.way}, {name_containers(ctids)}, {turn.about}: ",
            styled_word(turn.old.value),
            " -> ",
            styled_word(turn.new.value),
        )
        yield from _reason_lines("-", turn.gone)
        yield from _reason_lines("+", turn.come)


def _opinion_changes(change: VerdictChange) -> Iterator[_OpinionChange]:
    """Yield the verdicts that change."""
    way = f"{'to' if change.is_source else 'from'} {change.node}"
    opinions = (
        ("restore", change.old.restore, change.new.restore),
        ("programs", change.old.programs, change.new.programs),
    )
    for about, old, new in opinions:
        if old.verdict is not new.verdict:
            reasons = deciding(old, new), deciding(new, old)
            yield _OpinionChange(way, about, old.verdict, new.verdict, *reasons)


def _reason_lines(sign: str, reasons: Iterable[Reason]) -> Iterator[Line]:
    """Write reasons, each code once with all its features."""
    features: dict[str, list[str]] = {}
    for reason in reasons:
        features.setdefault(reason.code, []).append(reason.feature)
    for code, found in features.items():
        yield line(4, f"{sign} {code}: {' '.join(found)}" if any(found) else f"{sign} {code}")


# As JSON


def format_diff(diff: Diff) -> str:
    """Write a difference as JSON; schema/diff.schema.json is its shape."""
    opinions = [
        pair
        for change in diff.verdicts
        for pair in zip(change.old, change.new, strict=True)
        if pair[0].verdict is not pair[1].verdict
    ]
    reasons = [
        reason
        for one, other in opinions
        for reason in (*deciding(one, other), *deciding(other, one))
    ]
    return format_document(
        {
            "format": FORMAT,
            "old": diff.old,
            "new": diff.new,
            **engine_document(diff.engine),
            "restore_only": diff.restore_only,
            "waived": list(diff.waived),
            "matters": diff.matters,
            "changes": [
                {key: getattr(change, key) for key in ("part", "name", "place", "old", "new")}
                for change in diff.changes
            ],
            "nodes": list(diff.nodes),
            "verdicts": list(map(_verdict_change, diff.verdicts)),
            "codes": code_documents(reasons),
        }
    )


def _verdict_change(change: VerdictChange) -> dict[str, Any]:
    return {
        "node": change.node,
        "changed_node_is": "source" if change.is_source else "destination",
        "container": change.ctid,
        "restore": _opinions(change.old.restore, change.new.restore),
        "programs": _opinions(change.old.programs, change.new.programs),
    }


def _opinions(old: Opinion, new: Opinion) -> dict[str, Any]:
    """Return both verdicts and, if they differ, the reasons."""
    is_other = old.verdict is not new.verdict
    return {
        "old": old.verdict.value,
        "new": new.verdict.value,
        "gone": list(map(reason_document, deciding(old, new))) if is_other else [],
        "come": list(map(reason_document, deciding(new, old))) if is_other else [],
    }
