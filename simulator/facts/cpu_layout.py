"""What CPUID tells of a CPU's caches, and of the processor's place among cores and packages.

Sources: Intel SDM volume 2A, CPUID, leaves 1, 4 and 0xB; AMD APM volume 3, appendix E, leaves
0x80000005, 0x80000006, 0x80000008, 0x8000001D and 0x8000001E; Linux arch/x86/kernel/cpu: amd.c,
common.c, intel_cacheinfo.c, topology.c.
"""

from collections.abc import Iterator
from typing import NamedTuple

from simulator.facts.cpuid import AMD, CpuidTable, MissingLeafError, Registers

_HYGON = "HygonGenuine"
_HTT_BIT = 28
_TOPOLOGY_LEAF = 0xB
_CACHES_LEAF = 0x4
_AMD_CACHES_LEAF = 0x8000_001D
_AMD_THREADS_LEAF = 0x8000_001E
_L1_LEAF = 0x8000_0005
_L2_LEAF = 0x8000_0006
_SIZES_LEAF = 0x8000_0008

#: Types of caches, as a leaf that lists them has them.
_TYPES = {1: "Data", 2: "Instruction", 3: "Unified"}

#: Ways by AMD's code for L2 and L3, and the code of one that is fully associative. Code 9 says that
#: leaf 0x8000001D tells.
_WAYS = {
    1: 1,
    2: 2,
    3: 3,
    4: 4,
    5: 6,
    6: 8,
    8: 16,
    0xA: 32,
    0xB: 48,
    0xC: 64,
    0xD: 96,
    0xE: 128,
}
_FULLY = 0xF
_FULLY_L1 = 0xFF


class Cache(NamedTuple):
    """A cache: its size in bytes; None is what is not told.

    ``sharing`` is how many processors share it at most.
    """

    level: int
    type: str
    size: int
    line: int
    ways: int | None
    partitions: int = 1
    sharing: int | None = None

    @property
    def sets(self) -> int | None:
        """The number of sets."""
        return self.ways and self.size // (self.line * self.ways * self.partitions)


class Place(NamedTuple):
    """The package and the core that a processor is of, by their numbers."""

    package: int
    core: int


def caches_of(table: CpuidTable) -> list[Cache]:
    """Return the caches in the order in which CPUID lists them; none where it does not tell."""
    if not _is_amd(table):
        return list(_listed(table, _CACHES_LEAF))
    return list(_listed(table, _AMD_CACHES_LEAF)) or list(_told_by_amd(table))


def apic_id(table: CpuidTable) -> int:
    """Return the processor's APIC id. ``MissingLeafError`` is raised where it was not recorded."""
    if _has_levels(table):
        return table[_TOPOLOGY_LEAF, 0].edx
    return table.register(0x1, 0, "ebx") >> 24


def place_of(table: CpuidTable) -> Place | None:
    """Return where a processor is; None where leaves that tell were not recorded."""
    try:
        number = apic_id(table)
        if not number:
            return Place(0, 0)
        threads, processors = _widths(table)
    except MissingLeafError:
        return None
    return Place(number >> processors, (number & (1 << processors) - 1) >> threads)


def _widths(table: CpuidTable) -> tuple[int, int]:
    """Return how many bits of the APIC id number threads of a core, and processors of a package."""
    if _has_levels(table):
        return table[_TOPOLOGY_LEAF, 0].eax & 0x1F, table[_TOPOLOGY_LEAF, 1].eax & 0x1F
    if not table.has_bit(0x1, 0, "edx", _HTT_BIT):
        return 0, 0
    if _is_amd(table):
        sizes = table.register(_SIZES_LEAF, 0, "ecx")
        threads = 1 + (table.register(_AMD_THREADS_LEAF, 0, "ebx") >> 8 & 0xFF)
        return _width(threads), sizes >> 12 & 0xF or _width((sizes & 0xFF) + 1)
    cores = (table.register(_CACHES_LEAF, 0, "eax") >> 26) + 1
    processors = _width(table.register(0x1, 0, "ebx") >> 16 & 0xFF)
    return max(processors - _width(cores), 0), processors


def _width(count: int) -> int:
    """Return how many bits number so many things."""
    return max(count - 1, 0).bit_length()


def _is_amd(table: CpuidTable) -> bool:
    return table.vendor in (AMD, _HYGON)


def _has_levels(table: CpuidTable) -> bool:
    """Tell whether leaf 0xB lists levels; it is there and empty on CPUs that do not use it."""
    return all(
        (_TOPOLOGY_LEAF, level) in table and table[_TOPOLOGY_LEAF, level].ebx & 0xFFFF
        for level in (0, 1)
    )


def _listed(table: CpuidTable, leaf: int) -> Iterator[Cache]:
    """Yield the caches of a leaf that has a subleaf for each."""
    subleaf = 0
    while (leaf, subleaf) in table and table[leaf, subleaf].eax & 0x1F in _TYPES:
        yield _described(table[leaf, subleaf])
        subleaf += 1


def _described(registers: Registers) -> Cache:
    eax, ebx, ecx, _ = registers
    line, partitions, ways = (ebx & 0xFFF) + 1, (ebx >> 12 & 0x3FF) + 1, (ebx >> 22) + 1
    return Cache(
        level=eax >> 5 & 0x7,
        type=_TYPES[eax & 0x1F],
        size=(ecx + 1) * line * partitions * ways,
        line=line,
        ways=ways,
        partitions=partitions,
        sharing=(eax >> 14 & 0xFFF) + 1,
    )


def _told_by_amd(table: CpuidTable) -> Iterator[Cache]:
    """Yield the caches that AMD's two leaves of fixed form tell."""
    (_, _, *first), _ = table.known(_L1_LEAF, 0)
    for type_, register in zip(("Data", "Instruction"), first, strict=True):
        size, ways, line = (register >> 24) << 10, register >> 16 & 0xFF, register & 0xFF
        if size and line:
            yield Cache(1, type_, size, line, size // line if ways == _FULLY_L1 else ways)
    (_, _, second, third), _ = table.known(_L2_LEAF, 0)
    for level, register, size in ((2, second, second >> 16 << 10), (3, third, third >> 18 << 19)):
        code, line = register >> 12 & 0xF, register & 0xFF
        if size and line:
            told = size // line if code == _FULLY else _WAYS.get(code)
            yield Cache(level, "Unified", size, line, told)
