"""What real CRIU answered, from tests/data/criu, and nodes without a kernel to ask about."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.profiles.bare_node import BareNode
from simulator.profiles.profile import CpuFacts
from simulator.verdicts.criu import Criu
from simulator.verdicts.criu_rules import make_rules

_FOLDER = Path(__file__).parents[1] / "data" / "criu"

#: The leaves that CRIU asks for: those that a real CPU's dump lacks answered zeros to it.
_ASKED = (
    *((leaf, 0) for leaf in (1, 6, 7, 0xD, 0xF)),
    *((leaf, 1) for leaf in (0xD, 0xF)),
    *((0x8000_0000 + leaf, 0) for leaf in (0, 1, 7, 8, 0xA)),
)

#: What a letter of checks.txt stands for.
_WORDS = {
    "F": "FPU feature required by image is not supported on host "
    "(fpu:{0[0]} fxsr:{0[1]} osxsave:{0[2]} xsaves:{0[3]})",
    "M": "CPU xfeatures has unsupported bits (0x{0})",
    "S": "CPU xsave size mismatch ({0})",
    "X": "CPU xsave max size mismatch ({0})",
    "I": "CPU instruction capabilities do not match run time",
    "C": "CPU capabilities do not match run time",
}


class RecordedCpu(NamedTuple):
    """A CPU, and what CRIU made of it; ``xcr0`` is 0 where it was not booted, or has no XSAVE."""

    name: str
    table: CpuidTable
    words: tuple[int, ...]
    area: tuple[int, int, int]
    xcr0: int


class RecordedCheck(NamedTuple):
    """An answer of 'criu cpuinfo check': passed, refused with words, or (None) crashed."""

    version: str
    cpu_cap: str | None
    image: str
    host: str
    passed: bool | None
    said: str


class RecordedRestore(NamedTuple):
    """What 'criu restore' did: whether it went ahead, whether the process then lived; its words."""

    image: str
    host: str
    process: str
    version: str
    cpu_cap: str | None
    passed: bool
    lived: bool
    said: str


@cache
def recorded_cpus() -> dict[str, RecordedCpu]:
    """Return the CPUs by name, in the file's order."""
    cpus = {}
    for name, origin, registers, words, *area in _rows("cpus.tsv"):
        answers = dict.fromkeys(_ASKED, Registers(0, 0, 0, 0))
        for row in registers.split():
            key, values = row.split("=")
            leaf, _, subleaf = key.partition(".")
            figures = [int(value or "0", 16) for value in values.split(",")]
            answers[int(leaf, 16), int(subleaf or "0", 16)] = Registers(*[*figures, 0, 0, 0][:4])
        mask, size, size_max = int(area[0], 16), int(area[1]), int(area[2])
        cpus[name] = RecordedCpu(
            name,
            CpuidTable(answers.items()),
            tuple(int(word, 16) for word in words.split()),
            (mask, size, size_max),
            int(origin.partition(":")[2] or "0", 16),
        )
    return cpus


def recorded_checks() -> Iterator[RecordedCheck]:
    """Yield every answer of 'criu cpuinfo check'."""
    names = list(recorded_cpus())
    for (line,) in _rows("checks.txt"):
        about, answers = line.split(": ")
        _, version, cpu_cap, image = about.split()
        for one in answers.split():
            host, answer = one.split("=")
            code, figures = answer.lstrip("z")[0], answer.lstrip("z")[1:]
            yield RecordedCheck(
                version,
                None if cpu_cap == "default" else cpu_cap,
                names[int(image)],
                names[int(host)],
                {"+": True, "!": None}.get(code, False),
                _WORDS.get(code, "").format(figures),
            )


def recorded_restores() -> Iterator[RecordedRestore]:
    """Yield every answer of 'criu restore'."""
    for image, host, process, version, cpu_cap, status, then, said in _rows("restores.tsv"):
        asked = None if cpu_cap == "unset" else cpu_cap
        passed, lived = status == "0", then == "alive"
        yield RecordedRestore(image, host, process, version, asked, passed, lived, said)


def _rows(name: str) -> Iterator[list[str]]:
    with (_FOLDER / name).open(encoding="ascii") as file:
        for line in file:
            if not line.startswith("#"):
                yield line.rstrip("\n").split("\t")


def bare_node(table: CpuidTable, name: str = "box") -> BareNode:
    """Return a node that has a CPU, and no kernel that is told."""
    cpu = CpuFacts(processors="0", cpuid=table, model_name=None, microcode=None, flags=None)
    return BareNode(name=name, cpus=(cpu,), source="a test")


def criu(version: str = "", cpu_cap: str | None = None, *, check: bool = False) -> Criu:
    """Return CRIU, as it is asked."""
    return Criu(make_rules(version, cpu_cap, is_check=check))
