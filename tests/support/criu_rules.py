"""CRIU's rules again, step by step as its C code has them, to compare the engine with.

It shares nothing with the engine: bits are from tests/data/criu/ins.tsv, and registers are asked
for as CRIU does, of a CPU that answers all leaves.
"""

from collections.abc import Callable
from pathlib import Path

Registers = tuple[int, int, int, int]
Cpuid = Callable[[int, int], Registers]

_INS = Path(__file__).parents[1] / "data" / "criu" / "ins.tsv"


class CpuInfo:
    """compel_cpuinfo_t."""

    def __init__(self) -> None:
        self.vendor = "UNKNOWN"
        self.capability = [0] * 19
        self.xfeatures_mask = 0
        self.xsave_size = 0
        self.xsave_size_max = 0


def _has(info: CpuInfo, word: int, bit: int) -> bool:
    return bool(info.capability[word] & 1 << bit)


def compel_cpuid(  # noqa: C901, PLR0912, PLR0915 (in the steps of the C function)
    cpuid: Cpuid, version: tuple[int, int] = (4, 1)
) -> CpuInfo:
    """compel_cpuid() and fetch_cpuid(): what CRIU makes of the CPU that it runs on."""
    info = CpuInfo()
    level, ebx, ecx, edx = cpuid(0, 0)
    if level >= 1 << 31:
        level -= 1 << 32
    name = b"".join(part.to_bytes(4, "little") for part in (ebx, edx, ecx))
    if name == b"GenuineIntel":
        info.vendor = "INTEL"
    elif name == b"AuthenticAMD" or (name == b"HygonGenuine" and version >= (3, 13)):
        info.vendor = "AMD"
    else:
        return info
    word = info.capability
    family = signature = 0
    if level >= 1:
        signature, _, ecx, edx = cpuid(1, 0)
        family = signature >> 8 & 0xF
        if family == 0xF:
            family += signature >> 20 & 0xFF
        word[0], word[4] = edx, ecx
    if level >= 6:
        word[14] = cpuid(6, 0)[0]
    if level >= 7:
        _, word[9], word[11], word[18] = cpuid(7, 0)
    if level >= 0xD:
        word[10] = cpuid(0xD, 1)[0]
    if level >= 0xF:
        word[16] = cpuid(0xF, 0)[3]
        if word[16] & 2:
            word[12] = cpuid(0xF, 1)[3]
    extended = cpuid(0x80000000, 0)[0]
    if extended >= 0x80000001:
        _, _, word[6], word[1] = cpuid(0x80000001, 0)
    if extended >= 0x80000007:
        word[17] = cpuid(0x80000007, 0)[1]
    if extended >= 0x80000008:
        word[13] = cpuid(0x80000008, 0)[1]
    if extended >= 0x8000000A:
        word[15] = cpuid(0x8000000A, 0)[3]
    word[3] |= 1 << 20 | 1 << 25
    if level < 0xD:
        word[4] &= ~(1 << 26)
    if info.vendor == "INTEL":
        if family == 6:
            word[3] |= 1 << 16
        if family == 15:
            word[9] &= ~(1 << 9)
    else:
        word[0] &= ~(1 << 31)
        if family >= 16 or (family == 15 and ((0xF48 <= signature < 0xF50) or signature >= 0xF58)):
            word[3] |= 1 << 16
    if _has(info, 4, 26):
        eax, info.xsave_size, info.xsave_size_max, edx = cpuid(0xD, 0)
        mask = eax | edx << 32
        for component, (number, bit) in {
            0: (0, 0),
            1: (0, 25),
            2: (4, 28),
            3: (9, 14),
            4: (9, 14),
            5: (9, 16),
            6: (9, 16),
            7: (9, 16),
            8: (9, 25),
            9: (11, 3),
        }.items():
            if not _has(info, number, bit):
                mask &= ~(1 << component)
        info.xfeatures_mask = mask & 0x2FF & ~0x10A
    return info


def validate(  # noqa: C901, PLR0911 (as above)
    image: CpuInfo, host: CpuInfo, modes: set[str], version: tuple[int, int]
) -> str:
    """cpu_validate_features(): what it writes, or nothing where it passes."""
    if "fpu" in modes:
        missing = [
            int(_has(image, *one) and not _has(host, *one))
            for one in ((0, 0), (0, 24), (4, 27), (10, 3))
        ]
        if any(missing):
            told = "fpu:{} fxsr:{} osxsave:{} xsaves:{}".format(*missing)
            return f"FPU feature required by image is not supported on host ({told})"
        more = image.xfeatures_mask & ~host.xfeatures_mask
        if version < (3, 14) and image.xfeatures_mask <= host.xfeatures_mask:
            more = 0
        if more:
            return f"CPU xfeatures has unsupported bits ({more:#x})"
        if image.xsave_size != host.xsave_size:
            return f"CPU xsave size mismatch ({image.xsave_size}/{host.xsave_size})"
        if image.xsave_size_max != host.xsave_size_max:
            return f"CPU xsave max size mismatch ({image.xsave_size_max}/{host.xsave_size_max})"
    if "ins" in modes:
        for word, bit in instructions():
            if _has(image, word, bit) and not _has(host, word, bit):
                return "CPU instruction capabilities do not match run time"
    if "cpu" in modes and image.capability != host.capability:
        return "CPU capabilities do not match run time"
    return ""


def instructions() -> list[tuple[int, int]]:
    """Return the words and bits that mode ins compares."""
    lines = _INS.read_text("ascii").splitlines()[2:]
    return [(int(one.split("\t")[0]), int(one.split("\t")[2])) for one in lines]
