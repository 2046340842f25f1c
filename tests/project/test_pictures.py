"""The README's pictures show what is printed and drawn now."""

from xml.etree import ElementTree as ET

import pytest

from support.running import ROOT
from tools.pictures import (
    PAGE,
    TERMINAL,
    noted_digest,
    page_digest,
    printed,
    terminal_picture,
    with_note,
)

REMAKE = "it is not of today: make both anew by 'nox -s pictures', or 'python -m tools.pictures'"


def test_the_terminal_is_as_it_is_printed_now() -> None:
    assert TERMINAL.read_text("utf-8") == terminal_picture(), f"{TERMINAL.name}: {REMAKE}"


def test_the_page_is_of_the_sources_of_today() -> None:
    assert noted_digest(PAGE.read_bytes()) == page_digest(), f"{PAGE.name}: {REMAKE}"


def test_what_is_drawn_is_what_is_printed() -> None:
    text = "".join(ET.fromstring(terminal_picture()).itertext())  # noqa: S314 (our own)
    for word in ("container 201 of ash", "safe", "risky", "refused", "\u2713", "\u2717"):
        assert word in text
    assert "\x1b" in printed(("where", "--ct", "201", "examples/fleet.csv"))
    assert "\x1b" not in text


def test_pictures_are_small_and_the_readme_shows_them() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for path in (PAGE, TERMINAL):
        assert f"]({path.relative_to(ROOT)})" in readme
        assert path.stat().st_size < 150_000


@pytest.mark.parametrize("digest", ["", "0123"])
def test_a_note_in_a_picture_is_read_again(digest: str) -> None:
    picture = with_note(PAGE.read_bytes(), digest)
    assert noted_digest(picture) == digest
    assert noted_digest(picture[: picture.index(b"tEXt") - 4]) == ""
