"""Read CHANGELOG.md, strictly: the form is that of Keep a Changelog 1.1.0.

Usage: python tools/changelog.py

It checks the file, and that its newest version is the project's. Packages take their changelogs
and their time from here. This runs on Python 3.6.
"""

import datetime as dt
import re
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
CHANGELOG = ROOT / "CHANGELOG.md"

UNRELEASED = "Unreleased"
#: In the order in which keepachangelog.com names them; a release may leave some out.
SECTIONS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")

_HEADING = re.compile(r"## \[(\d+)\.(\d+)\.(\d+)\] - (\d{4}-\d\d-\d\d)")
_VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)


class ChangelogError(Exception):
    """The file is not of the form; the message says where and why."""


class Release:
    """A version, its date, and what changed: lists of items by section.

    ``version`` is three numbers, or None for what is not released yet; then ``date`` is None too.
    """

    def __init__(self, version: "tuple[int, int, int] | None", date: "dt.date | None") -> "None":
        self.version = version
        self.date = date
        self.sections = {}  # type: dict[str, list[str]]

    @property
    def name(self) -> "str":
        """Return the version as it is written."""
        return UNRELEASED if self.version is None else ".".join(map(str, self.version))


def parse_changelog(text: "str") -> "list[Release]":
    """Return the releases, newest first; ChangelogError where the text is not of the form."""
    lines = text.split("\n")
    if lines[0] != "# Changelog":
        raise ChangelogError("line 1: '# Changelog' is expected")
    releases = []  # type: list[Release]
    items = None  # type: list[str] | None
    for number, line in enumerate(lines[1:], 2):
        try:
            if line.startswith("## "):
                releases.append(_parse_release(line, releases))
                items = None
            elif line.startswith("#"):
                items = _begin_section(line, releases)
            elif releases and line:
                _take_text(line, items)
        except ChangelogError as error:
            raise ChangelogError(f"line {number}: {error}") from None
    _require_content(releases)
    return releases


def _parse_release(line: "str", newer: "list[Release]") -> "Release":
    if line == f"## [{UNRELEASED}]":
        if newer:
            raise ChangelogError("what is not released comes first")
        return Release(None, None)
    match = _HEADING.fullmatch(line)
    if match is None:
        raise ChangelogError("a release is headed '## [1.2.3] - 2026-01-31' or '## [Unreleased]'")
    try:
        date = dt.datetime.strptime(match.group(4), "%Y-%m-%d").date()  # noqa: DTZ007
    except ValueError:
        raise ChangelogError(f"there is no day {match.group(4)}") from None
    major, minor, patch = (int(match.group(place)) for place in (1, 2, 3))
    release = Release((major, minor, patch), date)
    if match.group().split("]")[0] != f"## [{release.name}":
        raise ChangelogError("a number of a version begins with no 0")
    for one in newer[-1:]:
        _require_order(one, release)
    return release


def _require_order(newer: "Release", older: "Release") -> "None":
    if newer.version is None or newer.date is None or older.version is None or older.date is None:
        return
    if newer.version <= older.version or newer.date < older.date:
        raise ChangelogError("releases come newest first, each once")


def _begin_section(line: "str", releases: "list[Release]") -> "list[str]":
    """Return the list for the section's items."""
    name = line[4:]
    if not line.startswith("### ") or name not in SECTIONS:
        raise ChangelogError("a section is one of " + ", ".join("### " + one for one in SECTIONS))
    if not releases:
        raise ChangelogError("a section is of a release")
    sections = releases[-1].sections
    if name in sections:
        raise ChangelogError(f"the release has its section {name} already")
    if any(SECTIONS.index(one) > SECTIONS.index(name) for one in sections):
        raise ChangelogError("sections come in this order: " + ", ".join(SECTIONS))
    sections[name] = []
    return sections[name]


def _take_text(line: "str", items: "list[str] | None") -> "None":
    """Add a line to the items: a new one, or more of the last."""
    if items is None:
        raise ChangelogError("a release's text is in its sections")
    if line.startswith("- ") and line[2:].strip():
        items.append(line[2:].strip())
    elif line.startswith("  ") and items:
        items[-1] += " " + line.strip()
    else:
        raise ChangelogError("a section is a list: '- ' begins an item, two spaces go on with it")


def _require_content(releases: "list[Release]") -> "None":
    if not any(release.version for release in releases):
        raise ChangelogError("there is no release")
    for release in releases:
        if release.version and not release.sections:
            raise ChangelogError(f"{release.name}: nothing is said to have changed")
        for name, items in release.sections.items():
            if not items:
                raise ChangelogError(f"{release.name}: {name} is empty")


def read_releases() -> "list[Release]":
    """Return the project's releases, newest first, without what is not released."""
    try:
        releases = parse_changelog(CHANGELOG.read_text("utf-8"))
    except ChangelogError as error:
        raise ChangelogError(f"{CHANGELOG.name}: {error}") from None
    return [release for release in releases if release.version]


def read_version() -> "str":
    """Return the project's version, from the one place that states it."""
    match = _VERSION.search((ROOT / "vzcptcheck" / "__init__.py").read_text("utf-8"))
    if match is None:
        raise ChangelogError("vzcptcheck/__init__.py: there is no __version__ of three numbers")
    return match.group(1)


def release_time(release: "Release") -> "int":
    """Return the release's day as seconds since 1970: what packages are dated."""
    assert release.date is not None  # noqa: S101
    midnight = dt.datetime.combine(release.date, dt.time(tzinfo=dt.timezone.utc))
    return int(midnight.timestamp())


def all_items(release: "Release") -> "Iterator[str]":
    """Yield what changed, without markup, section by section."""
    for name, items in release.sections.items():
        for item in items:
            yield f"{name}: {item.replace('`', '')}"


def main() -> "int":
    """Check the file; exit status 1 and a message where it is not as it is to be."""
    try:
        _check()
    except ChangelogError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _check() -> "None":
    newest, version = read_releases()[0].name, read_version()
    if newest != version:
        raise ChangelogError(f"CHANGELOG.md begins with {newest}, the project is {version}")


if __name__ == "__main__":
    sys.exit(main())
