"""Every ordered pair of a fleet's nodes, with every container: both opinions, by class.

What the kernel says depends on the source's kernel but for its capability number, the destination's
kernel with its number, and the container; what we say on both kernels and, apart from that, on both
CPUs and whether the container may have used the FPU. Each of these questions is asked once for each
class, when it first comes up. That this comes to the same as asking for each pair is a test over
all fixtures.

A pair's own verdict is the worst of its migrations' (not possible, unknown, possible): those of
the source's containers or, where it has none, of the nodes alone. How many there are of each
verdict is kept beside it: what is possible for some containers only is seen in the counts.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple, cast

from msgspec import Struct

from simulator.fleets.fleet import Fleet, Group, NodeClass
from simulator.fleets.judge import Judge, Memo
from simulator.verdicts.verdict import Judgement, Opinion, Verdict, worst

#: Verdicts, each at its place in counts.
_VERDICTS = tuple(Verdict)

#: Pairs of a large fleet have few summaries: so many are remembered.
_MOST_REMEMBERED = 1 << 14


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


class Pair(Struct, frozen=True, gc=False):
    """An ordered pair of groups. Of one group with itself: two different nodes of it.

    ``no_fpu`` and ``fpu`` are the numbers of what we say of containers that cannot have used the
    FPU and of those that may have; None where nobody asked, as the source has no such container.
    """

    source: Group
    destination: Group
    summary: Summary
    no_fpu: int | None = None
    fpu: int | None = None


class Outcome(NamedTuple):
    """Migrations of a pair, by their labels, that have both opinions in common, by number."""

    labels: tuple[int | None, ...]
    kernel: int
    ours: int


class Matrix:
    """All migrations within a fleet; ``waived`` are codes of ours that do not count.

    ``opinions``, ``verdicts`` and ``places`` (those of verdicts in counts) are by the numbers of
    opinions. ``asked`` is what was asked of kernels so far: the source's, the destination's
    kernel, the container's class, and the number of the opinion. ``seen`` is called after each
    source's row (for a progress bar).
    """

    def __init__(self, fleet: Fleet, groups: tuple[Group, ...], waived: Iterable[str] = ()) -> None:
        self.fleet = fleet
        self.groups = groups
        self.seen: Callable[[], object] = lambda: None
        self._judge = Judge(waived)
        self.waived = self._judge.waived
        self.opinions: list[Opinion] = self._judge.opinions
        self.verdicts: list[Verdict] = self._judge.verdicts
        self.places = self._judge.places
        self.asked: list[tuple[int, int, int | None, int]] = []
        self._kernel: dict[tuple[int, int], KernelOpinions] = {}
        self._kernels_asked: dict[tuple[int, int | None], set[int]] = {}
        self._of_kernels: dict[int, Memo[int]] = {}
        self._of_cpus: dict[tuple[int, bool], Memo[int]] = {}
        self._ours: dict[tuple[int, int, bool], OurOpinions] = {}
        self._uses_fpu = [container.may_have_used_fpu for container in fleet.containers]

    def kernel_opinion(
        self, source: NodeClass, destination: NodeClass, container: int | None
    ) -> int:
        """Return the number of what the kernels say of moving a container of a class."""
        return self.kernel_opinions(source.source_kernel, destination.kernel)[container]

    def kernel_opinions(self, source: int, destination: int) -> "KernelOpinions":
        """Return the numbers of what two kernels say, by container: each asked when looked up."""
        key = source, destination
        if key not in self._kernel:
            self._kernel[key] = KernelOpinions(self.fleet, self._judge, self.asked, key)
        return self._kernel[key]

    def kernels_asked(self, source: int, container: int | None) -> set[int]:
        """Return the kernels, to be added to, that a source's was compared with for a container."""
        return self._kernels_asked.setdefault((source, container), set())

    def our_opinion(self, source: NodeClass, destination: NodeClass, *, uses_fpu: bool) -> int:
        """Return the number of what we say of moving a container that may have used the FPU."""
        return self.our_opinions(source, uses_fpu=uses_fpu)[destination.number]

    def our_opinions(self, source: NodeClass, *, uses_fpu: bool) -> "OurOpinions":
        """Return the numbers of what we say, by the destination's class: each when looked up."""
        key = source.source_kernel, source.cpu, uses_fpu
        if key not in self._ours:
            self._ours[key] = OurOpinions(
                self.fleet.classes,
                self.opinions_on_kernels(source.source_kernel),
                self.opinions_on_cpus(source.cpu, uses_fpu=uses_fpu),
                self._judge.together,
            )
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

    def pairs(self, *, asks_both: bool = False) -> Iterator[Pair]:
        """Yield every ordered pair; ``asks_both``: say what we say whatever the containers are."""
        for source in self.groups:
            yield from self.row(source, asks_both=asks_both)

    def row(self, source: Group, *, asks_both: bool = False) -> Iterator[Pair]:
        """Yield the pairs from one source, in the order of the groups."""
        row = _Row(self, source, asks_both=asks_both)
        destinations = list(self.groups)
        if len(source.nodes) == 1:
            del destinations[source.number]
        classes = [self.fleet.classes[one.node_class] for one in destinations]
        row.ask(classes)
        yield from map(Pair, repeat(source), destinations, *row.summarize(classes))
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

    def opinion_on_kernels(self, source: int, destination: int) -> int:
        """Return the number of what we say of two kernels, on nodes without CPUID."""
        return self.opinions_on_kernels(source)[destination]

    def opinions_on_kernels(self, source: int) -> Memo[int]:
        """Return the numbers of what we say of a kernel and others, by the destination's."""
        if source not in self._of_kernels:
            kernels, ask = self.fleet.source_kernels, self._judge.on_kernels
            self._of_kernels[source] = Memo(lambda other: ask(kernels[source], kernels[other]))
        return self._of_kernels[source]

    def opinion_on_cpus(self, source: int, destination: int, *, uses_fpu: bool) -> int:
        """Return the number of what we say of two CPUs, below kernels that are alike."""
        return self.opinions_on_cpus(source, uses_fpu=uses_fpu)[destination]

    def opinions_on_cpus(self, source: int, *, uses_fpu: bool) -> Memo[int]:
        """Return the numbers of what we say of a CPU and others, by the destination's."""
        key = source, uses_fpu
        if key not in self._of_cpus:
            cpus, ask = self.fleet.cpus, self._judge.on_cpus
            self._of_cpus[key] = Memo(
                lambda other: ask(cpus[source], cpus[other], uses_fpu=uses_fpu)
            )
        return self._of_cpus[key]


class OurOpinions(dict[int, int]):
    """The numbers of what we say of moving from a class of nodes, by the destination's class."""

    def __init__(
        self,
        classes: Sequence[NodeClass],
        on_kernels: Memo[int],
        on_cpus: Memo[int],
        together: Memo[tuple[int, int]],
    ) -> None:
        super().__init__()
        self._classes = classes
        self._on_kernels = on_kernels
        self._on_cpus = on_cpus
        self._together = together

    def __missing__(self, destination: int) -> int:
        self.ask((destination,))
        return self[destination]

    def ask(self, destinations: Iterable[int]) -> None:
        """Ask what is not known yet of destinations, all at once: a fleet may have many."""
        new = [number for number in destinations if number not in self]
        others = [self._classes[number] for number in new]
        on_kernels = map(self._on_kernels.__getitem__, [one.source_kernel for one in others])
        on_cpus = map(self._on_cpus.__getitem__, [one.cpu for one in others])
        pairs = zip(on_kernels, on_cpus, strict=True)
        self.update(zip(new, map(self._together.__getitem__, pairs), strict=True))


class KernelOpinions(dict[int | None, int]):
    """The numbers of what two classes of kernels say, by the container's class.

    ``shared`` is the same for kernels that answer alike. What is looked up first is noted down in
    ``asked``.
    """

    def __init__(
        self,
        fleet: Fleet,
        judge: Judge,
        asked: list[tuple[int, int, int | None, int]],
        key: tuple[int, int],
    ) -> None:
        super().__init__()
        self._kernels = fleet.source_kernels[key[0]], fleet.kernels[key[1]]
        self._containers = fleet.containers
        self._judge = judge
        self._asked = asked
        self._key = key
        self.shared = judge.known_on_restore(*self._kernels)

    def __missing__(self, container: int | None) -> int:
        traits = None if container is None else self._containers[container]
        number = self.shared.get(traits)
        if number is None:
            number = self._judge.on_restore(*self._kernels, traits)
        self[container] = number
        self._asked.append((*self._key, container, number))
        return number


class _Row:
    """Summaries of the pairs from one source, by the destination's class.

    What the kernels say is counted for each class of kernels, and apart for containers that cannot
    have used the FPU and for those that may have: what we say is the same for all of either. With
    the verdicts of that, the counts make the summary: few are different.
    """

    def __init__(self, matrix: Matrix, source: Group, *, asks_both: bool) -> None:
        self._matrix = matrix
        self._source = matrix.fleet.classes[source.node_class]
        self._asks_both = asks_both
        self._places = matrix.places
        self._no_fpu = matrix.our_opinions(self._source, uses_fpu=False)
        self._fpu = matrix.our_opinions(self._source, uses_fpu=True)
        loads = sorted(source.loads, key=lambda load: matrix.uses_fpu(load.container))
        self._containers = tuple(load.container for load in loads)
        self._loads = [load.count for load in loads]
        self._cut = sum(not matrix.uses_fpu(one) for one in self._containers)
        self._needs = self._cut > 0, self._cut < len(loads)
        self._by_kernel: dict[int, Summary] = {}
        self._by_opinions: dict[tuple[int, int], Summary] = {}

    def ask(self, destinations: Sequence[NodeClass]) -> None:
        """Ask what is not known yet: of each destination what we say, and each kernel."""
        matrix, one = self._matrix, self._source
        kernels = {other.kernel for other in destinations}
        asked = [matrix.kernels_asked(one.source_kernel, each) for each in self._containers]
        pairs = zip(self._containers, asked, strict=True)
        new = [container for container, those in pairs if not kernels <= those]
        left = set(kernels) if new else set()
        numbers = [other.number for other in destinations]
        both = self._no_fpu, self._fpu
        for said, is_needed in zip(both, self._needs, strict=True):
            if is_needed or self._asks_both:
                said.ask(numbers)
        for other in destinations:
            if other.kernel in left:
                left.remove(other.kernel)
                opinions = matrix.kernel_opinions(one.source_kernel, other.kernel)
                deque(map(opinions.__getitem__, new), maxlen=0)
        for those in asked:
            those |= kernels  # noqa: PLW2901 (the matrix keeps it)

    def summarize(
        self, destinations: Sequence[NodeClass]
    ) -> tuple[list[Summary], list[int | None], list[int | None]]:
        """Summarize the pair with each of the destinations; return what we say beside it."""
        numbers = [other.number for other in destinations]
        no_fpu, fpu = list(map(self._no_fpu.get, numbers)), list(map(self._fpu.get, numbers))
        places = cast("Mapping[int | None, int]", self._matrix.places)
        has_no_fpu, has_fpu = self._needs
        no_fpu_places = [3 * places[one] for one in no_fpu] if has_no_fpu else repeat(0)
        fpu_places = [places[one] for one in fpu] if has_fpu else repeat(0)
        keys = [
            9 * other.kernel + one + two
            for other, one, two in zip(destinations, no_fpu_places, fpu_places)  # noqa: B905
        ]
        for key in dict.fromkeys(keys):
            self._by_kernel[key] = self._summarize(*divmod(key, 9))
        return [self._by_kernel[key] for key in keys], no_fpu, fpu

    def _summarize(self, kernel: int, ours: int) -> Summary:
        """Count what kernels say, and cut it by our verdicts: ``ours`` has their places."""
        opinions = self._matrix.kernel_opinions(self._source.source_kernel, kernel)
        key = id(opinions.shared), ours
        if key not in self._by_opinions:
            places = self._matrix.places
            counts = [0] * 6
            for number, container in enumerate(self._containers):
                part = 0 if number < self._cut else 3
                counts[part + places[opinions[container]]] += self._loads[number]
            self._by_opinions[key] = _summary(*counts, ours)
        return self._by_opinions[key]


@lru_cache(_MOST_REMEMBERED)
def _summary(*counts_and_ours: int) -> Summary:
    """Summarize what kernels say of containers, by whether these may have used the FPU."""
    *counts, ours = counts_and_ours
    kernels = all_ours = both = Counts()
    for part, place in zip((counts[:3], counts[3:]), divmod(ours, 3), strict=True):
        found, verdict = Counts(*part), _VERDICTS[place]
        kernels = kernels.plus(found)
        all_ours = all_ours.plus(Counts(sum(found)).cut_by(verdict))
        both = both.plus(found.cut_by(verdict))
    return Summary(kernels, all_ours, both)
