"""Scripted system calls, for tests of what stands above them."""

import errno
import io
import os
import struct

from vzcptcheck.cli import main
from vzcptcheck.syscalls import Syscalls

#: As the kernel's header has them; the package's own are what the tests check.
CPT_SET_VEID = 0x40042D04
CPT_TEST_CAPS = 0x40042D13
CPT_TEST_VECAPS = 0x40042D14
CPT_SET_ERRORFD = 0x40042D15
CPT_TEST_VERSION = 0x40042D1A
CPT_TEST_VECAPS2 = 0x40042D1E

CPT, RST = "/proc/cpt", "/proc/rst"

#: What /proc/cpt and /proc/rst begin with.
HEADER = b"Ctx      Id       VE       State\n"

#: The questions that the commands ask: a device, and the request that is made of it.
OWN_VERSION, TAKES_VERSION = (CPT, CPT_TEST_VERSION), (RST, CPT_TEST_VERSION)
OWN_CAPS, COMPARE_CAPS = (RST, CPT_TEST_CAPS), (CPT, CPT_TEST_CAPS)
TEST_VECAPS, TEST_VECAPS2 = (CPT, CPT_TEST_VECAPS), (CPT, CPT_TEST_VECAPS2)


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
    Reads of a file give no more than ``piece`` bytes at a time. Descriptors go up from ``lowest``.
    """

    def __init__(self, files=(), instruction=errno.ENOSYS, failing=(), piece=4096, lowest=1000):
        self.files = dict(files)
        self.instruction = instruction
        self.failing = dict(failing)
        self.piece = piece
        self.next_fd = lowest
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
        fd = self.new_descriptor(path)
        self.positions[fd] = 0
        return fd

    def new_descriptor(self, path):
        """Open a descriptor of a number that nothing had before."""
        fd = self.next_fd
        self.next_fd += 1
        self.paths[fd] = path
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
        assert position in content, f"nothing recorded at position 0x{position:x}"
        return content[position][:size]

    def cpuid(self, leaf, subleaf):
        self.record("cpuid", leaf, subleaf)
        if isinstance(self.instruction, int):
            raise error(self.instruction)
        assert (leaf, subleaf) in self.instruction, f"leaf 0x{leaf:x} not recorded"
        return self.instruction[leaf, subleaf]

    def run_on(self, cpu):
        self.record("run_on", cpu)


class Pipe:
    """A pipe: what was written and not yet read, and who holds which end."""

    def __init__(self):
        self.text = b""
        self.nonblocking = False
        self.readers = 1
        self.writers = 1

    def write(self, text):
        """Take the kernel's text; without a reader it is lost."""
        if self.readers:
            self.text += text

    def read(self, size):
        """Read as read(2) does; one that would wait for ever is the test's error."""
        chunk, self.text = self.text[:size], self.text[size:]
        if not chunk and self.writers:
            assert self.nonblocking, "this read of an empty pipe never ends"
            raise error(errno.EAGAIN)
        return chunk


class FakeKernel(FakeFiles):
    """A node whose kernel answers requests to its devices out of a table.

    ``answers`` maps (path, request) to an int, to the exception of an errno (``error()``), or to
    a function of the argument that returns one of them. CPT_SET_ERRORFD is done for real where
    it has no other answer, CPT_SET_VEID answers 0; any other request that is not in the table
    is the test's error. ``diagnostics`` maps a request to the bytes that it makes the kernel
    write to the error descriptor of the open file. A device that ``answers`` speaks of exists,
    unless ``files`` has the errno of opening it. ``existing`` are the paths that stat() finds.
    """

    def __init__(self, answers=(), diagnostics=(), existing=(), bits=64, **files_and_failures):
        super().__init__(**files_and_failures)
        self.answers = dict(answers)
        self.diagnostics = dict(diagnostics)
        self.existing = frozenset(existing)
        self.bits = bits
        self.reading = {}
        self.writing = {}
        self.error_pipes = {}
        for path, _ in self.answers:
            self.files.setdefault(path, b"")

    def requests(self):
        """List (path, request, argument) of the ioctls made so far."""
        return [call[1:] for call in self.calls if call[0] == "ioctl"]

    def close(self, fd):
        for ends in (self.error_pipes, self.writing):
            pipe = ends.pop(fd, None)
            if pipe is not None:
                pipe.writers -= 1
        pipe = self.reading.pop(fd, None)
        if pipe is not None:
            pipe.readers -= 1
        super().close(fd)

    def read(self, fd, size):
        if fd not in self.reading:
            return super().read(fd, size)
        self.record("read", fd, size)
        return self.reading[fd].read(min(size, self.piece))

    def pipe(self):
        self.record("pipe")
        pipe = Pipe()
        ours = self.new_descriptor("pipe, reading end")
        theirs = self.new_descriptor("pipe, writing end")
        self.reading[ours] = self.writing[theirs] = pipe
        return ours, theirs

    def set_nonblocking(self, fd):
        self.record("set_nonblocking", fd)
        self.reading[fd].nonblocking = True

    def exists(self, path):
        return path in self.existing

    def uname(self):
        return "2.6.32-042stab113.5", "x86_64", "node7"

    def pointer_bits(self):
        return self.bits

    def ioctl(self, fd, request, argument):
        path = self.paths[fd]
        seen = bytes(argument) if isinstance(argument, bytearray) else argument
        self.record("ioctl", path, request, seen)
        if fd in self.error_pipes:
            said = self.diagnostics.get(request, b"")
            self.error_pipes[fd].write(said(argument) if callable(said) else said)
        answer = self.answers.get((path, request))
        if callable(answer):
            answer = answer(argument)
        if isinstance(answer, OSError):
            raise error(answer.errno)
        return self._do(fd, request, argument) if answer is None else answer

    def _do(self, fd, request, argument):
        if request == CPT_SET_VEID:
            return 0
        assert request == CPT_SET_ERRORFD, f"no answer to request 0x{request:x}"
        if argument not in self.writing:
            raise error(errno.EBADF)
        pipe = self.error_pipes[fd] = self.writing[argument]
        pipe.writers += 1
        return 0


def fill_in(features):
    """Answer CPT_TEST_VECAPS2 as the kernel does: into the argument."""

    def answer(argument):
        argument[4:] = struct.pack("=I", features)
        return 0

    return answer


def run_command(syscalls, *arguments):
    """Run one command; return its exit status, and what it wrote to stdout and to stderr."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = main(list(arguments), syscalls, stdout, stderr)
    return status, stdout.getvalue(), stderr.getvalue()
