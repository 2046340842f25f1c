"""/proc/cpuinfo of a simulated node, and the flags that a kernel shows for a CPU's registers."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from simulator.facts.cpuid import CpuidTable
from simulator.facts.features import FEATURES

if TYPE_CHECKING:
    from simulator.profiles.profile import CpuFacts

#: Registers in the order in which /proc/cpuinfo has their flags.
#: Source: /proc/cpuinfo of the recorded boots, and cpufeature.h of 2.6.32-042stab141.3.
_REGISTERS = (
    (0x1, 0, "edx"),
    (0x8000_0001, 0, "edx"),
    (0x1, 0, "ecx"),
    (0x8000_0001, 0, "ecx"),
    (0x7, 0, "ebx"),
    (0xD, 1, "eax"),
)

#: Flags in the order of /proc/cpuinfo.
_FLAGS = sorted(
    (feature for feature in FEATURES if feature.is_printed),
    key=lambda feature: (_REGISTERS.index(feature.location[:3]), feature.bit),
)


def flags_of(cpuid: CpuidTable) -> tuple[str, ...]:
    """Return the flags that the registers alone give; those of recorded leaves.

    A kernel adds others (constant_tsc, rep_good, eagerfpu...) and hides some.
    """
    return tuple(
        flag.name
        for flag in _FLAGS
        if (flag.leaf, flag.subleaf) in cpuid and cpuid.has_bit(*flag.location)
    )


def processor_ranges(processors: str) -> Iterator[range]:
    """Yield the parts of a list as in 0-3,8."""
    for part in processors.split(","):
        first, _, last = part.partition("-")
        yield range(int(first), int(last or first) + 1)


def format_cpuinfo(cpu: "CpuFacts") -> Iterator[str]:
    """Write one block for each processor of a kind; what is not known has no line."""
    for number in chain.from_iterable(processor_ranges(cpu.processors)):
        yield _block(number, cpu)


def _block(number: int, cpu: "CpuFacts") -> str:
    values = (
        ("processor", str(number)),
        ("vendor_id", cpu.cpuid.vendor),
        ("cpu family", str(cpu.cpuid.family)),
        ("model", str(cpu.cpuid.model)),
        ("model name", cpu.model_name),
        ("stepping", str(cpu.cpuid.stepping)),
        ("microcode", cpu.microcode),
        ("flags", cpu.flags),
    )
    return "".join(_line(key, value) for key, value in values if value is not None)


def _line(key: str, value: str) -> str:
    # Colons stand at column 16.
    return key + ("\t" if len(key) >= 8 else "\t\t") + f": {value}\n"
