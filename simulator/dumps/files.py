"""Where a register dump is: a file, a folder, or standard input."""

import sys
from collections.abc import Mapping
from pathlib import Path

from simulator.dumps.hwloc import is_processor
from simulator.dumps.recognise import Source
from simulator.errors import UsageError
from simulator.output import reason_of

#: More is no register dump: 1,000 processors take AIDA64 3 MB, and 400 take cpuid in words 16 MB.
MAX_BYTES = 16 << 20

STDIN = "-"


def read_source(name: str) -> Source:
    """Read a file whole, of a folder the files that some form looks at, or standard input (-).

    OSError where it cannot be read, UsageError where it is too large.
    """
    if name == STDIN:
        return _read_stdin()
    path = Path(name)
    if not path.is_dir():
        with path.open("rb") as file:
            return _bounded(file.read(MAX_BYTES + 1), name)
    return _read_folder(path)


def _read_folder(folder: Path) -> Mapping[str, bytes]:
    """Read the files of processors, which may be in a folder inside of that one."""
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted((*folder.glob("pu*"), *folder.glob("*/pu*"))):
        if is_processor(path.name) and path.is_file():
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1 - size)
            files[str(path.relative_to(folder))] = data
            size += len(data)
            if size > MAX_BYTES:
                raise _too_large(str(folder))
    return files


def title_of(name: str) -> str:
    """Return what a source is called in messages."""
    return "standard input" if name == STDIN else str(Path(name))


def _read_stdin() -> bytes:
    try:
        return _bounded(sys.stdin.buffer.read(MAX_BYTES + 1), STDIN)
    except (AttributeError, OSError) as error:
        # Python has none where it is closed.
        raise UsageError(f"standard input: {reason_of(error, 'it is closed')}") from error


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > MAX_BYTES:
        raise _too_large(name)
    return data


def _too_large(name: str) -> UsageError:
    limit = MAX_BYTES >> 20
    return UsageError(f"{title_of(name)}: over {limit} MiB, which no register dump has")
