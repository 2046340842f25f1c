"""What 'nox -s build packages' made: how it is installed, what it must do then."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import load_node
from support.programs import Said, replay
from support.running import ROOT, Ended, command_line, finish, succeed
from vzcptcheck import __version__

DIST = Path(os.environ.get("DIST", ROOT / "dist"))

ZIPAPP = DIST / "vzcptcheck.pyz"
RPM = DIST / f"vzcptcheck-{__version__}-1.noarch.rpm"
DEB = DIST / f"vzcptcheck_{__version__}_all.deb"
WHEEL = DIST / f"vzcptcheck-{__version__}-py3-none-any.whl"
SDIST = DIST / f"vzcptcheck-{__version__}.tar.gz"

TOOL = "usr/sbin/vzcptcheck"


def call(*command: str | Path, timeout: int = 600, **environment: str) -> str:
    """Run a command that is to succeed, and return what it printed."""
    variables = {**os.environ, "LC_ALL": "C", **environment}
    ended = finish(command, variables, timeout=timeout)
    assert ended.returncode == 0, ended
    return ended.stdout


def everything_in(root: Path, without: Sequence[str] = ()) -> dict[str, tuple[int, int]]:
    """Return mode and size of all that is below a root, but for some folders and files.

    Of folders it is the mode: their sizes are the file system's.
    """
    found = {}
    for folder, folders, files in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if str(inside / name) not in without]
        for name in (*folders, *files):
            status = os.lstat(Path(folder) / name)
            path = str(inside / name)
            found[path] = (status.st_mode, 0 if name in folders else status.st_size)
    return {path: facts for path, facts in found.items() if path not in without}


def node_files(zsh: str) -> set[str]:
    """Return the paths that a node's package installs: the tool, its manual, its completions."""
    return {
        TOOL,
        "usr/share/bash-completion/completions/vzcptcheck",
        "usr/share/fish/vendor_completions.d/vzcptcheck.fish",
        "usr/share/man/man8/vzcptcheck.8.gz",
        f"{zsh}/_vzcptcheck",
    }


# A fresh Debian in a folder, by debootstrap, with the mirror and the pip settings of this machine.
# It takes root.


SUITE = "bookworm"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: The settings of pip's that say how a package index is reached.
_PIP_SETTINGS = ("index-url", "cert", "proxy", "default-timeout", "trusted-host")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

#: What a machine mounts: process and device files.
_MOUNTS = """
mount -t proc proc "$0/proc"
mount --rbind /sys "$0/sys"
mount --rbind /dev "$0/dev"
exec chroot "$0" "$@"
"""


def mirror() -> str:
    """Return where this machine's apt has the suite from."""
    targets = ("Created-By: Packages", f"Release: {SUITE}", "Component: main")
    return call("apt-get", "indextargets", "--format", "$(REPO_URI)", *targets).split("\n")[0]


def install_debian(root: Path, *packages: str, suite: str = SUITE) -> None:
    """Install the smallest Debian, and these packages, into a folder that is made."""
    options = ("--variant=minbase", f"--include={','.join(packages)}")
    call("debootstrap", *options, suite, root, mirror(), timeout=1200)


def pip_environment(root: Path) -> dict[str, str]:
    """Return the variables by which pip reaches the index there; certificates are copied."""
    listed = call(sys.executable, "-m", "pip", "config", "list")
    settings = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    if "cert" in settings:
        shutil.copy(settings["cert"], root / settings["cert"].lstrip("/"))
    found = {f"PIP_{name.upper().replace('-', '_')}": settings.get(name) for name in _PIP_SETTINGS}
    found |= {name: os.environ.get(name) for name in _PROXIES}
    return {name: text for name, text in found.items() if text}


def run_in(root: Path, script: str, folder: str, environment: dict[str, str]) -> Ended:
    """Run a shell script there as a new machine would: no terminal, no variables but these."""
    words = [f"{name}={text}" for name, text in environment.items()]
    command = ["env", "-i", "-C", folder, "HOME=/root", f"PATH={PATH}", *words, "sh", "-c", script]
    alone = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    command = [*alone, "setsid", "--wait", "sh", "-ec", _MOUNTS, str(root), *command]
    how = {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "timeout": 1800}
    return finish(command, **how)


# The drop-in contract: what vzmigrate calls, asked of an installed vzcptcheck on simulated nodes.
# Its exit status, standard output and standard error are to be those of a replay.


#: Kernels that answer each request, that know some of them, and that know none.
NODES = (
    "042stab141.3.SandyBridge.default",
    "042stab108.1.qemu64.default",
    "042stab061.9.qemu64.default",
    "amd-opteron-6272.028stab056.1",
    "ia64.dzhanibekov.1",
)

#: Of a node's containers, so many are asked for: recorded nodes have up to 20.
_CONTAINERS = 4

#: What runs on the node and starts the program; it knows nothing of any simulator.
_GUEST = """
import json, subprocess, sys
program, commands, answer = json.loads(sys.argv[1])
answers = []
for command in commands:
    ended = subprocess.run([*program, *command], capture_output=True, text=True)
    answers.append([ended.returncode, ended.stdout, ended.stderr])
with open(answer, "w") as file:
    json.dump(answers, file)
"""


def commands(profile: NodeProfile) -> list[list[str]]:
    """List version, caps and help with arguments that fit the node, that do not, and are wrong."""
    number = str(profile.answers.capability_number or 1)
    containers = [str(container.ctid) for container in profile.containers[:_CONTAINERS]]
    offers = (number, "0", "2147483647")
    return [
        [],
        ["help"],
        ["bogus"],
        ["version"],
        *(["version", version] for version in ("770", "0x801", "2051", "2052", "abc", "-1")),
        ["version", "1", "2"],
        ["caps"],
        *(["caps", offer] for offer in offers),
        *(["caps", ctid, offer] for ctid in (*containers, "4242") for offer in offers),
        ["caps", "1", "2", "3"],
    ]


def statuses_of(program: Sequence[str], node: str) -> set[int]:
    """Check every command's answers on a node, and return the statuses that there were."""
    profile = load_node(node)
    asked = commands(profile)
    kernel = profile.boot()
    given = _run_on(node, program, asked)
    for command, answer in zip(asked, given, strict=True):
        assert answer == replay(kernel, *command), (node, command)
    return {answer.status for answer in given}


def check_contract(program: Sequence[str]) -> None:
    """Check it on all nodes: a yes, a no and an error are among the answers."""
    assert set.union(*(statuses_of(program, node) for node in NODES)) == {0, 1, 2}


def _run_on(node: str, program: Sequence[str], asked: Sequence[Sequence[str]]) -> list[Said]:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        guest = [sys.executable, "-IS", "-c", _GUEST, json.dumps([program, asked, str(answer)])]
        succeed(command_line(*guest, node=node), timeout=300)
        return [Said(*one) for one in json.loads(answer.read_text("utf-8"))]
