"""The programs' answers on a real kernel, against the simulated node: tests/captured has both."""

import errno
import re
import shlex
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from simulator.kernel.calls import Request
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from support.programs import replay
from support.simulated_nodes import Client

FOLDER = Path(__file__).parents[2] / "captured"
NAMES = sorted(path.stem for path in FOLDER.glob("*.tsv"))

#: Offers all that a destination is not refused for having, and the bit of one that has no IPv6.
EVERYTHING = 0x7FFFFFFF & ~(1 << 24 | 1 << 28)
NO_IPV6 = 1 << 28

NOBODY = 65534


class Answer(NamedTuple):
    """One run of the original: ``ours`` is our status."""

    who: str
    arguments: tuple[str, ...]
    status: int
    stdout: str
    diagnostics: list[str]
    ours: int


@cache
def rows(name: str) -> list[list[str]]:
    """Read a file."""
    return [line.split("\t") for line in (FOLDER / f"{name}.tsv").read_text("utf-8").splitlines()]


def spelled_out(line: str) -> str:
    """Return a diagnostic as the kernel wrote it."""
    return f"Destination cpu does not have {line[1:]}" if line.startswith("-") else line


def answers(name: str) -> list[Answer]:
    """Return the runs of a boot."""
    found = []
    for kind, *cells in rows(name):
        if kind == "answer":
            who, arguments, status, stdout, said, ours = [*cells, "", "", ""][:6]
            diagnostics = [spelled_out(line) for line in said.split("|") if line]
            answer = f"{stdout}\n" if stdout else ""
            words = tuple(shlex.split(arguments))
            found.append(Answer(who, words, int(status), answer, diagnostics, int(ours or status)))
    return found


def booted(name: str, who: str) -> SimulatedKernel:
    """Boot a node, with its containers if there were any."""
    node = load_node(name)
    return (node if who == "containers" else replace(node, containers=())).boot()


def logged(kernel: SimulatedKernel, ctid: int | None = None) -> list[str]:
    """Return the log's lines of a container, or of all, less address and container."""
    found = [re.fullmatch(r"CPT ERR: ffff8800[0-9a-f]{8},(\d+) :(.*)", one) for one in kernel.log]
    return [line[2] for line in found if line and ctid in {None, int(line[1])}]


def atoi(word: str) -> int:
    """Read a number as C does, and cut it to an int of 32 bits."""
    digits = re.match(r"[-+]?\d+", word.strip())
    number = int(digits[0]) & 0xFFFFFFFF if digits else 0
    return number - (1 << 32) if number >> 31 else number


class Original:
    """The original program, as kernel-facts.md tells it (section 3): requests, statuses."""

    def __init__(self, kernel: SimulatedKernel, who: str) -> None:
        self.process = SimulatedSyscalls(
            kernel,
            uid=NOBODY if who == "nobody" else 0,
            pointer_bits=32 if who == "32-bit" else None,
        )

    def run(self, arguments: tuple[str, ...]) -> tuple[int, str]:
        """Run it; return its status and what it writes to stdout."""
        command, *words = arguments
        numbers = [atoi(word) for word in words]
        if len(numbers) > (2 if command == "caps" else 1):
            return 1, ""
        show, test = {"version": (self.version, self.test_version)}.get(
            command, (self.caps, self.test_caps)
        )
        try:
            if not numbers:
                return 0, f"{show()}\n"
            return (0 if test(*numbers) else 2), ""
        except OSError:
            return 1, ""

    def ask(self, path: str, request: Request, argument: int = 0, veid: int | None = None) -> int:
        """Open a file and make one request, with those that go before it."""
        fd = self.process.open(path, 2)
        try:
            if request is not Request.TEST_VERSION:
                _, writer = self.process.pipe()
                self.process.ioctl(fd, Request.SET_ERRORFD, writer)
            if veid is not None:
                self.process.ioctl(fd, Request.SET_VEID, veid)
            return self.process.ioctl(fd, request, argument)
        finally:
            self.process.close(fd)

    def version(self) -> int:
        return self.ask("/proc/cpt", Request.TEST_VERSION)

    def test_version(self, version: int) -> bool:
        try:
            return self.ask("/proc/rst", Request.TEST_VERSION, version) == 1
        except OSError as error:
            if error.errno == errno.EINVAL:
                return True
            raise

    def caps(self) -> int:
        return self.ask("/proc/rst", Request.TEST_CAPS)

    def test_caps(self, number: int, capnum: int | None = None) -> bool:
        if capnum is None:
            return self.ask("/proc/cpt", Request.TEST_CAPS, number) == 0
        return self.ask("/proc/cpt", Request.TEST_VECAPS, capnum, veid=number) == 0


def test_there_are_three_boots_with_hundreds_of_answers() -> None:
    assert len(NAMES) == 3
    assert sum(len(answers(name)) for name in NAMES) > 700
    for name in NAMES:
        assert {one.who for one in answers(name)} == {"root", "nobody", "32-bit", "containers"}


@pytest.mark.parametrize("name", NAMES)
def test_vzcptcheck_answers_as_it_did_and_logs_what_the_original_did(name: str) -> None:
    for one in answers(name):
        if one.who != "32-bit":
            kernel = booted(name, one.who)
            said = replay(kernel, *one.arguments, uid=NOBODY if one.who == "nobody" else 0)
            stdout = one.stdout if one.ours == one.status else ""
            assert (said.status, said.stdout) == (one.ours, stdout), one
            assert logged(kernel) == one.diagnostics, one


@pytest.mark.parametrize("name", NAMES)
def test_the_originals_requests_are_answered_and_logged_as_they_were(name: str) -> None:
    for one in answers(name):
        kernel = booted(name, one.who)
        said = Original(kernel, one.who).run(one.arguments)
        assert said == (one.status, one.stdout), one
        assert logged(kernel) == one.diagnostics, one


def needs(name: str) -> dict[int, int]:
    """Return what each container that runs needs."""
    containers = load_node(name).containers
    return {one.ctid: one.needs.caps for one in containers if one.needs is not None}


def ask_bit_by_bit(kernel: SimulatedKernel, ctid: int, caps: int | None) -> None:
    """Ask about a container as 'vzcptcheck 1.0.0 capture' did; ``caps`` is what it found."""
    client = Client(kernel)
    client.ask(Request.SET_VEID, ctid)
    if caps is None:  # Locked or suspended: the first answer is the last.
        with pytest.raises(OSError, match="busy"):
            client.ask(Request.TEST_VECAPS, EVERYTHING)
        return
    bits = [1 << bit for bit in range(31) if EVERYTHING >> bit & 1]
    result = client.ask(Request.TEST_VECAPS, EVERYTHING)
    for bit in bits:
        client.ask(Request.TEST_VECAPS, EVERYTHING & ~bit)
    client.ask(Request.TEST_VECAPS, EVERYTHING | NO_IPV6)
    if result:
        client.ask(Request.TEST_VECAPS2, bytearray(EVERYTHING.to_bytes(4, "little") + bytes(4)))
    client.ask(Request.TEST_VECAPS, caps & EVERYTHING)


@pytest.mark.parametrize("name", NAMES)
def test_the_log_of_a_capture_is_the_recorded_one(name: str) -> None:
    kernel = booted(name, "containers")
    texts = {cells[1]: spelled_out(cells[2]) for cells in rows(name) if cells[0] == "text"}
    asked = {int(cells[1]): cells[2] for cells in rows(name) if cells[0] == "asked"}
    assert set(asked) == set(kernel.containers)
    for ctid, letters in asked.items():
        ask_bit_by_bit(kernel, ctid, needs(name).get(ctid))
        assert logged(kernel, ctid) == [texts[letter] for letter in letters]
    assert len(kernel.log) == sum(map(len, asked.values())) > 400


@pytest.mark.parametrize("name", NAMES)
def test_a_capture_of_today_finds_the_same_and_leaves_less_than_half(name: str) -> None:
    kernel = booted(name, "containers")
    assert replay(kernel, "capture").status == 0
    before = sum(len(cells[2]) for cells in rows(name) if cells[0] == "asked")
    assert 0 < len(kernel.log) < before / 2
