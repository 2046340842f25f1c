"""A check for people: the outcome first, each reason once, and what to do next."""

import io
from functools import partial

import pytest

from simulator.reports.check_report import check_lines, name_containers
from simulator.reports.terminal import render
from simulator.verdicts.codes import find_code
from simulator.verdicts.migrations import Check, Migration
from simulator.verdicts.verdict import Judgement, Opinion, Reason, Weight

MISSING = partial(Reason, "cpu-feature-missing", Weight.REFUSES, source="1", destination="0")
AVX = MISSING(feature="avx", place="CPUID 0x00000001 ecx bit 28", needed_by="somebody")
SSE4_1 = MISSING(feature="sse4_1", place="CPUID 0x00000001 ecx bit 9", needed_by="somebody")
ENTERED = Reason("container-entered", Weight.REFUSES, place="capability bit 16", source="1")
LOCKED = Reason("container-locked", Weight.UNKNOWN, source="locked")
BMI = Reason("instructions-missing", Weight.REFUSES, feature="bmi1", place="here", source="yes")
VENDOR = Reason("vendor-differs", Weight.REMARK, source="Intel", destination="AMD")
HLE = Reason("instructions-slower", Weight.REMARK, feature="hle", place="there", source="yes")
ERMS = Reason("instructions-slower", Weight.REMARK, feature="erms", place="there", source="yes")
VMX = Reason("instructions-kernel-only", Weight.REMARK, feature="vmx", place="there", source="yes")


def moved(
    ctid: int | None,
    restore: tuple[Reason, ...] = (),
    programs: tuple[Reason, ...] = (),
    reports: tuple[tuple[str, str], ...] = (),
) -> Migration:
    return Migration(ctid, Judgement(Opinion(restore), Opinion(programs)), reports=reports)


def written(
    *migrations: Migration,
    verbose: bool = False,
    restore_only: bool = False,
    waived: tuple[str, ...] = (),
) -> list[str]:
    check = Check("here", "there", migrations, restore_only, waived)
    return render(check_lines(check, is_verbose=verbose), io.StringIO()).splitlines()


def summary(code: str) -> str:
    return find_code(code).summary


def next_step(code: str) -> str:
    return f"    Next: {find_code(code).next_step}"


def test_a_container_that_can_go() -> None:
    assert written(moved(101)) == [
        "safe: here to there",
        "It restores, and programs survive.",
        "  container 101: safe, restore possible, programs possible",
        "",
        "Restore: nothing against it",
        "",
        "Programs: nothing against it",
    ]


def test_programs_that_are_left_out() -> None:
    assert written(moved(101, (), (BMI,)))[0] == "risky: here to there"
    lines = written(moved(101, (), (BMI,)), restore_only=True)
    assert lines[:3] == [
        "safe: here to there",
        "It restores.",
        "  container 101: safe, restore possible, programs not possible",
    ]
    assert lines[6:8] == [
        "Programs, left out by --restore-only:",
        f"  not possible: instructions-missing: {summary('instructions-missing')}",
    ]


def test_the_nodes_alone() -> None:
    lines = written(moved(None, (LOCKED,)))
    assert lines[:3] == [
        "unknown: here to there",
        summary("container-locked"),
        "  any container: unknown, restore unknown, programs possible",
    ]
    # What concerns all of them needs no line that says whom.
    assert lines[5:8] == [
        f"  unknown: container-locked: {summary('container-locked')}",
        "      source: locked",
        next_step("container-locked"),
    ]


@pytest.mark.parametrize(
    ("restore", "programs", "told"),
    [
        ((ENTERED, LOCKED), (BMI,), summary("container-entered")),
        ((LOCKED,), (BMI,), summary("container-locked")),
        ((), (VENDOR, HLE, BMI), f"{summary('instructions-missing')}: bmi1"),
        ((LOCKED, AVX, SSE4_1), (), f"{summary('cpu-feature-missing')}: avx sse4_1"),
        ((), (Reason("needs-unknown", Weight.UNKNOWN),), summary("needs-unknown")),
    ],
)
def test_the_first_reason_that_counts_is_told_at_once(
    restore: tuple[Reason, ...], programs: tuple[Reason, ...], told: str
) -> None:
    assert written(moved(101, restore, programs))[1] == told


def test_what_most_containers_meet_is_told_at_once() -> None:
    lines = written(moved(1, (ENTERED,)), moved(2, (AVX,)), moved(3, (AVX,)), moved(4, (LOCKED,)))
    assert lines[1] == f"{summary('cpu-feature-missing')}: avx (2 of 4 containers)"


def test_a_suspended_container_is_called_so() -> None:
    migration = Migration(7, Judgement(Opinion(), Opinion()), is_suspended=True)
    assert written(migration)[2].startswith("  suspended container 7: ")


def test_every_reason_at_once_and_each_once() -> None:
    reports = ("container-entered", "external process 1/1001(sh)"), ("", "something else")
    lines = written(
        moved(101, (SSE4_1, AVX)),
        moved(102, (SSE4_1, AVX, ENTERED), reports=reports),
        moved(103, (LOCKED,), (BMI,)),
    )
    assert lines == [
        "refused: here to there",
        f"{summary('cpu-feature-missing')}: sse4_1 avx (2 of 3 containers)",
        "  containers 101, 102: refused, restore not possible, programs possible",
        "  container 103: unknown, restore unknown, programs not possible",
        "",
        "Restore:",
        f"  not possible: cpu-feature-missing: {summary('cpu-feature-missing')}",
        "    containers 101, 102, needed by somebody:",
        "      sse4_1  CPUID 0x00000001 ecx bit 9   source: 1, destination: 0",
        "      avx     CPUID 0x00000001 ecx bit 28  source: 1, destination: 0",
        next_step("cpu-feature-missing"),
        f"  not possible: container-entered: {summary('container-entered')}",
        "    container 102:",
        "      capability bit 16  source: 1",
        "      container 102: external process 1/1001(sh)",
        next_step("container-entered"),
        f"  unknown: container-locked: {summary('container-locked')}",
        "    container 103:",
        "      source: locked",
        next_step("container-locked"),
        "  it says of container 102: something else",
        "",
        "Programs:",
        f"  not possible: instructions-missing: {summary('instructions-missing')}",
        "    container 103:",
        "      bmi1  here  source: yes",
        next_step("instructions-missing"),
    ]


def test_a_reason_of_other_containers_has_lines_of_its_own() -> None:
    lines = written(moved(101, (AVX,)), moved(102, (AVX, SSE4_1)))
    assert [line.strip() for line in lines[6:10]] == [
        "needed by somebody:",
        "avx  CPUID 0x00000001 ecx bit 28  source: 1, destination: 0",
        "container 102, needed by somebody:",
        "sse4_1  CPUID 0x00000001 ecx bit 9  source: 1, destination: 0",
    ]
    assert lines.count(next_step("cpu-feature-missing")) == 1


def test_a_reason_without_values_is_its_code() -> None:
    lines = written(moved(101, (Reason("needs-unknown", Weight.UNKNOWN),)))
    assert lines[5:7] == [
        f"  unknown: needs-unknown: {summary('needs-unknown')}",
        next_step("needs-unknown"),
    ]


def test_remarks_on_features_are_short_and_come_last() -> None:
    lines = written(moved(101, (), (VMX, HLE, BMI, ERMS, VENDOR)))
    assert lines[-8:] == [
        "      bmi1  here  source: yes",
        next_step("instructions-missing"),
        f"  remark: vendor-differs: {summary('vendor-differs')}",
        "      source: Intel, destination: AMD",
        next_step("vendor-differs"),
        "  remark: instructions-kernel-only: 1: vmx",
        "  remark: instructions-slower: 2: hle erms",
        "  --verbose tells where these are, and who needs them.",
    ]


def test_remarks_on_features_are_whole_where_it_is_verbose() -> None:
    lines = written(moved(101, (), (HLE, ERMS)), verbose=True)
    assert lines[7:] == [
        f"  remark: instructions-slower: {summary('instructions-slower')}",
        "      hle   there  source: yes",
        "      erms  there  source: yes",
        next_step("instructions-slower"),
    ]


def test_what_is_waived_is_said_to_be() -> None:
    waived = Reason("instructions-missing", Weight.REFUSES, feature="bmi1", is_waived=True)
    lines = written(moved(101, (), (waived,)), waived=("instructions-missing", "vendor-differs"))
    assert lines[:4] == [
        "safe: here to there",
        "It restores, and programs survive.",
        "  container 101: safe, restore possible, programs possible",
        "  waived: instructions-missing, vendor-differs",
    ]
    assert lines[6:9] == [
        "",
        "Programs:",
        f"  waived: instructions-missing: {summary('instructions-missing')}",
    ]


def test_names_of_containers() -> None:
    assert name_containers([]) == "any container"
    assert name_containers([1]) == "container 1"
    assert name_containers([2, 1]) == "containers 2, 1"
    assert name_containers([1, 2]) == "containers 1, 2"
    assert name_containers([101, 102, 103, 7, 8, 9, 10, 1]) == "containers 101-103, 7-10, 1"
