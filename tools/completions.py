"""Generate the completions of a program for bash, zsh and fish.

Commands, options and formats are those of the program's command line. The names of recorded nodes
and CPUs, codes and releases are written into the files too, so that TAB starts no program. The
text that is the same for every program is in completions/. This runs on Python 3.6.
"""

import re

from tools.programs import ROOT, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tools.programs import Command, Option, Program

    #: The words of each kind that is a list of names: of recorded nodes, for example.
    Names = Mapping[str, Sequence[str]]

_ENGINES = ROOT / "completions"

#: What completes a value or an operand, by its name; what is not here is free text.
KINDS = {
    "CODE": "codes",
    "CPU": "cpus",
    "CTID": "containers",
    "DESTINATION": "nodes",
    "DUMP": "cpus",
    "FILE": "files",
    "FOLDER": "files",
    "HOST=NODE": "pairs",
    "NEW": "nodes",
    "NODE": "nodes",
    "OLD": "nodes",
    "OUT": "files",
    "PATTERN": "nodes",
    "RELEASE": "releases",
    "SOURCE": "nodes",
}
#: Where the name does not tell: the kernel's reasons cannot be waived, and the containers of a
#: simulated node are not this machine's.
_KINDS_OF_OPTIONS = {"--inside": "", "--waive": "waivable"}

#: Prints the numbers of a node's running containers.
_CONTAINERS = r"sed -n 's/^ *\([1-9][0-9]*\) .*/\1/p' /proc/vz/veinfo 2>/dev/null"

#: Where zsh looks for completions; Debian's zsh looks elsewhere for those of packages.
ZSH_FOLDER = "share/zsh/site-functions"


def completions(
    program: "Program", names: "Names", zsh_folder: "str" = ZSH_FOLDER
) -> "Iterator[tuple[str, str]]":
    """Yield the path of each completion below the prefix of an installation, and its text."""
    name = program.name
    for path, lines in (
        (f"share/bash-completion/completions/{name}", _bash(program, names)),
        (f"{zsh_folder}/_{name}", _zsh(program, names)),
        (f"share/fish/vendor_completions.d/{name}.fish", _fish(program, names)),
    ):
        yield path, "\n".join(lines) + "\n"


def kind_of(option: "Option") -> "str":
    """Return the kind of an option's value; an empty text for free text."""
    return _KINDS_OF_OPTIONS.get(option.flags[-1], KINDS.get(option.metavar, ""))


def _kinds(program: "Program") -> "set[str]":
    """Return the kinds of all values and operands of a program."""
    options = (option for command in program.commands for option in command.options)
    return {*map(kind_of, options), *map(_operand_kind, program.commands)}


def _used(names: "Names", program: "Program") -> "dict[str, Sequence[str]]":
    """Return the kinds of names that a program takes, each with its names."""
    return {kind: words for kind, words in names.items() if kind in _kinds(program)}


def _head(program: "Program", shell: "str") -> "str":
    return (
        f"# {shell} completion for {program.name}.\n"
        "# Generated from the program's command line by tools/completions.py."
    )


def _engine(program: "Program", shell: "str") -> "Iterator[str]":
    """Yield the functions of a shell's engine that the program needs."""
    text = (_ENGINES / f"engine.{shell}").read_text("utf-8").rstrip()
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if _is_needed(line, program)]
        if lines[0] == block.split("\n")[0]:
            whole = "\n".join(lines).replace("CONTAINERS", _CONTAINERS)
            yield whole.replace("PROGRAM", program.name) + "\n"


def _is_needed(line: "str", program: "Program") -> "bool":
    """Tell whether a program needs a line; the first line of a function tells for all of it."""
    if "_PROGRAM_hand" in line:
        return any(command.hands_on for command in program.commands)
    kind = re.match(r" +@(\w+)\)|(?:function _)?_PROGRAM_(nodes|cpus|pairs|containers)\b", line)
    return not kind or (kind[1] or kind[2]) in {*_kinds(program), "files"}


def _choices(command: "Command") -> "tuple[str, ...]":
    """Return the words that may stand right after the command's name."""
    return tuple(word for one in command.operands for word in one.choices)


def _operand_kind(command: "Command") -> "str":
    """Return the kind of a command's operands."""
    return next((KINDS[one.metavar] for one in command.operands if one.metavar in KINDS), "")


# bash: one function tells what may stand in each place; completions/engine.bash does the rest


def _bash(program: "Program", names: "Names") -> "Iterator[str]":
    yield f"{_head(program, 'bash')}\n# shellcheck shell=bash\n"
    for kind, words in _used(names, program).items():
        yield "\n".join([f"_{program.name}_{kind}='", *(f"    {word}" for word in words), "'\n"])
    yield f"_{program.name}_takes() {{"
    yield "    # What may stand in a place: @KIND for a kind of words, and words themselves."
    yield "    case $1 in"
    firsts = [command.name for command in program.commands]
    firsts += [flag for option in program.options for flag in option.flags]
    yield _bash_case("first", " ".join(firsts))
    for command in program.commands:
        yield from _bash_cases(command)
    yield "        *) return 1 ;;\n    esac\n}\n"
    yield from _engine(program, "bash")
    yield f"complete -F _{program.name} {program.name}"


def _bash_cases(command: "Command") -> "Iterator[str]":
    flags = [flag for option in command.options for flag in option.flags]
    flags += [WORDS] if command.hands_on else []
    if flags:
        yield _bash_case(f"{command.name} options", " ".join(flags))
    for option in command.options:
        if option.metavar:
            places = "' | '".join(f"{command.name} {flag}" for flag in option.flags)
            yield _bash_case(places, _taken(option.choices, kind_of(option)))
    kind, choices = _operand_kind(command), _choices(command)
    if choices or kind == "containers":
        yield _bash_case(f"{command.name} first", _taken(choices, kind))
    if kind and kind != "containers":
        yield _bash_case(f"{command.name} any", _taken((), kind))


def _bash_case(place: "str", takes: "str") -> "str":
    return f"        '{place}') what='{takes}' ;;"


def _taken(choices: "tuple[str, ...]", kind: "str") -> "str":
    return " ".join([*choices, *([f"@{kind}"] if kind else [])])


# zsh: a call of _arguments for each command


_ZSH_ACTIONS = {
    "containers": "_{name}_containers",
    "cpus": "_{name}_cpus",
    "files": "_files",
    "nodes": "_{name}_nodes",
    "pairs": "_{name}_pairs",
}


def _zsh(program: "Program", names: "Names") -> "Iterator[str]":
    name = program.name
    yield f"#compdef {name}\n{_head(program, 'zsh')}\n"
    for kind, words in _used(names, program).items():
        yield "\n".join([f"_{name}_{kind}=(", *(f"    {word}" for word in words), ")\n"])
    yield from _engine(program, "zsh")
    for command in program.commands:
        yield _zsh_command(name, command)
    # Not "commands": that name is zsh's own.
    yield f"_{name}() {{\n    local curcontext=$curcontext line state\n    local -a choices"
    rows = [f"        '{one.name}:{_plain(one.help)}'" for one in program.commands]
    yield "\n".join(["    choices=(", *rows, "    )"])
    own = [f"        {_zsh_option(name, option, '(- :)')}" for option in program.options]
    yield " \\\n".join(
        ["    _arguments -C", *own, "        '1: :->command'", "        '*:: :->words'"]
    )
    yield _ZSH_TAIL.replace("PROGRAM", name)


_ZSH_TAIL = """\
    case $state in
        command) _describe -t commands command choices ;;
        words)
            curcontext=${curcontext%:*}-$words[1]:
            (($+functions[_PROGRAM-$words[1]])) && _PROGRAM-$words[1]
            ;;
    esac
}

_PROGRAM "$@\""""


def _zsh_command(name: "str", command: "Command") -> "str":
    specs = [_zsh_option(name, one) for one in command.options]
    specs += _zsh_operands(name, command)
    arguments = f"_arguments -s{' -S' if command.hands_on else ''}"
    body = [arguments, *(f"    {spec}" for spec in specs)] if specs else ["_message 'no argument'"]
    return f"_{name}-{command.name}() {{\n    " + " \\\n    ".join(body) + "\n}\n"


def _plain(text: "str") -> "str":
    """Escape a help text: brackets, colons and quotes have a meaning in zsh's specifications."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text).replace("'", "'\\''")


def _zsh_option(name: "str", option: "Option", excludes: "str" = "") -> "str":
    flags = option.flags
    excludes = excludes or ("" if option.repeats or len(flags) == 1 else f"({' '.join(flags)})")
    value = ""
    if option.metavar:
        value = f":{_plain(option.metavar)}:{_zsh_action(name, kind_of(option), option.choices)}"
    text = f"[{_plain(option.help)}]{value}'"
    star = "*" if option.repeats else ""
    spelled = [_zsh_flag(flag) if value else flag for flag in flags]
    if len(flags) == 1:
        return f"'{excludes}{star}{spelled[0]}{text}"
    return f"'{excludes}{star}'{{{','.join(spelled)}}}'{text}"


def _zsh_flag(flag: "str") -> "str":
    """Spell an option so that zsh lets its value follow without a space."""
    return f"{flag}=" if flag.startswith("--") else f"{flag}+"


def _zsh_action(name: "str", kind: "str", choices: "tuple[str, ...]") -> "str":
    if choices and not kind:
        return f"({' '.join(choices)})"
    if kind in _ZSH_ACTIONS:
        return _ZSH_ACTIONS[kind].format(name=name)
    return f"compadd -a _{name}_{kind}" if kind else " "


def _zsh_operands(name: "str", command: "Command") -> "Iterator[str]":
    kind, choices = _operand_kind(command), _choices(command)
    if choices and kind:
        both = f'_alternative "words: :({" ".join(choices)})" "files: :_files"'
        yield f"'1: :{{{both}}}'"
    elif choices or kind == "containers":
        yield f"'1: :{_zsh_action(name, kind, choices)}'"
    if command.hands_on:
        if kind:
            yield f"'1:{command.operands[0].metavar}:{_zsh_action(name, kind, ())}'"
        after = "_normal" if command.name == "run" else f"_{name}_handed_on"
        yield f"'*::: :{after}'"
    elif kind and kind != "containers":
        yield f"'*: :{_zsh_action(name, kind, ())}'"
    elif not choices and command.operands and not kind:
        yield f"'1:{command.operands[0].metavar}: '"


# fish: a call of complete for each word


def _fish(program: "Program", names: "Names") -> "Iterator[str]":
    name = program.name
    yield f"{_head(program, 'fish')}\n"
    for kind, words in _used(names, program).items():
        yield f"set -g __{name}_{kind} \\\n    " + " \\\n    ".join(words) + "\n"
    yield from _engine(program, "fish")
    yield f"complete -c {name} -f"
    for option in program.options:
        yield f"complete -c {name} -n __{name}_none {_fish_option(name, option)}"
    for command in program.commands:
        yield (
            f"complete -c {name} -n __{name}_none -a {command.name} -d '{_fish_text(command.help)}'"
        )
    for command in program.commands:
        here = f"complete -c {name} -n '__{name}_in {command.name}'"
        yield from (f"{here} {_fish_option(name, option)}" for option in command.options)
        yield from _fish_operands(name, command)


def _fish_text(text: "str") -> "str":
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _fish_option(name: "str", option: "Option") -> "str":
    words = [
        f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
    ]
    if option.metavar:
        words.append(f"-r {_fish_answer(name, kind_of(option), option.choices)}")
    return " ".join([*words, f"-d '{_fish_text(option.help)}'"])


def _fish_answer(name: "str", kind: "str", choices: "tuple[str, ...]") -> "str":
    """Return fish's options that offer the words of a kind, and files for a kind of files."""
    if kind == "files" and not choices:
        return "-F"
    if kind == "cpus":
        return f"-F -a '$__{name}_cpus'"
    if kind == "nodes":
        return f"-f -k -a '$__{name}_nodes (__{name}_nodes)'"
    if kind in {"containers", "pairs"}:
        return f"-f -a '(__{name}_{kind})'"
    words = " ".join(choices) if choices else f"$__{name}_{kind}"
    return f"-f -a '{words}'" if kind or choices else "-f"


def _fish_operands(name: "str", command: "Command") -> "Iterator[str]":
    kind, choices = _operand_kind(command), _choices(command)
    first = f"complete -c {name} -n '__{name}_first {command.name}'"
    if choices:
        yield f"{first} -a '{' '.join(choices)}'"
    if kind == "containers":
        yield f"{first} {_fish_answer(name, kind, ())}"
    elif kind:
        yield f"complete -c {name} -n '__{name}_in {command.name}' {_fish_answer(name, kind, ())}"
    if command.hands_on:
        words = f"__{name}_handed_on{' vzcptcheck' if command.name == 'replay' else ''}"
        yield f"complete -c {name} -n '__{name}_hands_on {command.name}' -f -a '({words})'"
