"""What we say of a migration beside the kernel: what programs lose, and what restore spoils."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.cpu_traits import CpuTraits, XsaveArea
from simulator.facts.features import FEATURES, JUDGED
from simulator.verdicts.programs import our_opinion
from simulator.verdicts.restore import kernel_opinion
from simulator.verdicts.traits import SUSPENDED, ContainerTraits, NodeTraits
from simulator.verdicts.verdict import Reason, Verdict, Weight
from support.simulated_nodes import RELEASES, SINCE_042STAB
from support.simulated_traits import SANDY_BRIDGE, cpu_of, kernel, needing, node, rows

USED_FPU = needing("CMOV", "FXSR")
IDLE = needing("CMOV", "EMT64")

MUST = Weight.REFUSES
REMARK = Weight.REMARK

AVX512 = XsaveArea(0xE4, 2688, ((5, 1088), (6, 1152), (7, 1664)))
AVX512_OF_AMD = XsaveArea(0xE4, 2432, ((5, 832), (6, 896), (7, 1408)))


def lost(*names: str, container: ContainerTraits | None = None) -> list[Reason]:
    """List the reasons against a CPU that lacks these features of the source's."""
    source = node(*SANDY_BRIDGE, *names)
    return list(our_opinion(source, node(), container).reasons)


def against(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits = USED_FPU
) -> Any:
    opinion = our_opinion(
        NodeTraits(kernel(), source), NodeTraits(kernel(), destination), container
    )
    return list(opinion.reasons)


def codes(reasons: list[Reason]) -> list[tuple[str, Weight]]:
    return [(reason.code, reason.weight) for reason in reasons]


def test_two_nodes_that_are_alike() -> None:
    for container in (None, USED_FPU, IDLE, SUSPENDED):
        assert our_opinion(node(), node(), container).reasons == ()


# Instruction sets


def test_an_instruction_set_that_is_missing_there() -> None:
    place, needed_by = "CPUID 0x00000007 ebx bit 5", "programs that use it"
    expected = Reason("instructions-missing", MUST, "avx2", place, "yes", "no", needed_by)
    assert lost("avx2") == [expected]


@pytest.mark.parametrize(
    ("name", "code", "weight"),
    [
        ("popcnt", "instructions-missing", MUST),
        ("abm", "instructions-differ", MUST),
        ("erms", "instructions-slower", REMARK),
        ("smep", "instructions-kernel-only", REMARK),
    ],
)
def test_what_becomes_of_a_program(name: str, code: str, weight: Weight) -> None:
    needed_by = "" if code == "instructions-kernel-only" else "programs that use it"
    for container in (None, USED_FPU, IDLE, SUSPENDED):
        (reason,) = lost(name, container=container)
        assert (reason.code, reason.weight, reason.needed_by) == (code, weight, needed_by)


@pytest.mark.parametrize("name", ["aes", "avx2"])
def test_what_needs_the_fpu_harms_nobody_who_has_not_used_it(name: str) -> None:
    (reason,) = lost(name, container=IDLE)
    assert (reason.code, reason.weight) == ("instructions-missing", REMARK)
    assert reason.needed_by == "nobody so far: no process has used the FPU"
    for container in (None, USED_FPU, SUSPENDED, ContainerTraits()):
        (reason,) = lost(name, container=container)
        assert (reason.weight, reason.needed_by) == (MUST, "programs that use it")


def test_more_on_the_destination_is_no_reason() -> None:
    assert our_opinion(node(), node(*SANDY_BRIDGE, "avx2", "smep")).reasons == ()


def test_what_programs_were_not_shown_they_do_not_lose() -> None:
    hidden = cpu_of(*SANDY_BRIDGE, "avx2", shown=rows(*SANDY_BRIDGE))
    hidden = CpuTraits("GenuineIntel", hidden.shown, hidden.shown, hidden.usable, hidden.usable)
    assert against(hidden, cpu_of(*SANDY_BRIDGE)) == []


def test_reasons_come_in_the_tables_order() -> None:
    names = [reason.feature for reason in lost("abm", "popcnt", "avx2", "erms", "clflush")]
    table = [feature.name for feature in FEATURES]
    assert names == sorted(names, key=table.index)
    assert len(names) == 5


# Leaves that were not recorded

FULL = rows(*SANDY_BRIDGE, "bmi1", "avx2", "erms")
HOLE = cpu_of(*SANDY_BRIDGE, may_be_shown=FULL, may_be_usable=FULL)


def unrecorded(source: str, destination: str, feature: str = "bmi1 avx2") -> list[Reason]:
    place = "CPUID 0x00000007 subleaf 0"
    return [Reason("cpuid-not-recorded", Weight.UNKNOWN, feature, place, source, destination)]


NOTHING_MORE, LEAF_7 = cpu_of(*SANDY_BRIDGE), cpu_of(*SANDY_BRIDGE, "bmi1", "avx2", "erms")


@pytest.mark.parametrize(
    ("source", "destination", "container", "expected"),
    [
        # What the source has, the destination may lack; and the other way round; and two holes.
        (LEAF_7, HOLE, USED_FPU, unrecorded("yes", "not recorded")),
        (HOLE, NOTHING_MORE, USED_FPU, unrecorded("not recorded", "no")),
        (HOLE, HOLE, USED_FPU, unrecorded("not recorded", "not recorded")),
        # The other side settles it.
        (HOLE, cpu_of(*SANDY_BRIDGE, "bmi1", "avx2"), USED_FPU, []),
        (NOTHING_MORE, HOLE, USED_FPU, []),
        # To an idle container the FPU's features do not matter.
        (HOLE, NOTHING_MORE, IDLE, unrecorded("not recorded", "no", "bmi1")),
    ],
)
def test_a_hole_matters_where_the_other_side_does_not_settle_it(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits, expected: list[Reason]
) -> None:
    assert against(source, destination, container) == expected


def test_what_is_certain_is_not_said_to_be_unknown() -> None:
    known = rows(*SANDY_BRIDGE, "bmi1")
    reasons = against(
        cpu_of(*SANDY_BRIDGE, "bmi1", may_be_shown=FULL),
        cpu_of(*SANDY_BRIDGE, may_be_usable=FULL & ~known | rows(*SANDY_BRIDGE)),
    )
    assert [(one.code, one.feature) for one in reasons] == [
        ("instructions-missing", "bmi1"),
        ("cpuid-not-recorded", "avx2"),
    ]


# The area that XSAVE saves to


def areas(source: XsaveArea | None, destination: XsaveArea | None) -> list[Reason]:
    one, other = (cpu_of(*SANDY_BRIDGE, area=area) for area in (source, destination))
    assert against(one, other, IDLE) == []
    return list(against(one, other))


def test_components_that_the_destination_does_not_save() -> None:
    leaf = "CPUID 0x0000000d"
    assert areas(AVX512, XsaveArea()) == [
        *(
            Reason("xsave-component-missing", MUST, name, f"{leaf} eax bit {bit}", "yes", "no")
            for bit, name in [
                (2, "AVX"),
                (5, "AVX-512 masks"),
                (6, "AVX-512 upper halves"),
                (7, "AVX-512 upper registers"),
            ]
        ),
        Reason("xsave-area-smaller", MUST, "", leaf, "2688 bytes", "512 bytes"),
    ]


def test_components_of_mpx_have_names_too() -> None:
    mpx = XsaveArea(0x1C, 1088, ((3, 960), (4, 1024)))
    names = [reason.feature for reason in areas(mpx, XsaveArea(0x4, 832))]
    assert names == ["MPX bounds", "MPX configuration", ""]


@pytest.mark.parametrize(("one", "other"), [(AVX512, AVX512_OF_AMD), (AVX512_OF_AMD, AVX512)])
def test_components_at_other_places(one: XsaveArea, other: XsaveArea) -> None:
    reasons = [one for one in areas(one, other) if one.code == "xsave-layout-differs"]
    assert [reason.feature for reason in reasons] == [
        "AVX-512 masks",
        "AVX-512 upper halves",
        "AVX-512 upper registers",
    ]
    first = dict(one.offsets)[5], dict(other.offsets)[5]
    assert (reasons[0].source, reasons[0].destination) == tuple(f"at byte {at}" for at in first)
    assert (reasons[0].place, reasons[0].weight) == ("CPUID 0x0000000d subleaf 5 ebx", MUST)


def test_a_smaller_area_cuts_the_image() -> None:
    (reason,) = [one for one in areas(AVX512, AVX512_OF_AMD) if one.code == "xsave-area-smaller"]
    assert (reason.source, reason.destination) == ("2688 bytes", "2432 bytes")
    assert (reason.place, reason.weight) == ("CPUID 0x0000000d", MUST)


def test_a_larger_area_holds_a_smaller_one() -> None:
    assert areas(XsaveArea(), AVX512) == []
    assert areas(XsaveArea(0x4, 832), AVX512) == []
    assert areas(XsaveArea(0x4, 832), XsaveArea(0x4, 832)) == []


@pytest.mark.parametrize(
    ("source", "destination", "told"),
    [
        (XsaveArea(), None, ("512 bytes", "not recorded")),
        (None, AVX512, ("not recorded", "2688 bytes")),
    ],
)
def test_an_area_that_was_not_recorded(
    source: XsaveArea | None, destination: XsaveArea | None, told: tuple[str, str]
) -> None:
    (reason,) = areas(source, destination)
    place = "CPUID 0x0000000d"
    assert reason == Reason("xsave-not-recorded", Weight.UNKNOWN, "", place, *told)


# Versions that no kernel was asked about


@pytest.mark.parametrize(
    ("source", "destination", "code", "version", "taken"),
    [
        ("028stab", "2.6.32", "too-new", "0x302 (18_2)", "0x800 (32)"),
        ("028stab", "042stab", "too-old", "0x302 (18_2)", "0x801 (32_1)"),
        ("028stab", "042stab107", "too-old", "0x302 (18_2)", "0x803 (32_3)"),
        ("2.6.32", "028stab", "other-family", "0x800 (32)", "0x302 (18_2)"),
        ("042stab", "028stab", "other-family", "0x801 (32_1)", "0x302 (18_2)"),
        ("042stab", "2.6.32", "too-new", "0x801 (32_1)", "0x800 (32)"),
        ("042stab107", "2.6.32", "too-new", "0x803 (32_3)", "0x800 (32)"),
    ],
)
def test_what_restore_refuses(
    source: str, destination: str, code: str, version: str, taken: str
) -> None:
    one, other = node(kernel_traits=kernel(source)), node(kernel_traits=kernel(destination))
    (reason,) = our_opinion(one, other).reasons
    assert (reason.code, reason.weight) == (f"restore-version-{code}", MUST)
    assert reason.source == version
    assert reason.destination.split(", ")[-1] == taken


TAKEN = [("028stab", "028stab"), *(("2.6.32", name) for name in ("2.6.32", *SINCE_042STAB))]


@pytest.mark.parametrize(("source", "destination"), TAKEN)
def test_what_restore_takes(source: str, destination: str) -> None:
    one, other = node(kernel_traits=kernel(source)), node(kernel_traits=kernel(destination))
    assert our_opinion(one, other).reasons == ()


@pytest.mark.parametrize(
    ("cpt", "rst", "expected"),
    [
        # What the kernels say themselves is not said again.
        (True, True, []),
        (False, True, [("restore-version-too-new", MUST)]),
        (True, False, [("restore-version-too-new", MUST)]),
    ],
)
def test_what_a_missing_module_leaves_unasked(
    cpt: bool, rst: bool, expected: list[tuple[str, Weight]]
) -> None:
    one = node(kernel_traits=kernel("042stab107", has_cpt=cpt))
    other = node(kernel_traits=kernel("042stab", has_rst=rst))
    assert codes(list(our_opinion(one, other).reasons)) == expected


# Machines

IA64 = NodeTraits(kernel("028stab"), CpuTraits())
OLD = node(kernel_traits=kernel("028stab"))


@pytest.mark.parametrize(("one", "other"), [(IA64, OLD), (OLD, IA64)])
def test_nothing_else_is_said_of_another_architecture(one: NodeTraits, other: NodeTraits) -> None:
    names = {"": "ia64", "GenuineIntel": "x86"}
    source, destination = names[one.cpu.vendor], names[other.cpu.vendor]
    expected = Reason("architecture-differs", MUST, source=source, destination=destination)
    assert our_opinion(one, other).reasons == (expected,)
    assert our_opinion(IA64, IA64).reasons == ()


def test_another_vendor_is_worth_a_remark() -> None:
    (reason,) = our_opinion(node(), node(vendor="AuthenticAMD")).reasons
    assert reason == Reason(
        "vendor-differs", REMARK, source="GenuineIntel", destination="AuthenticAMD"
    )


def test_a_narrower_kernel_leaves_it_open() -> None:
    narrow = node(kernel_traits=kernel(is_64_bit=False))
    (reason,) = our_opinion(node(), narrow).reasons
    assert reason == Reason(
        "kernel-narrower", Weight.UNKNOWN, source="64 bits", destination="32 bits"
    )
    assert our_opinion(narrow, node()).reasons == our_opinion(narrow, narrow).reasons == ()


def test_all_reasons_come_at_once_in_one_order() -> None:
    source = node(*SANDY_BRIDGE, "popcnt", area=AVX512, vendor="AuthenticAMD")
    source = NodeTraits(kernel("028stab"), source.cpu)
    bare = HOLE.may_be_shown
    destination = NodeTraits(
        kernel("042stab", is_64_bit=False),
        CpuTraits("GenuineIntel", bare, bare, rows(*SANDY_BRIDGE[:-1]), rows(*SANDY_BRIDGE)),
    )
    found = [code for code, _ in codes(list(our_opinion(source, destination).reasons))]
    assert " ".join(found) == (
        "restore-version-too-old vendor-differs kernel-narrower instructions-missing "
        f"cpuid-not-recorded {'xsave-component-missing ' * 4}xsave-area-smaller"
    )


# Properties

ORDER = [Verdict.NOT_POSSIBLE, Verdict.UNKNOWN, Verdict.POSSIBLE]
masks = st.integers(0, JUDGED).map(lambda number: number & JUDGED)
areas_at_hand = st.sampled_from([None, XsaveArea(), XsaveArea(0x4, 832), AVX512, AVX512_OF_AMD])


@st.composite
def cpus(draw: st.DrawFn, *, is_recorded: bool = False) -> CpuTraits:
    shown, usable, more = draw(masks), draw(masks), 0 if is_recorded else draw(masks)
    area = draw(areas_at_hand) or (XsaveArea() if is_recorded else None)
    return CpuTraits("GenuineIntel", shown, shown | more, usable, usable | more, area)


containers = st.sampled_from([None, USED_FPU, IDLE, SUSPENDED, ContainerTraits()])


def verdict(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits | None = None
) -> Verdict:
    one, other = NodeTraits(kernel(), source), NodeTraits(kernel(), destination)
    return our_opinion(one, other, container).verdict


@given(cpus(), cpus(), masks, containers)
def test_more_features_on_the_destination_are_never_worse(
    source: CpuTraits, other: CpuTraits, more: int, container: ContainerTraits | None
) -> None:
    usable = other.usable | more, other.may_be_usable | more
    better = CpuTraits(other.vendor, other.shown, other.may_be_shown, *usable, other.area)
    after, before = (verdict(source, one, container) for one in (better, other))
    assert ORDER.index(after) >= ORDER.index(before)


@given(cpus(), cpus(), containers)
def test_an_idle_container_is_never_worse_off(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits | None
) -> None:
    idle, other = (verdict(source, destination, one) for one in (IDLE, container))
    assert ORDER.index(idle) >= ORDER.index(other)


@given(cpus(is_recorded=True), containers)
def test_a_cpu_keeps_what_it_shows_itself(
    cpu: CpuTraits, container: ContainerTraits | None
) -> None:
    usable = cpu.usable | cpu.shown
    own = CpuTraits(cpu.vendor, cpu.shown, cpu.may_be_shown, usable, usable, cpu.area)
    assert verdict(own, own, container) is Verdict.POSSIBLE


@given(cpus(), cpus())
def test_learning_settles_a_verdict_and_turns_none(
    source: CpuTraits, destination: CpuTraits
) -> None:
    """Recording what was a hole changes no yes and no no."""
    before = verdict(source, destination)
    shown, usable = source.may_be_shown, (source.usable, source.may_be_usable)
    learned = CpuTraits(source.vendor, shown, shown, *usable, source.area)
    if before is not Verdict.UNKNOWN:
        assert verdict(learned, destination) is before


@given(st.sampled_from(list(RELEASES)), st.sampled_from(list(RELEASES)))
def test_a_version_is_refused_by_one_opinion_at_most(source: str, destination: str) -> None:
    one, other = node(kernel_traits=kernel(source)), node(kernel_traits=kernel(destination))
    theirs = kernel_opinion(one.kernel, other.kernel).verdict is Verdict.NOT_POSSIBLE
    assert not (theirs and our_opinion(one, other).verdict is Verdict.NOT_POSSIBLE)


@pytest.mark.parametrize("used", [USED_FPU, ContainerTraits(caps=0)])
def test_what_is_waived_is_marked_by_its_code(used: ContainerTraits) -> None:
    opinion = our_opinion(node(), node("cmov", "fxsr"), used)
    codes = {reason.code for reason in opinion.reasons}
    assert "instructions-missing" in codes
    for code in codes:
        waived = opinion.waive([code]).reasons
        assert [one.is_waived for one in waived] == [one.code == code for one in opinion.reasons]
        assert [one.code for one in waived] == [one.code for one in opinion.reasons]
    assert opinion.waive(codes).verdict is Verdict.POSSIBLE
    assert opinion.waive(["none"]) == opinion
