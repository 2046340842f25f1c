"""The profile of a node that could not be asked: of the files that vzcptcheck-gather.sh read there.

What only the kernel tells is not known then, and stays unknown: its answers, and what containers
need.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from simulator.dumps import cpuinfo
from simulator.dumps.model import DumpError, table_of
from simulator.errors import UserError
from simulator.facts.bits import CPT_SLM_DMPRST, mask
from simulator.facts.capabilities import IA64, MACHINES, Machine
from simulator.facts.cpuid import ZEROS, CpuidTable, Key, Registers
from simulator.facts.generations import UnknownReleaseError, identify
from simulator.kernel.calls import HEADER, ContextState
from simulator.kernel.containers import Container, State
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    Module,
    NodeProfile,
    Origin,
    OriginKind,
)
from simulator.profiles.profile_checks import check_profile
from simulator.sources.archive import is_archive, read_archive
from simulator.sources.files import STDIN, SourceError, read_input, read_plain_file, title_of
from vzcptcheck.cpuinfo import CpuinfoError, parse_cpuinfo
from vzcptcheck.processors import format_ranges

_FORMAT = "1"

#: The folder that the script packs.
TOP = "vzcptcheck-gathered"

ABOUT = "about"
NOTES = "notes"
CPT = "proc/cpt"
RST = "proc/rst"
CMDLINE = "proc/cmdline"
CPUINFO = "proc/cpuinfo"
VZ_VERSION = "proc/vz/version"
VEINFO = "proc/vz/veinfo"
CPUID_OVERRIDE = "proc/vz/cpuid_override"
IF_INET6 = "proc/net/if_inet6"

#: A folder with one file for each processor that was asked, named by its number.
CPUID = "cpuid"

_FILES = (ABOUT, NOTES, CPT, RST, CMDLINE, CPUINFO, VZ_VERSION, VEINFO, CPUID_OVERRIDE, IF_INET6)

_MODULE_FILES: tuple[tuple[Module, str], ...] = (("vzcpt", CPT), ("vzrst", RST))

#: /proc/cpuinfo of 1,000 processors has 1.5 MiB, and nothing else is as large.
MOST_BYTES = 2 << 20

_MOST_BYTES_PACKED = 16 << 20

#: The script asks one processor of each kind, and of sixteen kinds at most.
_MOST_PROCESSORS = 16
_LARGEST_CTID = 0x7FFFFFFF
_LAST_PROCESSOR = 9999

#: What on the kernel's command line changes what it sees of its CPU or its network.
_BOOT_OPTION = re.compile(
    r"noxsave|noxsaveopt|nordrand|nofxsr|nosep|eagerfpu=\S+|clearcpuid=\S+|ipv6\.disable=\S+"
)

#: By what the script tells kinds of processors apart.
_KIND = ("vendor_id", "cpu family", "model", "model name", "stepping", "microcode", "flags")

_HEX = "0x([0-9a-f]{8})"
_ROW = re.compile(f"{_HEX} 0x([0-9a-f]{{1,8}}): (?:(no answer)|{' '.join([_HEX] * 4)})")

#: States of a context that holds its container suspended.
_HOLDING = (ContextState.SUSPENDED, ContextState.DUMPING)

#: A message names no more leaves, and shows no more of a line.
_MOST_NAMED = 5
_MOST_SHOWN = 60

_Files = Mapping[str, bytes]
_Block = Mapping[str, str]


class GatheredError(UserError):
    """What was gathered cannot be read: in which of its files, and what is wrong."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(f"{file}: {problem}" if file else problem)
        self.file = file
        self.problem = problem


class Gathered(NamedTuple):
    """A node's profile, and what is to be said of it."""

    profile: NodeProfile
    remarks: tuple[str, ...]


class _About(NamedTuple):
    """What the script says of itself and of the node."""

    script: str
    date: str
    release: str
    machine: Machine
    host: str | None


class _Asked(NamedTuple):
    """What a processor answered, and to which leaves and subleaves it did not."""

    table: CpuidTable
    holes: tuple[Key, ...]
    has_subleaves: bool


def load_gathered(name: str) -> Gathered:
    """Read an archive of the script's, standard input (-) too, or the folder it was unpacked into.

    Raises UserError, whose text begins with the name, and OSError where it cannot be read.
    """
    where = title_of(name)
    try:
        return make_profile(read_files(name), where)
    except GatheredError as error:
        raise GatheredError(where, str(error)) from error


def make_profile(files: _Files, where: str) -> Gathered:
    """Make the profile of a node of its files by their names.

    Raises GatheredError where one of them cannot be read, and ProfileError, by the name
    ``where``, where their facts contradict each other.
    """
    about = _parse_about(_lines(files, ABOUT))
    cpus, remarks = _parse_cpus(files, about.release) if about.machine != IA64 else ((), ())
    words = (_text(files, CMDLINE) or "").split()
    on = "" if about.host is None else f" on {about.host}"
    profile = NodeProfile(
        name="gathered",
        origin=Origin(
            OriginKind.GATHERED, f"vzcptcheck-gather.sh {about.script}{on}, {about.date}"
        ),
        kernel=KernelFacts(
            release=about.release,
            machine=about.machine,
            vz_version=_line(files, VZ_VERSION),
            boot_options=tuple(dict.fromkeys(filter(_BOOT_OPTION.fullmatch, words))),
            modules=frozenset(module for module, file in _MODULE_FILES if file in files),
            ipv6=IF_INET6 in files,
        ),
        cpus=cpus,
        cpuid_override=_text(files, CPUID_OVERRIDE),
        answers=Answers(None, None, None),
        containers=_parse_containers(_lines(files, VEINFO), _lines(files, CPT)),
    )
    notes = filter(str.strip, _lines(files, NOTES))
    said = (*notes, *remarks, *_unknown(profile))
    return Gathered(check_profile(profile, where), said)


def _unknown(profile: NodeProfile) -> Iterator[str]:
    """Say what a profile cannot tell since nobody asked the kernel."""
    yield "nobody asked the kernel: its answers, and what containers need, are recorded as unknown"
    kernel = profile.kernel
    try:
        release = identify(kernel.release, kernel.vz_version or "")
    except UnknownReleaseError:
        return  # That is for the profile's checks.
    if release.generation.node_bits & mask(CPT_SLM_DMPRST):
        yield "whether SLM is enabled without its module is not known: taken for no"


# Text


def _text(files: _Files, name: str) -> str | None:
    """Return a file's text; None where the node has no such file."""
    data = files.get(name)
    return None if data is None else data.decode("utf-8", "backslashreplace")


def _line(files: _Files, name: str) -> str | None:
    text = _text(files, name)
    return None if text is None else text.rstrip("\n")


def _lines(files: _Files, name: str) -> list[str]:
    return (_text(files, name) or "").removesuffix("\n").split("\n") if files.get(name) else []


def _shown(line: str) -> str:
    return repr(line[:_MOST_SHOWN])


def _parse_about(lines: Iterable[str]) -> _About:
    told = dict(line.split(" ", 1) for line in lines if " " in line)
    if not told:
        raise GatheredError(ABOUT, "it is not there: this is not what vzcptcheck-gather.sh gathers")
    if told.get("format") != _FORMAT:
        raise GatheredError(ABOUT, f"its format is not {_FORMAT}: take the script of this version")
    for key in ("script", "date", "release", "machine"):
        if not told.get(key):
            raise GatheredError(ABOUT, f"no {key} is told")
    machine = next((one for one in MACHINES if one == told["machine"]), None)
    if machine is None:
        raise GatheredError(ABOUT, f"machine {_shown(told['machine'])} is none of OpenVZ's")
    return _About(told["script"], told["date"], told["release"], machine, told.get("host") or None)


# Containers


def _parse_containers(veinfo: Iterable[str], contexts: Iterable[str]) -> tuple[Container, ...]:
    """List the containers; one that a checkpoint context holds is suspended, others run or do not.

    The list has those that are locked, and those that are stopping, like those that run.
    """
    suspended = set(_suspended(contexts))
    return tuple(
        Container(ctid=ctid, state=State.SUSPENDED if ctid in suspended else State.UNKNOWN)
        for ctid in sorted(_ctids(veinfo))
    )


def _ctids(lines: Iterable[str]) -> Iterator[int]:
    for number, line in enumerate(lines, 1):
        word = (line.split() or [""])[0]
        ctid = int(word) if _is_number(word) else -1
        if not 0 <= ctid <= _LARGEST_CTID:
            problem = f"line {number}: no container's number in {_shown(line)}"
            raise GatheredError(VEINFO, problem)
        if ctid:
            yield ctid


def _suspended(lines: Iterable[str]) -> Iterator[int]:
    for number, line in enumerate(lines, 1):
        if number == 1 and line == HEADER.rstrip("\n"):
            continue
        words = line.split()
        if len(words) != 4 or not (_is_number(words[2]) and _is_number(words[3].removeprefix("-"))):
            raise GatheredError(CPT, f"line {number}: no checkpoint context in {_shown(line)}")
        if int(words[3]) in _HOLDING:
            yield int(words[2])


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 10


# Processors


def _parse_cpus(files: _Files, release: str) -> tuple[tuple[CpuFacts, ...], tuple[str, ...]]:
    """Return each kind of processor that was asked, and what is to be said of it."""
    cpus: list[CpuFacts] = []
    holes: set[Key] = set()
    remarks: list[str] = []
    for processors, block in _kinds(files):
        answering = next((one for one in processors if cpuid_file(one) in files), None)
        ranges = format_ranges(processors)
        if answering is None:
            table = _told_by_cpuinfo(block, release)
            if table is not None:
                cpus.append(_cpu_facts(ranges, table, block))
                what = f"it is known as far as {CPUINFO} tells"
            elif cpus:
                what = "they are left out"
            else:
                raise GatheredError(
                    cpuid_file(processors[0]),
                    "processor 0 was not asked, by which the kernel goes: load the module cpuid on "
                    "the node ('modprobe cpuid') and gather once more",
                )
            remarks.append(f"processors {ranges}: CPUID was not asked: {what}")
            continue
        asked = _parse_cpuid(files, cpuid_file(answering))
        holes.update(asked.holes)
        if not asked.has_subleaves:
            remarks.append(
                f"processors {ranges}: this kernel's {CPUID} device knows no subleaves: those "
                "beyond 0 are recorded as unknown"
            )
        cpus.append(_cpu_facts(ranges, asked.table, block))
    if holes:
        remarks.append(
            f"{len(holes)} of CPUID's answers could not be read, and are recorded as unknown: "
            + _name_leaves(sorted(holes))
        )
    return tuple(cpus), tuple(remarks)


def _told_by_cpuinfo(block: _Block, release: str) -> CpuidTable | None:
    """Return what /proc/cpuinfo tells of a processor, printed by a kernel of that release.

    None where that is not enough: the vendor is not among it. GatheredError where that is no
    kernel's release.
    """
    try:
        (dump,) = cpuinfo.parse([*(f"{key}: {value}" for key, value in block.items()), ""])
        return table_of(cpuinfo.clear_absent(dump, release))
    except DumpError:
        return None
    except UserError as error:
        raise GatheredError(ABOUT, str(error)) from error


def _cpu_facts(ranges: str, table: CpuidTable, block: _Block) -> CpuFacts:
    flags = block.get("flags")
    return CpuFacts(
        processors=ranges,
        cpuid=table,
        model_name=block.get("model name"),
        microcode=block.get("microcode"),
        flags=None if flags is None else " ".join(flags.split()),
    )


def _kinds(files: _Files) -> list[tuple[list[int], _Block]]:
    """Return the processors of each kind, in order, with what /proc/cpuinfo says of the first.

    Where nothing is told of them, processor 0 is all there is.
    """
    kinds: dict[tuple[str | None, ...], tuple[list[int], _Block]] = {}
    for number, block in sorted(_processors(files).items()):
        kind = tuple(block.get(key) for key in _KIND)
        kinds.setdefault(kind, ([], block))[0].append(number)
    listed = {number for processors, _ in kinds.values() for number in processors}
    for name in sorted(files):
        folder, _, word = name.rpartition("/")
        if folder == CPUID and int(word) not in listed:
            raise GatheredError(name, f"{CPUINFO} lists no such processor")
    return list(kinds.values())


def _processors(files: _Files) -> dict[int, _Block]:
    if CPUINFO not in files:
        return {0: {}}
    try:
        blocks = parse_cpuinfo(files[CPUINFO])
    except CpuinfoError as error:
        raise GatheredError(CPUINFO, error.message) from error
    processors: dict[int, _Block] = {}
    for block in blocks:
        word = block["processor"]
        number = int(word) if _is_number(word) else -1
        if not 0 <= number <= _LAST_PROCESSOR or number in processors:
            raise GatheredError(CPUINFO, f"{_shown(word)} is no number of another processor")
        processors[number] = block
    return processors


def _parse_cpuid(files: _Files, name: str) -> _Asked:
    """Parse rows as profiles have them, or ``no answer`` in place of the registers."""
    answers: dict[Key, Registers] = {}
    holes = []
    for number, line in enumerate(_lines(files, name), 1):
        row = _ROW.fullmatch(line)
        if row is None:
            raise GatheredError(name, f"line {number}: no answer of CPUID in {_shown(line)}")
        key = int(row[1], 16), int(row[2], 16)
        if key in answers or key in holes:
            raise GatheredError(name, f"line {number}: leaf 0x{row[1]} 0x{row[2]} comes twice")
        if row[3]:
            holes.append(key)
        else:
            answers[key] = Registers(*(int(value, 16) for value in row.groups()[3:]))
    repeated = _repeated(answers)
    try:
        table = CpuidTable((key, one) for key, one in answers.items() if key not in repeated)
    except ValueError as error:
        raise GatheredError(name, str(error)) from error
    return _Asked(table, tuple(holes), not repeated)


def _repeated(answers: Mapping[Key, Registers]) -> set[Key]:
    """Return the subleaves of a device that looks at the leaf alone, and repeats subleaf 0.

    Kernels of 2.6.18 have such a device. No CPU repeats every one of its subleaves: two caches of
    leaf 4 are of different kinds, and leaf 0xb has the subleaf's number in its answer.
    """
    asked = {key: one for key, one in answers.items() if key[1] and one != ZEROS}
    if all(one == answers.get((leaf, 0)) for (leaf, _), one in asked.items()):
        return set(asked)
    return set()


def _name_leaves(keys: list[Key]) -> str:
    named = ", ".join(f"0x{leaf:x} subleaf {subleaf}" for leaf, subleaf in keys[:_MOST_NAMED])
    return named + (", and others" if len(keys) > _MOST_NAMED else "")


# The files, of an archive or a folder: nothing is written, links are not followed


def cpuid_file(processor: int) -> str:
    """Return the name of what a processor answered."""
    return f"{CPUID}/{processor}"


def read_files(name: str) -> dict[str, bytes]:
    """Read an archive of the script's, standard input (-) too, or the folder it was unpacked into.

    Raises GatheredError, SourceError where there is no standard input or it is too large, and
    OSError where it cannot be read.
    """
    if name == STDIN or not Path(name).is_dir():
        return read_packed(read_input(name, _MOST_BYTES_PACKED, "gathered archive"))
    inside = Path(name, TOP)
    return read_folder(inside if inside.is_dir() else Path(name))


def read_packed(data: bytes) -> dict[str, bytes]:
    """Read an archive of the script's, which may be compressed."""
    if not is_archive(data):
        raise GatheredError("", "not the archive that vzcptcheck-gather.sh writes")
    try:
        packed = read_archive(data, lambda name: _name_in_archive(name) is not None)
    except SourceError as error:
        raise GatheredError("", error.problem) from error
    return _require_bounds({_name_in_archive(name) or "": text for name, text in packed.items()})


def read_folder(folder: Path) -> dict[str, bytes]:
    """Read the folder that an archive was unpacked into; other files in it are passed over."""
    names = list(_FILES)
    with suppress(FileNotFoundError):
        names += sorted(f"{CPUID}/{one}" for one in os.listdir(folder / CPUID))
    files = {}
    for name in names:
        if not _is_ours(name):
            continue
        try:
            text = read_plain_file(str(folder / name), MOST_BYTES + 1)
        except SourceError as error:
            raise GatheredError(name, error.problem) from error
        if text is not None:
            files[name] = text
            _require_bounds(files)
    return files


def _require_bounds(files: Mapping[str, bytes]) -> dict[str, bytes]:
    if sum(map(len, files.values())) > MOST_BYTES:
        raise GatheredError("", f"files of more than {MOST_BYTES >> 20} MiB")
    if len(files) > len(_FILES) + _MOST_PROCESSORS:
        raise GatheredError(CPUID, f"more than {_MOST_PROCESSORS} processors")
    return dict(files)


def _name_in_archive(path: str) -> str | None:
    """Return a file's own name; None for what the script does not pack."""
    top, _, name = path.removeprefix("./").partition("/")
    return name if top == TOP and _is_ours(name) else None


def _is_ours(name: str) -> bool:
    folder, _, number = name.rpartition("/")
    is_processor = folder == CPUID and number.isascii() and number.isdigit() and len(number) <= 4
    return is_processor or name in _FILES
