"""Dumps in tests: any registers, and a dump that is refused, or in any case not mistaken."""

import pytest
from hypothesis import strategies as st

from simulator.dumps.model import DumpError
from simulator.dumps.recognise import Source, parse_dump
from simulator.facts.cpuid import Registers

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
