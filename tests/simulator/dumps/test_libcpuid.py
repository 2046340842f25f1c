"""What libcpuid writes: its versions, its arrays, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps import libcpuid
from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import CpuidTable, Registers
from support.dumps import dumped, refused_at, registers
from support.samples import sample

A8_7680 = sample("a8-7680.libcpuid.txt")


def test_libcpuid() -> None:
    first, second = parse_dump(A8_7680.encode())
    assert (first.cpus, second.cpus, first.form) == ("0", "1", "libcpuid raw")
    assert first.table[0xD, 0] == Registers(7, 0x340, 0x3C0, 0x4000_0000)
    assert first.table[0x8000_0001, 0].edx == 0x2FD3_FBFF
    assert first.table[0x8000_001D, 1].eax == 0x4122
    assert len(first.table) == 8
    assert len(second.table) == 2


def test_old_libcpuid_knows_one_cpu_and_has_no_headings() -> None:
    [dump] = libcpuid.parse(A8_7680.split("\n")[4:14])
    assert (dump.cpus, dump.table) == ("0", parse_dump(A8_7680.encode())[0].table)


def test_leaf_0_again_begins_a_cpu_of_libcpuids() -> None:
    one = "basic_cpuid[0]=1 2 3 4\n"
    assert [dump.cpus for dump in libcpuid.parse((one * 2).split("\n"))] == ["0", "1"]


def test_libcpuid_names_arrays_in_decimal_and_in_hexadecimal() -> None:
    text = (
        "basic_cpuid[0]=20 0 0 0\nintel_fn11[1]=1 2 3 4\nintel_fn12h[2]=5 6 7 8\n"
        "intel_fn14h[0]=1 0 0 0\namd_fn80000026h[1]=9 0 0 0\n"
    )
    [dump] = libcpuid.parse(text.split("\n"))
    assert list(dump.table) == [(0, 0), (0xB, 1), (0x12, 2), (0x14, 0), (0x8000_0026, 1)]


@pytest.mark.parametrize(
    ("alone", "is_told"),
    [
        # Nothing bears it out, its own leaf is no zeros, and its own leaf is zeros.
        ("", False),
        ("basic_cpuid[18]=1 0 0 0\n", False),
        ("basic_cpuid[18]=0 0 0 0\n", True),
    ],
)
def test_an_array_of_zeros_may_be_one_that_was_not_gathered(alone: str, is_told: bool) -> None:
    rows = "".join(f"intel_fn12h[{number}]=0 0 0 0\n" for number in range(2))
    [dump] = libcpuid.parse(f"basic_cpuid[0]=20 0 0 0\n{alone}{rows}".split("\n"))
    assert ((0x12, 1) in dump.table) == is_told


def test_an_array_says_its_subleaves_and_a_leaf_by_itself_does_not() -> None:
    text = (
        "basic_cpuid[0]=20 0 0 0\nbasic_cpuid[4]=5 0 0 0\nbasic_cpuid[11]=0 1 2 6\n"
        "intel_fn4[1]=9 0 0 0\nintel_fn11[0]=0 1 2 4\n"
    )
    [dump] = libcpuid.parse(text.split("\n"))
    assert [dump.table[4, 0].eax, dump.table[4, 1].eax] == [5, 9]
    assert dump.table[0xB, 0].edx == 4


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("\nbasic_cpuid[0]=1 2 3\n", 2, "not an answer as libcpuid raw writes them"),
        ("basic_cpuid[1]=1 2 3 4\n", 1, "CPU 0, which begins here: leaf 0x00000000 is not there"),
        (
            "basic_cpuid[0]=1 2 3 4\nintel_fn4[0]=1 0 0 0\nintel_fn4[0]=2 0 0 0\n",
            1,
            "leaf 0x00000004 subleaf 0x0 has two different answers",
        ),
        ("basic_cpuid[0]=1 2 3 4\nintel_fnaa[0]=1 2 3 4\n", 2, "not a leaf as libcpuid raw"),
        ("----------\nbasic_cpuid[0]=1 2 3 4\n", None, "no CPU comes before the row of dashes"),
    ],
)
def test_libcpuid_is_refused(text: str, line: int | None, message: str) -> None:
    assert message in refused_at(text.encode(), "libcpuid", line)


def write_libcpuid(table: CpuidTable) -> str:
    lines = []
    for (leaf, subleaf), answer in table.items():
        figures = " ".join(f"{value:08x}" for value in answer)
        if leaf in (0x4, 0xB):
            lines.append(f"intel_fn{leaf}[{subleaf}]={figures}")
        elif leaf in (0x12, 0x8000_001D):
            lines.append(f"{'amd' if leaf >> 31 else 'intel'}_fn{leaf:x}h[{subleaf}]={figures}")
        else:
            array = "ext" if leaf >> 31 else "basic"
            lines.append(f"{array}_cpuid[{leaf & 0xFFFF}]={figures}")
    return "\n".join(lines) + "\n"


#: No answer is of zeros: those may be left out.
libcpuid_tables = st.dictionaries(
    st.tuples(st.sampled_from([0, 1, 7, 0xD, 31, 0x8000_0000, 0x8000_001F]), st.just(0))
    | st.tuples(st.sampled_from([0x4, 0xB, 0x12, 0x8000_001D]), st.integers(0, 7)),
    registers.filter(any),
).map(lambda answers: CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items()))


@given(st.lists(libcpuid_tables, min_size=1, max_size=3), st.booleans())
def test_libcpuid_round_trips(cpus: list[CpuidTable], has_headings: bool) -> None:
    heading = "_________________ Logical CPU #{} _________________\n" if has_headings else ""
    text = "".join(
        heading.format(number) + write_libcpuid(table) for number, table in enumerate(cpus)
    )
    expected = [dumped(number, table, "libcpuid raw") for number, table in enumerate(cpus)]
    assert parse_dump(text.encode()) == expected
