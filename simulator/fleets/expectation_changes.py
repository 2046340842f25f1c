"""What is different between a kept matrix and a new one: the pairs that changed, and why."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from simulator.fleets.expectations import Expectation, Kept, KeptNode
from vzcptcheck.outcome import printable


class Change(NamedTuple):
    """Containers of a pair (None: the nodes alone) on which a verdict has changed.

    ``old`` and ``new`` are the verdicts on restore and on programs.
    """

    source: str
    destination: str
    ctids: tuple[int | None, ...]
    old: tuple[Kept, Kept]
    new: tuple[Kept, Kept]


class Comparison(NamedTuple):
    """What is different between a kept matrix and a new one.

    ``appeared`` and ``vanished`` are nodes, with all of their pairs; containers of nodes that
    are in both are listed as (node, ctid).
    """

    appeared: tuple[str, ...]
    vanished: tuple[str, ...]
    appeared_containers: tuple[tuple[str, int], ...]
    vanished_containers: tuple[tuple[str, int], ...]
    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return any(
            (
                self.appeared,
                self.vanished,
                self.appeared_containers,
                self.vanished_containers,
                self.changes,
            )
        )

    def lines(self) -> Iterator[str]:
        """Say what is different, a line for each node, container, or pair and change."""
        for names, word in ((self.appeared, "appeared"), (self.vanished, "vanished")):
            for name in names:
                yield f"node {printable(name)} has {word}, with all of its pairs"
        for containers, word in (
            (self.appeared_containers, "appeared"),
            (self.vanished_containers, "vanished"),
        ):
            for name, ctid in containers:
                yield f"container {ctid} of node {printable(name)} has {word}"
        for change in self.changes:
            what = " ".join("any" if one is None else str(one) for one in change.ctids)
            opinions = zip(("restore", "programs"), change.old, change.new, strict=True)
            said = (f"{about}: {old} -> {new}" for about, old, new in opinions if old != new)
            pair = f"{printable(change.source)} to {printable(change.destination)}"
            yield f"{pair}, containers {what}: {'; '.join(said)}"


def compare(old: Expectation, new: Expectation) -> Comparison:
    """Say what is different: nothing where both are equal."""
    common = sorted(old.nodes.keys() & new.nodes.keys())
    return Comparison(
        appeared=tuple(sorted(new.nodes.keys() - old.nodes.keys())),
        vanished=tuple(sorted(old.nodes.keys() - new.nodes.keys())),
        appeared_containers=tuple(_only_in(new, old, common)),
        vanished_containers=tuple(_only_in(old, new, common)),
        changes=() if old == new else tuple(_changes(old, new, common)),
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
