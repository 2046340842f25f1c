"""Profiles as JSON: canonical to write, strict to read, and never anything but ProfileError."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.kernel.containers import Container, Needs, Process
from simulator.profiles.profile import KernelFacts, NodeProfile, ProfileDocument, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import format_profile, parse_profile
from simulator.profiles.store import fixture_names, fixtures_folder
from support.programs import validator
from support.simulated_profiles import ROWS, Document, encoded, good_document, profiles

#: Steps into a document: a key each, or a place in a list.
Place = tuple[str | int, ...]

WHERE = "some/node.json"


def parse(data: bytes) -> NodeProfile:
    return parse_profile(data, "node", WHERE)


def refusal(data: bytes) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        parse(data)
    assert caught.value.where == WHERE
    assert str(caught.value).startswith(f"{WHERE}: ")
    return caught.value


def written(path: Place) -> str:
    """Write a path as errors do."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def place(text: str) -> Place:
    """Read a path as errors write it."""
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"[^].[]+", text))


def places(document: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Yield every place in a document with what is there, itself first."""
    yield path, document
    steps: Any = ()
    if isinstance(document, dict):
        steps = document.items()
    elif isinstance(document, list):
        steps = enumerate(document)
    for step, value in steps:
        yield from places(value, (*path, step))


def at(document: Any, path: Place) -> Any:
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Place, value: Any) -> Any:
    """Put a value into a place, and return the whole."""
    if not path:
        return value
    at(document, path[:-1])[path[-1]] = value
    return document


PLACES = list(places(good_document()))
OBJECTS = [path for path, value in PLACES if isinstance(value, dict)]
MEMBERS = [(path, key) for path in OBJECTS for key in at(good_document(), path)]


# The schema

VALIDATOR = validator("profile")
SCHEMA: Any = VALIDATOR.schema

#: What a schema says for people, or about lists alone that Python has no type for.
UNCOMPARED = {"$schema", "$id", "$defs", "title", "description", "default", "uniqueItems"}

ROW = SCHEMA["properties"]["cpus"]["items"]["properties"]["cpuid"]["items"]["pattern"]


def plain(schema: Any, definitions: Any) -> Any:
    """Return a schema without references and words, and in one of the ways to say a thing."""
    if isinstance(schema, list):
        return [plain(one, definitions) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    made = {key: plain(one, definitions) for key, one in schema.items() if key not in UNCOMPARED}
    if "anyOf" in made:
        (made, null) = made["anyOf"]
        made["type"] = [made["type"], null["type"]]
    if "const" in made:
        made["enum"] = [made.pop("const")]
    for key in {"enum", "required"} & made.keys():
        made[key] = sorted(made[key])
    return made


def of_structs() -> Any:
    """Return the schema that msgspec makes of the structs, with what it cannot know."""
    rows = {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": ROW}}
    made = msgspec.json.schema(ProfileDocument, schema_hook=lambda _: rows)
    for struct in (ProfileDocument, KernelFacts, Container, Process, Needs):
        schema = made["$defs"][struct.__name__]
        for one in msgspec.structs.fields(struct):
            if one.default_factory is not msgspec.NODEFAULT:
                schema["required"].append(one.encode_name)
            if one.default is None:
                (schema["properties"][one.encode_name], _) = schema["properties"][one.encode_name][
                    "anyOf"
                ]
    return plain(made, made["$defs"])


def test_the_schema_says_what_the_structs_say() -> None:
    assert of_structs() == plain(SCHEMA, SCHEMA["$defs"])


# Canonical


@pytest.mark.parametrize("name", fixture_names())
def test_a_fixture_is_written_as_it_is(name: str) -> None:
    data = Path(fixtures_folder(), f"{name}.json").read_bytes()
    assert format_profile(parse_profile(data, name, name)).encode() == data


def test_the_good_profile_keeps_everything() -> None:
    assert json.loads(format_profile(parse(encoded(good_document())))) == good_document()


def test_what_is_by_default_is_not_written() -> None:
    document = good_document()
    document["origin"]["utrace"] = True
    document["kernel"]["slm_without_module"] = False
    contents = document["containers"][0]["origin"]
    contents["unsupported_devices"] = contents["unsupported_mounts"] = []
    contents["processes"][0] |= {"bits": 64, "vdso": True, "policy": "normal", "keys": False}
    formatted = json.loads(format_profile(parse(encoded(document))))
    assert "utrace" not in formatted["origin"]
    assert "slm_without_module" not in formatted["kernel"]
    assert set(formatted["containers"][0]["origin"]) == {"processes", "dump_failure"}
    process = formatted["containers"][0]["origin"]["processes"][0]
    assert not {"bits", "vdso", "policy", "keys"} & set(process)


def test_cpuid_rows_and_modules_are_put_in_order() -> None:
    document = good_document()
    rows = list(document["cpus"][0]["cpuid"])
    document["cpus"][0]["cpuid"].reverse()
    document["kernel"]["modules"].reverse()
    formatted = json.loads(format_profile(parse(encoded(document))))
    assert formatted["cpus"][0]["cpuid"] == rows
    assert formatted["kernel"]["modules"] == ["vzcpt", "vzrst"]


def test_text_is_not_escaped_beyond_need() -> None:
    document = good_document()
    document["cpus"][0]["model_name"] = "Ω™ \N{GRINNING FACE}"
    assert "Ω™ \N{GRINNING FACE}" in format_profile(parse(encoded(document)))


@given(profiles)
@settings(max_examples=60)
def test_what_is_written_can_be_read(profile: NodeProfile) -> None:
    data = format_profile(profile).encode()
    assert parse_profile(data, profile.name, WHERE) == profile


# Strict: every place of a good profile, spoiled


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: written(path) or "profile")
def test_an_unknown_key_is_refused(path: Place) -> None:
    document = good_document()
    at(document, path)["unheard_of"] = 1
    error = refusal(encoded(document))
    assert error.path == written(path)
    assert error.problem == 'the key "unheard_of" is not one of the format'


#: Keys that may be left out: each has a default.
OPTIONAL = {
    "utrace", "slm_without_module", "unsupported_devices", "unsupported_mounts", "dump_failure",
    "bits", "vdso", "used_fpu", "entered", "policy", "traced", "private_mounts", "mempolicy",
    "keys", "kernel_thread",
}  # fmt: skip


def is_optional(path: Place, key: str) -> bool:
    return key in OPTIONAL or (len(path) == 2 and path[0] == "containers" and key == "origin")


@pytest.mark.parametrize(
    ("path", "key"), MEMBERS, ids=[written((*path, key)) for path, key in MEMBERS]
)
def test_a_key_that_is_not_optional_must_be_there(path: Place, key: str) -> None:
    document = good_document()
    del at(document, path)[key]
    if is_optional(path, key):
        parse(encoded(document))
    else:
        error = refusal(encoded(document))
        assert error.path == written(path)
        assert error.problem == f'the key "{key}" is missing'


#: Where null says that something is not known, or not there, and what else it may be.
NULLABLE: dict[str | int, type] = {
    "vz_version": str,
    "model_name": str,
    "microcode": str,
    "flags": str,
    "cpuid_override": str,
    "image_version": int,
    "accepted_versions": list,
    "capability_number": int,
    "needs": dict,
}
OF_EACH_TYPE: list[Any] = [None, True, 7, "text", [], {}]


def is_fine(path: Place, value: Any, other: Any) -> bool:
    """Tell whether a value is of a type that may stand where another does."""
    if path and path[-1] in NULLABLE:
        return value is None or type(value) is NULLABLE[path[-1]]
    return type(value) is type(other)


@pytest.mark.parametrize(
    ("path", "other"), PLACES, ids=[written(path) or "profile" for path, _ in PLACES]
)
def test_a_value_of_another_type_is_refused(path: Place, other: Any) -> None:
    for value in OF_EACH_TYPE:
        if not is_fine(path, value, other):
            error = refusal(encoded(put(good_document(), path, value)))
            assert error.path == written(path), value


ROW_0 = good_document()["cpus"][0]["cpuid"][0]
PROCESS = "containers[0].origin.processes[0]"
OUT_OF_BOUNDS: dict[str, list[Any]] = {
    "format": [0, 2],
    "origin.kind": ["guessed"],
    "origin.source": [""],
    "kernel.release": [""],
    "kernel.machine": ["sparc64"],
    "kernel.boot_options[0]": ["", "two words", "noxsave\n"],
    "kernel.boot_options": [["noxsave", "noxsave"]],
    "kernel.modules[0]": ["vzmon"],
    "kernel.modules": [["vzcpt", "vzcpt"]],
    "cpus[0].processors": ["", "0-", "0,", "0-3\n", "10000", "-1", "٣"],
    "cpus[0].cpuid": [[], [ROW_0, ROW_0]],
    "cpus[0].cpuid[0]": ["0x0 0x0: 0x0 0x0 0x0 0x0", f"{ROW_0}\n", ROW_0.upper()],
    "answers.image_version": [0, 0x80000000],
    "answers.accepted_versions": [[1, 1]],
    "answers.accepted_versions[0]": [-1, 0x80000000],
    "answers.capability_number": [0, -1],
    "containers[0].ctid": [0, 0x80000000],
    "containers[0].state": ["paused"],
    "containers[0].needs.caps": [-1, 0x100000000],
    "containers[0].needs.reports[0]": [""],
    "containers[0].origin.processes": [[]],
    "containers[0].origin.unsupported_devices[0]": [""],
    "containers[0].origin.unsupported_mounts[0]": [""],
    "containers[0].origin.dump_failure": [""],
    f"{PROCESS}.pid": [0],
    f"{PROCESS}.host_pid": [0],
    f"{PROCESS}.name": ["", "x" * 16],
    f"{PROCESS}.bits": [16],
    f"{PROCESS}.entered": ["friend"],
    f"{PROCESS}.policy": ["deadline"],
}


@pytest.mark.parametrize(
    ("path", "value"), [(path, value) for path in OUT_OF_BOUNDS for value in OUT_OF_BOUNDS[path]]
)
def test_a_value_out_of_bounds_is_refused(path: str, value: Any) -> None:
    assert refusal(encoded(put(good_document(), place(path), value))).path == path


@pytest.mark.parametrize("number", ["2.0", "2051.0", "1e2", "true"])
@pytest.mark.parametrize("place", ["ctid", "image_version", "format"])
def test_a_number_that_is_no_integer_is_refused(place: str, number: str) -> None:
    text = encoded(good_document()).decode()
    old = {"ctid": '"ctid": 101', "image_version": '"image_version": 2051', "format": '"format": 1'}
    assert text.count(old[place]) == 1
    error = refusal(text.replace(old[place], f'"{place}": {number}').encode())
    assert error.path.endswith(place)
    assert error.problem.endswith(f" is wanted, and this is {json.dumps(json.loads(number))}")


STATES = '"running" or "stopping" or "stopped" or "locked" or "suspended" or "unknown"'
ROW_AS = 'a row as "0x00000001 0x0: 0x000206d7 0x00000000 0x00000000 0x00000000"'

#: What stands in a place, what is said that is wanted there, and how that which stands is told.
WORDS: dict[str, tuple[Any, str, str]] = {
    "format": (2, "1", "2"),
    "origin": ([], "an object", "an empty list"),
    "kernel": ([1], "an object", "a list"),
    "origin.source": ("", "text that is not empty", '""'),
    "origin.utrace": (0, "true or false", "0"),
    "kernel.vz_version": (7, "text or null", "7"),
    "kernel.boot_options": ({}, "a list", "an object"),
    "kernel.boot_options[0]": ("a b", "text without spaces", '"a b"'),
    "kernel.modules": (None, "a list", "null"),
    "kernel.modules[1]": ("vz", '"vzcpt" or "vzrst"', '"vz"'),
    "cpus[0].processors": ("all", 'numbers of processors as in "0-3,8"', '"all"'),
    "cpus[0].cpuid": ({ROWS[0]: 1}, "a list that is not empty", "an object"),
    "cpus[1].cpuid[2]": ("0x1", ROW_AS, '"0x1"'),
    "answers.image_version": (0, "a whole number from 1 to 2147483647 or null", "0"),
    "answers.accepted_versions": (1, "a list or null", "1"),
    "containers[0].needs.caps": ("text", "a whole number from 0 to 4294967295", '"text"'),
    "containers[0].origin": (5, "an object", "5"),
    "containers[0].origin.processes": ([], "a list that is not empty", "an empty list"),
    f"{PROCESS}.pid": (0, "a whole number from 1 on", "0"),
    f"{PROCESS}.name": ("x" * 5000, "text of 1 to 15 characters", f'"{"x" * 59}...'),
    "containers[1].state": ("paused", STATES, '"paused"'),
}


@pytest.mark.parametrize("path", WORDS)
def test_what_is_wanted_is_said_in_plain_words(path: str) -> None:
    value, wanted, this = WORDS[path]
    error = refusal(encoded(put(good_document(), place(path), value)))
    assert (error.path, error.problem) == (path, f"{wanted} is wanted, and this is {this}")


@pytest.mark.parametrize("key", ["origin", "entered"])
def test_what_is_not_known_and_may_be_left_out_is_not_null(key: str) -> None:
    document = good_document()
    container = document["containers"][0]
    (container if key == "origin" else container["origin"]["processes"][1])[key] = None
    error = refusal(encoded(document))
    assert error.path.endswith(f".{key}")
    assert error.problem == "null stands for nothing here: leave the key out"


def test_a_key_may_not_pass_for_the_end_of_a_message() -> None:
    error = refusal(encoded({**good_document(), "x` - at `$.kernel.release": 1}))
    assert error.path == ""
    assert error.problem == 'the key "x` - at `$.kernel.release" is not one of the format'


def test_a_row_may_come_twice_if_it_is_spelled_otherwise() -> None:
    document = good_document()
    rows = document["cpus"][0]["cpuid"]
    rows.append(rows[0].replace(" 0x0: ", " 0x00: "))
    assert parse(encoded(document)) == parse(encoded(good_document()))


@pytest.mark.parametrize("missing", ["format", "reports"])
def test_a_key_that_comes_twice_is_no_match_for_one_that_is_missing(missing: str) -> None:
    document = good_document()
    del (document if missing == "format" else document["containers"][0]["needs"])[missing]
    data = encoded(document).replace(b'"traced": true', b'"traced": true, "traced": true')
    assert refusal(data).problem == 'not JSON: the key "traced" comes twice in one object'


def test_a_quote_may_be_written_by_its_number() -> None:
    data = encoded(good_document()).replace(b"Some CPU", b"\\u0022CPU\\u0022")
    assert parse(data).cpus[0].model_name == '"CPU"'


def test_a_key_that_is_written_by_numbers_is_the_same_key() -> None:
    data = encoded(good_document()).replace(b'"ctid": 101', b'"ctid": 101, "\\u0063tid": 101')
    assert refusal(data).problem == 'not JSON: the key "ctid" comes twice in one object'


def test_quotes_that_are_written_by_numbers_make_up_for_no_key_that_comes_twice() -> None:
    data = encoded(good_document()).replace(b"Some CPU", b"\\u0022CPU\\u0022")
    twice = data.replace(b'"ctid": 101', b'"ctid": 101, "ctid": 101')
    assert refusal(twice).problem == 'not JSON: the key "ctid" comes twice in one object'


def test_two_answers_of_cpuid_to_one_leaf_are_refused() -> None:
    document = good_document()
    document["cpus"][1]["cpuid"].append("0x00000001 0x00: " + " ".join(["0x00000000"] * 4))
    error = refusal(encoded(document))
    assert error.path == "cpus[1].cpuid"
    assert "leaf 0x00000001 subleaf 0x0 has two different answers" in error.problem


def test_a_cpu_without_leaf_0_is_refused() -> None:
    document = good_document()
    del document["cpus"][0]["cpuid"][0]
    error = refusal(encoded(document))
    assert error.path == "cpus[0].cpuid"
    assert "leaf 0x00000000 is not there" in error.problem


# Not even JSON


NO_PROFILE = {
    "nothing": (b"", "not JSON: "),
    "cut short": (b"{", "not JSON: "),
    "two": (b"{} {}", "not JSON: "),
    "byte order mark": (b"\xef\xbb\xbf{}", "not JSON: "),
    "not UTF-8": (b'{"format": 1\xff}', "not UTF-8 at byte 12"),
    "half a character": (b'["\xed\xa0\x80"]', "not UTF-8 at byte 2"),
    "half, escaped": (b'["\\ud800"]', "not JSON: half of a surrogate pair"),
    "half, in a key": (b'{"\\udfff": 1}', "not JSON: half of a surrogate pair"),
    "huge number": (b"[" + b"9" * 5000 + b"]", "not JSON: "),
    "deep": (b"[" * 100_000, "nested too deeply"),
    "no number": (b"NaN", "not JSON: NaN is no number"),
    "infinite": (b'{"format": -Infinity}', "not JSON: -Infinity is no number"),
    "a list": (b"[]", "an object is wanted, and this is an empty list"),
    "null": (b"null", "an object is wanted, and this is null"),
}


@pytest.mark.parametrize(("data", "problem"), NO_PROFILE.values(), ids=NO_PROFILE)
def test_what_is_no_profile_at_all_is_refused(data: bytes, problem: str) -> None:
    error = refusal(data)
    assert error.path == ""
    assert error.problem.startswith(problem)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"format": 1, "format": 1}', "format"),
        ('{"format": 1, "origin": {"kind": 1, "source": 2, "kind": 3}}', "kind"),
        ('[{"": 1, "": 2}]', ""),
    ],
)
def test_a_key_that_comes_twice_is_refused(text: str, key: str) -> None:
    expected = f'not JSON: the key "{key}" comes twice in one object'
    assert refusal(text.encode()).problem == expected


@pytest.mark.parametrize("depth", [100, 300, 500, 700, 900, 990, 2000, 100_000])
@pytest.mark.parametrize(
    "path",
    [("format",), ("kernel", "boot_options"), ("kernel", "modules"), ("containers", 0, "needs")],
    ids=written,
)
def test_nesting_of_any_depth_is_refused(path: Place, depth: int) -> None:
    mark = "here"
    text = encoded(put(good_document(), path, [mark, mark])).decode()
    deep = "[" * depth + "]" * depth
    refusal(text.replace(f'"{mark}"', deep).encode())


def test_a_character_beyond_the_first_plane_may_be_escaped() -> None:
    data = encoded(good_document()).replace(b"Some CPU", b"\\ud83d\\ude00")
    assert parse(data).cpus[0].model_name == "\N{GRINNING FACE}"


GOOD = encoded(good_document())


def is_read_or_refused(data: bytes) -> bool:
    try:
        return check_profile(parse(data), WHERE).name == "node"
    except ProfileError as error:
        return error.where == WHERE


@given(st.binary())
@example(b"\x00")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert is_read_or_refused(data)


def any_value(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | numbers | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=5,
    )


values = any_value(st.floats())

#: To a schema 2.0 is a whole number.
unmistakable = any_value(st.floats().filter(lambda number: not number.is_integer()))


@given(st.sampled_from([path for path, _ in PLACES]), values)
@settings(max_examples=80)
def test_any_value_in_any_place_is_read_or_refused(path: Place, value: Any) -> None:
    assert is_read_or_refused(json.dumps(put(good_document(), path, value)).encode())


@given(st.sampled_from([path for path, _ in PLACES]), unmistakable)
@settings(max_examples=200)
def test_what_is_read_is_what_the_schema_takes(path: Place, value: Any) -> None:
    document = put(good_document(), path, value)
    is_valid = VALIDATOR.is_valid(document)
    with nullcontext() if is_valid else pytest.raises(ProfileError):
        parse(json.dumps(document).encode())


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=4))
@settings(max_examples=80)
def test_any_damage_is_read_or_refused(begin: int, length: int, instead: bytes) -> None:
    assert is_read_or_refused(GOOD[:begin] + instead + GOOD[begin + length :])


def test_a_good_document_is_good() -> None:
    document: Document = good_document()
    assert check_profile(parse(encoded(document)), WHERE).containers[0].ctid == 101
