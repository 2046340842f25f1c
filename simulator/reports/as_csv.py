"""A matrix as CSV: a row for each pair and outcome of nodes, or for each pair of classes."""

import csv
from collections.abc import Iterator
from io import StringIO

from simulator.fleets.matrix import Pair
from simulator.reports.view import View, labels_words
from vzcptcheck.outcome import printable

_NODE_COLUMNS = (
    "source",
    "destination",
    "containers",
    "kernel",
    "ours",
    "kernel_reasons",
    "our_reasons",
)
_VERDICTS = ("possible", "not_possible", "unknown")
_CLASS_COLUMNS = (
    "source",
    "source_nodes",
    "destination",
    "destination_nodes",
    "kernel",
    "ours",
    *(f"{whose}_{verdict}" for whose in ("kernel", "ours") for verdict in _VERDICTS),
)

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@")


def csv_text(view: View) -> Iterator[str]:
    """Yield the rows of each source."""
    yield _lines([_CLASS_COLUMNS if view.is_by_class else _NODE_COLUMNS])
    rows = _class_rows if view.is_by_class else _node_rows
    for source in view.matrix.groups:
        yield _lines(row for pair in view.matrix.row(source) for row in rows(view, pair))


def _node_rows(view: View, pair: Pair) -> Iterator[tuple[object, ...]]:
    verdicts = view.matrix.verdicts
    for outcome in view.matrix.outcomes(pair.source, pair.destination):
        yield (
            pair.source.nodes[0],
            pair.destination.nodes[0],
            labels_words(outcome.labels),
            verdicts[outcome.kernel].value,
            verdicts[outcome.ours].value,
            view.why(outcome.kernel),
            view.why(outcome.ours),
        )


def _class_rows(_: View, pair: Pair) -> Iterator[tuple[object, ...]]:
    yield (
        pair.source.nodes[0],
        len(pair.source.nodes),
        pair.destination.nodes[0],
        len(pair.destination.nodes),
        pair.summary.kernel.verdict.value,
        pair.summary.ours.verdict.value,
        *pair.summary.kernel,
        *pair.summary.ours,
    )


def _lines(rows: Iterator[tuple[object, ...]] | list[tuple[str, ...]]) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(map(_harmless, row) for row in rows)
    return text.getvalue()


def _harmless(cell: object) -> str:
    """Return a cell that neither a terminal nor a spreadsheet interprets."""
    text = printable(str(cell))
    return f"'{text}" if text.startswith(_FORMULA) else text
