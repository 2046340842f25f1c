"""What 'nox -s build packages' made, and how it is installed and taken away again."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vzcptcheck import __version__

ROOT = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("DIST", ROOT / "dist"))

ZIPAPP = DIST / "vzcptcheck.pyz"
RPM = DIST / f"vzcptcheck-{__version__}-1.noarch.rpm"
DEB = DIST / f"vzcptcheck_{__version__}_all.deb"
WHEEL = DIST / f"vzcptcheck-{__version__}-py3-none-any.whl"
SDIST = DIST / f"vzcptcheck-{__version__}.tar.gz"

TOOL = "usr/sbin/vzcptcheck"


def call(*command: str | Path, timeout: int = 600, **environment: str) -> str:
    """Run a command that is to succeed, and return what it printed."""
    ended = subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", **environment},
        timeout=timeout,
    )
    assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
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
