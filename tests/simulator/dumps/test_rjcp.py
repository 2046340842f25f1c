"""The XML of RJCP.DLL.CpuId: registers, whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import CpuidTable, Registers
from support.dumps import Answers, dumped, numbers, refusal, registers

ROW = '<register eax="0" ecx="0">0000000D,756E6547,6C65746E,49656E69</register>'


def document(*processors: str) -> str:
    inside = "".join(f"<processor>\n{rows}\n</processor>" for rows in processors)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<cpuid type="intel">{inside}</cpuid>\n'


def test_each_processor_is_a_cpu() -> None:
    first, second = parse_dump(document(ROW, ROW.replace("0000000D", "0x1")).encode())
    assert (first.cpus, second.cpus, first.form) == ("0", "1", "RJCP.DLL.CpuId")
    assert first.table is not None
    assert first.table[0, 0] == Registers(13, 0x756E_6547, 0x6C65_746E, 0x4965_6E69)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<cpuid/>", "rjcp: it has no element <register eax="),
        (document(ROW.replace("0000000D", "D,D")), "line 3: rjcp: not a leaf, a subleaf and four"),
        (document(ROW.replace('eax="0"', 'eax="g"')), "not a leaf, a subleaf"),
        (document(ROW.replace('ecx="0"', 'ecx="-1"')), "not a leaf, a subleaf"),
        (document(ROW, ROW.replace('eax="0"', 'eax="1"')), "leaf 0x00000000 is not there"),
        (document(ROW * 4097), "over 4096 answers of one CPU"),
        (f"<cpuid><!-- {ROW} --></cpuid>", "no processor has a register"),
    ],
)
def test_rjcp_is_refused(text: str, message: str) -> None:
    assert message in str(refusal(text.encode(), "rjcp"))


@given(st.dictionaries(st.tuples(numbers, numbers), registers))
def test_rjcp_round_trips(answers: Answers) -> None:
    table = CpuidTable({(0, 0): Registers(1, 2, 3, 4), **answers}.items())
    rows = "".join(
        f'<register eax="{leaf:08X}" ecx="{subleaf:X}">'
        f"{','.join(f'{value:08X}' for value in answer)}</register>"
        for (leaf, subleaf), answer in table.items()
    )
    assert parse_dump(document(rows).encode()) == [dumped(0, table, "RJCP.DLL.CpuId")]
