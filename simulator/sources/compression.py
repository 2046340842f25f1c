"""What is compressed, unpacked piece by piece and within bounds."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import BinaryIO, Protocol

from simulator.sources.files import SourceError

#: So much is unpacked at once, and of so much: a decompressor keeps a copy of what it is given.
_PIECE = 1 << 20

#: Programs that compress in parallel write one stream for 900 kB.
_MAX_STREAMS = 256
_MAX_WORKING_MEMORY = 256 << 20

#: Python has it from 3.14 on; the other is the same for those before.
_ZSTD_MODULES = ("compression.zstd", "backports.zstd")


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


#: A decompressor, and its own kind of error.
Compression = tuple[_Decompressor, type[Exception]]


def _zstd() -> Compression:
    for name in _ZSTD_MODULES:
        try:
            module = import_module(name)
        except ImportError:
            continue
        return module.ZstdDecompressor(), module.ZstdError
    raise SourceError(
        "compressed by zstd, which this Python does not read: 'pip install backports.zstd', or "
        "unpack it with 'zstd -d'"
    )


_COMPRESSED: tuple[tuple[bytes, Callable[[], Compression]], ...] = (
    (b"\x1f\x8b", lambda: (zlib.decompressobj(wbits=31), zlib.error)),
    (b"BZh", lambda: (bz2.BZ2Decompressor(), OSError)),
    (
        b"\xfd7zXZ\x00",
        lambda: (lzma.LZMADecompressor(memlimit=_MAX_WORKING_MEMORY), lzma.LZMAError),
    ),
    (b"\x28\xb5\x2f\xfd", _zstd),
)


def compression_of(data: bytes) -> Callable[[], Compression] | None:
    """Return what unpacks bytes that begin so; None where they are not compressed."""
    return next((make for magic, make in _COMPRESSED if data.startswith(magic)), None)


def unpack(make: Callable[[], Compression], file: BinaryIO, most: int) -> Iterator[bytes]:
    """Yield what a file unpacks to, stream after stream, of at most so many bytes.

    SourceError where it is more, or not soundly compressed.
    """
    given, left = b"", most
    for _ in range(_MAX_STREAMS):
        decompressor, own_error = make()
        try:
            while not decompressor.eof:
                given = given or file.read(_PIECE)
                if not given:
                    raise SourceError("what is compressed here ends too early")
                for piece in _pieces(decompressor, given):
                    left -= len(piece)
                    if left < 0:
                        raise _too_large(most)
                    yield piece
                given = b""
        except (OSError, ValueError, own_error) as error:
            raise SourceError(f"not soundly compressed: {error}") from None
        # Zeros fill up the last block on a tape, and the place between two streams.
        given = decompressor.unused_data.lstrip(b"\0")
        while not given:
            read = file.read(_PIECE)
            if not read:
                return
            given = read.lstrip(b"\0")
    raise SourceError(f"an archive of more than {_MAX_STREAMS} compressed streams")


def _pieces(decompressor: _Decompressor, data: bytes) -> Iterator[bytes]:
    """Unpack piece by piece: a decompressor takes twice the memory of what it returns."""
    piece = decompressor.decompress(data, _PIECE)
    while piece:
        yield piece
        # zlib's has not kept what it was given, the others have.
        rest = getattr(decompressor, "unconsumed_tail", b"")
        piece = b"" if decompressor.eof else decompressor.decompress(rest, _PIECE)


def _too_large(most: int) -> SourceError:
    return SourceError(
        f"an archive that unpacks to more than {most >> 20} MiB: unpack it, and name the folder"
    )
