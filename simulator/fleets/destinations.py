"""Where one container can go: every node that it may move to, the best first."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from simulator.errors import UserError
from simulator.profiles.bare_node import AnyNode
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.migrations import Migration, NodePair
from simulator.verdicts.remedies import Remedies
from simulator.verdicts.verdict import Help, Outcome

#: As they are told: what is not known comes last.
_BEST_FIRST = tuple(Outcome)


class Destination(NamedTuple):
    """A node to move to, what comes of it, and what helps, the best first."""

    name: str
    outcome: Outcome
    migration: Migration

    @property
    def remedy(self) -> Help | None:
        """The first remedy that makes it safe; else one that turns most of the reasons away."""
        helps = self.migration.helps
        if not helps or helps[0].outcome is Outcome.SAFE:
            return helps[0] if helps else None
        return max(helps, key=lambda one: len(one.turns_away))


class Search(NamedTuple):
    """What was asked: a container of a source, or any (None), and the destinations found.

    ``waived`` are the codes that were taken out; ``restore_only`` leaves programs out.
    """

    source: str
    ctid: int | None
    destinations: tuple[Destination, ...]
    restore_only: bool = False
    waived: tuple[str, ...] = ()
    engine: Engine[Any] = CPT

    @property
    def outcome(self) -> Outcome:
        """The outcome of the best destination."""
        return self.destinations[0].outcome


def find_destinations(  # noqa: PLR0913 (what is asked, and what counts)
    source: AnyNode,
    ctid: int | None,
    nodes: Iterable[AnyNode],
    waived: Sequence[str] = (),
    engine: Engine[Any] = CPT,
    *,
    restore_only: bool = False,
) -> Search:
    """Judge moving a container, or any container, to each of the nodes but the source itself.

    UserError where the source has no such container, or there is no other node.
    """
    found = []
    for node in nodes:
        if node.name != source.name:
            pair = NodePair(source, node, waived, engine)
            migration = pair.judge_nodes() if ctid is None else pair.judge_one(ctid)
            outcome = migration.judgement.outcome(restore_only=restore_only)
            if outcome is not Outcome.SAFE:
                helps = Remedies(source, node, waived, engine, restore_only=restore_only).of(
                    migration
                )
                migration = migration._replace(helps=helps)
            found.append(Destination(node.name, outcome, migration))
    if not found:
        raise UserError(f"there is no node to move to but {source.name!r} itself: name others")
    ranked = tuple(sorted(found, key=_rank))
    return Search(source.name, ctid, ranked, restore_only, tuple(waived), engine)


def find_source(nodes: Iterable[AnyNode], ctid: int) -> AnyNode:
    """Return the node that has a container; UserError where none has, or several have."""
    having = [node for node in nodes if any(one.ctid == ctid for one in node.containers)]
    if len(having) == 1:
        return having[0]
    if not having:
        raise UserError(f"no node that is given has a container {ctid}: name its node, too")
    names = ", ".join(node.name for node in having)
    raise UserError(f"several nodes have a container {ctid}: {names}; say which, as NODE:{ctid}")


def _rank(destination: Destination) -> tuple[int, int]:
    """Rank by outcome, then by how much there is to be said against it."""
    judgement = destination.migration.judgement
    return _BEST_FIRST.index(destination.outcome), sum(opinion.size for opinion in judgement)
