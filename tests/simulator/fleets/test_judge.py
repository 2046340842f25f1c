"""Each distinct question is answered once, and equal opinions have one number."""

from collections import defaultdict
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.generations import GENERATIONS, Generation
from simulator.fleets.fleet import gather_fleet, group_by_class
from simulator.fleets.judge import Judge
from simulator.fleets.matrix import Matrix
from simulator.kernel.containers import State
from simulator.kernel.decision import OTHER_BITS, bits_looked_at
from simulator.verdicts.programs import programs_opinion
from simulator.verdicts.restore import restore_opinion
from simulator.verdicts.traits import SUSPENDED, ContainerTraits
from simulator.verdicts.verdict import Opinion, Verdict
from support.simulated_nodes import caps
from support.simulated_profiles import recorded_nodes
from support.simulated_traits import kernel, node

WEAK = node("cmov", "fxsr")
STRONG = node()
USES_FPU = ContainerTraits(caps=caps("CMOV", "FXSR", "SSE4_1"))


def test_opinions_are_those_of_the_two_verdicts() -> None:
    judge = Judge()
    restore = judge.on_restore(STRONG.kernel, kernel(caps=caps("NAMESPACES")), USES_FPU)
    programs = judge.on_programs(STRONG, WEAK, uses_fpu=True)
    expected = restore_opinion(STRONG.kernel, kernel(caps=caps("NAMESPACES")), USES_FPU)
    assert judge.opinions[restore] == expected
    assert judge.opinions[programs].reasons == programs_opinion(STRONG, WEAK, USES_FPU).reasons
    assert judge.verdicts == [opinion.verdict for opinion in judge.opinions]
    assert [tuple(Verdict)[place] for place in judge.places] == judge.verdicts


def test_equal_opinions_have_one_number() -> None:
    judge = Judge()
    alike = [kernel(caps=one | caps("NAMESPACES", "CMOV", "FXSR")) for one in (0, caps("SSE4A"))]
    numbers = {judge.on_restore(STRONG.kernel, one, USES_FPU) for one in alike}
    assert numbers == {judge.on_restore(STRONG.kernel, alike[0], USES_FPU)}
    empty = judge.on_programs(STRONG, STRONG, uses_fpu=True)
    assert judge.opinions[empty] == Opinion()
    assert judge.together[empty, 0] == 0


def test_what_is_waived_counts_for_programs_alone() -> None:
    judge = Judge(["instructions-missing", "xsave-component-missing", "cpu-feature-missing"])
    programs = judge.on_programs(STRONG, WEAK, uses_fpu=True)
    restore = judge.on_restore(STRONG.kernel, kernel(caps=caps("NAMESPACES")), USES_FPU)
    waived = {one.code for one in judge.opinions[programs].reasons if one.is_waived}
    assert "instructions-missing" in waived
    assert not any(one.is_waived for one in judge.opinions[restore].reasons)
    assert judge.verdicts[restore] is Verdict.NOT_POSSIBLE


def test_opinions_of_one_number_and_no_others_have_the_same_reasons() -> None:
    """What an opinion is kept as tells all that its reasons tell, and nothing else."""
    fleet = gather_fleet(recorded_nodes().values())
    matrix = Matrix(fleet, group_by_class(fleet))
    for pair in matrix.pairs():
        matrix.alike(pair.source, pair.destination)
    by_reasons = defaultdict(list)
    for number, opinion in enumerate(matrix.opinions):
        by_reasons[opinion.reasons].append(number)
        assert opinion.size == len(opinion.reasons)
    assert [numbers for numbers in by_reasons.values() if len(numbers) > 1] == []
    assert all(
        number == matrix.programs_opinion(one, other, uses_fpu=True)
        for one, other in product(fleet.classes[:9], repeat=2)
        for number in (matrix.programs_opinions(one, uses_fpu=True).get(other.number),)
        if number is not None
    )


numbers = st.integers(0, 0xFFFFFFFF)
states = st.sampled_from([ContainerTraits(), ContainerTraits(State.LOCKED), SUSPENDED, None])
containers = st.builds(ContainerTraits, caps=numbers) | states


@given(st.sampled_from(GENERATIONS), numbers, numbers, numbers, containers)
def test_kernels_that_answer_alike_are_asked_once(
    generation: Generation, own: int, one: int, other: int, container: ContainerTraits | None
) -> None:
    judge = Judge()
    source = kernel(generation.name, caps=own)
    destinations = kernel(caps=one), kernel(caps=other)
    one_question = len({judge.question(source, each) for each in destinations}) == 1
    if one_question:
        opinions = [restore_opinion(source, each, container) for each in destinations]
        assert opinions[0] == opinions[1]
    looked_at = bits_looked_at(
        generation, generation.vecaps_bits | (generation.test_caps_bits or 0)
    )
    differing = (one ^ other) & (looked_at | OTHER_BITS)
    assert one_question == (not differing and bool(one) == bool(other))
