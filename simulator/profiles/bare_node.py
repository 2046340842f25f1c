"""A node of which no OpenVZ kernel is told: its CPUs alone, or what a checkpoint has of them."""

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct

from simulator.kernel.containers import Container
from simulator.profiles.profile import CpuFacts, NodeProfile

if TYPE_CHECKING:
    from simulator.facts.cpu_image import CpuImage


class BareNode(Struct, frozen=True, kw_only=True):
    """A machine, or the checkpoint that was made on it.

    There are no ``cpus`` where nothing is known of them. ``source`` says where the facts are from.
    ``image`` is what CRIU has stored of the CPU, where that was read. ``has_xsave_area`` is what
    the images of a checkpoint say that has no such image; None where there are none. ``is_x86``:
    its processes are x86's, as far as is known.
    """

    name: str
    cpus: tuple[CpuFacts, ...]
    source: str
    image: "CpuImage | None" = None
    has_xsave_area: bool | None = None
    containers: tuple[Container, ...] = ()
    is_x86: bool = True


#: A node: with an OpenVZ kernel, or without.
AnyNode: TypeAlias = NodeProfile | BareNode
