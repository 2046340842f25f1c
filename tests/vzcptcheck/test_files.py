"""Reading a whole file."""

import errno
import os

import pytest

from support.vzcptcheck_fakes import FakeFiles
from vzcptcheck.errors import CheckError
from vzcptcheck.files import read_file
from vzcptcheck.syscalls import LinuxSyscalls

PATH = "/proc/something"


def test_a_file_that_comes_in_pieces_is_read_whole():
    content = bytes(range(256)) * 3
    syscalls = FakeFiles({PATH: content}, piece=100)
    assert read_file(syscalls, PATH) == content
    assert syscalls.calls[0] == ("open", PATH, os.O_RDONLY | os.O_CLOEXEC)
    assert syscalls.open_paths == []


def test_an_empty_file_is_no_bytes():
    assert read_file(FakeFiles({PATH: b""}), PATH) == b""


def test_the_running_kernel_is_read(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 200000)
    assert read_file(LinuxSyscalls(), str(path)) == b"x" * 200000


def test_a_file_as_long_as_the_limit_is_read():
    assert read_file(FakeFiles({PATH: b"12345678"}, piece=3), PATH, limit=8) == b"12345678"


def test_a_file_beyond_the_limit_is_an_error_that_names_it():
    syscalls = FakeFiles({PATH: b"123456789"}, piece=3)
    with pytest.raises(CheckError) as caught:
        read_file(syscalls, PATH, limit=8)
    assert caught.value.message == "/proc/something: longer than 8 bytes"
    assert syscalls.open_paths == []


def test_a_file_without_an_end_is_given_up():
    with pytest.raises(CheckError, match="/dev/zero: longer than 1048576 bytes"):
        read_file(LinuxSyscalls(), "/dev/zero")


# open, read, read, read (the end), close
@pytest.mark.parametrize("number", range(5))
def test_whatever_call_fails_its_errno_is_told_and_nothing_stays_open(number):
    syscalls = FakeFiles({PATH: b"12345678"}, failing={number: errno.EIO}, piece=4)
    with pytest.raises(OSError) as caught:
        read_file(syscalls, PATH)
    assert caught.value.errno == errno.EIO
    assert syscalls.open_paths == []
    assert syscalls.calls[-1][0] == ("open" if number == 0 else "close")
