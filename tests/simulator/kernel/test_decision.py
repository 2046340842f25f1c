"""What is decided of needs against an offered number: every step, and which one has the say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.generations import BY_NAME, GENERATIONS, Generation
from simulator.kernel.decision import (
    DESTINATION_SLM,
    OTHER_BITS,
    Decision,
    bits_looked_at,
    decide,
    missing_bits,
    refusals,
)
from support.simulated_nodes import RELEASES, SINCE_042STAB, caps, words_of

EARLY_IPV6 = "IPv6 not loaded on destination node"
IPV6 = "IPv6 not loaded or disabled on destination node"
SLM = "SLM is enabled on destination node, but slm_dmprst module is not loaded"
MOUNTS = "Mount namespaces migration support is not present on destination node"
NO_CMOV = "Destination cpu does not have cmov"
ALL_ONES = 0xFFFFFFFF
#: Offers everything that is looked at, and refuses nothing.
WELCOMING = ALL_ONES & ~caps("SLM_DMPRST", "NO_IPV6")


@pytest.fixture(params=RELEASES)
def name(request: pytest.FixtureRequest) -> str:
    """Name each generation in turn."""
    generation: str = request.param
    return generation


def told(name: str, required_caps: int, offered_caps: int) -> tuple[int, tuple[str, ...]]:
    decision = decide(BY_NAME[name], required_caps, offered_caps)
    return decision.result, decision.messages


def missing_in(name: str, required_caps: int, offered_caps: int) -> int:
    generation = BY_NAME[name]
    return missing_bits(generation, generation.vecaps_bits, required_caps, offered_caps)


def test_a_container_without_needs_fits_an_empty_number(name: str) -> None:
    assert decide(BY_NAME[name], 0, 0) == Decision(0, (), 0)


def test_step_1_names_every_missing_word_in_the_kernels_order(name: str) -> None:
    words = words_of(BY_NAME[name].vecaps_bits)
    result, messages = told(name, caps("SEP", "CMOV", "EMT64", "SSE"), 0)
    assert result == 1
    named = [message.removeprefix("Destination cpu does not have ") for message in messages]
    assert named == [word for word in words if word in {"cmov", "sse", "sysenter", "emt64"}]


def test_step_2_slm_on_the_destination(name: str) -> None:
    expected = {"028stab": (0, ()), "2.6.32": (1, (SLM,))}.get(name, (4, (SLM,)))
    assert told(name, 0, caps("SLM_DMPRST")) == expected


@pytest.mark.parametrize("bit", range(16, 24))
def test_step_3_what_cannot_be_checkpointed(name: str, bit: int) -> None:
    # From 042stab on bit 17 is for step 5, which WELCOMING passes.
    fine = bit == 17 and name in SINCE_042STAB
    assert told(name, 1 << bit, WELCOMING) == (0 if fine else 2, ())


def test_step_4_ipv6_on_the_destination(name: str) -> None:
    text = EARLY_IPV6 if name == "042stab" else IPV6
    expected = (3, (text,)) if name in SINCE_042STAB else (0, ())
    assert told(name, 0, caps("NO_IPV6")) == expected


def test_step_4_passes_a_container_that_has_no_ipv6_either(name: str) -> None:
    result, messages = told(name, caps("NO_IPV6"), caps("NO_IPV6"))
    assert messages == ()
    # Before 042stab bit 28 is one of those that cannot be checkpointed.
    assert result == (0 if name in SINCE_042STAB else 2)


def test_step_5_private_mount_namespaces(name: str) -> None:
    expected = (5, (MOUNTS,)) if name in SINCE_042STAB else (2, ())
    assert told(name, caps("NAMESPACES"), 0) == expected


@pytest.mark.parametrize(
    ("required", "offered", "result", "messages"),
    [
        pytest.param(("CMOV",), (), 1, (NO_CMOV,), id="1"),
        pytest.param(("CMOV",), ("SLM_DMPRST",), 4, (NO_CMOV, SLM), id="1 2"),
        pytest.param(("CMOV", "BIND_MOUNT"), (), 2, (NO_CMOV,), id="1 3"),
        pytest.param(("CMOV", "BIND_MOUNT"), ("SLM_DMPRST",), 2, (NO_CMOV, SLM), id="1 2 3"),
        pytest.param(("CMOV",), ("NO_IPV6",), 3, (NO_CMOV, IPV6), id="1 4"),
        pytest.param(("BIND_MOUNT",), ("NO_IPV6",), 3, (IPV6,), id="3 4"),
        pytest.param(("CMOV", "NAMESPACES"), (), 5, (NO_CMOV, MOUNTS), id="1 5"),
        pytest.param(("NAMESPACES",), ("NO_IPV6",), 5, (IPV6, MOUNTS), id="4 5"),
        pytest.param(
            ("CMOV", "BIND_MOUNT", "NAMESPACES"),
            ("SLM_DMPRST", "NO_IPV6"),
            5,
            (NO_CMOV, SLM, IPV6, MOUNTS),
            id="all",
        ),
    ],
)
def test_the_last_step_that_fails_has_the_say_and_each_is_written(
    required: tuple[str, ...], offered: tuple[str, ...], result: int, messages: tuple[str, ...]
) -> None:
    assert told("042stab107", caps(*required), caps(*offered)) == (result, messages)


@pytest.mark.parametrize(
    ("required", "offered", "missing"),
    [
        (("SSE4_1",), (), ("SSE4_1", "SSE4_2")),
        (("SSE4_1", "SSE4_2"), (), ("SSE4_1", "SSE4_2")),
        (("SSE4_1", "SSE4_2"), ("SSE4_1",), ()),
        (("SSE4_2",), (), ()),
        (("SSE4_1", "SSE4_2"), ("SSE4_2",), ("SSE4_1", "SSE4_2")),
    ],
)
@pytest.mark.parametrize("name", ["042stab", "042stab088", "042stab092"])
def test_before_101_the_word_sse4_2_looks_at_sse4_1(
    name: str, required: tuple[str, ...], offered: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    assert missing_in(name, caps(*required), caps(*offered)) == caps(*missing)


@pytest.mark.parametrize("name", ["042stab101", "042stab107"])
def test_from_101_on_the_word_sse4_2_looks_at_itself(name: str) -> None:
    required = caps("SSE4_1", "SSE4_2")
    assert missing_in(name, required, caps("SSE4_1")) == caps("SSE4_2")
    assert missing_in(name, required, caps("SSE4_2")) == caps("SSE4_1")


def test_what_is_looked_at_decides_alone(name: str) -> None:
    generation = BY_NAME[name]
    for compared in (generation.vecaps_bits, generation.test_caps_bits or 0):
        tested = bits_looked_at(generation, compared)
        assert missing_bits(generation, compared, ALL_ONES, tested) == 0
        assert missing_bits(generation, compared, tested, 0) == compared
        for bit in range(32):
            is_missed = bool(missing_bits(generation, compared, ALL_ONES, ALL_ONES & ~(1 << bit)))
            assert is_missed == bool(tested >> bit & 1)


@pytest.mark.parametrize("bit", ["SEP32", "NAMESPACES", "NO_IPV6"])
def test_a_bit_without_a_word_is_never_missing(name: str, bit: str) -> None:
    assert missing_in(name, caps(bit), 0) == 0


def test_each_refusal_has_one_meaning(name: str) -> None:
    generation = BY_NAME[name]
    meanings = [generation.vecaps_bits, generation.unsupported_mask, DESTINATION_SLM]
    if generation.ipv6_text:
        meanings.append(caps("NO_IPV6"))
    if generation.tests_namespaces:
        meanings.append(caps("NAMESPACES"))
    assert sum(one.bit_count() for one in meanings) == sum(meanings).bit_count()


def test_features_are_told_where_test_vecaps2_is(name: str) -> None:
    features = decide(BY_NAME[name], caps("CMOV", "UNSUPPORTED_MISC"), 0).unsupported_caps
    knows = name in {"042stab092", "042stab101", "042stab107"}
    assert features == (caps("UNSUPPORTED_MISC") if knows else 0)


def test_all_ones_never_pass_from_2_6_32_on(name: str) -> None:
    assert bool(told(name, 0, ALL_ONES)[0]) == (name != "028stab")


masks = st.integers(0, ALL_ONES)


@given(st.sampled_from(GENERATIONS), masks, masks)
def test_a_refusal_has_a_reason_and_a_pass_has_none(
    generation: Generation, required_caps: int, offered_caps: int
) -> None:
    decision = decide(generation, required_caps, offered_caps)
    unsupported = required_caps & generation.unsupported_mask
    assert bool(decision.result) == bool(decision.messages or unsupported)
    assert bool(decision.result) == bool(refusals(generation, required_caps, offered_caps))


@given(st.sampled_from(GENERATIONS), masks, masks, masks)
def test_offering_more_cpu_features_never_refuses_more(
    generation: Generation, required_caps: int, offered_caps: int, more: int
) -> None:
    cpu_bits = ~caps("SLM_DMPRST", "NO_IPV6", "NAMESPACES")
    before = decide(generation, required_caps, offered_caps)
    after = decide(generation, required_caps, offered_caps | more & cpu_bits)
    assert set(after.messages) <= set(before.messages)


def test_slm_ipv6_and_namespaces_are_looked_at_too() -> None:
    assert caps("SLM_DMPRST", "NO_IPV6", "NAMESPACES") == OTHER_BITS
