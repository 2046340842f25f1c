"""Whether the facts of a profile agree with each other and with the kernel's rules.

Nodes of a large fleet are much alike: what is found of a kernel, of a CPU and of a container is
remembered by what it depends on.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec.json import encode

from simulator.facts.bits import COMPARED
from simulator.facts.capabilities import (
    I386,
    IA64,
    X86_64,
    Machine,
    NodeFacts,
    capability_bounds,
)
from simulator.facts.cpuid import (
    INTEL,
    SIGNATURE_LEAF,
    CpuidTable,
    MissingLeafError,
    processor_ranges,
)
from simulator.facts.features import LONG_MODE, SYSCALL
from simulator.facts.generations import UnknownReleaseError, identify
from simulator.facts.override import OverrideError, format_override, parse_override
from simulator.kernel.containers import Contents, Needs, State
from simulator.profiles.profile import (
    Answers,
    KernelFacts,
    NodeProfile,
    OriginKind,
    ProfileError,
    derive_answers,
    needs_by_rules,
)

#: A contradiction: where in the profile, and what it is.
_Problem = tuple[str, str]
_Problems = tuple[_Problem, ...]

_NOBODY_ASKED = "where files were gathered, nobody asked the kernel"


def check_profile(profile: NodeProfile, where: str) -> NodeProfile:
    """Return the profile, or raise ProfileError for the first contradiction in it."""
    for path, problem in _problems(profile):
        raise ProfileError(where, path, problem)
    return profile


def _problems(profile: NodeProfile) -> Iterator[_Problem]:
    """Yield what is wrong; each step may rely on those before it having found nothing."""
    yield from _kernel_problems(profile.kernel, profile.cpuid_override, len(profile.cpus))
    yield from _cpu_problems(profile)
    yield from _answer_problems(profile)
    yield from _container_problems(profile)


@lru_cache(1024)
def _kernel_problems(kernel: KernelFacts, override: str | None, cpus: int) -> _Problems:
    return tuple(_find_kernel_problems(kernel, override, cpus))


def _find_kernel_problems(
    kernel: KernelFacts, override: str | None, cpus: int
) -> Iterator[_Problem]:
    try:
        generation = identify(kernel.release, kernel.vz_version or "").generation
    except UnknownReleaseError as error:
        yield "kernel.release", str(error)
        return
    if kernel.ipv6 and "ipv6.disable=1" in kernel.boot_options:
        yield "kernel.ipv6", "IPv6 is there, but boot_options has ipv6.disable=1"
    if (kernel.machine == IA64) == bool(cpus):
        yield "cpus", f"{cpus} CPUs with CPUID, on machine {kernel.machine}"
    if override is not None:
        if not generation.masked_cpuid:
            yield "cpuid_override", f"a kernel of generation {generation.name} has no such file"
        yield from _override_problems(override)


def _override_problems(text: str) -> Iterator[_Problem]:
    try:
        canonical = format_override(parse_override(text))
    except OverrideError as error:
        yield "cpuid_override", str(error)
    else:
        if canonical != text:
            yield "cpuid_override", f"the file would read as {_as_json(canonical)}"


def _cpu_problems(profile: NodeProfile) -> Iterator[_Problem]:
    seen: set[int] = set()
    for number, cpu in enumerate(profile.cpus):
        for processors in processor_ranges(cpu.processors):
            if not processors or not seen.isdisjoint(processors):
                problem = f"{cpu.processors}: a range runs backwards, or a number comes twice"
                yield f"cpus[{number}].processors", problem
            seen.update(processors)
        for key, problem in _one_cpu_problems(cpu.cpuid, cpu.flags or "", profile.kernel.machine):
            yield f"cpus[{number}].{key}", problem


@lru_cache(1024)
def _one_cpu_problems(cpuid: CpuidTable, flags: str, machine: Machine) -> _Problems:
    try:
        return tuple(_find_cpu_problems(cpuid, flags.split(), machine))
    except MissingLeafError as error:
        return (("cpuid", str(error)),)


def _find_cpu_problems(cpuid: CpuidTable, flags: list[str], machine: Machine) -> Iterator[_Problem]:
    if (SIGNATURE_LEAF, 0) not in cpuid and not cpuid.partial:
        raise MissingLeafError(SIGNATURE_LEAF, 0)  # /proc/cpuinfo takes the family from it.
    if machine == X86_64:
        if LONG_MODE.is_in(cpuid) is False:
            yield "cpuid", "the kernel is 64-bit, and this CPU is not"
        if cpuid.vendor == INTEL and SYSCALL.is_in(cpuid) is False:
            yield (
                "cpuid",
                "SYSCALL (0x80000001 edx bit 11) is missing, as where a 32-bit program reads it",
            )
    for feature in COMPARED.values():
        if feature.name in flags and feature.is_in(cpuid) is False:
            yield "flags", f"{feature.name} is there, but not in CPUID"


def _answer_problems(profile: NodeProfile) -> Iterator[_Problem]:
    yield from _differing_answers(
        profile.answers, derive_answers(profile), profile.origin.kind, profile.facts()
    )


def _differing_answers(
    stated: Answers, ruled: Answers, kind: OriginKind, facts: NodeFacts
) -> Iterator[_Problem]:
    """Compare answers; one that is left out was not asked, and contradicts nothing.

    Of a composed profile all are made, by the rules. A kernel knows its CPU, even where that is
    known in part here.
    """
    for name in Answers.__struct_fields__:
        one, other = getattr(stated, name), getattr(ruled, name)
        if kind is not OriginKind.COMPOSED:
            if one is None:
                continue
            if name == "capability_number" and _is_within(one, capability_bounds(facts)):
                continue
        if one != other:
            yield f"answers.{name}", _differing(one, other)
        if kind is OriginKind.GATHERED:
            yield f"answers.{name}", f"{_as_json(one)} is stated, and {_NOBODY_ASKED}"


def _is_within(number: int, bounds: tuple[int, int]) -> bool:
    least, most = bounds
    return least != most and not (least & ~number or number & ~most)


def _repeated(ctid: int, before: Sequence[int]) -> list[_Problem]:
    return [("containers[{}].ctid", f"container {ctid} comes twice")] if ctid in before else []


def _container_problems(profile: NodeProfile) -> Iterator[_Problem]:
    node = (
        profile.facts(),
        "vzcpt" in profile.kernel.modules,
        profile.origin.kind is OriginKind.GATHERED,
    )
    containers = profile.containers
    found = [
        _one_container_problems(*node, one.state, one.contents, one.needs) for one in containers
    ]
    ctids = [one.ctid for one in containers]
    if not any(found) and len(set(ctids)) == len(ctids):
        return
    yield from (
        (path.format(number), problem)
        for number, (ctid, problems) in enumerate(zip(ctids, found, strict=True))
        for path, problem in (*_repeated(ctid, ctids[:number]), *problems)
    )


@lru_cache(1 << 14)
def _one_container_problems(  # noqa: PLR0913, PLR0917 (each is a fact of its own)
    facts: NodeFacts,
    has_cpt: bool,
    is_gathered: bool,
    state: State,
    contents: Contents | None,
    needs: Needs | None,
) -> _Problems:
    """Return what is wrong with containers of a kind; their number is to be put into paths."""
    found: list[_Problem] = []
    if contents is not None:
        told = _contents_problems(contents, is_32bit=facts.machine in I386)
        found += [("containers[{}].origin.processes", problem) for problem in told]
    path = "containers[{}].needs"
    if needs is not None and is_gathered:
        found.append((path, f"{_as_json(needs)} is stated, and {_NOBODY_ASKED}"))
    if needs is not None and state is not State.RUNNING:
        found.append((path, f"no kernel tells what a {state.value} container needs"))
    ruled = needs_by_rules(facts, state, contents, needs, has_cpt=has_cpt)
    if ruled != needs:
        found.append((path, _differing(needs, ruled)))
    return tuple(found)


def _contents_problems(contents: Contents, *, is_32bit: bool) -> Iterator[str]:
    for key in ("pid", "host_pid"):
        numbers = [getattr(process, key) for process in contents.processes]
        if len(set(numbers)) < len(numbers):
            yield f"two processes have the same {key}"
    if is_32bit and any(one.bits == 64 for one in contents.processes):
        yield "the kernel is 32-bit, and a process is not"


def _differing(stated: object, ruled: object) -> str:
    return f"{_as_json(stated)} is stated, and by the kernel's rules it is {_as_json(ruled)}"


def _as_json(value: object) -> str:
    """Write a value as the file has it."""
    return encode(value).decode()
