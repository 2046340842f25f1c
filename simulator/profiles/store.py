"""Profiles on disk: the recorded nodes that come along, and any other by its path."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path

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


def fixtures_folder() -> Path:
    """Return the folder of recorded nodes: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "fixtures"
    return installed if installed.is_dir() else package.parent / "fixtures"


def fixture_names() -> list[str]:
    """List the recorded nodes by name."""
    return sorted(path.name.removesuffix(SUFFIX) for path in fixtures_folder().glob(f"*{SUFFIX}"))


def load_profile(path: Path) -> NodeProfile:
    """Read and check the profile at a path; ProfileError names the file and the path in it."""
    try:
        with path.open("rb") as file:
            data = file.read(_USUAL_BYTES)
            if len(data) == _USUAL_BYTES:
                data += file.read(MAX_BYTES + 1 - _USUAL_BYTES)
    except OSError as error:
        raise ProfileError(str(path), "", error.strerror or str(error)) from error
    if len(data) > MAX_BYTES:
        raise ProfileError(str(path), "", f"over {MAX_BYTES >> 20} MiB, which no profile has")
    profile = parse_profile(data, path.name.removesuffix(SUFFIX), str(path))
    return check_profile(profile, str(path))


def load_node(node: str) -> NodeProfile:
    """Read a profile by its path, or by the name of a recorded node."""
    fixture = fixtures_folder() / f"{node}{SUFFIX}"
    if os.sep not in node and fixture.is_file():
        return load_profile(fixture)
    if not Path(node).exists():
        near = difflib.get_close_matches(node, fixture_names(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; see 'vzcptsim nodes'"
        raise UnknownNodeError(f"no node is recorded as {node!r}, and no file is there{hint}")
    return load_profile(Path(node))


def load_fixtures() -> Iterator[NodeProfile]:
    """Read every recorded node, by name."""
    for name in fixture_names():
        yield load_profile(fixtures_folder() / f"{name}{SUFFIX}")
