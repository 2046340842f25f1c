"""What differs between two recorded nodes, or one node at two times.

Left aside: the profile's name and where its facts come from, the order of things that have
none, what a container is made of (its needs tell), the numbers of processes in what is said of
it, and of CPUID what differs at every reading. Features that the verdict on programs judges are
told bit by bit, by their names; registers of CPUID that have none of them are told whole.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from simulator.facts.cpuid import (
    ALL_BITS,
    BRAND_LEAVES,
    PROCESSORS_OWN,
    REGISTERS,
    VENDOR_LEAF,
    CpuidTable,
    Key,
    MissingLeafError,
    RegisterName,
    Registers,
    place_of_answer,
)
from simulator.facts.features import JUDGED, KERNELS_OWN, features_in
from simulator.kernel.containers import Container
from simulator.profiles.bare_node import AnyNode, BareNode
from simulator.profiles.profile import CpuFacts, NodeProfile
from vzcptcheck.features import FEATURES, unknown_bits
from vzcptcheck.versions import describe

#: Process numbers in a report, before the process's name: they are others at every start.
_PIDS = re.compile(r"\d+[/,]\d+(?=\()")

#: What is said of a fact that a profile does not have.
_NOT_KNOWN = "not known"

_BRAND_KEYS: tuple[Key, ...] = tuple((leaf, 0) for leaf in BRAND_LEAVES)

#: What depends on the kernel that runs, and what is told otherwise: bits by leaf, subleaf and
#: register.
_LEFT_ASIDE: Mapping[tuple[int, int, RegisterName], int] = MappingProxyType(
    {
        (VENDOR_LEAF, 0, "ebx"): ALL_BITS,  # the vendor's name, as the next two
        (VENDOR_LEAF, 0, "ecx"): ALL_BITS,
        (VENDOR_LEAF, 0, "edx"): ALL_BITS,
        **KERNELS_OWN,
    }
)

#: The names of the judged features by their locations, and the registers that have any.
_NAMES = {one.location: one.name for one in features_in(JUDGED)}
_NAMED_REGISTERS = {location[:3] for location in _NAMES}


class Change(NamedTuple):
    """One fact that differs: the part of the profile, what it is, and both values.

    ``place`` is where it is to be found, empty where the name says it. A value is None where
    the thing itself (a boot option, a flag, a container) is not there.
    """

    part: str
    name: str
    old: str | None
    new: str | None
    place: str = ""


def node_changes(old: AnyNode, new: AnyNode) -> tuple[Change, ...]:
    """Return all that differs; where either has no kernel, of their CPUs."""
    if isinstance(old, BareNode) or isinstance(new, BareNode):
        return tuple(_cpu_changes(old.cpus, new.cpus))
    return (
        *_kernel_changes(old, new),
        *_cpu_changes(old.cpus, new.cpus),
        *_override_changes(old.cpuid_override, new.cpuid_override),
        *_answer_changes(old, new),
        *_container_changes(old, new),
    )


def _compare(part: str, name: str, old: object, new: object, place: str = "") -> Iterator[Change]:
    if old != new:
        yield Change(part, name, _text(old), _text(new), place)


def _text(value: object) -> str:
    if value is None:
        return _NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _come_and_gone(
    part: str,
    name: str,
    old: Iterable[str],
    new: Iterable[str],
    same_by: Callable[[str], str] = str,
) -> Iterator[Change]:
    """Yield what is in one alone, each by itself, in the order in which they have it."""
    ones = {same_by(value): value for value in old}
    others = {same_by(value): value for value in new}
    for key, value in ones.items():
        if key not in others:
            yield Change(part, name, value, None)
    for key, value in others.items():
        if key not in ones:
            yield Change(part, name, None, value)


def _kernel_changes(old: NodeProfile, new: NodeProfile) -> Iterator[Change]:
    one, other = old.kernel, new.kernel
    yield from _compare("kernel", "release", one.release, other.release)
    yield from _compare("kernel", "generation", _generation(old), _generation(new))
    yield from _compare("kernel", "machine", one.machine, other.machine)
    yield from _compare("kernel", "vz_version", one.vz_version, other.vz_version)
    yield from _come_and_gone("kernel", "boot option", one.boot_options, other.boot_options)
    yield from _come_and_gone("kernel", "module", sorted(one.modules), sorted(other.modules))
    yield from _compare("kernel", "IPv6", one.ipv6, other.ipv6)
    slm = one.slm_without_module, other.slm_without_module
    yield from _compare("kernel", "SLM without its module", *slm)
    yield from _compare("kernel", "utrace", old.origin.utrace, new.origin.utrace)


def _generation(profile: NodeProfile) -> str:
    return profile.facts().release.generation.name


def _cpu_changes(old: Sequence[CpuFacts], new: Sequence[CpuFacts]) -> Iterator[Change]:
    """Compare distinct CPUs in their order: there is mostly one."""
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        yield from _one_cpu_changes(f"cpu {number}" if number else "cpu", one, other)
    common = min(len(old), len(new))
    gone, come = ([cpu.processors for cpu in cpus[common:]] for cpus in (old, new))
    yield from _come_and_gone("cpus", "processors", gone, come)


def _one_cpu_changes(part: str, old: CpuFacts, new: CpuFacts) -> Iterator[Change]:
    yield from _compare(part, "processors", old.processors, new.processors)
    yield from _compare(part, "model name", old.model_name, new.model_name)
    yield from _compare(part, "microcode", old.microcode, new.microcode)
    if old.flags is None or new.flags is None:
        yield from _compare(part, "flags", _known(old.flags), _known(new.flags))
    else:
        yield from _come_and_gone(part, "flag", old.flags.split(), new.flags.split())
    yield from cpuid_changes(part, old.cpuid, new.cpuid)


def _known(flags: str | None) -> str | None:
    return None if flags is None else "known"


def cpuid_changes(part: str, old: CpuidTable, new: CpuidTable) -> Iterator[Change]:
    """Yield what differs between the answers of two CPUs: the names, then the rest by leaf."""
    yield from _compare(part, "vendor", old.vendor, new.vendor, place_of_answer(VENDOR_LEAF, 0))
    brands = _brand(old), _brand(new)
    told = () if None in brands else _BRAND_KEYS
    if told:
        yield from _compare(part, "brand", *brands, place_of_answer(*_BRAND_KEYS[0]))
    for key in sorted({*old, *new}.difference(told)):
        one, other = _answer(old, key), _answer(new, key)
        if one is None or other is None:
            yield Change(part, "", _whole(one), _whole(other), place_of_answer(*key))
            continue
        for register in REGISTERS:
            yield from _register_changes(part, key, register, one, other)


def _brand(table: CpuidTable) -> str | None:
    try:
        return table.brand
    except MissingLeafError:
        return None


def _answer(table: CpuidTable, key: Key) -> Registers | None:
    try:
        return table.answer(*key)
    except MissingLeafError:
        # What was recorded stands, even where the leaf that tells of it was not.
        return dict(table.items()).get(key)


def _register_changes(
    part: str, key: Key, register: RegisterName, old: Registers, new: Registers
) -> Iterator[Change]:
    one, other = getattr(old, register), getattr(new, register)
    differing = (one ^ other) & ~_left_aside(key, register)
    place = f"{place_of_answer(*key)} {register}"
    if (*key, register) not in _NAMED_REGISTERS:
        if differing:
            yield Change(part, "", f"{one:#010x}", f"{other:#010x}", place)
        return
    for bit in range(differing.bit_length()):
        if differing >> bit & 1:
            values = str(one >> bit & 1), str(other >> bit & 1)
            name = _NAMES.get((*key, register, bit), "")
            yield Change(part, name, *values, f"{place} bit {bit}")


def _left_aside(key: Key, register: RegisterName) -> int:
    leaf, _ = key
    return PROCESSORS_OWN.get((leaf, register), 0) | _LEFT_ASIDE.get((*key, register), 0)


def _whole(registers: Registers | None) -> str:
    """Write an answer that is on one side alone."""
    if registers is None:
        return "not recorded"
    return " ".join(f"{value:#010x}" for value in registers)


def _override_changes(old: str | None, new: str | None) -> Iterator[Change]:
    if (old is None) != (new is None):
        there_is = ("no file", "a file")
        files = there_is[old is not None], there_is[new is not None]
        yield Change("cpuid_override", "/proc/vz/cpuid_override", *files)
    ones, others = (old or "").splitlines(), (new or "").splitlines()
    yield from _come_and_gone("cpuid_override", "line", ones, others)
    if ones != others and sorted(ones) == sorted(others):
        # The first line that matches wins.
        yield Change("cpuid_override", "order of lines", ", ".join(ones), ", ".join(others))


def _answer_changes(old: NodeProfile, new: NodeProfile) -> Iterator[Change]:
    one, other = old.answers, new.answers
    written = _version(one.image_version), _version(other.image_version)
    yield from _compare("answers", "image version", *written)
    if one.accepted_versions is None or other.accepted_versions is None:
        taken = _versions(one.accepted_versions), _versions(other.accepted_versions)
        yield from _compare("answers", "accepted versions", *taken)
    else:
        described = map(describe, one.accepted_versions), map(describe, other.accepted_versions)
        yield from _come_and_gone("answers", "accepted version", *described)
    yield from _number_changes("answers", one.capability_number, other.capability_number)


def _version(image_version: int | None) -> str | None:
    return None if image_version is None else describe(image_version)


def _versions(accepted: tuple[int, ...] | None) -> str | None:
    return None if accepted is None else ", ".join(map(describe, accepted))


def _number_changes(part: str, old: int | None, new: int | None) -> Iterator[Change]:
    """Compare capability numbers: as they are printed, and bit by bit."""
    yield from _compare(part, "capability number", old, new)
    if old is not None and new is not None:
        yield from _bit_changes(part, old, new)


def _bit_changes(part: str, old: int, new: int) -> Iterator[Change]:
    names = {feature.bit: feature.word or feature.name for feature in FEATURES}
    names |= dict.fromkeys(unknown_bits(old | new), "")
    for bit, name in names.items():
        yield from _compare(part, name, old >> bit & 1, new >> bit & 1, f"capability bit {bit}")


def _container_changes(old: NodeProfile, new: NodeProfile) -> Iterator[Change]:
    ones = {container.ctid: container for container in old.containers}
    others = {container.ctid: container for container in new.containers}
    yield from _come_and_gone("containers", "container", map(str, ones), map(str, others))
    for ctid in [ctid for ctid in ones if ctid in others]:
        yield from _one_container_changes(f"container {ctid}", ones[ctid], others[ctid])


def _one_container_changes(part: str, old: Container, new: Container) -> Iterator[Change]:
    yield from _compare(part, "state", old.state.value, new.state.value)
    if old.needs is None or new.needs is None:
        yield from _compare(part, "needs", _caps(old), _caps(new))
        return
    yield from _bit_changes(part, old.needs.caps, new.needs.caps)
    reports = old.needs.reports, new.needs.reports
    yield from _come_and_gone(part, "report", *reports, same_by=_without_pids)


def _without_pids(report: str) -> str:
    return _PIDS.sub("", report, count=1)


def _caps(container: Container) -> int | None:
    return None if container.needs is None else container.needs.caps
