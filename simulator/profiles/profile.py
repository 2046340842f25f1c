"""A recorded node: what is known of it, and the simulated node that it makes.

The structs are the format of a profile's file, which simulator/schema/profile.schema.json
publishes; ``profile_json`` reads and writes them.
"""

from enum import Enum
from functools import cached_property, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Literal

from msgspec import Meta

from simulator.errors import UserError
from simulator.facts.capabilities import Machine, NodeFacts, capability_bounds, eager_fpu
from simulator.facts.cpuid import CpuidTable, processor_ranges
from simulator.facts.generations import ASKED_VERSIONS, identify
from simulator.facts.override import parse_override
from simulator.kernel.containers import (
    Container,
    Contents,
    FormatStruct,
    Needs,
    NonEmpty,
    PositiveInt,
    State,
    stated,
)
from simulator.kernel.decision import gather_bounds

if TYPE_CHECKING:
    from simulator.kernel.kernel import SimulatedKernel

#: Nodes of a large fleet share few CPUs and few kernels: so many of each are remembered.
_MOST_REMEMBERED = 1024

#: What the pattern of a boot option and of processors allows, in words.
_WORD = "text without spaces"
_PROCESSORS = 'numbers of processors as in "0-3,8"'
_NUMBERS = "[0-9]{1,4}(-[0-9]{1,4})?"


#: The checkpoint modules that a kernel may have loaded.
Module = Literal["vzcpt", "vzrst"]
MODULES: tuple[Module, ...] = ("vzcpt", "vzrst")


class ProfileError(UserError):
    """A profile that cannot be believed: which file, where in it, and why."""

    def __init__(self, where: str, path: str, problem: str) -> None:
        super().__init__(f"{where}: {path}: {problem}" if path else f"{where}: {problem}")
        self.where = where
        self.path = path
        self.problem = problem


class OriginKind(Enum):
    """How a profile came to be: a node's kernel was asked, its files were read, or neither."""

    CAPTURED = "captured"
    GATHERED = "gathered"
    COMPOSED = "composed"


class Origin(FormatStruct, frozen=True, gc=False):
    """Where a profile's facts come from; ``utrace``: the kernel was built with it."""

    kind: OriginKind
    source: NonEmpty
    utrace: bool = True


class KernelFacts(FormatStruct, frozen=True, kw_only=True, gc=False):
    """What is known of a node's kernel; ``vz_version`` is None where it is not known."""

    release: NonEmpty
    machine: Machine
    vz_version: str | None
    boot_options: tuple[
        Annotated[str, Meta(pattern=r"^\S+$(?!\s)", extra={"words": _WORD})], ...
    ] = stated(())
    modules: frozenset[Module] = stated(frozenset(MODULES))
    ipv6: bool = stated(True)
    slm_without_module: bool = False


class CpuFacts(FormatStruct, frozen=True, kw_only=True, gc=False):
    """One distinct CPU of a node; ``cpuid`` is its own answers, never masked.

    ``flags`` are those of /proc/cpuinfo, apart by one space.
    """

    processors: Annotated[
        str,
        Meta(pattern=rf"^{_NUMBERS}(,{_NUMBERS})*$(?!\s)", extra={"words": _PROCESSORS}),
    ]
    cpuid: CpuidTable
    model_name: str | None
    microcode: str | None
    flags: str | None


class Answers(FormatStruct, frozen=True, gc=False):
    """What a node's kernel answered; None where it could not be asked, or its CPU is not known."""

    image_version: PositiveInt | None
    accepted_versions: tuple[Annotated[int, Meta(ge=0, le=0x7FFFFFFF)], ...] | None
    capability_number: PositiveInt | None


class ProfileDocument(FormatStruct, frozen=True, kw_only=True):
    """A profile's file; ``cpuid_override`` is None without that file on the node."""

    format: Literal[1] = stated(1)
    origin: Origin
    kernel: KernelFacts
    cpus: tuple[CpuFacts, ...]
    cpuid_override: str | None
    answers: Answers
    containers: tuple[Container, ...]


class NodeProfile(ProfileDocument, frozen=True, kw_only=True, dict=True):
    """A recorded node: what its file says, and the name of the file."""

    name: NonEmpty

    def facts(self) -> NodeFacts:
        """Return what the node's kernel decides by; its first CPU is the one that it asks.

        Raises UnknownReleaseError and OverrideError.
        """
        return self._facts

    @cached_property
    def _facts(self) -> NodeFacts:
        cpuid = self.cpus[0].cpuid if self.cpus else None
        return _facts_of(self.kernel, cpuid, self.cpuid_override or "", self.origin.utrace)

    def boot(self) -> "SimulatedKernel":
        """Return the node, running."""
        from simulator.kernel.kernel import SimulatedKernel

        return SimulatedKernel(
            self.facts(),
            self.containers,
            modules=self.kernel.modules,
            has_override=self.cpuid_override is not None,
            processors={
                number: cpu.cpuid
                for cpu in self.cpus
                for number in chain.from_iterable(processor_ranges(cpu.processors))
            },
            texts=self._texts(),
        )

    def _texts(self) -> dict[str, str]:
        """Return what files of the node read as, where that is known."""
        from simulator.kernel.files import format_cpuinfo
        from simulator.kernel.tree import CPUINFO, VZ_VERSION

        texts = {}
        if self.cpus:
            texts[CPUINFO] = "\n".join(
                format_cpuinfo(number, cpu.cpuid, cpu.model_name, cpu.microcode, cpu.flags)
                for cpu in self.cpus
                for number in chain.from_iterable(processor_ranges(cpu.processors))
            )
        if self.kernel.vz_version is not None:
            texts[VZ_VERSION] = f"{self.kernel.vz_version}\n"
        return texts


@lru_cache(_MOST_REMEMBERED)
def _facts_of(
    kernel: KernelFacts, cpuid: CpuidTable | None, override: str, utrace: bool
) -> NodeFacts:
    return NodeFacts(
        release=identify(kernel.release, kernel.vz_version or ""),
        machine=kernel.machine,
        cpuid=cpuid,
        boot_options=kernel.boot_options,
        override=parse_override(override),
        has_ipv6=kernel.ipv6,
        slm_without_module=kernel.slm_without_module,
        traces=utrace,
    )


def is_cpu_known(profile: NodeProfile) -> bool:
    """Tell whether all is known of a node's CPUs that its kernel goes by."""
    facts = profile.facts()
    least, most = capability_bounds(facts)
    is_whole = not any(cpu.cpuid.partial for cpu in profile.cpus)
    return is_whole and least == most and eager_fpu(facts) is not None


def derive_answers(profile: NodeProfile) -> Answers:
    """Return what the kernel of this release answers on this node, by its rules."""
    return _answers_of(profile.facts(), profile.kernel.modules)


@lru_cache(_MOST_REMEMBERED)
def _answers_of(facts: NodeFacts, modules: frozenset[str]) -> Answers:
    generation = facts.release.generation
    image_version = accepted = capability_number = None
    if generation.has_test_version and "vzcpt" in modules:
        image_version = generation.image_version
    if generation.has_test_version and "vzrst" in modules:
        accepted = tuple(filter(generation.restores, ASKED_VERSIONS))
    if "vzrst" in modules:
        least, most = capability_bounds(facts)
        capability_number = least if least == most else None
    return Answers(image_version, accepted, capability_number)


def derive_needs(profile: NodeProfile, container: Container) -> Needs | None:
    """Return what a container needs by what it is made of; None where nobody can be asked."""
    return needs_by_rules(
        profile.facts(),
        container.state,
        container.contents,
        container.needs,
        has_cpt="vzcpt" in profile.kernel.modules,
    )


def needs_by_rules(
    facts: NodeFacts,
    state: State,
    contents: Contents | None,
    stated: Needs | None,
    *,
    has_cpt: bool,
) -> Needs | None:
    """Return the needs of a container on a node; of one of unknown contents, those stated.

    They are those stated, too, if they may be so on a CPU that is known in part; else None.
    """
    if state is not State.RUNNING or not has_cpt:
        return None
    if contents is None:
        return stated
    least, most = gather_bounds(contents, facts)
    if least == most:
        return least
    is_between = stated is not None and not (
        least.caps & ~stated.caps or stated.caps & ~most.caps or stated.reports != least.reports
    )
    return stated if is_between else None
