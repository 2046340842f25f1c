"""What nodes of a pool can be made: of a newer kernel, with fewer boot options, with no mask.

Nodes of one kind are alike in all that can be changed. What lines for cpuid_override add to an
option is found for a whole group at once.
"""

from collections.abc import Hashable, Iterator, Sequence
from functools import reduce
from itertools import chain, combinations
from operator import and_, or_

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.capabilities import NOTHING_HIDDEN
from simulator.facts.cpu_traits import CpuTraits
from simulator.facts.features import FEATURES
from simulator.facts.generations import UPGRADES
from simulator.fleets.pool import Node
from simulator.kernel.decision import bits_looked_at
from simulator.profiles.changes import (
    Obstacle,
    hiding_boot_options,
    lift_mask,
    obstacle_to_masking,
    upgrade,
    upgrades_of,
    without_boot_option,
)
from simulator.profiles.masking import MASKABLE, Basis, basis_of, numbers_bits
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.traits import node_traits

#: What changes weigh, a node each: a mask that is lifted, a reboot, lines, which take something
#: from programs for good, and lines where it is not certain that there can be any.
LIFT, REBOOT, LINES, UNCERTAIN = 1, 8, 10, 14

#: In a mask of features to hide: programs have to be told an area of XSAVE as large as any of the
#: group's, so that they have room for what is written where they come to.
LARGER_AREA = 1 << FEATURES[-1].mask.bit_length()

#: The bits of a capability number that lines can take away.
_MASKABLE_BITS = numbers_bits(MASKABLE)


class Option(Struct, frozen=True, eq=False):
    """A node as it can be made, before lines are written to it.

    ``release`` is what its kernel is upgraded to, empty where it stays; ``without`` are the boot
    options that are taken away. ``basis`` is what lines are made of, None where there can be none;
    ``has_file``: it is certain that the node has cpuid_override. ``shown`` are the features that
    programs are shown, and ``was_shown`` those where its mask, if it has one, is not lifted;
    ``needs`` are the bits that its containers need of a destination, and ``least_needs`` those of
    them that they need whatever it hides.
    ``area`` is the size in bytes that XSAVE's area may have.
    ``age`` sorts options by their releases, 0 where the kernel stays; ``weight`` is without lines.
    """

    node: Node
    release: str
    without: tuple[str, ...]
    basis: Basis | None
    has_file: bool
    shown: int
    was_shown: int
    needs: int
    least_needs: int
    area: int
    age: int
    weight: int

    def weight_with(self, hidden: int) -> int:
        """Return what it weighs with lines that hide features."""
        shown = self.shown & ~hidden
        if self.was_shown & ~shown or hidden & LARGER_AREA:
            return self.weight + (LINES if self.has_file else UNCERTAIN)
        return self.weight + LIFT * (shown != self.was_shown)


class Kind(Struct, frozen=True, eq=False):
    """Nodes that are alike, by their numbers, and what each can be made: as it is comes first.

    ``least_needs`` are the bits that its containers need of a destination whatever it is made,
    ``most_offered`` those that it offers when it is made one thing or another.
    """

    numbers: tuple[int, ...]
    options: tuple[Option, ...]
    least_needs: int
    most_offered: int
    may_be_masked: bool


def may_offer(option: Option) -> int:
    """Return the bits that a node offers, or may offer where its CPU is known in part."""
    kernel = option.node.behaviour.traits.cpt
    return kernel.caps | kernel.may_caps


def kinds_apart(kind: Kind) -> list[Kind]:
    """Make a kind of each of a kind's nodes."""
    return [replace(kind, numbers=(number,)) for number in kind.numbers]


def kinds_of(nodes: Sequence[Node]) -> tuple[Kind, ...]:
    """Sort nodes into kinds."""
    found: dict[Hashable, list[int]] = {}
    for number, node in enumerate(nodes):
        profile = node.profile
        containers = frozenset((one.state, one.contents, one.needs) for one in profile.containers)
        cpus = tuple(cpu.cpuid for cpu in profile.cpus)
        key = node.behaviour, profile.facts(), cpus, node.obstacle, containers
        found.setdefault(key, []).append(number)
    return tuple(
        _kind(tuple(numbers), tuple(_options(nodes[numbers[0]]))) for numbers in found.values()
    )


def _kind(numbers: tuple[int, ...], options: tuple[Option, ...]) -> Kind:
    return Kind(
        numbers,
        options,
        reduce(and_, (one.least_needs for one in options)),
        reduce(or_, (may_offer(one) for one in options)),
        any(one.basis is not None for one in options),
    )


def _options(node: Node) -> Iterator[Option]:
    """Yield what a node can be made, by weight; of those that are alike the first alone."""
    seen: set[Hashable] = set()
    for one in sorted(_all_options(node), key=lambda option: option.weight):
        alike = _asked_of(one)
        if alike not in seen:
            seen.add(alike)
            yield one


def _asked_of(option: Option) -> Hashable:
    """Return all that a running container's migration depends on, and the group's lines."""
    behaviour = option.node.behaviour
    kernel = behaviour.traits.cpt
    generation = kernel.generation
    rules = (
        generation.image_version,
        generation.restores,
        generation.has_test_version,
        generation.vecaps_bits,
        generation.sse4_2_bit,
        generation.unsupported_mask,
        generation.slm_result,
        bool(generation.ipv6_text),
        generation.tests_namespaces,
    )
    shown = replace(kernel, generation_name="", hidden=NOTHING_HIDDEN)
    seen = shown, behaviour.traits.cpu, behaviour.containers
    return rules, seen, option.basis is None, option.has_file


def _all_options(node: Node) -> Iterator[Option]:
    original = node.profile
    hiding = hiding_boot_options(original)
    for release in ("", *upgrades_of(original)):
        for without in chain.from_iterable(
            combinations(hiding, count) for count in range(len(hiding) + 1)
        ):
            profile = _changed(original, release, without)
            shown = node_traits(profile).cpu.shown
            yield _option(node, profile, release, without, shown)
            if profile.cpuid_override:
                lifted = lift_mask(profile)
                if node_traits(lifted).cpu.shown != shown:
                    yield _option(node, lifted, release, without, shown)


def _changed(profile: NodeProfile, release: str, without: Sequence[str]) -> NodeProfile:
    if release:
        profile = upgrade(profile, release)
    for option in without:
        profile = without_boot_option(profile, option)
    return profile


def _option(
    node: Node, profile: NodeProfile, release: str, without: tuple[str, ...], was_shown: int
) -> Option:
    basis, has_file = _basis(node, profile)
    changed = node if profile is node.profile else Node(profile, node.rule)
    cpu = node_traits(profile).cpu
    behaviour = changed.behaviour
    generation = behaviour.traits.cpt.generation
    needs = behaviour.needs & bits_looked_at(generation, generation.vecaps_bits)
    least = needs if basis is None else needs & ~_MASKABLE_BITS
    age = UPGRADES.index(release) + 1 if release else 0
    weight = REBOOT if release or without else 0
    return Option(
        changed,
        release,
        without,
        basis,
        has_file,
        cpu.shown,
        was_shown,
        behaviour.needs,
        least,
        _area(cpu),
        age,
        weight,
    )


def _basis(node: Node, profile: NodeProfile) -> tuple[Basis | None, bool]:
    """Return what lines are made of, and whether it is certain that they can be written."""
    if node.obstacle is Obstacle.FILE:
        # It was looked for, on a kernel that has it on CPUs with CPUID faulting.
        return None, False
    obstacle = obstacle_to_masking(profile)
    if obstacle is not None and obstacle is not Obstacle.NOT_TOLD:
        return None, False
    basis = basis_of(replace(profile, cpuid_override=profile.cpuid_override or ""))
    return (basis, obstacle is None) if isinstance(basis, Basis) else (None, False)


def _area(cpu: CpuTraits) -> int:
    sizes = [one.area.size for one in (cpu, cpu.with_more) if one is not None and one.area]
    return max(sizes, default=0)
