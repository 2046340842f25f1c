"""Archives, read from the first byte to the last: no file of theirs is written, bombs are refused.

Headers are read by tarfile, one by one, and walked over here. ``TarFile`` itself takes hours over
a made-up extended header of some megabytes (its search for the records has no bound), and stops in
silence where an archive is damaged after its first file. What is not wanted of an archive is
passed over, and not kept in memory: a checkpoint has all of a container's memory in it.
"""

import io
import os
import tarfile
from collections.abc import Callable, Iterator
from itertools import chain
from typing import BinaryIO, NamedTuple, Protocol

from simulator.sources.compression import compression_of, unpack
from simulator.sources.files import SourceError

#: What is unpacked at most of an archive in memory: one of hwloc's tests has 0.3 MB for 64
#: processors, and what is gathered on a node at most 2 MiB.
MAX_BYTES = 8 << 20
MAX_MEMBERS = 100_000

#: What is unpacked at most of a file, which takes some seconds.
MAX_BYTES_OF_FILE = 4 << 30

#: What is kept at most, long names among it: CRIU's image of a thread has 3 KB.
MAX_KEPT = 16 << 20

_TAR_MAGIC = b"ustar"
_TAR_MAGIC_AT = 257
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)

#: So many bytes tell whether a file is an archive.
BEGINNING = _BLOCK

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)

#: What has a size of something else, and no data: links, devices, folders, pipes.
_WITHOUT_DATA = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)

#: A record's length has some digits, and no file has 10**18 bytes.
_LONGEST_LENGTH = 12
_LONGEST_SIZE = 18


class _Tape(Protocol):
    """What is read once, from its beginning on."""

    position: int

    def read(self, size: int) -> bytes:
        """Return so many bytes, or as many as are left."""

    def skip(self, size: int) -> bool:
        """Pass over so many bytes; False where there are fewer."""


def is_archive(data: bytes) -> bool:
    """Tell by its first bytes whether this is a tar archive, or something compressed."""
    return compression_of(data) is not None or _is_tar(data)


def read_archive(data: bytes, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the wanted files of a tar archive, of one that is compressed too, by their paths.

    SourceError where it is no sound archive, or one too large to be unpacked.
    """
    return _read(io.BytesIO(data), wanted, MAX_BYTES)


def read_archive_file(path: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the wanted files of an archive that may be large: only they are kept in memory.

    SourceError as of ``read_archive``, OSError where the file cannot be read.
    """
    with open(path, "rb") as file:
        return _read(file, wanted, MAX_BYTES_OF_FILE)


def _read(file: BinaryIO, wanted: Callable[[str], bool], most: int) -> dict[str, bytes]:
    make = compression_of(file.read(BEGINNING))
    file.seek(0)
    if make is None:
        return _walk(_File(file), wanted)
    unpacked = unpack(make, file, most)
    first = next(unpacked, b"")
    while len(first) < _BLOCK and (more := next(unpacked, b"")):
        first += more
    if not _is_tar(first):
        raise SourceError("what is compressed here is no tar archive")
    files = _walk(_Unpacked(chain([first], unpacked)), wanted)
    for _ in unpacked:
        pass  # What tells that all of it is sound stands at the end.
    return files


def _is_tar(data: bytes) -> bool:
    return data.startswith(_TAR_MAGIC, _TAR_MAGIC_AT)


# What is compressed, and what is not


class _Unpacked:
    """What pieces make together."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._start = 0
        self.position = 0

    def read(self, size: int) -> bytes:
        return b"".join(self._parts(size))

    def skip(self, size: int) -> bool:
        return sum(map(len, self._parts(size))) == size

    def _parts(self, size: int) -> Iterator[bytes]:
        while size > 0:
            part = self._piece[self._start : self._start + size]
            if not part:
                self._piece, self._start = next(self._pieces, b""), 0
                if not self._piece:
                    return
            self._start += len(part)
            self.position += len(part)
            size -= len(part)
            yield part


class _File:
    """A file as it is: what is not wanted is not read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        self.position = file.seek(0)

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.position += len(data)
        return data

    def skip(self, size: int) -> bool:
        self.position = self._file.seek(self.position + size)
        return self.position <= self._size


# What is on a tape


#: Headers before a file's own: GNU's for a name that is too long, and POSIX's.
_HEADERS = (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE)


class _Extended(NamedTuple):
    """What a header before a file's own says of it."""

    path: str | None = None
    size: int | None = None


def _walk(tape: _Tape, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the wanted files, up to the block of zeros that ends an archive."""
    files: dict[str, bytes] = {}
    left = MAX_KEPT
    extended = _Extended()
    for _ in range(MAX_MEMBERS + 1):
        member = _header(tape)
        if member is None:
            return files
        path = extended.path or member.name
        if member.type in _HEADERS:
            content = _content(tape, member.size, left)
            left -= len(content)
            extended = _extend(extended, member.type, content)
            continue
        size = 0 if member.type in _WITHOUT_DATA else extended.size or member.size
        if member.type in _FILES and wanted(path):
            files[path] = _content(tape, size, left)
            left -= size
        elif size < 0 or not tape.skip(size + -size % _BLOCK):
            raise _cut()
        extended = _Extended()
    raise SourceError(f"an archive of more than {MAX_MEMBERS} files")


def _content(tape: _Tape, size: int, most: int) -> bytes:
    """Read what is in a member, and the rest of its last block."""
    if size > most:
        raise SourceError(f"an archive with more than {MAX_KEPT >> 20} MiB to look at")
    content = tape.read(size) if size > 0 else b""
    if len(content) != size:
        raise _cut()
    tape.skip(-size % _BLOCK)
    return content


def _cut() -> SourceError:
    return SourceError("not a sound tar archive: it ends within a file")


def _header(tape: _Tape) -> tarfile.TarInfo | None:
    """Return the next header; None at the end."""
    at = tape.position
    block = tape.read(_BLOCK)
    if block == _END:
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except (tarfile.HeaderError, ValueError) as error:
        raise SourceError(f"not a sound tar archive, at byte {at}: {error}") from None


def _extend(before: _Extended, kind: bytes, content: bytes) -> _Extended:
    if kind == tarfile.GNUTYPE_LONGNAME:
        return before._replace(path=_text(content.partition(b"\0")[0]))
    records = _records(content)
    size = records.get(b"size", b"0")
    if not size.isdigit() or len(size) > _LONGEST_SIZE:
        raise SourceError("not a sound tar archive: the size in an extended header is no number")
    path = _text(records.get(b"path", b""))
    return _Extended(path or before.path, int(size) or before.size)


def _records(data: bytes) -> dict[bytes, bytes]:
    """Return the values of records of ``LENGTH KEY=VALUE`` and an end of line (POSIX pax)."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(data):
        digits, _, _ = data[position : position + _LONGEST_LENGTH].partition(b" ")
        size = int(digits) if digits.isdigit() else 0
        if not 0 < size <= len(data) - position:
            raise SourceError("not a sound tar archive: a record of an extended header has no end")
        record = data[position + len(digits) + 1 : position + size]
        key, _, value = record.partition(b"=")
        records.setdefault(key, value.rstrip(b"\n"))
        position += size
    return records


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
