"""The command line: what is asked, and how the answer is written."""

import errno
import io
import sys

import pytest

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import CPT, RST, FakeKernel, run_command
from support.vzcptcheck_fakes import error as os_error
from vzcptcheck import __version__, syscalls
from vzcptcheck.cli import USAGE, main

NOT_A_NUMBER = "is not a number\n  Write it in decimal, or in hexadecimal with 0x.\n"
TOO_LARGE = "is too large: the kernel takes at most 2147483647\n"
EXPLAIN_TAKES = "explain takes 'version NUM' or 'caps NUM [OTHER]'"


def node():
    """Make a node that says yes to every question."""
    return FakeKernel(
        {
            fakes.OWN_VERSION: 2051,
            fakes.TAKES_VERSION: 1,
            fakes.COMPARE_CAPS: 0,
            fakes.OWN_CAPS: 511,
            fakes.TEST_VECAPS: 0,
        }
    )


class TestHelp:
    @pytest.mark.parametrize("arguments", [[], ["help"], ["--help"], ["-h"]])
    def test_the_usage_is_the_answer(self, arguments):
        assert run_command(None, *arguments) == (0, USAGE, "")

    @pytest.mark.parametrize("word", ["help", "--help", "-h"])
    def test_it_takes_no_argument(self, word):
        assert run_command(None, word, "caps") == (
            1,
            "",
            USAGE + "vzcptcheck: help takes no argument\n",
        )

    def test_the_usage_names_every_command(self):
        for command in ("version [NUM]", "caps [[CTID] CAPNUM]", "explain", "help"):
            assert "vzcptcheck " + command in USAGE
        assert max(map(len, USAGE.splitlines())) <= 80

    def test_the_programs_own_version(self):
        assert run_command(None, "--version") == (0, f"vzcptcheck {__version__}\n", "")


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "answer"),
        [
            (["version"], "2051\n"),
            (["version", "2051"], ""),
            (["version", " 0x803\n"], ""),
            (["caps"], "511\n"),
            (["caps", "511"], ""),
            (["caps", "0"], ""),
            (["caps", "101", "511"], ""),
            (["caps", "1", "0x0"], ""),
        ],
    )
    def test_what_is_spelt_right_is_asked(self, arguments, answer):
        assert run_command(node(), *arguments) == (0, answer, "")

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            (["version", "1", "2"], "version takes at most 1 argument, not 2"),
            (["caps", "1", "2", "3"], "caps takes at most 2 arguments, not 3"),
            (["versions"], "unknown property 'versions'; did you mean version?"),
            (["CAPS"], "unknown property 'CAPS'; did you mean caps?"),
            (["770"], "unknown property '770'"),
            (["-v"], "unknown property '-v'"),
            ([""], "unknown property ''"),
            (["\x1b[2J"], "unknown property '\\x1b[2J'"),
            (["\udcff"], "unknown property '\\udcff'"),
            (["explain"], EXPLAIN_TAKES),
            (["explain", "--json"], EXPLAIN_TAKES),
            (["explain", "version"], EXPLAIN_TAKES),
            (["explain", "version", "1", "2"], EXPLAIN_TAKES),
            (["explain", "caps"], EXPLAIN_TAKES),
            (["explain", "caps", "1", "2", "3"], EXPLAIN_TAKES),
            (["explain", "770"], EXPLAIN_TAKES),
        ],
    )
    def test_what_is_no_command_shows_the_usage_on_stderr(self, arguments, problem):
        kernel = node()
        assert run_command(kernel, *arguments) == (1, "", f"{USAGE}vzcptcheck: {problem}\n")
        assert kernel.calls == []

    @pytest.mark.parametrize(
        ("arguments", "quoted", "complaint"),
        [
            (["version", "new"], "image version 'new'", NOT_A_NUMBER),
            (
                ["version", ""],
                "image version ''",
                "is empty\n  Did the command that should have printed it fail?\n",
            ),
            (["version", "--json"], "image version '--json'", NOT_A_NUMBER),
            (
                ["caps", "-1"],
                "capability number '-1'",
                "is negative\n  Give the number as the other node printed it.\n",
            ),
            (["caps", "x", "511"], "container 'x'", NOT_A_NUMBER),
            (
                ["caps", "101", "1ff"],
                "capability number '1ff'",
                "is not a decimal number\n  Write hexadecimal with 0x: 0x1ff.\n",
            ),
            (["caps", "101", "4294967807"], "capability number '4294967807'", TOO_LARGE),
            (["caps", "2147483648", "511"], "container '2147483648'", TOO_LARGE),
            (
                ["caps", "0", "511"],
                "container 0",
                "is the node itself\n  Name a container, from 1.\n",
            ),
            (["explain", "caps", "1", "\udcff"], "capability number '\\udcff'", NOT_A_NUMBER),
            (["explain", "version", "3_0"], "image version '3_0'", NOT_A_NUMBER),
        ],
    )
    def test_a_bad_number_is_quoted_and_no_node_is_asked(self, arguments, quoted, complaint):
        kernel = node()
        assert run_command(kernel, *arguments) == (1, "", f"vzcptcheck: {quoted} {complaint}")
        assert kernel.calls == []


class TestDefaults:
    def test_arguments_and_streams_are_the_processes_own(self, monkeypatch, capsys):
        monkeypatch.setattr(sys, "argv", ["vzcptcheck", "explain", "caps", "0"])
        assert main() == 0
        assert capsys.readouterr() == ("0 = 0x00000000\n  nothing\n", "")

    def test_the_kernel_is_the_running_one(self, monkeypatch):
        kernel = node()
        monkeypatch.setattr(syscalls, "LinuxSyscalls", lambda: kernel)
        assert run_command(None, "version") == (0, "2051\n", "")


class BrokenStream(io.StringIO):
    """A stream that takes no text; closing it may fail as well."""

    def __init__(self, failure, closing=None):
        super().__init__()
        self.failure = failure
        self.closing = closing
        self.closings = 0

    def flush(self):
        raise self.failure

    def close(self):
        self.closings += 1
        if self.closing:
            raise self.closing


FAILURES = [
    (os_error(errno.ENOSPC), "No space left on device (ENOSPC)"),
    (os_error(errno.EPIPE), "Broken pipe (EPIPE)"),
    (ValueError("I/O operation on closed file."), "I/O operation on closed file."),
]


class TestStreams:
    @pytest.mark.parametrize(("failure", "words"), FAILURES)
    @pytest.mark.parametrize("closing", [None, os_error(errno.ENOSPC), ValueError("closed")])
    def test_an_answer_that_cannot_be_written_is_an_error(self, failure, words, closing):
        stdout, stderr = BrokenStream(failure, closing), io.StringIO()
        assert main(["caps"], node(), stdout, stderr) == 1
        assert stderr.getvalue() == f"vzcptcheck: standard output: {words}\n"
        # Python must not flush it once more at the end, and complain.
        assert stdout.closings == 1

    def test_a_closed_stdout_is_an_error(self, monkeypatch):
        # So Python has it, where descriptor 1 is closed.
        monkeypatch.setattr(sys, "stdout", None)
        stderr = io.StringIO()
        assert main(["version"], node(), stderr=stderr) == 1
        assert stderr.getvalue() == "vzcptcheck: standard output: it is closed\n"

    def test_a_command_without_an_answer_needs_no_stdout(self):
        stdout, stderr = BrokenStream(os_error(errno.EIO)), io.StringIO()
        assert main(["version", "2051"], node(), stdout, stderr) == 0
        assert stderr.getvalue() == ""

    @pytest.mark.parametrize(("failure", "_words"), FAILURES)
    def test_the_status_stands_where_nobody_can_be_told_why(self, failure, _words):
        kernel = FakeKernel({fakes.COMPARE_CAPS: os_error(errno.ENOSYS)})
        assert main(["caps", "511"], kernel, io.StringIO(), BrokenStream(failure)) == 0
        assert main(["nothing"], kernel, io.StringIO(), BrokenStream(failure)) == 1

    def test_the_status_stands_without_a_stderr(self, monkeypatch):
        monkeypatch.setattr(sys, "stderr", None)
        kernel = FakeKernel({fakes.TEST_VECAPS: 6})
        kernel.answers[CPT, 0x40042D1E] = os_error(errno.EINVAL)
        assert main(["caps", "101", "511"], kernel, io.StringIO()) == 2

    def test_both_streams_broken(self):
        broken = BrokenStream(os_error(errno.EIO)), BrokenStream(os_error(errno.EIO))
        assert main(["help"], None, *broken) == 1

    def test_an_answer_is_ascii_whatever_the_locale(self):
        class Ascii(io.StringIO):
            def write(self, text):
                text.encode("ascii")
                return super().write(text)

        stdout = Ascii()

        for arguments in (["help"], ["explain", "caps", "2147483647"], ["version"]):
            assert main(arguments, node(), stdout, io.StringIO()) == 0


class TestInterrupt:
    def interrupt(self, _argument):
        raise KeyboardInterrupt

    @pytest.mark.parametrize(
        ("path", "request_number", "arguments"),
        [
            (CPT, fakes.CPT_TEST_VERSION, ["version"]),
            (RST, fakes.CPT_TEST_CAPS, ["caps"]),
            (CPT, fakes.CPT_TEST_VECAPS, ["caps", "101", "511"]),
        ],
    )
    def test_it_ends_with_130_and_leaves_nothing_open(self, path, request_number, arguments):
        kernel = FakeKernel({(path, request_number): self.interrupt})
        assert run_command(kernel, *arguments) == (130, "", "vzcptcheck: interrupted\n")
        assert kernel.open_paths == []
