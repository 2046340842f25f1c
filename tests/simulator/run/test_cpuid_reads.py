"""The calls that read the CPUID device, each as the kernel answers it."""

import ctypes
import errno
import os
import struct
from pathlib import Path

import pytest

from simulator.facts.cpuid import CpuidTable
from simulator.kernel.files import CpuidFile
from simulator.run.cpuid_reads import read_cpuid
from simulator.run.remote import RemoteProcess
from simulator.run.seccomp import Notification
from simulator.run.system_calls import AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, SYSCALLS
from support.running import guest
from support.simulated_nodes import EVERYTHING, cpu, failing

TABLE = cpu(*EVERYTHING)
MINUS_1 = 0xFFFF_FFFF_FFFF_FFFF


def leaves(*keys: tuple[int, int], table: CpuidTable = TABLE) -> bytes:
    return b"".join(struct.pack("=4I", *table[key]) for key in keys)


def asking(name: str, *arguments: int, architecture: int = AUDIT_ARCH_X86_64) -> RemoteProcess:
    six = (*arguments, *[0] * (6 - len(arguments)))
    number = SYSCALLS[architecture][name]
    call = Notification(1, os.getpid(), architecture, number, six)  # type: ignore[arg-type]
    return RemoteProcess(call, 0, 0, lambda: True)


def vector(buffer: ctypes.Array[ctypes.c_char], *sizes: int) -> ctypes.Array[ctypes.c_char]:
    """Write an array of struct iovec, of parts of a buffer."""
    address = ctypes.addressof(buffer)
    text = b""
    for size in sizes:
        text += struct.pack("=QQ", address, size)
        address += size
    return ctypes.create_string_buffer(text, len(text))


@pytest.fixture
def device(tmp_path: Path) -> int:
    """Return a descriptor whose position is the device's."""
    return os.open(tmp_path / "device", os.O_RDWR | os.O_CREAT)


def test_a_read_advances_by_one_for_each_leaf(device: int) -> None:
    buffer = ctypes.create_string_buffer(64)
    os.lseek(device, 0x8000_0000, os.SEEK_SET)
    process = asking("read", device, ctypes.addressof(buffer), 32)
    assert read_cpuid(process, CpuidFile(TABLE)) == 32
    assert buffer.raw == leaves((0x8000_0000, 0), (0x8000_0001, 0)) + bytes(32)
    assert os.lseek(device, 0, os.SEEK_CUR) == 0x8000_0002
    os.close(device)


@pytest.mark.parametrize("name", ["readv", "preadv2"])
def test_several_buffers_are_filled_one_after_another(name: str, device: int) -> None:
    buffer = ctypes.create_string_buffer(48)
    parts = vector(buffer, 16, 0, 16)
    # preadv2() reads on from position -1.
    process = asking(name, device, ctypes.addressof(parts), 3, MINUS_1, 0)
    assert read_cpuid(process, CpuidFile(TABLE)) == 32
    assert buffer.raw[:32] == leaves((0x0, 0), (0x1, 0))
    assert os.lseek(device, 0, os.SEEK_CUR) == 2
    os.close(device)


@pytest.mark.parametrize("name", ["preadv", "preadv2"])
def test_several_buffers_are_filled_from_a_position(name: str) -> None:
    buffer = ctypes.create_string_buffer(32)
    parts = vector(buffer, 16, 16)
    process = asking(name, 9999, ctypes.addressof(parts), 2, 0xD | 1 << 32, 0)
    assert read_cpuid(process, CpuidFile(TABLE)) == 32
    assert buffer.raw[:16] == leaves((0xD, 1))


def test_a_position_of_a_32_bit_program_is_in_two_words() -> None:
    buffer = ctypes.create_string_buffer(16)
    process = asking(
        "pread64", 9999, ctypes.addressof(buffer), 16, 0xD, 1, architecture=AUDIT_ARCH_I386
    )
    assert read_cpuid(process, CpuidFile(TABLE)) == 16
    assert buffer.raw == leaves((0xD, 1))


def test_buffers_of_a_32_bit_program_are_in_eight_bytes_each() -> None:
    # Addresses of 32 bits that are mapped are not to be had here: of no buffer nothing is read.
    parts = ctypes.create_string_buffer(struct.pack("=II", 0, 0))
    process = asking("preadv", 9999, ctypes.addressof(parts), 1, 0, 0, architecture=AUDIT_ARCH_I386)
    assert read_cpuid(process, CpuidFile(TABLE)) == 0


@pytest.mark.parametrize("name", ["pread64", "preadv"])
def test_a_negative_position_is_einval(name: str) -> None:
    buffer = ctypes.create_string_buffer(16)
    parts = vector(buffer, 16)
    where, count = (buffer, 16) if name == "pread64" else (parts, 1)
    with failing(errno.EINVAL):
        read_cpuid(asking(name, 9999, ctypes.addressof(where), count, MINUS_1), CpuidFile(TABLE))


@pytest.mark.parametrize("size", [1, 15, 17, 1000])
def test_what_is_not_whole_leaves_is_einval(size: int) -> None:
    buffer = ctypes.create_string_buffer(1024)
    with failing(errno.EINVAL):
        read_cpuid(asking("pread64", 9999, ctypes.addressof(buffer), size), CpuidFile(TABLE))


def test_what_was_read_before_an_error_counts() -> None:
    buffer = ctypes.create_string_buffer(64)
    odd = vector(buffer, 16, 17)
    process = asking("preadv", 9999, ctypes.addressof(odd), 2, 0)
    assert read_cpuid(process, CpuidFile(TABLE)) == 16
    holed = CpuidTable((key, row) for key, row in TABLE.items() if key != (0x7, 0))
    parts = vector(buffer, 32, 16)
    process = asking("preadv", 9999, ctypes.addressof(parts), 2, 6)
    assert read_cpuid(process, CpuidFile(holed)) == 16
    with failing(errno.EIO):
        read_cpuid(asking("pread64", 9999, ctypes.addressof(buffer), 16, 7), CpuidFile(holed))
    with failing(errno.EFAULT):
        read_cpuid(asking("pread64", 9999, 0, 16, 0), CpuidFile(TABLE))


def test_of_a_large_buffer_a_part_is_filled() -> None:
    buffer = ctypes.create_string_buffer(1 << 17)
    process = asking("pread64", 9999, ctypes.addressof(buffer), 1 << 17, 0)
    assert read_cpuid(process, CpuidFile(TABLE)) == 1 << 16


def test_more_buffers_than_the_kernel_takes_are_einval() -> None:
    with failing(errno.EINVAL):
        read_cpuid(asking("preadv", 9999, 0, 1025, 0), CpuidFile(TABLE))


def test_programs_read_it_by_each_call() -> None:
    ended = guest("""
        import os, stat
        fd = os.open("/dev/cpu/0/cpuid", os.O_RDONLY)
        one = os.pread(fd, 16, 1)
        vendor = os.pread(fd, 16, 0)
        def into(read, *where):
            buffers = [bytearray(16), bytearray(16)]
            print(read(fd, buffers, *where), bytes(buffers[0]) == vendor, bytes(buffers[1]) == one)
        into(os.preadv, 0)
        into(os.readv)
        print(os.lseek(fd, 0, os.SEEK_CUR), os.read(fd, 32) == os.pread(fd, 32, 2))
        print(len(os.read(fd, 496)), len(os.read(fd, 512)))
        found = os.fstat(fd)
        print(stat.S_ISCHR(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev))
        other = os.open("/proc/self/exe", os.O_RDONLY)
        print(os.readv(other, [bytearray(4)]))
    """)
    assert (ended.stdout, ended.stderr) == (
        "32 True True\n32 True True\n2 True\n496 0\nTrue 203 0\n4\n",
        "",
    )
