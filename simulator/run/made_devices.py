"""CPUID devices that programs make by mknod: they are the node's, wherever they stand.

Todd Allen's cpuid makes one for a processor that has none, to ask the kernel whether there is such
a processor. Sources: mknod(2); cpuid_open() in arch/x86/kernel/cpuid.c.
"""

import errno
import os
import stat

from simulator.kernel.calls import Caller, OpenFile, fail
from simulator.kernel.files import CPUID_MAJOR, Stat
from simulator.kernel.kernel import SimulatedKernel
from simulator.kernel.tree import DEV_CPU

_MODE = stat.S_IFCHR | 0o600


class MadeDevices:
    """The devices that programs made, by their paths; none is made on this machine."""

    def __init__(self, kernel: SimulatedKernel) -> None:
        self._kernel = kernel
        self._made: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._made)

    def __contains__(self, path: object) -> bool:
        return path in self._made

    def make(self, path: str, device: int, caller: Caller) -> None:
        """Make a device; OSError with EPERM or EEXIST."""
        if caller.uid:
            raise fail(errno.EPERM)
        if path in self._made or os.path.lexists(path):
            raise fail(errno.EEXIST)
        self._made[path] = device

    def remove(self, path: str) -> bool:
        """Remove a device; return whether there was one."""
        return self._made.pop(path, None) is not None

    def stat(self, path: str) -> Stat:
        """Return the device's stat."""
        return Stat(_MODE, inode=list(self._made).index(path) + 1, rdev=self._made[path])

    def open(self, path: str, caller: Caller, flags: int) -> OpenFile:
        """Open the device; OSError with ENXIO if the node has no such processor."""
        number = os.minor(self._made[path])
        try:
            return self._kernel.open(f"{DEV_CPU}/{number}/cpuid", caller, flags)
        except FileNotFoundError:
            raise fail(errno.ENXIO) from None


def is_cpuid(mode: int, device: int) -> bool:
    """Tell whether mknod's arguments mean a CPUID device."""
    return stat.S_ISCHR(mode) and os.major(device) == CPUID_MAJOR
