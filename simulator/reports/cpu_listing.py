"""The table of the catalogue's CPUs, for people and as JSON."""

from collections.abc import Iterable, Sequence

from simulator.facts.capabilities import X86_64, NodeFacts, node_capabilities
from simulator.facts.features import as_64bit
from simulator.facts.generations import EXAMPLES, GENERATIONS, identify
from simulator.profiles.catalogue import RecordedCpu
from simulator.reports.listings import MANY, Listing

_COLUMNS = (
    *("cpu", "vendor", "family", "model", "stepping", "core", "brand"),
    *("capability_number", "also", "dump_mode", "source"),
)
_FOR_PEOPLE = ("cpu", "core", "family", "model", "stepping", "capability_number", "also")


def cpu_listing(lines: Iterable[tuple[Sequence[RecordedCpu], Sequence[str]]]) -> Listing:
    """List CPUs, each with its capability number on the newest kernels.

    A line has CPUs of one model that differ in nothing that matters, and the names that were asked
    for, which go before their other names. Of what differs all but the stepping is the first one's.
    """
    found = tuple(lines)
    rows = tuple(_row(*line) for line in found)
    count = sum(len(cpus) for cpus, _ in found)
    summary = f"{count} CPUs; 'vzcptsim cpus NAME' finds one as people spell it: 'E5-2650 v3'"
    return Listing(_COLUMNS, rows, _FOR_PEOPLE, (summary,) if len(rows) > MANY else ())


def _row(cpus: Sequence[RecordedCpu], asked: Sequence[str]) -> tuple[object, ...]:
    newest = identify(EXAMPLES[GENERATIONS[-1].name])
    cpu, table = cpus[0], cpus[0].table
    facts = NodeFacts(release=newest, machine=X86_64, cpuid=as_64bit(table))
    names = [name for one in cpus for name in one.names if name != cpu.name]
    steppings = sorted({one.table.stepping for one in cpus})
    return (
        cpu.name,
        cpu.vendor,
        *(table.family, table.model),
        steppings[0] if len(steppings) == 1 else steppings,
        cpu.core,
        cpu.brand,
        node_capabilities(facts),
        sorted(names, key=lambda name: name not in asked),
        cpu.dump_mode,
        cpu.source,
    )
