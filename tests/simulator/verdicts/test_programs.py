"""What we say of a migration beside the kernel: what programs lose, and what restore spoils."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.facts.capabilities import NodeFacts
from simulator.facts.cpu_traits import CpuTraits, Hole, XsaveArea, cpu_traits
from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, CpuidTable, Registers
from simulator.facts.features import FEATURES, JUDGED
from simulator.facts.generations import identify
from simulator.facts.override import parse_override
from simulator.profiles.catalogue import load_cpus
from simulator.verdicts.programs import programs_opinion
from simulator.verdicts.restore import restore_opinion
from simulator.verdicts.traits import (
    SUSPENDED,
    ContainerTraits,
    NodeTraits,
    container_traits,
    node_traits,
)
from simulator.verdicts.verdict import Reason, Verdict, Weight
from support.simulated_nodes import BASELINE, RELEASES, SINCE_042STAB, cpu
from support.simulated_nodes import node as composed
from support.simulated_profiles import recorded_nodes
from support.simulated_traits import (
    AVX512_AREA,
    AVX512_AREA_OF_AMD,
    AVX_AREA,
    BARE_AREA,
    FXSAVE_AREA,
    SANDY_BRIDGE,
    cpu_of,
    kernel,
    needing,
    node,
    rows,
)

USED_FPU = needing("CMOV", "FXSR")
IDLE = needing("CMOV", "EMT64")

MUST = Weight.REFUSES
REMARK = Weight.REMARK


def lost(*names: str, container: ContainerTraits | None = None) -> list[Reason]:
    """List the reasons against a CPU that lacks these features of the source's."""
    source = node(*SANDY_BRIDGE, *names)
    return list(programs_opinion(source, node(), container).reasons)


def against(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits = USED_FPU
) -> Any:
    opinion = programs_opinion(
        NodeTraits(kernel(), source), NodeTraits(kernel(), destination), container
    )
    return list(opinion.reasons)


def codes(reasons: list[Reason]) -> list[tuple[str, Weight]]:
    return [(reason.code, reason.weight) for reason in reasons]


def test_two_nodes_that_are_alike() -> None:
    for container in (None, USED_FPU, IDLE, SUSPENDED):
        assert programs_opinion(node(), node(), container).reasons == ()


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
    assert programs_opinion(node(), node(*SANDY_BRIDGE, "avx2", "smep")).reasons == ()


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

LEAF_D = "CPUID 0x0000000d"
WITH_AVX512 = (*SANDY_BRIDGE, "avx512f")


def areas(
    source: XsaveArea | None,
    destination: XsaveArea | None,
    container: ContainerTraits = USED_FPU,
    **traits: Any,
) -> list[Reason]:
    """List the reasons between CPUs that differ in their areas; traits are the source's."""
    one = replace(cpu_of(*WITH_AVX512, area=source), **traits)
    return list(against(one, cpu_of(*WITH_AVX512, area=destination), container))


def test_components_that_the_destination_does_not_save() -> None:
    assert areas(AVX512_AREA, FXSAVE_AREA) == [
        *(
            Reason("xsave-component-missing", MUST, name, f"{LEAF_D} eax bit {bit}", "yes", "no")
            for bit, name in [
                (2, "AVX"),
                (5, "AVX-512 masks"),
                (6, "AVX-512 upper halves"),
                (7, "AVX-512 upper registers"),
            ]
        ),
        Reason("xsave-area-smaller", MUST, "", LEAF_D, "2688 bytes", "512 bytes"),
    ]
    assert areas(AVX512_AREA, FXSAVE_AREA, IDLE) == []


def test_a_component_that_programs_were_shown_nothing_for_is_not_missed() -> None:
    shown = rows(*SANDY_BRIDGE)
    assert areas(AVX512_AREA, AVX_AREA, shown=shown, may_be_shown=shown) == []
    assert areas(AVX512_AREA, AVX512_AREA_OF_AMD, shown=shown, may_be_shown=shown) == []
    shown = rows("sse", "xsave")
    assert areas(AVX512_AREA, FXSAVE_AREA, shown=shown, may_be_shown=shown) == []


@pytest.mark.parametrize("name", ["avx512f", "avx512_fp16", "avx10"])
def test_a_component_that_they_may_have_been_shown_something_for_is(name: str) -> None:
    shown = rows(*SANDY_BRIDGE)
    reasons = areas(AVX512_AREA, AVX_AREA, USED_FPU, shown=shown, may_be_shown=shown | rows(name))
    assert [one.feature for one in reasons if one.code == "xsave-component-missing"] == [
        "AVX-512 masks",
        "AVX-512 upper halves",
        "AVX-512 upper registers",
    ]


@pytest.mark.parametrize(
    ("one", "other"), [(AVX512_AREA, AVX512_AREA_OF_AMD), (AVX512_AREA_OF_AMD, AVX512_AREA)]
)
def test_components_at_other_places(one: XsaveArea, other: XsaveArea) -> None:
    reasons = [one for one in areas(one, other) if one.code == "xsave-layout-differs"]
    assert [reason.feature for reason in reasons] == [
        "AVX-512 masks",
        "AVX-512 upper halves",
        "AVX-512 upper registers",
    ]
    first = one.components[1].offset, other.components[1].offset
    assert (reasons[0].source, reasons[0].destination) == tuple(f"at byte {at}" for at in first)
    assert (reasons[0].place, reasons[0].weight) == (f"{LEAF_D} subleaf 5 ebx", MUST)


def test_a_smaller_area_cuts_what_does_not_fit() -> None:
    reasons = areas(AVX512_AREA, AVX512_AREA_OF_AMD)
    expected = Reason("xsave-area-smaller", MUST, "", LEAF_D, "2688 bytes", "2432 bytes")
    assert reasons[-1] == expected
    # Of what is used, all fits: a smaller area is no reason by itself.
    assert areas(BARE_AREA, FXSAVE_AREA) == []
    roomy = XsaveArea(900, AVX_AREA.components)
    assert areas(roomy, AVX_AREA) == []


@pytest.mark.parametrize("container", [None, USED_FPU, IDLE, SUSPENDED])
@pytest.mark.parametrize(
    ("source", "destination", "sizes"),
    [
        (BARE_AREA, AVX_AREA, ("576 bytes", "832 bytes")),
        (AVX_AREA, AVX512_AREA, ("832 bytes", "2688 bytes")),
    ],
)
def test_a_larger_area_is_more_than_programs_have_room_for(
    source: XsaveArea, destination: XsaveArea, sizes: tuple[str, str], container: Any
) -> None:
    shown = rows("sse", "xsave")
    needed_by = "programs that bind functions lazily, and save registers by XSAVE"
    expected = Reason("xsave-area-larger", MUST, "", LEAF_D, *sizes, needed_by)
    found = areas(source, destination, container, shown=shown, may_be_shown=shown)
    assert found == [expected]


def test_who_does_not_save_by_xsave_has_room_enough() -> None:
    assert areas(FXSAVE_AREA, AVX512_AREA, IDLE) == []
    assert areas(AVX_AREA, AVX512_AREA, IDLE, told=0) == []
    assert areas(AVX_AREA, AVX_AREA) == areas(AVX512_AREA, AVX512_AREA) == []


def test_who_was_told_of_more_has_that_much_room() -> None:
    assert areas(AVX_AREA, AVX512_AREA, told=2688) == []
    (reason,) = areas(AVX_AREA, AVX512_AREA, told=2687)
    assert (reason.code, reason.source) == ("xsave-area-larger", "2687 bytes by cpuid_override")


def not_recorded(*sizes: str) -> list[Reason]:
    return [Reason("xsave-not-recorded", Weight.UNKNOWN, "", LEAF_D, *sizes)]


def test_an_area_that_was_not_recorded() -> None:
    unknown = "not recorded"
    assert areas(AVX_AREA, None) == areas(AVX_AREA, None, IDLE)
    assert areas(AVX_AREA, None) == not_recorded("832 bytes", unknown)
    assert areas(None, AVX512_AREA) == not_recorded(unknown, "2688 bytes")
    assert areas(None, None, IDLE) == not_recorded(unknown, unknown)
    # Nothing is cut where nothing is in use, nor written beyond any room.
    assert areas(None, FXSAVE_AREA) == not_recorded(unknown, "512 bytes")
    assert areas(None, FXSAVE_AREA, IDLE) == areas(None, BARE_AREA, IDLE) == []
    assert areas(FXSAVE_AREA, None, IDLE) == areas(AVX_AREA, None, IDLE, told=0) == []
    assert areas(None, AVX_AREA, IDLE, told=832) == []
    assert areas(None, AVX_AREA, IDLE, told=831) == not_recorded(unknown, "832 bytes")


# Two CPUs with the same registers


def hole(xcr0: int = 0xE7, enabled: int = -1, *words: str, unrecorded: int = FULL) -> Hole:
    return Hole((cpu("xsave", *words),), unrecorded, xcr0, enabled)


def same_cpu(
    destination: Hole | None, container: ContainerTraits = USED_FPU, **traits: Any
) -> list[tuple[str, str]]:
    """List codes and features between CPUs of which nothing but leaf 1 was recorded."""
    known = {"may_be_shown": FULL, "may_be_usable": FULL, "area": None, **traits}
    source = cpu_of(*SANDY_BRIDGE, **known, hole=hole())
    other = cpu_of(*SANDY_BRIDGE, **known, hole=destination)
    return [(one.code, one.feature) for one in against(source, other, container)]


def test_a_cpu_lacks_nothing_of_one_that_is_its_like() -> None:
    unknown = [("cpuid-not-recorded", "bmi1 avx2"), ("xsave-not-recorded", "")]
    assert same_cpu(hole()) == []
    assert same_cpu(hole(0xE7, -1, "avx")) == same_cpu(None) == unknown


def test_its_kernel_may_disable_what_the_cpu_has() -> None:
    assert same_cpu(hole(enabled=~rows("avx2"))) == [("cpuid-not-recorded", "avx2")]
    assert same_cpu(hole(enabled=~rows("avx2")), IDLE) == []
    assert same_cpu(hole(0x7)) == [("xsave-not-recorded", "")]


def test_of_one_model_a_leaf_must_be_missing_of_both() -> None:
    known = rows("bmi1", "erms")
    assert same_cpu(hole(unrecorded=known)) == [("cpuid-not-recorded", "avx2")]
    twice = replace(hole(), cpus=(cpu("xsave"), cpu()))
    assert ("xsave-not-recorded", "") in same_cpu(twice)
    more = cpu("xsave").replace({(0x15, 0): Registers(1, 2, 3, 4)})
    assert same_cpu(replace(hole(), cpus=(more,))) == []


# Kernels of which it is not known what they enable


def unread(release: str = "104.1", avx512: bool = True) -> CpuTraits:
    more = cpu_of(*WITH_AVX512, area=AVX512_AREA)
    traits = cpu_of(*SANDY_BRIDGE, area=AVX_AREA)
    return replace(traits, kernel=release, with_more=more) if avx512 else traits


def test_where_both_cases_come_to_one_end_nothing_is_unknown() -> None:
    assert against(unread(), unread()) == []
    assert against(unread(), cpu_of(*SANDY_BRIDGE, vendor="AuthenticAMD"), IDLE)[0].code == (
        "vendor-differs"
    )
    assert codes(against(cpu_of(*WITH_AVX512, "bmi1", area=AVX512_AREA), unread(), IDLE)) == [
        ("instructions-missing", MUST),
        ("instructions-missing", REMARK),
        ("xsave-not-settled", Weight.UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("source", "destination", "told"),
    [
        (unread(), unread(avx512=False), ("not known of 104.1", "")),
        (unread(avx512=False), unread(), ("", "not known of 104.1")),
        (unread(), unread("105.2"), ("not known of 104.1", "not known of 105.2")),
    ],
)
def test_where_they_do_not_the_verdict_is_unknown(
    source: CpuTraits, destination: CpuTraits, told: tuple[str, str]
) -> None:
    assert against(source, destination) == [
        Reason("xsave-not-settled", Weight.UNKNOWN, "", "XCR0", *told)
    ]


def avx512_cpu(*offsets: int) -> CpuidTable:
    """Make a CPU with AVX-512 whose three components are at these places."""
    sizes = 64, 512, 1024
    places = {
        (0xD, number): Registers(size, offset, 0, 0)
        for number, size, offset in zip((5, 6, 7), sizes, offsets, strict=True)
    }
    answers = {(0x7, 0): Registers(0, 1 << 16 | 1 << 5, 0, 0), (0xD, 0): Registers(0xE7, 0, 0, 0)}
    return cpu(*BASELINE, "xsave", "avx").replace({**answers, **places})


# Nodes

NEW_RELEASE, OLD_RELEASE, UNREAD = (
    f"2.6.32-042stab{number}" for number in ("141.3", "092.1", "104.1")
)
WIDE = avx512_cpu(1088, 1152, 1664).replace({(0xD, 1): Registers(1, 0, 0, 0)})
NARROW = cpu(*BASELINE, "xsave", "avx", "xsaveopt").replace({(0x7, 0): Registers(0, 1 << 5, 0, 0)})

#: Tables that hide AVX-512 from programs, and that tell them of an area as large as AVX-512's.
WITHOUT_AVX512 = "7 0: 0 0x20 0 0\n0xd 0: 7 0x340 0x340 0"
WITH_ROOM = "0xd 0: 7 0xa80 0xa80 0"


def between(
    source: CpuidTable,
    destination: CpuidTable,
    releases: tuple[str, str] = (NEW_RELEASE, NEW_RELEASE),
    override: str | None = None,
    spec: str = "1:fpu",
) -> list[str]:
    """List the codes that count against moving a container from one composed node to another."""
    one = composed("one", spec, table=source, release=releases[0], override=override)
    other = composed("other", table=destination, release=releases[1])
    container = container_traits(one, one.containers[0])
    opinion = programs_opinion(node_traits(one), node_traits(other), container)
    return sorted({one.code for one in opinion.reasons if one.verdict is not Verdict.POSSIBLE})


def test_across_avx_512_each_way_has_its_reasons() -> None:
    """Virtuozzo met the larger area, and made CRIU refuse any difference of size."""
    for spec in ("1:fpu", "1"):
        assert between(NARROW, WIDE, spec=spec) == ["xsave-area-larger"]
    assert between(WIDE, NARROW) == [
        *("instructions-missing", "xsave-area-smaller", "xsave-component-missing")
    ]
    # No container of a kernel before 108.1 has used any of it, and none is cut there.
    assert (
        between(WIDE, NARROW, (OLD_RELEASE, NEW_RELEASE))
        == between(WIDE, NARROW, (OLD_RELEASE, OLD_RELEASE))
        == []
    )
    assert between(NARROW, WIDE, (OLD_RELEASE, OLD_RELEASE)) == []
    # A newer kernel enables more on the same CPU.
    assert between(WIDE, WIDE, (OLD_RELEASE, NEW_RELEASE)) == ["xsave-area-larger"]


def test_masks_lead_across_avx_512_both_ways() -> None:
    assert between(WIDE, NARROW, override=WITHOUT_AVX512) == []
    assert between(WIDE, NARROW, override="7 0: 0 0x20 0 0") == []
    assert between(NARROW, WIDE, override=WITH_ROOM) == []
    assert between(WIDE, WIDE, override=WITHOUT_AVX512) == []
    assert between(NARROW, NARROW, override=WITH_ROOM) == []


def test_a_kernel_that_was_not_read_matters_where_a_cpu_has_avx_512() -> None:
    assert (
        between(WIDE, WIDE, (UNREAD, UNREAD))
        == between(NARROW, NARROW, (UNREAD, OLD_RELEASE))
        == []
    )
    for source, destination, releases in (
        (WIDE, NARROW, (UNREAD, NEW_RELEASE)),
        (NARROW, WIDE, (NEW_RELEASE, UNREAD)),
        (WIDE, WIDE, (OLD_RELEASE, UNREAD)),
        (WIDE, WIDE, (UNREAD, NEW_RELEASE)),
        (WIDE, WIDE, (UNREAD, "2.6.32-042stab105.2")),
    ):
        assert between(source, destination, releases) == ["xsave-not-settled"]


def lacking(table: CpuidTable, *keys: tuple[int, int]) -> CpuidTable:
    return CpuidTable((key, answer) for key, answer in table.items() if key not in keys)


@pytest.mark.parametrize(
    "keys", [[(0xD, 1)], [(0xD, 6)], [(0xD, 0), (0xD, 5)], [(0xD, 1), (0xD, 5), (0xD, 7)]]
)
def test_two_nodes_of_one_cpu_lack_nothing_of_each_other(keys: list[tuple[int, int]]) -> None:
    known = lacking(WIDE, *keys)
    same = known.replace({(0x1, 0): known[0x1, 0]._replace(ebx=0x05000000)})
    other = known.replace({(0x1, 0): known[0x1, 0]._replace(eax=0x000206D6)})
    assert between(known, same) == []
    assert between(known, same, ("2.6.32-042stab108.1", NEW_RELEASE)) == []
    unknown = between(known, other)
    assert unknown
    assert set(unknown) <= {"cpuid-not-recorded", "xsave-not-recorded"}
    # What the one has recorded of it, the other may lack.
    assert between(WIDE, known) != []
    # Another program has read more of the same.
    assert between(known, same.replace({(0x4, 0): Registers(1, 2, 3, 4)})) == []


@pytest.mark.parametrize("keys", [[(0x7, 0)], [(0x7, 0), (0xD, 0)], [(0x7, 0), (0xD, 7)]])
def test_two_nodes_of_one_stepping_may_differ_in_leaf_7(keys: list[tuple[int, int]]) -> None:
    """Firmware and microcode switch TSX and AVX-512 off, and product lines lack more."""
    known = lacking(WIDE, *keys)
    assert "cpuid-not-recorded" in between(known, known)


def test_two_cpus_of_which_the_stepping_is_not_known_may_be_of_two() -> None:
    own = WIDE[0x1, 0]
    known = EVERY_BIT._replace(eax=ALL_BITS & ~0xF)
    partly = own._replace(eax=own.eax & known.eax), known
    rows = [row for row in WIDE.items() if row[0] not in {(0x1, 0), (0xD, 6)}]
    table = CpuidTable(rows, [((0x1, 0), partly)])
    assert between(table, table) == ["xsave-not-recorded"]


@pytest.mark.parametrize("number", ["092.1", "104.1", "141.3"])
def test_no_recorded_cpu_is_unknown_to_its_like(number: str) -> None:
    """Of five of them a leaf is missing that these kernels' programs are judged by."""
    release = identify(f"2.6.32-042stab{number}")
    found = [
        cpu_traits(NodeFacts(release=release, machine="x86_64", cpuid=one.table), (one.table,))
        for one in load_cpus().values()
    ]
    assert sum(traits.hole is not None for traits in found) >= 3
    assert {verdict(traits, traits) for traits in found} == {Verdict.POSSIBLE}


@pytest.mark.parametrize("name", recorded_nodes())
def test_no_recorded_node_is_anything_but_safe_to_its_like(name: str) -> None:
    traits = node_traits(recorded_nodes()[name])
    assert programs_opinion(traits, traits).verdict is Verdict.POSSIBLE


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
    (reason,) = programs_opinion(one, other).reasons
    assert (reason.code, reason.weight) == (f"restore-version-{code}", MUST)
    assert reason.source == version
    assert reason.destination.split(", ")[-1] == taken


TAKEN = [("028stab", "028stab"), *(("2.6.32", name) for name in ("2.6.32", *SINCE_042STAB))]


@pytest.mark.parametrize(("source", "destination"), TAKEN)
def test_what_restore_takes(source: str, destination: str) -> None:
    one, other = node(kernel_traits=kernel(source)), node(kernel_traits=kernel(destination))
    assert programs_opinion(one, other).reasons == ()


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
    assert codes(list(programs_opinion(one, other).reasons)) == expected


# Machines

IA64 = NodeTraits(kernel("028stab"), CpuTraits())
OLD = node(kernel_traits=kernel("028stab"))


@pytest.mark.parametrize(("one", "other"), [(IA64, OLD), (OLD, IA64)])
def test_nothing_else_is_said_of_another_architecture(one: NodeTraits, other: NodeTraits) -> None:
    names = {"": "ia64", "GenuineIntel": "x86"}
    source, destination = names[one.cpu.vendor], names[other.cpu.vendor]
    expected = Reason("architecture-differs", MUST, source=source, destination=destination)
    assert programs_opinion(one, other).reasons == (expected,)
    assert programs_opinion(IA64, IA64).reasons == ()


def test_another_vendor_is_worth_a_remark() -> None:
    (reason,) = programs_opinion(node(), node(vendor="AuthenticAMD")).reasons
    assert reason == Reason(
        "vendor-differs", REMARK, source="GenuineIntel", destination="AuthenticAMD"
    )


def test_a_narrower_kernel_leaves_it_open() -> None:
    narrow = node(kernel_traits=kernel(is_64_bit=False))
    (reason,) = programs_opinion(node(), narrow).reasons
    assert reason == Reason(
        "kernel-narrower", Weight.UNKNOWN, source="64 bits", destination="32 bits"
    )
    assert (
        programs_opinion(narrow, node()).reasons == programs_opinion(narrow, narrow).reasons == ()
    )


def test_all_reasons_come_at_once_in_one_order() -> None:
    source = node(*WITH_AVX512, "popcnt", area=AVX512_AREA, vendor="AuthenticAMD")
    source = NodeTraits(kernel("028stab"), source.cpu)
    bare = HOLE.may_be_shown
    destination = NodeTraits(
        kernel("042stab", is_64_bit=False),
        CpuTraits("GenuineIntel", bare, bare, rows(*SANDY_BRIDGE[:-1]), rows(*SANDY_BRIDGE)),
    )
    found = [code for code, _ in codes(list(programs_opinion(source, destination).reasons))]
    assert " ".join(found) == (
        "restore-version-too-old vendor-differs kernel-narrower "
        "instructions-missing instructions-missing "
        f"cpuid-not-recorded {'xsave-component-missing ' * 4}xsave-area-smaller"
    )


# Properties

ORDER = [Verdict.NOT_POSSIBLE, Verdict.UNKNOWN, Verdict.POSSIBLE]
masks = st.integers(0, JUDGED).map(lambda number: number & JUDGED)
areas_at_hand = st.sampled_from([FXSAVE_AREA, BARE_AREA, AVX_AREA, AVX512_AREA, AVX512_AREA_OF_AMD])
sizes = st.sampled_from([None, 0, 2689, 4096])


@st.composite
def read_cpus(draw: st.DrawFn, *, is_recorded: bool = False) -> CpuTraits:
    """Draw a CPU below a kernel that was read."""
    shown, usable, more = draw(masks), draw(masks), 0 if is_recorded else draw(masks)
    area = draw(areas_at_hand if is_recorded else areas_at_hand | st.none())
    told = draw(sizes)
    return CpuTraits("GenuineIntel", shown, shown | more, usable, usable | more, area, told)


@st.composite
def cpus(draw: st.DrawFn, *, is_recorded: bool = False) -> CpuTraits:
    traits = draw(read_cpus(is_recorded=is_recorded))
    if draw(st.booleans()):
        return traits
    more = draw(read_cpus(is_recorded=is_recorded))
    return replace(traits, kernel=draw(st.sampled_from(["104.1", "105.2"])), with_more=more)


containers = st.sampled_from([None, USED_FPU, IDLE, SUSPENDED, ContainerTraits()])


def changed(traits: CpuTraits, change: Callable[[CpuTraits], CpuTraits]) -> CpuTraits:
    """Change a CPU, whatever its kernel enables."""
    more = traits.with_more
    return replace(change(traits), kernel=traits.kernel, with_more=more and change(more))


def verdict(
    source: CpuTraits, destination: CpuTraits, container: ContainerTraits | None = None
) -> Verdict:
    one, other = NodeTraits(kernel(), source), NodeTraits(kernel(), destination)
    return programs_opinion(one, other, container).verdict


@given(cpus(), cpus(), masks, containers)
def test_more_features_on_the_destination_are_never_worse(
    source: CpuTraits, other: CpuTraits, more: int, container: ContainerTraits | None
) -> None:
    better = changed(
        other,
        lambda one: replace(one, usable=one.usable | more, may_be_usable=one.may_be_usable | more),
    )
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
    own = changed(
        cpu,
        lambda one: replace(
            one, usable=one.usable | one.shown, may_be_usable=one.usable | one.shown
        ),
    )
    assert verdict(own, own, container) is Verdict.POSSIBLE


@given(cpus(), cpus())
def test_learning_settles_a_verdict_and_turns_none(
    source: CpuTraits, destination: CpuTraits
) -> None:
    """Recording what was a hole changes no yes and no no."""
    before = verdict(source, destination)
    learned = changed(source, lambda one: replace(one, shown=one.may_be_shown))
    if before is not Verdict.UNKNOWN:
        assert verdict(learned, destination) is before


#: CPUs of several kinds, whole, and the leaves that a recording may lack.
KINDS = {
    "no XSAVE": cpu("sse", "sse2"),
    "XSAVE": cpu("sse", "sse2", "xsave").replace({(0xD, 0): Registers(3, 576, 576, 0)}),
    "AVX": cpu("sse", "sse2", "xsave", "avx"),
    "AVX, bmi1": cpu("sse", "sse2", "xsave", "avx").replace({(7, 0): Registers(0, 8, 0, 0)}),
    "AVX-512 of Intel": avx512_cpu(1088, 1152, 1664),
    "AVX-512 of AMD": avx512_cpu(832, 896, 1408),
}
NOT_RECORDED = [(0x7, 0), (0xD, 0), (0xD, 1), (0xD, 5), (0xD, 7)]
OVERRIDES = [
    *("", "1: 0 0 0xf7ffffff 0xffffffff", "7: 0 0 0 0", "0xd 0: 7 0xa80 0xa80 0"),
    "7: 0 0 0 0\n0xd 0: 7 0x340 0x340 0",
]


@st.composite
def machines(draw: st.DrawFn) -> tuple[CpuidTable, NodeFacts]:
    table = draw(st.sampled_from(list(KINDS.values())))
    number = draw(st.sampled_from(["061.9", "092.1", "104.1", "105.2", "108.1", "141.3"]))
    override = parse_override(draw(st.sampled_from(OVERRIDES)))
    release = identify(f"2.6.32-042stab{number}")
    return table, NodeFacts(release=release, machine="x86_64", cpuid=table, override=override)


def traits_of(machine: tuple[CpuidTable, NodeFacts], missing: set[tuple[int, int]]) -> CpuTraits:
    table = CpuidTable((key, answer) for key, answer in machine[0].items() if key not in missing)
    return cpu_traits(replace(machine[1], cpuid=table), (table,))


leaves = st.sets(st.sampled_from(NOT_RECORDED))


@given(machines(), machines(), leaves, leaves, containers)
def test_what_was_not_recorded_changes_no_verdict_but_to_unknown(
    one: tuple[CpuidTable, NodeFacts],
    other: tuple[CpuidTable, NodeFacts],
    missing: set[tuple[int, int]],
    also_missing: set[tuple[int, int]],
    container: ContainerTraits | None,
) -> None:
    whole = traits_of(one, set()), traits_of(other, set())
    holes = traits_of(one, missing), traits_of(other, also_missing)
    if one[0] != other[0]:
        # CPUs of one stepping that are alike elsewhere are alike in XSAVE's leaf.
        keys = set(one[0]) & set(other[0]) - {
            key for key in missing | also_missing if key[0] == 0xD
        }
        assume(any(one[0][key] != other[0][key] for key in keys))
    found = verdict(*holes, container)
    assert found in (Verdict.UNKNOWN, verdict(*whole, container))


@given(
    machines(), leaves.map(lambda keys: keys - {(0x7, 0)}), st.sampled_from(OVERRIDES), containers
)
def test_a_leaf_that_neither_of_two_like_nodes_has_recorded_is_not_missed(
    machine: tuple[CpuidTable, NodeFacts],
    missing: set[tuple[int, int]],
    override: str,
    container: ContainerTraits | None,
) -> None:
    table, facts = machine
    masked = table, replace(facts, override=parse_override(override))
    source, destination = traits_of(machine, missing), traits_of(masked, missing)
    assert verdict(source, destination, container) is Verdict.POSSIBLE


@given(machines(), st.sampled_from(["092.2", "104.1", "107.9"]), containers)
def test_an_unread_kernel_is_like_one_of_those_before_and_after(
    machine: tuple[CpuidTable, NodeFacts], number: str, container: ContainerTraits | None
) -> None:
    def below(release: str) -> CpuTraits:
        facts = replace(machine[1], release=identify(f"2.6.32-042stab{release}"), override=())
        return traits_of((machine[0], facts), set())

    for kind in KINDS.values():
        known = traits_of((kind, replace(machine[1], override=())), set())
        assume(known.with_more is None)
        there = {verdict(known, below(one), container) for one in ("092.1", "108.1")}
        found = verdict(known, below(number), container)
        assert found is (Verdict.UNKNOWN if len(there) > 1 else there.pop())


@given(st.sampled_from(list(RELEASES)), st.sampled_from(list(RELEASES)))
def test_a_version_is_refused_by_one_opinion_at_most(source: str, destination: str) -> None:
    one, other = node(kernel_traits=kernel(source)), node(kernel_traits=kernel(destination))
    theirs = restore_opinion(one.kernel, other.kernel).verdict is Verdict.NOT_POSSIBLE
    assert not (theirs and programs_opinion(one, other).verdict is Verdict.NOT_POSSIBLE)


@pytest.mark.parametrize("used", [USED_FPU, ContainerTraits(caps=0)])
def test_what_is_waived_is_marked_by_its_code(used: ContainerTraits) -> None:
    opinion = programs_opinion(node(), node("cmov", "fxsr"), used)
    codes = {reason.code for reason in opinion.reasons}
    assert "instructions-missing" in codes
    for code in codes:
        waived = opinion.waive([code]).reasons
        assert [one.is_waived for one in waived] == [one.code == code for one in opinion.reasons]
        assert [one.code for one in waived] == [one.code for one in opinion.reasons]
    assert opinion.waive(codes).verdict is Verdict.POSSIBLE
    assert opinion.waive(["none"]) == opinion
