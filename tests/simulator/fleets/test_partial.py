"""Fleets with nodes whose CPUs are known in part."""

import json
from pathlib import Path

from simulator.facts.cpuid import ALL_BITS, EVERY_BIT, CpuidTable
from simulator.fleets.expectations import expect
from simulator.fleets.fleet import gather_fleet, group_by_node
from simulator.fleets.matrix import Matrix
from simulator.fleets.pool import Rule
from simulator.fleets.pool_change import make_pool
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from simulator.reports.view import container_words
from simulator.verdicts.verdict import Verdict
from support.programs import validator, vzcptsim
from support.simulated_nodes import BASELINE, cpu, plain


def known_but_for(bit: int, *words: str, **traits: object) -> NodeProfile:
    """Compose a node of which a bit of leaf 1's ECX is not known."""
    whole = cpu(*BASELINE, *words)
    own = whole[1, 0]
    known = EVERY_BIT._replace(ecx=ALL_BITS & ~(1 << bit))
    values = own._replace(ecx=own.ecx & known.ecx)
    rows = [(key, one) for key, one in whole.items() if key != (1, 0)]
    return plain("part", table=CpuidTable(rows, [((1, 0), (values, known))]), **traits)


AES_UNKNOWN = known_but_for(25, containers=("101:fpu",))
WITH_AES = plain("with", "aesni", containers=("101:fpu",))
WITHOUT = plain("without", containers=("101:fpu",))
AES = 1 << 27


def test_what_is_not_told_is_kept_apart() -> None:
    fleet = gather_fleet([AES_UNKNOWN, WITH_AES, WITHOUT])
    assert [one.may_caps for one in fleet.kernels] == [AES, 0, 0]
    assert [one.may_caps for one in fleet.containers] == [AES, 0, 0]
    assert fleet.kernels[0].words.endswith(" and perhaps 0x8000000")
    assert container_words(fleet.containers[0]).endswith("and perhaps 0x8000000")


def test_a_matrix_has_unknown_where_it_could_change_the_outcome() -> None:
    fleet = gather_fleet([AES_UNKNOWN, WITH_AES, WITHOUT])
    matrix = Matrix(fleet, group_by_node(fleet))
    found = {
        (one, other): matrix.judge(one, other, one).restore.verdict
        for one in range(3)
        for other in range(3)
        if one != other
    }
    assert found == {
        (0, 1): Verdict.POSSIBLE,
        (0, 2): Verdict.UNKNOWN,
        (1, 0): Verdict.UNKNOWN,
        (1, 2): Verdict.NOT_POSSIBLE,
        (2, 0): Verdict.POSSIBLE,
        (2, 1): Verdict.POSSIBLE,
    }
    assert any("+0x8000000" in one.kernel for one in expect(matrix).nodes.values())


def test_a_pool_has_no_node_that_may_not_belong_to_it() -> None:
    for other, count in ((WITH_AES, 2), (WITHOUT, 2)):
        pool = make_pool([AES_UNKNOWN, other], Rule(restore_only=True))
        assert len(pool.now.groups) == count
    same = plain("same", "sse4_1", containers=("101:fpu",))
    other = known_but_for(30, "sse4_1", release="2.6.32-042stab092.1", containers=("101:fpu",))
    # That kernel shows no RDRAND, whatever the CPU has.
    assert len(make_pool([same, other], Rule(restore_only=True)).now.groups) == 1


def test_in_json_a_number_that_is_not_known_is_null(here: Path) -> None:
    for node in (AES_UNKNOWN, WITHOUT):
        (here / f"{node.name}.json").write_text(format_profile(node))
    said = json.loads(vzcptsim("matrix", "part.json", "without.json", "--format", "json").stdout)
    validator("matrix").validate(said)
    assert [one["capability_number"] is None for one in said["kernels"]] == [True, False]
    assert [one["caps"] is None for one in said["containers"]] == [True, False]
