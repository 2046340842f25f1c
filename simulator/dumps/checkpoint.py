"""CRIU's checkpoints: a folder of images, which Podman and Kubernetes pack as ``checkpoint/``.

Of the machine that it was made on, ``cpuinfo.img`` tells the CPU; CRIU writes it with ``--cpu-cap``
alone. Each ``core-PID.img`` has a thread's registers, with the state of those components of XSAVE
that the machine had. Sources: the messages' descriptors and the magic numbers in CRIU 4.1.1 as
Debian has it, and what it dumped; the versions of images in CRIU's criu/include/image.h.
"""

import re
import struct
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from simulator.dumps import criu
from simulator.dumps.model import CpuDump, DumpError
from simulator.dumps.protobuf import parse_fields
from vzcptcheck.outcome import printable

INVENTORY = "inventory.img"
CPUINFO = "cpuinfo.img"

_CORE = re.compile(r"core-(?P<pid>[0-9]{1,10})\.img", re.ASCII)

#: Where Podman and Kubernetes have the images in their archives.
FOLDER = "checkpoint"

#: An image begins with the second number, and since CRIU 2.0 all but the inventory with the first.
_MAGIC_COMMON = struct.pack("<I", 0x5456_4319)
_MAGIC_INVENTORY = struct.pack("<I", 0x5831_3116)
_MAGIC_CORE = struct.pack("<I", 0x5505_3847)
_SIZE = struct.Struct("<I")

#: Versions of images: CRIU refuses all others.
_VERSIONS = (1, 2)

#: Numbers of fields: a core's, and those from it down to what XSAVE has saved.
_MTYPE = 1
_THREAD_INFO_X86, _FPREGS, _XSAVE = 2, 3, 13

#: Architectures by a core's numbers, as CRIU calls them.
X86_64 = "X86_64"
_ARCHITECTURES: Mapping[int, str] = MappingProxyType(
    {
        1: X86_64,
        2: "ARM",
        3: "AARCH64",
        4: "PPC64",
        5: "S390",
        6: "MIPS",
        7: "LOONGARCH64",
        8: "RISCV64",
    }
)

#: The components of XSAVE whose state has a field, by its number: bits of XCR0, and CET's of XSS.
_COMPONENTS: Mapping[int, int] = MappingProxyType(
    {2: 1 << 2, 3: 1 << 3, 4: 1 << 4, 5: 1 << 5, 6: 1 << 6, 7: 1 << 7, 8: 1 << 9, 9: 1 << 11}
)

#: A thread takes 3 KB with AVX-512, and the leader of a process little more.
_MOST_BYTES_OF_CORE = 256 << 10

#: A message names no more folders, and no more of a name.
_MOST_NAMED = 5
_LONGEST_SHOWN = 100


class Checkpoint(NamedTuple):
    """What a checkpoint's images tell of the machine that it was made on.

    ``cpu`` is None without ``cpuinfo.img``. ``has_xsave_area`` tells whether a thread's state has
    an XSAVE area, and ``components`` whose state is in such areas, as a mask of XCR0's bits.
    ``architecture`` is as CRIU names it. Without a thread's image that is None, 0 and empty.
    """

    cpu: CpuDump | None
    has_xsave_area: bool | None = None
    components: int = 0
    architecture: str = ""

    @property
    def is_x86(self) -> bool:
        """Whether its processes are x86's, as far as is known."""
        return self.architecture in ("", X86_64)


class _Core(NamedTuple):
    """What a thread's image tells; ``components`` is None where it has no XSAVE area."""

    architecture: str
    components: int | None


def is_image(path: str) -> bool:
    """Tell whether a file is an image that is looked at here, by its name."""
    name = path.rpartition("/")[2]
    return name in (INVENTORY, CPUINFO) or _CORE.fullmatch(name) is not None


def why_no_folder(files: Mapping[str, bytes]) -> str | None:
    """Return why files are no checkpoint; None where they are one."""
    return None if any(map(is_image, files)) else f"no file is named {INVENTORY} or {CPUINFO}"


def parse_folder(files: Mapping[str, bytes]) -> list[CpuDump]:
    """Parse the CPU of the machine that a checkpoint was made on. DumpError without one."""
    cpu = parse_checkpoint(files).cpu
    if cpu is None:
        raise DumpError(
            f"a checkpoint without {CPUINFO}, which 'criu dump --cpu-cap' writes, and Podman and "
            "Kubernetes do not have written: take the CPU of the machine that it was made on, with "
            "'vzcptcheck capture --cpus' there"
        )
    return [cpu]


def parse_checkpoint(files: Mapping[str, bytes]) -> Checkpoint:
    """Parse a checkpoint's images, by their paths; other files are passed over.

    DumpError where they are not sound, or of several checkpoints.
    """
    images = _images(files)
    names = sorted(filter(_CORE.fullmatch, images))
    if INVENTORY in images:
        _check_inventory(images[INVENTORY])
    elif names:
        raise DumpError(f"there is no {INVENTORY}, without which CRIU restores no checkpoint")
    cores = [_parse_core(name, images[name]) for name in names]
    architectures = {core.architecture for core in cores}
    if len(architectures) > 1:
        raise DumpError(f"threads of several architectures: {', '.join(sorted(architectures))}")
    areas = [core.components for core in cores if core.components is not None]
    return Checkpoint(
        cpu=_parse_cpu(images[CPUINFO]) if CPUINFO in images else None,
        has_xsave_area=bool(areas) if cores else None,
        components=reduce(or_, areas, 0),
        architecture="".join(architectures),
    )


def _images(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the images of one checkpoint by their names."""
    images = {PurePosixPath(path): data for path, data in files.items() if is_image(path)}
    folders = sorted({path.parent for path in images})
    named = [folder for folder in folders if folder.name == FOLDER] or folders
    if len(named) != 1:
        names = ", ".join(printable(str(one)[:_LONGEST_SHOWN]) for one in named[:_MOST_NAMED])
        raise DumpError(f"images are in several folders: {names}: take one")
    return {path.name: data for path, data in images.items() if path.parent == named[0]}


def _check_inventory(data: bytes) -> None:
    version = _number(INVENTORY, _fields(INVENTORY, _message(INVENTORY, data, _MAGIC_INVENTORY)), 1)
    if version not in _VERSIONS:
        raise DumpError(
            f"{INVENTORY}: images of version {version}, of which nothing is known here: CRIU up to "
            "4.2 has 1 and 2, and refuses others"
        )


def _parse_cpu(data: bytes) -> CpuDump:
    whole = data if data.startswith(_MAGIC_COMMON) else _MAGIC_COMMON + data
    problem = criu.why_no_image(whole)
    if problem is not None:
        raise DumpError(f"{CPUINFO}: {problem}")
    try:
        first, *more = criu.parse_image(whole)
    except DumpError as error:
        raise DumpError(f"{CPUINFO}: {error}") from None
    if more:
        raise DumpError(f"{CPUINFO}: {1 + len(more)} CPUs are in it, and CRIU takes exactly one")
    return first


def _parse_core(name: str, data: bytes) -> _Core:
    if len(data) > _MOST_BYTES_OF_CORE:
        raise DumpError(f"{name}: over {_MOST_BYTES_OF_CORE >> 10} KiB, which no thread takes")
    fields = _fields(name, _message(name, data, _MAGIC_CORE))
    number = _number(name, fields, _MTYPE)
    if number not in _ARCHITECTURES:
        raise DumpError(f"{name}: of an architecture that is not known here: {number}")
    area = fields
    for inside in (_THREAD_INFO_X86, _FPREGS, _XSAVE):
        if inside not in area:
            return _Core(_ARCHITECTURES[number], None)
        area = _fields(name, _joined(name, area[inside]))
    components = (mask for field, mask in _COMPONENTS.items() if field in area)
    return _Core(_ARCHITECTURES[number], reduce(or_, components, 0))


# Images: magic numbers, a size, a message


def _message(name: str, data: bytes, magic: bytes) -> bytes:
    """Return an image's first message, which is the only one of those read here."""
    start = data.removeprefix(_MAGIC_COMMON)
    if not start.startswith(magic):
        raise DumpError(f"{name}: it does not begin as CRIU's image of this name")
    head = start[len(magic) : len(magic) + _SIZE.size]
    rest = start[len(magic) + _SIZE.size :]
    size = int.from_bytes(head, "little")
    if len(head) < _SIZE.size or size > len(rest):
        raise DumpError(f"{name}: it ends within its first message")
    return rest[:size]


def _fields(name: str, message: bytes) -> dict[int, list[int | bytes]]:
    """Return the values of a message's fields, by their numbers."""
    fields: dict[int, list[int | bytes]] = {}
    try:
        for number, value in parse_fields(message):
            fields.setdefault(number, []).append(value)
    except ValueError as error:
        raise DumpError(f"{name}: {error}") from None
    return fields


def _number(name: str, fields: Mapping[int, list[int | bytes]], number: int) -> int:
    """Return a number that every such message has: the last that it says, as protobuf has it."""
    value = fields.get(number, [b""])[-1]
    if not isinstance(value, int):
        raise DumpError(f"{name}: it has no field {number} that is a number")
    return value


def _joined(name: str, parts: Iterable[int | bytes]) -> bytes:
    """Return a message within another: what comes in parts is the same in one."""
    messages = [part for part in parts if isinstance(part, bytes)]
    if not messages:
        raise DumpError(f"{name}: a number is where a message should be")
    return b"".join(messages)
