"""Text that no kernel writes, in the files that 'capture' reads: facts or one error, never more."""

import json
import struct
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import CPT, HEADER, FakeKernel, run_command
from vzcptcheck.anonymize import anonymize
from vzcptcheck.cpuid import Registers
from vzcptcheck.errors import CheckError
from vzcptcheck.leaves import read_leaves
from vzcptcheck.outcome import printable
from vzcptcheck.processors import survey_processors
from vzcptcheck.syscalls import LinuxSyscalls

VEINFO, CMDLINE = "/proc/vz/veinfo", "/proc/cmdline"
CPUINFO = "/proc/cpuinfo"
CPU = {
    0: struct.pack("<4I", 0, 0x756E6547, 0x6C65746E, 0x49656E69),
    **dict.fromkeys((1, 0x40000000, 0x80000000, 0x80860000, 0xC0000000), bytes(16)),
}

INT_MAX = 0x7FFFFFFF

#: What str.isdigit() takes for digits, and int() does not; what a terminal obeys.
ODD = "\u00b2\u0661\u2460\x1b\x9b\x00\t -"

words = st.one_of(
    st.text(st.sampled_from("0123456789" + ODD), max_size=12),
    st.integers(0, 1 << 40).map(str),
    st.integers(1, 5000).map(lambda count: "9" * count),
    st.text(max_size=6),
)
lines = st.lists(words, max_size=5).map(" ".join)
texts = st.lists(lines, max_size=4).map("\n".join)


class Node(FakeKernel):
    """A node on which whatever was opened is closed, and no number is too large for an ioctl."""

    def ioctl(self, fd, request, argument):
        if not isinstance(argument, bytearray) and argument > INT_MAX:
            raise OverflowError("signed integer is greater than maximum")
        return super(Node, self).ioctl(fd, request, argument)


def node(**files):
    """Make a node of files: those named, and good ones."""
    content = {
        CPT: HEADER,
        VEINFO: b"         0     0   120\n",
        CMDLINE: b"ro quiet\n",
        CPUINFO: b"processor : 0\nflags : fpu\n\n",
        "/dev/cpu/0/cpuid": CPU,
    }
    content.update(files)
    answers = {
        fakes.OWN_VERSION: 0x803,
        fakes.TEST_VECAPS: 0,
        fakes.TEST_VECAPS2: 0,
        fakes.TAKES_VERSION: 1,
        fakes.OWN_CAPS: 5,
    }
    return Node(answers, existing=("/proc/vz", "/proc/bc"), files=content)


def capture(path, text):
    """Capture a node with this text in a file; return the profile, None where it is refused."""
    there = node(**{path: text.encode("utf-8", "surrogatepass")})
    status, stdout, stderr = run_command(there, "capture")

    assert there.open_paths == []
    assert all(char == "\n" or char.isprintable() for char in stdout + stderr)
    assert len(stderr) < 4000
    if status == 0:
        return json.loads(stdout)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("vzcptcheck: " + path)
    return None


def number_of(word):
    """Return a container's number; None where no kernel takes it, or writes it like that."""
    is_number = 0 < len(word) <= 10 and set(word) <= set("0123456789")
    return int(word) if is_number and int(word) <= INT_MAX else None


@given(texts)
@example("\u00b2 0 0")
@example("2147483648 0 0")
@example("9" * 5000)
def test_whatever_is_listed_containers_have_numbers_that_a_kernel_takes(text):
    profile = capture(VEINFO, text)
    numbers = {number_of((line.split() or [""])[0]) for line in text.splitlines()}
    if None in numbers:
        assert profile is None
    else:
        assert [one["ctid"] for one in profile["containers"]] == sorted(numbers - {0})


@given(texts)
@example("a b \u00b2 2")
@example("a b 2 --2")
@example("a b 2 " + "2" * 5000)
def test_whatever_contexts_are_listed_there_is_a_profile_or_one_error(text):
    capture(CPT, HEADER.decode("ascii") + text)


@given(st.text(max_size=60))
@example("noxsave\u2028eagerfpu=\x9b clearcpuid=1\x1b")
def test_whatever_the_command_line_is_there_is_a_profile_of_words(text):
    profile = capture(CMDLINE, text)
    assert all(not char.isspace() for one in profile["kernel"]["boot_options"] for char in one)


@given(st.binary(max_size=60), words)
@example(b"", "\u00b2")
@example(b"", "9" * 5000)
@settings(max_examples=200)
def test_whatever_processors_are_listed_some_cpu_is_asked_or_one_error_is_raised(junk, number):
    text = b"processor : " + number.encode("latin-1", "replace") + b"\n" + junk
    try:
        told = survey_processors(node(**{CPUINFO: text})).cpus
    except CheckError as error:
        told = [error.message]
    assert told
    assert all(told)


def anonymized(reports):
    """Return a document of one container with these reports without names, and its reports."""
    needs = {"caps": 0, "reports": reports}
    document = anonymize({"cpus": [], "containers": [{"ctid": 7, "needs": needs}]})
    return document, document["containers"][0]["needs"]["reports"]


@given(st.text(), st.text(max_size=20))
def test_an_anonymous_profile_has_no_name_that_stood_where_names_stand(name, device):
    """Names are the owner's: no line of the kernel's has an end of line in them."""

    def reports(name, device):
        return [
            f"external process 12/1012({name}) inside CT (e.g. vzctl enter or vzctl exec).",
            f"task 1012/12({name}) is ptraced from host system",
            f"scheduler policy is not supported 1/1001({name})",
            f"unsupported netdevice {device}",
        ]

    name, device = (text.replace("\n", " ") for text in (name, device))

    assert anonymized(reports(name, device))[1] == reports("process", "device")


@given(st.lists(st.text(max_size=30), max_size=4))
def test_anonymizing_any_reports_keeps_their_number_and_changes_nothing_twice(reports):
    once, changed = anonymized(reports)
    assert len(changed) == len(reports)
    assert anonymize(once) == once


@given(st.text())
@example("\x1b[2J\x9b\u202e\ud800")
def test_what_is_printable_is_left_and_all_else_is_spelled(text):
    shown = printable(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


@pytest.mark.parametrize("eax", [0x100, 0xFFFFFFFF])
def test_a_cpu_that_names_an_absurd_last_leaf_is_not_without_leaf_0(eax):
    cpu = dict(CPU)
    cpu[0] = struct.pack("<4I", eax, 1, 2, 3)
    survey = survey_processors(node(**{"/dev/cpu/0/cpuid": cpu}))
    assert survey.cpus[0].answers[0, 0] == (eax, 1, 2, 3)


QUOTED = {
    " ": " ",
    "\x1b[2J\x9b\u202e": "\\x1b[2J\\x9b\\u202e",
    "a" * 3000: "a" * 2000 + "...\n",
    "one\ntwo\r": "one\ntwo\\r",
}


@pytest.mark.parametrize(("path", "shown"), QUOTED.items(), ids=range(4))
def test_what_a_message_quotes_does_not_speak_to_the_terminal(path, shown):
    status, stdout, stderr = run_command(LinuxSyscalls(), "image", path)
    assert (status, stdout) == (1, "")
    assert stderr.startswith("vzcptcheck: " + shown)


def test_as_many_words_as_a_command_line_takes_are_looked_at_once_each():
    words = ["--mode=0600"] * 200000
    began = time.perf_counter()
    status, _, stderr = run_command(node(), "capture", *words, "--ct")
    assert (status, stderr.split("\n")[-2]) == (1, "vzcptcheck: capture: --ct takes a value")
    assert time.perf_counter() - began < 20


def test_a_list_that_never_ends_is_read_as_far_as_any_cpu_has_one():
    answers, _ = read_leaves(lambda leaf, subleaf: Registers(0xB, subleaf, 0x100, 0))
    assert max(subleaf for leaf, subleaf in answers if leaf == 4) == 63
