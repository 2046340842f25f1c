"""A node's capability number: which CPUID bit, boot option and override makes which bit of it."""

from typing import Any

import pytest

from simulator.facts.capabilities import (
    I386,
    MACHINES,
    capability_bounds,
    eager_fpu,
    has_eager_fpu,
    has_sysenter,
    node_capabilities,
    shown_registers,
)
from simulator.facts.cpuid import ZEROS, CpuidTable, MissingLeafError, Registers
from simulator.facts.generations import identify
from simulator.facts.override import parse_override
from simulator.profiles.profile import NodeProfile
from support.simulated_nodes import (
    AMD,
    BASELINE,
    EAGER_RELEASE,
    EVERYTHING,
    INTEL,
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


#: What each word of a CPU adds to a node's number, in the header's names.
BITS_OF_WORDS = {
    "cmov": "CMOV", "fxsr": "FXSR", "sse": "SSE", "mmx": "MMX", "3dnow": "3DNOW",
    "3dnowext": "3DNOW2", "sysenter": "SEP SEP32", "sse4_1": "SSE4_1", "sse4_2": "SSE4_2",
    "sse4a": "SSE4A", "xsave": "XSAVE", "avx": "AVX", "aesni": "AESNI", "rdrand": "RDRAND",
    "sse2": "", "xsaveopt": "",
}  # fmt: skip


@pytest.mark.parametrize(("word", "names"), BITS_OF_WORDS.items())
def test_a_feature_adds_its_own_bits(word: str, names: str) -> None:
    assert number(NEWEST, word) == ALWAYS | caps(*names.split())


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
    ("generation", "machine", "vendor", "names"),
    [
        ("028stab", "x86_64", INTEL, "SEP"),
        ("028stab", "x86_64", AMD, "SEP"),
        ("028stab", "i686", AMD, "SEP"),
        ("2.6.32", "x86_64", INTEL, "SEP SEP32 SYSCALL"),
        ("2.6.32", "x86_64", AMD, "SYSCALL SYSCALL32"),
        ("2.6.32", "i686", INTEL, "SEP SEP32 SYSCALL"),
        ("2.6.32", "i686", AMD, "SEP SEP32 SYSCALL"),
        (NEWEST, "x86_64", INTEL, "SEP SEP32 SYSCALL"),
        (NEWEST, "x86_64", AMD, "SYSCALL SYSCALL32"),
        (NEWEST, "i686", AMD, "SEP SEP32 SYSCALL"),
    ],
)
def test_system_call_instructions_by_machine_and_vendor(
    generation: str, machine: str, vendor: str, names: str
) -> None:
    shown = number(generation, "sysenter", machine=machine, vendor=vendor)
    assert shown & caps("SEP", "SEP32", "SYSCALL", "SYSCALL32") == caps(*names.split())


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
def test_no_ipv6_shows_from_042stab_on_and_slm_on_2_6_32_alone(generation: str) -> None:
    no_ipv6 = number(generation, has_ipv6=False) & caps("NO_IPV6")
    slm = number(generation, slm_without_module=True) & caps("SLM_DMPRST")
    assert bool(no_ipv6) == (generation in SINCE_042STAB)
    assert bool(slm) == (generation == "2.6.32")
    assert not number(generation) & caps("NO_IPV6", "SLM_DMPRST")


# Boot options

FULL = number(NEWEST, *EVERYTHING)


#: Boot options, and what they take away in the header's names.
TAKEN = {
    "noxsave": "XSAVE", "nordrand": "RDRAND", "clearcpuid=15": "CMOV", "clearcpuid=23": "MMX",
    "clearcpuid=63": "3DNOW", "clearcpuid=62": "3DNOW2", "clearcpuid=43": "SYSCALL",
    "clearcpuid=154": "XSAVE", "clearcpuid=156": "AVX", "clearcpuid=198": "SSE4A",
    "noxsave nordrand clearcpuid=15": "XSAVE RDRAND CMOV",
    "clearcpuid=26": "", "clearcpuid=293": "", "clearcpuid=64": "", "clearcpuid=9999": "",
    "clearcpuid=" + "9" * 5000: "", "clearcpuid=xsave": "", "clearcpuid=": "", "nofxsr": "",
    "ipv6.disable=1": "",
}  # fmt: skip


@pytest.mark.parametrize(("options", "taken"), TAKEN.items())
def test_a_boot_option_takes_its_feature_from_101_on(options: str, taken: str) -> None:
    shown = number(NEWEST, *EVERYTHING, boot_options=tuple(options.split()))
    assert shown == FULL & ~caps(*taken.split())


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
        ("", ""),
        ("1: 0 0 ffffffff ffffffff", ""),
        ("1: 0 0 bfffffff ffffffff", "RDRAND"),
        ("1: 0 0 fbffffff ffff7fff", "XSAVE CMOV"),
        ("1 0: 0 0 ffffffff ff7fffff", "MMX"),
        ("1 1: 0 0 0 0", ""),
        ("80000001: 0 0 ffffffbf 3fffffff", "SSE4A 3DNOW 3DNOW2"),
        ("7: 0 0 0 0", ""),
        ("d 1: 0 0 0 0", ""),
        ("1: 0 0 ffffffff ffff7fff\n1: 0 0 0 0", "CMOV"),
    ],
)
def test_an_override_takes_away_what_it_does_not_have(text: str, taken: str) -> None:
    override = parse_override(text)
    assert number(NEWEST, *EVERYTHING, override=override) == FULL & ~caps(*taken.split())


def test_an_override_never_adds() -> None:
    override = parse_override("1: 0 0 ffffffff ffffffff")
    assert number(NEWEST, "cmov", override=override) == number(NEWEST, "cmov")


def test_sse2_and_emt64_cannot_be_masked_away() -> None:
    override = parse_override("1: 0 0 0 0\n80000001: 0 0 0 0")
    masked = number(NEWEST, *EVERYTHING, override=override)
    assert masked == caps("SSE2", "EMT64", "NAMESPACES")


# Holes


@pytest.mark.parametrize("leaf", [0x1, 0x80000001])
def test_a_leaf_that_was_not_recorded_is_no_zeros(leaf: int) -> None:
    whole = cpu(*BASELINE, vendor=AMD)
    # Leaf 0xd would tell that there is AVX.
    table = CpuidTable((key, one) for key, one in whole.items() if key[0] not in (leaf, 0xD))
    with pytest.raises(MissingLeafError) as caught:
        number(NEWEST, cpuid=table)
    assert caught.value.leaf == leaf
    least, most = capability_bounds(node_facts(NEWEST, cpuid=table))
    assert least < most
    told = number(NEWEST, cpuid=whole)
    assert (least & told, most | told) == (least, most)


@pytest.mark.parametrize("machine", ["x86_64", "i686"])
def test_a_leaf_that_has_bits_is_there_though_none_tells_of_it(machine: Any) -> None:
    whole = cpu(*BASELINE, "sse4a", vendor=AMD)
    table = CpuidTable((key, value) for key, value in whole.items() if key[0] != 0x80000000)
    assert number(NEWEST, cpuid=table, machine=machine) == number(
        NEWEST, cpuid=whole, machine=machine
    )
    empty = table.replace({(0x80000001, 0): ZEROS})
    with pytest.raises(MissingLeafError, match="leaf 0x80000000"):
        empty.has_bit(0x80000001, 0, "ecx", 6)


def test_a_leaf_that_the_cpu_lacks_is_zeros() -> None:
    answers = {
        (0x0, 0): Registers(1, 0x756E6547, 0x6C65746E, 0x49656E69),
        (0x1, 0): Registers(0x6D8, 0, 0, 1 << 15),
        (0x80000000, 0): Registers(0, 0, 0, 0),
    }
    table = CpuidTable(answers.items())
    assert number("2.6.32", machine="i686", cpuid=table) == caps("CMOV")


# Eager FPU


NO_XSAVEOPT = parse_override("d 1: 0 0 0 0")


def eager(*words: str, release: str = EAGER_RELEASE, **traits: Any) -> bool:
    return has_eager_fpu(node_facts(NEWEST, *words, release=identify(release), **traits))


ON, OFF, BEFORE = ("eagerfpu=on",), ("eagerfpu=off",), RELEASES[NEWEST]
XSAVEOPT = ("xsaveopt",)
EAGER = {
    "intel": ((), {"vendor": INTEL}, True),
    "amd": ((), {"vendor": AMD}, False),
    "amd with xsaveopt": (XSAVEOPT, {"vendor": AMD}, True),
    "told to": ((), {"vendor": AMD, "boot_options": ON}, True),
    "told not to": ((), {"boot_options": OFF}, False),
    "amd with xsaveopt, told not to": (XSAVEOPT, {"vendor": AMD, "boot_options": OFF}, False),
    "noxsave": (XSAVEOPT, {"vendor": AMD, "boot_options": ("noxsave",)}, False),
    "noxsaveopt": (XSAVEOPT, {"vendor": AMD, "boot_options": ("noxsaveopt",)}, False),
    "the last of two counts": ((), {"vendor": AMD, "boot_options": OFF + ON}, True),
    "auto undoes what was before": ((), {"boot_options": (*OFF, "eagerfpu=auto")}, True),
    "amd, auto": ((), {"vendor": AMD, "boot_options": (*ON, "eagerfpu=auto")}, False),
    "amd, masked since boot": (XSAVEOPT, {"vendor": AMD, "override": NO_XSAVEOPT}, True),
    "132.1": ((), {"release": "2.6.32-042stab132.1"}, True),
    "131.1": ((), {"release": "2.6.32-042stab131.1"}, False),
    "ia64": ((), {"machine": "ia64", "cpuid": None}, False),
    "113.5, intel": ((), {"release": BEFORE}, False),
    "113.5, told to": ((), {"release": BEFORE, "boot_options": ON}, False),
}


@pytest.mark.parametrize("name", EAGER)
def test_every_process_counts_as_having_used_the_fpu(name: str) -> None:
    words, traits, expected = EAGER[name]
    assert eager(*words, **traits) is expected


@pytest.mark.parametrize("vendor", ["HygonGenuine", "CentaurHauls", "  Shanghai  "])
def test_a_third_vendor_is_eager_and_has_no_sysenter(vendor: str) -> None:
    first, middle, last = (
        int.from_bytes(vendor[at : at + 4].encode(), "little") for at in (0, 4, 8)
    )
    answer = {(0x0, 0): Registers(0xD, first, last, middle)}
    table = cpu("lm", "syscall", "sysenter").replace(answer)
    facts = node_facts(NEWEST, cpuid=table, release=identify(EAGER_RELEASE))
    assert table.vendor == vendor
    assert has_eager_fpu(facts)
    assert not has_sysenter(facts)
    assert node_capabilities(facts) & caps("SEP", "SYSCALL32") == caps("SYSCALL32")


def test_eager_fpu_of_amd_is_unknown_without_xsaveopt() -> None:
    for words, is_eager in ((("lm", "xsave"), None), (("lm",), False)):
        whole = cpu(*words, vendor=AMD)
        table = CpuidTable((key, value) for key, value in whole.items() if key != (0xD, 1))
        facts = node_facts(NEWEST, cpuid=table, release=identify(EAGER_RELEASE))
        assert eager_fpu(facts) is is_eager
        if is_eager is None:
            with pytest.raises(MissingLeafError):
                has_eager_fpu(facts)
        else:
            assert not has_eager_fpu(facts)


@pytest.mark.parametrize("profile", captured_nodes(), ids=lambda profile: profile.name)
def test_eagerfpu_shows_in_the_flags_of_the_recorded_boots(profile: NodeProfile) -> None:
    assert has_eager_fpu(profile.facts()) == ("eagerfpu" in (profile.cpus[0].flags or "").split())


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
