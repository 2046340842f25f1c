"""Judged migrations between nodes and containers of few kinds: each distinct question once.

Opinions are numbered in the order in which they come up, and equal ones have one number.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from simulator.facts.cpu_traits import CpuTraits
from simulator.verdicts import programs
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.traits import ContainerTraits, NodeTraits, RestoreTraits
from simulator.verdicts.verdict import Opinion, Verdict, worst

_PLACES = {verdict: place for place, verdict in enumerate(Verdict)}

_Asked = TypeVar("_Asked", bound=Hashable)
_Answer = TypeVar("_Answer")


class Memo(dict[_Asked, _Answer]):
    """Answers to what is asked, each found when it is first looked up."""

    def __init__(self, ask: Callable[[_Asked], _Answer]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, asked: _Asked) -> _Answer:
        self[asked] = answer = self._ask(asked)
        return answer


class Judge:
    """Answers what is asked of kinds of nodes; ``waived`` are codes that do not count.

    ``opinions`` and their ``verdicts`` are by their numbers, as are the ``places`` of verdicts in
    ``Verdict``. ``together`` has the number of two opinions as one, by their numbers. ``answers``
    are by the numbers of questions, and by containers: those of opinions on restore.
    """

    def __init__(self, waived: Iterable[str] = (), engine: Engine[Any] = CPT) -> None:
        self._engine = engine
        self.waived = tuple(waived)
        self.opinions: list[Opinion] = []
        self.verdicts: list[Verdict] = []
        self.places: list[int] = []
        self.together: Memo[tuple[int, int], int] = Memo(self._put_together)
        self._numbers: dict[Opinion, int] = {}
        self.answers: list[Memo[ContainerTraits | None, int]] = []
        self._questions: dict[Hashable, int] = {}

    def on_restore(
        self, source: RestoreTraits, destination: RestoreTraits, container: ContainerTraits | None
    ) -> int:
        """Return the number of what is found on restoring a container; None is any at all."""
        return self.answers[self.question(source, destination)][container]

    def question(self, source: RestoreTraits, destination: RestoreTraits) -> int:
        """Return the number of what two kernels are asked; those that answer alike share one."""
        question = self._engine.question(source, destination)
        number = self._questions.setdefault(question, len(self._questions))
        if number == len(self.answers):
            ask = self._engine.answers(source, destination)
            self.answers.append(Memo(lambda container: self._number(ask(container))))
        return number

    def on_kernels(self, source: RestoreTraits, destination: RestoreTraits) -> int:
        """Return the number of what two kernels alone do to programs."""
        return self._number(self._engine.opinion_on_kernels(source, destination).waive(self.waived))

    def on_cpus(self, source: CpuTraits, destination: CpuTraits, *, uses_fpu: bool) -> int:
        """Return the number of what two nodes' CPUs alone do to programs."""
        opinion = programs.opinion_on_cpus(source, destination, uses_fpu=uses_fpu)
        return self._number(opinion.waive(self.waived))

    def on_programs(self, source: NodeTraits, destination: NodeTraits, *, uses_fpu: bool) -> int:
        """Return the number of what is found on programs that may have used the FPU."""
        on_kernels = self.on_kernels(source.kernel, destination.kernel)
        on_cpus = self.on_cpus(source.cpu, destination.cpu, uses_fpu=uses_fpu)
        return self.together[on_kernels, on_cpus]

    def _put_together(self, numbers: tuple[int, int]) -> int:
        one, other = numbers
        opinions, verdicts = self.opinions, self.verdicts
        findings = opinions[one].findings
        if not findings:
            return other
        both = Opinion(findings + opinions[other].findings)
        return self._number(both, worst((verdicts[one], verdicts[other])))

    def _number(self, opinion: Opinion, verdict: Verdict | None = None) -> int:
        """Return the opinion's number; its verdict is worked out where it is not known."""
        new = len(self.opinions)
        number = self._numbers.setdefault(opinion, new)
        if number == new:
            verdict = verdict or opinion.verdict
            self.opinions.append(opinion)
            self.verdicts.append(verdict)
            self.places.append(_PLACES[verdict])
        return number
