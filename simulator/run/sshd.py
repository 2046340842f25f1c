"""Real sshds on simulated nodes: each has a loopback port, and keys made for this run.

Sources: sshd_config(5), ssh_config(5).
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from msgspec.structs import replace

from simulator.run.program import Program
from simulator.run.ssh import Host, Ssh
from simulator.run.trees import RunError, Tree

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
SetEnv PATH="{path}"
AcceptEnv LANG LANGUAGE LC_*
Subsystem sftp internal-sftp
"""

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


def ssh_options(folder: Path) -> tuple[str, ...]:
    """Return the options by which the real ssh reaches the sshds of a folder."""
    return ("-F", str(folder / "ssh_config"))


def start_sshds(ssh: Ssh, folder: Path, environment: Mapping[str, str]) -> None:
    """Start a real sshd on each host that is reached with options; return when they listen.

    Keys and settings are written into the folder; sessions have the environment's PATH. RunError
    where there is no OpenSSH, or an sshd does not start.
    """
    hosts = [host for host in ssh.hosts.values() if host.options]
    if not hosts:
        return
    sshd = _find("sshd", "openssh-server")
    ports = dict(zip([host.name for host in hosts], _free_ports(len(hosts)), strict=True))
    _write_settings(folder, ports)
    folder.chmod(0o711)  # Any user may log in: sshd reads the public key as that user.
    with suppress(OSError):  # Only root may, and only root's sshd asks for it.
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    names = {"folder": _quoted(str(folder)), "path": _quoted(environment["PATH"])}
    for host in hosts:
        port = ports[host.name]
        text = _SSHD_CONFIG.format(address=_ADDRESS, port=port, **names)
        config, log = folder / f"sshd_config.{host.name}", folder / f"log.{host.name}"
        config.write_bytes(os.fsencode(text))
        tree = _start(ssh, host, (sshd, "-D", "-e", "-f", str(config)), log)
        _wait_until_it_listens(ssh, tree, port, log)
        # Of ports that ssh is given the first counts: those of scripts are none of this machine's.
        options = (*host.options, "-p", str(port))
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
