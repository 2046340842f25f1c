"""Numbers on the command line."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vzcptcheck.arguments import INT_MAX, parse_number
from vzcptcheck.errors import CheckError, UsageError

#: What is a number: written once more, in another way than the program does it.
NUMBER = re.compile(r"[ \t\r\n]*\+?(?:0[xX]([0-9a-fA-F]+)|([0-9]+))[ \t\r\n]*\Z")


def complaint(text):
    with pytest.raises(UsageError) as caught:
        parse_number(text, "capability number")
    return caught.value


def test_the_largest_number_is_the_kernels_int():
    assert INT_MAX == 2**31 - 1


NUMBERS = {
    "0": 0, "1": 1, "770": 770, "2051": 2051, "2147483647": 2**31 - 1, "007": 7, "+5": 5,
    "0" * 5000: 0, "0" * 5000 + "12": 12,
    "0x0": 0, "0x803": 2051, "0X803": 2051, "0xaBc": 0xABC, "0x7fffffff": 2**31 - 1, "+0x10": 16,
    "0x" + "0" * 5000 + "ff": 255,
    " 2051": 2051, "2051\n": 2051, "2051\r\n": 2051, "\t 0x803 \t": 2051,
}  # fmt: skip


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_decimal_and_hexadecimal_with_0x_are_numbers(text, number):
    assert parse_number(text, "number") == number


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("", "is empty", "Did the command that should have printed it fail?"),
        (" \n", "is empty", "Did the command that should have printed it fail?"),
        ("-1", "is negative", "Give the number as the other node printed it."),
        (" -2051\n", "is negative", "Give the number as the other node printed it."),
        ("803a", "is not a decimal number", "Write hexadecimal with 0x: 0x803a."),
        ("ff", "is not a decimal number", "Write hexadecimal with 0x: 0xff."),
        ("1e3", "is not a decimal number", "Write hexadecimal with 0x: 0x1e3."),
    ],
)
def test_a_likely_mistake_has_its_own_hint(text, problem, hint):
    error = complaint(text)
    assert error.message == f"capability number {text!r} {problem}"
    assert error.hint == hint
    assert error.show_usage is False


NO_NUMBERS = [
    "x", "two", "0x", "0x ", "0xg", "0x-1", "0x+1", "0x 1", "0o17", "2051x", "2051,", "1.0",
    "1_000", "0x8_03", "1 2", "+", "-", "--1", "+-1", "-+1", "++1", "- 1", "+ 1", "-x", "-0x1",
    "\u0661\u0662\u0663", "\uff11", "\u00b2", "0x\uff11", "\u00a01", "\u20031", "1\x0b", "1\x00",
    "\x00", "\x1b[31m1", "\udcff", "1\udcff", "\u2212" + "1",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_anything_else_is_quoted_and_not_a_number(text):
    error = complaint(text)
    assert error.message == f"capability number {text!r} is not a number"
    assert error.hint == "Write it in decimal, or in hexadecimal with 0x."


TOO_LARGE = [
    "2147483648", "4294967295", "4294969347", "0x80000000", "0xffffffff", "99999999999999999999",
    "9" * 100000, "0x" + "f" * 100000,
]  # fmt: skip


@pytest.mark.parametrize("text", TOO_LARGE)
def test_what_the_kernel_would_cut_is_too_large(text):
    assert complaint(text).message == (
        f"capability number {text!r} is too large: the kernel takes at most 2147483647"
    )


@given(st.one_of(st.text(), st.text("0123456789abcdefxX+- \t\n_"), st.integers().map(str)))
@example("0x7fffffff")
@example("2147483648")
@example("\udcff")
def test_any_text_is_a_number_in_range_or_refused_by_name(text):
    match = NUMBER.match(text)
    hexadecimal, decimal = match.groups() if match else ("", "")
    number = int(hexadecimal, 16) if hexadecimal else int(decimal or "-1")
    if 0 <= number <= INT_MAX:
        assert parse_number(text, "image version") == number
        return

    error = complaint(text)
    assert isinstance(error, CheckError)
    assert repr(text) in error.message
    error.message.encode("utf-8")


@given(st.integers(0, INT_MAX))
def test_every_number_is_read_in_each_of_its_forms(number):
    for form in ("{}", "0x{:x}", "0X{:X}", "{:012d}", " {}\n"):
        assert parse_number(form.format(number), "number") == number
