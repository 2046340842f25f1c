"""Containers as a kernel sees them: processes, network devices, mounts."""

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """What a container is doing; only a running one can be tested.

    A stopped one is not there for the kernel; one that is stopping still is.
    """

    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    LOCKED = "locked"
    SUSPENDED = "suspended"


class Entered(Enum):
    """How the kernel names a process that came into the container from outside."""

    PROCESS = "external process"
    GROUP = "external process group"
    SESSION = "external process session"
    FOREIGN = "foreign process"


POLICIES = ("normal", "batch", "idle", "fifo", "rr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process: ``pid`` is the container's number for it, ``host_pid`` the node's."""

    pid: int
    host_pid: int
    name: str = "init"
    bits: int = 64
    vdso: bool = True
    used_fpu: bool = False
    entered: Entered | None = None
    policy: str = "normal"
    traced: bool = False
    private_mounts: bool = False
    mempolicy: bool = False
    keys: bool = False
    kernel_thread: bool = False


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a container: what its needs are gathered from.

    ``unsupported_devices`` are names of network devices, ``unsupported_mounts`` types of file
    systems that cannot be checkpointed; those that can are of no interest. ``dump_failure`` is
    what the kernel says when it is told to write an image: no simulated kernel writes any.
    """

    processes: tuple[Process, ...]
    unsupported_devices: tuple[str, ...] = ()
    unsupported_mounts: tuple[str, ...] = ()
    dump_failure: str = "this simulated node writes no images"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a container needs of a destination: capability bits, and what was said of it."""

    caps: int
    reports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container: by its contents, or, where those are not known, by its needs.

    Neither is known of one that could not be asked.
    """

    ctid: int
    state: State = State.RUNNING
    contents: Contents | None = None
    needs: Needs | None = None
