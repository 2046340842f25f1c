"""Who makes a system call: what a simulated kernel must know of, and reach in, a process."""

from typing import Protocol


class OpenDescription(Protocol):
    """An open file of the caller's, held by the kernel until ``close``."""

    @property
    def is_directory(self) -> bool:
        """Tell whether it is a directory."""

    def write(self, data: bytes) -> None:
        """Write what it takes; the kernel does not care whether it did."""

    def close(self) -> None:
        """Let go of it."""


class Caller(Protocol):
    """A process. ``ctid`` is the container that it runs in, 0 on the node itself."""

    @property
    def uid(self) -> int:
        """The user it runs as."""

    @property
    def ctid(self) -> int:
        """The container it runs in."""

    def pointer_bits(self) -> int:
        """Return the width of its pointers: 32 or 64."""

    def take(self, fd: int) -> OpenDescription:
        """Take hold of an open file; OSError with EBADF where there is none."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Read its memory; OSError with EFAULT where there is none."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Write its memory; OSError with EFAULT where there is none."""
