"""What gather/vzcptcheck-gather.sh gathered on a node: its files, of an archive or a folder.

Nothing of an archive is written anywhere, links in it are not followed, and there are bounds.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from simulator.errors import UserError
from simulator.sources.archive import is_archive, read_archive
from simulator.sources.files import (
    STDIN,
    SourceError,
    read_input,
    read_plain_file,
)

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

#: /proc/cpuinfo of 1,000 processors has 1.5 MiB, and nothing else is as large.
MOST_BYTES = 2 << 20

_MOST_BYTES_PACKED = 16 << 20

#: The script asks one processor of each kind, and of sixteen kinds at most.
_MOST_PROCESSORS = 16


class GatheredError(UserError):
    """What was gathered cannot be read: in which of its files, and what is wrong."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(f"{file}: {problem}" if file else problem)
        self.file = file
        self.problem = problem


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
