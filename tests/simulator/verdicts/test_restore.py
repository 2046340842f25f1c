"""What both kernels say of a migration: each reason, and the verdict that the rules demand."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from simulator.facts.generations import BY_NAME
from simulator.kernel.containers import State
from simulator.kernel.decision import decide
from simulator.verdicts.restore import refused_version, restore_opinion
from simulator.verdicts.traits import SUSPENDED, ContainerTraits, KernelTraits
from simulator.verdicts.verdict import Reason, Verdict, Weight
from support.expectation import refuses
from support.simulated_nodes import RELEASES, SINCE_042STAB, SINCE_101, caps, words_of
from support.simulated_traits import WELCOMING, kernel, needing

#: The kernels that can be asked about versions and that restore what all of these write.
NEWEST = "042stab107"
BEFORE_042STAB = ("028stab", "2.6.32")

#: Words of TEST_CAPS and TEST_VECAPS with the header's names, to be looked up in both.
BIT_OF_WORD = {
    "cmov": "CMOV", "fxsr": "FXSR", "sse": "SSE", "sse2": "SSE2", "sse4_1": "SSE4_1",
    "sse4_2": "SSE4_2", "mmx": "MMX", "3dnow": "3DNOW", "3dnowext": "3DNOW2", "sse4a": "SSE4A",
    "sysenter": "SEP", "emt64": "EMT64", "ia64": "IA64", "syscall": "SYSCALL",
    "syscall32": "SYSCALL32", "xsave": "XSAVE", "avx": "AVX", "aesni": "AESNI", "rdrand": "RDRAND",
}  # fmt: skip


@pytest.fixture(params=RELEASES)
def name(request: pytest.FixtureRequest) -> str:
    """Name each generation in turn."""
    generation: str = request.param
    return generation


def said(
    source: KernelTraits, destination: KernelTraits, container: ContainerTraits | None = None
) -> list[tuple[str, Weight]]:
    opinion = restore_opinion(source, destination, container)
    return [(reason.code, reason.weight) for reason in opinion.reasons]


def about(name: str, container: ContainerTraits, **destination: Any) -> list[Reason]:
    """List the reasons about a container that leaves a generation for a willing node."""
    reasons = restore_opinion(kernel(name), kernel(NEWEST, **destination), container).reasons
    return [reason for reason in reasons if not reason.code.startswith("version-")]


# Modules


def test_two_new_nodes_have_nothing_against_any_container() -> None:
    for container in (None, needing(), SUSPENDED):
        assert said(kernel(), kernel(), container) == []
    # The other module of each node does not matter.
    assert said(kernel(has_rst=False), kernel(has_cpt=False), needing("CMOV")) == []


@pytest.mark.parametrize("container", [None, needing(), SUSPENDED, ContainerTraits(State.LOCKED)])
def test_without_vzcpt_the_source_tells_nothing(container: ContainerTraits | None) -> None:
    (reason,) = restore_opinion(kernel(has_cpt=False), kernel("042stab"), container).reasons
    assert reason == Reason(
        "module-missing", Weight.UNKNOWN, "vzcpt", "/proc/cpt", source="not loaded"
    )


@pytest.mark.parametrize("container", [None, needing("CMOV"), SUSPENDED])
def test_without_vzrst_the_destination_tells_nothing(container: ContainerTraits | None) -> None:
    destination = kernel("042stab", has_rst=False, caps=0)
    (reason,) = restore_opinion(kernel(), destination, container).reasons
    assert reason == Reason(
        "module-missing", Weight.UNKNOWN, "vzrst", "/proc/rst", destination="not loaded"
    )


def test_without_both_each_is_named_once() -> None:
    reasons = said(kernel(has_cpt=False), kernel(has_rst=False), needing("CMOV"))
    assert reasons == [("module-missing", Weight.UNKNOWN)] * 2


# Versions


@pytest.mark.parametrize("source", BEFORE_042STAB)
def test_an_old_source_does_not_tell_its_version(source: str, name: str) -> None:
    (reason,) = restore_opinion(kernel(source), kernel(name)).reasons
    assert reason == Reason("version-not-told", Weight.UNKNOWN, source=source)


@pytest.mark.parametrize("destination", BEFORE_042STAB)
def test_an_old_destination_does_not_test_versions_and_that_passes(destination: str) -> None:
    opinion = restore_opinion(kernel(), kernel(destination))
    (reason,) = opinion.reasons
    assert reason == Reason(
        "version-not-tested", Weight.REMARK, source="0x803 (32_3)", destination=destination
    )
    assert opinion.verdict is Verdict.POSSIBLE


@pytest.mark.parametrize("source", SINCE_042STAB)
def test_the_first_042stab_kernels_refuse_what_the_later_write(source: str) -> None:
    (*reasons,) = restore_opinion(kernel(source), kernel("042stab")).reasons
    expected = Reason(
        "version-too-new",
        Weight.REFUSES,
        source="0x803 (32_3)",
        destination="0x303 (18_3), 0x304 (18_4), 0x800 (32), 0x801 (32_1)",
    )
    assert reasons == ([] if source == "042stab" else [expected])


@pytest.mark.parametrize("source", SINCE_042STAB)
@pytest.mark.parametrize("destination", SINCE_042STAB[1:])
def test_from_088_on_they_restore_what_any_042stab_writes(source: str, destination: str) -> None:
    assert said(kernel(source), kernel(destination)) == []


@pytest.mark.parametrize(
    ("version", "taken", "why"),
    [
        (0x803, {0x303, 0x304, 0x800, 0x801}, "too-new"),
        (0x302, {0x200, 0x300, 0x400, 0x800}, "too-new"),
        (0x302, {0x303, 0x304, 0x800, 0x801}, "too-old"),
        (0x302, {0x303}, "too-old"),
        (0x800, {0x300, 0x301, 0x302}, "other-family"),
        (0x300, {0x800}, "other-family"),
    ],
)
def test_a_version_is_too_new_or_old_in_its_family(version: int, taken: set[int], why: str) -> None:
    destination = structs.replace(BY_NAME["042stab"], restores=lambda one: one in taken)
    assert refused_version("version", version, destination).code == f"version-{why}"


# Capability numbers


def test_a_number_of_0_is_no_answer_and_any_other_is_one() -> None:
    (reason,) = restore_opinion(kernel(), kernel(caps=0), needing("CMOV")).reasons
    assert reason == Reason("caps-not-told", Weight.UNKNOWN, destination="0")
    assert said(kernel(), kernel(caps=1), needing("CMOV")) == []


# Suspended containers


def test_a_suspended_container_is_compared_by_its_whole_node(name: str) -> None:
    compared = BY_NAME[name].test_caps_bits
    reasons = about(name, SUSPENDED, caps=caps("NAMESPACES"))
    if compared is None:
        assert reasons == [Reason("caps-not-compared", Weight.REMARK, source=name)]
    else:
        assert [reason.feature for reason in reasons] == words_of(compared)
        assert {reason.code for reason in reasons} == {"cpu-feature-missing"}
        needed_by = {reason.needed_by for reason in reasons}
        assert needed_by == {"the source node: the container is suspended"}


def refused_words(name: str, offered: int) -> list[str]:
    reasons = about(name, SUSPENDED, caps=offered)
    return [reason.feature for reason in reasons if reason.weight is Weight.REFUSES]


def test_a_suspended_container_is_not_asked_about_what_is_no_cpus(name: str) -> None:
    others = caps("SLM_DMPRST", "NO_IPV6")
    assert refused_words(name, WELCOMING & ~caps("NAMESPACES", "SEP32") | others) == []
    assert refused_words(name, 0xFFFFFFFF) == []


def test_how_wide_a_kernel_is_matters_to_a_suspended_one_from_107_on(name: str) -> None:
    widths = caps("EMT64", "IA64", "SYSCALL", "SYSCALL32")
    expected = ["emt64", "ia64", "syscall", "syscall32"] if name == NEWEST else []
    assert refused_words(name, WELCOMING & ~widths) == expected


# Containers that run, or do not


@pytest.mark.parametrize(
    ("container", "code"),
    [
        (ContainerTraits(State.STOPPED), "container-not-running"),
        (ContainerTraits(State.STOPPING), "container-not-running"),
        (ContainerTraits(State.LOCKED), "container-locked"),
        (ContainerTraits(State.SUSPENDED), "container-suspended"),
        (ContainerTraits(State.UNKNOWN), "container-state-unknown"),
        (ContainerTraits(), "needs-unknown"),
    ],
)
def test_a_container_that_does_not_run_cannot_be_asked(
    container: ContainerTraits, code: str
) -> None:
    state = "" if code == "needs-unknown" else container.state.value
    assert about(NEWEST, container) == [Reason(code, Weight.UNKNOWN, source=state)]


def test_every_word_is_named_that_is_missing(name: str) -> None:
    words = words_of(BY_NAME[name].vecaps_bits)
    needed = needing(*(BIT_OF_WORD[word] for word in words))
    reasons = about(name, needed, caps=caps("NAMESPACES"))
    assert [reason.feature for reason in reasons] == words
    assert {(one.code, one.weight, one.source, one.destination) for one in reasons} == {
        ("cpu-feature-missing", Weight.REFUSES, "1", "0")
    }


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("cmov", "CPUID 0x00000001 edx bit 15, capability bit 0"),
        ("3dnow", "CPUID 0x80000001 edx bit 31, capability bit 5"),
        ("rdrand", "CPUID 0x00000001 ecx bit 30, capability bit 29"),
        ("sse4_2", "CPUID 0x00000001 ecx bit 20, capability bit 14"),
        ("emt64", "capability bit 8"),
        ("ia64", "capability bit 9"),
        ("syscall32", "capability bit 11"),
    ],
)
def test_a_word_has_a_place(word: str, place: str) -> None:
    (reason,) = about(NEWEST, needing(BIT_OF_WORD[word]), caps=caps("NAMESPACES"))
    assert (reason.feature, reason.place) == (word, place)


@pytest.mark.parametrize("name", ["042stab", "042stab088", "042stab092"])
def test_before_101_the_place_of_sse4_2_is_that_of_sse4_1(name: str) -> None:
    reasons = about(name, needing("SSE4_1"), caps=caps("SSE4_2"))
    assert {one.feature: one.place for one in reasons} == dict.fromkeys(
        ["sse4_1", "sse4_2"], "CPUID 0x00000001 ecx bit 19, capability bit 13"
    )
    assert about(name, needing("SSE4_2"), caps=caps("SSE4_1")) == []
    suspended = about(name, SUSPENDED, caps=WELCOMING & ~caps("SSE4_1"))
    assert {one.feature: one.place for one in suspended} == dict.fromkeys(
        ["sse4_1", "sse4_2"], "CPUID 0x00000001 ecx bit 19, capability bit 13"
    )


EVERY = "every container"
FPU = "processes that have used the FPU"
WIDE = "64-bit processes"


@pytest.mark.parametrize(
    ("generation", "expected"),
    [
        ("028stab", {"cmov": EVERY, "sysenter": FPU, "sse": FPU, "emt64": WIDE}),
        ("2.6.32", {"cmov": EVERY, "sysenter": "32-bit processes", "syscall": WIDE, "emt64": WIDE}),
        ("042stab", {"cmov": EVERY, "syscall": EVERY, "syscall32": "32-bit processes", "avx": FPU}),
        ("042stab107", {"rdrand": FPU, "ia64": "ia64 processes", "sysenter": "32-bit processes"}),
    ],
)
def test_who_needs_it(generation: str, expected: dict[str, str]) -> None:
    needed = needing(*(BIT_OF_WORD[word] for word in expected))
    found = {one.feature: one.needed_by for one in about(generation, needed, caps=0x20000)}
    assert found == expected


def test_slm_on_the_destination_is_refused_from_2_6_32_on(name: str) -> None:
    reasons = about(name, needing(), caps=WELCOMING | caps("SLM_DMPRST"))
    expected = Reason(
        "destination-slm-module", Weight.REFUSES, place="capability bit 24", destination="1"
    )
    assert reasons == ([] if name == "028stab" else [expected])


#: Bits of what cannot be checkpointed; those without a name stay visible.
UNSUPPORTED = {
    16: "container-entered",
    18: "container-scheduler",
    19: "container-traced",
    20: "container-filesystem",
    21: "container-filesystem",
    22: "container-netdevice",
    23: "container-misc",
    24: "source-slm-module",
    30: "container-other",
    31: "container-other",
}


@pytest.mark.parametrize("bit", UNSUPPORTED)
def test_what_cannot_be_checkpointed(name: str, bit: int) -> None:
    (reason,) = about(name, ContainerTraits(caps=1 << bit))
    place = f"capability bit {bit}"
    assert reason == Reason(UNSUPPORTED[bit], Weight.REFUSES, place=place, source="1")


def test_a_destination_without_ipv6(name: str) -> None:
    offered, place = WELCOMING | caps("NO_IPV6"), "capability bit 28"
    expected = Reason("destination-ipv6", Weight.REFUSES, place=place, source="0", destination="1")
    assert about(name, needing(), caps=offered) == ([expected] if name in SINCE_042STAB else [])
    if name in SINCE_042STAB:
        assert about(name, needing("NO_IPV6"), caps=offered) == []


def test_private_mount_namespaces(name: str) -> None:
    (reason,) = about(name, needing("NAMESPACES"), caps=caps("CMOV"))
    restored = about(name, needing("NAMESPACES"), caps=caps("NAMESPACES"))
    place = "capability bit 17"
    if name in SINCE_042STAB:
        code = "destination-namespaces"
        assert reason == Reason(code, Weight.REFUSES, place=place, source="1", destination="0")
        assert restored == []
    else:
        assert reason == Reason("container-namespaces", Weight.REFUSES, place=place, source="1")
        assert [one.code for one in restored] == ["container-namespaces"]


def test_all_reasons_come_at_once_in_the_kernels_order() -> None:
    needed = needing("CMOV", "AVX", "NAMESPACES", "UNSUPPORTED_MISC", "EXTERNAL_PROCESS")
    offered = caps("SLM_DMPRST", "NO_IPV6")
    assert " ".join(reason.code for reason in about(NEWEST, needed, caps=offered)) == (
        "cpu-feature-missing cpu-feature-missing destination-slm-module container-entered "
        "container-misc destination-ipv6 destination-namespaces"
    )


# Properties: the rules themselves, written down a second time in oracle.py

generations = st.sampled_from(list(RELEASES))
numbers = st.integers(0, 0xFFFFFFFF)
offers = st.integers(1, 0xFFFFFFFF)


def verdict(source: str, required: int, offered: int) -> Verdict:
    """Judge a container between two kernels whose versions fit, or cannot be asked about."""
    container = ContainerTraits(caps=required)
    return restore_opinion(kernel(source), kernel(NEWEST, caps=offered), container).verdict


@given(generations, numbers, offers)
def test_it_refuses_where_the_rules_do(source: str, required: int, offered: int) -> None:
    passed = Verdict.UNKNOWN if source in BEFORE_042STAB else Verdict.POSSIBLE
    expected = Verdict.NOT_POSSIBLE if refuses(source, required, offered) else passed
    assert verdict(source, required, offered) is expected


@given(generations, numbers, offers)
def test_each_diagnostic_has_its_reason(source: str, required: int, offered: int) -> None:
    messages = decide(BY_NAME[source], required, offered).messages
    container = ContainerTraits(caps=required)
    reasons = restore_opinion(kernel(source), kernel(NEWEST, caps=offered), container).reasons
    words = [one.feature for one in reasons if one.code == "cpu-feature-missing"]
    matches = (re.fullmatch("Destination cpu does not have (.+)", text) for text in messages)
    assert words == [match[1] for match in matches if match]
    others = [one.code for one in reasons if one.code.startswith("destination-")]
    assert len(messages) == len(words) + len(others)


@given(generations, numbers, offers, numbers)
def test_more_on_the_destination_is_never_worse_but_for_bits_24_and_28(
    source: str, required: int, offered: int, more: int
) -> None:
    order = [Verdict.NOT_POSSIBLE, Verdict.UNKNOWN, Verdict.POSSIBLE]
    better = offered | more & ~caps("SLM_DMPRST", "NO_IPV6")
    after, before = verdict(source, required, better), verdict(source, required, offered)
    assert order.index(after) >= order.index(before)


@given(st.sampled_from(SINCE_101), offers)
def test_a_suspended_container_passes_to_its_own_node(name: str, own: int) -> None:
    node = kernel(name, caps=own)
    assert restore_opinion(node, node, SUSPENDED).verdict is Verdict.POSSIBLE


@given(generations, generations, offers, numbers)
def test_the_unknown_never_passes(
    source: str, destination: str, offered: int, required: int
) -> None:
    one, other = kernel(source, has_cpt=False), kernel(destination, caps=offered)
    opinion = restore_opinion(one, other, ContainerTraits(caps=required))
    assert opinion.verdict is Verdict.UNKNOWN


def test_what_the_kernel_refuses_cannot_be_waived() -> None:
    opinion = restore_opinion(kernel(), kernel(caps=caps("NAMESPACES")), needing("CMOV"))
    assert opinion.waive(["cpu-feature-missing"]) == opinion
    assert opinion.verdict is Verdict.NOT_POSSIBLE
