"""Messages of protocol buffers: fields and packed numbers."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.dumps.protobuf import parse_fields, parse_varints
from support.criu_images import message


@given(st.lists(st.tuples(st.integers(1, 1 << 20), st.integers(0, (1 << 64) - 1) | st.binary())))
def test_fields_round_trip(fields: list[tuple[int, int | bytes]]) -> None:
    assert list(parse_fields(message(*fields))) == fields


def test_packed_numbers() -> None:
    assert list(parse_varints(b"\x05\xac\x02\0")) == [5, 300, 0]


def test_fields_of_fixed_sizes() -> None:
    assert list(parse_fields(b"\x0d\x01\0\0\0\x11\x02\0\0\0\0\0\0\0")) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80", "a number at byte 0 has no end"),
        (b"\xff" * 11, "a number at byte 0 has no end"),
        (b"\x08", "a number at byte 1 has no end"),
        (b"\x00\x00", "a field without a number"),
        (b"\x0b", "a field of unknown kind 3"),
        (b"\x0a\x02x", "longer than the message"),
        (b"\x0d\0\0", "longer than the message"),
    ],
)
def test_bad_fields(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        list(parse_fields(data))
