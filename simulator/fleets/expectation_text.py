"""Kept matrices as text: strict to read, canonical to write, compared line by line by any diff.

A line is a node, or what is said of moving one kind of container from one class of kernels or
CPUs to others. Columns are apart by tabs. ::

    node    NAME  KERNEL  CPU      CTID=CONTAINER ...
    restore MAKE  CONTAINER  VERDICT  KERNEL ...
    makes   MAKE  -          VERDICT  MAKE ...
    cpus    CPU   FPU        VERDICT  CPU ...

Names of nodes are spelled as in JSON. A container of ``-`` stands for the nodes alone.
"""

import json
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from simulator.errors import UserError
from simulator.fleets.expectations import Expectation, Kept, KeptNode, Table
from simulator.sources.files import read_file
from simulator.verdicts.verdict import Verdict

_HEADER = "# vzcptsim matrix, kept by --update; format 2"
_KERNEL = re.compile(
    r"[0-9a-z.]+/(cpt)?(rst)?/(32|64)/0x[0-9a-f]+(-0x[0-9a-f]+:[a-z0-9=]+)*"
    r"|criu-[0-9a-f]{16}/",
    re.ASCII,
)
_CPU = re.compile(r"[0-9a-f]{16}", re.ASCII)
_CONTAINER = re.compile(r"([1-9][0-9]{0,9})=([a-z]+(?:/0x[0-9a-f]+)?/(?:no-)?fpu)", re.ASCII)
_CODES = re.compile(r"~?[a-z0-9-]+(,~?[a-z0-9-]+)*", re.ASCII)
_COLUMNS = 5

#: 151 nodes, all of different classes, take 0.8 MB, and a file grows with the square of those.
_MOST_BYTES = 64 << 20


def format_expectation(expectation: Expectation) -> str:
    """Write it in the one canonical way, in ASCII alone."""
    lines = [_HEADER]
    for name, node in sorted(expectation.nodes.items()):
        held = " ".join(f"{ctid}={container}" for ctid, container in node.containers)
        lines.append("\t".join(("node", json.dumps(name)[1:-1], node.kernel, node.cpu, held)))
    for kind in _TABLES:
        lines += _table_lines(kind, getattr(expectation, kind))
    return "\n".join(lines) + "\n"


def _table_lines(kind: str, table: Table) -> Iterator[str]:
    destinations: dict[tuple[str, str, str], list[str]] = {}
    for (source, container, destination), kept in table.items():
        key = source, container, _format_kept(kept)
        destinations.setdefault(key, []).append(destination)
    for key, names in sorted(destinations.items()):
        yield "\t".join((kind, *key, " ".join(sorted(names))))


def _format_kept(kept: Kept) -> str:
    word = kept.verdict.name.lower().replace("_", "-")
    return f"{word}:{','.join(kept.codes)}" if kept.codes else word


def read_expectation(path: Path) -> Expectation:
    """Read the file at a path; UserError names the line, OSError where it cannot be read."""
    data = read_file(str(path), _MOST_BYTES, "kept matrix")
    try:
        return parse_expectation(data.decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 at byte {error.start}, and so no matrix that --update kept"
        ) from error


def parse_expectation(text: str, where: str) -> Expectation:
    """Read it; UserError names the line, and what is wrong with it."""
    parser = _Parser(where)
    lines = text.split("\n")
    if lines[0] != _HEADER:
        raise parser.error(
            1, f"the first line is not {_HEADER!r}: keep the matrix anew with --update"
        )
    for number, line in enumerate(lines[1:-1], 2):
        parser.add(number, line)
    expectation = parser.finish()
    for number, pair in enumerate(
        zip_longest(lines, format_expectation(expectation).split("\n")), 1
    ):
        if pair[0] != pair[1]:
            raise parser.error(number, "the line is not as, or not where, --update writes it")
    return expectation


class _Parser:
    """Lines that are being read."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._nodes: dict[str, KeptNode] = {}
        self._lines: dict[str, int] = {}
        self._tables: dict[str, dict[tuple[str, str, str], Kept]] = {kind: {} for kind in _TABLES}

    def error(self, number: int, problem: str) -> UserError:
        """Return the error of a line."""
        return UserError(f"{self._where}: line {number}: {problem}")

    def add(self, number: int, line: str) -> None:
        """Take one line more."""
        columns = line.split("\t")
        if not (line.isascii() and "".join(columns).isprintable()):
            raise self.error(number, "a character that --update does not write")
        if len(columns) != _COLUMNS:
            raise self.error(number, f"{len(columns)} columns, not {_COLUMNS}, apart by tabs")
        if columns[0] == "node":
            self._add_node(number, *columns[1:])
        elif columns[0] in self._tables:
            self._add_row(number, columns[0], (columns[1], columns[2]), columns[3], columns[4])
        else:
            raise self.error(number, f"{columns[0]!r} is none of node, {', '.join(_TABLES)}")

    def finish(self) -> Expectation:
        """Return what was read, if it says something of every migration."""
        expectation = Expectation(self._nodes, **self._tables)
        destinations = {(node.kernel, node.cpu): node for node in self._nodes.values()}
        asked: dict[tuple[str, str, str], int] = {}
        for name, node in self._nodes.items():
            for container in node.migrations.values():
                asked.setdefault((node.kernel, node.cpu, container), self._lines[name])
        for (kernel, cpu, container), number in asked.items():
            source = KeptNode(kernel, cpu, ())
            for destination in destinations.values():
                try:
                    expectation.restore_opinion(source, destination, container)
                    expectation.programs_opinion(source, destination, container)
                except KeyError as error:
                    raise self.error(number, f"nothing is said of {error.args[0]}") from error
        return expectation

    def _add_node(self, number: int, name: str, kernel: str, cpu: str, containers: str) -> None:
        if not _KERNEL.fullmatch(kernel):
            raise self.error(number, f"{kernel!r} is no kernel")
        if not _CPU.fullmatch(cpu):
            raise self.error(number, f"{cpu!r} is no CPU")
        held = tuple(self._container(number, word) for word in containers.split(" ") if word)
        try:
            spelled = json.loads(f'"{name}"')
        except ValueError as error:
            raise self.error(number, f"{name!r} is no name as JSON spells it") from error
        self._nodes[spelled] = KeptNode(kernel, cpu, held)
        self._lines[spelled] = number

    def _container(self, number: int, word: str) -> tuple[int, str]:
        match = _CONTAINER.fullmatch(word)
        if match is None:
            raise self.error(number, f"{word!r} is no CTID=CONTAINER")
        return int(match[1]), match[2]

    def _add_row(
        self, number: int, kind: str, about: tuple[str, str], said: str, names: str
    ) -> None:
        kept = self._verdict(number, said)
        for destination in names.split(" "):
            key = (*about, destination)
            if key in self._tables[kind]:
                raise self.error(number, f"a second verdict for {' '.join(key)}")
            self._tables[kind][key] = kept

    def _verdict(self, number: int, said: str) -> Kept:
        word, colon, codes = said.partition(":")
        if word not in _VERDICTS or (colon and not _CODES.fullmatch(codes)):
            raise self.error(number, f"{said!r} is no verdict: {', '.join(_VERDICTS)}[:CODE,...]")
        return Kept(_VERDICTS[word], tuple(codes.split(",")) if colon else ())


_TABLES = ("restore", "makes", "cpus")
_VERDICTS = {verdict.name.lower().replace("_", "-"): verdict for verdict in Verdict}
