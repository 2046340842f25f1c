"""The manual page: its examples are run, its commands are the program's."""

import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from vzcptcheck import __version__
from vzcptcheck.cli import USAGE, main

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "man" / "vzcptcheck.8"
SCRIPT = ROOT / "examples" / "check-migration.sh"


def examples() -> list[str]:
    """Return the texts of the page's examples, without markup."""
    blocks = re.findall(r"^\.EX\n(.*?)^\.EE$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [re.sub(r"\\f.", "", block) for block in blocks]


def commands() -> list[tuple[str, str]]:
    """Return each command that an example shows, and what is shown to come of it."""
    blocks = [block for block in examples() if block.startswith("$ ")]
    return [
        (block.split("\n", 1)[0].removeprefix("$ "), block.split("\n", 1)[1]) for block in blocks
    ]


def test_the_migration_example_is_the_one_that_is_run() -> None:
    assert examples()[0] in SCRIPT.read_text("utf-8")


@pytest.mark.parametrize(("command", "shown"), commands())
def test_an_example_prints_what_it_shows(command: str, shown: str) -> None:
    program, *arguments = command.split()
    stdout, stderr = io.StringIO(), io.StringIO()
    assert program == "vzcptcheck"
    assert main(arguments, None, stdout, stderr) == 0
    assert (stdout.getvalue(), stderr.getvalue()) == (shown, "")


def test_the_page_is_of_this_version() -> None:
    assert f'"vzcptcheck {__version__}"' in PAGE.read_text("utf-8")


def test_the_page_has_every_command_of_the_usage() -> None:
    synopsis = PAGE.read_text("utf-8").split(".SH DESCRIPTION")[0]
    plain = re.sub(r"^\.[A-Z]+ ?|\\f.", "", synopsis, flags=re.MULTILINE)
    words = re.sub(r"[\s\\]+", "", plain)
    for line in USAGE.split("\n\n")[0].splitlines():
        assert re.sub(r"\s+", "", line.replace("Usage:", "")) in words


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man here")
def test_man_has_nothing_to_warn_of() -> None:
    shown = subprocess.run(
        ["man", "--warnings", "-l", str(PAGE)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "MANWIDTH": "80", "PATH": "/usr/bin:/bin"},
    )
    assert shown.stderr == ""
    assert "vzcptcheck caps [[CTID] CAPNUM]" in shown.stdout
