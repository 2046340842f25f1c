"""Manual pages: sound for both readers of them, and of this version.

What they name and show is compared with the programs in test_documents.py.
"""

import re
from pathlib import Path

import pytest

from support.documents import manual_pages, plain, read_blocks
from support.needed import needs
from support.running import ROOT, succeed
from vzcptcheck import __version__
from vzcptcheck.cli import USAGE

PAGES = manual_pages()
PAGE = ROOT / "man" / "vzcptcheck.8"
SCRIPT = ROOT / "examples" / "check-migration.sh"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def test_there_are_three() -> None:
    assert [page.name for page in PAGES] == ["vzcptcheck-profile.5", "vzcptcheck.8", "vzcptsim.1"]


def test_the_migration_example_of_vzcptcheck_8_is_the_one_that_is_run() -> None:
    # tests/project/test_example.py runs the script on many pairs of nodes.
    (block,) = [one for one in read_blocks(PAGE) if "run by" in one.directives]
    assert block.text in SCRIPT.read_text("utf-8")


@each_page
def test_a_page_is_of_this_version(page: Path) -> None:
    assert f'"vzcptcheck {__version__}"' in page.read_text("utf-8")


def test_vzcptchecks_page_has_every_form_of_the_usage() -> None:
    synopsis = plain(PAGE.read_text("utf-8").split(".SH DESCRIPTION")[0])
    words = re.sub(r"\s+", "", re.sub(r"^\.[A-Z]+ ?", "", synopsis, flags=re.MULTILINE))
    for line in USAGE.split("\n\n")[0].splitlines():
        assert re.sub(r"\s+", "", line.replace("Usage:", "")) in words


@needs("man")
@each_page
def test_man_has_nothing_to_warn_of(page: Path) -> None:
    environment = {"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"}
    shown = succeed(["man", "--warnings", "-l", page], environment)
    assert "SYNOPSIS" in shown or page.suffix == ".5"


@needs("mandoc")
@each_page
def test_mandoc_has_nothing_to_warn_of(page: Path) -> None:
    assert succeed(["mandoc", "-T", "lint", "-W", "warning", page]) == ""
