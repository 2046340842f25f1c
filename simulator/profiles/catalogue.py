"""The catalogue of real CPUs, data/cpus.txt: found by name, as people spell it.

The file is read when a CPU is asked for, and a CPU's registers are parsed when they are.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain, takewhile
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable, Key, Registers

if TYPE_CHECKING:
    from simulator.dumps.model import Mode
    from simulator.facts.cpu_traits import XsaveArea

TABLE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "cpus.txt")

#: How many names an error gives, and how many CPUs are near one that is not there.
_MOST_NAMED = 8
_MOST_NEAR = 8

#: What a brand has beside the words of a name: trade marks, cores, the clock after an @.
_BARE = re.compile(
    r"\((?:r|tm|c)\)|[®™]|@.*"
    r"|\b(?:cpu|processor|(?:dual|quad|six|eight|\d+)-?cores?)\b"
)
_SEPARATORS = re.compile("[^a-z0-9]+")
_CAPITALS = re.compile("(?<=[a-z])(?=[A-Z])")

#: Xeons are of another product line by the version after their number.
_VERSION = re.compile(r"v\d")
_VERSION_AFTER = re.compile(r"(?<=\d)(?=v\d$)")

#: Where a word of people's is in a name: what is before and after it.
_BEGINNING, _END = "(?<![a-z0-9])", "(?![a-z0-9])"
_PLACES = ((_BEGINNING, _END), (_BEGINNING, ""), ("", ""))

_PATTERN = frozenset("*?[")


class UnknownCpuError(UserError):
    """No one CPU of the catalogue is meant by this name; ``names`` are those that may be."""

    def __init__(self, name: str, names: list[str], *, is_ambiguous: bool = False) -> None:
        shown = ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
        if is_ambiguous:
            text = f"{len(names)} CPUs may be meant by {name!r}: {shown}"
        elif names:
            text = f"no CPU is recorded as {name!r}, but there are: {shown}"
        else:
            text = f"no CPU is recorded as {name!r}; see 'vzcptsim cpus'"
        super().__init__(text)
        self.name = name
        self.names = names


class RecordedCpu(Struct, frozen=True, cache_hash=True, gc=False):
    """A real CPU.

    ``source`` is the collection and the file that its registers come from; they were read in
    ``dump_mode``: ``features.as_64bit`` makes of them what a 64-bit kernel sees. ``also`` are other
    products with the same registers. ``core`` is the core's or product line's name, or empty.
    """

    name: str
    dump_mode: "Mode"
    source: str
    core: str
    also: tuple[str, ...]
    registers: str

    @property
    def table(self) -> CpuidTable:
        """What was recorded."""
        return _parse_registers(self.registers)

    @property
    def vendor(self) -> str:
        """The vendor's name, of 12 characters."""
        return self.table.vendor

    @property
    def brand(self) -> str:
        """The name that the CPU gives itself, its spaces made single: nothing is decided by it."""
        return " ".join(self.table.brand.split())

    @property
    def names(self) -> tuple[str, ...]:
        """All names that it has, its own first."""
        return (self.name, *self.also)


@cache
def load_cpus() -> Mapping[str, RecordedCpu]:
    """Return every CPU of the catalogue by its own name, in the file's order."""
    with open(TABLE, encoding="ascii") as file:
        cpus = [_parse_line(line) for line in file if not line.startswith("#")]
    return MappingProxyType({cpu.name: cpu for cpu in cpus})


def is_cpu_name(text: str) -> bool:
    """Tell whether this is exactly the name of a CPU of the catalogue, or of a product."""
    return text in _by_any_name()


def find_cpu(name: str) -> RecordedCpu:
    """Return the CPU of that name, or of the one product that may be meant by it.

    UnknownCpuError where there is none, or several that differ in what matters: it names them.
    """
    cpu = _by_any_name().get(name)
    if cpu is not None:
        return cpu
    is_path = name.startswith((os.curdir, os.sep))
    found = [] if is_path else list(search(name))
    if not found:
        near = {} if is_path else nearest(name)
        raise UnknownCpuError(name, [one for names in near.values() for one in names])
    kinds = list(merged(found))
    if len(kinds) > 1:
        raise UnknownCpuError(name, [one.name for one in found], is_ambiguous=True)
    return kinds[0][0]


def search(text: str) -> dict[RecordedCpu, list[str]]:
    """Return the CPUs that people may mean by a text, each with those of its names that fit.

    Each word of the text has to be in the name, or in the core's, wherever hyphens are: as whole
    words of it, else as beginnings of words, else anywhere. A brand as a CPU gives it will do, and
    so will patterns as of files: ``*-v2``.
    """
    if _PATTERN & set(text):
        return _by_cpu(name for name in _by_any_name() if _fits(name, text.lower()))
    words = _words(text)
    for before, after in _PLACES if words else ():
        patterns = [re.compile(before + "-?".join(map(re.escape, word)) + after) for word in words]
        found = _by_cpu(
            name
            for name, cpu in _by_any_name().items()
            if all(one.search(name) or one.search(_core(cpu)) for one in patterns)
        )
        if found:
            return found
    return {}


def nearest(text: str) -> dict[RecordedCpu, list[str]]:
    """Return the CPUs whose names have most of a text's words, or begin as those do; best first."""
    words = [part for word in _BARE.sub(" ", text.lower()).split() for part in _parts(word)]
    scores = {}
    for name in _by_any_name():
        parts = name.split("-")
        score = sum(_likeness(word, parts) for word in words) - len(parts) / 100
        if words and score >= len(words) / 2:
            scores[name] = score
    return _by_cpu(sorted(scores, key=lambda name: -scores[name])[:_MOST_NEAR])


def merged(cpus: Iterable[RecordedCpu]) -> Iterator[list[RecordedCpu]]:
    """Yield CPUs, those together that differ in stepping and microcode and in nothing that matters.

    They are of one vendor, family and model, and nothing is known that kernels compare, or programs
    get, of one of them and not of another. The one that is known best comes first.
    """
    models: dict[object, list[list[RecordedCpu]]] = {}
    for cpu in cpus:
        table = cpu.table
        kinds = models.setdefault((table.vendor, table.family, table.model), [])
        same = next((kind for kind in kinds if all(map(partial(_is_alike, cpu), kind))), None)
        if same is None:
            kinds.append([cpu])
        else:
            same.append(cpu)
    for kind in chain.from_iterable(models.values()):
        yield sorted(kind, key=lambda cpu: _what_matters(cpu)[1].bit_count()) if kind[1:] else kind


def _is_alike(one: RecordedCpu, other: RecordedCpu) -> bool:
    """Tell whether two CPUs are not known to differ in what matters."""
    own, unknown, own_area = _what_matters(one)
    its, untold, its_area = _what_matters(other)
    areas = {own_area, its_area} - {None}
    return not (own ^ its) & ~(unknown | untold) and len(areas) < 2


@cache
def _what_matters(cpu: RecordedCpu) -> tuple[int, int, "XsaveArea | None"]:
    """Return the features that matter to kernels and programs, those not recorded, and the area.

    They are those that the newest kernels show or enable: older ones show fewer.
    """
    from simulator.facts.capabilities import X86_64, NodeFacts
    from simulator.facts.cpu_traits import cpu_traits
    from simulator.facts.features import FEATURES, as_64bit
    from simulator.facts.generations import EXAMPLES, GENERATIONS, identify

    table = as_64bit(cpu.table)
    newest = identify(EXAMPLES[GENERATIONS[-1].name])
    traits = cpu_traits(NodeFacts(release=newest, machine=X86_64, cpuid=table), [table])
    matters = sum(one.mask for one in FEATURES if one.word or one.effect not in {"", "kernel"})
    unknown = traits.may_be_shown & ~traits.shown
    return traits.shown & matters, unknown & matters, traits.area


def _fits(name: str, pattern: str) -> bool:
    """Tell whether a name fits a pattern, from its beginning on or from that of another word."""
    from fnmatch import fnmatchcase

    return fnmatchcase(name, pattern) or fnmatchcase(name, f"*-{pattern}")


def _likeness(word: str, parts: Sequence[str]) -> float:
    """Return how much of a word some part of a name begins with, from 0 to 1.

    A version is the same, or another product line's.
    """
    if _VERSION.fullmatch(word):
        return 1 if word in parts else -1
    return max(_common_beginning(word, one) / max(len(word), len(one)) for one in parts)


@cache
def _common_beginning(one: str, other: str) -> int:
    """Return how many characters two words have in common from their beginning on."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _parts(word: str) -> list[str]:
    """Split a word as names are: E5-2650v2 is e5, 2650 and v2."""
    return [part for part in _SEPARATORS.split(_VERSION_AFTER.sub("-", word)) if part]


def _words(text: str) -> list[str]:
    """Return the words of a text without hyphens, and without what names do not have."""
    bare = _BARE.sub(" ", text.lower()).split() or text.lower().split()
    return [word for word in (_SEPARATORS.sub("", one) for one in bare) if word]


def _by_cpu(names: Iterable[str]) -> dict[RecordedCpu, list[str]]:
    """Return the CPUs that names are of, each with these names of it."""
    found: dict[RecordedCpu, list[str]] = {}
    for name in names:
        found.setdefault(_by_any_name()[name], []).append(name)
    return found


@cache
def _by_any_name() -> Mapping[str, RecordedCpu]:
    """Return every CPU by each of its names."""
    return MappingProxyType({name: cpu for cpu in load_cpus().values() for name in cpu.names})


@cache
def _core(cpu: RecordedCpu) -> str:
    """Write the core's name as names are: SandyBridge is sandy-bridge."""
    return _SEPARATORS.sub("-", _CAPITALS.sub("-", cpu.core).lower())


def _parse_line(line: str) -> RecordedCpu:
    name, mode, source, core, also, registers = line.rstrip("\n").split("\t")
    return RecordedCpu(name, mode, source, core, tuple(also.split()), registers)  # type: ignore[arg-type]


@cache
def _parse_registers(text: str) -> CpuidTable:
    return CpuidTable(_answers(text.split(" ")))


def _answers(rows: Iterable[str]) -> Iterator[tuple[Key, Registers]]:
    for row in rows:
        key, _, values = row.partition("=")
        leaf, _, subleaf = key.partition(".")
        registers = Registers(*(int(value or "0", 16) for value in values.split(",")))
        yield (int(leaf, 16), int(subleaf or "0", 16)), registers
