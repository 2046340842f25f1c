"""The ssh of simulated nodes: if the host is a node, the command runs there.

It is run by its path, by a Python that sees no other package, so it imports little. Other hosts,
and what only the real ssh can do, are left to the real one. What it asks, and what it is answered,
are words: paths and commands hold any byte but 0, which is between them.

Sources: ssh(1), and OpenSSH's ssh.c for the order of options.
"""

import getopt
import os
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

#: Where the supervisor answers; there is no such file, here or on a node.
DOOR = "/dev/vzcptsim/ssh"

#: What ssh itself ends with when it fails.
FAILED = 255

#: First words of answers. STATUS has the command's, and comes later than STARTED; REAL has the
#: options with which to become the real ssh; ERROR has a text.
STARTED, STATUS, REAL, ERROR = "started", "status", "real", "error"

_OPTIONS = "1246ab:c:e:fgi:kl:m:no:p:qstvxAB:CD:E:F:GI:J:KL:MNO:P:Q:R:S:TVw:W:XYy"

#: Options that ask something of ssh itself, and those that take a real sshd.
_OF_SSH = {"-G", "-O", "-Q", "-V"}
_OF_SSHD = {"-D", "-L", "-N", "-R", "-W", "-s", "-w"}

_KEPT = ("LANG", "LANGUAGE", "PATH", "TERM")
_ANSWER = 1 << 16


def pack(words: Iterable[str]) -> bytes:
    """Write words as a message."""
    return b"\0".join(map(os.fsencode, words))


def unpack(message: bytes) -> list[str]:
    """Read the words of a message."""
    return list(map(os.fsdecode, message.split(b"\0")))


def main(arguments: Sequence[str]) -> int:
    """Run ``REAL OWN-PATH ARGUMENTS...`` as ssh does; return the exit status.

    REAL is another path of the real ssh, where this one is in its place.
    """
    real, own, *words = arguments
    _have_standard_files()
    try:
        options, host, command = parse(words)
    except getopt.GetoptError:
        _become_real_ssh(real, own, words)
    if host is None or _OF_SSH & set(options):
        _become_real_ssh(real, own, words)
    try:
        kind, *rest = _ask(options, host, command)
    except OSError as error:
        kind, *rest = ERROR, str(error)
    if kind == REAL:
        _become_real_ssh(real, own, [*rest, *words])
    if kind == ERROR:
        _say(f"{host}: {rest[0]}")
        return FAILED
    return int(rest[0])


def parse(words: Sequence[str]) -> tuple[dict[str, str], str | None, list[str]]:
    """Return options, host and command; a target's user is option -l.

    Options come before the target or after it. Of one that is given twice the first counts.
    """
    before, rest = getopt.getopt(list(words), _OPTIONS)
    if not rest:
        return dict(before), None, []
    target, *command = rest
    after: list[tuple[str, str]] = []
    if words[: len(words) - len(rest)][-1:] != ["--"]:
        after, command = getopt.getopt(command, _OPTIONS)
    user, host = split_target(target)
    named = [("-l", user)] if user else []
    return dict(reversed([*before, *named, *after])), host, command


def split_target(target: str) -> tuple[str, str]:
    """Return user and host of ``[user@]host`` or ``ssh://[user@]host[:port][/]``.

    A user who is not named is empty. What is no target at all is no node's name either.
    """
    plain = target.removeprefix("ssh://")
    user, _, host = plain.rpartition("@")
    if plain != target:
        host = host.removesuffix("/").partition(":")[0]
    return (user, host) if user or "@" not in plain else ("", target)


def _ask(options: Mapping[str, str], host: str, command: Sequence[str]) -> list[str]:
    """Have the supervisor run the command; return its last answer."""
    user, beyond = options.get("-l", ""), " ".join(sorted(_OF_SSHD & set(options)))
    kept = [
        f"{name}={value}"
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith("LC_")
    ]
    request = pack([host, user, " ".join(command), beyond, *kept])
    silent = not {"-f", "-n"}.isdisjoint(options)
    stdin = os.open(os.devnull, os.O_RDONLY) if silent else 0
    with _open_door() as channel:
        socket.send_fds(channel, [request], [stdin, 1, 2])
        answer = _receive(channel)
        if answer == [STARTED]:
            if "-f" in options and os.fork():
                return [STATUS, "0"]
            answer = _receive(channel)
    return answer


def _open_door() -> socket.socket:
    return socket.socket(fileno=os.open(DOOR, os.O_RDWR))


def _receive(channel: socket.socket) -> list[str]:
    message = channel.recv(_ANSWER)
    return unpack(message) if message else [ERROR, "the run has ended"]


def _become_real_ssh(real: str, own: str, words: Sequence[str]) -> "NoReturn":
    """Become the ssh that PATH has besides this one, or that this one hides."""
    for path in (*(os.path.join(folder, "ssh") for folder in os.get_exec_path()), real):
        is_program = os.path.isfile(path) and os.access(path, os.X_OK)
        if is_program and not os.path.samefile(path, own):
            os.execv(path, ["ssh", *words])
    _say("there is no other ssh on PATH")
    sys.exit(FAILED)


def _have_standard_files() -> None:
    """Open standard files that are closed, as ssh does: no later file may get their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _have_usual_signals() -> None:
    """Reset Python's signal handlers: Ctrl-C ends ssh at once, and the real one inherits this."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def _say(text: str) -> None:
    os.write(2, os.fsencode(f"ssh: {text}\n"))


if __name__ == "__main__":
    _have_usual_signals()
    sys.exit(main(sys.argv[1:]))
