"""The system calls, on the running kernel."""

import errno
import os
import stat
import struct
import sys
import termios

import pytest

from vzcptcheck.syscalls import LinuxSyscalls, Syscalls

#: Every call and arguments of its shape.
CALLS = {
    "open": ("/", 0), "close": (0,), "read": (0, 1), "pread": (0, 1, 0), "ioctl": (0, 0, 0),
    "pipe": (), "set_nonblocking": (0,), "exists": ("/",), "uname": (), "run_on": (0,),
    "lstat_mode": ("/",), "stat_mode": ("/",), "file_size": (0,), "create": ("/", 0),
    "write": (0, b""), "fsync": (0,), "rename": ("/", "/"), "unlink": ("/",), "cpuid": (0, 0),
    "pointer_bits": (),
}  # fmt: skip


@pytest.fixture
def linux():
    return LinuxSyscalls()


@pytest.fixture
def ends(linux):
    """Make a pipe; give its reading and its writing end."""
    reading, writing = linux.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def errno_of(call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return caught.value.errno


@pytest.mark.parametrize(("name", "arguments"), CALLS.items())
def test_the_interface_itself_calls_nothing(name, arguments):
    with pytest.raises(NotImplementedError):
        getattr(Syscalls(), name)(*arguments)


def test_every_call_of_the_interface_is_there_for_linux():
    names = {name for name in vars(Syscalls) if not name.startswith("_")}
    assert names == set(CALLS)
    assert names <= set(vars(LinuxSyscalls))


def test_a_file_is_opened_read_and_closed(linux, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    fd = linux.open(str(path), os.O_RDONLY | os.O_CLOEXEC)

    assert linux.read(fd, 4) == b"0123"
    assert linux.pread(fd, 2, 8) == b"89"
    assert linux.read(fd, 100) == b"456789"
    assert linux.read(fd, 100) == b""
    linux.close(fd)
    assert errno_of(linux.read, fd, 1) == errno.EBADF


def test_a_file_is_created_written_renamed_and_taken_away(linux, tmp_path):
    path, other = str(tmp_path / "file"), str(tmp_path / "other")
    fd = linux.create(path, 0o640)

    assert linux.write(fd, b"0123") == 4
    linux.fsync(fd)
    linux.close(fd)
    assert linux.lstat_mode(path) == stat.S_IFREG | 0o640
    linux.rename(path, other)
    assert os.listdir(str(tmp_path)) == ["other"]
    assert errno_of(linux.create, other, 0o600) == errno.EEXIST
    linux.unlink(other)
    assert errno_of(linux.lstat_mode, other) == errno.ENOENT


def test_a_link_is_not_followed(linux, tmp_path):
    path = str(tmp_path / "link")
    os.symlink("/dev/null", path)
    assert stat.S_ISLNK(linux.lstat_mode(path))
    assert errno_of(linux.create, path, 0o600) == errno.EEXIST


def test_the_kernel_says_what_it_is(linux):
    assert linux.uname() == (os.uname().release, os.uname().machine, os.uname().nodename)


def test_this_thread_runs_where_it_is_told_to(linux):
    before = os.sched_getaffinity(0)
    try:
        linux.run_on(min(before))
        assert os.sched_getaffinity(0) == {min(before)}
    finally:
        os.sched_setaffinity(0, before)
    assert errno_of(linux.run_on, 1 << 14) == errno.EINVAL


def test_failures_have_the_kernels_errno(linux, tmp_path):
    closed = linux.open(str(tmp_path), os.O_RDONLY)
    linux.close(closed)
    assert errno_of(linux.open, str(tmp_path / "missing"), os.O_RDWR) == errno.ENOENT
    assert errno_of(linux.close, closed) == errno.EBADF
    assert errno_of(linux.pread, closed, 1, 0) == errno.EBADF
    assert errno_of(linux.ioctl, closed, 0x40042D13, 0) == errno.EBADF
    assert errno_of(linux.set_nonblocking, closed) == errno.EBADF


def test_no_program_started_from_here_inherits_a_descriptor(ends):
    assert not any(os.get_inheritable(end) for end in ends)


def test_a_pipe_blocks_until_it_is_told_not_to(linux, ends):
    reading, writing = ends
    assert os.get_blocking(reading)
    linux.set_nonblocking(reading)
    assert errno_of(linux.read, reading, 1) == errno.EAGAIN
    os.write(writing, b"text")
    assert linux.read(reading, 100) == b"text"
    # Whoever holds the other end does not notice.
    assert os.get_blocking(writing)


def test_an_int_goes_to_the_kernel_by_value(linux, ends):
    # FIONCLEX and FIOCLEX look at no argument; a foreign request is refused.
    assert linux.ioctl(ends[0], termios.FIONCLEX, 0) == 0
    assert os.get_inheritable(ends[0])
    assert linux.ioctl(ends[0], termios.FIOCLEX, 2**31 - 1) == 0
    assert not os.get_inheritable(ends[0])
    assert errno_of(linux.ioctl, ends[0], 0x40042D13, 0) == errno.ENOTTY


def test_a_buffer_goes_as_a_pointer_and_is_filled_in(linux, ends):
    os.write(ends[1], b"seven..")
    buffer = bytearray(4)
    assert linux.ioctl(ends[0], termios.FIONREAD, buffer) == 0
    assert struct.unpack("=I", bytes(buffer)) == (7,)


def test_a_mode_is_that_of_what_a_link_leads_to(linux, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert stat.S_ISREG(linux.stat_mode(str(tmp_path / "link")))
    assert stat.S_ISDIR(linux.stat_mode(str(tmp_path)))
    assert errno_of(linux.stat_mode, str(tmp_path / "missing")) == errno.ENOENT


def test_a_files_size_is_told_of_its_descriptor(linux, ends, tmp_path):
    (tmp_path / "file").write_bytes(b"123")
    fd = linux.open(str(tmp_path / "file"), os.O_RDONLY)
    assert linux.file_size(fd) == 3
    assert linux.file_size(ends[0]) == 0
    linux.close(fd)
    assert errno_of(linux.file_size, fd) == errno.EBADF


def test_a_path_exists_where_stat_finds_it(linux, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert linux.exists(str(tmp_path))
    assert linux.exists(str(tmp_path / "file"))
    assert not linux.exists(str(tmp_path / "missing"))
    assert not linux.exists(str(tmp_path / "link"))
    assert not linux.exists(str(tmp_path / "file" / "below"))


@pytest.mark.parametrize(("largest_index", "bits"), [(2**63 - 1, 64), (2**31 - 1, 32)])
def test_the_width_of_pointers_is_this_pythons(linux, monkeypatch, largest_index, bits):
    assert linux.pointer_bits() == 8 * struct.calcsize("P")
    monkeypatch.setattr(sys, "maxsize", largest_index)
    assert linux.pointer_bits() == bits
