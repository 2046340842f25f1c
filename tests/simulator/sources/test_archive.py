"""Archives and what is compressed: large ones, hostile ones, and those of Podman's kind."""

import bz2
import gzip
import lzma
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from simulator.sources import archive, compression
from simulator.sources.archive import is_archive, read_archive, read_archive_file
from simulator.sources.files import SourceError
from support.samples import tar

FILES = {"a": b"one", "folder/b": b"two" * 400, "c": bytes(512)}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
}


def every(_: str) -> bool:
    return True


def problem(data: bytes) -> str:
    with pytest.raises(SourceError) as caught:
        read_archive(data, every)
    return caught.value.problem


@pytest.mark.parametrize("kind", PACKERS)
def test_each_kind_is_read(kind: str, tmp_path: Path) -> None:
    data = PACKERS[kind](tar(FILES))
    assert is_archive(data)
    assert read_archive(data, every) == FILES
    path = tmp_path / kind
    path.write_bytes(data)
    assert read_archive_file(str(path), "folder/b".__eq__) == {"folder/b": FILES["folder/b"]}


@pytest.mark.parametrize("kind", [kind for kind in PACKERS if kind != "tar"])
def test_what_is_damaged_at_its_end_is_refused(kind: str) -> None:
    """The files are whole, and the sum over them is not: who packed it has not ended."""
    data = PACKERS[kind](tar(FILES) + bytes(1 << 16))
    assert "ends too early" in problem(data[:-3])
    assert "not soundly compressed" in problem(data[:8] + b"\xff" * 40 + data[48:])


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_not_wanted_is_not_kept(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's memory may be larger than all that is kept, or unpacked in memory."""
    for limit in ("MAX_KEPT", "MAX_BYTES"):
        monkeypatch.setattr(archive, limit, 1 << 16)
    path = tmp_path / kind
    path.write_bytes(PACKERS[kind](tar({"pages-1.img": bytes(3 << 20), **FILES})))
    assert read_archive_file(str(path), FILES.__contains__) == FILES
    with pytest.raises(SourceError, match="an archive with more than 0 MiB to look at"):
        read_archive_file(str(path), every)


def test_a_bomb_in_a_file_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES_OF_FILE", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(zstd.compress(tar({"pages-1.img": bytes(2 << 20)})))
    with pytest.raises(SourceError) as caught:
        read_archive_file(str(path), every)
    expected = "an archive that unpacks to more than 1 MiB: unpack it, and name the folder"
    assert caught.value.problem == expected


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("size", [600, 1700])
def test_an_archive_that_is_cut_is_refused_packed_too(kind: str, size: int) -> None:
    said = problem(PACKERS[kind](tar(FILES)[:size]))
    assert said.startswith("not a sound tar archive")


@pytest.mark.parametrize("piece", [1, 100])
def test_a_header_may_begin_anywhere_in_a_piece(
    piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "_PIECE", piece)
    for pack in PACKERS.values():
        assert read_archive(pack(tar(FILES)), every) == FILES


def test_zstd_takes_a_library_where_python_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zstd.compress(tar(FILES))
    monkeypatch.setitem(sys.modules, "compression.zstd", zstd)
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    assert read_archive(data, every) == FILES
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    assert problem(data).startswith(
        "compressed by zstd, which this Python does not read: 'pip install backports.zstd', or"
    )


# Headers


def header(size: int, kind: bytes = tarfile.REGTYPE, name: str = "x") -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def extended(size: str) -> bytes:
    record = f" size={size}\n"
    length = len(record) + 2
    data = f"{length}{record}".encode()
    return header(len(data), tarfile.XHDTYPE) + data.ljust(512, b"\0")


def test_a_size_of_an_extended_header_counts() -> None:
    """Go and POSIX write the size of a file over 8 GiB there alone."""
    data = (
        extended("1000") + header(0) + bytes(1024) + header(3, name="y") + b"abc".ljust(512, b"\0")
    )
    assert read_archive(data + bytes(1024), every) == {"x": bytes(1000), "y": b"abc"}
    for size in ("-1", "9" * 19, "x"):
        assert "the size in an extended header is no number" in problem(extended(size))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_sizes_that_no_file_has(kind: bytes) -> None:
    assert problem(header(-5, kind) + bytes(1024)).endswith("it ends within a file")
    assert problem(header(4000, kind) + bytes(1024)).endswith("it ends within a file")
    assert problem(header(1 << 40, kind) + bytes(1024)).endswith("16 MiB to look at")
    unwanted = header(-5, tarfile.GNUTYPE_SPARSE) + bytes(1024)
    assert problem(unwanted).endswith("it ends within a file")


def test_long_names_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_KEPT", 1000)
    one = header(600, tarfile.GNUTYPE_LONGNAME) + bytes(1024) + header(0)
    assert read_archive(one + bytes(1024), every) == {"x": b""}
    assert "to look at" in problem(one * 2 + bytes(1024))


@given(st.sampled_from(sorted(PACKERS)), st.binary(max_size=600), st.integers(0, 4000))
def test_a_damaged_archive_is_read_or_refused(kind: str, damage: bytes, where: int) -> None:
    data = PACKERS[kind](tar(FILES))
    damaged = data[:where] + damage + data[where + len(damage) :]
    try:
        read = read_archive(damaged, every)
    except SourceError as error:
        said = error.problem
    else:
        said = " ".join(read)
    assert "\0" not in said


names = st.from_regex(r"[abé]([ab/é]{0,150}[abé])?", fullmatch=True)


@given(st.dictionaries(names, st.binary(max_size=1100), min_size=1))
def test_any_files_round_trip(files: dict[str, bytes]) -> None:
    assert read_archive(gzip.compress(tar(files)), every) == files
