"""Profiles as JSON: strict to read, canonical to write. The schema is published beside it."""

import re
from functools import lru_cache

import msgspec

from simulator.facts.cpuid import CpuidTable, Key, Registers
from simulator.kernel.containers import Stated
from simulator.profiles.profile import NodeProfile, ProfileDocument, ProfileError

#: Nodes of a large fleet share few CPUs: so many tables are remembered.
_MOST_TABLES = 1024

_HEX = "0x([0-9a-f]{8})"
ROW = re.compile(rf"{_HEX} 0x([0-9a-f]{{1,8}}): {' '.join([_HEX] * 4)}")

_FIELDS = ProfileDocument.__struct_fields__


def parse_profile(data: bytes, name: str, where: str) -> NodeProfile:
    """Read a profile; ``where`` names its file in errors. Raises ProfileError.

    Its shape is checked here; ``profile_checks`` asks whether its facts agree with each other.
    """
    try:
        document = _read(data, where)
    except RecursionError as error:
        raise ProfileError(where, "", "nested too deeply to be a profile") from error
    return NodeProfile(name=name, **{field: getattr(document, field) for field in _FIELDS})


def format_profile(profile: NodeProfile) -> str:
    """Write a profile in the one canonical way: fixed order, no defaults, one value a line."""
    document = ProfileDocument(**{field: getattr(profile, field) for field in _FIELDS})
    try:
        return msgspec.json.format(_ENCODER.encode(document), indent=2).decode() + "\n"
    except UnicodeEncodeError as error:
        problem = "half of a surrogate pair is no character"
        raise ProfileError(profile.name, "", problem) from error


def _read(data: bytes, where: str) -> ProfileDocument:
    asked = Stated.asked
    try:
        document = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        from simulator.profiles.profile_errors import explain

        raise ProfileError(where, *explain(data, str(error))) from error
    if Stated.asked > asked or not _is_read_whole(data, document):
        from simulator.profiles.profile_errors import find_loss

        for path, problem in find_loss(data, _ENCODER.encode(document)):
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
    return b"\\u" not in data and data.count(b'"') == _ENCODER.encode(document).count(b'"')


@lru_cache(_MOST_TABLES)
def _parse_rows(rows: tuple[str, ...]) -> CpuidTable:
    return CpuidTable(map(_parse_row, rows))


def _parse_row(text: str) -> tuple[Key, Registers]:
    row = ROW.fullmatch(text)
    if row is None:
        raise ValueError("no row of CPUID's answers")
    leaf, subleaf, *values = (int(digits, 16) for digits in row.groups())
    return (leaf, subleaf), Registers(*values)


@lru_cache(_MOST_TABLES)
def _format_rows(table: CpuidTable) -> list[str]:
    return [f"{row[0]} {row[1]}: {' '.join(row[2:])}" for row in table.rows()]


def _decode(_: type, rows: object) -> CpuidTable:
    """Make the one type that JSON does not have; TypeError and ValueError say that it is none."""
    if not isinstance(rows, list):
        raise TypeError("no list of rows")
    return _parse_rows(tuple(rows))


_DECODER = msgspec.json.Decoder(ProfileDocument, dec_hook=_decode)
_ENCODER = msgspec.json.Encoder(enc_hook=_format_rows, order="deterministic")
