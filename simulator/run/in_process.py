"""``vzcptcheck``'s system calls, answered by a simulated node in this process."""

import errno

from msgspec import Struct

from simulator.facts.cpuid import MissingLeafError
from simulator.kernel.calls import OpenDescription, OpenFile, fail
from simulator.kernel.kernel import SimulatedKernel
from vzcptcheck.syscalls import LinuxSyscalls, Syscalls

#: The lowest descriptor after the three standard streams.
_FIRST_FD = 3

#: The address of a request's buffer in the process's memory.
_BUFFER_ADDRESS = 0x7FFC0000


class _Pipe(Struct, eq=False):
    """A pipe's bytes, and the number of references to its writing end."""

    data: bytearray = bytearray()
    writers: int = 0
    nonblocking: bool = False


class PipeWriter(Struct, eq=False):
    """One reference to the writing end of a pipe."""

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


class PipeReader(Struct, eq=False):
    """The reading end of a pipe."""

    pipe: _Pipe

    def read(self, size: int) -> bytes:
        """Remove data; if there is none yet, EAGAIN, or EDEADLK if the read would block."""
        if not self.pipe.data and self.pipe.writers:
            raise fail(errno.EAGAIN if self.pipe.nonblocking else errno.EDEADLK)
        data = bytes(self.pipe.data[:size])
        del self.pipe.data[:size]
        return data

    def close(self) -> None:
        """Close it: data written from now on is lost."""


class Sink(Struct, frozen=True):
    """A file of the process that the node does not know: data written to it is lost."""

    is_directory: bool = False

    def write(self, data: bytes) -> None:
        """Discard the data."""

    def close(self) -> None:
        """Let go of it."""


class HostFile(Struct, eq=False):
    """A file of this machine that is not the node's: an argument of the command, for example."""

    machine: Syscalls
    fd: int
    is_directory: bool = False

    def read(self, size: int) -> bytes:
        return self.machine.read(self.fd, size)

    def pread(self, size: int, position: int) -> bytes:
        return self.machine.pread(self.fd, size, position)

    def write(self, data: bytes) -> int:
        return self.machine.write(self.fd, data)

    def fsync(self) -> None:
        self.machine.fsync(self.fd)

    def size(self) -> int:
        return self.machine.file_size(self.fd)

    def ioctl(self, request: int, argument: int, _: object) -> int:
        return self.machine.ioctl(self.fd, request, argument)

    def close(self) -> None:
        self.machine.close(self.fd)


#: What a descriptor of the process may refer to.
_Description = OpenFile | HostFile | PipeWriter | PipeReader | Sink


class SimulatedSyscalls(Syscalls):
    """A process on a simulated node.

    ``uid`` is its user, ``ctid`` the container that it runs in (0: the node itself),
    ``pointer_bits`` the width of its pointers. It is also a ``Caller`` of the simulated kernel.
    Paths that are not the node's are this machine's.
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
        self._machine = LinuxSyscalls()
        self._cpuid = kernel.facts.cpuid
        self._descriptors: dict[int, _Description] = {}
        self._memory = bytearray()

    @property
    def open_descriptors(self) -> tuple[int, ...]:
        """The descriptors that are open."""
        return tuple(self._descriptors)

    def add(self, fd: int, description: Sink) -> None:
        """Give the process a descriptor of a file that is none of the node's."""
        self._descriptors[fd] = description

    def open(self, path: str, flags: int) -> int:
        if self.kernel.owns(path):
            return self._install(self.kernel.open(path, self, flags))
        return self._install(HostFile(self._machine, self._machine.open(path, flags)))

    def close(self, fd: int) -> None:
        self._lookup(fd).close()
        del self._descriptors[fd]

    def read(self, fd: int, size: int) -> bytes:
        return self._readable(fd).read(size)

    def pread(self, fd: int, size: int, position: int) -> bytes:
        return self._file(fd).pread(size, position)

    def write(self, fd: int, data: bytes) -> int:
        """Write to a file of the node or of this machine."""
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

    def uname(self) -> tuple[str, str, str]:
        return self.kernel.release, self.kernel.facts.machine, "simulated"

    def run_on(self, cpu: int) -> None:
        """Run on another processor of the node; EINVAL if there is no such processor."""
        self._cpuid = self.kernel.cpuid_of(cpu)

    def lstat_mode(self, path: str) -> int:
        if self.kernel.owns(path):
            return self.kernel.stat(path, self).mode
        return self._machine.lstat_mode(path)

    def stat_mode(self, path: str) -> int:
        if self.kernel.owns(path):
            return self.kernel.stat(path, self).mode
        return self._machine.stat_mode(path)

    def file_size(self, fd: int) -> int:
        """Return the file's size; the node's own files have none, like those of /proc."""
        description = self._lookup(fd)
        return description.size() if isinstance(description, HostFile) else 0

    def create(self, path: str, mode: int) -> int:
        """Create a file on this machine; no file of the node can be created."""
        if self.kernel.owns(path):
            raise fail(errno.EACCES)
        return self._install(HostFile(self._machine, self._machine.create(path, mode)))

    def fsync(self, fd: int) -> None:
        description = self._lookup(fd)
        if not isinstance(description, HostFile):
            raise fail(errno.EINVAL)
        description.fsync()

    def rename(self, path: str, target: str) -> None:
        self._machine.rename(path, target)

    def unlink(self, path: str) -> None:
        self._machine.unlink(path)

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        """Answer as the node's CPU does: the instruction is not masked on the node itself."""
        if self._cpuid is None:
            raise fail(errno.ENOSYS)
        try:
            return self._cpuid.answer(leaf, subleaf)
        except MissingLeafError as error:
            raise fail(errno.EIO) from error

    def pointer_bits(self) -> int:
        return self._bits

    def take(self, fd: int) -> OpenDescription:
        """Return a reference to a descriptor of this process, for the kernel."""
        description = self._lookup(fd)
        if isinstance(description, PipeWriter):
            return PipeWriter(description.pipe)
        return description if isinstance(description, Sink) else Sink()

    def read_memory(self, address: int, size: int) -> bytes:
        """Read the request's buffer; the process has no other memory."""
        start = self._offset(address, size)
        return bytes(self._memory[start : start + size])

    def write_memory(self, address: int, data: bytes) -> None:
        """Write into the request's buffer."""
        start = self._offset(address, len(data))
        self._memory[start : start + len(data)] = data

    def _offset(self, address: int, size: int) -> int:
        start = address - _BUFFER_ADDRESS
        if not 0 <= start <= len(self._memory) - size:
            raise fail(errno.EFAULT)
        return start

    def _install(self, description: _Description) -> int:
        fd = _FIRST_FD
        while fd in self._descriptors:
            fd += 1
        self._descriptors[fd] = description
        return fd

    def _lookup(self, fd: int) -> _Description:
        try:
            return self._descriptors[fd]
        except KeyError:
            raise fail(errno.EBADF) from None

    def _readable(self, fd: int) -> OpenFile | HostFile | PipeReader:
        description = self._lookup(fd)
        if isinstance(description, PipeWriter | Sink):
            raise fail(errno.EBADF)
        return description

    def _file(self, fd: int) -> OpenFile | HostFile:
        description = self._lookup(fd)
        if isinstance(description, PipeWriter | PipeReader | Sink):
            raise fail(errno.EBADF)
        return description
