"""What restores a container: an engine, which judges it by rules of its own.

CPT, OpenVZ's, is one: its two kernels answer. All else that judges, shows and sorts migrations asks
an engine, and knows no engine's rules.
"""

from collections.abc import Callable, Hashable
from typing import Any, Protocol, TypeVar

from simulator.kernel.containers import Container
from simulator.verdicts import programs, restore
from simulator.verdicts.traits import (
    ContainerTraits,
    KernelTraits,
    NodeTraits,
    container_traits,
    node_traits,
    stated_traits,
)
from simulator.verdicts.verdict import Opinion

_Traits_contra = TypeVar("_Traits_contra", contravariant=True)


class Engine(Protocol[_Traits_contra]):
    """An engine, by what it goes by: traits of a node, apart from what programs meet there.

    ``name`` is as on a command line. ``scope`` is what a yes leaves out, in a sentence: of CPT it
    is empty, and so is ``command``.
    """

    @property
    def name(self) -> str:
        """Its name, and the version of its rules."""

    @property
    def command(self) -> str:
        """The command that is asked, or empty."""

    @property
    def scope(self) -> str:
        """What its yes does not tell."""

    def node_traits(self, node: Any) -> NodeTraits:  # noqa: ANN401 (an engine's own kind of node)
        """Return what of a node matters."""

    def container_traits(self, node: Any, container: Container) -> ContainerTraits:  # noqa: ANN401
        """Return what of a container matters."""

    def stated_traits(self, node: Any, container: Container) -> ContainerTraits:  # noqa: ANN401
        """Return the same where the node has been checked."""

    def question(self, source: _Traits_contra, destination: _Traits_contra) -> Hashable:
        """Return what all answers about containers depend on: where it is equal, they are."""

    def answers(
        self, source: _Traits_contra, destination: _Traits_contra
    ) -> "Callable[[ContainerTraits | None], Opinion]":
        """Return what the engine says of a container, or of any at all, when it is asked."""

    def opinion_on_kernels(self, source: _Traits_contra, destination: _Traits_contra) -> Opinion:
        """Return what it does to programs, whatever the CPUs are."""


class _Cpt:
    """OpenVZ's: what the source's kernel and the destination's answer."""

    name = "cpt"
    command = ""
    scope = ""

    node_traits = staticmethod(node_traits)
    container_traits = staticmethod(container_traits)
    stated_traits = staticmethod(stated_traits)

    question = staticmethod(restore.question)
    opinion_on_kernels = staticmethod(programs.opinion_on_kernels)

    def answers(
        self, source: KernelTraits, destination: KernelTraits
    ) -> "Callable[[ContainerTraits | None], Opinion]":
        return restore.Answers(source, destination).on


#: The engine that judges where no other is named.
CPT: Engine[KernelTraits] = _Cpt()
