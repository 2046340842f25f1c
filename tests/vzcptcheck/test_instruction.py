"""The CPUID instruction itself, executed on the machine that runs the tests."""

import errno
import mmap
import os
import runpy
import struct
import subprocess
import sys

import pytest

from vzcptcheck import instruction
from vzcptcheck.cpuinfo import flags_of, parse_cpuinfo
from vzcptcheck.instruction import execute_cpuid
from vzcptcheck.syscalls import LinuxSyscalls

on_x86_64 = pytest.mark.skipif(
    os.uname().machine != "x86_64", reason="executes machine code of x86"
)


@pytest.fixture(scope="module")
def processor():
    with open("/proc/cpuinfo", "rb") as file:
        return parse_cpuinfo(file.read())[0]


def errno_of(call, *arguments):
    with pytest.raises(OSError) as caught:
        call(*arguments)
    return caught.value.errno


def mappings():
    """List (start, end, permissions) of this process's memory."""
    result = []
    with open("/proc/self/maps") as file:
        for line in file:
            span, permissions = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            result.append((start, end, permissions))
    return result


def permissions_at(address):
    return [held for start, end, held in mappings() if start <= address < end]


def mapped_pages():
    return sum(end - start for start, end, _ in mappings()) // mmap.PAGESIZE


@on_x86_64
class TestAnswers:
    def test_the_vendor_is_the_one_that_the_kernel_saw(self, processor):
        _, ebx, ecx, edx = execute_cpuid(0, 0)
        vendor = struct.pack("<3I", ebx, edx, ecx).decode("ascii")
        assert vendor == processor["vendor_id"]

    @pytest.mark.parametrize(("word", "bit"), [("cmov", 15), ("fxsr", 24), ("sse2", 26)])
    def test_features_are_those_that_the_kernel_saw(self, processor, word, bit):
        edx = execute_cpuid(1, 0)[3]
        assert bool(edx >> bit & 1) == (word in flags_of(processor))

    def test_extended_leaves_are_answered(self):
        assert execute_cpuid(0x80000000, 0)[0] >= 0x80000001

    def test_the_subleaf_reaches_the_cpu(self, processor):
        if not {"xsave", "avx"} <= flags_of(processor):
            pytest.skip("the CPU or the kernel has no AVX state")
        # Leaf 0xd, subleaf 2: AVX state has 256 bytes at offset 576 (Intel SDM, volume 1, 13.4).
        assert execute_cpuid(0xD, 2)[:2] == (256, 576)

    def test_the_system_calls_offer_it(self):
        assert LinuxSyscalls().cpuid(0, 0) == execute_cpuid(0, 0)


@on_x86_64
class TestPage:
    def test_it_is_never_writable_and_executable_at_once(self, monkeypatch):
        seen = []
        make_executable = instruction._make_executable
        call = instruction._call

        def watch_before(address, size):
            seen.append(permissions_at(address))
            make_executable(address, size)

        def watch_after(address, leaf, subleaf):
            seen.append(permissions_at(address))
            return call(address, leaf, subleaf)

        monkeypatch.setattr(instruction, "_make_executable", watch_before)
        monkeypatch.setattr(instruction, "_call", watch_after)
        execute_cpuid(0, 0)

        assert seen == [["rw-p"], ["r-xp"]]

    def test_it_is_freed_after_every_call(self):
        execute_cpuid(0, 0)
        before = mapped_pages()
        for _ in range(1000):
            execute_cpuid(0, 0)
        assert mapped_pages() - before < 500

    @pytest.mark.parametrize("function", ["_make_executable", "_call", "_address_of"])
    def test_it_is_freed_after_every_failure(self, monkeypatch, function):
        def fail(*_arguments):
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))

        pages = []

        class Page(mmap.mmap):
            def __new__(cls, *arguments, **keywords):
                pages.append(super().__new__(cls, *arguments, **keywords))
                return pages[-1]

        monkeypatch.setattr(instruction.mmap, "mmap", Page)
        monkeypatch.setattr(instruction, function, fail)
        with pytest.raises(OSError) as caught:
            execute_cpuid(0, 0)

        # The exception is still there, with all that its frames hold on to.
        assert caught.value.errno == errno.EACCES
        assert [page.closed for page in pages] == [True]

    def test_the_kernels_own_errno_is_told(self):
        assert errno_of(instruction._make_executable, 1, mmap.PAGESIZE) == errno.EINVAL

    def test_no_page_to_be_had(self, monkeypatch):
        def fail(*_arguments, **_keywords):
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

        monkeypatch.setattr(instruction.mmap, "mmap", fail)

        assert errno_of(execute_cpuid, 0, 0) == errno.ENOMEM


NO_EXECUTABLE_MEMORY = """
import ctypes, sys
from vzcptcheck.instruction import execute_cpuid

PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
arguments = [ctypes.c_ulong(value) for value in (PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)]
if ctypes.CDLL(None).prctl(PR_SET_MDWE, *arguments) != 0:
    sys.exit("no such prctl")
try:
    execute_cpuid(0, 0)
except OSError as error:
    print(error.errno)
"""


@on_x86_64
def test_a_kernel_that_refuses_executable_memory():
    process = subprocess.Popen(
        [sys.executable, "-c", NO_EXECUTABLE_MEMORY],
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    answer, complaint = process.communicate()
    if b"no such prctl" in complaint:
        pytest.skip("this kernel is older than 6.3")

    assert (answer.strip(), complaint) == (str(errno.EACCES).encode("ascii"), b"")


class TestElsewhere:
    @pytest.mark.parametrize("machine", ["aarch64", "ia64", "ppc64le", "i486", ""])
    def test_another_machine_has_no_such_instruction(self, monkeypatch, machine):
        names = os.uname_result([os.uname()[0], "node", "1", "1", machine])
        monkeypatch.setattr(os, "uname", lambda: names)
        assert errno_of(execute_cpuid, 0, 0) == errno.ENOSYS

    @pytest.mark.parametrize("machine", ["x86_64", "i686", "i586"])
    def test_the_width_of_pointers_chooses_the_code(self, machine):
        assert instruction._code_for(machine, 2**63 - 1) == instruction.X86_64_CODE
        assert instruction._code_for(machine, 2**31 - 1) == instruction.I386_CODE

    def test_a_python_without_ctypes(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ctypes", None)
        module = runpy.run_path(instruction.__file__)
        assert errno_of(module["execute_cpuid"], 0, 0) == errno.ENOSYS

    @on_x86_64
    def test_a_python_without_a_c_library_to_call(self, monkeypatch):
        def fail(_name, **_keywords):
            raise OSError("dynamic loading not supported")

        monkeypatch.setattr(instruction.ctypes, "CDLL", fail)

        assert errno_of(execute_cpuid, 0, 0) == errno.ENOSYS


BASE = 0x08048000
HEADERS_SIZE = 52 + 32
ANSWER = BASE + 0x800
EBX, EDI = 0x11223344, 0x55667788


def i386_program(leaf, subleaf):
    """Make a 32-bit program that calls the code as C would and writes what came of it.

    Six numbers: eax, ebx, ecx, edx as answered, then the caller's ebx and edi afterwards.
    """
    after = (
        b"\x89\x1d" + struct.pack("<I", ANSWER + 16)  # mov [ANSWER+16], ebx
        + b"\x89\x3d" + struct.pack("<I", ANSWER + 20)  # mov [ANSWER+20], edi
        + b"\xb8" + struct.pack("<I", 4)  # mov eax, 4 (write)
        + b"\xbb" + struct.pack("<I", 1)  # mov ebx, 1
        + b"\xb9" + struct.pack("<I", ANSWER)  # mov ecx, ANSWER
        + b"\xba" + struct.pack("<I", 24)  # mov edx, 24
        + b"\xcd\x80"  # int 0x80
        + b"\xb8" + struct.pack("<I", 1)  # mov eax, 1 (exit)
        + b"\x31\xdb"  # xor ebx, ebx
        + b"\xcd\x80"  # int 0x80
    )  # fmt: skip
    text = (
        b"\xbb" + struct.pack("<I", EBX)  # mov ebx, EBX
        + b"\xbf" + struct.pack("<I", EDI)  # mov edi, EDI
        + b"\x68" + struct.pack("<I", subleaf)  # push subleaf
        + b"\x68" + struct.pack("<I", leaf)  # push leaf
        + b"\x68" + struct.pack("<I", ANSWER)  # push ANSWER
        + b"\xe8" + struct.pack("<I", len(after))  # call the code behind
        + after
        + instruction.I386_CODE
    )  # fmt: skip
    elf_header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01",
        *(2, 3, 1, BASE + HEADERS_SIZE, 52, 0, 0, 52, 32, 1, 0, 0, 0),
    )
    program_header = struct.pack("<8I", 1, 0, BASE, BASE, 0x1000, 0x1000, 7, 0x1000)
    return (elf_header + program_header + text).ljust(0x1000, b"\0")


@on_x86_64
@pytest.mark.parametrize(("leaf", "subleaf"), [(0, 0), (0x80000000, 0), (0xD, 2)])
def test_the_code_of_i386_answers_the_same_and_keeps_the_callers_registers(tmp_path, leaf, subleaf):
    program = tmp_path / "program"
    program.write_bytes(i386_program(leaf, subleaf))
    program.chmod(0o700)
    try:
        output = subprocess.check_output([str(program)])
    except OSError as refusal:
        pytest.skip(f"this kernel runs no 32-bit programs: {refusal}")
    assert struct.unpack("<6I", output) == (*execute_cpuid(leaf, subleaf), EBX, EDI)
