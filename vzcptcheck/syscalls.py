"""The one module that makes system calls: everything known of a node comes through it."""

import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Tuple, Union


class Syscalls:
    """What this program asks of an operating system.

    Every method raises ``OSError`` as the call of the same name does. File descriptors are
    ints that stay open until ``close``.
    """

    def open(self, path: "str", flags: "int") -> "int":
        """Open a file and return its descriptor."""
        raise NotImplementedError

    def close(self, fd: "int") -> "None":
        """Close a descriptor."""
        raise NotImplementedError

    def read(self, fd: "int", size: "int") -> "bytes":
        """Read up to ``size`` bytes; none at the end of the file."""
        raise NotImplementedError

    def pread(self, fd: "int", size: "int", position: "int") -> "bytes":
        """Read up to ``size`` bytes at ``position``, which the descriptor forgets."""
        raise NotImplementedError

    def ioctl(self, fd: "int", request: "int", argument: "Union[int, bytearray]") -> "int":
        """Make a request: an int goes by value, a bytearray as a pointer to be filled."""
        raise NotImplementedError

    def pipe(self) -> "Tuple[int, int]":
        """Make a pipe; return its reading and its writing end."""
        raise NotImplementedError

    def set_nonblocking(self, fd: "int") -> "None":
        """Let reads fail with EAGAIN where they would wait."""
        raise NotImplementedError

    def exists(self, path: "str") -> "bool":
        """Tell whether stat() finds the path."""
        raise NotImplementedError

    def uname(self) -> "Tuple[str, str, str]":
        """Return the kernel's release, its machine and the node's own name."""
        raise NotImplementedError

    def run_on(self, cpu: "int") -> "None":
        """Let this thread run on one CPU alone."""
        raise NotImplementedError

    def lstat_mode(self, path: "str") -> "int":
        """Return the type and mode of what is at a path; a link is not followed."""
        raise NotImplementedError

    def stat_mode(self, path: "str") -> "int":
        """Return the type and mode of what is at a path; links are followed."""
        raise NotImplementedError

    def file_size(self, fd: "int") -> "int":
        """Return an open file's size in bytes, as fstat() tells it."""
        raise NotImplementedError

    def create(self, path: "str", mode: "int") -> "int":
        """Create a file that is not there yet, with this mode whatever the umask; open it."""
        raise NotImplementedError

    def write(self, fd: "int", data: "bytes") -> "int":
        """Write, and return how many bytes were taken."""
        raise NotImplementedError

    def fsync(self, fd: "int") -> "None":
        """Wait until what was written is on the disk."""
        raise NotImplementedError

    def rename(self, path: "str", target: "str") -> "None":
        """Give a file another name, in place of what has it."""
        raise NotImplementedError

    def unlink(self, path: "str") -> "None":
        """Take a name away."""
        raise NotImplementedError

    def cpuid(self, leaf: "int", subleaf: "int") -> "Tuple[int, int, int, int]":
        """Execute the CPUID instruction; return eax, ebx, ecx, edx."""
        raise NotImplementedError

    def pointer_bits(self) -> "int":
        """Tell how wide this process's pointers are: 32 or 64."""
        raise NotImplementedError


class LinuxSyscalls(Syscalls):
    """The running kernel."""

    def open(self, path: "str", flags: "int") -> "int":
        return os.open(path, flags)

    def close(self, fd: "int") -> "None":
        os.close(fd)

    def read(self, fd: "int", size: "int") -> "bytes":
        return os.read(fd, size)

    def pread(self, fd: "int", size: "int", position: "int") -> "bytes":
        return os.pread(fd, size, position)

    def ioctl(self, fd: "int", request: "int", argument: "Union[int, bytearray]") -> "int":
        return fcntl.ioctl(fd, request, argument)

    def pipe(self) -> "Tuple[int, int]":
        return os.pipe()

    def set_nonblocking(self, fd: "int") -> "None":
        os.set_blocking(fd, False)

    def exists(self, path: "str") -> "bool":
        try:
            os.stat(path)
        except OSError:
            return False
        return True

    def uname(self) -> "Tuple[str, str, str]":
        answer = os.uname()
        return answer.release, answer.machine, answer.nodename

    def run_on(self, cpu: "int") -> "None":
        os.sched_setaffinity(0, {cpu})

    def lstat_mode(self, path: "str") -> "int":
        return os.lstat(path).st_mode

    def stat_mode(self, path: "str") -> "int":
        return os.stat(path).st_mode

    def file_size(self, fd: "int") -> "int":
        return os.fstat(fd).st_size

    def create(self, path: "str", mode: "int") -> "int":
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(path, flags, 0o600)
        try:
            os.fchmod(fd, mode)
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        return fd

    def write(self, fd: "int", data: "bytes") -> "int":
        return os.write(fd, data)

    def fsync(self, fd: "int") -> "None":
        os.fsync(fd)

    def rename(self, path: "str", target: "str") -> "None":
        os.rename(path, target)

    def unlink(self, path: "str") -> "None":
        os.unlink(path)

    def cpuid(self, leaf: "int", subleaf: "int") -> "Tuple[int, int, int, int]":
        from vzcptcheck.instruction import execute_cpuid

        return execute_cpuid(leaf, subleaf)

    def pointer_bits(self) -> "int":
        return 64 if sys.maxsize > 1 << 32 else 32
