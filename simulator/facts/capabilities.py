"""A node's capability number, derived from its CPU's registers as its kernel does."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.bits import (
    COMPARED,
    CPT_CPU_X86_EMT64,
    CPT_CPU_X86_FXSR,
    CPT_CPU_X86_IA64,
    CPT_CPU_X86_SEP,
    CPT_CPU_X86_SEP32,
    CPT_CPU_X86_SSE2,
    CPT_CPU_X86_SYSCALL,
    CPT_CPU_X86_SYSCALL32,
    CPT_NAMESPACES,
    CPT_NO_IPV6,
    CPT_SLM_DMPRST,
    WORDS,
    mask,
)
from simulator.facts.cpuid import (
    AMD,
    EVERY_BIT,
    INTEL,
    VENDOR_LEAF,
    CpuidTable,
    RegisterName,
)
from simulator.facts.deduction import known_features
from simulator.facts.features import (
    JUDGED_LEAVES,
    LONG_MODE,
    RDRAND,
    REGISTERS_OF_WORDS,
    XSAVE,
    XSAVEOPT,
    judged_in,
)
from simulator.facts.generations import UPGRADES, Release, identify
from simulator.facts.override import OverrideEntry, apply_override

#: Machines, as uname prints them, and their kernels' width.
Machine = Literal["x86_64", "i386", "i486", "i586", "i686", "ia64"]
X86_64: Machine = "x86_64"
I386: tuple[Machine, ...] = ("i386", "i486", "i586", "i686")
IA64: Machine = "ia64"
MACHINES = (X86_64, *I386, IA64)

_Place = tuple[int, int, RegisterName, int]

#: The bits that are of CPUs.
_OF_CPUS = mask(*WORDS)

#: The leaves that have the features which kernels compare.
_COMPARED_LEAVES = sorted({(one.leaf, one.subleaf) for one in COMPARED.values()})

#: A CPU that has every feature.
_EVERY_FEATURE = CpuidTable((key, EVERY_BIT) for key in ((VENDOR_LEAF, 0), *JUDGED_LEAVES))

#: What a boot option takes from the kernel's view. noxsave leaves AVX's bit (recorded).
_BOOT_OPTIONS: Mapping[str, tuple[_Place, ...]] = MappingProxyType(
    {
        "noxsave": (XSAVE.location, XSAVEOPT.location),
        "noxsaveopt": (XSAVEOPT.location,),
        "nordrand": (RDRAND.location,),
    }
)

#: What a boot option says of eager FPU; None: the kernel decides. The last one counts.
_EAGER_FPU_OPTIONS = {"eagerfpu=on": True, "eagerfpu=off": False, "eagerfpu=auto": None}

#: Bit N % 32 of word N // 32 of x86_capability.
_CLEARCPUID = r"clearcpuid=(\d{1,6})"


class NodeFacts(Struct, frozen=True, kw_only=True, cache_hash=True, gc=False):
    """What a node's kernel decides by.

    ``cpuid`` is None on ia64; ``override`` is empty where nothing is written, or the file is
    not there. ``traces`` says that the kernel can tell a process traced from the node.
    """

    release: Release
    machine: Machine
    cpuid: CpuidTable | None
    boot_options: tuple[str, ...] = ()
    override: tuple[OverrideEntry, ...] = ()
    has_ipv6: bool = True
    slm_without_module: bool = False
    traces: bool = True


def node_capabilities(facts: NodeFacts) -> int:
    """Return the capability number that CPT_TEST_CAPS on /proc/rst answers.

    MissingLeafError where the kernel needs a bit that is not known.
    """
    least, most = capability_bounds(facts)
    if facts.cpuid is not None and least != most:
        _require_whole(facts.cpuid)
    return least


@lru_cache(maxsize=1024)
def capability_bounds(facts: NodeFacts) -> tuple[int, int]:
    """Return the bits that a node's capability number has, and those that it may have."""
    node_bits, kernel_bits = facts.release.generation.node_bits, _node_bits(facts)
    least, most = ((bits | kernel_bits) & node_bits for bits in _cpu_bits(facts))
    return least, most


def has_eager_fpu(facts: NodeFacts) -> bool:
    """Tell whether every process counts as having used the FPU.

    MissingLeafError where XSAVEOPT decides and is not known.
    """
    is_eager = eager_fpu(facts)
    if facts.cpuid is not None and is_eager is None:
        return facts.cpuid.has_bit(*XSAVEOPT.location)
    return bool(is_eager)


@lru_cache(maxsize=1024)
def eager_fpu(facts: NodeFacts) -> bool | None:
    """Tell whether every process counts as having used the FPU; None where that is not known.

    It is decided once, at boot: what is written to cpuid_override later changes nothing. Source:
    the tree of 042stab141.3, and its boots with eight CPU models, ``eagerfpu=on`` and ``=off``.
    """
    if facts.cpuid is None or not facts.release.may_have_eager_fpu:
        return False
    asked = [one for one in facts.boot_options if one in _EAGER_FPU_OPTIONS]
    told = _EAGER_FPU_OPTIONS[asked[-1]] if asked else None
    if told is not None:
        return told
    if facts.cpuid.vendor != AMD:
        return True
    if XSAVEOPT.location in _hidden(facts.boot_options):
        return False
    has, may_have = known_features(facts.cpuid, is_64bit=facts.machine == X86_64)
    if (has ^ may_have) & XSAVEOPT.mask:
        return None
    return bool(has & XSAVEOPT.mask)


class Hidden(NamedTuple):
    """What a node's CPU has and its number does not show, as capability bits, by what hides it.

    ``by_kernel``: the kernel is of a generation that never shows it; ``by_width``: it is a 32-bit
    kernel; ``by_option``: boot options, each with its bits; ``by_override``: what is written to
    /proc/vz/cpuid_override.
    """

    by_kernel: int = 0
    by_width: int = 0
    by_option: tuple[tuple[str, int], ...] = ()
    by_override: int = 0

    def among(self, caps: int) -> "Hidden":
        """Return what of it is among these bits."""
        by_option = self.by_option
        if by_option:
            by_option = tuple([(option, bits & caps) for option, bits in by_option if bits & caps])
        found = self.by_kernel & caps, self.by_width & caps, by_option, self.by_override & caps
        return Hidden(*found) if any(found) else NOTHING_HIDDEN


NOTHING_HIDDEN = Hidden()


@lru_cache(maxsize=1024)
def hidden_capabilities(facts: NodeFacts) -> Hidden:
    """Return what hides bits of a node's number: each thing that would have to go for them."""
    bare = replace(facts, boot_options=(), override=())
    shown = _certain_caps(bare)
    newest = replace(bare, release=identify(UPGRADES[-1]))
    wide = replace(newest, machine=X86_64) if _runs_below_its_cpu(facts) else newest
    by_option = (
        (option, shown & ~_certain_caps(replace(bare, boot_options=(option,))))
        for option in facts.boot_options
    )
    return Hidden(
        _certain_caps(newest) & ~shown,
        _certain_caps(wide) & ~_certain_caps(newest),
        tuple((option, bits) for option, bits in by_option if bits),
        shown & ~_certain_caps(replace(bare, override=facts.override)),
    ).among(_OF_CPUS)


def _certain_caps(facts: NodeFacts) -> int:
    return capability_bounds(facts)[0]


def _runs_below_its_cpu(facts: NodeFacts) -> bool:
    """Tell whether a 32-bit kernel runs on a 64-bit CPU."""
    return facts.machine in I386 and facts.cpuid is not None and bool(LONG_MODE.is_in(facts.cpuid))


def _require_whole(cpuid: CpuidTable) -> None:
    """Raise MissingLeafError for the first leaf that is compared and not known whole."""
    _ = [cpuid.answer(*key) for key in _COMPARED_LEAVES]


def has_sysenter(facts: NodeFacts) -> bool:
    """Tell whether 32-bit processes enter a 64-bit kernel by SYSENTER, else by SYSCALL."""
    return facts.cpuid is not None and facts.cpuid.vendor == INTEL


def shown_registers(cpuid: CpuidTable, boot_options: Iterable[str]) -> CpuidTable:
    """Return the registers without the features that boot options hide from the kernel."""
    for leaf, subleaf, register, bit in _hidden(boot_options):
        if (leaf, subleaf) in cpuid:
            own = cpuid[leaf, subleaf]
            cleared = {register: getattr(own, register) & ~(1 << bit)}
            cpuid = cpuid.replace({(leaf, subleaf): own._replace(**cleared)})
    return cpuid


def cleared_words(boot_options: Iterable[str]) -> set[tuple[int, int]]:
    """Return the words and bits of x86_capability that clearcpuid=N clears."""
    matches = (re.fullmatch(_CLEARCPUID, option) for option in boot_options)
    return {divmod(int(match[1]), 32) for match in matches if match}


def _cpu_bits(facts: NodeFacts) -> tuple[int, int]:
    """Return the bits of a node's CPU that are certain, and those that may be."""
    if facts.cpuid is None:
        caps = mask(CPT_CPU_X86_IA64, CPT_CPU_X86_FXSR)
        return caps, caps
    has, may_have = known_features(facts.cpuid, is_64bit=facts.machine == X86_64)
    if facts.release.generation.masked_cpuid:
        seen = seen_features(facts.boot_options, facts.override)
        has, may_have = has & seen, may_have & seen
    caps = _bits_of(facts, has)
    return caps, caps if has == may_have else _bits_of(facts, may_have)


def _bits_of(facts: NodeFacts, features: int) -> int:
    caps = sum(1 << bit for bit, one in COMPARED.items() if features & one.mask)
    caps = _without_foreign_sysenter(facts, caps)
    if caps & mask(CPT_CPU_X86_SEP):
        caps |= mask(CPT_CPU_X86_SEP32)
    if facts.machine == X86_64:
        caps |= mask(CPT_CPU_X86_EMT64, CPT_CPU_X86_SSE2)
        if caps & mask(CPT_CPU_X86_SYSCALL) and not has_sysenter(facts):
            caps |= mask(CPT_CPU_X86_SYSCALL32)
    return caps


def _without_foreign_sysenter(facts: NodeFacts, caps: int) -> int:
    """Take SEP away where a 64-bit kernel does not use SYSENTER."""
    anywhere = facts.release.generation.sysenter_on_any_vendor
    if facts.machine != X86_64 or anywhere or has_sysenter(facts):
        return caps
    return caps & ~mask(CPT_CPU_X86_SEP)


def _node_bits(facts: NodeFacts) -> int:
    caps = mask(CPT_NAMESPACES)
    if not facts.has_ipv6:
        caps |= mask(CPT_NO_IPV6)
    if facts.slm_without_module:
        caps |= mask(CPT_SLM_DMPRST)
    return caps


@lru_cache(maxsize=1024)
def seen_features(boot_options: tuple[str, ...], override: tuple[OverrideEntry, ...] = ()) -> int:
    """Return the features that a kernel takes to be there where the CPU has them."""
    view = apply_override(shown_registers(_EVERY_FEATURE, boot_options), override)
    # Each leaf has features of its own.
    return sum(judged_in(key, view[key]) for key in JUDGED_LEAVES)


def _hidden(boot_options: Iterable[str]) -> set[_Place]:
    """Return where CPUID has the features that boot options hide."""
    options = tuple(boot_options)
    hidden = {place for option in options for place in _BOOT_OPTIONS.get(option, ())}
    for word, bit in cleared_words(options):
        if word in REGISTERS_OF_WORDS:
            hidden.add((*REGISTERS_OF_WORDS[word], bit))
    return hidden
