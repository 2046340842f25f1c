"""Register dumps of libcpuid, hwloc and libvirt: each form, its versions, what is refused."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import hwloc, libcpuid, libvirt
from simulator.dumps.model import CpuDump, infer_mode
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import ZEROS, CpuidTable, MissingLeafError, Registers
from simulator.sources import archive
from support.dumps import is_parsed_or_refused, numbers, refusal, refused_at, registers
from support.samples import sample

Answers = dict[tuple[int, int], Registers]

A8_7680 = sample("a8-7680.libcpuid.txt")

OPTERON_6272 = sample("opteron-6272.hwloc.txt")

CORE_I7_2600 = sample("core-i7-2600.libvirt.xml")


def dumped(number: int, table: CpuidTable, form: str) -> CpuDump:
    return CpuDump(str(number), table, infer_mode(table), form)


# libcpuid


def test_libcpuid() -> None:
    first, second = parse_dump(A8_7680.encode())
    assert (first.cpus, second.cpus, first.form) == ("0", "1", "libcpuid raw")
    assert first.table[0xD, 0] == Registers(7, 0x340, 0x3C0, 0x4000_0000)
    assert first.table[0x8000_0001, 0].edx == 0x2FD3_FBFF
    assert first.table[0x8000_001D, 1].eax == 0x4122
    assert len(first.table) == 8
    assert len(second.table) == 2


def test_old_libcpuid_knows_one_cpu_and_has_no_headings() -> None:
    [dump] = libcpuid.parse(A8_7680.split("\n")[4:14])
    assert (dump.cpus, dump.table) == ("0", parse_dump(A8_7680.encode())[0].table)


def test_leaf_0_again_begins_a_cpu_of_libcpuids() -> None:
    one = "basic_cpuid[0]=1 2 3 4\n"
    assert [dump.cpus for dump in libcpuid.parse((one * 2).split("\n"))] == ["0", "1"]


def test_libcpuid_names_arrays_in_decimal_and_in_hexadecimal() -> None:
    text = (
        "basic_cpuid[0]=20 0 0 0\nintel_fn11[1]=1 2 3 4\nintel_fn12h[2]=5 6 7 8\n"
        "intel_fn14h[0]=1 0 0 0\namd_fn80000026h[1]=9 0 0 0\n"
    )
    [dump] = libcpuid.parse(text.split("\n"))
    assert list(dump.table) == [(0, 0), (0xB, 1), (0x12, 2), (0x14, 0), (0x8000_0026, 1)]


@pytest.mark.parametrize(
    ("alone", "is_told"),
    [
        # Nothing bears it out, its own leaf is no zeros, and its own leaf is zeros.
        ("", False),
        ("basic_cpuid[18]=1 0 0 0\n", False),
        ("basic_cpuid[18]=0 0 0 0\n", True),
    ],
)
def test_an_array_of_zeros_may_be_one_that_was_not_gathered(alone: str, is_told: bool) -> None:
    rows = "".join(f"intel_fn12h[{number}]=0 0 0 0\n" for number in range(2))
    [dump] = libcpuid.parse(f"basic_cpuid[0]=20 0 0 0\n{alone}{rows}".split("\n"))
    assert ((0x12, 1) in dump.table) == is_told


def test_an_array_says_its_subleaves_and_a_leaf_by_itself_does_not() -> None:
    text = (
        "basic_cpuid[0]=20 0 0 0\nbasic_cpuid[4]=5 0 0 0\nbasic_cpuid[11]=0 1 2 6\n"
        "intel_fn4[1]=9 0 0 0\nintel_fn11[0]=0 1 2 4\n"
    )
    [dump] = libcpuid.parse(text.split("\n"))
    assert [dump.table[4, 0].eax, dump.table[4, 1].eax] == [5, 9]
    assert dump.table[0xB, 0].edx == 4


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\nbasic_cpuid[0]=1 2 3\n", 2, "not an answer as libcpuid raw writes them"),
        ("basic_cpuid[1]=1 2 3 4\n", 1, "CPU 0, which begins here: leaf 0x00000000 is not there"),
        (
            "basic_cpuid[0]=1 2 3 4\nintel_fn4[0]=1 0 0 0\nintel_fn4[0]=2 0 0 0\n",
            1,
            "leaf 0x00000004 subleaf 0x0 has two different answers",
        ),
        ("basic_cpuid[0]=1 2 3 4\nintel_fnaa[0]=1 2 3 4\n", 2, "not a leaf as libcpuid raw"),
        ("----------\nbasic_cpuid[0]=1 2 3 4\n", None, "no CPU comes before the row of dashes"),
    ],
)
def test_libcpuid_is_refused(text: str, line: int | None, message: str) -> None:
    assert message in refused_at(text.encode(), "libcpuid", line)


def write_libcpuid(table: CpuidTable) -> str:
    lines = []
    for (leaf, subleaf), answer in table.items():
        figures = " ".join(f"{value:08x}" for value in answer)
        if leaf in (0x4, 0xB):
            lines.append(f"intel_fn{leaf}[{subleaf}]={figures}")
        elif leaf in (0x12, 0x8000_001D):
            lines.append(f"{'amd' if leaf >> 31 else 'intel'}_fn{leaf:x}h[{subleaf}]={figures}")
        else:
            array = "ext" if leaf >> 31 else "basic"
            lines.append(f"{array}_cpuid[{leaf & 0xFFFF}]={figures}")
    return "\n".join(lines) + "\n"


#: No answer is of zeros: those may be left out.
libcpuid_tables = st.dictionaries(
    st.tuples(st.sampled_from([0, 1, 7, 0xD, 31, 0x8000_0000, 0x8000_001F]), st.just(0))
    | st.tuples(st.sampled_from([0x4, 0xB, 0x12, 0x8000_001D]), st.integers(0, 7)),
    registers.filter(any),
).map(lambda answers: CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items()))


@given(st.lists(libcpuid_tables, min_size=1, max_size=3), st.booleans())
def test_libcpuid_round_trips(cpus: list[CpuidTable], has_headings: bool) -> None:
    heading = "_________________ Logical CPU #{} _________________\n" if has_headings else ""
    text = "".join(
        heading.format(number) + write_libcpuid(table) for number, table in enumerate(cpus)
    )
    expected = [dumped(number, table, "libcpuid raw") for number, table in enumerate(cpus)]
    assert parse_dump(text.encode()) == expected


# hwloc


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


def tar(files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT, **traits: object) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as file:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for trait, value in traits.items():
                setattr(member, trait, value)
            file.addfile(member, io.BytesIO(data))
    return stream.getvalue()


ARCHIVE = tar({"m/hwloc-cpuid-info": b"x", "m/pu1": OPTERON_6272.encode()})


@pytest.mark.parametrize("pack", [bytes, bz2.compress, gzip.compress, lzma.compress])
def test_hwloc_archive(pack: Callable[[bytes], bytes]) -> None:
    [dump] = parse_dump(pack(ARCHIVE))
    assert dump.cpus == "1"
    assert dump.table == hwloc.parse(OPTERON_6272.split("\n"))[0].table


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("folder", ["a" * 90 + "/" + "b" * 30, "m"])
def test_archives_of_each_format(form: int, folder: str) -> None:
    data = tar({f"{folder}/pu7": OPTERON_6272.encode(), f"{folder}/x": b"y"}, form, mtime=0.5)
    assert [dump.cpus for dump in parse_dump(data)] == ["7"]


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
    monkeypatch.setattr(archive, "_PIECE", piece)
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
        assert "unpacks to more than 1 MiB" in refusal(pack(bytes(3 << 20))).message


def test_an_archive_of_too_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 2)
    files = {f"file{number}": b"" for number in range(3)}
    assert "more than 2 files" in refusal(tar(files)).message


@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_a_damaged_archive_is_parsed_or_refused(damage: bytes, where: int) -> None:
    damaged = ARCHIVE[:where] + damage + ARCHIVE[where + len(damage) :]
    assert is_parsed_or_refused(damaged)


# libvirt


def test_libvirt() -> None:
    [dump] = parse_dump(CORE_I7_2600.encode())
    assert (dump.cpus, dump.mode, dump.form) == ("0", "64-bit", "libvirt")
    assert dump.table[0xD, 1].eax == 1
    assert dump.table.family == 6


def test_another_leafs_answer_is_no_feature() -> None:
    """Leaf 0xd of this Intel CPU, its last, comes for Transmeta's and Centaur's first leaves."""
    [dump] = parse_dump(CORE_I7_2600.encode())
    assert dump.table[0xC000_0000, 0].eax == 7
    for leaf in (0xC000_0000, 0xC000_0001, 0x8086_0000, 0x8086_0001):
        assert dump.table.answer(leaf, 0) == ZEROS
    assert not {0xC000_0000, 0x8086_0000} & {leaf for leaf, _ in dump.table.without_foreign()}


def test_old_libvirt_says_function_and_no_subleaf() -> None:
    old = CORE_I7_2600.replace("eax_in", "function").replace(" ecx_in='0x00'", "")
    old = old.replace(" ecx_in='0x01'", "").replace(" arch='x86'", "")
    [dump] = parse_dump(old.encode())
    assert dump.table[0xD, 0].eax == 1
    with pytest.raises(MissingLeafError):
        dump.table[0xD, 1]


def test_an_encoding_that_is_declared_is_that_of_the_file() -> None:
    text = f"<?xml version='1.0' encoding='UTF-16'?>\n{CORE_I7_2600}"
    assert parse_dump(text.encode("utf-16"))[0] == parse_dump(CORE_I7_2600.encode())[0]


#: A megabyte of nothing for each &b;, if it were believed.
LAUGHS = "<!DOCTYPE cpudata [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;'>]>\n"
ROW = "<cpuid eax_in='0' ecx_in='0' eax='0x1' ebx='0x756e6547' ecx='0x6c65746e' edx='0x49656e69'/>"


DOCTYPE = "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>\n<cpudata>"
WITHOUT_LEAF = "<cpudata>\n" + ROW.replace("eax_in='0' ", "")
WITHOUT_EDX = "<cpudata>\n" + ROW.replace(" edx='0x49656e69'", "")
LARGE = "<cpudata>" + ROW.replace("0x1", "0x100000000")
TWO_ANSWERS = f"<cpudata>{ROW}{ROW.replace('0x1', '0x2')}</cpudata>"
REFUSED: dict[str, tuple[str, int | None, str]] = {
    "entities": (LAUGHS + CORE_I7_2600, 1, "a document type is declared"),
    "doctype": (DOCTYPE, 1, "a document type"),
    "entity": ("<cpudata>\n&b;", 2, "not XML: undefined entity"),
    "cut": ("<cpudata>\n", 2, "not XML: no element found"),
    "empty": ("<cpudata/>", None, "leaf 0x00000000 is not there"),
    "root": ("\n<cpu><cpudata/></cpu>", 2, "<cpu> stands where <cpudata>"),
    "arch": ("<cpudata arch='ppc64'/>", 1, "another architecture: 'ppc64'"),
    "leaf": (WITHOUT_LEAF, 2, "<cpuid> without eax_in"),
    "register": (WITHOUT_EDX, 2, "without edx"),
    "33 bits": (LARGE, 1, "eax is no number of 32"),
    "sign": ("<cpudata>" + ROW.replace("0x1", "-1"), 1, "eax is no number"),
    "two answers": (TWO_ANSWERS, None, "leaf 0x00000000 subleaf 0x0 has two different answers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_libvirt_is_refused(name: str) -> None:
    text, line, message = REFUSED[name]
    assert message in refused_at(text.encode(), "libvirt", line)


def test_what_is_inside_of_an_answer_is_none() -> None:
    nested = f"<cpudata>{ROW}<cpuset>{ROW.replace('0x1', '0x2')}</cpuset></cpudata>"
    assert libvirt.parse(nested) == libvirt.parse(f"<cpudata>{ROW}</cpudata>")


@given(st.dictionaries(st.tuples(numbers, numbers), registers))
def test_libvirt_round_trips(answers: Answers) -> None:
    table = CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items())
    rows = "".join(
        f"<cpuid eax_in='{leaf:#010x}' ecx_in='{subleaf:#04x}' "
        + " ".join(
            f"{name}='{value:#010x}'" for name, value in zip(Registers._fields, answer, strict=True)
        )
        + "/>\n"
        for (leaf, subleaf), answer in table.items()
    )
    text = f"<cpudata arch='x86'>\n{rows}</cpudata>\n"
    assert parse_dump(text.encode()) == [dumped(0, table, "libvirt")]
