"""What is written to files: whole or not at all."""

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.output import write_atomically


def test_a_file_has_all_chunks(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_text("old", "utf-8")
    write_atomically(str(path), iter(["a\n", "Ω\n"]))
    assert path.read_text("utf-8") == "a\nΩ\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def chunks() -> Iterator[str]:
        yield "begun"
        raise KeyboardInterrupt

    path = tmp_path / "report"
    path.write_text("old", "utf-8")
    with pytest.raises(KeyboardInterrupt):
        write_atomically(str(path), chunks())
    assert path.read_text("utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path) -> None:
    def chunks() -> Iterator[str]:
        yield "begun"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(str(tmp_path / "report"), chunks())
    assert caught.value.filename == str(tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_an_error_names_the_file_and_not_the_draft(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "report"
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(str(path), ["a"])
    assert caught.value.filename == str(path)


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(path.read_text("utf-8")))
    reader.start()
    write_atomically(str(path), ["a", "b"])
    reader.join()
    assert read == ["ab"]
    assert path.is_fifo()
