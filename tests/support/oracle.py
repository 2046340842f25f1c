"""What a kernel must answer to CPT_TEST_VECAPS, written down a second time, from the rules alone.

This shares nothing with the simulator or with vzcptcheck: numbers of bits are literal, each
generation is a line. The matrix of all recorded nodes is compared with it.
"""

from dataclasses import dataclass

_OLD = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
_2632 = _OLD | {10, 11}
_042 = _2632 | {13, 15, 25, 26, 27}  # The word of bit 14 looks at 13 once more.
_101 = _042 | {14, 29}

_NAMESPACES, _SLM, _NO_IPV6 = 17, 24, 28


@dataclass(frozen=True)
class Rule:
    """Bits that are tested as features; those that nothing supports; which steps there are."""

    features: frozenset[int]
    unsupported: int
    slm: bool
    modules: bool


RULES = {
    "028stab": Rule(_OLD, 0xFFFF0000, slm=False, modules=False),
    "2.6.32": Rule(_2632, 0xFFFF0000, slm=True, modules=False),
    "042stab": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab088": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab092": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab101": Rule(_101, 0xC1FD0000, slm=True, modules=True),
    "042stab107": Rule(_101, 0xC1FD0000, slm=True, modules=True),
}


def refuses(generation: str, required_caps: int, offered_caps: int) -> bool:
    """Tell whether a kernel refuses: any of its five steps does."""
    rule = RULES[generation]
    missing = {bit for bit in range(32) if required_caps >> bit & 1 and not offered_caps >> bit & 1}
    asked_for_more = offered_caps & ~required_caps
    return bool(
        missing & rule.features
        or (rule.slm and offered_caps >> _SLM & 1)
        or required_caps & rule.unsupported
        or (rule.modules and asked_for_more >> _NO_IPV6 & 1)
        or (rule.modules and _NAMESPACES in missing)
    )
