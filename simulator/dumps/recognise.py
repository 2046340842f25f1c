"""The forms of register dumps in one table, and which of them a file or a folder is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from simulator.dumps import (
    aida64,
    cpuid_r,
    cpuid_text,
    cpuinfo,
    criu,
    hwloc,
    libcpuid,
    libvirt,
    own_json,
)
from simulator.dumps.archive import is_archive, read_archive
from simulator.dumps.model import CpuDump, DumpError
from simulator.dumps.text import Lines, decode

#: A file's bytes, or a folder's files by their paths.
Source = bytes | Mapping[str, bytes]

#: Stands for the key of any form.
AUTO = "auto"

#: A text that is read in lines has no more: 16 MiB of empty ones take half a minute.
_MOST_LINES = 1 << 19

#: What is read whole takes up to thirty times its size as it is read; /proc/cpuinfo of 1,000
#: processors has 1.5 MiB, and the others have some KiB a kind of CPU.
_MOST_BYTES = 1 << 20
_MOST_BYTES_OF_CPUINFO = 2 << 20

_T = TypeVar("_T")


class _OtherFormError(Exception):
    """A source does not try to be of a form; the text says what it would take."""


@dataclass(frozen=True, slots=True)
class Form:
    """A way to write dumps, with the key that a user knows it by.

    ``parse`` returns at least one CPU. It raises DumpError where a source is not soundly of
    this form, and an error of its own where it does not try to be.
    """

    key: str
    parse: Callable[[Source], list[CpuDump]]


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
            return form.parse(source)
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


def _form(
    key: str,
    read: Callable[[Source], _T],
    why_not: Callable[[_T], str | None],
    parse: Callable[[_T], list[CpuDump]],
) -> Form:
    """Return a form; ``read`` takes out of a source what it looks at."""

    def attempt(source: Source) -> list[CpuDump]:
        content = read(source)
        reason = why_not(content)
        if reason is not None:
            raise _OtherFormError(reason)
        return parse(content)

    return Form(key, attempt)


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
    return read_archive(source, hwloc.is_processor)


#: In the order in which they are tried: CRIU's JSON before the project's own.
FORMS = (
    _form("hwloc", _files, hwloc.why_no_folder, hwloc.parse_folder),
    _form("criu", _whole, criu.why_no_image, criu.parse_image),
    _form("aida64", _lines, aida64.why_not, aida64.parse),
    _form("cpuid-r", _lines, cpuid_r.why_not, cpuid_r.parse),
    _form("cpuid", _lines, cpuid_text.why_not, cpuid_text.parse),
    _form("libcpuid", _lines, libcpuid.why_not, libcpuid.parse),
    _form("hwloc", _lines, hwloc.why_not, hwloc.parse),
    _form("libvirt", _text, libvirt.why_not, libvirt.parse),
    _form("cpuinfo", _cpuinfo, cpuinfo.why_not, cpuinfo.parse),
    _form("criu", _text, criu.why_not, criu.parse),
    _form("json", _text, own_json.why_not, own_json.parse),
)

#: What a user may call them.
KEYS = tuple(dict.fromkeys(form.key for form in FORMS))
