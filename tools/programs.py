"""The command lines of both programs as data, which manuals and completions are generated from.

The command line of vzcptsim is read from its parser. vzcptcheck has no parser: its commands and
operands are read from its usage, and a test compares the options below with its source. All but
``vzcptsim()`` runs on Python 3.6.
"""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from vzcptcheck.cli import USAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]

#: What stands before the words that a command hands on to another program.
WORDS = "--"

#: Help texts in place of argparse's own.
_HELPS = {"--help": "show this help, and end", "--version": "show the version of this program"}


class Option(NamedTuple):
    """An option; ``metavar`` is the name of its value, or empty if it takes none."""

    flags: "tuple[str, ...]"
    metavar: "str"
    help: "str"
    choices: "tuple[str, ...]" = ()
    repeats: "bool" = False


class Operand(NamedTuple):
    """An argument that is no option."""

    metavar: "str"
    help: "str"
    choices: "tuple[str, ...]" = ()


class Command(NamedTuple):
    """A command; ``usage`` is a line, ``after`` paragraphs of prose that belong to it."""

    name: "str"
    help: "str"
    usage: "str"
    options: "tuple[Option, ...]"
    operands: "tuple[Operand, ...]"
    after: "tuple[str, ...]" = ()

    @property
    def hands_on(self) -> "bool":
        """Whether words after ``--`` are another program's."""
        return f" {WORDS} " in self.usage


class Program(NamedTuple):
    """A program: its own options, and its commands in the order of its help."""

    name: "str"
    options: "tuple[Option, ...]"
    commands: "tuple[Command, ...]"


# vzcptsim


def vzcptsim() -> "Program":
    """Return the command line of vzcptsim, as its parser has it."""
    from simulator.cli import build_parser  # noqa: PLC0415 - of Python 3.11, and not on nodes

    parser = build_parser()
    (choice,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    helps = {one.dest: one.help or "" for one in choice._choices_actions}
    commands = tuple(
        _command(name, helps[name], parser_of_it) for name, parser_of_it in choice.choices.items()
    )
    return Program(parser.prog, tuple(_options(parser)), commands)


def _command(name: "str", text: "str", parser: "argparse.ArgumentParser") -> "Command":
    operands = tuple(
        Operand(
            _name_of(one),
            _expand(one, parser) if one.help else "",
            tuple(map(str, one.choices or ())),
        )
        for one in parser._actions
        if not one.option_strings
    )
    # A description that is the help again, as a sentence, is said once.
    is_help = (parser.description or "").rstrip(".").lower() == text.lower()
    description = "" if is_help else parser.description or ""
    after = [description, *(parser.epilog or "").split("\n\n")]
    return Command(
        name=name,
        help=text,
        usage=_usage(parser),
        options=tuple(_options(parser)),
        operands=operands,
        after=tuple(" ".join(one.split()) for one in after if one.strip()),
    )


def _usage(parser: "argparse.ArgumentParser") -> "str":
    """Return the usage as one line, without --help: argparse's own differs between Pythons."""
    if parser.usage:
        return parser.usage.replace(" [-h]", "")
    shared = {one: group for group in parser._mutually_exclusive_groups for one in _shown(group)}
    words = [parser.prog]
    for one in parser._actions:
        if one in shared:
            together = _shown(shared[one])
            if one is together[0]:
                words.append(f"[{' | '.join(map(_spelled, together))}]")
        elif not isinstance(one, argparse._HelpAction) and one.option_strings:
            text = _spelled(one) if one.required else f"[{_spelled(one)}]"
            words.append(f"{text}..." if isinstance(one, argparse._AppendAction) else text)
    counts = {None: "{}", "?": "[{}]", "*": "[{}...]", "+": "{}..."}
    operands = (one for one in parser._actions if not one.option_strings)
    words += [counts[one.nargs].format(_name_of(one)) for one in operands]  # type: ignore[index]
    return " ".join(words)


def _shown(group: "argparse._MutuallyExclusiveGroup") -> "list[argparse.Action]":
    return group._group_actions


def _spelled(one: "argparse.Action") -> "str":
    """Return an option with its value, as usages have it."""
    flag = one.option_strings[0]
    if one.nargs == 0:
        return flag
    return f"{flag} {'|'.join(map(str, one.choices)) if one.choices else _name_of(one)}"


def _options(parser: "argparse.ArgumentParser") -> "Iterator[Option]":
    for one in parser._actions:
        if one.option_strings:
            yield Option(
                flags=tuple(one.option_strings),
                metavar="" if one.nargs == 0 else _name_of(one),
                help=_HELPS.get(one.option_strings[-1]) or _expand(one, parser),
                choices=tuple(map(str, one.choices or ())),
                repeats=isinstance(one, argparse._AppendAction),
            )


def _expand(one: "argparse.Action", parser: "argparse.ArgumentParser") -> "str":
    return parser._get_formatter()._expand_help(one)


def _name_of(one: "argparse.Action") -> "str":
    return str(one.metavar or one.dest).upper()


# vzcptcheck

_OUTPUT = Option(("-o", "--output"), "FILE", "write there; - is standard output")
_MODE = Option(("--mode",), "MODE", "the mode of the file that is written, in octal")
_JSON = Option(("--json",), "", "for a machine to read")

#: The options of vzcptcheck by the command that takes them.
_OPTIONS = {
    "capture": (
        _OUTPUT,
        _MODE,
        Option(("--ct",), "CTID", "capture this container", repeats=True),
        Option(("--anonymize",), "", "leave out whose node it is"),
        Option(("--cpus",), "", "the CPUs' answers to CPUID alone, on any machine"),
        Option(("--instruction",), "", "with --cpus: execute the instruction"),
    ),
    "explain": (_JSON,),
    "image": (_JSON,),
}


def vzcptcheck(usage: "str" = USAGE) -> "Program":
    """Return the command line of vzcptcheck, as its usage has it."""
    forms, texts, *_ = usage.split("\n\n")
    lines = [line.replace("Usage:", "").split()[1:] for line in forms.splitlines()]
    helps: "dict[str, str]" = {}
    for words, text in re.findall(r"^  (\S.*?)  +(\S.*)$", texts, re.MULTILINE):
        helps.setdefault(words.split()[0], text)
    helps.setdefault("help", "how to use the program")
    names = dict.fromkeys(words[0] for words in lines)
    commands = [
        Command(
            name=name,
            help=helps[name],
            usage="\n".join(" ".join(["vzcptcheck", *one]) for one in lines if one[0] == name),
            options=_OPTIONS.get(name, ()),
            operands=_operands([one[1:] for one in lines if one[0] == name]),
        )
        for name in names
    ]
    own = (
        Option(("-h", "--help"), "", "how to use the program"),
        Option(("--version",), "", "the version of this program"),
    )
    return Program("vzcptcheck", own, tuple(commands))


def _operands(forms: "list[list[str]]") -> "tuple[Operand, ...]":
    """Return the first operand of each form: words that are to be typed are one's choices."""
    firsts = [form[0].strip("[]") for form in forms if form]
    literal = tuple(word for word in firsts if word.isalpha() and word.islower())
    named = [word for word in dict.fromkeys(firsts) if word.isupper()]
    return (*([Operand("", "", literal)] if literal else []), *(Operand(one, "") for one in named))
