"""Recorded nodes: found by listing a folder, each of them sound, wrong names answered well."""

import os
from pathlib import Path

import pytest

from simulator.profiles import store as fixtures
from simulator.profiles.profile import NodeProfile, OriginKind, ProfileError
from simulator.profiles.store import (
    UnknownNodeError,
    fixture_names,
    fixtures_folder,
    is_no_profile,
    load_node,
    load_profile,
)
from support.images import build
from support.samples import read_vectors
from support.simulated_nodes import RELEASES
from support.simulated_profiles import captured_nodes, encoded, good_document, recorded_nodes

NODES = recorded_nodes()
CAPTURED = captured_nodes()
COMPOSED = [one for one in NODES.values() if one.origin.kind is OriginKind.COMPOSED]


def generation_of(profile: NodeProfile) -> str:
    return profile.facts().release.generation.name


def test_there_are_at_least_120_nodes() -> None:
    assert len(NODES) >= 120


def test_they_are_listed_by_name() -> None:
    assert list(NODES) == fixture_names() == sorted(NODES)
    assert set(NODES) == {path.stem for path in Path(fixtures_folder()).iterdir()}


def test_a_node_is_found_by_listing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "b.1.json").write_bytes(encoded(good_document()))
    (tmp_path / "a.json").write_bytes(encoded(good_document()))
    (tmp_path / "README.md").write_text("no node\n")
    monkeypatch.setattr(fixtures, "fixtures_folder", lambda: str(tmp_path))
    assert fixture_names() == ["a", "b.1"]
    assert [load_node(name).name for name in fixture_names()] == ["a", "b.1"]
    assert load_node("b.1").name == "b.1"


def test_an_installed_package_has_them_inside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        fixtures, "__file__", str(tmp_path / "simulator" / "profiles" / "fixtures.py")
    )
    assert fixtures_folder() == str(tmp_path / "fixtures")
    (tmp_path / "simulator" / "fixtures").mkdir(parents=True)
    assert fixtures_folder() == str(tmp_path / "simulator" / "fixtures")


def test_35_boots_and_3_nodes_that_vzcptcheck_captured_are_captured_nodes() -> None:
    sources = [one.origin.source for one in CAPTURED]
    assert sum("booted under" in source for source in sources) == 35
    assert sum(source.startswith("vzcptcheck 1.0.0 capture on ") for source in sources) == 3
    assert len(CAPTURED) == 38
    assert {one.kernel.vz_version is not None for one in CAPTURED} == {True}


def test_every_cpu_that_kernels_were_asked_about_is_in_some_composed_node() -> None:
    sources = [one.origin.source for one in COMPOSED]
    used = {source.removeprefix("registers: ").partition(" (")[0] for source in sources}
    assert {row["cpu"] for row in read_vectors("caps.tsv")} <= used


def test_every_generation_and_kind_of_machine_is_there() -> None:
    assert {generation_of(one) for one in COMPOSED} == set(RELEASES)
    assert {one.kernel.machine for one in NODES.values()} == {"x86_64", "i686", "ia64"}


def test_a_composed_node_never_says_that_it_was_captured() -> None:
    assert all(one.origin.source.startswith("registers: ") for one in COMPOSED)
    assert not any(one.origin.source.startswith("registers: ") for one in CAPTURED)


@pytest.mark.parametrize("name", NODES)
def test_a_node_boots(name: str) -> None:
    profile = NODES[name]
    kernel = profile.boot()
    if "vzrst" in profile.kernel.modules:
        assert kernel.capabilities() == profile.answers.capability_number
    assert list(kernel.containers) == [one.ctid for one in profile.containers]


# By name or by path


def test_a_node_is_loaded_by_its_name() -> None:
    assert load_node("ia64.028stab056.1") == NODES["ia64.028stab056.1"]


def test_a_node_is_loaded_by_its_path_and_named_for_its_file(here: Path) -> None:
    path = here / "my.node.json"
    path.write_bytes(encoded(good_document()))
    assert load_node("my.node.json").name == "my.node"
    assert load_node(str(path)) == load_profile(path)


def test_a_name_goes_before_a_file_and_a_path_does_not(here: Path) -> None:
    (here / "ia64.028stab056.1").write_bytes(encoded(good_document()))
    assert load_node("ia64.028stab056.1").kernel.machine == "ia64"
    assert load_node("./ia64.028stab056.1").kernel.machine == "x86_64"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ia64.028stab056.2", "; did you mean ia64.028stab056.1"),
        ("fixtures/ia64.028stab056.1.json", ""),
        ("???", "; see 'vzcptsim nodes'"),
        ("no\0path", "; see 'vzcptsim nodes'"),
    ],
)
def test_an_unknown_name_brings_those_near_it(here: Path, name: str, hint: str) -> None:
    with pytest.raises(UnknownNodeError) as caught:
        load_node(name)
    assert str(caught.value).startswith(f"no node is recorded as {name!r}, and no file is there")
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("/", "Is a directory"),
        ("", "Is a directory"),
        # The first page of memory: there, and not to be read.
        ("/proc/self/mem", "Input/output error"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_profile_error(path: str, problem: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_node(path)
    assert str(caught.value) == f"{path or '.'}: {problem}"


def test_a_file_too_large_for_a_profile_is_not_read_whole(here: Path) -> None:
    path = here / "node.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ProfileError, match=r"node\.json: over 1 MiB, which no profile has"):
        load_node(str(path))


def test_a_file_that_goes_is_a_profile_error(here: Path) -> None:
    with pytest.raises(ProfileError, match=r"node\.json: No such file or directory"):
        load_profile(here / "node.json")


def test_an_error_in_a_profile_names_its_file_and_the_path_in_it(here: Path) -> None:
    document = good_document()
    document["answers"]["image_version"] = 0x801
    (here / "node.json").write_bytes(encoded(document))
    with pytest.raises(ProfileError) as caught:
        load_node("node.json")
    assert str(caught.value).startswith("node.json: answers.image_version: 2049 is stated")


# What is no profile, and may be a checkpoint image


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        *(
            (data, True)
            for data in (build(), b"\x78" + build()[1:], b"", b"\x79\x1c", b"no", b"[]")
        ),
        # A profile begins with this byte, but has no zeros.
        (b"{" + build()[1:], True),
        *((data, False) for data in (b"{}", b" \n{", encoded(good_document()))),
    ],
)
def test_what_is_no_json_object_is_no_profile(here: Path, data: bytes, expected: bool) -> None:
    (here / "file").write_bytes(data)
    assert is_no_profile("file") is expected


def test_a_name_may_say_that_it_is_a_profile(here: Path) -> None:
    for name in ("node.json", "ia64.028stab056.1"):
        (here / name).write_bytes(build())
        assert not is_no_profile(name)
    assert is_no_profile("./ia64.028stab056.1")


def test_what_is_no_regular_file_is_not_looked_into(here: Path) -> None:
    os.mkfifo("pipe")
    for path in (".", "pipe", "missing", "/dev/zero"):
        assert not is_no_profile(path)


def test_a_file_that_cannot_be_looked_into_is_a_profile_error() -> None:
    with pytest.raises(ProfileError, match=r"^/proc/self/mem: Input/output error$"):
        is_no_profile("/proc/self/mem")
