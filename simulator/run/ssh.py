"""Other nodes by ssh: commands that programs of a run start there.

Our own ssh (ssh_client.py) comes first on PATH. Through a door, a path that only programs of the
run can open, it asks for a command to be run on another node. That is started as another tree,
with the files of this ssh and in its process group. Its status becomes the status of ssh.
"""

import errno
import os
import pwd
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from simulator.kernel.calls import fail
from simulator.kernel.kernel import SimulatedKernel
from simulator.run import ssh_client
from simulator.run.program import Program
from simulator.run.remote import RemoteProcess
from simulator.run.supervisor import Door, Place
from simulator.run.trees import RunError, Runner, Tree

_MESSAGE = 1 << 20
_FILES = 3
_TRUNCATED = socket.MSG_TRUNC | socket.MSG_CTRUNC
_SHELL = "/bin/sh"
_WRAPPER = '#!/bin/sh\nexec {python} -IS {client} "$0" "$@"\n'


class Host(Struct, frozen=True):
    """A node by its name for ssh; with ``options`` for the real ssh, it has a real sshd."""

    name: str
    kernel: SimulatedKernel
    options: tuple[str, ...] = ()


def put_ssh_on_path(folder: Path) -> dict[str, str]:
    """Put our ssh into a folder, and return an environment with that first on PATH.

    Only the user of this process can open the folder: others could not use the door.
    """
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir(0o700)
    python, client = shlex.quote(sys.executable), shlex.quote(ssh_client.__file__)
    wrapper.write_bytes(os.fsencode(_WRAPPER.format(python=python, client=client)))
    wrapper.chmod(0o755)
    # Twice: a signal may cut a call short before the supervisor hears of it, as real kernels never
    # do, and a shell that looks for ssh goes on to the next folder then (dash 0.5.12).
    folders = [*[str(wrapper.parent)] * 2, *os.get_exec_path()]
    return {**os.environ, "PATH": os.pathsep.join(folders)}


class Ssh:
    """The hosts that programs of a run can reach; names are compared without case."""

    def __init__(self, runner: Runner, hosts: Iterable[Host]) -> None:
        self.runner = runner
        self.hosts = {host.name.lower(): host for host in hosts}
        self.doors: Mapping[str, Door] = {ssh_client.DOOR: self._open}

    def start(
        self,
        host: Host,
        program: Program,
        uid: int = 0,
        ended: Callable[[int], None] = lambda _: None,
    ) -> Tree:
        """Start a program on a host, as the user ``uid`` there (0: root)."""
        place = Place(host.kernel, uid=uid or None, hostname=host.name, doors=self.doors)
        return self.runner.start(place, program, ended)

    def _open(self, process: RemoteProcess) -> int:
        """Open a connection if the process has this process's user: its command will have it."""
        if _user(process.tid) != os.getuid():
            raise fail(errno.EACCES)
        group = os.getpgid(process.tid)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        session = _Session(self, ours, process.uid, group)
        self.runner.loop.watch(ours.fileno(), lambda _: session.hear())
        return theirs.detach()


class _RefusalError(Exception):
    """A request is refused; the text is for the program that asks."""


class _Session(Struct, eq=False):
    """One connection of our ssh: its user on its own node, and its process group.

    The last answer ends it. Requests are not trusted: any program of the run may write here.
    """

    ssh: Ssh
    channel: socket.socket
    uid: int
    group: int
    tree: Tree | None = None

    def hear(self) -> None:
        """Receive the request; later, the end of the ssh that made it."""
        message, files, is_whole = self._receive()
        try:
            if not message or self.tree is not None:
                self._hang_up()
            else:
                self._serve(message, files, is_whole=is_whole)
        except (_RefusalError, RunError) as error:
            self._end(ssh_client.ERROR, str(error))
        except ValueError:
            self._end(ssh_client.ERROR, "this is no request of ssh's")
        finally:
            for fd in files:
                os.close(fd)

    def _receive(self) -> tuple[bytes, Sequence[int], bool]:
        """Return a message, its files, and whether it is whole; an empty message at the end."""
        try:
            message, files, flags, _ = socket.recv_fds(
                self.channel, _MESSAGE, _FILES, socket.MSG_CMSG_CLOEXEC
            )
        except OSError:  # Who asks has ended with an answer unread.
            return b"", (), True
        return message, files, not flags & _TRUNCATED

    def _serve(self, message: bytes, files: Sequence[int], *, is_whole: bool) -> None:
        """Start the command of a request; ValueError if the request is malformed."""
        if not is_whole:
            raise _RefusalError("the request is too long, or there are too many open files")
        name, user, command, beyond, *kept = ssh_client.unpack(message)
        stdin, stdout, stderr = files
        environment = dict(word.split("=", 1) for word in kept)
        host = self.ssh.hosts.get(name.lower())
        if host is None or host.options:
            self._end(ssh_client.REAL, *(host.options if host else ()))
            return
        if beyond:
            raise _RefusalError(f"{beyond} takes a real sshd: --sshd-for instead of --node-for")
        account = self._account(user)
        shell = account.pw_shell or _SHELL
        program = Program(
            # Without a command it is a login shell.
            (shell, "-c", command) if command else (shell, "-l"),
            environment={**environment, **_own_variables(account, shell)},
            folder=account.pw_dir,
            files=(stdin, stdout, stderr),
            group=self.group,
        )
        self.tree = self.ssh.start(host, program, account.pw_uid, self._tell_end)
        self._send(ssh_client.STARTED)

    def _account(self, user: str) -> pwd.struct_passwd:
        """Return the requested account, or that of the connection's user."""
        try:
            return pwd.getpwnam(user) if user else pwd.getpwuid(self.uid)
        except KeyError as error:
            raise _RefusalError(f"there is no user {user or self.uid}") from error

    def _tell_end(self, status: int) -> None:
        code = ssh_client.FAILED if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)
        self._end(ssh_client.STATUS, str(code))

    def _send(self, *words: str) -> None:
        with suppress(OSError):  # Who asked may be gone.
            self.channel.send(ssh_client.pack(words))

    def _end(self, *words: str) -> None:
        """Send the last answer."""
        self._send(*words)
        self.ssh.runner.loop.forget(self.channel.fileno())
        self.channel.close()

    def _hang_up(self) -> None:
        """Send SIGHUP to a command whose ssh has gone, as a terminal does."""
        if self.tree is not None:
            self.tree.send(signal.SIGHUP)
        self.ssh.runner.loop.forget(self.channel.fileno())
        self.channel.close()


def _user(tid: int) -> int:
    """Return the effective user of a thread, even if root owns its folder in /proc."""
    with open(f"/proc/{tid}/status", encoding="utf-8", errors="replace") as status:
        return next(int(line.split()[2]) for line in status if line.startswith("Uid:"))


def _own_variables(account: pwd.struct_passwd, shell: str) -> dict[str, str]:
    return {
        "HOME": account.pw_dir,
        "LOGNAME": account.pw_name,
        "SHELL": shell,
        "USER": account.pw_name,
    }
