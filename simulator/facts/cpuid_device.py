"""What a kernel's CPUID device answers, to leaves that the CPU lacks and that nobody recorded too.

Sources: Intel SDM volume 2A, CPUID; AMD APM volume 3, section 3.3 and appendix E; the device of
captured nodes.
"""

from simulator.facts.cpuid import (
    EXTENDED_LEAF,
    INTEL,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    VENDORS_RANGES,
    XSAVE_LEAF,
    ZEROS,
    CpuidTable,
    MissingLeafError,
    Registers,
)
from simulator.facts.features import FEATURES

#: Hypervisors have the leaves from 0x40000000 to 0x4FFFFFFF, and set this bit of leaf 1's ECX.
_HYPERVISORS = 0x4
_HYPERVISOR_BIT = 31

#: Leaves that list levels of the topology until one has no type; such a one repeats its subleaf
#: and the x2APIC id.
_TOPOLOGY_LEAVES = frozenset({0xB, 0x1F, 0x8000_0026})

#: Leaves that look at the subleaf. All others answer alike whatever it is.
_LEAVES_WITH_SUBLEAVES = _TOPOLOGY_LEAVES | {
    *(0x4, 0x7, XSAVE_LEAF, 0xF, 0x10, 0x12, 0x14, 0x17, 0x18, 0x1B, 0x1D, 0x1E),
    *(0x20, 0x21, 0x22, 0x23, 0x24, 0x27, 0x28, 0x8000_001D, 0x8000_0020),
}

#: What restore and programs decide by, as are all subleaves of XSAVE's leaf. Other leaves describe:
#: caches, topology, counters...
_DECISIVE = frozenset(
    {(VENDOR_LEAF, 0), (SIGNATURE_LEAF, 0), (EXTENDED_LEAF, 0)}
    | {(one.leaf, one.subleaf) for one in FEATURES if one.word or one.effect not in {"", "kernel"}}
)

#: AVX's state has the same size and place on every CPU (Intel SDM volume 1, 13.5.3).
_AVX_STATE = {(XSAVE_LEAF, 2): Registers(0x100, 0x240, 0, 0)}


def device_answer(table: CpuidTable, leaf: int, subleaf: int) -> Registers:
    """Return the registers that the device shows.

    A leaf out of range is zeros, or, on Intel's CPUs, the highest basic leaf's answer. What
    describes the CPU and was not recorded is zeros: a CPU says so where it has nothing to tell.
    ``MissingLeafError`` is raised where programs decide by what was not recorded.
    """
    if _is_out_of_range(table, leaf):
        if table.vendor != INTEL:
            return ZEROS
        leaf = table[VENDOR_LEAF, 0].eax
    if leaf not in _LEAVES_WITH_SUBLEAVES and leaf >> 28 != _HYPERVISORS:
        subleaf = 0
    try:
        return table.answer(leaf, subleaf)
    except MissingLeafError:
        if (leaf, subleaf) in _AVX_STATE:
            return _AVX_STATE[leaf, subleaf]
        if leaf == XSAVE_LEAF or (leaf, subleaf) in _DECISIVE:
            raise
    if leaf in _TOPOLOGY_LEAVES and subleaf and (leaf, 0) in table:
        return Registers(0, 0, subleaf & 0xFF, table[leaf, 0].edx)
    values, _ = table.known(leaf, subleaf)
    return values


def _is_out_of_range(table: CpuidTable, leaf: int) -> bool:
    first = leaf & 0xFFFF_0000
    if first in (VENDOR_LEAF, EXTENDED_LEAF):
        return table.lacks_leaf(leaf)
    if first in VENDORS_RANGES:
        return (first, 0) not in table or table.lacks_leaf(leaf)
    has_hypervisor = table.has_bit(SIGNATURE_LEAF, 0, "ecx", _HYPERVISOR_BIT)
    return first >> 28 != _HYPERVISORS or not has_hypervisor
