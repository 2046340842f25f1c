"""A fleet for Ansible: each node a real sshd under ``vzcptsim run``, on a port of this machine."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from getpass import getuser
from pathlib import Path
from typing import Any

import yaml

from simulator.run import ssh
from support.needed import find
from support.running import ROOT, Ended, finish, wait_for

ANSIBLE = ROOT / "ansible"

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


@dataclass(frozen=True)
class Fleet:
    """Where hosts listen, and what a play leaves behind."""

    folder: Path
    ports: Mapping[str, int]

    def play(
        self,
        *options: str,
        hosts: Mapping[str, Mapping[str, Any]],
        playbook: str = "capture-fleet.yml",
        **traits: Any,
    ) -> Ended:
        """Play an example on these hosts, each with variables of its own; traits are for all."""
        inventory = self.folder / "inventory.yml"
        listed = {name: {"ansible_port": self.ports[name], **own} for name, own in hosts.items()}
        for name, one in listed.items():
            one["ansible_remote_tmp"] = str(self.remote_folder(name))
        general = {
            "ansible_host": ssh._ADDRESS,
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
        program = Path(sys.executable).parent / "ansible-playbook"
        environment = {
            **os.environ,
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_TIMEOUT": "30",
        }
        command = [program, "-i", inventory, ANSIBLE / playbook, *options]
        return finish(command, environment, cwd=self.folder, timeout=170)

    @property
    def profiles(self) -> Path:
        """Where the play puts profiles."""
        return self.folder / "profiles"

    def remote_folder(self, name: str) -> Path:
        """Return where Ansible works on a host, of which every host has its own here."""
        return self.folder / "remote" / name


@contextmanager
def fleet(folder: Path, nodes: Mapping[str, str | None], down: str) -> Iterator[Fleet]:
    """Start an sshd on each node, on this machine itself where there is none; ``down`` has none.

    Keys and ports are made as ``vzcptsim run --sshd-for`` makes its own, which nobody else uses.
    """
    for key in ("host_key", "user_key"):
        ssh._make_key(folder / key)
    folder.chmod(0o711)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    ports = dict(zip([*nodes, down], ssh._free_ports(len(nodes) + 1), strict=True))
    with ExitStack() as undo:
        for name, node in nodes.items():
            undo.enter_context(_sshd(folder, name, node, ports[name]))
        for name in nodes:
            wait_for(partial(ssh._listens, ports[name]))
        yield Fleet(folder, ports)


@contextmanager
def _sshd(folder: Path, name: str, node: str | None, port: int) -> Iterator[None]:
    config = folder / f"sshd_config.{name}"
    config.write_text(_SSHD_CONFIG.format(address=ssh._ADDRESS, port=port, folder=folder), "utf-8")
    command = [find("sshd") or "", "-D", "-e", "-f", str(config)]
    if node is not None:
        command = [sys.executable, "-m", "simulator", "run", "--node", node, "--", *command]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
