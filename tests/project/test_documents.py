"""README, docs and manual pages: examples that are run, links and names that are there."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest

from simulator.cli import main as run_vzcptsim
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import parse_profile
from simulator.verdicts.codes import CODES
from simulator.verdicts.migrations import status_of
from simulator.verdicts.verdict import Outcome
from support.documents import (
    Step,
    agrees,
    anchors,
    broken_links,
    documents,
    idle_blocks,
    read_blocks,
    run_block,
    run_document,
    steps,
)
from support.named import (
    constants,
    flags,
    missing_words,
    programs,
    section,
    tags,
    unknown_codes,
    unknown_options,
    unknown_statuses,
    unknown_words,
    variables,
)
from support.needed import find, require
from support.running import NODE, ROOT, run, write_program
from tools import reasons
from tools.manuals import properties
from vzcptcheck.cli import _COMMANDS, USAGE
from vzcptcheck.outcome import ExitStatus

BY_NAME = {path.name: path for path in documents()}
PAGES = {name: path.read_text("utf-8") for name, path in BY_NAME.items() if path.suffix != ".md"}
TEXTS = {name: path.read_text("utf-8") for name, path in BY_NAME.items() if path.suffix == ".md"}
#: Markdown that is no document of users', but has links.
LINKED = [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md"))]
LINKED += sorted(ROOT.glob("tests/**/*.md")) + sorted(ROOT.glob("ansible/**/*.md"))

SOURCES = ("vzcptcheck/*.py",)
SIMULATOR = ("simulator/**/*.py",)

each_document = pytest.mark.parametrize("name", BY_NAME)
each_text = pytest.mark.parametrize("name", TEXTS)


# Examples


@each_document
def test_every_example_prints_what_it_shows(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    blocks = read_blocks(BY_NAME[name])
    problems = run_document([block for block in blocks if all(map(find, block.needs))], tmp_path)
    assert not problems, "\n\n".join(problems)
    require(request.node, *(program for block in blocks for program in block.needs))


@each_document
def test_every_block_is_run_or_says_why_not(name: str) -> None:
    assert list(idle_blocks(read_blocks(BY_NAME[name]))) == []


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    blocks = [block for path in BY_NAME.values() for block in read_blocks(path)]
    reasons = [block.directives["not run"] for block in blocks if "not run" in block.directives]
    assert len([block for block in blocks if block.is_console]) > 5 * len(reasons)
    assert all(len(reason.split()) > 3 for reason in reasons)


def test_what_is_run_by_a_test_is_in_that_test() -> None:
    for name, path in BY_NAME.items():
        for block in read_blocks(path):
            if "run by" in block.directives:
                assert name in (ROOT / block.directives["run by"]).read_text("utf-8"), block.place


def test_an_example_that_prints_something_else_is_told(tmp_path: Path) -> None:
    text = "```\n$ echo one; echo two >&2\none\ntwo\n$ (exit 2)\n$ echo $?\n0\n```\n"
    (block,) = read_blocks(Path("made.md"), text)
    assert steps(block) == [
        Step("", "echo one; echo two >&2", "one\ntwo\n"),
        Step("", "(exit 2)", ""),
        Step("", "echo $?", "0\n"),
    ]
    assert run_block(block, tmp_path) == ["made.md:2: echo $?: printed\n2\n\nand not\n0\n"]


def test_an_example_on_nodes_is_run_on_them(tmp_path: Path) -> None:
    text = (
        f"<!-- on: a={NODE} b=042stab061.9.SandyBridge.default -->\n```\n"
        "[root@a]# uname -r\n2.6.32-042stab141.3\n"
        "[root@a]# ssh b uname -r\nsomething else\n"
        "[root@b]# id \\\n    -u\n0\n```\n"
    )
    (block,) = read_blocks(Path("made.md"), text)
    (problem,) = run_block(block, tmp_path)
    assert problem.startswith("made.md:3: ssh b uname -r: printed\n2.6.32-042stab061.9\n")


def test_an_example_of_a_shell_that_ends_is_told(tmp_path: Path) -> None:
    (block,) = read_blocks(Path("made.md"), "```\n$ exit 3\n$ echo here\nhere\n```\n")
    assert len(run_block(block, tmp_path)) == 1


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\nz\n", "a\nb\nc\nz\n", True),
        ("a\n...\n", "a\n", True),
        ("a\n...\n", "b\n", False),
        ("a.c\n", "abc\n", False),
        ("", "", True),
    ],
)
def test_three_dots_are_any_lines(shown: str, printed: str, *, expected: bool) -> None:
    assert agrees(shown, printed) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```\n# vzcptcheck caps\n```\n", "made.md:2: on which node?"),
        ("```sh\nmake it\n```\n", "made.md:2: nothing runs it: show a prompt, or say why not"),
        ("<!-- run by: tests/nobody.py -->\n```\nx\n```\n", "run by nothing: tests/nobody.py"),
    ],
)
def test_an_example_that_nothing_runs_is_told(text: str, problem: str) -> None:
    (told,) = idle_blocks(read_blocks(Path("made.md"), text))
    assert told.endswith(problem)


def test_examples_of_manual_pages_are_read_as_they_are_shown() -> None:
    command = "# \\fBvzcptcheck explain \\-\\-json \\e\\fP\n  \\fBx\\fP\n"
    page = f'.\\" on: NODE\n.EX\n{command}\\&...\n.EE\n'
    (block,) = read_blocks(Path("made.8"), page)
    assert block.directives == {"on": "NODE"}
    assert steps(block) == [Step("node", "vzcptcheck explain --json x", "...\n")]


# Links


@pytest.mark.parametrize("path", LINKED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    assert list(broken_links(path, path.read_text("utf-8"))) == []


def test_anchors_are_githubs() -> None:
    text = "# One, two: `three`!\n```\n# not a heading\n```\n### [A link](x) in-it\n"
    assert anchors(text) == {"one-two-three", "a-link-in-it"}


# Commands, options, statuses, variables, files, codes


@each_text
def test_every_command_and_option_that_is_named_is_there(name: str) -> None:
    assert list(unknown_words(name, TEXTS[name])) == []
    assert list(unknown_statuses(name, TEXTS[name])) == []
    assert list(unknown_codes(name, TEXTS[name])) == []


words_of, codes_of, statuses_of = (
    partial(check, "made.md") for check in (unknown_words, unknown_codes, unknown_statuses)
)
links_of = partial(broken_links, ROOT / "docs" / "made.md")

#: What a check tells of a text that has something wrong; nothing of what is another program's.
TOLD: list[tuple[Callable[[str], Iterable[str]], str, list[str]]] = [
    (words_of, "`vzcptsim migrate A B`", ["vzcptsim has no command migrate"]),
    (words_of, "`vzcptsim check --exepct`", ["vzcptsim has no option --exepct of check"]),
    (words_of, "`vzcptsim nodes --format x`", ["vzcptsim has no option --format of nodes"]),
    (
        words_of,
        "```\n$ vzcptcheck capture \\\n  -x\n```\n",
        ["vzcptcheck has no option -x of capture"],
    ),
    (words_of, "say `--wiave CODE`", ["no program has --wiave"]),
    (words_of, "`vzcptsim replay NODE -- ARGS --any`, `vzcptcheck caps | grep --any`", []),
    (words_of, "`vzcptcheck` and `vzcptsim`, `.venv/bin/nox --any`, `dist/vzcptcheck.pyz`", []),
    (codes_of, "| code |\n|---|\n| `container-enterd` |\n", ["there is no code container-enterd"]),
    (statuses_of, "the exit status is 4, status 2", ["no program has the exit status 4"]),
    (links_of, "# Here\n[a](missing.md) [e](https://x)", ["missing.md: no such file"]),
    (links_of, "# Here\n[b](#there) [c](#here)", ["#there: no such heading"]),
    (links_of, "[d](../README.md#nowhere)", ["../README.md#nowhere: no such heading"]),
]


@pytest.mark.parametrize(("check", "text", "problems"), TOLD)
def test_what_is_not_there_is_told(
    check: Callable[[str], Iterable[str]], text: str, problems: list[str]
) -> None:
    assert list(check(text)) == [f"made.md: {problem}" for problem in problems]


def test_the_operator_is_told_what_to_do_on_every_refusal() -> None:
    refusals = {
        code.name
        for code in CODES.values()
        if code.verdict == "restore" and not code.name.startswith(("image-", "criu-"))
    }
    assert {name for name in refusals if f"| `{name}` |" not in TEXTS["operator.md"]} == set()


def test_the_table_of_reasons_says_what_explain_prints() -> None:
    assert TEXTS["reasons.md"] == reasons.page(), "run: python tools/reasons.py"


@pytest.mark.parametrize(
    ("page", "program"), [("vzcptcheck.8", "vzcptcheck"), ("vzcptsim.1", "vzcptsim")]
)
def test_a_manual_has_what_its_program_has_and_no_more(page: str, program: str) -> None:
    known = flags(programs()[program]) | (flags(programs()["vzcptcheck"]) & {"--help"})
    assert list(missing_words(programs()[program], PAGES[page])) == []
    assert list(unknown_options(page, PAGES[page], known)) == []


def test_an_option_too_many_or_too_few_in_a_manual_is_told() -> None:
    program, page = programs()["vzcptcheck"], PAGES["vzcptcheck.8"]
    without = page.replace("\\-\\-anonymize", "\\-\\-anonymise")
    assert list(missing_words(program, without)) == ["vzcptcheck --anonymize: not in its manual"]
    assert list(unknown_options("made", without, flags(program))) == [
        "made: no program has --anonymise"
    ]
    page = page.replace("image", "picture")
    assert "vzcptcheck image: not in its manual" in missing_words(program, page)


def test_vzcptchecks_options_and_commands_are_those_of_its_source() -> None:
    source = constants("vzcptcheck/cli.py", "vzcptcheck/capture_command.py")
    options = {text for text in source if text[:1] == "-" and text[1:].strip("-")}
    assert options == flags(programs()["vzcptcheck"])
    commands = {command.name for command in programs()["vzcptcheck"].commands}
    assert commands == {*_COMMANDS, "help"}
    assert all(f"vzcptcheck {command}" in USAGE for command in commands)


@pytest.mark.parametrize("page", ["vzcptcheck.8", "vzcptsim.1"])
def test_a_manual_has_every_exit_status(page: str) -> None:
    interrupted = 128 + signal.SIGINT
    statuses = {*map(str, (ExitStatus.YES, ExitStatus.ERROR, ExitStatus.NO, interrupted))}
    if page == "vzcptsim.1":
        statuses.add(str(status_of(Outcome.UNKNOWN)))
    assert tags(section(PAGES[page], "EXIT STATUS")) == statuses


def test_vzcptchecks_manual_has_every_file_that_it_opens() -> None:
    named = {path.rstrip("/") for path in tags(section(PAGES["vzcptcheck.8"], "FILES"))}
    paths = {text for text in constants(*SOURCES) if re.fullmatch(r"/(proc|dev|etc)/\S+", text)}
    assert named == {path.replace("{}", "CTID") for path in paths}


def test_vzcptsims_manual_names_files_that_there_are() -> None:
    named = tags(section(PAGES["vzcptsim.1"], "FILES"))
    assert named == {"simulator/fixtures/", "simulator/schema/"}
    assert (ROOT / "fixtures").is_dir()  # packed into simulator/


def test_vzcptcheck_reads_no_variable_and_its_manual_names_none() -> None:
    assert variables(*SOURCES) == set()
    assert section(PAGES["vzcptcheck.8"], "ENVIRONMENT") == ""


# What vzcptsim's environment does: each variable that the manual names, seen at work


def on_a_terminal(**variables: str) -> str:
    """Run a check whose answer goes to a terminal."""
    return told_on_a_terminal(2, "check", NODE, PENRYN, "--ct", "102", **variables)


def has_signs(**variables: str) -> bool:
    """Tell whether the grid of a matrix has signs that are not ASCII."""
    return not told_on_a_terminal(0, "matrix", NODE, PENRYN, **variables).isascii()


def told_on_a_terminal(status: int, *arguments: str, **variables: str) -> str:
    """Run a command whose answer goes to a terminal, and ends with a status."""
    command = [sys.executable, "-m", "simulator", *arguments]
    leader, follower = pty.openpty()
    unset = {"NO_COLOR", "LC_ALL"}
    environment = {name: text for name, text in os.environ.items() if name not in unset}
    environment |= {"TERM": "xterm", "COLUMNS": "100", **variables}
    ended = subprocess.Popen(command, stdout=follower, env=environment, cwd=ROOT)
    os.close(follower)
    told = b""
    try:
        while more := os.read(leader, 1 << 16):
            told += more
    except OSError:  # Linux's way to say that nobody has the terminal open any more
        pass
    finally:
        os.close(leader)
    assert ended.wait(timeout=60) == status
    return told.decode()


def where_ssh_is(folder: Path) -> str:
    environment, options = {"TMPDIR": str(folder)}, ("--node-for", f"dest={NODE}")
    return run("sh", "-c", "command -v ssh", options=options, environment=environment).stdout


def a_command_of(folder: Path) -> str:
    write_program(folder / "a-command", "#!/bin/sh\necho found\n")
    return run("a-command", environment={"PATH": f"{folder}:{os.environ['PATH']}"}).stdout


RED = "\x1b[1;31m"
PENRYN = "042stab141.3.Penryn.default"

AT_WORK = {
    "COLUMNS": lambda _: "\n" in on_a_terminal(COLUMNS="40").split("102: ")[1][:60],
    "LC_ALL": lambda _: has_signs(LC_ALL="C.UTF-8") and not has_signs(LC_ALL="C"),
    "NO_COLOR": lambda _: RED in on_a_terminal() and RED not in on_a_terminal(NO_COLOR="1"),
    "PATH": lambda folder: a_command_of(folder) == "found\n",
    "TERM": lambda _: "\x1b[" not in on_a_terminal(TERM="dumb"),
    "TMPDIR": lambda folder: where_ssh_is(folder).startswith(str(folder)),
}


def test_vzcptsims_manual_names_the_variables_that_do_something() -> None:
    assert tags(section(PAGES["vzcptsim.1"], "ENVIRONMENT")) == set(AT_WORK)
    assert variables(*SIMULATOR) <= set(AT_WORK)


@pytest.mark.parametrize("name", AT_WORK)
def test_a_variable_does_what_the_manual_says(name: str, tmp_path: Path) -> None:
    assert AT_WORK[name](tmp_path)


def test_a_variable_that_is_read_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "it.py").write_text(
        'x = os.environ.get("SECRET")\ny = os.environ["OTHER"]\n', "utf-8"
    )
    monkeypatch.setattr("support.named.ROOT", tmp_path)
    assert variables("*.py") == {"SECRET", "OTHER"}


# The format of profiles


def test_the_profile_that_the_manual_shows_is_one() -> None:
    (block,) = [
        one for one in read_blocks(BY_NAME["vzcptcheck-profile.5"]) if "file" in one.directives
    ]
    profile = parse_profile(block.text.encode(), "example", "example.json")
    assert check_profile(profile, "example.json").containers[0].ctid == 101


def test_the_format_has_no_property_without_a_meaning() -> None:
    schema = {
        "required": ["a"],
        "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/b"}}},
        "$defs": {"b": {"properties": {"c": {"const": 1}}}},
    }
    assert [(path, need) for path, need, _ in properties(schema)] == [("a", True), ("a[].c", False)]


def test_help_is_the_manuals_source() -> None:
    stdout = io.StringIO()
    assert run_vzcptsim(["matrix", "--help"], stdout, io.StringIO()) == 0
    assert "compare with the matrix that is kept there" in " ".join(stdout.getvalue().split())
    assert "Compare with the matrix that is kept there." in PAGES["vzcptsim.1"]
