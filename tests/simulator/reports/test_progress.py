"""The progress bar: on a terminal, and after a second."""

import io
import re
import time

import pytest

from simulator.reports.progress import progress
from support.terminals import Terminal


@pytest.fixture(autouse=True)
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the times that the clock will tell."""
    monkeypatch.setenv("TERM", "xterm")
    times = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: times.pop(0) if len(times) > 1 else times[0])
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
