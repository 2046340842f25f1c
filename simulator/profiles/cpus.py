"""The real CPUs that a simulated node may have: data/cpus.json."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from simulator.dumps.model import Mode
from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable, parse_rows


@dataclass(frozen=True, slots=True)
class RecordedCpu:
    """A real CPU.

    ``source`` is the collection and the file that its registers come from. ``table`` is what
    was recorded there in ``dump_mode``; ``dumps.as_64bit`` makes of it what a 64-bit kernel
    sees. ``brand`` is for people, its spaces made single: nothing is decided by it.
    """

    name: str
    brand: str
    vendor: str
    source: str
    dump_mode: Mode
    table: CpuidTable


class UnknownCpuError(UserError):
    """No recorded CPU has this name; ``names`` are those near it, or all where none is."""

    def __init__(self, name: str, names: list[str]) -> None:
        super().__init__(f"no CPU is recorded as {name!r}, but there are: {', '.join(names)}")
        self.name = name
        self.names = names


@cache
def load_cpus() -> Mapping[str, RecordedCpu]:
    """Return every recorded CPU by its name, in the order of the file."""
    text = resources.files("simulator").joinpath("data/cpus.json").read_text("utf-8")
    cpus = (_parse_cpu(entry) for entry in json.loads(text)["cpus"])
    return MappingProxyType({cpu.name: cpu for cpu in cpus})


def find_cpu(name: str) -> RecordedCpu:
    """Return the CPU of that name, or raise ``UnknownCpuError``."""
    cpus = load_cpus()
    if name not in cpus:
        raise UnknownCpuError(name, difflib.get_close_matches(name, cpus, n=5) or list(cpus))
    return cpus[name]


def _parse_cpu(entry: dict[str, Any]) -> RecordedCpu:
    return RecordedCpu(
        name=entry["name"],
        brand=entry["brand"],
        vendor=entry["vendor"],
        source=entry["source"],
        dump_mode=entry["dump_mode"],
        table=parse_rows(entry["cpuid"]),
    )
