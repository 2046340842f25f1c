"""A matrix as JUnit's XML, which CI systems show: a test case for each pair.

A pair that is not possible is a failure, an unknown one an error. A suite has the pairs of one
source.
"""

from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from simulator.fleets.matrix import Outcome, Pair
from simulator.reports.view import View, labels_words
from simulator.verdicts.verdict import Verdict

_TAGS = {Verdict.NOT_POSSIBLE: "failure", Verdict.UNKNOWN: "error"}


def junit_text(view: View) -> Iterator[str]:
    """Yield the document, a suite at a time."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="vzcptsim matrix">\n'
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
    counts = pair.summary.counts(strict=view.is_strict)
    if counts.verdict is not Verdict.POSSIBLE:
        message = ", ".join(
            f"{count} {verdict.value}"
            for count, verdict in zip(counts, Verdict, strict=True)
            if count
        )
        problem = ET.SubElement(
            case, _TAGS[counts.verdict], type=counts.verdict.value, message=message
        )
        if not view.is_by_class:
            problem.text = _text(view, pair)
    return case


def _text(view: View, pair: Pair) -> str:
    outcomes = view.matrix.outcomes(pair.source, pair.destination)
    return "\n".join(_line(view, outcome) for outcome in outcomes)


def _line(view: View, outcome: Outcome) -> str:
    opinions = (
        f"{who}: {view.matrix.verdicts[number].value}" + (f", {why}" if why else "")
        for who, number in (("kernel", outcome.kernel), ("ours", outcome.ours))
        for why in (view.why(number),)
    )
    return f"containers {labels_words(outcome.labels)}: {'; '.join(opinions)}"
