"""Every ordered pair of a fleet's nodes, with every container: both verdicts, by class.

The verdict on restore depends on the source's kernel but for its capability number, the
destination's kernel with its number, and the container; that on programs on both kernels and,
apart from that, on both CPUs and whether the container may have used the FPU. Each of these
questions is asked once for each class, when it first comes up. That this comes to the same as
asking for each pair is a test over all fixtures.

A pair's own outcome is the worst of its migrations': those of the source's containers or, where
it has none, of the nodes alone. How many there are of each outcome is kept beside it: what is safe
for some containers only is seen in the counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, filterfalse, repeat
from typing import NamedTuple, cast

from msgspec import Struct

from simulator.fleets.fleet import Fleet, Group, NodeClass
from simulator.fleets.judge import Judge, Memo
from simulator.verdicts.traits import ContainerTraits
from simulator.verdicts.verdict import (
    PARTLY,
    Judgement,
    Opinion,
    Outcome,
    Verdict,
    outcome_of,
    worst,
    worst_outcome,
)

#: The places of outcomes in counts, by those of verdicts on restore and on programs.
_OUTCOMES = [
    [tuple(Outcome).index(outcome_of(restore, programs)) for programs in Verdict]
    for restore in Verdict
]

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

    def outcomes(self) -> "Outcomes":
        """Count outcomes where nothing is said of programs."""
        counts = [0] * len(Outcome)
        for place, count in enumerate(self):
            counts[_OUTCOMES[place][0]] += count
        return Outcomes(*counts)


class Outcomes(NamedTuple):
    """How many migrations have each outcome, in the order of ``Outcome``."""

    safe: int = 0
    risky: int = 0
    refused: int = 0
    unknown: int = 0

    @property
    def outcome(self) -> Outcome:
        """The worst outcome that there is."""
        return worst_outcome(outcome for outcome, count in zip(Outcome, self, strict=True) if count)

    @property
    def kind(self) -> str:
        """What their pair is: the worst outcome in a word, or partly safe."""
        is_partly = 0 < self.safe < sum(self)
        return PARTLY if is_partly else self.outcome.value


class Summary(NamedTuple):
    """The migrations of a pair by their verdicts on restore, on programs, and by outcome."""

    restore: Counts
    programs: Counts
    both: Outcomes

    def outcomes(self, *, restore_only: bool) -> Outcomes:
        """Return the outcomes; where programs are left out, those of restore alone."""
        return self.restore.outcomes() if restore_only else self.both


class Pair(Struct, frozen=True, gc=False):
    """An ordered pair of groups. Of one group with itself: two different nodes of it.

    ``no_fpu`` and ``fpu`` are the numbers of what is found on the programs of containers that
    cannot have used the FPU and of those that may have; None where nobody asked, as the source
    has no such container.
    """

    source: Group
    destination: Group
    summary: Summary
    no_fpu: int | None = None
    fpu: int | None = None


class Row(Struct, frozen=True, gc=False):
    """The ordered pairs from one source: a column's entries are by the destinations' places.

    Few summaries are different: ``kinds`` are their keys.
    """

    source: Group
    destinations: Sequence[Group]
    kinds: Sequence[int]
    summaries: Mapping[int, Summary]
    no_fpu: Sequence[int | None]
    fpu: Sequence[int | None]

    def __iter__(self) -> Iterator[Pair]:
        summaries = map(self.summaries.__getitem__, self.kinds)
        return map(Pair, repeat(self.source), self.destinations, summaries, self.no_fpu, self.fpu)


class Alike(NamedTuple):
    """Migrations of a pair, by their labels, that have both verdicts' opinions in common.

    Opinions are by number.
    """

    labels: tuple[int | None, ...]
    restore: int
    programs: int


class Matrix:
    """All migrations within a fleet; ``waived`` are codes that do not count.

    ``opinions``, ``verdicts`` and ``places`` (those of verdicts in counts) are by the numbers of
    opinions; ``answers`` are opinions on restore, by question and by container. ``asked`` is what
    rows have asked of kernels so far: the source's, the destination's kernel, the container's
    class, and the number of the opinion. ``seen`` is called for each row (for a progress bar).
    """

    def __init__(self, fleet: Fleet, groups: tuple[Group, ...], waived: Iterable[str] = ()) -> None:
        self.fleet = fleet
        self.groups = groups
        self.seen: Callable[[], object] = lambda: None
        self._judge = Judge(waived, fleet.engine)
        self.waived = self._judge.waived
        self.opinions: list[Opinion] = self._judge.opinions
        self.verdicts: list[Verdict] = self._judge.verdicts
        self.places = self._judge.places
        self.answers = self._judge.answers
        self.asked: list[tuple[int, int, int | None, int]] = []
        self._kernels_asked: dict[tuple[int, int | None], set[int]] = {}
        self._questions: dict[int, Memo[int, int]] = {}
        self._of_kernels: dict[int, Memo[int, int]] = {}
        self._of_cpus: dict[tuple[int, bool], Memo[int, int]] = {}
        self._programs: dict[tuple[int, int, bool], ProgramsOpinions] = {}
        of_groups = [fleet.classes[group.node_class] for group in groups]
        #: By groups: the numbers of their classes of nodes, and of kernels.
        self._classes = [one.number for one in of_groups]
        self._kernels = [one.kernel for one in of_groups]
        #: By classes of nodes: the numbers of their kernels as sources, and of their CPUs.
        self._sides = (
            [one.source_kernel for one in fleet.classes],
            [one.cpu for one in fleet.classes],
        )
        self._uses_fpu = [container.may_have_used_fpu for container in fleet.containers]

    def restore_opinion(
        self, source: NodeClass, destination: NodeClass, container: int | None
    ) -> int:
        """Return the number of what is found on restoring a container of a class."""
        question = self.questions(source.source_kernel)[destination.kernel]
        return self.answers[question][self.traits(container)]

    def traits(self, container: int | None) -> ContainerTraits | None:
        """Return the traits of a class of containers; None is any at all."""
        return None if container is None else self.fleet.containers[container]

    def questions(self, source: int) -> Memo[int, int]:
        """Return the numbers of what a source's kernel and others are asked, by the others.

        Kernels that answer alike are asked one question.
        """
        if source not in self._questions:
            make, kernels, ask = self.fleet.source_kernels[source], self.fleet.kernels, self._judge
            self._questions[source] = Memo(lambda other: ask.question(make, kernels[other]))
        return self._questions[source]

    def kernels_asked(self, source: int, container: int | None) -> set[int]:
        """Return the kernels, to be added to, that a source's was compared with for a container."""
        return self._kernels_asked.setdefault((source, container), set())

    def programs_opinion(self, source: NodeClass, destination: NodeClass, *, uses_fpu: bool) -> int:
        """Return the number of what is found on programs that may have used the FPU."""
        return self.programs_opinions(source, uses_fpu=uses_fpu)[destination.number]

    def programs_opinions(self, source: NodeClass, *, uses_fpu: bool) -> "ProgramsOpinions":
        """Return the numbers of the same, by the destination's class: each when looked up."""
        key = source.source_kernel, source.cpu, uses_fpu
        if key not in self._programs:
            self._programs[key] = ProgramsOpinions(
                *self._sides,
                self.opinions_on_kernels(source.source_kernel),
                self.opinions_on_cpus(source.cpu, uses_fpu=uses_fpu),
                self._judge.together,
            )
        return self._programs[key]

    def uses_fpu(self, container: int | None) -> bool:
        """Tell whether a container of a class may have used the FPU; any at all may have."""
        return container is None or self._uses_fpu[container]

    def judge(self, source: int, destination: int, container: int | None = None) -> Judgement:
        """Judge a migration between two classes of nodes, of a class of containers."""
        one, other = self.fleet.classes[source], self.fleet.classes[destination]
        uses_fpu = self.uses_fpu(container)
        return Judgement(
            self.opinions[self.restore_opinion(one, other, container)],
            self.opinions[self.programs_opinion(one, other, uses_fpu=uses_fpu)],
        )

    def pairs(self) -> Iterator[Pair]:
        """Yield every ordered pair."""
        return chain.from_iterable(self.rows())

    def rows(self, *, asks_both: bool = False) -> Iterator[Row]:
        """Yield the pairs from each source; ``asks_both`` as in ``row``."""
        return (self.row(source, asks_both=asks_both) for source in self.groups)

    def row(self, source: Group, *, asks_both: bool = False) -> Row:
        """Return the pairs from one source, in the order of the groups.

        ``asks_both``: judge programs whatever its containers are.
        """
        destinations, classes, kernels = list(self.groups), self._classes[:], self._kernels[:]
        if len(source.nodes) == 1:
            for column in (destinations, classes, kernels):
                del column[source.number]
        moved = _Moved(self, source)
        moved.ask(classes, kernels, asks_both=asks_both)
        self.seen()
        return Row(source, destinations, *moved.summarize(classes, kernels))

    def alike(self, source: Group, destination: Group) -> tuple[Alike, ...]:
        """Sort the migrations of a pair by what is found on them."""
        one = self.fleet.classes[source.node_class]
        other = self.fleet.classes[destination.node_class]
        labels: dict[tuple[int, int], list[int | None]] = {}
        for load in source.loads:
            uses_fpu = self.uses_fpu(load.container)
            key = (
                self.restore_opinion(one, other, load.container),
                self.programs_opinion(one, other, uses_fpu=uses_fpu),
            )
            labels.setdefault(key, []).append(load.label)
        return tuple(Alike(tuple(those), *key) for key, those in labels.items())

    def opinion_on_kernels(self, source: int, destination: int) -> int:
        """Return the number of what two kernels alone do to programs."""
        return self.opinions_on_kernels(source)[destination]

    def opinions_on_kernels(self, source: int) -> Memo[int, int]:
        """Return the numbers of what a kernel and others do to programs, by the destination's."""
        if source not in self._of_kernels:
            kernels, ask = self.fleet.source_kernels, self._judge.on_kernels
            self._of_kernels[source] = Memo(lambda other: ask(kernels[source], kernels[other]))
        return self._of_kernels[source]

    def opinion_on_cpus(self, source: int, destination: int, *, uses_fpu: bool) -> int:
        """Return the number of what two CPUs do to programs, below kernels that are alike."""
        return self.opinions_on_cpus(source, uses_fpu=uses_fpu)[destination]

    def opinions_on_cpus(self, source: int, *, uses_fpu: bool) -> Memo[int, int]:
        """Return the numbers of what a CPU and others do to programs, by the destination's."""
        key = source, uses_fpu
        if key not in self._of_cpus:
            cpus, ask = self.fleet.cpus, self._judge.on_cpus
            self._of_cpus[key] = Memo(
                lambda other: ask(cpus[source], cpus[other], uses_fpu=uses_fpu)
            )
        return self._of_cpus[key]


class ProgramsOpinions(dict[int, int]):
    """The numbers of what is found on programs that leave a class, by the destination's."""

    def __init__(
        self,
        kernels: Sequence[int],
        cpus: Sequence[int],
        on_kernels: Memo[int, int],
        on_cpus: Memo[int, int],
        together: Memo[tuple[int, int], int],
    ) -> None:
        super().__init__()
        self._kernels = kernels
        self._cpus = cpus
        self._on_kernels = on_kernels
        self._on_cpus = on_cpus
        self._together = together

    def __missing__(self, destination: int) -> int:
        self.ask((destination,))
        return self[destination]

    def ask(self, destinations: Iterable[int]) -> None:
        """Ask what is not known yet of destinations, all at once: a fleet may have many."""
        new = list(filterfalse(self.__contains__, destinations))
        on_kernels = map(self._on_kernels.__getitem__, map(self._kernels.__getitem__, new))
        on_cpus = map(self._on_cpus.__getitem__, map(self._cpus.__getitem__, new))
        pairs = zip(on_kernels, on_cpus, strict=True)
        self.update(zip(new, map(self._together.__getitem__, pairs), strict=True))


class _Moved:
    """The containers of one source, and what is found on moving them.

    Verdicts on restore are counted for each question that kernels are asked, and apart for
    containers that cannot have used the FPU and for those that may have: the verdict on programs
    is the same for all of either. With that, the counts make the summary: few are different.
    """

    def __init__(self, matrix: Matrix, source: Group) -> None:
        self._matrix = matrix
        node_class = matrix.fleet.classes[source.node_class]
        self._kernel = node_class.source_kernel
        self._no_fpu = matrix.programs_opinions(node_class, uses_fpu=False)
        self._fpu = matrix.programs_opinions(node_class, uses_fpu=True)
        loads = sorted(source.loads, key=lambda load: matrix.uses_fpu(load.container))
        self._loads = [(matrix.traits(load.container), load.count) for load in loads]
        self._containers = [load.container for load in loads]
        self._cut = sum(not matrix.uses_fpu(container) for container in self._containers)
        self._needs = self._cut > 0, self._cut < len(loads)

    def ask(self, classes: Sequence[int], kernels: Sequence[int], *, asks_both: bool) -> None:
        """Ask what is not known yet of all destinations at once, by their classes and kernels."""
        for said, is_needed in zip((self._no_fpu, self._fpu), self._needs, strict=True):
            if is_needed or asks_both:
                said.ask(classes)
        matrix, source = self._matrix, self._kernel
        different = dict.fromkeys(kernels)
        asked = [
            (one, matrix.traits(one), matrix.kernels_asked(source, one)) for one in self._containers
        ]
        new = [one for one in asked if not different.keys() <= one[-1]]
        questions = matrix.questions(source)
        for kernel in different if new else ():
            opinions = matrix.answers[questions[kernel]]
            matrix.asked += [
                (source, kernel, container, opinions[traits])
                for container, traits, those in new
                if kernel not in those
            ]
        for _, _, those in new:
            those.update(different)

    def summarize(
        self, classes: Sequence[int], kernels: Sequence[int]
    ) -> tuple[list[int], dict[int, Summary], list[int | None], list[int | None]]:
        """Return the kinds of summaries of the pair with each of the destinations, and these.

        Beside them are the numbers of what programs meet.
        """
        no_fpu, fpu = list(map(self._no_fpu.get, classes)), list(map(self._fpu.get, classes))
        places = cast("Sequence[int]", self._matrix.places).__getitem__
        has_no_fpu, has_fpu = self._needs
        no_fpu_places = map(places, cast("list[int]", no_fpu)) if has_no_fpu else repeat(0)
        fpu_places = map(places, cast("list[int]", fpu)) if has_fpu else repeat(0)
        asked = map(self._matrix.questions(self._kernel).__getitem__, kernels)
        kinds = [
            9 * question + 3 * one + other
            for question, one, other in zip(asked, no_fpu_places, fpu_places, strict=False)
        ]
        return kinds, self._summaries(set(kinds)), no_fpu, fpu

    def _summaries(self, kinds: Iterable[int]) -> dict[int, Summary]:
        """Return the summaries by their kinds; few answers to questions differ in verdicts."""
        traits, answers = [one for one, _ in self._loads], self._matrix.answers
        places = self._matrix.places.__getitem__
        found: Memo[tuple[tuple[int, ...], int], Summary] = Memo(
            lambda key: _summary(self._count(key[0]), key[1])
        )
        restored = {
            question: tuple(map(places, map(answers[question].__getitem__, traits)))
            for question in {kind // 9 for kind in kinds}
        }
        return {kind: found[restored[kind // 9], kind % 9] for kind in kinds}

    def _count(self, restored: Iterable[int]) -> tuple[int, ...]:
        """Count what kernels answer: of what cannot have used the FPU, of the rest."""
        counts = [0] * 6
        for number, (place, (_, count)) in enumerate(zip(restored, self._loads, strict=True)):
            counts[place if number < self._cut else 3 + place] += count
        return tuple(counts)


@lru_cache(_MOST_REMEMBERED)
def _summary(counted: tuple[int, ...], places: int) -> Summary:
    """Summarize the counts of verdicts on restore, and two verdicts on programs by their places.

    Both are of containers that cannot have used the FPU, and of those that may have.
    """
    restored, survive, both = [0] * len(Verdict), [0] * len(Verdict), [0] * len(Outcome)
    for part, programs in zip((counted[:3], counted[3:]), divmod(places, 3), strict=True):
        for restore, count in enumerate(part):
            restored[restore] += count
            survive[programs] += count
            both[_OUTCOMES[restore][programs]] += count
    return Summary(Counts(*restored), Counts(*survive), Outcomes(*both))
