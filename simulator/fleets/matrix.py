"""Every ordered pair of a fleet's nodes, with every container: both opinions, by class.

What the kernel says depends on the source's make of kernel, the destination's kernel with its
number, and the container; what we say on both makes and, apart from that, on both CPUs and whether
the container may have used the FPU. Each of these questions is asked once for each class, when it
first comes up. That this comes to the same as asking for each pair is a test over all fixtures.

A pair's own verdict is the worst of its migrations' (not possible, unknown, possible): those of
the source's containers or, where it has none, of the nodes alone. How many there are of each
verdict is kept beside it: what is possible for some containers only is seen in the counts.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from simulator.facts.cpu_traits import CpuSide
from simulator.fleets.fleet import Fleet, Group, Load, NodeClass
from simulator.verdicts.migrations import worst
from simulator.verdicts.programs import our_opinion
from simulator.verdicts.restore import kernel_opinion
from simulator.verdicts.traits import ContainerSide, KernelSide, NodeSide
from simulator.verdicts.verdict import Judgement, Opinion, Verdict

#: What our opinion on CPUs is asked below, and of which containers.
_ANY_KERNEL = KernelSide("042stab107", has_cpt=True, has_rst=True, is_64_bit=True, caps=0)
_USES_FPU = ContainerSide()
_USES_NO_FPU = ContainerSide(caps=0)


#: The order of counts.
_ORDER = tuple(Verdict)


class Counts(NamedTuple):
    """How many migrations have each verdict, in the order of ``Verdict``."""

    possible: int = 0
    not_possible: int = 0
    unknown: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst verdict that there is."""
        return worst(verdict for verdict, count in zip(Verdict, self, strict=True) if count)

    def plus(self, other: "Counts") -> "Counts":
        """Count both together."""
        return Counts(self[0] + other[0], self[1] + other[1], self[2] + other[2])

    def cut_by(self, verdict: Verdict) -> "Counts":
        """Count with another opinion's verdict on all of them: the worse one of two holds."""
        if verdict is Verdict.POSSIBLE:
            return self
        possible, not_possible, unknown = self
        if verdict is Verdict.UNKNOWN:
            return Counts(0, not_possible, possible + unknown)
        return Counts(0, sum(self), 0)


class Summary(NamedTuple):
    """The migrations of a pair by what the kernel says, by what we say, and by both."""

    kernel: Counts
    ours: Counts
    both: Counts

    def counts(self, *, strict: bool) -> Counts:
        """Return those that count: the kernel's, or, where it is strict, both."""
        return self.both if strict else self.kernel


class Pair(NamedTuple):
    """An ordered pair of groups. Of one group with itself: two different nodes of it."""

    source: Group
    destination: Group
    summary: Summary


@dataclass(frozen=True, slots=True)
class Outcome:
    """Migrations of a pair, by their labels, that have both opinions in common, by number."""

    labels: tuple[int | None, ...]
    kernel: int
    ours: int


class Matrix:
    """All migrations within a fleet; ``waived`` are codes of ours that do not count.

    Opinions are numbered in the order in which they come up; equal ones have one number. ``seen``
    is called after each source's row (for a progress bar).
    """

    def __init__(self, fleet: Fleet, groups: tuple[Group, ...], waived: Iterable[str] = ()) -> None:
        self.fleet = fleet
        self.groups = groups
        self.waived = tuple(waived)
        self.seen: Callable[[], object] = lambda: None
        self.opinions: list[Opinion] = []
        self.verdicts: list[Verdict] = []
        self._numbers: dict[Opinion, int] = {}
        self._kernel: dict[tuple[int, int, int | None], int] = {}
        self._of_makes: dict[tuple[int, int], int] = {}
        self._of_cpus: dict[tuple[int, int, bool], int] = {}
        self._ours: dict[tuple[int, int], int] = {}
        self._uses_fpu = [container.may_have_used_fpu for container in fleet.containers]

    def kernel_opinion(
        self, source: NodeClass, destination: NodeClass, container: int | None
    ) -> int:
        """Return the number of what the kernels say of moving a container of a class."""
        key = source.make, destination.kernel, container
        if key not in self._kernel:
            opinion = kernel_opinion(
                self.fleet.makes[source.make],
                self.fleet.kernels[destination.kernel],
                None if container is None else self.fleet.containers[container],
            )
            self._kernel[key] = self._number(opinion)
        return self._kernel[key]

    def our_opinion(self, source: NodeClass, destination: NodeClass, *, uses_fpu: bool) -> int:
        """Return the number of what we say of moving a container that may have used the FPU."""
        key = (
            self.opinion_on_makes(source.make, destination.make),
            self.opinion_on_cpus(source.cpu, destination.cpu, uses_fpu=uses_fpu),
        )
        if key not in self._ours:
            on_makes, on_cpus = (self.opinions[number].reasons for number in key)
            self._ours[key] = self._number(Opinion((*on_makes, *on_cpus)))
        return self._ours[key]

    def uses_fpu(self, container: int | None) -> bool:
        """Tell whether a container of a class may have used the FPU; any at all may have."""
        return container is None or self._uses_fpu[container]

    def judge(self, source: int, destination: int, container: int | None = None) -> Judgement:
        """Judge a migration between two classes of nodes, of a class of containers."""
        one, other = self.fleet.classes[source], self.fleet.classes[destination]
        uses_fpu = self.uses_fpu(container)
        return Judgement(
            self.opinions[self.kernel_opinion(one, other, container)],
            self.opinions[self.our_opinion(one, other, uses_fpu=uses_fpu)],
        )

    def pairs(self) -> Iterator[Pair]:
        """Yield every ordered pair."""
        for source in self.groups:
            yield from self.row(source)

    def row(self, source: Group) -> Iterator[Pair]:
        """Yield the pairs from one source, in the order of the groups."""
        summarize = _Summarizer(self, source)
        for destination in self.groups:
            if destination is not source or len(source.nodes) > 1:
                yield Pair(source, destination, summarize(destination.node_class))
        self.seen()

    def outcomes(self, source: Group, destination: Group) -> tuple[Outcome, ...]:
        """Sort the migrations of a pair by what is said of them."""
        one = self.fleet.classes[source.node_class]
        other = self.fleet.classes[destination.node_class]
        labels: dict[tuple[int, int], list[int | None]] = {}
        for load in source.loads:
            uses_fpu = self.uses_fpu(load.container)
            key = (
                self.kernel_opinion(one, other, load.container),
                self.our_opinion(one, other, uses_fpu=uses_fpu),
            )
            labels.setdefault(key, []).append(load.label)
        return tuple(Outcome(tuple(alike), *key) for key, alike in labels.items())

    def kernel_opinions(self) -> Iterable[tuple[tuple[int, int, int | None], int]]:
        """Return what was asked of kernels so far, and the numbers of their opinions.

        What was asked of is the source's make, the destination's kernel, the container's class.
        """
        return self._kernel.items()

    def opinion_on_makes(self, source: int, destination: int) -> int:
        """Return the number of what we say of two kernels, on nodes without CPUID."""
        key = source, destination
        if key not in self._of_makes:
            one, other = (NodeSide(self.fleet.makes[make], CpuSide()) for make in key)
            self._of_makes[key] = self._number(our_opinion(one, other).waive(self.waived))
        return self._of_makes[key]

    def opinion_on_cpus(self, source: int, destination: int, *, uses_fpu: bool) -> int:
        """Return the number of what we say of two CPUs, below kernels that are alike."""
        key = source, destination, uses_fpu
        if key not in self._of_cpus:
            one, other = (NodeSide(_ANY_KERNEL, self.fleet.cpus[cpu]) for cpu in key[:2])
            opinion = our_opinion(one, other, _USES_FPU if uses_fpu else _USES_NO_FPU)
            self._of_cpus[key] = self._number(opinion.waive(self.waived))
        return self._of_cpus[key]

    def _number(self, opinion: Opinion) -> int:
        number = self._numbers.setdefault(opinion, len(self._numbers))
        if number == len(self.opinions):
            self.opinions.append(opinion)
            self.verdicts.append(opinion.verdict)
        return number


class _Summarizer:
    """Summaries of the pairs from one source, by the destination's class.

    The kernel's counts are made for each class of kernels, and apart for containers that cannot
    have used the FPU and for those that may have: what we say is the same for all of either. With
    the verdicts of that, they make the summary: few are different.
    """

    def __init__(self, matrix: Matrix, source: Group) -> None:
        self._matrix = matrix
        self._source = matrix.fleet.classes[source.node_class]
        self._loads = {
            uses_fpu: [load for load in source.loads if matrix.uses_fpu(load.container) is uses_fpu]
            for uses_fpu in (False, True)
        }
        self._counts: dict[int, dict[bool, Counts]] = {}
        self._by_class: dict[int, Summary] = {}
        self._by_verdicts: dict[tuple[int, Verdict, Verdict], Summary] = {}

    def __call__(self, number: int) -> Summary:
        """Summarize the pair with a class of destinations."""
        if number not in self._by_class:
            destination = self._matrix.fleet.classes[number]
            no_fpu, fpu = (
                self._our_verdict(destination, False),
                self._our_verdict(destination, True),
            )
            key = destination.kernel, no_fpu, fpu
            if key not in self._by_verdicts:
                self._by_verdicts[key] = self._summarize(destination, {False: no_fpu, True: fpu})
            self._by_class[number] = self._by_verdicts[key]
        return self._by_class[number]

    def _our_verdict(self, destination: NodeClass, uses_fpu: bool) -> Verdict:
        """Return our verdict on containers, or that all is possible where there are none."""
        if not self._loads[uses_fpu]:
            return Verdict.POSSIBLE
        number = self._matrix.our_opinion(self._source, destination, uses_fpu=uses_fpu)
        return self._matrix.verdicts[number]

    def _summarize(self, destination: NodeClass, verdicts: dict[bool, Verdict]) -> Summary:
        kernel = ours = both = Counts()
        for uses_fpu, counts in self._kernel_counts(destination).items():
            kernel = kernel.plus(counts)
            ours = ours.plus(_all_of(sum(counts), verdicts[uses_fpu]))
            both = both.plus(counts.cut_by(verdicts[uses_fpu]))
        return Summary(kernel, ours, both)

    def _kernel_counts(self, destination: NodeClass) -> dict[bool, Counts]:
        """Count what the kernel says of containers, by whether they may have used the FPU."""
        if destination.kernel not in self._counts:
            self._counts[destination.kernel] = {
                uses_fpu: self._count(loads, destination) for uses_fpu, loads in self._loads.items()
            }
        return self._counts[destination.kernel]

    def _count(self, loads: Iterable[Load], destination: NodeClass) -> Counts:
        found: Counter[Verdict] = Counter()
        for load in loads:
            number = self._matrix.kernel_opinion(self._source, destination, load.container)
            found[self._matrix.verdicts[number]] += load.count
        return Counts(*(found[verdict] for verdict in _ORDER))


def _all_of(count: int, verdict: Verdict) -> Counts:
    return Counts(*(count if one is verdict else 0 for one in _ORDER))
