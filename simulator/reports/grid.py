"""A grid: a sign for each pair of nodes, beside names without what all of them have in common."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile

from msgspec import Struct

from simulator.reports.terminal import DIM, HEADING, STYLES, Line, Word, columns_of, line
from simulator.verdicts.verdict import PARTLY, Outcome

#: Signs where a terminal shows them, and in plain ASCII.
_SIGNS = {
    Outcome.SAFE.value: ("\u2713", "+"),
    PARTLY: ("~", "~"),
    Outcome.RISKY.value: ("!", "!"),
    Outcome.REFUSED.value: ("\u2717", "x"),
    Outcome.UNKNOWN.value: ("?", "?"),
}
_ITSELF = "."

#: Names that are not longer are told whole.
_SHORT = 12

#: Columns are named within this width, if nothing else limits it; and no more than so many.
_NAMED_WIDTH, _MOST_NAMED = 100, 12

#: So many columns of signs have room beside the names of rows, else these are left out.
_LEAST_SIGNS = 16

_PARTS = re.compile(r"[^-._:/ ]+|[-._:/ ]")


class Grid(Struct, frozen=True):
    """What to write: the numbers of groups, their names, and each row's kinds of pairs.

    A kind is that of ``Outcomes``, or empty where a node would meet itself. ``more`` are other
    nodes of the same group.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    more: tuple[int, ...]
    kinds: tuple[tuple[str, ...], ...]

    def lines(self, width: int | None, *, is_plain: bool) -> Iterator[Line]:
        """Write the legend, and the grid, no wider than a width if there is one."""
        short, front, back = shorten(self.names)
        labels = [
            f"{name} +{more}" if more else name for name, more in zip(short, self.more, strict=True)
        ]
        there = {kind for row in self.kinds for kind in row}
        yield line(0, *legend(there, is_plain=is_plain))
        yield line(0, f"Rows are sources, columns destinations{_left_out(front, back)}.")
        yield line(0)
        named = max(map(columns_of, labels)) + sum(2 + columns_of(label) for label in labels)
        if len(labels) <= _MOST_NAMED and named <= (width or _NAMED_WIDTH):
            yield from self._named(labels, is_plain=is_plain)
        else:
            yield from self._numbered(labels, width, is_plain=is_plain)

    def _named(self, labels: Sequence[str], *, is_plain: bool) -> Iterator[Line]:
        """Write a grid whose columns have names."""
        start = max(map(columns_of, labels))
        heads = "".join(f"  {label}" for label in labels)
        yield line(0, " " * start, (heads, HEADING))
        for label, kinds in zip(labels, self.kinds, strict=True):
            words: list[Word] = []
            for kind, head in zip(kinds, labels, strict=True):
                words += ["  ", sign(kind, is_plain=is_plain), " " * (columns_of(head) - 1)]
            yield line(0, (_padded(label, start), HEADING), *words[:-1])

    def _numbered(
        self, labels: Sequence[str], width: int | None, *, is_plain: bool
    ) -> Iterator[Line]:
        """Write a grid whose columns have numbers: below each other where it is too wide."""
        digits = max(len(str(number)) for number in self.numbers)
        heads = [
            f"{number:>{digits}} {label}"
            for number, label in zip(self.numbers, labels, strict=True)
        ]
        keys: list[str] = []
        if width is not None and max(map(columns_of, heads)) + _LEAST_SIGNS > width:
            keys, heads = heads, [f"{number:>{digits}}" for number in self.numbers]
        start = max(map(columns_of, heads)) + 1
        count = len(heads)
        room = 2 * count if width is None else width - start
        step = 2 if 2 * count - 1 <= room else 1
        blocks = -(-count // ((room + step - 1) // step))
        size = -(-count // blocks)
        for begin in range(0, count, size):
            columns = slice(begin, begin + size)
            if begin:
                yield line(0)
            for digit in range(digits):
                signs = [f"{number:>{digits}}"[digit] for number in self.numbers[columns]]
                yield line(0, " " * start, ((" " * (step - 1)).join(signs).rstrip(), HEADING))
            for head, kinds in zip(heads, self.kinds, strict=True):
                words = [sign(kind, is_plain=is_plain) for kind in kinds[columns]]
                spaced = [part for word in words for part in (word, " ")] if step > 1 else words
                yield line(0, (_padded(head, start), HEADING), *spaced)
        for key in keys:
            yield line(0, key)


def legend(kinds: Container[str], *, is_plain: bool) -> Iterator[Word]:
    """Explain the signs of kinds."""
    gap = ""
    for kind in _SIGNS:
        if kind in kinds:
            some = " (some containers are safe)" if kind == PARTLY else ""
            yield gap
            yield sign(kind, is_plain=is_plain)
            yield f" {kind}{some}"
            gap = "   "


def counts(kinds: Mapping[str, int], *, is_plain: bool) -> str:
    """Write how many there are of each kind, with its sign."""
    return " ".join(f"{kinds[kind]}{_SIGNS[kind][is_plain]}" for kind in _SIGNS if kinds[kind])


def sign(kind: str, *, is_plain: bool) -> Word:
    """Return the sign of a kind."""
    return (_SIGNS[kind][is_plain], STYLES[kind]) if kind else (_ITSELF, DIM)


def shorten(names: Sequence[str]) -> tuple[list[str], str, str]:
    """Return names without what all of them begin and end with, and these two.

    They are parted where a name has a dot, a dash or the like: what is left is never empty.
    """
    if len(names) < 2 or max(map(len, names)) <= _SHORT:
        return list(names), "", ""
    parts = [_PARTS.findall(name) for name in names]
    most = min(map(len, parts)) - 1
    front = min(_in_common(parts), most)
    backwards = [one[front:][::-1] for one in parts]
    back = min(_in_common(backwards), most - front)
    rest = ["".join(one[front : len(one) - back]) for one in parts]
    return rest, "".join(parts[0][:front]), "".join(parts[0][len(parts[0]) - back :])


def _in_common(lists: Iterable[list[str]]) -> int:
    """Count the first entries that lists have in common."""
    return sum(1 for _ in takewhile(lambda entries: len(set(entries)) == 1, zip(*lists)))  # noqa: B905 (as long as the shortest)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns_of(text))


def _left_out(front: str, back: str) -> str:
    """Tell what names are without."""
    left_out = [f"{front!r} in front"] * bool(front) + [f"{back!r} at the end"] * bool(back)
    return f"; names are without {' and '.join(left_out)}" if left_out else ""
