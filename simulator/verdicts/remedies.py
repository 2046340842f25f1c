"""What would turn a reason away, tried on the two simulated nodes before it is told.

A remedy is a change of either node. Each is applied to the nodes' profiles, and the migration is
judged again by the same rules: it is a remedy of those reasons that are gone then, if no other has
come. What is told of a code in general, codes.txt has.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, reduce
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from msgspec.structs import replace

from simulator.facts.bits import (
    CPT_BIND_MOUNT,
    CPT_EXTERNAL_PROCESS,
    CPT_NAMESPACES,
    CPT_PTRACED_FROM_VE0,
    CPT_SCHEDULER_POLICY,
    CPT_UNSUPPORTED_FSTYPE,
    CPT_UNSUPPORTED_MISC,
    CPT_UNSUPPORTED_NETDEV,
    mask,
)
from simulator.facts.cpu_traits import COMPONENTS, USERS
from simulator.facts.features import MASKS
from simulator.facts.generations import identify
from simulator.facts.override import format_override
from simulator.profiles.bare_node import AnyNode
from simulator.profiles.changes import (
    Cost,
    Obstacle,
    hiding_boot_options,
    lift_mask,
    obstacle_to_masking,
    upgrade,
    upgrades_of,
    with_ipv6,
    with_module,
    with_slm_module,
    without_boot_option,
    without_need,
    write_mask,
)
from simulator.profiles.masking import MASKABLE, Basis, basis_of, make_lines, with_dependents
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.engine import CPT, Engine
from simulator.verdicts.migrations import Migration, NodePair
from simulator.verdicts.traits import node_traits
from simulator.verdicts.verdict import OUTCOMES_BY_HARM, Help, Judgement, Outcome, Reason, Remedy

if TYPE_CHECKING:
    from simulator.verdicts.criu import Criu

#: What to do about what a container cannot take along: its bits, and the action.
_CONTAINERS_OWN = {
    "container-entered": (
        mask(CPT_EXTERNAL_PROCESS),
        "End the session that entered the container (vzctl enter, vzctl exec).",
    ),
    "container-namespaces": (
        mask(CPT_NAMESPACES),
        "End the process in the container that has a private mount namespace.",
    ),
    "destination-namespaces": (
        mask(CPT_NAMESPACES),
        "End the processes in the container that have a private mount namespace.",
    ),
    "container-scheduler": (
        mask(CPT_SCHEDULER_POLICY),
        "Give the process a normal policy: 'chrt --other --pid 0 PID'.",
    ),
    "container-traced": (
        mask(CPT_PTRACED_FROM_VE0),
        "Detach the debugger or strace that is attached on the node.",
    ),
    "container-filesystem": (
        mask(CPT_UNSUPPORTED_FSTYPE, CPT_BIND_MOUNT),
        "Unmount the file system in the container.",
    ),
    "container-netdevice": (
        mask(CPT_UNSUPPORTED_NETDEV),
        "Take the network device out of the container.",
    ),
    "container-misc": (
        mask(CPT_UNSUPPORTED_MISC),
        "End the process that is named, or start it without what is named.",
    ),
}

_MODULES_GO = (
    "A restart of iptables unloads nf_conntrack, and vzcpt and vzrst with it, unless "
    "IPTABLES_MODULES_UNLOAD=no is in /etc/sysconfig/iptables-config."
)

#: What stands against a migration, for short: which verdict it is of, and the feature or the code.
_Problems = frozenset[tuple[str, str]]


class _Trial(NamedTuple):
    """A remedy, and what it makes of either node; or the engine that is asked then."""

    remedy: Remedy
    source: Callable[[NodeProfile], NodeProfile] | None = None
    destination: Callable[[Any], AnyNode] | None = None
    engine: Engine[Any] | None = None


#: Trials of one kind, the least first: the first that helps is enough.
_Trials = tuple[_Trial, ...]


class Remedies:
    """Finds what helps migrations between two nodes.

    ``waived`` are codes that do not count, and ``restore_only`` leaves programs out.
    """

    def __init__(
        self,
        source: AnyNode,
        destination: AnyNode,
        waived: Iterable[str] = (),
        engine: Engine[Any] = CPT,
        *,
        restore_only: bool = False,
    ) -> None:
        self._source = cast("NodeProfile", source)
        self._destination = cast("NodeProfile", destination)
        self._engine = engine
        self._waived = tuple(waived)
        self._restore_only = restore_only
        self._judged: dict[tuple[Remedy, int | None, bool], Judgement] = {}

    def of(self, migration: Migration) -> tuple[Help, ...]:
        """Return what turns away reasons that count against a migration, the best first."""
        reasons = self._counted(migration.judgement)
        if not reasons:
            return ()
        if self._engine is not CPT:
            return self._past_criu(reasons, migration)
        found: list[Help] = []
        for trials in (*self._of_nodes, *self._of_container(migration)):
            found += self._helping(trials, reasons, migration)
        left = set(reasons).difference(*(one.turns_away for one in found))
        if left:
            found += self._together(tuple(one for one in reasons if one in left), migration)
        return tuple(sorted(found, key=lambda one: OUTCOMES_BY_HARM.index(one.outcome)))

    def _past_criu(self, reasons: Sequence[Reason], migration: Migration) -> tuple[Help, ...]:
        """Return the remedies by which CRIU restores, and programs survive."""
        from simulator.verdicts.criu_remedies import kernel_trials, mode_trials

        engine = cast("Criu", self._engine)
        trials = [
            _Trial(one.remedy, destination=one.destination, engine=one.engine)
            for one in (*mode_trials(engine), *kernel_trials(engine, self._destination))
        ]
        helps = [self._try(one, reasons, migration) for one in trials]
        return tuple(one for one in helps if one.turns_away and one.outcome is Outcome.SAFE)[:1]

    def _helping(
        self, trials: _Trials, reasons: Sequence[Reason], migration: Migration
    ) -> list[Help]:
        """Return the least of trials of one kind that turn away as much as any of them does."""
        found: list[Help] = []
        for trial in trials:
            help_ = self._try(trial, reasons, migration)
            known = {reason for one in found for reason in one.turns_away}
            if not known.issuperset(help_.turns_away):
                found = [one for one in found if not set(one.turns_away) <= set(help_.turns_away)]
                found.append(help_)
        return found

    def _together(self, reasons: Sequence[Reason], migration: Migration) -> Iterator[Help]:
        """Yield what only several changes of the destination do: none of them can be left out."""
        trials = [kind[-1] for kind in self._of_nodes if kind[-1].destination]
        together = self._try(_joined(trials), reasons, migration)
        if len(trials) > 1 and together.turns_away:
            for trial in tuple(trials):
                less = [one for one in trials if one is not trial]
                fewer = self._try(_joined(less), reasons, migration)
                if set(fewer.turns_away) >= set(together.turns_away):
                    trials, together = less, fewer
            yield together

    def _try(self, trial: _Trial, reasons: Iterable[Reason], migration: Migration) -> Help:
        """Return what a change turns away: nothing where something new comes of it."""
        after = self._after(trial, migration)
        outcome = after.outcome(restore_only=self._restore_only)
        left = self._problems(after)
        if left <= self._problems(migration.judgement):
            turned = (one for one in reasons if _problem(migration.judgement, one) not in left)
            return Help(trial.remedy, tuple(turned), outcome)
        return Help(trial.remedy, (), outcome)

    def _counted(self, judgement: Judgement) -> tuple[Reason, ...]:
        return judgement.counted(restore_only=self._restore_only)

    def _problems(self, judgement: Judgement) -> _Problems:
        return frozenset(_problem(judgement, reason) for reason in self._counted(judgement))

    def _after(self, trial: _Trial, migration: Migration) -> Judgement:
        """Judge a migration again after a change."""
        key = trial.remedy, migration.ctid, migration.is_suspended
        if key not in self._judged:
            source = trial.source(self._source) if trial.source else self._source
            destination: AnyNode = self._destination
            if trial.destination:
                destination = trial.destination(destination)
            engine = trial.engine or self._engine
            again = _judge_again(NodePair(source, destination, self._waived, engine), migration)
            self._judged[key] = again.judgement
        return self._judged[key]

    # What can be tried

    @cached_property
    def _of_nodes(self) -> tuple[_Trials, ...]:
        """What can be changed on the nodes, whatever the container is: what costs least first."""
        kinds = chain(
            _loads(self._source, self._destination),
            _lifts(self._destination),
            _boots(self._source, self._destination),
            _upgrades(self._source, self._destination),
        )
        return tuple(kind for kind in kinds if kind)

    def _of_container(self, migration: Migration) -> Iterator[_Trials]:
        """Yield what can be changed of one container."""
        judgement = migration.judgement
        ctid = migration.ctid
        if ctid is None or migration.is_suspended:
            return
        for code in dict.fromkeys(reason.code for reason in self._counted(judgement)):
            if code in _CONTAINERS_OWN:
                bits, action = _CONTAINERS_OWN[code]
                remedy = Remedy(action, Cost.NO_MORE.value)
                yield (_Trial(remedy, source=_without(ctid, bits)),)
        yield from self._masks(judgement)

    def _masks(self, judgement: Judgement) -> Iterator[_Trials]:
        """Yield lines for the source that tell its programs no more than the destination has."""
        obstacle = obstacle_to_masking(self._source)
        if obstacle not in {None, Obstacle.NOT_TOLD}:
            return
        basis = basis_of(replace(self._source, cpuid_override=self._source.cpuid_override or ""))
        hidden = with_dependents(_hideable(self._counted(judgement)))
        size = self._size_to_tell(judgement)
        if not isinstance(basis, Basis) or not (hidden or size):
            return
        lines = format_override(make_lines(basis, hidden, size))
        action = (
            f"Write these lines to /proc/vz/cpuid_override on {self._source.name}, and start the "
            "container again."
        )
        condition = f"If {self._source.name} has that file. {obstacle.remedy}" if obstacle else ""
        remedy = Remedy(action, Cost.RESTART.value, condition, lines)
        yield (_Trial(remedy, source=lambda profile: write_mask(profile, lines)),)

    def _size_to_tell(self, judgement: Judgement) -> int:
        """Return the size of XSAVE's area that programs have to be told of; 0 where no other."""
        area = node_traits(self._destination).cpu.area
        is_larger = any(one.code == "xsave-area-larger" for one in self._counted(judgement))
        return area.size if area and is_larger else 0


def _without(ctid: int, bits: int) -> Callable[[NodeProfile], NodeProfile]:
    return lambda profile: without_need(profile, ctid, bits)


def _joined(trials: list[_Trial]) -> _Trial:
    """Return several changes of the destination as one."""

    def change(profile: AnyNode) -> AnyNode:
        return reduce(lambda node, make: make(node), changes, profile)

    changes = [trial.destination for trial in trials if trial.destination]
    actions = " ".join(trial.remedy.action for trial in trials)
    costs = dict.fromkeys(trial.remedy.cost for trial in trials)
    return _Trial(Remedy(f"All of these: {actions}", "; ".join(costs)), destination=change)


def _loads(source: NodeProfile, destination: NodeProfile) -> Iterator[_Trials]:
    """Yield the modules that can be loaded."""
    nothing = Cost.NO_MORE.value
    if "vzcpt" not in source.kernel.modules:
        action = f"Load it on {source.name}: 'modprobe vzcpt'. {_MODULES_GO}"
        yield (_Trial(Remedy(action, nothing), source=lambda node: with_module(node, "vzcpt")),)
    if "vzrst" not in destination.kernel.modules:
        action = f"Load it on {destination.name}: 'modprobe vzrst'. {_MODULES_GO}"
        remedy = Remedy(action, nothing)
        yield (_Trial(remedy, destination=lambda node: with_module(node, "vzrst")),)
    if not destination.kernel.ipv6 and not hiding_boot_options(destination):
        remedy = Remedy(f"Load IPv6 on {destination.name}: 'modprobe ipv6'.", nothing)
        yield (_Trial(remedy, destination=with_ipv6),)
    if source.kernel.slm_without_module:
        remedy = Remedy(f"Load the module on {source.name}: 'modprobe slm_dmprst'.", nothing)
        yield (_Trial(remedy, source=with_slm_module),)
    if destination.kernel.slm_without_module:
        remedy = Remedy(f"Load the module on {destination.name}: 'modprobe slm_dmprst'.", nothing)
        yield (_Trial(remedy, destination=with_slm_module),)


def _lifts(destination: NodeProfile) -> Iterator[_Trials]:
    if destination.cpuid_override:
        action = f"Lift the mask on {destination.name}: 'echo > /proc/vz/cpuid_override'."
        yield (_Trial(Remedy(action, Cost.NOTHING.value), destination=lift_mask),)


def _boots(source: NodeProfile, destination: NodeProfile) -> Iterator[_Trials]:
    """Yield the boot options that can be taken away."""
    reboot = Cost.REBOOT.value
    for option in hiding_boot_options(destination):
        remedy = Remedy(f"Boot {destination.name} without {option}.", reboot)
        yield (_Trial(remedy, destination=_without_option(option)),)
    for option in hiding_boot_options(source):
        remedy = Remedy(f"Boot {source.name} without {option}.", reboot)
        yield (_Trial(remedy, source=_without_option(option)),)


def _without_option(option: str) -> Callable[[NodeProfile], NodeProfile]:
    return lambda profile: without_boot_option(profile, option)


def _upgrades(source: NodeProfile, destination: NodeProfile) -> Iterator[_Trials]:
    """Yield the kernels that either node can be upgraded to, the oldest first."""
    yield tuple(
        _Trial(_upgrade_of(destination, release), destination=_to(release))
        for release in upgrades_of(destination)
    )
    yield tuple(
        _Trial(_upgrade_of(source, release), source=_to(release)) for release in upgrades_of(source)
    )


def _to(release: str) -> Callable[[NodeProfile], NodeProfile]:
    return lambda profile: upgrade(profile, release)


def _upgrade_of(profile: NodeProfile, release: str) -> Remedy:
    label = identify(release).label
    return Remedy(f"Upgrade {profile.name}'s kernel to {label} or later.", Cost.REBOOT.value)


# What stands against a migration


def _judge_again(pair: NodePair, migration: Migration) -> Migration:
    if migration.ctid is None:
        return pair.judge_nodes()
    if migration.is_suspended:
        return pair.judge_suspended(migration.ctid)
    return pair.judge_one(migration.ctid)


def _problem(judgement: Judgement, reason: Reason) -> tuple[str, str]:
    verdict = "restore" if reason in judgement.restore.reasons else "programs"
    return verdict, reason.feature or reason.code


def _hideable(reasons: Iterable[Reason]) -> int:
    """Return the features that could be hidden on the source, of those that are lost."""
    features = 0
    for reason in reasons:
        features |= MASKS.get(reason.feature, 0)
        if reason.code in {"xsave-component-missing", "xsave-layout-differs"}:
            features |= sum(
                USERS[one] for one, name in COMPONENTS.items() if name == reason.feature
            )
    return features & MASKABLE
