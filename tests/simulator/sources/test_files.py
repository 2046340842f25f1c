"""Files, folders and standard input, read within bounds."""

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from simulator.dumps.pasted import as_lines, as_text
from simulator.sources.files import (
    SourceError,
    decode,
    read_beginning,
    read_file,
    read_folder,
    read_input,
    read_plain_file,
    title_of,
)

MIB = 1 << 20


def problem(function: Callable[..., object], *arguments: object) -> str:
    with pytest.raises(SourceError) as caught:
        function(*arguments)
    assert str(caught.value).endswith(f": {caught.value.problem}")
    return str(caught.value)


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(MIB))
    assert read_file(str(path), MIB, "thing") == bytes(MIB)
    path.write_bytes(bytes(MIB + 1))
    assert problem(read_file, str(path), MIB, "thing") == f"{path}: over 1 MiB, which no thing has"
    assert read_beginning(str(path), 3) == bytes(3)


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(str(tmp_path / "none"), MIB, "thing")
    assert read_plain_file(str(tmp_path / "none"), MIB) is None


def test_standard_input_is_read_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert read_input(str(tmp_path / "file"), 1, "thing") == b"x"
    for data in (b"x", b"xx"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        if data == b"x":
            assert read_input("-", 1, "thing") == data
        else:
            assert problem(read_input, "-", 1, "thing").startswith("standard input: over 0 MiB")
    monkeypatch.setattr(sys, "stdin", None)
    assert problem(read_input, "-", 1, "thing") == "standard input: it is closed"


def test_titles() -> None:
    assert [title_of(name) for name in ("-", "./a", "")] == ["standard input", "./a", "."]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.symlink_to("/etc/hostname"), "a link, and no plain file"),
        (Path.mkdir, "no plain file"),
        (os.mkfifo, "no plain file"),
    ],
)
def test_what_is_no_plain_file_is_not_opened_for_long(
    make: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "one"
    make(path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert problem(read_plain_file, str(path), 9) == f"{path}: {expected}"
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_plain_file_is_read_in_part_or_refused_by_the_system(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"12345")
    assert read_plain_file(str(tmp_path / "one"), 3) == b"123"
    with pytest.raises(NotADirectoryError):
        read_plain_file(str(tmp_path / "one" / "inside"), 3)


def test_wanted_files_of_a_folder_and_of_those_in_it_are_read(tmp_path: Path) -> None:
    for name in ("b", "a", "x", "in/a", "in/deep/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b2").symlink_to("nowhere")

    def wanted(name: str) -> bool:
        return name.rpartition("/")[2] in ("a", "b", "b2")

    read = read_folder(str(tmp_path), wanted, 6, "thing")
    assert list(read.items()) == [("a", b"a"), ("b", b"b"), ("in/a", b"in/a")]
    message = problem(read_folder, str(tmp_path), wanted, 5, "thing")
    assert message == f"{tmp_path}: over 0 MiB, which no thing has"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_of_any_system(encoding: str) -> None:
    data = " Bär\r\nnext\n".encode(encoding)
    assert decode(data) == " Bär\r\nnext\n"
    assert as_lines(as_text(data)) == ["Bär", "next", ""]


def test_what_is_no_character_is_replaced() -> None:
    assert decode(b"\xff") == "\ufffd"


def test_a_line_of_a_whole_disk_is_several() -> None:
    assert [len(line) for line in as_lines("x" * 70_000)] == [65_536, 4_464]
