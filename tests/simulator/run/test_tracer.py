"""A thread that is made to enter a folder; that it does is in test_names.py."""

import errno
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

from simulator.run import tracer
from simulator.run.remote import RemoteProcess
from simulator.run.seccomp import Notification
from simulator.run.system_calls import AUDIT_ARCH_X86_64
from simulator.run.tracer import enter_folder
from support.running import guest
from support.simulated_nodes import failing


class SilentListener:
    """A listener whose process gets all that it is handed."""

    def put_file(self, _: Notification, __: int) -> int:
        return 9

    def answer(self, _: Notification, __: int) -> None:
        pass


def process(tid: int) -> RemoteProcess:
    call = Notification(1, tid, AUDIT_ARCH_X86_64, 80, (0, 0, 0, 0, 0, 0))
    return RemoteProcess(call, 0, 0, lambda: True)


def enter(tid: int) -> None:
    listener: Any = SilentListener()
    enter_folder(listener, process(tid), 0)


def test_a_thread_that_cannot_be_traced_may_not_enter() -> None:
    with failing(errno.EACCES):
        enter(os.getpid())


def test_one_that_ends_meanwhile_needs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "100"]) as child:

        def end(*_: object, **__: object) -> None:
            child.kill()
            raise ProcessLookupError

        monkeypatch.setattr(tracer, "_make_calls", end)
        enter(child.pid)
        child.wait()
    assert child.returncode == -signal.SIGKILL


def test_one_that_is_killed_while_it_is_waited_for() -> None:
    with subprocess.Popen(["sleep", "100"]) as child:
        tracer._ptrace(tracer._SEIZE, child.pid)
        child.kill()
        with pytest.raises(ProcessLookupError):
            tracer._wait(child.pid)


def test_a_stop_that_is_another_event_is_no_step(monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel times such a stop, and no test can.
    event = signal.SIGTRAP << 8 | 0x7F | 128 << 16
    stops = iter([event, signal.SIGUSR1 << 8 | 0x7F, signal.SIGTRAP << 8 | 0x7F])
    steps: list[int] = []
    monkeypatch.setattr(os, "waitpid", lambda tid, _: (tid, next(stops)))
    monkeypatch.setattr(tracer, "_ptrace", lambda request, _: steps.append(request))
    assert tracer._wait(1, step=True) == [signal.SIGUSR1]
    assert steps == [tracer._SINGLESTEP] * 2


#: A process gets signals all the time while it enters folders.
BUSY = """
import os, signal, threading
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(200):
    os.chdir("/proc/vz")
    assert os.getcwd() == "/proc/vz"
    os.chdir("..")
    assert os.getcwd() == "/proc"
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(seen) > 10, len(os.listdir("/proc/self/fd")))
"""


def test_signals_that_come_meanwhile_are_not_lost() -> None:
    ended = guest(BUSY)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True 4\n", "")


def test_one_that_strace_traces_may_not_enter() -> None:
    ended = guest(f"""
        import ctypes, os
        pid = os.fork()
        if not pid:
            ctypes.CDLL(None).ptrace(0, 0, 0, 0)
            try:
                os.chdir("/proc/vz")
            except OSError as error:
                os._exit(error.errno)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == {errno.EACCES})
    """)
    assert ended.stdout == "True\n", (ended.stderr, sys.version)
