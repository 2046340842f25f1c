"""vzcptsim cpus: the catalogue, as people ask for its CPUs."""

import json
import re
from typing import Any

import pytest

from simulator.profiles.catalogue import load_cpus
from support.programs import mistake, vzcptsim
from support.samples import read_vectors


def listed(*arguments: str) -> list[dict[str, Any]]:
    status, text, _ = vzcptsim("cpus", "--json", *arguments)
    assert status == 0
    rows: list[dict[str, Any]] = json.loads(text)
    return rows


def names(*arguments: str) -> list[str]:
    return [row["cpu"] for row in listed(*arguments)]


def test_each_cpu_has_its_number_on_the_newest_kernels() -> None:
    numbers = {row["cpu"]: int(row["042stab107"]) for row in read_vectors("caps.tsv")}
    rows = {row["cpu"]: row for row in listed()}
    assert list(rows) == list(load_cpus())
    assert {name: rows[name]["capability_number"] for name in numbers} == numbers


def test_what_is_told_of_a_cpu() -> None:
    (row,) = listed("E5-2650 v3")
    assert row.pop("also")[:2] == ["intel-xeon-e5-2650-v3", "intel-xeon-e5-2609-v3"]
    assert row == {
        "cpu": "intel-xeon-e5-2680-v3",
        "vendor": "GenuineIntel",
        "family": 6,
        "model": 63,
        "stepping": 2,
        "core": "Haswell",
        "brand": "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz",
        "capability_number": 771913119,
        "dump_mode": "64-bit",
        "source": "hwloc:tests/hwloc/x86/Intel-Haswell-2xXeon-E5-2680v3.tar.bz2",
    }


IVY_BRIDGE_EP = ["intel-core-i7-4930k", "intel-xeon-e5-2697-v2", "intel-xeon-e5-4620-v2"]


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--family", "6", "--model", "62"], IVY_BRIDGE_EP),
        (["--family", "6", "--model", "0x3E", "--stepping", "4"], IVY_BRIDGE_EP),
        (["xeon", "--family", "6", "--model", "62"], IVY_BRIDGE_EP[1:]),
        (["X5550", "EPYC 7742"], ["intel-xeon-x5550", "amd-epyc-7742"]),
        (["--model", "62", "--has", "aes"], IVY_BRIDGE_EP[:2]),
        (["--model", "62", "--lacks", "aesni"], IVY_BRIDGE_EP[2:]),
        (["e5-2697*", "e5-2680*", "--has", "avx", "--lacks", "avx2"], ["intel-xeon-e5-2697-v2"]),
    ],
)
def test_cpus_are_found(arguments: list[str], found: list[str]) -> None:
    assert names(*arguments) == found


def test_people_get_a_line_for_cpus_that_differ_in_stepping_alone() -> None:
    status, text, _ = vzcptsim("cpus", "i7-2600k")
    assert status == 0
    _, line = text.splitlines()
    assert line.split()[:6] == ["intel-core-i7-2600k", "Sandy", "Bridge", "6", "42", "6-7"]
    assert line.endswith(" intel-core-i7-2600k-6-42-6")
    assert len(listed("i7-2600k")) == 2


def test_those_nearest_to_a_cpu_that_is_not_there() -> None:
    status, text, said = vzcptsim("cpus", "E5-2650 v2")
    assert status == 0
    found = [line.split()[0] for line in text.splitlines()[1:]]
    assert found == ["intel-xeon-e5-2697-v2", "intel-xeon-e5-4620-v2"]
    assert said == (
        "vzcptsim: no CPU is recorded as 'E5-2650 v2': those with the names nearest to it\n"
    )


@pytest.mark.parametrize(
    "asked",
    [
        ["--has", "avx512f", "--lacks", "avx2"],
        ["--family", "6", "--model", "62", "--stepping", "5"],
        ["e5", "--has", "SSE4.2", "--lacks", "avx"],
        # Its dump leaves out what XSAVE can do.
        ["intel-celeron-g540", "--has", "xsaveopt"],
        ["intel-celeron-g540", "--lacks", "xsaveopt"],
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_none_that_fits_is_said(asked: list[str], form: list[str]) -> None:
    problem = mistake("cpus", *asked, *form)
    assert re.fullmatch(r"no CPU is known to be such a one, of the \d+ .*", problem)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing like it"], "no CPU is recorded as 'nothing like it'; see 'vzcptsim cpus'"),
        (["--has", "avx9"], "no feature is known as 'avx9', but there are: avx, avx2, avx512f,"),
        (["--lacks", ""], "no feature is known as ''"),
        (["--lacks", "?"], "no feature is known as '?'"),
        (["--model", "E5"], "argument --model: 'E5' is no number"),
    ],
)
def test_what_cannot_be_asked_for(arguments: list[str], problem: str) -> None:
    assert problem in mistake("cpus", *arguments)
