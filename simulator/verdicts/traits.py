"""What of a node, and of a container, a migration depends on: all else makes no difference.

These are small, equal where nodes or containers are alike to every question, and hashable: what
is compared are classes of them.
"""

from collections.abc import Set as AbstractSet
from functools import lru_cache

from msgspec import Struct

from simulator.facts.bits import CPT_CPU_X86_FXSR, mask
from simulator.facts.capabilities import (
    I386,
    NOTHING_HIDDEN,
    Hidden,
    NodeFacts,
    capability_bounds,
    hidden_capabilities,
)
from simulator.facts.cpu_traits import CpuTraits, cpu_traits
from simulator.facts.cpuid import CpuidTable
from simulator.facts.generations import BY_NAME, Generation
from simulator.kernel.containers import Container, Contents, Needs, State
from simulator.kernel.decision import bits_looked_at, gather_bounds
from simulator.profiles.profile import NodeProfile, derive_needs

#: A generation that decides as an older one does: CPT_TEST_VECAPS2 alone tells these two apart,
#: and no verdict asks it.
_DECIDES_AS = {"042stab092": "042stab088"}


#: Nodes of a large fleet are of few kinds: so many are remembered.
_MOST_REMEMBERED = 1024


class KernelTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """What a node's kernel answers by.

    ``generation_name`` is the oldest generation's that decides as its own does. ``caps`` are
    the bits of its capability number that some answer depends on: as a source's that is little.
    ``hidden`` is what of its CPU the number does not show, where it is a destination.
    ``may_caps`` are more bits that it may have, where its CPU is known in part.
    """

    generation_name: str
    has_cpt: bool
    has_rst: bool
    is_64_bit: bool
    caps: int
    hidden: Hidden = NOTHING_HIDDEN
    may_caps: int = 0

    @property
    def generation(self) -> Generation:
        """The generation that the kernel decides as."""
        return BY_NAME[self.generation_name]


class NodeTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """A node as source or as destination: its kernel, and its CPU as programs see it."""

    kernel: KernelTraits
    cpu: CpuTraits


class ContainerTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """A container to be moved; ``caps`` are what it needs, None where that is not known.

    ``may_caps`` are what it may need beside that, where its node's CPU is known in part.
    One that is suspended by its administrator (``is_suspended``) is asked about through its
    node, since nothing is known of it but where it ran.
    """

    state: State = State.RUNNING
    caps: int | None = None
    is_suspended: bool = False
    may_caps: int = 0

    @property
    def may_have_used_fpu(self) -> bool:
        """Tell whether a process may have: FXSR is needed through that alone."""
        return self.caps is None or bool(self.caps & mask(CPT_CPU_X86_FXSR))


#: A container that is suspended already: all that is known is that there is one.
SUSPENDED = ContainerTraits(is_suspended=True)


def node_traits(profile: NodeProfile) -> NodeTraits:
    """Return what of a recorded node matters."""
    cpus = tuple([cpu.cpuid for cpu in profile.cpus])
    return _traits_of(profile.facts(), profile.kernel.modules, cpus)


@lru_cache(_MOST_REMEMBERED)
def _traits_of(
    facts: NodeFacts, modules: frozenset[str], cpus: tuple[CpuidTable, ...]
) -> NodeTraits:
    name = facts.release.generation.name
    caps, may_caps = _asked_caps(facts, modules)
    kernel = KernelTraits(
        generation_name=_DECIDES_AS.get(name, name),
        has_cpt="vzcpt" in modules,
        has_rst="vzrst" in modules,
        is_64_bit=facts.machine not in I386,
        caps=caps,
        hidden=hidden_capabilities(facts) if "vzrst" in modules else NOTHING_HIDDEN,
        may_caps=may_caps,
    )
    return NodeTraits(kernel, cpu_traits(facts, cpus))


def container_traits(profile: NodeProfile, container: Container) -> ContainerTraits:
    """Return what of a recorded container matters."""
    needs = needs_of(profile, container)
    if needs is None and container.contents is not None:
        return _traits_in_part(profile, container, container.contents)
    return ContainerTraits(container.state, None if needs is None else needs.caps)


def _traits_in_part(
    profile: NodeProfile, container: Container, contents: Contents
) -> ContainerTraits:
    """Return what matters of a container whose needs follow from what is not known of its CPU."""
    if container.state is not State.RUNNING or "vzcpt" not in profile.kernel.modules:
        return ContainerTraits(container.state)
    least, most = gather_bounds(contents, profile.facts())
    return ContainerTraits(container.state, least.caps, may_caps=most.caps & ~least.caps)


def needs_of(profile: NodeProfile, container: Container) -> Needs | None:
    """Return what a container needs and what is said of it; None where nobody can be asked."""
    return derive_needs(profile, container)


def _asked_caps(facts: NodeFacts, modules: AbstractSet[str]) -> tuple[int, int]:
    """Return what is asked of a node's number: all as a destination, else a suspended one's.

    Beside the bits that it has are those that it may have.
    """
    generation = facts.release.generation
    if "vzrst" in modules:
        asked = ~0
    elif "vzcpt" in modules and generation.test_caps_bits is not None:
        asked = bits_looked_at(generation, generation.test_caps_bits)
    else:
        asked = 0
    least, most = capability_bounds(facts)
    return least & asked, most & ~least & asked
