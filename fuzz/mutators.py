"""Changes of an input that keep its shape: what is JSON or an archive stays one, mostly."""

import bz2
import gzip
import json
import lzma
import random
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

#: Changes bytes to no more than so many of them: libFuzzer's own.
Change = Callable[[bytes, int], bytes]

#: Changes an input: the input, how long it may become, a seed, and what changes bytes.
Mutator = Callable[[bytes, int, int, Change], bytes]

_BLOCK = tarfile.BLOCKSIZE
_CHECKSUM = slice(148, 156)

#: An archive is unpacked up to here to be changed.
_MOST = 1 << 16

#: Values that stand at the edges of what is taken.
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 1 << 31, (1 << 32) - 1, 1 << 64, 10**30, 0.5, 1e400),
    *("", " ", "0", "0x0", "0x1/0xff", "0-9999", "9-0", "\0", "\x1b[31m", "\x9b", "\ud800", "\n"),
    *([], {}, [[]], [{}], {"": None}),
)


def mutate_json(data: bytes, most: int, seed: int, change: Change) -> bytes:
    """Change a document at one place, or its bytes where it is none."""
    draw = random.Random(seed)  # noqa: S311 (nobody's secret)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return change(data, most)
    if draw.random() < 0.2:
        return change(data, most)
    root = {"": document}
    places = list(_places(root))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        _mutate_place(*draw.choice(places), draw, change)
    changed = json.dumps(root.get("", document), ensure_ascii=draw.random() < 0.7).encode(
        "utf-8", "surrogatepass"
    )
    return changed if len(changed) <= most else change(data, most)


def _places(root: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield every container with each of its keys or indices, the root's first."""
    waiting: list[Any] = [root]
    while waiting:
        one = waiting.pop(0)
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            yield one, key
            if isinstance(one[key], dict | list):
                waiting.append(one[key])


def _mutate_place(holder: Any, key: Any, draw: random.Random, change: Change) -> None:
    if not (key in holder if isinstance(holder, dict) else key < len(holder)):
        return
    value = holder[key]
    kind = draw.randrange(6)
    if kind == 0:
        holder[key] = draw.choice(_VALUES)
    elif kind == 1 and len(holder) > 1:
        del holder[key]
    elif kind == 2 and isinstance(holder, list):
        holder.insert(draw.randrange(len(holder) + 1), value)
    elif kind == 3:
        other = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        holder[key] = holder[other]
    elif isinstance(value, str):
        holder[key] = change(value.encode("utf-8", "surrogatepass"), 200).decode("utf-8", "replace")
    elif isinstance(value, int):
        holder[key] = value ^ 1 << draw.randrange(40)
    elif isinstance(holder, dict):
        holder[change(str(key).encode(), 20).decode("utf-8", "replace")] = value


def mutate_tar(data: bytes, most: int, seed: int, change: Change) -> bytes:
    """Change a header of an archive, so that its checksum holds, or the bytes themselves."""
    draw = random.Random(seed)  # noqa: S311 (nobody's secret)
    if draw.random() < 0.2:
        return change(data, most)
    tar = _unpacked(data)
    if draw.random() < 0.7 and len(tar) >= _BLOCK:
        start = _BLOCK * draw.randrange(len(tar) // _BLOCK)
        block = change(tar[start : start + _BLOCK], _BLOCK).ljust(_BLOCK, b"\0")
        tar = tar[:start] + _with_checksum(block) + tar[start + _BLOCK :]
    else:
        tar = change(tar, most)
    pack = draw.choice((bytes, bytes, bytes, gzip.compress, bz2.compress, lzma.compress))
    changed = pack(tar)
    return changed if len(changed) <= most else change(data, most)


def _with_checksum(header: bytes) -> bytes:
    blank = header[: _CHECKSUM.start] + b" " * 8 + header[_CHECKSUM.stop :]
    return header[: _CHECKSUM.start] + b"%06o\0 " % sum(blank) + header[_CHECKSUM.stop :]


def _unpacked(data: bytes) -> bytes:
    for unpack in (
        lambda: zlib.decompressobj(wbits=31).decompress(data, _MOST),
        lambda: bz2.BZ2Decompressor().decompress(data, _MOST),
        lambda: lzma.LZMADecompressor().decompress(data, _MOST),
    ):
        try:
            return unpack()
        except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError):
            continue
    return data
