"""On which of the node's processors threads may run: sched_getaffinity, sched_setaffinity.

The node has other processors than this machine: masks are remembered, and never carried out.
Sources: sched_setaffinity(2); kernel/sched/core.c.
"""

import errno
from collections.abc import Iterable
from contextlib import suppress

from simulator.kernel.calls import fail
from simulator.run.remote import RemoteProcess, read_status

#: So many bytes of a mask are looked at: of 65,536 processors.
_MOST_BYTES = 8192

#: The field of /proc/PID/stat, behind the program's name, that tells when a thread started.
_START_TIME = 19


class Affinity:
    """The processors that threads of a tree were given, as masks; all others have every one."""

    def __init__(self, processors: Iterable[int]) -> None:
        self._every = sum(1 << number for number in processors)
        self._masks: dict[int, tuple[str, int]] = {}

    def get(self, process: RemoteProcess) -> int:
        """Answer sched_getaffinity: write the mask, and return its size in bytes."""
        number, size, address, *_ = process.call.arguments
        word = process.pointer_bits() // 8
        size &= 0xFFFFFFFF
        if size % word or size * 8 < self._every.bit_length():
            raise fail(errno.EINVAL)
        mask = self._mask_of(_thread(process, number))
        written = min(size, -(-self._every.bit_length() // (8 * word)) * word)
        process.write_memory(address, mask.to_bytes(written, "little"))
        return written

    def set(self, process: RemoteProcess) -> int:
        """Answer sched_setaffinity; EINVAL if the node has none of the processors."""
        number, size, address, *_ = process.call.arguments
        data = process.read_memory(address, min(size & 0xFFFFFFFF, _MOST_BYTES))
        mask = int.from_bytes(data, "little") & self._every
        tid = _thread(process, number)
        if not mask:
            raise fail(errno.EINVAL)
        self._masks = {
            other: known for other, known in self._masks.items() if known[0] == _started(other)
        }
        self._masks[tid] = _started(tid), mask
        return 0

    def _mask_of(self, tid: int) -> int:
        """Return a thread's mask; if it was given none, that of its process, or of its parent."""
        while tid:
            started, mask = self._masks.get(tid, ("", 0))
            if started and started == _started(tid):
                return mask
            process = read_status(tid, "Tgid:")[0]
            tid = process if process != tid else read_status(tid, "PPid:")[0]
        return self._every


def _thread(process: RemoteProcess, number: int) -> int:
    """Return the thread that a number means; ESRCH where there is none."""
    tid = number & 0xFFFFFFFF or process.tid
    if not _started(tid):
        raise fail(errno.ESRCH)
    return tid


def _started(tid: int) -> str:
    """Return when a thread started, which tells it from others of its number; empty if it ended."""
    with suppress(OSError), open(f"/proc/{tid}/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[_START_TIME]
    return ""
