"""Migrations between two nodes: which are judged, how their worst counts, who is spoken of."""

import pytest
from msgspec.structs import replace

from simulator.errors import UserError
from simulator.kernel.containers import Container, Needs
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import parse_profile
from simulator.profiles.store import load_node
from simulator.verdicts.migrations import (
    Check,
    Migration,
    NodePair,
    find_container,
    status_of,
)
from simulator.verdicts.verdict import Judgement, Opinion, Outcome, Reason, Verdict, Weight
from support.simulated_profiles import encoded, good_document

SANDY_BRIDGE = "042stab141.3.SandyBridge.default"
PENRYN = "042stab141.3.Penryn.default"
POSSIBLE, NOT_POSSIBLE = Verdict.POSSIBLE, Verdict.NOT_POSSIBLE

#: Whose reports are whose: the texts are the kernel's (kernel-facts.md, sections 6 and 10), the
#: bit that goes with each makes the reason.
REPORTS = [
    ("SLM is enabled, but slm_dmprst module is not loaded", 24, "source-slm-module"),
    ("unsupported netdevice tun0", 22, "container-netdevice"),
    ("external process 1/1001(init) inside CT", 16, "container-entered"),
    ("external process group 1/1001(init) inside CT", 16, "container-entered"),
    ("external process session 1/1001(init) inside CT", 16, "container-entered"),
    ("foreign process 1/1001(init) inside CT", 16, "container-entered"),
    ("scheduler policy is not supported 1/1001(init)", 18, "container-scheduler"),
    ("task 1001/1(init) is ptraced from host system", 19, "container-traced"),
    ("NUMA mempolicy is used by 1001,1001(init)", 23, "container-misc"),
    ("keys are used by 1001,1001(init)", 23, "container-misc"),
    ("Unsupported filesystem nfs", 20, "container-filesystem"),
]


@pytest.fixture(scope="module")
def good() -> NodeProfile:
    """Return a node with containers 101 to 104."""
    return parse_profile(encoded(good_document()), "good", "good.json")


def with_needs(node: NodeProfile, caps: int, *reports: str) -> NodeProfile:
    """Give a node one container, 7, that is known by its needs alone."""
    return replace(node, containers=(Container(ctid=7, needs=Needs(caps, reports)),))


def judged(*weights: Weight) -> Judgement:
    """Return a judgement with reasons on restore alone."""
    return Judgement(Opinion(tuple(Reason("x", weight) for weight in weights)), Opinion())


# Which are judged


def test_all_containers_are_judged_in_their_order(good: NodeProfile) -> None:
    migrations = NodePair(good, good).judge_all()
    assert [one.ctid for one in migrations] == [101, 102, 103, 104]
    assert not any(one.is_suspended for one in migrations)


def test_the_nodes_are_judged_where_there_is_no_container(good: NodeProfile) -> None:
    bare = replace(good, containers=())
    assert NodePair(bare, bare).judge_all() == (NodePair(bare, bare).judge_nodes(),)
    assert NodePair(bare, bare).judge_nodes().ctid is None


def test_one_container_is_judged_as_among_all(good: NodeProfile) -> None:
    pair = NodePair(good, good)
    assert [pair.judge_one(ctid) for ctid in (101, 102, 103, 104)] == list(pair.judge_all())


def test_a_container_that_is_not_there_is_told_with_those_that_are(good: NodeProfile) -> None:
    with pytest.raises(UserError, match="'good' has no container 7; there are: 101, 102, 103, 104"):
        find_container(good, 7)
    with pytest.raises(UserError) as caught:
        find_container(replace(good, name="\x1b[2J", containers=()), 7)
    assert str(caught.value) == r"'\x1b[2J' has no container 7; there are: none"


def test_a_suspended_container_need_not_be_recorded() -> None:
    migration = NodePair(load_node(SANDY_BRIDGE), load_node(PENRYN)).judge_suspended(4711)
    assert (migration.ctid, migration.is_suspended) == (4711, True)
    # The whole node's number is compared: Penryn has no AVX.
    assert migration.judgement.restore.verdict is NOT_POSSIBLE


def test_what_is_waived_is_about_programs_alone() -> None:
    source, destination = load_node(SANDY_BRIDGE), load_node(PENRYN)
    plain = NodePair(source, destination).judge_one(102).judgement
    codes = {reason.code for reason in (*plain.programs.reasons, *plain.restore.reasons)}
    waived = NodePair(source, destination, codes).judge_one(102).judgement
    assert waived.restore == plain.restore
    assert plain.programs.verdict is NOT_POSSIBLE
    assert waived.programs.verdict is POSSIBLE
    assert all(reason.is_waived for reason in waived.programs.reasons)


# What the kernel writes of a container


@pytest.mark.parametrize(("report", "bit", "code"), REPORTS)
def test_a_report_belongs_to_its_reason(
    good: NodeProfile, report: str, bit: int, code: str
) -> None:
    (migration,) = NodePair(with_needs(good, 1 << bit, report), good).judge_all()
    assert migration.reports == ((code, report),)
    assert migration.reports_on(code) == (report,)
    assert migration.reports_on("other") == ()


def test_namespaces_are_spoken_of_by_the_oldest_kernels() -> None:
    report = "namespaces are not supported: process 1/1001(init)"
    node = load_node("amd-epyc-9654.028stab056.1")
    (migration,) = NodePair(with_needs(node, 1 << 17, report), node).judge_all()
    assert migration.reports == (("container-namespaces", report),)


@pytest.mark.parametrize(
    "report",
    [
        "something new",
        # A name that looks like a report is a name.
        "something new 1/1001(external process )",
        # No such bit is set, so no such reason is given.
        "Unsupported filesystem nfs",
    ],
)
def test_a_report_without_a_reason_is_kept(good: NodeProfile, report: str) -> None:
    (migration,) = NodePair(with_needs(good, 1, report), good).judge_all()
    assert migration.reports == (("", report),)


def test_of_a_container_that_cannot_be_asked_nothing_is_said(good: NodeProfile) -> None:
    assert NodePair(good, good).judge_one(102).reports == ()


def test_every_recorded_report_belongs_to_a_reason() -> None:
    for name in (SANDY_BRIDGE, "042stab061.9.SandyBridge.default", "slm.dzhanibekov.1"):
        node = load_node(name)
        migrations = NodePair(node, node).judge_all()
        assert any(one.reports for one in migrations)
        assert not [one for one in migrations if one.reports_on("")]


# The worst of them


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.SAFE, 0), (Outcome.RISKY, 2), (Outcome.REFUSED, 2), (Outcome.UNKNOWN, 3)],
)
def test_an_outcomes_exit_status(outcome: Outcome, status: int) -> None:
    assert status_of(outcome) == status


def test_a_check_is_as_its_worst_migration() -> None:
    migrations = (
        Migration(101, judged()),
        Migration(102, judged(Weight.UNKNOWN)),
        Migration(103, judged(Weight.REMARK)),
    )
    assert Check("a", "b", migrations).outcome is Outcome.UNKNOWN


def test_programs_count_unless_they_are_left_out() -> None:
    programs = Opinion((Reason("x", Weight.REFUSES),))
    migrations = (Migration(101, Judgement(Opinion(), programs)),)
    assert Check("a", "b", migrations).outcome is Outcome.RISKY
    assert Check("a", "b", migrations, restore_only=True).outcome is Outcome.SAFE
