"""Run a program on a simulated node: start it under a filter, and answer it until it ends."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import MappingProxyType

from simulator.kernel.kernel import SimulatedKernel
from simulator.run.program import Program
from simulator.run.supervisor import Door, Place
from simulator.run.trees import Runner

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_NO_HOSTS: Mapping[str, SimulatedKernel] = MappingProxyType({})


@contextmanager
def forwarding(send: Callable[[int], None]) -> Iterator[None]:
    """Forward signals that this process receives to the program."""
    before = {one: signal.signal(one, lambda number, _: send(number)) for one in _FORWARDED}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # A terminal sends this one to the program as well.
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(  # noqa: PLR0913 (each is an option of its own)
    kernel: SimulatedKernel,
    command: Sequence[str],
    *,
    uid: int | None = None,
    ctid: int = 0,
    node_for: Mapping[str, SimulatedKernel] = _NO_HOSTS,
    sshd_for: Mapping[str, SimulatedKernel] = _NO_HOSTS,
) -> int:
    """Run a command, with all that it starts, on a node; return its wait status.

    The node sees the user ``uid``, or root if that is None, in the container ``ctid``. The
    command's ssh reaches the nodes in ``node_for``, by host name, and those in ``sshd_for``
    through a real sshd. Processes that are left when the command ends are killed. Raises RunError
    if this machine cannot do it.
    """
    with ExitStack() as undo, Runner() as runner:
        doors: Mapping[str, Door] = {}
        environment = None
        if node_for or sshd_for:
            doors, environment = _reach(node_for, sshd_for, runner, undo)
        place = Place(kernel, uid=uid, ctid=ctid, doors=doors)
        tree = runner.start(place, Program(tuple(command), environment))
        with forwarding(tree.send):
            return runner.serve_until_ended(tree)


def _reach(
    node_for: Mapping[str, SimulatedKernel],
    sshd_for: Mapping[str, SimulatedKernel],
    runner: Runner,
    undo: ExitStack,
) -> tuple[Mapping[str, Door], Mapping[str, str]]:
    """Make other nodes reachable by ssh; return the doors and the environment for it."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from simulator.run.ssh import Host, Ssh, put_ssh_on_path, ssh_options, start_sshds

    folder = Path(undo.enter_context(TemporaryDirectory(prefix="vzcptsim-")))
    environment = put_ssh_on_path(folder)
    options = ssh_options(folder)
    hosts = [
        *(Host(name, kernel) for name, kernel in node_for.items()),
        *(Host(name, kernel, options) for name, kernel in sshd_for.items()),
    ]
    ssh = Ssh(runner, hosts)
    start_sshds(ssh, folder, environment)
    return ssh.doors, environment


def end_as(status: int) -> int:
    """Return the exit status of a wait status, or end this process by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError):  # SIGKILL has no handler to take away.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)
