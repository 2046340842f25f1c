"""What the CPU says of itself, by each of its three sources."""

import errno
import os
from collections import namedtuple

import pytest

from support.vzcptcheck_fakes import FakeFiles, cpuid_device
from vzcptcheck.cpuid import (
    CpuFeatures,
    CpuidSource,
    Registers,
    read_cpu_features,
    read_leaf_from_device,
)
from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.features import feature_by_word

DEVICE = "/dev/cpu/0/cpuid"
CPUINFO = "/proc/cpuinfo"
INSTRUCTION_WHERE = "the CPUID instruction, on the CPU that runs this process"

CMOV = feature_by_word("cmov")
SYSENTER = feature_by_word("sysenter")
SSE4A = feature_by_word("sse4a")
AVX = feature_by_word("avx")
AESNI = feature_by_word("aesni")
EMT64 = feature_by_word("emt64")

FeatureStub = namedtuple("FeatureStub", "leaf subleaf register register_bit word")
XSAVEOPT = FeatureStub(0xD, 1, "eax", 0, "xsaveopt")
ERMS = FeatureStub(7, 0, "ebx", 9, "erms")
WORDLESS = FeatureStub(1, 0, "ebx", 31, None)

# An AMD CPU of 2008: cmov, sep, sse4a; its last basic leaf is 5.
OLD = {
    (0, 0): (5, 0x68747541, 0x444D4163, 0x69746E65),
    (1, 0): (0x00100F23, 0x80000800, 0x00802009, 0x078BFBFD),
    (0x80000000, 0): (0x8000001B, 0x68747541, 0x444D4163, 0x69746E65),
    (0x80000001, 0): (0x00100F23, 0, 0x00000065, 0x2993FBFD),
}

# A newer one, whose subleaves 0xd/0 and 0xd/1 differ in the bit that is asked.
NEW = {
    (0, 0): (0xD, 0x756E6547, 0x6C65746E, 0x49656E69),
    (1, 0): (0x000306C3, 0x00000800, 0x9E982203, 0x078BFBFD),
    (7, 0): (0, 0x00000200, 0, 0),
    (0xD, 0): (6, 0x340, 0x340, 0),
    (0xD, 1): (1, 0x340, 0, 0),
    (0x80000000, 0): (0x80000008, 0, 0, 0),
    (0x80000001, 0): (0, 0, 1, 0x28100800),
}

CPUINFO_TEXT = b"""\
processor\t: 0
flags\t\t: fpu cmov sep aes

processor\t: 1
flags\t\t: fpu avx

"""


def on_device(registers):
    return FakeFiles({DEVICE: cpuid_device(registers)})


def test_registers_have_names_and_compare():
    registers = Registers(1, 2, 3, 4)
    assert (registers.eax, registers.ebx, registers.ecx, registers.edx) == (1, 2, 3, 4)
    assert registers == Registers(eax=1, ebx=2, ecx=3, edx=4)
    assert registers != Registers(1, 2, 3, 5)
    assert repr(registers) == "Registers(eax=1, ebx=2, ecx=3, edx=4)"


class TestLeafFromDevice:
    def test_the_position_is_the_leaf_and_above_it_the_subleaf(self):
        answer = b"\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\x80"
        syscalls = FakeFiles({"/dev/cpu/3/cpuid": {0x180000001: answer}})
        registers = read_leaf_from_device(syscalls, 3, 0x80000001, 1)
        assert registers == Registers(1, 2, 3, 0x80000004)
        assert [call[0] for call in syscalls.calls] == ["open", "pread", "close"]
        assert syscalls.calls[0][1:] == ("/dev/cpu/3/cpuid", os.O_RDONLY | os.O_CLOEXEC)
        assert syscalls.calls[1][2:] == (16, 0x180000001)
        assert syscalls.open_paths == []

    def test_a_short_answer_names_the_file_and_the_leaf(self):
        syscalls = FakeFiles({DEVICE: {0xD | 1 << 32: b"1234567"}})
        with pytest.raises(CheckError) as caught:
            read_leaf_from_device(syscalls, 0, 0xD, 1)
        assert caught.value.message == (
            "/dev/cpu/0/cpuid: leaf 0xd, subleaf 1: 7 bytes, expected 16"
        )
        assert syscalls.open_paths == []

    @pytest.mark.parametrize("number", range(3), ids=["open", "pread", "close"])
    def test_whatever_call_fails_its_errno_is_told_and_nothing_stays_open(self, number):
        syscalls = FakeFiles({DEVICE: cpuid_device(OLD)}, failing={number: errno.EIO})
        with pytest.raises(OSError) as caught:
            read_leaf_from_device(syscalls, 0, 0, 0)
        assert caught.value.errno == errno.EIO
        assert syscalls.open_paths == []


class TestRegisters:
    @pytest.mark.parametrize(
        ("registers", "feature", "has"),
        [
            (OLD, CMOV, True),
            (OLD, SSE4A, True),
            (OLD, AVX, False),
            (NEW, XSAVEOPT, True),
            (NEW, XSAVEOPT._replace(subleaf=0), False),
            (NEW, ERMS, True),
            (NEW, AVX, True),
            (NEW, SYSENTER, True),
            (NEW, EMT64, None),  # It has no register.
        ],
    )
    def test_every_register_and_subleaf_is_told_apart(self, registers, feature, has):
        assert read_cpu_features(on_device(registers)).has(feature) is has

    def test_a_basic_leaf_beyond_the_last_is_not_asked(self):
        syscalls = on_device(OLD)
        assert read_cpu_features(syscalls).has(ERMS) is False
        assert 7 not in [call[3] for call in syscalls.calls if call[0] == "pread"]

    @pytest.mark.parametrize("last", [0x80000001, 0x80000000, 0x00000005, 0x00000000, 0xFFFFFFFF])
    def test_an_extended_leaf_beyond_the_last_is_not_there(self, last):
        registers = {**OLD, (0x80000000, 0): (last, 0, 0, 0)}
        assert read_cpu_features(on_device(registers)).has(SSE4A) is (last == 0x80000001)

    def test_a_leaf_is_read_once(self):
        syscalls = on_device(NEW)
        features = read_cpu_features(syscalls)
        features.has(CMOV)
        calls = len(syscalls.calls)
        assert features.has(AVX) is True
        assert len(syscalls.calls) == calls

    def test_a_source_that_stops_answering_is_an_error(self):
        syscalls = on_device(NEW)
        features = read_cpu_features(syscalls)
        syscalls.files[DEVICE] = errno.ENXIO
        with pytest.raises(DeviceError) as caught:
            features.has(CMOV)
        assert caught.value.message == ("/dev/cpu/0/cpuid: read: No such device or address (ENXIO)")


class TestCpuinfo:
    @pytest.mark.parametrize(
        ("cpu", "feature", "has"),
        [
            (0, CMOV, True),
            (0, SYSENTER, True),
            (0, AESNI, True),
            (0, AVX, False),
            (1, CMOV, False),
            (1, AVX, True),
            (0, EMT64, None),
            (0, WORDLESS, None),
        ],
    )
    def test_words_are_looked_up_as_cpuinfo_spells_them(self, cpu, feature, has):
        features = read_cpu_features(FakeFiles({CPUINFO: CPUINFO_TEXT}), cpu=cpu)
        assert features.has(feature) is has


class TestSources:
    def test_the_device_comes_first(self):
        syscalls = FakeFiles(
            {"/dev/cpu/2/cpuid": cpuid_device(NEW), CPUINFO: CPUINFO_TEXT}, instruction=OLD
        )
        features = read_cpu_features(syscalls, cpu=2)
        assert (features.source, features.where) == (CpuidSource.DEVICE, "/dev/cpu/2/cpuid")
        assert features.has(AVX) is True
        assert syscalls.open_paths == []

    @pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENXIO])
    def test_without_the_device_the_instruction(self, number):
        syscalls = FakeFiles({DEVICE: number, CPUINFO: CPUINFO_TEXT}, instruction=OLD)
        features = read_cpu_features(syscalls)
        assert (features.source, features.where) == (CpuidSource.INSTRUCTION, INSTRUCTION_WHERE)
        assert features.has(SSE4A) is True

    def test_without_the_instruction_the_words(self):
        syscalls = FakeFiles({CPUINFO: CPUINFO_TEXT})
        features = read_cpu_features(syscalls)
        assert (features.source, features.where) == (CpuidSource.CPUINFO, CPUINFO)
        assert syscalls.open_paths == []

    def test_a_device_that_answers_something_else_is_an_error_at_once(self):
        syscalls = FakeFiles({DEVICE: b"not registers"}, instruction=OLD)
        with pytest.raises(CheckError, match="/dev/cpu/0/cpuid: leaf 0x0, subleaf 0: 13 bytes"):
            read_cpu_features(syscalls)

    @pytest.mark.parametrize(
        ("content", "last_failure"),
        [
            (errno.ENOENT, "/proc/cpuinfo: read: No such file or directory (ENOENT)"),
            (b"Processor\n", "cpuinfo, line 1: no colon in b'Processor'"),
            (b"processor: 0\n", "cpuinfo, processor 0: no flags line, or an empty one"),
            (b"processor: 1\nflags: fpu\n", "/proc/cpuinfo: no processor 0"),
        ],
    )
    def test_without_any_source_all_are_named_with_their_errors(self, content, last_failure):
        syscalls = FakeFiles({DEVICE: errno.EACCES, CPUINFO: content})

        with pytest.raises(CheckError) as caught:
            read_cpu_features(syscalls)

        assert caught.value.message == (
            "No source tells what CPU 0 can do: "
            "/dev/cpu/0/cpuid: read: Permission denied (EACCES); "
            + INSTRUCTION_WHERE
            + ": read: Function not implemented (ENOSYS); "
            + last_failure
        )
        assert caught.value.hint
        assert syscalls.open_paths == []

    @pytest.mark.parametrize("number", range(8))
    def test_whatever_call_fails_nothing_stays_open(self, number):
        # Two leaves from the device, or one or two failing and cpuinfo instead.
        syscalls = FakeFiles(
            {DEVICE: cpuid_device(NEW), CPUINFO: CPUINFO_TEXT}, failing={number: errno.EIO}
        )
        features = read_cpu_features(syscalls)
        expected = CpuidSource.CPUINFO if number < 6 else CpuidSource.DEVICE
        assert features.source == expected
        assert syscalls.open_paths == []

    @pytest.mark.parametrize("number", range(2, 6))
    def test_whatever_call_on_the_last_source_fails_nothing_stays_open(self, number):
        # open of the device, the instruction, then open, read, read, close.
        syscalls = FakeFiles({CPUINFO: CPUINFO_TEXT}, failing={number: errno.EIO})
        with pytest.raises(CheckError, match=r"/proc/cpuinfo: read: .* \(EIO\)$"):
            read_cpu_features(syscalls)
        assert syscalls.open_paths == []

    def test_a_large_node_is_not_too_large(self):
        flags = b"fpu " + b"x" * 1500
        text = b"".join(b"processor: %d\nflags: %s\n\n" % (number, flags) for number in range(1024))
        features = read_cpu_features(FakeFiles({CPUINFO: text}, piece=1 << 16), cpu=1023)
        assert features.source == CpuidSource.CPUINFO


def test_features_of_no_source_say_nothing():
    with pytest.raises(NotImplementedError):
        CpuFeatures("none", "nowhere").has(CMOV)
