"""What is different between a kept matrix and a new one: the pairs that changed, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import permutations, product
from typing import NamedTuple

from simulator.fleets.expectations import Expectation, Kept, KeptNode
from simulator.verdicts.verdict import Outcome, Verdict, outcome_of, worst_outcome
from vzcptcheck.outcome import printable


class Kind(Enum):
    """What a change is to those who rely on the matrix as it was kept, in the order of telling."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "changed"
    REASONS = "other reasons"


class Change(NamedTuple):
    """Containers of a pair (None: the nodes alone) on which a verdict has changed.

    ``old`` and ``new`` are the verdicts on restore and on programs.
    """

    source: str
    destination: str
    ctids: tuple[int | None, ...]
    old: tuple[Kept, Kept]
    new: tuple[Kept, Kept]

    def kind(self, *, restore_only: bool = False) -> Kind:
        """Tell what the change is: worse is what was safe and is no more, or risky and refused."""
        return kind_of(
            _outcome(self.old, restore_only=restore_only),
            _outcome(self.new, restore_only=restore_only),
        )

    def line(self, *, restore_only: bool = False) -> str:
        """Say what has changed."""
        what = " ".join("any" if one is None else str(one) for one in self.ctids)
        verdicts = zip(("restore", "programs"), self.old, self.new, strict=True)
        said = (f"{about}: {old} -> {new}" for about, old, new in verdicts if old != new)
        pair = f"{printable(self.source)} to {printable(self.destination)}"
        kind = self.kind(restore_only=restore_only).value
        return f"{kind}: {pair}, containers {what}: {'; '.join(said)}"


class PairChange(NamedTuple):
    """An ordered pair of nodes whose outcome has changed, the worst of all its containers'."""

    source: str
    destination: str
    old: Outcome
    new: Outcome

    def kind(self, **_: bool) -> Kind:
        """Tell what the change is."""
        return kind_of(self.old, self.new)

    def line(self, **_: bool) -> str:
        """Say what has changed."""
        pair = f"{printable(self.source)} to {printable(self.destination)}"
        return f"{self.kind().value}: {pair}: {self.old.value} -> {self.new.value}"


class Comparison(NamedTuple):
    """What is different between a kept matrix and a new one.

    ``appeared`` and ``vanished`` are nodes, with all of their pairs; containers of nodes that
    are in both are listed as (node, ctid).
    """

    appeared: tuple[str, ...]
    vanished: tuple[str, ...]
    appeared_containers: tuple[tuple[str, int], ...]
    vanished_containers: tuple[tuple[str, int], ...]
    changes: tuple[Change, ...] | tuple[PairChange, ...]
    restore_only: bool = False

    def __bool__(self) -> bool:
        return any(self[:5])

    @property
    def worse(self) -> frozenset[tuple[str, str]]:
        """The pairs on which something is worse."""
        return frozenset(
            (change.source, change.destination)
            for change in self.changes
            if change.kind(restore_only=self.restore_only) is Kind.WORSE
        )

    def lines(self) -> Iterator[str]:
        """Say what is different, a line for each pair and change, node, or container.

        What is worse comes first.
        """
        changes: Sequence[Change | PairChange] = self.changes
        for kind in Kind:
            for change in changes:
                if change.kind(restore_only=self.restore_only) is kind:
                    yield change.line(restore_only=self.restore_only)
        for names, word in ((self.appeared, "appeared"), (self.vanished, "vanished")):
            for name in names:
                yield f"node {printable(name)} has {word}, with all of its pairs"
        for containers, word in (
            (self.appeared_containers, "appeared"),
            (self.vanished_containers, "vanished"),
        ):
            for name, ctid in containers:
                yield f"container {ctid} of node {printable(name)} has {word}"


def kind_of(old: Outcome, new: Outcome) -> Kind:
    """Tell what a changed outcome is to those who rely on the old one."""
    if old is new:
        return Kind.REASONS
    if old is Outcome.SAFE or (old, new) == (Outcome.RISKY, Outcome.REFUSED):
        return Kind.WORSE
    if new is Outcome.SAFE or (old, new) == (Outcome.REFUSED, Outcome.RISKY):
        return Kind.BETTER
    return Kind.OTHER


def _outcome(said: tuple[Kept, Kept], *, restore_only: bool) -> Outcome:
    restore, programs = (one.verdict for one in said)
    return outcome_of(restore, Verdict.POSSIBLE if restore_only else programs)


def compare(old: Expectation, new: Expectation, *, restore_only: bool = False) -> Comparison:
    """Say what is different: nothing where both are equal."""
    common = sorted(old.nodes.keys() & new.nodes.keys())
    return Comparison(
        *_appeared_and_vanished(old, new),
        appeared_containers=tuple(_only_in(new, old, common)),
        vanished_containers=tuple(_only_in(old, new, common)),
        changes=() if old == new else tuple(_changes(old, new, common)),
        restore_only=restore_only,
    )


def compare_nodes(old: Expectation, new: Expectation, *, restore_only: bool = False) -> Comparison:
    """Say which pairs of nodes come to another outcome, whatever containers they have by now."""
    changes = (
        PairChange(source, destination, before, after)
        for source, destination in permutations(sorted(old.nodes.keys() & new.nodes.keys()), 2)
        for before, after in [
            [_worst(one, source, destination, restore_only=restore_only) for one in (old, new)]
        ]
        if before is not after
    )
    found = _appeared_and_vanished(old, new)
    return Comparison(*found, (), (), tuple(changes), restore_only=restore_only)


def _appeared_and_vanished(
    old: Expectation, new: Expectation
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    appeared, vanished = new.nodes.keys() - old.nodes.keys(), old.nodes.keys() - new.nodes.keys()
    return tuple(sorted(appeared)), tuple(sorted(vanished))


def _worst(kept: Expectation, source: str, destination: str, *, restore_only: bool) -> Outcome:
    one, other = kept.nodes[source], kept.nodes[destination]
    kinds = set(one.migrations.values())
    return worst_outcome(
        _outcome(_opinions(kept, one, other, kind), restore_only=restore_only) for kind in kinds
    )


def _only_in(
    one: Expectation, other: Expectation, names: Iterable[str]
) -> Iterator[tuple[str, int]]:
    for name in names:
        others = dict(other.nodes[name].containers)
        for ctid, _ in one.nodes[name].containers:
            if ctid not in others:
                yield name, ctid


def _changes(old: Expectation, new: Expectation, names: Iterable[str]) -> Iterator[Change]:
    """Compare what is said of pairs of nodes that are in both, class by class."""
    classes: dict[_Then, list[str]] = {}
    for name in names:
        classes.setdefault(_Then(_bare(old.nodes[name]), _bare(new.nodes[name])), []).append(name)
    held = {name: dict(_common_migrations(old.nodes[name], new.nodes[name])) for name in names}
    kinds = {one: sorted(set().union(*(held[name] for name in classes[one]))) for one in classes}
    for one, other in product(classes, repeat=2):
        changed = dict(_changed_kinds(old, new, (one, other), kinds[one]))
        if changed:
            yield from _expand(changed, classes[one], classes[other], held)


class _Then(NamedTuple):
    """A class of nodes: what they were, and what they are."""

    old: KeptNode
    new: KeptNode


#: The old name and the new one of a container's class.
_Kind = tuple[str, str]
_Opinions = tuple[Kept, Kept]


def _bare(node: KeptNode) -> KeptNode:
    return node._replace(containers=())


def _common_migrations(old: KeptNode, new: KeptNode) -> dict[_Kind, tuple[int | None, ...]]:
    """Sort what both move by what it was, and is."""
    ctids: dict[_Kind, list[int | None]] = {}
    migrations = new.migrations
    for ctid, container in old.migrations.items():
        if ctid in migrations:
            ctids.setdefault((container, migrations[ctid]), []).append(ctid)
    return {kind: tuple(alike) for kind, alike in ctids.items()}


def _changed_kinds(
    old: Expectation, new: Expectation, pair: tuple[_Then, _Then], kinds: Iterable[_Kind]
) -> Iterator[tuple[_Kind, tuple[_Opinions, _Opinions]]]:
    source, destination = pair
    for kind in kinds:
        before = _opinions(old, source.old, destination.old, kind[0])
        after = _opinions(new, source.new, destination.new, kind[1])
        if before != after:
            yield kind, (before, after)


def _opinions(
    expectation: Expectation, source: KeptNode, destination: KeptNode, container: str
) -> _Opinions:
    return (
        expectation.restore_opinion(source, destination, container),
        expectation.programs_opinion(source, destination, container),
    )


def _expand(
    changed: Mapping[_Kind, tuple[_Opinions, _Opinions]],
    sources: Iterable[str],
    destinations: Sequence[str],
    held: Mapping[str, Mapping[_Kind, tuple[int | None, ...]]],
) -> Iterator[Change]:
    """Yield the changes of each pair of nodes of two classes."""
    for source in sources:
        ctids: dict[tuple[_Opinions, _Opinions], list[int | None]] = {}
        for kind, alike in held[source].items():
            if kind in changed:
                ctids.setdefault(changed[kind], []).extend(alike)
        for destination in destinations:
            if destination != source:
                for (before, after), moved in ctids.items():
                    yield Change(source, destination, _in_order(moved), before, after)


def _in_order(ctids: Iterable[int | None]) -> tuple[int | None, ...]:
    return tuple(sorted(ctids, key=lambda ctid: ctid or 0))
