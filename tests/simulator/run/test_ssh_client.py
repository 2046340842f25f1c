"""The ssh of our own, by itself: what it reads of its arguments, asks, and does with an answer.

Against a supervisor it is in test_ssh.py.
"""

import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pytest

from simulator.run import ssh_client
from simulator.run.ssh_client import (
    ERROR,
    FAILED,
    REAL,
    STARTED,
    STATUS,
    main,
    pack,
    parse,
    split_target,
    unpack,
)
from support.running import finish


@pytest.mark.parametrize(
    ("words", "options", "host", "command"),
    [
        ("", {}, None, ""),
        ("-V", {"-V": ""}, None, ""),
        ("dest", {}, "dest", ""),
        ("dest ls -l", {}, "dest", "ls -l"),
        ("-n -p 22 dest -q ls -l", {"-n": "", "-p": "22", "-q": ""}, "dest", "ls -l"),
        ("-np22 dest --", {"-n": "", "-p": "22"}, "dest", ""),
        ("dest -- -n", {}, "dest", "-n"),
        ("-- dest -n", {}, "dest", "-n"),
        ("-n -- dest -- -n", {"-n": ""}, "dest", "-- -n"),
        ("-lmary dest", {"-l": "mary"}, "dest", ""),
        ("mary@dest", {"-l": "mary"}, "dest", ""),
        ("mary@dest -l jane", {"-l": "mary"}, "dest", ""),
        ("-l jane mary@dest", {"-l": "jane"}, "dest", ""),
        ("-l jane dest -l mary", {"-l": "jane"}, "dest", ""),
    ],
)
def test_arguments_are_read_as_ssh_reads_them(
    words: str, options: dict[str, str], host: str | None, command: str
) -> None:
    assert parse(words.split()) == (options, host, command.split())


@pytest.mark.parametrize(
    ("target", "user", "host"),
    [
        ("dest", "", "dest"),
        ("mary@dest", "mary", "dest"),
        ("mary@home@dest", "mary@home", "dest"),
        ("fe80::1", "", "fe80::1"),
        ("ssh://dest/", "", "dest"),
        ("ssh://dest:22", "", "dest"),
        ("ssh://mary@dest:22/", "mary", "dest"),
        # None of these is a target, nor a node's name.
        ("@dest", "", "@dest"),
        ("mary@", "mary", ""),
        ("ssh://@dest", "", "ssh://@dest"),
        ("ssh://dest/path", "", "dest/path"),
        ("ssh://mary:word@dest", "mary:word", "dest"),
    ],
)
def test_a_target_has_a_user_and_a_host(target: str, user: str, host: str) -> None:
    assert split_target(target) == (user, host)


@pytest.mark.parametrize("words", [[""], ["a", "", "b"], ["\udce9\udcff", "é", '\n\\"']])
def test_a_message_is_words_of_any_bytes(words: list[str]) -> None:
    assert unpack(pack(words)) == words


Captured: TypeAlias = pytest.CaptureFixture[str]


class Became(Exception):  # noqa: N818 (nothing is wrong)
    """This process would have become another program."""


class Asked:
    """The other side of the door: what was asked, and what is answered."""

    def __init__(self) -> None:
        self.channel, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.children = iter([0])

    def will_say(self, *answers: tuple[str, ...]) -> None:
        for words in answers:
            self.channel.send(pack(words))
        self.channel.shutdown(socket.SHUT_WR)

    def request(self) -> tuple[list[str], list[str]]:
        """Return the request's words and where its files lead to."""
        message, files, _, _ = socket.recv_fds(self.channel, 1 << 16, 3)
        links = [str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in files]
        for fd in files:
            os.close(fd)
        return unpack(message), links


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    made = Asked()
    monkeypatch.setattr(ssh_client, "_open_door", lambda: made.theirs)
    monkeypatch.setattr(os, "fork", lambda: next(made.children))
    yield made
    made.channel.close()
    made.theirs.close()


@pytest.fixture(autouse=True)
def executes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have a real ssh on PATH, behind other things of that name; return its path."""

    def execv(path: str, words: Sequence[str]) -> None:
        raise Became(path, *words)

    for name, mode in (("own", 0o755), ("text", 0o644), ("real", 0o755)):
        program = tmp_path / name / "ssh"
        program.parent.mkdir()
        program.touch()
        program.chmod(mode)
    (tmp_path / "folder" / "ssh").mkdir(parents=True)
    (tmp_path / "link").symlink_to("own")
    folders = ("own", "own/", "link", "nowhere", "folder", "text", "real")
    monkeypatch.setenv("PATH", ":".join(f"{tmp_path}/{name}" for name in folders))
    monkeypatch.setattr(os, "execv", execv)
    return tmp_path / "real" / "ssh"


def ssh(folder: Path, *words: str) -> int:
    return main([f"{folder}/hidden", f"{folder}/own/ssh", *words])


class TestAsking:
    def test_the_request(
        self, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in os.environ:
            monkeypatch.delenv(name)
        environment = ["LANG=C", "LANGUAGE=de", "LC_ALL=C", "PATH=/a:/b", "TERM=vt100"]
        for word in (*environment, "HOME=/", "PATHS=/", "LCD=1"):
            monkeypatch.setenv(*word.split("=", 1))
        asked.will_say((STARTED,), (STATUS, "7"))
        assert ssh(tmp_path, "-q", "-N", "-L1:h:2", "mary@dest", "a  b", "c") == 7
        words, files = asked.request()
        assert words[:4] == ["dest", "mary", "a  b c", "-L -N"]
        assert sorted(words[4:]) == environment
        assert files == [str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in range(3)]

    @pytest.mark.parametrize("option", ["-n", "-f"])
    def test_without_standard_input(self, asked: Asked, tmp_path: Path, option: str) -> None:
        asked.will_say((STARTED,), (STATUS, "3"))
        assert ssh(tmp_path, option, "dest", "true") == 3
        assert asked.request()[1][0] == os.devnull

    def test_with_f_it_does_not_wait_for_the_end(self, asked: Asked, tmp_path: Path) -> None:
        asked.children = iter([4242])
        asked.will_say((STARTED,))
        assert ssh(tmp_path, "-f", "dest", "true") == 0

    @pytest.mark.parametrize(
        ("answers", "says"),
        [
            ([], "the run has ended"),
            ([(STARTED,)], "the run has ended"),
            ([(ERROR, "there is no user mary")], "there is no user mary"),
        ],
    )
    def test_an_error_or_a_run_that_ends_before(
        self, asked: Asked, tmp_path: Path, answers: list[tuple[str]], says: str, capfd: Captured
    ) -> None:
        asked.will_say(*answers)
        assert ssh(tmp_path, "mary@dest", "true") == FAILED
        assert capfd.readouterr().err == f"ssh: dest: {says}\n"

    def test_outside_of_a_run(self, tmp_path: Path, capfd: Captured) -> None:
        assert ssh(tmp_path, "dest", "true") == FAILED
        expected = f"ssh: dest: [Errno 2] No such file or directory: '{ssh_client.DOOR}'\n"
        assert capfd.readouterr().err == expected


class TestTheRealSsh:
    @pytest.mark.parametrize(
        "words", ["", "-V", "-Q cipher", "dest -G", "-O exit dest", "-Z", "-l"]
    )
    def test_it_is_asked_what_is_its_own(self, tmp_path: Path, executes: Path, words: str) -> None:
        with pytest.raises(Became) as became:
            ssh(tmp_path, *words.split())
        assert became.value.args == (str(executes), "ssh", *words.split())

    @pytest.mark.parametrize("options", [[], ["-F", "/folder of mine/config"]])
    def test_it_is_what_the_answer_says(
        self, asked: Asked, tmp_path: Path, executes: Path, options: list[str]
    ) -> None:
        asked.will_say((REAL, *options))
        with pytest.raises(Became) as became:
            ssh(tmp_path, "-n", "elsewhere", "true")
        assert became.value.args == (str(executes), "ssh", *options, "-n", "elsewhere", "true")

    def test_without_one_that_is_an_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured
    ) -> None:
        monkeypatch.setenv("PATH", f"{tmp_path}/own")
        with pytest.raises(SystemExit) as ended:
            ssh(tmp_path, "-V")
        assert ended.value.code == FAILED
        assert capfd.readouterr().err == "ssh: there is no other ssh on PATH\n"


@pytest.mark.parametrize("closed", [(), (0,), (1, 2), (0, 1, 2)])
def test_standard_files_are_there_and_no_others(closed: tuple[int, ...]) -> None:
    script = f"""
import os
from simulator.run import ssh_client
for fd in {closed}:
    os.close(fd)
ssh_client._have_standard_files()
with open({os.devnull!r}) as after:
    number = after.fileno()
os._exit(number + all(os.path.exists(f"/proc/self/fd/{{fd}}") for fd in range(3)))
"""
    assert finish([sys.executable, "-c", script]).returncode == 4


@pytest.mark.parametrize(("before", "ignored"), [("", set()), ("trap '' INT;", {signal.SIGINT})])
def test_signals_are_to_ssh_what_they_were(tmp_path: Path, before: str, ignored: set[int]) -> None:
    real = tmp_path / "real" / "ssh"
    real.write_text("#!/bin/sh\ngrep SigIgn /proc/self/status\n", "utf-8")
    command = f'{before} exec "{sys.executable}" "{ssh_client.__file__}" "" /bin/sh -V'
    environment = {**os.environ, "PATH": f"{real.parent}:{os.defpath}"}
    ended = finish(["/bin/sh", "-c", command], environment)
    mask = int(ended.stdout.split()[1], 16)
    shown = {signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ}
    assert {number for number in shown if mask >> number - 1 & 1} == ignored, ended.stderr
