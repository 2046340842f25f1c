"""The command line of vzcptcheck(8): what is asked, and how the answer is written.

It is parsed by hand: argparse alone would cost more than the whole of ``vzcptcheck version``.
"""

import sys

from vzcptcheck.errors import CheckError, UsageError, describe_failure
from vzcptcheck.outcome import ExitStatus, Outcome, printable_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import List, Sequence, TextIO

    from vzcptcheck.syscalls import Syscalls

USAGE = """\
Usage: vzcptcheck version [NUM]
       vzcptcheck caps [[CTID] CAPNUM]
       vzcptcheck capture [-o FILE] [--mode MODE] [--ct ID]... [--anonymize]
       vzcptcheck capture --cpus [--instruction] [-o FILE] [--mode MODE]
       vzcptcheck explain version NUM [--json]
       vzcptcheck explain caps NUM [OTHER] [--json]
       vzcptcheck image FILE [--json]
       vzcptcheck help

  version           show the image version that this node writes (source)
  version NUM       can this node restore image version NUM? (destination)
  caps              show this node's capability number (destination)
  caps CAPNUM       can a container suspended on this node go there? (source)
  caps CTID CAPNUM  can the running container CTID go there? (source)
  capture           this node's profile, for vzcptsim; '-' is standard output
  explain           a number, or two capability numbers compared, in words
  image             a checkpoint image in words; is it whole? (2: it is not)

Exit status: 0 yes or done, 2 no, 1 error. See vzcptcheck(8).
"""

_HELP = ("help", "--help", "-h")


def main(
    arguments: "Sequence[str] | None" = None,
    syscalls: "Syscalls | None" = None,
    stdout: "TextIO | None" = None,
    stderr: "TextIO | None" = None,
) -> "int":
    """Run one command and return its exit status.

    ``arguments`` are those after the program's name; ``syscalls`` answers for the kernel. What
    is not given is the process's own.
    """
    stdout = sys.stdout if stdout is None else stdout
    stderr = sys.stderr if stderr is None else stderr
    try:
        outcome = run(sys.argv[1:] if arguments is None else arguments, syscalls)
    except UsageError as error:
        outcome = _failure(error)
        if error.show_usage:
            outcome.usage = USAGE
    except CheckError as error:
        outcome = _failure(error)
    except KeyboardInterrupt:
        outcome = Outcome(ExitStatus.INTERRUPTED, remarks=["interrupted"])
    return _write(outcome, stdout, stderr)


def run(arguments: "Sequence[str]", syscalls: "Syscalls | None") -> "Outcome":
    """Carry out the command that ``arguments`` spell; CheckError where that fails."""
    if not arguments or arguments[0] in _HELP:
        if len(arguments) > 1:
            raise UsageError("help takes no argument", show_usage=True)
        return Outcome(ExitStatus.YES, USAGE)
    if arguments[0] == "--version":
        from vzcptcheck import __version__

        return Outcome(ExitStatus.YES, f"vzcptcheck {__version__}\n")
    command = _COMMANDS.get(arguments[0])
    if command is None:
        raise _unknown("unknown property", arguments[0], _COMMANDS)
    return command(list(arguments[1:]), syscalls)


def _version(words: "List[str]", syscalls: "Syscalls | None") -> "Outcome":
    _require_count("version", words, 1)
    numbers = [_number(word, "image version") for word in words]
    from vzcptcheck import commands

    if numbers:
        return commands.test_version(_kernel(syscalls), numbers[0])
    return commands.show_version(_kernel(syscalls))


def _caps(words: "List[str]", syscalls: "Syscalls | None") -> "Outcome":
    _require_count("caps", words, 2)
    names = ("container", "capability number")[2 - len(words) :]
    numbers = [_number(word, name) for word, name in zip(words, names)]
    from vzcptcheck import commands

    if not numbers:
        return commands.show_caps(_kernel(syscalls))
    if len(numbers) == 1:
        return commands.test_node(_kernel(syscalls), numbers[0])
    if numbers[0] == 0:
        raise UsageError("container 0 is the node itself", "Name a container, from 1.")
    return commands.test_container(_kernel(syscalls), numbers[0], numbers[1])


def _explain(words: "List[str]", _: "Syscalls | None") -> "Outcome":
    words, as_json = _take_json("explain", words)
    from vzcptcheck import explain

    if words[:1] == ["version"] and len(words) == 2:
        return explain.explain_version(_number(words[1], "image version"), as_json)
    if words[:1] == ["caps"] and len(words) in (2, 3):
        numbers = [_number(word, "capability number") for word in words[1:]]
        return explain.explain_caps(numbers[0], numbers[1] if numbers[1:] else None, as_json)
    raise UsageError("explain takes 'version NUM' or 'caps NUM [OTHER]'", show_usage=True)


def _image(words: "List[str]", syscalls: "Syscalls | None") -> "Outcome":
    paths, as_json = _take_json("image", words)
    if len(paths) != 1:
        raise UsageError("image takes one file", show_usage=True)
    from vzcptcheck.image_command import show_image

    return show_image(_kernel(syscalls), paths[0], as_json)


def _take_json(command: "str", words: "List[str]") -> "tuple[List[str], bool]":
    """Take --json out of the words; UsageError where there is another option among them."""
    rest = [word for word in words if word != "--json"]
    for word in rest:
        if word.startswith("--"):
            raise _unknown(f"{command}: unknown argument", word, ("--json",))
    return rest, len(rest) < len(words)


def _unknown(what: "str", word: "str", known: "Iterable[str]") -> "UsageError":
    """Return the error of a word that means nothing, which says what it is near to."""
    from vzcptcheck.arguments import near

    return UsageError(f"{what} {word!r}{near(word, known)}", show_usage=True)


def _capture(words: "List[str]", syscalls: "Syscalls | None") -> "Outcome":
    from vzcptcheck.capture_command import run_capture

    return run_capture(words, _kernel(syscalls))


_COMMANDS = {
    "version": _version,
    "caps": _caps,
    "capture": _capture,
    "explain": _explain,
    "image": _image,
}


def _require_count(name: "str", words: "List[str]", most: "int") -> "None":
    if len(words) > most:
        raise UsageError(
            "{} takes at most {} argument{}, not {}".format(
                name, most, "s" if most > 1 else "", len(words)
            ),
            show_usage=True,
        )


def _number(word: "str", what: "str") -> "int":
    from vzcptcheck.arguments import parse_number

    return parse_number(word, what)


def _kernel(syscalls: "Syscalls | None") -> "Syscalls":
    if syscalls is None:
        from vzcptcheck.syscalls import LinuxSyscalls

        syscalls = LinuxSyscalls()
    return syscalls


def _failure(error: "CheckError") -> "Outcome":
    hints = ["  " + error.hint] if error.hint else []
    return Outcome(ExitStatus.ERROR, remarks=[error.message, *hints])


def _write(outcome: "Outcome", stdout: "TextIO | None", stderr: "TextIO | None") -> "int":
    """Write the answer and the remarks; an answer that cannot be written whole is an error."""
    status = outcome.status
    if outcome.answer:
        problem = _write_all(stdout, outcome.answer)
        if problem:
            status = ExitStatus.ERROR
            outcome.remarks.append("standard output: " + problem)
    if outcome.remarks:
        # The status stands even where nobody can be told why.
        _write_all(stderr, outcome.usage + _remarks_text(outcome.remarks))
    return status


def _remarks_text(remarks: "List[str]") -> "str":
    """Put the program's name before the first remark, and each that does not go on with another."""
    return "".join(
        "{}{}\n".format(
            "" if number and remark.startswith(" ") else "vzcptcheck: ", printable_lines(remark)
        )
        for number, remark in enumerate(remarks)
    )


def _write_all(stream: "TextIO | None", text: "str") -> "str":
    """Write and flush; return what went wrong, or nothing."""
    if stream is None:
        return "it is closed"
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        _forget(stream)
        return describe_failure(error)
    except ValueError as error:
        _forget(stream)
        return str(error)
    return ""


def _forget(stream: "TextIO") -> "None":
    """Close a stream that does not take its text, so that nobody flushes it again."""
    try:
        stream.close()
    except (OSError, ValueError):
        pass
