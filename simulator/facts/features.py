"""The CPUID features, read from their one table: features.txt, whose head explains the columns."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import cast

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.cpuid import (
    ALL_BITS,
    INTEL,
    PROCESSORS_OWN,
    REGISTERS,
    XSAVE_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
    place_of_answer,
)

TABLE = os.path.join(os.path.dirname(__file__), "features.txt")

#: How many columns the line of a register that is in no word has after the first.
_NO_WORD = 3

#: What the lines of the table begin with after which no features come, but words of kernels.
KERNEL = "KERNEL"


class Feature(Struct, frozen=True, gc=False):
    """One bit of an answer of CPUID; ``name`` is empty where it has none.

    ``mask`` is the feature's bit in masks of features: plain integers in which each register of
    the table has 32 bits, in the table's order. ``told`` has the sixth column as it stands.
    """

    name: str
    leaf: int
    subleaf: int
    register: RegisterName
    bit: int
    mask: int = 0
    effect: str = ""
    state: str = ""
    marks: str = ""
    word: str = ""
    told: str = ""
    labelled: str = ""

    @property
    def facts(self) -> dict[str, str]:
        """More facts of it, by the words of the table's head."""
        return dict([fact.split("=") for fact in self.told.split()])

    @property
    def needs(self) -> tuple[str, ...]:
        """The features without which no CPU has it."""
        return tuple(self.facts["needs"].split(",")) if "needs=" in self.told else ()

    @property
    def old_names(self) -> tuple[str, ...]:
        """What older kernels call it in /proc/cpuinfo."""
        return tuple(self.facts["old"].split(",")) if "old=" in self.told else ()

    @property
    def qemu_name(self) -> str:
        """What qemu calls it."""
        return self.facts.get("qemu") or self.name.replace("_", "-")

    @property
    def level(self) -> int:
        """The x86-64 level of programs that need it: 2 to 4; 0 where none does."""
        return int(self.facts.get("level", 0))

    @property
    def glibc_name(self) -> str:
        """What GLIBC_TUNABLES calls it; empty where glibc does not take it away."""
        return self.facts.get("glibc", "")

    @property
    def labels(self) -> tuple[str, ...]:
        """What Todd Allen's cpuid calls it."""
        return tuple(self.labelled.split(" | ")) if self.labelled else ()

    @property
    def location(self) -> tuple[int, int, RegisterName, int]:
        """The leaf, subleaf, register and bit, as ``CpuidTable.has_bit`` takes them."""
        return self.leaf, self.subleaf, self.register, self.bit

    @property
    def place(self) -> str:
        """Where CPUID has the bit, for people."""
        return f"{place_of_answer(self.leaf, self.subleaf)} {self.register} bit {self.bit}"

    @property
    def is_printed(self) -> bool:
        """Whether OpenVZ's kernels print the name in /proc/cpuinfo."""
        return "o" in self.marks

    @property
    def is_told(self) -> bool:
        """Whether CPUID has the bit wherever a Linux prints the name in /proc/cpuinfo."""
        return "r" in self.marks

    @property
    def may_be_silent(self) -> bool:
        """Whether a kernel that knows the word may not print it though CPUID has the bit."""
        return "a" in self.marks

    @property
    def has_word_in_linux(self) -> bool:
        """Whether the newest Linux whose words were read has one for it."""
        return "n" not in self.marks

    @property
    def is_instruction_to_criu(self) -> bool:
        """Whether CRIU compares it as an instruction."""
        return "i" in self.marks

    @property
    def always_stays(self) -> bool:
        """Whether hiding the bit would help no program."""
        return "s" in self.marks

    def is_in(self, cpuid: CpuidTable) -> bool | None:
        """Tell whether a CPU has it; None where that was not recorded."""
        try:
            return cpuid.has_bit(*self.location)
        except MissingLeafError:
            return None


#: The registers that words of the kernels' x86_capability hold, by the word's number.
REGISTERS_OF_WORDS: dict[int, tuple[int, int, RegisterName]] = {}


def _parse_table(lines: Iterable[str]) -> Iterator[Feature]:
    shift = -32
    for line in lines:
        if line.startswith("#"):
            continue
        row, _, labels = line.partition(" | ")
        first, *columns = row.split(None, 5)
        if first == "CPUID":
            leaf, subleaf = int(columns[0], 16), int(columns[1])
            register = cast("RegisterName", columns[2])
            if len(columns) > _NO_WORD:
                REGISTERS_OF_WORDS[int(columns[-1])] = leaf, subleaf, register
            shift += 32
            continue
        name, effect, state, marks, *told = columns
        bit = int(first)
        feature = Feature(
            name,
            leaf,
            subleaf,
            register,
            bit,
            1 << shift + bit,
            "" if effect == "-" else effect,
            "" if state == "-" else state,
            "" if marks == "-" else marks,
            name if "v" in marks else "",
            told[0].rstrip() if told else "",
            labels.rstrip(),
        )
        if "word=" in feature.told:
            feature = replace(feature, word=feature.facts["word"])
        yield feature


def _read_table() -> tuple[Feature, ...]:
    with open(TABLE, encoding="utf-8") as file:
        features = file.read().partition(f"\n{KERNEL} ")[0]
    return tuple(_parse_table(features.split("\n")))


#: Every feature, in the order of the table.
FEATURES = _read_table()
BY_NAME: Mapping[str, Feature] = MappingProxyType({one.name: one for one in FEATURES})
BY_WORD: Mapping[str, Feature] = MappingProxyType({one.word: one for one in FEATURES if one.word})
BY_LOCATION: Mapping[tuple[int, int, RegisterName, int], Feature] = MappingProxyType(
    {one.location: one for one in FEATURES}
)
_BY_POSITION = {one.mask.bit_length(): one for one in FEATURES}

#: Features that kernels compare.
AES = BY_WORD["aesni"]
AMD_3DNOW = BY_WORD["3dnow"]
AMD_3DNOWEXT = BY_WORD["3dnowext"]
AVX = BY_WORD["avx"]
CMOV = BY_WORD["cmov"]
FXSR = BY_WORD["fxsr"]
MMX = BY_WORD["mmx"]
RDRAND = BY_WORD["rdrand"]
SEP = BY_WORD["sysenter"]
SSE = BY_WORD["sse"]
SSE2 = BY_WORD["sse2"]
SSE4A = BY_WORD["sse4a"]
SSE4_1 = BY_WORD["sse4_1"]
SSE4_2 = BY_WORD["sse4_2"]
SYSCALL = BY_WORD["syscall"]
XSAVE = BY_WORD["xsave"]

#: Others that rules name.
AVX512F = BY_NAME["avx512f"]
APIC = BY_NAME["apic"]
CQM_LLC = BY_NAME["cqm_llc"]
DCA = BY_NAME["dca"]
ERMS = BY_NAME["erms"]
FPU = BY_NAME["fpu"]
HYPERVISOR = BY_NAME["hypervisor"]
INVARIANT_TSC = BY_NAME["invtsc"]
LAHF_64 = BY_NAME["lahf_lm"]
LONG_MODE = BY_NAME["lm"]
MONITOR = BY_NAME["monitor"]
MPX = BY_NAME["mpx"]
OSPKE = BY_NAME["ospke"]
OSXSAVE = BY_NAME["osxsave"]
PAT = BY_NAME["pat"]
PENDING_BREAK = BY_NAME["pbe"]
PKU = BY_NAME["pku"]
XSAVEOPT = BY_NAME["xsaveopt"]
XSAVES = BY_NAME["xsaves"]

#: What CPUID answers of the running kernel, not of the CPU: bits by leaf, subleaf and register.
#: Sources: as of PROCESSORS_OWN.
KERNELS_OWN: Mapping[tuple[int, int, RegisterName], int] = MappingProxyType(
    {
        OSXSAVE.location[:3]: 1 << OSXSAVE.bit,  # CR4 has it
        OSPKE.location[:3]: 1 << OSPKE.bit,  # CR4 has it
        (XSAVE_LEAF, 0, "ebx"): ALL_BITS,  # the area's size for what XCR0 enables
        (XSAVE_LEAF, 1, "ebx"): ALL_BITS,  # the same for XCR0 and IA32_XSS
    }
)

#: The masks of those that the verdict on programs judges, and of those of them that need AVX-512's
#: state, AVX's, or XSAVE at all.
JUDGED = sum(one.mask for one in FEATURES if one.effect)
OF_ZMM = sum(one.mask for one in FEATURES if one.state == "zmm")
OF_YMM = OF_ZMM | sum(one.mask for one in FEATURES if one.state == "ymm")
OF_XSAVE = OF_YMM | sum(one.mask for one in FEATURES if one.state == "xsave")

#: Those whose loss harms a program that uses them.
HARMFUL = sum(one.mask for one in FEATURES if one.effect in {"crash", "wrong"})

#: The bit in masks of what is judged, by its name and by the kernel's word for it.
MASKS: Mapping[str, int] = MappingProxyType(
    {name: one.mask for one in FEATURES if one.effect for name in (one.name, one.word) if name}
)


def _sections() -> Mapping[Key, Sequence[tuple[int, int]]]:
    """Return the registers of each leaf: a register's place in ``Registers``, and its shift."""
    sections: dict[Key, dict[int, int]] = {}
    for one in FEATURES:
        if one.effect:
            register = Registers._fields.index(one.register)
            shift = one.mask.bit_length() - 1 - one.bit
            sections.setdefault((one.leaf, one.subleaf), {})[register] = shift
    return {key: tuple(registers.items()) for key, registers in sections.items()}


_SECTIONS = _sections()

#: The mask of what is judged, by leaf and subleaf.
JUDGED_LEAVES: Mapping[Key, int] = MappingProxyType(
    {key: sum(JUDGED & ALL_BITS << shift for _, shift in _SECTIONS[key]) for key in _SECTIONS}
)


def models_own(table: CpuidTable) -> CpuidTable:
    """Return what a CPU has in common with every other of its model, whatever kernel runs on it."""
    return CpuidTable(
        ((key, _models_own(key, registers)) for key, registers in table.items()),
        (
            (key, (_models_own(key, values), _models_own(key, known)))
            for key, (values, known) in table.partial.items()
        ),
    )


def _models_own(key: Key, registers: Registers) -> Registers:
    leaf, subleaf = key
    return Registers(
        *(
            value
            & ~PROCESSORS_OWN.get((leaf, name), 0)
            & ~KERNELS_OWN.get((leaf, subleaf, name), 0)
            for name, value in zip(REGISTERS, registers, strict=True)
        )
    )


def features_in(mask: int) -> Iterator[Feature]:
    """Yield the features of a mask, in the order of the table."""
    while mask:
        lowest = mask & -mask
        yield _BY_POSITION[lowest.bit_length()]
        mask ^= lowest


def judged_in(key: Key, registers: Registers) -> int:
    """Return the mask of the judged features that one answer of CPUID has."""
    has = 0
    for register, shift in _SECTIONS[key]:
        has |= registers[register] << shift
    return has & JUDGED


def with_features(key: Key, registers: Registers, mask: int) -> Registers:
    """Return an answer of CPUID with the features of a mask."""
    values = list(registers)
    for register, shift in _SECTIONS[key]:
        values[register] |= mask >> shift & ALL_BITS
    return Registers(*values)


def without_features(key: Key, registers: Registers, mask: int) -> Registers:
    """Return an answer of CPUID without the features of a mask."""
    values = list(registers)
    for register, shift in _SECTIONS[key]:
        values[register] &= ~(mask >> shift) & ALL_BITS
    return Registers(*values)


def as_64bit(table: CpuidTable) -> CpuidTable:
    """Return what a 64-bit kernel on that CPU sees, whoever took the dump.

    An Intel CPU with long mode has SYSCALL then (Intel SDM volume 2A, CPUID leaf 80000001H, EDX bit
    11); all else is the same. ``MissingLeafError`` is raised where leaf 0x80000001 of an Intel CPU
    was not recorded.
    """
    if table.vendor != INTEL or not table.has_bit(*LONG_MODE.location):
        return table
    return _with_syscall(table, 1)


def as_32bit(table: CpuidTable) -> CpuidTable:
    """Return what a 32-bit kernel on that CPU sees: no Intel CPU shows SYSCALL to it."""
    return _with_syscall(table, 0) if table.vendor == INTEL else table


def _with_syscall(table: CpuidTable, value: int) -> CpuidTable:
    """Return the registers with the bit of SYSCALL set to 1 or 0."""
    if table.has_bit(*SYSCALL.location) == bool(value):
        return table
    key = SYSCALL.leaf, SYSCALL.subleaf
    features = table[key]
    return table.replace({key: features._replace(edx=features.edx ^ 1 << SYSCALL.bit)})
