"""Nodes to pool: a CPU by its features, a kernel by its release, and containers as spelled."""

from typing import Any

from simulator.facts.cpuid import CpuidTable
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.profiles.specs import parse_spec
from support.simulated_nodes import INTEL, cpu

NEWEST = "2.6.32-042stab113.5"
BASELINE = ("lm", "syscall", "cmov", "fxsr", "sse", "sse2", "mmx", "sysenter")
FPU = ("101:fpu",)
#: The least capability number that a 64-bit Intel node with the baseline above has: CMOV, FXSR,
#: SSE, SSE2, MMX, SEP, EMT64, SYSCALL, SEP32, NAMESPACES.
LEAST = 0x2159F


def node(  # noqa: PLR0913 (each is a trait of its own)
    name: str,
    *words: str,
    kernel: str = NEWEST,
    override: str | None = None,
    containers: tuple[str, ...] = (),
    table: CpuidTable | None = None,
    vendor: str = INTEL,
    **facts: Any,
) -> NodeProfile:
    """Make a node whose CPU has the baseline, and these features."""
    table = table or cpu(*BASELINE, *words, vendor=vendor)
    return compose(
        name,
        None if facts.get("machine") == "ia64" else CpuSource(table, "made up", "64-bit"),
        KernelFacts(**{"release": kernel, "machine": "x86_64", "vz_version": None, **facts}),
        map(parse_spec, containers),
        override,
    )


def maskable(name: str, *words: str, **traits: Any) -> NodeProfile:
    """Make a node with /proc/vz/cpuid_override."""
    return node(name, *words, **{"override": "", **traits})
