"""CRIU's image of a node's CPU, ``cpuinfo.img``, and the JSON that ``crit decode`` makes of it.

The image is two magic numbers, then entries: a size in 32 bits and a message of protocol buffers,
which is a row of fields, each a tag (its number, and how its value is written) and a value. CRIU
keeps features as words, some of which are registers of CPUID and some its own. Sources: the
message's descriptor, the magic numbers and the stores of compel_cpuid() in CRIU 3.17.1 as Debian
has it, an image that it wrote, and protobuf.dev ("Encoding").
"""

import re
import reprlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from simulator.dumps.model import CpuDump, DumpError, KnownBits, load_json, make_dump, told_apart
from simulator.dumps.protobuf import parse_fields, parse_varints
from simulator.facts.cpu_image import FIRST_WORD_COUNT, WORD_COUNT, WORDS, CpuImage
from simulator.facts.cpuid import ALL_BITS, AMD, HYGON, INTEL, XSAVE_LEAF, RegisterName

NAME = "CRIU cpuinfo image"

_MAGIC_COMMON = 0x5456_4319
_MAGIC_CPUINFO = 0x6140_4013

_IMAGE_START = struct.pack("<II", _MAGIC_COMMON, _MAGIC_CPUINFO)
_JSON_START = re.compile(r"\s*\{\s*\"magic\"\s*:\s*\"CPUINFO\"")

_X86_ENTRY = 1
_VENDORS = {"UNKNOWN": 0, "INTEL": 1, "AMD": 2}
_BY_INTEL, _BY_AMD = 1, 2
_VENDOR_NAMES = {_BY_INTEL: "INTEL", _BY_AMD: "AMD"}

#: Numbers of the fields of an x86 entry.
_FIELDS = {
    1: "vendor_id",
    2: "cpu_family",
    3: "model",
    4: "stepping",
    5: "capability_ver",
    6: "capability",
    7: "model_id",
    8: "xfeatures_mask",
    9: "xsave_size",
    10: "xsave_size_max",
}
_NUMBERS = ("cpu_family", "model", "stepping", "capability_ver")

#: CRIU counts Hygon's CPUs as AMD's: this family, which no CPU of AMD's is of (Linux,
#: arch/x86/kernel/cpu/hygon.c and amd.c).
_HYGON_FAMILY = 24

#: The words of leaf 0xF are left out: whether CRIU asked for subleaf 1 depends on the answer.
_LEFT_OUT = (12, 16)

_COMPONENT_REGISTERS: tuple[tuple[int, RegisterName], ...] = ((0, "eax"), (32, "edx"))

#: In the first version of the words those from 10 on are other ones.
_FIRST_VERSION = 1
_FIRST_VERSIONS_WORDS = 10

_WORD_COUNTS = {_FIRST_VERSION: FIRST_WORD_COUNT, 2: WORD_COUNT}

#: Bits that CRIU clears on some CPUs, whatever the register says: 3DNow!'s old place on AMD's;
#: XSAVE where there is no leaf 0xD; ERMS on Intel's family 15. Clear, they tell nothing.
_CLEARED = {0: 1 << 31, 4: 1 << 26, 9: 1 << 9}


class _Entry(NamedTuple):
    """What an x86 entry says of a CPU."""

    vendor_id: int
    cpu_family: int
    model: int
    stepping: int
    capability_ver: int
    capability: tuple[int, ...]
    model_id: str | None
    xfeatures_mask: int | None
    xsave_size: int | None
    xsave_size_max: int | None


def why_no_image(data: bytes) -> str | None:
    """Return why bytes are no such image; None where they are."""
    if data.startswith(_IMAGE_START):
        return None
    return f"it does not begin with the numbers {_MAGIC_COMMON:#x} and {_MAGIC_CPUINFO:#x}"


def parse_image(data: bytes) -> list[CpuDump]:
    """Parse an image: one CPU for each x86 entry. DumpError where it is not sound."""
    try:
        fields = [
            _read_fields(value)
            for message in _messages(data, len(_IMAGE_START))
            for number, value in parse_fields(message)
            if number == _X86_ENTRY
        ]
    except ValueError as error:
        raise DumpError(f"not a sound image: {error}") from None
    return _dumps(fields)


def why_not(text: str) -> str | None:
    """Return why a text is not the JSON of such an image; None where it is."""
    return None if _JSON_START.match(text) else 'it does not begin with {"magic": "CPUINFO"'


def parse(text: str) -> list[CpuDump]:
    """Parse the JSON of an image. DumpError where it is not sound."""
    document = load_json(text)
    entries = document.get("entries") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise DumpError("there is no list of entries")
    found = [entry.get("x86_entry", []) for entry in entries if isinstance(entry, dict)]
    fields = [fields for one in found if isinstance(one, list) for fields in one]
    return _dumps(fields)


def _messages(data: bytes, position: int) -> Iterator[bytes]:
    while position < len(data):
        size = int.from_bytes(data[position : position + 4], "little")
        position += 4
        if size > len(data) - position:
            raise ValueError(f"the entry at byte {position - 4} is longer than the image")
        yield data[position : position + size]
        position += size


def _read_fields(message: int | bytes) -> dict[str, object]:
    """Return the fields of an x86 entry by their names; unknown ones are of newer versions."""
    if isinstance(message, int):
        raise ValueError("an entry is a number")  # noqa: TRY004 (it is a bad value)
    words: list[int] = []
    fields: dict[str, object] = {"capability": words}
    for number, value in parse_fields(message):
        name = _FIELDS.get(number)
        if name == "capability":
            words += [value] if isinstance(value, int) else parse_varints(value)
        elif name == "model_id" and isinstance(value, bytes):
            fields[name] = value.decode("utf-8", "replace")
        elif name is not None:
            fields[name] = value
    return fields


def _dumps(entries: Iterable[object]) -> list[CpuDump]:
    dumps = told_apart(_dump(str(number), fields) for number, fields in enumerate(entries))
    if not dumps:
        raise DumpError("no x86 CPU is in the image")
    # CRIU takes an image of one CPU alone.
    return dumps if len(dumps) == 1 else [dump._replace(image=None) for dump in dumps]


def _dump(cpus: str, fields: object) -> CpuDump:
    try:
        entry = _entry(fields)
        known = _known_bits(entry)
    except ValueError as error:
        raise DumpError(f"CPU {cpus}: {error}") from None
    image = _image(entry)
    return make_dump(cpus, known.answers(), NAME, model_name=entry.model_id, image=image)


def _entry(fields: object) -> _Entry:
    """Check the fields of an entry; those that every image has must be there."""
    if not isinstance(fields, dict):
        raise ValueError(f"not an entry: {reprlib.repr(fields)}")  # noqa: TRY004
    words = fields.get("capability", [])
    model_id = fields.get("model_id")
    if not isinstance(words, list) or not (model_id is None or isinstance(model_id, str)):
        raise ValueError(f"not an entry: {reprlib.repr(fields)}")
    vendor = fields.get("vendor_id")
    return _Entry(
        vendor_id=_number("vendor_id", _VENDORS.get(vendor) if isinstance(vendor, str) else vendor),
        **{name: _number(name, fields.get(name)) for name in _NUMBERS},
        capability=tuple(_number("capability", word) & ALL_BITS for word in words),
        model_id=" ".join(model_id.split()) if model_id else None,
        xfeatures_mask=_later(fields, "xfeatures_mask"),
        xsave_size=_later(fields, "xsave_size"),
        xsave_size_max=_later(fields, "xsave_size_max"),
    )


def _later(fields: Mapping[str, object], name: str) -> int | None:
    """Return a number that CRIU writes from 3.11 on."""
    value = fields.get(name)
    return None if value is None else _number(name, value)


def _number(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 64:
        raise ValueError(f"{name} is no number of 64 bits: {reprlib.repr(value)}")
    return value


def _image(entry: _Entry) -> CpuImage | None:
    """Return the image as CRIU takes it; None where it has not the words of its version."""
    vendor = _VENDOR_NAMES.get(entry.vendor_id)
    if vendor is None or len(entry.capability) != _WORD_COUNTS.get(entry.capability_ver):
        return None
    later = (entry.xfeatures_mask, entry.xsave_size, entry.xsave_size_max)
    return CpuImage("" if _is_foreign(entry) else vendor, entry.capability, *later)


def _is_foreign(entry: _Entry) -> bool:
    """Tell whether CRIU does not know the vendor: of such a CPU it writes no family and no name.

    Its vendor is INTEL's then, the first in a list of CRIU's own, and every word is 0.
    """
    return not entry.cpu_family and entry.model_id is None


def _known_bits(entry: _Entry) -> KnownBits:
    known = KnownBits()
    if _is_foreign(entry):
        return known
    known.add_signature(entry.cpu_family, entry.model, entry.stepping)
    if entry.vendor_id == _BY_INTEL:
        known.add_vendor(INTEL)
    elif entry.vendor_id == _BY_AMD:
        known.add_vendor(HYGON if entry.cpu_family == _HYGON_FAMILY else AMD)
    for number, word in enumerate(entry.capability):
        if (
            number in WORDS
            and number not in _LEFT_OUT
            and _is_told(number, word, entry.capability_ver)
        ):
            key, register = WORDS[number]
            known.add(key, register, word, ALL_BITS & ~(_CLEARED.get(number, 0) & ~word))
    # CRIU keeps those components alone that it can restore.
    for shift, register in _COMPONENT_REGISTERS:
        mask = (entry.xfeatures_mask or 0) >> shift & ALL_BITS
        known.add((XSAVE_LEAF, 0), register, mask, mask)
    # Without XSAVE they are 0, and no registers.
    known.add((XSAVE_LEAF, 0), "ebx", *_told(entry.xsave_size))
    known.add((XSAVE_LEAF, 0), "ecx", *_told(entry.xsave_size_max))
    return known


def _told(size: int | None) -> tuple[int, int]:
    """Return a size, and which of its bits are known."""
    return size or 0, ALL_BITS if size else 0


def _is_told(number: int, word: int, version: int) -> bool:
    """Tell whether a word is the register: none is zero that CRIU has not filled in."""
    return word != 0 and (version > _FIRST_VERSION or number < _FIRST_VERSIONS_WORDS)
