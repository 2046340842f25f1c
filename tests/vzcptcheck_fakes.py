"""Scripted system calls, for tests of what stands above them."""

import errno
import os
import struct

from vzcptcheck.syscalls import Syscalls


def error(number):
    """Make the exception that a system call raises for an errno."""
    return OSError(number, os.strerror(number))


def cpuid_device(registers):
    """Make the file /dev/cpu/N/cpuid out of {(leaf, subleaf): (eax, ebx, ecx, edx)}."""
    return {
        leaf | subleaf << 32: struct.pack("<4I", *answer)
        for (leaf, subleaf), answer in registers.items()
    }


class FakeFiles(Syscalls):
    """Files out of a table, with every open descriptor on record.

    ``files`` maps a path to its bytes, to the errno of opening it, or (a device) to a mapping
    from position to the bytes there; a position that is not in it was not recorded, and asking
    for it is the test's error. ``instruction`` maps (leaf, subleaf) to four registers, or is an
    errno. ``failing`` maps the number of a call, from 0, to the errno that it fails with.
    Reads of a file give no more than ``piece`` bytes at a time.
    """

    def __init__(self, files=(), instruction=errno.ENOSYS, failing=(), piece=4096):
        self.files = dict(files)
        self.instruction = instruction
        self.failing = dict(failing)
        self.piece = piece
        self.calls = []
        self.paths = {}
        self.positions = {}

    @property
    def open_paths(self):
        """The files of the descriptors that nobody closed."""
        return sorted(self.paths.values())

    def record(self, *call):
        """Put a call on record, and let it fail if it was told to."""
        number = len(self.calls)
        self.calls.append(call)
        if number in self.failing:
            raise error(self.failing[number])

    def open(self, path, flags):
        self.record("open", path, flags)
        content = self.files.get(path, errno.ENOENT)
        if isinstance(content, int):
            raise error(content)
        fd = 1000 + len(self.calls)
        self.paths[fd] = path
        self.positions[fd] = 0
        return fd

    def close(self, fd):
        # As on Linux, the descriptor is gone even where close reports an error.
        if self.paths.pop(fd, None) is None:
            raise error(errno.EBADF)
        self.record("close", fd)

    def read(self, fd, size):
        self.record("read", fd, size)
        start = self.positions[fd]
        chunk = self.files[self.paths[fd]][start : start + min(size, self.piece)]
        self.positions[fd] += len(chunk)
        return chunk

    def pread(self, fd, size, position):
        self.record("pread", fd, size, position)
        content = self.files[self.paths[fd]]
        if isinstance(content, bytes):
            return content[position : position + size]
        assert position in content, "nothing recorded at position 0x{:x}".format(position)
        return content[position][:size]

    def cpuid(self, leaf, subleaf):
        self.record("cpuid", leaf, subleaf)
        if isinstance(self.instruction, int):
            raise error(self.instruction)
        assert (leaf, subleaf) in self.instruction, "leaf 0x{:x} not recorded".format(leaf)
        return self.instruction[leaf, subleaf]
