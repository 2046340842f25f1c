"""Verdicts on nodes whose CPUs are known in part: the whole ones' verdicts, or unknown.

They are unknown only where some bit that is not known could change them.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.errors import UserError
from simulator.facts.cpuid import EVERY_BIT, REGISTERS, CpuidTable, MissingLeafError, Registers
from simulator.facts.deduction import known_features
from simulator.facts.features import FEATURES, JUDGED_LEAVES, as_64bit
from simulator.kernel.containers import Contents
from simulator.kernel.decision import gather
from simulator.profiles.catalogue import load_cpus
from simulator.profiles.changes import upgrade
from simulator.profiles.compose import CpuSource, compose, parse_spec
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.verdicts.migrations import NodePair
from simulator.verdicts.verdict import Outcome, Verdict, Weight
from support.simulated_nodes import AMD, BASELINE, EAGER_RELEASE, RELEASES, cpu

#: A bit of an answer: leaf, subleaf, register's place, number.
Bit = tuple[int, int, int, int]

#: The verdicts on one migration: on restore, on programs, and the outcome.
Verdicts = tuple[Verdict, Verdict, Outcome]

UNKNOWN = Verdict.UNKNOWN, Outcome.UNKNOWN

#: Containers that need more and less, of which each is asked about.
CONTAINERS = ("101:fpu", "102", "103:32bit")

#: Bits that some verdict may depend on: features, how many leaves there are, what XSAVE saves.
FEATURE_BITS = tuple(
    (one.leaf, one.subleaf, REGISTERS.index(one.register), one.bit) for one in FEATURES
)
XSAVE_BITS = (
    *((0xD, 0, 0, bit) for bit in range(10)),
    *((0xD, *place) for place in product((2, 5, 6, 7), (0, 1), range(13))),
    *(bit for bit in FEATURE_BITS if bit[0] == 0xD),
    (0x1, 0, 2, 26),
    (0x1, 0, 2, 28),
    (0x7, 0, 1, 16),
)
COUNT_BITS = tuple((leaf, 0, 0, bit) for leaf in (0x0, 0x7, 0x8000_0000) for bit in range(5))
BITS = tuple(dict.fromkeys((*FEATURE_BITS, *XSAVE_BITS, *COUNT_BITS)))


@cache
def table_of(name: str) -> CpuidTable:
    return as_64bit(load_cpus()[name].table)


def composed(table: CpuidTable, release: str) -> NodeProfile:
    kernel = KernelFacts(release=release, machine="x86_64", vz_version=None)
    cpu = CpuSource(table, "a dump", "64-bit")
    return compose("node", cpu, kernel, map(parse_spec, CONTAINERS))


@cache
def node(name: str, release: str) -> NodeProfile:
    """Compose a node of a recorded CPU, known whole."""
    return composed(table_of(name), release)


def changed(registers: Registers, place: int, bit: int, value: int) -> Registers:
    own = registers[place]
    own = own | 1 << bit if value else own & ~(1 << bit)
    return registers._replace(**{REGISTERS[place]: own})


def without(table: CpuidTable, bits: Iterable[Bit]) -> CpuidTable:
    """Return a CPU of which bits are not known."""
    whole = dict(table.items())
    partial: dict[tuple[int, int], tuple[Registers, Registers]] = {}
    for leaf, subleaf, place, bit in bits:
        key = leaf, subleaf
        if key in whole:
            partial[key] = whole.pop(key), EVERY_BIT
        if key in partial:
            values, known = partial[key]
            partial[key] = changed(values, place, bit, 0), changed(known, place, bit, 0)
    return CpuidTable(whole.items(), partial.items())


def each_way(table: CpuidTable, bits: tuple[Bit, ...], release: str) -> Iterator[NodeProfile]:
    """Yield a node with every value that bits of its CPU may have, if there is such a CPU."""
    for values in product((0, 1), repeat=len(bits)):
        answers = dict(table.items())
        for (leaf, subleaf, place, bit), value in zip(bits, values, strict=True):
            answers[leaf, subleaf] = changed(answers[leaf, subleaf], place, bit, value)
        try:
            yield composed(CpuidTable(answers.items()), release)
        except UserError:
            continue


def judged(source: NodeProfile, destination: NodeProfile) -> list[Verdicts]:
    """Judge each container, and one that is suspended."""
    pair = NodePair(source, destination)
    found = [*pair.judge_all(), pair.judge_suspended(101)]
    judgements = [one.judgement for one in found]
    return [(one.restore.verdict, one.programs.verdict, one.outcome()) for one in judgements]


names = st.sampled_from(sorted(load_cpus()))
releases = st.sampled_from([*RELEASES.values(), EAGER_RELEASE])
few_bits = st.sampled_from([BITS, XSAVE_BITS, COUNT_BITS]).flatmap(
    lambda bits: st.sets(st.sampled_from(bits), max_size=3)
)
many_bits = st.one_of(
    few_bits,
    st.sets(st.sampled_from(BITS)),
    st.integers(0, len(BITS)).map(lambda at: set(BITS[at:])),
    st.integers(0, len(BITS)).map(lambda at: set(BITS[:at])),
)


@given(names, names, releases, releases, many_bits, many_bits)
def test_what_is_not_known_makes_no_other_verdict(  # noqa: PLR0913, PLR0917 (two nodes)
    one: str, other: str, release: str, newer: str, hidden: set[Bit], also_hidden: set[Bit]
) -> None:
    source = composed(without(table_of(one), hidden), release)
    destination = composed(without(table_of(other), also_hidden), newer)
    whole = judged(node(one, release), node(other, newer))
    for known, found in zip(whole, judged(source, destination), strict=True):
        for verdict, told in zip(known, found, strict=True):
            assert told is verdict or told in UNKNOWN


def of_one_stepping() -> Iterator[tuple[str, str]]:
    """Yield pairs of recorded CPUs that say that they are the same."""
    cpus: dict[object, list[str]] = {}
    for name, one in load_cpus().items():
        table = one.table
        key = table.vendor, table.family, table.model, table.stepping
        cpus.setdefault(key, []).append(name)
    for alike in cpus.values():
        yield from permutations(alike, 2)


@pytest.mark.parametrize("release", [RELEASES["042stab088"], EAGER_RELEASE])
def test_two_cpus_of_one_stepping_are_not_taken_for_alike_in_what_is_not_known(
    release: str,
) -> None:
    pairs = list(of_one_stepping())
    assert len(pairs) == 336
    for one, other in pairs:
        tables = table_of(one), table_of(other)
        differing = {key for key, _ in set(tables[0].items()) ^ set(tables[1].items())}
        alike = differing - {(0x0, 0), (0x1, 0)}
        source, destination = (
            composed(CpuidTable((k, row) for k, row in table.items() if k not in alike), release)
            for table in tables
        )
        whole = judged(node(one, release), node(other, release))
        for known, found in zip(whole, judged(source, destination), strict=True):
            for verdict, told in zip(known, found, strict=True):
                assert told is verdict or told in UNKNOWN, (one, other)


#: CPUs of which every leaf that verdicts depend on was recorded.
recorded_whole = names.filter(
    lambda name: all(
        table_of(name).bounds(*key)[0] == table_of(name).bounds(*key)[1]
        for key in (*JUDGED_LEAVES, (0xD, 0), (0xD, 5), (0xD, 6), (0xD, 7))
    )
)


def telling_bits(one: str, other: str) -> st.SearchStrategy[set[Bit]]:
    """Choose a few bits, most of them such as differ between two CPUs."""
    bounds = [
        [table_of(name).bounds(leaf, subleaf)[0][place] >> bit & 1 for name in (one, other)]
        for leaf, subleaf, place, bit in FEATURE_BITS
    ]
    differing = [bit for bit, (a, b) in zip(FEATURE_BITS, bounds, strict=True) if a != b]
    return st.sets(st.sampled_from(differing or XSAVE_BITS), max_size=2) | few_bits


@given(st.data(), recorded_whole, recorded_whole, releases, releases)
def test_a_verdict_is_unknown_only_where_a_hidden_bit_could_change_it(
    data: st.DataObject, one: str, other: str, release: str, newer: str
) -> None:
    hidden, also_hidden = (data.draw(telling_bits(one, other)) for _ in range(2))
    bits = tuple(bit for bit in sorted(hidden) if bit[:2] in table_of(one))
    also_bits = tuple(bit for bit in sorted(also_hidden) if bit[:2] in table_of(other))
    source = composed(without(table_of(one), bits), release)
    destination = composed(without(table_of(other), also_bits), newer)
    found = judged(source, destination)
    whole = judged(node(one, release), node(other, newer))
    settled = [
        (number, place)
        for number, (known, told) in enumerate(zip(whole, found, strict=True))
        for place in range(3)
        if told[place] in UNKNOWN and known[place] not in UNKNOWN
    ]
    seen: dict[tuple[int, int], set[object]] = {}
    sources = list(each_way(table_of(one), bits, release))
    for source, destination in product(sources, each_way(table_of(other), also_bits, newer)):
        verdicts = judged(source, destination)
        for number, place in settled:
            seen.setdefault((number, place), set()).add(verdicts[number][place])
    assert [place for place in settled if len(seen[place]) == 1] == []


@given(names, many_bits, st.booleans())
def test_what_follows_of_what_is_known_is_so(name: str, hidden: set[Bit], is_64bit: bool) -> None:
    table = table_of(name)
    has, may_have = known_features(table, is_64bit=True)
    least, most = known_features(without(table, hidden), is_64bit=is_64bit)
    if not is_64bit:
        # Intel's CPUs do not show SYSCALL to 32-bit kernels.
        most |= has & ~may_have | has
    assert least & ~may_have == 0
    assert has & ~most == 0


# What is said of it


def codes(source: NodeProfile, destination: NodeProfile) -> dict[str, str]:
    """Return the codes of reasons on programs that leave the second container's unknown."""
    migration = NodePair(source, destination).judge_all()[1]
    return {
        reason.code: reason.feature
        for reason in migration.judgement.programs.reasons
        if reason.weight is Weight.UNKNOWN
    }


def test_where_a_place_in_the_area_could_change_it_the_area_is_named() -> None:
    table = cpu(*BASELINE, "xsave", "avx").replace(
        {
            (0xD, 0): Registers(0xE7, 0xA80, 0xA80, 0),
            (0xD, 5): Registers(0x40, 0x440, 0, 0),
            (0xD, 6): Registers(0x200, 0x480, 0, 0),
            (0xD, 7): Registers(0x400, 0x680, 0, 0),
        }
    )
    partly = composed(without(table, [(0xD, 7, 0, 10), (0xD, 7, 0, 11)]), EAGER_RELEASE)
    assert codes(composed(table, EAGER_RELEASE), partly) == {"xsave-not-recorded": ""}


def test_where_xsaveopt_decides_whether_the_fpu_was_used_it_is_named() -> None:
    whole = cpu(*BASELINE, "xsave", "avx", vendor=AMD)
    with_ssse3 = whole.replace({(1, 0): whole[1, 0]._replace(ecx=whole[1, 0].ecx | 1 << 9)})
    table = CpuidTable((key, one) for key, one in with_ssse3.items() if key != (0xD, 1))
    source = composed(table, EAGER_RELEASE)
    assert codes(source, composed(whole, EAGER_RELEASE)) == {"cpuid-not-recorded": "xsaveopt"}
    assert codes(source, composed(with_ssse3, EAGER_RELEASE)) != {}  # It may have XSAVEC...
    with pytest.raises(MissingLeafError):
        gather(parse_spec("102").contents or Contents(()), source.facts())


def test_what_is_needed_after_an_upgrade_may_not_be_known() -> None:
    whole = cpu(*BASELINE, "xsave", "avx", vendor=AMD)
    table = CpuidTable((key, one) for key, one in whole.items() if key != (0xD, 1))
    node = composed(table, RELEASES["042stab088"])
    stated = replace(node, containers=tuple(replace(one, contents=None) for one in node.containers))
    assert None not in [one.needs for one in stated.containers]
    idle = upgrade(stated, EAGER_RELEASE).containers[1]
    assert idle.needs is None
