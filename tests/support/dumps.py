"""Dumps in tests: any registers, and a dump that is refused, or in any case not mistaken."""

import pytest
from hypothesis import strategies as st

from simulator.dumps.model import CpuDump, DumpError, infer_mode
from simulator.dumps.recognise import Source, parse_dump
from simulator.facts.cpuid import CpuidTable, Registers

Answers = dict[tuple[int, int], Registers]

numbers = st.integers(0, 0xFFFF_FFFF)
registers = st.builds(Registers, numbers, numbers, numbers, numbers)


def refusal(source: Source, key: str = "auto") -> DumpError:
    with pytest.raises(DumpError) as caught:
        parse_dump(source, key)
    return caught.value


def refused_at(source: Source, key: str, line: int | None) -> str:
    """Return why a dump is refused, for this line of it (None: for the whole)."""
    error = refusal(source, key)
    assert error.line == line
    return error.message


def is_parsed_or_refused(source: Source, key: str = "auto") -> bool:
    try:
        return len(parse_dump(source, key)) > 0
    except DumpError as error:
        return bool(error.message)


def dumped(number: int, table: CpuidTable, form: str) -> CpuDump:
    """Return what is read of a CPU whose registers are all known."""
    return CpuDump(str(number), table, infer_mode(table), form)


def bits(dump: CpuDump, leaf: int, subleaf: int, register: str) -> tuple[int, int]:
    """Return a register's bits, and which of them are known."""
    answer = dump.answers()[leaf, subleaf]
    return getattr(answer.values, register), getattr(answer.known, register)
