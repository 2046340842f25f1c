"""The Pythons at hand, and a folder that leads them astray where they look into it."""

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
    """Return the path of one of each version from 3.6 on, oldest first."""
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
    """Yield those on PATH and a version manager's."""
    manager = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    for minor in _MINORS:
        name = f"python3.{minor}"
        installed = sorted(map(str, manager.glob(f"versions/*/bin/{name}")))
        yield from (path for path in (*installed, shutil.which(name)) if path)


# A working folder whose modules say so when they are imported, and an environment that asks to.

#: Modules that the tool or its interpreter imports, or would.
MODULES = (
    *("os", "json", "fcntl", "sys", "zipimport", "encodings", "codecs", "io", "abc", "site"),
    *("sitecustomize", "usercustomize", "vzcptcheck", "errno", "stat", "posixpath", "struct"),
)

#: Not even open() is there when the interpreter imports its first modules.
_TRAP = """\
import posix
posix.close(posix.open({mark!r}, posix.O_CREAT | posix.O_WRONLY))
"""


class HostileFolder:
    """``path`` is the folder, ``environment`` what points to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.marks = path / "marks"
        self.marks.mkdir(parents=True)
        for name in MODULES:
            self._plant(path / f"{name}.py", name)
        self._plant(path / "vzcptcheck" / "__init__.py", "vzcptcheck")
        self._plant(path / "vzcptcheck" / "cli.py", "vzcptcheck.cli")
        self._plant(path / "startup.py", "startup")
        everywhere = str(path)
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": everywhere,
            "PYTHONHOME": everywhere,
            "PYTHONSTARTUP": str(path / "startup.py"),
            "PYTHONUSERBASE": everywhere,
            "PYTHONPLATLIBDIR": everywhere,
            "PYTHONPYCACHEPREFIX": str(path / "cache"),
            "PYTHONINSPECT": "1",
            "PYTHONBREAKPOINT": "startup.mark",
            "PYTHONWARNINGS": "error::startup.Mark",
        }

    @property
    def imported(self) -> list[str]:
        """Return the modules that were imported."""
        return sorted(mark.name for mark in self.marks.iterdir())

    @property
    def has_cache(self) -> bool:
        """Tell whether compiled files were written."""
        return any(self.path.glob("**/__pycache__")) or (self.path / "cache").exists()

    def _plant(self, path: Path, name: str) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(_TRAP.format(mark=str(self.marks / name)), "utf-8")
