"""Whether the facts of a profile agree with each other and with the kernel's rules."""

from collections.abc import Iterator

from simulator.facts.capabilities import I386, IA64, INTEL, PLACES, X86_64
from simulator.facts.cpuid import SIGNATURE_LEAF, MissingLeafError
from simulator.facts.features import BY_WORD, LONG_MODE, SYSCALL
from simulator.facts.override import OverrideError, format_override, parse_override
from simulator.facts.releases import UnknownReleaseError, identify
from simulator.kernel.containers import Container, Contents, State
from simulator.profiles.cpuinfo import processor_ranges
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    NodeProfile,
    OriginKind,
    ProfileError,
    derive_answers,
    derive_needs,
)

#: A contradiction: where in the profile, and what it is.
_Problem = tuple[str, str]

_NOBODY_ASKED = "where files were gathered, nobody asked the kernel"


def check_profile(profile: NodeProfile, where: str) -> NodeProfile:
    """Return the profile, or raise ProfileError for the first contradiction in it."""
    for path, problem in _problems(profile):
        raise ProfileError(where, path, problem)
    return profile


def _problems(profile: NodeProfile) -> Iterator[_Problem]:
    """Yield what is wrong; each step may rely on those before it having found nothing."""
    yield from _kernel_problems(profile)
    yield from _override_problems(profile)
    yield from _cpu_problems(profile)
    yield from _answer_problems(profile)
    yield from _container_problems(profile)


def _kernel_problems(profile: NodeProfile) -> Iterator[_Problem]:
    kernel = profile.kernel
    try:
        identify(kernel.release, kernel.vz_version or "")
    except UnknownReleaseError as error:
        yield "kernel.release", str(error)
    if kernel.ipv6 and "ipv6.disable=1" in kernel.boot_options:
        yield "kernel.ipv6", "IPv6 is there, but boot_options has ipv6.disable=1"
    if (kernel.machine == IA64) == bool(profile.cpus):
        yield "cpus", f"{len(profile.cpus)} CPUs with CPUID, on machine {kernel.machine}"


def _override_problems(profile: NodeProfile) -> Iterator[_Problem]:
    text = profile.cpuid_override
    if text is None:
        return
    generation = identify(profile.kernel.release, profile.kernel.vz_version or "").generation
    if not generation.masked_cpuid:
        yield "cpuid_override", f"a kernel of generation {generation.name} has no such file"
    try:
        canonical = format_override(parse_override(text))
    except OverrideError as error:
        yield "cpuid_override", str(error)
    else:
        if canonical != text:
            yield "cpuid_override", f"the file would read as {canonical!r}"


def _cpu_problems(profile: NodeProfile) -> Iterator[_Problem]:
    seen: set[int] = set()
    for number, cpu in enumerate(profile.cpus):
        for processors in processor_ranges(cpu.processors):
            if not processors or not seen.isdisjoint(processors):
                problem = f"{cpu.processors}: a range runs backwards, or a number comes twice"
                yield f"cpus[{number}].processors", problem
            seen.update(processors)
        try:
            yield from _one_cpu_problems(profile, cpu, f"cpus[{number}]")
        except MissingLeafError as error:
            yield f"cpus[{number}].cpuid", str(error)


def _one_cpu_problems(profile: NodeProfile, cpu: CpuFacts, path: str) -> Iterator[_Problem]:
    cpu.cpuid.answer(SIGNATURE_LEAF, 0)  # /proc/cpuinfo takes the family from it.
    if profile.kernel.machine == X86_64:
        if not cpu.cpuid.has_bit(*LONG_MODE.location):
            yield f"{path}.cpuid", "the kernel is 64-bit, and this CPU is not"
        syscall = cpu.cpuid.has_bit(*SYSCALL.location)
        if cpu.cpuid.vendor == INTEL and not syscall:
            yield (
                f"{path}.cpuid",
                "SYSCALL (0x80000001 edx bit 11) is missing, as where a 32-bit program reads it",
            )
    flags = cpu.flags or ()
    for word in PLACES:
        flag = BY_WORD[word].name
        if flag in flags and not cpu.cpuid.has_bit(*PLACES[word]):
            yield f"{path}.flags", f"{flag} is there, but not in CPUID"


def _answer_problems(profile: NodeProfile) -> Iterator[_Problem]:
    try:
        derived = derive_answers(profile)
    except MissingLeafError as error:
        yield "cpus[0].cpuid", f"{error}, and this kernel asks for it"
    else:
        yield from _differing_answers(profile.answers, derived, profile.origin.kind)


def _differing_answers(stated: Answers, ruled: Answers, kind: OriginKind) -> Iterator[_Problem]:
    """Compare answers; one that is left out was not asked, and contradicts nothing.

    Of a composed profile all are made, by the rules.
    """
    for name in ("image_version", "accepted_versions", "capability_number"):
        one, other = getattr(stated, name), getattr(ruled, name)
        if one is None and kind is not OriginKind.COMPOSED:
            continue
        if one != other:
            yield f"answers.{name}", f"{one} is stated, and by the kernel's rules it is {other}"
        if kind is OriginKind.GATHERED:
            yield f"answers.{name}", f"{one} is stated, and {_NOBODY_ASKED}"


def _container_problems(profile: NodeProfile) -> Iterator[_Problem]:
    seen: set[int] = set()
    for number, container in enumerate(profile.containers):
        path = f"containers[{number}]"
        if container.ctid in seen:
            yield f"{path}.ctid", f"container {container.ctid} comes twice"
        seen.add(container.ctid)
        yield from _one_container_problems(profile, container, path)


def _contents_problems(profile: NodeProfile, contents: Contents, path: str) -> Iterator[_Problem]:
    for key in ("pid", "host_pid"):
        numbers = [getattr(process, key) for process in contents.processes]
        if len(set(numbers)) < len(numbers):
            yield path, f"two processes have the same {key}"
    if profile.kernel.machine in I386 and any(one.bits == 64 for one in contents.processes):
        yield path, "the kernel is 32-bit, and a process is not"


def _one_container_problems(
    profile: NodeProfile, container: Container, path: str
) -> Iterator[_Problem]:
    if container.contents is not None:
        yield from _contents_problems(profile, container.contents, f"{path}.origin.processes")
    if container.needs is None and container.contents is None:
        return
    if container.needs is not None and profile.origin.kind is OriginKind.GATHERED:
        yield f"{path}.needs", f"{container.needs} is stated, and {_NOBODY_ASKED}"
    if container.needs is not None and container.state is not State.RUNNING:
        yield f"{path}.needs", f"no kernel tells what a {container.state.value} container needs"
    try:
        derived = derive_needs(profile, container)
    except MissingLeafError as error:
        yield "cpus[0].cpuid", f"{error}, and this kernel asks for it"
    else:
        if derived != container.needs:
            problem = f"{container.needs} is stated, and by the kernel's rules {derived}"
            yield f"{path}.needs", problem
