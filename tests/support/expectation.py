"""The kept expectation of the matrix: verdicts by the rules of kernel-facts.md, written out.

Usage: python tests/support/expectation.py > tests/matrix/expected.tsv

Nothing here comes from the program: what a node said is read from its file, rules are literal
numbers below, and what the number of a node is that was not asked stands in the kernels' own
answers (data/caps.tsv). Rows are chosen so that each generation meets each other, as does each
vendor, and that each rule, each kind of container and each odd node is there.
"""

import json
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from support.samples import read_vectors

# What a kernel must answer to CPT_TEST_VECAPS, written down a second time, from the rules alone:
# numbers of bits are literal, each generation is a line.

_OLD = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
_2632 = _OLD | {10, 11}
_042 = _2632 | {13, 15, 25, 26, 27}  # The word of bit 14 looks at 13 once more.
_101 = _042 | {14, 29}

_NAMESPACES, _SLM, _NO_IPV6 = 17, 24, 28


@dataclass(frozen=True)
class Rule:
    """Bits that are tested as features; those that nothing supports; which steps there are."""

    features: frozenset[int]
    unsupported: int
    slm: bool
    modules: bool


RULES = {
    "028stab": Rule(_OLD, 0xFFFF0000, slm=False, modules=False),
    "2.6.32": Rule(_2632, 0xFFFF0000, slm=True, modules=False),
    "042stab": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab088": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab092": Rule(_042, 0xE1FD0000, slm=True, modules=True),
    "042stab101": Rule(_101, 0xC1FD0000, slm=True, modules=True),
    "042stab107": Rule(_101, 0xC1FD0000, slm=True, modules=True),
}


def refuses(generation: str, required_caps: int, offered_caps: int) -> bool:
    """Tell whether a kernel refuses: any of its five steps does."""
    rule = RULES[generation]
    missing = {bit for bit in range(32) if required_caps >> bit & 1 and not offered_caps >> bit & 1}
    asked_for_more = offered_caps & ~required_caps
    return bool(
        missing & rule.features
        or (rule.slm and offered_caps >> _SLM & 1)
        or required_caps & rule.unsupported
        or (rule.modules and asked_for_more >> _NO_IPV6 & 1)
        or (rule.modules and _NAMESPACES in missing)
    )


FIXTURES = Path(__file__).parents[2] / "fixtures"
EXPECTED = Path(__file__).parents[1] / "matrix" / "expected.tsv"

POSSIBLE, NOT_POSSIBLE, UNKNOWN = "possible", "not possible", "unknown"
SUSPENDED = "suspended"

#: Section 5: which generation a tree is of, by how its release ends.
GENERATIONS = {
    "028stab056.1": "028stab",
    "dzhanibekov.1": "2.6.32",
    "042stab061.9": "042stab",
    "042stab088.4": "042stab088",
    "042stab090.5": "042stab088",
    "042stab092.1": "042stab092",
    "042stab108.1": "042stab101",
    "042stab109.3": "042stab107",
    "042stab113.5": "042stab107",
    "042stab141.3": "042stab107",
}

#: Section 5: the version that is written, and the newest minor of 0x800 that rule C takes. The
#: first two cannot be asked.
WRITTEN = {
    "042stab": 0x801,
    "042stab088": 0x803,
    "042stab092": 0x803,
    "042stab101": 0x803,
    "042stab107": 0x803,
}
NEWEST_MINOR = {"042stab": 1, "042stab088": 3, "042stab092": 3, "042stab101": 3, "042stab107": 3}

#: Section 5: the bits that CPT_TEST_CAPS on /proc/cpt looks at (None: ENOSYS, nothing is). The 14
#: words are 13 bits: sse4_2 looks at sse4_1's.
_8_WORDS = (0, 1, 2, 3, 4, 5, 6, 7)
_14_WORDS = (0, 1, 2, 3, 4, 5, 6, 7, 13, 15, 25, 26, 27)
_19_WORDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 25, 26, 27, 29)
COMPARED: dict[str, tuple[int, ...] | None] = {
    "028stab": _8_WORDS,
    "2.6.32": _8_WORDS,
    "042stab": _14_WORDS,
    "042stab088": _14_WORDS,
    "042stab092": _14_WORDS,
    "042stab101": None,
    "042stab107": _19_WORDS,
}

#: Nodes without vzrst were not asked for their number: their CPU, as data/caps.tsv names it.
CPU_OF = {"no-vzrst.042stab092.1": "intel-xeon-x5550"}


@dataclass(frozen=True)
class Row:
    """One migration: ``container`` is a number or SUSPENDED; what version and all come to."""

    source: str
    destination: str
    container: str
    version: str
    verdict: str


@dataclass(frozen=True)
class Node:
    """What a node's file says."""

    name: str
    document: dict[str, Any]

    @property
    def generation(self) -> str:
        """The generation of its kernel."""
        kernel = self.document["kernel"]
        releases = (kernel["release"], (kernel["vz_version"] or "").replace("_", "."))
        return next(GENERATIONS[end] for end in GENERATIONS for one in releases if end in one)

    @property
    def vendor(self) -> str:
        """Who made its CPU, in the hex of CPUID leaf 0; empty on ia64."""
        cpus = self.document["cpus"]
        return " ".join(cpus[0]["cpuid"][0].split()[3:]) if cpus else ""

    @property
    def number(self) -> int:
        """Its capability number."""
        stated = self.document["answers"]["capability_number"]
        if stated is not None:
            return int(stated)
        (row,) = [one for one in read_vectors("caps.tsv") if one["cpu"] == CPU_OF[self.name]]
        return int(row[self.generation])

    def has(self, module: str) -> bool:
        """Tell whether a module is loaded."""
        return module in self.document["kernel"]["modules"]


@cache
def nodes() -> dict[str, Node]:
    """Read all recorded nodes."""
    files = sorted(FIXTURES.glob("*.json"))
    return {file.stem: Node(file.stem, json.loads(file.read_text("utf-8"))) for file in files}


def version_verdict(source: Node, destination: Node) -> str:
    """'version' on the source, 'version NUM' on the destination."""
    if not (source.has("vzcpt") and source.generation in WRITTEN and destination.has("vzrst")):
        return UNKNOWN
    if destination.generation not in NEWEST_MINOR:
        return POSSIBLE  # EINVAL is taken for a yes.
    version = WRITTEN[source.generation]
    line = version & 0xFF00
    is_taken = (line == 0x300 and version >= 0x303) or (
        line == 0x800 and version & 0xF <= NEWEST_MINOR[destination.generation]
    )
    return POSSIBLE if is_taken else NOT_POSSIBLE


def caps_verdict(source: Node, destination: Node, container: dict[str, Any] | None) -> str:
    """'caps' on the destination, 'caps [CTID] NUM' on the source; without one: suspended."""
    if not (source.has("vzcpt") and destination.has("vzrst")):
        return UNKNOWN
    offered = destination.number
    if container is None:
        bits = COMPARED[source.generation] or ()
        lacks = any(source.number >> bit & 1 and not offered >> bit & 1 for bit in bits)
        return NOT_POSSIBLE if lacks else POSSIBLE
    if container["state"] != "running":
        return UNKNOWN
    needs = container["needs"]["caps"]
    return NOT_POSSIBLE if refuses(source.generation, needs, offered) else POSSIBLE


def rows_of(source: Node, destination: Node) -> Iterator[tuple[Row, dict[str, Any] | None]]:
    """Judge every container of the source, and one that is suspended."""
    version = version_verdict(source, destination)
    for container in (None, *source.document["containers"]):
        verdicts = {version, caps_verdict(source, destination, container)}
        verdict = next(one for one in (NOT_POSSIBLE, UNKNOWN, POSSIBLE) if one in verdicts)
        about = SUSPENDED if container is None else str(container["ctid"])
        yield Row(source.name, destination.name, about, version, verdict), container


def kind_of(container: dict[str, Any] | None) -> str:
    """Say what a container is like, whatever its processes' names and numbers."""
    if container is None or container["state"] != "running":
        return SUSPENDED if container is None else str(container["state"])
    origin = container.get("origin") or {}
    traits = [
        f"{key}={process[key]}"
        for process in origin.get("processes", ())
        for key in sorted(process)
        if key not in ("pid", "host_pid", "name")
    ]
    return " ".join([*sorted(traits), *(key for key in origin if origin[key])])


def traits_of(row: Row, container: dict[str, Any] | None) -> set[tuple[str, ...]]:
    """List what a row would be an example of."""
    source, destination = nodes()[row.source], nodes()[row.destination]
    pair = source.generation, destination.generation
    about = "running" if row.container.isdigit() else row.container
    traits = {
        ("verdict", *pair, about, row.version, row.verdict),
        ("vendors", source.vendor, destination.vendor, row.verdict),
        ("container", source.generation, kind_of(container), row.verdict),
        ("source", source.name),
        ("destination", destination.name),
    }
    if container is not None:
        needs = (container["needs"] or {"caps": 0})["caps"]
    else:
        needs = source.number if source.has("vzcpt") else 0
    offered = destination.number if destination.has("vzrst") else 0
    for bit in range(32):
        if needs >> bit & 1 and (bit in range(16, 25) or not offered >> bit & 1):
            traits.add(("needs", source.generation, about, str(bit)))
        if offered >> bit & 1 and bit in (24, 28):
            traits.add(("offers", source.generation, about, str(bit), row.verdict))
    return traits


def choose() -> list[Row]:
    """Choose rows until there is an example of everything, in an order that is no order."""
    every = [
        one
        for source in nodes().values()
        for destination in nodes().values()
        for one in rows_of(source, destination)
    ]
    every.sort(key=lambda one: zlib.crc32(repr(one[0]).encode()))
    chosen: list[Row] = []
    shown: set[tuple[str, ...]] = set()
    for row, container in every:
        traits = traits_of(row, container)
        if not traits <= shown:
            shown |= traits
            chosen.append(row)
    return sorted(chosen, key=lambda row: (row.source, row.destination, row.container))


def format_rows(rows: list[Row]) -> str:
    """Write the file."""
    lines = [
        "# What the kernels say of these migrations by the rules; by tests/support/expectation.py.",
        "source\tdestination\tcontainer\tversion\tverdict",
        *("\t".join(vars(row).values()) for row in rows),
    ]
    return "".join(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(format_rows(choose()))
