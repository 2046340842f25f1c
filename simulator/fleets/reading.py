"""Fleets read from profiles: a large one in as many processes as there are processors.

Each process reads some of the nodes in a row, and hands back their classes and notes. What it does
not hand back, from the first node that it cannot read on, is read here: the fleet, and any error,
is the same whatever the number of processes.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, BinaryIO, Generic, NamedTuple, NoReturn, TypeVar

from simulator.errors import UserError
from simulator.fleets.fleet import Fleet, Gathering, Member, Part
from simulator.profiles.bare_node import AnyNode
from simulator.profiles.nodes import Source, load
from simulator.verdicts.engine import CPT, Engine

_Note = TypeVar("_Note")

#: A process more pays for itself where it reads as many nodes.
NODES_PER_PROCESS = 1000

#: One node in so many is read before other processes start.
_FIRST = 20


class _Share(NamedTuple, Generic[_Note]):
    """What a process has read: nodes up to the first that cannot be, and a note on each."""

    part: Part
    notes: list[_Note]


def read_fleet(
    nodes: Sequence[Source],
    note: Callable[[AnyNode], _Note],
    seen: Callable[[str, _Note], object] = lambda _, __: None,
    *,
    engine: Engine[Any] = CPT,
    processes: int | None = None,
) -> Fleet:
    """Read nodes; ``seen`` is called with the name of each, and the note on it.

    Those of standard input come one by one, in one process. UserError is raised for the first
    node, in their order, that cannot be read or added.
    """
    if any(node.is_stream for node in nodes):
        processes = 1
    elif processes is None:
        processes = min(len(os.sched_getaffinity(0)), len(nodes) // NODES_PER_PROCESS)
    gathering = Gathering(engine)
    if processes < 2:
        _read_on(gathering, nodes, note, seen)
        return gathering.fleet()
    # What the first nodes have in common with the others, each process remembers from here.
    first = len(nodes) // _FIRST
    _read_on(gathering, nodes[:first], note, seen)
    size = -(-(len(nodes) - first) // processes)
    shares = [nodes[begin : begin + size] for begin in range(first, len(nodes), size)]
    with _reading_apart(shares, note, engine) as pipes:
        for share, pipe in zip(shares, pipes, strict=True):
            read: _Share[_Note] = _receive(pipe)
            gathering.add_part(read.part)
            for member, noted in zip(read.part.members, read.notes, strict=True):
                seen(member.name, noted)
            _read_on(gathering, share[len(read.notes) :], note, seen)
    return gathering.fleet()


def _read_on(
    gathering: Gathering,
    nodes: Sequence[Source],
    note: Callable[[AnyNode], _Note],
    seen: Callable[[str, _Note], object],
) -> None:
    for profile in chain.from_iterable(map(load, nodes)):
        gathering.add(profile)
        seen(profile.name, note(profile))


@contextmanager
def _reading_apart(
    shares: Sequence[Sequence[Source]], note: Callable[[AnyNode], _Note], engine: Engine[Any]
) -> Iterator[list[BinaryIO]]:
    """Start a process for each share; wait for all of them, or end them where something fails."""
    pids: list[int] = []
    pipes: list[BinaryIO] = []
    try:
        with _uninterrupted():
            for share in shares:
                reading, writing = os.pipe()
                pids.append(os.fork() or _hand_back(share, note, writing, engine))
                os.close(writing)
                pipes.append(open(reading, "rb"))  # noqa: SIM115 (closed below)
        yield pipes
    except BaseException:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        raise
    finally:
        for pipe in pipes:
            pipe.close()
        for pid in pids:
            os.waitpid(pid, 0)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let an interrupt wait; in processes that are started here, until they are ended."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _hand_back(
    nodes: Sequence[Source],
    note: Callable[[AnyNode], object],
    writing: int,
    engine: Engine[Any],
) -> NoReturn:
    """Read nodes in a process of its own, write what came of them to a pipe, and end."""
    import pickle

    from msgspec.msgpack import encode

    try:
        gathering, notes = Gathering(engine), []
        with suppress(UserError):  # It is raised where the node is read again.
            _read_on(gathering, nodes, note, lambda _, noted: notes.append(noted))
        with open(writing, "wb") as pipe:
            members, *classes = gathering.part()
            pickle.dump((encode(members), classes, notes), pipe, pickle.HIGHEST_PROTOCOL)
    finally:
        os._exit(0)


def _receive(pipe: BinaryIO) -> _Share[_Note]:
    """Return what a process hands back; nothing where it ended before.

    It has ended, too, where a node's name is no text that can be encoded.
    """
    import pickle

    from msgspec.msgpack import decode

    try:
        members, classes, notes = pickle.load(pipe)  # noqa: S301 (this program's own)
    except (EOFError, pickle.UnpicklingError):
        return _Share(Part((), (), ()), [])
    return _Share(Part(decode(members, type=tuple[Member, ...]), *classes), notes)
