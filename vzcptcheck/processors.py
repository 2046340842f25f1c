"""The node's processors: each distinct CPU among them, with all that CPUID and Linux say of it."""

import re
from collections import namedtuple

from vzcptcheck.cpuid import CpuidDevice, Registers, device_path
from vzcptcheck.cpuinfo import parse_cpuinfo
from vzcptcheck.errors import CheckError, describe_failure
from vzcptcheck.files import read_file
from vzcptcheck.leaves import SIGNATURE, of_any_thread, read_leaves

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from vzcptcheck.leaves import Answers
    from vzcptcheck.syscalls import Syscalls

CPUINFO = "/proc/cpuinfo"

#: A large node's /proc/cpuinfo: some KiB for each of some thousand processors.
CPUINFO_LIMIT = 1 << 24

#: A message names no more leaves.
_MOST_NAMED = 40

DEVICE = "device"
INSTRUCTION = "instruction"


class Cpu(
    namedtuple("Cpu", ("processors", "answers", "source", "model_name", "microcode", "flags"))
):
    """One distinct CPU.

    ``processors`` are the numbers of those alike, ``answers`` those of the first, with its own
    thread's number in them, ``source`` is who gave them: the device or the instruction. What
    /proc/cpuinfo does not say is None.
    """

    __slots__ = ()


class Survey(namedtuple("Survey", ("cpus", "remarks"))):
    """The distinct CPUs, the first processor's first, and what is to be said of them."""

    __slots__ = ()


def survey_processors(syscalls: "Syscalls", as_programs: "bool" = False) -> "Survey":
    """Ask every processor. Raises ``CheckError`` where not one of them answers.

    ``as_programs``: by the instruction alone, which may be given other answers than the device.
    """
    processors, remarks = _listed(syscalls)
    alike: "dict[object, Cpu]" = {}
    failures: "list[str]" = []
    holes: "set[tuple[int, int]]" = set()
    for number, words in processors:
        try:
            answers, source, missing = _ask(syscalls, number, as_programs)
        except CheckError as error:
            failures.append(error.message)
            continue
        holes.update(missing)
        cpu = Cpu([number], answers, source, *words)
        kind = (tuple(of_any_thread(answers).items()), *words)
        alike.setdefault(kind, cpu._replace(processors=[])).processors.append(number)
    if not alike:
        raise CheckError(
            "no processor tells what it can do: " + "; ".join(failures[:_MOST_NAMED]),
            "Load the kernel's module cpuid: 'modprobe cpuid'.",
        )
    cpus = list(alike.values())
    return Survey(cpus, [*remarks, *failures, *_remarks_on(cpus, holes)])


def format_ranges(numbers: "Iterable[int]") -> "str":
    """Write ascending numbers as in 0-3,8."""
    ranges: "list[list[int]]" = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    return ",".join("-".join(map(str, part)) for part in ranges)


def _listed(syscalls: "Syscalls") -> "tuple[list[tuple[int, tuple[str | None, ...]]], list[str]]":
    """List the processors' numbers, each with its model name, microcode and flags.

    Where /proc/cpuinfo does not tell, processor 0 is taken to be all there is, and that is said.
    """
    try:
        text = read_file(syscalls, CPUINFO, CPUINFO_LIMIT)
        return [_words_of(block) for block in parse_cpuinfo(text)], []
    except OSError as error:
        problem = f"{CPUINFO}: {describe_failure(error)}"
    except CheckError as error:
        problem = f"{CPUINFO}: {error.message}"
    unknown = (None, None, None)
    return [(0, unknown)], [f"{problem}: processor 0 is taken for all, its flags for unknown"]


def _words_of(block: "dict[str, str]") -> "tuple[int, tuple[str | None, ...]]":
    number = block["processor"]
    # Of str.isdigit()'s digits, int() takes but some.
    if not re.match(r"[0-9]{1,4}\Z", number):
        raise CheckError(f"processor {number[:20]!r} has no number")
    flags = block.get("flags")
    return int(number), (
        block.get("model name"),
        block.get("microcode"),
        None if flags is None else " ".join(flags.split()),
    )


def _ask(
    syscalls: "Syscalls", cpu: "int", as_programs: "bool"
) -> "tuple[Answers, str, list[tuple[int, int]]]":
    """Ask a processor by its device or, running on it, by the instruction."""
    failures = []
    if not as_programs:
        try:
            with CpuidDevice(syscalls, cpu) as device:
                answers, holes = read_leaves(device.read_leaf)
                return answers, DEVICE, holes
        except OSError as error:
            failures.append(f"{device_path(cpu)}: {describe_failure(error)}")

    def execute(leaf: "int", subleaf: "int") -> "Registers":
        return Registers(*syscalls.cpuid(leaf, subleaf))

    try:
        syscalls.run_on(cpu)
        answers, holes = read_leaves(execute)
    except OSError as error:
        failures.append(f"the CPUID instruction on it: {describe_failure(error)}")
        raise CheckError("processor {}: {}".format(cpu, "; ".join(failures))) from error
    return answers, INSTRUCTION, holes


def _remarks_on(cpus: "list[Cpu]", holes: "set[tuple[int, int]]") -> "list[str]":
    remarks = []
    if len(cpus) > 1:
        remarks.append("this node's processors are not all alike:")
        remarks += _differences(cpus)
    if holes:
        remarks.append(
            "{} of CPUID's answers could not be read, and are recorded as unknown: {}".format(
                len(holes), _name_leaves(sorted(holes))
            )
        )
    return remarks


def _differences(cpus: "list[Cpu]") -> "list[str]":
    """Say of each CPU what others have otherwise, and at the end where CPUID differs."""
    shared = set.intersection(*(_flags_of(cpu) for cpu in cpus))
    lines = []
    for cpu in cpus:
        signature = cpu.answers.get((SIGNATURE, 0))
        own = " ".join(sorted(_flags_of(cpu) - shared))
        said = (
            ("", cpu.model_name),
            ("CPUID signature ", signature and f"0x{signature.eax:08x}"),
            ("microcode ", cpu.microcode),
            ("with the flags ", own),
        )
        told = ", ".join(name + value for name, value in said if value)
        lines.append("  {}: {}".format(format_ranges(cpu.processors), told or "nothing is known"))
    tables = [of_any_thread(cpu.answers) for cpu in cpus]
    keys = sorted({key for table in tables for key in table})
    differing = [key for key in keys if len({table.get(key) for table in tables}) > 1]
    return [*lines, *(["  CPUID differs in " + _name_leaves(differing)] if differing else [])]


def _flags_of(cpu: "Cpu") -> "set[str]":
    return set((cpu.flags or "").split())


def _name_leaves(keys: "list[tuple[int, int]]") -> "str":
    named = ", ".join(
        f"0x{leaf:x}" + (f" subleaf {subleaf}" if subleaf else "")
        for leaf, subleaf in keys[:_MOST_NAMED]
    )
    return named + (", and others" if len(keys) > _MOST_NAMED else "")
