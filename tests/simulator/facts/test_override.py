"""/proc/vz/cpuid_override: what may be written, how it reads back, what it does to the node."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.override import (
    OverrideEntry,
    OverrideError,
    apply_override,
    format_override,
    parse_override,
)
from support.recorded import Row, read_rows, text
from support.simulated_nodes import cpu

ONE = OverrideEntry(0x1, None, Registers(0x206D7, 2, 3, 0xFFFFFFFF))
ONE_READ_BACK = "0x00000001: 0x000206d7 0x00000002 0x00000003 0xffffffff\n"


@pytest.mark.parametrize(
    "written",
    [
        "1: 206d7 2 3 ffffffff",
        "1: 206d7 2 3 ffffffff\n",
        "0x1: 0x206D7 0x2 0X3 0xFFFFFFFF\n",
        "00000001:206d7 2 3 ffffffff",
        "\t 1 :".replace(" :", ":") + "  206d7\t2   3 ffffffff \t\n",
        "\n1: 206d7 2 3 ffffffff\n\n   \n",
        "100000001: 206d7 2 3 fffffffffffffffff",
    ],
)
def test_a_line_may_be_written_so(written: str) -> None:
    assert parse_override(written) == (ONE,)


def test_a_line_may_have_a_subleaf() -> None:
    (entry,) = parse_override("d 1: 0 0 0 0")
    assert entry == OverrideEntry(0xD, 1, Registers(0, 0, 0, 0))
    assert format_override([entry]) == (
        "0x0000000d 0x00000001: 0x00000000 0x00000000 0x00000000 0x00000000\n"
    )


def test_the_table_reads_back_with_eight_digits() -> None:
    assert format_override([ONE, ONE]) == ONE_READ_BACK * 2


@pytest.mark.parametrize("blank", ["", "\n", " ", "\t\n  \n"])
def test_a_text_of_blanks_is_an_empty_table(blank: str) -> None:
    assert parse_override(blank) == ()


BAD_LINES = [
    "x", "1 206d7 2 3 ffffffff", "1: 206d7 2 3", "1: 206d7 2 3 4 5", "1 2 3: 4 5 6 7",
    "1 : 206d7 2 3 4", ": 1 2 3 4", "1: 0x 2 3 4", "1: -1 2 3 4", "1: 1 2 3 4\r\n",
    "1: 1 2 3 4\n\n1: 1 2 3 g", "1: 1 2 3 \udc80",
]  # fmt: skip


@pytest.mark.parametrize("written", BAD_LINES)
def test_a_bad_line_is_einval_and_named(written: str) -> None:
    with pytest.raises(OverrideError) as caught:
        parse_override(written)
    assert caught.value.errno == errno.EINVAL
    line = 3 if "\n\n" in written else 1
    assert str(caught.value).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    ("written", "entries"), [("1: 206d7 2 3 ffffffff\n" * 16, (ONE,) * 16), (" " * 4095, ())]
)
def test_sixteen_entries_and_just_under_a_page_are_taken(
    written: str, entries: tuple[OverrideEntry, ...]
) -> None:
    assert parse_override(written) == entries


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("1: 206d7 2 3 ffffffff\n" * 17, "17 entries, of at most 16"),
        (" " * 4096, "the text is not under 4096 bytes"),
        ("\N{EURO SIGN}" * 1366, "the text is not under 4096 bytes"),
    ],
)
def test_too_much_is_e2big(written: str, problem: str) -> None:
    with pytest.raises(OverrideError, match=problem) as caught:
        parse_override(written)
    assert caught.value.errno == errno.E2BIG


@pytest.mark.parametrize(
    ("entry", "asked", "matches"),
    [
        ("1", (1, 0), True),
        ("1", (2, 0), False),
        ("2", (1, 0), False),
        ("d", (0xD, 1), True),
        ("d 1", (0xD, 1), True),
        ("d 1", (0xD, 0), False),
        ("1 1", (1, 0), False),
    ],
)
def test_an_entry_answers_for_its_leaf(entry: str, asked: tuple[int, int], matches: bool) -> None:
    (parsed,) = parse_override(f"{entry}: 0 0 0 0")
    assert parsed.matches(*asked) is matches


ALL = Registers(0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF)
FULL = cpu().replace(dict.fromkeys([(0x1, 0), (0x7, 0), (0xD, 0), (0xD, 1), (0x80000001, 0)], ALL))
NONE = 0
KEPT = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("leaf", "key", "expected"),
    [
        ("1", (0x1, 0), Registers(KEPT, KEPT, NONE, NONE)),
        ("7", (0x7, 0), Registers(KEPT, NONE, KEPT, KEPT)),
        ("80000001", (0x80000001, 0), Registers(KEPT, KEPT, NONE, NONE)),
        ("d 1", (0xD, 1), Registers(NONE, KEPT, KEPT, KEPT)),
        ("d", (0xD, 1), Registers(NONE, KEPT, KEPT, KEPT)),
        ("d", (0xD, 0), ALL),
        ("d 0", (0xD, 1), ALL),
    ],
)
def test_the_registers_in_which_an_entry_masks_the_node(
    leaf: str, key: tuple[int, int], expected: Registers
) -> None:
    masked = apply_override(FULL, parse_override(f"{leaf}: 0 0 0 0"))
    assert masked[key] == expected


def test_the_first_entry_that_matches_wins() -> None:
    masked = apply_override(FULL, parse_override("1: 0 0 f f\n1: 0 0 0 0"))
    assert masked[0x1, 0] == Registers(KEPT, KEPT, 0xF, 0xF)


def test_a_leaf_that_was_not_recorded_stays_a_hole() -> None:
    table = CpuidTable([((0, 0), Registers(1, 0, 0, 0))])
    assert apply_override(table, parse_override("1: 0 0 0 0")) == table


OVERRIDES = read_rows("042stab141.3.SandyBridge.forced_cpuid_faulting")
RECORDED = [row for row in OVERRIDES if row.kind == "override"]


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: str(row.number))
def test_a_recorded_write_ends_as_it_did(row: Row) -> None:
    assert len(RECORDED) > 10
    written, result, read_back = text(row.cell(0)), int(row.cell(1)), text(row.cell(2))
    try:
        entries = parse_override(written)
    except OverrideError:
        assert result == -1
    else:
        assert result == len(written)
        assert format_override(entries) == read_back


numbers = st.integers(0, 0xFFFFFFFF)
tables = st.lists(
    st.builds(
        OverrideEntry,
        numbers,
        st.none() | numbers,
        st.builds(Registers, numbers, numbers, numbers, numbers),
    ),
    max_size=16,
).map(tuple)


@given(tables)
def test_what_is_read_back_can_be_written_again(entries: tuple[OverrideEntry, ...]) -> None:
    assert parse_override(format_override(entries)) == entries


@given(st.text() | st.text("0123456789abcdefx: \t\n", max_size=80))
def test_any_text_is_taken_or_refused(written: str) -> None:
    try:
        entries = parse_override(written)
    except OverrideError as refusal:
        number = refusal.errno
    else:
        number = 0
        assert parse_override(format_override(entries)) == entries
    assert number in {0, errno.EINVAL, errno.E2BIG}


@given(tables)
def test_an_override_never_adds_a_bit(entries: tuple[OverrideEntry, ...]) -> None:
    for key, registers in apply_override(FULL, entries).items():
        assert all(mine & own == mine for mine, own in zip(registers, FULL[key], strict=True))
