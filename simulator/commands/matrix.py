"""vzcptsim matrix: who can migrate where, every ordered pair of nodes with every container."""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from simulator.commands.options import (
    add_counted,
    add_engine,
    add_kernel,
    engine_of,
    kernel_of,
    waived_codes,
)
from simulator.errors import UsageError, UserError
from simulator.output import Streams, write_atomically
from vzcptcheck.outcome import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from simulator.fleets.expectation_changes import Comparison
    from simulator.fleets.expectations import Expectation
    from simulator.fleets.fleet import Fleet
    from simulator.fleets.pool_change import Pool
    from simulator.profiles.nodes import Source
    from simulator.reports.view import Note, View
    from simulator.verdicts.engine import Engine

_TABLE = "table"
_FORMATS = (_TABLE, "json", "csv", "markdown", "junit", "html")

#: For how many nodes at most the page says what would make one pool of them.
_MOST_POOLED = 64

_EPILOG = """\
A pair's outcome is the worst of its containers'; of a source without any, the nodes' alone: safe,
risky (it restores, and programs may crash), refused or unknown. Nodes that are alike are one
class: up to 64 nodes are reported one by one, more by class, and --by says otherwise. The exit
status is 0 where the matrix is made, whatever it says; 1 on an error. With --expect the
differences are the answer, and it is 2 where one is worse: what was safe and is no more, or was
risky and is refused. Better outcomes, other reasons, and nodes and containers that came or went
are told, and fail with --fail-on any. Where --format is given too, the matrix is the answer, and
they go to standard error; JUnit's failures are then what is worse. 'vzcptsim schema matrix' prints
the JSON's shape.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    parser.epilog = _EPILOG
    parser.add_argument("nodes", metavar="NODE", nargs="+", help="two nodes or more")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        choices=_FORMATS,
        help=f"how to write it: {', '.join(_FORMATS)}; a table if not said",
    )
    parser.add_argument("--by", choices=("node", "class"), help="report nodes, or classes of them")
    parser.add_argument(
        "--full",
        action="store_true",
        help="write every pair of nodes as it is made: CSV, or JSON with a pair a line",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write there, not to stdout")
    add_counted(parser)
    add_kernel(parser)
    add_engine(parser)
    parser.add_argument(
        "--verbose",
        action="store_true",
        help="a terminal gets every destination and every pair, as files and pipes do",
    )
    parser.add_argument(
        "--expect", metavar="FILE", help="compare with the matrix that is kept there"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="with --expect: keep this matrix there, compare nothing",
    )
    parser.add_argument(
        "--fail-on",
        choices=("worse", "any"),
        help="with --expect: status 2 for what is worse (if not said), or for any difference",
    )
    parser.add_argument(
        "--ignore-containers",
        action="store_true",
        help="with --expect: compare pairs of nodes, whatever containers they have by now",
    )
    parser.set_defaults(command=_matrix)


def _matrix(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.profiles.nodes import resolve
    from simulator.reports.terminal import progress

    waived, engine = waived_codes(options), engine_of(options)
    _refuse_contradictions(options)
    notes: dict[str, Note] = {}
    sources = resolve(options.nodes, kernel_of(options), options.printed_by)
    total = None if any(source.is_stream for source in sources) else len(sources)
    with progress(streams.stderr, "reading nodes", total) as step:
        fleet = _read(sources, step, notes, engine)
    if len(fleet.members) < 2:
        raise UsageError("matrix: a pair takes two nodes or more")
    is_compared = options.expect is not None and not options.update
    comparison = _compare(fleet, waived, options) if is_compared else None
    if options.format is not None or options.expect is None:
        worse = None if comparison is None else comparison.worse
        _report(fleet, notes, (waived, worse), options, streams)
    if options.update:
        return _update(fleet, waived, options, streams)
    return _tell(comparison, options, streams) if comparison is not None else ExitStatus.YES


def _refuse_contradictions(options: argparse.Namespace) -> None:
    if options.update and options.expect is None:
        raise UsageError("matrix: --update takes --expect FILE, which it writes")
    if options.full and options.format not in {"csv", "json"}:
        raise UsageError("matrix: --full takes --format csv or --format json")
    if options.full and options.by == "class":
        raise UsageError("matrix: --full is by node")
    comparing = [
        option
        for option, value in (
            ("--fail-on", options.fail_on),
            ("--ignore-containers", options.ignore_containers),
        )
        if value
    ]
    if comparing and options.expect is None:
        raise UsageError(f"matrix: {comparing[0]} takes --expect FILE, to compare with")
    if comparing and options.update:
        raise UsageError(f"matrix: with --update nothing is compared: leave {comparing[0]} out")
    if options.update and options.output == options.expect:
        raise UsageError("matrix: --output and --expect are the same file")
    if options.output is not None and options.format is None and options.expect is not None:
        raise UsageError("matrix: with --expect, --output takes a --format")


def _read(
    sources: "Sequence[Source]",
    step: Callable[[], None],
    notes: "dict[str, Note]",
    engine: "Engine[Any]",
) -> "Fleet":
    """Read the nodes, and keep the notes that a report shows."""
    from simulator.fleets.reading import read_fleet
    from simulator.reports.view import note_on

    def seen(name: str, note: "Note") -> None:
        notes[name] = note
        step()

    return read_fleet(sources, note_on, seen, engine=engine)


# Reports


def _report(
    fleet: "Fleet",
    notes: "Mapping[str, Note]",
    counted: "tuple[tuple[str, ...], frozenset[tuple[str, str]] | None]",
    options: argparse.Namespace,
    streams: Streams,
) -> None:
    """Report the fleet; ``counted`` are waived codes, and the pairs that became worse."""
    from simulator.reports.terminal import progress
    from simulator.reports.view import View

    waived, worse = counted

    is_by_class = False if options.full else {"node": False, "class": True}.get(options.by)
    view = View(fleet, waived, is_by_class=is_by_class, restore_only=options.restore_only)
    view.worse = worse
    with progress(streams.stderr, "comparing", len(view.matrix.groups)) as view.matrix.seen:
        left = _hand_on(_chunks(view, notes, options, streams), options, streams)
    _answer(left, streams)


def _hand_on(chunks: Iterator[str], options: argparse.Namespace, streams: Streams) -> Iterable[str]:
    """Write a report as it is made; return what must wait until the progress bar is gone."""
    if options.output is not None:
        write_atomically(options.output, chunks)
        return ()
    if streams.stdout is not None and streams.stdout.isatty():
        return list(chunks)
    _answer(chunks, streams)
    return ()


def _answer(chunks: Iterable[str], streams: Streams) -> None:
    for chunk in chunks:
        streams.answer(chunk)


def _chunks(
    view: "View", notes: "Mapping[str, Note]", options: argparse.Namespace, streams: Streams
) -> Iterator[str]:
    """Return the chunks of a report; each format imports only its own libraries."""
    if options.format in {None, _TABLE}:
        from simulator.reports.as_text import table_text

        stream = None if options.output else streams.stdout
        return table_text(view, stream, is_verbose=options.verbose)
    if options.full and options.format == "json":
        from simulator.reports.as_json import json_lines

        return json_lines(view)
    if options.format == "html":
        import time

        from simulator.reports.as_html import html_text

        made, pool = time.strftime("%Y-%m-%d %H:%M %Z"), _pool(view, options)
        return html_text(view, made=made, notes=notes, pool=pool)
    return _machine_text(view, options.format)


def _pool(view: "View", options: argparse.Namespace) -> "Pool | None":
    """Look for what makes one pool of the nodes, unless they are many, or cannot be read again."""
    from simulator.fleets.pool import Rule
    from simulator.fleets.pool_change import make_pool
    from simulator.profiles.nodes import read_all

    if len(view.fleet.members) > _MOST_POOLED or any(map(_is_stream, options.nodes)):
        return None
    engine = view.fleet.engine
    rule = Rule(False, options.restore_only, waived_codes(options), engine)
    return make_pool(read_all(options.nodes, kernel_of(options), options.printed_by), rule)


def _is_stream(node: str) -> bool:
    """Tell whether a NODE can be read once alone: standard input, a pipe."""
    paths = (node, node.rpartition("@")[0])
    return node == "-" or any(os.path.exists(one) and not _is_kept(one) for one in paths)


def _is_kept(path: str) -> bool:
    return os.path.isfile(path) or os.path.isdir(path)


def _machine_text(view: "View", form: str) -> Iterator[str]:
    if form == "json":
        from simulator.reports.as_json import json_text as text
    elif form == "csv":
        from simulator.reports.exports import csv_text as text
    elif form == "markdown":
        from simulator.reports.as_tables import markdown_text as text
    else:
        from simulator.reports.exports import junit_text as text
    return text(view)


# Kept matrices


def _expectation(fleet: "Fleet", waived: tuple[str, ...]) -> "Expectation":
    from simulator.fleets.expectations import expect
    from simulator.fleets.fleet import group_by_class
    from simulator.fleets.matrix import Matrix

    return expect(Matrix(fleet, group_by_class(fleet), waived))


def _update(
    fleet: "Fleet", waived: tuple[str, ...], options: argparse.Namespace, streams: Streams
) -> int:
    from simulator.fleets.expectation_text import format_expectation

    write_atomically(options.expect, [format_expectation(_expectation(fleet, waived))])
    streams.remark(f"{options.expect}: written, {len(fleet.members)} nodes")
    return ExitStatus.YES


def _compare(fleet: "Fleet", waived: tuple[str, ...], options: argparse.Namespace) -> "Comparison":
    from pathlib import Path

    from simulator.fleets.expectation_changes import compare, compare_nodes
    from simulator.fleets.expectation_text import read_expectation

    try:
        old = read_expectation(Path(options.expect))
    except FileNotFoundError as error:
        problem = "there is no such file; --update keeps this matrix there"
        raise UserError(f"{options.expect}: {problem}") from error
    differ = compare_nodes if options.ignore_containers else compare
    return differ(old, _expectation(fleet, waived), restore_only=options.restore_only)


def _tell(comparison: "Comparison", options: argparse.Namespace, streams: Streams) -> int:
    """Say what is different, and whether that fails."""
    for line in comparison.lines():
        if options.format is None:
            streams.answer(f"{line}\n")
        else:
            streams.remark(line)
    fails = bool(comparison) if options.fail_on == "any" else bool(comparison.worse)
    return ExitStatus.NO if fails else ExitStatus.YES
