"""What of a node, and of a container, a migration depends on: all else makes no difference.

These are small, equal where nodes or containers are alike to every question, and hashable: what
is compared are classes of them.
"""

from collections.abc import Hashable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Protocol, cast

from msgspec import Struct
from msgspec.structs import replace

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
from simulator.facts.generations import BY_NAME, GENERATIONS, Generation
from simulator.kernel.containers import Container, Contents, Needs, State
from simulator.kernel.decision import bits_looked_at, gather_bounds
from simulator.profiles.profile import NodeProfile, derive_needs

#: A generation that decides as an older one does: CPT_TEST_VECAPS2 alone tells these two apart,
#: and no verdict asks it.
_DECIDES_AS = {"042stab092": "042stab088"}


_AGES = {generation.name: number for number, generation in enumerate(GENERATIONS)}

#: Nodes of a large fleet are of few kinds: so many are remembered.
_MOST_REMEMBERED = 1024


class RestoreTraits(Hashable, Protocol):
    """What of a node an engine restores by: each engine has its own."""

    def as_source(self) -> "RestoreTraits":
        """Return what matters of a node where it is the source of what runs."""

    @property
    def generation_name(self) -> str:
        """What it is called, for short."""

    @property
    def age(self) -> int:
        """How new it is, among those of one engine: the nearest is the better destination."""

    @property
    def key(self) -> str:
        """A name of its own for each that is different; as a source's it ends after the last /."""

    @property
    def words(self) -> str:
        """What it is, for people, briefly."""

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""


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

    @property
    def age(self) -> int:
        """The place of its generation."""
        return _AGES[self.generation_name]

    @property
    def key(self) -> str:
        """All of it, the capability number and what that hides at the end."""
        modules = ("cpt" if self.has_cpt else "") + ("rst" if self.has_rst else "")
        hiding = [
            ("kernel", self.hidden.by_kernel),
            ("width", self.hidden.by_width),
            *self.hidden.by_option,
            ("override", self.hidden.by_override),
        ]
        hidden = "".join(f"-{caps:#x}:{word}" for word, caps in hiding if caps)
        caps = f"{bits_words(self.caps, self.may_caps, '+')}{hidden}"
        return f"{self.generation_name}/{modules}/{self._width}/{caps}"

    @property
    def words(self) -> str:
        """Its generation, its width, and its number."""
        words = [self.generation_name, f"{self._width}-bit", bits_words(self.caps, self.may_caps)]
        missing = (("vzcpt", self.has_cpt), ("vzrst", self.has_rst))
        words += [f"no {module}" for module, is_there in missing if not is_there]
        return ", ".join(words)

    @property
    def _width(self) -> int:
        return 64 if self.is_64_bit else 32

    def as_source(self) -> "KernelTraits":
        """Return it without its number, which is not asked while its containers run."""
        return replace(self, caps=0, hidden=NOTHING_HIDDEN, may_caps=0)

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "generation": self.generation_name,
            "vzcpt": self.has_cpt,
            "vzrst": self.has_rst,
            "bits": self._width,
            "capability_number": None if self.may_caps else self.caps,
        }


def bits_words(caps: int, may_caps: int, between: str = " and perhaps ") -> str:
    """Write a capability number, and the bits that it may have."""
    return f"{caps:#x}{between}{may_caps:#x}" if may_caps else f"{caps:#x}"


class NodeTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """A node as source or as destination: what restore goes by, and its CPU as programs see it.

    ``kernel`` is its kernel where the engine is CPT.
    """

    kernel: RestoreTraits
    cpu: CpuTraits

    @property
    def cpt(self) -> KernelTraits:
        """Its kernel, where the engine is CPT."""
        return cast("KernelTraits", self.kernel)


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


def stated_traits(profile: NodeProfile, container: Container) -> ContainerTraits:
    """Return the same of a checked profile's container: its stated needs are those derived."""
    if container.needs is None and container.contents is not None:
        return container_traits(profile, container)
    return ContainerTraits(container.state, container.needs.caps if container.needs else None)


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
