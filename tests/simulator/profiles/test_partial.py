"""Profiles of nodes whose CPUs are known in part: written, read, and made whole."""

import json
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.facts.capabilities import capability_bounds
from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, ZEROS, CpuidTable, Registers
from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_json import format_profile, parse_profile
from simulator.profiles.whole import whole_node
from support.programs import answer, mistake
from support.simulated_nodes import AMD, BASELINE, EAGER_RELEASE, cpu, plain

#: A CPU of whose leaf 1 EDX is known, and of ECX that it has SSE4.1 (19) and has no RDRAND (30).
WHOLE = cpu(*BASELINE, "sse4_1")
LEAF_1 = WHOLE[1, 0]
KNOWN = Registers(ALL_BITS, 0, 1 << 19 | 1 << 30, ALL_BITS)
PARTLY = LEAF_1._replace(ebx=0, ecx=1 << 19), KNOWN
ROW = f"0x00000001 0x0: {LEAF_1.eax:#010x} ? 0x00080000/0x40080000 {LEAF_1.edx:#010x}"
# Leaf 0xd would tell that there is AVX.
TABLE = CpuidTable(
    [(key, one) for key, one in WHOLE.items() if key[0] not in (0x1, 0xD)], [((1, 0), PARTLY)]
)


def node(**traits: object) -> NodeProfile:
    return plain("a", table=TABLE, **traits)


def test_a_row_in_part_is_written_with_the_bits_that_are_known() -> None:
    profile = node(containers=("101:fpu",))
    text = format_profile(profile)
    document = json.loads(text)
    assert ROW in document["cpus"][0]["cpuid"]
    assert document["answers"]["capability_number"] is None
    assert document["containers"][0]["needs"] is None
    assert parse_profile(text.encode(), "a", "a.json") == profile


@pytest.mark.parametrize(
    "row",
    [
        ROW.replace("?", "0x00000000/0x00000000"),  # That is spelled ?.
        ROW.replace("/0x40080000", "/0x00000000"),
        ROW.replace("0x00080000/", "0x00080001/"),  # A bit that is not known is clear.
        ROW.replace("?", "0x00000000/0xffffffff"),
        ROW.replace(" 0x0:", " 0x00:"),
        ROW.replace("?", "??"),
        "0x00000001 0x0: ? ? ? ?",  # Nothing is known.
        ROW.replace("0x00000001 ", "0x00000000 "),  # The vendor has to be.
    ],
)
def test_a_row_in_part_is_written_in_one_way_alone(row: str) -> None:
    document = json.loads(format_profile(node()))
    rows = document["cpus"][0]["cpuid"]
    rows[rows.index(ROW)] = row
    with pytest.raises(ProfileError) as caught:
        parse_profile(json.dumps(document).encode(), "a", "a.json")
    assert caught.value.path.startswith("cpus[0].cpuid")


def test_one_answer_is_not_known_whole_and_in_part() -> None:
    with pytest.raises(ValueError, match="leaf 0x00000001 subleaf 0x0 is known whole and in part"):
        CpuidTable(WHOLE.items(), [((1, 0), PARTLY)])


def test_the_vendor_is_known_of_every_cpu() -> None:
    vendor = WHOLE[0, 0]
    assert CpuidTable([], [((0, 0), (vendor, Registers(0, *EVERY_BIT[1:])))]).vendor == (
        "GenuineIntel"
    )
    for known in (Registers(ALL_BITS, ALL_BITS, ALL_BITS, 1), ZEROS):
        with pytest.raises(ValueError, match="leaf 0x00000000 does not tell the vendor"):
            CpuidTable([], [((0, 0), (vendor, known))])


# What runs on them


def test_what_runs_on_a_node_needs_a_whole_cpu() -> None:
    with pytest.raises(UserError) as caught:
        whole_node(node())
    said = str(caught.value)
    assert said.startswith("node 'a': its CPU is known in part")
    assert "pclmulqdq, " in said
    assert "pni" not in said  # It comes with SSE4.1.
    assert "rdrand" not in said
    assert said.endswith("take them for clear: '--assume-missing clear'")


def test_bits_that_are_not_known_may_be_taken_for_clear() -> None:
    before = node(containers=("101:fpu",))
    after = whole_node(before, assumes_clear=True)
    # SSE3 and SSSE3 come with SSE4.1.
    assert after.cpus[0].cpuid[1, 0] == PARTLY[0]._replace(ecx=1 << 19 | 1 << 9 | 1)
    assert after.answers.capability_number == capability_bounds(before.facts())[0]
    assert after.containers[0].needs is not None
    assert after.origin.source.endswith("; unknown bits of CPUID taken for clear")


def test_of_a_leaf_that_is_not_known_what_follows_of_others_stays() -> None:
    rows = [(key, one) for key, one in WHOLE.items() if key[0] not in (0xD, 0x80000000, 0x80000001)]
    table = CpuidTable(rows, [((0x16, 0), (ZEROS, Registers(1, 0, 0, 0)))])
    after = whole_node(plain("a", table=table), assumes_clear=True)
    cpuid = after.cpus[0].cpuid
    assert cpuid.has_bit(0x80000001, 0, "edx", 29)
    assert cpuid.answer(0x80000000, 0).eax == 0x80000001


def test_where_xsaveopt_alone_is_not_known_it_is_named() -> None:
    rows = cpu(*BASELINE, "xsave", vendor=AMD).items()
    table = CpuidTable((key, one) for key, one in rows if key != (0xD, 1))
    with pytest.raises(UserError, match="Not known: xsaveopt, xsavec"):
        whole_node(plain("a", table=table, release=EAGER_RELEASE))


def test_other_bits_than_features_are_not_named_one_by_one() -> None:
    table = CpuidTable(WHOLE.items(), [((0x16, 0), (ZEROS, Registers(1, 0, 0, 0)))])
    with pytest.raises(UserError, match=r"Not known: no feature, but other bits\. "):
        whole_node(plain("a", table=table))


def test_replay_takes_them_for_clear_if_told_so(here: Path) -> None:
    (here / "a.json").write_text(format_profile(node(containers=("101:fpu",))))
    assert "known in part" in mistake("replay", "a.json", "--", "caps")
    said = answer("replay", "--assume-missing", "clear", "a.json", "--", "caps")
    assert int(said) == capability_bounds(node().facts())[0]
