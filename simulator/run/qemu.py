"""Run a program on an emulated CPU that answers the CPUID instruction as a node's does.

The emulator is qemu-user, and the CPU its model ``base`` with all features that both the node
and qemu's translator have: measured over all recorded CPUs (qemu 7.2) that is as near as ``max``
less what the node has not, and what a later ``max`` has beyond the names known here cannot slip
in, whereas the nearest named model, corrected, keeps bits that have no name, and warns.

Only what is given to the emulator is emulated: what the program starts, or becomes by exec,
runs on this machine's CPU (unless binfmt_misc says otherwise). qemu-user passes opens, reads
and uname on to the kernel, and so to a simulated one, but answers ENOSYS itself to requests
(ioctl) that it does not know: those to /proc/cpt and /proc/rst never get there.
"""

import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from simulator.errors import UserError
from simulator.facts import features
from simulator.facts.cpuid import (
    BRAND_LEAVES,
    EXTENDED_LEAF,
    SIGNATURE_LEAF,
    VENDOR_LEAF,
    CpuidTable,
    MissingLeafError,
    RegisterName,
)
from simulator.facts.features import Feature
from simulator.run.elf_probe import ELF_MAGIC, ElfClass, build_probe, parse_answers, parse_elf_class
from simulator.sources.files import read_beginning

#: Registers that are masks of features, those first that programs are most likely to use.
_REGISTERS: tuple[tuple[int, int, RegisterName], ...] = (
    (0x7, 0, "ebx"),
    (0x7, 0, "ecx"),
    (0x7, 0, "edx"),
    (0x7, 1, "eax"),
    (0xD, 0, "eax"),
    (0xD, 1, "eax"),
    (0x1, 0, "ecx"),
    (0x1, 0, "edx"),
    (0x8000_0001, 0, "ecx"),
    (0x8000_0001, 0, "edx"),
    (0x8000_0008, 0, "ebx"),
    (0x6, 0, "eax"),
    (0x8000_0007, 0, "edx"),
    (0x8000_000A, 0, "edx"),
)

_PROGRAMS = {ElfClass.X86_64: "qemu-x86_64", ElfClass.I386: "qemu-i386"}

#: What a kernel reads of a file to tell what it is, and how many interpreters in a row it
#: follows. Source: BINPRM_BUF_SIZE in uapi/linux/binfmts.h, exec_binprm in fs/exec.c.
_START = 256
_MAX_INTERPRETERS = 5


class EmulationError(UserError):
    """A program cannot be run on a node's emulated CPU; the text says what to do."""


class IdentityDifference(Struct, frozen=True):
    """Something that a CPU is known by, as qemu calls it, on the node and emulated."""

    name: str
    recorded: str
    emulated: str


class Differences(Struct, frozen=True):
    """What an emulated CPU answers to CPUID differently from the node's.

    ``missing`` are bits that the node's has, ``extra`` those that it has not. What was not
    recorded is not compared.
    """

    missing: tuple[Feature, ...]
    extra: tuple[Feature, ...]
    identity: tuple[IdentityDifference, ...]


class Emulation(Struct, frozen=True):
    """The command that runs a program on an emulated CPU, and what that CPU answers."""

    command: tuple[str, ...]
    cpuid: CpuidTable
    differences: Differences


class Qemu(Struct, frozen=True):
    """A qemu-user: its path, which programs it runs, and the features that it can emulate."""

    path: str
    elf_class: ElfClass
    offered: frozenset[Feature]


_NAMED = {feature.location: feature for feature in features.FEATURES}

#: All that is compared: every bit of the registers, the nameless ones too.
FEATURES = tuple(
    _NAMED.get((*register, bit)) or Feature("", *register, bit)
    for register in _REGISTERS
    for bit in range(32)
)


def _read_brand(cpuid: CpuidTable) -> str:
    """Read the processor's name with all its blanks."""
    registers = (value for leaf in BRAND_LEAVES for value in cpuid.answer(leaf, 0))
    text = b"".join(value.to_bytes(4, "little") for value in registers)
    return os.fsdecode(text.partition(b"\0")[0])


#: What else makes a CPU, by the name of qemu's property.
_IDENTITY: Mapping[str, Callable[[CpuidTable], object]] = {
    "vendor": lambda cpuid: cpuid.vendor,
    "family": lambda cpuid: cpuid.family,
    "model": lambda cpuid: cpuid.model,
    "stepping": lambda cpuid: cpuid.stepping,
    "level": lambda cpuid: cpuid[VENDOR_LEAF, 0].eax,
    "xlevel": lambda cpuid: cpuid[EXTENDED_LEAF, 0].eax,
    "model-id": _read_brand,
}

#: Everything that is asked of an emulated CPU.
_KEYS = tuple(
    sorted(
        {(feature.leaf, feature.subleaf) for feature in FEATURES}
        | {(leaf, 0) for leaf in (VENDOR_LEAF, SIGNATURE_LEAF, EXTENDED_LEAF, *BRAND_LEAVES)}
    )
)


def emulate(command: Sequence[str], cpuid: CpuidTable | None) -> Emulation:
    """Return how to run a command on the CPU of qemu-user that is nearest to the node's.

    ``command`` is a program, by its path or its name on PATH, and its arguments; ``cpuid`` is
    the node's own answers, None where it is no x86. EmulationError says what is in the way:
    the node, the program, or that qemu-user is not installed.
    """
    if cpuid is None:
        raise EmulationError(
            "this node's CPU has no CPUID instruction to emulate (ia64): leave out "
            "--cpu-instruction, or take an x86 node"
        )
    elf_class, arguments = resolve_program(command)
    qemu = find_qemu(elf_class)
    model = choose_model(qemu, cpuid)
    measured = measure_cpuid(qemu, model)
    return Emulation(
        (qemu.path, "-cpu", model, *arguments), measured, find_differences(cpuid, measured)
    )


def describe(emulation: Emulation) -> str:
    """Say in a few lines, for people, which CPU a program gets and what to mind about it."""
    cpuid = emulation.cpuid
    differences = emulation.differences
    lines = [
        (
            f"CPUID is answered by {Path(emulation.command[0]).name}: {cpuid.vendor}, family "
            f"{cpuid.family}, model {cpuid.model}, stepping {cpuid.stepping}, {cpuid.brand}"
        ),
        *_describe_features("features on the node alone", differences.missing),
        *_describe_features("features emulated alone", differences.extra),
        *(
            f"{one.name}: {one.recorded!r} on the node, {one.emulated!r} emulated"
            for one in differences.identity
        ),
        (
            "The emulator refuses requests to /proc/cpt and /proc/rst (ENOSYS), and programs that "
            "the command starts run on this machine's CPU."
        ),
    ]
    return "\n".join(lines)


def resolve_program(command: Sequence[str]) -> tuple[ElfClass, tuple[str, ...]]:
    """Find the ELF program that a command comes down to, and what qemu-user is given for it.

    A script's #! line is followed as a kernel does it, and through ``env`` as well: what env
    becomes would not be emulated. EmulationError says what is wrong with the program.
    """
    words = tuple(command)
    origin = ""
    for _ in range(_MAX_INTERPRETERS + 1):
        path = _find_program(words[0], origin)
        start = _read_start(path)
        if not start.startswith(b"#!"):
            # A program may go by the name that it was called by.
            called = () if words[0] == path else ("-0", words[0])
            return _elf_class(path, start), (*called, path, *words[1:])
        words = (*_parse_interpreter(path, start), path, *words[1:])
        origin = f" (the interpreter of {path})"
    raise EmulationError(f"{command[0]}: too many interpreters, each a script: name a program")


def find_qemu(elf_class: ElfClass) -> Qemu:
    """Find qemu-user for a kind of programs; EmulationError where it is not installed."""
    name = _PROGRAMS[elf_class]
    path = shutil.which(name) or shutil.which(f"{name}-static")
    if path is None:
        raise EmulationError(f"--cpu-instruction needs {name}: install qemu-user")
    flags = parse_flags(_run([path, "-cpu", "help"]).stdout.decode("utf-8", "replace"))
    named = [feature for feature in FEATURES if feature.qemu_name in flags]
    everything = measure_cpuid(Qemu(path, elf_class, frozenset()), "max")
    return Qemu(path, elf_class, frozenset(one for one in named if one.is_in(everything)))


def parse_flags(text: str) -> frozenset[str]:
    """Parse the CPUID flags that ``qemu-x86_64 -cpu help`` lists after its models."""
    return frozenset(text.partition("Recognized CPUID flags:")[2].split())


def choose_model(qemu: Qemu, cpuid: CpuidTable) -> str:
    """Return what ``-cpu`` takes to be as near as it can to a CPU."""
    features = [one for one in FEATURES if one in qemu.offered and one.is_in(cpuid)]
    properties = [
        f"{name}={str(value).replace(',', ' ')}"  # A comma ends a value, and nothing quotes one.
        for name in _IDENTITY
        if (value := _read_identity(name, cpuid)) is not None
    ]
    return ",".join(["base", *(f"+{one.qemu_name}" for one in features), *properties])


def measure_cpuid(qemu: Qemu, model: str) -> CpuidTable:
    """Execute CPUID under an emulator with ``-cpu model``; return all that is compared.

    EmulationError says what qemu said where it has no such model, as versions before 2.10.
    """
    with tempfile.TemporaryDirectory(prefix="vzcptsim-") as folder:
        probe = Path(folder, "probe")
        probe.write_bytes(build_probe(_KEYS, qemu.elf_class))
        probe.chmod(0o700)  # qemu-user, too, wants it executable.
        ended = _run([qemu.path, "-cpu", model, str(probe)])
    try:
        return CpuidTable(parse_answers(_KEYS, ended.stdout).items())
    except ValueError as error:
        said = ended.stderr.decode("utf-8", "replace").strip() or f"status {ended.returncode}"
        raise EmulationError(
            f"{qemu.path} does not run its CPU model {model!r}: {said}; try a later qemu-user"
        ) from error


def find_differences(recorded: CpuidTable, emulated: CpuidTable) -> Differences:
    """Compare what a node's CPU answers with what an emulated one does."""
    states = [(one, one.is_in(recorded), bool(one.is_in(emulated))) for one in FEATURES]
    return Differences(
        missing=tuple(one for one, there, here in states if there and not here),
        extra=tuple(one for one, there, here in states if there is False and here),
        identity=tuple(_identity_differences(recorded, emulated)),
    )


def _identity_differences(
    recorded: CpuidTable, emulated: CpuidTable
) -> Iterator[IdentityDifference]:
    for name in _IDENTITY:
        there, here = _read_identity(name, recorded), _read_identity(name, emulated)
        if there not in (None, here):
            yield IdentityDifference(name, str(there), str(here))


def _read_identity(name: str, cpuid: CpuidTable) -> object:
    try:
        return _IDENTITY[name](cpuid)
    except MissingLeafError:
        return None


def _describe_features(where: str, features: Sequence[Feature]) -> list[str]:
    if not features:
        return []
    named = [feature.name for feature in features if feature.name]
    shown = textwrap.shorten(" ".join(named), 240, placeholder=" ...")
    return [f"{where} ({len(features)}): {shown}".removesuffix(": ")]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[bytes]:
    # What is run is the emulator that the user has on PATH.
    return subprocess.run(  # noqa: S603
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


def _find_program(name: str, origin: str) -> str:
    """Find a program as execvp does."""
    path = shutil.which(name)
    if path is not None:
        return path
    if shutil.which(name, os.F_OK) is not None:
        raise EmulationError(f"{name}{origin}: not executable: see its permissions (chmod +x)")
    where = "there" if "/" in name else "on PATH"
    raise EmulationError(f"{name}{origin}: no such program {where}: see how it is spelled")


def _read_start(path: str) -> bytes:
    try:
        return read_beginning(path, _START)
    except OSError as error:
        raise EmulationError(
            f"{path}: {error.strerror}: an emulator has to read the program"
        ) from error


def _parse_interpreter(path: str, start: bytes) -> tuple[str, ...]:
    """Parse a #! line: the interpreter, and the rest of the line as one argument if there is."""
    line = os.fsdecode(start[2:].partition(b"\n")[0]).strip(" \t")
    words = tuple(re.split("[ \t]+", line, maxsplit=1))
    if not words[0]:
        raise EmulationError(f"{path}: its #! line names no interpreter")
    if Path(words[0]).name == "env":
        return _parse_env(path, words)
    # A kernel does not look on PATH.
    return (words[0] if "/" in words[0] else f"./{words[0]}", *words[1:])


def _parse_env(path: str, words: tuple[str, ...]) -> tuple[str, ...]:
    argument = words[-1]
    if len(words) == 1 or argument.startswith("-") or "=" in argument:
        raise EmulationError(
            f"{path}: what its line '#!{' '.join(words)}' starts would not be emulated: put the "
            "interpreter before the script in the command"
        )
    return (argument,)


def _elf_class(path: str, start: bytes) -> ElfClass:
    elf_class = parse_elf_class(start)
    if elf_class is not None:
        return elf_class
    if start.startswith(ELF_MAGIC):
        raise EmulationError(f"{path}: a program for another machine than an x86")
    raise EmulationError(
        f"{path}: neither an ELF program nor a script with a #! line: put its interpreter before it"
    )
