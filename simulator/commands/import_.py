"""vzcptsim import: a register dump, as the world has them, in the project's own form."""

import argparse
from collections.abc import Iterator, Sequence

from simulator.errors import UsageError
from simulator.output import Streams, write_atomically
from vzcptcheck.outcome import ExitStatus, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.dumps.model import CpuDump

#: The format that vzcptcheck-gather.sh writes.
_GATHERED = "gathered"

_SHOWN_DIFFERENCES = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to its parser."""
    from simulator.dumps.recognise import AUTO, KEYS

    formats = (AUTO, *KEYS, _GATHERED)
    parser.description = (
        "FORMAT is recognised where it is not given. What is written is what "
        "'vzcptsim compose --cpuid' reads; bits that the dump does not tell are unknown in it."
    )
    parser.add_argument(
        "format",
        metavar="FORMAT",
        nargs="?",
        choices=formats,
        default=AUTO,
        help=f"one of: {', '.join(formats)}",
    )
    parser.add_argument("file", metavar="FILE", help="a path, or - for standard input")
    parser.add_argument("-o", "--output", metavar="OUT", help="write there, not to stdout")
    parser.set_defaults(command=_import)


def _import(options: argparse.Namespace, streams: Streams) -> int:
    from simulator.sources.files import title_of

    read = _read_gathered if options.format == _GATHERED else _read_dump
    text, remarks = read(options.format, options.file)
    if options.output is None:
        streams.answer(text)
    else:
        write_atomically(options.output, [text])
    for remark in remarks:
        streams.remark(f"{title_of(options.file)}: {remark}")
    return ExitStatus.YES


def _read_dump(form: str, file: str) -> tuple[str, Sequence[str]]:
    """Return the text to write for a register dump, and remarks on it."""
    from simulator.dumps.model import DumpError
    from simulator.dumps.own_json import format_dumps
    from simulator.dumps.recognise import parse_dump, read_source
    from simulator.dumps.summary import group
    from simulator.sources.files import title_of

    try:
        dumps = parse_dump(read_source(file), form)
    except DumpError as error:
        raise UsageError(f"{title_of(file)}: {error}") from error
    kinds = group(dumps)
    return format_dumps(kinds), list(_remarks(dumps, kinds))


def _read_gathered(_: str, file: str) -> tuple[str, Sequence[str]]:
    """Return the profile of a gathered node as text, and remarks on it."""
    from simulator.profiles.gathered import load_gathered
    from simulator.profiles.profile_json import format_profile

    gathered = load_gathered(file)
    return format_profile(gathered.profile), gathered.remarks


def _remarks(dumps: "Sequence[CpuDump]", kinds: "Sequence[CpuDump]") -> Iterator[str]:
    """Yield the forms recognised, the unknown bits, and differences between the machine's CPUs."""
    from simulator.dumps.summary import numbers_of, summarize_unknown

    forms = ", ".join(dict.fromkeys(printable(dump.form) for dump in dumps))
    yield (
        f"{forms}: {_count(len(dumps), 'processor')}, {_count(len(kinds), 'kind')} of CPU; "
        f"unknown: {summarize_unknown(kinds)}"
    )
    numbered = [kind for kind in kinds if numbers_of(kind)]
    if len(numbered) > 1:
        parts = (_difference(numbered[0], other) for other in numbered[1:])
        yield f"the processors are of several kinds: {'; '.join(parts)}"


def _difference(one: "CpuDump", other: "CpuDump") -> str:
    from simulator.dumps.summary import differences

    names = list(differences(one, other))
    more = len(names) - _SHOWN_DIFFERENCES
    shown = ", ".join(names[:_SHOWN_DIFFERENCES]) or "what is said of them"
    return (
        f"{other.cpus} differ from {one.cpus} in {shown}{f' and {more} more' if more > 0 else ''}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
