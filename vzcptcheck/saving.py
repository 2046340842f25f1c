"""Writing a file whole or not at all."""

import errno
import stat

from vzcptcheck.errors import CheckError, describe_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vzcptcheck.syscalls import Syscalls

#: How many leftovers of programs that were killed are stepped over.
_TRIES = 100

_HINTS = {
    errno.ENOENT: "There is no such folder: make it first.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EROFS: "Choose a folder on a file system that is not read-only.",
    errno.ENOSPC: "The file system is full: choose another folder.",
    errno.EDQUOT: "Your quota there is used up: choose another folder.",
}


def save_file(syscalls: "Syscalls", path: "str", data: "bytes", mode: "int") -> "None":
    """Write ``data`` to a file of this mode, in place of one of that name.

    It is written beside it under another name and renamed. Raises ``CheckError``; then nothing
    of it is left, and what was there before stands.
    """
    _require_plain(syscalls, path)
    temporary, fd = _create_beside(syscalls, path, mode)
    try:
        _write_and_rename(syscalls, fd, data, temporary, path)
    except OSError as error:
        raise _error(path, "write", error) from error


def _write_and_rename(
    syscalls: "Syscalls", fd: "int", data: "bytes", temporary: "str", path: "str"
) -> "None":
    """Take the temporary file away whatever ends this, an interruption too."""
    is_done = False
    try:
        try:
            _write_all(syscalls, fd, data)
            syscalls.fsync(fd)
        finally:
            # Some file systems tell only here that there was no room.
            syscalls.close(fd)
        syscalls.rename(temporary, path)
        is_done = True
    finally:
        if not is_done:
            _forget(syscalls, temporary)


def _write_all(syscalls: "Syscalls", fd: "int", data: "bytes") -> "None":
    while data:
        data = data[syscalls.write(fd, data) :]


def _forget(syscalls: "Syscalls", path: "str") -> "None":
    try:
        syscalls.unlink(path)
    except OSError:
        pass  # What went wrong before is what is told.


def _require_plain(syscalls: "Syscalls", path: "str") -> "None":
    """Refuse to put a file where a device, a folder or a link is: root could do so."""
    try:
        mode = syscalls.lstat_mode(path)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return
        raise _error(path, "stat", error) from error
    if not stat.S_ISREG(mode):
        raise CheckError(
            f"{path}: there is something else than a plain file",
            "Name a file, or '-' for standard output.",
        )


def _create_beside(syscalls: "Syscalls", path: "str", mode: "int") -> "tuple[str, int]":
    folder, slash, name = path.rpartition("/")
    for number in range(_TRIES):
        temporary = f"{folder}{slash}.{name}.{number}"
        try:
            return temporary, syscalls.create(temporary, mode)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise _error(path, "create", error) from error
    raise CheckError(
        f"{path}: {_TRIES} files of unfinished captures are beside it",
        f"Remove those named {folder}{slash}.{name}.*",
    )


def _error(path: "str", call: "str", error: "OSError") -> "CheckError":
    hint = _HINTS.get(error.errno or 0, "")
    return CheckError(f"{path}: {call}: {describe_failure(error)}", hint)
