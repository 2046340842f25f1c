"""A working folder whose modules say so when they are imported, and an environment that asks to."""

import os
from pathlib import Path

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
