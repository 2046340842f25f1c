"""Containers as a kernel sees them: processes, network devices, mounts.

These structs are the format of a profile's containers too: a field with a plain default may be
left out of a file, and a file always states one with a ``stated`` default.
"""

from enum import Enum
from typing import Annotated, Generic, Literal, TypeVar, get_args

from msgspec import Meta, Struct, field

Default = TypeVar("Default")

#: Texts and numbers as a file may have them.
NonEmpty = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(ge=1)]
PositiveInt = Annotated[int, Meta(ge=1, le=0x7FFFFFFF)]

Policy = Literal["normal", "batch", "idle", "fifo", "rr"]
POLICIES: tuple[Policy, ...] = get_args(Policy)


class Stated(Generic[Default]):
    """Makes a default for callers that a file always states; ``asked`` counts all those made."""

    asked = 0

    def __init__(self, default: Default) -> None:
        self._default = default

    def __call__(self) -> Default:
        """Return the default."""
        Stated.asked += 1
        return self._default


def stated(default: Default) -> Default:
    """Give a field a default for callers; what is written to a file states it nonetheless."""
    made: Default = field(default_factory=Stated(default))
    return made


class State(Enum):
    """What a container is doing; only a running one can be tested.

    A stopped one is not there for the kernel; one that is stopping still is. Unknown is the state
    of one that is there and was not asked: /proc/vz/veinfo lists a locked one as a running one.
    """

    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    LOCKED = "locked"
    SUSPENDED = "suspended"
    UNKNOWN = "unknown"

    #: That of Enum is a Python function.
    __hash__ = object.__hash__


class Entered(Enum):
    """How the kernel names a process that came into the container from outside."""

    PROCESS = "external process"
    GROUP = "external process group"
    SESSION = "external process session"
    FOREIGN = "foreign process"


class FormatStruct(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a profile: immutable, and as its file has it."""


class Process(FormatStruct, frozen=True, kw_only=True, gc=False, cache_hash=True):
    """One process: ``pid`` is the container's number for it, ``host_pid`` the node's."""

    pid: Positive
    host_pid: Positive
    name: Annotated[str, Meta(min_length=1, max_length=15)] = stated("init")
    bits: Literal[32, 64] = 64
    vdso: bool = True
    used_fpu: bool = False
    policy: Policy = "normal"
    traced: bool = False
    private_mounts: bool = False
    mempolicy: bool = False
    keys: bool = False
    kernel_thread: bool = False
    entered: Entered | None = None


class Contents(FormatStruct, frozen=True, gc=False, cache_hash=True):
    """What is in a container: what its needs are gathered from.

    ``unsupported_devices`` are names of network devices, ``unsupported_mounts`` types of file
    systems that cannot be checkpointed; those that can are of no interest. ``dump_failure`` is
    what the kernel writes when it is told to write an image: no simulated kernel writes any.
    """

    processes: Annotated[tuple[Process, ...], Meta(min_length=1)]
    unsupported_devices: tuple[NonEmpty, ...] = ()
    unsupported_mounts: tuple[NonEmpty, ...] = ()
    dump_failure: NonEmpty = "this simulated node writes no images"


class Needs(FormatStruct, frozen=True, gc=False):
    """What a container needs of a destination: capability bits, and what was said of it."""

    caps: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
    reports: tuple[NonEmpty, ...] = stated(())


class Container(FormatStruct, frozen=True, kw_only=True, gc=False):
    """One container: by its contents, or, where those are not known, by its needs.

    Neither is known of one that could not be asked.
    """

    ctid: PositiveInt
    state: State = stated(State.RUNNING)
    needs: Needs | None = stated(None)
    contents: Contents | None = field(default=None, name="origin")
