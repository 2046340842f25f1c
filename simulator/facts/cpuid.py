"""What a CPU answers to the CPUID instruction, as recorded: leaves, subleaves, registers."""

import re
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from simulator.errors import UserError

#: A leaf and a subleaf: the EAX and the ECX that CPUID is executed with.
Key = tuple[int, int]
RegisterName = Literal["eax", "ebx", "ecx", "edx"]
REGISTERS: tuple[RegisterName, ...] = get_args(RegisterName)

#: A register with every bit set.
ALL_BITS = 0xFFFF_FFFF


class Registers(NamedTuple):
    """One answer of CPUID: four numbers of 32 bits."""

    eax: int
    ebx: int
    ecx: int
    edx: int


ZEROS = Registers(0, 0, 0, 0)

#: Vendors that the kernels have rules for.
INTEL = "GenuineIntel"
AMD = "AuthenticAMD"
CENTAUR = "CentaurHauls"

VENDOR_LEAF = 0x0
SIGNATURE_LEAF = 0x1
XSAVE_LEAF = 0xD
EXTENDED_LEAF = 0x8000_0000
BRAND_LEAVES = (0x8000_0002, 0x8000_0003, 0x8000_0004)

#: Ranges of Transmeta and Centaur. They are there where their first leaf names a last one of the
#: same range, as Linux asks (arch/x86/kernel/cpu/transmeta.c, centaur.c): other CPUs answer zeros
#: there, or, Intel's, what another leaf answers.
_VENDORS_RANGES = (0x8086_0000, 0xC000_0000)
_VENDORS_WITH_RANGES = ("GenuineTMx86", "TransmetaCPU", "CentaurHauls", "  Shanghai  ")

#: Leaves whose subleaf 0 says in EAX which subleaf is the last; those after it answer zeros
#: (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E, has leaf 7 alike).
COUNTED_LEAVES = frozenset({0x7, 0x14, 0x17, 0x18, 0x1D, 0x24})

#: What any two processors of one machine may differ in: bits by leaf and register. Sources: Intel
#: SDM volume 2A, CPUID; AMD APM volume 3, appendix E; for leaf 3 the SDM, and it is the serial
#: number of a Pentium III or a Transmeta CPU; for VIA's leaves Todd Allen's cpuid, which prints
#: them as temperature, voltage and clock of the moment; Xen's public header arch-x86/cpuid.h.
PROCESSORS_OWN: Mapping[tuple[int, RegisterName], int] = MappingProxyType(
    {
        (0x1, "ebx"): 0xFF00_0000,  # the initial APIC id
        **{(0x3, name): ALL_BITS for name in REGISTERS},
        (0x6, "edx"): 0xFFFF_0000,  # the processor's row in the hardware feedback table
        (0xB, "edx"): ALL_BITS,  # the x2APIC id
        (0x1F, "edx"): ALL_BITS,  # the x2APIC id
        (0x4000_0004, "ebx"): ALL_BITS,  # the virtual processor's number in Xen
        (0x4000_0104, "ebx"): ALL_BITS,  # the same, where Xen shows Hyper-V's leaves first
        (0x8000_001E, "eax"): ALL_BITS,  # the extended APIC id
        (0x8000_001E, "ebx"): 0xFF,  # the core's number
        (0x8000_001E, "ecx"): 0xFF,  # the node's number
        (0x8000_001F, "edx"): ALL_BITS,  # the least ASID of a guest with SEV and without SEV-ES
        (0x8000_0026, "edx"): ALL_BITS,  # the x2APIC id
        **{(0xC000_0002, name): ALL_BITS for name in REGISTERS},
        **{(0xC000_0004, name): ALL_BITS for name in REGISTERS},
    }
)

#: Of leaf 0xD, subleaves from this one on describe a state component each.
_FIRST_COMPONENT = 2

_HEX = r"0x[0-9A-Fa-f]{1,8}"
_ROW_LENGTH = 6


class MissingLeafError(UserError, LookupError):
    """The CPU has this leaf, but what it answers was not recorded."""

    def __init__(self, leaf: int, subleaf: int) -> None:
        super().__init__(f"leaf {leaf:#010x} subleaf {subleaf:#x} was not recorded")
        self.leaf = leaf
        self.subleaf = subleaf


class CpuidTable:
    """One CPU's answers to CPUID: an immutable mapping of (leaf, subleaf) to ``Registers``.

    It is made from pairs of a key and its registers, as ``items`` gives them. ``ValueError``
    is raised where leaf 0 is not among them, and where a key has two different answers. A
    component of XSAVE that the CPU has has a size, and, one of programs, a place behind x87's and
    SSE's: an answer without was made up by an old dumping program, and counts as not recorded.

    ``table[leaf, subleaf]`` is what was recorded, and nothing else. ``answer`` is what a
    program may rely on: it knows which leaves the CPU does not have. A leaf that the CPU has
    but that was not recorded is no zeros to either: a hole must not look like a weaker CPU.
    """

    __slots__ = ("_answers", "_hash")

    def __init__(self, answers: Iterable[tuple[Key, Registers]]) -> None:
        self._answers = _collect(answers)
        self._hash = hash(tuple(self._answers.items()))

    def __getitem__(self, key: Key) -> Registers:
        """Return what was recorded, or raise ``MissingLeafError``."""
        try:
            return self._answers[key]
        except KeyError:
            raise MissingLeafError(*key) from None

    def __contains__(self, key: object) -> bool:
        return key in self._answers

    def __iter__(self) -> Iterator[Key]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CpuidTable):
            return NotImplemented
        return self._answers == other._answers

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"<CpuidTable {self.vendor!r} with {len(self)} answers>"

    def items(self) -> Iterable[tuple[Key, Registers]]:
        """Return the pairs of a key and its registers, ordered by leaf and subleaf."""
        return self._answers.items()

    def rows(self) -> list[list[str]]:
        """Return the JSON form: ``[leaf, subleaf, eax, ebx, ecx, edx]`` in hex, in order.

        All have eight digits but the subleaf, which has as few as it needs.
        ``parse_rows`` is the inverse.
        """
        return [
            [f"{leaf:#010x}", f"{subleaf:#x}", *(f"{value:#010x}" for value in registers)]
            for (leaf, subleaf), registers in self.items()
        ]

    def replace(self, answers: Mapping[Key, Registers]) -> "CpuidTable":
        """Return a table with these answers in place of its own, or beside them."""
        return CpuidTable({**self._answers, **answers}.items())

    def without_foreign(self) -> "CpuidTable":
        """Return a table without the answers to leaves and subleaves that the CPU lacks.

        Those mean nothing: they are zeros, or another leaf's answer. One is kept where the leaf
        that would tell was not recorded, and so is the one that tells that there are no
        extended leaves.
        """
        return CpuidTable((key, registers) for key, registers in self.items() if self._has(*key))

    def _has(self, leaf: int, subleaf: int) -> bool:
        if leaf == EXTENDED_LEAF:
            return True
        try:
            return not (self._lacks_leaf(leaf) or self._lacks_subleaf(leaf, subleaf))
        except MissingLeafError:
            return True

    def answer(self, leaf: int, subleaf: int) -> Registers:
        """Return the registers: zeros where the CPU has no such leaf or subleaf.

        They are zeros even where something was recorded there, since an Intel CPU repeats
        its last basic leaf for any leaf that it lacks. ``MissingLeafError`` is raised for
        what it has but was not recorded, and for the leaf that would tell.
        """
        if self._lacks_leaf(leaf) or self._lacks_subleaf(leaf, subleaf):
            return ZEROS
        return self[leaf, subleaf]

    def instruction(self, leaf: int, subleaf: int) -> Registers:
        """Return what the instruction answers, even for a leaf that the CPU lacks.

        That is zeros, and with Intel's CPUs the answer of the highest basic leaf (Intel SDM volume
        2A, CPUID), if it was recorded: nobody relies on it.
        """
        if leaf & 0xFFFF_0000 in _VENDORS_RANGES and self.vendor not in _VENDORS_WITH_RANGES:
            lacks = True
        else:
            lacks = self._lacks_leaf(leaf)
        if lacks and self.vendor == INTEL:
            return self._answers.get((self[VENDOR_LEAF, 0].eax, subleaf), ZEROS)
        return ZEROS if lacks else self.answer(leaf, subleaf)

    def register(self, leaf: int, subleaf: int, name: RegisterName) -> int:
        """Return one register of ``answer``."""
        value: int = getattr(self.answer(leaf, subleaf), name)
        return value

    def has_bit(self, leaf: int, subleaf: int, register: RegisterName, bit: int) -> bool:
        """Tell whether a bit of one register of ``answer`` is set; bit 0 is the lowest."""
        return bool(self.register(leaf, subleaf, register) >> bit & 1)

    @property
    def vendor(self) -> str:
        """The vendor's name: 12 characters of leaf 0."""
        _, ebx, ecx, edx = self[VENDOR_LEAF, 0]
        return _characters(ebx, edx, ecx)

    @property
    def brand(self) -> str:
        """The processor's name without the space around it; empty where the CPU has none.

        ``MissingLeafError`` is raised where it was not recorded.
        """
        text = "".join(_characters(*self.answer(leaf, 0)) for leaf in BRAND_LEAVES)
        return text.partition("\0")[0].strip()

    @property
    def family(self) -> int:
        """The family as Linux counts it: the extended family is added to 15 only."""
        signature = self.register(SIGNATURE_LEAF, 0, "eax")
        family = signature >> 8 & 0xF
        return family + (signature >> 20 & 0xFF) if family == 0xF else family

    @property
    def model(self) -> int:
        """The model as Linux counts it: the extended model counts from family 6 on.

        Intel says so of families 6 and 15, AMD of 15 and up; Linux (``cpu_detect`` in
        arch/x86/kernel/cpu/common.c) of family 7 too, which is Zhaoxin's.
        """
        signature = self.register(SIGNATURE_LEAF, 0, "eax")
        extended = signature >> 12 & 0xF0 if self.family >= 6 else 0
        return extended | signature >> 4 & 0xF

    @property
    def stepping(self) -> int:
        """The stepping: the lowest four bits of the signature."""
        return self.register(SIGNATURE_LEAF, 0, "eax") & 0xF

    def _lacks_leaf(self, leaf: int) -> bool:
        first = leaf & 0xFFFF_0000
        if first in (VENDOR_LEAF, EXTENDED_LEAF):
            return leaf > self[first, 0].eax
        if first in _VENDORS_RANGES:
            last = self[first, 0].eax
            return last & 0xFFFF_0000 != first or leaf > last
        # Hypervisors have a range of their own; leaf 0 does not tell whether it is there: what
        # is recorded is the answer.
        return False

    def _lacks_subleaf(self, leaf: int, subleaf: int) -> bool:
        if leaf in COUNTED_LEAVES:
            return subleaf > 0 and subleaf > self[leaf, 0].eax
        if leaf == XSAVE_LEAF and subleaf > 1 and not user_components(self[leaf, 0]) >> subleaf & 1:
            return not supervisor_components(self[leaf, 1]) >> subleaf & 1
        return False


def user_components(registers: Registers) -> int:
    """Return the mask of state components that XCR0 may have: leaf 0xD, subleaf 0."""
    return registers.eax | registers.edx << 32


def supervisor_components(registers: Registers) -> int:
    """Return the mask of state components that IA32_XSS may have: leaf 0xD, subleaf 1."""
    return registers.ecx | registers.edx << 32


def place_of_answer(leaf: int, subleaf: int) -> str:
    """Say where in CPUID an answer is, for people."""
    return f"CPUID {leaf:#010x}{f' subleaf {subleaf}' if subleaf else ''}"


def processor_ranges(processors: str) -> Iterator[range]:
    """Yield the parts of a list of processors as in 0-3,8; one that runs backwards is empty."""
    for part in processors.split(","):
        first, _, last = part.partition("-")
        yield range(int(first), int(last or first) + 1)


def parse_rows(rows: object) -> CpuidTable:
    """Parse the JSON form that ``CpuidTable.rows`` gives.

    Any number of digits up to eight and any order will do. ``ValueError`` names the row.
    """
    if not isinstance(rows, list):
        # A file says what it likes: to the program that reads it that is a bad value.
        raise ValueError(f"not a list of CPUID rows: {reprlib.repr(rows)}")  # noqa: TRY004
    return CpuidTable([_parse_row(number, row) for number, row in enumerate(rows)])


def _parse_row(number: int, row: object) -> tuple[Key, Registers]:
    if not (isinstance(row, list) and len(row) == _ROW_LENGTH and all(map(_is_hex, row))):
        raise ValueError(
            f"CPUID row {number}: not six strings of 0x and up to eight hex digits: "
            f"{reprlib.repr(row)}"
        )
    leaf, subleaf, eax, ebx, ecx, edx = (int(value, 16) for value in row)
    return (leaf, subleaf), Registers(eax, ebx, ecx, edx)


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(_HEX, value) is not None


def _collect(answers: Iterable[tuple[Key, Registers]]) -> dict[Key, Registers]:
    collected: dict[Key, Registers] = {}
    for key, registers in answers:
        if collected.setdefault(key, registers) != registers:
            raise ValueError(f"leaf {key[0]:#010x} subleaf {key[1]:#x} has two different answers")
    if (VENDOR_LEAF, 0) not in collected:
        raise ValueError("leaf 0x00000000 is not there: no CPU is without it")
    for key in _made_up(collected):
        del collected[key]
    return dict(sorted(collected.items()))


def _made_up(answers: Mapping[Key, Registers]) -> list[Key]:
    """Return the subleaves of XSAVE's leaf that describe no component, though the CPU has it."""
    users = user_components(answers.get((XSAVE_LEAF, 0), ZEROS))
    every = users | supervisor_components(answers.get((XSAVE_LEAF, 1), ZEROS))
    return [
        (leaf, number)
        for (leaf, number), (size, place, _, _) in answers.items()
        if leaf == XSAVE_LEAF
        and number >= _FIRST_COMPONENT
        and every >> number & 1
        and (not size or (not place and users >> number & 1))
    ]


def _characters(*registers: int) -> str:
    return b"".join(value.to_bytes(4, "little") for value in registers).decode("latin-1")
