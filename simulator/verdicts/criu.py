"""CRIU as an engine: what it makes of a node, and what it says of a checkpoint's way to another.

Sources: criu/arch/x86/cpu.c and criu/arch/x86/crtools.c of CRIU 3.11 to 4.2, and what Debian's
3.17.1 and 4.1.1 answered (tests/data/criu). CRIU stops at the first test that fails, and says so in
one line: all that fails is found here.
"""

from collections.abc import Callable, Hashable, Iterator
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from simulator.facts.cpu_image import (
    COMPONENT_NAMES,
    EVERY_BIT,
    FPU_BITS,
    FPU_FEATURES,
    INSTRUCTIONS,
    CpuImage,
    bit_of,
    image_of,
    joined,
    named_bits,
    words_of,
)
from simulator.facts.cpu_traits import NOT_TOLD, CpuTraits, XsaveArea, traits_without_kernel
from simulator.facts.cpuid import ALL_BITS, XSAVE_LEAF, CpuidTable, place_of_answer
from simulator.facts.features import HYPERVISOR, OSXSAVE, XSAVE, models_own
from simulator.kernel.containers import Container
from simulator.profiles.bare_node import AnyNode, BareNode
from simulator.verdicts import traits as cpt
from simulator.verdicts.criu_rules import CPU_MODE, FPU_MODE, INS_MODE, Rules
from simulator.verdicts.traits import ContainerTraits, NodeTraits
from simulator.verdicts.verdict import Finding, Opinion, Reason, Verdict, Weight

_OSXSAVE = bit_of(OSXSAVE)

#: Nodes of a large fleet have few CPUs: so many of them, and of pairs of them, are remembered.
_MOST_CPUS = 1024
_MOST_PAIRS = 1 << 17

_AREA = place_of_answer(XSAVE_LEAF, 0)
_BY_KERNEL = "its kernel, which has not turned XSAVE on (boot option noxsave)"
_BY_HYPERVISOR = "its hypervisor, unless the machine's CPU lacks it"
_YES, _NO = "1", "0"
_ARCHITECTURES = ("x86", "not x86")
_NO_VENDOR = "a vendor that CRIU does not know"

#: A register's bits.
_REGISTER = 32

#: A message names no more bits.
_MOST_NAMED = 40


class CriuTraits(Struct, frozen=True, cache_hash=True, gc=False):
    """What CRIU goes by: of words, components and sizes, those that its rules compare.

    ``vendor`` is as in ``CpuImage``, or None where there is no CPUID. ``bits`` are the words as one
    number, ``unknown`` the bits that are not known; ``stored`` those that an image has: CRIU takes
    what it has not from the destination. Components and sizes are None where they are not known;
    of what was read from an image (``is_stored``), where CRIU takes them from the destination.
    ``has_area``: checkpoints have an area of XSAVE, and restoring them takes OSXSAVE; None where
    that is not known. ``has_image`` is false of a checkpoint without ``cpuinfo.img``. ``alike`` are
    the registers, where bits are not known: machines that have these in common are of one model.
    ``is_guest``, ``is_off``: in a virtual machine; its kernel has not turned XSAVE on.
    """

    vendor: str | None
    bits: int = 0
    unknown: int = 0
    stored: int = ~0
    components: int | None = None
    size: int | None = None
    size_max: int | None = None
    is_stored: bool = False
    has_area: bool | None = False
    has_image: bool = True
    alike: CpuidTable | None = None
    is_guest: bool = False
    is_off: bool = False

    generation_name = property(lambda _: "criu", doc="All nodes are alike in this.")
    age = property(lambda _: 0, doc="There are no kernels that are newer.")

    @property
    def key(self) -> str:
        """A hash of all of it: a source's is the same."""
        import hashlib

        return f"criu-{hashlib.sha256(repr(self).encode()).hexdigest()[:16]}/"

    @property
    def words(self) -> str:
        """Its vendor, and the size of its area where that is compared."""
        if self.vendor is None:
            return "no CPUID"
        area = "" if self.size is None else f", XSAVE area of {self.size} bytes"
        return f"{self.vendor or _NO_VENDOR}{area}"

    def as_source(self) -> "CriuTraits":
        """Return the same: a checkpoint has all of it."""
        return self

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "vendor": self.vendor,
            "xfeatures_mask": self.components,
            "xsave_size": self.size,
            "xsave_size_max": self.size_max,
            "has_xsave_area": self.has_area,
        }


class Refusal(Struct, frozen=True, cache_hash=True, gc=False):
    """What CRIU has against a pair of CPUs, in the order of its tests.

    ``fpu`` and ``instructions`` are bits of the words that the destination lacks, ``components``
    those of XSAVE, ``sizes`` and ``max_sizes`` those of both sides where they differ, ``differing``
    bits that differ, and ``image`` and ``host`` the words that have some. ``is_area``: restore
    needs XSAVE. ``is_certain``: what is tested before the first failure is known, and so are CRIU's
    words.
    """

    fpu: int = 0
    components: int = 0
    sizes: tuple[int, int] | None = None
    max_sizes: tuple[int, int] | None = None
    instructions: int = 0
    differing: int = 0
    image: int = 0
    host: int = 0
    is_area: bool = False
    is_certain: bool = True
    is_guest: bool = False
    is_off: bool = False

    @property
    def verdict(self) -> Verdict:
        """CRIU refuses."""
        return Verdict.NOT_POSSIBLE

    @property
    def size(self) -> int:
        """How many reasons there are."""
        bits = (self.fpu, self.components, self.instructions)
        others = (self.sizes, self.max_sizes, self.is_area, *words_of(self.differing))
        return sum(one.bit_count() for one in bits) + sum(map(bool, others))

    def waive(self, _: frozenset[str]) -> "Refusal":
        """Return what cannot be waived as it is."""
        return self

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """All that fails; the first test has CRIU's words."""
        first, *rest = self._failures()
        said, reasons = first
        if self.is_certain:
            reasons = [replace(one, said=said) for one in reasons]
        return (*reasons, *(one for _, those in rest for one in those))

    def _failures(self) -> Iterator[tuple[str, list[Reason]]]:
        """Yield what CRIU says of each test that fails, and the reasons."""
        if self.fpu:
            missing = " ".join(f"{n}:{int(self.fpu & bit > 0)}" for n, bit in FPU_FEATURES.items())
            said = f"FPU feature required by image is not supported on host ({missing})"
            yield said, list(self._missing("criu-fpu-missing", self.fpu))
        if self.components:
            said = f"CPU xfeatures has unsupported bits ({self.components:#x})"
            bits = range(self.components.bit_length())
            yield said, [_component_missing(bit) for bit in bits if self.components >> bit & 1]
        if self.sizes:
            said = "CPU xsave size mismatch ({}/{})".format(*self.sizes)
            yield said, [_sizes_differ("criu-xsave-size-differs", "ebx", self.sizes)]
        if self.max_sizes:
            said = "CPU xsave max size mismatch ({}/{})".format(*self.max_sizes)
            yield said, [_sizes_differ("criu-xsave-max-size-differs", "ecx", self.max_sizes)]
        if self.instructions:
            said = "CPU instruction capabilities do not match run time"
            yield said, list(self._missing("criu-instructions-missing", self.instructions))
        if self.differing:
            yield "CPU capabilities do not match run time", list(self._differing())
        if self.is_area:
            said = "FPU xsave area present, but host cpu doesn't support it"
            yield said, list(self._missing("criu-xsave-area-refused", _OSXSAVE))

    def _missing(self, code: str, mask: int) -> Iterator[Reason]:
        while mask:
            bit = mask & -mask
            mask ^= bit
            is_off = bit == _OSXSAVE and self.is_off
            yield _bit_missing(code, bit, _BY_KERNEL if is_off else self._may_hide)

    @property
    def _may_hide(self) -> str:
        return _BY_HYPERVISOR if self.is_guest else ""

    def _differing(self) -> Iterator[Reason]:
        """Yield each word that differs, with the names of the bits."""
        sides = zip(words_of(self.image), words_of(self.host), strict=True)
        for number, (one, other) in enumerate(sides):
            differing = self.differing >> 32 * number & ALL_BITS
            if differing:
                yield _word_differs(number, differing, one, other)


class NotTold(Struct, frozen=True, cache_hash=True, gc=False):
    """What CRIU compares and is not known: bits of the words, and whether there is more."""

    bits: int = 0
    has_more: bool = False

    verdict = property(lambda _: Verdict.UNKNOWN, doc="It may refuse.")
    size = property(lambda _: 1, doc="It is one reason.")

    def waive(self, _: frozenset[str]) -> "NotTold":
        """Return what cannot be waived as it is."""
        return self

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """One, with the names of the bits."""
        found = (one.name or one.register for one in named_bits(self.bits))
        names = [*dict.fromkeys(found), *["the XSAVE area"] * self.has_more]
        more = len(names) - _MOST_NAMED
        feature = ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return (Reason("criu-not-told", Weight.UNKNOWN, feature=feature),)


def _reason(  # noqa: PLR0913, PLR0917 (as a reason has them)
    code: str, feature: str, place: str, source: str, destination: str, hidden_by: str = ""
) -> Reason:
    return Reason(code, Weight.REFUSES, feature, place, source, destination, hidden_by=hidden_by)


@cache
def _bit_missing(code: str, mask: int, hidden_by: str) -> Reason:
    """Name a bit that the image has and the destination has not."""
    (one,) = named_bits(mask)
    return _reason(code, one.name, one.place, _YES, _NO, hidden_by)


@cache
def _word_differs(number: int, differing: int, one: int, other: int) -> Reason:
    """Name the bits of a word that differ."""
    bits = list(named_bits(differing << 32 * number))
    names = " ".join(bit.name or f"bit {bit.number}" for bit in bits)
    return _reason("criu-words-differ", names, bits[0].register, f"{one:#010x}", f"{other:#010x}")


def _component_missing(bit: int) -> Reason:
    """Name a component; one that is kept today has a name, an image may have any."""
    name = COMPONENT_NAMES.get(bit, f"component {bit}")
    place = f"{_AREA} {'edx' if bit >= _REGISTER else 'eax'} bit {bit % _REGISTER}"
    return _reason("criu-component-missing", name, place, _YES, _NO)


def _sizes_differ(code: str, register: str, sizes: tuple[int, int]) -> Reason:
    one, other = (f"{size} bytes" for size in sizes)
    return _reason(code, "", f"{_AREA} {register}", one, other)


class Criu(Struct, frozen=True):
    """CRIU, by its rules."""

    rules: Rules = Rules()

    @property
    def name(self) -> str:
        """Its name, and the release."""
        major, minor = self.rules.version
        return f"criu@{major}.{minor}"

    @property
    def command(self) -> str:
        """The command that is asked."""
        return self.rules.command

    @property
    def scope(self) -> str:
        """What its yes leaves out."""
        return (
            "a yes says that the CPU is no obstacle; not looked at are files, mounts, cgroups, the "
            "LSM, what CRIU needs of the kernels, and its own version there"
        )

    def node_traits(self, node: AnyNode) -> NodeTraits:
        """Return what of a node CRIU goes by, and its CPU as programs see it."""
        return _node_traits(self.rules, node)

    def container_traits(self, node: AnyNode, container: Container) -> ContainerTraits:  # noqa: ARG002 (an engine's)
        """Return that of any container: CRIU compares CPUs, and dumps the FPU of every process."""
        return ContainerTraits()

    stated_traits = container_traits

    def question(self, source: CriuTraits, destination: CriuTraits) -> Hashable:
        """Return the answer itself: no container changes it."""
        return _opinion(self.rules, source, destination)

    def answers(
        self, source: CriuTraits, destination: CriuTraits
    ) -> Callable[[ContainerTraits | None], Opinion]:
        """Return what CRIU says, whatever the container is."""
        opinion = _opinion(self.rules, source, destination)
        return lambda _: opinion

    def opinion_on_kernels(self, source: CriuTraits, destination: CriuTraits) -> Opinion:  # noqa: ARG002 (an engine's)
        """Return nothing: what CRIU writes, every later CRIU reads."""
        return Opinion()


# What CRIU makes of a node


def _node_traits(rules: Rules, node: AnyNode) -> NodeTraits:
    if isinstance(node, BareNode):
        if not node.cpus:
            return NodeTraits(_unknown_traits(rules, node), NOT_TOLD)
        tables = tuple(cpu.cpuid for cpu in node.cpus)
        found = _criu_traits(rules, tables[0], node.image)
        return NodeTraits(found, _bare_cpu(tables, node.image))
    cpu = _rebuilt(cpt.node_traits(node).cpu)
    if not node.cpus:
        return NodeTraits(CriuTraits(None), cpu)
    return NodeTraits(_criu_traits(rules, node.cpus[0].cpuid, None), cpu)


def _unknown_traits(rules: Rules, node: BareNode) -> CriuTraits:
    """Return those of a checkpoint that tells nothing of its CPU."""
    unknown = EVERY_BIT & rules.compared
    vendor = "" if node.is_x86 else None
    has_image = node.image is not None
    return CriuTraits(vendor, unknown=unknown, has_area=node.has_xsave_area, has_image=has_image)


@lru_cache(_MOST_CPUS)
def _criu_traits(rules: Rules, table: CpuidTable, stored: CpuImage | None) -> CriuTraits:
    """Return what is compared of a CPU: of what was read from an image, or of its registers."""
    image = stored or image_of(table, knows_hygon=rules.knows_hygon)
    compared, compares_area = rules.compared, rules.compares_area
    bits, unknown = image.known_bits, image.unknown_bits
    has_area = None if unknown & _OSXSAVE else bool(bits & _OSXSAVE)
    unknown &= compared
    return CriuTraits(
        image.vendor,
        bits & compared,
        unknown,
        image.stored_bits & compared,
        image.xfeatures_mask if compares_area else None,
        image.xsave_size if compares_area else None,
        image.xsave_size_max if compares_area else None,
        image.is_stored,
        has_area,
        alike=models_own(table) if unknown else None,
        is_guest=bool(HYPERVISOR.is_in(table)),
        is_off=has_area is False and bool(XSAVE.is_in(table)),
    )


@lru_cache(_MOST_CPUS)
def _bare_cpu(tables: tuple[CpuidTable, ...], stored: CpuImage | None) -> CpuTraits:
    """Return what programs see on a machine whose kernel is not told.

    The size of its area is the one that CPUID tells: of all components that are enabled, of which
    the table of traits has those that programs lose instructions by.
    """
    cpu = _rebuilt(traits_without_kernel(tables))
    image = stored or image_of(tables[0])
    if image.known_bits & _OSXSAVE and image.xsave_size:
        return _with_area(cpu, XsaveArea(image.xsave_size))
    return cpu


def _rebuilt(cpu: CpuTraits) -> CpuTraits:
    """Return the traits without the places of components: CRIU makes the destination's layout.

    It drops in silence what the destination has not, and what is smaller there harms nobody.
    """
    return _with_area(cpu, None if cpu.area is None else XsaveArea(cpu.area.size))


def _with_area(cpu: CpuTraits, area: XsaveArea | None) -> CpuTraits:
    hole, more = cpu.hole, cpu.with_more
    if hole is not None:
        hole = replace(
            hole, others=tuple(dict.fromkeys(_with_area(one, area) for one in hole.others))
        )
    return replace(cpu, area=area, hole=hole, with_more=more and _with_area(more, area))


# What CRIU says


@lru_cache(_MOST_PAIRS)
def _opinion(rules: Rules, source: CriuTraits, destination: CriuTraits) -> Opinion:
    return Opinion(tuple(_findings(rules, source, destination)))


def _findings(rules: Rules, source: CriuTraits, destination: CriuTraits) -> Iterator[Finding]:
    if None in {source.vendor, destination.vendor}:
        one, other = (_ARCHITECTURES[one.vendor is None] for one in (source, destination))
        yield Reason("criu-no-check", Weight.UNKNOWN, source=one, destination=other)
        return
    if source.has_image and not source.vendor:
        yield Reason("criu-vendor-unknown", Weight.UNKNOWN, source=_NO_VENDOR)
        return
    if rules.reads_image and not source.has_image:
        said = "No cpuinfo image" if rules.tells_of_missing_image else ""
        yield Reason("criu-image-missing", Weight.REFUSES, said=said)
        return
    refused, unknown = Refusal(), NotTold()
    if rules.reads_image:
        refused, unknown = _compare(rules, source, destination)
    areas = source.has_area, destination.has_area
    if not rules.is_check and areas[0] is not False and areas[1] is not True:
        if not rules.modes & FPU_MODE:
            yield Reason("criu-xsave-state-dropped", Weight.REMARK, place=OSXSAVE.place)
        elif None in areas:
            unknown = replace(unknown, bits=unknown.bits | _OSXSAVE)
        else:
            is_certain = refused.is_certain if refused.size else unknown == NotTold()
            refused = replace(refused, is_area=True, is_certain=is_certain)
    if refused.size:
        yield replace(refused, is_guest=destination.is_guest, is_off=destination.is_off)
    if unknown != NotTold():
        yield unknown


def _compare(rules: Rules, source: CriuTraits, destination: CriuTraits) -> tuple[Refusal, NotTold]:
    """Make the tests of the image, in CRIU's order: what fails, and what is not known."""
    image, host = source.bits, destination.bits & source.stored
    unsure, host_unsure = source.unknown, destination.unknown & source.stored
    # What is not known of either of two machines of one model is the same, but for the kernel's.
    is_alike = source.alike is not None and source.alike == destination.alike
    same = unsure & host_unsure & ~_OSXSAVE if is_alike else 0
    missing, may_miss = image & ~(host | host_unsure), (image | unsure) & ~host & ~same
    may_miss &= ~missing
    failed, open_ = [0] * 6, [0] * 6
    if rules.modes & FPU_MODE:
        failed[0], open_[0] = missing & FPU_BITS, may_miss & FPU_BITS
        failed[1:4], open_[1:4] = zip(*_areas_differ(rules, source, destination), strict=True)
    if rules.modes & INS_MODE:
        failed[4], open_[4] = missing & INSTRUCTIONS, may_miss & INSTRUCTIONS
    if rules.modes & CPU_MODE:
        open_[5] = (unsure | host_unsure) & ~same
        failed[5] = (image ^ host) & ~(unsure | host_unsure)
    first = next((number for number, one in enumerate(failed) if one), len(failed))
    refusal = Refusal(
        fpu=failed[0],
        components=failed[1],
        sizes=_both(source.size, destination.size) if failed[2] else None,
        max_sizes=_both(source.size_max, destination.size_max) if failed[3] else None,
        instructions=failed[4],
        differing=failed[5],
        image=image & _whole_words(failed[5]),
        host=host & _whole_words(failed[5]),
        # The words on the FPU's features name each of them.
        is_certain=not any(open_[: max(first, 1)]),
    )
    return refusal, NotTold(open_[0] | open_[4] | open_[5], any(open_[1:4]))


def _whole_words(bits: int) -> int:
    """Return all bits of the words that have some of these."""
    return joined(ALL_BITS * bool(word) for word in words_of(bits))


def _both(one: int | None, other: int | None) -> tuple[int, int]:
    return one or 0, other or 0


def _areas_differ(
    rules: Rules, source: CriuTraits, destination: CriuTraits
) -> Iterator[tuple[int, int]]:
    """Yield what fails of components and both sizes, each with whether that is not known."""
    pairs = (
        (source.components, destination.components),
        (source.size, destination.size),
        (source.size_max, destination.size_max),
    )
    for number, (one, other) in enumerate(pairs):
        if one is None or other is None:
            # What an image has not is taken from the destination.
            yield 0, not (one is None and source.is_stored)
        elif number:
            yield one != other, 0
        else:
            is_refused = rules.compares_sets or one > other
            yield one & ~other if is_refused else 0, 0
