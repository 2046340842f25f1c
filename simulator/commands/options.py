"""What commands share: their parser, and options that several of them have."""

import argparse
import reprlib
from functools import partial
from itertools import chain, takewhile

from simulator.errors import UsageError, UserError
from simulator.output import terminal_columns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, NoReturn

    from simulator.profiles.profile import NodeProfile
    from simulator.verdicts.engine import Engine


# Commands speak English. gettext would look for catalogs of argparse's words, and import locale.
setattr(argparse, "_", str)  # noqa: B010 (argparse's own: no type has it)


#: Commands that hand the words after -- to another program.
HANDING_ON = ("run", "replay")

#: What a process gives in place of a UID that it does not change.
_NO_UID = 0xFFFFFFFF


class HelpAsked(Exception):  # noqa: N818 (nothing is wrong)
    """Help or the version is asked for: the text is the answer."""


class _Once(argparse._StoreAction):  # noqa: SLF001 (argparse's class for what an option stores)
    """Store a value; an option that is given twice is a mistake, and not the last of the two."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: "Any",  # noqa: ANN401 (argparse's own)
        option_string: str | None = None,
    ) -> None:
        """Store the value; ArgumentError where there is one already."""
        given = namespace.__dict__.setdefault("given", set())
        if self.option_strings and self.dest in given:
            raise argparse.ArgumentError(self, "it is given twice")
        given.add(self.dest)
        super().__call__(parser, namespace, values, option_string)


class _Formatter(argparse.HelpFormatter):
    """Fold each paragraph by itself; argparse's own makes one of all of them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(one, width, indent) for one in text.split("\n\n"))


class Parser(argparse.ArgumentParser):
    """A parser that neither prints nor exits: argparse's status 2 means "no" here."""

    def __init__(self, **traits: "Any") -> None:  # noqa: ANN401 (argparse's own)
        formatter = partial(_Formatter, width=terminal_columns() - 2)
        super().__init__(formatter_class=formatter, **traits)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)
        self.commands: Mapping[str, argparse.ArgumentParser] = {}
        self._words: list[str] = []

    def parse_known_args(  # type: ignore[override]  # typeshed has an overload for each namespace
        self,
        args: "Sequence[str] | None" = None,
        namespace: argparse.Namespace | None = None,
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse words; of the whole line, UsageError where one means nothing."""
        self._words = list(args or ())
        options, extra = super().parse_known_args(args, namespace)
        if extra and self.commands:
            self.error(self._unrecognized(extra[0]))
        return options, extra

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError; what means nothing is told before what is missing."""
        if message.startswith("the following arguments are required: "):
            unknown = next(filter(self._is_no_option, self._words), None)
            message = message if unknown is None else self._unrecognized(unknown)
        given = next(iter(self.commands.values())) if len(self.commands) == 1 else self
        raise UsageError(message, given.format_usage().rstrip())

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Raise UsageError for what is none of the choices, with what may be meant."""
        if action.choices is None or value in action.choices:
            return
        from vzcptcheck.arguments import near

        word, choices = str(value), list(map(str, action.choices))
        if action.metavar == "COMMAND":
            self.error(f"there is no command {word!r}{near(word, choices, 'see vzcptsim help')}")
        there_are = f"(choose from {', '.join(map(repr, choices))})"
        problem = f"invalid choice: {word!r} {there_are}{near(word, choices)}"
        raise argparse.ArgumentError(action, problem)

    def _unrecognized(self, word: str) -> str:
        """Say what is wrong with a word that is neither an option nor wanted."""
        command = next(iter(self.commands)) if self.commands else self.prog.split()[-1]
        if not word.startswith("-") or "--" in self._words:
            if command in HANDING_ON:
                return f"{word!r} is no option: the command for the node comes after --"
            return f"{word!r} is one word too many"
        from vzcptcheck.arguments import near

        name = word.partition("=")[0]
        owners = [one for one, parser in self.commands.items() if name in _options(parser)]
        if owners:
            return f"{name} comes after the command, as in: vzcptsim {owners[0]} {word}"
        parsers = [self, *self.commands.values()]
        return f"there is no option {word!r}{near(name, chain(*map(_options, parsers)))}"

    def _is_no_option(self, word: str) -> bool:
        """Tell whether a word looks like an option that there is not."""
        name = word.partition("=")[0] if word.startswith("--") else word[:2]
        looks_so = len(word) > 1 and word[0] == "-" and word != "--" and not word[1].isdigit()
        return looks_so and not any(option.startswith(name) for option in _options(self))

    def print_help(self, file: object = None) -> "NoReturn":  # noqa: ARG002 (argparse gives it)
        """Raise HelpAsked; UsageError where -h follows a command for a node without --."""
        if self.prog.split()[-1] in HANDING_ON:
            before = list(takewhile(lambda word: not word.startswith(("-h", "--h")), self._words))
            if before and not self._is_no_option(before[0]):
                self._require_no_command(before)
        raise HelpAsked(self.format_help())

    def _require_no_command(self, words: "list[str]") -> None:
        try:
            _, extra = super().parse_known_args(words)
        except UsageError:  # What is missing is no matter to who asks for help.
            return
        if extra:
            self.error(self._unrecognized(extra[0]))


def _options(parser: argparse.ArgumentParser) -> "Iterable[str]":
    """List the options of a parser."""
    return parser._option_string_actions  # noqa: SLF001 (argparse lists them nowhere else)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option --json."""
    parser.add_argument("--json", action="store_true", help="for a machine to read")


def add_assumption(parser: argparse.ArgumentParser) -> None:
    """Add the option --assume-missing."""
    parser.add_argument(
        "--assume-missing",
        metavar="clear",
        choices=("clear",),
        help="bits of the node's CPU that are not known are clear",
    )


def load_runnable(options: argparse.Namespace) -> "NodeProfile":
    """Read the node that a program is to run on; UserError where it has no container --inside."""
    from simulator.profiles.nodes import load_one

    node = whole(load_one(options.node, options.kernel, options.printed_by), options)
    if options.inside:
        from simulator.verdicts.migrations import find_container

        find_container(node, options.inside)
    return node


def whole(node: "NodeProfile", options: argparse.Namespace) -> "NodeProfile":
    """Return a node that can run; UserError where its CPU is known in part, and nothing assumed."""
    from simulator.profiles.profile import is_cpu_known

    if is_cpu_known(node):
        return node
    from simulator.profiles.whole import whole_node

    return whole_node(node, assumes_clear=options.assume_missing is not None)


def add_kernel(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which kernels there are: --kernel and --printed-by."""
    parser.add_argument(
        "--kernel",
        metavar="RELEASE",
        help="the kernel of each node that is a CPU alone: a release, or 042stabN",
    )
    parser.add_argument(
        "--printed-by",
        metavar="RELEASE",
        help="what uname -r printed where each /proc/cpuinfo is from: a word that this kernel "
        "knows and did not print is a feature that the CPU lacks",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what restores: --engine, and of CRIU --cpu-cap and --criu-check."""
    parser.add_argument(
        "--engine",
        default="cpt",
        help="what restores: cpt, OpenVZ's kernels (if not said); criu, or criu@VERSION",
    )
    parser.add_argument(
        "--cpu-cap",
        metavar="MODES",
        nargs="?",
        const="all",
        help="as CRIU is given it: none, fpu, ins, cpu, all, several with commas, a ^ before them",
    )
    parser.add_argument(
        "--criu-check",
        action="store_true",
        help="ask 'criu cpuinfo check', and not 'criu restore'",
    )


def engine_of(options: argparse.Namespace) -> "Engine[Any]":
    """Return the engine; UsageError where there is none of that name."""
    name, at, version = options.engine.partition("@")
    if name == "criu" and bool(at) == bool(version):
        from simulator.verdicts.criu import Criu
        from simulator.verdicts.criu_rules import make_rules

        return Criu(make_rules(version, options.cpu_cap, is_check=options.criu_check))
    if options.engine != "cpt":
        raise UsageError(f"--engine: there are cpt, criu and criu@VERSION, and no {name!r}")
    if options.cpu_cap is not None or options.criu_check:
        raise UsageError("--cpu-cap and --criu-check are CRIU's: --engine criu")
    from simulator.verdicts.engine import CPT

    return CPT


def kernel_of(options: argparse.Namespace) -> "str | None":
    """Return the kernel of nodes that do not say theirs: CRIU takes them without one."""
    if options.kernel is None and options.engine != "cpt":
        from simulator.profiles.nodes import NO_KERNEL

        return NO_KERNEL
    kernel: str | None = options.kernel
    return kernel


def add_counted(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what counts: --restore-only and --waive."""
    parser.add_argument(
        "--restore-only",
        action="store_true",
        help="follow restore alone: leave out whether programs survive",
    )
    parser.add_argument(
        "--waive",
        metavar="CODE",
        action="append",
        default=[],
        help="leave out a reason about programs; what restore refuses cannot be waived",
    )


def waived_codes(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the waived codes, each once; UserError if one cannot be waived."""
    codes = tuple(dict.fromkeys(options.waive))
    if codes:
        from simulator.verdicts.codes import find_code

        for code in codes:
            if find_code(code).verdict == "restore":
                raise UserError(
                    f"--waive {code}: restore refuses for this reason, whoever waives it here; "
                    "reasons about programs alone can be waived"
                )
    return codes


def add_identity(parser: argparse.ArgumentParser, default: int | None) -> None:
    """Add the options that say who runs a program, and where: --user and --inside."""
    parser.add_argument(
        "--user",
        metavar="UID",
        type=_user_id,
        default=default,
        help="UID that the node sees (default: root)",
    )
    parser.add_argument(
        "--inside", metavar="CTID", type=container_id, default=0, help="run inside this container"
    )


def _user_id(text: str) -> int:
    """Return a user's number; ArgumentTypeError where the text is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) < _NO_UID):
        raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is no user's number")
    return int(text)


def container_id(text: str) -> int:
    """Return a container's number; ArgumentTypeError where the text is none."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 0 < int(text) < 1 << 32):
        raise argparse.ArgumentTypeError(f"{reprlib.repr(text)} is no container's number")
    return int(text)
