"""A simulated node: its kernel, the files in its /proc, /sys and /dev, and its containers."""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import MappingProxyType

from msgspec import Struct, structs

from simulator.facts.capabilities import IA64, X86_64, NodeFacts, node_capabilities
from simulator.facts.cpuid import CpuidTable, MissingLeafError
from simulator.facts.generations import Generation
from simulator.facts.override import OverrideError, format_override, parse_override
from simulator.kernel.calls import Caller, OpenFile, fail
from simulator.kernel.containers import Container, Needs, State
from simulator.kernel.decision import gather
from simulator.kernel.devices import Device, cpt_requests, rst_requests

CPT = "/proc/cpt"
RST = "/proc/rst"
CPUINFO = "/proc/cpuinfo"
DEV_CPU = "/dev/cpu"
CPUID = f"{DEV_CPU}/0/cpuid"
CPUID_OVERRIDE = "/proc/vz/cpuid_override"
VEINFO = "/proc/vz/veinfo"
VZ_VERSION = "/proc/vz/version"
PROC_VERSION = "/proc/version"
CMDLINE = "/proc/cmdline"
IF_INET6 = "/proc/net/if_inet6"

#: The sysctl debug.cpt: with 0, diagnostics do not go to the kernel's log. It comes with the module
#: vzcpt (read in the source of 042stab141.3; that every kernel here has it is an estimate).
DEBUG_CPT = "/proc/sys/debug/cpt"

#: The kernel's log, which reads here as dmesg shows it. On 2.6.32 it can only be written, and dmesg
#: asks by syslog(2), which no simulated node answers.
KMSG = "/dev/kmsg"

#: Folders of /proc and /sys that an OpenVZ node has; the second is not there inside a container.
PROC_VZ = "/proc/vz"
PROC_BC = "/proc/bc"
MODULE_IPV6 = "/sys/module/ipv6"

#: The folder of the containers' configuration files. What is in them a profile does not tell: they
#: are empty.
VZ_CONF = "/etc/vz/conf"

#: Paths that are the node's even if nothing is there: the host's files must not show through.
_OWN_FILES = (CPT, RST, CPUINFO, PROC_VERSION, CMDLINE, IF_INET6, DEBUG_CPT, KMSG)
_OWN_FOLDERS = (PROC_VZ, PROC_BC, MODULE_IPV6, DEV_CPU, VZ_CONF)

#: /proc/net/if_inet6 of the loopback interface.
_LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"

#: Processes of the node itself that /proc/vz/veinfo counts (that of a recorded boot).
_OWN_PROCESSES = 32

#: The mode bits that a user other than root needs, by how the file is opened.
_WANTED = {os.O_RDONLY: 0o004, os.O_WRONLY: 0o002, os.O_RDWR: 0o006}

#: Programs tell files apart by their inodes. Those of /proc are as large.
_FIRST_INODE = 0xF0000000

#: Four registers of 32 bits are an answer of CPUID.
_ANSWER_BYTES = 16


class Stat(Struct, frozen=True):
    """The result of stat(); ``mode`` includes the file's type."""

    mode: int
    inode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    nlink: int = 1


class NodeFile(Struct, frozen=True):
    """A file of the node: its mode, how it is opened, and whether containers see it."""

    mode: int
    open: Callable[[], OpenFile]
    in_containers: bool = False


class TextFile(OpenFile):
    """An open text file, whose text is made at each read; ``take`` receives what is written."""

    def __init__(self, text: Callable[[], str], take: Callable[[str], None] | None = None) -> None:
        self.source = self._text = text
        self._take = take

    def pread(self, size: int, position: int) -> bytes:
        """Read from a position."""
        return self._text().encode()[position : position + size]

    def write(self, data: bytes) -> int:
        """Hand over what is written; fail with EIO if the file cannot be written."""
        if self._take is None:
            raise fail(errno.EIO)
        self._take(data.decode("utf-8", "surrogateescape"))
        return len(data)


class CpuidFile(OpenFile):
    """An open /dev/cpu/N/cpuid: the position is leaf | subleaf << 32, a leaf has 16 bytes."""

    def __init__(self, cpuid: CpuidTable) -> None:
        self.source = self._cpuid = cpuid

    def read(self, size: int) -> bytes:
        """Read as many leaves as fit, from the file's position."""
        data = self.pread(size, self.position)
        self.position += len(data) // _ANSWER_BYTES
        return data

    def pread(self, size: int, position: int) -> bytes:
        """Read eax, ebx, ecx, edx of consecutive leaves; EIO if one was not recorded.

        A leaf that the CPU lacks is no error: the device shows what the instruction answers.
        """
        count, rest = divmod(size, _ANSWER_BYTES)
        if rest:
            raise fail(errno.EINVAL)
        try:
            answers = [
                self._cpuid.instruction(one & 0xFFFFFFFF, one >> 32)
                for one in range(position, position + count)
            ]
        except MissingLeafError as error:
            raise fail(errno.EIO) from error
        return b"".join(value.to_bytes(4, sys.byteorder) for one in answers for value in one)

    def write(self, _: bytes) -> int:
        """Fail with EINVAL, as this device does."""
        raise fail(errno.EINVAL)


class SimulatedKernel:
    """A running node.

    ``facts`` are the facts that its kernel decides by. ``modules`` names which of vzcpt and vzrst
    are loaded; ``has_override`` says whether /proc/vz/cpuid_override exists; ``processors`` has
    the CPUID table of each processor if they differ; ``texts`` are the texts of other files, by
    their paths.

    ``log`` has the lines that the kernel wrote to its log, as dmesg shows them.
    """

    def __init__(  # noqa: PLR0913 (each is a fact of its own)
        self,
        facts: NodeFacts,
        containers: Iterable[Container] = (),
        *,
        modules: frozenset[str] = frozenset({"vzcpt", "vzrst"}),
        has_override: bool = False,
        processors: Mapping[int, CpuidTable] = MappingProxyType({}),
        texts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.facts = facts
        self.containers = {container.ctid: container for container in containers}
        self.log: list[str] = []
        self._debug_level = 1
        self._processors = processors or ({} if facts.cpuid is None else {0: facts.cpuid})
        self.cpt = Device(self, cpt_requests(self))
        self.rst = Device(self, rst_requests(self))
        for container in self.containers.values():
            if container.state is State.SUSPENDED:
                self.cpt.contexts.hold(container.ctid)
        self._files = {
            **self._folders(),
            **self._texts(texts),
            **self._devices(modules, has_override),
            **self._cpus(),
            **self._configuration(),
        }

    @property
    def generation(self) -> Generation:
        """The kernel's generation."""
        return self.facts.release.generation

    @property
    def pointer_bits(self) -> int:
        """The width of the kernel's pointers."""
        return 64 if self.facts.machine in (X86_64, IA64) else 32

    @property
    def release(self) -> str:
        """What uname -r prints."""
        return self.facts.release.name

    def capabilities(self) -> int:
        """Return the node's present capability number."""
        return node_capabilities(self.facts)

    def cpuid_of(self, processor: int) -> CpuidTable:
        """Return the CPUID table of a processor; EINVAL if there is no such processor."""
        try:
            return self._processors[processor]
        except KeyError:
            raise fail(errno.EINVAL) from None

    def needs_of(self, container: Container) -> Needs:
        """Return a container's needs, gathered from its contents if they are known.

        Fail with EIO if neither is known: that is not a container without needs.
        """
        if container.contents is not None:
            return gather(container.contents, self.facts)
        if container.needs is None:
            raise fail(errno.EIO)
        return container.needs

    def run_container(self, container: Container) -> None:
        """Add a container, or replace the one of its ctid."""
        self.containers[container.ctid] = container

    def set_state(self, ctid: int, state: State) -> None:
        """Put a container into another state."""
        self.containers[ctid] = structs.replace(self.containers[ctid], state=state)

    def log_diagnostic(self, line: str) -> None:
        """Write a line to the kernel's log, unless the sysctl debug.cpt is 0."""
        if self._debug_level:
            self.log.append(line)

    def log_text(self) -> str:
        """Return the text of the kernel's log."""
        return "".join(f"{line}\n" for line in self.log)

    def write_debug_level(self, text: str) -> None:
        """Set the sysctl debug.cpt; fail with EINVAL if that is no number."""
        if not re.fullmatch(r"\s*\d{1,9}\s*", text, re.ASCII):
            raise fail(errno.EINVAL)
        self._debug_level = int(text)

    def override_text(self) -> str:
        """Return the text of /proc/vz/cpuid_override."""
        return format_override(self.facts.override)

    def write_override(self, text: str) -> None:
        """Set a new override table; if the kernel refuses it (OSError), nothing changes."""
        try:
            entries = parse_override(text)
        except OverrideError as error:
            raise fail(error.errno) from error
        self.facts = structs.replace(self.facts, override=entries)

    def open(self, path: str, caller: Caller, flags: int = os.O_RDONLY) -> OpenFile:
        """Open a file; OSError with ENOENT, EACCES, or EISDIR, as the node would answer."""
        node_file = self._find(path, caller)
        wanted = _WANTED.get(flags & os.O_ACCMODE, 0o006)
        is_permitted = not caller.uid or node_file.mode & wanted == wanted
        if not is_permitted and not stat.S_ISDIR(node_file.mode):
            raise fail(errno.EACCES)
        return node_file.open()

    def stat(self, path: str, caller: Caller) -> Stat:
        """Return a file's stat; OSError with ENOENT if there is none."""
        mode = self._find(path, caller).mode
        return Stat(mode, inode=_FIRST_INODE + list(self._files).index(path))

    def list_folder(self, path: str, caller: Caller) -> list[str]:
        """List the names in a folder; the name of a folder ends with a slash."""
        inside = {
            other.removeprefix(f"{path}/"): node_file
            for other, node_file in self._files.items()
            if other.startswith(f"{path}/") and (not caller.ctid or node_file.in_containers)
        }
        return [
            f"{name}/" if stat.S_ISDIR(node_file.mode) else name
            for name, node_file in inside.items()
            if "/" not in name
        ]

    def owns(self, path: str) -> bool:
        """Return whether a path is the node's, even if nothing is there."""
        return path in _OWN_FILES or any(
            path == folder or path.startswith(f"{folder}/") for folder in _OWN_FOLDERS
        )

    def owns_file(self, path: str) -> bool:
        """Return whether the node has this file."""
        return path in self._files

    def veinfo_text(self) -> str:
        """Return the text of /proc/vz/veinfo: id, class and processes, the node itself last."""
        counts = [
            (one.ctid, len(one.contents.processes) if one.contents is not None else 1)
            for one in reversed(self.containers.values())
            if one.state is not State.STOPPED
        ]
        return "".join(
            f"{ctid:10d} {0:5d} {count:5d}\n" for ctid, count in (*counts, (0, _OWN_PROCESSES))
        )

    def _find(self, path: str, caller: Caller) -> NodeFile:
        node_file = self._files.get(path)
        if node_file is None or (caller.ctid and not node_file.in_containers):
            raise fail(errno.ENOENT)
        return node_file

    def _folders(self) -> dict[str, NodeFile]:
        folder = NodeFile(stat.S_IFDIR | 0o555, _open_folder, in_containers=True)
        folders = {PROC_VZ: folder, PROC_BC: structs.replace(folder, in_containers=False)}
        if self.facts.has_ipv6 or "ipv6.disable=1" in self.facts.boot_options:
            folders[MODULE_IPV6] = folder
        return folders

    def _texts(self, texts: Mapping[str, str]) -> dict[str, NodeFile]:
        made: dict[str, Callable[[], str]] = {VEINFO: self.veinfo_text}
        if self.facts.has_ipv6:
            made[IF_INET6] = partial(str, _LOOPBACK)
        made[CMDLINE] = partial(str, " ".join(("ro", *self.facts.boot_options)) + "\n")
        made.update((path, partial(str, text)) for path, text in texts.items())
        return {
            path: NodeFile(stat.S_IFREG | 0o444, partial(TextFile, text), in_containers=True)
            for path, text in made.items()
        }

    def _devices(self, modules: frozenset[str], has_override: bool) -> dict[str, NodeFile]:
        files = {KMSG: NodeFile(stat.S_IFCHR | 0o644, partial(TextFile, self.log_text))}
        if "vzcpt" in modules:
            files[CPT] = NodeFile(stat.S_IFREG | 0o600, self.cpt.open)
            level = partial(TextFile, lambda: f"{self._debug_level}\n", self.write_debug_level)
            files[DEBUG_CPT] = NodeFile(stat.S_IFREG | 0o644, level)
        if "vzrst" in modules:
            files[RST] = NodeFile(stat.S_IFREG | 0o600, self.rst.open)
        if has_override:
            override = partial(TextFile, self.override_text, self.write_override)
            files[CPUID_OVERRIDE] = NodeFile(stat.S_IFREG | 0o644, override)
        return files

    def _cpus(self) -> dict[str, NodeFile]:
        if not self._processors:
            return {}
        files = {DEV_CPU: NodeFile(stat.S_IFDIR | 0o755, _open_folder)}
        for number, cpuid in self._processors.items():
            folder = f"{DEV_CPU}/{number}"
            files[folder] = files[DEV_CPU]
            files[f"{folder}/cpuid"] = NodeFile(stat.S_IFCHR | 0o400, partial(CpuidFile, cpuid))
        return files

    def _configuration(self) -> dict[str, NodeFile]:
        empty = NodeFile(stat.S_IFREG | 0o644, partial(TextFile, str))
        return {
            VZ_CONF: NodeFile(stat.S_IFDIR | 0o755, _open_folder),
            **{f"{VZ_CONF}/{ctid}.conf": empty for ctid in self.containers},
        }


def _open_folder() -> OpenFile:
    raise fail(errno.EISDIR)


def format_cpuinfo(
    processor: int,
    cpuid: CpuidTable,
    model_name: str | None,
    microcode: str | None,
    flags: str | None,
) -> str:
    """Write a processor's block of /proc/cpuinfo; what is None has no line."""
    values = {
        "processor": processor,
        "vendor_id": cpuid.vendor,
        "cpu family": cpuid.family,
        "model": cpuid.model,
        "model name": model_name,
        "stepping": cpuid.stepping,
        "microcode": microcode,
        "flags": flags,
    }
    lines = []
    for key, value in values.items():
        if value is not None:
            tabs = "\t" if len(key) >= 8 else "\t\t"  # Colons stand at column 16.
            lines.append(f"{key}{tabs}: {value}\n")
    return "".join(lines)
