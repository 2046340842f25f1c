"""The least change of a group of nodes after which all can migrate to each other.

A change is an option for each kind of node, and what each then has to hide. That is a least fixed
point: all that its containers need and some member of the group does not offer, which it then
does not offer either. All of it is necessary, so with these options no smaller lines will do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from itertools import product
from math import prod
from operator import and_
from typing import NamedTuple

from simulator.facts.cpu_traits import COMPONENTS, USERS
from simulator.facts.features import MASKS, OF_ZMM
from simulator.fleets.cliques import partition
from simulator.fleets.pool import Judge
from simulator.fleets.pool_options import LARGER_AREA, Kind, Option, kinds_apart, may_offer
from simulator.kernel.decision import missing_bits
from simulator.profiles.masking import MASKABLE, features_of, numbers_bits, with_dependents
from simulator.verdicts.restore import FEATURE_CODES
from simulator.verdicts.verdict import Reason, Verdict

#: Codes of reasons that go where their feature is hidden on the source.
_LINES_HELP = FEATURE_CODES | {
    "instructions-missing",
    "instructions-not-enabled",
    "instructions-differ",
}

#: What uses each component of XSAVE's area: it holds nothing where none of it was ever shown.
_USERS = {name: USERS[number] & MASKABLE for number, name in COMPONENTS.items()}

#: So many ways to choose options for a group are all tried; of more, those that treat nodes alike
#: that can, and that cannot, be given lines.
_MOST_CHOICES = 256

#: What each kind of a group is made.
Choice = Mapping[Kind, Option]


class Plan(NamedTuple):
    """What each kind of a group is made, and the features that it has to hide then."""

    choice: Choice
    hidden: Mapping[Kind, int]

    @property
    def area(self) -> int:
        """The largest size of XSAVE's area, in bytes, that any of the nodes may have."""
        return max(option.area for option in self.choice.values())

    @property
    def weight(self) -> int:
        """What it asks of those who run the nodes."""
        return sum(
            len(kind.numbers) * option.weight_with(self.hidden[kind])
            for kind, option in self.choice.items()
        )


class _Demands(dict[tuple[Option, Option], int | None]):
    """What a source has to hide for a destination, asked for when it is first looked up."""

    def __init__(self, ask: Callable[[Option, Option], int | None]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, pair: tuple[Option, Option]) -> int | None:
        self[pair] = demanded = self._ask(*pair)
        return demanded


class Search:
    """Finds plans for groups of kinds; what was asked once is remembered."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._by_opinion: dict[int, int | None] = {}
        self._demands = _Demands(self._ask)
        self._in_the_way: tuple[Kind, ...] = ()
        self._together: dict[tuple[Kind, Kind], bool] = {}

    def can_be_together(self, one: Kind, other: Kind) -> bool:
        """Tell whether some change lets nodes of two kinds migrate to each other."""
        key = one, other
        if key not in self._together:
            found = not _never(one, other) and any(
                self._hidden(choice, is_sure=False) is not None
                for choice in _all_choices(tuple(dict.fromkeys(key)))
            )
            self._together[key] = self._together[other, one] = found
        return self._together[key]

    def plans(self, kinds: Iterable[Kind]) -> Iterator[Plan]:
        """Cut kinds into groups that changes may make of them, and yield the least for each."""
        vertices = [
            part
            for kind in kinds
            for part in ([kind] if self.can_be_together(kind, kind) else kinds_apart(kind))
        ]
        neighbours = [
            sum(
                1 << number
                for number, other in enumerate(vertices)
                if other is not one and self.can_be_together(one, other)
            )
            for one in vertices
        ]
        for group in partition([len(one.numbers) for one in vertices], neighbours):
            yield from self._plans_of([vertices[number] for number in group])

    def _plans_of(self, group: Sequence[Kind]) -> Iterator[Plan]:
        """Yield the plan of a group; where there is none, of as many of it as there is one for."""
        plan = self.plan(group)
        if plan is not None:
            yield plan
            return
        kept, left = [group[0]], []
        for kind in group[1:]:
            if self.plan([*kept, kind]) is None:
                left.append(kind)
            else:
                kept.append(kind)
        yield from self._plans_of(kept)
        yield from self._plans_of(left)

    def plan(self, group: Sequence[Kind]) -> Plan | None:
        """Return the plan that weighs least; None where there is none.

        One that takes nodes to have a file that they may not have comes after all others.
        """
        for is_sure in (True, False):
            best: Plan | None = None
            for choice in _choices(group):
                if best is not None and _weight(choice) >= best.weight:
                    break
                hidden = self._hidden(choice, is_sure=is_sure)
                if hidden is not None:
                    plan = self._reduced(Plan(choice, hidden), is_sure=is_sure)
                    if best is None or plan.weight < best.weight:
                        best = plan
            if best is not None:
                return best
        return None

    def _reduced(self, plan: Plan, *, is_sure: bool) -> Plan:
        """Take from a plan every change that the group can do without."""
        for kind in plan.choice:
            lighter = kind.options[: kind.options.index(plan.choice[kind])]
            for option in lighter:
                demands = self._demands_with(option, kind, plan.choice)
                if None in demands:
                    continue
                choice = {**plan.choice, kind: option}
                hidden: Mapping[Kind, int] | None = plan.hidden
                if any(demands) or any(plan.hidden.values()):
                    hidden = self._hidden(choice, is_sure=is_sure)
                if hidden is not None and Plan(choice, hidden).weight <= plan.weight:
                    plan = Plan(choice, hidden)
                    break
        return plan

    def _demands_with(self, option: Option, kind: Kind, choice: Choice) -> set[int | None]:
        """Return what is demanded between an option and those of the other kinds."""
        others = [one for other, one in choice.items() if other is not kind]
        demands = self._demands
        found = {demands[option, other] for other in others}
        return found.union(demands[other, option] for other in others)

    def _hidden(self, choice: Choice, *, is_sure: bool) -> dict[Kind, int] | None:
        """Return what each kind has to hide so that all can migrate to each other.

        None where that cannot be, or, if ``is_sure``, not certainly.
        """
        hidden = self._demanded(choice)
        if hidden is None or not any(hidden.values()):
            return hidden
        while True:
            common = reduce(and_, (_offers(choice[one], hidden[one]) for one in choice))
            grown = {one: _grow(choice[one], hidden[one], common) for one in choice}
            if grown == hidden:
                break
            hidden = grown
        for kind, option in choice.items():
            if hidden[kind] and (option.basis is None or (is_sure and not option.has_file)):
                return None
            if _lacking(option, hidden[kind], common):
                return None
        return hidden

    def _demanded(self, choice: Choice) -> dict[Kind, int] | None:
        """Return what each kind has to hide, if the others hide nothing; None where none helps."""
        # What kept the last choice from being one mostly keeps the next one, too.
        pair = tuple(choice[kind] for kind in self._in_the_way if kind in choice)
        if len(pair) == 2 and self._demands[pair] is None:
            return None
        hidden, demands = {}, self._demands
        for kind, option in choice.items():
            features = 0
            for other, destination in choice.items():
                if other is not kind or len(kind.numbers) > 1:
                    demanded = demands[option, destination]
                    if demanded is None:
                        self._in_the_way = kind, other
                        return None
                    features |= demanded
            hidden[kind] = with_dependents(features)
        return hidden

    def _ask(self, source: Option, destination: Option) -> int | None:
        """Return what a source has to hide for a destination; None where that is not enough."""
        one, other = source.node.behaviour, destination.node.behaviour
        if source.least_needs & ~may_offer(destination):
            return None
        features = 0
        for number in self._judge.numbers(one, other):
            if number not in self._by_opinion:
                opinion = self._judge.opinion(number)
                self._by_opinion[number] = _hidden_for(opinion.reasons)
            demanded = self._by_opinion[number]
            if demanded is None or (demanded and source.basis is None):
                return None
            features |= demanded
        return features


def _hidden_for(reasons: Iterable[Reason]) -> int | None:
    """Return the features to hide on the source so that reasons go; None if some would stay."""
    features = 0
    for reason in reasons:
        if reason.verdict is Verdict.POSSIBLE:
            continue
        hideable = _hideable(reason)
        if not hideable:
            return None
        features |= hideable
    return features


def _hideable(reason: Reason) -> int:
    """Return what to hide on the source so that a reason goes; 0 where nothing helps."""
    if reason.code in _LINES_HELP:
        return MASKS.get(reason.feature, 0) & MASKABLE
    if reason.code in ("xsave-component-missing", "xsave-layout-differs"):
        return _USERS[reason.feature]
    if reason.code == "xsave-area-smaller":
        # It comes with one of the two above, of AVX's or of AVX-512's components.
        return OF_ZMM & MASKABLE
    return LARGER_AREA if reason.code == "xsave-area-larger" else 0


def _never(one: Kind, other: Kind) -> bool:
    """Tell whether each option's containers need something that no option of the other offers."""
    return bool(one.least_needs & ~other.most_offered or other.least_needs & ~one.most_offered)


def _offers(option: Option, hidden: int) -> int:
    return option.node.behaviour.traits.cpt.caps & ~numbers_bits(hidden)


def _grow(option: Option, hidden: int, common: int) -> int:
    """Return what a node has to hide where it is offered no more than ``common``."""
    if option.basis is None:
        return hidden
    return with_dependents(hidden | features_of(option.needs & ~common))


def _lacking(option: Option, hidden: int, common: int) -> int:
    """Return what a node's containers need and ``common`` does not have."""
    generation = option.node.behaviour.traits.cpt.generation
    needs = option.needs & ~numbers_bits(hidden)
    return missing_bits(generation, generation.vecaps_bits, needs, common)


def _weight(choice: Choice) -> int:
    """Return what a choice weighs at least, whatever is to be hidden."""
    return sum(len(kind.numbers) * option.weight for kind, option in choice.items())


def _choices(group: Sequence[Kind]) -> Iterator[Choice]:
    """Yield what a group can be made, by weight; as it is comes first."""
    yield {kind: kind.options[0] for kind in group}
    if prod(len(kind.options) for kind in group) <= _MOST_CHOICES:
        yield from _all_choices(group)
    else:
        yield from _uniform_choices(group)


def _all_choices(group: Sequence[Kind]) -> list[Choice]:
    made = product(*(kind.options for kind in group))
    return sorted((dict(zip(group, one, strict=True)) for one in made), key=_weight)


def _uniform_choices(group: Sequence[Kind]) -> list[Choice]:
    """Return the choices that give all kinds that can be masked one release, and all others one."""
    options = [option for kind in group for option in kind.options]
    ages = sorted({one.age for one in options})
    bare = (False, True) if any(one.without for one in options) else (False,)
    lifted = (False, True) if any(one.shown != one.was_shown for one in options) else (False,)
    by_flags = [[_uniform(group, age, *flags) for age in ages] for flags in product(bare, lifted)]
    found: dict[tuple[Option, ...], Choice] = {}
    for by_age in by_flags:
        for unmasked, masked in product(by_age, by_age):
            chosen = tuple(
                two if kind.may_be_masked else one
                for kind, one, two in zip(group, unmasked, masked, strict=True)
            )
            if chosen not in found:
                found[chosen] = dict(zip(group, chosen, strict=True))
    return sorted(found.values(), key=_weight)


def _uniform(group: Iterable[Kind], age: int, bare: bool, lifted: bool) -> list[Option]:
    """Return what each kind is made with a release, or with the newest before it that differs."""
    return [
        max(
            (one for one in kind.options if one.age <= age),
            key=lambda one: (
                len(one.without) * (1 if bare else -1),
                (one.shown != one.was_shown) == lifted,
                one.age,
            ),
        )
        for kind in group
    ]
