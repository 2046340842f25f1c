"""Checkpoint images made by hand, in the form of those that real kernels wrote.

Headers and chains are transcribed from images of 042stab061.9 and 141.3; contents are blank, or
no more than the headers of objects. What restore said to such images, whole and changed, is in
data/restore.tsv.
"""

import struct
from pathlib import Path
from typing import NamedTuple

SIGNATURE = b"\x79\x1c\x01\x63"
NOWHERE = 2**64 - 1
VEINFO, TASKS, MM, NAMESPACE, TRAILER, UBC = 1, 3, 4, 10, 23, 24

#: What VEINFO and UBC begin with (the kernel's own diagnostic names both), and what the others
#: here do, whose types are not looked at.
OBJECT_TYPES = {VEINFO: 13, UBC: 1042}
SOME_OBJECT = 7

#: Sections as 042stab061.9 wrote them: number and size.
CHAIN_061 = (
    (1, 160), (24, 3120), (10, 160), (32, 16), (8, 16), (12, 136), (2, 256), (9, 16), (5, 144),
    (6, 280), (16, 656), (17, 16), (18, 136), (31, 3032), (7, 32), (4, 4680), (14, 16), (11, 16),
    (30, 16), (3, 3248), (15, 16), (22, 104), (28, 4144),
)  # fmt: skip

#: And as 141.3 did.
CHAIN_141 = (
    (1, 176), (24, 3120), (10, 160), (32, 16), (8, 16), (12, 136), (2, 256), (9, 16), (5, 168),
    (6, 280), (16, 912), (17, 16), (18, 136), (31, 3112), (7, 32), (33, 16), (4, 9080), (14, 16),
    (11, 16), (30, 16), (3, 2768), (15, 16), (22, 104), (28, 4144),
)  # fmt: skip

#: Capability numbers that the two headers hold: an AMD CPU's, and a Sandy Bridge's.
CAPS_AMD = 134431
CAPS_SANDY_BRIDGE = 235042207

HEADER = "<4s4H2I2HQ2I4I4IQ"
TAIL = "<QI2H2I27QI4s"


class Row(NamedTuple):
    """What restore of a kernel said to an image of a size, after changes."""

    kernel: str
    image: str
    size: int
    changes: str
    result: int
    diagnostics: str


def chain_of(image: str, size: "int | None" = None) -> tuple:
    """Return the chain of an image of this name; memory makes up what it has in size."""
    chain = CHAIN_061 if image.startswith("042stab061") else CHAIN_141
    if size is None:
        return chain
    rest = size - 80 - 264 - sum(length for number, length in chain if number != MM)
    return tuple((number, rest if number == MM else length) for number, length in chain)


def build(
    chain: tuple = CHAIN_141,
    version: int = 0x803,
    blank: bool = True,
    index: "list | None" = None,
    **fields: int,
) -> bytes:
    """Make an image of sections; ``fields`` of header and tail are by their names below."""
    offset, parts, places = 80, [], {}
    for number, size in chain:
        places[number] = offset
        parts.append(struct.pack("<QI2H", size, number, 16, 0))
        room = size - 16
        content = b""
        if not blank and room >= 16:
            type_ = OBJECT_TYPES.get(number, SOME_OBJECT)
            content = struct.pack("<QI2H", room, type_, min(room, 0xFFF8), 0)
        parts.append(content.ljust(room, b"\0"))
        offset += size
    places[TRAILER] = offset
    parts.append(struct.pack("<QI2H", 264, TRAILER, 16, 0))
    if index is None:
        index = [places.get(number, NOWHERE) for number in range(27)]
    return b"".join([header(version, **fields), *parts, tail(index, **fields)])


def header(version: int = 0x803, **fields: int) -> bytes:
    """Make a header: what Linux on a CPU of AMD's wrote, but for ``fields``."""
    asked = {"architecture": 1, "page_size": 4096, "hz": 1000, "caps": CAPS_AMD, **fields}
    kernel = (asked["architecture"], 0, 0x205, 0, asked["page_size"], asked["hz"])
    started = (4294668903, 1795375528, 607223000)
    rest = (asked["caps"], 0, 0, 0, 1, 0, 0, 0, 0)
    return struct.pack(HEADER, SIGNATURE, 80, version, *kernel, *started, *rest)


def tail(index: list, **fields: int) -> bytes:
    """Make a tail."""
    tasks = (fields.get("lazy_pages", 0), fields.get("tasks_64", 1))
    return struct.pack(TAIL, 248, 1034, 248, 0, *tasks, *index, 27, SIGNATURE)


def change(data: bytes, changes: str) -> bytes:
    """Change an image as a row of data/restore.tsv says.

    Changes are separated by semicolons: ``u16@22=0`` puts a number of 16 bits at an offset,
    ``zero@40=16`` zeroes 16 bytes, ``cut=80`` keeps 80 bytes, ``append=8`` adds zero bytes. An
    offset may be counted from the end: ``u32@end-8=26``.
    """
    for one in filter(None, changes.split(";")):
        what, _, value = one.partition("=")
        kind, _, place = what.partition("@")
        number = int(value, 0)
        if kind == "cut":
            data = data[:number]
        elif kind == "append":
            data += bytes(number)
        else:
            offset = len(data) - int(place[4:]) if place.startswith("end-") else int(place)
            width = 0 if kind == "zero" else int(kind[1:]) // 8
            new = number.to_bytes(width, "little") if width else bytes(number)
            data = data[:offset] + new + data[offset + len(new) :]
    return data


def read_rows() -> list:
    """Return the rows of data/restore.tsv; a dash there stands for nothing."""
    text = (Path(__file__).parents[1] / "data" / "restore.tsv").read_text("ascii")
    lines = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [
        Row(kernel, image, int(size), changes.strip("-"), int(result), said.strip("-"))
        for kernel, image, size, changes, result, said in lines
    ]


def image_of_row(image: str, size: "int | None", blank: bool = True) -> bytes:
    """Make the image that a row speaks of, before it is changed."""
    version = 0x801 if image.startswith("042stab061") else 0x803
    return build(
        chain_of(image, size),
        version,
        blank,
        tasks_64=0 if "32." in image else 1,
        caps=CAPS_SANDY_BRIDGE if "SandyBridge" in image else CAPS_AMD,
    )
