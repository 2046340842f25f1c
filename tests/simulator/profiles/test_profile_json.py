"""Profiles as JSON: canonical to write, strict to read, and never anything but ProfileError."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import (
    container_document,
    format_profile,
    load_schema,
    parse_container,
    parse_profile,
)
from simulator.profiles.store import fixture_names, fixtures_folder
from support.simulated_profiles import Document, encoded, good_document, profiles

#: A step into a document: a key, or a place in a list.
Path = tuple[str | int, ...]

WHERE = "some/node.json"


def parse(data: bytes) -> NodeProfile:
    return parse_profile(data, "node", WHERE)


def refusal(data: bytes) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        parse(data)
    assert caught.value.where == WHERE
    assert str(caught.value).startswith(f"{WHERE}: ")
    return caught.value


def written(path: Path) -> str:
    """Write a path as errors do."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def places(document: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every place in a document with what is there, itself first."""
    yield path, document
    steps: Any = ()
    if isinstance(document, dict):
        steps = document.items()
    elif isinstance(document, list):
        steps = enumerate(document)
    for step, value in steps:
        yield from places(value, (*path, step))


def at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def put(document: Any, path: Path, value: Any) -> Any:
    """Put a value into a place, and return the whole."""
    if not path:
        return value
    at(document, path[:-1])[path[-1]] = value
    return document


PLACES = list(places(good_document()))
OBJECTS = [path for path, value in PLACES if isinstance(value, dict)]
MEMBERS = [(path, key) for path in OBJECTS for key in at(good_document(), path)]


# The schema


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(load_schema())


def test_the_schema_names_every_key_that_there_is() -> None:
    def keys(schema: Any) -> Iterator[str]:
        for _, value in places(schema):
            if isinstance(value, dict) and isinstance(value.get("properties"), dict):
                yield from value["properties"]

    used = {key for _, key in MEMBERS}
    assert set(keys(load_schema())) == used


def test_no_object_of_the_schema_takes_unknown_keys() -> None:
    for path, value in places(load_schema()):
        if isinstance(value, dict) and "properties" in value and value.get("type"):
            assert value["additionalProperties"] is False, path


# Canonical


@pytest.mark.parametrize("name", fixture_names())
def test_a_fixture_is_written_as_it_is(name: str) -> None:
    data = (fixtures_folder() / f"{name}.json").read_bytes()
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


@given(profiles)
@settings(max_examples=30)
def test_a_container_alone_can_be_written_and_read(profile: NodeProfile) -> None:
    for container in profile.containers:
        assert parse_container(container_document(container)) == container


# Strict: every place of a good profile, spoiled


@pytest.mark.parametrize("path", OBJECTS, ids=lambda path: written(path) or "profile")
def test_an_unknown_key_is_refused(path: Path) -> None:
    document = good_document()
    at(document, path)["unheard_of"] = 1
    error = refusal(encoded(document))
    assert error.path == written(path)
    assert "'unheard_of' was unexpected" in error.problem


#: Keys that may be left out: each has a default.
OPTIONAL = {
    "utrace",
    "slm_without_module",
    "unsupported_devices",
    "unsupported_mounts",
    "dump_failure",
    "bits",
    "vdso",
    "used_fpu",
    "entered",
    "policy",
    "traced",
    "private_mounts",
    "mempolicy",
    "keys",
    "kernel_thread",
}


def is_optional(path: Path, key: str) -> bool:
    return key in OPTIONAL or (len(path) == 2 and path[0] == "containers" and key == "origin")


@pytest.mark.parametrize(
    ("path", "key"), MEMBERS, ids=[written((*path, key)) for path, key in MEMBERS]
)
def test_a_key_that_is_not_optional_must_be_there(path: Path, key: str) -> None:
    document = good_document()
    del at(document, path)[key]
    if is_optional(path, key):
        parse(encoded(document))
    else:
        error = refusal(encoded(document))
        assert error.path == written(path)
        assert error.problem == f"'{key}' is a required property"


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


def is_fine(path: Path, value: Any, other: Any) -> bool:
    """Tell whether a value is of a type that may stand where another does."""
    if path and path[-1] in NULLABLE:
        return value is None or type(value) is NULLABLE[path[-1]]
    return type(value) is type(other)


@pytest.mark.parametrize(
    ("path", "other"), PLACES, ids=[written(path) or "profile" for path, _ in PLACES]
)
def test_a_value_of_another_type_is_refused(path: Path, other: Any) -> None:
    for value in OF_EACH_TYPE:
        if not is_fine(path, value, other):
            error = refusal(encoded(put(good_document(), path, value)))
            assert error.path == written(path), value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("format",), 0),
        (("format",), 2),
        (("origin", "kind"), "guessed"),
        (("origin", "source"), ""),
        (("kernel", "release"), ""),
        (("kernel", "machine"), "sparc64"),
        (("kernel", "boot_options", 0), ""),
        (("kernel", "boot_options", 0), "two words"),
        (("kernel", "boot_options", 0), "noxsave\n"),
        (("kernel", "boot_options"), ["noxsave", "noxsave"]),
        (("kernel", "modules", 0), "vzmon"),
        (("kernel", "modules"), ["vzcpt", "vzcpt"]),
        (("cpus", 0, "processors"), ""),
        (("cpus", 0, "processors"), "0-"),
        (("cpus", 0, "processors"), "0,"),
        (("cpus", 0, "processors"), "0-3\n"),
        (("cpus", 0, "processors"), "10000"),
        (("cpus", 0, "processors"), "-1"),
        (("cpus", 0, "processors"), "٣"),
        (("cpus", 0, "cpuid"), []),
        (("cpus", 0, "cpuid", 0), "0x0 0x0: 0x0 0x0 0x0 0x0"),
        (("cpus", 0, "cpuid", 0), good_document()["cpus"][0]["cpuid"][0] + "\n"),
        (("cpus", 0, "cpuid", 0), good_document()["cpus"][0]["cpuid"][0].upper()),
        (("cpus", 0, "cpuid"), [good_document()["cpus"][0]["cpuid"][0]] * 2),
        (("answers", "image_version"), 0),
        (("answers", "image_version"), 0x80000000),
        (("answers", "accepted_versions"), [1, 1]),
        (("answers", "accepted_versions", 0), -1),
        (("answers", "accepted_versions", 0), 0x80000000),
        (("answers", "capability_number"), 0),
        (("answers", "capability_number"), -1),
        (("containers", 0, "ctid"), 0),
        (("containers", 0, "ctid"), 0x80000000),
        (("containers", 0, "state"), "paused"),
        (("containers", 0, "needs", "caps"), -1),
        (("containers", 0, "needs", "caps"), 0x100000000),
        (("containers", 0, "needs", "reports", 0), ""),
        (("containers", 0, "origin", "processes"), []),
        (("containers", 0, "origin", "unsupported_devices", 0), ""),
        (("containers", 0, "origin", "unsupported_mounts", 0), ""),
        (("containers", 0, "origin", "dump_failure"), ""),
        (("containers", 0, "origin", "processes", 0, "pid"), 0),
        (("containers", 0, "origin", "processes", 0, "host_pid"), 0),
        (("containers", 0, "origin", "processes", 0, "name"), ""),
        (("containers", 0, "origin", "processes", 0, "name"), "x" * 16),
        (("containers", 0, "origin", "processes", 0, "bits"), 16),
        (("containers", 0, "origin", "processes", 0, "entered"), "friend"),
        (("containers", 0, "origin", "processes", 0, "policy"), "deadline"),
    ],
    ids=lambda value: written(value) if isinstance(value, tuple) else None,
)
def test_a_value_out_of_bounds_is_refused(path: Path, value: Any) -> None:
    assert refusal(encoded(put(good_document(), path, value))).path == written(path)


@pytest.mark.parametrize("number", ["2.0", "2051.0", "1e2", "NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("place", ["ctid", "image_version", "format"])
def test_a_number_that_is_no_integer_is_refused(place: str, number: str) -> None:
    text = encoded(good_document()).decode()
    old = {"ctid": '"ctid": 101', "image_version": '"image_version": 2051', "format": '"format": 1'}
    assert text.count(old[place]) == 1
    error = refusal(text.replace(old[place], f'"{place}": {number}').encode())
    assert error.problem == f"not JSON: {number} is no integer"


def test_a_long_problem_is_cut() -> None:
    document = put(good_document(), ("origin", "kind"), "x" * 5000)
    assert len(refusal(encoded(document)).problem) == 303


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


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(b"", "not JSON: ", id="nothing"),
        pytest.param(b"{", "not JSON: ", id="cut short"),
        pytest.param(b"{} {}", "not JSON: ", id="two"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON: ", id="byte order mark"),
        pytest.param(b'{"format": 1\xff}', "not UTF-8 at byte 12", id="not UTF-8"),
        pytest.param(b'["\xed\xa0\x80"]', "not UTF-8 at byte 2", id="half a character"),
        pytest.param(b'["\\ud800"]', "not JSON: half of a surrogate pair", id="half, escaped"),
        pytest.param(b'{"\\udfff": 1}', "not JSON: half of a surrogate pair", id="half, in a key"),
        pytest.param(b"[" + b"9" * 5000 + b"]", "not JSON: ", id="huge number"),
        pytest.param(b"[" * 100_000, "nested too deeply", id="deep"),
        pytest.param(b"[]", "[] is not of type 'object'", id="a list"),
        pytest.param(b"null", "None is not of type 'object'", id="null"),
    ],
)
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
    expected = f"not JSON: the key {key!r} comes twice in one object"
    assert refusal(text.encode()).problem == expected


@pytest.mark.parametrize("depth", [100, 300, 500, 700, 900, 990, 2000, 100_000])
@pytest.mark.parametrize(
    "path",
    [("format",), ("kernel", "boot_options"), ("kernel", "modules"), ("containers", 0, "needs")],
    ids=written,
)
def test_nesting_of_any_depth_is_refused(path: Path, depth: int) -> None:
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


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([path for path, _ in PLACES]), values)
@settings(max_examples=80)
def test_any_value_in_any_place_is_read_or_refused(path: Path, value: Any) -> None:
    assert is_read_or_refused(json.dumps(put(good_document(), path, value)).encode())


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.binary(max_size=4))
@settings(max_examples=80)
def test_any_damage_is_read_or_refused(begin: int, length: int, instead: bytes) -> None:
    assert is_read_or_refused(GOOD[:begin] + instead + GOOD[begin + length :])


def test_a_good_document_is_good() -> None:
    document: Document = good_document()
    assert check_profile(parse(encoded(document)), WHERE).containers[0].ctid == 101
