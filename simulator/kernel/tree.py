"""The files of a node by their paths: which there are, and which are the node's alone."""

import errno
import os
import stat
from collections.abc import Callable, Mapping
from functools import cached_property, partial

from simulator.kernel.calls import Caller, OpenFile, fail
from simulator.kernel.files import NodeFile, Stat, text_file

CPT = "/proc/cpt"
RST = "/proc/rst"
CPUINFO = "/proc/cpuinfo"
PROC_STAT = "/proc/stat"
DEV_CPU = "/dev/cpu"
CPUID_OVERRIDE = "/proc/vz/cpuid_override"
VEINFO = "/proc/vz/veinfo"
VEIP = "/proc/vz/veip"
VZ_VERSION = "/proc/vz/version"
PROC_VERSION = "/proc/version"
CMDLINE = "/proc/cmdline"
IF_INET6 = "/proc/net/if_inet6"
OSRELEASE = "/proc/sys/kernel/osrelease"
KERNEL_VERSION = "/proc/sys/kernel/version"

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
SYS_CPU = "/sys/devices/system/cpu"

#: The folder of the containers' configuration files. What is in them a profile does not tell: they
#: are empty.
VZ_CONF = "/etc/vz/conf"

#: What else tells of a kernel, its processors, or what they are simulated by: a profile tells
#: nothing of it, so it is not there.
_UNTOLD_FILES = (
    "/proc/buddyinfo",
    "/proc/config.gz",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/schedstat",
    "/proc/softirqs",
    "/proc/sysinfo",
    "/proc/timer_list",
    "/proc/version_signature",
)
_UNTOLD_FOLDERS = (
    "/proc/acpi",
    "/proc/device-tree",
    "/proc/irq",
    "/proc/pressure",
    "/proc/sys/kernel/sched_domain",
    "/proc/xen",
    "/sys/bus/cpu",
    "/sys/bus/node",
    "/sys/class/cpuid",
    "/sys/class/dmi",
    "/sys/class/msr",
    "/sys/devices/system/node",
    "/sys/devices/virtual/cpuid",
    "/sys/devices/virtual/dmi",
    "/sys/devices/virtual/msr",
    "/sys/firmware/acpi",
    "/sys/firmware/devicetree",
    "/sys/firmware/dmi",
    "/sys/firmware/efi",
    "/sys/hypervisor",
    "/sys/module/kvm",
    "/sys/module/kvm_amd",
    "/sys/module/kvm_intel",
)

#: Paths that are the node's even if nothing is there: the host's files must not show through.
_OWN_FILES = frozenset(
    {CPT, RST, CPUINFO, PROC_STAT, PROC_VERSION, OSRELEASE, KERNEL_VERSION, CMDLINE, IF_INET6}
    | {DEBUG_CPT, KMSG, *_UNTOLD_FILES}
)
_OWN_FOLDERS = frozenset(
    {PROC_VZ, PROC_BC, MODULE_IPV6, DEV_CPU, SYS_CPU, VZ_CONF, *_UNTOLD_FOLDERS}
)

#: Folders of this machine that have some of these below them.
_ABOVE = frozenset(
    path[:at] for path in _OWN_FILES | _OWN_FOLDERS for at in range(1, len(path)) if path[at] == "/"
)

#: The mode bits that a user other than root needs, by how the file is opened.
_WANTED = {os.O_RDONLY: 0o004, os.O_WRONLY: 0o002, os.O_RDWR: 0o006}

#: Programs tell files apart by their inodes. Those of /proc are as large.
_FIRST_INODE = 0xF0000000


def open_folder(_: Caller) -> OpenFile:
    """Fail with EISDIR: a folder is listed, not opened."""
    raise fail(errno.EISDIR)


FOLDER = NodeFile(stat.S_IFDIR | 0o555, open_folder, in_containers=True)


class Tree:
    """The node's files by their paths.

    ``cpu_texts`` makes the texts below /sys/devices/system/cpu when the first is asked for: a large
    node has thousands. None is a folder's.
    """

    def __init__(
        self, files: Mapping[str, NodeFile], cpu_texts: Callable[[], Mapping[str, str | None]]
    ) -> None:
        self._files = {SYS_CPU: FOLDER, **files}
        self._cpu_texts = cpu_texts

    @cached_property
    def _all(self) -> dict[str, NodeFile]:
        cpus = {
            path: FOLDER if text is None else text_file(partial(str, text))
            for path, text in self._cpu_texts().items()
        }
        return self._files | cpus

    def open(self, path: str, caller: Caller, flags: int) -> OpenFile:
        """Open a file; OSError with ENOENT, EACCES, or EISDIR, as the node would answer."""
        node_file = self._find(path, caller)
        wanted = _WANTED.get(flags & os.O_ACCMODE, 0o006)
        is_permitted = not caller.uid or node_file.mode & wanted == wanted
        if not is_permitted and not stat.S_ISDIR(node_file.mode):
            raise fail(errno.EACCES)
        return node_file.open(caller)

    def stat(self, path: str, caller: Caller) -> Stat:
        """Return a file's stat; OSError with ENOENT if there is none."""
        node_file = self._find(path, caller)
        number = list(self._within(path)).index(path)
        return Stat(node_file.mode, inode=_FIRST_INODE + number, rdev=node_file.rdev)

    def list_folder(self, path: str, caller: Caller) -> list[str]:
        """List the names of the node's in a folder; the name of a folder ends with a slash."""
        names: dict[str, None] = {}
        for other, node_file in self._within(path).items():
            name, _, rest = other.removeprefix(f"{path}/").partition("/")
            if other.startswith(f"{path}/") and (not caller.ctid or node_file.in_containers):
                names[f"{name}/" if rest or stat.S_ISDIR(node_file.mode) else name] = None
        return list(names)

    def has(self, path: str) -> bool:
        """Return whether the node has this file."""
        return path in self._within(path)

    def _find(self, path: str, caller: Caller) -> NodeFile:
        node_file = self._within(path).get(path)
        if node_file is None or (caller.ctid and not node_file.in_containers):
            raise fail(errno.ENOENT)
        return node_file

    def _within(self, path: str) -> dict[str, NodeFile]:
        return self._all if path.startswith(SYS_CPU) else self._files


def owns(path: str) -> bool:
    """Return whether a path is a node's, even if nothing is there."""
    if path in _OWN_FILES:
        return True
    while path:
        if path in _OWN_FOLDERS:
            return True
        path = path.rpartition("/")[0]
    return False


def is_above(path: str) -> bool:
    """Return whether a folder is not a node's, and has paths of the node below it."""
    return path in _ABOVE
