"""How large a register dump may be, in every form: a machine's, and no more than that."""

import json
from collections.abc import Callable

import pytest

from simulator.dumps import model
from simulator.dumps.model import MOST_ANSWERS_OF_CPU
from simulator.dumps.recognise import parse_dump
from support.dumps import refusal

AIDA64 = "CPUID {:08X} : 00000001 746E6543 736C7561 48727561\n"
CPUID_R = "   {:#010x} 0x00: eax=0x00000001 ebx=0x746e6543 ecx=0x736c7561 edx=0x48727561\n"
HWLOC = "1 {:x} 0 0 0 => 1 746e6543 736c7561 48727561\n"
LIBCPUID = "basic_cpuid[{}]=00000001 746e6543 736c7561 48727561\n"
WORDS = "CPU {}:\n   feature information (1/edx):\n      x87 FPU on chip = true\n"
CPUINFO = "processor : {}\nvendor_id : CentaurHauls\n\n"
CRIU = {"vendor_id": "INTEL", "cpu_family": 6, "model": 15, "stepping": 1, "capability_ver": 2}


@pytest.mark.parametrize(
    ("row", "numbers"),
    [
        (AIDA64, range(MOST_ANSWERS_OF_CPU + 1)),
        (CPUID_R, range(MOST_ANSWERS_OF_CPU + 1)),
        (LIBCPUID, [0] + [1] * MOST_ANSWERS_OF_CPU),
        (HWLOC, range(MOST_ANSWERS_OF_CPU + 1)),
    ],
    ids=["aida64", "cpuid-r", "libcpuid", "hwloc"],
)
def test_a_cpu_has_no_more_answers_than_any(row: str, numbers: list[int]) -> None:
    error = refusal("".join(map(row.format, numbers)).encode())
    assert "over 4096 answers of one CPU, which none has" in error.message


OF_CPU: dict[str, Callable[[int], str]] = {
    "aida64": lambda _: AIDA64.format(0),
    "cpuid-r": lambda _: CPUID_R.format(0),
    "libcpuid": lambda _: LIBCPUID.format(0),
    "cpuid": WORDS.format,
    "cpuinfo": CPUINFO.format,
}


@pytest.mark.parametrize("form", OF_CPU)
def test_all_cpus_together_have_no_more(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MOST_ANSWERS", 8)
    assert len(parse_dump("".join(map(OF_CPU[form], range(8))).encode())) == 8
    error = refusal("".join(map(OF_CPU[form], range(9))).encode())
    assert "over 8 answers, which no machine has: take a dump of some processors" in error.message


def test_a_machine_has_no_more_cpus_than_linux_can_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MOST_PROCESSORS", 8)
    assert len(parse_dump((AIDA64.format(0) * 8).encode())) == 8
    assert "over 8 CPUs, which no machine" in refusal((AIDA64.format(0) * 9).encode()).message


def test_processors_of_hwlocs_and_images_of_criu_have_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model, "MOST_ANSWERS", 8)
    files = {f"pu{number}": HWLOC.format(0).encode() for number in range(9)}
    assert "over 8 answers" in refusal(files).message
    document = {"magic": "CPUINFO", "entries": [{"x86_entry": [CRIU] * 9}]}
    assert "over 8 answers" in refusal(json.dumps(document).encode()).message


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\n" * ((1 << 19) + 1), "aida64: over 524288 lines"),
        (b" " * ((1 << 20) + 1), "json: over 1 MiB"),
        (b" " * ((1 << 20) + 1), "libvirt: over 1 MiB"),
        (b" " * ((1 << 20) + 1), "criu: over 1 MiB"),
        (b" " * ((2 << 20) + 1), "cpuinfo: over 2 MiB"),
    ],
    ids=["lines", "json", "xml", "image", "cpuinfo"],
)
def test_a_text_has_a_size(data: bytes, reason: str) -> None:
    assert reason in refusal(data).message
    shorter = b"x" + data[2:]
    assert reason not in refusal(shorter).message


def test_a_long_line_is_taken_for_several() -> None:
    line = AIDA64.format(0).strip()
    assert len(parse_dump((line + " " * (1 << 16) + "\n" + line).encode())) == 2
    assert "no line begins like" in refusal(b" " * (1 << 16) + b"x" + line.encode()).message


def test_processors_of_1000_cpus_are_read() -> None:
    rows = "".join(AIDA64.format(leaf) for leaf in range(60))
    assert len(parse_dump((rows * 1000).encode())) == 1000
