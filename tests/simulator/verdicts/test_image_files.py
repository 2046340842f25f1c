"""What is taken for an image, and what becomes of files that cannot be read."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from simulator.verdicts.image_files import ImageFileError, is_image, load_image
from support.images import build
from support.simulated_profiles import encoded, good_document
from vzcptcheck.syscalls import LinuxSyscalls


def file(folder: Path, data: bytes, name: str = "file") -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


@pytest.mark.parametrize(
    "data",
    [
        build(),
        b"\x78" + build()[1:],
        # A profile begins with this byte, but has no zeros.
        b"{" + build()[1:],
        b"",
        b"\x79\x1c",
        b"neither",
        b"[]",
    ],
)
def test_what_is_no_json_object_is_an_image(tmp_path: Path, data: bytes) -> None:
    assert is_image(file(tmp_path, data))


@pytest.mark.parametrize("data", [b"{}", b" \n{", encoded(good_document())])
def test_what_begins_as_a_json_object_is_a_profile(tmp_path: Path, data: bytes) -> None:
    assert not is_image(file(tmp_path, data))


def test_a_name_may_say_that_it_is_a_profile(tmp_path: Path) -> None:
    assert not is_image(file(tmp_path, build(), "node.json"))


def test_a_recorded_nodes_name_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "042stab141.3.SandyBridge.default"
    file(tmp_path, build(), name)
    monkeypatch.chdir(tmp_path)
    assert not is_image(name)
    assert is_image(f"./{name}")


def test_what_is_no_regular_file_is_not_looked_into(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe", tmp_path / "missing", "/dev/zero"):
        assert not is_image(str(source))


def test_a_pipe_or_a_folder_is_an_image_of_no_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path, tmp_path / "pipe"):
        assert load_image(str(source)).size == 0


def test_an_image_is_read(tmp_path: Path) -> None:
    image = load_image(file(tmp_path, build()))
    assert (image.size, len(image.sections)) == (25072, 24)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageFileError, match=r"/missing: No such file or directory$"):
        load_image(str(tmp_path / "missing"))


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def test_an_errno_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file(tmp_path, build())
    monkeypatch.setattr("builtins.open", failing(errno.EACCES))
    with pytest.raises(ImageFileError, match=f"^{path}: Permission denied$"):
        is_image(path)
    monkeypatch.setattr(LinuxSyscalls, "pread", failing(errno.EIO))
    with pytest.raises(ImageFileError, match=f"^{path}: read: Input/output error"):
        load_image(path)


def test_a_file_that_becomes_shorter_is_an_error_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LinuxSyscalls, "pread", lambda *_: b"")
    with pytest.raises(ImageFileError, match=r"it became shorter .* Ask again when nobody"):
        load_image(file(tmp_path, build()))
