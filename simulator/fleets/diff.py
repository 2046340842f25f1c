"""What differs between two nodes, and which verdicts change with it: in both directions."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from simulator.fleets.changes import Change
from simulator.profiles.bare_node import AnyNode
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.migrations import Migration, NodePair
from simulator.verdicts.verdict import Judgement, Opinion, Reason, Weight


class VerdictChange(NamedTuple):
    """A migration that a verdict changes on, and both judgements.

    ``node`` is the other node, ``is_source`` says that the changed node is where the container
    comes from. ``ctid`` is None for the nodes alone.
    """

    node: str
    is_source: bool
    ctid: int | None
    old: Judgement
    new: Judgement


class Diff(NamedTuple):
    """Two nodes by name, what differs, and which verdicts change with ``nodes``, if any."""

    old: str
    new: str
    changes: tuple[Change, ...]
    nodes: tuple[str, ...] = ()
    verdicts: tuple[VerdictChange, ...] = ()
    restore_only: bool = False
    waived: tuple[str, ...] = ()
    engine: Engine[Any] = CPT

    @property
    def matters(self) -> bool:
        """Tell whether an outcome changes; without nodes, whether anything does."""
        if not self.nodes:
            return bool(self.changes)
        return any(
            change.old.outcome(restore_only=self.restore_only)
            is not change.new.outcome(restore_only=self.restore_only)
            for change in self.verdicts
        )


def verdict_changes(
    old: AnyNode,
    new: AnyNode,
    nodes: Iterable[AnyNode],
    waived: Iterable[str] = (),
    engine: Engine[Any] = CPT,
) -> Iterator[VerdictChange]:
    """Yield the migrations between the node and others whose verdicts (either one) change.

    These are of containers that the source has before and after; of the nodes alone where it
    has none.
    """
    codes = tuple(waived)
    for node in nodes:
        away = _judge(old, node, codes, engine), _judge(new, node, codes, engine)
        yield from _differing(node.name, *away, is_source=True)
        back = _judge(node, old, codes, engine), _judge(node, new, codes, engine)
        yield from _differing(node.name, *back, is_source=False)


def deciding(one: Opinion, other: Opinion) -> tuple[Reason, ...]:
    """Return the reasons for the first one's verdict that the other has not."""
    others = {_about(reason) for reason in other.counted}
    return tuple(reason for reason in one.counted if _about(reason) not in others)


def _judge(
    source: AnyNode, destination: AnyNode, waived: Iterable[str], engine: Engine[Any]
) -> list[Migration]:
    """Judge the nodes alone, and each container."""
    pair = NodePair(source, destination, waived, engine)
    containers = [pair.judge_one(container.ctid) for container in source.containers]
    return [pair.judge_nodes(), *containers]


def _differing(
    node: str, old: Sequence[Migration], new: Sequence[Migration], *, is_source: bool
) -> Iterator[VerdictChange]:
    ones = {one.ctid: one.judgement for one in old}
    others = {one.ctid: one.judgement for one in new}
    ctids = [ctid for ctid in ones if ctid is not None and ctid in others]
    for ctid in ctids or (None,):
        one, other = ones[ctid], others[ctid]
        if _verdicts(one) != _verdicts(other):
            yield VerdictChange(node, is_source, ctid, one, other)


def _verdicts(judgement: Judgement) -> tuple[object, object]:
    return judgement.restore.verdict, judgement.programs.verdict


def _about(reason: Reason) -> tuple[str, Weight, str, str]:
    return reason.code, reason.weight, reason.feature, reason.place
