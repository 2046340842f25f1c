"""A matrix as one HTML file that needs nothing else: a heat map to filter, click and print.

The page's text, style and script are in templates/. Data is embedded once and referred to by
number. No name of a node or a container becomes markup: Jinja2 escapes the page, and the script
inserts text only.
"""

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from simulator.fleets.fleet import Classes, ContainerGroup, Group, NodeClass
from simulator.reports.check_report import code_documents
from simulator.reports.view import Note, View, container_words, kernel_words
from simulator.verdicts.verdict import Opinion, Outcome, Reason, Verdict, Weight
from vzcptcheck.outcome import printable

#: In the order in which they are put together: each may use what those before it define.
_SCRIPTS = ("elements", "model", "filters", "heatmap", "details", "table", "main")

#: Places in a row that belong to no pair: a node and itself.
_NO_PAIR = -1

_VERDICTS = tuple(Verdict)
_WEIGHTS = tuple(Weight)


def html_text(
    view: View, *, made: str = "", notes: Mapping[str, Note] = MappingProxyType({})
) -> Iterator[str]:
    """Yield the document; ``made`` is the time to show, ``notes`` are keyed by the node's name."""
    page = _Page(view, notes)
    style, script = _style(), _script()
    yield from _template().generate(
        is_by_class=view.is_by_class,
        restore_only=view.restore_only,
        waived=view.matrix.waived,
        made=made,
        nodes=len(view.fleet.members),
        containers=sum(len(member.containers) for member in view.fleet.members),
        data=htmlsafe_json_dumps(page.document(), separators=(",", ":")),
        tally=page.tally(),
        style=Markup(style),  # noqa: S704 (it lies in templates/)
        script=Markup(script),  # noqa: S704 (as above)
        policy=_policy(style, script),
    )


class _Page:
    """The data that the script reads: equal values are stored once, and have a number.

    A row has a value for each kernel, or each class, of destinations.
    """

    def __init__(self, view: View, notes: Mapping[str, Note]) -> None:
        self._view = view
        self._notes = notes
        self._rows: Classes[tuple[int, ...]] = Classes()
        self._summaries: Classes[tuple[int, ...]] = Classes()
        self._opinions: Classes[int] = Classes()
        self._reasons: Classes[Reason] = Classes()
        self._restore_rows: dict[tuple[int, int | None], int] = {}
        self._programs_rows: dict[tuple[int, bool], int] = {}
        self._found: Counter[Outcome] = Counter()
        self._of_kernel = {one.kernel: one for one in view.fleet.classes}

    def document(self) -> dict[str, Any]:
        """Return the data; call this before ``tally``."""
        groups = [self._group(group) for group in self._view.matrix.groups]
        opinions = [self._opinion(self._view.matrix.opinions[one]) for one in self._opinions]
        return {
            "byClass": self._view.is_by_class,
            "restoreOnly": self._view.restore_only,
            "groups": groups,
            "classes": [self._class(one) for one in self._view.fleet.classes],
            "containers": [container_words(one) for one in self._view.fleet.containers],
            "rows": list(self._rows),
            "summaries": list(self._summaries),
            "opinions": opinions,
            "reasons": [_reason(reason) for reason in self._reasons],
            "codes": code_documents(self._reasons),
        }

    def tally(self) -> list[tuple[str, int, float, float]]:
        """Return each outcome of pairs of nodes: its count, its start and width in percent."""
        begin = 0.0
        parts = []
        for outcome in Outcome:
            width = 100 * self._found[outcome] / (self._found.total() or 1)
            parts.append((outcome.value, self._found[outcome], round(begin, 3), round(width, 3)))
            begin += width
        return parts

    def _group(self, group: Group) -> dict[str, Any]:
        notes = [self._notes[name] for name in group.nodes if name in self._notes]
        return {
            "name": self._name(group),
            "nodes": list(map(printable, group.nodes)),
            "class": group.node_class,
            "releases": sorted({printable(note.release) for note in notes}),
            "models": sorted({printable(note.cpu) for note in notes if note.cpu}),
            "loads": [self._load(group, load) for load in group.loads],
            "row": self._summary_row(group),
        }

    def _name(self, group: Group) -> str:
        """Return a group's name, short enough for the edge of the heat map."""
        name = printable(group.nodes[0])
        if self._view.is_by_class:
            more = f" +{len(group.nodes) - 1}" if len(group.nodes) > 1 else ""
            return f"{group.number}: {name}{more}"
        return name

    def _class(self, node_class: NodeClass) -> dict[str, Any]:
        return {
            "kernel": node_class.kernel,
            "generation": node_class.traits.kernel.generation_name,
            "words": kernel_words(node_class.traits.kernel),
            "cpu": node_class.cpu,
            "vendor": node_class.traits.cpu.vendor or "ia64",
        }

    def _load(self, group: Group, load: ContainerGroup) -> tuple[int | None, ...]:
        """Return label, class, count, and the rows on restore and on programs."""
        uses_fpu = self._view.matrix.uses_fpu(load.container)
        return (
            load.label,
            load.container,
            load.count,
            self._restore_row(group.node_class, load.container),
            self._programs_row(group.node_class, uses_fpu=uses_fpu),
        )

    def _restore_row(self, source: int, container: int | None) -> int:
        """Return the row of what restore meets, by the destination's kernel."""
        one = self._view.fleet.classes[source]
        key = one.source_kernel, container
        if key not in self._restore_rows:
            kernels = range(len(self._view.fleet.kernels))
            opinion = self._view.matrix.restore_opinion
            row = (opinion(one, self._of_kernel[kernel], container) for kernel in kernels)
            self._restore_rows[key] = self._rows[tuple(map(self._opinions.__getitem__, row))]
        return self._restore_rows[key]

    def _programs_row(self, source: int, *, uses_fpu: bool) -> int:
        """Return the row of what programs meet, by the destination's class."""
        key = source, uses_fpu
        if key not in self._programs_rows:
            classes = self._view.fleet.classes
            opinion = self._view.matrix.programs_opinion
            row = (opinion(classes[source], other, uses_fpu=uses_fpu) for other in classes)
            self._programs_rows[key] = self._rows[tuple(map(self._opinions.__getitem__, row))]
        return self._programs_rows[key]

    def _summary_row(self, source: Group) -> int:
        """Return the row of the summaries, by the destination's class; count the pairs."""
        row = [_NO_PAIR] * len(self._view.fleet.classes)
        for pair in self._view.matrix.row(source):
            restore, programs = pair.summary.restore.outcomes(), pair.summary.programs
            risks = programs.possible, programs.not_possible, 0, programs.unknown
            outcomes = pair.summary.outcomes(restore_only=self._view.restore_only)
            row[pair.destination.node_class] = self._summaries[(*outcomes, *restore, *risks)]
            destinations = len(pair.destination.nodes) - (pair.source is pair.destination)
            self._found[outcomes.outcome] += len(source.nodes) * destinations
        return self._rows[tuple(row)]

    def _opinion(self, opinion: Opinion) -> tuple[int, list[int]]:
        reasons = [self._reasons[reason] for reason in opinion.reasons]
        return _VERDICTS.index(opinion.verdict), reasons


def _reason(reason: Reason) -> tuple[object, ...]:
    return (
        reason.code,
        _WEIGHTS.index(reason.weight),
        reason.feature,
        reason.place,
        reason.source,
        reason.destination,
        reason.needed_by,
        reason.hidden_by,
        int(reason.is_waived),
    )


# The page


@functools.cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_source("report.html.j2"))


@functools.cache
def _style() -> str:
    return _source("report.css")


@functools.cache
def _script() -> str:
    """Join the script's parts in one function, so that their names are not global."""
    parts = "\n".join(_source(f"{name}.js") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _source(name: str) -> str:
    path = resources.files("simulator").joinpath("reports", "templates", name)
    return path.read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return the content security policy: the page's own style and script only."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
