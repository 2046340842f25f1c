"""The real CRIU: this system's where it starts, else Debian 13's in a folder."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from support.installed import install_debian, run_in
from support.running import finish

#: Of this Debian CRIU starts on kernels of today: 3.17.1 of the one before does not on Linux 6.18.
SUITE = "trixie"

#: Where Debian has it: on root's PATH.
_CRIU = "/usr/sbin/criu"

_SAID = re.compile(r"Error \([^)]*\): (?:cpu: )?(?P<words>.*)")


class Answer(NamedTuple):
    """What CRIU answered: its exit status, and the words of its first error."""

    status: int
    said: str


class NotHereError(Exception):
    """A CRIU that does not start here; the text says why."""


class RealCriu:
    """CRIU, and the image that it wrote of this machine's CPU.

    ``folder`` is where it finds images; ``root`` is that of its own Debian, if it has one.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        self.folder = folder
        self._root = root
        (folder / "own").mkdir(parents=True)
        said = self._run(f"{_CRIU} --version; {_CRIU} cpuinfo dump -D {self._seen(folder / 'own')}")
        version = re.search(r"Version: (\S+)", said)
        if version is None or not (folder / "own" / "cpuinfo.img").exists():
            raise NotHereError(f"CRIU {version and version[1]} does not start: {_said(said)}")
        self.version = version[1]
        self.own = (folder / "own" / "cpuinfo.img").read_bytes()

    def check(self, asked: Sequence[tuple[str, str | None]]) -> list[Answer]:
        """Answer 'criu cpuinfo check' of images in named folders, with --cpu-cap's value."""
        lines = []
        for name, cpu_cap in asked:
            option = "" if cpu_cap is None else shlex.quote(f"--cpu-cap={cpu_cap}")
            place = self._seen(self.folder / name)
            lines.append(f"{_CRIU} cpuinfo check -D {place} {option}; echo STATUS=$?")
        parts = re.split(r"^STATUS=(\d+)\n", self._run("\n".join(lines)), flags=re.MULTILINE)
        said, statuses = parts[:-1:2], parts[1::2]
        assert len(statuses) == len(asked)
        return [Answer(int(one), _said(other)) for one, other in zip(statuses, said, strict=True)]

    def _seen(self, place: Path) -> str:
        """Return a folder's path as CRIU sees it."""
        return shlex.quote(
            str(place if self._root is None else f"/{place.relative_to(self._root)}")
        )

    def _run(self, script: str) -> str:
        if self._root is None:
            return finish(["sh", "-c", script], stderr=subprocess.STDOUT, timeout=600).stdout
        return run_in(self._root, script, "/", {}).stdout


def _said(text: str) -> str:
    """Return the words of the first error."""
    found = _SAID.search(text)
    return found["words"].strip() if found else ""


def find_criu(folder: Path) -> RealCriu:
    """Return a CRIU that starts here; the test is skipped, and says why, where none does."""
    makers: tuple[Callable[[Path], RealCriu], ...] = (_system_criu, _debian_criu)
    reasons = []
    for make in makers:
        try:
            return make(folder)
        except NotHereError as error:
            reasons.append(str(error))
    pytest.skip("; ".join(reasons))


def _system_criu(folder: Path) -> RealCriu:
    if not Path(_CRIU).exists():
        raise NotHereError(f"there is no {_CRIU}")
    return RealCriu(folder / "system")


def _debian_criu(folder: Path) -> RealCriu:
    if os.geteuid() or not shutil.which("debootstrap"):
        raise NotHereError("to install Debian's in a folder takes root and debootstrap")
    root = folder / "root"
    try:
        install_debian(root, "criu", suite=SUITE)
    except AssertionError as error:
        raise NotHereError(f"Debian's cannot be installed: {str(error)[-300:]}") from error
    return RealCriu(root / "images", root)
