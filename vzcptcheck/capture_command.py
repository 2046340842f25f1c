"""The command ``capture``: its options, and where the profile goes."""

import json
import time
from collections import namedtuple

from vzcptcheck import __version__
from vzcptcheck.arguments import near, parse_number
from vzcptcheck.capture import capture_node
from vzcptcheck.errors import UsageError
from vzcptcheck.outcome import ExitStatus, Outcome, printable
from vzcptcheck.processors import DEVICE, format_ranges, survey_processors
from vzcptcheck.saving import save_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, List

    from vzcptcheck.processors import Cpu
    from vzcptcheck.syscalls import Syscalls

STDOUT = "-"

ANONYMIZE = "--anonymize"
CPUS = "--cpus"
INSTRUCTION_ALONE = "--instruction"
_FLAGS = (ANONYMIZE, CPUS, INSTRUCTION_ALONE)

_X86_64 = "x86_64"

#: What a profile tells of a node is its owner's business.
_OWNER_ALONE = 0o600


class _Options(namedtuple("_Options", ("output", "mode", "ctids", "flags"))):
    __slots__ = ()


def run_capture(words: "List[str]", syscalls: "Syscalls") -> "Outcome":
    """Capture as the words after ``capture`` say."""
    options = _parse(words)
    capture = _capture_cpus if CPUS in options.flags else _capture
    text, remarks = capture(options, syscalls)
    if options.output == STDOUT:
        return Outcome(ExitStatus.YES, text, remarks)
    save_file(syscalls, options.output, text.encode("utf-8"), options.mode)
    return Outcome(ExitStatus.YES, remarks=remarks)


def _parse(words: "List[str]") -> "_Options":
    values: "dict[str, list[str]]" = {"-o": [], "--mode": [], "--ct": []}
    flags = set()
    rest = list(reversed(words))
    while rest:
        word = rest.pop()
        name, equals, value = word.partition("=")
        option = "-o" if name == "--output" else name
        if option in values:
            values[option].append(value if equals else _next(rest, word))
        elif word in _FLAGS:
            flags.add(word)
        else:
            meant = near(name, ("--output", *values, *_FLAGS))
            raise UsageError(f"capture: unknown argument {word!r}{meant}", show_usage=True)
    for option in ("-o", "--mode"):
        if len(values[option]) > 1:
            raise UsageError(f"capture: {option} is given twice")
    _require_sense(flags, values["--ct"])
    (output,) = values["-o"] or [STDOUT]
    if not output:
        raise UsageError("capture: -o takes a file's name, or '-' for standard output")
    modes = [_parse_mode(word) for word in values["--mode"]]
    ctids = [_parse_ctid(word) for word in values["--ct"]]
    return _Options(output, [_OWNER_ALONE, *modes][-1], ctids, flags)


def _next(rest: "List[str]", option: "str") -> "str":
    if not rest:
        raise UsageError(f"capture: {option} takes a value", show_usage=True)
    return rest.pop()


def _require_sense(flags: "Collection[str]", ctids: "List[str]") -> "None":
    if CPUS in flags and (ctids or ANONYMIZE in flags):
        raise UsageError("capture: --cpus has no containers and no names: leave the rest out")
    if INSTRUCTION_ALONE in flags and CPUS not in flags:
        raise UsageError("capture: --instruction goes with --cpus: a profile has what CPUs are")


def _parse_ctid(word: "str") -> "int":
    ctid = parse_number(word, "container")
    if ctid == 0:
        raise UsageError("container 0 is the node itself", "Name a container, from 1.")
    return ctid


def _parse_mode(word: "str") -> "int":
    if not (word and len(word) <= 4 and set(word) <= set("01234567")):
        raise UsageError(f"capture: --mode takes an octal number as chmod does, not {word!r}")
    mode = int(word, 8)
    if not mode & 0o400 or mode & ~0o666:
        raise UsageError(f"capture: --mode {word}: the owner reads it, and nobody executes it")
    return mode


def _capture(options: "_Options", syscalls: "Syscalls") -> "tuple[str, list[str]]":
    document, remarks = capture_node(syscalls, _source(options, syscalls), options.ctids)
    if ANONYMIZE in options.flags:
        from vzcptcheck.anonymize import anonymize

        document = anonymize(document)
    return json.dumps(document, indent=2) + "\n", remarks


def _source(options: "_Options", syscalls: "Syscalls") -> "str":
    day = time.strftime("%Y-%m-%d", time.gmtime())
    where = "" if ANONYMIZE in options.flags else f" on {printable(syscalls.uname()[2])}"
    return f"vzcptcheck {__version__} capture{where}, {day}"


def _capture_cpus(options: "_Options", syscalls: "Syscalls") -> "tuple[str, list[str]]":
    """Write the registers alone, as 'vzcptsim compose --cpuid' reads them."""
    cpus, remarks = survey_processors(syscalls, INSTRUCTION_ALONE in options.flags)
    entries = [_cpu_entry(syscalls, cpu) for cpu in cpus]
    return json.dumps(entries, indent=1) + "\n", remarks


def _cpu_entry(syscalls: "Syscalls", cpu: "Cpu") -> "dict[str, Any]":
    by_kernel = cpu.source == DEVICE and syscalls.uname()[1] == _X86_64
    is_64bit = by_kernel or syscalls.pointer_bits() == 64
    return {
        "id": format_ranges(cpu.processors),
        "mode": "64-bit" if is_64bit else "32-bit",
        "cpuid": [
            [f"0x{leaf:08x}", f"0x{subleaf:x}", *(f"0x{value:08x}" for value in registers)]
            for (leaf, subleaf), registers in cpu.answers.items()
        ],
    }
