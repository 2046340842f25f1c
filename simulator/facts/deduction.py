"""What is known of a CPU's features where its answers to CPUID are known in part, or not at all.

Features are in masks. What a CPU has takes what it cannot be without along, and what it lacks
takes away what cannot be without that, or never was: features.txt says which (``needs=``,
``with=``). A CPU on which a
64-bit kernel runs has long mode, and all that is part of it.

Sources: those of features.txt. AMD64 ABI, 3.1.1 (CMOV, CX8, FPU, FXSR, MMX, SCE,
SSE and SSE2 are in every x86-64 CPU). Intel SDM volume 1, 13.2 and 15.2: XCR0 can have AVX's
component if the CPU has AVX, and AVX-512's three if it has AVX512F. All that is so of 332 CPUs
whose dumps are public.
"""

from collections.abc import Iterator
from functools import cache, lru_cache

from simulator.facts.cpuid import INTEL, XSAVE_LEAF, CpuidTable
from simulator.facts.features import (
    AVX,
    AVX512F,
    BY_NAME,
    CMOV,
    FEATURES,
    FXSR,
    JUDGED_LEAVES,
    LONG_MODE,
    MMX,
    SSE,
    SSE2,
    SYSCALL,
    judged_in,
)

_OF_LONG_MODE = sum(one.mask for one in (LONG_MODE, CMOV, FXSR, MMX, SSE, SSE2, SYSCALL))

#: The components of XCR0 that come with a feature, as bits of EAX of leaf 0xD.
YMM, ZMM = 0x04, 0xE0
_COMPONENTS = ((AVX.mask, YMM), (AVX512F.mask, ZMM))


@cache
def needs() -> tuple[tuple[int, int], ...]:
    """Return each feature with needs: its mask, and that of what it cannot be without."""
    return tuple(
        (one.mask, sum(BY_NAME[name].mask for name in one.needs)) for one in FEATURES if one.needs
    )


@cache
def _implied() -> tuple[tuple[int, int], ...]:
    """Return the same, and each feature that came after another: its mask, and that one's."""
    told = ((one.mask, one.facts["with"]) for one in FEATURES if "with=" in one.told)
    return (*needs(), *((mask, BY_NAME[name].mask) for mask, name in told))


@lru_cache(maxsize=4096)
def known_features(table: CpuidTable, *, is_64bit: bool) -> tuple[int, int]:
    """Return what a CPU has, and what it may have; ``is_64bit``: a 64-bit kernel runs on it."""
    has = may_have = 0
    for key in JUDGED_LEAVES:
        least, most = table.bounds(*key)
        has |= judged_in(key, least)
        may_have |= judged_in(key, most)
    if has == may_have:
        return has, may_have
    if is_64bit:
        has |= may_have & _OF_LONG_MODE
    elif table.vendor == INTEL:
        # It shows SYSCALL to 64-bit programs alone.
        may_have &= ~SYSCALL.mask | has
    least, most = table.bounds(XSAVE_LEAF, 0)
    for feature, components in _COMPONENTS:
        if least.eax & components:
            has |= may_have & feature
        if not most.eax & components:
            may_have &= ~feature | has
    return close(has, may_have)


def close(has: int, may_have: int) -> tuple[int, int]:
    """Return what follows of what a CPU has, and of what it may have at most."""
    while True:
        before = has, may_have
        for dependent, needed in _implied():
            if dependent & has:
                has |= needed & may_have
            if needed & ~may_have:
                may_have &= ~dependent | has
        if before == (has, may_have):
            return before


def components_of(table: CpuidTable, has: int) -> int:
    """Return the components of AVX and AVX-512 that XCR0 can have, by a CPU's features."""
    least, most = table.bounds(XSAVE_LEAF, 0)
    found = 0
    for feature, mask in _COMPONENTS:
        # Where leaf 0xD is known, it tells; else the feature does.
        found |= mask & most.eax if feature & has else mask & least.eax
    return found


def alternatives(has: int, may_have: int, chain: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield what a CPU has and may have in each case of features of which each needs the last."""
    unknown = [one for one in chain if one & may_have & ~has]
    for count in range(len(unknown) + 1):
        yield close(has | sum(unknown[:count]), may_have & ~sum(unknown[count:]))
