"""A pool as JSON, for machines to read; schema/pool.schema.json is its shape."""

import json
from collections.abc import Iterable
from typing import Any

from simulator.fleets.masking import Basis
from simulator.fleets.pool import Difference, Node, Pairs, Stage, differences, unlocked
from simulator.fleets.pool_change import UPGRADE, UPGRADE_RELEASE, Change, Mask, Pool, loss_of
from simulator.reports.pool_text import command_for
from simulator.verdicts.codes import find_code

FORMAT = 1

_Document = dict[str, Any]


def format_pool(pool: Pool) -> str:
    """Write a pool, in ASCII alone."""
    last = pool.now if pool.change is None else pool.change.with_all
    apart = [_apart(last, number) for number in range(1, len(last.groups))]
    codes = sorted({reason["code"] for one in apart for reason in one["reasons"]})
    document = {
        "format": FORMAT,
        "any_container": pool.rule.any_container,
        "strict": pool.rule.strict,
        "waived": list(pool.rule.waived),
        "verdict": pool.now.verdict.value,
        "nodes": list(map(_node, pool.now.nodes)),
        "now": _stage(pool.now),
        "uncounted_containers": [one._asdict() for one in pool.uncounted],
        "change": None if pool.change is None else _change(pool.now, pool.change),
        "apart": apart,
        "codes": {
            code: {"summary": find_code(code).summary, "next_step": find_code(code).next_step}
            for code in codes
        },
    }
    return json.dumps(document, indent=2) + "\n"


def _node(node: Node) -> _Document:
    if isinstance(node.basis, Basis):
        return {"name": node.name, "can_mask": True, "why_not": ""}
    return {"name": node.name, "can_mask": False, "why_not": node.basis.value}


def _stage(stage: Stage) -> _Document:
    count = len(stage.nodes)
    return {
        "groups": list(map(stage.name, stage.groups)),
        "pairs": count * (count - 1),
        "possible_pairs": stage.possible_pairs,
    }


def _change(now: Stage, change: Change) -> _Document:
    with_lines, with_all = change.with_lines, change.with_all
    return {
        "masks": [_mask(now, with_lines, mask) for mask in change.masks],
        "upgrades": [
            {
                "nodes": now.name(upgrade.nodes),
                "from_generation": upgrade.generation,
                "to_generation": UPGRADE.name,
                "simulated_release": UPGRADE_RELEASE,
            }
            for upgrade in change.upgrades
        ],
        "with_lines": {**_stage(with_lines), **_differences(now, with_lines)},
        "with_upgrades": {**_stage(with_all), **_differences(with_lines, with_all)},
    }


def _mask(now: Stage, after: Stage, mask: Mask) -> _Document:
    return {
        "nodes": now.name(mask.nodes),
        "lines": mask.text.splitlines(),
        "command": command_for(mask.text),
        "losses": [_loss(now.nodes[number], after.nodes[number]) for number in mask.nodes],
    }


def _loss(before: Node, after: Node) -> _Document:
    loss = loss_of(before, after)
    return {
        "node": before.name,
        "features": [{"name": row.name, "place": row.place} for row in loss.features],
        "capability_number_before": loss.number_before,
        "capability_number_after": loss.number_after,
    }


def _differences(before: Stage, after: Stage) -> _Document:
    return {
        "unlocked": _pairs(before, unlocked(before, after)),
        "lost": _pairs(before, unlocked(after, before)),
    }


def _pairs(stage: Stage, found: Iterable[Pairs]) -> list[_Document]:
    return [
        {"sources": stage.name(one.sources), "destinations": stage.name(one.destinations)}
        for one in found
    ]


def _apart(stage: Stage, number: int) -> _Document:
    first, other = stage.groups[0], stage.groups[number]
    return {
        "group": stage.name(other),
        "reasons": [_rift(stage, difference) for difference in differences(stage, first, other)],
    }


def _rift(stage: Stage, difference: Difference) -> _Document:
    return {
        "code": difference.code,
        "feature": difference.feature,
        "sources": stage.name(difference.sources),
        "destinations": stage.name(difference.destinations),
    }
