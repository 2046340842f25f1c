"""Reading a whole file through the system calls."""

import os

from vzcptcheck.errors import CheckError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vzcptcheck.syscalls import Syscalls

_CHUNK = 1 << 16


def read_file(syscalls: "Syscalls", path: "str", limit: "int" = 1 << 20) -> "bytes":
    """Read all of a file; the descriptor is closed whatever happens.

    Raises ``OSError`` as the failing call does, and ``CheckError`` where the file holds more
    than ``limit`` bytes: this runs as root, and a file without an end must not fill the memory.
    """
    fd = syscalls.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _read_to_end(syscalls, fd, path, limit)
    finally:
        syscalls.close(fd)


def _read_to_end(syscalls: "Syscalls", fd: "int", path: "str", limit: "int") -> "bytes":
    """Read until nothing comes: files in /proc say no size, and answer in pieces."""
    chunks: "list[bytes]" = []
    size = 0
    while True:
        chunk = syscalls.read(fd, _CHUNK)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise CheckError(f"{path}: longer than {limit} bytes")
