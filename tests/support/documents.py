"""Documents as tests read them: their examples, which are run, and what they name, which is there.

A block of a Markdown file or a manual page that shows prompts is an example. ``$`` is a prompt of
this machine's, ``#`` or ``[root@HOST]#`` one of a node's. What is between one prompt and the next
is what the commands print, standard error too; a line of three dots is any number of lines.
Comments right before a block say the rest: ``<!-- on: NODE -->`` or ``<!-- on: HOST=NODE ... -->``
where it runs, ``<!-- file: NAME -->`` that it is a file, ``<!-- needs: PROGRAM ... -->`` what must
be installed, ``<!-- checkpoint: NAME -->`` that a checkpoint of Podman's is there by that name,
``<!-- run by: PATH -->`` which test does it, and ``<!-- not run: REASON -->``. In manual pages they
are comments of troff's.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from support.criu_images import podman_archive
from support.running import ROOT, UNMEASURED, finish, temporary_folder, write_program
from tools.shared_files import write

_PROMPT = re.compile(r"(?:\[root@([\w.-]+)\])?([$#]) (.*)")
_FENCE = re.compile(r"((?:^<!-- [^\n]*? -->\n)*)^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_DIRECTIVE = re.compile(r"(on|file|checkpoint|run by|needs|not run): (.+)")
#: Ends what a step prints.
_END = "\x1e"
#: What examples may read of the checkout.
_SHARED = ("examples", "fixtures", "tools")


@dataclass(frozen=True)
class Block:
    """A block of a document: where it is, what is said of it, its text."""

    path: Path
    line: int
    text: str
    language: str = ""
    directives: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"{self.path.name}:{self.line}"

    @property
    def needs(self) -> list[str]:
        return self.directives.get("needs", "").split()

    @property
    def is_console(self) -> bool:
        return bool(_PROMPT.match(self.text)) and "not run" not in self.directives


@dataclass(frozen=True)
class Step:
    """A command, on which host it is typed (none: here), and what it prints."""

    host: str
    command: str
    printed: str


# Reading


def documents() -> list[Path]:
    """List what is written for users: README, docs, manual pages."""
    return [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *manual_pages()]


def manual_pages() -> list[Path]:
    """List the manual pages, by name: the one in git, and those that are generated."""
    pages = (*ROOT.glob("man/*.[1-9]"), *shared_folder().glob("share/man/*/*"))
    return sorted(pages, key=lambda page: page.name)


def read_blocks(path: Path, text: str | None = None) -> list[Block]:
    """Return the blocks of a document, or of the text that is given in its stead."""
    text = path.read_text("utf-8") if text is None else text
    return list((_markdown if path.suffix == ".md" else _manual)(path, text))


def command_after(marker: str) -> str:
    """Return the one line after a comment in the README, for a reader to paste."""
    readme = (ROOT / "README.md").read_text("utf-8")
    block = re.search(rf"<!-- {marker} -->\n```sh\n(.*)\n```", readme)
    assert block is not None
    return block[1]


def _markdown(path: Path, text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        comments = re.findall(r"<!-- (.*?) -->", found[1])
        line = text.count("\n", 0, found.start(3)) + 1
        yield Block(path, line, found[3], found[2], _directives(comments))


def _manual(path: Path, text: str) -> Iterator[Block]:
    for found in re.finditer(
        r'((?:^\.\\" [^\n]*\n)*)^\.EX\n(.*?)^\.EE$', text, re.MULTILINE | re.DOTALL
    ):
        comments = re.findall(r'^\.\\" (.*)$', found[1], re.MULTILINE)
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(path, line, plain(found[2]), "", _directives(comments))


def _directives(comments: Iterable[str]) -> dict[str, str]:
    found = filter(None, map(_DIRECTIVE.fullmatch, comments))
    return {match[1]: match[2] for match in found}


def plain(text: str) -> str:
    """Return troff's text as a reader sees it."""
    text = re.sub(r"\\f.|\\&", "", text)
    text = re.sub(r"^\.\\\".*\n", "", text, flags=re.MULTILINE)
    for escaped, shown in (("\\-", "-"), ("\\(aq", "'"), ("\\ ", " "), ("\\e", "\\")):
        text = text.replace(escaped, shown)
    return text


def steps(block: Block) -> list[Step]:
    """Cut an example at its prompts; a command goes on after a backslash."""
    found: list[Step] = []
    is_command = False
    for line in block.text.splitlines(keepends=True):
        prompt = _PROMPT.match(line)
        if prompt and not is_command:
            host = prompt[1] or ("" if prompt[2] == "$" else "node")
            found.append(Step(host, prompt[3], ""))
        elif is_command:
            last = found[-1]
            found[-1] = Step(last.host, f"{last.command[:-1]}{line.strip()}", "")
        else:
            last = found[-1]
            found[-1] = Step(last.host, last.command, last.printed + line)
        is_command = (bool(prompt) or is_command) and line.endswith("\\\n")
    return found


# Running


def run_document(blocks: Iterable[Block], folder: Path) -> list[str]:
    """Run the examples of a document, one after the other, in a folder; say what was not so."""
    for name in _SHARED:
        (folder / name).symlink_to(ROOT / name)
    problems = []
    for block in blocks:
        if "checkpoint" in block.directives:
            (folder / block.directives["checkpoint"]).write_bytes(podman_archive())
        if "file" in block.directives:
            (folder / block.directives["file"]).write_text(block.text, "utf-8")
        elif block.is_console:
            problems += run_block(block, folder)
    return problems


def run_block(block: Block, folder: Path) -> list[str]:
    """Run one example; each host's commands in one shell of its own."""
    todo = steps(block)
    problems = []
    for host in dict.fromkeys(step.host for step in todo):
        mine = [step for step in todo if step.host == host]
        printed = _run([step.command for step in mine], _command(host, block), folder)
        for step, told in zip(mine, printed, strict=True):
            if not agrees(step.printed, told):
                problems.append(
                    f"{block.place}: {step.command}: printed\n{told}\nand not\n{step.printed}"
                )
    return problems


def agrees(shown: str, printed: str) -> bool:
    """Tell whether a command printed what is shown."""
    parts = re.split(r"^\.\.\.\n", shown, flags=re.MULTILINE)
    pattern = "(?:.*\n)*".join(map(re.escape, parts))
    return re.fullmatch(pattern, printed) is not None


def _command(host: str, block: Block) -> list[str]:
    """Return what runs a shell on a host."""
    shell = ["bash", "-c"]
    if not host:
        return shell
    words = block.directives["on"].split()
    nodes = dict(word.split("=") for word in words) if "=" in words[0] else {"node": words[0]}
    others = [f"--node-for={name}={node}" for name, node in nodes.items() if name != host]
    return ["vzcptsim", "run", "--node", nodes[host], *others, "--", *shell]


def _run(commands: list[str], shell: list[str], folder: Path) -> list[str]:
    script = "".join(f"{command}\nlast=$?; printf '\\x1e'; (exit $last)\n" for command in commands)
    together = {"stderr": subprocess.STDOUT, "timeout": 180}
    ended = finish([*shell, script], with_programs(COLUMNS="100"), cwd=folder, **together)
    said = ended.stdout
    if shell[:2] == ["vzcptsim", "run"]:  # What it remarks itself is before all.
        said = re.sub(r"\A(vzcptsim: .*\n)+", "", said)
    printed = said.split(_END)
    return printed[:-1] if len(printed) == len(commands) + 1 else [said] * len(commands)


_START = """\
#!/bin/sh
exec {python} -c 'import sys; sys.path.insert(0, "{root}"); {start}' "$@"
"""
_STARTS = {
    "vzcptcheck": "from vzcptcheck.cli import main; sys.exit(main())",
    "vzcptsim": "from simulator.__main__ import run; sys.exit(run())",
}


@cache
def programs_folder() -> Path:
    """Make a folder with both programs of this checkout, as if they were installed."""
    folder = temporary_folder()
    for name, start in _STARTS.items():
        text = _START.format(python=shlex.quote(sys.executable), root=ROOT, start=start)
        write_program(folder / name, text)
    return folder


@cache
def shared_folder() -> Path:
    """Make a folder with the completions and manual pages that a wheel's build generates."""
    folder = temporary_folder()
    write(folder)
    return folder


def with_programs(**more: str) -> dict[str, str]:
    """Return an environment in which both programs are on PATH."""
    return {**UNMEASURED, "PATH": f"{programs_folder()}:{os.environ['PATH']}", **more}


# What is named


def idle_blocks(blocks: Iterable[Block]) -> Iterator[str]:
    """Name the blocks that nothing runs, and that do not say why."""
    for block in blocks:
        if block.is_console and any(step.host for step in steps(block)):
            if "on" not in block.directives:
                yield f"{block.place}: on which node?"
        elif not block.is_console and not block.directives:
            yield f"{block.place}: nothing runs it: show a prompt, or say why not"
        elif "run by" in block.directives and not (ROOT / block.directives["run by"]).is_file():
            yield f"{block.place}: run by nothing: {block.directives['run by']}"


def broken_links(path: Path, text: str) -> Iterator[str]:
    """Name the links of a Markdown file that lead nowhere in the project."""
    prose = _FENCE.sub("", text)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = path.parent / name
        if not there.exists():
            yield f"{path.name}: {target}: no such file"
        elif anchor and anchor not in anchors(there.read_text("utf-8") if name else text):
            yield f"{path.name}: {target}: no such heading"


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to headings."""
    headings = re.findall(r"^#{1,6} (.*)$", _FENCE.sub("", text), re.MULTILINE)
    plain_headings = (re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading) for heading in headings)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in plain_headings
    }
