"""A difference for people: each fact once, then the verdicts that change, and what made it."""

import io

import pytest

from simulator.fleets.changes import Change
from simulator.fleets.diff import Diff, VerdictChange
from simulator.reports.diff_report import diff_lines
from simulator.reports.terminal import render
from simulator.verdicts.verdict import Judgement, Opinion, Reason, Weight

AVX = Reason("cpu-feature-missing", Weight.REFUSES, feature="avx", place="CPUID x")
AGAIN = Reason("cpu-feature-missing", Weight.REFUSES, feature="sse", place="CPUID y")
BMI = Reason("instructions-missing", Weight.REFUSES, feature="bmi1")
LOCKED = Reason("container-locked", Weight.UNKNOWN)


def written(diff: Diff) -> list[str]:
    return render(diff_lines(diff), io.StringIO()).splitlines()


def turned(
    ctid: int | None, old: tuple[Reason, ...], new: tuple[Reason, ...], *, is_source: bool = True
) -> VerdictChange:
    """Return a migration of which the verdict on restore changes."""
    judgements = Judgement(Opinion(old), Opinion()), Judgement(Opinion(new), Opinion())
    return VerdictChange("other", is_source, ctid, *judgements)


def test_no_difference() -> None:
    assert written(Diff("a", "b", ())) == ["a to b: no differences"]


def test_differences_by_part() -> None:
    changes = (
        Change("kernel", "release", "one", "two"),
        Change("kernel", "boot option", "noxsave", None),
        Change("cpu", "avx", "0", "1", "CPUID 0x00000001 ecx bit 28"),
        Change("cpu", "", "0x1", "0x2", "CPUID 0x00000001 eax"),
        Change("cpuid_override", "line", None, "0x1: 0"),
    )
    assert written(Diff("a", "b", changes)) == [
        "a to b: 5 differences (kernel 2, cpu 2, cpuid_override 1)",
        "  kernel",
        "    release: one -> two",
        "    - boot option: noxsave",
        "  cpu",
        "    avx  CPUID 0x00000001 ecx bit 28: 0 -> 1",
        "    CPUID 0x00000001 eax: 0x1 -> 0x2",
        "  cpuid_override",
        "    + line: 0x1: 0",
    ]


def test_what_is_the_same_in_several_containers_is_said_once() -> None:
    changes = (
        Change("container 101", "avx", "0", "1"),
        Change("container 102", "avx", "1", "0"),
        Change("container 103", "avx", "0", "1"),
    )
    assert written(Diff("a", "b", changes))[1:] == [
        "  containers 101, 103",
        "    avx: 0 -> 1",
        "  container 102",
        "    avx: 1 -> 0",
    ]


def test_flags_that_come_and_flags_that_go_are_a_line_each() -> None:
    changes = (
        Change("cpu", "model name", "x", "y"),
        Change("cpu", "flag", None, "avx"),
        Change("cpu", "flag", None, "fma"),
        Change("cpu", "flag", "sse4a", None),
    )
    assert written(Diff("a", "b", changes)) == [
        "a to b: 4 differences",
        "  cpu",
        "    model name: x -> y",
        "    + flags: avx fma",
        "    - flags: sse4a",
    ]


def test_containers_that_come_are_a_line() -> None:
    changes = (
        Change("containers", "container", None, "101"),
        Change("containers", "container", None, "103"),
        Change("container 102", "avx", "0", "1"),
    )
    assert written(Diff("a", "b", changes)) == [
        "a to b: 3 differences",
        "  containers",
        "    + containers: 101 103",
        "  container 102",
        "    avx: 0 -> 1",
    ]


def test_verdicts_come_before_the_facts() -> None:
    diff = Diff(
        "a", "b", (Change("kernel", "IPv6", "yes", "no"),), ("c",), (turned(7, (), (AVX,)),)
    )
    lines = written(diff)
    assert lines.index("  kernel") > lines.index("    + cpu-feature-missing: avx")


def test_one_difference_is_one() -> None:
    assert written(Diff("a", "b", (Change("kernel", "IPv6", "yes", "no"),)))[0] == (
        "a to b: 1 difference"
    )


def test_verdicts_that_change_with_what_made_it() -> None:
    verdicts = (
        turned(101, (), (AVX, AGAIN)),
        # It has a reason more, which is no news: what made it is the same.
        turned(102, (LOCKED,), (LOCKED, AVX, AGAIN)),
        turned(103, (), (AVX, AGAIN)),
        turned(None, (AVX,), (LOCKED,), is_source=False),
    )
    diff = Diff("a", "b", (), nodes=("other", "more"), verdicts=verdicts)
    assert written(diff) == [
        "a to b: no differences",
        "with 2 nodes, verdicts change of 4 migrations, on restore and programs",
        "  to other, containers 101, 103, restore: possible -> not possible",
        "    + cpu-feature-missing: avx sse",
        "  to other, container 102, restore: unknown -> not possible",
        "    + cpu-feature-missing: avx sse",
        "  from other, any container, restore: not possible -> unknown",
        "    - cpu-feature-missing: avx",
        "    + container-locked",
    ]


def test_each_verdict_that_changes_is_told_by_itself() -> None:
    change = VerdictChange(
        "other",
        is_source=True,
        ctid=7,
        old=Judgement(Opinion((AVX,)), Opinion()),
        new=Judgement(Opinion(), Opinion((BMI,))),
    )
    diff = Diff("a", "b", (), ("other",), (change,), waived=("vendor-differs",))
    assert written(diff)[1:] == [
        "with 1 node, verdicts change of 1 migration, "
        "on restore and programs but for vendor-differs",
        "  to other, container 7, restore: not possible -> possible",
        "    - cpu-feature-missing: avx",
        "  to other, container 7, programs: possible -> not possible",
        "    + instructions-missing: bmi1",
    ]


@pytest.mark.parametrize(
    ("restore_only", "counted"), [(False, "restore and programs"), (True, "restore alone")]
)
def test_verdicts_that_stand(restore_only: bool, counted: str) -> None:
    assert written(Diff("a", "b", (), nodes=("other",), restore_only=restore_only))[1] == (
        f"with 1 node, verdicts change of no migrations, on {counted}"
    )
