"""What QEMU answers over QMP: feature words, and models expanded by query-cpu-model-expansion.

``feature-words`` of a virtual CPU are whole registers, as its guest sees them. Of an expanded model
the properties that are true tell of bits that are set, but for those that QEMU and KVM offer on
their own account; one that is false tells nothing: a model may leave out what the host has. A
session has several answers; each that tells something is a CPU. Sources: QEMU
qapi/machine-target.json (CpuModelExpansionInfo), target/i386/cpu.c (x86_cpu_get_feature_words).
"""

import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from simulator.dumps.model import (
    CpuDump,
    DumpError,
    KnownBits,
    load_documents,
    make_dump,
    told_apart,
)
from simulator.dumps.named import add_names
from simulator.facts.cpuid import ALL_BITS, REGISTERS

NAME = "QMP"

_KEY = re.compile(r'"(?:cpuid-register|props)"\s*:')
_WORD_KEYS = ("cpuid-register", "cpuid-input-eax", "features")
_SIGNATURE = ("family", "model", "stepping")
_VENDOR_LENGTH = 12


def why_not(text: str) -> str | None:
    """Return why a text is no answer of QMP's on a CPU; None where it is."""
    return None if _KEY.search(text) else 'no answer has "props" or "cpuid-register"'


def parse(text: str) -> list[CpuDump]:
    """Parse each answer on a CPU. DumpError where one is not sound."""
    answers = (answer for document in load_documents(text) for answer in _answers(document))
    dumps = told_apart(_parse(number, answer) for number, answer in enumerate(answers))
    if not dumps:
        raise DumpError("no answer is an expanded model or a list of feature words")
    return dumps


def _answers(document: object) -> Iterator[object]:
    """Yield what is an expanded model's properties, or a list of feature words."""
    returned = document.get("return", document) if isinstance(document, dict) else document
    if isinstance(returned, dict):
        model = returned.get("model", returned)
        if isinstance(model, dict) and isinstance(model.get("props"), dict):
            yield model
    elif isinstance(returned, list) and _is_of_words(returned):
        yield returned


def _is_of_words(returned: Sequence[object]) -> bool:
    return bool(returned) and all(isinstance(w, dict) and "cpuid-register" in w for w in returned)


def _parse(number: int, answer: object) -> CpuDump:
    known = KnownBits()
    name = None
    try:
        if isinstance(answer, list):
            _add_words(known, answer)
        else:
            model = cast("dict[str, dict[str, object]]", answer)
            name = _add_model(known, model["props"])
    except ValueError as error:
        raise DumpError(f"answer {number}: {error}") from None
    return make_dump(str(number), known.answers(), NAME, model_name=name)


def _add_words(known: KnownBits, words: Sequence[Mapping[str, object]]) -> None:
    for word in words:
        register, leaf, features = (word.get(key) for key in _WORD_KEYS)
        name = register.lower() if isinstance(register, str) else ""
        numbers = (leaf, word.get("cpuid-input-ecx", 0), features)
        if name not in REGISTERS or not all(map(_is_number, numbers)):
            raise ValueError(f"not a feature word: {reprlib.repr(word)}")
        leaf, subleaf, value = cast("tuple[int, int, int]", numbers)
        if (leaf, name) == (0x1, "edx") and not value & 1:
            raise ValueError(
                "a CPU without an FPU: these are no feature-words (filtered-features?)"
            )
        known.add((leaf, subleaf), name, value)


def _add_model(known: KnownBits, props: Mapping[str, object]) -> str | None:
    add_names(known, (name for name, value in props.items() if value is True))
    vendor = props.get("vendor")
    if isinstance(vendor, str) and len(vendor) == _VENDOR_LENGTH and vendor.isascii():
        known.add_vendor(vendor)
    figures = [props.get(key) for key in _SIGNATURE]
    if all(map(_is_number, figures)):
        known.add_signature(*cast("list[int]", figures))
    name = props.get("model-id")
    return " ".join(name.split()) or None if isinstance(name, str) else None


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= ALL_BITS
