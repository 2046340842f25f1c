"""CRIU's images, written from the messages' descriptors; and a checkpoint that CRIU wrote."""

import base64
import struct
from collections.abc import Iterable, Sequence

from backports import zstd

from support.samples import FOLDER, tar

#: What an image begins with, by its name: the inventory alone without the first number.
COMMON = struct.pack("<I", 0x5456_4319)
MAGIC = {
    "inventory.img": struct.pack("<I", 0x5831_3116),
    "cpuinfo.img": COMMON + struct.pack("<I", 0x6140_4013),
    "core.img": COMMON + struct.pack("<I", 0x5505_3847),
}

#: The fields of an XSAVE area by the component whose state is in them.
SAVED = {2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7, 9: 8, 11: 9}


def varint(value: int) -> bytes:
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Write fields by their numbers: numbers, and what has a length."""
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def image(name: str, *messages: bytes) -> bytes:
    entries = (struct.pack("<I", len(one)) + one for one in messages)
    return MAGIC[name] + b"".join(entries)


def inventory(version: int = 2) -> bytes:
    return image("inventory.img", message((1, version), (2, 1), (4, 1)))


def core(components: Iterable[int] | None = (), architecture: int = 1) -> bytes:
    """Write a thread's image: with the state of these components, or without an XSAVE area."""
    saved = [(SAVED[component], 5) for component in components or ()]
    area = [] if components is None else [(13, message((1, 3), *saved))]
    info = message((1, 4096), (2, message((1, 0))), (3, message((1, 895), *area)))
    threads = [(2, info)] if architecture == 1 else []
    return image("core.img", message((1, architecture), *threads, (5, message((1, 0)))))


def cpuinfo(
    vendor: int,
    signature: tuple[int, int, int],
    words: Sequence[int],
    *others: tuple[int, int | bytes],
    version: int = 2,
) -> bytes:
    """Write the image of a CPU; other fields follow in the order of their numbers."""
    family, model, stepping = signature
    fields = [(1, vendor), (2, family), (3, model), (4, stepping), (5, version)]
    entry = message(*fields, *((6, word) for word in words), *others)
    return image("cpuinfo.img", message((1, entry)))


def real_checkpoint() -> dict[str, bytes]:
    """Return the images that CRIU 4.1.1 wrote of a process, with --cpu-cap."""
    lines = (FOLDER / "criu" / "checkpoint.txt").read_text("utf-8").splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {name: base64.b64decode(data) for name, data in rows}


def podman_archive() -> bytes:
    """Return what Podman writes of a container with one process, on a machine with AVX."""
    images = {"inventory.img": inventory(), "core-1.img": core([2]), "pages-1.img": bytes(1 << 16)}
    files = {f"checkpoint/{name}": data for name, data in images.items()}
    return zstd.compress(tar({**files, "config.dump": b"{}", "spec.dump": b"{}"}))
