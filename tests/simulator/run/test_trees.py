"""Several programs on nodes, served by one process: how they end, and what is left of them."""

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.run.trees import Loop
from support.running import HEADER, UNMEASURED, has_ended, supervise, wait_for


def test_many_trees_at_once_end_each_with_its_status_and_leave_nothing() -> None:
    ended = supervise(
        """
        before, told = open_files(), []
        with Runner() as runner:
            trees = []
            for number in range(30):
                script = f"test -e /proc/cpt && exit {number}"
                place = Place(kernel, hostname=f"host{number}")
                tree = runner.start(place, Program(("sh", "-c", script)), told.append)
                trees.append(tree)
            statuses = [runner.serve_until_ended(tree) for tree in trees]
        print(statuses == [number << 8 for number in range(30)])
        print(sorted(told) == statuses, all(tree.is_over for tree in trees))
        print(open_files() - before, children())
    """,
        UNMEASURED,
    )
    assert (ended.stdout, ended.stderr) == ("True\nTrue True\n0 []\n", "")


def test_one_after_the_other_leaves_nothing_either() -> None:
    ended = supervise(
        """
        counted = []
        with Runner() as runner:
            for number in range(30):
                tree = runner.start(Place(kernel), Program(("true",)))
                runner.serve_until_ended(tree)
                turn_until(runner, lambda: tree.is_over)
                counted.append((open_files(), len(children()), len(runner._trees)))
        print(len(set(counted)), counted[0][1:])
    """,
        UNMEASURED,
    )
    assert (ended.stdout, ended.stderr) == ("1 (0, 1)\n", "")


def test_each_has_a_node_of_its_own() -> None:
    ended = supervise("""
        other = node("2.6.32-042stab061.9")
        with Runner() as runner:
            for one in (kernel, other, kernel):
                tree = runner.start(Place(one), Program(("uname", "-r")))
                runner.serve_until_ended(tree)
    """)
    assert ended.stdout == "2.6.32-042stab141.3\n2.6.32-042stab061.9\n2.6.32-042stab141.3\n"


def test_none_has_a_hold_on_another() -> None:
    ended = supervise("""
        HELD = "for fd in /proc/$$/fd/*; do test -e $fd && echo ${fd##*/}; done"
        with Runner() as runner:
            runner.start(Place(kernel), Program(("sleep", "1000")))
            tree = runner.start(Place(kernel), Program(("sh", "-c", HELD)))
            runner.serve_until_ended(tree)
    """)
    assert (ended.stdout, ended.stderr) == ("0\n1\n2\n", "")


def test_what_has_been_left_running_is_served_while_there_are_others(tmp_path: Path) -> None:
    ended = supervise(f"""
        os.chdir({str(tmp_path)!r})
        later = "until test -e go; do sleep 0.02; done; cat /proc/cpt > part; mv part said"
        with Runner() as runner:
            tree = runner.start(Place(kernel), Program(("sh", "-c", f"({{later}}) & exit 3")))
            print(runner.serve_until_ended(tree) >> 8, tree.is_over)
            open("go", "w").close()
            turn_until(runner, lambda: os.path.exists("said"))
            turn_until(runner, lambda: tree.is_over)
    """)
    assert (ended.stdout, ended.stderr) == ("3 False\n", "")
    assert (tmp_path / "said").read_text() == HEADER


# Who loads a program while the supervisor goes is told ENOSYS, and says so.
DAEMON = "setsid -f sh -c 'echo $$ > part; mv part daemon; exec sleep 1000 2>/dev/null'; "


def test_an_end_is_told_once_whatever_becomes_of_the_keeper(tmp_path: Path) -> None:
    ended = supervise(f"""
        os.chdir({str(tmp_path)!r})
        told = []
        with Runner() as runner:
            command = ("sh", "-c", {DAEMON!r} + "until test -e daemon; do sleep 0.02; done")
            tree = runner.start(Place(kernel), Program(command), told.append)
            runner.serve_until_ended(tree)
            os.kill(tree.keeper, signal.SIGKILL)
            turn_until(runner, lambda: tree.is_over)
            print(told, tree.status)
        print(children())
    """)
    assert (ended.stdout, ended.stderr) == ("[0] 0\n[]\n", "")
    assert has_ended(int((tmp_path / "daemon").read_text()))


def test_a_keeper_that_is_killed_takes_its_tree_along_and_no_other() -> None:
    ended = supervise("""
        told = []
        with Runner() as runner:
            tree, other = [
                runner.start(Place(kernel), Program(("sleep", "1000")), told.append)
                for _ in range(2)
            ]
            os.kill(tree.keeper, signal.SIGKILL)
            print(runner.serve_until_ended(tree), tree.is_over, len(told), other.status)
            other.send(signal.SIGTERM)
            print(runner.serve_until_ended(other))
    """)
    assert (ended.stdout, ended.stderr) == ("9 True 1 None\n15\n", "")


def test_what_is_over_is_sent_nothing() -> None:
    ended = supervise("""
        with Runner() as runner:
            tree = runner.start(Place(kernel), Program(("true",)))
            turn_until(runner, lambda: tree.is_over)
            sent = []
            os.kill = lambda *words: sent.append(words)
            tree.send(signal.SIGTERM)
            tree.end()
        print(sent)
    """)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


def test_a_program_that_has_just_ended_may_be_sent_a_signal() -> None:
    ended = supervise("""
        with Runner() as runner:
            tree = runner.start(Place(kernel), Program(("sleep", "1000")))
            os.kill(tree.pid, signal.SIGKILL)
            while os.path.exists(f"/proc/{tree.pid}"):
                time.sleep(0.01)
            tree.send(signal.SIGTERM)
            print(tree.status, runner.serve_until_ended(tree))
    """)
    assert (ended.stdout, ended.stderr) == ("None 9\n", "")


def test_children_that_there_were_before_are_not_touched() -> None:
    ended = supervise("""
        with subprocess.Popen(["sleep", "1000"]) as stranger:
            with Runner() as runner:
                command = ("sh", "-c", "setsid -f sleep 1000")
                tree = runner.start(Place(kernel), Program(command))
                os.kill(tree.keeper, signal.SIGKILL)
                runner.serve_until_ended(tree)
            print(children() == [stranger.pid], stranger.poll())
            stranger.kill()
    """)
    assert (ended.stdout, ended.stderr) == ("True None\n", "")


def test_a_mistake_of_ours_ends_all_trees(tmp_path: Path) -> None:
    ended = supervise(f"""
        os.chdir({str(tmp_path)!r})
        with Runner() as runner:
            tree = runner.start(Place(kernel), Program(("sh", "-c", {DAEMON!r} + "sleep 1000")))
            turn_until(runner, lambda: os.path.exists("daemon"))
            1 / 0
    """)
    assert ended.stderr.endswith("ZeroDivisionError: division by zero\n")
    wait_for(lambda: has_ended(int((tmp_path / "daemon").read_text())))


#: What goes wrong when a program is to be started, and what is said of it.
FAILURES = {
    """
        Supervisor = trees.Supervisor
        def starve(*words, **options):
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                return Supervisor(*words, **options)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        trees.Supervisor = starve
    """: "no supervisor: Too many open files",
    """
        def fork():
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        os.fork = fork
    """: "no process: Resource temporarily unavailable",
    """
        def refuse(_):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        program.install_filter = refuse
    """: "no filter: Function not implemented; this takes Linux 5.9 or later",
}


@pytest.mark.parametrize(("failure", "says"), FAILURES.items(), ids=range(3))
def test_a_program_not_served_is_said_and_nothing_is_left(failure: str, says: str) -> None:
    ended = supervise(f"""
        {failure}
        before = open_files()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        with Runner() as runner:
            try:
                runner.start(Place(kernel), Program(("sleep", "1000")))
            except trees.RunError as error:
                print(error)
        print(open_files() - before, children(), runner._trees)
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask)
    """)
    said, *left = ended.stdout.splitlines()
    assert said.startswith(says)
    assert (left, ended.stderr) == (["0 [] []", "True"], "")


# What is waited for: descriptors, and the reactions to them


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
