"""The wheel, in a fresh environment of every Python at hand; the sdist that makes the same."""

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.documents import shared_folder
from support.installed import SDIST, WHEEL, call, check_contract, everything_in
from support.interpreters import FLOOR, HostileFolder, pythons_at_hand
from support.running import ROOT

SIMULATOR_FLOOR = (3, 11)


@pytest.fixture(params=pythons_at_hand())
def python(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return pythons_at_hand()[version]


def test_the_floor_is_at_hand() -> None:
    assert ".".join(map(str, FLOOR)) in pythons_at_hand()


def test_the_drop_in_contract_runs_and_removal_leaves_nothing(python: str, tmp_path: Path) -> None:
    """Where a Python is too old for the simulator, it is the environment's of the tests."""
    environment = tmp_path / "environment"
    call(python, "-m", "venv", environment)
    pip = (environment / "bin" / "python", "-B", "-m", "pip", "--quiet")
    before = everything_in(environment)

    call(*pip, "install", "--no-index", "--no-deps", WHEEL)
    tool = environment / "bin" / "vzcptcheck"
    check_contract([str(tool)])
    _check_working_folder(tool, tmp_path)
    shared = environment / "share" / "man" / "man8" / "vzcptcheck.8"
    assert shared.read_bytes() == (ROOT / "man" / "vzcptcheck.8").read_bytes()

    call(*pip, "uninstall", "--yes", "vzcptcheck")
    left = everything_in(environment).keys() - before.keys()
    # pip leaves the folders of files that go elsewhere than to site-packages.
    assert [path for path in left if not (environment / path).is_dir()] == []
    assert before.items() <= everything_in(environment).items()


def _check_working_folder(tool: Path, folder: Path) -> None:
    """Modules in the working folder are not imported; PYTHONPATH is the user's to set."""
    hostile = HostileFolder(folder / "hostile")
    call("env", "-C", hostile.path, tool, "help")
    call("env", "-C", hostile.path, tool, "explain", "caps", "1", "--json")
    assert hostile.imported == []


def test_vzcptsim_finds_its_data_and_shells_and_man_find_theirs(tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    call(sys.executable, "-m", "venv", environment)
    call(environment / "bin" / "python", "-m", "pip", "--quiet", "install", f"{WHEEL}[sim]")
    vzcptsim = environment / "bin" / "vzcptsim"
    nodes = call("env", "-C", tmp_path, vzcptsim, "nodes", "--json")
    fixtures = sorted(path.stem for path in ROOT.glob("fixtures/*.json"))
    assert all(f'"{name}"' in nodes for name in fixtures)
    node = "042stab141.3.SandyBridge.default"
    composed = ("compose", "--cpuid", "intel-xeon-x5550", "--kernel", "2.6.32-042stab092.1")
    call("env", "-C", tmp_path, vzcptsim, *composed, "-o", "mine.json")
    call("env", "-C", tmp_path, vzcptsim, "run", "--node", "mine.json", "--", "uname", "-r")
    call("env", "-C", tmp_path, vzcptsim, "matrix", node, "mine.json", "--format", "html")
    generated = [path for path in shared_folder().glob("**/*") if path.is_file()]
    assert len(generated) == 8
    for path in generated:
        installed = environment / path.relative_to(shared_folder())
        assert installed.read_bytes() == path.read_bytes()


def test_the_wheel_has_both_packages_whole() -> None:
    with zipfile.ZipFile(WHEEL) as archive:
        names = set(archive.namelist())
    for package in ("vzcptcheck", "simulator"):
        for path in (ROOT / package).glob("**/*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in names
    for path in ROOT.glob("fixtures/*.json"):
        assert f"simulator/fixtures/{path.name}" in names


def test_the_sdist_has_all_that_makes_the_rest() -> None:
    with tarfile.open(SDIST) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for folder in ("vzcptcheck", "simulator", "fixtures", "man", "completions", "packaging", "bin"):
        for path in (ROOT / folder).glob("**/*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert str(path.relative_to(ROOT)) in names
    assert {"LICENSE", "README.md", "CHANGELOG.md", "noxfile.py", "tests/conftest.py"} <= names


def test_the_sdist_builds_the_same_wheel(tmp_path: Path) -> None:
    """The wheel was made of the sdist; this one is made of the working tree."""
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    assert (tmp_path / WHEEL.name).read_bytes() == WHEEL.read_bytes()
    (tmp_path / WHEEL.name).unlink()
    with tarfile.open(SDIST) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / SDIST.name.removesuffix(".tar.gz")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, source)
    assert (tmp_path / WHEEL.name).read_bytes() == WHEEL.read_bytes()
