"""What CRIU keeps of a CPU: words of features, the FPU's components, and two sizes of its area.

CRIU writes it to ``cpuinfo.img``, and makes the same of the CPU that it runs on. Most words are
registers of CPUID as programs see it; one is CRIU's own. Sources: compel_cpuid() of CRIU 3.11 to
4.2 (compel/arch/x86/src/lib/cpu.c), and what CRIU 4.1.1 of Debian wrote on 61 CPUs, by which
tests/data/criu is made.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from msgspec import Struct

from simulator.facts.cpuid import (
    ALL_BITS,
    AMD,
    HYGON,
    INTEL,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    XSAVE_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
    place_of_answer,
    user_components,
)
from simulator.facts.features import (
    AVX,
    AVX512F,
    BY_LOCATION,
    CQM_LLC,
    ERMS,
    FEATURES,
    FPU,
    FXSR,
    MPX,
    OSXSAVE,
    PKU,
    XSAVE,
    XSAVES,
    Feature,
)

#: How many words there are, and how many there were in the first version.
WORD_COUNT = 19
FIRST_WORD_COUNT = 12

#: The words that are registers of CPUID: the others are CRIU's own, or always 0.
WORDS: Mapping[int, tuple[Key, RegisterName]] = MappingProxyType(
    {
        0: ((0x1, 0), "edx"),
        1: ((0x8000_0001, 0), "edx"),
        4: ((0x1, 0), "ecx"),
        6: ((0x8000_0001, 0), "ecx"),
        9: ((0x7, 0), "ebx"),
        10: ((XSAVE_LEAF, 1), "eax"),
        11: ((0x7, 0), "ecx"),
        12: ((0xF, 1), "edx"),
        13: ((0x8000_0008, 0), "ebx"),
        14: ((0x6, 0), "eax"),
        15: ((0x8000_000A, 0), "edx"),
        16: ((0xF, 0), "edx"),
        17: ((0x8000_0007, 0), "ebx"),
        18: ((0x7, 0), "edx"),
    }
)

#: The word of CRIU's own, and its bits: two that are always set, and one that the family decides.
_OWN_WORD = 3
_NOPL, _CPUID = 1 << 20, 1 << 25
_REP_GOOD = 1 << 16
_OWN_NAMES = {16: "rep_good", 20: "nopl", 25: "cpuid"}

#: The signatures of AMD's family 15 with REP_GOOD: from the first to before the end, and all from
#: the last one on.
_FIRST_GOOD, _END_GOOD, _ALL_GOOD = 0xF48, 0xF50, 0xF58

#: Word 0 of AMD's CPUs: their old place for 3DNow!, which CRIU clears.
_OLD_3DNOW = 1 << 31

#: The vendors that CRIU knows, as it calls them.
_VENDORS = {INTEL: "INTEL", AMD: "AMD", HYGON: "AMD"}

#: What an image calls them; the empty one is that of a CPU that CRIU does not know.
VENDORS = ("INTEL", "AMD", "")

#: A number of 32 bits that C takes for a negative one has this bit.
_SIGN = 1 << 31

#: The features without which CRIU takes components away, by the components' bits. That of HDC, of
#: which CRIU asks by a wrong constant, takes SSE's (bit 1) and BNDREGS's (bit 3) away on every CPU.
_USERS = ((FPU, 0x01), (AVX, 0x04), (MPX, 0x10), (AVX512F, 0xE0), (PKU, 0x200))
COMPONENTS_KEPT = sum(components for _, components in _USERS)

#: Components as people call them, by their bits.
COMPONENT_NAMES: Mapping[int, str] = MappingProxyType(
    {
        0: "x87",
        2: "AVX",
        4: "BNDCSR",
        5: "AVX-512 masks",
        6: "AVX-512 upper halves",
        7: "AVX-512 upper registers",
        9: "PKRU",
    }
)

#: So many CPUs' words are remembered.
_MOST_REMEMBERED = 1024


class CpuImage(Struct, frozen=True, cache_hash=True, gc=False):
    """What CRIU keeps of a CPU.

    ``vendor`` is INTEL, AMD, or empty where CRIU does not know it: its words are all 0 then.
    ``words`` are of 32 bits; of ``unknown`` the same. ``is_stored``: it was read from an image, of
    which all is known: what has no value there (None), or no word, CRIU takes from the CPU that it
    runs on. Of one that is made of registers, None is what these do not tell.
    """

    vendor: str
    words: tuple[int, ...]
    xfeatures_mask: int | None = None
    xsave_size: int | None = None
    xsave_size_max: int | None = None
    unknown: tuple[int, ...] = ()
    is_stored: bool = True

    @property
    def known_bits(self) -> int:
        """The words as one number, the first one lowest: without the bits that are not known."""
        return joined(self.words)

    @property
    def unknown_bits(self) -> int:
        """The bits that are not known, in the same way."""
        return joined(self.unknown)

    @property
    def stored_bits(self) -> int:
        """The bits of the words that there are."""
        return joined([ALL_BITS] * len(self.words))


def joined(words: Iterable[int]) -> int:
    """Return words of 32 bits as one number, the first one lowest."""
    return sum(word << 32 * number for number, word in enumerate(words))


def words_of(bits: int) -> list[int]:
    """Return the words of a number that ``joined`` gives."""
    return [bits >> 32 * number & ALL_BITS for number in range(WORD_COUNT)]


@lru_cache(_MOST_REMEMBERED)
def image_of(table: CpuidTable, *, knows_hygon: bool = True) -> CpuImage:
    """Return what CRIU makes of a CPU: ``knows_hygon`` from 3.13 on."""
    vendor = _VENDORS.get(table.vendor, "")
    if not vendor or (table.vendor == HYGON and not knows_hygon):
        return CpuImage("", (0,) * WORD_COUNT, 0, 0, 0, is_stored=False)
    words = dict.fromkeys(range(WORD_COUNT), (0, 0))
    for number, (key, register) in WORDS.items():
        words[number] = _bits(table, key, register)
    words[_OWN_WORD] = _own_word(table, vendor)
    words[0] = _cleared(words[0], _OLD_3DNOW if vendor == "AMD" else 0)
    words[4] = _cleared(words[4], 0 if _last(table) >= XSAVE_LEAF else 1 << XSAVE.bit)
    words[9] = _without_erms(table, words[9])
    words[12] = _if_set(words[16], CQM_LLC.bit, words[12])
    values, unknown = zip(*words.values(), strict=True)
    image = CpuImage(vendor, values, None, None, None, unknown, is_stored=False)
    return _with_area(table, image)


def _last(table: CpuidTable) -> int:
    """Return the last basic leaf, which CRIU takes for a signed number; -1 where it is negative."""
    (last, *_), (known, *_) = table.known(VENDOR_LEAF, 0)
    if last & _SIGN:
        return -1
    return last | ALL_BITS >> 1 & ~known


def _bits(table: CpuidTable, key: Key, register: RegisterName) -> tuple[int, int]:
    """Return a register's bits, and those that are not known: none where CRIU does not ask."""
    if key[0] < _SIGN and _last(table) < 0:
        return 0, 0
    least, most = table.bounds(*key)
    value: int = getattr(least, register)
    return value, getattr(most, register) & ~value


def _cleared(word: tuple[int, int], mask: int) -> tuple[int, int]:
    value, unknown = word
    return value & ~mask, unknown & ~mask


def _if_set(word: tuple[int, int], bit: int, other: tuple[int, int]) -> tuple[int, int]:
    """Return another word where a bit of one is set; all that it may have where it may be."""
    if word[0] >> bit & 1:
        return other
    return (0, other[0] | other[1]) if word[1] >> bit & 1 else (0, 0)


def _family(table: CpuidTable) -> int | None:
    """Return the family; None where it is not known, 0 where CRIU does not ask for it."""
    if _last(table) < SIGNATURE_LEAF:
        return 0
    try:
        return table.family
    except MissingLeafError:
        return None


def _without_erms(table: CpuidTable, word: tuple[int, int]) -> tuple[int, int]:
    """Return word 9: Intel's CPUs of family 15 have no ERMS to CRIU."""
    family = _family(table)
    if table.vendor != INTEL or family not in {15, None}:
        return word
    value, unknown = _cleared(word, 1 << ERMS.bit)
    if family is None:
        unknown |= (word[0] | word[1]) & 1 << ERMS.bit
    return value, unknown


def _own_word(table: CpuidTable, vendor: str) -> tuple[int, int]:
    """Return word 3: REP_GOOD depends on the family, and of AMD's 15 on the model."""
    always = _NOPL | _CPUID
    family = _family(table)
    if family is None:
        return always, _REP_GOOD
    is_good = family == 6 if vendor == "INTEL" else family >= 16
    if vendor == "AMD" and family == 15:
        signature, unknown = _bits(table, (SIGNATURE_LEAF, 0), "eax")
        if unknown and signature < _ALL_GOOD:
            return always, _REP_GOOD
        is_good = _FIRST_GOOD <= signature < _END_GOOD or signature >= _ALL_GOOD
    return always | _REP_GOOD * is_good, 0


def _with_area(table: CpuidTable, image: CpuImage) -> CpuImage:
    """Return the image with the components and the sizes of XSAVE's area."""
    has, may_have = (bool(words[4] >> XSAVE.bit & 1) for words in (image.words, image.unknown))
    if not has:
        return image if may_have else _replaced(image, 0, 0, 0)
    least, most = table.bounds(XSAVE_LEAF, 0)
    size, size_max = (
        getattr(least, name) if getattr(least, name) == getattr(most, name) else None
        for name in ("ebx", "ecx")
    )
    return _replaced(image, _components(image, least, most), size, size_max)


def _replaced(
    image: CpuImage, mask: int | None, size: int | None, size_max: int | None
) -> CpuImage:
    return CpuImage(image.vendor, image.words, mask, size, size_max, image.unknown, is_stored=False)


def _components(image: CpuImage, least: Registers, most: Registers) -> int | None:
    """Return the components that CRIU keeps of those that the CPU has; None where not known."""
    certain, possible = user_components(least), user_components(most)
    known, unknown = image.known_bits, image.unknown_bits
    for feature, components in _USERS:
        bit = bit_of(feature)
        if not (known | unknown) & bit:
            possible &= ~components
        if not known & bit:
            certain &= ~components
    return certain & COMPONENTS_KEPT if not (certain ^ possible) & COMPONENTS_KEPT else None


# Bits of all words as one number


_WORD_OF_REGISTER = {(*key, register): number for number, (key, register) in WORDS.items()}


def bit_of(feature: Feature) -> int:
    """Return a feature's bit in the words as one number."""
    word = _WORD_OF_REGISTER[feature.location[:3]]
    return 1 << 32 * word + feature.bit


#: The bits that CRIU compares as instructions.
INSTRUCTIONS = (_NOPL | _REP_GOOD) << 32 * _OWN_WORD | sum(
    bit_of(one) for one in FEATURES if one.is_instruction_to_criu
)


#: The features that the FPU's state needs, as CRIU names them: their bits.
FPU_FEATURES = {one.name: bit_of(one) for one in (FPU, FXSR, OSXSAVE, XSAVES)}
FPU_BITS = sum(FPU_FEATURES.values())

#: All bits of all words.
EVERY_BIT = (1 << 32 * WORD_COUNT) - 1


class Bit(Struct, frozen=True, gc=False):
    """A bit of a word: its feature's name, or empty, and where it is."""

    mask: int
    name: str
    register: str
    number: int

    @property
    def place(self) -> str:
        """Where it is."""
        return f"{self.register} bit {self.number}"


def named_bits(mask: int) -> Iterator[Bit]:
    """Yield the bits of the words as one number, in order."""
    while mask:
        lowest = mask & -mask
        mask ^= lowest
        word, bit = divmod(lowest.bit_length() - 1, 32)
        if word in WORDS:
            (leaf, subleaf), register = WORDS[word]
            feature = BY_LOCATION.get((leaf, subleaf, register, bit))
            name, where = (
                feature.name if feature else "",
                f"{place_of_answer(leaf, subleaf)} {register}",
            )
        else:
            name, where = (
                _OWN_NAMES.get(bit, "") if word == _OWN_WORD else "",
                f"CRIU's word {word}",
            )
        yield Bit(lowest, name, where, bit)
