"""What the CPU says of itself, from the best source that answers.

The sources, best first: the kernel's /dev/cpu/N/cpuid, which speaks for a named CPU; the CPUID
instruction, which needs no file; the words of /proc/cpuinfo, which need neither and are what
the kernel made of the registers.
"""

import os
import struct
from collections import namedtuple

from vzcptcheck.cpuinfo import flags_of, parse_cpuinfo
from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.features import CPUINFO_WORDS
from vzcptcheck.files import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Callable, Type

    from vzcptcheck.features import Feature
    from vzcptcheck.syscalls import Syscalls

    ReadLeaf = Callable[[int, int], "Registers"]

CPUINFO = "/proc/cpuinfo"

#: A large node's /proc/cpuinfo: 2 KiB for each of some thousand processors.
_CPUINFO_LIMIT = 1 << 24

_REGISTERS = struct.Struct("<4I")

#: The leaves that say which leaves there are.
_BASIC = 0
_EXTENDED = 0x80000000


class CpuidSource:
    """Who said what the CPU can do."""

    DEVICE = "device"
    INSTRUCTION = "instruction"
    CPUINFO = "cpuinfo"


class Registers(namedtuple("Registers", ("eax", "ebx", "ecx", "edx"))):
    """The answer to one leaf: four unsigned 32-bit numbers."""

    __slots__ = ()


class CpuFeatures:
    """The features of a CPU, as one source tells them.

    ``source`` is one of ``CpuidSource``, ``where`` names it for people.
    """

    def __init__(self, source: "str", where: "str") -> "None":
        self.source = source
        self.where = where

    def has(self, feature: "Feature") -> "bool | None":
        """Tell whether the CPU has it; None where this source cannot tell.

        Raises ``DeviceError`` where the source answered before and no longer does.
        """
        raise NotImplementedError


class RegisterFeatures(CpuFeatures):
    """Features out of CPUID's registers; each leaf is read once.

    ``read_leaf(leaf, subleaf)`` returns ``Registers`` or raises ``OSError``. To make one asks it
    which leaves there are, and raises ``DeviceError`` where it does not answer.
    """

    def __init__(self, source: "str", where: "str", read_leaf: "ReadLeaf") -> "None":
        super().__init__(source, where)
        self._read_leaf = read_leaf
        self._known: "dict[tuple[int, int], Registers]" = {}
        self._last_basic = self.read_leaf(_BASIC).eax
        self._last_extended = _last_extended_leaf(self.read_leaf(_EXTENDED))

    def read_leaf(self, leaf: "int", subleaf: "int" = 0) -> "Registers":
        """Return what the CPU answers, even to a leaf that it does not have.

        Raises ``DeviceError`` where the source does not answer.
        """
        key = leaf, subleaf
        if key not in self._known:
            try:
                self._known[key] = self._read_leaf(leaf, subleaf)
            except OSError as error:
                raise DeviceError(self.where, "read", error) from error
        return self._known[key]

    def has(self, feature: "Feature") -> "bool | None":
        """Look at the feature's bit; a leaf beyond the CPU's last means that it has not.

        The question of the last leaf comes first: an Intel CPU answers a leaf that it lacks
        with its last basic one, whose bits mean something else (Intel SDM, volume 2, CPUID).
        """
        if feature.leaf is None:
            return None
        if not self._has_leaf(feature.leaf):
            return False
        register = getattr(self.read_leaf(feature.leaf, feature.subleaf), feature.register)
        return bool(register >> feature.register_bit & 1)

    def _has_leaf(self, leaf: "int") -> "bool":
        return leaf <= (self._last_basic if leaf < _EXTENDED else self._last_extended)


def _last_extended_leaf(answer: "Registers") -> "int":
    """Take the last extended leaf from leaf 0x80000000; 0 where there are none.

    A CPU without extended leaves answers anything: as in Linux arch/x86/kernel/cpu/common.c,
    get_cpu_cap(), only 0x8000.... is believed.
    """
    return answer.eax if answer.eax >> 16 == _EXTENDED >> 16 else 0


class CpuinfoFeatures(CpuFeatures):
    """Features out of the words of /proc/cpuinfo."""

    def __init__(self, words: "frozenset[str]") -> "None":
        super().__init__(CpuidSource.CPUINFO, CPUINFO)
        self._words = words

    def has(self, feature: "Feature") -> "bool | None":
        """Look for the feature's word; one that is no CPUID bit has none here."""
        if feature.leaf is None or feature.word is None:
            return None
        return CPUINFO_WORDS.get(feature.word, feature.word) in self._words


def device_path(cpu: "int") -> "str":
    """Name the file that speaks for a CPU."""
    return f"/dev/cpu/{cpu}/cpuid"


def read_leaf_from_device(
    syscalls: "Syscalls", cpu: "int", leaf: "int", subleaf: "int"
) -> "Registers":
    """Ask the kernel for the registers of a CPU; the descriptor is closed whatever happens.

    Raises as ``CpuidDevice`` does.
    """
    with CpuidDevice(syscalls, cpu) as device:
        return device.read_leaf(leaf, subleaf)


class CpuidDevice:
    """The kernel's /dev/cpu/N/cpuid, open for the length of a ``with`` block.

    The position in the file is the leaf, with the subleaf in the high 32 bits, and an answer
    has 16 bytes (Linux arch/x86/kernel/cpuid.c). ``OSError`` is raised as the failing call does.
    """

    def __init__(self, syscalls: "Syscalls", cpu: "int") -> "None":
        self.path = device_path(cpu)
        self._syscalls = syscalls
        self._fd = -1

    def __enter__(self) -> "CpuidDevice":
        self._fd = self._syscalls.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self

    def __exit__(
        self,
        kind: "Type[BaseException] | None",
        error: "BaseException | None",
        trace: "TracebackType | None",
    ) -> "None":
        self._syscalls.close(self._fd)

    def read_leaf(self, leaf: "int", subleaf: "int") -> "Registers":
        """Return the registers; ``CheckError`` is raised for an answer of another length."""
        answer = self._syscalls.pread(self._fd, _REGISTERS.size, leaf | subleaf << 32)
        if len(answer) != _REGISTERS.size:
            got, wanted = len(answer), _REGISTERS.size
            raise CheckError(
                f"{self.path}: leaf 0x{leaf:x}, subleaf {subleaf}: {got} bytes, expected {wanted}"
            )
        return Registers(*_REGISTERS.unpack(answer))


def read_cpu_features(syscalls: "Syscalls", cpu: "int" = 0) -> "CpuFeatures":
    """Ask the sources in turn for the features of a CPU; the first that answers is taken.

    The instruction cannot choose a CPU: its answer is that of whichever runs this process.
    Raises ``CheckError`` that names every source and its error where none answers, and at once
    where the device answers something else than registers.
    """
    failures: "list[str]" = []
    for ask in (_ask_device, _ask_instruction):
        try:
            return ask(syscalls, cpu)
        except DeviceError as error:
            failures.append(error.message)
    try:
        return _ask_cpuinfo(syscalls, cpu)
    except CheckError as error:
        failures.append(error.message)
    raise CheckError(
        "No source tells what CPU {} can do: {}".format(cpu, "; ".join(failures)),
        "Mount /proc, or load the kernel's module cpuid.",
    )


def _ask_device(syscalls: "Syscalls", cpu: "int") -> "CpuFeatures":
    def read_leaf(leaf: "int", subleaf: "int") -> "Registers":
        return read_leaf_from_device(syscalls, cpu, leaf, subleaf)

    return RegisterFeatures(CpuidSource.DEVICE, device_path(cpu), read_leaf)


def _ask_instruction(syscalls: "Syscalls", _cpu: "int") -> "CpuFeatures":
    def read_leaf(leaf: "int", subleaf: "int") -> "Registers":
        return Registers(*syscalls.cpuid(leaf, subleaf))

    where = "the CPUID instruction, on the CPU that runs this process"
    return RegisterFeatures(CpuidSource.INSTRUCTION, where, read_leaf)


def _ask_cpuinfo(syscalls: "Syscalls", cpu: "int") -> "CpuFeatures":
    try:
        text = read_file(syscalls, CPUINFO, _CPUINFO_LIMIT)
    except OSError as error:
        raise DeviceError(CPUINFO, "read", error) from error
    for processor in parse_cpuinfo(text):
        if processor["processor"] == str(cpu):
            return CpuinfoFeatures(flags_of(processor))
    raise CheckError(f"{CPUINFO}: no processor {cpu}")
