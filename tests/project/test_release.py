"""A release's papers: one place states the version, the changelog is of the form that it claims."""

import re
import sys
import tomllib
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.documents import shared_folder
from support.running import ROOT, succeed
from tools import changelog
from tools.changelog import ChangelogError, parse_changelog
from vzcptcheck import __version__

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WHEEL = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]

GOOD = (ROOT / "tests" / "data" / "changelog.txt").read_text("utf-8")


def papers() -> list[Path]:
    """List what could state a version: all that makes packages, and what describes them."""
    patterns = ("*.toml", "*.py", "*.md", "packaging/**/*", "tools/*.py", "simulator/**/*.py")
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(found - {ROOT / "CHANGELOG.md"})


def test_one_place_states_the_version() -> None:
    assert changelog.read_version() == __version__
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    pattern = re.compile(rf"(?<![\d.]){re.escape(__version__)}(?![\d.])")
    stating = [path for path in papers() if pattern.search(path.read_text("utf-8"))]
    assert stating == []


def test_the_changelogs_newest_version_is_the_projects() -> None:
    assert changelog.read_releases()[0].name == __version__
    assert changelog.main() == 0


def test_the_projects_changelog_says_something_of_every_release() -> None:
    for release in changelog.read_releases():
        assert list(changelog.all_items(release))


def test_the_wheel_has_every_manual_page_and_the_completions() -> None:
    """One page is in git; hatch_build.py generates the rest."""
    assert WHEEL["shared-data"] == {"man/vzcptcheck.8": "share/man/man8/vzcptcheck.8"}
    assert "custom" in WHEEL["hooks"]


def test_a_build_generates_what_tests_read_with_what_it_requires(tmp_path: Path) -> None:
    packages, made = tmp_path / "packages", tmp_path / "made"
    packages.mkdir()
    for requirement in PYPROJECT["build-system"]["requires"]:
        name = requirement.split(">")[0]
        spec = find_spec(name)
        if spec and spec.origin:  # hatchling is not here: it calls what generates
            (packages / name).symlink_to(Path(spec.origin).parent)
    script = "import sys; sys.path[:0] = sys.argv[1:3]; from tools import shared_files as it; "
    script += "from pathlib import Path; it.write(Path(sys.argv[3]))"
    succeed([sys.executable, "-IBS", "-c", script, ROOT, packages, made])
    generated = [path for path in shared_folder().glob("**/*") if path.is_file()]
    assert len(generated) == 8
    for path in generated:
        again = made / path.relative_to(shared_folder())
        assert again.read_bytes() == path.read_bytes()


def test_releases_are_read() -> None:
    unreleased, newer, older = parse_changelog(GOOD)
    assert (unreleased.name, unreleased.version, unreleased.date) == ("Unreleased", None, None)
    assert unreleased.sections == {"Added": ["A thing."]}
    assert (newer.name, newer.version, str(newer.date)) == ("1.10.0", (1, 10, 0), "2026-02-28")
    assert newer.sections == {
        "Added": ["One item, which goes on.", "Another."],
        "Security": ["A `hole`."],
    }
    assert older.sections == {"Fixed": ["A mistake."]}


def test_packages_get_items_without_markup_and_midnight() -> None:
    newer = parse_changelog(GOOD)[1]
    assert list(changelog.all_items(newer)) == [
        "Added: One item, which goes on.",
        "Added: Another.",
        "Security: A hole.",
    ]
    assert changelog.release_time(newer) == 1772236800  # date -u -d 2026-02-28 +%s


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("# Changelog", "# Changes", "line 1: '# Changelog' is expected"),
        ("## [1.9.0]", "## 1.9.0", "line 23: a release is headed"),
        ("[1.9.0] - 2026-02-28", "[1.9.0] - unreleased", "line 23: a release is headed"),
        ("[1.9.0] - 2026-02-28", "[1.9.0] - 2026-02-29", "line 23: there is no day 2026-02-29"),
        ("[1.9.0]", "[1.09.0]", "line 23: a number of a version begins with no 0"),
        ("[1.9.0] - 2026-02-28", "[1.10.0] - 2026-02-28", "line 23: releases come newest first"),
        ("[1.9.0] - 2026-02-28", "[1.11.0] - 2026-01-31", "line 23: releases come newest first"),
        ("[1.9.0] - 2026-02-28", "[1.9.0] - 2026-03-01", "line 23: releases come newest first"),
        ("[1.9.0] - 2026-02-28", "[Unreleased]", "line 23: what is not released comes first"),
        ("### Fixed", "### Mended", "line 25: a section is one of ### Added, ### Changed"),
        ("### Fixed", "#### Fixed", "line 25: a section is one of"),
        ("### Security", "### Added", "line 19: the release has its section Added already"),
        ("### Added\n\n- One", "### Removed\n\n- One", ""),
        ("### Security", "### Changed", ""),
        ("- A mistake.", "A mistake.", "line 27: a section is a list"),
        ("- A mistake.", "  A mistake.", "line 27: a section is a list"),
        ("- A mistake.", "- ", "line 27: a section is a list"),
        ("- A mistake.", "", "1.9.0: Fixed is empty"),
        ("### Fixed\n\n- A mistake.\n", "", "1.9.0: nothing is said to have changed"),
        ("### Fixed", "Text.", "line 25: a release's text is in its sections"),
        ("What changed.", "### Added", "line 3: a section is of a release"),
    ],
)
def test_what_is_of_another_form_is_refused(old: str, new: str, complaint: str) -> None:
    text = GOOD.replace(old, new)
    assert text != GOOD
    if not complaint:
        assert parse_changelog(text)
        return
    with pytest.raises(ChangelogError) as caught:
        parse_changelog(text)
    assert str(caught.value).startswith(complaint)


def test_sections_have_an_order() -> None:
    with pytest.raises(ChangelogError, match=r"^line 19: sections come in this order: Added, "):
        parse_changelog(
            GOOD.replace("### Added\n\n- One", "### Security\n\n- One").replace(
                "### Security\n\n- A `hole`", "### Fixed\n\n- A `hole`"
            )
        )


def test_without_a_release_there_is_no_changelog() -> None:
    with pytest.raises(ChangelogError, match=r"^there is no release$"):
        parse_changelog("# Changelog\n\n## [Unreleased]\n")


@given(st.text(alphabet="# -[]1.2UnreleasedAdFix\n", max_size=80))
def test_no_text_is_worse_than_refused(text: str) -> None:
    with suppress(ChangelogError):
        assert parse_changelog("# Changelog\n" + text)


def test_a_changelog_of_another_version_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "CHANGELOG.md"
    monkeypatch.setattr(changelog, "CHANGELOG", path)
    path.write_text(GOOD.replace("1.10.0", "9.9.9"), "utf-8")
    assert changelog.main() == 1
    assert capsys.readouterr().err == (
        f"CHANGELOG.md begins with 9.9.9, the project is {__version__}\n"
    )
    path.write_text("no\n", "utf-8")
    assert changelog.main() == 1
    assert capsys.readouterr().err == "CHANGELOG.md: line 1: '# Changelog' is expected\n"
