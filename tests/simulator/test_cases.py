"""What people were told wrongly, and are told now: small pairs of nodes, by the commands' answers.

The CPUs are made up; each stands for what was met on real ones.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from support.programs import vzcptsim
from support.simulated_nodes import BASELINE, NEWEST, RELEASES, cpu, node

#: Intel's of the time from Ivy Bridge on: what they have beside any 64-bit CPU's features.
AVX_WORDS = (*BASELINE, "sse4_1", "sse4_2", "aesni", "xsave", "avx", "rdrand", "xsaveopt")
ALL_OF_XSAVE = 0xE7
AVX512F, AVX2 = 1 << 16, 1 << 5

EAGER = "2.6.32-042stab141.3"


def intel(components: int = 7, features: int = 0, **leaves: Registers | None) -> CpuidTable:
    """Make an Intel CPU with AVX and these components of XSAVE; a leaf that is None is missing."""
    answers = dict(cpu(*AVX_WORDS).items())
    answers[0x1, 0] = answers[0x1, 0]._replace(eax=0x000306E4, ecx=answers[0x1, 0].ecx | 1 << 27)
    answers[0x7, 0] = Registers(0, features, 0, 0)
    answers[0xD, 0] = Registers(components, 0x340, 0xA80, 0)
    answers[0xD, 2] = Registers(256, 576, 0, 0)
    for number, size, offset in ((5, 64, 1088), (6, 512, 1152), (7, 1024, 1664)):
        if components >> number & 1:
            answers[0xD, number] = Registers(size, offset, 0, 0)
    for name, registers in leaves.items():
        del answers[tuple(int(one, 16) for one in name.removeprefix("leaf_").split("_"))]
        assert registers is None
    return CpuidTable(answers.items())


def written(folder: Path, *nodes: NodeProfile) -> list[str]:
    """Write nodes to files, and return their paths."""
    paths = [folder / f"{one.name}.json" for one in nodes]
    for path, one in zip(paths, nodes, strict=True):
        path.write_text(format_profile(one))
    return list(map(str, paths))


def check(*arguments: str) -> tuple[int, str, dict[str, Any]]:
    """Run check for people and as JSON."""
    status, text, _ = vzcptsim("check", *arguments)
    again, document, _ = vzcptsim("check", *arguments, "--json")
    assert again == status
    return status, " ".join(text.split()), json.loads(document)


def codes(document: dict[str, Any], about: str) -> set[str]:
    return {
        reason["code"]
        for one in document["migrations"]
        for reason in one[about]["reasons"]
        if reason["weight"] != "remark"
    }


def test_the_same_cpu_below_an_older_kernel_wants_an_upgrade(tmp_path: Path) -> None:
    new, old = written(
        tmp_path,
        node("new", "1:fpu", table=intel(), release=EAGER),
        node("old", "1:fpu", table=intel(), release=RELEASES["042stab092"]),
    )
    status, text, document = check(new, old)
    assert (status, document["outcome"]) == (2, "refused")
    assert codes(document, "restore") == {"feature-hidden-by-kernel"}
    assert "rdrand" in text
    assert "Upgrade old's kernel to 042stab101.5 or later. container 1: then safe" in text
    assert "whose CPU has it" not in text


def test_a_mask_on_the_destination_is_to_be_lifted(tmp_path: Path) -> None:
    mask = "0x00000001: 0x000306e4 0x00010800 0x03bae3df 0xbfebfbff"
    plain, masked = written(
        tmp_path,
        node("plain", "1:fpu", table=intel(), release=EAGER),
        node("masked", "1:fpu", table=intel(), release=EAGER, override=mask),
    )
    status, text, document = check(plain, masked)
    assert status == 2
    assert codes(document, "restore") == {"feature-hidden-by-override"}
    assert (
        "Lift the mask on masked: 'echo > /proc/vz/cpuid_override'. container 1: then safe" in text
    )
    assert "Write these lines to /proc/vz/cpuid_override on plain" in text
    assert "whose CPU has it" not in text


@pytest.mark.parametrize("option", ["nordrand", "noxsave", "clearcpuid=158"])
def test_a_boot_option_is_to_be_taken_away(tmp_path: Path, option: str) -> None:
    plain, less = written(
        tmp_path,
        node("plain", "1:fpu", table=intel(), release=EAGER),
        node("less", "1:fpu", table=intel(), release=EAGER, boot_options=(option,)),
    )
    status, text, document = check(plain, less)
    assert status == 2
    assert codes(document, "restore") == {"feature-hidden-by-boot-option"}
    assert f"hidden by its boot option {option}" in text
    assert f"Boot less without {option}. container 1: then safe" in text


def test_a_larger_area_of_xsave_is_a_risk(tmp_path: Path) -> None:
    small, large = written(
        tmp_path,
        node("small", "1:fpu", table=intel(), release=EAGER),
        node("large", "1:fpu", table=intel(ALL_OF_XSAVE, AVX512F), release=EAGER),
    )
    status, text, document = check(small, large)
    assert (status, document["outcome"]) == (2, "risky")
    assert codes(document, "programs") == {"xsave-area-larger"}
    assert "source: 832 bytes, destination: 2688 bytes" in text
    assert check(small, large, "--restore-only")[0] == 0


@pytest.mark.parametrize(
    ("vendor", "release"),
    [
        # No cpuid_override before 042stab101.5, and no CPUID faulting on AMD's CPUs of the time.
        ("GenuineIntel", RELEASES["042stab088"]),
        ("AuthenticAMD", NEWEST),
    ],
)
def test_no_mask_is_advised_where_there_can_be_none(
    tmp_path: Path, vendor: str, release: str
) -> None:
    words = (*BASELINE, "sse4_1", "sse4_2", "sse4a")
    source, destination = written(
        tmp_path,
        node("source", "1:fpu,32bit", words=words, vendor=vendor, release=release),
        node("destination", words=BASELINE, vendor=vendor, release=release),
    )
    status, text, _ = check(source, destination)
    assert status == 2
    assert "cpuid_override" not in text


def test_how_32_bit_programs_enter_the_kernel_cannot_be_masked(tmp_path: Path) -> None:
    amd, other = written(
        tmp_path,
        node("amd", "1:32bit", words=BASELINE, vendor="AuthenticAMD", override=""),
        node("other", words=BASELINE),
    )
    _, text, document = check(amd, other)
    assert [one["feature"] for one in document["migrations"][0]["restore"]["reasons"]] == [
        "syscall32"
    ]
    assert "cpuid_override" not in text


def test_a_container_without_avx_512_leaves_a_cpu_that_has_it(tmp_path: Path) -> None:
    """The line that check prints, written before the container starts, makes it safe."""
    large, small = written(
        tmp_path,
        node("large", "1:fpu", table=intel(ALL_OF_XSAVE, AVX512F), release=EAGER, override=""),
        node("small", "1:fpu", table=intel(), release=EAGER, override=""),
    )
    status, text, document = check(large, small)
    assert status == 2
    (remedy,) = [one for one in document["migrations"][0]["remedies"] if one["lines"]]
    assert remedy["outcome"] == "safe"
    assert remedy["lines"].startswith("0x00000007")
    assert "have to be started again" in text
    (masked,) = written(
        tmp_path,
        node(
            "masked",
            "1:fpu",
            table=intel(ALL_OF_XSAVE, AVX512F),
            release=EAGER,
            override=remedy["lines"],
        ),
    )
    assert check(masked, small)[0] == 0


@pytest.mark.parametrize("leaf", ["leaf_d_1", "leaf_d_0"])
def test_equal_cpus_are_not_unknown_to_each_other(tmp_path: Path, leaf: str) -> None:
    missing: dict[str, Registers | None] = {leaf: None}
    nodes = written(
        tmp_path,
        node("one", "1:fpu", table=intel(**missing), release=NEWEST),
        node("other", "1:fpu", table=intel(**missing), release=NEWEST),
        node("features", "1:fpu", table=intel(features=AVX2, **missing), release=NEWEST),
    )
    assert check(nodes[0], nodes[1])[0] == 0
    assert check(nodes[2], nodes[0])[0] != 0


def test_an_area_of_which_a_component_was_made_up_is_not_known(tmp_path: Path) -> None:
    """An old dumping program wrote zeros for the last component: no area ends before it begins."""
    whole = intel(ALL_OF_XSAVE, AVX512F)
    rows = {key: answer for key, answer in whole.items() if key != (0xD, 7)}
    zeros = CpuidTable({**rows, (0xD, 7): Registers(0, 0, 0, 0)}.items())
    source, destination = written(
        tmp_path,
        node("source", "1:fpu", table=whole, release=EAGER),
        node("destination", table=zeros, release=EAGER),
    )
    status, _, document = check(source, destination)
    assert status == 3
    assert codes(document, "programs") == {"xsave-not-recorded"}


def test_what_only_two_changes_do_together_is_told_as_one(tmp_path: Path) -> None:
    without_rdrand = "0x00000001: 0x00000000 0x00000000 0xbfffffff 0xffffffff"
    words = (*BASELINE, "rdrand")
    plain, less = written(
        tmp_path,
        node("plain", "1:fpu", words=words, vendor="AuthenticAMD"),
        node(
            "less",
            words=words,
            vendor="AuthenticAMD",
            override=without_rdrand,
            boot_options=("nordrand", "clearcpuid=19"),
        ),
    )
    _, text, document = check(plain, less)
    (both,) = document["migrations"][0]["remedies"]
    assert both["outcome"] == "safe"
    assert "Lift the mask on less" in both["action"]
    assert "Boot less without nordrand." in both["action"]
    assert "clearcpuid" not in both["action"]
    assert "container 1: then safe" in text


def test_ipv6_is_to_be_loaded_where_no_option_disables_it(tmp_path: Path) -> None:
    plain, less = written(
        tmp_path,
        node("plain", "1:fpu", table=intel(), release=EAGER),
        node("less", table=intel(), release=EAGER, ipv6=False),
    )
    _, text, document = check(plain, less)
    assert codes(document, "restore") == {"destination-ipv6"}
    assert "Load IPv6 on less: 'modprobe ipv6'. container 1: then safe" in text


def test_where_programs_are_left_out_remedies_leave_them_out_too(tmp_path: Path) -> None:
    mask = "0x00000001: 0x000306e4 0x00010800 0x03bae3df 0xbfebfbff"
    newer, masked = written(
        tmp_path,
        node("newer", "1:fpu", table=intel(features=AVX2), release=EAGER),
        node("masked", "2:fpu", table=intel(), release=EAGER, override=mask),
    )
    for arguments, outcome in (((), "risky"), (("--restore-only",), "safe")):
        _, _, document = check(newer, masked, *arguments)
        (lift,) = [
            one
            for one in document["migrations"][0]["remedies"]
            if one["action"].startswith("Lift the mask")
        ]
        assert lift["outcome"] == outcome
    # Nothing but programs stands against it: there is nothing to mend.
    (less,) = written(tmp_path, node("less", table=intel(), release=EAGER))
    assert check(newer, less)[0] == 2
    _, _, document = check(newer, less, "--restore-only")
    assert (document["outcome"], document["migrations"][0]["remedies"]) == ("safe", [])
