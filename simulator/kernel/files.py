"""Files of a node: what stat() says of them, open texts, the CPUID device, and /proc/cpuinfo."""

import errno
import os
import stat
import struct
from collections.abc import Callable

from msgspec import Struct

from simulator.facts.cpuid import CpuidTable, MissingLeafError
from simulator.facts.cpuid_device import device_answer
from simulator.kernel.calls import Caller, OpenFile, fail

#: An answer of CPUID: four registers of 32 bits.
_ANSWER = struct.Struct("=4I")
ANSWER_BYTES = _ANSWER.size

#: The device numbers of the CPUID device and of the kernel's log (Linux
#: Documentation/admin-guide/devices.txt).
CPUID_MAJOR = 203
KMSG_DEVICE = os.makedev(1, 11)


class Stat(Struct, frozen=True):
    """The result of stat(); ``mode`` includes the file's type, ``rdev`` is a device's number."""

    mode: int
    inode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    nlink: int = 1
    rdev: int = 0


class NodeFile(Struct, frozen=True):
    """A file of the node: its mode, how it is opened, and whether containers see it."""

    mode: int
    open: Callable[[Caller], OpenFile]
    in_containers: bool = False
    rdev: int = 0


class TextFile(OpenFile):
    """An open text file, whose text is made at each read; ``take`` receives what is written."""

    def __init__(self, text: Callable[[], str], take: Callable[[str], None] | None = None) -> None:
        self.source = self._text = text
        self._take = take

    def pread(self, size: int, position: int) -> bytes:
        """Read from a position."""
        return self._text().encode()[position : position + size]

    def write(self, data: bytes) -> int:
        """Hand over what is written; fail with EIO if the file cannot be written."""
        if self._take is None:
            raise fail(errno.EIO)
        self._take(data.decode("utf-8", "surrogateescape"))
        return len(data)


class CpuidFile(OpenFile):
    """An open /dev/cpu/N/cpuid: the position is leaf | subleaf << 32, a leaf has 16 bytes.

    Source: arch/x86/kernel/cpuid.c.
    """

    def __init__(self, cpuid: CpuidTable) -> None:
        self.source = self._cpuid = cpuid

    def read(self, size: int) -> bytes:
        """Read as many leaves as fit, from the file's position."""
        data = self.pread(size, self.position)
        self.position += len(data) // ANSWER_BYTES
        return data

    def pread(self, size: int, position: int) -> bytes:
        """Read eax, ebx, ecx, edx of consecutive leaves, up to the first that fails.

        EIO for one that programs decide by and that was not recorded.
        """
        count, rest = divmod(size, ANSWER_BYTES)
        if rest:
            raise fail(errno.EINVAL)
        data = b""
        for one in range(position, position + count):
            try:
                answer = device_answer(self._cpuid, one & 0xFFFFFFFF, one >> 32)
            except MissingLeafError as error:
                if not data:
                    raise fail(errno.EIO) from error
                break
            data += _ANSWER.pack(*answer)
        return data

    def write(self, _: bytes) -> int:
        """Fail with EINVAL, as this device does."""
        raise fail(errno.EINVAL)


def text_file(
    text: Callable[[], str],
    mode: int = stat.S_IFREG | 0o444,
    take: Callable[[str], None] | None = None,
    *,
    in_containers: bool = True,
) -> NodeFile:
    """Return a file of text, which anybody may read unless something else is said."""
    return NodeFile(mode, lambda _: TextFile(text, take), in_containers)


def cpuid_device(processor: int, cpuid: CpuidTable) -> NodeFile:
    """Return a processor's /dev/cpu/N/cpuid."""
    rdev = os.makedev(CPUID_MAJOR, processor)
    return NodeFile(stat.S_IFCHR | 0o400, lambda _: CpuidFile(cpuid), rdev=rdev)


def format_cpuinfo(
    processor: int,
    cpuid: CpuidTable,
    model_name: str | None,
    microcode: str | None,
    flags: str | None,
) -> str:
    """Write a processor's block of /proc/cpuinfo; what is None has no line."""
    values = {
        "processor": processor,
        "vendor_id": cpuid.vendor,
        "cpu family": cpuid.family,
        "model": cpuid.model,
        "model name": model_name,
        "stepping": cpuid.stepping,
        "microcode": microcode,
        "flags": flags,
    }
    lines = []
    for key, value in values.items():
        if value is not None:
            tabs = "\t" if len(key) >= 8 else "\t\t"  # Colons stand at column 16.
            lines.append(f"{key}{tabs}: {value}\n")
    return "".join(lines)
