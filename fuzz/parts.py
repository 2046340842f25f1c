"""Inputs of several parts in one file: of a node, each file that is read there, and more.

A part begins with a line ``=== NAME``; what stands before the first one has no name.
"""

import re
from collections.abc import Mapping

_HEADING = re.compile(rb"(?:^|\n)=== ([!-~]{1,40})\n")


def split_parts(data: bytes) -> dict[str, bytes]:
    """Return the parts by their names; of one that comes again, the last."""
    first, *rest = _HEADING.split(data)
    names = [name.decode("ascii") for name in rest[::2]]
    return {"": first, **dict(zip(names, rest[1::2], strict=True))}


def join_parts(parts: Mapping[str, bytes]) -> bytes:
    """Write parts as split_parts reads them."""
    return b"\n".join(b"=== %s\n%s" % (name.encode("ascii"), text) for name, text in parts.items())
