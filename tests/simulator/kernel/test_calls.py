"""Checkpoint contexts: their page of diagnostics, what they hold, how they are listed."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from simulator.kernel.calls import PAGE_SIZE, Context, Contexts, ContextState

HEADER = "Ctx      Id       VE       State\n"


@dataclass
class File:
    """An open file that keeps what is written, each write apart."""

    writes: list[bytes] = field(default_factory=list)
    closed: int = 0
    is_directory: bool = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def close(self) -> None:
        self.closed += 1


def test_the_states_are_the_kernels() -> None:
    assert {state.name: state.value for state in ContextState} == {
        "ERROR": -1,
        "IDLE": 0,
        "SUSPENDING": 1,
        "SUSPENDED": 2,
        "DUMPING": 3,
        "UNDUMPING": 4,
        "UNDUMPED": 5,
    }


# Diagnostics


def writing(*before: str) -> tuple[Context, File]:
    """Return a context that was to say something before it had a file for that."""
    context, file = Context(0, [].append), File()
    for text in before:
        context.say(text)
        context.flush()
    context.set_error_file(file)
    return context, file


def test_the_diagnostics_of_a_request_are_written_at_once_and_once() -> None:
    context, file = writing()
    context.say("one")
    context.say("two")
    assert file.writes == []
    for _ in range(2):
        context.flush()
        assert file.writes == [b"Error: one\nError: two\n"]


def test_without_a_file_they_are_lost() -> None:
    context, file = writing("lost")
    context.flush()
    assert file.writes == []


@pytest.mark.parametrize("length", [4096 - 8, 4096 - 7, 4096, 2 * 4096])
def test_what_does_not_fit_in_the_page_is_lost(length: int) -> None:
    context, file = writing()
    context.say("x" * length)
    context.say("more")
    context.flush()
    assert PAGE_SIZE == 4096
    assert file.writes == [f"Error: {'x' * length}\nError: more\n".encode()[:4096]]


# What a context holds


@pytest.mark.parametrize("set_file", [Context.set_error_file, Context.set_dump_file])
def test_another_file_closes_the_first(set_file: Callable[[Context, File], None]) -> None:
    context, first, second = Context(0, [].append), File(), File()
    set_file(context, first)
    set_file(context, second)
    assert (first.closed, second.closed) == (1, 0)


def test_a_context_that_ends_closes_its_files_once() -> None:
    context, errors, image = Context(0, [].append), File(), File()
    context.set_error_file(errors)
    context.set_dump_file(image)
    context.release()
    context.release()
    assert (errors.closed, image.closed) == (1, 1)


# All of them


def test_a_fresh_context_has_no_name_and_is_idle() -> None:
    contexts = Contexts([].append)
    context = contexts.create()
    assert (context.contextid, context.veid, context.state) == (0, 0, ContextState.IDLE)
    assert list(contexts) == [context]


def test_a_context_ends_with_its_last_user_and_lets_go_of_its_files() -> None:
    contexts, file = Contexts([].append), File()
    context = contexts.create()
    context.set_error_file(file)
    context.users += 1
    assert not contexts.unbind(context)
    assert (list(contexts), file.closed) == ([context], 0)
    assert contexts.unbind(context)
    assert (list(contexts), file.closed) == ([], 1)


def test_a_sticky_context_outlives_its_users() -> None:
    contexts = Contexts([].append)
    context = contexts.create()
    context.sticky = True
    assert not contexts.unbind(context)
    assert list(contexts) == [context]


def test_no_two_contexts_have_the_same_address() -> None:
    contexts = Contexts([].append)
    first, second, third = (contexts.create() for _ in range(3))
    contexts.unbind(second)
    fourth = contexts.create()
    assert len({context.address for context in (first, third, fourth)}) == 3


def test_a_context_is_found_by_its_name_and_the_first_of_a_name() -> None:
    contexts = Contexts([].append)
    first, second = contexts.create(), contexts.create()
    second.contextid = 100
    assert contexts.find(100) is second
    assert contexts.find(0) is first
    assert contexts.find(7) is None


def test_a_context_is_a_line_of_the_list_under_its_header() -> None:
    contexts = Contexts([].append)
    assert contexts.listing() == HEADER
    context = contexts.create()
    context.contextid, context.veid, context.state = 0x64, 101, ContextState.SUSPENDED
    contexts.create().state = ContextState.ERROR
    lines = contexts.listing().removeprefix(HEADER).splitlines()
    assert [line[16:] for line in lines] == [" 00000064 101      2", " 00000000 0        -1"]
    assert all(int(line[:16], 16) for line in lines)


def test_a_suspended_container_is_held_by_a_context_of_its_name_that_stays() -> None:
    contexts = Contexts([].append)
    contexts.hold(113)
    (context,) = contexts
    assert (context.contextid, context.veid, context.state) == (113, 113, ContextState.SUSPENDED)
    context.users += 1
    assert not contexts.unbind(context)
    assert contexts.find(113) is context
