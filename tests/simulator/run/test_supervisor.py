"""What a supervisor does when something goes wrong; what it does else is in test_run.py."""

import ctypes
import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.profiles.store import load_node
from simulator.run.called_paths import CalledPaths
from simulator.run.machine import Root, Roots
from simulator.run.opened import OpenFiles
from simulator.run.seccomp import Notification
from simulator.run.session import end_as, forwarding
from simulator.run.supervisor import Place, Supervisor
from simulator.run.system_calls import AUDIT_ARCH_X86_64, SYSCALLS

UNAME = Notification(1, os.getpid(), AUDIT_ARCH_X86_64, 63, (0, 0, 0, 0, 0, 0))


class OneListener:
    """A listener with one notification, or with none."""

    def __init__(self, notification: Notification | None) -> None:
        self.fd = os.open("/dev/null", os.O_RDONLY)
        self.failed: list[int] = []
        self._notification = notification

    def receive(self) -> Notification | None:
        return self._notification

    def is_valid(self, _: Notification) -> bool:
        return True

    def fail(self, _: Notification, number: int) -> None:
        self.failed.append(number)


@pytest.fixture
def supervised() -> Iterator[list[Supervisor]]:
    made: list[Supervisor] = []
    yield made
    for one in made:
        one.close()


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def supervise(made: list[Supervisor], listener: OneListener) -> Supervisor:
    kernel = load_node("042stab141.3.SandyBridge.default").boot()
    made.append(Supervisor(Place(kernel), listener))  # type: ignore[arg-type]
    return made[-1]


def test_a_process_that_is_gone_is_not_served(supervised: list[Supervisor]) -> None:
    listener = OneListener(None)
    supervise(supervised, listener).serve()
    assert listener.failed == []


def test_a_call_that_cannot_be_answered_fails_as_it_would(supervised: list[Supervisor]) -> None:
    listener = OneListener(UNAME)
    supervise(supervised, listener).serve()
    assert listener.failed == [errno.EFAULT]


def test_a_mistake_of_ours_leaves_nobody_waiting(
    supervised: list[Supervisor], monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = OneListener(UNAME)
    supervisor = supervise(supervised, listener)
    monkeypatch.setattr(supervisor, "_handle", lambda _: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        supervisor.serve()
    assert listener.failed == [errno.EIO]


def test_a_thread_that_is_gone_while_its_root_is_looked_at_is_not_told_of() -> None:
    kernel = load_node("042stab141.3.SandyBridge.default").boot()
    path = ctypes.create_string_buffer(b"/etc/passwd")
    words = (ctypes.addressof(path), 0, 0, 0, 0, 0)
    number = SYSCALLS[AUDIT_ARCH_X86_64]["open"]
    call = Notification(1, os.getpid(), AUDIT_ARCH_X86_64, number, words)
    paths = CalledPaths(kernel, {}, roots_differ=True)
    assert not paths.is_elsewhere(call), "nothing is remembered yet"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Roots, "of", _gone)
        assert not paths.is_elsewhere(call)
    paths.close()


def _gone(*_: object) -> Root:
    raise FileNotFoundError(errno.ENOENT, "gone")


def test_inotify_that_cannot_be_had_is_an_error(supervised: list[Supervisor]) -> None:
    listener = OneListener(None)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kernel = load_node("042stab141.3.SandyBridge.default").boot()
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError) as caught:
            Supervisor(Place(kernel), listener)  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    os.close(listener.fd)
    assert caught.value.errno == errno.EMFILE


def test_a_file_that_cannot_be_watched_is_an_error() -> None:
    before = open_descriptors()
    files = OpenFiles()
    device = load_node("042stab141.3.SandyBridge.default").boot().cpt.open()
    os.close(files.inotify)
    with pytest.raises(OSError):
        files.serve(device, "/proc/cpt", os.O_RDWR)
    assert open_descriptors() == before


def test_a_file_that_is_open_at_the_end_is_closed() -> None:
    before = open_descriptors()
    files = OpenFiles()
    kernel = load_node("042stab141.3.SandyBridge.default").boot()
    contexts = list(kernel.cpt.contexts)
    device = kernel.cpt.open()
    device.bound_context()
    files.serve(device, "/proc/cpt", os.O_RDWR).close()
    files.close()
    assert list(kernel.cpt.contexts) == contexts
    assert open_descriptors() == before


@pytest.mark.parametrize("number", [15, 9])
def test_to_end_as_another_is_to_take_its_signal(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, sign: sent.append((pid, sign)))
    monkeypatch.setattr("signal.signal", _handler)
    assert end_as(number) == -number
    assert sent == [(os.getpid(), number)]


def _handler(number: int, _: object) -> None:
    if number == 9:
        raise OSError(errno.EINVAL, "refused")


@pytest.mark.parametrize(
    ("number", "before", "handed_on"),
    [
        *((one, signal.SIG_DFL, [one]) for one in (signal.SIGTERM, signal.SIGHUP)),
        *((one, signal.SIG_DFL, [one]) for one in (signal.SIGUSR1, signal.SIGUSR2)),
        # A terminal sends an interrupt to the program itself.
        (signal.SIGINT, signal.default_int_handler, []),
        (signal.SIGINT, signal.SIG_IGN, []),
    ],
)
def test_signals_are_handed_on_for_as_long_as_there_is_who_takes_them(
    number: signal.Signals, before: signal.Handlers, handed_on: list[int]
) -> None:
    sent: list[int] = []
    kept = signal.signal(number, before)
    try:
        with forwarding(sent.append):
            is_left_alone = signal.getsignal(number) is before
            signal.raise_signal(number)
        assert (sent, is_left_alone) == (handed_on, before is signal.SIG_IGN)
        assert signal.getsignal(number) is before
    finally:
        signal.signal(number, kept)
