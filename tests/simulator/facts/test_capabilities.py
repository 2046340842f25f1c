"""A node's capability number: which CPUID bit, boot option and override makes which bit of it."""

from typing import Any

import pytest

from simulator.facts import capabilities
from simulator.facts.capabilities import (
    I386,
    MACHINES,
    has_eager_fpu,
    has_sysenter,
    node_capabilities,
    shown_registers,
)
from simulator.facts.cpuid import CpuidTable, MissingLeafError, Registers
from simulator.facts.override import parse_override
from simulator.facts.releases import identify
from simulator.profiles.profile import NodeProfile
from support.simulated_nodes import (
    AMD,
    EAGER_RELEASE,
    EVERYTHING,
    INTEL,
    PLACES,
    RELEASES,
    SINCE_042STAB,
    SINCE_101,
    caps,
    cpu,
    node_facts,
)
from support.simulated_profiles import captured_nodes

#: What an x86_64 Intel node of the newest generation has whatever its CPU lacks.
ALWAYS = caps("SSE2", "EMT64", "SYSCALL", "NAMESPACES")

NEWEST = "042stab107"


def number(generation: str = NEWEST, *words: str, **traits: Any) -> int:
    return node_capabilities(node_facts(generation, *words, **traits))


@pytest.mark.parametrize("word", sorted(set(capabilities.PLACES)))
def test_a_words_place_in_cpuid(word: str) -> None:
    assert capabilities.PLACES[word] == PLACES[word]


def test_every_word_of_the_cpu_has_a_place() -> None:
    assert set(capabilities.PLACES) == set(EVERYTHING) - {"lm", "xsaveopt"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("cmov", caps("CMOV")),
        ("fxsr", caps("FXSR")),
        ("sse", caps("SSE")),
        ("mmx", caps("MMX")),
        ("3dnow", caps("3DNOW")),
        ("3dnowext", caps("3DNOW2")),
        ("sysenter", caps("SEP", "SEP32")),
        ("sse4_1", caps("SSE4_1")),
        ("sse4_2", caps("SSE4_2")),
        ("sse4a", caps("SSE4A")),
        ("xsave", caps("XSAVE")),
        ("avx", caps("AVX")),
        ("aesni", caps("AESNI")),
        ("rdrand", caps("RDRAND")),
        ("sse2", 0),
        ("xsaveopt", 0),
    ],
)
def test_a_feature_adds_its_own_bits(word: str, expected: int) -> None:
    assert number(NEWEST, word) == ALWAYS | expected


@pytest.mark.parametrize("generation", RELEASES)
def test_a_generation_shows_only_the_bits_that_it_knows(generation: str) -> None:
    shown = number(generation, *EVERYTHING)
    assert bool(shown & caps("RDRAND")) == (generation in SINCE_101)
    assert bool(shown & caps("SSE4_1", "SSE4_2", "SSE4A", "XSAVE", "AVX", "AESNI")) == (
        generation in SINCE_042STAB
    )
    assert bool(shown & caps("NAMESPACES")) == (generation in SINCE_042STAB)
    assert bool(shown & caps("SYSCALL", "SEP32")) == (generation != "028stab")


@pytest.mark.parametrize(
    ("generation", "machine", "vendor", "expected"),
    [
        ("028stab", "x86_64", INTEL, caps("SEP")),
        ("028stab", "x86_64", AMD, caps("SEP")),
        ("028stab", "i686", AMD, caps("SEP")),
        ("2.6.32", "x86_64", INTEL, caps("SEP", "SEP32", "SYSCALL")),
        ("2.6.32", "x86_64", AMD, caps("SYSCALL", "SYSCALL32")),
        ("2.6.32", "i686", INTEL, caps("SEP", "SEP32", "SYSCALL")),
        ("2.6.32", "i686", AMD, caps("SEP", "SEP32", "SYSCALL")),
        (NEWEST, "x86_64", INTEL, caps("SEP", "SEP32", "SYSCALL")),
        (NEWEST, "x86_64", AMD, caps("SYSCALL", "SYSCALL32")),
        (NEWEST, "i686", AMD, caps("SEP", "SEP32", "SYSCALL")),
    ],
)
def test_system_call_instructions_by_machine_and_vendor(
    generation: str, machine: str, vendor: str, expected: int
) -> None:
    shown = number(generation, "sysenter", machine=machine, vendor=vendor)
    assert shown & caps("SEP", "SEP32", "SYSCALL", "SYSCALL32") == expected


def test_without_syscall_an_amd_cpu_has_no_syscall32() -> None:
    assert number(NEWEST, cpuid=cpu("lm", vendor=AMD)) == caps("SSE2", "EMT64", "NAMESPACES")


@pytest.mark.parametrize("machine", I386)
def test_a_32bit_kernel_takes_sse2_from_the_cpu_and_has_no_emt64(machine: str) -> None:
    assert number(NEWEST, machine=machine) == caps("SYSCALL", "NAMESPACES")
    assert number(NEWEST, "sse2", machine=machine) == caps("SSE2", "SYSCALL", "NAMESPACES")


def test_the_machines_are_those_of_uname() -> None:
    assert MACHINES == ("x86_64", "i386", "i486", "i586", "i686", "ia64")


@pytest.mark.parametrize("generation", RELEASES)
def test_ia64_has_ia64_and_fxsr(generation: str) -> None:
    own = caps("NAMESPACES") if generation in SINCE_042STAB else 0
    assert number(generation, machine="ia64", cpuid=None) == caps("IA64", "FXSR") | own


@pytest.mark.parametrize("generation", RELEASES)
def test_no_ipv6_shows_from_042stab_on(generation: str) -> None:
    shown = number(generation, has_ipv6=False)
    assert bool(shown & caps("NO_IPV6")) == (generation in SINCE_042STAB)
    assert not number(generation) & caps("NO_IPV6")


@pytest.mark.parametrize("generation", RELEASES)
def test_slm_without_its_module_shows_on_2_6_32_alone(generation: str) -> None:
    shown = number(generation, slm_without_module=True)
    assert bool(shown & caps("SLM_DMPRST")) == (generation == "2.6.32")
    assert not number(generation) & caps("SLM_DMPRST")


# Boot options

FULL = number(NEWEST, *EVERYTHING)


@pytest.mark.parametrize(
    ("option", "taken"),
    [
        ("noxsave", caps("XSAVE")),
        ("nordrand", caps("RDRAND")),
        ("clearcpuid=15", caps("CMOV")),
        ("clearcpuid=23", caps("MMX")),
        ("clearcpuid=63", caps("3DNOW")),
        ("clearcpuid=62", caps("3DNOW2")),
        ("clearcpuid=43", caps("SYSCALL")),
        ("clearcpuid=154", caps("XSAVE")),
        ("clearcpuid=156", caps("AVX")),
        ("clearcpuid=198", caps("SSE4A")),
        ("clearcpuid=26", 0),
        ("clearcpuid=293", 0),
        ("clearcpuid=64", 0),
        ("clearcpuid=9999", 0),
        ("clearcpuid=" + "9" * 5000, 0),
        ("clearcpuid=xsave", 0),
        ("clearcpuid=", 0),
        ("nofxsr", 0),
        ("ipv6.disable=1", 0),
    ],
)
def test_a_boot_option_takes_its_feature_from_101_on(option: str, taken: int) -> None:
    assert number(NEWEST, *EVERYTHING, boot_options=(option,)) == FULL & ~taken


def test_boot_options_add_up() -> None:
    options = ("noxsave", "nordrand", "clearcpuid=15")
    taken = caps("XSAVE", "RDRAND", "CMOV")
    assert number(NEWEST, *EVERYTHING, boot_options=options) == FULL & ~taken


@pytest.mark.parametrize("generation", [one for one in RELEASES if one not in SINCE_101])
def test_before_101_boot_options_and_overrides_do_not_show(generation: str) -> None:
    plain = number(generation, *EVERYTHING)
    assert number(generation, *EVERYTHING, boot_options=("noxsave", "clearcpuid=15")) == plain
    override = parse_override("1: 0 0 0 0")
    assert number(generation, *EVERYTHING, override=override) == plain


@pytest.mark.parametrize(
    ("option", "hidden"),
    [
        ("noxsave", {"xsave", "xsaveopt"}),
        ("nordrand", {"rdrand"}),
        ("clearcpuid=0", set()),
        ("clearcpuid=61", {"lm"}),
        ("clearcpuid=147", {"sse4_1"}),
    ],
)
def test_what_a_boot_option_hides_from_the_kernel(option: str, hidden: set[str]) -> None:
    shown = shown_registers(cpu(*EVERYTHING), [option])
    assert shown == cpu(*(word for word in EVERYTHING if word not in hidden))


def test_a_boot_option_hides_leaf_7_as_word_9() -> None:
    table = cpu().replace({(0x7, 0): Registers(0, 0xFFFFFFFF, 5, 6)})
    assert shown_registers(table, ["clearcpuid=293"])[0x7, 0] == Registers(0, 0xFFFFFFDF, 5, 6)


def test_a_boot_option_leaves_alone_what_was_not_recorded() -> None:
    table = CpuidTable([((0, 0), Registers(0, 0, 0, 0))])
    assert shown_registers(table, ["noxsave", "clearcpuid=63"]) == table


# The override


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("", 0),
        ("1: 0 0 ffffffff ffffffff", 0),
        ("1: 0 0 bfffffff ffffffff", caps("RDRAND")),
        ("1: 0 0 fbffffff ffff7fff", caps("XSAVE", "CMOV")),
        ("1 0: 0 0 ffffffff ff7fffff", caps("MMX")),
        ("1 1: 0 0 0 0", 0),
        ("80000001: 0 0 ffffffbf 3fffffff", caps("SSE4A", "3DNOW", "3DNOW2")),
        ("7: 0 0 0 0", 0),
        ("d 1: 0 0 0 0", 0),
        ("1: 0 0 ffffffff ffff7fff\n1: 0 0 0 0", caps("CMOV")),
    ],
)
def test_an_override_takes_away_what_it_does_not_have(text: str, taken: int) -> None:
    override = parse_override(text)
    assert number(NEWEST, *EVERYTHING, override=override) == FULL & ~taken


def test_an_override_never_adds() -> None:
    override = parse_override("1: 0 0 ffffffff ffffffff")
    assert number(NEWEST, "cmov", override=override) == number(NEWEST, "cmov")


def test_sse2_and_emt64_cannot_be_masked_away() -> None:
    override = parse_override("1: 0 0 0 0\n80000001: 0 0 0 0")
    masked = number(NEWEST, *EVERYTHING, override=override)
    assert masked == caps("SSE2", "EMT64", "NAMESPACES")


# Holes


@pytest.mark.parametrize("leaf", [0x1, 0x80000000, 0x80000001])
def test_a_leaf_that_was_not_recorded_is_no_zeros(leaf: int) -> None:
    table = CpuidTable((key, value) for key, value in cpu("lm").items() if key[0] != leaf)
    with pytest.raises(MissingLeafError) as caught:
        number(NEWEST, cpuid=table)
    assert caught.value.leaf == leaf


def test_a_leaf_that_the_cpu_lacks_is_zeros() -> None:
    table = CpuidTable(
        [
            ((0x0, 0), Registers(1, 0x756E6547, 0x6C65746E, 0x49656E69)),
            ((0x1, 0), Registers(0x6D8, 0, 0, 1 << 15)),
            ((0x80000000, 0), Registers(0, 0, 0, 0)),
        ]
    )
    assert number("2.6.32", machine="i686", cpuid=table) == caps("CMOV")


# Eager FPU


def eager(*words: str, release: str = EAGER_RELEASE, **traits: Any) -> bool:
    return has_eager_fpu(node_facts(NEWEST, *words, release=identify(release), **traits))


@pytest.mark.parametrize(
    ("words", "traits", "expected"),
    [
        pytest.param((), {"vendor": INTEL}, True, id="intel"),
        pytest.param((), {"vendor": AMD}, False, id="amd"),
        pytest.param(("xsaveopt",), {"vendor": AMD}, True, id="amd with xsaveopt"),
        pytest.param((), {"vendor": AMD, "boot_options": ("eagerfpu=on",)}, True, id="told to"),
        pytest.param((), {"boot_options": ("eagerfpu=off",)}, False, id="told not to"),
        pytest.param(
            ("xsaveopt",),
            {"vendor": AMD, "boot_options": ("eagerfpu=off",)},
            False,
            id="amd with xsaveopt, told not to",
        ),
        pytest.param(
            ("xsaveopt",), {"vendor": AMD, "boot_options": ("noxsave",)}, False, id="noxsave"
        ),
        pytest.param((), {"machine": "ia64", "cpuid": None}, False, id="ia64"),
        pytest.param((), {"release": RELEASES[NEWEST]}, False, id="113.5, intel"),
        pytest.param(
            (),
            {"release": RELEASES[NEWEST], "boot_options": ("eagerfpu=on",)},
            False,
            id="113.5, told to",
        ),
    ],
)
def test_every_process_counts_as_having_used_the_fpu(
    words: tuple[str, ...], traits: dict[str, Any], expected: bool
) -> None:
    assert eager(*words, **traits) is expected


def test_a_third_vendor_is_treated_as_amd() -> None:
    """HygonGenuine comes after GenuineIntel, AuthenticAMD before."""
    vendor = {(0x0, 0): Registers(0xD, 0x6F677948, 0x656E6975, 0x6E65476E)}
    table = cpu("lm", "syscall", "sysenter").replace(vendor)
    facts = node_facts(NEWEST, cpuid=table, release=identify(EAGER_RELEASE))
    assert table.vendor == "HygonGenuine"
    assert not has_eager_fpu(facts)
    assert not has_sysenter(facts)
    assert node_capabilities(facts) & caps("SEP", "SYSCALL32") == caps("SYSCALL32")


@pytest.mark.parametrize("profile", captured_nodes(), ids=lambda profile: profile.name)
def test_eagerfpu_shows_in_the_flags_of_the_recorded_boots(profile: NodeProfile) -> None:
    assert has_eager_fpu(profile.facts()) == ("eagerfpu" in (profile.cpus[0].flags or ()))


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        ({"vendor": INTEL}, True),
        ({"vendor": AMD}, False),
        ({"machine": "ia64", "cpuid": None}, False),
    ],
)
def test_sysenter_is_intels_way_into_a_64bit_kernel(traits: dict[str, Any], expected: bool) -> None:
    assert has_sysenter(node_facts(**traits)) is expected
