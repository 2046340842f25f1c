"""A matrix as it is kept, to compare later ones with: its nodes, and what is said of their classes.

Classes are named by what they are: their names do not change where another node is added. The
verdict on restore is on the source's make (its kernel without its capability number), the container
and the destination's kernel. That on programs is on both makes and both CPUs together: the worse of
the two, with all reasons.
"""

import hashlib
from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from simulator.facts.cpu_traits import CpuTraits
from simulator.fleets.fleet import Fleet, Member, group_by_class
from simulator.fleets.matrix import Matrix
from simulator.verdicts.traits import ContainerTraits, bits_words
from simulator.verdicts.verdict import Opinion, Verdict, Weight, worst

#: What stands for a container where the nodes alone are judged.
ALONE = "-"
_FPU, _NO_FPU = "fpu", "no-fpu"


class Kept(NamedTuple):
    """A verdict as it is kept, and the codes of reasons that are no remarks.

    Codes are in order; those of waived reasons have a tilde.
    """

    verdict: Verdict
    codes: tuple[str, ...]

    def __str__(self) -> str:
        codes = f" ({' '.join(self.codes)})" if self.codes else ""
        return f"{self.verdict.value}{codes}"


class KeptNode(NamedTuple):
    """A node as it is kept: the names of its classes, its containers' classes by ctid."""

    kernel: str
    cpu: str
    containers: tuple[tuple[int, str], ...]

    @property
    def make(self) -> str:
        """The kernel without its capability number."""
        return make_of(self.kernel)

    @property
    def migrations(self) -> dict[int | None, str]:
        """The classes of its containers; of a node without any, the nodes alone."""
        return dict(self.containers) or {None: ALONE}


#: What is said of a source's class, a kind of container, a destination's class.
Table = Mapping[tuple[str, str, str], Kept]


class Expectation(NamedTuple):
    """A kept matrix: its nodes by name, and what is said of their classes."""

    nodes: Mapping[str, KeptNode]
    restore: Table
    makes: Table
    cpus: Table

    def restore_opinion(self, source: KeptNode, destination: KeptNode, container: str) -> Kept:
        """Return the verdict on restore."""
        return self.restore[source.make, container, destination.kernel]

    def programs_opinion(self, source: KeptNode, destination: KeptNode, container: str) -> Kept:
        """Return the verdict on programs."""
        on_makes = self.makes[source.make, ALONE, destination.make]
        on_cpus = self.cpus[source.cpu, _fpu_of(container), destination.cpu]
        verdict = worst((on_makes.verdict, on_cpus.verdict))
        return Kept(verdict, tuple(sorted({*on_makes.codes, *on_cpus.codes})))


def expect(matrix: Matrix) -> Expectation:
    """Return a matrix as it is kept."""
    names = _names(matrix.fleet)
    kept = _Keeper(matrix)
    return Expectation(
        nodes={member.name: _node(matrix.fleet, names, member) for member in matrix.fleet.members},
        restore=_restore_table(matrix, names, kept),
        makes={
            (names.makes[one], ALONE, names.makes[other]): kept(
                matrix.opinion_on_kernels(one, other)
            )
            for one, other in product(range(len(names.makes)), repeat=2)
        },
        cpus={
            (names.cpus[one], _FPU if uses_fpu else _NO_FPU, names.cpus[other]): kept(
                matrix.opinion_on_cpus(one, other, uses_fpu=uses_fpu)
            )
            for one, other in product(range(len(names.cpus)), repeat=2)
            for uses_fpu in (False, True)
        },
    )


class _Names(NamedTuple):
    """How a fleet's classes are called, by their numbers; None are the nodes alone."""

    kernels: list[str]
    makes: list[str]
    cpus: list[str]
    containers: dict[int | None, str]


def _names(fleet: Fleet) -> _Names:
    containers: dict[int | None, str] = {None: ALONE}
    containers.update(enumerate(map(_container_name, fleet.containers)))
    return _Names(
        [kernel.key for kernel in fleet.kernels],
        [make_of(make.key) for make in fleet.source_kernels],
        [_cpu_name(cpu) for cpu in fleet.cpus],
        containers,
    )


def _node(fleet: Fleet, names: _Names, member: Member) -> KeptNode:
    one = fleet.classes[member.node_class]
    held = sorted((ctid, names.containers[number]) for ctid, number in member.containers)
    return KeptNode(names.kernels[one.kernel], names.cpus[one.cpu], tuple(held))


def _restore_table(matrix: Matrix, names: _Names, kept: "_Keeper") -> Table:
    """Ask the kernels of each class of what moves from each make, and no more."""
    classes = matrix.fleet.classes
    sources = {one.source_kernel: one for one in classes}
    destinations = {one.kernel: one for one in classes}
    moved = {
        (classes[group.node_class].source_kernel, load.container)
        for group in group_by_class(matrix.fleet)
        for load in group.loads
    }
    return {
        (names.makes[make], names.containers[number], names.kernels[kernel]): kept(
            matrix.restore_opinion(sources[make], destination, number)
        )
        for make, number in moved
        for kernel, destination in destinations.items()
    }


class _Keeper:
    """Makes opinions, by their numbers, into what is kept of them: each once."""

    def __init__(self, matrix: Matrix) -> None:
        self._opinions = matrix.opinions
        self._kept: dict[int, Kept] = {}

    def __call__(self, number: int) -> Kept:
        if number not in self._kept:
            self._kept[number] = keep(self._opinions[number])
        return self._kept[number]


def keep(opinion: Opinion) -> Kept:
    """Return an opinion as it is kept."""
    codes = {
        f"~{reason.code}" if reason.is_waived else reason.code
        for reason in opinion.reasons
        if reason.is_waived or reason.weight is not Weight.REMARK
    }
    return Kept(opinion.verdict, tuple(sorted(codes)))


def make_of(kernel_name: str) -> str:
    """Return the name of a kernel's make."""
    return kernel_name.rpartition("/")[0]


def _cpu_name(cpu: CpuTraits) -> str:
    return hashlib.sha256(repr(cpu).encode()).hexdigest()[:16]


def _container_name(container: ContainerTraits) -> str:
    caps = (
        "" if container.caps is None else f"/{bits_words(container.caps, container.may_caps, '+')}"
    )
    return f"{container.state.value}{caps}/{_FPU if container.may_have_used_fpu else _NO_FPU}"


def _fpu_of(container_name: str) -> str:
    return _NO_FPU if container_name.endswith(f"/{_NO_FPU}") else _FPU
