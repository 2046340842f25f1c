"""Refusals in words. What each diagnostic becomes is with the commands that meet it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vzcptcheck.features import FEATURES, feature_by_word
from vzcptcheck.reasons import (
    RESULTS,
    container_refusal,
    feature_lines,
    node_refusal,
    version_refusal,
)

AVX = feature_by_word("avx")
EMT64 = feature_by_word("emt64")
SSE4_2 = feature_by_word("sse4_2")

CAPS = st.integers(0, 2**32 - 1)


AVX_LINE = "avx        CPUID 0x00000001 ecx bit 28, capability bit 26"
SSE4_2_LINE = "sse4_2     CPUID 0x00000001 ecx bit 20, capability bit 14"
SEP32_LINE = "SEP32      SYSENTER from 32-bit processes; never tested, capability bit 12"
RDRAND_LINE = (
    "rdrand     CPUID 0x00000001 ecx bit 30, capability bit 29 "
    "(no kernel before 042stab101.5 shows it)"
)
BEFORE_042STAB = " (no kernel before 042stab shows it)"
HAS = " (which the number has)"
QUIRK = " (which the number has: this kernel takes sse4_1 for it)"


@pytest.mark.parametrize(
    ("feature", "offered_caps", "line"),
    [
        (AVX, 0, AVX_LINE + BEFORE_042STAB),
        (AVX, ~AVX.mask, AVX_LINE),
        (AVX, AVX.mask, AVX_LINE + HAS),
        (SSE4_2, SSE4_2.mask, SSE4_2_LINE + QUIRK),
        (EMT64, 0, "emt64      64-bit processes: the kernel is x86_64, capability bit 8"),
        (FEATURES[12], 0, SEP32_LINE + " (no kernel before 2.6.32 shows it)"),
        (FEATURES[29], ~FEATURES[29].mask, RDRAND_LINE),
    ],
)
def test_a_feature_is_named_with_its_register(feature, offered_caps, line):
    assert feature_lines([feature], offered_caps) == ["    " + line]


def test_the_kernel_has_five_results():
    assert sorted(RESULTS) == [1, 2, 3, 4, 5]


def test_a_node_is_refused_by_its_cpus_features_alone():
    lines = node_refusal(0, [AVX, FEATURES[17], FEATURES[28]], "somebody")
    assert lines[1:-2] == [
        "  this node's CPU has (by somebody), and the number lacks:",
        f"    {AVX_LINE}{BEFORE_042STAB}",
    ]


@pytest.mark.parametrize(
    ("image_version", "accepted", "reason"),
    [
        (0x804, [0x800, 0x803], "  It is too new: this kernel takes 0x800 (32), 0x803 (32_3)."),
        (0x302, [0x800, 0x803], "  It is too old: this kernel takes 0x800 (32), 0x803 (32_3)."),
        # Between two that are taken: older than the newest.
        (0x802, [0x800, 0x803], "  It is too old: this kernel takes 0x800 (32), 0x803 (32_3)."),
    ],
)
def test_a_version_is_too_new_beyond_the_last_that_is_taken(image_version, accepted, reason):
    assert version_refusal(image_version, accepted)[1] == reason


def test_a_version_is_refused_without_a_reason_where_none_is_known():
    assert version_refusal(0x302, []) == [
        "image version 0x302 (18_2) cannot be restored on this node"
    ]


@given(
    CAPS,
    st.integers(1, 2**31 - 1),
    st.lists(
        st.one_of(st.text(), st.text().map(lambda name: "Error: Destination cpu " + name)),
        max_size=4,
    ),
    st.one_of(st.none(), CAPS),
)
def test_whatever_a_kernel_says_is_shown(offered_caps, result, diagnostics, unsupported_caps):
    lines = container_refusal(101, offered_caps, result, diagnostics, unsupported_caps)
    assert lines[0].startswith("container 101 cannot be restored there: ")
    assert all(line.startswith(" ") for line in lines[1:])
    said = "\n".join(lines)
    assert all(diagnostic in said for diagnostic in diagnostics)


@given(CAPS, CAPS)
def test_whatever_a_node_lacks_is_named(offered_caps, own_caps):
    own = [feature for feature in FEATURES if own_caps & feature.mask]
    text = "\n".join(node_refusal(offered_caps, own, "somebody"))
    for feature in FEATURES:
        lacking = bool(feature.word and own_caps & ~offered_caps & feature.mask)
        assert bool(re.search(rf"capability bit {feature.bit}\b", text)) is lacking
