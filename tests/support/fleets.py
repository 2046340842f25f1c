"""Small fleets for tests of matrices: nodes by what makes a difference between them."""

from typing import Any

from simulator.fleets.fleet import Fleet, gather_fleet
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts, NodeProfile
from simulator.profiles.specs import parse_spec
from support.simulated_nodes import EVERYTHING, cpu

NEW = "2.6.32-042stab113.5"
OLD = "2.6.32-042stab061.9"

#: Features of a CPU that has AVX, and of one that has not.
STRONG = tuple(word for word in EVERYTHING if word not in {"lm", "syscall"})
WEAK = tuple(word for word in STRONG if word not in {"avx", "xsave", "xsaveopt"})


def node(name: str, *containers: str, **traits: Any) -> NodeProfile:
    """Compose a node: ``words`` of its CPU, ``vendor``, and what its kernel's facts are."""
    words = traits.pop("words", STRONG)
    vendor = traits.pop("vendor", "GenuineIntel")
    table = cpu("lm", "syscall", *words, vendor=vendor)
    facts = {"release": NEW, "machine": "x86_64", "vz_version": None, **traits}
    source = CpuSource(table, "a CPU", "64-bit")
    return compose(name, source, KernelFacts(**facts), map(parse_spec, containers))


def small_nodes() -> list[NodeProfile]:
    """Return nodes that differ in CPU, kernel, modules and containers; two are alike."""
    return [
        node("strong", "101:fpu", "102", "103:stopped"),
        node("weak", "201:fpu", "202:fpu,entered", words=WEAK),
        node("twin", "301", words=WEAK),
        node("old", "401:fpu", release=OLD),
        node("bare"),
        node("shut", "501", modules=frozenset()),
    ]


def small_fleet() -> Fleet:
    """Return the fleet of these nodes."""
    return gather_fleet(small_nodes())
