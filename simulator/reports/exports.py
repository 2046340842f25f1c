"""A matrix for other programs: CSV for spreadsheets, JUnit's XML for CI systems."""

import csv
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from itertools import product
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from simulator.fleets.matrix import Alike, Pair
from simulator.reports.check_report import engine_words
from simulator.reports.view import View, counts_words, labels_words
from simulator.verdicts.verdict import Outcome
from vzcptcheck.outcome import printable

_NODE_COLUMNS = (
    *("source", "destination", "containers"),
    *("outcome", "restore", "programs", "restore_reasons", "programs_reasons"),
)
_CLASS_COLUMNS = (
    *("source", "source_nodes", "destination", "destination_nodes", "outcome"),
    *(outcome.value for outcome in Outcome),
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
    for alike in view.matrix.alike(pair.source, pair.destination):
        yield (
            pair.source.nodes[0],
            pair.destination.nodes[0],
            labels_words(alike.labels),
            view.outcome(alike).value,
            verdicts[alike.restore].value,
            verdicts[alike.programs].value,
            view.why(alike.restore),
            view.why(alike.programs),
        )


def _class_rows(view: View, pair: Pair) -> Iterator[tuple[object, ...]]:
    counts = pair.summary.outcomes(restore_only=view.restore_only)
    yield (
        pair.source.nodes[0],
        len(pair.source.nodes),
        pair.destination.nodes[0],
        len(pair.destination.nodes),
        counts.outcome.value,
        *counts,
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


# As JUnit's XML


_TAGS = {Outcome.RISKY: "failure", Outcome.REFUSED: "failure", Outcome.UNKNOWN: "error"}


def junit_text(view: View) -> Iterator[str]:
    """Yield the document, a suite at a time."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name='
    name = ". ".join(["vzcptsim matrix", *engine_words(view.fleet.engine)])
    yield f"{quoteattr(name)}>\n"
    for source in view.matrix.groups:
        cases = [_case(view, pair) for pair in view.matrix.row(source)]
        found = Counter(child.tag for case in cases for child in case)
        counts = {"tests": len(cases), "failures": found["failure"], "errors": found["error"]}
        suite = ET.Element("testsuite", name=view.name(source))
        suite.attrib.update((name, str(count)) for name, count in counts.items())
        suite.extend(cases)
        ET.indent(suite)
        yield ET.tostring(suite, encoding="unicode") + "\n"
    yield "</testsuites>\n"


def _case(view: View, pair: Pair) -> ET.Element:
    source, destination = view.name(pair.source), view.name(pair.destination)
    case = ET.Element("testcase", classname=source, name=f"{source} to {destination}")
    counts = pair.summary.outcomes(restore_only=view.restore_only)
    if counts.outcome in _TAGS and _fails(view, pair):
        message = counts_words(counts)
        problem = ET.SubElement(
            case, _TAGS[counts.outcome], type=counts.outcome.value, message=message
        )
        if not view.is_by_class:
            migrations = view.matrix.alike(pair.source, pair.destination)
            problem.text = "\n".join(_line(view, alike) for alike in migrations)
    return case


def _fails(view: View, pair: Pair) -> bool:
    """Tell whether what is not safe fails: where it was compared, only what became worse."""
    if view.worse is None:
        return True
    return not view.worse.isdisjoint(product(pair.source.nodes, pair.destination.nodes))


def _line(view: View, alike: Alike) -> str:
    opinions = (
        f"{about} {view.matrix.verdicts[number].value}" + (f", {why}" if why else "")
        for about, number in (("restore", alike.restore), ("programs", alike.programs))
        for why in (view.why(number),)
    )
    outcome = view.outcome(alike).value
    return f"containers {labels_words(alike.labels)}: {outcome}: {'; '.join(opinions)}"
