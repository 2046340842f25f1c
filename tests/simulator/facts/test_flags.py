"""The flags that a kernel prints: rules of 2.6.32, each against a CPU that it is about."""

from typing import Any

import pytest

from simulator.facts.cpuid import CpuidTable, MissingLeafError, Registers
from simulator.facts.flags import flags_of
from simulator.facts.generations import identify
from simulator.profiles.catalogue import load_cpus
from support.simulated_nodes import AMD, EVERYTHING, INTEL, RELEASES, cpu, node_facts
from support.simulated_profiles import captured_nodes

VENDOR_NAMES = {"intel": INTEL, "amd": AMD, "centaur": "CentaurHauls", "hygon": "HygonGenuine"}
LATEST = "2.6.32-042stab141.3"
ALL_BITS = 0xFFFF_FFFF


def signature(family: int, model: int, stepping: int = 0) -> int:
    """Write a family and a model as CPUID does."""
    base, extended = min(family, 0xF), max(family - 0xF, 0)
    return extended << 20 | model >> 4 << 16 | base << 8 | (model & 0xF) << 4 | stepping


def made(
    vendor: str, family: int, model: int, stepping: int = 0, *, last: int = 0xD, **leaves: Any
) -> CpuidTable:
    """Make a CPU; ``leaves`` are L1, L6... with the registers that are not zero."""
    name = VENDOR_NAMES[vendor].encode()
    ebx, edx, ecx = (int.from_bytes(name[at : at + 4], "little") for at in (0, 4, 8))
    table = cpu("lm", "syscall")
    answers = {(0, 0): Registers(last, ebx, ecx, edx)}
    answers[1, 0] = table[1, 0]._replace(eax=signature(family, model, stepping))
    for leaf, registers in leaves.items():
        key = (int(leaf[1:], 16), 0)
        answers[key] = answers.get(key, Registers(0, 0, 0, 0))._replace(**registers)
    extended = Registers(0x8000_000A, 0, 0, 0)
    return table.replace({(0x8000_0000, 0): extended, **answers}).without_foreign()


def shown(
    table: CpuidTable,
    *options: str,
    release: str = LATEST,
    has_faulting: bool = False,
    **traits: Any,
) -> set[str]:
    facts = node_facts(cpuid=table, release=identify(release), boot_options=options, **traits)
    flags = flags_of(facts, has_faulting=has_faulting)
    assert len(flags) == len(set(flags))
    return set(flags)


INVTSC = {"edx": 1 << 8}
APIC = {"edx": 1 << 9}

#: A CPU, a kernel and more; then the words it has to print, and those it must not (after a dash).
RULES: dict[str, tuple[CpuidTable, dict[str, Any], str]] = {
    "intel p6": (made("intel", 6, 0xE), {}, "constant_tsc rep_good xtopology"),
    "intel p6 of 32 bits": (made("intel", 6, 0xE), {"machine": "i686"}, "- rep_good"),
    "intel p6, older": (made("intel", 6, 0xD), {}, "rep_good - constant_tsc"),
    "intel netburst": (made("intel", 0xF, 3), {}, "constant_tsc - rep_good"),
    "intel netburst, older": (made("intel", 0xF, 2), {}, "- constant_tsc nonstop_tsc"),
    "intel, invariant": (
        made("intel", 0xF, 2, L80000007=INVTSC), {}, "constant_tsc nonstop_tsc",
    ),
    "intel, other family": (made("intel", 5, 9), {}, "- constant_tsc rep_good"),
    "intel, few leaves": (made("intel", 6, 0x17, last=0xA, LA={"eax": 0x0402}), {},
                          "arch_perfmon - xtopology"),
    "intel, one counter": (made("intel", 6, 0x17, LA={"eax": 0x0102}), {}, "- arch_perfmon"),
    "intel, no counters": (made("intel", 6, 0x17, LA={"eax": 0x0400}), {}, "- arch_perfmon"),
    "intel, no leaf of counters": (made("intel", 6, 0x17, last=9), {}, "- arch_perfmon"),
    "intel, unrecorded counters": (made("intel", 6, 0x17), {}, "- arch_perfmon"),
    "intel, threads": (
        made("intel", 6, 0x3F, LB={"ebx": 2, "ecx": 0x100}), {}, "xtopology",
    ),
    "intel, no threads": (made("intel", 6, 0x3F, LB={"ebx": 2, "ecx": 0x200}), {}, "- xtopology"),
    "intel, empty level": (made("intel", 6, 0x3F, LB={"ecx": 0x100}), {}, "- xtopology"),
    "intel, debug store": (made("intel", 6, 0x17, L1={"edx": 1 << 21}), {}, "dts pebs bts"),
    "intel, pat": (made("intel", 6, 0xF, L1={"edx": 1 << 16}), {}, "pat"),
    "intel, pat that is not trusted": (made("intel", 6, 0xE, L1={"edx": 1 << 16}), {}, "- pat"),
    "amd k8 of revision d": (
        made("amd", 0xF, 0x14, L80000001={"ecx": 1}, L1=APIC), {}, "lahf_lm extd_apicid",
    ),
    "amd k8, before": (made("amd", 0xF, 0x13, L80000001={"ecx": 1}), {}, "- lahf_lm extd_apicid"),
    "amd k8, before, of 32 bits": (
        made("amd", 0xF, 0x13, L80000001={"ecx": 1}), {"machine": "i686"}, "lahf_lm",
    ),
    "amd k8 c": (made("amd", 0xF, 4, 8), {}, "rep_good"),
    "amd k8 c, last": (made("amd", 0xF, 4, 0xF), {}, "rep_good"),
    "amd k8 between": (made("amd", 0xF, 5, 7), {}, "- rep_good"),
    "amd k8, another": (made("amd", 0xF, 5, 8), {}, "rep_good"),
    "amd k8, first": (made("amd", 0xF, 4, 7), {}, "retpoline - rep_good ibp_disable"),
    "amd k8, first, of 32 bits": (made("amd", 0xF, 4, 8), {"machine": "i686"}, "- rep_good"),
    "amd k10": (made("amd", 0x10, 2), {}, "rep_good ibp_disable - retpoline"),
    "amd k7": (made("amd", 6, 8, L1=APIC), {}, "- rep_good extd_apicid constant_tsc"),
    "amd, invariant": (made("amd", 0x15, 1, L80000007=INVTSC), {}, "constant_tsc nonstop_tsc"),
    "amd, 3dnow of old": (made("amd", 0x15, 1, L1={"edx": ALL_BITS}), {}, "ia64 - pbe"),
    "centaur c7": (made("centaur", 6, 0xF), {}, "constant_tsc rep_good eagerfpu"),
    "centaur c5": (made("centaur", 6, 0xD), {}, "eagerfpu - constant_tsc rep_good xtopology"),
    "centaur of another family": (made("centaur", 7, 0x1B), {}, "- constant_tsc rep_good"),
    "centaur, 3dnow of old": (made("centaur", 6, 0xF, L1={"edx": ALL_BITS}), {}, "ia64 - pbe"),
    "hygon": (
        made("hygon", 0x18, 1, L1=APIC, L80000007=INVTSC), {},
        "eagerfpu retpoline - constant_tsc nonstop_tsc rep_good extd_apicid",
    ),
    "intel, pending break": (made("intel", 6, 0x17, L1={"edx": ALL_BITS}), {}, "pbe sep"),
    "the oldest tree": (
        made("intel", 6, 0x17, L1={"edx": ALL_BITS}), {"release": RELEASES["042stab"]},
        "pbe constant_tsc - sep retpoline eagerfpu",
    ),
    "the oldest tree, of 32 bits": (
        made("intel", 6, 0x17, L1={"edx": ALL_BITS}),
        {"release": RELEASES["042stab"], "machine": "i686"},
        "sep",
    ),
    "before 042stab": (
        made("intel", 6, 0x17, L1={"edx": ALL_BITS}), {"release": RELEASES["2.6.32"]},
        "sep pbe - constant_tsc up",
    ),
    "between two trees": (
        made("intel", 6, 0x17), {"release": "2.6.32-042stab120.1"}, "up - retpoline eagerfpu",
    ),
    "monitor": (made("intel", 6, 0x17, L1={"ecx": 1 << 3}, last=5), {}, "monitor"),
    "monitor without its leaf": (made("intel", 6, 0x17, L1={"ecx": 1 << 3}, last=4), {},
                                 "- monitor"),
    "dca without its leaf": (made("intel", 6, 0x17, L1={"ecx": 1 << 18}, last=8), {}, "- dca"),
    "xsave without its leaf": (made("intel", 6, 0x17, L1={"ecx": 1 << 26}, last=0xC), {},
                               "- xsave"),
    "a guest": (made("amd", 0x10, 2, L1={"ecx": 1 << 31}), {}, "hypervisor unfair_spinlock"),
    "no guest": (made("amd", 0x10, 2), {}, "- hypervisor unfair_spinlock"),
    "power": (
        made("intel", 6, 0x3F, L6={"eax": 0x57, "ecx": 9}), {},
        "dtherm ida arat pln pts aperfmperf epb - dts",
    ),
    "power, of old": (
        made("intel", 6, 0x3F, L6={"eax": 1}), {"release": RELEASES["042stab"]}, "dts - dtherm",
    ),
    "speculation": (
        made("intel", 6, 0x3F, L7={"edx": 1 << 26 | 1 << 27}), {}, "ibrs ibpb stibp - ssbd",
    ),
    "speculation of amd": (
        made("amd", 0x17, 1, L80000008={"ebx": 1 << 12 | 1 << 24}), {}, "ibpb ssbd - ibrs stibp",
    ),
    "faulting": (made("intel", 6, 0x3F), {"has_faulting": True}, "cpuid_faulting"),
    "faulting that the kernel cannot name": (
        made("intel", 6, 0x3F), {"has_faulting": True, "release": RELEASES["042stab"]},
        "- cpuid_faulting",
    ),
    "dca": (made("intel", 6, 0x17, L1={"ecx": 1 << 18}, last=9), {}, "dca"),
    "monitor, many leaves": (made("intel", 6, 0x17, L1={"ecx": 1 << 3}), {}, "monitor"),
    "amd, family 0x11": (made("amd", 0x11, 3, L1=APIC), {}, "rep_good extd_apicid retpoline"),
    "amd, family 0x12": (made("amd", 0x12, 1), {}, "ibp_disable - retpoline"),
    "amd, family 0x13": (made("amd", 0x13, 1), {}, "retpoline - ibp_disable"),
    "amd, family 0x15": (made("amd", 0x15, 1), {}, "retpoline - ibp_disable"),
    "amd, family 0x16": (made("amd", 0x16, 0), {}, "ibp_disable - retpoline"),
    "amd, family 0x17": (made("amd", 0x17, 1), {}, "retpoline - ibp_disable"),
    "intel of amd's family": (made("intel", 6, 0x10), {}, "retpoline - ibp_disable"),
    "amd k8, later": (made("amd", 0xF, 0x6B, L80000001={"ecx": 1}), {}, "lahf_lm"),
    "amd k10, lahf": (made("amd", 0x10, 2, L80000001={"ecx": 1}), {}, "lahf_lm"),
    "intel, lahf": (made("intel", 0xF, 4, L80000001={"ecx": 1}), {}, "lahf_lm"),
    "amd k8 after c": (made("amd", 0xF, 5, 0), {}, "- rep_good"),
    "amd k8, revision e": (made("amd", 0xF, 0x25, 1), {}, "rep_good"),
    "intel netburst, pat": (made("intel", 0xF, 3, L1={"edx": 1 << 16}), {}, "pat"),
    "intel p6, later, pat": (made("intel", 6, 0x17, L1={"edx": 1 << 16}), {}, "pat"),
    "amd k7, pat": (made("amd", 6, 8, L1={"edx": 1 << 16}), {}, "pat"),
    "hygon, pat": (made("hygon", 6, 8, L1={"edx": 1 << 16}), {}, "pat"),
    "centaur before the c7": (made("centaur", 6, 0xE), {}, "- constant_tsc rep_good"),
    "centaur after the c7": (made("centaur", 6, 0x19), {}, "constant_tsc rep_good"),
    "intel, counters of version 1": (
        made("intel", 6, 0x17, LA={"eax": 0x0201}), {}, "arch_perfmon",
    ),
    "intel, counters of version 2": (
        made("intel", 6, 0x17, LA={"eax": 0x0202}), {}, "arch_perfmon",
    ),
    "intel, three counters": (made("intel", 6, 0x17, LA={"eax": 0x0302}), {}, "arch_perfmon"),
    "intel, version without counters": (made("intel", 6, 0x17, LA={"eax": 2}), {},
                                        "- arch_perfmon"),
    "intel, last leaf of threads": (made("intel", 6, 0x17, last=0xB), {}, "xtopology"),
    "intel, invalid level": (made("intel", 6, 0x3F, LB={"ebx": 2}), {}, "- xtopology"),
    "before 088": (
        made("intel", 6, 0x17, L1={"edx": ALL_BITS}), {"release": "2.6.32-042stab087.9"}, "- sep",
    ),
    "of 088": (
        made("intel", 6, 0x17, L1={"edx": ALL_BITS}), {"release": "2.6.32-042stab088"}, "sep",
    ),
    "no faulting": (made("intel", 6, 0x3F), {}, "- cpuid_faulting"),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_rule(name: str) -> None:
    table, traits, words = RULES[name]
    there, _, absent = words.partition("-")
    flags = shown(table, **traits)
    assert set(there.split()) - flags == set()
    assert set(absent.split()) & flags == set()


@pytest.mark.parametrize(
    ("options", "gone"),
    [
        (["noxsave"], {"xsave", "xsaveopt"}),
        (["noxsaveopt"], {"xsaveopt"}),
        (["nordrand"], {"rdrand"}),
        (["clearcpuid=154"], {"xsave"}),
        (["clearcpuid=320"], {"xsaveopt"}),
        (["clearcpuid=112", "clearcpuid=5"], {"rep_good"}),
        (["clearcpuid=225"], {"arat"}),
        (["clearcpuid=999999", "clearcpuid=x"], set()),
    ],
)
def test_a_boot_option_takes_its_words(options: list[str], gone: set[str]) -> None:
    table = cpu(*EVERYTHING).replace({(6, 0): Registers(4, 0, 0, 0)})
    assert shown(table) - shown(table, *options) == gone


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        ((), ()),
        (("cmov", "fxsr"), ("cmov", "fxsr")),
        (("sysenter", "aesni", "xsaveopt"), ("sep", "aes", "xsaveopt")),
        (("3dnow", "3dnowext", "lm", "syscall"), ("syscall", "lm", "3dnowext", "3dnow")),
        (("sse4a", "sse4_1", "sse4_2", "rdrand"), ("sse4_1", "sse4_2", "rdrand", "sse4a")),
    ],
)
def test_a_flag_stands_for_its_bit(words: tuple[str, ...], flags: tuple[str, ...]) -> None:
    facts = node_facts("2.6.32", cpuid=cpu(*words))
    assert flags_of(facts) == flags


def test_leaves_that_were_not_recorded_have_no_flags() -> None:
    answers = {key: cpu("cmov")[key] for key in ((0, 0), (1, 0))}
    assert flags_of(node_facts("2.6.32", cpuid=CpuidTable(answers.items()))) == ("cmov",)


def test_faulting_is_there_where_it_is_said_to_be() -> None:
    facts = node_facts(release=identify(LATEST))
    assert set(flags_of(facts, has_faulting=True)) - set(flags_of(facts)) == {"cpuid_faulting"}


def test_a_cpu_without_cpuid_has_no_flags() -> None:
    assert flags_of(node_facts(machine="ia64", cpuid=None)) == ()


def test_an_amd_whose_xsaveopt_decides_has_to_have_it_recorded() -> None:
    whole = cpu("lm", "xsave", vendor=AMD)
    table = CpuidTable((key, value) for key, value in whole.items() if key != (0xD, 1))
    assert "eagerfpu" in shown(table, "eagerfpu=on")
    assert "eagerfpu" not in shown(table, "noxsave")
    with pytest.raises(MissingLeafError):
        shown(table)


@pytest.mark.parametrize("release", RELEASES.values())
def test_no_flag_comes_twice_on_any_real_cpu(release: str) -> None:
    """But for dts, by which kernels of old meant the debug store, and a thermometer too."""
    for one in load_cpus().values():
        facts = node_facts(cpuid=one.table, release=identify(release), boot_options=("noxsaveopt",))
        flags = [flag for flag in flags_of(facts) if flag != "dts"]
        assert len(set(flags)) == len(flags), one.name


def test_there_are_boots_of_each_rule_that_is_said_to_be_recorded() -> None:
    words = {word for one in captured_nodes() for word in (one.cpus[0].flags or "").split()}
    assert {"rep_good", "extd_apicid", "xtopology", "ibp_disable", "retpoline"} <= words
