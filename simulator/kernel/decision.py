"""What CPT_TEST_VECAPS and CPT_TEST_CAPS decide: needs against an offered capability number.

Pure functions over masks; tested against every row of the kernels' own decision functions.
"""

from dataclasses import dataclass

from simulator.facts.bits import CPT_NAMESPACES, CPT_NO_IPV6, CPT_SLM_DMPRST, WORD_BITS, mask
from simulator.facts.generations import Generation, Vecaps2

NO_CPU_FEATURE = 1
UNSUPPORTED_FEATURE = 2
NO_IPV6_MODULE = 3
NO_MNT_NAMESPACES = 5

SLM_TEXT = "SLM is enabled on destination node, but slm_dmprst module is not loaded"
NAMESPACES_TEXT = "Mount namespaces migration support is not present on destination node"


@dataclass(frozen=True, slots=True)
class Decision:
    """The kernel's result code, its diagnostics (without ``Error: ``), and the features.

    ``unsupported_caps`` are the container's unsupported features as CPT_TEST_VECAPS2 knows
    them, 0 where the kernel has no such request.
    """

    result: int
    messages: tuple[str, ...]
    unsupported_caps: int


def missing_words(
    generation: Generation, words: tuple[str, ...], required_caps: int, offered_caps: int
) -> tuple[str, ...]:
    """Return the words, of those tested, whose bit is required and not offered."""
    missing_caps = required_caps & ~offered_caps
    return tuple(word for word in words if missing_caps >> tested_bit(generation, word) & 1)


def tested_bit(generation: Generation, word: str) -> int:
    """Return the number of the bit that is looked at for a word."""
    return generation.sse4_2_bit if word == "sse4_2" else WORD_BITS[word]


def decide(generation: Generation, required_caps: int, offered_caps: int) -> Decision:
    """Decide about a container; each later refusal overrides the result of an earlier one."""
    result = 0
    words = missing_words(generation, generation.vecaps_words, required_caps, offered_caps)
    messages = [f"Destination cpu does not have {word}" for word in words]
    if words:
        result = NO_CPU_FEATURE
    if generation.slm_result and offered_caps & mask(CPT_SLM_DMPRST):
        result = generation.slm_result
        messages.append(SLM_TEXT)
    unsupported_caps = required_caps & generation.unsupported_mask
    if unsupported_caps:
        result = UNSUPPORTED_FEATURE
    if generation.ipv6_text and offered_caps & ~required_caps & mask(CPT_NO_IPV6):
        result = NO_IPV6_MODULE
        messages.append(generation.ipv6_text)
    if generation.tests_namespaces and required_caps & ~offered_caps & mask(CPT_NAMESPACES):
        result = NO_MNT_NAMESPACES
        messages.append(NAMESPACES_TEXT)
    if generation.vecaps2 is Vecaps2.ABSENT:
        unsupported_caps = 0
    return Decision(result, tuple(messages), unsupported_caps)
