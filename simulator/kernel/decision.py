"""What CPT_TEST_VECAPS and CPT_TEST_CAPS decide: needs against an offered capability number.

Pure functions over masks; tested against every row of the kernels' own decision functions. The
simulated kernel's answers and the verdict on restore are both made from what ``refusals`` returns.
"""

from typing import NamedTuple

from simulator.facts.bits import (
    CPT_CPU_X86_SSE4_2,
    CPT_NAMESPACES,
    CPT_NO_IPV6,
    CPT_SLM_DMPRST,
    WORDS,
    bits_with_words,
    mask,
)
from simulator.facts.generations import Generation, Vecaps2

NO_CPU_FEATURE = 1
UNSUPPORTED_FEATURE = 2
NO_IPV6_MODULE = 3
NO_MNT_NAMESPACES = 5

SLM_TEXT = "SLM is enabled on destination node, but slm_dmprst module is not loaded"
NAMESPACES_TEXT = "Mount namespaces migration support is not present on destination node"

#: A refusal that no bit of a capability number stands for: the destination has SLM enabled.
DESTINATION_SLM = 1 << 32

_SLM = mask(CPT_SLM_DMPRST)
_NO_IPV6 = mask(CPT_NO_IPV6)
_NAMESPACES = mask(CPT_NAMESPACES)
_SSE4_2 = mask(CPT_CPU_X86_SSE4_2)

#: What CPT_TEST_VECAPS looks at in an offered number beside the bits that it compares.
OTHER_BITS = _SLM | _NO_IPV6 | _NAMESPACES


class Decision(NamedTuple):
    """The kernel's result code, its diagnostics (without ``Error: ``), and the features.

    ``unsupported_caps`` are the container's unsupported features as CPT_TEST_VECAPS2 knows
    them, 0 where the kernel has no such request.
    """

    result: int
    messages: tuple[str, ...]
    unsupported_caps: int


def bits_looked_at(generation: Generation, compared: int) -> int:
    """Return the bits that a kernel looks at when it compares bits of needs."""
    tested = compared & ~_SSE4_2
    return tested | 1 << generation.sse4_2_bit if compared & _SSE4_2 else tested


def by_word(generation: Generation, caps: int) -> int:
    """Return bits with CPT_CPU_X86_SSE4_2 as the bit is that is looked at for its word."""
    return caps & ~_SSE4_2 | (caps >> generation.sse4_2_bit & 1) << CPT_CPU_X86_SSE4_2


def missing_bits(
    generation: Generation, compared: int, required_caps: int, offered_caps: int
) -> int:
    """Return the bits, of those compared, that a kernel says the destination does not have."""
    return by_word(generation, required_caps & ~offered_caps) & compared


def refusals(generation: Generation, required_caps: int, offered_caps: int) -> int:
    """Return all that CPT_TEST_VECAPS has against a container; 0 where it lets it go.

    A bit stands for what the kernel says of it: a feature that the destination lacks
    (``vecaps_bits``), something of the container's that is unsupported (``unsupported_mask``), no
    IPv6 and no mount namespaces on the destination, DESTINATION_SLM.
    """
    refused = missing_bits(generation, generation.vecaps_bits, required_caps, offered_caps)
    refused |= required_caps & generation.unsupported_mask
    if generation.slm_result and offered_caps & _SLM:
        refused |= DESTINATION_SLM
    if generation.ipv6_text:
        refused |= offered_caps & ~required_caps & _NO_IPV6
    if generation.tests_namespaces:
        refused |= required_caps & ~offered_caps & _NAMESPACES
    return refused


def decide(generation: Generation, required_caps: int, offered_caps: int) -> Decision:
    """Decide about a container; each later refusal overrides the result of an earlier one."""
    refused = refusals(generation, required_caps, offered_caps)
    unsupported_caps = refused & generation.unsupported_mask
    others = refused & ~unsupported_caps
    words = [WORDS[bit] for bit in bits_with_words(others)]
    result = NO_CPU_FEATURE if words else 0
    messages = [f"Destination cpu does not have {word}" for word in words]
    if others & DESTINATION_SLM:
        result = generation.slm_result
        messages.append(SLM_TEXT)
    if unsupported_caps:
        result = UNSUPPORTED_FEATURE
    if others & _NO_IPV6:
        result = NO_IPV6_MODULE
        messages.append(generation.ipv6_text)
    if others & _NAMESPACES:
        result = NO_MNT_NAMESPACES
        messages.append(NAMESPACES_TEXT)
    if generation.vecaps2 is Vecaps2.ABSENT:
        unsupported_caps = 0
    return Decision(result, tuple(messages), unsupported_caps)
