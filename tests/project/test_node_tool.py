"""The node's tool as one file: the same bytes anywhere; nobody's modules but its own."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from support.interpreters import MODULES, HostileFolder
from support.running import ROOT, finish, succeed, write_program
from vzcptcheck import __version__
from vzcptcheck.cli import USAGE

PYTHON = os.path.realpath(sys.executable)


def build(output: Path, root: Path = ROOT) -> Path:
    """Build the tool for the Python that runs the tests."""
    succeed([PYTHON, root / "tools" / "build_zipapp.py", output, PYTHON])
    return output


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tool") / "vzcptcheck.pyz")


@pytest.fixture
def hostile(tmp_path: Path) -> HostileFolder:
    return HostileFolder(tmp_path / "hostile")


@pytest.mark.parametrize("path", ["", "./"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [("help", 0), ("explain caps 144799 --json", 0), ("version", 1), ("capture -o -", 1)],
)
def test_nothing_of_the_working_folder_or_the_environment_is_imported(
    tool: Path, hostile: HostileFolder, arguments: str, status: int, path: str
) -> None:
    command = str(tool)
    if path:  # From the working folder itself, by a relative name.
        command = path + tool.name
        write_program(hostile.path / tool.name, tool.read_bytes())
    words = [command, *arguments.split()]
    ended = finish(words, hostile.environment, cwd=hostile.path, stdin=subprocess.DEVNULL)
    assert hostile.imported == []
    assert not hostile.has_cache
    if not Path("/proc/vz").exists():
        assert ended.returncode == status, ended.stderr


def test_an_interpreter_that_is_not_isolated_walks_into_the_traps(hostile: HostileFolder) -> None:
    """Else the test above could not fail."""
    finish([PYTHON, "-c", ""], {"PYTHONPATH": str(hostile.path)}, cwd=hostile.path)
    assert hostile.imported


def test_every_trap_works(hostile: HostileFolder) -> None:
    for trap in hostile.path.glob("**/*.py"):
        runpy.run_path(str(trap))
    assert set(hostile.imported) == {*MODULES, "vzcptcheck.cli", "startup"}


def test_nothing_is_written_beside_it(tool: Path) -> None:
    assert [path.name for path in tool.parent.iterdir()] == [tool.name]
    succeed([tool, "help"])
    assert [path.name for path in tool.parent.iterdir()] == [tool.name]


def test_python_and_the_shell_can_be_told_to_run_it(tool: Path) -> None:
    assert succeed([PYTHON, "-IS", tool, "--version"]) == f"vzcptcheck {__version__}\n"
    assert succeed(["sh", tool.name, "help"], cwd=tool.parent) == USAGE


def test_what_was_compiled_for_the_interpreter_is_what_runs(tool: Path) -> None:
    script = (
        "import sys; archive = sys.argv[1];"
        'sys.path[:0] = [archive + "/" + sys.implementation.cache_tag, archive];'
        "import vzcptcheck.cli; print(vzcptcheck.cli.__file__)"
    )
    tag = sys.implementation.cache_tag
    file = f"{tool}/{tag}/vzcptcheck/cli.pyc\n"
    assert succeed([PYTHON, "-IS", "-c", script, tool]) == file


def test_built_elsewhere_of_other_files_times_it_is_the_same(tool: Path, tmp_path: Path) -> None:
    other = tmp_path / "a folder of another name"
    for source in ("LICENSE", "tools/build_zipapp.py", *ROOT.glob("vzcptcheck/*.py")):
        copy = other / (ROOT / source).relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / source).read_bytes())
        copy.chmod(0o600)
        os.utime(copy, (1_000_000_000, 1_000_000_000))
    assert build(tmp_path / "other.pyz", other).read_bytes() == tool.read_bytes()
