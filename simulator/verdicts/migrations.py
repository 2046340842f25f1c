"""Migrations from one recorded node to another, judged: each container by itself."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, NamedTuple

from simulator.errors import UserError
from simulator.kernel.containers import Container
from simulator.kernel.restore import Answer
from simulator.profiles.bare_node import AnyNode
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.programs import opinion_on_cpus
from simulator.verdicts.traits import (
    SUSPENDED,
    ContainerTraits,
    NodeTraits,
    needs_of,
)
from simulator.verdicts.verdict import Help, Judgement, Opinion, Outcome, worst_outcome
from vzcptcheck.image import Image

#: How a kernel's report on a container begins, and the code of the reason that it belongs to.
#: What comes after is not looked at: names of processes and devices are their owners' choice.
_CODES_OF_REPORTS = (
    ("SLM is enabled, but ", "source-slm-module"),
    ("unsupported netdevice ", "container-netdevice"),
    ("external process ", "container-entered"),
    ("foreign process ", "container-entered"),
    ("namespaces are not supported: ", "container-namespaces"),
    ("scheduler policy is not supported ", "container-scheduler"),
    ("task ", "container-traced"),
    ("NUMA mempolicy is used by ", "container-misc"),
    ("keys are used by ", "container-misc"),
    ("Unsupported filesystem ", "container-filesystem"),
)

_STATUSES: Mapping[Outcome, int] = MappingProxyType(
    {
        Outcome.SAFE: 0,
        Outcome.RISKY: 2,
        Outcome.REFUSED: 2,
        Outcome.UNKNOWN: 3,
    }
)


class ImageRestore(NamedTuple):
    """A checkpoint image, and what restore answers; None where it cannot be asked."""

    image: Image
    answer: Answer | None


class Migration(NamedTuple):
    """One container on its way, and what comes of it; ``ctid`` is None for the nodes alone.

    ``reports`` are what the source's kernel writes of the container, each with the code of the
    reason that it belongs to, or with none (""). ``image`` is there where the container is in a
    checkpoint image, which has no number. ``helps`` are remedies that were tried.
    """

    ctid: int | None
    judgement: Judgement
    is_suspended: bool = False
    reports: tuple[tuple[str, str], ...] = ()
    image: ImageRestore | None = None
    helps: tuple[Help, ...] = ()

    def reports_on(self, code: str) -> tuple[str, ...]:
        """Return what is said that belongs to a reason."""
        return tuple(report for about, report in self.reports if about == code)


class Check(NamedTuple):
    """The migrations that were asked about, between two nodes that are named.

    The source may be an image's path.

    ``waived`` are the codes that were taken out; ``restore_only`` leaves programs out.
    """

    source: str
    destination: str
    migrations: tuple[Migration, ...]
    restore_only: bool = False
    waived: tuple[str, ...] = ()
    engine: Engine[Any] = CPT

    @property
    def outcome(self) -> Outcome:
        """The worst outcome of them all."""
        return worst_outcome(
            one.judgement.outcome(restore_only=self.restore_only) for one in self.migrations
        )


class NodePair:
    """A source and a destination to judge; ``waived`` are codes that do not count."""

    def __init__(
        self,
        source: AnyNode,
        destination: AnyNode,
        waived: Iterable[str] = (),
        engine: Engine[Any] = CPT,
    ) -> None:
        self._profile = source
        self._engine = engine
        self._sides: tuple[NodeTraits, NodeTraits] = (
            engine.node_traits(source),
            engine.node_traits(destination),
        )
        self._waived = tuple(waived)

    def judge_all(self) -> tuple[Migration, ...]:
        """Judge every container of the source; the nodes alone where it has none."""
        migrations = tuple(map(self._judge, self._profile.containers))
        return migrations or (self.judge_nodes(),)

    def judge_nodes(self) -> Migration:
        """Judge the nodes, whatever is to be moved."""
        return Migration(None, self._judgement(None))

    def judge_one(self, ctid: int) -> Migration:
        """Judge one container of the source's; UserError where it has no such."""
        return self._judge(find_container(self._profile, ctid))

    def judge_suspended(self, ctid: int) -> Migration:
        """Judge a container that is suspended: its node's number is asked about, not its own."""
        return Migration(ctid, self._judgement(SUSPENDED), is_suspended=True)

    def _judge(self, container: Container) -> Migration:
        judgement = self._judgement(self._engine.container_traits(self._profile, container))
        said: tuple[str, ...] = ()
        if isinstance(self._profile, NodeProfile):
            needs = needs_of(self._profile, container)
            said = needs.reports if needs else ()
        codes = {reason.code for reason in judgement.restore.reasons}
        return Migration(container.ctid, judgement, reports=_assign(said, codes))

    def _judgement(self, container: ContainerTraits | None) -> Judgement:
        source, destination = self._sides
        uses_fpu = container is None or container.may_have_used_fpu
        kernels, engine = (source.kernel, destination.kernel), self._engine
        found = (
            *engine.opinion_on_kernels(*kernels).findings,
            *opinion_on_cpus(source.cpu, destination.cpu, uses_fpu=uses_fpu).findings,
        )
        return Judgement(engine.answers(*kernels)(container), Opinion(found).waive(self._waived))


def find_container(profile: AnyNode, ctid: int) -> Container:
    """Return a node's container; UserError names those that there are."""
    for container in profile.containers:
        if container.ctid == ctid:
            return container
    there_are = ", ".join(str(container.ctid) for container in profile.containers) or "none"
    raise UserError(f"{profile.name!r} has no container {ctid}; there are: {there_are}")


def status_of(outcome: Outcome) -> int:
    """Return the exit status of an outcome."""
    return _STATUSES[outcome]


def _assign(reports: Iterable[str], codes: AbstractSet[str]) -> tuple[tuple[str, str], ...]:
    """Assign reports to those codes that reasons are given by."""
    assigned = ((_code_of(report), report) for report in reports)
    return tuple((code if code in codes else "", report) for code, report in assigned)


def _code_of(report: str) -> str:
    return next((code for start, code in _CODES_OF_REPORTS if report.startswith(start)), "")
