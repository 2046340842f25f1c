"""Other nodes by ssh: commands that programs of a run start there.

Our own ssh (ssh_client.py) comes first on PATH. Through a door, a path that only programs of the
run can open, it asks for a command to be run on another node. That is started as another tree,
with the files of this ssh and in its process group. Its status becomes the status of ssh.

A real sshd on a node has a loopback port, and keys made for this run: our ssh becomes the real one
with options that lead there. Sources: sshd_config(5), ssh_config(5).
"""

import errno
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from simulator.kernel.calls import fail
from simulator.kernel.kernel import SimulatedKernel
from simulator.run import ssh_client
from simulator.run.mounts import Mount
from simulator.run.program import Program
from simulator.run.remote import RemoteProcess, read_status
from simulator.run.supervisor import Door, Place
from simulator.run.trees import RunError, Runner, Tree

_MESSAGE = 1 << 20
_FILES = 3
_TRUNCATED = socket.MSG_TRUNC | socket.MSG_CTRUNC
_SHELL = "/bin/sh"
#: Another user may not read this Python; the real ssh is at {real} where ours is in its place.
_WRAPPER = """\
#!/bin/sh
test ! -x {python} || exec {python} -IS {client} {real} "$0" "$@"
exec {real} "$@"
"""

#: Where programs look for ssh without PATH: scp and sftp, as Debian and others build them.
_SSH_BY_PATH = ("/usr/bin/ssh", "/usr/local/bin/ssh")

_ADDRESS = "127.0.0.1"
#: From another address: a connection to a free port may else become one to itself.
_PROBE_FROM = ("127.0.0.2", 0)
_PRIVILEGE_SEPARATION = Path("/run/sshd")
_OWN_GROUP = 0
_MILLISECONDS = 20
_PATIENCE = 30.0

_SSHD_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey "{folder}/host_key"
AuthorizedKeysFile "{folder}/user_key.pub"
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
PrintMotd no
LogLevel ERROR
MaxStartups 100
SetEnv PATH="{path}" {more}
AcceptEnv LANG LANGUAGE LC_*
Subsystem sftp internal-sftp
"""

#: Bash reads ~/.bashrc for a command of sshd's unless it is one shell in another.
_NO_BASHRC = "SHLVL=1"

#: Names of hosts are told apart without their case, which Host does not.
_HOST_CONFIG = """\
Match originalhost {name}
    HostName {address}
    Port {port}
    HostKeyAlias {name}
"""

_SSH_CONFIG = """\
Match all
    IdentityFile "{folder}/user_key"
    IdentitiesOnly yes
    UserKnownHostsFile "{folder}/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
    LogLevel ERROR
    SendEnv LANG LANGUAGE LC_*
"""


class Host(Struct, frozen=True):
    """A node by its name for ssh, which may be answered by a real sshd.

    ``mounts`` are what its file system has besides this machine's; ``options`` are those by which
    the real ssh reaches its sshd.
    """

    name: str
    kernel: SimulatedKernel
    has_sshd: bool = False
    mounts: tuple[Mount, ...] = ()
    options: tuple[str, ...] = ()


def put_ssh_on_path(folder: Path) -> dict[str, str]:
    """Put our ssh into a folder, and return an environment with that first on PATH.

    Only the user of this process can open the folder: others could not use the door.
    """
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir(0o700)
    paths = {"python": sys.executable, "client": ssh_client.__file__, "real": str(folder / "real")}
    quoted = {name: shlex.quote(path) for name, path in paths.items()}
    wrapper.write_bytes(os.fsencode(_WRAPPER.format(**quoted)))
    wrapper.chmod(0o755)
    (folder / "real").touch()
    # Twice: a signal may cut a call short before the supervisor hears of it, as real kernels never
    # do, and a shell that looks for ssh goes on to the next folder then (dash 0.5.12).
    folders = [*[str(wrapper.parent)] * 2, *os.get_exec_path()]
    return {**os.environ, "PATH": os.pathsep.join(folders)}


def put_ssh_at_its_paths(folder: Path) -> tuple[Mount, ...]:
    """Return mounts by which programs that call ssh by its path call ours.

    The one that it hides is found as ``real`` in the folder; the first is in no other place.
    """
    hidden = dict.fromkeys(os.path.realpath(path) for path in _SSH_BY_PATH if os.path.exists(path))
    ours, real = str(folder / "bin" / "ssh"), str(folder / "real")
    kept = [Mount(path, real) for path in [*hidden][:1]]
    return (*kept, *(Mount(ours, path) for path in hidden))


class Ssh:
    """The hosts that programs of a run can reach; names are compared without case.

    All have ``mounts`` in common.
    """

    def __init__(
        self, runner: Runner, hosts: Iterable[Host], mounts: tuple[Mount, ...] = ()
    ) -> None:
        self.runner = runner
        self.mounts = mounts
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
        mounts = (*host.mounts, *self.mounts)
        return self.runner.start(place, replace(program, mounts=mounts), ended)

    def _open(self, process: RemoteProcess) -> int:
        """Open a connection if the process has this process's user: its command will have it."""
        # The effective user, even if root owns the thread's folder in /proc.
        if read_status(process.tid, "Uid:")[1] != os.getuid():
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
        if host is None or host.has_sshd:
            self._end(ssh_client.REAL, *(host.options if host else ()))
            return
        if beyond:
            raise _RefusalError(f"{beyond} takes a real sshd: --sshd-for instead of --node-for")
        account = self._account(user)
        shell = account.pw_shell or _SHELL
        program = Program(
            # Without a command it is a login shell.
            (shell, "-c", command) if command else (shell, "-l"),
            environment={
                **environment,
                "HOME": account.pw_dir,
                "LOGNAME": account.pw_name,
                "SHELL": shell,
                "USER": account.pw_name,
            },
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
        self._close()

    def _hang_up(self) -> None:
        """Send SIGHUP to a command whose ssh has gone, as a terminal does."""
        if self.tree is not None:
            self.tree.send(signal.SIGHUP)
        self._close()

    def _close(self) -> None:
        self.ssh.runner.loop.forget(self.channel.fileno())
        self.channel.close()


# Real sshds


def start_sshds(
    ssh: Ssh, folder: Path, environment: Mapping[str, str], *, reads_bashrc: bool = False
) -> None:
    """Start the real sshds of hosts; return when they listen.

    Keys and settings are written into the folder; sessions have the environment's PATH, and do not
    read ~/.bashrc unless ``reads_bashrc``. RunError where there is no OpenSSH, or an sshd does not
    start.
    """
    hosts = [host for host in ssh.hosts.values() if host.has_sshd]
    if not hosts:
        return
    sshd = _find("sshd", "openssh-server")
    ports = dict(zip([host.name for host in hosts], _free_ports(len(hosts)), strict=True))
    _write_settings(folder, ports)
    folder.chmod(0o711)  # Any user may log in: sshd reads the public key as that user.
    with suppress(OSError):  # Only root may, and only root's sshd asks for it.
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    environment_there = "" if reads_bashrc else _NO_BASHRC
    names = {"folder": _quoted(str(folder)), "path": _quoted(environment["PATH"])}
    for host in hosts:
        port = ports[host.name]
        text = _SSHD_CONFIG.format(address=_ADDRESS, port=port, more=environment_there, **names)
        config, log = folder / f"sshd_config.{host.name}", folder / f"log.{host.name}"
        config.write_bytes(os.fsencode(text))
        tree = _start(ssh, host, (sshd, "-D", "-e", "-f", str(config)), log)
        _wait_until_it_listens(ssh, tree, port, log)
        # Of ports that ssh is given the first counts: those of scripts are none of this machine's.
        options = ("-F", str(folder / "ssh_config"), "-p", str(port))
        ssh.hosts[host.name.lower()] = replace(host, options=options)


def _free_ports(count: int) -> list[int]:
    """Return free loopback ports."""
    with ExitStack() as taken:
        servers = [taken.enter_context(socket.create_server((_ADDRESS, 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def _write_settings(folder: Path, ports: Mapping[str, int]) -> None:
    """Write keys, and the real ssh's settings for the hosts."""
    for key in ("host_key", "user_key"):
        _make_key(folder / key)
    public = (folder / "host_key.pub").read_text("utf-8")
    (folder / "known_hosts").write_text("".join(f"{name} {public}" for name in ports), "utf-8")
    blocks = [
        _HOST_CONFIG.format(name=name, address=_ADDRESS, port=port) for name, port in ports.items()
    ]
    general = _SSH_CONFIG.format(folder=_quoted(str(folder)))
    (folder / "ssh_config").write_bytes(os.fsencode("".join([*blocks, general])))


def _quoted(text: str) -> str:
    """Escape a text between quotation marks in a settings file."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _make_key(path: Path) -> None:
    keygen = _find("ssh-keygen", "openssh-client")
    options = ("-q", "-t", "ed25519", "-N", "", "-C", "vzcptsim", "-f", str(path))
    made = subprocess.run(
        [keygen, *options], check=False, stdin=subprocess.DEVNULL, capture_output=True
    )
    if made.returncode:
        raise RunError(f"ssh-keygen makes no key: {_said(made.stdout + made.stderr)}")
    path.with_suffix(".pub").chmod(0o644)


def _find(program: str, package: str) -> str:
    """Return a program's path; sshd is in a folder that only root's PATH has."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise RunError(f"--sshd-for needs {program}, and it is not here: install {package}")
    return found


def _start(ssh: Ssh, host: Host, command: tuple[str, ...], log: Path) -> Tree:
    """Start a program on a host, in a process group that gets no signals of the terminal."""
    with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
        files = (nothing.fileno(), output.fileno(), output.fileno())
        return ssh.start(host, Program(command, files=files, group=_OWN_GROUP))


def _wait_until_it_listens(ssh: Ssh, tree: Tree, port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while tree.status is None and time.monotonic() < deadline:
        if _listens(port):
            return
        ssh.runner.loop.turn(_MILLISECONDS)
    raise RunError(f"sshd does not start: {_said(log.read_bytes())}")


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.bind(_PROBE_FROM)
        return probe.connect_ex((_ADDRESS, port)) == 0


def _said(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").splitlines()
    return "; ".join(filter(None, map(str.strip, lines))) or "it says nothing"
