"""Firecracker's CPU templates, and the fingerprints of hosts that its cpu-template-helper dumps.

Both have CPUID as modifiers: a bitmap for each register, in which x is a bit that the template
leaves to the host, and unknown here. A fingerprint has none: its registers are whole, as a guest of
that host sees them. Registers of model-specific ones are no CPUID. Source: Firecracker
docs/cpu_templates, src/vmm/src/cpu_config/x86_64/custom_cpu_template.rs.
"""

import re
import reprlib
from collections.abc import Iterator

from simulator.dumps.model import (
    CpuDump,
    DumpError,
    KnownBits,
    bounded_answers,
    load_json,
    make_dump,
)
from simulator.facts.cpuid import REGISTERS, Key, RegisterName

NAME = "Firecracker"

_KEY = re.compile(r'"cpuid_modifiers"\s*:')
_BITMAP = re.compile("0b([01x]{32})")
_NUMBER = re.compile("(?:0x[0-9a-fA-F]{1,8}|0b[01]{1,32}|[0-9]{1,9})", re.ASCII)


def why_not(text: str) -> str | None:
    """Return why a text is neither a template nor a fingerprint; None where it is."""
    return None if _KEY.search(text) else 'it has no "cpuid_modifiers"'


def parse(text: str) -> list[CpuDump]:
    """Parse the one CPU. DumpError where it is not sound."""
    document = load_json(text)
    head = document if isinstance(document, dict) else {}
    config = head.get("guest_cpu_config", head)
    leaves = config.get("cpuid_modifiers") if isinstance(config, dict) else None
    if not isinstance(leaves, list):
        raise DumpError("there is no list of cpuid_modifiers")
    known = KnownBits()
    try:
        for key, register, value, mask in bounded_answers(_bits(leaves)):
            known.add(key, register, value, mask)
    except ValueError as error:
        raise DumpError(str(error)) from None
    microcode = head.get("microcode_version")
    told = microcode if isinstance(microcode, str) and microcode else None
    return [make_dump("0", known.answers(), NAME, microcode=told)]


def _bits(leaves: list[object]) -> Iterator[tuple[Key, RegisterName, int, int]]:
    for one in leaves:
        leaf = one if isinstance(one, dict) else {}
        key = _number(leaf.get("leaf")), _number(leaf.get("subleaf"))
        modifiers = leaf.get("modifiers")
        for modifier in modifiers if isinstance(modifiers, list) else [None]:
            register, bitmap = _strings(modifier)
            bits = _BITMAP.fullmatch(bitmap.replace("_", ""))
            if register not in REGISTERS or bits is None:
                raise ValueError(f"not a register with 32 bits of 0, 1 or x: {_shown(modifier)}")
            value = int(bits[1].replace("x", "0"), 2)
            mask = int(bits[1].replace("0", "1").replace("x", "0"), 2)
            yield key, register, value, mask


def _strings(modifier: object) -> tuple[str, str]:
    texts = modifier if isinstance(modifier, dict) else {}
    return str(texts.get("register")), str(texts.get("bitmap"))


def _number(text: object) -> int:
    if not (isinstance(text, str) and _NUMBER.fullmatch(text)):
        raise ValueError(f"not a leaf or subleaf: {_shown(text)}")
    return int(text, 0 if text.startswith("0") and len(text) > 1 else 10)


def _shown(value: object) -> str:
    return reprlib.repr(value)
