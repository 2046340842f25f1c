"""A fresh Debian in a folder, by debootstrap, with the mirror and the pip settings of this machine.

It takes root.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.installed import call
from support.running import Ended

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


def install_debian(root: Path, *packages: str) -> None:
    """Install the smallest Debian, and these packages, into a folder that is made."""
    options = ("--variant=minbase", f"--include={','.join(packages)}")
    call("debootstrap", *options, SUITE, root, mirror(), timeout=1200)


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
    return subprocess.run(
        [*alone, "setsid", "--wait", "sh", "-ec", _MOUNTS, str(root), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=1800,
    )
