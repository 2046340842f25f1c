"""vzcptsim pool: what an operator reads and writes, what a machine reads, and the status."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from simulator.facts.cpuid import CpuidTable
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from support.programs import validator, vzcptsim
from support.running import ROOT, finish, printed
from support.simulated_nodes import AMD, BASELINE, cpu, maskable, plain, with_xsave

MASKING = "042stab141.3.SandyBridge.forced_cpuid_faulting"
PENRYN = "042stab141.3.Penryn.default"
EARLY, V092 = "2.6.32-042stab061.9", "2.6.32-042stab092.1"

#: A whole answer, by hand: numbers are those of README and of the recordings.
MASKED = (ROOT / "tests" / "data" / "pool.txt").read_text("utf-8")


def pool(*arguments: str) -> tuple[int, str]:
    said = vzcptsim("pool", *arguments)
    return said.status, said.stdout or said.stderr


def write(*profiles: NodeProfile) -> list[str]:
    """Write nodes to files, and return their paths."""
    for profile in profiles:
        Path(f"{profile.name}.json").write_text(format_profile(profile), "utf-8")
    return [f"{profile.name}.json" for profile in profiles]


def document(*arguments: str) -> Any:
    _, text = pool("--json", *arguments)
    parsed = json.loads(text)
    validator("pool").validate(parsed)
    return parsed


def test_lines_to_copy() -> None:
    status, text = pool("--any-container", "--restore-only", MASKING, PENRYN)
    # Penryn's containers that are not running are not counted, and it is said.
    said = [line for line in text.splitlines() if "not counted" not in line]
    assert (status, said) == (2, MASKED.splitlines())


def test_programs_count_unless_they_are_left_out() -> None:
    """Restore does not ask for RDTSCP; programs use it."""
    status, text = pool(MASKING, PENRYN)
    assert status == 2
    assert re.search(r"^    containers lose: .*\brdtscp\b", text, re.MULTILINE)
    assert not re.search(r"\brdtscp\b", pool("--restore-only", MASKING, PENRYN)[1])


def test_the_command_is_whole_as_it_is_copied() -> None:
    _, text = pool("--restore-only", MASKING, PENRYN)
    start = text.index("printf")
    shell = text[start : text.index("> /proc/vz/cpuid_override")]
    written = printed(finish(["sh", "-c", shell]))
    (mask,) = document("--restore-only", MASKING, PENRYN)["change"]["masks"]
    assert written.splitlines() == mask["lines"]
    same = mask["command"].removesuffix("> /proc/vz/cpuid_override")
    assert printed(finish(["sh", "-c", same])) == written


def test_one_group_is_a_yes() -> None:
    status, text = pool(MASKING)
    assert status == 0
    assert text.splitlines()[0] == f"one group: 1 node: {MASKING}"
    assert "--any-container asks for those to come, too." in text


@pytest.mark.usefixtures("here")
def test_what_is_not_known_is_status_3() -> None:
    names = write(plain("a", modules=frozenset()), plain("b", modules=frozenset()))
    status, text = pool(*names)
    assert status == 3
    assert "  alone, 2 nodes: a, b" in text
    assert "No newer kernel, no mask and no boot option helps; apart from a are:\n  b:\n" in text
    assert "    to it: module-missing: vzcpt vzrst\n" in text
    assert "modprobe vzcpt" in text


def test_a_node_that_is_none_is_status_1() -> None:
    status, text = pool("nowhere")
    assert status == 1
    assert "no node is recorded as 'nowhere'" in text


@pytest.mark.usefixtures("here")
def test_containers_that_are_not_counted_are_said() -> None:
    spec = ("101:locked", "102:stopped", "103:locked")
    status, text = pool(*write(plain("a", containers=spec), plain("b")))
    assert status == 0
    assert "nobody can say what they need: containers: 2 locked, 1 stopped\n" in text


@pytest.mark.usefixtures("here")
def test_upgrades_and_lines() -> None:
    nodes = (
        maskable("a", "aesni"),
        maskable("b", "aesni", override="1: 0 0 2000000 ffffffff"),
        plain("c", release=EARLY),
        plain("d", release=EARLY),
    )
    status, text = pool(*write(*nodes))
    assert status == 2
    assert "  group 1, 2 nodes: a, b\n  group 2, 2 nodes: c, d\n" in text
    assert "  upgrade the kernel of c, d:\n    to 042stab088.4 or later\n" in text
    assert "Proven on the simulated nodes:\n  1 group; 12 of 12 ordered pairs are safe\n" in text
    assert "    unlocked: 8\n" not in text
    assert "\nA node that is rebooted starts its containers anew: " in text


@pytest.mark.usefixtures("here")
def test_upgrades_alone() -> None:
    _, text = pool(*write(plain("a"), plain("c", release=EARLY)))
    assert "write" not in text
    assert "Programs that run already" not in text
    assert "1 group; 2 of 2 ordered pairs are safe\n    unlocked: 1\n      a -> c\n" in text


@pytest.mark.usefixtures("here")
def test_nodes_of_one_text_that_do_not_lose_the_same() -> None:
    a, b = maskable("a", "aesni"), maskable("b", "aesni", override="d: 0 0 0 0")
    other = maskable("c", "aesni", override="1: 206d7 0 2000000 7808800")
    _, text = pool(*write(a, b, other, plain("d")))
    assert "  on a, c, write:\n" in text
    assert "    containers lose: aes; capability number 134354335, then 136607\n" in text
    assert "  on b, write:\n" in text


@pytest.mark.usefixtures("here")
def test_what_no_change_brings_together_and_why() -> None:
    nodes = (
        maskable("a", "aesni"),
        plain("b", containers=("101:fpu", "102:32bit")),
        plain("c", vendor=AMD),
        plain("d", "sse4a", vendor=AMD),
        plain("e", "rdrand", vendor=AMD, release="2.6.32-042stab101.5"),
        plain("f", machine="i686", containers=("101:32bit,no-vdso",)),
    )
    status, text = pool(*write(*nodes))
    assert status == 2
    assert "The smallest change makes 5 groups, and none makes one:\n" in text
    assert "This change does not bring together; apart from group 1 are:\n" in text
    assert "  c:\n    to it: cpu-feature-missing: sysenter\n" in text
    assert "    from it: cpu-feature-missing: syscall32\n" in text
    assert "  d:\n    to it: cpu-feature-missing: sysenter\n" in text
    assert "    from it: cpu-feature-missing: sse4a syscall32\n" in text
    assert text.count("32-bit programs enter the kernel by SYSENTER on Intel") == 1
    assert "64-bit programs take a 64-bit kernel" in text
    assert "warning: cannot mask on d, e: its CPU has no CPUID faulting" in text


@pytest.mark.usefixtures("here")
def test_pairs_that_are_lost_are_said() -> None:
    nodes = maskable("a", "aesni"), plain("b", "aesni"), plain("c"), maskable("d", "rdrand")
    _, text = pool(*write(*nodes))
    assert "    lost: 1\n      b -> a\n" in text


# What an operator is told of each change


@pytest.mark.usefixtures("here")
def test_an_older_kernel_of_the_same_cpu() -> None:
    status, text = pool(*write(plain("new", "rdrand"), plain("old", "rdrand", release=V092)))
    assert status == 2
    assert "The smallest change makes one group:\n  upgrade the kernel of old:\n" in text
    assert "    to 042stab101.5 or later\n" in text


@pytest.mark.usefixtures("here")
def test_a_later_kernel_that_does_not_do_as_well_is_said() -> None:
    early = plain("c", "aesni", release=EARLY, containers=("101",))
    _, text = pool(*write(early, plain("a"), plain("b")))
    assert "  upgrade the kernel of c:\n    to 042stab088.4, not to 042stab141.3\n" in text


@pytest.mark.usefixtures("here")
def test_a_mask_to_lift_and_one_to_widen() -> None:
    table = "1: 206d7 0 0 7808800\n"
    masked = maskable("b", "aesni", override=table)
    _, text = pool(*write(plain("a", "aesni"), masked))
    assert "  on b, lift the mask:\n    echo > /proc/vz/cpuid_override\n" in text
    assert "nothing has to be started again" in text
    assert "Lines are gone after a reboot" not in text
    assert "Programs that run already" not in text
    (mask,) = document("a.json", "b.json")["change"]["masks"]
    assert (mask["lines"], mask["command"], mask["hides"]) == (
        [],
        "echo > /proc/vz/cpuid_override",
        False,
    )
    wider = maskable("b", "aesni", "rdrand", override=table)
    _, text = pool(*write(plain("a", "aesni"), wider, plain("c", "aesni")))
    assert "  on b, widen the mask:\n    printf " in text
    assert "Lines are gone after a reboot" in text
    assert "containers lose" not in text


def test_the_command_that_lifts_writes_a_line_break() -> None:
    # A write of no bytes is none: the table would stay.
    assert printed(finish(["sh", "-c", "echo"])) == "\n"


@pytest.mark.usefixtures("here")
def test_a_boot_option_to_take_away() -> None:
    _, text = pool(*write(plain("a", "rdrand"), plain("b", "rdrand", boot_options=("nordrand",))))
    assert "  boot b without: nordrand\n" in text
    assert document("a.json", "b.json")["change"]["boots"] == [
        {"without": ["nordrand"], "nodes": ["b"]}
    ]


@pytest.mark.usefixtures("here")
def test_lines_where_nobody_knows_of_the_file_say_how_to_find_out() -> None:
    table = cpu(*BASELINE, "aesni")
    ivy_bridge = table.replace({(1, 0): table[1, 0]._replace(eax=0x306A9)})
    _, text = pool(*write(plain("a", table=ivy_bridge), plain("b")))
    assert "    if it can be done there: a dump does not tell whether its CPU has" in text
    assert "compose --cpuid-override" in text
    found = document("a.json", "b.json")
    assert found["nodes"][0]["can_mask"] is None
    assert [mask["is_certain"] for mask in found["change"]["masks"]] == [False]


@pytest.mark.usefixtures("here")
def test_how_needs_that_were_recorded_alone_are_treated_is_said() -> None:
    masked = maskable("b", "aesni", override="1: 206d7 0 0 7808800\n", containers=("101:fpu",))
    said = "Of containers whose needs alone were recorded it is taken"
    _, text = pool(*write(plain("a", "aesni"), masked))
    assert said not in text
    bare = tuple(replace(one, contents=None) for one in masked.containers)
    _, text = pool(*write(plain("a", "aesni"), replace(masked, containers=bare)))
    assert "  on b, lift the mask:\n" in text
    assert said in text


@pytest.mark.usefixtures("here")
def test_what_was_not_recorded_is_not_called_hopeless_without_saying_so() -> None:
    whole = cpu(*BASELINE)
    table = CpuidTable((key, one) for key, one in whole.items() if key != (7, 0))
    _, text = pool(*write(plain("a", table=table), plain("b")))
    assert "As far as nodes were recorded, no newer kernel, no mask and no boot option" in text
    assert "    from it: cpuid-not-recorded" not in text
    assert "    to it: cpuid-not-recorded: " in text


@pytest.mark.usefixtures("here")
def test_a_node_that_might_be_masked_is_not_said_to_be_none() -> None:
    table = cpu(*BASELINE, "aesni")
    ivy_bridge = table.replace({(1, 0): table[1, 0]._replace(eax=0x306A9)})
    first = plain("a", table=ivy_bridge, containers=("101:fpu", "102:32bit"))
    _, text = pool(*write(first, plain("b", vendor=AMD)))
    assert "warning: it is not known whether one can mask on a: a dump does not tell" in text


@pytest.mark.usefixtures("here")
def test_programs_that_are_told_of_a_larger_area() -> None:
    cases = write(
        maskable("a", table=with_xsave(with_avx512=False)),
        maskable("b", table=with_xsave(with_avx512=True)),
    )
    _, text = pool(*cases)
    assert "The smallest change makes one group:\n" in text
    assert "    programs are told that XSAVE writes 2688 bytes, as on the others\n" in text
    assert [mask["area"] for mask in document(*cases)["change"]["masks"]] == [2688, 0]


@pytest.mark.usefixtures("here")
def test_a_pair_that_could_be_together_is_not_called_hopeless() -> None:
    names = write(maskable("a", "aesni"), plain("b", "aesni"), plain("c"))
    _, text = pool(*names)
    assert "No change makes fewer groups; apart from group 1 are:\n" in text
    assert "    some can be: vzcptsim pool a c\n" in text
    (apart,) = document(*names)["apart"]
    assert apart["can_be_together"] == ["a", "c"]
    _, text = pool("a.json", "c.json")
    assert "The smallest change makes one group:\n" in text


# JSON


@pytest.mark.usefixtures("here")
def test_json_says_it_all() -> None:
    names = write(
        maskable("a", "aesni", containers=("101:fpu", "102:locked")),
        plain("b", release=EARLY),
        plain("c", vendor=AMD),
    )
    found = document(*names)
    assert found["verdict"] == "not possible"
    assert found["nodes"][0] == {"name": "a", "can_mask": True, "why_not": ""}
    assert [one["can_mask"] for one in found["nodes"]] == [True, False, False]
    assert found["now"] == {"groups": [["a"], ["b"], ["c"]], "pairs": 6, "possible_pairs": 1}
    assert found["uncounted_containers"] == [{"node": "a", "ctid": 102, "why": "locked"}]
    change = found["change"]
    line = "0x00000001: 0x000206d7 0x00000000 0x00000000 0x07808800"
    assert change["masks"] == [
        {
            "nodes": ["a"],
            "hides": True,
            "is_certain": True,
            "area": 0,
            "lines": [line],
            "command": f"printf '%s\\n' '{line}' > /proc/vz/cpuid_override",
            "losses": [
                {
                    "node": "a",
                    "features": [{"name": "aes", "place": "CPUID 0x00000001 ecx bit 25"}],
                    "capability_number_before": 134354335,
                    "capability_number_after": 136607,
                }
            ],
        }
    ]
    assert change["upgrades"] == [
        {"release": "2.6.32-042stab088.4", "or_later": True, "nodes": ["b"]}
    ]
    assert change["boots"] == []
    assert change["after"]["groups"] == [["a", "b"], ["c"]]
    assert change["after"]["unlocked"] == [{"sources": ["a"], "destinations": ["b", "c"]}]
    (apart,) = found["apart"]
    assert (apart["group"], apart["can_be_together"]) == (["c"], [])
    assert {
        "code": "cpu-feature-missing",
        "feature": "syscall32",
        "sources": ["c"],
        "destinations": ["a", "b"],
    } in apart["reasons"]
    assert set(found["codes"]) == {"cpu-feature-missing"}


@pytest.mark.parametrize(
    "arguments",
    [
        (MASKING,),
        (MASKING, PENRYN),
        ("--waive", "instructions-missing", MASKING, PENRYN),
        ("--restore-only", MASKING, PENRYN),
        ("no-modules.042stab113.5", "ia64.028stab056.1"),
    ],
)
def test_json_is_of_the_schemas_shape(arguments: tuple[str, ...]) -> None:
    found = document(*arguments)
    assert found["restore_only"] is ("--restore-only" in arguments)
    assert (found["verdict"] == "possible") == (len(found["now"]["groups"]) == 1)
