"""Descriptors that are waited for, and what is done when one of them has something."""

import select
from collections.abc import Callable


class Loop:
    """What a supervisor waits for, all at once."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._watched: dict[int, Callable[[int], None]] = {}

    def watch(self, fd: int, react: Callable[[int], None]) -> None:
        """From now on call ``react`` with poll()'s events where there are any."""
        self._poll.register(fd, select.POLLIN)
        self._watched[fd] = react

    def forget(self, fd: int) -> None:
        """Watch a descriptor no longer."""
        if self._watched.pop(fd, None):
            self._poll.unregister(fd)

    def turn(self, milliseconds: int | None = None) -> None:
        """Wait, for so long at most, and react to what there is."""
        ready = [(fd, events, self._watched[fd]) for fd, events in self._poll.poll(milliseconds)]
        for fd, events, react in ready:
            # An earlier reaction may have ended this one's reason, and used its number anew.
            if self._watched.get(fd) is react:
                react(events)
