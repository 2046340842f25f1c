"""The project's own form: a list of CPUs in JSON (schema/dump.schema.json).

To read, only ``cpuid`` or ``partial`` is needed of a CPU, one object alone will do for a list,
and keys that are not known are passed over. What is written has all that is known.
"""

import json
import re
import reprlib
from collections.abc import Iterable, Iterator

from simulator.dumps.model import (
    MODES,
    CpuDump,
    DumpError,
    PartialAnswer,
    format_key,
    is_json,
    load_json,
    make_dump,
)
from simulator.dumps.summary import unknown_answers
from simulator.facts.cpu_image import FIRST_WORD_COUNT, VENDORS, WORD_COUNT, CpuImage
from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, Key, Registers, parse_rows
from vzcptcheck.outcome import printable

NAME = "JSON"

_HEX = "0x[0-9A-Fa-f]{1,8}"
_32_BITS = re.compile(_HEX)
_64_BITS = re.compile("0x[0-9A-Fa-f]{1,16}")
_FIGURE = re.compile(f"(?P<value>{_HEX})(?:/(?P<known>{_HEX}))?")
_KEY = re.compile(r'"(?:cpuid|partial|criu)"\s*:')
_ROW_LENGTH = 6

#: Of what CRIU stores, the numbers that it writes from 3.11 on.
_IMAGE_NUMBERS = ("xfeatures_mask", "xsave_size", "xsave_size_max")


def why_not(text: str) -> str | None:
    """Return why a text is no JSON of this form; None where it tries to be."""
    if not text.lstrip().startswith(("[", "{")):
        return "it begins with neither [ nor {"
    return None if _KEY.search(text) or not is_json(text) else 'no CPU has "cpuid" or "partial"'


def parse(text: str) -> list[CpuDump]:
    """Parse a list of CPUs, or one. DumpError where one is not sound."""
    document = load_json(text)
    entries = document if isinstance(document, list) else [document]
    return [_parse_entry(position, entry) for position, entry in enumerate(entries)]


def format_dumps(dumps: Iterable[CpuDump]) -> str:
    """Write CPUs in the one canonical way: fixed order, one answer a line."""
    return "[\n" + ",\n".join(map(_format_entry, dumps)) + "\n]\n"


def _parse_entry(position: int, entry: object) -> CpuDump:
    if not isinstance(entry, dict):
        raise DumpError(f"CPU {position}: not an object: {reprlib.repr(entry)}")
    cpus = str(position)
    for key in ("id", "processors"):
        named = _text(entry, key, cpus)
        cpus = cpus if named is None else named
    shown = printable(cpus)
    mode = entry.get("mode", "unknown")
    if mode not in MODES:
        raise DumpError(f"CPU {shown}: the mode is none of {MODES}: {reprlib.repr(mode)}")
    form, model_name, microcode = (
        _text(entry, key, cpus) for key in ("form", "model_name", "microcode")
    )
    try:
        answers = dict(_answers(entry))
        image = _parse_image(entry["criu"]) if "criu" in entry else None
    except ValueError as error:
        raise DumpError(f"CPU {shown}: {error}") from None
    return make_dump(
        cpus,
        answers,
        form or NAME,
        mode=mode,
        model_name=model_name,
        microcode=microcode,
        image=image,
    )


def _text(entry: dict[str, object], key: str, cpus: str) -> str | None:
    value = entry.get(key)
    if value is not None and not isinstance(value, str):
        raise DumpError(f"CPU {printable(cpus)}: the {key} is not a string: {reprlib.repr(value)}")
    return value


def _answers(entry: dict[str, object]) -> Iterator[tuple[Key, PartialAnswer]]:
    rows = entry.get("partial", [])
    if not isinstance(rows, list):
        raise ValueError(f"not a list of partial rows: {reprlib.repr(rows)}")  # noqa: TRY004
    partial = [_parse_partial(number, row) for number, row in enumerate(rows)]
    # A CPU whose leaf 0 is not known whole has partial rows alone, or what CRIU keeps of it.
    is_told = partial or "criu" in entry
    whole = {} if is_told and "cpuid" not in entry else dict(parse_rows(entry.get("cpuid")).items())
    for key, registers in whole.items():
        yield key, PartialAnswer(registers, EVERY_BIT)
    seen = set(whole)
    for key, answer in partial:
        if key in seen:
            raise ValueError(f"leaf {format_key(key)} has two answers, one of them in part")
        seen.add(key)
        yield key, answer


def _parse_image(fields: object) -> CpuImage:
    """Parse what CRIU has stored of a CPU."""
    if not isinstance(fields, dict) or fields.get("vendor") not in VENDORS:
        raise ValueError(f"not what CRIU stores of a CPU: {reprlib.repr(fields)}")
    words = fields.get("words")
    if not isinstance(words, list) or len(words) not in (WORD_COUNT, FIRST_WORD_COUNT):
        raise ValueError(f"CRIU stores {WORD_COUNT} words, or {FIRST_WORD_COUNT}")
    mask, size, size_max = (
        None if fields.get(name) is None else _number(fields[name], _64_BITS)
        for name in _IMAGE_NUMBERS
    )
    stored = tuple(_number(word, _32_BITS) for word in words)
    return CpuImage(fields["vendor"], stored, mask, size, size_max)


def _number(text: object, pattern: re.Pattern[str]) -> int:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise ValueError(f"not a number as CRIU stores them: {reprlib.repr(text)}")
    return int(text, 16)


def _parse_partial(number: int, row: object) -> tuple[Key, PartialAnswer]:
    figures = [_parse_figure(value) for value in row] if isinstance(row, list) else []
    masks = [figure and figure[1] for figure in figures]
    # A leaf and a subleaf are known, or the row is of none.
    if len(figures) != _ROW_LENGTH or None in masks or masks[:2] != [ALL_BITS, ALL_BITS]:
        raise ValueError(
            f"partial row {number}: not a leaf, a subleaf and four registers, of which each is "
            f"0x1f, 0x1f/0xff (its bits, and which are known) or null: {reprlib.repr(row)}"
        )
    (leaf, _), (subleaf, _), *registers = (figure for figure in figures if figure is not None)
    return (leaf, subleaf), PartialAnswer(
        Registers(*(value & known for value, known in registers)),
        Registers(*(known for _, known in registers)),
    )


def _parse_figure(text: object) -> tuple[int, int] | None:
    """Return bits, and which of them are known; None for what is no figure."""
    if text is None:
        return 0, 0
    match = _FIGURE.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    return int(match["value"], 16), int(match["known"] or hex(ALL_BITS), 16)


def _format_entry(dump: CpuDump) -> str:
    texts = {
        "processors": dump.cpus,
        "form": dump.form,
        "mode": dump.mode,
        "model_name": dump.model_name,
        "microcode": dump.microcode,
    }
    lines = [
        f"    {json.dumps(key)}: {json.dumps(text)}"
        for key, text in texts.items()
        if text is not None
    ]
    if dump.table is not None:
        lines.append(_format_list("cpuid", dump.table.rows()))
    if dump.partial:
        lines.append(_format_list("partial", [_partial_row(*one) for one in dump.partial]))
    if dump.image is not None:
        lines.append(f'    "criu": {json.dumps(_image_document(dump.image))}')
    lines.append(_format_list("unknown", unknown_answers(dump)))
    return "  {\n" + ",\n".join(lines) + "\n  }"


def _image_document(image: CpuImage) -> dict[str, object]:
    numbers = ((name, getattr(image, name)) for name in _IMAGE_NUMBERS)
    told = {name: hex(number) for name, number in numbers if number is not None}
    return {"vendor": image.vendor, "words": [f"{word:#010x}" for word in image.words], **told}


def _format_list(key: str, values: Iterable[object]) -> str:
    lines = ",\n".join(f"      {json.dumps(value)}" for value in values)
    return f'    "{key}": [\n{lines}\n    ]' if lines else f'    "{key}": []'


def _partial_row(key: Key, answer: PartialAnswer) -> list[str | None]:
    leaf, subleaf = key
    return [f"{leaf:#010x}", f"{subleaf:#x}", *map(_format_figure, *answer)]


def _format_figure(value: int, known: int) -> str | None:
    if not known:
        return None
    return f"{value:#010x}" if known == ALL_BITS else f"{value:#010x}/{known:#010x}"
