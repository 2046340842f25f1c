"""A recorded node: what is known of it, and the simulated node that it makes."""

from dataclasses import dataclass
from enum import Enum
from itertools import chain

from simulator.errors import UserError
from simulator.facts.capabilities import NodeFacts, node_capabilities
from simulator.facts.cpuid import CpuidTable
from simulator.facts.override import parse_override
from simulator.facts.releases import identify
from simulator.kernel.containers import Container, Needs, State
from simulator.kernel.kernel import CPUINFO, PROC_VERSION, VZ_VERSION, SimulatedKernel
from simulator.kernel.needs import gather
from simulator.profiles.cpuinfo import format_cpuinfo, processor_ranges
from vzcptcheck.versions import NAMES

#: Image versions that a node is asked about, ascending.
ASKED_VERSIONS = tuple(sorted(NAMES))


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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a profile's facts come from; ``utrace``: the kernel was built with it."""

    kind: OriginKind
    source: str
    utrace: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFacts:
    """What is known of a node's kernel; ``vz_version`` is None where it is not known."""

    release: str
    machine: str
    vz_version: str | None
    boot_options: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset({"vzcpt", "vzrst"})
    ipv6: bool = True
    slm_without_module: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFacts:
    """One distinct CPU of a node; ``cpuid`` is its own answers, never masked."""

    processors: str
    cpuid: CpuidTable
    model_name: str | None
    microcode: str | None
    flags: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What a node's kernel answered; None where it could not be asked."""

    image_version: int | None
    accepted_versions: tuple[int, ...] | None
    capability_number: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProfile:
    """A recorded node. ``name`` is its file's; ``cpuid_override`` is None without that file."""

    name: str
    origin: Origin
    kernel: KernelFacts
    cpus: tuple[CpuFacts, ...]
    cpuid_override: str | None
    answers: Answers
    containers: tuple[Container, ...]

    def facts(self) -> NodeFacts:
        """Return what the node's kernel decides by; its first CPU is the one that it asks.

        Raises UnknownReleaseError and OverrideError.
        """
        return NodeFacts(
            release=identify(self.kernel.release, self.kernel.vz_version or ""),
            machine=self.kernel.machine,
            cpuid=self.cpus[0].cpuid if self.cpus else None,
            boot_options=self.kernel.boot_options,
            override=parse_override(self.cpuid_override or ""),
            has_ipv6=self.kernel.ipv6,
            slm_without_module=self.kernel.slm_without_module,
            traces=self.origin.utrace,
        )

    def boot(self) -> SimulatedKernel:
        """Return the node, running."""
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
        texts = {PROC_VERSION: f"Linux version {self.kernel.release} (simulated)\n"}
        if self.cpus:
            texts[CPUINFO] = "\n".join(chain.from_iterable(map(format_cpuinfo, self.cpus)))
        if self.kernel.vz_version is not None:
            texts[VZ_VERSION] = f"{self.kernel.vz_version}\n"
        return texts


def derive_answers(profile: NodeProfile) -> Answers:
    """Return what the kernel of this release answers on this node, by its rules."""
    facts = profile.facts()
    generation = facts.release.generation
    modules = profile.kernel.modules
    image_version = accepted = capability_number = None
    if generation.has_test_version and "vzcpt" in modules:
        image_version = generation.image_version
    if generation.has_test_version and "vzrst" in modules:
        accepted = tuple(filter(generation.restores, ASKED_VERSIONS))
    if "vzrst" in modules:
        capability_number = node_capabilities(facts)
    return Answers(image_version, accepted, capability_number)


def derive_needs(profile: NodeProfile, container: Container) -> Needs | None:
    """Return what a container needs by what it is made of; None where nobody can be asked."""
    if container.state is not State.RUNNING or "vzcpt" not in profile.kernel.modules:
        return None
    if container.contents is None:
        return container.needs
    return gather(container.contents, profile.facts())
