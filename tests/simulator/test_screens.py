"""What people see on terminals of all widths: no line is wider, and no name is ever broken."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from itertools import pairwise
from pathlib import Path

import pytest

from simulator.cli import main
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import fixture_names
from support.programs import SGR, Terminal
from support.simulated_nodes import STRONG, WEAK, maskable

WIDTHS = (60, 80, 120, 200)

NAMES = fixture_names()
SANDY_BRIDGE, PENRYN, HASWELL, NOXSAVE = (
    f"042stab141.3.{node}"
    for node in ("SandyBridge.default", "Penryn.default", "Haswell.default", "SandyBridge.noxsave")
)
FIVE = (SANDY_BRIDGE, PENRYN, HASWELL, NOXSAVE, "042stab061.9.SandyBridge.default")

#: Progress bars write these, and are gone at the end.
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

COMMANDS = {
    "nodes": ("nodes",),
    "kernels": ("kernels",),
    "cpus": ("cpus",),
    "where": ("where", f"{SANDY_BRIDGE}:102", *NAMES[:35]),
    "where any": ("where", "--any", SANDY_BRIDGE, *NAMES[20:]),
    "check": ("check", SANDY_BRIDGE, PENRYN),
    "check verbose": ("check", HASWELL, NOXSAVE, "--verbose"),
    "diff": ("diff", SANDY_BRIDGE, HASWELL, *FIVE),
    "pool": ("pool", *FIVE),
    "pool of many": ("pool", *NAMES[:35]),
    "matrix of 2": ("matrix", SANDY_BRIDGE, PENRYN),
    "matrix of 5": ("matrix", *FIVE),
    "matrix in full": ("matrix", *FIVE, "--verbose"),
    "matrix of 35": ("matrix", *NAMES[:35]),
    "matrix of all": ("matrix", *NAMES),
    "matrix of all by class in full": ("matrix", *NAMES, "--by", "class", "--verbose"),
}


def screen(columns: int, *arguments: str) -> list[str]:
    """Return what a command shows on a terminal of a width, without colours."""
    terminal = Terminal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm")
        main(arguments, terminal, None)
    return SGR.sub("", terminal.getvalue()).splitlines()


def broken(lines: list[str], names: list[str]) -> list[tuple[str, str]]:
    """Return the lines that a name is parted between."""
    found = []
    for line, following in pairwise(lines):
        begun, *_ = (line.split() or [""])[::-1]
        ended = (following.split() or [""])[0]
        joined = begun + ended
        for name in names:
            place = joined.find(name)
            if 0 <= place < len(begun) < place + len(name):
                found.append((line, following))
    return found


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_wider_and_no_name_is_broken(command: str, columns: int) -> None:
    lines = screen(columns, *COMMANDS[command])
    assert lines
    too_wide = [line for line in lines if len(line) > columns]
    assert too_wide == []
    assert broken(lines, NAMES) == []


def test_a_broken_name_would_be_found() -> None:
    assert broken([f"  to {PENRYN[:9]}", f"  {PENRYN[9:]}, and"], NAMES)
    assert not broken([f"  to {PENRYN}", f"  {HASWELL}, and"], NAMES)


@pytest.mark.parametrize("columns", WIDTHS)
def test_the_first_screenful_has_the_answer(columns: int) -> None:
    first = "\n".join(screen(columns, "matrix", *FIVE)[:24])
    assert "Where containers can go" in first
    assert all(name in first for name in FIVE)
    first = "\n".join(screen(columns, "where", f"{SANDY_BRIDGE}:102", *NAMES[:35])[:24])
    assert "safe     " in first
    assert screen(columns, "check", SANDY_BRIDGE, PENRYN)[0].startswith("refused: ")


@pytest.mark.parametrize("columns", WIDTHS)
def test_lines_to_copy_are_whole(columns: int, tmp_path: Path) -> None:
    paths = []
    for name, words in (("a", STRONG), ("b", WEAK)):
        path = tmp_path / f"{name}.json"
        path.write_text(format_profile(maskable(name, *words)), "utf-8")
        paths.append(str(path))
    narrow, wide = (
        [line.strip() for line in screen(width, "pool", *paths) if line.endswith("\\")]
        for width in (columns, 500)
    )
    assert narrow == wide != []


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_real_terminal_tells_its_width(columns: int) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8"}
    environment.pop("COLUMNS", None)
    with subprocess.Popen(
        [sys.executable, "-m", "simulator", "matrix", *FIVE],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
    ) as process:
        os.close(follower)
        shown = _read_all(leader)
    assert process.returncode == 0
    lines = _CONTROL.sub("", shown).replace("\r\n", "\n").rpartition("\r")[2].splitlines()
    assert max(map(len, lines)) <= columns
    assert any("\u2717" in line for line in lines)
    assert broken(lines, NAMES) == []


def _read_all(leader: int) -> str:
    """Read what is written to a terminal until nobody has it open any more."""
    read = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # EIO: the last one has closed it.
            chunk = b""
        if not chunk:
            os.close(leader)
            return read.decode()
        read += chunk
