"""The program as a process: its exit status, and nothing on stderr that it did not mean to say."""

import io
import os
import runpy
import subprocess
import sys

import pytest

import vzcptcheck
from vzcptcheck.cli import USAGE

PACKAGE = os.path.dirname(os.path.abspath(vzcptcheck.__file__))
ROOT = os.path.dirname(PACKAGE)

#: It is run by its path: pytest may have its own loader for the module.
MAIN = os.path.join(PACKAGE, "__main__.py")

#: A shell runs this: the program's arguments, and what becomes of its streams.
PROGRAM = 'exec "$PYTHON" -m vzcptcheck '


def run_in_shell(command, **how):
    """Run a command line of the shell; return its status, stdout and stderr."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env={"PYTHON": sys.executable, "PYTHONPATH": ROOT, "PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        stdout=how.get("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


def reported(problem):
    return "vzcptcheck: standard output: " + problem + "\n"


NO_SPACE = reported("No space left on device (ENOSPC)")
CLOSED = reported("it is closed")


@pytest.mark.parametrize(
    ("command", "status", "stdout", "stderr"),
    [
        ("help", 0, USAGE, ""),
        ("", 0, USAGE, ""),
        ("explain caps 0", 0, "0 = 0x00000000\n  nothing\n", ""),
        ("nothing", 1, "", USAGE + "vzcptcheck: unknown property 'nothing'\n"),
        # Standard output that takes nothing.
        ("help >/dev/full", 1, "", NO_SPACE),
        ("explain caps 1 --json >/dev/full", 1, "", NO_SPACE),
        ("help >&-", 1, "", CLOSED),
        ("help <&- >&-", 1, "", CLOSED),
        ("help </dev/null >&0", 1, "", reported("Bad file descriptor (EBADF)")),
        # Where there is nothing to write, it does not matter.
        ("nothing >/dev/full", 1, "", USAGE + "vzcptcheck: unknown property 'nothing'\n"),
        ("nothing >&-", 1, "", USAGE + "vzcptcheck: unknown property 'nothing'\n"),
        # Standard error that takes nothing: the status stands.
        ("help 2>/dev/full", 0, USAGE, ""),
        ("help 2>&-", 0, USAGE, ""),
        ("nothing 2>/dev/full", 1, "", ""),
        ("nothing 2>&-", 1, "", ""),
        ("help >/dev/full 2>/dev/full", 1, "", ""),
        ("help >&- 2>&-", 1, "", ""),
        ("help <&- >&- 2>&-", 1, "", ""),
    ],
)
def test_the_status_and_both_streams(command, status, stdout, stderr):
    assert run_in_shell(PROGRAM + command) == (status, stdout, stderr)


@pytest.mark.parametrize("arguments", ["help", "explain version 2051", "--version"])
def test_a_pipe_whose_reader_is_gone_is_an_error(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        status, _, stderr = run_in_shell(PROGRAM + arguments, stdout=writing)
    finally:
        os.close(writing)
    assert (status, stderr) == (1, reported("Broken pipe (EPIPE)"))


def test_an_argument_that_is_no_text_is_quoted():
    status, stdout, stderr = run_in_shell(PROGRAM + "version \"$(printf 'a\\377\\033')\"")
    assert (status, stdout) == (1, "")
    assert stderr.startswith("vzcptcheck: image version 'a\\udcff\\x1b' is not a number\n")


@pytest.mark.skipif(os.path.exists("/proc/vz"), reason="asks a kernel that is not OpenVZ's")
@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ("version", "/proc/cpt"),
        ("version 2051", "/proc/rst"),
        ("caps", "/proc/rst"),
        ("caps 511", "/proc/cpt"),
        ("caps 101 511", "/proc/cpt"),
    ],
)
def test_the_running_kernel_is_asked(arguments, path):
    assert run_in_shell(PROGRAM + arguments) == (
        1,
        "",
        f"vzcptcheck: {path}: open: No such file or directory (ENOENT)\n"
        "  This kernel is not OpenVZ's: run vzcptcheck on an OpenVZ node.\n",
    )


def test_the_module_exits_with_the_commands_status(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["vzcptcheck", "explain", "caps", "0"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(MAIN, run_name="__main__")
    assert caught.value.code == 0
    assert capsys.readouterr().out == "0 = 0x00000000\n  nothing\n"


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_interrupt_while_the_module_starts_is_one_line(monkeypatch, is_closed):
    def interrupt():
        raise KeyboardInterrupt

    stderr = io.StringIO()
    monkeypatch.setattr("vzcptcheck.cli.main", interrupt)
    monkeypatch.setattr(sys, "stderr", None if is_closed else stderr)
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(MAIN, run_name="__main__")
    assert caught.value.code == 130
    assert stderr.getvalue() == ("" if is_closed else "vzcptcheck: interrupted\n")


def test_the_module_does_nothing_when_it_is_imported(capsys):
    assert "main" not in runpy.run_path(MAIN, run_name="imported")
    assert capsys.readouterr() == ("", "")
