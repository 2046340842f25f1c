"""Words on the command line: numbers within the kernel's int, and words that are mistyped."""

from vzcptcheck.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, Tuple

#: Largest value of the kernel's int, which every argument is passed as.
INT_MAX = 0x7FFFFFFF

_LONGEST = len(str(INT_MAX))
#: No name is longer, and to compare takes long.
_LONGEST_NAME = 80
#: How near is near: 1 is the same word.
_NEAR = 0.65
_DECIMAL = frozenset("0123456789")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")


def parse_number(text: "str", what: "str") -> "int":
    """Read ``text`` as a number from 0 to INT_MAX; ``what`` names it in the error.

    White space around it is what a shell or a terminal leaves; anything else than a number
    is UsageError, never 0.
    """
    digits = text.strip(" \t\r\n")
    number = _value(digits[1:] if digits[:1] == "+" else digits)
    if number is None:
        problem, hint = _problem(digits)
        raise UsageError(f"{what} {text!r} {problem}", hint)
    if number > INT_MAX:
        raise UsageError(f"{what} {text!r} is too large: the kernel takes at most {INT_MAX}")
    return number


def _value(digits: "str") -> "int | None":
    if digits and _DECIMAL.issuperset(digits):
        significant = digits.lstrip("0") or "0"
        # int() is slow on a long number, and newer Pythons refuse it: it is too large anyway.
        return int(significant) if len(significant) <= _LONGEST else INT_MAX + 1
    if digits[:2] in ("0x", "0X") and len(digits) > 2 and _HEXADECIMAL.issuperset(digits[2:]):
        return int(digits, 16)
    return None


def _problem(digits: "str") -> "Tuple[str, str]":
    """Say what is wrong with a text that is no number, and what to do about it."""
    if not digits:
        return "is empty", "Did the command that should have printed it fail?"
    if digits[0] == "-" and digits[1:] and _DECIMAL.issuperset(digits[1:]):
        return "is negative", "Give the number as the other node printed it."
    if _HEXADECIMAL.issuperset(digits):
        return "is not a decimal number", f"Write hexadecimal with 0x: 0x{digits}."
    return "is not a number", "Write it in decimal, or in hexadecimal with 0x."


def near(word: "str", words: "Iterable[str]", otherwise: "str" = "") -> "str":
    """Return what was meant by a word, as the end of a sentence; what to do where none is near."""
    from difflib import get_close_matches

    found = get_close_matches(word[:_LONGEST_NAME].lower(), list(words), cutoff=_NEAR)
    if found:
        return "; did you mean {}?".format(" or ".join(found))
    return f"; {otherwise}" if otherwise else ""
