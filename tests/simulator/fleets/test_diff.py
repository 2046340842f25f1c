"""Which verdicts change where a node has changed: in both directions, with what made it."""

import pytest
from msgspec import structs

from simulator.fleets.diff import VerdictChange, deciding, verdict_changes
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import load_node
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Opinion, Reason, Weight

AVX = Reason("cpu-feature-missing", Weight.REFUSES, feature="avx", place="x")
SSE = Reason("cpu-feature-missing", Weight.REFUSES, feature="sse", place="x")
LOCKED = Reason("container-locked", Weight.UNKNOWN)
VENDOR = Reason("vendor-differs", Weight.REMARK)
WAIVED = Reason("instructions-missing", Weight.REFUSES, is_waived=True)


@pytest.fixture(scope="module")
def default() -> NodeProfile:
    return load_node("042stab141.3.SandyBridge.default")


@pytest.fixture(scope="module")
def noxsave() -> NodeProfile:
    """Return the same node booted without XSAVE: capability bit 25 is gone."""
    return load_node("042stab141.3.SandyBridge.noxsave")


def told(changes: list[VerdictChange]) -> dict[tuple[bool, int | None], tuple[str, str]]:
    """Return the verdicts on restore, where they change, by direction and container."""
    return {
        (one.is_source, one.ctid): (one.old.restore.verdict.value, one.new.restore.verdict.value)
        for one in changes
        if one.old.restore.verdict is not one.new.restore.verdict
    }


# The reasons that made it


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((AVX, SSE), (SSE,), (AVX,)),
        ((SSE,), (AVX, SSE), ()),
        ((LOCKED,), (AVX,), (LOCKED,)),
        # Only what counts can have made it.
        ((VENDOR, WAIVED, AVX), (), (AVX,)),
        # The same thing with another value is the same thing, unless it weighs otherwise.
        ((AVX,), (structs.replace(AVX, destination="7", needed_by="x"),), ()),
        ((AVX,), (structs.replace(AVX, weight=Weight.REMARK),), (AVX,)),
        ((AVX,), (structs.replace(AVX, is_waived=True),), (AVX,)),
    ],
)
def test_what_made_it_is_what_the_other_has_not(
    one: tuple[Reason, ...], other: tuple[Reason, ...], expected: tuple[Reason, ...]
) -> None:
    assert deciding(Opinion(one), Opinion(other)) == expected


# Which change


def test_without_a_change_no_verdict_changes(default: NodeProfile) -> None:
    assert list(verdict_changes(default, default, [default])) == []


def test_without_nodes_no_verdict_changes(default: NodeProfile, noxsave: NodeProfile) -> None:
    assert list(verdict_changes(default, noxsave, [])) == []


def test_containers_of_others_no_longer_come(default: NodeProfile, noxsave: NodeProfile) -> None:
    """Every container with FPU state needs bit 25 now that it is gone: with eager FPU, all."""
    changes = list(verdict_changes(default, noxsave, [default]))
    assert {one.node for one in changes} == {default.name}
    possible = {
        one.ctid
        for one in NodePair(default, default).judge_all()
        if one.judgement.restore.verdict.value == "possible"
    }
    assert told(changes) == {
        (False, ctid): ("possible", "not possible") for ctid in sorted(possible)
    }
    for one in changes:
        if one.ctid in possible:
            (reason,) = deciding(one.new.restore, one.old.restore)
            assert (reason.code, reason.feature) == ("feature-hidden-by-boot-option", "xsave")
            assert deciding(one.old.restore, one.new.restore) == ()


def test_own_containers_go_where_they_could_not(default: NodeProfile, noxsave: NodeProfile) -> None:
    """To a node without XSAVE: those that both have no longer need it."""
    changes = [one for one in verdict_changes(default, noxsave, [noxsave]) if one.is_source]
    common = {one.ctid for one in default.containers} & {one.ctid for one in noxsave.containers}
    # 1012 is stopped: nobody can be asked about it before or after.
    assert told(changes) == {
        (True, ctid): ("not possible", "possible") for ctid in sorted(common - {1012})
    }


def test_the_nodes_alone_where_no_container_is_there_before_and_after(
    default: NodeProfile, noxsave: NodeProfile
) -> None:
    bare = structs.replace(default, containers=())
    changes = list(verdict_changes(default, structs.replace(noxsave, containers=()), [bare]))
    # Whatever is to be moved: without XSAVE turned on, what programs use of it is lost.
    assert [(one.is_source, one.ctid) for one in changes] == [(False, None)]
    assert told(changes) == {}
    (change,) = changes
    assert "avx" in {one.feature for one in deciding(change.new.programs, change.old.programs)}


def test_what_is_waived_changes_nothing(default: NodeProfile, noxsave: NodeProfile) -> None:
    bare = structs.replace(default, containers=())
    changed = structs.replace(noxsave, containers=())
    codes = {
        reason.code
        for one in verdict_changes(bare, changed, [bare])
        for reason in (*one.old.programs.reasons, *one.new.programs.reasons)
    }
    assert codes
    assert list(verdict_changes(bare, changed, [bare], codes)) == []
