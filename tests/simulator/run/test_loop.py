"""What a supervisor waits for: descriptors, and the reactions to them."""

import os
import select
import time
from collections.abc import Iterator

import pytest

from simulator.run.loop import Loop


@pytest.fixture
def pipes() -> Iterator[list[tuple[int, int]]]:
    """Return two pipes; their ends that are written stay open."""
    made = [os.pipe(), os.pipe()]
    yield made
    for fd in (fd for pipe in made for fd in pipe):
        os.close(fd)


def test_who_watches_hears_of_each_event(pipes: list[tuple[int, int]]) -> None:
    loop, heard = Loop(), []
    for number, (reader, writer) in enumerate(pipes):
        loop.watch(reader, lambda events, number=number: heard.append((number, events)))  # type: ignore[misc]
        os.write(writer, b"x")
    loop.turn()
    assert sorted(heard) == [(0, select.POLLIN), (1, select.POLLIN)]


def test_who_watches_hears_of_the_other_ends_end() -> None:
    loop, heard = Loop(), list[int]()
    reader, writer = os.pipe()
    os.close(writer)
    loop.watch(reader, heard.append)
    loop.turn()
    loop.forget(reader)
    os.close(reader)
    assert heard == [select.POLLHUP]


def test_what_is_forgotten_is_not_heard_of(pipes: list[tuple[int, int]]) -> None:
    loop, heard = Loop(), list[int]()
    (reader, writer), _ = pipes
    loop.watch(reader, heard.append)
    os.write(writer, b"x")
    loop.forget(reader)
    loop.turn(0)
    assert heard == []


def test_what_was_never_watched_may_be_forgotten() -> None:
    Loop().forget(0)


def test_a_turn_takes_no_longer_than_it_may(pipes: list[tuple[int, int]]) -> None:
    loop = Loop()
    loop.watch(pipes[0][0], lambda _: None)
    before = time.monotonic()
    loop.turn(10)
    assert time.monotonic() - before < 10  # A machine may be busy; it is not for ever.


def test_a_reaction_may_end_the_others(pipes: list[tuple[int, int]]) -> None:
    loop, heard = Loop(), list[int]()
    readers = [reader for reader, _ in pipes]

    def hear(reader: int) -> None:
        heard.append(reader)
        for one in readers:
            loop.forget(one)

    for reader, writer in pipes:
        loop.watch(reader, lambda _, reader=reader: hear(reader))  # type: ignore[misc]
        os.write(writer, b"x")
    loop.turn()
    assert len(heard) == 1


def test_an_event_is_none_of_who_has_the_number_since(pipes: list[tuple[int, int]]) -> None:
    loop, heard = Loop(), list[str]()
    (first, _), (second, _) = pipes

    def replace(_: int) -> None:
        loop.forget(second)
        loop.watch(second, lambda _: heard.append("new"))

    loop.watch(first, replace)
    loop.watch(second, lambda _: heard.append("old"))
    for _, writer in pipes:
        os.write(writer, b"x")
    loop.turn()
    assert heard == []
    loop.forget(first)
    loop.turn()
    assert heard == ["new"]
