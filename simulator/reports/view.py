"""What reports on a matrix share: the names of groups, containers and reasons."""

from collections.abc import Iterable
from typing import NamedTuple

from simulator.fleets.fleet import Fleet, Group, group_by_class, group_by_node
from simulator.fleets.matrix import Alike, Matrix, Outcomes
from simulator.profiles.bare_node import AnyNode, BareNode
from simulator.verdicts.traits import ContainerTraits, bits_words
from simulator.verdicts.verdict import Judgement, Opinion, Outcome, Weight
from vzcptcheck.outcome import printable

#: Fleets of more nodes are reported by class.
MOST_NODES = 64


class Note(NamedTuple):
    """A node's release and CPU, for people: no verdict depends on them."""

    release: str
    cpu: str


def note_on(profile: AnyNode) -> Note:
    """Return a node's release and CPU."""
    models = dict.fromkeys(cpu.model_name or "" for cpu in profile.cpus)
    release = "" if isinstance(profile, BareNode) else profile.kernel.release
    return Note(release, ", ".join(filter(None, models)))


class View:
    """A matrix to report; ``restore_only``: programs are left out.

    ``worse`` are pairs of nodes by name that became worse, where that was compared.
    """

    def __init__(
        self,
        fleet: Fleet,
        waived: Iterable[str] = (),
        *,
        is_by_class: bool | None = None,
        restore_only: bool = False,
    ) -> None:
        large = len(fleet.members) > MOST_NODES
        self.is_by_class = large if is_by_class is None else is_by_class
        groups = group_by_class(fleet) if self.is_by_class else group_by_node(fleet)
        self.matrix = Matrix(fleet, groups, waived)
        self.restore_only = restore_only
        self.worse: frozenset[tuple[str, str]] | None = None
        self._why: dict[int, str] = {}

    @property
    def fleet(self) -> Fleet:
        """The nodes."""
        return self.matrix.fleet

    def outcome(self, alike: Alike) -> Outcome:
        """Return the outcome of migrations that are alike."""
        restore, programs = (self.matrix.opinions[one] for one in (alike.restore, alike.programs))
        return Judgement(restore, programs).outcome(restore_only=self.restore_only)

    def why(self, number: int) -> str:
        """Return the codes and features that an opinion's verdict comes from."""
        if number not in self._why:
            self._why[number] = why(self.matrix.opinions[number])
        return self._why[number]

    def name(self, group: Group) -> str:
        """Return a group's name: its node's, or its number with its first node's."""
        if not self.is_by_class:
            return printable(group.nodes[0])
        return f"{group.number} ({first_nodes(group, 1)})"


def counts_words(counts: Outcomes) -> str:
    """Return the count of each outcome that there is, or the one outcome that all have."""
    found = [(count, one.value) for one, count in zip(Outcome, counts, strict=True) if count]
    return found[0][1] if len(found) == 1 else ", ".join(f"{count} {word}" for count, word in found)


def why(opinion: Opinion) -> str:
    """List the reasons that count, and the waived ones: codes with their features."""
    features: dict[str, list[str]] = {}
    said: dict[str, str] = {}
    for reason in opinion.reasons:
        if reason.is_waived or reason.weight is not Weight.REMARK:
            code = f"{reason.code} (waived)" if reason.is_waived else reason.code
            features.setdefault(code, []).append(reason.feature)
            said[code] = f' "{reason.said}"' if reason.said else ""
    return "; ".join(
        f"{code}{said[code]}: {' '.join(names)}" if any(names) else f"{code}{said[code]}"
        for code, names in features.items()
    )


def labels_words(labels: Iterable[int | None]) -> str:
    """Name containers by their labels; "any" stands for the nodes alone."""
    return " ".join("any" if label is None else str(label) for label in labels)


def first_nodes(group: Group, count: int) -> str:
    """Name the first nodes of a group, and the number of others."""
    names = " ".join(map(printable, group.nodes[:count]))
    more = len(group.nodes) - count
    return f"{names} and {more} more" if more > 0 else names


def container_words(container: ContainerTraits) -> str:
    """Describe a container briefly."""
    if container.caps is None:
        return container.state.value
    return f"{container.state.value}, needs {bits_words(container.caps, container.may_caps)}"
