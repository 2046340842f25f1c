"""What documents name of the programs, and what the programs have: each way round."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from simulator.verdicts.codes import CODES
from support.documents import plain
from support.running import ROOT
from tools.programs import Command, Program, vzcptcheck, vzcptsim

_OPTION = re.compile(r"--?[a-zA-Z0-9][\w-]*")
_OTHERS = re.compile(r" -- |[|;&#>]|\$\(")


@cache
def programs() -> dict[str, Program]:
    """Return both programs by name."""
    return {program.name: program for program in (vzcptcheck(), vzcptsim())}


def flags(program: Program, command: Command | None = None) -> set[str]:
    """Return the options of a command, or all of a program's."""
    own = {flag for option in program.options for flag in option.flags}
    commands = program.commands if command is None else (command,)
    return own | {flag for one in commands for option in one.options for flag in option.flags}


# From the text to the program


def unknown_words(name: str, text: str) -> Iterator[str]:
    """Name commands and options that a Markdown text has in code, and that neither program has."""
    every = set().union(*map(flags, programs().values()))
    for snippet in _snippets(text):
        for match in re.finditer(r"(?<![\w/.-])(vzcptsim|vzcptcheck) ([^\n`]+)", snippet):
            for word in _unknown_of(programs()[match[1]], match[2]):
                yield f"{name}: {match[1]} has no {word}"
        option = re.match(r"--[\w-]+", snippet)
        if option and option[0] not in every:
            yield f"{name}: no program has {option[0]}"


def _snippets(text: str) -> Iterator[str]:
    fences = re.findall(r"^```.*?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    yield from (re.sub(r"\\\n\s*", "", fence) for fence in fences)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose))


def _unknown_of(program: Program, text: str) -> Iterator[str]:
    """Name what is none of a program's in a command line, up to where another program's begins."""
    words = [word.strip("[]().,'\"") for word in _OTHERS.split(f"{text} ")[0].split()]
    commands = {command.name: command for command in program.commands}
    first = words[0] if words else ""
    if re.fullmatch(r"[a-z]+", first) and first not in commands:
        yield f"command {first}"
    command = commands.get(first)
    known = flags(program, command) if command else flags(program)
    for word in words:
        option = _OPTION.match(word)
        if option and option[0] not in known:
            yield f"option {option[0]}" + (f" of {first}" if command else "")


def unknown_options(name: str, page: str, known: Iterable[str]) -> Iterator[str]:
    """Name the options in a manual page that are none of those known."""
    for option in sorted(set(re.findall(r"(?<![\w-])--[a-z0-9][\w-]*", plain(page))) - set(known)):
        yield f"{name}: no program has {option}"


def unknown_codes(name: str, text: str) -> Iterator[str]:
    """Name what a table of codes has first in a row, and what is no reason's code."""
    for table in re.findall(r"^\| code \|.*\n(?:\|.*\n)+", f"{text}\n", re.MULTILINE):
        for code in re.findall(r"^\| `([^`]+)`", table, re.MULTILINE):
            if code not in CODES:
                yield f"{name}: there is no code {code}"


def unknown_statuses(name: str, text: str) -> Iterator[str]:
    """Name exit statuses in a text that are none of the programs'."""
    for status in re.findall(r"\b[Ss]tatus(?:es)?(?: is)? (\d+)", text):
        if int(status) not in {0, 1, 2, 3}:
            yield f"{name}: no program has the exit status {status}"


# From the program to the text


def missing_words(program: Program, page: str) -> Iterator[str]:
    """Name the commands and options of a program that its manual page does not have."""
    text = plain(page)
    for command in program.commands:
        if not re.search(rf"(?<!\w){command.name}(?!\w)", text):
            yield f"{program.name} {command.name}: not in its manual"
    for flag in sorted(flags(program)):
        if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text):
            yield f"{program.name} {flag}: not in its manual"


def section(page: str, title: str) -> str:
    """Return a section of a manual page."""
    heading = rf'\.SH "?{re.escape(title)}"?\n'
    found = re.search(rf"^{heading}(.*?)(?=^\.SH|\Z)", page, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def tags(text: str) -> set[str]:
    """Return what a section is about: the words behind .TP and .TQ, apart by commas."""
    found = re.findall(r"^\.T[PQ]\n(?:\.[BIR]{1,2} )?(.*)$", text, re.MULTILINE)
    words = (re.sub(r'[",]', " ", plain(tag)).split() for tag in found)
    return {word for tag in words for word in tag}


@cache
def constants(*modules: str) -> frozenset[str]:
    """Return every text that stands in the source of modules, but for docstrings."""
    texts = set()
    for pattern in modules:
        for path in ROOT.glob(pattern):
            texts |= set(_texts(path))
    return frozenset(texts)


def _texts(path: Path) -> Iterator[str]:
    """Yield texts; of one with values in it, each value is a 0."""
    tree = ast.parse(path.read_text("utf-8"))
    formatted = [node.values for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    prose = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)]
    parts = {id(node) for nodes in (*formatted, prose) for node in nodes}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value
    for values in formatted:
        yield "".join(
            str(getattr(value, "value", 0)) if isinstance(value, ast.Constant) else "0"
            for value in values
        )


def variables(*modules: str) -> set[str]:
    """Return the environment variables that the source of modules reads by name."""
    pattern = re.compile(r"(?:environ(?:\.get\(|\[)|getenv\()[\"'](\w+)[\"']")
    return {
        name
        for module in modules
        for path in ROOT.glob(module)
        for name in pattern.findall(path.read_text("utf-8"))
    }
