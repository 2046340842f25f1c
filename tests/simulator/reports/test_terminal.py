"""Text for people: folded and coloured on a terminal alone, and never a terminal's command."""

import io
import re
from types import SimpleNamespace

import pytest

from simulator.reports.terminal import (
    HEADING,
    STYLES,
    Line,
    line,
    progress,
    render,
    render_listing,
    render_table,
    shows_signs,
    styled_word,
)
from simulator.verdicts.verdict import PARTLY, Outcome, Verdict
from support.programs import SGR, Terminal
from vzcptcheck.outcome import printable

#: What would clear the screen, ring, hide, turn text around, or forge a line.
HOSTILE = "a\x1b[2J\x9b1m\x07\x08\r\n\t\x7f\u202e\u2028\udcffz"
SHOWN = r"a\x1b[2J\x9b1m\x07\x08\r\n\t\x7f\u202e\u2028\udcffz"


@pytest.fixture(autouse=True)
def _narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def on_terminal(*lines: Line) -> str:
    return render(lines, Terminal())


def in_file(*lines: Line) -> str:
    return render(lines, io.StringIO())


@pytest.mark.parametrize("stream", [None, io.StringIO()], ids=["none", "a file"])
def test_elsewhere_a_line_is_one_without_colour(stream: io.StringIO | None) -> None:
    text = render([line(4, styled_word("possible"), ": ", "x y " * 50 + ".")], stream)
    assert text == f"    possible: {'x y ' * 50}.\n"


def test_on_a_terminal_what_is_folded_is_indented_more() -> None:
    folded = on_terminal(line(4, "some words that take more than 20 columns"))
    assert folded.splitlines() == [
        "    some words that",
        "      take more than",
        "      20 columns",
    ]


def test_on_a_terminal_a_paragraph_is_not_indented() -> None:
    folded = on_terminal(line(0, "some words that take more than 20 columns"))
    assert folded.splitlines() == ["some words that take", "more than 20 columns"]


def test_a_word_that_is_wider_than_the_terminal_stays_whole() -> None:
    assert on_terminal(line(2, "a ", "x" * 30, " b")).splitlines() == [
        "  a",
        "x" * 30,
        "    b",
    ]
    assert on_terminal(line(2, "a ", "x" * 18)).splitlines() == ["  a", f"  {'x' * 18}"]


def test_words_of_several_styles_without_a_space_are_not_parted() -> None:
    folded = SGR.sub("", on_terminal(line(0, "12345678901234 ", styled_word("safe"), ", b")))
    assert folded == "12345678901234 safe,\nb\n"
    folded = SGR.sub("", on_terminal(line(0, "123456789012345 ", styled_word("safe"), ", b")))
    assert folded == "123456789012345\nsafe, b\n"


def test_spaces_between_columns_are_kept_where_a_line_is_not_broken() -> None:
    assert on_terminal(line(1, "  a   b")) == "   a   b\n"


def test_neighbours_of_one_style_are_told_it_once() -> None:
    assert on_terminal(line(0, ("not  possible", "31"), (" x", "31"))) == (
        "\x1b[31mnot  possible x\x1b[0m\n"
    )


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, True),
        ({"LC_ALL": "C.UTF-8"}, True),
        ({"LC_ALL": "C"}, False),
        ({"LC_ALL": "POSIX"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "dumb"}, False),
    ],
)
def test_signs_are_for_terminals_that_show_them(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], shown: bool
) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert shows_signs(Terminal()) is shown
    assert not shows_signs(io.StringIO())


def test_outcomes_and_verdicts_have_colours_on_a_terminal() -> None:
    colours = {one: SGR.findall(on_terminal(line(0, styled_word(one))))[0] for one in STYLES}
    assert colours == {
        "safe": "\x1b[32m",
        "partly": "\x1b[36m",
        "possible": "\x1b[32m",
        "risky": "\x1b[35m",
        "refused": "\x1b[1;31m",
        "not possible": "\x1b[1;31m",
        "unknown": "\x1b[33m",
    }
    assert set(STYLES) == {PARTLY, *(one.value for one in (*Outcome, *Verdict))}


def test_no_color_takes_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in on_terminal(line(0, styled_word("possible")))


def test_a_dumb_terminal_gets_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b" not in on_terminal(line(0, styled_word("possible")))


def test_a_line_without_words_is_blank() -> None:
    assert in_file(line(0, "a"), line(0), line(0, "b")) == "a\n\nb\n"


def test_what_could_speak_to_the_terminal_is_spelled_out() -> None:
    assert printable(HOSTILE) == SHOWN
    assert printable("ordinary Ω [bold]x[/bold] :smile: 'é'") == (
        "ordinary Ω [bold]x[/bold] :smile: 'é'"
    )


@pytest.mark.parametrize("word", [HOSTILE, (HOSTILE, HEADING)], ids=["plain", "styled"])
def test_every_word_is_harmless(word: str | tuple[str, str]) -> None:
    assert in_file(line(2, "x", word)) == f"  x{SHOWN}\n"
    shown = SGR.sub("", on_terminal(line(2, "x", word)))
    assert "".join(shown.split()) == f"x{SHOWN}"


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/x]", ":smile:", "\\[x]"])
def test_a_word_is_text_and_no_markup(text: str) -> None:
    assert in_file(line(0, text)) == f"{text}\n"


def test_columns_are_as_wide_as_their_characters() -> None:
    rows = [("\u65e5\u672c", "x"), ("e\u0301", HOSTILE)]
    assert render_table(("title", "t"), rows, None).splitlines() == [
        "title  t",
        "\u65e5\u672c   x",
        f"e\u0301      {SHOWN}",
    ]


def table(columns: int, monkeypatch: pytest.MonkeyPatch, *rows: tuple[str, ...]) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    return render_table(("name", "what it is", "why"), rows, Terminal()).splitlines()


def test_a_table_is_folded_in_all_columns_but_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("a name", "words that are many of them", "some reasons, and others")
    assert table(80, monkeypatch, row) == [
        "name    what it is                   why",
        "a name  words that are many of them  some reasons, and others",
    ]
    assert table(46, monkeypatch, row, ("b", "", "x")) == [
        "name    what it is          why",
        "a name  words that are      some reasons, and",
        "        many of them        others",
        "b                           x",
    ]


def test_a_table_that_does_not_fit_is_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ("a name", "words that are many of them", "some reasons, and others")
    assert table(30, monkeypatch, row, ("b", "", "x")) == [
        "a name",
        "  what it is: words that are",
        "    many of them",
        "  why: some reasons, and",
        "    others",
        "b",
        "  why: x",
    ]


def test_a_listing_has_as_many_columns_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    titles, row = ("name", "what", "more"), ("n" * 30, "w" * 10, "m" * 10)
    for columns, left in (
        (54, []),
        (53, ["Left out, as the terminal is narrow: more."]),
        (42, ["Left out, as the terminal is narrow: more."]),
        (41, ["Left out, as the terminal is narrow:", "what, more."]),
        (20, ["Left out, as the", "terminal is narrow:", "what, more."]),
    ):
        monkeypatch.setenv("COLUMNS", str(columns))
        title, first, *others = render_listing(titles, [row], Terminal()).splitlines()
        shown = len(title.split())
        assert (first, others) == ("  ".join(row[:shown]), left)
    assert render_listing(titles, [row], None).splitlines()[1] == "  ".join(row)


# The progress bar: on a terminal, and after a second


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times that the clock will tell, to what is tested alone: others ask it, too."""
    monkeypatch.setenv("COLUMNS", "80")
    times = [0.0]
    clock = SimpleNamespace(monotonic=lambda: times.pop(0) if len(times) > 1 else times[0])
    monkeypatch.setattr("simulator.reports.terminal.time", clock)
    return times


def written(stream: io.StringIO, steps: int) -> str:
    with progress(stream, "reading nodes", steps) as step:
        for _ in range(steps):
            step()
    return stream.getvalue()


def test_nothing_is_shown_where_nobody_looks(seconds: list[float]) -> None:
    seconds[:] = [0.0, 5.0]
    assert written(io.StringIO(), 3) == ""
    with progress(None, "reading nodes", 1) as step:
        step()


def test_nothing_is_shown_of_what_is_quick(seconds: list[float]) -> None:
    seconds[:] = [0.0, 0.1, 0.9]
    assert written(Terminal(), 3) == ""


def test_what_takes_over_a_second_is_shown(seconds: list[float]) -> None:
    seconds[:] = [0.0, 0.5, 1.5]
    text = written(Terminal(), 4)
    assert "reading nodes" in text
    assert "2/4" in text


def test_the_bar_is_gone_where_work_fails(seconds: list[float]) -> None:
    stream = Terminal()
    seconds[:] = [0.0, 2.0]

    def work() -> None:
        with progress(stream, "reading nodes", 2) as step:
            step()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    # The terminal is told to show its cursor again, and nothing stands in the line any more.
    told = stream.getvalue()
    assert "\x1b[?25h" in told
    assert not re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", told.rpartition("\x1b[2K")[2]).strip()
