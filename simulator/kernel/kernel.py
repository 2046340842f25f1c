"""A simulated node: its kernel, the files in its /proc, /sys and /dev, and its containers."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType

from msgspec import structs

from simulator.facts.capabilities import IA64, X86_64, NodeFacts, node_capabilities
from simulator.facts.cpuid import CpuidTable
from simulator.facts.generations import Generation
from simulator.facts.override import OverrideError, format_override, parse_override
from simulator.kernel.calls import Caller, OpenFile, fail
from simulator.kernel.containers import Container, Needs, State
from simulator.kernel.decision import gather
from simulator.kernel.devices import Device, cpt_requests, rst_requests
from simulator.kernel.files import KMSG_DEVICE, NodeFile, Stat, TextFile, cpuid_device, text_file
from simulator.kernel.tree import (
    CMDLINE,
    CPT,
    CPUID_OVERRIDE,
    DEBUG_CPT,
    DEV_CPU,
    FOLDER,
    IF_INET6,
    KERNEL_VERSION,
    KMSG,
    MODULE_IPV6,
    OSRELEASE,
    PROC_BC,
    PROC_STAT,
    PROC_VERSION,
    PROC_VZ,
    RST,
    VEINFO,
    VEIP,
    VZ_CONF,
    VZ_VERSION,
    Tree,
    is_above,
    open_folder,
    owns,
)

#: /proc/net/if_inet6 of the loopback interface.
_LOOPBACK = "00000000000000000000000000000001 01 80 10 80       lo\n"

#: The mode of a file that root writes and anybody reads.
_WRITABLE = stat.S_IFREG | 0o644

#: Processes of the node itself that /proc/vz/veinfo counts (that of a recorded boot).
_OWN_PROCESSES = 32


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
        self._tree = Tree(
            {
                **self._folders(),
                **self._texts(texts),
                **self._devices(modules, has_override),
                **self._cpus(),
                **self._configuration(),
            },
            self._sys_cpu_texts,
        )

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

    @property
    def version(self) -> str:
        """What uname -v prints; who built the kernel, and when, nobody recorded."""
        return "#1 SMP"

    @property
    def processors(self) -> tuple[int, ...]:
        """The numbers of its processors; it has one at least, even if nobody recorded any."""
        return tuple(sorted(self._processors)) or (0,)

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
        return self._tree.open(path, caller, flags)

    def stat(self, path: str, caller: Caller) -> Stat:
        """Return a file's stat; OSError with ENOENT if there is none."""
        return self._tree.stat(path, caller)

    def list_folder(self, path: str, caller: Caller) -> list[str]:
        """List the names of the node's in a folder; the name of a folder ends with a slash."""
        return self._tree.list_folder(path, caller)

    def owns(self, path: str) -> bool:
        """Return whether a path is the node's, even if nothing is there."""
        return owns(path)

    def is_above(self, path: str) -> bool:
        """Return whether a folder is not the node's, and has paths of the node below it."""
        return is_above(path)

    def owns_file(self, path: str) -> bool:
        """Return whether the node has this file."""
        return self._tree.has(path)

    def veinfo_text(self, ctid: int = 0) -> str:
        """Return the text of /proc/vz/veinfo: id, class and processes, the node itself last.

        A container, ``ctid``, sees itself alone.
        """
        counts = [
            (one.ctid, len(one.contents.processes) if one.contents is not None else 1)
            for one in reversed(self.containers.values())
            if one.state is not State.STOPPED and ctid in (0, one.ctid)
        ]
        if not ctid:
            counts.append((0, _OWN_PROCESSES))
        return "".join(f"{number:10d} {0:5d} {count:5d}\n" for number, count in counts)

    def _stat_text(self) -> str:
        from simulator.kernel.cpu_files import format_stat

        return format_stat(self.processors)

    def _sys_cpu_texts(self) -> dict[str, str | None]:
        from simulator.kernel.cpu_files import sys_cpu_texts

        return sys_cpu_texts(self.processors, self._processors)

    def _folders(self) -> dict[str, NodeFile]:
        folders = {PROC_VZ: FOLDER, PROC_BC: structs.replace(FOLDER, in_containers=False)}
        if self.facts.has_ipv6 or "ipv6.disable=1" in self.facts.boot_options:
            folders[MODULE_IPV6] = FOLDER
        return folders

    def _texts(self, texts: Mapping[str, str]) -> dict[str, NodeFile]:
        command_line = " ".join(("ro", *self.facts.boot_options)) + "\n"
        made: dict[str, str] = {
            CMDLINE: command_line,
            OSRELEASE: f"{self.release}\n",
            KERNEL_VERSION: f"{self.version}\n",
            PROC_VERSION: f"Linux version {self.release} (simulated) {self.version}\n",
        }
        version = re.search("-(.+)", self.release)
        if version:
            made[VZ_VERSION] = version[1].replace(".", "_") + "\n"
        if self.facts.has_ipv6:
            made[IF_INET6] = _LOOPBACK
        made.update(texts)
        return {
            **{path: text_file(partial(str, text)) for path, text in made.items()},
            PROC_STAT: text_file(self._stat_text),
            VEINFO: NodeFile(stat.S_IFREG | 0o444, self._open_veinfo, in_containers=True),
            VEIP: text_file(str, stat.S_IFREG | 0o400, in_containers=False),
        }

    def _open_veinfo(self, caller: Caller) -> OpenFile:
        return TextFile(partial(self.veinfo_text, caller.ctid))

    def _devices(self, modules: frozenset[str], has_override: bool) -> dict[str, NodeFile]:
        private = partial(text_file, in_containers=False)
        log = private(self.log_text, stat.S_IFCHR | 0o644)
        files = {KMSG: structs.replace(log, rdev=KMSG_DEVICE)}
        if "vzcpt" in modules:
            files[CPT] = NodeFile(stat.S_IFREG | 0o600, lambda _: self.cpt.open())
            files[DEBUG_CPT] = private(
                lambda: f"{self._debug_level}\n", _WRITABLE, self.write_debug_level
            )
        if "vzrst" in modules:
            files[RST] = NodeFile(stat.S_IFREG | 0o600, lambda _: self.rst.open())
        if has_override:
            files[CPUID_OVERRIDE] = private(self.override_text, _WRITABLE, self.write_override)
        return files

    def _cpus(self) -> dict[str, NodeFile]:
        if not self._processors:
            return {}
        folder = NodeFile(stat.S_IFDIR | 0o755, open_folder)
        files = {DEV_CPU: folder}
        for number, cpuid in self._processors.items():
            files[f"{DEV_CPU}/{number}"] = folder
            files[f"{DEV_CPU}/{number}/cpuid"] = cpuid_device(number, cpuid)
        return files

    def _configuration(self) -> dict[str, NodeFile]:
        empty = text_file(str, _WRITABLE, in_containers=False)
        return {
            VZ_CONF: NodeFile(stat.S_IFDIR | 0o755, open_folder),
            **{f"{VZ_CONF}/{ctid}.conf": empty for ctid in self.containers},
        }
