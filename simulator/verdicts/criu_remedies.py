"""What helps a checkpoint past CRIU's tests: other modes, and a kernel that turns XSAVE on."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from simulator.facts.cpuid import XSAVE_LEAF, CpuidTable
from simulator.facts.features import OSXSAVE, XSAVE
from simulator.profiles.bare_node import AnyNode, BareNode
from simulator.profiles.changes import Cost
from simulator.verdicts.criu import Criu
from simulator.verdicts.criu_rules import INS_MODE
from simulator.verdicts.verdict import Remedy


class CriuTrial(NamedTuple):
    """A remedy: what CRIU is asked then, and what it makes of the destination."""

    remedy: Remedy
    engine: Criu
    destination: Callable[[BareNode], BareNode] | None = None


def mode_trials(engine: Criu) -> Iterator[CriuTrial]:
    """Yield what else CRIU can be asked: that which compares most comes first."""
    rules = engine.rules
    if not rules.reads_image:
        return
    for other in (
        replace(rules, modes=INS_MODE),
        replace(rules, modes=type(rules)().modes, reads_image=False),
    ):
        if other != rules and (other.reads_image or not rules.is_check):
            action = f"Ask '{other.command}': programs lose nothing by what it leaves out."
            yield CriuTrial(Remedy(action, Cost.NO_MORE.value), replace(engine, rules=other))


def kernel_trials(engine: Criu, destination: AnyNode) -> Iterator[CriuTrial]:
    """Yield a boot with XSAVE on, where the destination's kernel has not turned it on."""
    if isinstance(destination, BareNode) and destination.image is None:
        tables = [cpu.cpuid for cpu in destination.cpus]
        if tables and all(XSAVE.is_in(one) and OSXSAVE.is_in(one) is False for one in tables):
            action = f"Boot {destination.name} with XSAVE on: without noxsave."
            yield CriuTrial(Remedy(action, Cost.REBOOT.value), engine, with_xsave)


def with_xsave(node: BareNode) -> BareNode:
    """Return a node as its kernel would be that enables all components of its CPUs."""
    return replace(
        node, cpus=tuple(replace(cpu, cpuid=_with_xsave(cpu.cpuid)) for cpu in node.cpus)
    )


def _with_xsave(table: CpuidTable) -> CpuidTable:
    key, area = (OSXSAVE.leaf, OSXSAVE.subleaf), (XSAVE_LEAF, 0)
    features = table[key]
    changed = {key: features._replace(ecx=features.ecx | 1 << OSXSAVE.bit)}
    if area in table:
        changed[area] = table[area]._replace(ebx=table[area].ecx)
    return table.replace(changed)
