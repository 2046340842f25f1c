"""/proc/cpuinfo of a simulated node, and the flags that a kernel shows for a CPU's registers."""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from simulator.facts.cpuid import CpuidTable, RegisterName

if TYPE_CHECKING:
    from simulator.profiles.profile import CpuFacts

#: Flags in the order of /proc/cpuinfo, by register from bit 0 on; '-' is a bit without a name.
#: Source: /proc/cpuinfo of the recorded boots, and cpufeature.h of 2.6.32-042stab141.3.
_FLAGS: tuple[tuple[int, int, RegisterName, str], ...] = (
    (
        0x1,
        0,
        "edx",
        (
            "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush "
            "- dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"
        ),
    ),
    (
        0x80000001,
        0,
        "edx",
        (
            "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb "
            "rdtscp - lm 3dnowext 3dnow"
        ),
    ),
    (
        0x1,
        0,
        "ecx",
        (
            "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid - fma cx16 xtpr pdcm - "
            "pcid dca sse4_1 sse4_2 x2apic movbe popcnt - aes xsave - avx f16c rdrand hypervisor"
        ),
    ),
    (
        0x80000001,
        0,
        "ecx",
        (
            "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw "
            "ibs xop skinit wdt - lwp fma4 - - nodeid_msr - tbm topoext perfctr_core"
        ),
    ),
    (
        0x7,
        0,
        "ebx",
        (
            "fsgsbase - - bmi1 hle avx2 - smep bmi2 erms invpcid rtm - - mpx - avx512f avx512dq "
            "rdseed adx smap - - clflushopt clwb - avx512pf avx512er avx512cd - avx512bw avx512vl"
        ),
    ),
    (0xD, 1, "eax", "xsaveopt xsavec xgetbv1 xsaves"),
)


def flags_of(cpuid: CpuidTable) -> tuple[str, ...]:
    """Return the flags that the registers alone give; those of recorded leaves.

    A kernel adds others (constant_tsc, rep_good, eagerfpu...) and hides some.
    """
    return tuple(
        flag
        for leaf, subleaf, register, names in _FLAGS
        if (leaf, subleaf) in cpuid
        for bit, flag in enumerate(names.split())
        if flag != "-" and cpuid.has_bit(leaf, subleaf, register, bit)
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
        ("flags", None if cpu.flags is None else " ".join(cpu.flags)),
    )
    return "".join(_line(key, value) for key, value in values if value is not None)


def _line(key: str, value: str) -> str:
    # Colons stand at column 16.
    return key + ("\t" if len(key) >= 8 else "\t\t") + f": {value}\n"
