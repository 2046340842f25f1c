"""The Pythons at hand: those on PATH and a version manager's, each once, oldest first."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FLOOR = (3, 6)
_MINORS = range(FLOOR[1], 30)
_ASK = "import sys; print(*sys.version_info[:2]); print(sys.executable)"


@cache
def pythons_at_hand() -> dict[str, str]:
    """Return the path of an interpreter of each version from 3.6 on."""
    found: dict[tuple[int, int], str] = {}
    for path in _candidates():
        asked = subprocess.run(
            [path, "-ISc", _ASK], capture_output=True, text=True, check=False, timeout=60
        )
        # A version manager's shim does not start where its version is not chosen.
        if asked.returncode == 0:
            version, executable = asked.stdout.splitlines()
            major, minor = map(int, version.split())
            found.setdefault((major, minor), executable)
    return {f"{major}.{minor}": found[major, minor] for major, minor in sorted(found)}


def _candidates() -> Iterator[str]:
    manager = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for minor in _MINORS:
        name = f"python3.{minor}"
        installed = sorted(map(str, manager.glob(f"versions/*/bin/{name}")))
        yield from (path for path in (*installed, shutil.which(name)) if path)
