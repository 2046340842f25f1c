"""The architecture page: its picture and its table are of the code's own imports."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from running import ROOT
from tools.draw_architecture import (
    GROUPS,
    PACKAGES,
    PAGE,
    PICTURE,
    Group,
    dot_text,
    drawn_edges,
    drawn_groups,
    edges,
    group_of,
    imports,
    plain_edges,
    problems,
    with_table,
    wrong_ways,
)

ALL = edges(imports())
RUN, KERNEL = "simulator: run", "simulator: simulated kernel"


def make(folder: Path, files: dict[str, str]) -> Path:
    """Make a small project of modules."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def test_the_page_is_as_the_code_is() -> None:
    assert problems(PICTURE.read_text("utf-8"), PAGE.read_text("utf-8"), ALL) == []


def test_tests_import_the_simulator_and_that_imports_the_tool_and_never_back() -> None:
    ranks = {f"{one.package}: {one.name}": PACKAGES.index(one.package) for one in GROUPS}
    assert PACKAGES == ("tests", "simulator", "vzcptcheck")
    assert all(ranks[source] <= ranks[target] for source, target in ALL)
    assert {"tests", "simulator"} <= {source.split(":")[0] for source, _ in ALL}


def test_every_module_is_in_one_group() -> None:
    for module in imports():
        assert module.startswith(group_of(module).package)


def test_imports_are_read_wherever_they_stand(tmp_path: Path) -> None:
    root = make(
        tmp_path,
        {
            "vzcptcheck/__init__.py": "",
            "vzcptcheck/errors.py": "import os\n",
            "simulator/__init__.py": "",
            "simulator/run/session.py": "def run():\n    from vzcptcheck import errors, __init__\n",
            "simulator/seam.py": "if TYPE_CHECKING:\n    from simulator.run.session import run\n",
            "simulator/kernels/kernel.py": "import simulator.run.session\nimport simulator\n",
            "tests/helping.py": "from simulator.seam import SimulatedSyscalls\n",
            "tests/simulator/test_it.py": "from helping import help\n",
        },
    )
    assert imports(root) == {
        "vzcptcheck": set(),
        "vzcptcheck.errors": set(),
        "simulator": set(),
        "simulator.run.session": {"vzcptcheck.errors"},
        "simulator.seam": set(),
        "simulator.kernels.kernel": {"simulator.run.session"},
        "tests.helping": {"simulator.seam"},
        "tests.simulator.test_it": {"tests.helping"},
    }


def test_an_import_upwards_is_told() -> None:
    upwards = edges({"vzcptcheck.errors": ["simulator.kernels.kernel"]})
    assert wrong_ways(upwards) == [f"vzcptcheck: basics imports {KERNEL}"]


def test_a_circle_is_told() -> None:
    one, other = "simulator.run.session", "simulator.kernels.kernel"
    circle = edges({one: [other], other: [one]})
    assert wrong_ways(circle) == [f"{RUN} is in a circle", f"{KERNEL} is in a circle"]


def test_a_module_of_no_group_is_told() -> None:
    with pytest.raises(SystemExit, match=r"simulator\.surprise: in 0 groups"):
        group_of("simulator.surprise")
    twice = Group("simulator", "again", "", "run.*")
    with pytest.raises(SystemExit, match=r"simulator\.run\.session: in 2 groups"):
        group_of("simulator.run.session", (*GROUPS, twice))


def test_what_follows_from_other_arrows_is_not_drawn() -> None:
    assert plain_edges(frozenset({("a", "b"), ("b", "c"), ("a", "c")})) == {("a", "b"), ("b", "c")}


def test_an_arrow_too_many_or_too_few_is_told() -> None:
    picture, page = PICTURE.read_text("utf-8"), PAGE.read_text("utf-8")
    edge = (RUN, KERNEL)
    assert edge in plain_edges(ALL)
    assert f"the source lacks: {' -> '.join(edge)}" in problems(picture, page, ALL - {edge})
    told = problems(picture, page, ALL | {("vzcptcheck: basics", RUN)})
    assert any(one.startswith("the picture lacks: vzcptcheck: basics ->") for one in told)


def test_a_box_or_a_row_that_is_not_the_codes_is_told() -> None:
    picture, page = PICTURE.read_text("utf-8"), PAGE.read_text("utf-8")
    renamed = picture.replace("<title>tests: tests</title>", "<title>tests: others</title>")
    assert "the picture's boxes are not the groups" in problems(renamed, page, ALL)
    changed = page.replace("| **simulator: run** |", "| **simulator: runs** |")
    assert problems(picture, changed, ALL) == [
        "the table of architecture.md is not what the source says"
    ]
    assert with_table(changed, ALL) == page


@pytest.mark.skipif(not shutil.which("dot"), reason="there is no graphviz here")
def test_dot_draws_what_it_is_given() -> None:
    text = dot_text(plain_edges(ALL))
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert drawn_edges(drawn.stdout) == plain_edges(ALL)
    assert drawn_groups(drawn.stdout) == {one.key for one in GROUPS}


def test_the_tool_checks_from_the_command_line() -> None:
    command = [sys.executable, "-m", "tools.draw_architecture", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
