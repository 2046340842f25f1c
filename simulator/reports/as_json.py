"""A matrix as JSON: one document, or a line a pair.

The document's shape is schema/matrix.schema.json. It is written as it is made, an entry a line, in
ASCII alone. Opinions, and reasons, are written once, and referred to by their places.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from simulator.fleets.fleet import Group
from simulator.fleets.matrix import Pair, Summary
from simulator.fleets.routes import Router, Ways
from simulator.reports.migration_json import code_documents, reason_document
from simulator.reports.view import View
from simulator.verdicts.traits import ContainerSide, KernelSide
from simulator.verdicts.verdict import Reason, Weight

FORMAT = 1

_encode = json.JSONEncoder(separators=(",", ":")).encode

#: How many of the best destinations are listed where nodes are reported by class.
_LISTED = 5


def json_text(view: View) -> Iterator[str]:
    """Yield the document."""
    matrix, fleet = view.matrix, view.fleet
    ways = Ways(matrix.groups, strict=view.is_strict)
    yield "{\n"
    yield _member("format", FORMAT)
    yield _member("by", "class" if view.is_by_class else "node")
    yield _member("strict", view.is_strict)
    yield _member("waived", matrix.waived)
    yield from _values("groups", (_group(view, group) for group in matrix.groups))
    yield from _values("kernels", map(_kernel, fleet.kernels))
    yield from _values("containers", map(_container, fleet.containers))
    yield from _list("pairs", _pairs(view, ways.watch(matrix.pairs())))
    yield from _values("kernel_opinions", _kernel_opinions(view))
    yield from _values("one_way", _one_way(view, ways))
    yield _member("islands", [group.number for group in ways.islands()])
    yield from _values("destinations", _destinations(view))
    reasons: dict[Reason, int] = {}
    yield from _values("opinions", _opinions(view, reasons))
    yield from _values("reasons", map(reason_document, reasons))
    yield f'"codes": {_encode(code_documents(reasons))}\n}}\n'


def _member(key: str, value: object) -> str:
    return f'"{key}": {_encode(value)},\n'


def _values(key: str, values: Iterable[object]) -> Iterator[str]:
    return _list(key, map(_encode, values))


def _list(key: str, entries: Iterable[str]) -> Iterator[str]:
    """Yield a list with an entry on each line."""
    before = f'"{key}": [\n'
    for entry in entries:
        yield before + entry
        before = ",\n"
    yield "\n],\n" if before == ",\n" else f'"{key}": [],\n'


def _group(view: View, group: Group) -> dict[str, Any]:
    node_class = view.fleet.classes[group.node_class]
    return {
        "nodes": group.nodes,
        "class": group.node_class,
        "kernel": node_class.kernel,
        "make": node_class.make,
        "cpu": node_class.cpu,
        "vendor": node_class.side.cpu.vendor,
        "loads": [
            {"label": load.label, "container": load.container, "count": load.count}
            for load in group.loads
        ],
    }


def _kernel(kernel: KernelSide) -> dict[str, Any]:
    return {
        "generation": kernel.generation_name,
        "vzcpt": kernel.has_cpt,
        "vzrst": kernel.has_rst,
        "bits": 64 if kernel.is_64_bit else 32,
        "capability_number": kernel.caps,
    }


def _container(container: ContainerSide) -> dict[str, Any]:
    return {
        "state": container.state.value,
        "caps": container.caps,
        "may_have_used_fpu": container.may_have_used_fpu,
    }


def _pairs(view: View, pairs: Iterable[Pair]) -> Iterator[str]:
    """Yield pairs as text. Many pairs share few summaries: each summary is encoded once."""
    summaries: dict[Summary, str] = {}
    for pair in pairs:
        if pair.summary not in summaries:
            summaries[pair.summary] = _encode(_summary(view, pair.summary))[1:-1]
        said = _our_opinions(view, pair) if view.is_by_class else _outcomes(view, pair)
        ends = f'"source":{pair.source.number},"destination":{pair.destination.number}'
        yield f"{{{ends},{summaries[pair.summary]},{said}}}"


def _summary(view: View, summary: Summary) -> dict[str, Any]:
    return {
        "verdict": summary.counts(strict=view.is_strict).verdict.value,
        "kernel": summary.kernel,
        "ours": summary.ours,
        "both": summary.both,
    }


def _outcomes(view: View, pair: Pair) -> str:
    outcomes = view.matrix.outcomes(pair.source, pair.destination)
    documents = [
        {"containers": outcome.labels, "kernel": outcome.kernel, "ours": outcome.ours}
        for outcome in outcomes
    ]
    return f'"outcomes":{_encode(documents)}'


def _our_opinions(view: View, pair: Pair) -> str:
    """Return our opinions on containers that did not use the FPU, and on those that may have."""
    classes = view.fleet.classes
    one, other = classes[pair.source.node_class], classes[pair.destination.node_class]
    no_fpu = view.matrix.our_opinion(one, other, uses_fpu=False)
    fpu = view.matrix.our_opinion(one, other, uses_fpu=True)
    return f'"our_opinions":[{no_fpu},{fpu}]'


def _kernel_opinions(view: View) -> Iterator[tuple[int | None, ...]]:
    """Yield the source's make, the destination's kernel, the container, and the opinion."""
    if view.is_by_class:
        for key, number in view.matrix.kernel_opinions():
            yield (*key, number)


def _one_way(view: View, ways: Ways) -> Iterator[dict[str, Any]]:
    for group in view.matrix.groups:
        destinations = [destination.number for destination in ways.one_way(group)]
        if destinations:
            yield {"source": group.number, "destinations": destinations}


def _destinations(view: View) -> Iterator[dict[str, Any]]:
    router = Router(view.matrix, strict=view.is_strict)
    most = _LISTED if view.is_by_class else None
    for group in view.matrix.groups:
        for route in router.routes(group):
            nodes = sum(len(one.nodes) - (one is group) for one in route.destinations)
            yield {
                "source": group.number,
                "containers": route.labels,
                "nodes": nodes,
                "best": [one.number for one in islice(route.destinations, most)],
            }


def _opinions(view: View, reasons: dict[Reason, int]) -> Iterator[dict[str, Any]]:
    """Yield the opinions, with the numbers of their reasons; add each new reason."""
    for opinion, verdict in zip(view.matrix.opinions, view.matrix.verdicts, strict=True):
        numbers = [reasons.setdefault(reason, len(reasons)) for reason in opinion.reasons]
        yield {"verdict": verdict.value, "reasons": numbers}


# Lines


def json_lines(view: View) -> Iterator[str]:
    """Yield every ordered pair of nodes in full, a line each, all of one source's at once.

    A line is a pair: source, destination, verdict (of what counts), and its outcomes: containers
    by their ctids (null for the nodes alone), both verdicts, both opinions' codes, without those
    of remarks and with those that are waived.
    """
    for source in view.matrix.groups:
        lines = []
        for pair in view.matrix.row(source):
            outcomes = view.matrix.outcomes(source, pair.destination)
            document = {
                "source": source.nodes[0],
                "destination": pair.destination.nodes[0],
                "verdict": pair.summary.counts(strict=view.is_strict).verdict.value,
                "outcomes": [
                    {
                        "containers": outcome.labels,
                        "kernel": _opinion_codes(view, outcome.kernel),
                        "ours": _opinion_codes(view, outcome.ours),
                    }
                    for outcome in outcomes
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
