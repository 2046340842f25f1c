"""Every ordered pair of nodes in full, streamed: CSV as in small fleets, or JSON lines.

A line of JSON is a pair: source, destination, verdict (of what counts), and its outcomes:
containers by their ctids (null for the nodes alone), both verdicts, both opinions' codes, without
those of remarks and with those that are waived.
"""

import json
from collections.abc import Iterator
from typing import Any

from simulator.reports.view import View
from simulator.verdicts.verdict import Weight


def json_lines(view: View) -> Iterator[str]:
    """Yield the lines, all of one source's at once."""
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
                        "kernel": _opinion(view, outcome.kernel),
                        "ours": _opinion(view, outcome.ours),
                    }
                    for outcome in outcomes
                ],
            }
            lines.append(json.dumps(document) + "\n")
        yield "".join(lines)


def _opinion(view: View, number: int) -> dict[str, Any]:
    opinion = view.matrix.opinions[number]
    counted = {
        reason.code
        for reason in opinion.reasons
        if reason.is_waived or reason.weight is not Weight.REMARK
    }
    return {"verdict": view.matrix.verdicts[number].value, "codes": sorted(counted)}
