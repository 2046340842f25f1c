"""The RPM, installed by rpm into an empty root and erased again."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installed import RPM, TOOL, ZIPAPP, call, check_contract, everything_in, node_files
from support.interpreters import HostileFolder, pythons_at_hand

DATABASE = "var"


def rpm(root: Path, *words: str | Path) -> str:
    """Run rpm on a root; Debian's would keep its database in a home folder."""
    return call("rpm", "--root", root, "--dbpath", "/var/lib/rpm", *words)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with an empty database and what a system's own packages bring: folders."""
    for folder in ("usr/sbin", "usr/share/man/man8"):
        (tmp_path / "root" / folder).mkdir(parents=True)
    rpm(tmp_path / "root", "--initdb")
    return tmp_path / "root"


@pytest.fixture
def installed(root: Path) -> Iterator[Path]:
    before = everything_in(root, [DATABASE])
    rpm(root, "--install", "--nodeps", RPM)
    rpm(root, "--verify", "--nodeps", "vzcptcheck")
    yield root
    rpm(root, "--verify", "--nodeps", "vzcptcheck")
    rpm(root, "--erase", "vzcptcheck")
    assert everything_in(root, [DATABASE]) == before


def test_it_owns_the_tool_its_manual_and_its_completions(installed: Path) -> None:
    files = {
        path
        for path, (mode, _) in everything_in(installed, [DATABASE]).items()
        if stat.S_ISREG(mode)
    }
    assert files == node_files("usr/share/zsh/site-functions")
    assert (installed / TOOL).read_bytes() == ZIPAPP.read_bytes()
    assert (installed / TOOL).stat().st_mode & 0o7777 == 0o755


def test_the_drop_in_contract_runs(installed: Path) -> None:
    check_contract([str(installed / TOOL)])


def test_the_drop_in_contract_runs_on_python_36(installed: Path) -> None:
    """The tool names /usr/bin/python3; here that of EL7 is handed to it."""
    python = pythons_at_hand()["3.6"]
    check_contract([python, "-IBS", str(installed / TOOL)])


def test_root_imports_nothing_hostile(installed: Path, tmp_path: Path) -> None:
    hostile = HostileFolder(tmp_path / "hostile")
    call("env", "-C", hostile.path, installed / TOOL, "help", **hostile.environment)
    call("env", "-C", hostile.path, installed / TOOL, "explain", "caps", "1", **hostile.environment)
    assert hostile.imported == []
    assert not hostile.has_cache


def test_it_needs_a_shell_and_python_and_nothing_that_old_rpms_do_not_know() -> None:
    needs = call("rpm", "--query", "--package", "--requires", RPM).split("\n")
    assert {need.split(" ")[0] for need in needs if need} == {
        "/bin/sh",
        "/usr/bin/python3",
        "rpmlib(CompressedFileNames)",
        "rpmlib(FileDigests)",
        "rpmlib(PayloadFilesHavePrefix)",
    }
    assert call("rpm", "-qp", "--qf", "%{PAYLOADCOMPRESSOR} %{ARCH}", RPM) == "gzip noarch"
