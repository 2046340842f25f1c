"""The bits of a capability number, and where the CPU's features among them come from.

Numbers, names and words are those of the kernel's cpt_ioctl.h and of its diagnostics.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List


class Feature:
    """One bit of a capability number.

    ``bit`` and ``name`` are the header's, ``word`` is the kernel's word for it in a diagnostic
    and mostly /proc/cpuinfo's too (None where it is not a CPU's), ``register_bit`` is the bit
    of ``register`` in the answer to CPUID ``leaf``/``subleaf`` (``leaf`` is None, and the others
    say nothing, where the bit comes from elsewhere).
    """

    __slots__ = ("bit", "leaf", "meaning", "name", "register", "register_bit", "subleaf", "word")

    def __init__(
        self,
        bit: "int",
        name: "str",
        word: "str | None",
        cpuid: "str" = "",
        meaning: "str" = "",
    ) -> "None":
        self.bit = bit
        self.name = name
        self.word = word
        self.meaning = meaning
        self.leaf: "int | None" = None
        self.subleaf = 0
        self.register = ""
        self.register_bit = 0
        if cpuid:
            leaf, self.register, register_bit = cpuid.split()
            self.leaf = int(leaf, 16)
            self.register_bit = int(register_bit)

    @property
    def mask(self) -> "int":
        """The bit as a mask."""
        return 1 << self.bit

    @property
    def origin(self) -> "str":
        """Where the bit comes from, in words."""
        if self.leaf is None:
            return self.meaning
        return f"CPUID 0x{self.leaf:08x} {self.register} bit {self.register_bit}"


FEATURES = (
    Feature(0, "CMOV", "cmov", "1 edx 15"),
    Feature(1, "FXSR", "fxsr", "1 edx 24"),
    Feature(2, "SSE", "sse", "1 edx 25"),
    Feature(3, "SSE2", "sse2", "1 edx 26"),
    Feature(4, "MMX", "mmx", "1 edx 23"),
    Feature(5, "3DNOW", "3dnow", "80000001 edx 31"),
    Feature(6, "3DNOW2", "3dnowext", "80000001 edx 30"),
    Feature(7, "SEP", "sysenter", "1 edx 11"),
    Feature(8, "EMT64", "emt64", meaning="64-bit processes: the kernel is x86_64"),
    Feature(9, "IA64", "ia64", meaning="ia64 processes: the kernel is ia64"),
    Feature(10, "SYSCALL", "syscall", "80000001 edx 11"),
    Feature(11, "SYSCALL32", "syscall32", meaning="SYSCALL from 32-bit processes, not on Intel"),
    Feature(12, "SEP32", None, meaning="SYSENTER from 32-bit processes; never tested"),
    Feature(13, "SSE4_1", "sse4_1", "1 ecx 19"),
    Feature(14, "SSE4_2", "sse4_2", "1 ecx 20"),
    Feature(15, "SSE4A", "sse4a", "80000001 ecx 6"),
    Feature(16, "EXTERNAL_PROCESS", None, meaning="container: a process entered from outside"),
    Feature(17, "NAMESPACES", None, meaning="private mount namespaces: used, or can be migrated"),
    Feature(18, "SCHEDULER_POLICY", None, meaning="container: a real-time scheduling policy"),
    Feature(19, "PTRACED_FROM_VE0", None, meaning="container: a process traced from the node"),
    Feature(20, "UNSUPPORTED_FSTYPE", None, meaning="container: an unsupported file system"),
    Feature(21, "BIND_MOUNT", None, meaning="container: an unsupported bind mount"),
    Feature(22, "UNSUPPORTED_NETDEV", None, meaning="container: an unsupported network device"),
    Feature(23, "UNSUPPORTED_MISC", None, meaning="container: something else unsupported"),
    Feature(24, "SLM_DMPRST", None, meaning="node: SLM is enabled without slm_dmprst"),
    Feature(25, "XSAVE", "xsave", "1 ecx 26"),
    Feature(26, "AVX", "avx", "1 ecx 28"),
    Feature(27, "AESNI", "aesni", "1 ecx 25"),
    Feature(28, "NO_IPV6", None, meaning="IPv6 is not there (node), or not needed (container)"),
    Feature(29, "RDRAND", "rdrand", "1 ecx 30"),
)

#: The first kernels that show a bit in a node's number, by the published trees; the others are as
#: old as the number. 042stab101.5 is the maintainer's own word.
SHOWN_SINCE = dict.fromkeys(("SYSCALL", "SYSCALL32", "SEP32", "SLM_DMPRST"), "2.6.32")
SHOWN_SINCE.update(
    dict.fromkeys(
        ("SSE4_1", "SSE4_2", "SSE4A", "NAMESPACES", "XSAVE", "AVX", "AESNI", "NO_IPV6"), "042stab"
    )
)
SHOWN_SINCE["RDRAND"] = "042stab101.5"

#: What /proc/cpuinfo calls the features whose kernel word differs.
CPUINFO_WORDS = {"sysenter": "sep", "aesni": "aes"}

#: Bits that a kernel compares as features of a CPU.
CPU_FEATURES = tuple(feature for feature in FEATURES if feature.word)

#: Those of them whose bit is set where the register's is. SEP is not among them: every CPU of
#: today has it, and a 64-bit kernel shows it on Intel's alone, from 2.6.32 on.
REGISTER_FEATURES = tuple(
    feature for feature in CPU_FEATURES if feature.leaf is not None and feature.name != "SEP"
)


def feature_by_word(word: "str") -> "Feature | None":
    """Find the feature that a kernel calls ``word``; None where there is none."""
    for feature in CPU_FEATURES:
        if feature.word == word:
            return feature
    return None


def hidden_before(feature: "Feature", capnum: "int") -> "str":
    """Return the first kernels that show a feature, if a number without it may be of older ones.

    Every kernel from 042stab on shows that it can migrate mount namespaces.
    """
    since = SHOWN_SINCE.get(feature.name, "")
    namespaces = next(one for one in FEATURES if one.name == "NAMESPACES")
    is_new_enough = since in ("2.6.32", "042stab") and capnum & namespaces.mask
    return "" if is_new_enough or capnum & feature.mask else since


def features_in(mask: "int") -> "List[Feature]":
    """List the features of a mask in the order of their bits; unknown bits are left out."""
    return [feature for feature in FEATURES if mask & feature.mask]


def unknown_bits(mask: "int") -> "List[int]":
    """List the bits of a mask that have no name."""
    known = sum(feature.mask for feature in FEATURES)
    rest = mask & ~known
    return [bit for bit in range(rest.bit_length()) if rest >> bit & 1]
