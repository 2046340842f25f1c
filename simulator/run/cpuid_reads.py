"""The system calls that read the CPUID device: read, pread64, readv, preadv and preadv2.

Sources: read(2), pread(2), readv(2); fs/read_write.c; arch/x86/kernel/cpuid.c.
"""

import errno
import os
import struct
from collections.abc import Iterable
from contextlib import closing

from simulator.kernel.calls import fail
from simulator.kernel.files import ANSWER_BYTES, CpuidFile
from simulator.run.remote import RemoteProcess

#: preadv2() from this position, -1, reads on.
_READ_ON = 0xFFFF_FFFF_FFFF_FFFF

#: The kernel takes no more buffers.
_MOST_BUFFERS = 1024

#: No more of a buffer is filled by one call.
_MOST_BYTES = 1 << 16

#: struct iovec by the width of pointers.
_IOVEC = {64: struct.Struct("=QQ"), 32: struct.Struct("=II")}

#: The address of a buffer and its size.
_Buffer = tuple[int, int]


def read_cpuid(process: RemoteProcess, file: CpuidFile) -> int:
    """Answer one of these calls: fill the process's buffers, and return how many bytes that is."""
    name = process.call.name
    _, address, count, low, high, _ = process.call.arguments
    buffers = [(address, count)] if name in ("read", "pread64") else _read_vector(process)
    is_wide = process.pointer_bits() == 64
    position = low if is_wide else low & 0xFFFFFFFF | (high & 0xFFFFFFFF) << 32
    if name in ("read", "readv") or (name == "preadv2" and position == _READ_ON):
        return _read_on(process, file, buffers)
    if position >> 63:
        raise fail(errno.EINVAL)
    return _fill(process, file, buffers, position)


def _read_on(process: RemoteProcess, file: CpuidFile, buffers: Iterable[_Buffer]) -> int:
    """Read at the open file's position, and advance that by one for each leaf."""
    with closing(process.share(process.call.arguments[0] & 0xFFFFFFFF)) as held:
        position = os.lseek(held.fd, 0, os.SEEK_CUR)
        size = _fill(process, file, buffers, position)
        os.lseek(held.fd, position + size // ANSWER_BYTES, os.SEEK_SET)
    return size


def _fill(
    process: RemoteProcess, file: CpuidFile, buffers: Iterable[_Buffer], position: int
) -> int:
    """Fill buffers until one is not filled whole; an error counts only before the first answer."""
    total = 0
    for address, size in buffers:
        wanted = size if size % ANSWER_BYTES else min(size, _MOST_BYTES)
        try:
            data = file.pread(wanted, position + total // ANSWER_BYTES)
            process.write_memory(address, data)
        except OSError:
            if not total:
                raise
            break
        total += len(data)
        if len(data) < size:
            break
    return total


def _read_vector(process: RemoteProcess) -> list[_Buffer]:
    """Return the buffers that an array of struct iovec names."""
    _, address, count, *_ = process.call.arguments
    count &= 0xFFFFFFFF
    if count > _MOST_BUFFERS:
        raise fail(errno.EINVAL)
    vector = _IOVEC[process.pointer_bits()]
    return list(vector.iter_unpack(process.read_memory(address, count * vector.size)))
