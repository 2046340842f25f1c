"""Bytes of a text file, whatever system wrote it."""

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

#: A longer line, which no form has, is taken for several.
_LONGEST_LINE = 1 << 16


def decode(data: bytes) -> str:
    """Return the text without a byte order mark; what is no character is replaced."""
    length, encoding = _encoding(data)
    return data[length:].decode(encoding, "replace")


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a text without the space around them: it is decoded line by line, each time."""

    data: bytes

    def __iter__(self) -> Iterator[str]:
        length, encoding = _encoding(self.data)
        binary = io.BytesIO(self.data)
        binary.seek(length)
        text = io.TextIOWrapper(binary, encoding, "replace", "\n")
        while line := text.readline(_LONGEST_LINE):
            yield line.strip()


def _encoding(data: bytes) -> tuple[int, str]:
    """Return the length of the byte order mark, and the encoding."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return len(mark), encoding
    return 0, "utf-8"
