"""Checkpoint contexts: what a kernel keeps for an open /proc/cpt or /proc/rst."""

from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct

from simulator.kernel.calls import OpenDescription

#: Diagnostics of one request gather in a page; what does not fit is lost.
PAGE_SIZE = 4096

_FIRST_ADDRESS = 0xFFFF88003EE00000
_ADDRESS_STEP = 0x2000

HEADER = "Ctx      Id       VE       State\n"


class ContextState(IntEnum):
    """The state of a context, as the files list it."""

    ERROR = -1
    IDLE = 0
    SUSPENDING = 1
    SUSPENDED = 2
    DUMPING = 3
    UNDUMPING = 4
    UNDUMPED = 5


class Context(Struct, eq=False):
    """One context. ``users`` counts the open files that are bound to it.

    A ``sticky`` context outlives these files. ``contextid`` 0 means that it has no name.
    """

    address: int
    contextid: int = 0
    veid: int = 0
    state: ContextState = ContextState.IDLE
    sticky: bool = False
    users: int = 0
    error_file: OpenDescription | None = None
    dump_file: OpenDescription | None = None
    page: bytearray = bytearray()

    def say(self, text: str) -> None:
        """Add a line to the diagnostics of the request."""
        line = f"Error: {text}\n".encode()
        self.page += line[: PAGE_SIZE - len(self.page)]

    def flush(self) -> None:
        """Write the diagnostics at the end of a request, in one write."""
        if self.page and self.error_file is not None:
            self.error_file.write(bytes(self.page))
        self.page.clear()

    def set_error_file(self, file: OpenDescription) -> None:
        """Send diagnostics there from now on."""
        if self.error_file is not None:
            self.error_file.close()
        self.error_file = file

    def set_dump_file(self, file: OpenDescription) -> None:
        """Set the file that an image is written to or read from."""
        if self.dump_file is not None:
            self.dump_file.close()
        self.dump_file = file

    def release(self) -> None:
        """Close the files that the caller handed over."""
        for file in (self.error_file, self.dump_file):
            if file is not None:
                file.close()
        self.error_file = self.dump_file = None


class Contexts:
    """All contexts of one of the two files, oldest first."""

    def __init__(self) -> None:
        self._contexts: list[Context] = []

    def __iter__(self) -> Iterator[Context]:
        return iter(self._contexts)

    def create(self) -> Context:
        """Create a nameless context, bound to one open file."""
        taken = {context.address for context in self._contexts}
        address = _FIRST_ADDRESS
        while address in taken:
            address += _ADDRESS_STEP
        context = Context(address, users=1)
        self._contexts.append(context)
        return context

    def hold(self, ctid: int) -> None:
        """Create the sticky context that keeps a container suspended; its name is the ctid."""
        context = self.create()
        context.contextid = context.veid = ctid
        context.state = ContextState.SUSPENDED
        context.sticky = True
        context.users = 0

    def find(self, contextid: int) -> Context | None:
        """Find the first context of that name; 0 finds a nameless one."""
        return next((context for context in self if context.contextid == contextid), None)

    def unbind(self, context: Context) -> bool:
        """Unbind one open file from a context; return whether the context was removed."""
        context.users -= 1
        if context.sticky or context.users:
            return False
        context.release()
        self._contexts.remove(context)
        return True

    def listing(self) -> str:
        """Return the text that the file reads as."""
        return HEADER + "".join(
            f"{context.address:016x} {context.contextid:08x} {context.veid:<8d} {context.state:d}\n"
            for context in self
        )
