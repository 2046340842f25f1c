"""Calls to /proc/cpt and /proc/rst: who calls, with which requests, in which context.

The request numbers are computed as the kernel's header does.
"""

import errno
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Protocol

from msgspec import Struct

#: Diagnostics of one request gather in a page; what does not fit is lost.
PAGE_SIZE = 4096

_FIRST_ADDRESS = 0xFFFF88003EE00000
_ADDRESS_STEP = 0x2000

#: The first line of the list of contexts.
HEADER = "Ctx      Id       VE       State\n"


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


class OpenFile(ABC):
    """An open file of the node. Files with equal sources read the same."""

    source: object
    position: int = 0

    def read(self, size: int) -> bytes:
        """Read on."""
        data = self.pread(size, self.position)
        self.position += len(data)
        return data

    @abstractmethod
    def pread(self, size: int, position: int) -> bytes:
        """Read from a position."""

    @abstractmethod
    def write(self, data: bytes) -> int:
        """Write; return how much was taken."""

    def ioctl(self, _request: int, _argument: int, _caller: Caller) -> int:
        """Answer a request; by default fail with ENOTTY, as a file without requests does."""
        raise fail(errno.ENOTTY)

    def close(self) -> None:  # noqa: B027 (most files have nothing to release)
        """Close it for the last time."""


def _io(number: int) -> int:
    return ord("-") << 8 | number


def _iow(number: int, size: int = 4) -> int:
    return 1 << 30 | size << 16 | _io(number)


class Request:
    """Every request that some generation knows: the whole number must match."""

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


class ContextState(IntEnum):
    """The state of a context, as the files list it."""

    ERROR = -1
    IDLE = 0
    SUSPENDING = 1
    SUSPENDED = 2
    DUMPING = 3
    UNDUMPING = 4
    UNDUMPED = 5


class Context(Struct, eq=False):
    """One context. ``users`` counts the open files that are bound to it.

    A ``sticky`` context outlives these files. ``contextid`` 0 means that it has no name. ``log``
    takes a line for the kernel's log.
    """

    address: int
    log: Callable[[str], None]
    contextid: int = 0
    veid: int = 0
    state: ContextState = ContextState.IDLE
    sticky: bool = False
    users: int = 0
    error_file: OpenDescription | None = None
    dump_file: OpenDescription | None = None
    page: bytearray = bytearray()

    def say(self, text: str) -> None:
        """Add a line to the diagnostics of the request, and to the kernel's log."""
        self.log(f"CPT ERR: {self.address:016x},{self.veid} :{text}")
        line = f"Error: {text}\n".encode()
        self.page += line[: PAGE_SIZE - len(self.page)]

    def flush(self) -> None:
        """Write the diagnostics at the end of a request, in one write."""
        if self.page and self.error_file is not None:
            self.error_file.write(bytes(self.page))
        self.page.clear()

    def set_error_file(self, file: OpenDescription) -> None:
        """Send diagnostics there from now on."""
        if self.error_file is not None:
            self.error_file.close()
        self.error_file = file

    def set_dump_file(self, file: OpenDescription) -> None:
        """Set the file that an image is written to or read from."""
        if self.dump_file is not None:
            self.dump_file.close()
        self.dump_file = file

    def release(self) -> None:
        """Close the files that the caller handed over."""
        for file in (self.error_file, self.dump_file):
            if file is not None:
                file.close()
        self.error_file = self.dump_file = None


class Contexts:
    """All contexts of one of the two files, oldest first; they write to the kernel's ``log``."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._contexts: list[Context] = []

    def __iter__(self) -> Iterator[Context]:
        return iter(self._contexts)

    def create(self) -> Context:
        """Create a nameless context, bound to one open file."""
        taken = {context.address for context in self._contexts}
        address = _FIRST_ADDRESS
        while address in taken:
            address += _ADDRESS_STEP
        context = Context(address, self._log, users=1)
        self._contexts.append(context)
        return context

    def hold(self, ctid: int) -> None:
        """Create the sticky context that keeps a container suspended; its name is the ctid."""
        context = self.create()
        context.contextid = context.veid = ctid
        context.state = ContextState.SUSPENDED
        context.sticky = True
        context.users = 0

    def find(self, contextid: int) -> Context | None:
        """Find the first context of that name; 0 finds a nameless one."""
        return next((context for context in self if context.contextid == contextid), None)

    def unbind(self, context: Context) -> bool:
        """Unbind one open file from a context; return whether the context was removed."""
        context.users -= 1
        if context.sticky or context.users:
            return False
        context.release()
        self._contexts.remove(context)
        return True

    def listing(self) -> str:
        """Return the text that the file reads as."""
        return HEADER + "".join(
            f"{context.address:016x} {context.contextid:08x} {context.veid:<8d} {context.state:d}\n"
            for context in self
        )
