"""What differs between two nodes as JSON; schema/diff.schema.json is its shape."""

from typing import Any

from simulator.fleets.changes import Change
from simulator.fleets.diff import Diff
from simulator.fleets.verdict_changes import VerdictChange, deciding
from simulator.reports.migration_json import (
    FORMAT,
    code_documents,
    format_document,
    reason_document,
)
from simulator.verdicts.verdict import Opinion


def format_diff(diff: Diff) -> str:
    """Write a difference."""
    opinions = [
        pair
        for change in diff.verdicts
        for pair in ((change.old.kernel, change.new.kernel), (change.old.ours, change.new.ours))
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
            "strict": diff.is_strict,
            "waived": list(diff.waived),
            "matters": diff.matters,
            "changes": list(map(_change, diff.changes)),
            "nodes": list(diff.nodes),
            "verdicts": list(map(_verdict_change, diff.verdicts)),
            "codes": code_documents(reasons),
        }
    )


def _change(change: Change) -> dict[str, Any]:
    return {
        "part": change.part,
        "name": change.name,
        "place": change.place,
        "old": change.old,
        "new": change.new,
    }


def _verdict_change(change: VerdictChange) -> dict[str, Any]:
    return {
        "node": change.node,
        "changed_node_is": "source" if change.is_source else "destination",
        "container": change.ctid,
        "kernel": _opinions(change.old.kernel, change.new.kernel),
        "ours": _opinions(change.old.ours, change.new.ours),
    }


def _opinions(old: Opinion, new: Opinion) -> dict[str, Any]:
    """Return both verdicts and, where they differ, the reasons that made it."""
    is_other = old.verdict is not new.verdict
    return {
        "old": old.verdict.value,
        "new": new.verdict.value,
        "gone": list(map(reason_document, deciding(old, new))) if is_other else [],
        "come": list(map(reason_document, deciding(new, old))) if is_other else [],
    }
