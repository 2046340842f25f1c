"""What lscpu prints of /proc/cpuinfo, as text and as JSON (``lscpu -J``): the same words.

It tells what /proc/cpuinfo does: bits that are set, who made the CPU and which it is. Labels are in
the user's language; those of flags and signature that are not in English are found by the words, or
not read. Source: util-linux sys-utils/lscpu.c and lscpu-cputype.c, 2.20 to 2.40.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from simulator.dumps.cpuinfo import add_flags, parse_block
from simulator.dumps.flag_lines import has_flags, read_flags
from simulator.dumps.model import CpuDump, load_json
from simulator.facts.cpuid import AMD, CENTAUR, INTEL

NAME = "lscpu"

_START = re.compile(r"(?:Vendor ID|CPU op-mode\(s\)|BIOS Vendor ID|Byte Order)\s*:")
_JSON_START = re.compile(r'\s*\{\s*"lscpu"\s*:')
_ARCHITECTURES = ("x86_64", "i386", "i486", "i586", "i686")
_ONLY_WORDS = re.compile(r"[a-z0-9_. ]*")

#: The vendors' names, which no language changes.
_VENDORS = (INTEL, AMD, CENTAUR, "HygonGenuine", "Shanghai")

#: The keys of /proc/cpuinfo by the labels of lscpu.
_LABELS = {
    "Vendor ID": "vendor_id",
    "CPU family": "cpu family",
    "Model": "model",
    "Model name": "model name",
    "Stepping": "stepping",
    "Flags": "flags",
}


def why_not(lines: Sequence[str]) -> str | None:
    """Return why a text is not lscpu's of an x86 CPU; None where it is."""
    if not any(map(_START.match, lines)) and not _has_flags(_pairs(lines)):
        return "no line is 'Vendor ID: ...'"
    return _of_another_architecture(dict(_pairs(lines)))


def parse(lines: Sequence[str]) -> list[CpuDump]:
    """Parse the one kind of CPU. DumpError where it is not sound."""
    block = _block(_pairs(lines))
    for place, line in enumerate(lines):
        if "flags" in block and line.partition(":")[2].strip() == block["flags"]:
            add_flags(block, read_flags(lines, place))
            break
    return [parse_block(0, block, NAME)]


def why_not_json(text: str) -> str | None:
    """Return why a text is not lscpu's JSON of an x86 CPU; None where it is."""
    if not _JSON_START.match(text):
        return 'it does not begin with {"lscpu":'
    return _of_another_architecture(dict(_fields(text)))


def parse_json(text: str) -> list[CpuDump]:
    """Parse the JSON of one kind of CPU. DumpError where it is not sound, or tells nothing."""
    return [parse_block(0, _block(_fields(text)), NAME)]


def _has_flags(pairs: Iterable[tuple[str, str]]) -> bool:
    """Tell whether some label, other than that of /proc/cpuinfo, has flags."""
    return any(name != "flags" and _are_flags(value) for name, value in pairs)


def _are_flags(value: str) -> bool:
    return _ONLY_WORDS.fullmatch(value) is not None and has_flags(value)


def _of_another_architecture(pairs: Mapping[str, str]) -> str | None:
    architecture = pairs.get("Architecture", "x86_64")
    if architecture in _ARCHITECTURES:
        return None
    return f"the CPU is of another architecture: {architecture[:20]!r}"


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and not name.startswith(("{", "[", '"')):
            yield name.rstrip(), value.strip()


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """Yield the fields of the JSON, those inside of others too."""
    document = load_json(text)
    waiting = [document.get("lscpu")] if isinstance(document, dict) else []
    while waiting:
        field = waiting.pop()
        if isinstance(field, list):
            waiting.extend(reversed(field))
        elif isinstance(field, dict):
            name, value = field.get("field"), field.get("data")
            if isinstance(name, str) and isinstance(value, str):
                yield name.rstrip(": "), value
            waiting.append(field.get("children"))


def _block(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what is told by the keys of /proc/cpuinfo; the vendor and flags in any language."""
    block: dict[str, str] = {}
    for name, value in pairs:
        key = _LABELS.get(name)
        if key is None and value in _VENDORS:
            key = "vendor_id"
        if key is None and name != "flags" and _are_flags(value):
            key = "flags"
        if key is not None:
            block.setdefault(key, value)
    return block
