"""vzcptsim import: a register dump, as the world has them, in the project's own form."""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from simulator.commands.options import Commands
from simulator.dumps.files import read_source, title_of
from simulator.dumps.grouping import differences, group, numbers_of
from simulator.dumps.model import CpuDump, DumpError
from simulator.dumps.own_json import format_dumps
from simulator.dumps.recognise import AUTO, KEYS, parse_dump
from simulator.dumps.unknown import summarize_unknown
from simulator.errors import UsageError
from simulator.output import Streams, write_atomically
from vzcptcheck.outcome import ExitStatus, printable

_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True, slots=True)
class Imported:
    """What a format makes of a file: the text to write, and what to say of it."""

    text: str
    remarks: Sequence[str]


def add_parser(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "import",
        help="read a register dump in any form, and write it in the project's own (JSON)",
        description="FORMAT is recognised where it is not given. What is written is what "
        "'vzcptsim compose --cpuid' reads; bits that the dump does not tell are unknown in it.",
    )
    parser.add_argument(
        "format",
        metavar="FORMAT",
        nargs="?",
        choices=_FORMATS,
        default=AUTO,
        help=f"one of: {', '.join(_FORMATS)}",
    )
    parser.add_argument("file", metavar="FILE", help="a path, or - for standard input")
    parser.add_argument("-o", "--output", metavar="OUT", help="write there, not to stdout")
    parser.set_defaults(command=_import)


def _import(options: argparse.Namespace, streams: Streams) -> int:
    imported = _FORMATS[options.format](options.file)
    if options.output is None:
        streams.answer(imported.text)
    else:
        write_atomically(Path(options.output), imported.text)
    for remark in imported.remarks:
        streams.remark(f"{title_of(options.file)}: {remark}")
    return ExitStatus.YES


def _import_dump(key: str, file: str) -> Imported:
    try:
        dumps = parse_dump(read_source(file), key)
    except DumpError as error:
        raise UsageError(f"{title_of(file)}: {error}") from error
    kinds = group(dumps)
    return Imported(format_dumps(kinds), list(_remarks(dumps, kinds)))


def _import_gathered(file: str) -> Imported:
    from simulator.profiles.gathered import load_gathered
    from simulator.profiles.profile_json import format_profile

    gathered = load_gathered(file)
    return Imported(format_profile(gathered.profile), gathered.remarks)


#: What makes something of a file, by the name of its format.
_FORMATS: Mapping[str, Callable[[str], Imported]] = {
    **{key: partial(_import_dump, key) for key in (AUTO, *KEYS)},
    "gathered": _import_gathered,
}


def _remarks(dumps: Sequence[CpuDump], kinds: Sequence[CpuDump]) -> Iterator[str]:
    """Say what was recognised, what is unknown, and how kinds of CPUs in one machine differ."""
    forms = ", ".join(dict.fromkeys(printable(dump.form) for dump in dumps))
    yield (
        f"{forms}: {_count(len(dumps), 'processor')}, {_count(len(kinds), 'kind')} of CPU; "
        f"unknown: {summarize_unknown(kinds)}"
    )
    numbered = [kind for kind in kinds if numbers_of(kind)]
    if len(numbered) > 1:
        parts = (_difference(numbered[0], other) for other in numbered[1:])
        yield f"the processors are of several kinds: {'; '.join(parts)}"


def _difference(one: CpuDump, other: CpuDump) -> str:
    names = list(differences(one, other))
    more = len(names) - _SHOWN_DIFFERENCES
    shown = ", ".join(names[:_SHOWN_DIFFERENCES]) or "what is said of them"
    return (
        f"{other.cpus} differ from {one.cpus} in {shown}{f' and {more} more' if more > 0 else ''}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
