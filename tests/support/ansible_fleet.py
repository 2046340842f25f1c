"""A fleet for Ansible: each node a real sshd under ``vzcptsim run``, on a port of this machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

import yaml

from support.needed import find
from support.running import ROOT, Ended, wait_for

ANSIBLE = ROOT / "ansible"
ADDRESS = "127.0.0.1"

#: The shell of a session reads no ~/.bashrc where it is one shell in another.
_SSHD_CONFIG = """\
ListenAddress {address}
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
UsePAM no
StrictModes no
PidFile none
LogLevel ERROR
MaxStartups 100
SetEnv SHLVL=1
"""

#: What lies between one start of a program and another.
_PAUSE = 0.05


@dataclass(frozen=True)
class Fleet:
    """Where hosts listen, and what a play leaves behind."""

    folder: Path
    ports: Mapping[str, int]

    def play(self, *options: str, hosts: Mapping[str, Mapping[str, Any]], **traits: Any) -> Ended:
        """Play the example on these hosts, each with variables of its own; traits are for all."""
        inventory = self.folder / "inventory.yml"
        listed = {name: {"ansible_port": self.ports[name], **own} for name, own in hosts.items()}
        for name, one in listed.items():
            one["ansible_remote_tmp"] = str(self.remote_folder(name))
        general = {
            "ansible_host": ADDRESS,
            "ansible_user": getuser(),
            "ansible_become": False,
            "ansible_ssh_private_key_file": str(self.folder / "user_key"),
            "ansible_ssh_common_args": "-F /dev/null -o StrictHostKeyChecking=no "
            "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ControlMaster=no",
            "vzcptcheck_capture_folder": str(self.profiles),
            "vzcptcheck_capture_zipapp": str(self.folder / "vzcptcheck.pyz"),
            "vzcptcheck_capture_pythons": ["/no/such/python", "/usr/bin/python3", sys.executable],
            "vzcptcheck_capture_vzcptsim": str(Path(sys.executable).parent / "vzcptsim"),
            **traits,
        }
        document = {"openvz": {"hosts": listed, "vars": general}}
        inventory.write_text(yaml.safe_dump(document), "utf-8")
        playbook = str(ANSIBLE / "capture-fleet.yml")
        program = Path(sys.executable).parent / "ansible-playbook"
        return subprocess.run(
            [str(program), "-i", str(inventory), playbook, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=170,
            env={
                **os.environ,
                "ANSIBLE_HOME": str(self.folder / "ansible"),
                "ANSIBLE_LOCALHOST_WARNING": "false",
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_TIMEOUT": "30",
            },
        )

    @property
    def profiles(self) -> Path:
        """Where the play puts profiles."""
        return self.folder / "profiles"

    def remote_folder(self, name: str) -> Path:
        """Return where Ansible works on a host, of which every host has its own here."""
        return self.folder / "remote" / name


@contextmanager
def fleet(folder: Path, nodes: Mapping[str, str | None], down: str) -> Iterator[Fleet]:
    """Start an sshd on each node, on this machine itself where there is none; ``down`` has none."""
    for key in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    folder.chmod(0o711)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    ports = dict(zip([*nodes, down], _free_ports(len(nodes) + 1), strict=True))
    with ExitStack() as undo:
        for name, node in nodes.items():
            undo.enter_context(_sshd(folder, name, node, ports[name]))
        for name in nodes:
            wait_for(lambda port=ports[name]: _listens(port))  # type: ignore[misc]
        yield Fleet(folder, ports)


@contextmanager
def _sshd(folder: Path, name: str, node: str | None, port: int) -> Iterator[None]:
    config = folder / f"sshd_config.{name}"
    config.write_text(_SSHD_CONFIG.format(address=ADDRESS, port=port, folder=folder), "utf-8")
    command = [find("sshd") or "", "-D", "-e", "-f", str(config)]
    if node is not None:
        command = [sys.executable, "-m", "simulator", "run", "--node", node, "--", *command]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as taken:
        servers = [taken.enter_context(socket.create_server((ADDRESS, 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]


def _listens(port: int) -> bool:
    time.sleep(_PAUSE)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.2", 0))  # From another address: not to itself.
        return probe.connect_ex((ADDRESS, port)) == 0
