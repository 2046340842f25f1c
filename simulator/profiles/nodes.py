"""What a NODE of a command line stands for: one node or many, by name, by files, or streamed.

It is one of

* a recorded node's name, or a profile's path;
* a folder: the profiles in it;
* CPU@KERNEL: a recorded CPU's name or a register dump's path, and a release or 042stab number;
* a fleet file (``fleet_file``), which may have all of these;
* ``-``: profiles on standard input, read one by one, as many as there are.

What is no profile takes its kernel from the caller where it does not say one; with ``NO_KERNEL``
it is a node without one.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

from simulator.errors import UsageError, UserError
from simulator.facts.generations import full_release, identify
from simulator.profiles.profile import NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.store import (
    MAX_BYTES,
    SUFFIX,
    UnknownNodeError,
    is_fixture,
    is_no_profile,
    load_node,
)
from simulator.sources.files import STDIN, input_documents, read_file, title_of

if TYPE_CHECKING:
    from simulator.kernel.containers import Container
    from simulator.profiles.bare_node import AnyNode
    from simulator.profiles.fleet_file import Row

_FLEET_SUFFIXES = (".csv", ".tsv")

#: A line of a fleet file takes some hundred bytes.
_MOST_BYTES_OF_FLEET = 16 << 20

_PATTERN = frozenset("*?[")

#: What precedes the number in a release.
_VERSION = "2.6.32-042stab"

_MOST_NAMED = 3

#: In the place of a release: what does not say its kernel is a node without one. No argument of a
#: command can have this character.
NO_KERNEL = "\0"


class Source(NamedTuple):
    """Where a node comes from: a profile, or a CPU and a kernel; or standard input, with many.

    ``what`` is a recorded node's name, a profile's path or ``-``; where ``release`` is not empty,
    a CPU, of no kernel where that is ``NO_KERNEL``. An empty ``name`` is the profile's own.
    ``where`` is what an error begins with. ``printed_by`` is the release of the kernel that printed
    the CPU's /proc/cpuinfo, if known.
    """

    what: str
    name: str = ""
    release: str = ""
    containers: "tuple[Container, ...]" = ()
    where: str = ""
    printed_by: str | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it has as many nodes as standard input has."""
        return self.what == STDIN and not self.release


def load_one(node: str, release: str | None = None, printed_by: str | None = None) -> NodeProfile:
    """Read one node; UserError where there is none, or there are several."""
    return load_each([node], release, printed_by)[0]


def load_each(
    nodes: Sequence[str], release: str | None = None, printed_by: str | None = None
) -> list[NodeProfile]:
    """Read nodes of which each stands for one; UserError where there is none, or several."""
    return cast("list[NodeProfile]", read_each(nodes, release, printed_by))


def load_all(
    nodes: Iterable[str], release: str | None = None, printed_by: str | None = None
) -> Iterator[NodeProfile]:
    """Read nodes one by one; UserError where one cannot be read."""
    return cast("Iterator[NodeProfile]", read_all(nodes, release, printed_by))


def read_each(
    nodes: Sequence[str], release: str | None = None, printed_by: str | None = None
) -> "list[AnyNode]":
    """Read the same as ``load_each``, and with ``NO_KERNEL`` nodes without a kernel."""
    kernel = _kernel(release)
    sources = _told_apart([_single(node, kernel) for node in nodes])
    return [_only(source) for source in _printed(sources, printed_by)]


def read_all(
    nodes: Iterable[str], release: str | None = None, printed_by: str | None = None
) -> "Iterator[AnyNode]":
    """Read the same as ``load_all``, and with ``NO_KERNEL`` nodes without a kernel."""
    for source in resolve(nodes, release, printed_by):
        yield from load(source)


def require_one(node: str, release: str | None = None) -> None:
    """Raise UserError where a NODE stands for none, or for several."""
    _single(node, _kernel(release))


def resolve(
    nodes: Iterable[str], release: str | None = None, printed_by: str | None = None
) -> list[Source]:
    """Say where nodes come from; nothing but fleet files and folders is read.

    ``release`` is the kernel of what does not say its own, ``printed_by`` the one that printed each
    /proc/cpuinfo of which that is not said. UserError where something stands for no node.
    """
    kernel = _kernel(release)
    sources = _told_apart([source for node in nodes for source in _resolve(node, kernel)])
    return _printed(sources, printed_by)


def _printed(sources: list[Source], printed_by: str | None) -> list[Source]:
    if printed_by is None:
        return sources
    return [source._replace(printed_by=source.printed_by or printed_by) for source in sources]


def _kernel(release: str | None) -> str:
    """Return the release that is given for all, whole; UserError where none is known like it."""
    kernel = full_release(release or "")
    if kernel not in {"", NO_KERNEL}:
        identify(kernel)
    return kernel


def load(source: Source) -> "Iterator[AnyNode]":
    """Read what a source has: one node, or those of standard input as they come."""
    if source.is_stream:
        yield from _stream()
    elif source.where:
        try:
            yield _load(source)
        except UserError as error:
            raise UserError(f"{source.where}: {error}") from error
    else:
        yield _load(source)


def is_fleet_file(path: str) -> bool:
    """Tell whether this is a file of many nodes, by its name."""
    return path.lower().endswith(_FLEET_SUFFIXES) and os.path.isfile(path)


def _load(source: Source) -> "AnyNode":
    if source.release == NO_KERNEL:
        from simulator.profiles.evidence import read_bare_node

        return read_bare_node(source.name, source.what, source.containers, source.printed_by)
    if source.release:
        from simulator.profiles.evidence import compose_node

        return compose_node(
            source.name, source.what, source.release, source.containers, source.printed_by
        )
    try:
        profile = load_node(source.what)
    except ProfileError as error:
        if _is_other_json(source.what):
            raise _kernel_missing(source.what) from error
        raise
    return _renamed(profile, source.name) if source.name else profile


def _renamed(profile: NodeProfile, name: str) -> NodeProfile:
    from msgspec.structs import replace

    return replace(profile, name=name)


def _stream() -> Iterator[NodeProfile]:
    from simulator.profiles.profile_json import parse_named_profile

    count = 0
    for line, document in input_documents(MAX_BYTES, "profile"):
        count += 1
        where = f"{title_of(STDIN)}, line {line}"
        yield check_profile(parse_named_profile(document, f"stdin-{count}", where), where)
    if not count:
        raise UserError(f"{title_of(STDIN)}: no profile came: one JSON document a line is read")


def _single(node: str, release: str) -> Source:
    """Return the one source of a NODE."""
    first, *more = found = _resolve(node, release)
    if more:
        names = ", ".join(one.name or one.what for one in found[:_MOST_NAMED])
        rest = ", ..." if len(found) > _MOST_NAMED else ""
        raise UsageError(f"{node}: {len(found)} nodes, where one is wanted: {names}{rest}")
    return first


def _only(source: Source) -> "AnyNode":
    profiles = load(source)
    only = next(profiles)
    if next(profiles, None) is not None:
        raise UsageError(f"{title_of(source.what)}: several nodes, where one is wanted")
    return only


# What one NODE stands for


def _resolve(node: str, release: str) -> Sequence[Source]:
    """Return the sources of one NODE, at least one."""
    if not node:
        raise UsageError("a NODE is empty: was it to come from a variable that is not set?")
    if node == STDIN or is_fixture(node):
        return (Source(node),)
    if os.path.isdir(node):
        return _of_folder(node, release)
    if is_fleet_file(node):
        return _of_fleet(node, release)
    return (_of_one(node, release),)


def _of_folder(folder: str, release: str) -> list[Source]:
    if release == NO_KERNEL:
        from simulator.dumps.recognise import is_checkpoint_folder

        if is_checkpoint_folder(folder):
            return [_composed(folder, release)]
    names = sorted(name for name in os.listdir(folder) if name.endswith(SUFFIX))
    if not names:
        raise UserError(
            f"{folder}: a folder without profiles (*{SUFFIX}). Each dump in it is a NODE: "
            f"{os.path.join(folder, '*')} --kernel RELEASE; a folder that is one dump is "
            f"{folder}@RELEASE"
        )
    return [Source(os.path.join(folder, name)) for name in names]


def _of_one(node: str, release: str) -> Source:
    """Return the source of a NODE that is one node, and neither a folder nor recorded."""
    if os.path.exists(node):
        if not _is_dump(node, release):
            return Source(node)
        if not release:
            raise _kernel_missing(node)
        return _composed(node, release)
    cpu, _, kernel = node.rpartition("@")
    if cpu and (kernel or release):
        return _composed(cpu, full_release(kernel) or release)
    if _PATTERN.intersection(node):
        raise UnknownNodeError(f"{node}: no file matches this pattern")
    return _of_no_file(node, release)


def _of_no_file(node: str, release: str) -> Source:
    """Return the source of what is no file: a CPU, if a kernel is said."""
    from simulator.profiles.catalogue import UnknownCpuError, find_cpu

    _refuse_hidden(node)
    try:
        find_cpu(node)
    except UnknownCpuError as error:
        try:
            load_node(node)  # It raises, and names those near it.
        except UnknownNodeError as unknown:
            raise UnknownNodeError(f"{unknown}; {error}" if release else str(unknown)) from error
    if not release:
        raise _kernel_missing(node)
    return _composed(node, release)


def _refuse_hidden(path: str) -> None:
    """Raise PermissionError where nobody can tell whether there is such a file."""
    try:
        os.stat(path)
    except PermissionError:
        raise
    except (OSError, ValueError):
        pass


def _is_dump(path: str, release: str) -> bool:
    """Tell whether a file is a register dump; of JSON that is asked where a kernel is said."""
    return is_no_profile(path) or (bool(release) and _is_other_json(path))


def _is_other_json(path: str) -> bool:
    """Tell whether a file is JSON that has nothing of a profile."""
    from msgspec import DecodeError, Raw
    from msgspec.json import decode

    if not os.path.isfile(path):
        return False
    try:
        document = decode(read_file(path, MAX_BYTES, "profile"), type=dict[str, Raw] | list[Raw])
    except (DecodeError, UnicodeDecodeError, RecursionError, UserError, OSError):
        return False
    return isinstance(document, list) or not {"kernel", "origin", "answers"} & document.keys()


def _kernel_missing(node: str) -> UserError:
    what = node.removesuffix("@")
    return UsageError(
        f"{what}: no profile: say the kernel of this CPU, {what}@RELEASE or --kernel RELEASE"
    )


def _composed(cpu: str, release: str) -> Source:
    return Source(cpu, _name_of(_base(cpu), release), release)


# Fleet files


def _of_fleet(path: str, release: str) -> list[Source]:
    from simulator.profiles.fleet_file import Problems, parse_rows

    problems, sources = Problems(), []
    for row in parse_rows(read_file(path, _MOST_BYTES_OF_FLEET, "fleet file"), problems):
        try:
            source = _of_row(row, os.path.dirname(path), release)
        except UserError as error:
            problems.add(row.line, error)
        else:
            sources.append(source._replace(where=f"{path}, line {row.line}"))
    problems.raise_any(path)
    if not sources:
        raise UserError(f"{path}: no line is a node's: name, cpu, kernel, containers")
    return sources


def _of_row(row: "Row", folder: str, release: str) -> Source:
    """Return the source of a line; its files are beside the fleet file."""
    what, kernel = row.cpu, row.kernel
    if not (kernel or is_fixture(what) or os.path.exists(os.path.join(folder, what))):
        cpu, _, said = what.rpartition("@")
        what, kernel = (cpu, said) if cpu else (what, kernel)
    beside = os.path.join(folder, what)
    what = beside if os.path.exists(beside) else what
    if kernel:
        source = _composed(what, full_release(kernel))
    else:
        source = Source(what) if is_fixture(what) else _of_one(what, release)
    _require_known(source)
    if row.containers and not source.release:
        raise UserError(f"{row.cpu} is a profile, which has its own containers")
    name = row.name or source.name
    return source._replace(name=name, containers=row.containers, printed_by=row.printed_by or None)


def _require_known(source: Source) -> None:
    """Raise UserError where a node cannot be composed for want of its CPU or its kernel."""
    if not source.release:
        return
    if source.release != NO_KERNEL:
        identify(source.release)
    if not os.path.exists(source.what):
        from simulator.profiles.catalogue import find_cpu

        find_cpu(source.what)


# Names of nodes that have no profile


def _base(cpu: str) -> str:
    """Return what a CPU is called: by its name, or by its file's."""
    return "stdin" if cpu == STDIN else os.path.basename(cpu.rstrip(os.sep)) or cpu


def _name_of(cpu: str, release: str) -> str:
    if release == NO_KERNEL:
        return cpu
    is_numbered = release.startswith(_VERSION)
    return f"{cpu}@{release.partition('-')[2] if is_numbered else release}"


def _told_apart(sources: list[Source]) -> list[Source]:
    """Return the sources; nodes that are called alike for their files, by the files' whole paths.

    Those that are the same all the same stay so: who needs names that differ says so. UserError
    where standard input comes twice.
    """
    if sum(source.what == STDIN for source in sources) > 1:
        raise UsageError("standard input (-) is named twice, and can be read once")
    composed = [source.name for source in sources if source.release]
    if len(set(composed)) == len(composed):
        return sources
    counts = Counter(composed)
    return [
        source._replace(name=_name_of(source.what, source.release))
        if source.name == _name_of(_base(source.what), source.release) and counts[source.name] > 1
        else source
        for source in sources
    ]
