"""The bits of a capability number as the kernel's header numbers them (kernel side).

Source: cpt_ioctl.h of the published trees. This table is the simulator's own: the production
tool has another one, so that a slip in either shows.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from simulator.facts import features

CPT_CPU_X86_CMOV = 0
CPT_CPU_X86_FXSR = 1
CPT_CPU_X86_SSE = 2
CPT_CPU_X86_SSE2 = 3
CPT_CPU_X86_MMX = 4
CPT_CPU_X86_3DNOW = 5
CPT_CPU_X86_3DNOW2 = 6
CPT_CPU_X86_SEP = 7
CPT_CPU_X86_EMT64 = 8
CPT_CPU_X86_IA64 = 9
CPT_CPU_X86_SYSCALL = 10
CPT_CPU_X86_SYSCALL32 = 11
CPT_CPU_X86_SEP32 = 12
CPT_CPU_X86_SSE4_1 = 13
CPT_CPU_X86_SSE4_2 = 14
CPT_CPU_X86_SSE4A = 15
CPT_EXTERNAL_PROCESS = 16
CPT_NAMESPACES = 17
CPT_SCHEDULER_POLICY = 18
CPT_PTRACED_FROM_VE0 = 19
CPT_UNSUPPORTED_FSTYPE = 20
CPT_BIND_MOUNT = 21
CPT_UNSUPPORTED_NETDEV = 22
CPT_UNSUPPORTED_MISC = 23
CPT_SLM_DMPRST = 24
CPT_CPU_X86_XSAVE = 25
CPT_CPU_X86_AVX = 26
CPT_CPU_X86_AESNI = 27
CPT_NO_IPV6 = 28
CPT_CPU_X86_RDRAND = 29

#: The kernel's word for a bit in its diagnostics, in the order in which every kernel prints them.
WORDS: Mapping[int, str] = MappingProxyType(
    {
        CPT_CPU_X86_CMOV: features.CMOV.word,
        CPT_CPU_X86_FXSR: features.FXSR.word,
        CPT_CPU_X86_SSE: features.SSE.word,
        CPT_CPU_X86_SSE2: features.SSE2.word,
        CPT_CPU_X86_SSE4_1: features.SSE4_1.word,
        CPT_CPU_X86_SSE4_2: features.SSE4_2.word,
        CPT_CPU_X86_MMX: features.MMX.word,
        CPT_CPU_X86_3DNOW: features.AMD_3DNOW.word,
        CPT_CPU_X86_3DNOW2: features.AMD_3DNOWEXT.word,
        CPT_CPU_X86_SSE4A: features.SSE4A.word,
        CPT_CPU_X86_SEP: features.SEP.word,
        CPT_CPU_X86_EMT64: "emt64",
        CPT_CPU_X86_IA64: "ia64",
        CPT_CPU_X86_SYSCALL: features.SYSCALL.word,
        CPT_CPU_X86_SYSCALL32: "syscall32",
        CPT_CPU_X86_XSAVE: features.XSAVE.word,
        CPT_CPU_X86_AVX: features.AVX.word,
        CPT_CPU_X86_AESNI: features.AES.word,
        CPT_CPU_X86_RDRAND: features.RDRAND.word,
    }
)

#: The features that are compared, by their bits, in the same order.
COMPARED: Mapping[int, features.Feature] = MappingProxyType(
    {bit: features.BY_WORD[word] for bit, word in WORDS.items() if word in features.BY_WORD}
)


def mask(*bits: int) -> int:
    """Make a mask of bit numbers."""
    return sum(1 << bit for bit in set(bits))


def bits_with_words(caps: int) -> Iterator[int]:
    """Yield the bits of a mask that have a word, in the order in which kernels print the words."""
    return (bit for bit in WORDS if caps >> bit & 1)


def place_of(bit: int) -> str:
    """Say where a bit is: in CPUID if it is a feature's, and in the capability number."""
    place = f"capability bit {bit}"
    return f"{COMPARED[bit].place}, {place}" if bit in COMPARED else place
