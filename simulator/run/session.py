"""Run a program on a simulated node: start it under a filter, and answer it until it ends."""

import os
import signal
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Self

from msgspec.structs import replace

from simulator.kernel.kernel import SimulatedKernel
from simulator.run.mounts import Mount, may_mount
from simulator.run.program import Program
from simulator.run.seccomp import LIBC, checked
from simulator.run.supervisor import Place
from simulator.run.trees import Runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simulator.run.ssh import Host, Ssh

_FORWARDED = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

#: signalfd(2): a set of signals with SIGINT, its flags, and a signal's code in what it reads.
_INTERRUPT = (1 << signal.SIGINT - 1).to_bytes(128, "little")
_CLOEXEC_NONBLOCK = 0o2004000
_SIGNAL_SIZE = 128
_SIGNAL_CODE = struct.Struct("=8xi")
_SENT_BY_KERNEL = 0x80


@contextmanager
def forwarding(send: Callable[[int], None]) -> Iterator[None]:
    """Forward signals that this process receives to the program."""
    before = {one: signal.signal(one, lambda number, _: send(number)) for one in _FORWARDED}
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # A terminal sends this one to the program as well; interrupting() tells who sent it.
        before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def interrupting(runner: Runner) -> Iterator[None]:
    """Interrupt all programs when somebody interrupts this process alone, as Ctrl-C would.

    A terminal interrupts them by itself, and says in the signal that the kernel has sent it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    fd = checked(LIBC.signalfd(-1, _INTERRUPT, _CLOEXEC_NONBLOCK))

    def hear(_: int) -> None:
        with suppress(BlockingIOError):
            if _SIGNAL_CODE.unpack_from(os.read(fd, _SIGNAL_SIZE))[0] != _SENT_BY_KERNEL:
                runner.interrupt()

    runner.loop.watch(fd, hear)
    try:
        yield
    finally:
        runner.loop.forget(fd)
        hear(0)
        os.close(fd)
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)


def run(  # noqa: PLR0913 (each is an option of its own)
    kernel: SimulatedKernel,
    command: Sequence[str],
    *,
    uid: int | None = None,
    ctid: int = 0,
    mounts: tuple[Mount, ...] = (),
    hosts: Iterable["Host"] = (),
    reads_bashrc: bool = False,
    remark: Callable[[str], None] = lambda _: None,
    status_fd: int | None = None,
) -> int:
    """Run a command, with all that it starts, on a node; return its wait status.

    The node sees the user ``uid``, or root if that is None, in the container ``ctid``. The
    command's file system has ``mounts``, and its ssh reaches ``hosts``, whose real sshds let bash
    read ~/.bashrc if ``reads_bashrc``. ``remark`` is called with what works in part here.
    Processes that are left when the command ends are killed. To ``status_fd`` its exit
    status is written, and nothing where it cannot be executed. Raises RunError if this machine
    cannot do it.
    """
    with ExitStack() as undo, Runner() as runner:
        place = Place(kernel, uid=uid, ctid=ctid)
        failures = None if status_fd is None else undo.enter_context(_Failures(status_fd))
        program = Program(
            tuple(command), mounts=mounts, failures=None if failures is None else failures.writing
        )
        if hosts:
            ssh, environment = _reach(hosts, runner, undo, reads_bashrc, remark)
            place = replace(place, doors=ssh.doors)
            program = replace(program, environment=environment, mounts=(*mounts, *ssh.mounts))
        tree = runner.start(place, program)
        with forwarding(tree.send), interrupting(runner):
            status = runner.serve_until_ended(tree)
        if failures:
            failures.tell(status)
        return status


class _Failures:
    """Tells a status where nothing came of its command's failing to be executed.

    The command inherits neither descriptor.
    """

    def __init__(self, status_fd: int) -> None:
        os.set_inheritable(status_fd, False)
        self._status_fd = status_fd
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._reading)
        os.close(self.writing)

    def tell(self, status: int) -> None:
        """Write a wait status as an exit status, or the negative number of a signal."""
        try:
            os.read(self._reading, 1)
        except BlockingIOError:
            os.write(self._status_fd, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _reach(
    hosts: Iterable["Host"],
    runner: Runner,
    undo: ExitStack,
    reads_bashrc: bool,
    remark: Callable[[str], None],
) -> tuple["Ssh", Mapping[str, str]]:
    """Make hosts reachable by ssh; return what does it, and the environment for it."""
    from pathlib import Path

    from simulator.run.ssh import Ssh, put_ssh_at_its_paths, put_ssh_on_path, start_sshds
    from simulator.run.temporary import OwnFolder, remove_leftovers

    remove_leftovers()
    folder = Path(undo.enter_context(OwnFolder()))
    environment = put_ssh_on_path(folder)
    mounts = put_ssh_at_its_paths(folder)
    if mounts and not may_mount():
        remark(
            f"mount namespaces are not allowed here: who calls {mounts[-1].target} by that path, "
            "as scp and sftp do, gets this machine's; -S ssh helps them"
        )
        mounts = ()
    ssh = Ssh(runner, hosts, mounts)
    start_sshds(ssh, folder, environment, reads_bashrc=reads_bashrc)
    sharing = ", ".join(host.name for host in ssh.hosts.values() if not host.mounts)
    if sharing:
        remark(f"{sharing}: files are this machine's, unless --root-for gives others")
    return ssh, environment


def end_as(status: int) -> int:
    """Return the exit status of a wait status, or end this process by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with suppress(OSError):  # SIGKILL has no handler to take away.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.waitstatus_to_exitcode(status)
