"""vzcptsim import: register dumps in, the project's JSON out."""

import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from simulator.dumps import recognise
from simulator.dumps.recognise import KEYS, parse_dump
from support.programs import answer, mistake, validator, vzcptsim
from support.samples import sample

KERNEL = "2.6.32-042stab113.5"

CELERON = sample("celeron-g1610.import.aida64.txt")

CPUINFO = "processor : 0\nvendor_id : GenuineIntel\ncpuid level : 13\nflags : fpu sse4_1\n"


def imported(*arguments: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the CPUs that are written, and what is said."""
    said = vzcptsim("import", *arguments)
    assert said.status == 0
    document: list[dict[str, Any]] = json.loads(said.stdout)
    validator("dump").validate(document)
    return document, said.stderr.splitlines()


def test_a_dump_is_recognised(here: Path) -> None:
    (here / "dump.txt").write_text(CELERON)
    [cpu], said = imported("dump.txt")
    assert (cpu["processors"], cpu["mode"]) == ("0-1", "32-bit")
    assert cpu["cpuid"][1][:3] == ["0x00000001", "0x0", "0x000306a9"]
    unknown = ["0x0000000d subleaf 0x1", "0x80000002", "0x80000003", "0x80000004"]
    assert cpu["unknown"] == unknown
    assert said == [
        "vzcptsim: dump.txt: AIDA64 or InstLatx64: 2 processors, 1 kind of CPU; unknown: "
        + ", ".join(unknown)
    ]


@pytest.mark.parametrize("key", ["aida64", "auto"])
def test_the_form_may_be_named(here: Path, key: str) -> None:
    (here / "dump.txt").write_text(CELERON)
    assert imported(key, "dump.txt") == imported("dump.txt")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CPUINFO.encode())))
    [cpu], said = imported("cpuinfo", "-")
    assert cpu["partial"] == [
        ["0x00000001", "0x0", None, None, "0x00080000/0x00080000", "0x00000001/0x00000001"]
    ]
    assert said[0].startswith(
        "vzcptsim: standard input: /proc/cpuinfo: 1 processor, 1 kind of CPU; unknown: bits of "
        "0x00000001, 0x00000007, 0x00000007 subleaf 0x1, 0x0000000d, "
    )


def test_what_is_written_to_a_file_can_be_imported_and_composed(here: Path) -> None:
    (here / "dump.txt").write_text(CELERON)
    assert vzcptsim("import", "dump.txt", "-o", "out.json")[:2] == (0, "")
    [cpu] = parse_dump((here / "out.json").read_bytes())
    assert (cpu.cpus, cpu.form) == ("0-1", "AIDA64 or InstLatx64")
    assert imported("json", "out.json")[0] == imported("dump.txt")[0]
    status, stdout, _ = vzcptsim("compose", "--cpuid", "out.json", "--kernel", KERNEL)
    assert status == 0
    assert "out.json, AIDA64 or InstLatx64, CPU 0-1, read in 32-bit mode" in stdout


def test_kinds_of_cpus_in_one_machine_are_told_in_one_line(here: Path) -> None:
    other = CELERON.replace("AffMask: 0x0000000000000001", "AffMask: 0x4").replace(
        "00000002\n", "00000008\n"
    )
    other = other.replace("00000281", "00000001").replace("28100000", "20100000")
    (here / "dump.txt").write_text(CELERON + other)
    cpus, said = imported("dump.txt")
    assert [cpu["processors"] for cpu in cpus] == ["0-1", "2-3"]
    assert "4 processors, 2 kinds of CPU" in said[0]
    assert said[1:] == [
        "vzcptsim: dump.txt: the processors are of several kinds: 2-3 differ from 0-1 in "
        "0x00000007 ebx, 0x80000001 edx"
    ]


#: A processor of four cores: the kernel's table of hardware feedback has a row for each.
FEEDBACK = """------[ Logical CPU #{0} ]------

CPUID 00000000: 0000000D-756E6547-6C65746E-49656E69
CPUID 00000001: 000B0671-{0:02X}080800-7FFAFBBF-BFEBFBFF
CPUID 00000006: 00DFCFF7-00000002-00000401-00{0:02X}0001
CPUID 0000000D: 0000001F-00000340-00000440-00000000 [SL 00]
CPUID 0000000D: 0000000F-00000340-00000000-00000000 [SL 01]
CPUID 0000000D: 00000100-00000240-00000000-00000000 [SL 02]
CPUID 0000000D: 00000040-000003C0-00000000-00000000 [SL 03]
CPUID 0000000D: 00000000-00000000-00000000-00000000 [SL 04]
CPUID 80000000: 80000001-00000000-00000000-00000000
CPUID 80000001: 00000000-00000000-00000121-2C100800

"""


def test_the_row_of_hardware_feedback_is_each_processors_own(here: Path) -> None:
    (here / "dump.txt").write_text("".join(map(FEEDBACK.format, range(4))))
    [cpu], said = imported("dump.txt")
    assert cpu["processors"] == "0-3"
    assert "4 processors, 1 kind of CPU" in said[0]


def test_a_component_without_a_size_was_not_recorded(here: Path) -> None:
    (here / "dump.txt").write_text(FEEDBACK.format(0))
    [cpu], _ = imported("dump.txt")
    rows = {(row[0], row[1]) for row in cpu["cpuid"]}
    assert ("0x0000000d", "0x3") in rows
    assert ("0x0000000d", "0x4") not in rows


def test_many_differences_are_counted(here: Path) -> None:
    (here / "dump.txt").write_text(CELERON + "CPU#0 AffMask: 4\n" + CELERON.split("\n")[1] + "\n")
    _, said = imported("dump.txt")
    assert said[1].endswith("0x0000000d eax, ebx, ecx, edx and 3 more")


def test_processors_may_differ_in_what_is_said_of_them(here: Path) -> None:
    block = CPUINFO + "microcode : {}\n"
    (here / "cpuinfo").write_text(
        block.format("0x1") + "\n" + block.format("0x2").replace("processor : 0", "processor : 1")
    )
    assert imported("cpuinfo")[1][1].endswith("1 differ from 0 in what is said of them")


def test_machines_of_a_collection_are_no_kinds_of_one(here: Path) -> None:
    rows = [["0x0", "0x0", eax, "0x756e6547", "0x6c65746e", "0x49656e69"] for eax in ("0x1", "0x2")]
    (here / "cpus.json").write_text(
        json.dumps([{"id": name, "cpuid": [row]} for name, row in zip("ab", rows, strict=True)])
    )
    cpus, said = imported("cpus.json")
    assert [cpu["processors"] for cpu in cpus] == ["a", "b"]
    assert len(said) == 1


def folder_of(path: Path, contents: Mapping[str, str]) -> str:
    for name, text in contents.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return str(path)


PU = "1 0 0 0 0 => d 756e6547 6c65746e 49656e69\n"


@pytest.mark.parametrize("inside", ["", "cpuid/"])
def test_a_folder(here: Path, inside: str) -> None:
    contents = {f"{inside}pu0": PU, f"{inside}pu1": PU, f"{inside}hwloc-cpuid-info": "x"}
    [cpu], said = imported(folder_of(here / "gathered", contents))
    assert cpu["processors"] == "0-1"
    assert f"{here}/gathered: hwloc: 2 processors" in said[0]


def test_folders_named_as_processors_are_passed_over(here: Path) -> None:
    folder_of(here / "gathered", {"pu0": PU, "pu1/x": "y"})
    assert imported("gathered")[0][0]["processors"] == "0"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("nowhere",), "nowhere: No such file or directory"),
        (("aida64", "nowhere"), "nowhere: No such file or directory"),
        (("wrong", "dump.txt"), "argument FORMAT: invalid choice: 'wrong'"),
        ((), "the following arguments are required: FILE"),
        (("none.txt",), "none.txt: not a register dump in any form known here; tried\n  hwloc: "),
        (("bad.txt",), "bad.txt: line 2: aida64: not an answer as AIDA64 or InstLatx64 writes"),
        (("json", "dump.txt"), "dump.txt: not a register dump in any form known here; tried\n"),
        (("hwloc", "empty"), "empty: not a register dump in any form known here; tried\n"),
    ],
)
def test_mistakes(here: Path, arguments: tuple[str, ...], problem: str) -> None:
    (here / "dump.txt").write_text(CELERON)
    (here / "none.txt").write_text("no dump\n")
    (here / "bad.txt").write_text(CELERON[:60])
    (here / "empty").mkdir()
    assert problem in mistake("import", *arguments)


def test_nothing_is_written_of_an_unsound_dump(here: Path) -> None:
    (here / "bad.txt").write_text(CELERON[:60])
    mistake("import", "bad.txt", "-o", "out.json")
    assert [path.name for path in here.iterdir()] == ["bad.txt"]


def test_what_is_too_large_is_not_read(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognise, "MAX_BYTES", 50)
    (here / "dump.txt").write_text("x" * 51)
    assert mistake("import", "dump.txt").startswith("dump.txt: over 0 MiB, which no register dump")
    folder_of(here / "gathered", {"pu0": PU, "pu1": PU})
    assert mistake("import", "gathered").startswith("gathered: over 0 MiB")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 51)))
    assert mistake("import", "-").startswith("standard input: over 0 MiB")


def test_help_lists_the_forms() -> None:
    _, stdout, _ = vzcptsim("import", "--help")
    assert set(KEYS) <= set(stdout.replace(",", " ").split())


# Composing


def test_of_what_is_known_in_part_a_node_is_composed_that_is_known_in_part(here: Path) -> None:
    (here / "cpuinfo").write_text(CPUINFO)
    # Of such an old kernel it is not known which words it knows.
    printed_by = ("--printed-by", "2.6.18-028stab101.1")
    said = json.loads(answer("compose", "--cpuid", "cpuinfo", "--kernel", KERNEL, *printed_by))
    assert said["answers"]["capability_number"] is None
    (row,) = [one for one in said["cpus"][0]["cpuid"] if one.startswith("0x00000001 ")]
    assert row == "0x00000001 0x0: ? ? 0x00080000/0x00080000 0x00000001/0x00000001"


def test_the_other_processors_of_a_dump_may_be_known_in_part(here: Path) -> None:
    whole = {
        "cpuid": [
            ["0x0", "0x0", "0x1", "0x756e6547", "0x6c65746e", "0x49656e69"],
            ["0x1", "0x0", "0x306a9", "0x0", "0xd9ae3bf", "0xbfebfbff"],
            ["0x80000000", "0x0", "0x80000001", "0x0", "0x0", "0x0"],
            ["0x80000001", "0x0", "0x0", "0x0", "0x1", "0x28100800"],
        ]
    }
    part = {"partial": [["0x1", "0x0", "0x1", None, None, None]]}
    (here / "dump.json").write_text(json.dumps([part, whole]))
    compose = ("compose", "--cpuid", "dump.json", "--kernel", KERNEL, "--processor")
    assert "does not tell the vendor" in mistake(*compose, "0")
    assert vzcptsim(*compose, "1")[0] == 0


def test_a_profile_has_no_answer_that_is_another_leafs(here: Path) -> None:
    """The CPU's last leaf is 0xd; as Intel's do, it answers it for Centaur's first one too."""
    repeated = "00000003-00000240-00000240-00000000"
    text = CELERON + f"CPUID C0000000: {repeated}\n"
    (here / "dump.txt").write_text(text)
    status, stdout, _ = vzcptsim(
        "compose", "--cpuid", "dump.txt", "--kernel", KERNEL, "--processor", "1"
    )
    assert status == 0
    rows = json.loads(stdout)["cpus"][0]["cpuid"]
    assert any(row.startswith("0x0000000d 0x0: 0x00000003") for row in rows)
    assert not any(row.startswith("0xc0000000") for row in rows)
