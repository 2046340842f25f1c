"""Recorded nodes and CPUs, which come along, and any other node by its profile's path."""

import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct

from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable, parse_rows
from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import parse_profile
from simulator.sources.files import SourceError, read_beginning, read_file

if TYPE_CHECKING:
    from simulator.dumps.model import Mode

SUFFIX = ".json"

#: More is no profile: a container takes some hundred bytes, and a CPU some KiB.
MAX_BYTES = 1 << 20

#: How much of a file is looked at to tell whether it is one.
_BEGINNING = 4096


class UnknownNodeError(UserError):
    """A node that is neither a recorded one's name nor a profile's path."""


class UnknownCpuError(UserError):
    """No recorded CPU has this name; ``names`` are those near it, or all where none is."""

    def __init__(self, name: str, names: list[str]) -> None:
        super().__init__(f"no CPU is recorded as {name!r}, but there are: {', '.join(names)}")
        self.name = name
        self.names = names


class RecordedCpu(Struct, frozen=True):
    """A real CPU.

    ``source`` is the collection and the file that its registers come from. ``table`` is what
    was recorded there in ``dump_mode``; ``dumps.as_64bit`` makes of it what a 64-bit kernel
    sees. ``brand`` is for people, its spaces made single: nothing is decided by it.
    """

    name: str
    brand: str
    vendor: str
    source: str
    dump_mode: "Mode"
    table: CpuidTable


def fixtures_folder() -> str:
    """Return the folder of recorded nodes: in the package, or beside it in a checkout."""
    package = os.path.dirname(os.path.dirname(__file__))
    installed = os.path.join(package, "fixtures")
    beside = os.path.join(os.path.dirname(package), "fixtures")
    return installed if os.path.isdir(installed) else beside


def fixture_names() -> list[str]:
    """List the recorded nodes by name."""
    names = os.listdir(fixtures_folder())
    return sorted(name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))


def is_fixture(node: str) -> bool:
    """Return whether this is the name of a recorded node."""
    return os.sep not in node and os.path.isfile(_fixture_path(node))


def _fixture_path(name: str) -> str:
    return os.path.join(fixtures_folder(), f"{name}{SUFFIX}")


def is_no_profile(path: str) -> bool:
    """Tell whether this is a regular file, and neither a recorded node's name nor a profile.

    A profile is JSON by its name, or a text that begins as an object does. ProfileError where
    the file cannot be read.
    """
    if is_fixture(path) or os.path.splitext(path)[1] == SUFFIX or not os.path.isfile(path):
        return False
    try:
        beginning = read_beginning(path, _BEGINNING)
    except OSError as error:
        raise ProfileError(path, "", error.strerror or str(error)) from error
    return b"\0" in beginning or not beginning.lstrip().startswith(b"{")


def load_profile(where: str | os.PathLike[str]) -> NodeProfile:
    """Read and check the profile at a path; ProfileError names the file and the path in it."""
    path = os.fspath(where)
    try:
        data = read_file(path, MAX_BYTES, "profile")
    except SourceError as error:
        raise ProfileError(path, "", error.problem) from error
    except OSError as error:
        raise ProfileError(path, "", error.strerror or str(error)) from error
    profile = parse_profile(data, os.path.basename(path).removesuffix(SUFFIX), path)
    return check_profile(profile, path)


def load_node(node: str) -> NodeProfile:
    """Read a profile by its path, or by the name of a recorded node."""
    path = _fixture_path(node) if is_fixture(node) else node or os.curdir
    try:
        return load_profile(path)
    except (ProfileError, ValueError):  # No path has the character 0.
        if os.path.exists(path):
            raise
    near = _near(node, fixture_names(), 3)
    hint = f"; did you mean {' or '.join(near)}?" if near else "; see 'vzcptsim nodes'"
    raise UnknownNodeError(f"no node is recorded as {node!r}, and no file is there{hint}")


@cache
def load_cpus() -> Mapping[str, RecordedCpu]:
    """Return every recorded CPU by its name, in the order of data/cpus.json."""
    import json

    package = os.path.dirname(os.path.dirname(__file__))
    with open(os.path.join(package, "data", "cpus.json"), encoding="utf-8") as file:
        entries = json.load(file)["cpus"]
    cpus = (RecordedCpu(table=parse_rows(entry.pop("cpuid")), **entry) for entry in entries)
    return MappingProxyType({cpu.name: cpu for cpu in cpus})


def find_cpu(name: str) -> RecordedCpu:
    """Return the CPU of that name, or raise ``UnknownCpuError``."""
    cpus = load_cpus()
    if name not in cpus:
        raise UnknownCpuError(name, _near(name, list(cpus), 5) or list(cpus))
    return cpus[name]


def _near(name: str, names: list[str], most: int) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, names, n=most)
