"""Completions: of the programs' own command lines, in the real shells."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from simulator.profiles.catalogue import load_cpus
from simulator.profiles.store import fixture_names
from simulator.verdicts.codes import CODES
from support.documents import shared_folder
from support.interpreters import pythons_at_hand
from support.needed import needs
from support.running import NODE, ROOT, command_line, succeed
from tools.completions import KINDS, ZSH_FOLDER
from tools.programs import Program, vzcptcheck, vzcptsim
from tools.shared_files import names

SHARE = shared_folder() / "share"
BASH = SHARE / "bash-completion" / "completions"
FISH = SHARE / "fish" / "vendor_completions.d"
ZSH = SHARE / "zsh" / "site-functions"
FORMATS = ["csv", "html", "json", "junit", "markdown", "table"]
HASWELL = [name for name in fixture_names() if name.startswith("042stab141.3.Haswell")]

#: What is typed before TAB, and all that is offered.
OFFERED = [
    ("vzcptsim mat", ["matrix"]),
    ("vzcptsim matrix --format ", FORMATS),
    ("vzcptsim matrix --format=j", ["json", "junit"]),
    ("vzcptsim matrix --by ", ["class", "node"]),
    ("vzcptsim matrix --exp", ["--expect"]),
    ("vzcptsim check --any", []),
    ("vzcptsim check 042stab141.3.Has", HASWELL),
    ("vzcptsim check 042stab141.3.Penryn.default 042stab141.3.Has", HASWELL),
    ("vzcptsim check --explain container-e", ["container-entered"]),
    ("vzcptsim check --waive container-e", []),
    ("vzcptsim run --node 042stab141.3.Pen", ["042stab141.3.Penryn.default"]),
    ("vzcptsim import libc", ["libcpuid"]),
    ("vzcptsim compose --cpuid intel-xeon-x55", ["intel-xeon-x5550"]),
    ("vzcptsim compose --cpuid intel-xeon-e5-2650-v", [f"intel-xeon-e5-2650-v{n}" for n in "34"]),
    ("vzcptsim cpus amd-epyc-745", ["amd-epyc-7451"]),
    ("vzcptsim compose --machine i", ["i386", "i486", "i586", "i686", "ia64"]),
    ("vzcptsim compose --kernel 2.6.32-042stab09", ["2.6.32-042stab092.1"]),
    ("vzcptcheck ex", ["explain"]),
    ("vzcptcheck explain ", ["caps", "version"]),
    ("vzcptcheck capture --an", ["--anonymize"]),
    (f"vzcptsim replay {NODE} -- ex", ["explain"]),
    (f"vzcptsim replay {NODE} -- explain ver", ["version"]),
]


def _started(command: Sequence[str], folder: Path, **variables: str) -> str:
    environment = {**os.environ, "HOME": str(folder), **variables}
    return succeed(command, environment, cwd=folder)


def _by_bash(line: str, folder: Path) -> list[str]:
    words = re.findall(r"=|[^\s=]+", line) + ([""] if line.endswith(" ") else [])
    script = (
        f"source {BASH}/vzcptcheck && source {BASH}/vzcptsim\n"
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}) COMP_CWORD={len(words) - 1}\n"
        f"_{words[0]}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    return _started(["bash", "--norc", "-c", script], folder).split()


def _by_fish(line: str, folder: Path) -> list[str]:
    script = (
        f"source {FISH}/vzcptcheck.fish; source {FISH}/vzcptsim.fish; "
        f"complete -C {shlex.quote(line)}"
    )
    offered = _started(["fish", "--no-config", "-c", script], folder, TERM="dumb").splitlines()
    # Where a value follows its option at once, fish gives both.
    return [word.split("\t")[0].split("=", 1)[-1] for word in offered]


#: An interactive zsh on a terminal of its own, in which compadd says what it is given.
_ZSH = (ROOT / "tests" / "data" / "complete.zsh").read_text("utf-8")


def _by_zsh(line: str, folder: Path) -> list[str]:
    # What compinit finds is kept in the folder above, for all tests.
    return _started(["zsh", "-f", "-c", _ZSH, "zsh", str(ZSH), line], folder).split()


SHELLS = {"bash": _by_bash, "zsh": _by_zsh, "fish": _by_fish}
in_each_shell = pytest.mark.parametrize(
    "shell", [pytest.param(name, marks=needs(name)) for name in SHELLS]
)


def test_shellcheck_has_nothing_to_say_of_those_for_bash() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.defpath}")
    assert succeed([str(shellcheck), *sorted(BASH.iterdir())]) == ""


def test_packages_have_the_same_when_the_oldest_python_builds_them(tmp_path: Path) -> None:
    python = next(iter(pythons_at_hand().values()))
    succeed([python, "-B", "-m", "tools.node_files", tmp_path, python, ZSH_FOLDER])
    for path in (BASH / "vzcptcheck", FISH / "vzcptcheck.fish", ZSH / "_vzcptcheck"):
        packaged = tmp_path / "usr" / "share" / path.relative_to(SHARE)
        assert packaged.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("program", [vzcptcheck(), vzcptsim()], ids=lambda program: program.name)
def test_every_value_is_completed_or_free_text(program: Program) -> None:
    free = {
        "CTID",
        "ENGINE",
        "FEATURE",
        "HOST=FOLDER",
        "ID",
        "MODE",
        "MODES",
        "MODULE",
        "N",
        "NUM",
        "OPTION",
        "SPEC",
        "TEXT",
        "UID",
        "",
    }
    for command in program.commands:
        for one in (*command.options, *command.operands):
            assert one.metavar in KINDS or one.metavar in free or one.choices, one


def test_names_are_the_projects() -> None:
    assert names()["nodes"] == fixture_names()
    assert names()["cpus"] == [name for cpu in load_cpus().values() for name in cpu.names]
    assert set(names()["waivable"]) < set(names()["codes"]) == set(CODES)


@in_each_shell
@pytest.mark.parametrize(("line", "offered"), OFFERED)
def test_tab_offers(shell: str, line: str, offered: list[str], tmp_path: Path) -> None:
    assert sorted(set(SHELLS[shell](line, tmp_path))) == offered


@in_each_shell
@pytest.mark.parametrize("program", [vzcptcheck(), vzcptsim()], ids=lambda program: program.name)
def test_tab_offers_every_command(shell: str, program: Program, tmp_path: Path) -> None:
    offered = SHELLS[shell](f"{program.name} ", tmp_path)
    assert {command.name for command in program.commands} <= set(offered)


@in_each_shell
@pytest.mark.parametrize(
    ("program", "command"),
    [
        (program.name, command)
        for program in (vzcptcheck(), vzcptsim())
        for command in program.commands
        if command.options
    ],
    ids=lambda one: getattr(one, "name", one),
)
def test_tab_offers_every_option_of_a_command(
    shell: str, program: str, command: Program, tmp_path: Path
) -> None:
    offered = SHELLS[shell](f"{program} {command.name} --", tmp_path)
    long = {flag for option in command.options for flag in option.flags if flag[:2] == "--"}
    assert set(offered) - {"--"} == long


@in_each_shell
@pytest.mark.parametrize("name", ["mine.json", "mine.cpuinfo", "mine.csv"])
def test_files_are_offered_beside_nodes(shell: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    (tmp_path / "other.json").touch()
    assert SHELLS[shell](f"vzcptsim check {name[:-2]}", tmp_path) == [name]


@in_each_shell
def test_the_other_node_of_a_host_is_offered(shell: str, tmp_path: Path) -> None:
    line = f"vzcptsim run --node {NODE} --node-for dest=042stab141.3.Pen"
    offered = [name.removeprefix("dest=") for name in SHELLS[shell](line, tmp_path)]
    assert offered == ["042stab141.3.Penryn.default"]


@in_each_shell
def test_after_two_dashes_any_program_is_offered(shell: str, tmp_path: Path) -> None:
    assert "uname" in SHELLS[shell](f"vzcptsim run --node {NODE} -- unam", tmp_path)


def test_on_a_node_its_running_containers_are_offered(tmp_path: Path) -> None:
    script = (
        f"source {BASH}/vzcptcheck; COMP_WORDS=(vzcptcheck caps 10) COMP_CWORD=2; "
        "_vzcptcheck; echo ${COMPREPLY[@]}"
    )
    offered = succeed(command_line("bash", "-c", script)).split()
    assert {"101", "102", "108"} <= set(offered)
    assert "0" not in offered
