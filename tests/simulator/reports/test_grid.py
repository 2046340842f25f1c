"""The grid: a sign a pair, short names, nothing wider than the terminal, no name broken."""

from itertools import product

import pytest

from simulator.reports.grid import Grid, counts, shorten
from simulator.reports.terminal import Line, render
from support.programs import SGR, Terminal

KINDS = ("safe", "partly", "risky", "refused", "unknown")

A, B, C = (f"042stab141.3.{cpu}.default" for cpu in ("Haswell", "Penryn", "SandyBridge"))


def grid(*names: str, more: tuple[int, ...] = (), first: int = 1) -> Grid:
    """Return a grid whose kinds of pairs take turns."""
    count = len(names)
    return Grid(
        numbers=tuple(range(first, first + count)),
        names=names,
        more=more or (0,) * count,
        kinds=tuple(
            tuple("" if row == column else KINDS[(row * 3 + column) % 5] for column in range(count))
            for row in range(count)
        ),
    )


#: The legend is before the grid, and a line without words between them.
LEGEND = 3


def written(one: Grid, width: int | None = None) -> list[str]:
    """Return the grid, without the legend."""
    lines: list[Line] = list(one.lines(width, is_plain=True))
    return [line.rstrip() for line in render(lines, None).splitlines()][LEGEND:]


@pytest.mark.parametrize(
    ("names", "short", "front", "back"),
    [
        ((A, B, C), ["Haswell", "Penryn", "SandyBridge"], "042stab141.3.", ".default"),
        (("node-a", "node-b"), ["node-a", "node-b"], "", ""),
        (("rack1-node-a", "rack1-node-bb"), ["a", "bb"], "rack1-node-", ""),
        (
            ("a.hosting.example.net", "b.hosting.example.net"),
            ["a", "b"],
            "",
            ".hosting.example.net",
        ),
        (
            ("db-1.hosting.xyz", "db-1.hosting"),
            ["hosting.xyz", "hosting"],
            "db-1.",
            "",
        ),
        (("one-long-name", "one-long-name-2"), ["name", "name-2"], "one-long-", ""),
        (("alone-with-a-long-name",), ["alone-with-a-long-name"], "", ""),
    ],
)
def test_names_are_told_without_what_they_have_in_common(
    names: tuple[str, ...], short: list[str], front: str, back: str
) -> None:
    found = shorten(names)
    assert found == (short, front, back)
    assert [front + one + back for one in found[0]] == list(names)
    assert len(set(found[0])) == len(names)


def test_columns_have_names_where_these_are_short() -> None:
    assert written(grid(A, B, C)) == [
        "             Haswell  Penryn  SandyBridge",
        "Haswell      .        ~       !",
        "Penryn       x        .       +",
        "SandyBridge  ~        !       .",
    ]


def test_the_legend_comes_first() -> None:
    lines = list(grid(A, B, C).lines(None, is_plain=True))[:LEGEND]
    assert render(lines, None).splitlines() == [
        "+ safe   ~ partly (some containers are safe)   ! risky   x refused",
        "Rows are sources, columns destinations; names are without '042stab141.3.' in front and "
        "'.default' at the end.",
        "",
    ]


def test_a_terminal_that_shows_them_gets_signs_in_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    text = render(grid("a", "b", "c").lines(80, is_plain=False), Terminal())
    assert SGR.sub("", text).splitlines()[LEGEND:] == [
        "   a  b  c",
        "a  .  ~  !",
        "b  \u2717  .  \u2713",
        "c  ~  !  .",
    ]
    assert "\x1b[32m\u2713\x1b[0m" in text
    assert "\x1b[1;31m\u2717\x1b[0m" in text


def test_columns_have_numbers_where_names_are_long() -> None:
    names = [f"{'x' * number}.{'y' * 30}" for number in range(1, 12)]
    lines = written(grid(*names, more=(3, *(0,) * 10)))
    start = lines[1].index("1")
    assert lines[0] == f"{' ' * (start + 18)}1 1"
    assert lines[1] == f"{' ' * start}1 2 3 4 5 6 7 8 9 0 1"
    assert lines[2] == f"{' 1 x +3'.ljust(start)}. ~ ! x ? + ~ ! x ? +"
    assert lines[12].startswith(f"11 {'x' * 11} ")


def test_what_is_too_wide_is_dense_then_in_blocks_then_without_names() -> None:
    names = [f"{chr(97 + number)}{'x' * 20}" for number in range(20)]
    dense, blocks, numbered = (written(grid(*names), width) for width in (50, 40, 30))
    assert dense[2].split() == ["1", names[0], ".~!x?+~!x?+~!x?+~!x?"]
    assert [line for line in blocks if line.startswith(" 1 a")] == [
        f" 1 {names[0]} .~!x?+~!x?",
        f" 1 {names[0]} +~!x?+~!x?",
    ]
    assert numbered[2] == " 1 .~!x?+~!x?+~!x?+~!x?"
    assert numbered[22:42] == [f"{number:>2} {name}" for number, name in enumerate(names, 1)]


@pytest.mark.parametrize(
    ("width", "count", "size"), [*product((20, 40, 60, 80, 120, 200), (2, 5, 35, 64), (1, 15))]
)
def test_nothing_is_wider_than_the_terminal_and_each_sign_is_there(
    width: int, count: int, size: int
) -> None:
    one = grid(*(f"{'n' * size}{number}" for number in range(count)))
    lines = list(one.lines(width, is_plain=True))
    text = [line.rstrip() for line in render(lines[LEGEND:], None).splitlines()]
    assert max(map(len, text)) <= width
    signs = "".join(text)
    for kind, sign in zip(KINDS, "+~!x?", strict=True):
        assert signs.count(sign) == sum(row.count(kind) for row in one.kinds)


def test_kinds_are_counted_with_their_signs() -> None:
    kinds = {"safe": 3, "partly": 0, "risky": 12, "refused": 0, "unknown": 1}
    assert counts(kinds, is_plain=True) == "3+ 12! 1?"
    assert counts(kinds, is_plain=False) == "3\u2713 12! 1?"
