"""Profiles on disk: the recorded nodes that come along, and any other by its path."""

import os
from collections.abc import Iterator

from simulator.errors import UserError
from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import parse_profile

SUFFIX = ".json"

#: More is no profile: a container takes some hundred bytes, and a CPU some KiB. What is read of
#: one takes up to thirty times its size.
MAX_BYTES = 1 << 20

#: Most profiles have less, and room for no more is made for them.
_USUAL_BYTES = 1 << 15


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


def load_profile(where: str | os.PathLike[str]) -> NodeProfile:
    """Read and check the profile at a path; ProfileError names the file and the path in it."""
    path = os.fspath(where)
    try:
        with open(path, "rb") as file:
            data = file.read(_USUAL_BYTES)
            if len(data) == _USUAL_BYTES:
                data += file.read(MAX_BYTES + 1 - _USUAL_BYTES)
    except OSError as error:
        raise ProfileError(path, "", error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise ProfileError(path, "", f"over {MAX_BYTES >> 20} MiB, which no profile has")
    profile = parse_profile(data, os.path.basename(path).removesuffix(SUFFIX), path)
    return check_profile(profile, path)


def load_node(node: str) -> NodeProfile:
    """Read a profile by its path, or by the name of a recorded node."""
    if is_fixture(node):
        return load_profile(_fixture_path(node))
    path = node or os.curdir
    if not os.path.exists(path):
        from difflib import get_close_matches

        near = get_close_matches(node, fixture_names(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see 'vzcptsim nodes'"
        raise UnknownNodeError(f"no node is recorded as {node!r}, and no file is there{hint}")
    return load_profile(path)


def load_fixtures() -> Iterator[NodeProfile]:
    """Read every recorded node, by name."""
    for name in fixture_names():
        yield load_profile(_fixture_path(name))
