"""Start a program under a filter, with a keeper between it and its supervisor.

The keeper is the program's parent. It reports the program's status, adopts the orphans of the tree,
and kills the whole tree when it is told to, or when the supervisor dies for whatever reason.
"""

import errno
import fcntl
import os
import signal
import socket
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import NoReturn, TypeVar

from msgspec import Struct

from simulator.run.mounts import Mount, enter
from simulator.run.seccomp import LIBC, Selections, checked, install_filter

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

#: A shell's exit statuses for a command that it cannot start.
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127

#: Signals that the keeper waits for, and those that it blocks: a terminal sends some to all.
_AWAITED = (signal.SIGCHLD, signal.SIGTERM)
_KEPT_OFF = (
    *_AWAITED,
    *(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
)

#: Python ignores these, and a program that is started would inherit that.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)

#: The first descriptor after the standard files. Closed standard files' numbers get reused.
_FIRST_OTHER = 3

_MESSAGE = 256
_NO_FILTER = b"!"
_NO_MOUNTS = b"/"
_INT = struct.Struct("=i")

_Made = TypeVar("_Made")


class Program(Struct, frozen=True):
    """A program to start; what is None is as in this process.

    ``files`` become its standard input, output and error; it joins the process group ``group``.
    ``mounts`` are in its file system alone.
    To the descriptor ``failures`` a byte is written where it cannot be executed.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str] | None = None
    folder: str | None = None
    files: tuple[int, int, int] | None = None
    group: int | None = None
    mounts: tuple[Mount, ...] = ()
    failures: int | None = None


class NoFilterError(Exception):
    """A program could not be put under a filter; the text is the kernel's error."""


class NoMountsError(Exception):
    """A program got no file system of its own; the text is the kernel's error."""


class Started(Struct, frozen=True):
    """A running program: its pid, its keeper's, its listener, and the channel for its status."""

    pid: int
    keeper: int
    listener: int
    channel: socket.socket

    def abandon(self) -> None:
        """End the program: nobody will answer its system calls."""
        os.kill(self.keeper, signal.SIGTERM)
        os.waitpid(self.keeper, 0)
        # Not earlier: a waiting call would fail, and the program would print an error.
        os.close(self.listener)
        self.channel.close()

    def receive_status(self) -> int | None:
        """Return the program's wait status; None if its keeper is gone."""
        message = self.channel.recv(_INT.size)
        return _INT.unpack(message)[0] if message else None


def start(program: Program, selections: Selections) -> Started:
    """Start a program under a filter.

    Raises NoFilterError if the kernel refuses the filter, NoMountsError if it refuses the
    program's mounts, OSError if no process can be made.
    """
    ours, theirs = _channel()
    with ExitStack() as undo:
        undo.callback(ours.close)
        with theirs:
            keeper = _fork_keeper(program, selections, theirs)
        message, descriptors, _, _ = socket.recv_fds(ours, _MESSAGE, 1)
        if not descriptors:
            os.waitpid(keeper, 0)
            if message.startswith(_NO_MOUNTS):
                raise NoMountsError(os.fsdecode(message[1:]))
            refused = message.startswith(_NO_FILTER)
            raise NoFilterError(os.fsdecode(message[1:]) if refused else "it ended")
        os.set_inheritable(descriptors[0], False)
        undo.pop_all()
    return Started(int(message), keeper, descriptors[0], ours)


def adopt_orphans() -> None:
    """Make this process the parent of orphans among its descendants."""
    checked(LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def children() -> list[int]:
    """List the children of this process."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="utf-8") as listed:
        return [int(pid) for pid in listed.read().split()]


def descendants(pid: int) -> list[int]:
    """List all processes below one; of those that end meanwhile, some may be left out."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        for thread in threads:
            with open(f"/proc/{pid}/task/{thread}/children", encoding="utf-8") as listed:
                found += map(int, listed.read().split())
    except OSError:  # It is gone.
        return []
    return [one for child in found for one in (child, *descendants(child))]


def end_children(pids: Iterable[int]) -> None:
    """Kill children of this process."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _channel() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets; no standard file's number is used, which programs write to."""
    first, second = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with first, second:
        ours = socket.socket(fileno=_above_files(first.fileno()))
        theirs = socket.socket(fileno=_above_files(second.fileno()))
    return ours, theirs


def _above_files(fd: int) -> int:
    """Duplicate a descriptor to a number above the standard files'."""
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_OTHER)


def _fork_keeper(program: Program, selections: Selections, channel: socket.socket) -> int:
    supervisor = os.getpid()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _KEPT_OFF)
    try:
        return os.fork() or _keep(program, selections, channel, supervisor, mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _keep(
    program: Program,
    selections: Selections,
    channel: socket.socket,
    supervisor: int,
    mask: Iterable[signal.Signals | int],
) -> NoReturn:
    """Run as the keeper."""
    try:
        adopt_orphans()
        _end_with_parent(signal.SIGTERM, supervisor)
        keeper = os.getpid()
        pid = os.fork() or _become(program, selections, channel, keeper, mask)
        _let_go_of_files(channel.fileno())
        _wait(pid, channel)
    finally:
        os._exit(1)


def _wait(pid: int, channel: socket.socket) -> None:
    """Reap children until none is left; kill them all from the first SIGTERM on."""
    ending = False
    while _reap(pid, channel):
        ending |= signal.sigwait(_AWAITED) == signal.SIGTERM
        if ending:
            end_children(children())


def _reap(pid: int, channel: socket.socket) -> bool:
    """Reap ended children, send the program's status; return False once no child is left."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if ended == pid:
            with suppress(OSError):  # The supervisor may be gone.
                channel.send(_INT.pack(status))
        if not ended:
            return True


def _become(
    program: Program,
    selections: Selections,
    channel: socket.socket,
    keeper: int,
    mask: Iterable[signal.Signals | int],
) -> NoReturn:
    """Filter this process, send the listener to the supervisor, and execute the program.

    On any error the child exits: it must not return into its parent's code.
    """
    try:
        _end_with_parent(signal.SIGKILL, keeper)
        message = [str(os.getpid()).encode()]
        _try(lambda: enter(program.mounts), _NO_MOUNTS, channel)
        _settle(program)
        listener = _try(lambda: install_filter(selections), _NO_FILTER, channel)
        # Nobody answers this process yet: looking up a file here would hang.
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, _INT.pack(listener))
        channel.sendmsg(message, [rights])
        os.close(listener)
        channel.close()
        # Not earlier: a signal that ended this process before would look like a filter's refusal.
        _restore_signals(mask)
        _execute(program)
    finally:
        os._exit(1)


def _try(step: Callable[[], _Made], refusal: bytes, channel: socket.socket) -> _Made:
    """Return what a step makes, or tell the supervisor which was refused, and why, and exit."""
    try:
        return step()
    except OSError as error:
        words = filter(None, (error.filename, error.strerror or str(error)))
        channel.send(refusal + os.fsencode(": ".join(words)))
        os._exit(1)


def _end_with_parent(number: int, parent: int) -> None:
    """Have the kernel send a signal when the parent dies, or send it if it has died."""
    checked(LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _settle(program: Program) -> None:
    """Enter the program's folder and process group, and set its files."""
    if program.group is not None:
        with suppress(OSError):  # It may be gone, or of another session.
            os.setpgid(0, program.group)
    _take_files(program.files or ())
    if program.folder is not None:
        try:
            os.chdir(program.folder)
        except OSError:
            os.chdir("/")


def _take_files(files: Sequence[int]) -> None:
    """Make these the standard files, and close the originals on exec."""
    copies = [_above_files(file) for file in files]
    for file in files:
        os.set_inheritable(file, False)
    for number, copy in enumerate(copies):
        os.dup2(copy, number)


def _restore_signals(mask: Iterable[signal.Signals | int]) -> None:
    """Reset the supervisor's signal handlers, which would run until exec.

    What it handles it may block, to read it in turn; programs do not inherit that.
    """
    handled = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
    for number in (*_RESTORED, *handled):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set(mask).difference(handled))


def _execute(program: Program) -> NoReturn:
    command = program.command
    environment = os.environ if program.environment is None else program.environment
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        with suppress(OSError):  # There may be no standard error.
            os.write(2, os.fsencode(f"vzcptsim: {command[0]}: {error.strerror}\n"))
        if program.failures is not None:
            os.write(program.failures, b"!")
        os._exit(_NOT_FOUND if error.errno == errno.ENOENT else _NOT_EXECUTABLE)


def _let_go_of_files(kept: int) -> None:
    """Close all files but one: a pipe that the keeper held open would never end."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd >= _FIRST_OTHER and fd not in (kept, nothing):
            with suppress(OSError):  # That of the listing is closed by now.
                os.close(fd)
    for fd in range(_FIRST_OTHER):
        os.dup2(nothing, fd)
