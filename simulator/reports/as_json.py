"""A matrix as JSON: one document, or a line a pair.

The document's shape is schema/matrix.schema.json. It is written as it is made, an entry a line, in
ASCII alone. Opinions, and reasons, are written once, and referred to by their places.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import Any

from msgspec.json import encode
from msgspec.structs import asdict

from simulator.fleets.fleet import Group
from simulator.fleets.judge import Memo
from simulator.fleets.matrix import Row, Summary
from simulator.fleets.routes import Router, Ways
from simulator.reports.check_report import code_documents, engine_document, reason_document
from simulator.reports.view import View
from simulator.verdicts.traits import ContainerTraits
from simulator.verdicts.verdict import Finding, Reason, Weight

FORMAT = 2

_encode = json.JSONEncoder(separators=(",", ":")).encode

#: How many of the best destinations are listed where nodes are reported by class.
_LISTED = 5

_BETWEEN = ",\n"

#: As many entries are written at once.
_AT_ONCE = 1000


def json_text(view: View) -> Iterator[str]:
    """Yield the document."""
    matrix, fleet = view.matrix, view.fleet
    ways = Ways(matrix.groups, restore_only=view.restore_only)
    yield "{\n"
    yield _member("format", FORMAT)
    yield _member("by", "class" if view.is_by_class else "node")
    yield _member("restore_only", view.restore_only)
    yield _member("waived", matrix.waived)
    yield from (_member(key, value) for key, value in engine_document(fleet.engine).items())
    yield from _values("groups", (_group(view, group) for group in matrix.groups))
    yield from _values("kernels", (kernel.document() for kernel in fleet.kernels))
    yield from _values("containers", map(_container, fleet.containers))
    yield from _list("pairs", _rows(view, ways.watch(matrix.rows(asks_both=view.is_by_class))))
    # The source's kernel, the destination's kernel, the container, and the opinion.
    yield from _list("restore_opinions", _numbers(matrix.asked if view.is_by_class else ()))
    yield from _values("one_way", _one_way(view, ways))
    yield _member("islands", [group.number for group in ways.islands()])
    yield from _values("destinations", _destinations(view))
    reasons = _Places()
    yield from _list("opinions", _joined(_opinions(view, reasons)))
    yield from _values("reasons", map(reason_document, reasons))
    yield f'"codes": {_encode(code_documents(reasons))}\n}}\n'


def _member(key: str, value: object) -> str:
    return f'"{key}": {_encode(value)},\n'


def _values(key: str, values: Iterable[object]) -> Iterator[str]:
    return _list(key, _joined(map(_encode, values)))


def _list(key: str, texts: Iterable[str]) -> Iterator[str]:
    """Yield a list, from texts of some entries each."""
    before = f'"{key}": [\n'
    for text in filter(None, texts):
        yield before + text
        before = _BETWEEN
    yield "\n],\n" if before == _BETWEEN else f'"{key}": [],\n'


def _joined(entries: Iterable[str]) -> Iterator[str]:
    """Join many entries at once, each on a line of its own."""
    entries = iter(entries)
    while text := _BETWEEN.join(islice(entries, _AT_ONCE)):
        yield text


def _numbers(lists: Iterable[Sequence[int | None]]) -> Iterator[str]:
    """Join lists of numbers, many at once."""
    lists = iter(lists)
    while some := list(islice(lists, _AT_ONCE)):
        yield encode(some)[1:-1].decode().replace("],[", f"]{_BETWEEN}[")


def _group(view: View, group: Group) -> dict[str, Any]:
    node_class = view.fleet.classes[group.node_class]
    return {
        "nodes": group.nodes,
        "class": group.node_class,
        "kernel": node_class.kernel,
        "make": node_class.source_kernel,
        "cpu": node_class.cpu,
        "vendor": node_class.traits.cpu.vendor,
        "loads": list(map(asdict, group.loads)),
    }


def _container(container: ContainerTraits) -> dict[str, Any]:
    return {
        "state": container.state.value,
        "caps": None if container.may_caps else container.caps,
        "may_have_used_fpu": container.may_have_used_fpu,
    }


def _rows(view: View, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the pairs of each row. Many share few summaries: each is encoded once."""
    known: dict[Summary, str] = {}
    programs: Memo[tuple[int | None, int | None], str] = Memo(
        lambda opinions: f',"programs_opinions":[{opinions[0]},{opinions[1]}]}}'
    )
    for row in rows:
        for summary in row.summaries.values():
            if summary not in known:
                known[summary] = _encode(_summary(view, summary))[1:-1]
        texts = {kind: known[summary] for kind, summary in row.summaries.items()}
        begin = f'{{"source":{row.source.number},"destination":'
        if view.is_by_class:
            numbers = [f"{one.number}," for one in row.destinations]
            summaries = map(texts.__getitem__, row.kinds)
            opinions = map(programs.__getitem__, zip(row.no_fpu, row.fpu, strict=True))
            parts = zip(repeat(begin), numbers, summaries, opinions, strict=False)
            entries = list(map("".join, parts))
        else:
            entries = [
                f"{begin}{one.number},{texts[kind]},{_migrations(view, row.source, one)}}}"
                for one, kind in zip(row.destinations, row.kinds, strict=True)
            ]
        yield _BETWEEN.join(entries)


def _summary(view: View, summary: Summary) -> dict[str, Any]:
    return {
        "outcome": summary.outcomes(restore_only=view.restore_only).outcome.value,
        "restore": summary.restore,
        "programs": summary.programs,
        "outcomes": summary.outcomes(restore_only=view.restore_only),
    }


def _migrations(view: View, source: Group, destination: Group) -> str:
    migrations = ",".join(
        f'{{"containers":{encode(labels).decode()},"restore":{restore},"programs":{programs}}}'
        for labels, restore, programs in view.matrix.alike(source, destination)
    )
    return f'"migrations":[{migrations}]'


def _one_way(view: View, ways: Ways) -> Iterator[dict[str, Any]]:
    for group in view.matrix.groups:
        destinations = [destination.number for destination in ways.one_way(group)]
        if destinations:
            yield {"source": group.number, "destinations": destinations}


def _destinations(view: View) -> Iterator[dict[str, Any]]:
    router = Router(view.matrix, restore_only=view.restore_only)
    most = _LISTED if view.is_by_class else None
    sizes = [len(group.nodes) for group in view.matrix.groups]
    for group in view.matrix.groups:
        for route in router.routes(group):
            nodes = sum(map(sizes.__getitem__, route.destinations))
            nodes -= route.destinations.count(group.number)
            yield {
                "source": group.number,
                "containers": route.labels,
                "nodes": nodes,
                "best": route.destinations[:most],
            }


class _Places(dict[Reason, str]):
    """Distinct reasons and their places as text, in order of appearance."""

    def __missing__(self, reason: Reason) -> str:
        self[reason] = place = str(len(self))
        return place


class _Texts(dict[Finding, str]):
    """The places of the reasons that findings have, as text."""

    def __init__(self, places: _Places) -> None:
        super().__init__()
        self._places = places

    def __missing__(self, finding: Finding) -> str:
        self[finding] = text = ",".join(map(self._places.__getitem__, finding.reasons))
        return text


def _opinions(view: View, places: _Places) -> Iterator[str]:
    """Yield the opinions with the places of their reasons; add each new reason.

    Many opinions share their findings: the reasons of each are looked up once.
    """
    texts = _Texts(places)
    for opinion, verdict in zip(view.matrix.opinions, view.matrix.verdicts, strict=True):
        reasons = ",".join(map(texts.__getitem__, opinion.findings))
        yield f'{{"verdict":"{verdict.value}","reasons":[{reasons}]}}'


# Lines


def json_lines(view: View) -> Iterator[str]:
    """Yield every ordered pair of nodes in full, a line each, all of one source's at once.

    A line is a pair: source, destination, outcome, and its migrations: containers by their ctids
    (null for the nodes alone), both verdicts with their reasons' codes, without those of remarks
    and with those that are waived.
    """
    for source in view.matrix.groups:
        lines = []
        for pair in view.matrix.row(source):
            migrations = view.matrix.alike(source, pair.destination)
            document = {
                "source": source.nodes[0],
                "destination": pair.destination.nodes[0],
                "outcome": pair.summary.outcomes(restore_only=view.restore_only).outcome.value,
                "migrations": [
                    {
                        "containers": alike.labels,
                        "restore": _opinion_codes(view, alike.restore),
                        "programs": _opinion_codes(view, alike.programs),
                    }
                    for alike in migrations
                ],
            }
            lines.append(json.dumps(document) + "\n")
        yield "".join(lines)


def _opinion_codes(view: View, number: int) -> dict[str, Any]:
    opinion = view.matrix.opinions[number]
    counted = {
        reason.code
        for reason in opinion.reasons
        if reason.is_waived or reason.weight is not Weight.REMARK
    }
    return {"verdict": view.matrix.verdicts[number].value, "codes": sorted(counted)}
