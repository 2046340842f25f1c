"""A simulated node: its kernel, the files that it shows, the containers that it runs."""

import errno
import os
import stat
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from simulator.caller import Caller
from simulator.capabilities import IA64, X86_64, NodeFacts, node_capabilities
from simulator.containers import Container, Needs, State
from simulator.cpu import CpuidTable, MissingLeafError
from simulator.devices import Device, cpt_requests, fail, rst_requests
from simulator.generations import Generation
from simulator.needs import gather
from simulator.override import OverrideError, format_override, parse_override

CPT = "/proc/cpt"
RST = "/proc/rst"
CPUINFO = "/proc/cpuinfo"
CPUID = "/dev/cpu/0/cpuid"
CPUID_OVERRIDE = "/proc/vz/cpuid_override"

#: Folders that an OpenVZ node has; the second is not there inside a container.
PROC_VZ = "/proc/vz"
PROC_BC = "/proc/bc"

#: What others than root, who may do everything, must be permitted for each way to open a file.
_WANTED = {os.O_RDONLY: 0o004, os.O_WRONLY: 0o002, os.O_RDWR: 0o006}

_REGISTERS = struct.Struct("=4I")


class OpenFile(Protocol):
    """An open file of the node's."""

    def read(self, size: int) -> bytes:
        """Read on."""

    def pread(self, size: int, position: int) -> bytes:
        """Read from a position."""

    def write(self, data: bytes) -> int:
        """Write; return how much was taken."""

    def ioctl(self, request: int, argument: int, caller: Caller) -> int:
        """Answer a request."""

    def close(self) -> None:
        """Close it for the last time."""


@dataclass(frozen=True, slots=True)
class Stat:
    """What stat() tells of a file; ``mode`` has its type too."""

    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    nlink: int = 1


@dataclass(frozen=True, slots=True)
class NodeFile:
    """A file of the node's: who may open it (mode), whether containers see it, and how."""

    mode: int
    open: Callable[[], OpenFile]
    in_containers: bool = False


@dataclass(slots=True)
class TextFile:
    """An open file of text, made when it is read; ``take`` is called with what is written."""

    text: Callable[[], str]
    take: Callable[[str], None] | None = None
    _position: int = field(default=0)

    def read(self, size: int) -> bytes:
        """Read on."""
        data = self.pread(size, self._position)
        self._position += len(data)
        return data

    def pread(self, size: int, position: int) -> bytes:
        """Read from a position."""
        return self.text().encode()[position : position + size]

    def write(self, data: bytes) -> int:
        """Hand over what is written; EIO where nothing may be."""
        if self.take is None:
            raise fail(errno.EIO)
        self.take(data.decode("utf-8", "surrogateescape"))
        return len(data)

    def ioctl(self, _: int, __: int, ___: Caller) -> int:
        """Refuse: a file of text has no requests."""
        raise fail(errno.ENOTTY)

    def close(self) -> None:
        """Close it."""


@dataclass(slots=True)
class CpuidFile:
    """An open /dev/cpu/0/cpuid: the position is leaf | subleaf << 32, a leaf has 16 bytes."""

    cpuid: CpuidTable
    _position: int = field(default=0)

    def read(self, size: int) -> bytes:
        """Read on: as many leaves as there is room for."""
        data = self.pread(size, self._position)
        self._position += len(data) // _REGISTERS.size
        return data

    def pread(self, size: int, position: int) -> bytes:
        """Read eax, ebx, ecx, edx of leaf after leaf; EIO for one that was not recorded."""
        count, rest = divmod(size, _REGISTERS.size)
        if rest:
            raise fail(errno.EINVAL)
        try:
            answers = [
                self.cpuid.answer(one & 0xFFFFFFFF, one >> 32)
                for one in range(position, position + count)
            ]
        except MissingLeafError as error:
            raise fail(errno.EIO) from error
        return b"".join(_REGISTERS.pack(*registers) for registers in answers)

    def write(self, _: bytes) -> int:
        """Refuse, as this device does."""
        raise fail(errno.EINVAL)

    def ioctl(self, _: int, __: int, ___: Caller) -> int:
        """Refuse: this device has no requests."""
        raise fail(errno.ENOTTY)

    def close(self) -> None:
        """Close it."""


class SimulatedKernel:
    """A node that runs: processes come and go, files are opened, the override is written.

    ``facts`` are what its kernel decides by, ``containers`` what it runs. ``modules`` names
    which of vzcpt and vzrst are loaded; ``has_override`` says whether its CPU lets the kernel
    mask CPUID; ``cpuinfo`` is the text of /proc/cpuinfo.
    """

    def __init__(
        self,
        facts: NodeFacts,
        containers: Iterable[Container] = (),
        *,
        modules: frozenset[str] = frozenset({"vzcpt", "vzrst"}),
        has_override: bool = False,
        cpuinfo: str = "",
    ) -> None:
        self.facts = facts
        self.containers = {container.ctid: container for container in containers}
        self.cpt = Device(self, cpt_requests(self))
        self.rst = Device(self, rst_requests(self))
        self._files = self._node_files(modules, has_override, cpuinfo)

    @property
    def generation(self) -> Generation:
        """The generation that the kernel is of."""
        return self.facts.release.generation

    @property
    def pointer_bits(self) -> int:
        """The width of the kernel's pointers."""
        return 64 if self.facts.machine in (X86_64, IA64) else 32

    def capabilities(self) -> int:
        """Return the node's capability number as it is now."""
        return node_capabilities(self.facts)

    def needs_of(self, container: Container) -> Needs:
        """Return what a container needs, gathered anew where its contents are known.

        EIO where nothing is known of it: a hole must not look like a container without needs.
        """
        if container.contents is not None:
            return gather(container.contents, self.facts)
        if container.needs is None:
            raise fail(errno.EIO)
        return container.needs

    def run_container(self, container: Container) -> None:
        """Start a container, or change one."""
        self.containers[container.ctid] = container

    def set_state(self, ctid: int, state: State) -> None:
        """Let a container go into another state."""
        self.containers[ctid] = replace(self.containers[ctid], state=state)

    def override_text(self) -> str:
        """Return what /proc/vz/cpuid_override reads as."""
        return format_override(self.facts.override)

    def write_override(self, text: str) -> None:
        """Take a new override table; OSError where the kernel refuses, changing nothing."""
        try:
            entries = parse_override(text)
        except OverrideError as error:
            raise fail(error.errno) from error
        self.facts = replace(self.facts, override=entries)

    def open(self, path: str, caller: Caller, flags: int = os.O_RDONLY) -> OpenFile:
        """Open a file; OSError with ENOENT or EACCES as the node would answer."""
        node_file = self._find(path, caller)
        wanted = _WANTED.get(flags & os.O_ACCMODE, 0o006)
        if caller.uid and node_file.mode & wanted != wanted:
            raise fail(errno.EACCES)
        return node_file.open()

    def stat(self, path: str, caller: Caller) -> Stat:
        """Tell of a file; OSError with ENOENT where there is none."""
        return Stat(self._find(path, caller).mode)

    def _find(self, path: str, caller: Caller) -> NodeFile:
        node_file = self._files.get(path)
        if node_file is None or (caller.ctid and not node_file.in_containers):
            raise fail(errno.ENOENT)
        return node_file

    def _node_files(
        self, modules: frozenset[str], has_override: bool, cpuinfo: str
    ) -> dict[str, NodeFile]:
        files = {
            PROC_VZ: NodeFile(stat.S_IFDIR | 0o555, _open_folder, in_containers=True),
            PROC_BC: NodeFile(stat.S_IFDIR | 0o555, _open_folder),
        }
        if "vzcpt" in modules:
            files[CPT] = NodeFile(stat.S_IFREG | 0o600, self.cpt.open)
        if "vzrst" in modules:
            files[RST] = NodeFile(stat.S_IFREG | 0o600, self.rst.open)
        if cpuinfo:
            text = partial(TextFile, lambda: cpuinfo)
            files[CPUINFO] = NodeFile(stat.S_IFREG | 0o444, text, in_containers=True)
        if self.facts.cpuid is not None:
            files[CPUID] = NodeFile(stat.S_IFCHR | 0o400, partial(CpuidFile, self.facts.cpuid))
        if has_override:
            override = partial(TextFile, self.override_text, self.write_override)
            files[CPUID_OVERRIDE] = NodeFile(stat.S_IFREG | 0o644, override)
        return files


def _open_folder() -> OpenFile:
    raise fail(errno.EISDIR)
