"""On which processors of a node threads may run, asked by this very process."""

import ctypes
import errno
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from simulator.run.affinity import Affinity
from simulator.run.remote import RemoteProcess
from simulator.run.seccomp import Notification
from simulator.run.system_calls import AUDIT_ARCH_I386, AUDIT_ARCH_X86_64
from support.running import NODE, command_line, run, succeed
from support.simulated_nodes import failing

EVERY = (0, 1, 2, 3, 40)

#: No process has this number (Linux PID_MAX_LIMIT is 4,194,304).
NOBODY = 0x7FFF_FFFF


@pytest.fixture
def sleeper() -> Iterator[int]:
    """Start a child of this process that does nothing."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process.pid
        process.kill()


def asking(
    buffer: ctypes.Array[ctypes.c_char],
    size: int,
    number: int = 0,
    tid: int | None = None,
    architecture: int = AUDIT_ARCH_X86_64,
) -> RemoteProcess:
    arguments = (number, size, ctypes.addressof(buffer), 0, 0, 0)
    call = Notification(1, tid or os.getpid(), architecture, 0, arguments)
    return RemoteProcess(call, 0, 0, lambda: True)


def mask_of(affinity: Affinity, number: int = 0) -> int:
    buffer = ctypes.create_string_buffer(b"x" * 16, 16)
    assert affinity.get(asking(buffer, 16, number)) == 8
    assert buffer.raw[8:] == b"x" * 8
    return int.from_bytes(buffer.raw[:8], "little")


def set_mask(affinity: Affinity, mask: int, number: int = 0) -> int:
    buffer = ctypes.create_string_buffer(mask.to_bytes(16, "little"), 16)
    return affinity.set(asking(buffer, 16, number))


def test_a_thread_has_every_processor_until_it_is_given_some() -> None:
    affinity = Affinity(EVERY)
    assert mask_of(affinity) == 0b1111 | 1 << 40
    # What the node does not have is passed over.
    assert set_mask(affinity, 0b10110 | 1 << 90) == 0
    assert mask_of(affinity) == 0b0110
    with failing(errno.EINVAL):
        set_mask(affinity, 1 << 20)
    assert mask_of(affinity) == 0b0110


def test_a_process_has_its_parents(sleeper: int) -> None:
    affinity = Affinity(EVERY)
    set_mask(affinity, 1)
    assert mask_of(affinity, sleeper) == 1
    set_mask(affinity, 2, sleeper)
    assert (mask_of(affinity, sleeper), mask_of(affinity)) == (2, 1)


def test_that_of_a_process_that_ended_is_forgotten(sleeper: int) -> None:
    affinity = Affinity(EVERY)
    set_mask(affinity, 2, sleeper)
    os.kill(sleeper, 9)
    os.waitid(os.P_PID, sleeper, os.WEXITED | os.WNOWAIT)
    affinity._masks[os.getpid()] = "another process's", 8
    assert mask_of(affinity) == 0b1111 | 1 << 40
    set_mask(affinity, 1)
    assert mask_of(affinity) == 1


def test_nobody_has_none() -> None:
    affinity = Affinity(EVERY)
    with failing(errno.ESRCH):
        mask_of(affinity, NOBODY)
    with failing(errno.ESRCH):
        set_mask(affinity, 1, NOBODY)


@pytest.mark.parametrize(
    ("architecture", "size", "written"),
    [
        *((AUDIT_ARCH_X86_64, size, 8) for size in (8, 16, 128)),
        *((AUDIT_ARCH_I386, size, 8) for size in (8, 12, 128)),
        *((AUDIT_ARCH_X86_64, size, None) for size in (0, 4, 7, 12)),
        *((AUDIT_ARCH_I386, size, None) for size in (0, 4, 7)),
    ],
)
def test_a_mask_has_as_many_words_as_processors_take(
    architecture: int, size: int, written: int | None
) -> None:
    affinity = Affinity(EVERY)
    buffer = ctypes.create_string_buffer(128)
    if written is None:
        with failing(errno.EINVAL):
            affinity.get(asking(buffer, size, architecture=architecture))
    else:
        assert affinity.get(asking(buffer, size, architecture=architecture)) == written


def test_a_32_bit_program_on_a_small_node_gets_one_word() -> None:
    buffer = ctypes.create_string_buffer(128)
    assert Affinity((0,)).get(asking(buffer, 128, architecture=AUDIT_ARCH_I386)) == 4


COUNTING = """
import os, threading
os.sched_setaffinity(0, {0})
def count():
    print(len(os.sched_getaffinity(0)), os.cpu_count(), flush=True)
thread = threading.Thread(target=count)
thread.start()
thread.join()
os.system("nproc")
try:
    os.sched_setaffinity(0, {1})
except OSError as error:
    print(error.errno)
"""


def test_programs_count_the_nodes_processors() -> None:
    ended = run(sys.executable, "-c", COUNTING)
    assert (ended.stdout, ended.stderr) == (f"1 1\n1\n{errno.EINVAL}\n", "")
    assert succeed(command_line("nproc", node=NODE)) == "1\n"
