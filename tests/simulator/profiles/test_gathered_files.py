"""What was gathered, as an archive or as a folder: files of known names, and within bounds."""

import io
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.profiles.gathered_files import (
    MOST_BYTES,
    GatheredError,
    cpuid_file,
    read_files,
    read_folder,
    read_packed,
)
from support.gathered import FILES, TOP, add, packed

#: What of the files is read: /proc/version is for people.
READ = {name: data for name, data in FILES.items() if name != "proc/version"}


def write(folder: Path, files: dict[str, bytes] | None = None) -> Path:
    for name, data in (files or dict(FILES)).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2"])
def test_an_archive_is_read_compressed_or_not(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(packed(FILES, mode))
    assert read_files(str(path)) == READ


def test_names_may_begin_with_the_working_folder() -> None:
    assert read_packed(packed(FILES, top=f"./{TOP}")) == READ


def test_a_folder_is_read_or_the_one_in_it(tmp_path: Path) -> None:
    write(tmp_path / TOP)
    assert read_files(str(tmp_path)) == READ
    assert read_files(str(tmp_path / TOP)) == READ


@pytest.mark.parametrize("others", [{}, dict.fromkeys(["cpuid/x", "cpuid/.0", "other"], b"x")])
def test_names_in_a_folder_that_are_none_of_the_scripts_are_passed_over(
    others: dict[str, bytes], tmp_path: Path
) -> None:
    write(tmp_path, {"about": b"x", **others})
    assert read_folder(tmp_path) == {"about": b"x"}


def test_the_file_of_a_processor_has_its_number() -> None:
    assert cpuid_file(12) == "cpuid/12"


def test_what_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_files(str(tmp_path / "none"))


OTHER_NAMES = [
    "../about", f"/{TOP}/about", f"{TOP}/../about", f"{TOP}/../{TOP}/about",
    f"{TOP}/proc/../about", f"{TOP}/cpuid/../about", f"{TOP}/cpuid/x", f"{TOP}/cpuid/12345",
    f"{TOP}/cpuid/\u0661", f"{TOP}/etc/shadow", "about", TOP,
]  # fmt: skip
OTHER_KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        *((name, {}) for name in OTHER_NAMES),
        *((f"{TOP}/about", {"type": kind, "linkname": "/etc/passwd"}) for kind in OTHER_KINDS),
    ],
)
def test_no_other_name_or_kind_is_looked_at(name: str, traits: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        add(archive, name, b"" if traits else b"evil", **traits)
    assert read_packed(buffer.getvalue()) == {}


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_link, "a link, and no plain file"),
        (Path.mkdir, "no plain file"),
        (os.mkfifo, "no plain file"),
    ],
)
def test_what_is_no_plain_file_in_a_folder_is_refused(
    make: Callable[[Path], None], problem: str, tmp_path: Path
) -> None:
    make(tmp_path / "about")
    with pytest.raises(GatheredError) as caught:
        read_folder(tmp_path)
    assert str(caught.value) == f"about: {problem}"


def test_a_folder_that_cannot_be_read_is_the_systems_error(tmp_path: Path) -> None:
    write(tmp_path, {"proc": b"a file"})
    with pytest.raises(NotADirectoryError):
        read_folder(tmp_path)


MANY_PROCESSORS = {f"cpuid/{number}": b"" for number in range(30)}
LARGE = {"proc/cpuinfo": bytes(MOST_BYTES), "about": b"x"}


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param(MANY_PROCESSORS, "cpuid: more than 16 processors", id="processors"),
        pytest.param(LARGE, "files of more than 2 MiB", id="bytes"),
    ],
)
def test_there_are_bounds(files: dict[str, bytes], problem: str, tmp_path: Path) -> None:
    for read in (
        lambda: read_packed(packed(files, "w:gz")),
        lambda: read_folder(write(tmp_path, files)),
    ):
        with pytest.raises(GatheredError) as caught:
            read()
        assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not the archive that vzcptcheck-gather.sh writes"),
        (b"#!/bin/sh\n", "not the archive that vzcptcheck-gather.sh writes"),
        (packed(FILES, "w:gz")[:-20], "what is compressed here ends too early"),
    ],
)
def test_what_is_no_archive_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(GatheredError) as caught:
        read_packed(data)
    assert problem in str(caught.value)


@given(data=st.data())
@settings(max_examples=60)
def test_a_spoiled_archive_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(packed(FILES, data.draw(st.sampled_from(["w", "w:gz"]))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(whole)))
    with suppress(GatheredError):
        assert set(read_packed(bytes(whole[:end]))) <= set(READ)
