"""What a CPU answers to the CPUID instruction, as recorded: leaves, subleaves, registers."""

import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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
EVERY_BIT = Registers(ALL_BITS, ALL_BITS, ALL_BITS, ALL_BITS)

#: An answer known in part: its bits, and which of them are known; the others are clear.
Partly = tuple[Registers, Registers]

#: Vendors that the kernels have rules for.
INTEL = "GenuineIntel"
AMD = "AuthenticAMD"
HYGON = "HygonGenuine"
CENTAUR = "CentaurHauls"

VENDOR_LEAF = 0x0
SIGNATURE_LEAF = 0x1
XSAVE_LEAF = 0xD
EXTENDED_LEAF = 0x8000_0000
BRAND_LEAVES = (0x8000_0002, 0x8000_0003, 0x8000_0004)

#: Ranges of Transmeta and Centaur. They are there where their first leaf names a last one of the
#: same range, as Linux asks (arch/x86/kernel/cpu/transmeta.c, centaur.c).
VENDORS_RANGES = (0x8086_0000, 0xC000_0000)

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
_REGISTER_WIDTH = 32


class MissingLeafError(UserError, LookupError):
    """The CPU has this leaf, but what it answers was not recorded, or in part."""

    def __init__(self, leaf: int, subleaf: int, how: str = "was not recorded") -> None:
        super().__init__(f"leaf {leaf:#010x} subleaf {subleaf:#x} {how}")
        self.leaf = leaf
        self.subleaf = subleaf


class CpuidTable:
    """One CPU's answers to CPUID: an immutable mapping of (leaf, subleaf) to ``Registers``.

    It is made from pairs of a key and its registers, as ``items`` gives them. ``ValueError``
    is raised where the vendor is not among them, and where a key has two answers. A
    component of XSAVE that the CPU has has a size, and, one of programs, a place behind x87's and
    SSE's: an answer without was made up by an old dumping program, and counts as not recorded.

    ``table[leaf, subleaf]`` is what was recorded whole, and nothing else. ``answer`` is what a
    program may rely on: it knows which leaves the CPU does not have. A leaf that the CPU has
    but that was not recorded is no zeros to either: a hole must not look like a weaker CPU.

    ``partial`` has the answers that are known in part. They are no more than unrecorded ones to
    all but ``has_bit``, ``bounds``, and the CPU's identity, which know of each bit.
    """

    __slots__ = ("_answers", "_hash", "partial")

    def __init__(
        self,
        answers: Iterable[tuple[Key, Registers]],
        partial: Iterable[tuple[Key, Partly]] = (),
    ) -> None:
        self._answers = _collect(answers)
        self.partial: Mapping[Key, Partly] = MappingProxyType(dict(sorted(partial)))
        if (VENDOR_LEAF, 0) not in self._answers:
            _require_vendor(self.partial)
        for leaf, subleaf in self.partial.keys() & self._answers.keys():
            raise ValueError(f"leaf {leaf:#010x} subleaf {subleaf:#x} is known whole and in part")
        self._hash = hash((*self._answers.items(), *self.partial.items()))

    def __getitem__(self, key: Key) -> Registers:
        """Return what was recorded whole, or raise ``MissingLeafError``."""
        try:
            return self._answers[key]
        except KeyError:
            raise MissingLeafError(*key, *self._how(*key)) from None

    def __contains__(self, key: object) -> bool:
        return key in self._answers

    def __iter__(self) -> Iterator[Key]:
        return iter(self._answers)

    def __len__(self) -> int:
        return len(self._answers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CpuidTable):
            return NotImplemented
        return self._answers == other._answers and self.partial == other.partial

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        in_part = f", {len(self.partial)} in part" if self.partial else ""
        return f"<CpuidTable {self.vendor!r} with {len(self)} answers{in_part}>"

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
        partial = ((key, partly) for key, partly in self.partial.items() if key not in answers)
        return CpuidTable({**self._answers, **answers}.items(), partial)

    def without_foreign(self) -> "CpuidTable":
        """Return a table without the answers to leaves and subleaves that the CPU lacks.

        Those mean nothing: they are zeros, or another leaf's answer. One is kept where the leaf
        that would tell was not recorded, and so is the one that tells that there are no
        extended leaves.
        """
        return CpuidTable(
            ((key, registers) for key, registers in self.items() if self._may_have(*key)),
            ((key, partly) for key, partly in self.partial.items() if self._may_have(*key)),
        )

    def _may_have(self, leaf: int, subleaf: int) -> bool:
        return leaf == EXTENDED_LEAF or self._has(leaf, subleaf) is not False

    def _has(self, leaf: int, subleaf: int) -> bool | None:
        """Tell whether the CPU has a leaf and its subleaf; None where that is not known.

        It has what it answers bits to, where it is not known to answer another leaf's.
        """
        lacks = (_if_known(self.lacks_leaf, leaf), _if_known(self._lacks_subleaf, leaf, subleaf))
        if True in lacks:
            return False
        if any(self.known(leaf, subleaf)[0]):
            return True
        return None if None in lacks else True

    def answer(self, leaf: int, subleaf: int) -> Registers:
        """Return the registers: zeros where the CPU has no such leaf or subleaf.

        They are zeros even where something was recorded there, since an Intel CPU repeats
        its last basic leaf for any leaf that it lacks. ``MissingLeafError`` is raised for
        what it has but was not recorded, and for the leaf that would tell.
        """
        if self.lacks_leaf(leaf) or self._lacks_subleaf(leaf, subleaf):
            return ZEROS
        return self[leaf, subleaf]

    def register(self, leaf: int, subleaf: int, name: RegisterName) -> int:
        """Return one register of ``answer``."""
        value: int = getattr(self.answer(leaf, subleaf), name)
        return value

    def has_bit(self, leaf: int, subleaf: int, register: RegisterName, bit: int) -> bool:
        """Tell whether a bit of one register of ``answer`` is set; bit 0 is the lowest."""
        return bool(self._bits(leaf, subleaf, register, 1 << bit))

    def bounds(self, leaf: int, subleaf: int) -> tuple[Registers, Registers]:
        """Return the bits that ``answer`` certainly has, and those that it may have."""
        has = self._has(leaf, subleaf)
        if has is False:
            return ZEROS, ZEROS
        values, known = self.known(leaf, subleaf)
        most = Registers(
            *(value | ALL_BITS & ~mask for value, mask in zip(values, known, strict=True))
        )
        return values if has else ZEROS, most

    def known(self, leaf: int, subleaf: int) -> Partly:
        """Return what was recorded of an answer, and which of its bits were."""
        key = leaf, subleaf
        if key in self._answers:
            return self._answers[key], EVERY_BIT
        return self.partial.get(key, (ZEROS, ZEROS))

    def _bits(self, leaf: int, subleaf: int, register: RegisterName, mask: int) -> int:
        """Return bits of one register of ``answer``, if they are known."""
        if self.lacks_leaf(leaf) or self._lacks_subleaf(leaf, subleaf):
            return 0
        values, known = self.known(leaf, subleaf)
        if mask & ~getattr(known, register):
            raise MissingLeafError(leaf, subleaf, *self._how(leaf, subleaf))
        bits: int = getattr(values, register) & mask
        return bits

    def _how(self, *key: int) -> tuple[str, ...]:
        return ("is known in part",) if key in self.partial else ()

    @property
    def vendor(self) -> str:
        """The vendor's name: 12 characters of leaf 0."""
        (_, ebx, ecx, edx), _ = self.known(VENDOR_LEAF, 0)
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
        family = self._signature(8, 0xF)
        return family + self._signature(20, 0xFF) if family == 0xF else family

    @property
    def model(self) -> int:
        """The model as Linux counts it: the extended model counts from family 6 on.

        Intel says so of families 6 and 15, AMD of 15 and up; Linux (``cpu_detect`` in
        arch/x86/kernel/cpu/common.c) of family 7 too, which is Zhaoxin's.
        """
        extended = self._signature(16, 0xF) if self.family >= 6 else 0
        return extended << 4 | self._signature(4, 0xF)

    @property
    def stepping(self) -> int:
        """The stepping: the lowest four bits of the signature."""
        return self._signature(0, 0xF)

    def _signature(self, shift: int, mask: int) -> int:
        return self._bits(SIGNATURE_LEAF, 0, "eax", mask << shift) >> shift

    def lacks_leaf(self, leaf: int) -> bool:
        """Tell whether the CPU lacks a leaf; ``MissingLeafError`` if nobody recorded what tells."""
        first = leaf & 0xFFFF_0000
        if first in (VENDOR_LEAF, EXTENDED_LEAF):
            return self._is_beyond(leaf, first)
        if first in VENDORS_RANGES:
            last = self[first, 0].eax
            return last & 0xFFFF_0000 != first or leaf > last
        # Hypervisors have a range of their own; leaf 0 does not tell whether it is there: what
        # is recorded is the answer.
        return False

    def _lacks_subleaf(self, leaf: int, subleaf: int) -> bool:
        if leaf in COUNTED_LEAVES:
            return subleaf > 0 and self._is_beyond(subleaf, leaf)
        if leaf == XSAVE_LEAF and subleaf > 1 and not self._is_in_xcr0(subleaf):
            return not supervisor_components(self[leaf, 1]) >> subleaf & 1
        return False

    def _is_beyond(self, number: int, leaf: int) -> bool:
        """Tell whether a number is beyond the last one, which EAX of a leaf tells."""
        (last, *_), (known, *_) = self.known(leaf, 0)
        unknown = ALL_BITS & ~known
        if number > last | unknown:
            return True
        if not last and leaf == VENDOR_LEAF:
            last = unknown & -unknown  # Every CPU with a vendor has leaf 1.
        if number > last:
            raise MissingLeafError(leaf, 0, *self._how(leaf, 0))
        return False

    def _is_in_xcr0(self, component: int) -> bool:
        if component >= 2 * _REGISTER_WIDTH:
            return False
        name: RegisterName = "edx" if component >= _REGISTER_WIDTH else "eax"
        return bool(self._bits(XSAVE_LEAF, 0, name, 1 << component % _REGISTER_WIDTH))


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


def _if_known(tell: Callable[..., bool], *key: int) -> bool | None:
    try:
        return tell(*key)
    except MissingLeafError:
        return None


def _require_vendor(partial: Mapping[Key, Partly]) -> None:
    if (VENDOR_LEAF, 0) not in partial:
        raise ValueError("leaf 0x00000000 is not there: no CPU is without it")
    _, known = partial[VENDOR_LEAF, 0]
    if known[1:] != EVERY_BIT[1:]:
        raise ValueError("leaf 0x00000000 does not tell the vendor: its ebx, ecx and edx do")


def _characters(*registers: int) -> str:
    return b"".join(value.to_bytes(4, "little") for value in registers).decode("latin-1")
