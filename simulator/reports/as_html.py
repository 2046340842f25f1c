"""A matrix as one HTML file that needs nothing else: four questions, a view each.

The page's text, style and script are in templates/. Data is embedded once and referred to by
number: what is found on each pair of classes of nodes, not of nodes, of which the script counts
what it shows. No name of a node or a container becomes markup: Jinja2 escapes the page, and the
script inserts text only.
"""

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from simulator.fleets.fleet import Classes, Member, NodeClass
from simulator.fleets.matrix import Outcomes
from simulator.fleets.pool_change import Pool
from simulator.fleets.safe_pools import find_pools
from simulator.reports.check_report import code_documents
from simulator.reports.pool_report import apart_lines, change_lines, checkpoint_lines
from simulator.reports.terminal import text_of
from simulator.reports.view import Note, View, container_words
from simulator.verdicts.verdict import Opinion, Outcome, Reason, Verdict, Weight
from vzcptcheck.outcome import printable

#: In the order in which they are put together: each may use what those before it define.
_SCRIPTS = (
    "elements",
    "model",
    "names",
    "reasons",
    "pair",
    "where",
    "cells",
    "grid",
    "keys",
    "filters",
    "fleet",
    "tally",
    "obstacles",
    "pools",
    "main",
)

_VERDICTS = tuple(Verdict)
_WEIGHTS = tuple(Weight)


class Change(NamedTuple):
    """A change of one node, of either side, and the codes that it may turn away.

    A code stands with a feature where it is for that alone.
    """

    action: str
    side: str
    codes: tuple[str, ...]


CHANGES = (
    Change(
        "Upgrade the destination's kernel",
        "destination",
        (
            "feature-hidden-by-kernel",
            "instructions-not-enabled",
            "version-too-new",
            "restore-version-too-new",
            "destination-namespaces",
            "xsave-not-settled",
        ),
    ),
    Change("Lift the mask on the destination", "destination", ("feature-hidden-by-override",)),
    Change(
        "Boot the destination without the option", "destination", ("feature-hidden-by-boot-option",)
    ),
    Change(
        "Boot the destination with a 64-bit kernel",
        "destination",
        ("feature-hidden-by-32-bit-kernel", "kernel-narrower"),
    ),
    Change(
        "Load the module on the destination",
        "destination",
        ("module-missing vzrst", "destination-ipv6", "destination-slm-module"),
    ),
    Change(
        "Load the module on the source", "source", ("module-missing vzcpt", "source-slm-module")
    ),
    Change(
        "Mask the source's CPU and start its containers anew",
        "source",
        (
            "instructions-missing",
            "instructions-differ",
            "xsave-component-missing",
            "xsave-layout-differs",
            "xsave-area-smaller",
            "xsave-area-larger",
        ),
    ),
)


_MEANINGS = {
    Outcome.SAFE: "it is restored, and programs go on",
    Outcome.RISKY: "it is restored, and programs may crash",
    Outcome.REFUSED: "it is not restored",
    Outcome.UNKNOWN: "what it takes to say so is not recorded",
}


class Tally(NamedTuple):
    """One outcome's part of all migrations: its count, its start and its width in percent."""

    outcome: str
    meaning: str
    migrations: int
    begin: float
    width: float


def html_text(
    view: View,
    *,
    made: str = "",
    notes: Mapping[str, Note] = MappingProxyType({}),
    pool: Pool | None = None,
) -> Iterator[str]:
    """Yield the document.

    ``made`` is the time to show, ``notes`` are keyed by the node's name, ``pool`` is what makes one
    pool of the nodes, if it was looked for.
    """
    counted = _Counted(view)
    style, script = _style(), _script()
    yield from _template().generate(
        is_by_class=view.is_by_class,
        restore_only=view.restore_only,
        waived=view.matrix.waived,
        engine=view.fleet.engine,
        made=made,
        nodes=len(view.fleet.members),
        containers=sum(len(member.containers) for member in view.fleet.members),
        data=htmlsafe_json_dumps(_Page(view, notes, pool).document(), separators=(",", ":")),
        migrations=counted.migrations.total(),
        tally=counted.tally(),
        pairs=counted.pairs,
        style=Markup(style),  # noqa: S704 (it lies in templates/)
        script=Markup(script),  # noqa: S704 (as above)
        policy=_policy(style, script),
    )


class _Counted:
    """What the matrix comes to: migrations by outcome, and pairs of nodes.

    A pair is as its migrations are where all have one outcome; "partly" where some are safe and
    others are not; else as the worst of them.
    """

    def __init__(self, view: View) -> None:
        self.migrations: Counter[Outcome] = Counter()
        self.pairs = dict.fromkeys(("safe", "partly", "risky", "refused", "unknown"), 0)
        for pair in view.matrix.pairs():
            outcomes = pair.summary.outcomes(restore_only=view.restore_only)
            destinations = len(pair.destination.nodes) - (pair.source is pair.destination)
            for outcome, count in zip(Outcome, outcomes, strict=True):
                self.migrations[outcome] += count * destinations
            self.pairs[kind_of(outcomes)] += len(pair.source.nodes) * destinations

    def tally(self) -> list[Tally]:
        """Return each outcome's part of the migrations."""
        begin = 0.0
        parts = []
        for outcome in Outcome:
            width = 100 * self.migrations[outcome] / (self.migrations.total() or 1)
            about = outcome.value, _MEANINGS[outcome], self.migrations[outcome]
            parts.append(Tally(*about, round(begin, 3), round(width, 3)))
            begin += width
        return parts


def kind_of(outcomes: Outcomes) -> str:
    """Return what a pair's migrations come to: an outcome, or "partly"."""
    is_partly = 0 < outcomes.safe < sum(outcomes)
    return "partly" if is_partly else outcomes.outcome.value


class _Page:
    """The data that the script reads: equal values are stored once, and have a number.

    A row has what is found for each kernel, or each class, of destinations.
    """

    def __init__(self, view: View, notes: Mapping[str, Note], pool: Pool | None) -> None:
        self._view = view
        self._pool = pool
        self._notes = notes
        self._rows: Classes[tuple[int, ...]] = Classes()
        self._opinions: Classes[int] = Classes()
        self._reasons: Classes[Reason] = Classes()
        self._restore_rows: dict[tuple[int, int | None], int] = {}
        self._programs_rows: dict[tuple[int, bool], int] = {}
        self._of_kernel = {one.kernel: one for one in view.fleet.classes}

    def document(self) -> dict[str, Any]:
        """Return the data."""
        fleet = self._view.fleet
        held: dict[int, dict[int | None, None]] = {one.number: {} for one in fleet.classes}
        for member in fleet.members:
            for _, container in member.containers or ((None, None),):
                held[member.node_class][container] = None
        classes = [self._class(one, held[one.number]) for one in fleet.classes]
        opinions = [self._opinion(self._view.matrix.opinions[one]) for one in self._opinions]
        return {
            "byClass": self._view.is_by_class,
            "restoreOnly": self._view.restore_only,
            "nodes": [self._node(member) for member in fleet.members],
            "classes": classes,
            "containers": [container_words(one) for one in fleet.containers],
            "rows": list(self._rows),
            "opinions": opinions,
            "reasons": [_reason(reason) for reason in self._reasons],
            "codes": code_documents(self._reasons),
            "changes": () if self._view.fleet.engine.scope else CHANGES,
            "pools": find_pools(self._view.matrix, restore_only=self._view.restore_only),
            "change": None if self._pool is None else _change(self._pool),
        }

    def _node(self, member: Member) -> tuple[object, ...]:
        """Return name, class, release, CPU, and containers by their ctids and classes."""
        note = self._notes.get(member.name, Note("", ""))
        words = (printable(text) for text in (member.name, note.release, note.cpu))
        name, release, cpu = words
        return name, member.node_class, release, cpu, member.containers

    def _class(self, node_class: NodeClass, held: Iterable[int | None]) -> dict[str, Any]:
        """Describe a class; ``held`` are the classes of its containers.

        For each of these it has the rows of what restore and what programs meet.
        """
        kernel = node_class.traits.kernel
        return {
            "kernel": node_class.kernel,
            "generation": kernel.generation_name,
            "age": kernel.age,
            "words": kernel.words,
            "cpu": node_class.cpu,
            "vendor": node_class.traits.cpu.vendor or "ia64",
            "found": {
                one: (self._restore_row(node_class, one), self._programs_row(node_class, one))
                for one in held
            },
        }

    def _restore_row(self, source: NodeClass, container: int | None) -> int:
        """Return the row of what restore meets, by the destination's kernel."""
        key = source.source_kernel, container
        if key not in self._restore_rows:
            kernels = range(len(self._view.fleet.kernels))
            opinion = self._view.matrix.restore_opinion
            row = (opinion(source, self._of_kernel[one], container) for one in kernels)
            self._restore_rows[key] = self._row(row)
        return self._restore_rows[key]

    def _programs_row(self, source: NodeClass, container: int | None) -> int:
        """Return the row of what programs meet, by the destination's class."""
        key = source.number, self._view.matrix.uses_fpu(container)
        if key not in self._programs_rows:
            classes, (_, uses_fpu) = self._view.fleet.classes, key
            opinion = self._view.matrix.programs_opinion
            row = (opinion(source, other, uses_fpu=uses_fpu) for other in classes)
            self._programs_rows[key] = self._row(row)
        return self._programs_rows[key]

    def _row(self, opinions: Iterator[int]) -> int:
        return self._rows[tuple(self._opinions[one] for one in opinions)]

    def _opinion(self, opinion: Opinion) -> tuple[int, list[int]]:
        reasons = [self._reasons[reason] for reason in opinion.reasons]
        return _VERDICTS.index(opinion.verdict), reasons


def _change(pool: Pool) -> list[list[tuple[int, str, bool]]]:
    """Return what to do, and what it leaves, as lines: how far in, what, whether to copy it."""
    return [
        [(one.indent, text_of(one), one.is_to_be_copied) for one in lines]
        for lines in (checkpoint_lines(pool) or change_lines(pool), apart_lines(pool))
    ]


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
        reason.said,
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
