"""A node of which every word is made up: its files, its CPUs, and what its kernel answers."""

import errno
import os
import stat
import struct
from collections.abc import Mapping

from simulator.facts.capabilities import MACHINES, X86_64
from vzcptcheck import ioctls
from vzcptcheck.devices import CPT, RST
from vzcptcheck.syscalls import Syscalls

#: Parts that are no files.
ANSWERS = "answers"
DIAGNOSTICS = "diagnostics"
UNAME = "uname"
INSTRUCTION = "cpuid"

_PIPE = "pipe"
_PIECE = 1000
_INT = 1 << 31
_NAMES = {name: number for number, name in ioctls.NAMES.items()}


class MadeUpNode(Syscalls):
    """Answers out of parts; see parts.py.

    A part with a slash in its name is the file of that name below the root. ``answers`` has
    a line ``cpt CPT_TEST_VERSION 2051`` for each request of a device; a number below 0 is an
    errno; requests that are not in it fail with EINVAL. ``diagnostics`` is what the kernel
    writes at each request, ``uname`` has three lines, and ``cpuid`` registers. Nothing of the
    real system is touched.
    """

    def __init__(self, parts: Mapping[str, bytes]) -> None:
        self._parts = parts
        self._files = {f"/{name}": text for name, text in parts.items() if "/" in name}
        self._answers = dict(_parse_answers(parts.get(ANSWERS, b"")))
        self._open: dict[int, tuple[str, int]] = {}
        self._pending: dict[int, bytes] = {}
        self._next = 1000

    @property
    def open_files(self) -> list[str]:
        """The files that nobody closed."""
        return [path for path, _ in self._open.values()]

    def open(self, path: str, flags: int) -> int:
        """Open a file of the parts."""
        del flags
        if path not in self._files:
            raise _error(errno.ENOENT)
        return self._new(path)

    def close(self, fd: int) -> None:
        """Close what is open."""
        self._position(fd)
        del self._open[fd]

    def read(self, fd: int, size: int) -> bytes:
        """Read on, in pieces."""
        path, position = self._position(fd)
        if path == _PIPE:
            text, self._pending[fd] = self._pending[fd][:size], self._pending[fd][size:]
            if not text:
                raise _error(errno.EAGAIN)
            return text
        piece = self._files[path][position : position + min(size, _PIECE)]
        self._open[fd] = path, position + len(piece)
        return piece

    def pread(self, fd: int, size: int, position: int) -> bytes:
        """Read at a position; of a CPU's device, a row of registers."""
        path, _ = self._position(fd)
        if path.startswith("/dev/cpu/"):
            leaf, subleaf = position & 0xFFFF_FFFF, position >> 32
            return struct.pack("<4I", *_registers(self._files[path], leaf, subleaf))[:size]
        return self._files[path][position : position + min(size, _PIECE)]

    def ioctl(self, fd: int, request: int, argument: int | bytearray) -> int:
        """Answer out of the table, and say what there is to be said."""
        path, _ = self._position(fd)
        if isinstance(argument, int) and not -_INT <= argument < _INT:
            raise OverflowError(argument)
        for pipe in self._pending:
            self._pending[pipe] += self._parts.get(DIAGNOSTICS, b"")[:4096]
        answer = self._answers.get((path, request), -errno.EINVAL)
        if answer < 0:
            raise _error(min(-answer, 4095))
        if isinstance(argument, bytearray):
            argument[4:] = struct.pack("=I", answer)
            return 0
        return answer

    def pipe(self) -> tuple[int, int]:
        """Make a pipe that each request writes to."""
        ours, theirs = self._new(_PIPE), self._new(_PIPE)
        self._pending[ours] = b""
        return ours, theirs

    def set_nonblocking(self, fd: int) -> None:
        """Nothing here blocks."""
        self._position(fd)

    def exists(self, path: str) -> bool:
        """Tell whether a file is there, or one below it."""
        return any(name == path or name.startswith(f"{path}/") for name in self._files)

    def uname(self) -> tuple[str, str, str]:
        """Return the three lines; a kernel has a release, and a machine that it was built for."""
        text = self._parts.get(UNAME, b"").decode("utf-8", "surrogateescape")
        release, machine, name, *_ = [*text.split("\n"), "", "", ""]
        return release or "2.6.32-dzhanibekov.1", machine if machine in MACHINES else X86_64, name

    def stat_mode(self, path: str) -> int:
        """Return the mode of a plain file."""
        if path not in self._files:
            raise _error(errno.ENOENT)
        return stat.S_IFREG | 0o600

    def lstat_mode(self, path: str) -> int:
        """Return the same: there are no links."""
        return self.stat_mode(path)

    def file_size(self, fd: int) -> int:
        """Return a file's size."""
        return len(self._files[self._position(fd)[0]])

    def create(self, path: str, mode: int) -> int:
        """Write nothing."""
        del path, mode
        raise _error(errno.EROFS)

    def run_on(self, cpu: int) -> None:
        """Run there, if there is such a CPU."""
        if f"/dev/cpu/{cpu}/cpuid" not in self._files:
            raise _error(errno.EINVAL)

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        """Return registers."""
        return _registers(self._parts.get(INSTRUCTION, b""), leaf, subleaf)

    def pointer_bits(self) -> int:
        """Return what nearly every Python has."""
        return 64

    def _new(self, path: str) -> int:
        self._next += 1
        self._open[self._next] = path, 0
        return self._next

    def _position(self, fd: int) -> tuple[str, int]:
        if fd not in self._open:
            raise AssertionError(f"descriptor {fd} is not open")
        return self._open[fd]


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _registers(content: bytes, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """Take registers out of any bytes: the same ones for the same question."""
    rows = len(content) // 16
    if not rows:
        raise _error(errno.EIO)
    row = (leaf * 31 + (leaf >> 24) * 5 + subleaf * 7) % rows
    eax, ebx, ecx, edx = struct.unpack_from("<4I", content, 16 * row)
    return eax, ebx, ecx, edx


def _parse_answers(text: bytes) -> list[tuple[tuple[str, int], int]]:
    devices = {b"cpt": CPT, b"rst": RST}
    answers = []
    for line in text.split(b"\n"):
        device, name, number, *_ = [*line.split(b" "), b"", b"", b""]
        request = _NAMES.get(name.decode("latin-1"))
        if device in devices and request is not None and number.lstrip(b"-").isdigit():
            value = int(number[:12])
            answers.append(((devices[device], request), (value + _INT) % (2 * _INT) - _INT))
    return answers
