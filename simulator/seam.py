"""The seam: ``vzcptcheck``'s system calls, answered by a simulated node in this process."""

import errno
from dataclasses import dataclass, field

from simulator.caller import OpenDescription
from simulator.cpu import MissingLeafError
from simulator.devices import fail
from simulator.kernel import OpenFile, SimulatedKernel
from vzcptcheck.syscalls import Syscalls

#: The lowest descriptor that is free in a process with the three standard streams.
_FIRST_FD = 3

#: Where a buffer that is handed to a request lies in the process's memory.
_BUFFER_ADDRESS = 0x7FFC0000


@dataclass(slots=True, eq=False)
class _Pipe:
    """A pipe's bytes, and how many hold its writing end."""

    data: bytearray = field(default_factory=bytearray)
    writers: int = 0
    nonblocking: bool = False


@dataclass(slots=True, eq=False)
class PipeWriter:
    """One hold on the writing end of a pipe."""

    pipe: _Pipe
    is_directory: bool = False

    def __post_init__(self) -> None:
        self.pipe.writers += 1

    def write(self, data: bytes) -> None:
        """Put data into the pipe."""
        self.pipe.data += data

    def close(self) -> None:
        """Let go of it."""
        self.pipe.writers -= 1


@dataclass(slots=True, eq=False)
class PipeReader:
    """The reading end of a pipe."""

    pipe: _Pipe

    def read(self, size: int) -> bytes:
        """Take data out; EAGAIN where more may come, EDEADLK where only a wait would tell."""
        if not self.pipe.data and self.pipe.writers:
            raise fail(errno.EAGAIN if self.pipe.nonblocking else errno.EDEADLK)
        data = bytes(self.pipe.data[:size])
        del self.pipe.data[:size]
        return data

    def close(self) -> None:
        """Close it: what is written from now on is lost."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A file of the process's own that the node does not know: what is written is lost."""

    is_directory: bool = False

    def write(self, data: bytes) -> None:
        """Lose it."""

    def close(self) -> None:
        """Let go of it."""


class SimulatedSyscalls(Syscalls):
    """A process on a simulated node.

    ``uid`` is its user, ``ctid`` the container that it runs in (0: the node itself),
    ``pointer_bits`` the width of its pointers. It is a ``simulator.caller.Caller`` too.
    """

    def __init__(
        self,
        kernel: SimulatedKernel,
        *,
        uid: int = 0,
        ctid: int = 0,
        pointer_bits: int | None = None,
    ) -> None:
        self.kernel = kernel
        self.uid = uid
        self.ctid = ctid
        self._bits = kernel.pointer_bits if pointer_bits is None else pointer_bits
        self._descriptors: dict[int, OpenFile | PipeWriter | PipeReader | Sink] = {}
        self._memory = bytearray()

    @property
    def open_descriptors(self) -> tuple[int, ...]:
        """The descriptors that are open."""
        return tuple(self._descriptors)

    def add(self, fd: int, description: Sink) -> None:
        """Give the process a descriptor of a file that is none of the node's."""
        self._descriptors[fd] = description

    def open(self, path: str, flags: int) -> int:
        return self._install(self.kernel.open(path, self, flags))

    def close(self, fd: int) -> None:
        self._lookup(fd).close()
        del self._descriptors[fd]

    def read(self, fd: int, size: int) -> bytes:
        return self._readable(fd).read(size)

    def pread(self, fd: int, size: int, position: int) -> bytes:
        return self._file(fd).pread(size, position)

    def write(self, fd: int, data: bytes) -> int:
        """Write to a file of the node's."""
        return self._file(fd).write(data)

    def ioctl(self, fd: int, request: int, argument: int | bytearray) -> int:
        if isinstance(argument, int):
            return self._file(fd).ioctl(request, argument, self)
        self._memory = argument
        try:
            return self._file(fd).ioctl(request, _BUFFER_ADDRESS, self)
        finally:
            self._memory = bytearray()

    def pipe(self) -> tuple[int, int]:
        pipe = _Pipe()
        return self._install(PipeReader(pipe)), self._install(PipeWriter(pipe))

    def set_nonblocking(self, fd: int) -> None:
        reader = self._lookup(fd)
        if isinstance(reader, PipeReader):
            reader.pipe.nonblocking = True

    def exists(self, path: str) -> bool:
        try:
            self.kernel.stat(path, self)
        except OSError:
            return False
        return True

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        """Answer as the node's CPU: on the node itself nothing is masked."""
        cpuid = self.kernel.facts.cpuid
        if cpuid is None:
            raise fail(errno.ENOSYS)
        try:
            return cpuid.answer(leaf, subleaf)
        except MissingLeafError as error:
            raise fail(errno.EIO) from error

    def pointer_bits(self) -> int:
        return self._bits

    def take(self, fd: int) -> OpenDescription:
        """Let the kernel hold a descriptor of this process's."""
        description = self._lookup(fd)
        if isinstance(description, PipeWriter):
            return PipeWriter(description.pipe)
        return description if isinstance(description, Sink) else Sink()

    def read_memory(self, address: int, size: int) -> bytes:
        """Read the buffer that was handed over; the process has no other memory."""
        start = self._offset(address, size)
        return bytes(self._memory[start : start + size])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write into the buffer that was handed over."""
        start = self._offset(address, len(data))
        self._memory[start : start + len(data)] = data

    def _offset(self, address: int, size: int) -> int:
        start = address - _BUFFER_ADDRESS
        if not 0 <= start <= len(self._memory) - size:
            raise fail(errno.EFAULT)
        return start

    def _install(self, description: OpenFile | PipeWriter | PipeReader) -> int:
        fd = _FIRST_FD
        while fd in self._descriptors:
            fd += 1
        self._descriptors[fd] = description
        return fd

    def _lookup(self, fd: int) -> OpenFile | PipeWriter | PipeReader | Sink:
        try:
            return self._descriptors[fd]
        except KeyError:
            raise fail(errno.EBADF) from None

    def _readable(self, fd: int) -> OpenFile | PipeReader:
        description = self._lookup(fd)
        if isinstance(description, PipeWriter | Sink):
            raise fail(errno.EBADF)
        return description

    def _file(self, fd: int) -> OpenFile:
        description = self._lookup(fd)
        if isinstance(description, PipeWriter | PipeReader | Sink):
            raise fail(errno.EBADF)
        return description
