"""/proc/cpuinfo of old and new kernels, read back into bits of CPUID.

A word that is there is a bit that is set. Of a word that is not there ``parse`` takes no bit for
clear, as the kernel may be older than the word: ``clear_absent`` does, of a kernel that certainly
knows it. What a kernel was asked to clear (noxsave, clearcpuid=), or clears over an erratum, is
then clear, as it is to programs that believe the flags. Words that kernels set on their own account
are left out, though they are spelled as bits: constant_tsc, arat and hypervisor on some CPUs,
ibrs, ibpb, stibp, ssbd, cppc. What stays, as facts/features.txt marks it, is set on the CPU unless
somebody asked the kernel to believe it (forcepae, setcpuid=).

Sources: Linux arch/x86/kernel/cpu/proc.c, show_cpuinfo(); arch/x86/include/asm/cpufeatures.h from
2.6.18 to 6.12 for the words; arch/x86/kernel/cpu/amd.c for what is set there.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from simulator.dumps.flag_lines import Flags, has_flags, read_flags
from simulator.dumps.model import (
    NOTHING_KNOWN,
    CpuDump,
    DumpError,
    KnownBits,
    PartialAnswer,
    make_dump,
    told_apart,
)
from simulator.facts.features import FEATURES
from simulator.facts.words import tells_absence

NAME = "/proc/cpuinfo"

#: The forms that have all flags that a kernel prints; lscpu repeats them.
_WHOLE = (NAME, "lscpu")

#: What is added to the form where the flags may not be all: what is absent tells nothing.
CUT = ", whose flags may be cut short"
_CUT_KEY = "cut"

#: A line that kernels print before the flags; they print more after those.
_BEFORE_FLAGS = "wp"

#: Leaves of which every CPU's flags have some word.
_FLAGS = ((0x1, 0), (0x8000_0001, 0))

_START = re.compile(r"processor\s*:")
_OF_XEN = re.compile(r"features\w{0,30}\s*:\s*[0-9a-f]{4,8}[:-]")
_OF_X86 = re.compile(r"(?:vendor_id|flags)\s*:")

#: What is read of a processor; where a key comes again, the next one begins.
_KEYS = frozenset(
    {"processor", "vendor_id", "cpu family", "model", "model name", "stepping", "microcode"}
    | {"cpuid level", "flags"}
)

_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)

_VENDOR_LENGTH = 12
_LARGEST_LEVEL = 0xFFFF

#: Vendors whose names have spaces around them, which no line keeps.
_SPACED_VENDORS = {
    "Shanghai": "  Shanghai  ",
    "SiS SiS SiS": "SiS SiS SiS ",
    "UMC UMC UMC": "UMC UMC UMC ",
}

#: The features whose words tell of CPUID, by each word that some kernel has for them.
_BY_WORD = {
    word: feature
    for feature in FEATURES
    if feature.is_told
    for word in (feature.name, *feature.old_names)
}


def why_not(lines: Sequence[str]) -> str | None:
    """Return why a text is not /proc/cpuinfo of x86; None where it is."""
    are_picked = any(has_flags(line) for line in lines if line.startswith("flags"))
    if not (are_picked or any(map(_START.match, lines))):
        return "no line is 'processor : 0'"
    if any(map(_OF_XEN.match, lines)):
        return "it has sets of Xen's, and flags that Xen has masked"
    if any(map(_OF_X86.match, lines)):
        return None
    return "no line is 'vendor_id : ...': of another architecture"


def parse(lines: Sequence[str]) -> list[CpuDump]:
    """Parse every processor. DumpError where one is not sound."""
    blocks = enumerate(_blocks(lines))
    return told_apart(parse_block(number, block, NAME) for number, block in blocks)


def clear_absent(dump: CpuDump, printed_by: str | None = None) -> CpuDump:
    """Return a processor with those bits clear whose words the kernel knows and did not print.

    ``printed_by`` is the kernel's release; None where that is not known. Of a dump in another form,
    or without flags, nothing is known by that.
    """
    answers = dump.answers()
    is_printed = any(answers.get(key, NOTHING_KNOWN).values.edx for key in _FLAGS)
    if not (is_printed and dump.form in _WHOLE):
        return dump
    for feature in FEATURES:
        key, name, bit = (feature.leaf, feature.subleaf), feature.register, 1 << feature.bit
        values, known = answers.get(key, NOTHING_KNOWN)
        if not getattr(known, name) & bit and tells_absence(feature, printed_by):
            more = known._replace(**{name: getattr(known, name) | bit})
            answers[key] = PartialAnswer(values, more)
    return make_dump(
        dump.cpus,
        answers,
        dump.form,
        mode=dump.mode,
        model_name=dump.model_name,
        microcode=dump.microcode,
    )


def _blocks(lines: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield what is told of each processor; lines of other keys, and of none, are skipped."""
    block: dict[str, str] = {}
    is_file = False
    for place, line in enumerate(lines):
        name, colon, value = line.partition(":")
        key = name.rstrip()
        is_file = is_file or key == _BEFORE_FLAGS
        if not colon or key not in _KEYS:
            continue
        if key in block or (block and key == "processor"):
            yield block
            block = {}
        block[key] = value.strip()
        if key == "flags":
            add_flags(block, read_flags(lines, place, more_follows=is_file))
    yield block


def add_flags(block: dict[str, str], flags: Flags) -> None:
    """Add the flags, and whether they may be cut, to what is told of a processor."""
    block["flags"] = flags.words
    if flags.may_be_cut:
        block[_CUT_KEY] = CUT


def parse_block(position: int, lines: Mapping[str, str], form: str) -> CpuDump:
    """Parse what is told of a processor, by the keys of /proc/cpuinfo."""
    number = lines.get("processor", str(position))
    try:
        cpus = str(_number({"processor": number}, "processor"))
        known = _known_bits(lines)
    except ValueError as error:
        raise DumpError(f"processor {number[:20]}: {error}") from None
    name = " ".join(lines.get("model name", "").split())
    return make_dump(
        cpus,
        known.answers(),
        form + lines.get(_CUT_KEY, ""),
        model_name=None if name in ("", "unknown") else name,
        microcode=lines.get("microcode") or None,
    )


def _known_bits(lines: Mapping[str, str]) -> KnownBits:
    known = KnownBits()
    vendor = lines.get("vendor_id", "")
    vendor = _SPACED_VENDORS.get(vendor, vendor)
    if len(vendor) == _VENDOR_LENGTH:
        known.add_vendor(vendor)
    # A CPU without CPUID has level -1, and none to tell.
    level = _number(lines, "cpuid level")
    if level is not None and 0 <= level <= _LARGEST_LEVEL:
        known.add((0, 0), "eax", level)
    _add_signature(known, lines)
    for word in lines.get("flags", "").split():
        feature = _BY_WORD.get(word)
        if feature is not None:
            bit = 1 << feature.bit
            known.add((feature.leaf, feature.subleaf), feature.register, bit, bit)
    return known


def _add_signature(known: KnownBits, lines: Mapping[str, str]) -> None:
    """Add the signature; a CPU that has none has a stepping that is unknown."""
    family, model, stepping = (_number(lines, key) for key in ("cpu family", "model", "stepping"))
    if family is not None and model is not None and stepping is not None:
        known.add_signature(family, model, stepping)


def _number(lines: Mapping[str, str], key: str) -> int | None:
    """Return a number; None where the line is not there, or says that it is unknown."""
    value = lines.get(key, "unknown")
    if value == "unknown":
        return None
    if not _NUMBER.fullmatch(value):
        raise ValueError(f"{key!r} is no number: {value[:20]!r}")
    return int(value)
