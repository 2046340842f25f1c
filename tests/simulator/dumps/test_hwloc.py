"""What hwloc gathers, in folders and archives, and what is refused."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import hwloc
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.sources import archive, compression
from support.dumps import (
    Answers,
    dumped,
    is_parsed_or_refused,
    numbers,
    refusal,
    refused_at,
    registers,
)
from support.samples import sample, tar

OPTERON_6272 = sample("opteron-6272.hwloc.txt")


def test_hwloc_folder() -> None:
    files = {
        "hwloc-cpuid-info": b"Architecture: x86\n",
        "pu10": OPTERON_6272.encode(),
        "pu2": OPTERON_6272.replace("100800", "2100800").encode(),
    }
    first, second = parse_dump(files)
    assert (first.cpus, second.cpus, first.form) == ("2", "10", "hwloc")
    assert first.table[1, 0].ebx == 0x0210_0800
    assert second.table[0xD, 0x3E] == Registers(0x80, 0x340, 0, 0)


def test_hwloc_file_of_one_processor() -> None:
    [dump] = parse_dump(OPTERON_6272.encode())
    assert dump == parse_dump({"pu0": OPTERON_6272.encode()})[0]


def test_hwlocs_mask_says_whether_ecx_mattered() -> None:
    """Bit 2 is ECX's: what was in it without that is no subleaf."""
    text = "1 0 0 5 0 => 1 2 3 4\nf 4 0 2 0 => 5 6 7 8\nb 5 0 3 0 => 9 0 0 0\n"
    [dump] = hwloc.parse(text.split("\n"))
    assert list(dump.table) == [(0, 0), (4, 2), (5, 0)]


@pytest.mark.parametrize(
    ("files", "line", "message"),
    [
        ({}, None, "hwloc: no file is named pu0, pu1..."),
        ({"puzzle": b"", "pu": b""}, None, "hwloc: no file is named pu0, pu1..."),
        (
            {"one/pu0": OPTERON_6272.encode(), "two/pu0": OPTERON_6272.encode()},
            None,
            "hwloc: processors are in several folders: one, two: take one",
        ),
        ({"pu3": b""}, None, "hwloc: pu3: CPU 3: leaf 0x00000000 is not there"),
        ({"pu3": b"1 0 0 0 0 => d\n"}, None, "pu3: line 1: not an answer as hwloc writes them"),
    ],
)
def test_hwloc_is_refused(files: dict[str, bytes], line: int | None, message: str) -> None:
    assert message in refused_at(files, "auto", line)


@given(
    st.dictionaries(
        st.integers(0, 9999),
        st.dictionaries(st.tuples(numbers, numbers), registers),
        min_size=1,
        max_size=3,
    )
)
def test_hwloc_round_trips(cpus: dict[int, Answers]) -> None:
    tables = {
        number: CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items())
        for number, answers in cpus.items()
    }
    files = {
        f"machine/pu{number}": "".join(
            f"5 {leaf:x} 0 {subleaf:x} 0 => {' '.join(f'{value:x}' for value in answer)}\n"
            for (leaf, subleaf), answer in table.items()
        ).encode()
        for number, table in tables.items()
    }
    assert parse_dump(files) == [dumped(number, tables[number], "hwloc") for number in sorted(cpus)]


# hwloc's archives


ARCHIVE = tar({"m/hwloc-cpuid-info": b"x", "m/pu1": OPTERON_6272.encode()})


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress, lzma.compress])
def test_hwloc_archive(pack: Callable[[bytes], bytes]) -> None:
    [dump] = parse_dump(pack(ARCHIVE))
    assert dump.cpus == "1"
    assert dump.table == hwloc.parse(OPTERON_6272.split("\n"))[0].table


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["a" * 90 + "/" + "b" * 30, "m"])
def test_archives_of_each_format(form: int, folder: str) -> None:
    data = tar({f"{folder}/pu7": OPTERON_6272.encode(), f"{folder}/x": b"y"}, form=form, mtime=0.5)
    assert [dump.cpus for dump in parse_dump(data)] == ["7"]


def test_an_archive_of_the_folder_itself() -> None:
    assert parse_dump(tar({"./pu1": OPTERON_6272.encode()})) == parse_dump(ARCHIVE)


def test_a_name_that_is_too_long_for_a_header_is_that_of_one_file() -> None:
    data = tar({"n" * 200 + "/pu7": b"", "m/pu8": OPTERON_6272.encode()}, type=tarfile.REGTYPE)
    assert "several folders: m, nnn" in refusal(data).message


def test_compressed_in_parallel() -> None:
    """Programs that do so write several streams, and what was on a tape ends in zeros."""
    half = len(ARCHIVE) // 2
    for pack in (bz2.compress, gzip.compress, lzma.compress):
        data = pack(ARCHIVE[:half]) + pack(ARCHIVE[half:]) + bytes(64)
        assert parse_dump(data) == parse_dump(ARCHIVE)
    assert "more than 256 compressed streams" in refusal(bz2.compress(b"") * 300).message


@pytest.mark.parametrize("piece", [1, 7, 100])
def test_streams_end_anywhere_in_a_piece(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_PIECE", piece)
    test_compressed_in_parallel()


def extended(records: bytes) -> bytes:
    """Return an archive whose first file has an extended header."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(records)
    padding = bytes(-len(records) % 512)
    return header.tobuf(tarfile.USTAR_FORMAT) + records + padding + ARCHIVE


def test_extended_headers() -> None:
    assert parse_dump(extended(b"11 mtime=1\n")) == parse_dump(ARCHIVE)
    assert parse_dump(extended(b""))
    assert "record of an extended header" in refusal(extended(b"mtime=1\n")).message
    # For which tarfile itself takes hours.
    assert "record of an extended header" in refusal(extended(b"9" * 1_000_000)).message
    assert parse_dump(extended(b"6 a=b\n" * 100_000)) == parse_dump(ARCHIVE)


@pytest.mark.parametrize(
    ("kind", "target"), [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "m/pu1")]
)
def test_links_of_an_archive_lead_nowhere(kind: bytes, target: str) -> None:
    linked = tar({"m/pu1": b""}, type=kind, linkname=target)
    assert "no file is named pu0" in refusal(linked).message


UNSOUND = {
    "no tar": (gzip.compress(b"no tar"), "is no tar archive"),
    "cut bz2": (bz2.compress(ARCHIVE)[:-9], "ends too early"),
    "cut gz": (gzip.compress(ARCHIVE)[:-9], "ends too early"),
    "cut xz": (lzma.compress(ARCHIVE)[:-9], "ends too early"),
    "bz2": (b"BZh9 is no bzip2", "not soundly compressed"),
    "gz": (b"\x1f\x8b is no gzip", "not soundly compressed"),
    "xz": (b"\xfd7zXZ\x00 is no xz", "not soundly compressed"),
    "cut tar": (ARCHIVE[:1100], "not a sound tar archive, at byte 1024"),
    "without its end": (ARCHIVE[:2048], "at byte 2048: empty header"),
    "cut file": (ARCHIVE[:1600], "it ends within a file"),
    "damaged": (ARCHIVE[:1024] + b"?" * 512, "at byte 1024: "),
    "cut header": (ARCHIVE[:257] + b"ustar", "not a sound tar archive"),
}


@pytest.mark.parametrize("name", UNSOUND)
def test_unsound_archives(name: str) -> None:
    data, message = UNSOUND[name]
    error = refusal(data)
    assert error.message.startswith("hwloc: ")
    assert message in error.message


def test_a_processors_file_that_is_too_large_is_not_parsed() -> None:
    error = refusal({"pu0": b"\n" * (1 << 19)}, "hwloc")
    assert "pu0: over 256 KiB, which no processor takes" in error.message


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    for pack in (bz2.compress, gzip.compress, lzma.compress):
        assert "unpacks to more than 1 MiB" in refusal(pack(tar({"x": bytes(3 << 20)}))).message


def test_an_archive_of_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    files = {f"file{number}": b"" for number in range(3)}
    assert "more than 2 files" in refusal(tar(files)).message


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_a_damaged_archive_is_parsed_or_refused(damage: bytes, where: int) -> None:
    damaged = ARCHIVE[:where] + damage + ARCHIVE[where + len(damage) :]
    assert is_parsed_or_refused(damaged)
