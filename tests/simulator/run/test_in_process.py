"""A simulated process: descriptors, pipes, memory, CPUID."""

import errno
import os
import stat
from pathlib import Path

import pytest

from simulator.kernel.calls import Request
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.in_process import PipeWriter, SimulatedSyscalls, Sink
from support.simulated_nodes import EVERYTHING, cpu, failing, node_facts
from vzcptcheck.syscalls import Syscalls

CPT = "/proc/cpt"
NOT_OPEN = 999


@pytest.fixture
def caller() -> SimulatedSyscalls:
    """Return a process of root's on a node whose CPU has everything."""
    return SimulatedSyscalls(SimulatedKernel(node_facts("042stab107", *EVERYTHING)))


def test_it_stands_in_for_every_system_call() -> None:
    own = vars(SimulatedSyscalls)
    assert [name for name in vars(Syscalls) if not name.startswith("_") and name not in own] == []


# Descriptors


def test_descriptors_count_from_3_and_are_used_again(caller: SimulatedSyscalls) -> None:
    first, second = caller.open(CPT, 2), caller.open(CPT, 2)
    assert (first, second) == (3, 4)
    caller.close(first)
    with failing(errno.EBADF):
        caller.close(first)
    assert caller.open(CPT, 2) == 3
    assert caller.open_descriptors == (4, 3)


def test_a_failed_open_leaves_no_descriptor(caller: SimulatedSyscalls) -> None:
    with failing(errno.ENOENT):
        caller.open("/nowhere", 0)
    assert caller.open_descriptors == ()


def test_a_descriptor_not_open_is_ebadf(caller: SimulatedSyscalls) -> None:
    for call in (
        lambda: caller.close(NOT_OPEN),
        lambda: caller.read(NOT_OPEN, 1),
        lambda: caller.pread(NOT_OPEN, 1, 0),
        lambda: caller.write(NOT_OPEN, b""),
        lambda: caller.ioctl(NOT_OPEN, Request.TEST_CAPS, 0),
        lambda: caller.set_nonblocking(NOT_OPEN),
        lambda: caller.take(NOT_OPEN),
        lambda: caller.file_size(NOT_OPEN),
    ):
        with failing(errno.EBADF):
            call()


def test_exists_is_whether_stat_finds_it(caller: SimulatedSyscalls) -> None:
    assert caller.exists(CPT)
    assert caller.exists("/proc/vz")
    assert not caller.exists("/proc/vz/cpuid_override")


# Pipes


def test_a_pipe_gives_what_was_written_in_pieces(caller: SimulatedSyscalls) -> None:
    reader, writer = caller.pipe()
    caller.take(writer).write(b"some text")
    assert [caller.read(reader, 4), caller.read(reader, 100)] == [b"some", b" text"]


@pytest.mark.parametrize("nonblocking", [0, 1])
def test_an_empty_pipe_is_eagain_where_reads_do_not_wait_and_else_edeadlk(
    caller: SimulatedSyscalls, nonblocking: int
) -> None:
    reader, writer = caller.pipe()
    caller.set_nonblocking(reader if nonblocking else writer)
    with failing(errno.EAGAIN if nonblocking else errno.EDEADLK):
        caller.read(reader, 1)


@pytest.mark.parametrize("nonblocking", [False, True])
def test_a_pipe_ends_with_its_last_writer(caller: SimulatedSyscalls, nonblocking: bool) -> None:
    reader, writer = caller.pipe()
    if nonblocking:
        caller.set_nonblocking(reader)
    held = caller.take(writer)
    held.write(b"left")
    caller.close(writer)
    assert caller.read(reader, 100) == b"left"
    with failing(errno.EAGAIN if nonblocking else errno.EDEADLK):
        caller.read(reader, 100)
    held.close()
    assert caller.read(reader, 100) == b""


def test_the_ends_of_a_pipe_are_not_each_other(caller: SimulatedSyscalls) -> None:
    reader, writer = caller.pipe()
    with failing(errno.EBADF):
        caller.read(writer, 1)
    for fd in (reader, writer):
        with failing(errno.EBADF):
            caller.write(fd, b"x")
        with failing(errno.EBADF):
            caller.ioctl(fd, Request.TEST_CAPS, 0)
        caller.close(fd)
    assert caller.open_descriptors == ()


# What the kernel takes hold of


def test_the_kernel_holds_an_end_of_its_own(caller: SimulatedSyscalls) -> None:
    _, writer = caller.pipe()
    first, second = caller.take(writer), caller.take(writer)
    assert isinstance(first, PipeWriter)
    assert isinstance(second, PipeWriter)
    assert first is not second
    assert first.pipe.writers == 3
    assert not first.is_directory


def test_what_it_writes_to_another_file_is_lost(caller: SimulatedSyscalls) -> None:
    fd = caller.open(CPT, 2)
    taken = caller.take(fd)
    taken.write(b"lost")
    taken.close()
    assert not taken.is_directory
    assert caller.read(fd, 3) == b"Ctx"


def test_it_can_tell_a_directory(caller: SimulatedSyscalls) -> None:
    caller.add(500, Sink(is_directory=True))
    assert caller.take(500).is_directory
    with failing(errno.EBADF):
        caller.read(500, 1)
    caller.close(500)


# Memory


def test_the_kernel_reaches_the_buffer_and_nothing_beyond(caller: SimulatedSyscalls) -> None:
    fd = caller.open(CPT, 2)
    with failing(errno.EFAULT):
        caller.ioctl(fd, Request.TEST_VECAPS2, bytearray(7))
    with failing(errno.EINVAL):
        caller.ioctl(fd, Request.TEST_VECAPS2, bytearray(9))


def test_the_buffer_is_out_of_reach_after_the_request(caller: SimulatedSyscalls) -> None:
    with failing(errno.EINVAL):
        caller.ioctl(caller.open(CPT, 2), Request.TEST_VECAPS2, bytearray(8))
    with failing(errno.EFAULT):
        caller.read_memory(0x7FFC0000, 1)
    with failing(errno.EFAULT):
        caller.write_memory(0x7FFC0000, b"x")


# The CPU


def test_cpuid_is_the_nodes_own(caller: SimulatedSyscalls) -> None:
    caller.kernel.write_override("1: 0 0 0 0")
    assert caller.cpuid(0x1, 0) == cpu(*EVERYTHING)[0x1, 0]
    with failing(errno.EIO):  # It was not recorded.
        caller.cpuid(0x2, 0)


def test_there_is_no_cpuid_on_ia64() -> None:
    kernel = SimulatedKernel(node_facts(machine="ia64", cpuid=None))
    with failing(errno.ENOSYS):
        SimulatedSyscalls(kernel).cpuid(0, 0)


@pytest.mark.parametrize(("machine", "width"), [("x86_64", 64), ("i686", 32)])
def test_a_program_is_as_wide_as_its_kernel_unless_said(machine: str, width: int) -> None:
    kernel = SimulatedKernel(node_facts(machine=machine))
    assert SimulatedSyscalls(kernel).pointer_bits() == width
    assert SimulatedSyscalls(kernel, pointer_bits=32).pointer_bits() == 32


# This machine's own files, beside the node's


def test_what_is_not_the_nodes_is_this_machines(caller: SimulatedSyscalls, tmp_path: Path) -> None:
    path, other = str(tmp_path / "file"), str(tmp_path / "other")
    fd = caller.create(path, 0o640)
    assert caller.write(fd, b"0123456789") == 10
    caller.fsync(fd)
    caller.close(fd)
    for mode in (caller.lstat_mode(path), caller.stat_mode(path)):
        assert (stat.S_ISREG(mode), stat.S_IMODE(mode)) == (True, 0o640)
    caller.rename(path, other)
    fd = caller.open(other, os.O_RDONLY)
    assert (caller.read(fd, 4), caller.pread(fd, 2, 8)) == (b"0123", b"89")
    assert caller.file_size(fd) == 10
    with failing(errno.ENOTTY):
        caller.ioctl(fd, Request.TEST_CAPS, 0)
    caller.close(fd)
    caller.unlink(other)
    with failing(errno.ENOENT):
        caller.stat_mode(other)
    assert list(tmp_path.iterdir()) == []
    assert caller.open_descriptors == ()


def test_what_is_the_nodes_stays_as_it_is(caller: SimulatedSyscalls) -> None:
    with failing(errno.EACCES):
        caller.create("/proc/vz/file", 0o600)
    assert caller.lstat_mode(CPT) == caller.stat_mode(CPT) == stat.S_IFREG | 0o600
    fd = caller.open(CPT, os.O_RDWR)
    assert caller.file_size(fd) == 0
    with failing(errno.EINVAL):
        caller.fsync(fd)


def test_the_node_says_what_it_is(caller: SimulatedSyscalls) -> None:
    assert caller.uname() == (caller.kernel.release, "x86_64", "simulated")


def test_cpuid_is_that_of_the_processor_that_the_process_runs_on() -> None:
    facts = node_facts("042stab107", "sse4_1")
    assert facts.cpuid is not None
    other = cpu("sse4_1", "avx")
    caller = SimulatedSyscalls(SimulatedKernel(facts, processors={0: facts.cpuid, 5: other}))
    assert caller.cpuid(1, 0) == facts.cpuid[1, 0]
    caller.run_on(5)
    assert caller.cpuid(1, 0) == other[1, 0]
    with failing(errno.EINVAL):
        caller.run_on(1)
