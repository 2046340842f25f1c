"""Make a profile of a node that never was: of a CPU's registers, a kernel's rules, and containers.

Containers are spelled CTID[:WORD,...], as in 101:fpu,process=sshd,entered.
"""

import re
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from simulator.dumps.model import Mode, as_32bit, as_64bit
from simulator.errors import UserError
from simulator.facts.capabilities import I386, X86_64, has_eager_fpu, shown_registers
from simulator.facts.cpuid import CpuidTable, MissingLeafError
from simulator.facts.features import FEATURES
from simulator.facts.generations import identify
from simulator.facts.override import format_override, parse_override
from simulator.kernel.containers import POLICIES, Container, Contents, Entered, Process, State
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    NodeProfile,
    Origin,
    OriginKind,
    derive_answers,
    derive_needs,
)
from simulator.profiles.profile_checks import check_profile

#: Registers in the order in which /proc/cpuinfo has their flags.
#: Source: /proc/cpuinfo of the recorded boots, and cpufeature.h of 2.6.32-042stab141.3.
_REGISTERS = (
    (0x1, 0, "edx"),
    (0x8000_0001, 0, "edx"),
    (0x1, 0, "ecx"),
    (0x8000_0001, 0, "ecx"),
    (0x7, 0, "ebx"),
    (0xD, 1, "eax"),
)

#: Flags in the order of /proc/cpuinfo.
_PRINTED = sorted(
    (one for one in FEATURES if one.is_printed and one.location[:3] in _REGISTERS),
    key=lambda feature: (_REGISTERS.index(feature.location[:3]), feature.bit),
)


class CpuSource(NamedTuple):
    """Registers to compose from, where they come from, and which programs read them."""

    table: CpuidTable
    source: str
    mode: Mode


def compose(
    name: str,
    cpu: CpuSource | None,
    kernel: KernelFacts,
    containers: Iterable[Container],
    override: str | None = None,
) -> NodeProfile:
    """Return a checked profile; ``cpu`` is None on ia64 alone.

    ``override`` is as it would be written to cpuid_override; None where there is no such file.
    The answers and the containers' needs are what the kernel's rules make of the facts. Raises
    UnknownReleaseError, OverrideError and ProfileError.
    """
    generation = identify(kernel.release, kernel.vz_version or "").generation
    registers = "no CPUID" if cpu is None else f"{cpu.source}, read in {cpu.mode} mode"
    source = f"registers: {registers}; kernel: the rules of {', '.join(generation.trees)}"
    bare = NodeProfile(
        name=name,
        origin=Origin(OriginKind.COMPOSED, source),
        kernel=kernel,
        cpus=() if cpu is None else (_cpu_facts(cpu, kernel),),
        cpuid_override=None if override is None else format_override(parse_override(override)),
        answers=Answers(None, None, None),
        containers=(),
    )
    return check_profile(_with_answers(bare, containers), name)


def _cpu_facts(cpu: CpuSource, kernel: KernelFacts) -> CpuFacts:
    # What a CPU answers to a leaf that it lacks is none of its own: zeros, or another leaf's.
    own = cpu.table.without_foreign()
    table = as_64bit(own) if kernel.machine == X86_64 else as_32bit(own)
    return CpuFacts(
        processors="0",
        cpuid=table,
        model_name=_brand(table),
        microcode=None,
        flags=" ".join(flags_of(shown_registers(table, kernel.boot_options))),
    )


def flags_of(cpuid: CpuidTable) -> tuple[str, ...]:
    """Return the flags that the registers alone give; those of recorded leaves.

    A kernel adds others (constant_tsc, rep_good, eagerfpu...) and hides some.
    """
    return tuple(
        flag.name
        for flag in _PRINTED
        if (flag.leaf, flag.subleaf) in cpuid and cpuid.has_bit(*flag.location)
    )


def _brand(table: CpuidTable) -> str | None:
    try:
        return " ".join(table.brand.split()) or None
    except MissingLeafError:
        return None


def _without_long_mode(container: Container, machine: str) -> Container:
    """Make a container's processes 32-bit ones on a kernel that runs no others."""
    contents = container.contents
    if machine not in I386 or contents is None:
        return container
    processes = tuple(replace(process, bits=32) for process in contents.processes)
    return replace(container, contents=replace(contents, processes=processes))


def _with_answers(bare: NodeProfile, containers: Iterable[Container]) -> NodeProfile:
    if bare.cpus and has_eager_fpu(bare.facts()):
        cpu = bare.cpus[0]
        bare = replace(bare, cpus=(replace(cpu, flags=f"{cpu.flags} eagerfpu".lstrip()),))
    fitting = [_without_long_mode(one, bare.kernel.machine) for one in containers]
    needing = tuple(replace(one, needs=derive_needs(bare, one)) for one in fitting)
    return replace(bare, answers=derive_answers(bare), containers=needing)


# Containers on the command line

#: A process's id on the node is this much above its id in the container.
_FIRST_HOST_PID = 1000

_NUMBER = re.compile("[0-9]{1,10}")
_INT_MAX = 0x7FFFFFFF
_LONGEST_NAME = 15

SYNTAX = """\
A container is CTID[:WORD[,WORD...]]. Words about the container: stopped, stopping, locked,
suspended, device=NAME and mount=TYPE (a network device, a file system that cannot be
checkpointed). Words about a process, the first one being init: fpu, 32bit, no-vdso,
entered[=foreign|process|group|session], policy=normal|batch|idle|fifo|rr, traced,
private-mounts, mempolicy, keys. process=NAME begins another one."""

_STATES = {state.value: state for state in State if state is not State.RUNNING}
_ENTERED = {
    "foreign": Entered.FOREIGN,
    "process": Entered.PROCESS,
    "group": Entered.GROUP,
    "session": Entered.SESSION,
}
_FLAGS: dict[str, dict[str, object]] = {
    "fpu": {"used_fpu": True},
    "32bit": {"bits": 32},
    "no-vdso": {"vdso": False},
    # All recorded kernels say this of a process that entered by vzctl's way.
    "entered": {"entered": Entered.FOREIGN},
    "traced": {"traced": True},
    "private-mounts": {"private_mounts": True},
    "mempolicy": {"mempolicy": True},
    "keys": {"keys": True},
}


class SpecError(UserError):
    """A container that is not spelled as SYNTAX says."""


def parse_spec(spec: str) -> Container:
    """Read a container; SpecError says which word is wrong."""
    number, _, words = spec.partition(":")
    container = _Draft(_parse_ctid(spec, number))
    for word in words.split(",") if words else ():
        container.add(spec, word)
    return container.finish()


class _Draft:
    """A container that is being spelled."""

    def __init__(self, ctid: int) -> None:
        self._ctid = ctid
        self._state = State.RUNNING
        self._processes = [Process(pid=1, host_pid=_FIRST_HOST_PID + 1, name="init")]
        self._devices: list[str] = []
        self._mounts: list[str] = []

    def add(self, spec: str, word: str) -> None:
        """Take one word more."""
        key, equals, value = word.partition("=")
        if word in _STATES:
            self._state = _STATES[word]
        elif word in _FLAGS:
            self._change(**_FLAGS[word])
        elif equals and value and key in self._with_value:
            self._with_value[key](self, spec, value)
        else:
            raise SpecError(f"container {spec!r}: {word!r} is no word for it\n{SYNTAX}")

    def finish(self) -> Container:
        """Return the container."""
        contents = Contents(tuple(self._processes), tuple(self._devices), tuple(self._mounts))
        return Container(ctid=self._ctid, state=self._state, contents=contents)

    def _add_process(self, spec: str, name: str) -> None:
        if len(name) > _LONGEST_NAME:
            raise SpecError(f"container {spec!r}: a process's name has at most 15 characters")
        pid = len(self._processes) + 1
        self._processes.append(Process(pid=pid, host_pid=_FIRST_HOST_PID + pid, name=name))

    def _add_device(self, _: str, name: str) -> None:
        self._devices.append(name)

    def _add_mount(self, _: str, fstype: str) -> None:
        self._mounts.append(fstype)

    def _enter(self, spec: str, how: str) -> None:
        if how not in _ENTERED:
            raise SpecError(f"container {spec!r}: entered is one of {', '.join(_ENTERED)}")
        self._change(entered=_ENTERED[how])

    def _set_policy(self, spec: str, policy: str) -> None:
        if policy not in POLICIES:
            raise SpecError(f"container {spec!r}: policy is one of {', '.join(POLICIES)}")
        self._change(policy=policy)

    def _change(self, **traits: object) -> None:
        self._processes[-1] = replace(self._processes[-1], **traits)

    _with_value: ClassVar[dict[str, Callable[["_Draft", str, str], None]]] = {
        "process": _add_process,
        "device": _add_device,
        "mount": _add_mount,
        "entered": _enter,
        "policy": _set_policy,
    }


def _parse_ctid(spec: str, number: str) -> int:
    if not (_NUMBER.fullmatch(number) and 0 < int(number) <= _INT_MAX):
        raise SpecError(f"container {spec!r}: it begins with a number from 1 to {_INT_MAX}")
    return int(number)
