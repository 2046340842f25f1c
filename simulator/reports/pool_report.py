"""A pool: its groups, the lines to write on each node, and their effect; for people and as JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from simulator.facts.features import features_in
from simulator.fleets.checkpoints import Plan, plan_checkpoints, tunables_without
from simulator.fleets.pool import Difference, Node, Pairs, Stage, count_pairs, differences, unlocked
from simulator.fleets.pool_change import (
    NEWEST,
    Boot,
    Change,
    Mask,
    Pool,
    Upgrade,
    loss_of,
    obstacles,
)
from simulator.profiles.changes import Obstacle
from simulator.reports.check_report import (
    FORMAT,
    engine_document,
    engine_words,
    format_document,
    override_command,
    override_command_lines,
)
from simulator.reports.terminal import HEADING, STYLES, Line, line
from simulator.verdicts.codes import find_code
from simulator.verdicts.verdict import Verdict

_Document = dict[str, Any]

#: More groups than these come after what the change is in short.
_FEW = 2

_GOOD, _BAD = STYLES[Verdict.POSSIBLE.value], STYLES[Verdict.NOT_POSSIBLE.value]

_REBOOT = "Lines are gone after a reboot: write them again at each boot, before containers start."
_RUNNING = (
    "Programs that run already keep the instructions that they chose when they started: the "
    "kernel lets their containers pass at once, but restart them before you rely on it."
)
_REBOOTED = "A node that is rebooted starts its containers anew: they are shown what it shows then."

_LIFTED = (
    "Where a mask is lifted nothing has to be started again: what runs there has been shown less."
)

_RECORDED = (
    "Of containers whose needs alone were recorded it is taken that they need after a change what "
    "they needed before it, and what is new where they have used the FPU."
)

#: Codes of reasons that another recording of the nodes may settle.
_NOT_RECORDED = frozenset({"cpuid-not-recorded", "xsave-not-recorded"})

_ANY_CONTAINER = (
    "This is for the containers that are there. --any-container asks for those to come, too."
)
_SWITCH_OFF = (
    "Switch these off before the programs start there, where checkpoints are to be taken: in the "
    "virtual machine's CPU model, or by building for what all have{level}. GLIBC_TUNABLES is for "
    "what glibc itself would choose: programs that ask the CPU do not heed it, and a distribution "
    "built for x86-64-v3 (RHEL 10) cannot do without what that has."
)
_NOTES = {
    "sysenter": "32-bit programs enter the kernel by SYSENTER on Intel, by SYSCALL elsewhere, and "
    "no line changes that: pool the vendors apart, or run no 32-bit programs.",
    "emt64": "64-bit programs take a 64-bit kernel on every node.",
    "ia64": "ia64 and x86 have nothing in common: pool them apart.",
}
_NOTES["syscall32"] = _NOTES["sysenter"]


def pool_lines(pool: Pool) -> Iterator[Line]:
    """Write a pool: its groups, the proposed change, and what still keeps groups apart."""
    title, *groups = _group_lines(pool.now)
    yield title
    if pool.change is not None and len(groups) > _FEW:
        yield line(2, _in_short(pool.change))
    yield from groups
    yield from _uncounted_lines(pool)
    yield from (line(0, words) for words in engine_words(pool.rule.engine))
    for part in (checkpoint_lines(pool), change_lines(pool), apart_lines(pool)):
        if part:
            yield line(0)
            yield from part
    if not pool.rule.any_container and not pool.rule.engine.scope:
        yield line(0)
        yield line(0, _ANY_CONTAINER)


def _in_short(change: Change) -> str:
    """Say what the change takes and comes to, where the groups fill a screen before it is told."""
    parts = (
        (change.upgrades, "to upgrade"),
        (change.boots, "to boot otherwise"),
        (change.masks, "with masks to change"),
    )
    counts = ((sum(len(one.nodes) for one in ones), what) for ones, what in parts)
    found = ", ".join(f"{_nodes(count)} {what}" for count, what in counts if count)
    return f"smallest change, told below: {found}; then {_groups(change.after)}"


def _groups(stage: Stage) -> str:
    count = len(stage.groups)
    return "one group" if count == 1 else f"{count} groups"


def change_lines(pool: Pool) -> list[Line]:
    """Write the proposed change, if there is one."""
    return [] if pool.change is None else list(_change_lines(pool.now, pool.change))


def apart_lines(pool: Pool) -> list[Line]:
    """Write what keeps groups apart after the change, if anything does."""
    return list(_apart_lines(pool)) if len(pool.last.groups) > 1 else []


def checkpoint_lines(pool: Pool) -> list[Line]:
    """Write where to take checkpoints; of CPT nothing."""
    if not pool.rule.engine.scope:
        return []
    return list(_checkpoint_lines(pool.now, plan_checkpoints(pool.now)))


def _checkpoint_lines(stage: Stage, plan: Plan) -> Iterator[Line]:
    """Say where to take checkpoints, and what to switch off elsewhere."""
    if plan.sources:
        sources = _join(stage, plan.sources)
        yield line(0, ("Take checkpoints", HEADING), f" on {sources}: all others restore them.")
    else:
        yield line(0, "On no machine are checkpoints taken that all others restore safely.")
    for beyond, numbers in plan.extra:
        names = " ".join(feature.name for feature in features_in(beyond))
        yield line(2, f"{_join(stage, numbers)}: programs are shown, and not all have: {names}")
        tunables = tunables_without(beyond)
        if tunables:
            yield line(4, tunables)
    if plan.extra:
        level = f" ({plan.level})" if plan.level else ""
        yield line(2, _SWITCH_OFF.format(level=level))


def _group_lines(stage: Stage) -> Iterator[Line]:
    count = len(stage.nodes)
    if len(stage.groups) == 1:
        yield line(0, ("one group", _GOOD), f": {_nodes(count)}: {_join(stage, stage.groups[0])}")
        return
    yield line(
        0, ("not one group", _BAD), f": {_nodes(count)} in {len(stage.groups)} groups; ", _of(stage)
    )
    alone = [group[0] for group in stage.groups if len(group) == 1]
    for number, group in enumerate(stage.groups, 1):
        if len(group) > 1:
            yield line(2, f"group {number}, {_nodes(len(group))}: {_join(stage, group)}")
    if alone:
        yield line(2, f"alone, {_nodes(len(alone))}: {_join(stage, alone)}")


def _uncounted_lines(pool: Pool) -> Iterator[Line]:
    if pool.uncounted:
        counts = Counter(one.why for one in pool.uncounted)
        found = ", ".join(f"{count} {why}" for why, count in counts.items())
        yield line(2, f"not counted, since nobody can say what they need: containers: {found}")


def _change_lines(now: Stage, change: Change) -> Iterator[Line]:
    count = len(change.after.groups)
    made = "one group" if count == 1 else f"{count} groups, and none makes one"
    yield line(0, ("The smallest change", HEADING), f" makes {made}:")
    for upgrade in change.upgrades:
        yield from _upgrade_lines(now, upgrade)
    for boot in change.boots:
        yield line(2, f"boot {_join(now, boot.nodes)} without: {' '.join(boot.without)}")
    for mask in change.masks:
        yield from _mask_lines(now, change.after, mask)
    yield line(0)
    yield line(0, ("Proven", HEADING), " on the simulated nodes:")
    yield from _proof_lines(now, change.after)
    yield line(0)
    for note in _notes(now, change):
        yield line(0, note)


def _upgrade_lines(now: Stage, upgrade: Upgrade) -> Iterator[Line]:
    later = " or later" if upgrade.or_later else f", not to {_short(NEWEST)}"
    yield line(2, f"upgrade the kernel of {_join(now, upgrade.nodes)}:")
    yield line(4, f"to {_short(upgrade.release)}{later}")


def _mask_lines(now: Stage, after: Stage, mask: Mask) -> Iterator[Line]:
    names = _join(now, mask.nodes)
    if not mask.text:
        yield line(2, f"on {names}, lift the mask:")
        yield line(4, override_command(""))
    else:
        yield line(2, f"on {names}, {'write' if mask.hides else 'widen the mask'}:")
        yield from override_command_lines(mask.text)
    if mask.hides:
        yield from _loss_lines(now, after, mask.nodes)
    if mask.area:
        yield line(4, f"programs are told that XSAVE writes {mask.area} bytes, as on the others")
    if not mask.is_certain:
        yield line(4, f"if it can be done there: {Obstacle.NOT_TOLD.value}")


def _notes(now: Stage, change: Change) -> Iterator[str]:
    """Yield what the changes cost, and what is not certain of them."""
    if change.upgrades or change.boots:
        yield _REBOOTED
    if any(mask.text for mask in change.masks):
        yield _REBOOT
    if any(mask.hides for mask in change.masks):
        yield _RUNNING
    if any(not mask.hides for mask in change.masks):
        yield _LIFTED
    if not all(mask.is_certain for mask in change.masks):
        yield Obstacle.NOT_TOLD.remedy
    parts: tuple[Upgrade | Boot | Mask, ...] = (*change.upgrades, *change.boots, *change.masks)
    changed = chain.from_iterable(part.nodes for part in parts)
    containers = chain.from_iterable(now.nodes[number].profile.containers for number in changed)
    if any(one.contents is None and one.needs for one in containers):
        yield _RECORDED


def _short(release: str) -> str:
    """Return a release as people call it."""
    return release.removeprefix("2.6.32-")


def _loss_lines(before: Stage, after: Stage, numbers: Iterable[int]) -> Iterator[Line]:
    """Write the features that nodes lose; nodes with the same loss share a line."""
    found: dict[str, list[int]] = {}
    for number in numbers:
        loss = loss_of(before.nodes[number], after.nodes[number])
        names = " ".join(row.name for row in loss.features) or "nothing that works there"
        text = f"{names}; capability number {loss.number_before}, then {loss.number_after}"
        found.setdefault(text, []).append(number)
    for text, members in found.items():
        who = "containers lose" if len(found) == 1 else f"containers on {_join(before, members)}"
        yield line(4, f"{who}: {text}")


def _proof_lines(before: Stage, after: Stage) -> Iterator[Line]:
    groups = len(after.groups)
    yield line(2, f"{groups} group{'s' if groups > 1 else ''}; ", _of(after))
    yield from _pairs_lines("unlocked", before, unlocked(before, after))
    yield from _pairs_lines("lost", before, unlocked(after, before))


def _pairs_lines(title: str, stage: Stage, found: tuple[Pairs, ...]) -> Iterator[Line]:
    if found:
        yield line(4, f"{title}: {count_pairs(found)}")
    for pairs in found:
        yield line(6, f"{_join(stage, pairs.sources)} -> {_join(stage, pairs.destinations)}")


def _apart_lines(pool: Pool) -> Iterator[Line]:
    """Write what keeps each other group from the first one, and possible remedies."""
    stage = pool.last
    first, *others = stage.groups
    apart = [differences(stage, first, other) for other in others]
    found = [difference for between in apart for difference in between]
    title = _what_keeps_apart(pool, found)
    yield line(0, (title, HEADING), f"; apart from {_label(stage, 0)} are:")
    for number, (other, between) in enumerate(zip(others, apart, strict=True), 1):
        yield line(2, f"{_label(stage, number)}:")
        for (code, is_back), features in _by_code(between, set(other)).items():
            way = "from it" if is_back else "to it"
            names = f": {' '.join(features)}" if any(features) else ""
            yield line(4, f"{way}: {code}{names}")
        pair = pool.pair_with(other)
        if pair:
            yield line(4, f"some can be: vzcptsim pool {' '.join(stage.name(pair))}")
    yield from _advice_lines(stage, found)


def _what_keeps_apart(pool: Pool, found: Iterable[Difference]) -> str:
    """Say that nothing helps where nothing does, as far as that is recorded."""
    if pool.change is not None:
        return "This change does not bring together"
    if pool.pairs:
        return "No change makes fewer groups"
    if pool.rule.engine.scope:
        return "CPUs keep them apart"
    if any(difference.code in _NOT_RECORDED for difference in found):
        return "As far as nodes were recorded, no newer kernel, no mask and no boot option helps"
    return "No newer kernel, no mask and no boot option helps"


def _by_code(found: Iterable[Difference], others: set[int]) -> dict[tuple[str, bool], list[str]]:
    by_code: dict[tuple[str, bool], list[str]] = {}
    for difference in found:
        by_code.setdefault((difference.code, difference.sources[0] in others), []).append(
            difference.feature
        )
    return by_code


def _advice_lines(stage: Stage, found: Iterable[Difference]) -> Iterator[Line]:
    """Explain each code and each feature once, and name the nodes that cannot mask."""
    found = tuple(found)
    for code in dict.fromkeys(difference.code for difference in found):
        yield line(0, (code, HEADING), f": {find_code(code).summary}. {find_code(code).next_step}")
    notes = {
        _NOTES[difference.feature]: None for difference in found if difference.feature in _NOTES
    }
    for note in notes:
        yield line(0, note)
    for why, numbers in obstacles(stage, found).items():
        can = "it is not known whether one can" if why is Obstacle.NOT_TOLD else "cannot"
        yield line(0, f"warning: {can} mask on {_join(stage, numbers)}: {why.value}. {why.remedy}")


def _label(stage: Stage, number: int) -> str:
    group = stage.groups[number]
    return f"group {number + 1}" if len(group) > 1 else stage.nodes[group[0]].name


def _join(stage: Stage, numbers: Iterable[int]) -> str:
    return ", ".join(stage.name(numbers))


def _nodes(count: int) -> str:
    return f"{count} node{'' if count == 1 else 's'}"


def _of(stage: Stage) -> str:
    count = len(stage.nodes)
    safe = "restored" if stage.nodes[0].rule.restore_only else "safe"
    return f"{stage.possible_pairs} of {count * (count - 1)} ordered pairs are {safe}"


# As JSON


def format_pool(pool: Pool) -> str:
    """Write a pool; schema/pool.schema.json is its shape."""
    apart = [_apart(pool, number) for number in range(1, len(pool.last.groups))]
    codes = sorted({reason["code"] for one in apart for reason in one["reasons"]})
    document = {
        "format": FORMAT,
        "any_container": pool.rule.any_container,
        "restore_only": pool.rule.restore_only,
        "waived": list(pool.rule.waived),
        "verdict": pool.now.verdict.value,
        "nodes": list(map(_node, pool.now.nodes)),
        "now": _stage(pool.now),
        "uncounted_containers": [one._asdict() for one in pool.uncounted],
        **_checkpoints(pool),
        "change": None if pool.change is None else _change(pool.now, pool.change),
        "apart": apart,
        "codes": {
            code: {"summary": find_code(code).summary, "next_step": find_code(code).next_step}
            for code in codes
        },
    }
    return format_document(document)


def _checkpoints(pool: Pool) -> _Document:
    """Return the engine, and where to take checkpoints; of CPT nothing."""
    if not pool.rule.engine.scope:
        return {}
    plan = plan_checkpoints(pool.now)
    told = {
        "sources": pool.now.name(plan.sources),
        "common": [feature.name for feature in features_in(plan.common)],
        "level": plan.level,
        "beyond": [
            {
                "nodes": pool.now.name(numbers),
                "features": [feature.name for feature in features_in(beyond)],
                "tunables": tunables_without(beyond),
            }
            for beyond, numbers in plan.extra
        ],
    }
    return {**engine_document(pool.rule.engine), "checkpoints": told}


def _node(node: Node) -> _Document:
    why = node.obstacle
    is_told = why is not Obstacle.NOT_TOLD and not node.rule.engine.scope
    can_mask = why is None if is_told else None
    return {"name": node.name, "can_mask": can_mask, "why_not": why.value if why else ""}


def _stage(stage: Stage) -> _Document:
    count = len(stage.nodes)
    return {
        "groups": list(map(stage.name, stage.groups)),
        "pairs": count * (count - 1),
        "possible_pairs": stage.possible_pairs,
    }


def _change(now: Stage, change: Change) -> _Document:
    return {
        "upgrades": [{**one._asdict(), "nodes": now.name(one.nodes)} for one in change.upgrades],
        "boots": [{**one._asdict(), "nodes": now.name(one.nodes)} for one in change.boots],
        "masks": [_mask(now, change.after, mask) for mask in change.masks],
        "after": {**_stage(change.after), **_differences(now, change.after)},
    }


def _mask(now: Stage, after: Stage, mask: Mask) -> _Document:
    return {
        "nodes": now.name(mask.nodes),
        "hides": mask.hides,
        "area": mask.area,
        "is_certain": mask.is_certain,
        "lines": mask.text.splitlines(),
        "command": override_command(mask.text),
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
        "unlocked": [_named(before, pairs) for pairs in unlocked(before, after)],
        "lost": [_named(before, pairs) for pairs in unlocked(after, before)],
    }


def _apart(pool: Pool, number: int) -> _Document:
    stage = pool.last
    first, other = stage.groups[0], stage.groups[number]
    return {
        "group": stage.name(other),
        "can_be_together": stage.name(pool.pair_with(other)),
        "reasons": [_named(stage, difference) for difference in differences(stage, first, other)],
    }


def _named(stage: Stage, found: Pairs | Difference) -> _Document:
    """Return what was found, with the names of its nodes in place of their numbers."""
    ends = {"sources": stage.name(found.sources), "destinations": stage.name(found.destinations)}
    return found._asdict() | ends
