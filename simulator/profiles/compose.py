"""Make a profile of a node that never was: of a CPU's registers, a kernel's rules, and containers.

Containers are spelled CTID[:WORD,...], as in 101:fpu,process=sshd,entered.
"""

import re
from collections.abc import Callable, Iterable
from typing import ClassVar, NamedTuple

from msgspec.structs import replace

from simulator.dumps.model import Mode
from simulator.errors import UserError
from simulator.facts.capabilities import I386, X86_64, Machine, NodeFacts, eager_fpu
from simulator.facts.cpu_image import CpuImage
from simulator.facts.cpuid import (
    EXTENDED_LEAF,
    INTEL,
    SIGNATURE_LEAF,
    ZEROS,
    CpuidTable,
    MissingLeafError,
)
from simulator.facts.features import LONG_MODE, SYSCALL, as_32bit, as_64bit
from simulator.facts.flags import flags_of
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

#: The first family and model of Intel's with extended leaves: the Pentium M. All before are 32-bit
#: CPUs; Intel SDM volume 2A, CPUID, has those leaves of the Pentium 4 and the Pentium M on.
_FIRST_EXTENDED = (6, 9)


class ComposeError(UserError):
    """Registers of which no node can be composed; the text names their source and says why."""


class CpuSource(NamedTuple):
    """Registers to compose from, where they come from, and which programs read them.

    ``model_name`` and ``microcode`` are what is said of them beside the registers, ``image`` what
    CRIU has stored of the CPU.
    """

    table: CpuidTable
    source: str
    mode: Mode
    model_name: str | None = None
    microcode: str | None = None
    image: CpuImage | None = None


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
    if cpu is not None:
        flags = _flags_of(bare.facts(), has_faulting=override is not None)
        bare = replace(bare, cpus=(replace(bare.cpus[0], flags=flags),))
    return check_profile(_with_answers(bare, containers), name)


def _cpu_facts(cpu: CpuSource, kernel: KernelFacts) -> CpuFacts:
    # What a CPU answers to a leaf that it lacks is none of its own: zeros, or another leaf's.
    own = _with_extended_leaf(cpu, kernel.machine).without_foreign()
    table = own
    if SYSCALL.is_in(own) is not None and (SYSCALL.leaf, SYSCALL.subleaf) not in own.partial:
        table = as_64bit(own) if kernel.machine == X86_64 else as_32bit(own)
    if kernel.machine == X86_64 and LONG_MODE.is_in(table) and SYSCALL.is_in(table) is False:
        raise ComposeError(
            f"{cpu.source}: the CPU has long mode and no SYSCALL (0x80000001 edx bit 11), as none "
            f"of {table.vendor} is: the dump is of a virtual machine that hides it. Take one of "
            "the machine itself"
        )
    return CpuFacts(
        processors="0",
        cpuid=table,
        model_name=_brand(table) or cpu.model_name,
        microcode=cpu.microcode,
        flags=None,
    )


def _with_extended_leaf(cpu: CpuSource, machine: Machine) -> CpuidTable:
    """Return the registers with leaf 0x80000000, where it is known that the CPU has none.

    A CPU that is known in part may have any leaf.
    """
    table = cpu.table
    if (EXTENDED_LEAF, 0) in table or (SIGNATURE_LEAF, 0) not in table or table.partial:
        return table
    family, model = table.family, table.model
    which = f"{table.vendor}, family {family}, model {model}"
    if table.vendor != INTEL or (family, model) >= _FIRST_EXTENDED:
        raise ComposeError(
            f"{cpu.source}: leaf 0x80000000 was not recorded. A CPU that lacks it is a 32-bit one; "
            f"of this one ({which}) that is not known: take a dump that has the extended leaves"
        )
    if machine == X86_64:
        raise ComposeError(
            f"{cpu.source}: this CPU ({which}) lacks the extended leaves, as it is a 32-bit one: "
            "compose a 32-bit node, by '--machine i686'"
        )
    return table.replace({(EXTENDED_LEAF, 0): ZEROS})


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


def _flags_of(facts: NodeFacts, *, has_faulting: bool) -> str | None:
    """Return what the kernel prints; None where that depends on what is not known of the CPU."""
    table = facts.cpuid
    if table is None or table.partial or (SIGNATURE_LEAF, 0) not in table:
        return None
    if eager_fpu(facts) is None:
        return None
    return " ".join(flags_of(facts, has_faulting=has_faulting))


def _with_answers(bare: NodeProfile, containers: Iterable[Container]) -> NodeProfile:
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
entered[=foreign|process|group|session], traced, private-mounts, mempolicy, keys,
policy=normal|batch|idle|fifo|rr. process=NAME begins another one."""

_STATES = {state.value: state for state in State if state not in {State.RUNNING, State.UNKNOWN}}
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
