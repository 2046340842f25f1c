"""What is wrong with a file that is no profile: where in it, in plain words.

A profile that is right needs nothing of this: it is imported for others alone.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from msgspec import NODEFAULT, inspect

from simulator.profiles.profile import ProfileDocument
from simulator.profiles.profile_json import ROW

#: A place in a profile, as in containers[0].needs, and what is wrong there.
Problem = tuple[str, str]

_MOST_SHOWN = 60

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_MESSAGE = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_STEP = re.compile(r"\.(\w+)|\[([0-9]+)\]")
_ROW_WORDS = 'a row as "0x00000001 0x0: 0x000206d7 0x00000000 0x00000000 0x00000000"'

_PLAIN_WORDS: dict[type[inspect.Type], str] = {
    inspect.NoneType: "null",
    inspect.BoolType: "true or false",
    inspect.StrType: "text",
    inspect.VarTupleType: "a list",
    inspect.FrozenSetType: "a list",
    inspect.StructType: "an object",
}


def explain(data: bytes, message: str) -> Problem:
    """Return what is wrong with data that are no profile.

    ``message`` is msgspec's, which ends with the place. Raises RecursionError.
    """
    try:
        document = _load(data)
    except UnicodeDecodeError as error:
        return "", f"not UTF-8 at byte {error.start}"
    except ValueError as error:
        return "", f"not JSON: {error}"
    root = inspect.type_info(ProfileDocument)
    found = _MESSAGE.fullmatch(message)
    # The name of an unknown key of the whole may be anything, and end as a message does.
    if found is None or _key_problem(document, root):
        return "", _problem(document, root)
    problem, place = found.groups()
    kind, value = root, document
    for key, number in _STEP.findall(place):
        kind = _inner(kind, key)
        value = value[int(number) if number else key]
    place = place.removeprefix(".")
    if isinstance(kind, inspect.CustomType) and isinstance(value, list):
        return _row_problem(place, value) or (place, problem)
    return place, _problem(value, kind)


def find_loss(data: bytes, canonical: bytes) -> Iterator[Problem]:
    """Yield what a profile says and what is not in its canonical form, or the other way round.

    What differs and means the same is passed over: a default that is stated, another order.
    """
    try:
        document = _load(data)
    except ValueError as error:
        yield "", f"not JSON: {error}"
    else:
        yield from _losses(document, json.loads(canonical), "")


def _load(data: bytes) -> Any:
    """Read JSON; ValueError for what Python's own parser lets pass."""
    text = data.decode("utf-8")
    document = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_number)
    if "\\u" in text and _HALF_CHARACTER.search(json.dumps(document, ensure_ascii=False)):
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
        if not (isinstance(row, str) and ROW.fullmatch(row)):
            return f"{place}[{number}]", f"{_ROW_WORDS} is wanted, and this is {_shown(row)}"
    return None


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
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
