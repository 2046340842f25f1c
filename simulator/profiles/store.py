"""Recorded nodes, which come along, and any other node by its profile's path."""

import os

from simulator.errors import UserError
from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import parse_profile
from simulator.sources.files import SourceError, read_beginning, read_file

SUFFIX = ".json"

#: More is no profile: a container takes some hundred bytes, and a CPU some KiB.
MAX_BYTES = 1 << 20

#: How much of a file is looked at to tell whether it is one.
_BEGINNING = 4096


class UnknownNodeError(UserError):
    """A node that is neither a recorded one's name nor a profile's path."""


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
    from difflib import get_close_matches

    near = get_close_matches(node, fixture_names())
    hint = f"; did you mean {' or '.join(near)}?" if near else "; see 'vzcptsim nodes'"
    raise UnknownNodeError(f"no node is recorded as {node!r}, and no file is there{hint}")
