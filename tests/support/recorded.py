"""Play compact recordings on simulated nodes: tests/recordings/README.md tells their form."""

import errno
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec.structs import replace

from simulator.kernel.calls import Request
from simulator.kernel.containers import Container
from simulator.kernel.kernel import SimulatedKernel
from simulator.kernel.tree import CPUID_OVERRIDE
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls, Sink

FOLDER = Path(__file__).parents[1] / "recordings"
NAMES = sorted(path.stem for path in FOLDER.glob("*.tsv"))

#: Descriptors of the player's own that requests are about.
_FILE_FD = 500
_DIRECTORY_FD = 501

#: What the recorder had put where CPT_TEST_VECAPS2 fills in the features.
_NOT_FILLED = 0xDEADBEEF

_OPEN_FLAGS = {"O_RDONLY": 0, "O_WRONLY": 1, "O_RDWR": 2}


@dataclass(frozen=True)
class Row:
    """One row of a recording: its number, its kind, its cells."""

    number: int
    kind: str
    cells: tuple[str, ...]

    def cell(self, position: int) -> str:
        """Return a cell; those that are empty at the end are not written."""
        return self.cells[position] if position < len(self.cells) else ""


def read_rows(name: str) -> list[Row]:
    """Read a recording."""
    lines = (FOLDER / f"{name}.tsv").read_text("utf-8").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        kind, *cells = line.split("\t")
        rows.append(Row(number, kind, tuple(cells)))
    return rows


def recorded_node(name: str) -> NodeProfile:
    """Return the fixture that was made of the same boot."""
    return load_node(name)


def bare_kernel(name: str) -> SimulatedKernel:
    """Boot that node without containers: a recording starts its own."""
    return replace(recorded_node(name), containers=()).boot()


def text(cell: str) -> str:
    """Return the text that a cell holds."""
    decoded: str = json.loads(f'"{cell}"')
    return decoded


def expand(diagnostics: str) -> str:
    """Return diagnostics as the kernel wrote them."""
    if not diagnostics:
        return ""
    lines = [
        f"Destination cpu does not have {line[1:]}" if line.startswith("-") else line
        for line in diagnostics.split("|")
    ]
    return "".join(f"Error: {line}\n" for line in lines)


@dataclass
class Player:
    """A simulated node on which the rows of a recording are done one after the other."""

    kernel: SimulatedKernel
    files: dict[str, int] = field(default_factory=dict)
    pipes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.process = SimulatedSyscalls(self.kernel)
        self.process.add(_FILE_FD, Sink())
        self.process.add(_DIRECTORY_FD, Sink(is_directory=True))

    def play(self, row: Row) -> None:
        """Do a row and assert that what comes of it is what was seen."""
        handler = getattr(self, f"_{row.kind}", None)
        if handler is not None:
            handler(row)

    def _container(self, row: Row) -> None:
        self.kernel.containers.clear()
        self.kernel.run_container(msgspec.json.decode(row.cell(0), type=Container))

    def _open(self, row: Row) -> None:
        name, device, kind = row.cell(0), row.cell(1), row.cell(2)
        self.files[name] = self.process.open(f"/proc/{device}", _OPEN_FLAGS["O_RDWR"])
        if kind == "errors":
            self.pipes[name], writer = self.process.pipe()
            self.process.set_nonblocking(self.pipes[name])
            self.process.ioctl(self.files[name], Request.SET_ERRORFD, writer)
            self.process.close(writer)

    def _close(self, row: Row) -> None:
        self.process.close(self.files.pop(row.cell(0)))
        if row.cell(0) in self.pipes:
            self.process.close(self.pipes.pop(row.cell(0)))

    def _ioctl(self, row: Row) -> None:
        name = row.cell(0)
        argument: int | bytearray = _argument(row.cell(2))
        result = _result(lambda: self.process.ioctl(self.files[name], _number(row), argument))
        assert (result, self._diagnostics(name)) == (_code(row.cell(3)), expand(row.cell(4)))
        if isinstance(argument, bytearray):
            features = int.from_bytes(argument[4:], "little")
            assert str(features) == row.cell(5)

    def _read(self, row: Row) -> None:
        fd = self.process.open(f"/proc/{row.cell(0)}", _OPEN_FLAGS["O_RDWR"])
        shown = self.process.read(fd, 1 << 16).decode()
        self.process.close(fd)
        assert _without_addresses(shown) == _without_addresses(text(row.cell(1)))

    def _veinfo(self, row: Row) -> None:
        *containers, _ = self.kernel.veinfo_text().splitlines()
        # How many processes the node itself runs is not recorded: its line is the last one.
        *recorded, node = text(row.cell(0)).splitlines()
        assert containers == recorded
        assert node.split()[:2] == ["0", "0"]

    def _write(self, row: Row) -> None:
        fd = self.process.open(f"/proc/{row.cell(0)}", _OPEN_FLAGS["O_RDWR"])
        assert _result(lambda: self.process.write(fd, b"x")) == _code(row.cell(1))
        self.process.close(fd)

    def _try(self, row: Row) -> None:
        process = SimulatedSyscalls(self.kernel, uid=int(row.cell(2)))
        flags = _OPEN_FLAGS[row.cell(1)]
        result = _result(lambda: process.open(f"/proc/{row.cell(0)}", flags))
        assert min(result, 0) == _code(row.cell(3))

    def _stat(self, row: Row) -> None:
        stat = self.kernel.stat(f"/proc/{row.cell(0)}", self.process)
        shown = (f"{stat.mode:o}", *map(str, (stat.uid, stat.gid, stat.size, stat.nlink)))
        assert shown == row.cells[1:]

    def _override(self, row: Row) -> None:
        fd = self.process.open(CPUID_OVERRIDE, _OPEN_FLAGS["O_RDWR"])
        result = _result(lambda: self.process.write(fd, text(row.cell(0)).encode()))
        shown = self.process.read(fd, 1 << 16).decode()
        self.process.close(fd)
        assert max(result, -1) == int(row.cell(1))
        assert shown == text(row.cell(2))
        assert str(self.kernel.capabilities()) == row.cell(3)

    def _diagnostics(self, name: str) -> str:
        if name not in self.pipes:
            return ""
        try:
            return self.process.read(self.pipes[name], 1 << 16).decode()
        except BlockingIOError:
            return ""


def _number(row: Row) -> int:
    name = row.cell(1)
    if name.startswith("0x"):
        return int(name, 16)
    number: int = getattr(Request, name.removeprefix("CPT_"))
    return number


def _argument(cell: str) -> int | bytearray:
    if cell.startswith("struct:"):
        offered_caps = int(cell.removeprefix("struct:"))
        return bytearray(offered_caps.to_bytes(4, "little") + _NOT_FILLED.to_bytes(4, "little"))
    return {"file": _FILE_FD, "directory": _DIRECTORY_FD}.get(cell) or int(cell)


def _result(call: Callable[[], int]) -> int:
    """Return what a call answers, or its errno below zero."""
    try:
        return call()
    except OSError as error:
        return -(error.errno or 0)


def _code(cell: str) -> int:
    """Return the same of a cell: a number, or an errno's name."""
    return -getattr(errno, cell) if cell.startswith("E") else int(cell)


def _without_addresses(listing: str) -> list[str]:
    header, *lines = listing.splitlines(keepends=True)
    return [header, *(line.split(" ", 1)[1] for line in lines)]
