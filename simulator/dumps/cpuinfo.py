"""/proc/cpuinfo of old and new kernels, read back into bits of CPUID.

A word that is there is a bit that is set. A word that is not there says nothing, and no bit is
taken for clear: the kernel may be older than the word; it may have cleared it, asked to (noxsave,
clearcpuid=), over an erratum, for a feature that it was built without, or since another CPU of
the machine lacks it; the CPU may be a virtual one. Words that kernels set on their own account
are left out, though they are spelled as bits: constant_tsc, arat and hypervisor on some CPUs,
ibrs, ibpb, stibp, ssbd, cppc. What stays is set on the CPU unless somebody asked the kernel to
believe it (forcepae, setcpuid=).

Sources: Linux arch/x86/kernel/cpu/proc.c, show_cpuinfo(); arch/x86/include/asm/cpufeatures.h from
2.6.18 to 6.12 for the words; arch/x86/kernel/cpu/amd.c for what is set there.
"""

import functools
import re
from collections.abc import Iterator, Mapping

from simulator.dumps.model import CpuDump, DumpError, KnownBits, make_dump, told_apart
from simulator.facts.cpuid import Key, RegisterName
from vzcptcheck.cpuinfo import CpuinfoError, parse_cpuinfo

NAME = "/proc/cpuinfo"

_START = re.compile(rb"^processor[ \t]*:", re.MULTILINE)
_OF_X86 = re.compile(rb"^(?:vendor_id|flags)[ \t]*:", re.MULTILINE)
_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)

_VENDOR_LENGTH = 12
_LARGEST_LEVEL = 0xFFFF

#: Vendors whose names have spaces around them, which no line keeps.
_SPACED_VENDORS = {
    "Shanghai": "  Shanghai  ",
    "SiS SiS SiS": "SiS SiS SiS ",
    "UMC UMC UMC": "UMC UMC UMC ",
}

#: Words by register from bit 0 on; '-' is a bit that has none, or none that can be relied on.
_WORDS: tuple[tuple[int, int, RegisterName, str], ...] = (
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
        0x1,
        0,
        "ecx",
        (
            "pni pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm "
            "- pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c "
            "rdrand"
        ),
    ),
    (
        0x7,
        0,
        "ebx",
        (
            "fsgsbase tsc_adjust sgx bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a "
            "avx512f avx512dq rdseed adx smap avx512ifma pcommit clflushopt clwb intel_pt avx512pf "
            "avx512er avx512cd sha_ni avx512bw avx512vl"
        ),
    ),
    (
        0x7,
        0,
        "ecx",
        (
            "- avx512vbmi umip pku - waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni "
            "avx512_bitalg tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote "
            "- movdiri movdir64b enqcmd sgx_lc"
        ),
    ),
    (
        0x7,
        0,
        "edx",
        (
            "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - "
            "serialize - tsxldtrk - pconfig arch_lbr ibt - amx_bf16 avx512_fp16 amx_tile amx_int8 "
            "- - flush_l1d arch_capabilities"
        ),
    ),
    (
        0x7,
        1,
        "eax",
        (
            "sha512 sm3 sm4 - avx_vnni avx512_bf16 - cmpccxadd - - fzrm fsrs fsrc - - - - - - - - "
            "amx_fp16 - avx_ifma - - lam"
        ),
    ),
    (0xD, 1, "eax", "xsaveopt xsavec xgetbv1 xsaves"),
    (
        0x8000_0001,
        0,
        "ecx",
        (
            "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw "
            "ibs xop skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb "
            "- bpext ptsc perfctr_llc mwaitx"
        ),
    ),
    (
        0x8000_0001,
        0,
        "edx",
        (
            "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb "
            "rdtscp - lm 3dnowext 3dnow"
        ),
    ),
    (0x8000_0008, 0, "ebx", "clzero irperf xsaveerptr - rdpru - - - - wbnoinvd"),
    (0x8086_0001, 0, "edx", "recovery longrun - lrti"),
    (
        0xC000_0001,
        0,
        "edx",
        "- - rng rng_en - - ace ace_en ace2 ace2_en phe phe_en pmm pmm_en",
    ),
)

#: What older kernels call some of them.
_OLD_WORDS = {
    "altmovcr8": "cr8_legacy",
    "cr8legacy": "cr8_legacy",
    "ffxsr": "fxsr_opt",
    "perfctr_l2": "perfctr_llc",
    "sse5": "xop",
}


def why_not(data: bytes) -> str | None:
    """Return why bytes are not /proc/cpuinfo of x86; None where they are."""
    if not _START.search(data):
        return "no line is 'processor : 0'"
    return None if _OF_X86.search(data) else "no line is 'vendor_id : ...': of another architecture"


def parse(data: bytes) -> list[CpuDump]:
    """Parse every processor. DumpError where one is not sound."""
    try:
        return told_apart(map(_parse_processor, parse_cpuinfo(data)))
    except CpuinfoError as error:
        raise DumpError(str(error)) from None


def _parse_processor(lines: Mapping[str, str]) -> CpuDump:
    number = lines["processor"]
    try:
        cpus = str(_number(lines, "processor"))
        known = _known_bits(lines)
    except ValueError as error:
        raise DumpError(f"processor {number[:20]}: {error}") from None
    name = " ".join(lines.get("model name", "").split())
    return make_dump(
        cpus,
        known.answers(),
        NAME,
        model_name=None if name in ("", "unknown") else name,
        microcode=lines.get("microcode") or None,
    )


def _known_bits(lines: Mapping[str, str]) -> KnownBits:
    known = KnownBits()
    vendor = lines.get("vendor_id", "")
    vendor = _SPACED_VENDORS.get(vendor, vendor)
    if len(vendor) == _VENDOR_LENGTH:
        known.add_vendor(vendor)
    # A CPU without CPUID has level -1, and none to tell.
    level = _number(lines, "cpuid level")
    if level is not None and 0 <= level <= _LARGEST_LEVEL:
        known.add((0, 0), "eax", level)
    _add_signature(known, lines)
    for key, register, bit in _set_bits(lines.get("flags", "")):
        known.add(key, register, bit, bit)
    return known


def _add_signature(known: KnownBits, lines: Mapping[str, str]) -> None:
    """Add the signature; a CPU that has none has a stepping that is unknown."""
    family, model, stepping = (_number(lines, key) for key in ("cpu family", "model", "stepping"))
    if family is not None and model is not None and stepping is not None:
        known.add_signature(family, model, stepping)


def _number(lines: Mapping[str, str], key: str) -> int | None:
    """Return a number; None where the line is not there, or says that it is unknown."""
    value = lines.get(key, "unknown")
    if value == "unknown":
        return None
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{key!r} is no number: {value[:20]!r}")
    return int(value)


def _set_bits(flags: str) -> Iterator[tuple[Key, RegisterName, int]]:
    places = _places()
    for word in flags.split():
        place = places.get(_OLD_WORDS.get(word, word))
        if place is not None:
            yield place


@functools.cache
def _places() -> Mapping[str, tuple[Key, RegisterName, int]]:
    """Return where each word's bit is: a leaf with its subleaf, a register, a mask."""
    return {
        word: ((leaf, subleaf), register, 1 << bit)
        for leaf, subleaf, register, words in _WORDS
        for bit, word in enumerate(words.split())
        if word != "-"
    }
