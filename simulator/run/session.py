"""Run any program on a simulated node: start it under a filter, and be its kernel until it ends."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, MappingProxyType

from simulator.kernel.kernel import SimulatedKernel
from simulator.run.program import Program
from simulator.run.ssh import Host, Ssh, put_ssh_on_path
from simulator.run.sshd import ssh_options, start_sshds
from simulator.run.supervisor import Place
from simulator.run.trees import Runner

_NO_HOSTS: Mapping[str, SimulatedKernel] = MappingProxyType({})


class Forwarding:
    """Signals that ask this process to do something go to the program, which decides."""

    _SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> None:
        for number in self._SIGNALS:
            self._before[number] = signal.signal(number, self._forward)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            # A terminal sends this one to the program as well.
            self._before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _forward(self, number: int, _: FrameType | None) -> None:
        self._send(number)


def run(  # noqa: PLR0913 (each is an option of its own)
    kernel: SimulatedKernel,
    command: Sequence[str],
    *,
    uid: int | None = None,
    ctid: int = 0,
    node_for: Mapping[str, SimulatedKernel] = _NO_HOSTS,
    sshd_for: Mapping[str, SimulatedKernel] = _NO_HOSTS,
) -> int:
    """Run a command and all that it starts on a node; return its status as wait() gives it.

    To the node, who runs it is root, or else the user ``uid``; ``ctid`` is the container that
    it runs in. ``node_for`` has other nodes that its ssh reaches, by host name; ``sshd_for``
    those that it reaches through a real sshd. What is left when it ends is ended too. RunError
    where this machine cannot.
    """
    with ExitStack() as undo, Runner() as runner:
        place, environment = Place(kernel, uid=uid, ctid=ctid), None
        if node_for or sshd_for:
            folder = Path(undo.enter_context(TemporaryDirectory(prefix="vzcptsim-")))
            environment = put_ssh_on_path(folder)
            ssh = Ssh(runner, _hosts(node_for, sshd_for, folder))
            start_sshds(ssh, folder, environment)
            place = replace(place, doors=ssh.doors)
        tree = runner.start(place, Program(tuple(command), environment))
        with Forwarding(tree.send):
            return runner.serve_until_ended(tree)


def _hosts(
    node_for: Mapping[str, SimulatedKernel], sshd_for: Mapping[str, SimulatedKernel], folder: Path
) -> list[Host]:
    options = ssh_options(folder)
    return [
        *(Host(name, kernel) for name, kernel in node_for.items()),
        *(Host(name, kernel, options) for name, kernel in sshd_for.items()),
    ]


def end_as(status: int) -> int:
    """Return the exit status in a status of wait()'s, or end by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError):  # SIGKILL has no handler to take away.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)
