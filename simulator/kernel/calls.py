"""What a simulated kernel is called with: the calling process, and the ioctl request numbers.

The requests are those of /proc/cpt and /proc/rst, computed as the kernel's header does.
"""

import os
from enum import IntEnum
from typing import Protocol


def fail(number: int) -> OSError:
    """Return the OSError of an errno."""
    return OSError(number, os.strerror(number))


class OpenDescription(Protocol):
    """The kernel's reference to an open file of the caller's, until ``close``."""

    @property
    def is_directory(self) -> bool:
        """Tell whether it is a directory."""

    def write(self, data: bytes) -> None:
        """Write as much as the file accepts; the kernel ignores how much that is."""

    def close(self) -> None:
        """Release the reference."""


class Caller(Protocol):
    """The calling process. ``ctid`` is the container that it runs in, 0 on the node itself."""

    @property
    def uid(self) -> int:
        """The process's user."""

    @property
    def ctid(self) -> int:
        """The process's container."""

    def pointer_bits(self) -> int:
        """Return the width of the process's pointers: 32 or 64."""

    def take(self, fd: int) -> OpenDescription:
        """Return a reference to an open file; OSError with EBADF if it is not open."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Read the process's memory; OSError with EFAULT if it is not mapped."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write the process's memory; OSError with EFAULT if it is not mapped."""


def _io(number: int) -> int:
    return ord("-") << 8 | number


def _iow(number: int, size: int = 4) -> int:
    return 1 << 30 | size << 16 | _io(number)


class Request(IntEnum):
    """Every request that some generation knows; the whole number must match."""

    SET_DUMPFD = _iow(1)
    SET_STATUSFD = _iow(2)
    SET_LOCKFD = _iow(3)
    SET_VEID = _iow(4)
    SUSPEND = _io(5)
    DUMP = _io(6)
    UNDUMP = _io(7)
    RESUME = _io(8)
    KILL = _io(9)
    JOIN_CONTEXT = _io(10)
    GET_CONTEXT = _iow(11)
    PUT_CONTEXT = _io(12)
    SET_PAGEINFDIN = _iow(13)
    SET_PAGEINFDOUT = _iow(14)
    SET_LAZY = _iow(17)
    SET_CPU_FLAGS = _iow(18)
    TEST_CAPS = _iow(19)
    TEST_VECAPS = _iow(20)
    SET_ERRORFD = _iow(21)
    LINKDIR_ADD = _iow(24)
    HARDLNK_ON = _iow(25)
    TEST_VERSION = _iow(26)
    SET_LOCKFD2 = _iow(27)
    SET_PRAM = _iow(28)
    STOP_TRACKER = _iow(29)
    TEST_VECAPS2 = _iow(30)


#: The one request that the file layer answers before the module sees it.
FIONREAD = 0x541B
