"""Programs on nodes, each with all that it starts, answered by this process until they end."""

import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from simulator.errors import UserError
from simulator.kernel.tree import CPUID_OVERRIDE
from simulator.run.program import (
    NoFilterError,
    NoMountsError,
    Program,
    Started,
    adopt_orphans,
    children,
    descendants,
    end_children,
    start,
)
from simulator.run.seccomp import Listener
from simulator.run.supervisor import OVERRIDE_SELECTIONS, SELECTIONS, Place, Supervisor

_NEEDS = (
    "Linux 5.9 or later on x86-64, where seccomp user notification is allowed (some containers' "
    "profiles deny it, and there is none inside of another vzcptsim run)"
)


class RunError(UserError):
    """Programs cannot be run on simulated nodes here; the text says what is needed."""


class Loop:
    """Waits for several descriptors at once, and calls a function for each that is ready."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, react: Callable[[int], None]) -> None:
        """Call ``react`` with poll()'s events whenever there are any."""
        self._poll.register(fd, select.POLLIN)
        self._watched[fd] = react

    def forget(self, fd: int) -> None:
        """Stop watching a descriptor."""
        if self._watched.pop(fd, None):
            self._poll.unregister(fd)

    def turn(self, milliseconds: int | None = None) -> None:
        """Wait, with a timeout, and react to the events."""
        ready = [(fd, events, self._watched[fd]) for fd, events in self._poll.poll(milliseconds)]
        for fd, events, react in ready:
            # An earlier reaction may have ended this one's reason, and used its number anew.
            if self._watched.get(fd) is react:
                react(events)


class Tree:
    """A program on a node, with all that it has started.

    ``status`` is the program's wait status, once it has ended; ``ended`` is called with it.
    """

    def __init__(
        self,
        place: Place,
        started: Started,
        loop: Loop,
        ended: Callable[[int], None],
        *,
        roots_differ: bool,
    ) -> None:
        self.pid = started.pid
        self.keeper = started.keeper
        self.status: int | None = None
        self.is_over = False
        self._started = started
        self._loop = loop
        self._ended = ended
        listener = Listener(started.listener)
        self._supervisor = Supervisor(place, listener, roots_differ=roots_differ)
        loop.watch(started.listener, self._serve)
        loop.watch(self._supervisor.inotify, lambda _: self._supervisor.forget_closed())
        loop.watch(started.channel.fileno(), lambda _: self._hear())

    def send(self, number: int) -> None:
        """Send a signal to the program, unless it has ended."""
        if self.status is None:
            with suppress(ProcessLookupError):  # Its status may not have arrived yet.
                os.kill(self.pid, number)

    def interrupt(self) -> None:
        """Interrupt the program and what it has started, as far as it is in this process group."""
        group = os.getpgrp()
        for pid in descendants(self.keeper):
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == group:
                    os.kill(pid, signal.SIGINT)

    def end(self) -> None:
        """Tell the keeper to end the whole tree; that takes some time."""
        if not self.is_over:
            os.kill(self.keeper, signal.SIGTERM)

    def _serve(self, events: int) -> None:
        if events & select.POLLIN:
            self._supervisor.serve()
        else:
            self._loop.forget(self._started.listener)  # No process of the tree is left.

    def _hear(self) -> None:
        """Receive the program's status, or notice that its keeper is gone."""
        status = self._started.receive_status()
        if status is None:
            self._close()
        if self.status is None:
            # A keeper that is killed takes the program along.
            self.status = signal.SIGKILL if status is None else status
            self._ended(self.status)

    def _close(self) -> None:
        """Close all files: with its keeper, the whole tree is gone."""
        os.waitpid(self.keeper, 0)
        channel = self._started.channel
        for fd in (self._started.listener, self._supervisor.inotify, channel.fileno()):
            self._loop.forget(fd)
        channel.close()
        self._supervisor.close()
        self.is_over = True


class Runner:
    """Starts programs on nodes, and answers them until all of them have ended."""

    def __init__(self) -> None:
        self.loop = Loop()
        self._trees: list[Tree] = []
        self._strangers = frozenset(children())

    def __enter__(self) -> Self:
        adopt_orphans()
        return self

    def __exit__(self, *_: object) -> None:
        for tree in self._trees:
            tree.end()
        while not all(tree.is_over for tree in self._trees):
            self.loop.turn()
        self._end_orphans()

    def start(
        self, place: Place, program: Program, ended: Callable[[int], None] = lambda _: None
    ) -> Tree:
        """Start a program at a place; RunError if this machine cannot."""
        has_override = place.kernel.owns_file(CPUID_OVERRIDE)
        try:
            started = start(program, OVERRIDE_SELECTIONS if has_override else SELECTIONS)
        except NoFilterError as error:
            raise RunError(f"no filter: {error}; this takes {_NEEDS}") from error
        except NoMountsError as error:
            raise RunError(f"no file system of its own: {error}") from error
        except OSError as error:
            raise RunError(f"no process: {error.strerror}") from error
        try:
            differ = bool(program.mounts)
            tree = Tree(place, started, self.loop, ended, roots_differ=differ)
        except OSError as error:
            started.abandon()
            raise RunError(f"no supervisor: {error.strerror}") from error
        self._trees = [*(one for one in self._trees if not one.is_over), tree]
        return tree

    def serve_until_ended(self, tree: Tree) -> int:
        """Answer all programs until one has ended; return its wait status."""
        while tree.status is None:
            self.loop.turn()
        return tree.status

    def interrupt(self) -> None:
        """Interrupt all programs, as Ctrl-C in a terminal does."""
        for tree in self._trees:
            tree.interrupt()

    def _end_orphans(self) -> None:
        """Kill the processes that this process adopted because their keeper was killed."""
        while orphans := set(children()) - self._strangers:
            end_children(orphans)
            for pid in orphans:
                os.waitpid(pid, 0)
