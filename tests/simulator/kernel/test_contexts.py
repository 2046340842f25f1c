"""Checkpoint contexts: their page of diagnostics, what they hold, how they are listed."""

from dataclasses import dataclass, field

import pytest

from simulator.kernel.contexts import PAGE_SIZE, Context, Contexts, ContextState

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


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("ERROR", -1),
        ("IDLE", 0),
        ("SUSPENDING", 1),
        ("SUSPENDED", 2),
        ("DUMPING", 3),
        ("UNDUMPING", 4),
        ("UNDUMPED", 5),
    ],
)
def test_the_states_are_the_kernels(state: str, number: int) -> None:
    assert ContextState[state] == number


# Diagnostics


def test_the_diagnostics_of_a_request_are_written_at_once() -> None:
    file = File()
    context = Context(0)
    context.set_error_file(file)
    context.say("one")
    context.say("two")
    assert file.writes == []
    context.flush()
    assert file.writes == [b"Error: one\nError: two\n"]


def test_they_are_written_once() -> None:
    file = File()
    context = Context(0)
    context.set_error_file(file)
    context.say("one")
    context.flush()
    context.flush()
    assert file.writes == [b"Error: one\n"]


def test_without_a_file_they_are_lost() -> None:
    context = Context(0)
    context.say("lost")
    context.flush()
    file = File()
    context.set_error_file(file)
    context.flush()
    assert file.writes == []


@pytest.mark.parametrize("length", [PAGE_SIZE - 8, PAGE_SIZE - 7, PAGE_SIZE, 2 * PAGE_SIZE])
def test_what_does_not_fit_in_the_page_is_lost(length: int) -> None:
    file = File()
    context = Context(0)
    context.set_error_file(file)
    context.say("x" * length)
    context.say("more")
    context.flush()
    assert file.writes == [f"Error: {'x' * length}\nError: more\n".encode()[:4096]]


def test_a_page_has_4096_bytes() -> None:
    assert PAGE_SIZE == 4096


# What a context holds


def test_another_file_for_diagnostics_closes_the_first() -> None:
    context, first, second = Context(0), File(), File()
    context.set_error_file(first)
    context.set_error_file(second)
    assert (first.closed, second.closed) == (1, 0)


def test_another_image_file_closes_the_first() -> None:
    context, first, second = Context(0), File(), File()
    context.set_dump_file(first)
    context.set_dump_file(second)
    assert (first.closed, second.closed) == (1, 0)


def test_a_context_that_ends_closes_its_files_once() -> None:
    context, errors, image = Context(0), File(), File()
    context.set_error_file(errors)
    context.set_dump_file(image)
    context.release()
    context.release()
    assert (errors.closed, image.closed) == (1, 1)


# All of them


def test_a_fresh_context_has_no_name_and_is_idle() -> None:
    contexts = Contexts()
    context = contexts.create()
    assert (context.contextid, context.veid, context.state) == (0, 0, ContextState.IDLE)
    assert list(contexts) == [context]


def test_a_context_ends_with_its_last_user() -> None:
    contexts = Contexts()
    context = contexts.create()
    context.users += 1
    assert not contexts.unbind(context)
    assert list(contexts) == [context]
    assert contexts.unbind(context)
    assert list(contexts) == []


def test_a_context_that_ends_lets_go_of_its_files() -> None:
    contexts, file = Contexts(), File()
    context = contexts.create()
    context.set_error_file(file)
    contexts.unbind(context)
    assert file.closed == 1


def test_a_sticky_context_outlives_its_users() -> None:
    contexts = Contexts()
    context = contexts.create()
    context.sticky = True
    assert not contexts.unbind(context)
    assert list(contexts) == [context]


def test_no_two_contexts_have_the_same_address() -> None:
    contexts = Contexts()
    first, second, third = (contexts.create() for _ in range(3))
    contexts.unbind(second)
    fourth = contexts.create()
    assert len({context.address for context in (first, third, fourth)}) == 3


def test_a_context_is_found_by_its_name_and_the_first_of_a_name() -> None:
    contexts = Contexts()
    first, second = contexts.create(), contexts.create()
    second.contextid = 100
    assert contexts.find(100) is second
    assert contexts.find(0) is first
    assert contexts.find(7) is None


def test_an_empty_list_is_its_header() -> None:
    assert Contexts().listing() == HEADER


def test_a_context_is_a_line_of_the_list() -> None:
    contexts = Contexts()
    context = contexts.create()
    context.contextid, context.veid, context.state = 0x64, 101, ContextState.SUSPENDED
    contexts.create().state = ContextState.ERROR
    lines = contexts.listing().removeprefix(HEADER).splitlines()
    assert [line[16:] for line in lines] == [
        " 00000064 101      2",
        " 00000000 0        -1",
    ]
    assert all(int(line[:16], 16) for line in lines)


def test_a_suspended_container_is_held_by_a_context_of_its_name_that_stays() -> None:
    contexts = Contexts()
    contexts.hold(113)
    (context,) = contexts
    assert (context.contextid, context.veid, context.state) == (113, 113, ContextState.SUSPENDED)
    context.users += 1
    assert not contexts.unbind(context)
    assert contexts.find(113) is context
