"""The flags that a kernel prints in /proc/cpuinfo, worked out from the CPU's registers.

A flag is a bit of CPUID that the kernel has a word for and did not clear, or a word that it sets
on its own account. Words that only model-specific registers tell are left out: VMX's, amd_dcm,
amdc1e, pti.

Sources: /proc/cpuinfo of 35 recorded boots of seven kernels; Linux 2.6.32,
arch/x86/kernel/cpu/common.c, intel.c, amd.c, centaur.c, topology.c; Linux 4.17, common.c.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from simulator.facts.capabilities import (
    X86_64,
    NodeFacts,
    cleared_words,
    has_eager_fpu,
    shown_registers,
)
from simulator.facts.cpuid import (
    AMD,
    CENTAUR,
    INTEL,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    CpuidTable,
)
from simulator.facts.features import (
    APIC,
    DCA,
    HYPERVISOR,
    INVARIANT_TSC,
    LAHF_64,
    MONITOR,
    PAT,
    PENDING_BREAK,
    SEP,
    XSAVE,
    Feature,
)
from simulator.facts.words import words_of

#: Features that a kernel drops where CPUID's last leaf is before this one (common.c,
#: cpuid_dependent_features).
_LEAVES_NEEDED = ((MONITOR, 0x5), (DCA, 0x9), (XSAVE, 0xD))

#: Families of AMD whose indirect branch predictor can be turned off, and is, in place of
#: retpolines (AMD, Software Techniques for Managing Speculation; recorded of 0xf and 0x10).
_PREDICTOR_OFF = frozenset({0x10, 0x12, 0x16})

#: No boot of 061.9 prints SEP, on any of three CPU models that have it; all of 088.4 do. The
#: boundary in between is an estimate.
_SEP_SINCE = (88,)

_PERFMON_LEAF, _TOPOLOGY_LEAF = (0xA, 0), (0xB, 0)
_SMT_LEVEL = 1


def flags_of(facts: NodeFacts, *, has_faulting: bool = False) -> tuple[str, ...]:
    """Return the flags of a node with one processor, as far as its leaves were recorded.

    ``has_faulting``: the CPU has CPUID faulting, which CPUID does not tell. MissingLeafError
    where the CPU's signature was not recorded, or XSAVEOPT where it decides on eager FPU.
    """
    if facts.cpuid is None:
        return ()
    view = shown_registers(facts.cpuid, facts.boot_options)
    own = set(_own_words(facts, view)) if facts.release.number else set()
    if has_faulting:
        own.add("cpuid_faulting")
    dropped = set(_dropped(facts, view))
    cleared = cleared_words(facts.boot_options)
    return tuple(
        word.name
        for word in words_of(facts.release)
        if word.place not in cleared
        and (
            any(one not in dropped and one.is_in(view) for one in word.features)
            or (word.name in own and not word.features)
        )
    )


def _dropped(facts: NodeFacts, view: CpuidTable) -> Iterator[Feature]:
    """Yield features that the kernel does not take for such."""
    is_64bit = facts.machine == X86_64
    last = view[VENDOR_LEAF, 0].eax
    yield from (feature for feature, leaf in _LEAVES_NEEDED if last < leaf)
    if view.vendor in (AMD, CENTAUR):
        # Bit 31 was a non-standard 3DNow! once.
        yield PENDING_BREAK
    if view.vendor not in (AMD, INTEL):
        yield INVARIANT_TSC
    if is_64bit and view.vendor == AMD and view.family == 0xF and view.model < 0x14:
        # Some BIOSes force it on the K8, before revision D has it.
        yield LAHF_64
    if view.vendor == INTEL and view.family == 6 and view.model < 0xF:
        yield PAT
    if is_64bit and () < facts.release.number < _SEP_SINCE:
        yield SEP


def _own_words(facts: NodeFacts, view: CpuidTable) -> Iterator[str]:
    """Yield what the kernel sets on its own account."""
    yield "up"
    if has_eager_fpu(facts):
        yield "eagerfpu"
    if HYPERVISOR.is_in(view):
        yield "unfair_spinlock"
    without_predictor = view.vendor == AMD and view.family in _PREDICTOR_OFF
    yield "ibp_disable" if without_predictor else "retpoline"
    of_vendor = _OF_VENDORS.get(view.vendor)
    if of_vendor is not None:
        yield from of_vendor(view, facts.machine == X86_64)


def _of_intel(view: CpuidTable, is_64bit: bool) -> Iterator[str]:
    first = {0x6: 0xE, 0xF: 0x3}.get(view.family)
    if INVARIANT_TSC.is_in(view) or (first is not None and view.model >= first):
        yield "constant_tsc"
    if is_64bit and view.family == 0x6:
        yield "rep_good"
    if _counts_events(view):
        yield "arch_perfmon"
    if _tells_topology(view):
        yield "xtopology"


def _of_amd(view: CpuidTable, is_64bit: bool) -> Iterator[str]:
    if INVARIANT_TSC.is_in(view):
        yield "constant_tsc"
    signature = view.register(SIGNATURE_LEAF, 0, "eax")
    is_good_k8 = 0xF48 <= signature < 0xF50 or signature >= 0xF58
    if is_64bit and (view.family >= 0x10 or (view.family == 0xF and is_good_k8)):
        yield "rep_good"
    if view.family >= 0xF and APIC.is_in(view):
        # The northbridge says so, and under qemu where no northbridge answers.
        yield "extd_apicid"


def _of_centaur(view: CpuidTable, _: bool) -> Iterator[str]:
    if view.family == 0x6 and view.model >= 0xF:
        yield from ("constant_tsc", "rep_good")


_OF_VENDORS: Mapping[str, Callable[[CpuidTable, bool], Iterator[str]]] = MappingProxyType(
    {INTEL: _of_intel, AMD: _of_amd, CENTAUR: _of_centaur}
)


def _counts_events(view: CpuidTable) -> bool:
    """Tell whether there are architectural performance counters, two at least."""
    if view[VENDOR_LEAF, 0].eax < _PERFMON_LEAF[0] or _PERFMON_LEAF not in view:
        return False
    eax = view[_PERFMON_LEAF].eax
    return bool(eax & 0xFF) and (eax >> 8 & 0xFF) > 1


def _tells_topology(view: CpuidTable) -> bool:
    """Tell whether leaf 0xb has a first level of threads; as all do that have it, if unrecorded."""
    if view[VENDOR_LEAF, 0].eax < _TOPOLOGY_LEAF[0]:
        return False
    if _TOPOLOGY_LEAF not in view:
        return True
    registers = view[_TOPOLOGY_LEAF]
    return registers.ebx != 0 and registers.ecx >> 8 & 0xFF == _SMT_LEVEL
