"""Run any program on a simulated node: start it under a filter, and be its kernel until it ends."""

import ctypes
import errno
import os
import select
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from simulator.kernel import CPUID_OVERRIDE, SimulatedKernel
from simulator.seccomp import Listener, install_filter
from simulator.supervisor import OVERRIDE_SELECTIONS, SELECTIONS, Supervisor

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

#: Statuses that a shell gives to a command that it cannot start.
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127

#: Milliseconds between two looks at what is left of a tree that is being ended.
_PATIENCE = 20

_NEEDS = (
    "Linux 5.9 or later on x86-64, where seccomp user notification is allowed (some containers' "
    "profiles deny it)"
)


class RunError(Exception):
    """Programs cannot be run on simulated nodes here; the text says what it takes."""


def run(
    kernel: SimulatedKernel, command: Sequence[str], *, uid: int | None = None, ctid: int = 0
) -> int:
    """Run a command and all that it starts on a node; return its status as wait() gives it.

    To the node, who runs it is root, or else the user ``uid``; ``ctid`` is the container that
    it runs in. What is left when it ends is ended too. RunError where this machine cannot.
    """
    child, listener = _start(command, has_override=kernel.owns_file(CPUID_OVERRIDE))
    supervisor = Supervisor(kernel, listener, uid=uid, ctid=ctid)
    try:
        with _Forwarding(child):
            status = _supervise(supervisor, child)
        _end_descendants(supervisor)
    finally:
        supervisor.close()
    return status


def end_as(status: int) -> int:
    """Return the exit status in a status of wait()'s, or end by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError):  # SIGKILL has no handler to take away.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)


def _start(command: Sequence[str], *, has_override: bool) -> tuple[int, Listener]:
    """Fork the command; return its process and the listener that it hands over."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ours, theirs = socket.socketpair()
    with ours:
        child = os.fork() or _become(command, ours, theirs, has_override=has_override)
        theirs.close()
        message, descriptors, _, _ = socket.recv_fds(ours, 256, 1)
    if not descriptors:
        os.waitpid(child, 0)
        raise RunError(f"no filter: {message.decode() or 'it ended'}; this takes {_NEEDS}")
    return child, Listener(descriptors[0])


def _become(
    command: Sequence[str], other: socket.socket, parent: socket.socket, *, has_override: bool
) -> NoReturn:
    """Filter this process, hand the listener to the parent, and become the command.

    Whatever goes wrong, the child never goes on as its parent would.
    """
    try:
        other.close()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        try:
            listener = install_filter(OVERRIDE_SELECTIONS if has_override else SELECTIONS)
        except OSError as error:
            parent.send(os.fsencode(error.strerror or str(error)))
            os._exit(1)
        socket.send_fds(parent, [b"x"], [listener])
        os.close(listener)
        parent.close()
        _execute(command)
    finally:
        os._exit(1)


def _execute(command: Sequence[str]) -> NoReturn:
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        os.write(2, os.fsencode(f"vzcptsim: {command[0]}: {error.strerror}\n"))
        os._exit(_NOT_FOUND if error.errno == errno.ENOENT else _NOT_EXECUTABLE)


class _Forwarding:
    """Signals that ask this process to end go to the command, which decides."""

    _SIGNALS = (signal.SIGTERM, signal.SIGHUP)

    def __init__(self, child: int) -> None:
        self._child = child
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        for number in self._SIGNALS:
            self._before[number] = signal.signal(number, self._forward)
        # A terminal sends this one to the command as well.
        self._before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _forward(self, number: int, _: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._child, number)


def _supervise(supervisor: Supervisor, child: int) -> int:
    """Serve until the command has ended; return its status."""
    pidfd = os.pidfd_open(child)
    try:
        poll = _poll(supervisor)
        poll.register(pidfd, select.POLLIN)
        while pidfd not in _serve_events(supervisor, poll, None):
            pass
    finally:
        os.close(pidfd)
    return os.waitpid(child, 0)[1]


def _end_descendants(supervisor: Supervisor) -> None:
    """End what the command has left behind, and serve it until it is gone."""
    poll = _poll(supervisor)
    while children := _children():
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        _serve_events(supervisor, poll, _PATIENCE)


def _children() -> list[int]:
    """List the children of this process: orphans of the tree come to it."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
        return [int(pid) for pid in children.read().split()]


def _poll(supervisor: Supervisor) -> select.poll:
    poll = select.poll()
    poll.register(supervisor.listener.fd, select.POLLIN)
    poll.register(supervisor.inotify, select.POLLIN)
    return poll


def _serve_events(supervisor: Supervisor, poll: select.poll, timeout: int | None) -> set[int]:
    """Wait, serve what there is to serve, and return the descriptors that have something."""
    ready = dict(poll.poll(timeout))
    if ready.get(supervisor.listener.fd, 0) & select.POLLIN:
        supervisor.serve()
    elif ready.get(supervisor.listener.fd):
        poll.unregister(supervisor.listener.fd)  # Nobody is left who could ask.
    if supervisor.inotify in ready:
        supervisor.forget_closed()
    return set(ready)
