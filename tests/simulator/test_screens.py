"""What people see on terminals of all widths: no line is wider, no name is broken, and the first
screenful has the answer. Where SCREENS names a folder, the screens are written there.
"""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest

from simulator.cli import build_parser, main
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import fixture_names
from support.programs import SGR
from support.simulated_nodes import STRONG, WEAK, maskable

WIDTHS = (60, 80, 120, 200)
#: What a terminal shows at once.
SCREENFUL = 24

NAMES = fixture_names()
SANDY_BRIDGE, PENRYN, HASWELL, NOXSAVE, OLD = (
    f"042stab{node}"
    for node in (
        "141.3.SandyBridge.default",
        "141.3.Penryn.default",
        "141.3.Haswell.default",
        "141.3.SandyBridge.noxsave",
        "061.9.SandyBridge.default",
    )
)
TWO = (SANDY_BRIDGE, PENRYN)
FIVE = (SANDY_BRIDGE, PENRYN, HASWELL, NOXSAVE, OLD)
MANY, ALL = NAMES[:35], NAMES[:151]

#: Progress bars write these, and are gone at the end.
#: A line for /proc/vz/cpuid_override, which is to be copied whole.
_COPIED = re.compile(r"'0x[0-9a-f]{8}[ :x0-9a-f]*' \\")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Screen(NamedTuple):
    """A command, and what of its answer a person must find in the first screenful."""

    command: tuple[str, ...]
    answers: tuple[str, ...]


SCREENS = {
    # Where can 102 go?
    "where-2": Screen(("where", f"{SANDY_BRIDGE}:102", *TWO), ("1 refused", PENRYN, "lacks")),
    "where-5": Screen(
        ("where", f"{SANDY_BRIDGE}:102", *FIVE),
        ("to 4 nodes: 1 safe, 3 refused", f"safe {HASWELL}", "Helps: Boot", "Helps: Upgrade"),
    ),
    "where-35": Screen(
        ("where", f"{SANDY_BRIDGE}:102", *MANY), ("11 safe, 23 refused", f"safe {HASWELL}")
    ),
    "where-151": Screen(("where", f"{SANDY_BRIDGE}:102", *ALL), ("to 150 nodes: ", "safe 042")),
    "where-any": Screen(("where", "--any", SANDY_BRIDGE, *MANY), ("any container of", "safe 042")),
    # Why not to B?
    "check": Screen(
        ("check", SANDY_BRIDGE, PENRYN), ("refused: ", "lacks a feature", "sse4_2 xsave avx aesni")
    ),
    "check-one": Screen(
        ("check", SANDY_BRIDGE, NOXSAVE, "--ct", "102"), ("refused: ", "booted without it: xsave")
    ),
    "check-verbose": Screen(("check", HASWELL, NOXSAVE, "--verbose"), ("refused: ",)),
    # Who can migrate where?
    "matrix-2": Screen(("matrix", *TWO), ("9 safe", "Where containers can go", "nowhere")),
    "matrix-5": Screen(
        ("matrix", *FIVE), ("70 safe", "\u2717 refused", "Where containers can go", *FIVE)
    ),
    "matrix-35": Screen(("matrix", *MANY), ("35 nodes", "safe,", "\u2717 refused")),
    "matrix-151": Screen(("matrix", *ALL), ("151 nodes", "safe,", "\u2717 refused")),
    "matrix-5-verbose": Screen(("matrix", *FIVE, "--verbose"), ("70 safe", *FIVE)),
    "matrix-151-by-class": Screen(("matrix", *ALL, "--by", "class", "--verbose"), ("151 nodes",)),
    # What would make one pool of these?
    "pool-2": Screen(("pool", *TWO), ("not one group: 2 nodes", "No newer kernel, no mask")),
    "pool-5": Screen(
        ("pool", *FIVE), ("not one group: 5 nodes", "The smallest change makes", "without: noxsave")
    ),
    "pool-35": Screen(
        ("pool", *MANY), ("not one group: 35 nodes", "smallest change", "then 6 groups")
    ),
    "pool-151": Screen(("pool", *ALL), ("not one group: 151 nodes", "smallest change", "then ")),
    # What has changed?
    "diff": Screen(("diff", SANDY_BRIDGE, HASWELL), ("45 differences (cpu ", "+ flags: fma movbe")),
    "diff-5": Screen(("diff", SANDY_BRIDGE, HASWELL, *FIVE), ("45 differences", "verdicts change")),
    "diff-35": Screen(("diff", SANDY_BRIDGE, OLD, *MANY), ("differences", "verdicts change of")),
    # What is there?
    "nodes": Screen(("nodes",), ("154 nodes: captured 38", "by kernel: ", "nodes PATTERN", OLD)),
    "nodes-of-a-kernel": Screen(("nodes", "*141.3.S*"), (SANDY_BRIDGE, NOXSAVE)),
    "kernels": Screen(("kernels",), ("028stab", "042stab107", "writes")),
    "cpus": Screen(("cpus",), ("332 CPUs; 'vzcptsim cpus NAME'", "amd-opteron-240-he")),
    "cpus-of-a-name": Screen(("cpus", "E5-2650 v3"), ("intel-xeon-e5-2680-v3",)),
    # How is it used?
    "help": Screen(("help",), ("usage: vzcptsim", "Begin with: vzcptsim where", "where say")),
    **{
        f"help-{name}": Screen(("help", name), (f"usage: vzcptsim {name}",))
        for name in build_parser().commands
        if name != "help"
    },
}
#: What takes seconds to be found is shown on the narrowest terminal alone, unless files are wanted.
SLOW = ("pool-151",)


def cases() -> Iterator[tuple[str, int]]:
    for name in SCREENS:
        for columns in WIDTHS:
            if columns == WIDTHS[0] or name not in SLOW or "SCREENS" in os.environ:
                yield name, columns


@cache
def screen(columns: int, *arguments: str) -> list[str]:
    """Return what a command shows on a pseudo-terminal of a width, without colours.

    It is this process's standard output, as a shell's command has it.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", SCREENFUL, columns, 0, 0))
    shown: list[bytes] = []
    reader = Thread(target=lambda: shown.append(read_all(leader)))
    reader.start()
    own = os.dup(1)
    os.dup2(follower, 1)
    try:
        stream = os.fdopen(follower, "w", encoding="utf-8")
        with stream, pytest.MonkeyPatch.context() as patch:
            for name in ("COLUMNS", "NO_COLOR"):
                patch.delenv(name, raising=False)
            patch.setenv("TERM", "xterm")
            patch.setenv("LC_ALL", "C.UTF-8")
            main(arguments, stream, None)
    finally:
        os.dup2(own, 1)
        os.close(own)
    reader.join()
    text = shown[0].decode().replace("\r\n", "\n")
    return _CONTROL.sub("", SGR.sub("", text)).splitlines()


def read_all(leader: int) -> bytes:
    """Read what is written to a terminal until nobody has it open any more."""
    read = b""
    while True:
        try:
            chunk = os.read(leader, 65536)
        except OSError:  # EIO: the last one has closed it.
            chunk = b""
        if not chunk:
            os.close(leader)
            return read
        read += chunk


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


@pytest.mark.parametrize(("name", "columns"), list(cases()))
def test_no_line_is_wider_no_name_is_broken_and_the_answer_is_seen(name: str, columns: int) -> None:
    lines = screen(columns, *SCREENS[name].command)
    if "SCREENS" in os.environ:
        text = "".join(f"{line}\n" for line in lines)
        Path(os.environ["SCREENS"], f"{name}.{columns}.txt").write_text(text, "utf-8")
    too_wide = [line for line in lines if len(line) > columns]
    assert [line for line in too_wide if not _COPIED.fullmatch(line)] == []
    assert broken(lines, NAMES) == []
    seen = " ".join(" ".join(lines[:SCREENFUL]).split())
    assert [answer for answer in SCREENS[name].answers if answer not in seen] == []


def test_a_broken_name_would_be_found() -> None:
    assert broken([f"  to {PENRYN[:9]}", f"  {PENRYN[9:]}, and"], NAMES)
    assert not broken([f"  to {PENRYN}", f"  {HASWELL}, and"], NAMES)


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
