"""What differs between two nodes, for people: each fact, then the verdicts that change."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from simulator.fleets.changes import Change
from simulator.fleets.diff import Diff
from simulator.fleets.verdict_changes import VerdictChange, deciding
from simulator.reports.migration_text import name_containers
from simulator.reports.terminal import HEADING, Line, line, verdict_word
from simulator.verdicts.verdict import Reason, Verdict


@dataclass(frozen=True, slots=True)
class _Turn:
    """An opinion that turns: with whom, whose it is, both verdicts, and what made it."""

    way: str
    whose: str
    old: Verdict
    new: Verdict
    gone: tuple[Reason, ...]
    come: tuple[Reason, ...]


def diff_lines(diff: Diff) -> Iterator[Line]:
    """Write a difference."""
    yield line(0, (_summary(diff), HEADING))
    for parts, changes in _alike(diff.changes):
        yield line(2, (_title(parts), HEADING))
        for change in changes:
            yield line(4, change)
    if diff.nodes:
        yield line(0)
        yield line(0, (_verdicts_summary(diff), HEADING))
        yield from _verdict_lines(diff.verdicts)


def _alike(changes: Iterable[Change]) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Yield what has changed, with the parts (mostly containers) that it has changed in."""
    parts: dict[tuple[str, ...], list[str]] = {}
    for part, members in groupby(changes, key=lambda change: change.part):
        parts.setdefault(tuple(map(_change, members)), []).append(part)
    for lines, names in parts.items():
        yield names, lines


def _title(parts: Iterable[str]) -> str:
    """Name parts; all but the first without the word: "container 101, 102"."""
    first, *others = parts
    return ", ".join([first, *(part.removeprefix("container ") for part in others)])


def _summary(diff: Diff) -> str:
    return f"{diff.old} to {diff.new}: {_count(len(diff.changes), 'difference')}"


def _verdicts_summary(diff: Diff) -> str:
    count = _count(len(diff.verdicts), "migration")
    waived = f" but for {', '.join(diff.waived)}" if diff.waived else ""
    ours = f"ours counted in{waived}" if diff.is_strict else "ours not counted without --strict"
    nodes = _count(len(diff.nodes), "node")
    return f"with {nodes}, verdicts change on {count} ({ours})"


def _count(number: int, what: str) -> str:
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def _change(change: Change) -> str:
    what = "  ".join(text for text in (change.name, change.place) if text)
    if change.old is None:
        return f"+ {what}: {change.new}"
    if change.new is None:
        return f"- {what}: {change.old}"
    return f"{what}: {change.old} -> {change.new}"


def _verdict_lines(verdicts: Iterable[VerdictChange]) -> Iterator[Line]:
    """Say what is the same for several containers once."""
    groups: dict[_Turn, list[int]] = {}
    for one in verdicts:
        for turn in _turns(one):
            members = groups.setdefault(turn, [])
            members += [] if one.ctid is None else [one.ctid]
    for turn, ctids in groups.items():
        yield line(
            2,
            f"{turn.way}, {name_containers(ctids)}, {turn.whose}: ",
            verdict_word(turn.old.value),
            " -> ",
            verdict_word(turn.new.value),
        )
        for reason in turn.gone:
            yield line(4, f"- {_name(reason)}")
        for reason in turn.come:
            yield line(4, f"+ {_name(reason)}")


def _turns(change: VerdictChange) -> Iterator[_Turn]:
    """Yield one for each opinion whose verdict changes."""
    way = f"{'to' if change.is_source else 'from'} {change.node}"
    opinions = (
        ("the kernel", change.old.kernel, change.new.kernel),
        ("ours", change.old.ours, change.new.ours),
    )
    for whose, old, new in opinions:
        if old.verdict is not new.verdict:
            reasons = deciding(old, new), deciding(new, old)
            yield _Turn(way, whose, old.verdict, new.verdict, *reasons)


def _name(reason: Reason) -> str:
    return "  ".join(text for text in (reason.code, reason.feature, reason.place) if text)
