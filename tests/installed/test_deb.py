"""The Debian package, installed by dpkg into a fresh system and purged again."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.installed import (
    DEB,
    TOOL,
    call,
    check_contract,
    everything_in,
    install_debian,
    node_files,
)
from support.interpreters import HostileFolder

#: dpkg's own notes, which tell of every package that was ever installed.
NOTES = ["var/lib/dpkg", "var/log/dpkg.log", "var/log/alternatives.log"]
DOCUMENTS = {f"usr/share/doc/vzcptcheck/{name}" for name in ("changelog.gz", "copyright")}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("debian") / "root"
    install_debian(root, "python3")
    return root


@pytest.fixture(scope="module")
def installed(system: Path) -> Iterator[Path]:
    before = everything_in(system, NOTES)
    call("dpkg", "--root", system, "--install", DEB)
    assert call("dpkg", "--root", system, "--verify", "vzcptcheck") == ""
    yield system
    assert call("dpkg", "--root", system, "--verify", "vzcptcheck") == ""
    call("dpkg", "--root", system, "--purge", "vzcptcheck")
    assert everything_in(system, NOTES) == before


def test_it_owns_the_tool_its_manual_its_completions_and_what_the_policy_asks(
    installed: Path,
) -> None:
    listed = call("dpkg", "--root", installed, "--listfiles", "vzcptcheck").split()
    owned = [path for path in listed if stat.S_ISREG((installed / path[1:]).lstat().st_mode)]
    expected = node_files("usr/share/zsh/vendor-completions") | DOCUMENTS
    assert {path[1:] for path in owned} == expected


def test_the_drop_in_contract_runs_inside(installed: Path) -> None:
    check_contract(["chroot", str(installed), f"/{TOOL}"])


def test_root_imports_nothing_hostile(installed: Path) -> None:
    hostile = HostileFolder(installed / "tmp" / "hostile")
    try:
        words = [f"{name}={text}" for name, text in hostile.environment.items()]
        words = [word.replace(str(installed), "") for word in words]
        script = f"cd /tmp/hostile && /{TOOL} help && /{TOOL} explain caps 1"
        call("chroot", installed, "env", *words, "sh", "-c", script)
        assert hostile.imported == []
        assert not hostile.has_cache
    finally:
        call("rm", "-r", hostile.path)


def test_lintian_has_nothing_to_say() -> None:
    assert call("lintian", "--allow-root", "--display-info", "--pedantic", DEB) == ""
