"""The forms of register dumps in one table, and which of them a file or a folder is."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from operator import attrgetter
from typing import NamedTuple

from simulator.dumps.model import CpuDump, DumpError
from simulator.sources.archive import is_archive, read_archive
from simulator.sources.files import STDIN, Lines, SourceError, decode, read_folder, read_input

#: A file's bytes, or a folder's files by their paths.
Source = bytes | Mapping[str, bytes]

#: Stands for the key of any form.
AUTO = "auto"

#: More is no register dump: 1,000 processors take AIDA64 3 MB, and 400 take cpuid in words 16 MB.
MAX_BYTES = 16 << 20
_KIND = "register dump"

#: A text that is read in lines has no more: 16 MiB of empty ones take half a minute.
_MOST_LINES = 1 << 19

#: What is read whole takes up to thirty times its size as it is read; /proc/cpuinfo of 1,000
#: processors has 1.5 MiB, and the others have some KiB a kind of CPU.
_MOST_BYTES = 1 << 20
_MOST_BYTES_OF_CPUINFO = 2 << 20


class _OtherFormError(Exception):
    """A source does not try to be of a form; the text says what it would take."""


class Form(NamedTuple):
    """A way to write dumps, with the key that a user knows it by.

    ``content`` takes out of a source what the form looks at. ``why_not`` and ``parse`` name two
    functions of that in ``module``, which is not imported before. The first returns why it does
    not try to be of the form (None where it does). The second returns at least one CPU, and raises
    DumpError where it is not soundly of the form.
    """

    key: str
    content: Callable[[Source], object]
    module: str
    why_not: str = "why_not"
    parse: str = "parse"

    def attempt(self, source: Source) -> list[CpuDump]:
        """Parse a source; an error of its own where it does not try to be of this form."""
        content = self.content(source)
        module = import_module(f"simulator.dumps.{self.module}")
        reason = attrgetter(self.why_not)(module)(content)
        if reason is not None:
            raise _OtherFormError(reason)
        dumps: list[CpuDump] = attrgetter(self.parse)(module)(content)
        return dumps


def read_source(name: str) -> Source:
    """Read a file whole, of a folder the files that some form looks at, or standard input (-).

    OSError where it cannot be read, SourceError where it is too large.
    """
    folder = name or os.curdir
    if name != STDIN and os.path.isdir(folder):
        return read_folder(folder, _is_wanted, MAX_BYTES, _KIND)
    return read_input(name, MAX_BYTES, _KIND)


def _is_wanted(path: str) -> bool:
    """Tell whether some form looks at a file of a folder or an archive, by its name."""
    from simulator.dumps.hwloc import is_processor

    return is_processor(path)


def parse_dump(source: Source, key: str = AUTO) -> list[CpuDump]:
    """Parse a register dump in any form known here: at least one CPU, in the order written.

    ``key`` is that of a form; ``auto`` tries them all. Raises ``DumpError`` where the source is
    of no form, or not soundly of one: it says why of each that was tried, the nearest first.
    """
    unsound: list[tuple[str, DumpError]] = []
    reasons: list[str] = []
    for form in FORMS:
        if key not in (AUTO, form.key):
            continue
        try:
            return form.attempt(source)
        except DumpError as error:
            unsound.append((form.key, error))
        except _OtherFormError as error:
            reasons.append(f"{form.key}: {error}")
    raise _refusal(unsound, reasons)


def _refusal(unsound: Sequence[tuple[str, DumpError]], reasons: Sequence[str]) -> DumpError:
    if not unsound:
        return DumpError(
            "\n  ".join(["not a register dump in any form known here; tried", *reasons])
        )
    (key, nearest), *more = unsound
    others = [*(f"{key}: {error}" for key, error in more), *reasons]
    tried = ["tried too", *others] if others else []
    return DumpError("\n  ".join([f"{key}: {nearest.message}", *tried]), nearest.line)


def _data(source: Source) -> bytes:
    if not isinstance(source, bytes):
        raise _OtherFormError("it is a folder")
    if is_archive(source):
        raise _OtherFormError("it is an archive")
    return source


def _lines(source: Source) -> Lines:
    data = _data(source)
    if data.count(b"\n") > _MOST_LINES:
        raise _OtherFormError(f"over {_MOST_LINES} lines")
    return Lines(data)


def _whole(source: Source, most: int = _MOST_BYTES) -> bytes:
    data = _data(source)
    if len(data) > most:
        raise _OtherFormError(f"over {most >> 20} MiB")
    return data


def _cpuinfo(source: Source) -> bytes:
    return _whole(source, _MOST_BYTES_OF_CPUINFO)


def _text(source: Source) -> str:
    return decode(_whole(source))


def _files(source: Source) -> Mapping[str, bytes]:
    """Return the files of a folder or of an archive, of those that any form looks at."""
    if not isinstance(source, bytes):
        return source
    if not is_archive(source):
        raise _OtherFormError("it is neither a folder nor an archive")
    try:
        return read_archive(source, _is_wanted)
    except SourceError as error:
        raise DumpError(error.problem) from error


#: In the order in which they are tried: CRIU's JSON before the project's own.
FORMS = (
    Form("hwloc", _files, "hwloc", "why_no_folder", "parse_folder"),
    Form("criu", _whole, "criu", "why_no_image", "parse_image"),
    Form("aida64", _lines, "lines", "AIDA64.why_not", "AIDA64.parse"),
    Form("cpuid-r", _lines, "lines", "CPUID_R.why_not", "CPUID_R.parse"),
    Form("cpuid", _lines, "cpuid_text"),
    Form("libcpuid", _lines, "libcpuid"),
    Form("hwloc", _lines, "hwloc"),
    Form("libvirt", _text, "libvirt"),
    Form("cpuinfo", _cpuinfo, "cpuinfo"),
    Form("criu", _text, "criu"),
    Form("json", _text, "own_json"),
)

#: What a user may call them.
KEYS = tuple(dict.fromkeys(form.key for form in FORMS))
