"""What differs between two nodes: each fact by itself, and nothing that is no fact of theirs."""

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from simulator.errors import UserError
from simulator.fleets.changes import Change, node_changes
from simulator.kernel.containers import Container, Needs, State
from simulator.profiles.profile import NodeProfile, Origin, OriginKind
from simulator.profiles.profile_json import parse_profile
from simulator.profiles.store import fixture_names, load_node
from support.simulated_profiles import CAPABILITY_NUMBER, encoded, good_document, profiles

GOOD = parse_profile(encoded(good_document()), "good", "good.json")


def with_kernel(**facts: Any) -> NodeProfile:
    return replace(GOOD, kernel=replace(GOOD.kernel, **facts))


def with_cpu(**facts: Any) -> NodeProfile:
    return replace(GOOD, cpus=(replace(GOOD.cpus[0], **facts), GOOD.cpus[1]))


def with_answers(**facts: Any) -> NodeProfile:
    return replace(GOOD, answers=replace(GOOD.answers, **facts))


def with_container(**facts: Any) -> NodeProfile:
    containers = [one for one in GOOD.containers if one.ctid != 103]
    return replace(GOOD, containers=(*containers, replace(GOOD.containers[2], **facts)))


def forth_and_back(new: NodeProfile) -> list[Change]:
    """Return what differs; what differs the other way round is the same in reverse."""
    forth, back = node_changes(GOOD, new), node_changes(new, GOOD)
    reverse = {change._replace(old=change.new, new=change.old) for change in back}
    assert set(forth) == reverse
    return list(forth)


@pytest.mark.parametrize("name", fixture_names()[::10])
def test_a_node_does_not_differ_from_itself(name: str) -> None:
    assert node_changes(load_node(name), load_node(name)) == ()


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(replace(GOOD, name="other"), id="name"),
        pytest.param(
            replace(GOOD, origin=Origin(OriginKind.COMPOSED, "elsewhere", GOOD.origin.utrace)),
            id="origin",
        ),
        pytest.param(with_kernel(boot_options=GOOD.kernel.boot_options[::-1]), id="boot options"),
        pytest.param(with_cpu(flags="lm sep cmov fpu"), id="flags"),
        pytest.param(replace(GOOD, containers=GOOD.containers[::-1]), id="containers"),
    ],
)
def test_what_is_left_aside(same: NodeProfile) -> None:
    assert forth_and_back(same) == []


KERNEL_CHANGES = {
    "release": (
        {"release": "2.6.32-042stab092.1"},
        [
            ("release", "2.6.32-042stab113.5", "2.6.32-042stab092.1"),
            ("generation", "042stab107", "042stab092"),
        ],
    ),
    "machine": ({"machine": "i686"}, [("machine", "x86_64", "i686")]),
    "vz_version": ({"vz_version": None}, [("vz_version", "042stab113_5", "not known")]),
    "boot options": (
        {"boot_options": ("ipv6.disable=1", "noxsave")},
        [("boot option", "nordrand", None), ("boot option", None, "noxsave")],
    ),
    "modules": ({"modules": frozenset({"vzrst"})}, [("module", "vzcpt", None)]),
    "IPv6": ({"ipv6": True}, [("IPv6", "no", "yes")]),
    "SLM": ({"slm_without_module": False}, [("SLM without its module", "yes", "no")]),
}


@pytest.mark.parametrize("name", KERNEL_CHANGES)
def test_kernels_differ(name: str) -> None:
    facts, expected = KERNEL_CHANGES[name]
    assert forth_and_back(with_kernel(**facts)) == [Change("kernel", *one) for one in expected]


def test_the_origin_tells_of_utrace_alone() -> None:
    new = replace(GOOD, origin=replace(GOOD.origin, utrace=True))
    assert forth_and_back(new) == [Change("kernel", "utrace", "no", "yes")]


CPU_CHANGES = {
    "processors": ({"processors": "0"}, [("processors", "0-3,8", "0")]),
    "model": ({"model_name": "New"}, [("model name", "Some CPU", "New")]),
    "no model": ({"model_name": None}, [("model name", "Some CPU", "not known")]),
    "microcode": ({"microcode": "0x2a"}, [("microcode", "0x15", "0x2a")]),
    "flags": (
        {"flags": "fpu cmov lm avx fma"},
        [("flag", "sep", None), ("flag", None, "avx"), ("flag", None, "fma")],
    ),
    "no flags": ({"flags": None}, [("flags", "known", "not known")]),
}


@pytest.mark.parametrize("name", CPU_CHANGES)
def test_cpus_differ(name: str) -> None:
    facts, expected = CPU_CHANGES[name]
    assert forth_and_back(with_cpu(**facts)) == [Change("cpu", *one) for one in expected]


def test_a_second_cpu_may_differ_or_not_be_there() -> None:
    without = replace(GOOD, cpus=GOOD.cpus[:1])
    assert forth_and_back(without) == [Change("cpus", "processors", "4-7", None)]
    other = replace(GOOD, cpus=(GOOD.cpus[0], replace(GOOD.cpus[1], microcode="1")))
    assert forth_and_back(other) == [Change("cpu 1", "microcode", "not known", "1")]


def test_registers_differ() -> None:
    table = GOOD.cpus[0].cpuid
    registers = table[0x1, 0]._replace(ecx=table[0x1, 0].ecx ^ 1 << 28)
    (change,) = forth_and_back(with_cpu(cpuid=table.replace({(0x1, 0): registers})))
    assert (change.part, change.name) == ("cpu", "avx")
    assert change.place == "CPUID 0x00000001 ecx bit 28"
    assert {change.old, change.new} == {"0", "1"}


LINE = GOOD.cpuid_override.strip() if GOOD.cpuid_override else ""
OTHER = "0x00000007: 0x00000000 0x00000000 0x00000000 0x00000000"


FILE = ("/proc/vz/cpuid_override", "a file", "no file")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, [FILE, ("line", LINE, None)]),
        ("", [("line", LINE, None)]),
        (f"{LINE}\n{OTHER}\n", [("line", None, OTHER)]),
        (f"{OTHER}\n", [("line", LINE, None), ("line", None, OTHER)]),
    ],
)
def test_overrides_differ(text: str | None, expected: list[tuple[str, str, str]]) -> None:
    found = forth_and_back(replace(GOOD, cpuid_override=text))
    assert found == [Change("cpuid_override", *one) for one in expected]


def test_the_order_of_an_override_matters() -> None:
    one = replace(GOOD, cpuid_override=f"{LINE}\n{OTHER}\n")
    other = replace(GOOD, cpuid_override=f"{OTHER}\n{LINE}\n")
    assert node_changes(one, other) == (
        Change("cpuid_override", "order of lines", f"{LINE}, {OTHER}", f"{OTHER}, {LINE}"),
    )


VERSIONS = "0x303 (18_3), 0x304 (18_4), 0x800 (32), 0x801 (32_1), 0x802 (32_2), 0x803 (32_3)"
ANSWER_CHANGES = {
    "version": ({"image_version": 0x801}, [("image version", "0x803 (32_3)", "0x801 (32_1)")]),
    "no version": ({"image_version": None}, [("image version", "0x803 (32_3)", "not known")]),
    "accepted": (
        {"accepted_versions": (0x303, 0x304, 0x800, 0x801, 0x900)},
        [
            ("accepted version", "0x802 (32_2)", None),
            ("accepted version", "0x803 (32_3)", None),
            ("accepted version", None, "0x900"),
        ],
    ),
    "none accepted": ({"accepted_versions": None}, [("accepted versions", VERSIONS, "not known")]),
    # Bits 26, 28 and the nameless 30: kernel-facts.md, section 4.
    "number": (
        {"capability_number": CAPABILITY_NUMBER ^ (1 << 26 | 1 << 28 | 1 << 30)},
        [
            ("capability number", "369259935", "1107457439"),
            ("avx", "1", "0", "capability bit 26"),
            ("NO_IPV6", "1", "0", "capability bit 28"),
            ("", "0", "1", "capability bit 30"),
        ],
    ),
    "no number": ({"capability_number": None}, [("capability number", "369259935", "not known")]),
}


@pytest.mark.parametrize("name", ANSWER_CHANGES)
def test_answers_differ(name: str) -> None:
    facts, expected = ANSWER_CHANGES[name]
    assert forth_and_back(with_answers(**facts)) == [Change("answers", *one) for one in expected]


def test_containers_come_and_go() -> None:
    new = replace(GOOD, containers=(*GOOD.containers[:-1], Container(ctid=105)))
    assert forth_and_back(new) == [
        Change("containers", "container", "104", None),
        Change("containers", "container", None, "105"),
    ]


CONTAINER_CHANGES = {
    "state": (
        {"state": State.LOCKED, "needs": None},
        [("state", "running", "locked"), ("needs", "1", "not known")],
    ),
    "needs": ({"needs": Needs(3, ("said",))}, [("fxsr", "0", "1", "capability bit 1")]),
    "reports": (
        {"needs": Needs(1, ("said otherwise",))},
        [("report", "said", None), ("report", None, "said otherwise")],
    ),
}


@pytest.mark.parametrize("name", CONTAINER_CHANGES)
def test_containers_differ(name: str) -> None:
    facts, expected = CONTAINER_CHANGES[name]
    found = forth_and_back(with_container(**facts))
    assert found == [Change("container 103", *one) for one in expected]


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        ("task 1001/1(init) is ptraced", "task 2001/7(init) is ptraced", False),
        ("keys are used by 1001,1001(init)", "keys are used by 7,1001(init)", False),
        ("keys are used by 1001,1001(init)", "keys are used by 1001,1001(sh)", True),
        ("unsupported netdevice tun0", "unsupported netdevice tun1", True),
        # A name is not looked into.
        ("task 1/1(1/1(x)", "task 2/2(1/1(x)", False),
        ("task 1/1(1/1(x)", "task 1/1(2/2(x)", True),
    ],
)
def test_processes_have_other_numbers_each_time(one: str, other: str, differs: bool) -> None:
    old = with_container(needs=Needs(1, (one,)))
    new = with_container(needs=Needs(1, (other,)))
    assert bool(node_changes(old, new)) is differs


@settings(max_examples=20)
@given(profiles, profiles)
def test_any_two_are_compared_and_only_equal_ones_equal(old: NodeProfile, new: NodeProfile) -> None:
    try:
        old.facts()
        new.facts()
    except UserError:
        return
    forth, back = node_changes(old, new), node_changes(new, old)
    assert len(forth) == len(back)
    assert {(one.part, one.name, one.place) for one in forth} == {
        (one.part, one.name, one.place) for one in back
    }
    assert node_changes(old, old) == ()
