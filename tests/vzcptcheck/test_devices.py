"""The kernel's two files, and the requests made of them."""

import errno
import os
import struct

import pytest

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import FakeKernel, error, fill_in
from vzcptcheck.devices import CPT, RST, Device, ask_container
from vzcptcheck.errors import CheckError, DeviceError


def failure(call, *arguments):
    with pytest.raises(CheckError) as caught:
        call(*arguments)
    return caught.value


#: What it means that a device cannot be opened, and what to do.
ROOT_ALONE = "Only root may ask: run vzcptcheck as root on the node."
COMPAT_HINT = (
    "A 32-bit program on a 64-bit kernel gets this answer to every request: "
    "run vzcptcheck with a 64-bit Python."
)
REFUSED_OPENS = {
    errno.EACCES: ("Permission denied", ROOT_ALONE),
    errno.EPERM: ("Operation not permitted", ROOT_ALONE),
    errno.EBUSY: (
        "Device or resource busy",
        "The kernel's module is being unloaded, or busy: run the command again.",
    ),
    errno.EINTR: (
        "Interrupted system call",
        "A signal interrupted the kernel: run the command again.",
    ),
    errno.EMFILE: ("Too many open files", "Too many open files: raise 'ulimit -n'."),
    errno.ENFILE: (
        "Too many open files in system",
        "The node has too many open files: look at /proc/sys/fs/file-nr.",
    ),
    errno.ENOMEM: ("Cannot allocate memory", "The node is out of kernel memory."),
    errno.EIO: ("Input/output error", ""),
}


class TestOpening:
    def test_the_file_is_open_for_the_length_of_the_block_and_closed_when_that_fails(self):
        kernel = FakeKernel({fakes.OWN_VERSION: 0x803})

        with Device(kernel, CPT) as device:
            assert kernel.open_paths == [CPT]
            assert device.path == CPT

        assert kernel.calls == [("open", CPT, os.O_RDWR | os.O_CLOEXEC), ("close", 1000)]
        assert kernel.open_paths == []
        with pytest.raises(KeyError), Device(kernel, CPT) as device:
            device.collect_diagnostics()
            raise KeyError
        assert kernel.open_paths == []

    @pytest.mark.parametrize("lowest", [0, 1, 2])
    def test_descriptors_of_the_standard_streams_are_as_good_as_others(self, lowest):
        # So they are numbered where the caller has closed its streams.
        kernel = FakeKernel({fakes.COMPARE_CAPS: 0}, lowest=lowest)
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
            assert device.test_caps(511) == 0
        assert kernel.open_paths == []

    def test_a_close_that_fails_changes_nothing(self):
        # open, pipe, set_nonblocking, SET_ERRORFD, then three times close.
        failing = dict.fromkeys((4, 5, 6), errno.EIO)
        kernel = FakeKernel({fakes.COMPARE_CAPS: 0}, failing=failing)
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
        assert [call[0] for call in kernel.calls].count("close") == 3
        assert kernel.open_paths == []

    @pytest.mark.parametrize("path", [CPT, RST])
    @pytest.mark.parametrize("number", REFUSED_OPENS, ids=errno.errorcode.get)
    def test_a_refused_open_says_what_to_do(self, path, number):
        words, hint = REFUSED_OPENS[number]
        refusal = failure(Device(FakeKernel(files={path: number}), path).__enter__)
        assert refusal.message == f"{path}: open: {words} ({errno.errorcode[number]})"
        assert refusal.hint == hint

    @pytest.mark.parametrize(("path", "module"), [(CPT, "vzcpt"), (RST, "vzrst")])
    @pytest.mark.parametrize(
        ("existing", "hint"),
        [
            ([], "This kernel is not OpenVZ's: run vzcptcheck on an OpenVZ node."),
            (["/proc/bc"], "This kernel is not OpenVZ's: run vzcptcheck on an OpenVZ node."),
            (["/proc/vz"], "This is the inside of a container: run vzcptcheck on its node."),
            (["/proc/vz", "/proc/bc"], "The kernel module {0} is not loaded: run 'modprobe {0}'."),
        ],
    )
    def test_a_missing_file_has_one_of_three_causes(self, path, module, existing, hint):
        refusal = failure(Device(FakeKernel(existing=existing), path).__enter__)
        assert refusal.message == f"{path}: open: No such file or directory (ENOENT)"
        assert refusal.hint == hint.format(module)


class TestVersion:
    def ask(self, *arguments, **how):
        kernel = FakeKernel(*arguments, **how)
        with Device(kernel, RST) as device:
            answer = device.test_version(2051)
        assert kernel.requests()[0] == (RST, fakes.CPT_TEST_VERSION, 2051)
        return answer

    @pytest.mark.parametrize("answer", [0, 1, 0x803, -1])
    def test_the_answer_is_the_kernels(self, answer):
        assert self.ask({fakes.TAKES_VERSION: answer}) == answer

    @pytest.mark.parametrize("other", [0, 1, 511, error(errno.ENOSYS)])
    def test_a_request_that_alone_is_unknown_is_a_kernel_without_it(self, other):
        answers = {fakes.TAKES_VERSION: error(errno.EINVAL), fakes.OWN_CAPS: other}
        assert self.ask(answers) is None

    @pytest.mark.parametrize(("bits", "hint"), [(32, COMPAT_HINT), (64, "")])
    def test_where_every_request_is_unknown_nothing_is_known(self, bits, hint):
        answers = dict.fromkeys((fakes.TAKES_VERSION, fakes.OWN_CAPS), error(errno.EINVAL))
        refusal = failure(lambda: self.ask(answers, bits=bits))
        assert refusal.message == "/proc/rst: ioctl CPT_TEST_CAPS: Invalid argument (EINVAL)"
        assert refusal.hint == hint

    @pytest.mark.parametrize("number", [errno.EIO, errno.EBUSY, errno.EINTR, errno.EAGAIN])
    def test_a_missing_request_is_not_believed_where_the_other_fails(self, number):
        answers = {fakes.TAKES_VERSION: error(errno.EINVAL), fakes.OWN_CAPS: error(number)}
        assert failure(self.ask, answers).number == number


@pytest.mark.parametrize("path", [CPT, RST])
class TestCaps:
    @pytest.mark.parametrize("answer", [0, 1, 0x200FFFF, -1])
    def test_the_answer_is_the_kernels(self, path, answer):
        kernel = FakeKernel({(path, fakes.CPT_TEST_CAPS): answer})
        with Device(kernel, path) as device:
            assert device.test_caps(511) == answer
        assert kernel.requests() == [(path, fakes.CPT_TEST_CAPS, 511)]

    def test_a_kernel_that_cannot_tell(self, path):
        with Device(FakeKernel({(path, fakes.CPT_TEST_CAPS): error(errno.ENOSYS)}), path) as device:
            assert device.test_caps() is None

    @pytest.mark.parametrize("number", [errno.EAGAIN, errno.EINVAL, errno.EIO, errno.ENOTTY])
    def test_any_other_errno_is_an_error(self, path, number):
        with Device(FakeKernel({(path, fakes.CPT_TEST_CAPS): error(number)}), path) as device:
            assert failure(device.test_caps).number == number


class TestDiagnostics:
    def collected(self, text, **how):
        """Return what is taken of a text that the kernel writes during a request."""
        kernel = FakeKernel({fakes.TEST_VECAPS: 1}, {fakes.CPT_TEST_VECAPS: text}, **how)
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
            device.test_vecaps(0)
            lines = device.diagnostics()
        assert kernel.open_paths == []
        return lines

    def test_the_writing_end_is_the_kernels_alone(self):
        kernel = FakeKernel({fakes.TEST_VECAPS: 1})
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
            assert kernel.open_paths == [CPT, "pipe, reading end"]
        assert kernel.open_paths == []

    def test_lines_are_taken_one_by_one(self):
        assert self.collected(b"Error: first\nError: second\n") == ["Error: first", "Error: second"]

    @pytest.mark.parametrize("text", [b"", b"\n", b"\n\n"])
    def test_an_empty_pipe_is_no_diagnostics_and_does_not_wait(self, text):
        assert self.collected(text) == []

    def test_a_last_line_without_its_end_is_a_line(self):
        assert self.collected(b"Error: cut") == ["Error: cut"]

    def test_a_text_longer_than_one_read_is_taken_whole(self):
        lines = [f"Error: line {number}" for number in range(1000)]
        assert self.collected("\n".join(lines).encode("ascii"), piece=100) == lines

    def test_what_was_taken_does_not_come_again(self):
        kernel = FakeKernel({fakes.TEST_VECAPS: 1}, {fakes.CPT_TEST_VECAPS: b"Error: once\n"})
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
            device.test_vecaps(0)
            assert device.diagnostics() == ["Error: once"]
            assert device.diagnostics() == []

    def test_a_pipe_whose_writers_are_all_gone_ends(self):
        # A kernel that took the request and not the descriptor.
        kernel = FakeKernel({(CPT, fakes.CPT_SET_ERRORFD): 0})
        with Device(kernel, CPT) as device:
            device.collect_diagnostics()
            assert device.diagnostics() == []

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            (b"init", "init"),
            (b"\x1b[2J\x07", "\\x1b[2J\\x07"),
            (b"a\tb\rc\x00d\x7f", "a\\tb\\rc\\x00d\\x7f"),
            ("caf\u00e9 \u043c".encode(), "caf\u00e9 \u043c"),
            ("\u202eevil\u2028\U000e0001".encode(), "\\u202eevil\\u2028\\U000e0001"),
            (b"\xff\xc3(", "\\xff\\xc3("),
            ("\x85\xa0".encode(), "\\x85\\xa0"),
        ],
    )
    def test_a_processes_name_does_not_speak_to_the_terminal(self, name, shown):
        assert self.collected(b"Error: (" + name + b")\n") == ["Error: (" + shown + ")"]

    def test_a_read_that_fails_is_told_in_the_last_line(self):
        # open, pipe, set_nonblocking, SET_ERRORFD, close, TEST_VECAPS, read, read
        text = b"Error: first\nError: sec"
        assert self.collected(text, failing={7: errno.EIO}, piece=13) == [
            "Error: first",
            "(what the kernel writes cannot be read: Input/output error (EIO))",
        ]

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (1, "/proc/cpt: pipe: Too many open files (EMFILE)"),
            (2, "/proc/cpt: pipe: Too many open files (EMFILE)"),
            (3, "/proc/cpt: ioctl CPT_SET_ERRORFD: Too many open files (EMFILE)"),
        ],
        ids=["pipe", "set_nonblocking", "SET_ERRORFD"],
    )
    def test_without_a_pipe_no_question_and_nothing_left_open(self, call, message):
        kernel = FakeKernel({fakes.COMPARE_CAPS: 0}, failing={call: errno.EMFILE})
        with pytest.raises(DeviceError) as caught, Device(kernel, CPT) as device:
            device.collect_diagnostics()
        assert caught.value.message == message
        assert caught.value.hint == "Too many open files: raise 'ulimit -n'."
        assert kernel.open_paths == []


class TestUnsupportedFeatures:
    def asked(self, answer):
        kernel = FakeKernel({fakes.TEST_VECAPS2: answer, fakes.TEST_VECAPS: 3})
        with Device(kernel, CPT) as device:
            told = device.test_vecaps2(0x12345678)
        asked, *others = kernel.requests()
        assert asked == (CPT, fakes.CPT_TEST_VECAPS2, struct.pack("=II", 0x12345678, 0xFFFFFFFF))
        return told, others

    @pytest.mark.parametrize("features", [0, 1 << 16, 0xC1FD0000])
    def test_the_kernel_fills_them_in(self, features):
        assert self.asked(fill_in(features)) == ((0, features), [])

    @pytest.mark.parametrize("answer", [0, 1, 2, -1])
    def test_a_kernel_that_fills_nothing_in_does_not_say(self, answer):
        assert self.asked(answer) == ((answer, None), [])

    def test_a_kernel_without_the_request_is_asked_by_the_other_one(self):
        others = [(*fakes.TEST_VECAPS, 0x12345678)]
        assert self.asked(error(errno.EINVAL)) == ((3, None), others)

    @pytest.mark.parametrize("number", [errno.ESRCH, errno.EBUSY, errno.EFAULT])
    def test_a_request_that_fails_is_an_error(self, number):
        with pytest.raises(DeviceError) as caught:
            self.asked(error(number))
        assert caught.value.number == number


class TestContainer:
    def test_the_requests_come_in_this_order(self):
        kernel = FakeKernel({fakes.TEST_VECAPS: 0})
        assert ask_container(kernel, 101, 511) == (0, [], None)
        (path, request, _), *others = kernel.requests()
        assert (path, request) == (CPT, fakes.CPT_SET_ERRORFD)
        assert others == [(CPT, fakes.CPT_SET_VEID, 101), (*fakes.TEST_VECAPS, 511)]

    def refused(self, result, diagnostics, features):
        """Ask about a container; return what is told, and how often the kernel was asked."""
        kernel = FakeKernel(
            {fakes.TEST_VECAPS: result, fakes.TEST_VECAPS2: features},
            {fakes.CPT_TEST_VECAPS: diagnostics},
        )
        told = ask_container(kernel, 101, 511)
        assert kernel.open_paths == []
        asked = [request for _, request, _ in kernel.requests()]
        return told, asked.count(fakes.CPT_TEST_VECAPS) + asked.count(fakes.CPT_TEST_VECAPS2)

    @pytest.mark.parametrize("result", [1, 2, 3, 4, 5, 6])
    def test_a_refusal_comes_with_all_that_the_kernel_says(self, result):
        said = b"Error: Destination cpu does not have sse\nError: one\n"
        lines = said.decode().splitlines()
        assert self.refused(result, said, fill_in(1 << 20)) == ((result, lines, None), 1)

    def test_a_refusal_without_a_word_is_asked_about(self):
        said = b"Error: Destination cpu does not have sse\n"
        lines = said.decode().splitlines()
        assert self.refused(2, said, fill_in(1 << 20)) == ((2, lines, 1 << 20), 2)
        assert self.refused(2, b"", fill_in(1 << 20)) == ((2, [], 1 << 20), 2)
        assert self.refused(1, said, fill_in(1 << 20)) == ((1, lines, None), 1)
        assert self.refused(2, b"", error(errno.ESRCH)) == ((2, [], None), 2)

    def test_an_answer_that_no_kernel_gives_is_not_asked_about(self):
        kernel = FakeKernel({fakes.TEST_VECAPS: -1})
        assert ask_container(kernel, 101, 511) == (-1, [], None)

    @pytest.mark.parametrize(
        ("number", "diagnostic", "words", "hint"),
        [
            (
                errno.ESRCH,
                "Error: CT is not running",
                "No such process (ESRCH)\n  kernel: Error: CT is not running",
                "Container 101 is not running, or there is none of that number: see 'vzlist -a'. "
                "A suspended container is tested by 'vzcptcheck caps CAPNUM'.",
            ),
            (
                errno.EBUSY,
                "Error: CT is locked",
                "Device or resource busy (EBUSY)\n  kernel: Error: CT is locked",
                "Container 101 is locked (being checkpointed, started or stopped) or already "
                "suspended: wait for it, or test a suspended one by 'vzcptcheck caps CAPNUM'.",
            ),
            (errno.EINTR, "", "Interrupted system call (EINTR)", REFUSED_OPENS[errno.EINTR][1]),
            (
                errno.EIO,
                "Error: a\nError: b",
                "Input/output error (EIO)\n  kernel: Error: a\n  kernel: Error: b",
                "",
            ),
        ],
    )
    def test_an_errno_is_told_of_the_container_with_what_the_kernel_says(
        self, number, diagnostic, words, hint
    ):
        said = {fakes.CPT_TEST_VECAPS: diagnostic.encode()}
        kernel = FakeKernel({fakes.TEST_VECAPS: error(number)}, said)
        refusal = failure(ask_container, kernel, 101, 511)
        assert refusal.message == f"container 101: /proc/cpt: ioctl CPT_TEST_VECAPS: {words}"
        assert refusal.hint == hint
        assert kernel.open_paths == []
