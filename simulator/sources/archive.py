"""Archives, read in memory: no file of theirs is written, and bombs are refused.

Headers are read by tarfile, one by one, and walked over here. ``TarFile`` itself takes hours over
a made-up extended header of some megabytes (its search for the records has no bound), and stops in
silence where an archive is damaged after its first file.
"""

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from simulator.sources.files import SourceError

#: What is unpacked at most, which takes more than twice the memory on the way: an archive of
#: hwloc's tests has 0.3 MB for 64 processors, and what is gathered on a node at most 2 MiB.
MAX_BYTES = 8 << 20
MAX_MEMBERS = 100_000

#: So much is unpacked at once, and of so much: a decompressor keeps a copy of what it is given.
_PIECE = 1 << 20

#: Programs that compress in parallel write one stream for 900 kB.
_MAX_STREAMS = 256
_MAX_WORKING_MEMORY = 256 << 20

_TAR_MAGIC = b"ustar"
_TAR_MAGIC_AT = 257
_BLOCK = tarfile.BLOCKSIZE
_END = bytes(_BLOCK)

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

_EXTENDED_PATH = b"path"
_LONGEST_LENGTH = 12


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


_COMPRESSED: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", lambda: zlib.decompressobj(wbits=31)),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lambda: lzma.LZMADecompressor(memlimit=_MAX_WORKING_MEMORY)),
)


def is_archive(data: bytes) -> bool:
    """Tell by its first bytes whether this is a tar archive, or something compressed."""
    return _decompressor(data) is not None or _is_tar(data)


def read_archive(data: bytes, wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the wanted files of a tar archive, of one that is compressed too, by their paths.

    SourceError where it is no sound archive, or one too large to be unpacked.
    """
    make = _decompressor(data)
    tar = data if make is None else _unpack(make, data)
    if not _is_tar(tar):
        raise SourceError("what is compressed here is no tar archive")
    return {path: content for path, content in _files(tar) if wanted(path)}


def _is_tar(data: bytes) -> bool:
    return data.startswith(_TAR_MAGIC, _TAR_MAGIC_AT)


def _decompressor(data: bytes) -> Callable[[], _Decompressor] | None:
    return next((make for magic, make in _COMPRESSED if data.startswith(magic)), None)


def _unpack(make: Callable[[], _Decompressor], data: bytes) -> bytes:
    unpacked = bytearray()
    rest = memoryview(data)
    for _ in range(_MAX_STREAMS):
        rest = _without_zeros(_unpack_stream(make(), rest, unpacked))
        if not rest:
            return bytes(unpacked)
    raise SourceError(f"an archive of more than {_MAX_STREAMS} compressed streams")


def _unpack_stream(
    decompressor: _Decompressor, data: memoryview, unpacked: bytearray
) -> memoryview:
    """Unpack a stream behind what is unpacked already; return what comes after the stream."""
    try:
        for start in range(0, len(data), _PIECE):
            given = data[start : start + _PIECE]
            for piece in _pieces(decompressor, given):
                unpacked += piece
                if len(unpacked) > MAX_BYTES:
                    limit = MAX_BYTES >> 20
                    raise SourceError(f"an archive that unpacks to more than {limit} MiB")
            if decompressor.eof:
                return data[start + len(given) - len(decompressor.unused_data) :]
    except (OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise SourceError(f"not soundly compressed: {error}") from None
    raise SourceError("what is compressed here ends too early")


def _pieces(decompressor: _Decompressor, data: memoryview) -> Iterator[bytes]:
    """Unpack piece by piece: a decompressor takes twice the memory of what it returns."""
    piece = decompressor.decompress(data, _PIECE)
    while piece:
        yield piece
        # zlib's has not kept what it was given, the others have.
        rest = getattr(decompressor, "unconsumed_tail", b"")
        piece = b"" if decompressor.eof else decompressor.decompress(rest, _PIECE)


def _without_zeros(data: memoryview) -> memoryview:
    """Zeros fill up the last block on a tape, and the place between two streams."""
    return data[next((place for place, byte in enumerate(data) if byte), len(data)) :]


def _files(tar: bytes) -> Iterator[tuple[str, bytes]]:
    path: str | None = None
    for member, content in _members(tar):
        if member.type == tarfile.GNUTYPE_LONGNAME:
            path = _text(content.partition(b"\0")[0])
        elif member.type == tarfile.XHDTYPE:
            path = _extended_path(content) or path
        else:
            if member.type in _FILES:
                yield path or member.name, content
            path = None


def _members(tar: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Yield each header and its content, up to the block of zeros that ends an archive."""
    position = 0
    for _ in range(MAX_MEMBERS + 1):
        block = tar[position : position + _BLOCK]
        if block == _END:
            return
        position += _BLOCK
        try:
            member = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
        except (tarfile.HeaderError, ValueError) as error:
            at = position - _BLOCK
            raise SourceError(f"not a sound tar archive, at byte {at}: {error}") from None
        size = 0 if member.type in _WITHOUT_DATA else member.size
        if not 0 <= size <= len(tar) - position:
            raise SourceError("not a sound tar archive: it ends within a file")
        yield member, tar[position : position + size]
        position += -(-size // _BLOCK) * _BLOCK
    raise SourceError(f"an archive of more than {MAX_MEMBERS} files")


def _extended_path(records: bytes) -> str | None:
    """Return the path among records of ``LENGTH KEY=VALUE`` and an end of line (POSIX pax)."""
    position = 0
    while position < len(records):
        digits, _, _ = records[position : position + _LONGEST_LENGTH].partition(b" ")
        size = int(digits) if digits.isdigit() else 0
        if not 0 < size <= len(records) - position:
            raise SourceError("not a sound tar archive: a record of an extended header has no end")
        record = records[position + len(digits) + 1 : position + size]
        key, _, value = record.partition(b"=")
        if key == _EXTENDED_PATH:
            return _text(value.rstrip(b"\n"))
        position += size
    return None


def _text(name: bytes) -> str:
    return name.decode("utf-8", "replace")
