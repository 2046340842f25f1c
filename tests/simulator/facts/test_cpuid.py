"""CPUID tables: what was recorded, what a CPU lacks, and what is a hole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.cpuid import ZEROS, CpuidTable, MissingLeafError, Registers, parse_rows

numbers = st.integers(0, 0xFFFF_FFFF)
registers = st.builds(Registers, numbers, numbers, numbers, numbers)
keys = st.tuples(numbers, numbers)
tables = st.builds(
    lambda answers, first: CpuidTable({**answers, (0, 0): first}.items()),
    st.dictionaries(keys, registers),
    registers,
)

# InstLatx64, GenuineIntel00806F8_SapphireRapids_05_CPUID.txt, the leaves that matter here.
W7_2475X = parse_rows(
    [
        ["0x00000000", "0x0", "0x00000020", "0x756e6547", "0x6c65746e", "0x49656e69"],
        ["0x00000001", "0x0", "0x000806f8", "0x00800800", "0x7ffefbff", "0xbfebfbff"],
        ["0x00000007", "0x0", "0x00000002", "0xf3bfbffb", "0xbb417fee", "0xffdd4430"],
        ["0x00000007", "0x1", "0x00001c30", "0x00000000", "0x00000000", "0x00000000"],
        ["0x0000000d", "0x0", "0x000602e7", "0x00002b00", "0x00002b00", "0x00000000"],
        ["0x0000000d", "0x1", "0x0000001f", "0x00002a80", "0x0000dd00", "0x00000000"],
        ["0x0000000d", "0x2", "0x00000100", "0x00000240", "0x00000000", "0x00000000"],
        ["0x80000000", "0x0", "0x80000008", "0x00000000", "0x00000000", "0x00000000"],
        ["0x80000001", "0x0", "0x00000000", "0x00000000", "0x00000121", "0x2c100000"],
        ["0x80000002", "0x0", "0x65746e49", "0x2952286c", "0x6f655820", "0x2952286e"],
        ["0x80000003", "0x0", "0x2d377720", "0x35373432", "0x00000058", "0x00000000"],
        ["0x80000004", "0x0", "0x00000000", "0x00000000", "0x00000000", "0x00000000"],
    ]
)

ROW = ["0x0", "0x0", "0x1", "0x0", "0x0", "0x0"]

#: What the CPU above lacks, leaf by leaf as they are tested below.
LACKED = ["basic leaf", "extended leaf", "subleaf", "state component"]


def table_of(answers: dict[tuple[int, int], Registers]) -> CpuidTable:
    return CpuidTable({(0, 0): Registers(0xD, 0, 0, 0), **answers}.items())


def signed(signature: int) -> CpuidTable:
    return table_of({(1, 0): Registers(signature, 0, 0, 0)})


def test_a_real_cpu_is_described() -> None:
    assert W7_2475X.vendor == "GenuineIntel"
    assert W7_2475X.brand == "Intel(R) Xeon(R) w7-2475X"
    assert (W7_2475X.family, W7_2475X.model, W7_2475X.stepping) == (6, 143, 8)
    assert repr(W7_2475X) == "<CpuidTable 'GenuineIntel' with 12 answers>"


SIGNATURES = {
    "athlon-k7": (0x0000_0612, 6, 1, 2),
    "athlon-ii-x4": (0x0010_0F52, 16, 5, 2),
    "epyc-9654": (0x00A1_0F11, 25, 17, 1),
    "xeon-nocona": (0x0000_0F34, 15, 3, 4),
    "celeron-g1610": (0x0003_06A9, 6, 58, 9),
    "zhaoxin-kh-40000": (0x0005_07BB, 7, 91, 11),
    "extended fields of family 5 do not count": (0x00F1_0543, 5, 4, 3),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name: str) -> None:
    signature, *expected = SIGNATURES[name]
    table = signed(signature)
    assert [table.family, table.model, table.stepping] == expected


def test_brand_is_empty_without_extended_leaves() -> None:
    assert table_of({(0x8000_0000, 0): ZEROS}).brand == ""


def test_brand_that_was_not_recorded_is_a_hole() -> None:
    table = table_of({(0x8000_0000, 0): Registers(0x8000_0008, 0, 0, 0)})
    with pytest.raises(MissingLeafError, match="leaf 0x80000002 subleaf 0x0 was not recorded"):
        _ = table.brand


def test_bits() -> None:
    assert W7_2475X.has_bit(1, 0, "ecx", 30)
    assert not W7_2475X.has_bit(1, 0, "ecx", 31)
    assert W7_2475X.register(7, 1, "eax") == 0x1C30


@pytest.mark.parametrize(
    ("leaf", "subleaf"), [(0x21, 0), (0x8000_0009, 0), (0x7, 3), (0xD, 3)], ids=LACKED
)
def test_what_a_cpu_lacks_is_zeros_even_if_recorded(leaf: int, subleaf: int) -> None:
    repeated = W7_2475X.replace({(leaf, subleaf): Registers(1, 2, 3, 4)})
    assert W7_2475X.answer(leaf, subleaf) == ZEROS
    assert repeated.answer(leaf, subleaf) == ZEROS
    assert repeated[leaf, subleaf] == Registers(1, 2, 3, 4)


HOLES = {
    "basic": (0x4, 0),
    "extended": (0x8000_0008, 0),
    "subleaf": (0x7, 2),
    "state component of XCR0": (0xD, 5),
    "state component of XSS": (0xD, 8),
    "a hypervisor may have it": (0x4000_0000, 0),
    "a Centaur may have it": (0xC000_0000, 0),
}


@pytest.mark.parametrize(("leaf", "subleaf"), HOLES.values(), ids=HOLES)
def test_a_hole_is_no_zeros(leaf: int, subleaf: int) -> None:
    with pytest.raises(MissingLeafError) as caught:
        W7_2475X.answer(leaf, subleaf)
    assert (caught.value.leaf, caught.value.subleaf) == (leaf, subleaf)
    assert str(caught.value) == f"leaf {leaf:#010x} subleaf {subleaf:#x} was not recorded"


def test_without_the_leaf_that_tells_the_last_one_nothing_is_told() -> None:
    with pytest.raises(MissingLeafError, match="leaf 0x80000000 subleaf 0x0"):
        table_of({}).answer(0x8000_0001, 0)
    with pytest.raises(MissingLeafError, match="leaf 0x00000021 subleaf 0x0"):
        _ = W7_2475X[0x21, 0]


def test_leaf_0_must_be_there() -> None:
    with pytest.raises(ValueError, match="leaf 0x00000000 is not there"):
        CpuidTable([((1, 0), ZEROS)])


def test_the_same_answer_twice_is_one_and_two_for_one_key_are_refused() -> None:
    assert len(CpuidTable([((0, 0), ZEROS), ((0, 0), ZEROS)])) == 1
    with pytest.raises(ValueError, match="leaf 0x00000007 subleaf 0x1 has two different answers"):
        CpuidTable([((0, 0), ZEROS), ((7, 1), ZEROS), ((7, 1), Registers(0, 0, 0, 1))])


def test_mapping() -> None:
    table = table_of({(7, 1): ZEROS, (7, 0): ZEROS})
    assert list(table) == [(0, 0), (7, 0), (7, 1)]
    assert (7, 1) in table
    assert (7, 2) not in table
    assert table != "another thing"


def test_replace_leaves_the_original_alone() -> None:
    replaced = W7_2475X.replace({(7, 0): ZEROS})
    assert replaced[7, 0] == ZEROS
    assert W7_2475X[7, 0].eax == 2
    assert replaced != W7_2475X
    assert replaced.replace({(7, 0): W7_2475X[7, 0]}) == W7_2475X


@given(tables)
def test_rows_and_parse_rows_are_inverse(table: CpuidTable) -> None:
    rows = table.rows()
    assert parse_rows(rows) == table
    assert hash(parse_rows(rows)) == hash(table)
    assert parse_rows(rows[::-1]).rows() == rows


def test_rows_are_canonical() -> None:
    table = parse_rows([["0xD", "0x003E", "0x1", "0x2", "0x03", "0xABCDEF"], ROW])
    assert table.rows() == [
        ["0x00000000", "0x0", "0x00000001", "0x00000000", "0x00000000", "0x00000000"],
        ["0x0000000d", "0x3e", "0x00000001", "0x00000002", "0x00000003", "0x00abcdef"],
    ]


BAD_ROWS = {
    "five": ROW[:5],
    "seven": [*ROW, "0x0"],
    "nine digits": [*ROW[:5], "0x123456789"],
    "no digits": [*ROW[:5], "0x"],
    "no prefix": [*ROW[:5], "1"],
    "newline": [*ROW[:5], "0x1\n"],
    "sign": [*ROW[:5], "-0x1"],
    "underscore": [*ROW[:5], "0x1_0"],
    "arabic digit": [*ROW[:5], "0x\u0661"],
    "number": [*ROW[:5], 1],
    "string": "0x0",
    "null": None,
}


@pytest.mark.parametrize("row", BAD_ROWS.values(), ids=BAD_ROWS)
def test_parse_rows_names_the_bad_row(row: object) -> None:
    with pytest.raises(ValueError, match="CPUID row 1: not six strings"):
        parse_rows([ROW, row])


@pytest.mark.parametrize("rows", [None, {}, "rows", 5])
def test_parse_rows_takes_a_list_only(rows: object) -> None:
    with pytest.raises(ValueError, match="not a list of CPUID rows"):
        parse_rows(rows)


def test_answers_to_what_the_cpu_lacks_can_be_left_out() -> None:
    own = [
        ((0x0, 0), Registers(0xD, 0, 0, 0)),
        ((0x7, 0), Registers(1, 0, 0, 0)),
        ((0x7, 1), Registers(0, 0, 0, 5)),
        ((0xD, 0), Registers(0b111, 0, 0, 0)),
        ((0xD, 1), Registers(0, 0, 0, 0)),
        ((0xD, 2), Registers(0x100, 0x240, 0, 0)),
    ]
    foreign = [
        ((0x7, 2), Registers(0, 0, 0, 0)),
        ((0xD, 3), Registers(0, 0, 0, 0)),
        ((0x14, 0), Registers(0b111, 0, 0, 0)),
    ]
    table = CpuidTable([*own, *foreign])
    assert table.without_foreign() == CpuidTable(own)


def test_an_answer_of_which_nothing_tells_whether_it_is_the_cpus_is_kept() -> None:
    table = CpuidTable([((0x0, 0), Registers(7, 0, 0, 0)), ((0x7, 1), Registers(1, 2, 3, 4))])
    assert table.without_foreign() == table


# Ranges of Transmeta and Centaur

#: Leaf 0xd of a Core i7-2600 (libvirt's tests), which it answers for any leaf that it lacks, and
#: what a Nehemiah's first leaf of Centaur's is (InstLatx64).
REPEATED = Registers(7, 0x340, 0x340, 0)


NAMES_NONE = {
    "amd": ZEROS,
    "intel": REPEATED,
    "another range": Registers(0x8000_0008, 0, 0, 0),
    "beyond": Registers(0xFFFF_FFFF, 0, 0, 0),
}


@pytest.mark.parametrize("first", [0x8086_0000, 0xC000_0000])
@pytest.mark.parametrize("answer", NAMES_NONE.values(), ids=NAMES_NONE)
def test_a_range_that_names_none_of_its_leaves_is_not_there(first: int, answer: Registers) -> None:
    table = table_of({(first, 0): answer, (first + 1, 0): REPEATED})
    for leaf in (first, first + 1, first + 7):
        assert table.answer(leaf, 0) == ZEROS
    assert not table.has_bit(first, 0, "eax", 0)
    assert table.without_foreign() == table_of({})


@pytest.mark.parametrize("first", [0x8086_0000, 0xC000_0000])
def test_a_range_that_is_there_ends_with_its_last_leaf(first: int) -> None:
    own = {(first, 0): Registers(first + 1, 0, 0, 0), (first + 1, 0): Registers(0, 0, 0, 0xDD)}
    table = table_of({**own, (first + 2, 0): REPEATED})
    assert table.answer(first, 0).eax == first + 1
    assert table.register(first + 1, 0, "edx") == 0xDD
    assert table.answer(first + 2, 0) == ZEROS
    assert table.without_foreign() == table_of(own)


def test_what_a_hypervisor_says_is_the_answer() -> None:
    table = table_of({(0x4000_0000, 0): REPEATED, (0x4000_0100, 0): REPEATED})
    assert table.answer(0x4000_0000, 0) == REPEATED
    assert table.answer(0x4000_0100, 0) == REPEATED


def test_a_component_of_xcr0_needs_no_subleaf_1() -> None:
    """Old programs left that one out: of IA32_XSS's components nothing is told then."""
    avx = Registers(0x100, 0x240, 0, 0)
    table = table_of({(0xD, 0): REPEATED, (0xD, 2): avx})
    assert table.answer(0xD, 2) == avx
    with pytest.raises(MissingLeafError, match="leaf 0x0000000d subleaf 0x1"):
        table.answer(0xD, 8)


# State components that old dumping programs made up

COMPONENTS = {
    (0xD, 0): Registers(0x2E7, 0x340, 0xA88, 0),
    (0xD, 1): Registers(0xF, 0, 0x100, 0),
    (0xD, 7): Registers(1024, 1664, 0, 0),
    (0xD, 8): Registers(128, 0, 1, 0),
}


@pytest.mark.parametrize(
    ("component", "answer"),
    [(7, ZEROS), (7, Registers(1024, 0, 0, 0)), (7, Registers(0, 1664, 0, 0)), (8, ZEROS)],
)
def test_no_component_is_without_size_or_place(component: int, answer: Registers) -> None:
    table = table_of({**COMPONENTS, (0xD, component): answer})
    assert (0xD, component) not in table
    with pytest.raises(MissingLeafError):
        table.answer(0xD, component)
    assert len(table) == len(COMPONENTS)


def test_components_that_are_described_are_kept() -> None:
    table = table_of(COMPONENTS)
    assert {key: table[key] for key in COMPONENTS} == COMPONENTS


def test_zeros_are_the_answer_where_the_cpu_lacks_the_component() -> None:
    table = table_of({**COMPONENTS, (0xD, 3): ZEROS, (0xD, 11): ZEROS})
    assert table.answer(0xD, 3) == table.answer(0xD, 11) == table[0xD, 3] == ZEROS
    assert table_of({(0xD, 7): ZEROS})[0xD, 7] == ZEROS


def test_xcr0_has_no_component_beyond_63() -> None:
    vendor = Registers(0xD, 0x756E6547, 0x6C65746E, 0x49656E69)
    table = CpuidTable(
        [((0, 0), vendor), ((0xD, 0), Registers(7, 0, 0, 0)), ((0xD, 1), Registers(0, 0, 0, 0))]
    )
    assert table.answer(0xD, 64) == ZEROS
