"""Profiles as JSON: strict to read, canonical to write. The schema is published beside it.

What is wrong with a file that is no profile is told in plain words, with its place.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import NODEFAULT, inspect

from simulator.facts.cpuid import ALL_BITS, CpuidTable, Key, Partly, Registers
from simulator.kernel.containers import Stated
from simulator.profiles.profile import NodeProfile, ProfileDocument, ProfileError

#: Nodes of a large fleet share few CPUs: so many tables are remembered.
_MOST_TABLES = 1024

_HEX = "0x([0-9a-f]{8})"
_ROW = re.compile(rf"{_HEX} 0x([0-9a-f]{{1,8}}): {' '.join([_HEX] * 4)}")

#: A row of which not all bits are known: of a register its bits and which are known, or nothing.
_BITS = "0x[0-9a-f]{8}(?:/0x[0-9a-f]{8})?"
_PARTIAL_ROW = rf"{_HEX} 0x([0-9a-f]{{1,8}}):((?: (?:{_BITS}|[?])){{4}})"
_UNKNOWN = "?"

_FIELDS = ProfileDocument.__struct_fields__

_Document = TypeVar("_Document", bound=ProfileDocument)


def parse_profile(data: bytes, name: str, where: str) -> NodeProfile:
    """Read a profile; ``where`` names its file in errors. Raises ProfileError.

    Its shape is checked here; ``profile_checks`` asks whether its facts agree with each other.
    """
    document = _read(data, where, _DECODER)
    return NodeProfile(name=name, **{field: getattr(document, field) for field in _FIELDS})


def parse_named_profile(data: bytes, name: str, where: str) -> NodeProfile:
    """Read a profile that may have its node's name in it, by the key "name".

    ``name`` is for one that has not. All else is as with ``parse_profile``.
    """
    try:
        msgspec.json.decode(data, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return parse_profile(data, name, where)
    return _read(data, where, _named_decoder())


class _Named(msgspec.Struct):
    """Any document that has a name."""

    name: object


def format_profile(profile: NodeProfile) -> str:
    """Write a profile in the one canonical way: fixed order, no defaults, one value a line."""
    document = ProfileDocument(**{field: getattr(profile, field) for field in _FIELDS})
    try:
        return msgspec.json.format(_ENCODER.encode(document), indent=2).decode() + "\n"
    except UnicodeEncodeError as error:
        problem = "half of a surrogate pair is no character"
        raise ProfileError(profile.name, "", problem) from error


def _read(data: bytes, where: str, decoder: msgspec.json.Decoder[_Document]) -> _Document:
    try:
        return _read_flat(data, where, decoder)
    except RecursionError as error:
        raise ProfileError(where, "", "nested too deeply to be a profile") from error


def _read_flat(data: bytes, where: str, decoder: msgspec.json.Decoder[_Document]) -> _Document:
    asked = Stated.asked
    try:
        document = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProfileError(where, *_explain(data, str(error), decoder.type)) from error
    if Stated.asked > asked or not _is_read_whole(data, document):
        for path, problem in _find_loss(data, _ENCODER.encode(document)):
            raise ProfileError(where, path, problem)
    _require_unique(document.kernel.boot_options, where, "kernel.boot_options")
    _require_unique(document.answers.accepted_versions or (), where, "answers.accepted_versions")
    return document


def _require_unique(values: tuple[object, ...], where: str, path: str) -> None:
    if len(set(values)) < len(values):
        raise ProfileError(where, path, "a value comes twice")


def _is_read_whole(data: bytes, document: ProfileDocument) -> bool:
    """Tell whether a file has no text that is not in what was read of it.

    It must have every key that the canonical form has. A key that comes twice would be lost, and
    so would a module or a row that does: all are text in quotes, so that there are as many quotes
    as in the canonical form only where nothing is lost. False is no proof of the contrary: a
    default may be stated, and a quote be written by its number.
    """
    if b"\\" in data and b"\\u" in data:  # One byte alone is found far sooner.
        return False
    return data.count(b'"') == _ENCODER.encode(document).count(b'"')


@lru_cache(_MOST_TABLES)
def _parse_rows(rows: tuple[str, ...]) -> CpuidTable:
    whole, partial = [], []
    for text in rows:
        row = _ROW.fullmatch(text)
        if row is None:
            partial.append(_parse_partial(text))
        else:
            leaf, subleaf, *values = (int(digits, 16) for digits in row.groups())
            whole.append(((leaf, subleaf), Registers(*values)))
    return CpuidTable(whole, partial)


def _parse_partial(text: str) -> tuple[Key, Partly]:
    """Parse a row that is known in part; it is written in one way alone."""
    row = re.fullmatch(_PARTIAL_ROW, text)
    if row is None:
        raise ValueError("no row of CPUID's answers")
    registers = [_parse_bits(word) for word in row[3].split()]
    partly = Registers(*(one for one, _ in registers)), Registers(*(one for _, one in registers))
    key = int(row[1], 16), int(row[2], 16)
    if text != _format_partial(key, partly) or not any(partly[1]):
        raise ValueError("no row of CPUID's answers")
    return key, partly


def _parse_bits(word: str) -> tuple[int, int]:
    if word == _UNKNOWN:
        return 0, 0
    value, _, known = word.partition("/")
    return int(value, 16), int(known, 16) if known else ALL_BITS


@lru_cache(_MOST_TABLES)
def _format_rows(table: CpuidTable) -> list[str]:
    rows = [f"{row[0]} {row[1]}: {' '.join(row[2:])}" for row in table.rows()]
    # Both begin with as many digits: where rows differ in the subleaf, that has no zero in front.
    rows += [_format_partial(key, partly) for key, partly in table.partial.items()]
    return rows


def _format_partial(key: Key, partly: Partly) -> str:
    leaf, subleaf = key
    return f"{leaf:#010x} {subleaf:#x}: {' '.join(map(_format_bits, *partly))}"


def _format_bits(value: int, known: int) -> str:
    if not known:
        return _UNKNOWN
    return f"{value & known:#010x}" + ("" if known == ALL_BITS else f"/{known:#010x}")


def _decode(_: type, rows: object) -> CpuidTable:
    """Make the one type that JSON does not have; TypeError and ValueError say that it is none."""
    if not isinstance(rows, list):
        raise TypeError("no list of rows")
    return _parse_rows(tuple(rows))


_DECODER = msgspec.json.Decoder(ProfileDocument, dec_hook=_decode)
_ENCODER = msgspec.json.Encoder(enc_hook=_format_rows, order="deterministic")


@cache
def _named_decoder() -> msgspec.json.Decoder[NodeProfile]:
    return msgspec.json.Decoder(NodeProfile, dec_hook=_decode)


# What is wrong with a file that is no profile, in plain words


#: A place in a profile, as in containers[0].needs, and what is wrong there.
Problem = tuple[str, str]

_MOST_SHOWN = 60

_ROW_WORDS = 'a row as "0x00000001 0x0: 0x000206d7 0x00000000 0x00000000 0x00000000"'

_PLAIN_WORDS: dict[type[inspect.Type], str] = {
    inspect.NoneType: "null",
    inspect.BoolType: "true or false",
    inspect.StrType: "text",
    inspect.VarTupleType: "a list",
    inspect.FrozenSetType: "a list",
    inspect.StructType: "an object",
}


def _explain(data: bytes, message: str, wanted: object) -> Problem:
    """Return what is wrong with data that are no profile, of the wanted struct.

    ``message`` is msgspec's, which ends with the place. Raises RecursionError.
    """
    try:
        document = _load(data)
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start}"
    except ValueError as error:
        return "", f"not JSON: {error}"
    root = inspect.type_info(wanted)
    found = re.fullmatch(r"(.*) - at `\$(.*)`", message, re.DOTALL)
    # The name of an unknown key of the whole may be anything, and end as a message does.
    if found is None or _key_problem(document, root):
        return "", _problem(document, root)
    problem, place = found.groups()
    kind, value = root, document
    for key, number in re.findall(r"\.(\w+)|\[([0-9]+)\]", place):
        kind = _inner(kind, key)
        value = value[int(number) if number else key]
    place = place.removeprefix(".")
    if isinstance(kind, inspect.CustomType) and isinstance(value, list):
        return _row_problem(place, value) or (place, problem)
    return place, _problem(value, kind)


def _find_loss(data: bytes, canonical: bytes) -> Iterator[Problem]:
    """Yield what a profile says and what is not in its canonical form, or the other way round.

    What differs and means the same is passed over: a default that is stated, another order.
    """
    try:
        document = _load(data)
    except ValueError as error:
        yield "", f"not JSON: {error}"
    else:
        yield from _losses(document, msgspec.json.decode(canonical), "")


def _load(data: bytes) -> Any:
    """Read JSON; ValueError for what Python's own parser lets pass."""
    import json

    text = data.decode("utf-8")
    document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_number)
    if "\\u" in text and re.search("[\ud800-\udfff]", json.dumps(document, ensure_ascii=False)):
        raise ValueError("half of a surrogate pair is no character")
    return document


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {_shown(twice)} comes twice in one object")
    return document


def _losses(given: Any, kept: Any, place: str) -> Iterator[Problem]:
    if isinstance(given, dict):
        for key in kept.keys() - given.keys():
            yield place, _missing(key)
        for key, value in given.items():
            inner = f"{place}.{key}".removeprefix(".")
            if key in kept:
                yield from _losses(value, kept[key], inner)
            elif value is None:
                yield inner, "null stands for nothing here: leave the key out"
    elif isinstance(given, list):
        if len(kept) < len(given) > len(set(given)):
            yield place, "a value comes twice"
        for number, (one, other) in enumerate(zip(given, kept, strict=False)):
            yield from _losses(one, other, f"{place}[{number}]")


# Words


def _problem(value: Any, kind: inspect.Type) -> str:
    return _key_problem(value, kind) or f"{_words(kind)} is wanted, and this is {_shown(value)}"


def _key_problem(value: Any, kind: inspect.Type) -> str:
    """Name a key that an object must not have, or that it lacks; empty where there is none."""
    if isinstance(kind, inspect.UnionType):
        kind = kind.types[0]
    if not (isinstance(kind, inspect.StructType) and isinstance(value, dict)):
        return ""
    known = {field.encode_name: field for field in kind.fields}
    for key in value:
        if key not in known:
            return f"the key {_shown(key)} is not one of the format"
    for key, field in known.items():
        if field.default is NODEFAULT and key not in value:
            return _missing(key)
    return ""


def _missing(key: str) -> str:
    return f"the key {_shown(key)} is missing"


def _row_problem(place: str, rows: list[Any]) -> Problem | None:
    for number, row in enumerate(rows):
        if not (isinstance(row, str) and _is_row(row)):
            return f"{place}[{number}]", f"{_ROW_WORDS} is wanted, and this is {_shown(row)}"
    return None


def _is_row(text: str) -> bool:
    try:
        return _ROW.fullmatch(text) is not None or bool(_parse_partial(text))
    except ValueError:
        return False


def _inner(kind: Any, key: str) -> Any:
    """Return the type of what is in a list, or in an object by this key."""
    match kind:
        case inspect.UnionType(types=(inner, *_)):
            return _inner(inner, key)
        case inspect.StructType(fields=fields):
            field: Any = {one.encode_name: one for one in fields}[key]
            # What is None by default is left out of a file, and never null.
            return field.type.types[0] if field.default is None else field.type
        case _:
            return kind.item_type


def _words(kind: inspect.Type) -> str:  # noqa: PLR0911 (a line for each type)
    """Say what a type takes."""
    match kind:
        case inspect.Metadata(extra=extra):
            return str((extra or {})["words"])
        case inspect.UnionType(types=types):
            return " or ".join(map(_words, types))
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least}" + (f" to {most}" if most else " on")
        case inspect.StrType(min_length=least, max_length=most) if least:
            return f"text of 1 to {most} characters" if most else "text that is not empty"
        case inspect.LiteralType(values=values):
            return _one_of(values)
        case inspect.EnumType(cls=cls):
            return _one_of(one.value for one in cls)
        case inspect.VarTupleType(min_length=1) | inspect.CustomType():
            return "a list that is not empty"
        case _:
            return _PLAIN_WORDS[type(kind)]


def _one_of(values: Iterable[object]) -> str:
    return " or ".join(map(_shown, values))


def _shown(value: object) -> str:
    """Write a value as its file has it, cut short; of what is in a list or an object, nothing."""
    match value:
        case []:
            return "an empty list"
        case list():
            return "a list"
        case dict():
            return "an object"
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
