"""The forms of register dumps in one table, and which of them a file or a folder is."""

import os
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from operator import attrgetter
from typing import NamedTuple

from simulator.dumps.flag_lines import has_flags
from simulator.dumps.model import CpuDump, DumpError, load_documents
from simulator.dumps.pasted import as_document, as_text, read_lines
from simulator.sources.archive import BEGINNING, is_archive, read_archive, read_archive_file
from simulator.sources.files import (
    STDIN,
    SourceError,
    read_beginning,
    read_folder,
    read_input,
    title_of,
)

#: A file's bytes, or the files of a folder or an archive by their paths.
Source = bytes | Mapping[str, bytes]

#: Stands for the key of any form.
AUTO = "auto"

#: More is no register dump: 1,000 processors take AIDA64 3 MB, and 400 take cpuid in words 16 MB.
MAX_BYTES = 16 << 20
_KIND = "register dump"

#: A text that is read in lines has no more: 16 MiB of empty ones take half a minute.
MOST_LINES = 1 << 19

#: What is read whole takes up to thirty times its size as it is read; /proc/cpuinfo of 1,000
#: processors has 1.5 MiB, and the others have some KiB a kind of CPU.
_MOST_BYTES = 1 << 20
_MOST_BYTES_OF_CPUINFO = 2 << 20


#: Shapes of lines that no form takes, and what they look like.
_NEARLY = tuple(
    (re.compile(shape, re.IGNORECASE | re.ASCII), near)
    for shape, near in (
        (
            r"\beax\s*[=:]\s*(?:0x)?[0-9a-f]+.*\bebx\b",
            "cpuid-r, but no leaf stands before the registers, as in '0x00000001 0x00: eax='",
        ),
        (
            r"\b[0-9A-F]{8}(?:\s*-\s*[0-9A-F]{8}){3}\b",
            "aida64, but no 'CPUID 00000001' stands before the registers",
        ),
        (
            r"=\s*(?:true|false)$",
            "cpuid, but no heading such as 'feature information (1/edx):' says of which leaf",
        ),
        (
            r"^(?:[0-9a-f]{8}\s+){3}[0-9a-f]{8}$",
            "libcpuid, but no 'basic_cpuid[0]=' stands before the registers",
        ),
    )
)
_NEARLY_FLAGS = "cpuinfo, but no 'flags :' stands before the words"

#: What reasons say of CPUs that no node has.
_ALIEN = "another architecture"

_ROOT = re.compile(r"\s*(?:<[?!][^>]{0,1000}>\s*){0,10}<(?P<name>[A-Za-z][\w:.-]{0,60})")


class _OtherFormError(Exception):
    """A source does not try to be of a form; the text says what it would take."""


class _Content:
    """What the forms look at in a source: each is made once, when the first form asks for it."""

    def __init__(self, source: Source) -> None:
        self.source = source

    @property
    def data(self) -> bytes:
        """The bytes of a file."""
        if not isinstance(self.source, bytes):
            raise _OtherFormError("it is a folder or an archive")
        if is_archive(self.source):
            raise _OtherFormError("it is an archive")
        return self.source

    @cached_property
    def _all_lines(self) -> list[str]:
        return read_lines(self.data)

    @property
    def lines(self) -> list[str]:
        """The lines, with nothing around the answers in them."""
        if self.data.count(b"\n") > MOST_LINES:
            raise _OtherFormError(f"over {MOST_LINES} lines")
        return self._all_lines

    @property
    def lines_of_cpuinfo(self) -> list[str]:
        """The lines of a text that is read whole."""
        self.whole(_MOST_BYTES_OF_CPUINFO)
        return self.lines

    @cached_property
    def _document(self) -> str:
        return as_document(as_text(self.data))

    @property
    def document(self) -> str:
        """The JSON or the XML in the text."""
        self.whole()
        return self._document

    def whole(self, most: int = _MOST_BYTES) -> bytes:
        """Return the bytes of a file that is not too large to be read whole."""
        if len(self.data) > most:
            raise _OtherFormError(f"over {most >> 20} MiB")
        return self.data

    @property
    def files(self) -> Mapping[str, bytes]:
        """The files of a folder or of an archive, of those that any form looks at."""
        if not isinstance(self.source, bytes):
            return self.source
        if not is_archive(self.source):
            raise _OtherFormError("it is neither a folder nor an archive")
        try:
            return read_archive(self.source, _is_wanted)
        except SourceError as error:
            raise DumpError(error.problem) from error


class Form(NamedTuple):
    """A way to write dumps, with the key that a user knows it by.

    ``content`` takes out of a source what the form looks at. ``why_not`` and ``parse`` name two
    functions of that in ``module``, which is not imported before. The first returns why it does
    not try to be of the form (None where it does). The second returns at least one CPU, and raises
    DumpError where it is not soundly of the form.
    """

    key: str
    content: Callable[[_Content], object]
    module: str
    why_not: str = "why_not"
    parse: str = "parse"

    def attempt(self, source: _Content) -> list[CpuDump]:
        """Parse a source; an error of its own where it does not try to be of this form."""
        content = self.content(source)
        module = import_module(f"simulator.dumps.{self.module}")
        reason = attrgetter(self.why_not)(module)(content)
        if reason is not None:
            raise _OtherFormError(reason)
        dumps: list[CpuDump] = attrgetter(self.parse)(module)(content)
        return dumps


def read_source(name: str) -> Source:
    """Read a file whole, of a folder or an archive what some form looks at, or standard input (-).

    OSError where it cannot be read, SourceError where it is too large.
    """
    path = name or os.curdir
    if name != STDIN and os.path.isdir(path):
        return read_folder(path, _is_wanted, MAX_BYTES, _KIND)
    # Of a pipe nothing can be read twice.
    if name != STDIN and os.path.isfile(path) and is_archive(read_beginning(path, BEGINNING)):
        try:
            return read_archive_file(path, _is_wanted)
        except SourceError as error:
            raise SourceError(error.problem, title_of(name)) from error
    return read_input(name, MAX_BYTES, _KIND)


def is_checkpoint_folder(path: str) -> bool:
    """Tell whether a folder is CRIU's checkpoint, or has one in it as Podman packs it."""
    from simulator.dumps.checkpoint import CPUINFO, FOLDER, INVENTORY

    places = (INVENTORY, CPUINFO, os.path.join(FOLDER, INVENTORY))
    return any(os.path.isfile(os.path.join(path, place)) for place in places)


def _is_wanted(path: str) -> bool:
    """Tell whether some form looks at a file of a folder or an archive, by its name."""
    from simulator.dumps.checkpoint import is_image
    from simulator.dumps.hwloc import is_processor

    return is_processor(path) or is_image(path)


def parse_dump(source: Source, key: str = AUTO) -> list[CpuDump]:
    """Parse a register dump in any form known here: at least one CPU, in the order written.

    ``key`` is that of a form; ``auto`` tries them all. Raises ``DumpError`` where the source is
    of no form, or not soundly of one: it says why of each that was tried, the nearest first.
    """
    content = _Content(source)
    unsound: list[tuple[str, DumpError]] = []
    reasons: list[str] = []
    for form in FORMS:
        if key not in (AUTO, form.key):
            continue
        try:
            return form.attempt(content)
        except DumpError as error:
            unsound.append((form.key, error))
        except _OtherFormError as error:
            reasons.append(f"{form.key}: {error}")
    if not unsound and key == AUTO:
        raise _of_no_form(content, reasons)
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


def _of_no_form(content: _Content, reasons: Sequence[str]) -> DumpError:
    """Return the error of what does not try to be of any form: what it is, or is nearly."""
    for reason in reasons:
        if _ALIEN in reason:
            return DumpError(f"looks like {reason.replace(': ', ', but ', 1)}")
    try:
        other = _describe_document(content.document)
        if other is not None:
            return DumpError(f"{other}, and of no form known here")
        for number, line in enumerate(content.lines, start=1):
            for shape, near in _NEARLY:
                if shape.search(line):
                    tried = "\n  ".join(["tried", *reasons])
                    return DumpError(f"looks like {near}; {tried}", number)
            if has_flags(line):
                tried = "\n  ".join(["tried", *reasons])
                return DumpError(f"looks like {_NEARLY_FLAGS}; {tried}", number)
    except _OtherFormError:
        pass
    return _refusal([], reasons)


def _describe_document(text: str) -> str | None:
    """Describe JSON or XML by what it begins with; None for other texts."""
    if root := _ROOT.match(text):
        return f"XML with the root <{root['name']}>"
    if not text.lstrip().startswith(("{", "[")):
        return None
    document = next(load_documents(text), None)
    keys = f" with the keys {reprlib.repr(list(document))}" if isinstance(document, dict) else ""
    return f"JSON{keys}"


#: In the order in which they are tried: the narrower ones first.
FORMS = (
    Form("hwloc", attrgetter("files"), "hwloc", "why_no_folder", "parse_folder"),
    Form("criu", attrgetter("files"), "checkpoint", "why_no_folder", "parse_folder"),
    Form("criu", _Content.whole, "criu", "why_no_image", "parse_image"),
    Form("aida64", attrgetter("lines"), "lines", "AIDA64.why_not", "AIDA64.parse"),
    Form("cpuid-r", attrgetter("lines"), "lines", "CPUID_R.why_not", "CPUID_R.parse"),
    Form("cpuid", attrgetter("lines"), "cpuid_text"),
    Form("libcpuid", attrgetter("lines"), "libcpuid"),
    Form("hwloc", attrgetter("lines"), "hwloc"),
    Form("libvirt", attrgetter("document"), "libvirt"),
    Form("libvirt", attrgetter("document"), "libvirt_caps"),
    Form("rjcp", attrgetter("document"), "rjcp"),
    Form("xen", attrgetter("lines"), "xen"),
    Form("freebsd", attrgetter("lines"), "freebsd"),
    Form("cpuinfo", attrgetter("lines_of_cpuinfo"), "cpuinfo"),
    Form("lscpu", attrgetter("lines"), "lscpu"),
    Form("lscpu", attrgetter("document"), "lscpu", "why_not_json", "parse_json"),
    Form("qmp", attrgetter("document"), "qmp"),
    Form("firecracker", attrgetter("document"), "firecracker"),
    Form("criu", attrgetter("document"), "criu"),
    Form("json", attrgetter("document"), "own_json"),
)

#: What a user may call them.
KEYS = tuple(dict.fromkeys(form.key for form in FORMS))
