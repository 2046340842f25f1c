"""How a program is started: where, with what, and what its keeper does for it."""

import signal
from pathlib import Path

import pytest

from simulator.run import program
from support.running import UNMEASURED, guest, shell, supervise, write_program

#: Run a program that is described by these words, and end as it does.
RUN = """
with Runner() as runner:
    described = Program({words})
    status = runner.serve_until_ended(runner.start(Place(kernel), described))
    print(os.waitstatus_to_exitcode(status))
"""


def start(words: str) -> str:
    """Start a program in a process of its own; return what it prints, and its exit status."""
    ended = supervise(RUN.format(words=words))
    assert ended.stderr == ""
    return ended.stdout


class TestSurroundings:
    def test_what_is_not_said_is_as_it_is_here(self) -> None:
        script = """
            os.environ["HERE"] = "there"
            here = (os.getcwd(), os.getpgid(0), os.environ["HERE"])
            print(*here, flush=True)
            words = 'echo $(pwd) $(cut -d" " -f5 /proc/$$/stat) $HERE'
            with Runner() as runner:
                tree = runner.start(Place(kernel), Program(("sh", "-c", words)))
                runner.serve_until_ended(tree)
        """
        ended = supervise(script)
        expected, shown = ended.stdout.splitlines()
        assert (shown, ended.stderr) == (expected, "")

    @pytest.mark.parametrize("folder", ["/usr/bin", "/nowhere", "/dev/null"])
    def test_a_folder_that_cannot_be_entered_is_the_root(self, folder: str) -> None:
        shown = folder if folder == "/usr/bin" else "/"
        assert start(f"('/bin/pwd', '-L'), folder={folder!r}") == f"{shown}\n0\n"

    @pytest.mark.parametrize(("environment", "shown"), [({}, ""), ({"ONE": "1"}, "ONE=1\n")])
    def test_this_is_all_of_the_environment(self, environment: dict[str, str], shown: str) -> None:
        ended = supervise(RUN.format(words=f"('env',), environment={environment}"), UNMEASURED)
        assert ended.stdout == f"{shown}0\n"

    def test_a_program_is_found_on_the_path_of_its_environment(self, tmp_path: Path) -> None:
        write_program(tmp_path / "own-program", "#!/bin/sh\necho found\n")
        assert start(f"('own-program',), environment={{'PATH': {str(tmp_path)!r}}}") == "found\n0\n"

    def test_the_files_are_its_standard_ones_and_it_has_no_others(self, tmp_path: Path) -> None:
        (tmp_path / "in").write_text("said\n")
        script = f"""
            os.chdir({str(tmp_path)!r})
            opened = [open("in"), open("out", "w"), open("err", "w")]
            for one in opened:
                os.set_inheritable(one.fileno(), True)
            files = tuple(one.fileno() for one in opened)
            words = "cat; echo wrong >&2; test -e /proc/self/fd/$0 || echo closed"
            with Runner() as runner:
                command = ("sh", "-c", words, str(files[1]))
                tree = runner.start(Place(kernel), Program(command, files=files))
                print(runner.serve_until_ended(tree))
        """
        ended = supervise(script)
        assert (ended.stdout, ended.stderr) == ("0\n", "")
        assert (tmp_path / "out").read_text() == "said\nclosed\n"
        assert (tmp_path / "err").read_text() == "wrong\n"

    def test_the_files_may_be_standard_ones_in_another_order(self, tmp_path: Path) -> None:
        script = "('sh', '-c', 'echo out; echo err >&2'), files=(0, 2, 1)"
        ended = supervise(RUN.format(words=script))
        assert (ended.stdout, ended.stderr) == ("err\n0\n", "out\n")

    def test_the_group(self) -> None:
        script = """
            with subprocess.Popen(["sleep", "1000"], process_group=0) as leader, Runner() as runner:
                print(leader.pid, flush=True)
                command = ("sh", "-c", "cut -d' ' -f5 /proc/$$/stat")
                tree = runner.start(Place(kernel), Program(command, group=leader.pid))
                runner.serve_until_ended(tree)
                leader.kill()
        """
        leader, group = supervise(script).stdout.split()
        assert group == leader

    def test_a_group_that_is_gone_is_passed_over(self) -> None:
        script = """
            with subprocess.Popen(["true"], process_group=0) as leader:
                pass
            with Runner() as runner:
                command = ("sh", "-c", "cut -d' ' -f5 /proc/$$/stat")
                tree = runner.start(Place(kernel), Program(command, group=leader.pid))
                print(os.getpgid(0) if runner.serve_until_ended(tree) == 0 else "failed")
        """
        shown, expected = supervise(script).stdout.split()
        assert shown == expected

    def test_what_this_process_leaves_open_for_it_is_open(self) -> None:
        script = """
            reader, writer = os.pipe()
            os.set_inheritable(writer, True)
            with Runner() as runner:
                command = ("sh", "-c", f"echo through >&{writer}")
                runner.serve_until_ended(runner.start(Place(kernel), Program(command)))
            print(os.read(reader, 100))
        """
        assert supervise(script).stdout == "b'through\\n'\n"


def test_who_looks_too_late_whether_its_parent_lives_is_told_all_the_same() -> None:
    ended = supervise("""
        signal.signal(signal.SIGUSR1, lambda *_: print("gone"))
        program._end_with_parent(signal.SIGUSR1, os.getppid())
        print("lives")
        program._end_with_parent(signal.SIGUSR1, os.getpid())
    """)
    assert ended.stdout == "lives\ngone\n"


class TestSignals:
    def test_none_is_ignored_that_python_ignores(self) -> None:
        shown = shell("grep SigIgn /proc/self/status").stdout.split()[1]
        assert int(shown, 16) & (1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1) == 0

    def test_a_pipe_that_breaks_ends_its_writer(self) -> None:
        assert shell("(yes; echo $? >&2) | true").stderr == f"{128 + signal.SIGPIPE}\n"

    def test_a_file_that_grows_too_large_ends_its_writer(self, tmp_path: Path) -> None:
        script = f"ulimit -f 1; (exec dd if=/dev/zero of={tmp_path}/large bs=64k count=1); echo $?"
        assert shell(script).stdout == f"{128 + signal.SIGXFSZ}\n"

    def test_those_that_are_blocked_are_so_for_it_and_no_others(self) -> None:
        script = """
            signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGUSR2})
            with Runner() as runner:
                command = ("grep", "SigBlk", "/proc/self/status")
                runner.serve_until_ended(runner.start(Place(kernel), Program(command)))
            print(signal.pthread_sigmask(signal.SIG_BLOCK, ()) == {signal.SIGUSR2})
        """
        blocked = f"SigBlk:\t{1 << signal.SIGUSR2 - 1:016x}\n"
        assert supervise(script).stdout == f"{blocked}True\n"


class TestKeeper:
    def test_what_a_daemon_has_let_go_of_comes_to_its_end(self, tmp_path: Path) -> None:
        """Who reads the program's output waits neither for the daemon nor for the keeper."""
        script = f"""
            reader, writer = os.pipe()
            daemon = "setsid -f sh -c 'echo $$ > {tmp_path}/daemon; exec sleep 1000'"
            command = ("sh", "-c", daemon + " < /dev/null > /dev/null 2>&1; echo done")
            with open(os.devnull) as nothing, Runner() as runner:
                files = (nothing.fileno(), writer, writer)
                tree = runner.start(Place(kernel), Program(command, files=files))
                os.close(writer)
                runner.serve_until_ended(tree)
                print(os.read(reader, 100), os.read(reader, 100), tree.is_over)
        """
        assert supervise(script).stdout == "b'done\\n' b'' False\n"

    def test_it_reaps_orphans(self) -> None:
        ended = guest("""
            import os, time
            reader, writer = os.pipe()
            if os.fork() == 0:
                if os.fork() == 0:
                    os.write(writer, str(os.getpid()).encode())
                os._exit(0)
            os.wait()
            orphan = os.read(reader, 100).decode()
            while os.path.exists(f"/proc/{orphan}"):
                time.sleep(0.01)
            print("reaped")
        """)
        assert (ended.stdout, ended.stderr) == ("reaped\n", "")

    def test_it_holds_nothing_of_its_supervisors_open(self) -> None:
        script = """
            with Runner() as runner:
                tree = runner.start(Place(kernel), Program(("sleep", "1000")))
                def held():
                    folder = f"/proc/{tree.keeper}/fd"
                    return sorted(os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))
                turn_until(runner, lambda: held()[:-1] == [os.devnull] * 4)
                print(held()[-1].partition(":")[0])
        """
        assert supervise(script).stdout == "socket\n"

    def test_signals_of_the_terminal_do_not_end_it(self) -> None:
        script = """
            signal.signal(signal.SIGINT, lambda *_: None)
            with Runner() as runner:
                tree = runner.start(Place(kernel), Program(("sleep", "1000")))
                for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                    os.kill(tree.keeper, number)
                runner.loop.turn(50)
                print(tree.status)
                tree.send(signal.SIGKILL)
                print(runner.serve_until_ended(tree))
        """
        assert supervise(script).stdout == "None\n9\n"


def test_a_process_that_is_gone_has_no_descendants() -> None:
    gone = (1 << 22) + 1  # The kernel counts no further than to 1 << 22.
    assert program.descendants(gone) == []


def test_a_signal_that_comes_before_the_filter_ends_the_program_and_is_no_refusal() -> None:
    ended = supervise("""
        program._settle = lambda _: os.kill(os.getpid(), signal.SIGINT)
        print(session.run(kernel, ["true"]) == signal.SIGINT)
    """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True\n", "")
