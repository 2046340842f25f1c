"""The seven generations of OpenVZ kernels as one table, and which release is of which.

Sources: the published trees that each row names, and the recorded boots of seven of them.
"""

import re
from collections.abc import Callable
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

from simulator.errors import UserError
from simulator.facts.bits import (
    CPT_CPU_X86_3DNOW,
    CPT_CPU_X86_3DNOW2,
    CPT_CPU_X86_AESNI,
    CPT_CPU_X86_AVX,
    CPT_CPU_X86_CMOV,
    CPT_CPU_X86_EMT64,
    CPT_CPU_X86_FXSR,
    CPT_CPU_X86_IA64,
    CPT_CPU_X86_MMX,
    CPT_CPU_X86_RDRAND,
    CPT_CPU_X86_SEP,
    CPT_CPU_X86_SEP32,
    CPT_CPU_X86_SSE,
    CPT_CPU_X86_SSE2,
    CPT_CPU_X86_SSE4_1,
    CPT_CPU_X86_SSE4_2,
    CPT_CPU_X86_SSE4A,
    CPT_CPU_X86_SYSCALL,
    CPT_CPU_X86_SYSCALL32,
    CPT_CPU_X86_XSAVE,
    CPT_NAMESPACES,
    CPT_NO_IPV6,
    CPT_SLM_DMPRST,
    mask,
)

RestoreRule = Callable[[int], bool]


class Vecaps2(Enum):
    """When CPT_TEST_VECAPS2 fills in the container's unsupported features."""

    ABSENT = "no such request"
    IF_COMPATIBLE = "only with result 0"
    ALWAYS = "always"


def rule_a(version: int) -> bool:
    """Take what 2.6.18 restores: up to 0x302, of the early ones up to minor 2."""
    return version <= 0x302 and not (version < 0x300 and version & 0xF > 2)


def rule_b(version: int) -> bool:
    """Take what 2.6.32 before 042stab restores: up to 0x800, no minor."""
    return version <= 0x800 and version & 0xF == 0


def _rule_c(version: int, newest_minor: int) -> bool:
    line = version & 0xFF00
    return (line == 0x300 and version >= 0x303) or (line == 0x800 and version & 0xF <= newest_minor)


def rule_c1(version: int) -> bool:
    """Take what 042stab restores before 088; no other bits are looked at."""
    return _rule_c(version, 1)


def rule_c3(version: int) -> bool:
    """Take what 042stab restores from 088 on."""
    return _rule_c(version, 3)


_SSE4 = mask(CPT_CPU_X86_SSE4_1, CPT_CPU_X86_SSE4_2, CPT_CPU_X86_SSE4A)
_XSAVE = mask(CPT_CPU_X86_XSAVE, CPT_CPU_X86_AVX, CPT_CPU_X86_AESNI)
_FPU_2632 = mask(
    CPT_CPU_X86_FXSR,
    CPT_CPU_X86_SSE,
    CPT_CPU_X86_SSE2,
    CPT_CPU_X86_MMX,
    CPT_CPU_X86_3DNOW,
    CPT_CPU_X86_3DNOW2,
)
_FPU_042 = _FPU_2632 | _SSE4 | _XSAVE

#: What the kernels compare, named by how many bits these are.
_EIGHT_BITS = _FPU_2632 | mask(CPT_CPU_X86_CMOV, CPT_CPU_X86_SEP)
_TEN_BITS = _EIGHT_BITS | mask(CPT_CPU_X86_EMT64, CPT_CPU_X86_IA64)
_TWELVE_BITS = _TEN_BITS | mask(CPT_CPU_X86_SYSCALL, CPT_CPU_X86_SYSCALL32)
_FOURTEEN_BITS = _EIGHT_BITS | _SSE4 | _XSAVE
_EIGHTEEN_BITS = _TWELVE_BITS | _SSE4 | _XSAVE
_NINETEEN_BITS = _EIGHTEEN_BITS | mask(CPT_CPU_X86_RDRAND)

#: Components of XSAVE: x87, SSE and AVX; and the three of AVX-512. No tree enables those of MPX (3
#: and 4), PKRU (9) or AMX (17 and 18).
_XCR0_OF_AVX = 0x07
_XCR0_OF_AVX512 = 0xE7


class Generation(Struct, frozen=True, kw_only=True):
    """What one generation of kernels does at /proc/cpt and /proc/rst.

    Masks are of capability bits. What concerns the node:
    ``node_bits`` are those it can show; ``masked_cpuid``: they follow the kernel's own view of
    the CPU and /proc/vz/cpuid_override, else the registers; ``sysenter_on_any_vendor``: SEP is
    not for Intel alone on x86_64; ``test_caps_bits`` are those that CPT_TEST_CAPS on /proc/cpt
    compares, None where it is ENOSYS; ``has_late_requests``, ``has_tracker``: requests that came
    with 042stab and 088.

    What gathers a container's needs: ``always_bits``, ``fpu_bits`` (a process that used the
    FPU, of what the node has), ``long_mode_bits`` (a 64-bit process), ``sees_vdso`` (a 32-bit
    one), ``policies`` (schedulers that are fine), ``carries_no_ipv6``.

    What compares them: ``vecaps_bits``, ``sse4_2_bit`` (the bit looked at in place of
    CPT_CPU_X86_SSE4_2, by either request), ``unsupported_mask``, ``slm_result`` (the answer to an
    argument with SLM_DMPRST, 0 where it is not looked at), ``ipv6_text`` (empty where NO_IPV6 is
    not), ``tests_namespaces``.

    ``xcr0`` is the mask of the components of a program's state that the kernel enables where the
    CPU has them, 0 where it does not turn XSAVE on: the least and the most that may be.
    ``hz`` is what restore asks of an image (None: not known); ``section_ends`` are the first
    section number that it does not know: the lowest and the highest that may be.
    ``repeats_host_pid``: two diagnostics give the node's pid twice, not the container's second.
    """

    name: str
    trees: tuple[str, ...]
    releases: str
    image_version: int
    restores: RestoreRule
    has_test_version: bool
    has_late_requests: bool
    has_tracker: bool
    node_bits: int
    masked_cpuid: bool
    sysenter_on_any_vendor: bool
    test_caps_bits: int | None
    always_bits: int
    fpu_bits: int
    long_mode_bits: int
    sees_vdso: bool
    policies: frozenset[str]
    skips_kernel_threads: bool
    carries_no_ipv6: bool
    namespaces_text: bool
    xcr0: tuple[int, int]
    hz: int | None
    section_ends: tuple[int, int]
    repeats_host_pid: bool
    vecaps_bits: int
    vecaps2: Vecaps2
    sse4_2_bit: int
    unsupported_mask: int
    slm_result: int
    ipv6_text: str
    tests_namespaces: bool


_028STAB = Generation(
    name="028stab",
    trees=("028stab056.1",),
    releases="2.6.18-*028stab*",
    image_version=0x302,
    restores=rule_a,
    has_test_version=False,
    has_late_requests=False,
    has_tracker=False,
    node_bits=_TEN_BITS,
    masked_cpuid=False,
    sysenter_on_any_vendor=True,
    test_caps_bits=_EIGHT_BITS,
    always_bits=mask(CPT_CPU_X86_CMOV),
    fpu_bits=_EIGHT_BITS,
    long_mode_bits=mask(CPT_CPU_X86_EMT64),
    sees_vdso=False,
    policies=frozenset({"normal"}),
    skips_kernel_threads=False,
    carries_no_ipv6=False,
    namespaces_text=True,
    xcr0=(0, 0),
    hz=None,
    section_ends=(31, 31),
    repeats_host_pid=False,
    vecaps_bits=_TEN_BITS,
    vecaps2=Vecaps2.ABSENT,
    sse4_2_bit=CPT_CPU_X86_SSE4_2,
    unsupported_mask=0xFFFF0000,
    slm_result=0,
    ipv6_text="",
    tests_namespaces=False,
)

_2_6_32 = replace(
    _028STAB,
    name="2.6.32",
    trees=("2.6.32 before RHEL6",),
    releases="2.6.32-NAME.N (as dzhanibekov.1)",
    image_version=0x800,
    restores=rule_b,
    node_bits=_TWELVE_BITS | mask(CPT_CPU_X86_SEP32, CPT_SLM_DMPRST),
    sysenter_on_any_vendor=False,
    fpu_bits=_FPU_2632,
    long_mode_bits=mask(CPT_CPU_X86_EMT64, CPT_CPU_X86_SYSCALL),
    sees_vdso=True,
    namespaces_text=False,
    xcr0=(_XCR0_OF_AVX, _XCR0_OF_AVX),
    section_ends=(32, 32),
    vecaps_bits=_TWELVE_BITS,
    slm_result=1,
)

_042STAB = replace(
    _2_6_32,
    name="042stab",
    trees=("042stab061.9",),
    releases="2.6.32-042stab* before 088",
    image_version=0x801,
    restores=rule_c1,
    has_test_version=True,
    has_late_requests=True,
    node_bits=_EIGHTEEN_BITS | mask(CPT_CPU_X86_SEP32, CPT_NAMESPACES, CPT_NO_IPV6),
    test_caps_bits=_FOURTEEN_BITS,
    always_bits=mask(CPT_CPU_X86_CMOV, CPT_CPU_X86_SYSCALL),
    fpu_bits=_FPU_042,
    long_mode_bits=mask(CPT_CPU_X86_EMT64),
    policies=frozenset({"normal", "batch", "idle"}),
    skips_kernel_threads=True,
    hz=1000,
    section_ends=(33, 33),
    vecaps_bits=_EIGHTEEN_BITS,
    # 042stab061.9 to 092.1: the word sse4_2 is said of SSE4_1's bit (a slip, recorded).
    sse4_2_bit=CPT_CPU_X86_SSE4_1,
    unsupported_mask=0xE1FD0000,
    slm_result=4,
    ipv6_text="IPv6 not loaded on destination node",
    tests_namespaces=True,
)

_042STAB088 = replace(
    _042STAB,
    name="042stab088",
    trees=("042stab088.4", "042stab090.5"),
    releases="042stab088 to 091",
    image_version=0x803,
    restores=rule_c3,
    has_tracker=True,
    carries_no_ipv6=True,
    # It grew once more between 088.4 and 090.5.
    section_ends=(34, 35),
    repeats_host_pid=True,
    ipv6_text="IPv6 not loaded or disabled on destination node",
)

_042STAB092 = replace(
    _042STAB088,
    name="042stab092",
    trees=("042stab092.1",),
    releases="042stab092 to 101.4",
    # AVX-512's came between 092.1 and 108.1.
    xcr0=(_XCR0_OF_AVX, _XCR0_OF_AVX512),
    section_ends=(35, 35),
    vecaps2=Vecaps2.IF_COMPATIBLE,
)

_042STAB101 = replace(
    _042STAB092,
    name="042stab101",
    trees=("042stab108.1",),
    releases="042stab101.5 to 106, and 108.1",
    node_bits=_042STAB.node_bits | mask(CPT_CPU_X86_RDRAND),
    masked_cpuid=True,
    test_caps_bits=None,
    fpu_bits=_FPU_042 | mask(CPT_CPU_X86_RDRAND),
    vecaps_bits=_NINETEEN_BITS,
    vecaps2=Vecaps2.ALWAYS,
    sse4_2_bit=CPT_CPU_X86_SSE4_2,
    unsupported_mask=0xC1FD0000,
)

_042STAB107 = replace(
    _042STAB101,
    name="042stab107",
    trees=("042stab109.3", "042stab111.12", "042stab113.5", "042stab141.3"),
    releases="042stab107.1 and later, but 108.1",
    test_caps_bits=_NINETEEN_BITS,
)

#: Oldest first.
GENERATIONS = (
    _028STAB,
    _2_6_32,
    _042STAB,
    _042STAB088,
    _042STAB092,
    _042STAB101,
    _042STAB107,
)

BY_NAME = {generation.name: generation for generation in GENERATIONS}

#: Image versions that a node is asked about: those with a name of their own in cpt_image.h.
ASKED_VERSIONS = (
    *(0x000, 0x100, 0x101, 0x102, 0x200, 0x300, 0x301, 0x302, 0x303, 0x304),
    *(0x400, 0x500, 0x600, 0x700, 0x703, 0x800, 0x801, 0x802, 0x803),
)

#: First 042stab number of each generation, ascending. Read from trees: 061.9, 088.4, 090.5,
#: 092.1, 108.1, 109.3 and later. 101.5 and 107.1 are the maintainer's own words for when
#: CPT_TEST_CAPS on /proc/cpt went away and came back; recordings of 108.1 show it away still.
#: The boundaries in between are estimates. One without a second part has all that begin with it.
_FIRST_NUMBERS = (
    ((), "042stab"),
    ((88,), "042stab088"),
    ((92,), "042stab092"),
    ((101, 5), "042stab101"),
    ((107, 1), "042stab107"),
    ((108,), "042stab101"),
    ((108, 2), "042stab107"),
)

#: Since when every process may count as having used the FPU. Virtuozzo's VZA-2018-048 has
#: CVE-2018-3665 fixed by 042stab132.1; RHEL's fix for it (2.6.32-754.1.1.el6) is "always enable
#: eager FPU by default".
_EAGER_FPU_SINCE = (132, 1)

#: Where a generation's facts are a lowest and a highest: the last tree that was read with the
#: lowest, and the first with the highest. Section numbers of images end at 34 or 35; XCR0 has not
#: or has AVX-512's components (RHEL's own build 2.6.32-488.el6 brought them).
_SECTION_ENDS_SETTLED = (88, 4), (90, 5)
_XCR0_SETTLED = (92, 1), (108, 1)

#: OpenVZ named its kernels on 2.6.32 before RHEL6's after cosmonauts. Debian 6 built one of them.
_COSMONAUT = r"[a-z]+\.[0-9]+|belyayev"
_BEFORE_RHEL6 = re.compile(rf"2\.6\.32(\.[0-9]+)?-({_COSMONAUT}|[0-9]+-openvz)(?![0-9a-z.])")

_STAB = re.compile(r"042stab(\d{1,6})(?!\d)(?:[._](\d{1,6})(?!\d))?")

#: One release of each generation, of the tree that was read.
EXAMPLES = {
    "028stab": "2.6.18-028stab056.1",
    "2.6.32": "2.6.32-dzhanibekov.1",
    "042stab": "2.6.32-042stab061.9",
    "042stab088": "2.6.32-042stab088.4",
    "042stab092": "2.6.32-042stab092.1",
    "042stab101": "2.6.32-042stab108.1",
    "042stab107": "2.6.32-042stab113.5",
}


#: What helps where a release may be of several generations, or of none.
_SAY_WHICH = (
    "What its /proc/vz/version reads as tells (042stab088.4; before RHEL6's kernels a name, as "
    "dzhanibekov.1): give it by --vz-version of compose, or as kernel.vz_version of a profile. "
    "RHEL's own kernels have no checkpointing"
)


class UnknownReleaseError(UserError):
    """A release that is of no generation known here."""


class Release(Struct, frozen=True, gc=False):
    """A kernel's release: its name, its generation, and what differs within one.

    ``number`` is its 042stab number, empty where it has none; ``section_ends`` and ``xcr0`` are
    its generation's, or what is certain of this release.
    """

    name: str
    generation: Generation
    number: tuple[int, ...]
    section_ends: tuple[int, int]
    xcr0: tuple[int, int]

    @property
    def label(self) -> str:
        """The 042stab number as OpenVZ writes it, else the whole name."""
        return format_number(self.number) if self.number else self.name

    @property
    def may_have_eager_fpu(self) -> bool:
        """Whether every process may count as having used the FPU."""
        return self.number >= _EAGER_FPU_SINCE


def identify(release: str, vz_version: str = "") -> Release:
    """Say what a kernel is by uname's release, and by /proc/vz/version where that is silent.

    A kernel built from a published tree may call itself 2.6.32 alone; Proxmox VE built some of
    several generations as 2.6.32-26-pve; RHEL's own has no checkpointing. Raises
    UnknownReleaseError, which lists what is known.
    """
    number = parse_number(release) or parse_number(vz_version)
    if number:
        generation = BY_NAME[_name_of(number)]
        ends = _settle(generation.section_ends, number, *_SECTION_ENDS_SETTLED)
        xcr0 = _settle(generation.xcr0, number, *_XCR0_SETTLED)
        return Release(release, generation, number, ends, xcr0)
    if release.startswith("2.6.18-") and "028stab" in release:
        return _without_number(release, BY_NAME["028stab"])
    is_2_6_32 = re.match(r"2\.6\.32(?![0-9])", release) is not None
    if is_2_6_32 and (_BEFORE_RHEL6.match(release) or re.fullmatch(_COSMONAUT, vz_version)):
        return _without_number(release, BY_NAME["2.6.32"])
    known = ", ".join(generation.releases for generation in BY_NAME.values())
    if is_2_6_32:
        raise UnknownReleaseError(
            f"kernel release {release!r} is not certainly any that is known: {known}. {_SAY_WHICH}"
        )
    raise UnknownReleaseError(f"kernel release {release!r} is none that is known: {known}")


def first_showing(bit: int) -> Release | None:
    """Return the oldest release whose nodes can show a capability bit; None where none can.

    It is the first of its generation, or where that has no first number: the one that was read.
    """
    for generation in GENERATIONS:
        if generation.node_bits & mask(bit):
            return identify(_first_release(generation))
    return None


def _first_release(generation: Generation) -> str:
    for number, name in _FIRST_NUMBERS:
        if name == generation.name and number:
            return f"2.6.32-{format_number(number)}"
    return EXAMPLES[generation.name]


def parse_number(text: str) -> tuple[int, ...]:
    """Return the 042stab number in a release or in /proc/vz/version; empty where none is."""
    stab = _STAB.search(text)
    return tuple(int(part) for part in stab.groups() if part) if stab else ()


def full_release(text: str) -> str:
    """Return a release, as uname -r prints it, of a kernel that may go by its number alone."""
    for number, version in (("042stab", "2.6.32"), ("028stab", "2.6.18")):
        if text.startswith(number):
            return f"{version}-{text}"
    return text


def format_number(number: tuple[int, ...]) -> str:
    """Write a 042stab number: 042stab088.4."""
    first, *second = number
    return f"042stab{first:03}" + "".join(f".{part}" for part in second)


def _without_number(release: str, generation: Generation) -> Release:
    return Release(release, generation, (), generation.section_ends, generation.xcr0)


def _settle(
    ends: tuple[int, int],
    number: tuple[int, ...],
    low_until: tuple[int, int],
    high_since: tuple[int, int],
) -> tuple[int, int]:
    """Return what is certain of a release: the lowest, the highest, or that it may be either."""
    lowest, highest = ends
    if number <= low_until:
        return lowest, lowest
    return (highest, highest) if number >= high_since else ends


def _name_of(number: tuple[int, ...]) -> str:
    return [name for first, name in _FIRST_NUMBERS if first <= number][-1]


#: Releases since which something is otherwise that a migration depends on, oldest first: images
#: up to 0x801 (061.9), up to 0x803 (088.4), RDRAND and /proc/vz/cpuid_override (101.5),
#: CPT_TEST_CAPS on /proc/cpt again (107.1, and after 108.1 since 108.2), AVX-512's state (108.1);
#: and the newest that is known.
UPGRADES = (
    "2.6.32-042stab061.9",
    "2.6.32-042stab088.4",
    "2.6.32-042stab101.5",
    "2.6.32-042stab107.1",
    "2.6.32-042stab108.1",
    "2.6.32-042stab108.2",
    "2.6.32-042stab141.3",
)


def age_of(release: str, vz_version: str = "") -> tuple[int, ...]:
    """Return what sorts releases by age, the oldest first. Raises UnknownReleaseError."""
    known = identify(release, vz_version)
    oldest_042stab = GENERATIONS.index(_042STAB)
    return (min(GENERATIONS.index(known.generation), oldest_042stab), *known.number)
