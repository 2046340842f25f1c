"""The node's processors, grouped by what they are."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vzcptcheck_fakes import FakeFiles, cpuid_device
from vzcptcheck.cpuid import Registers
from vzcptcheck.errors import CheckError
from vzcptcheck.processors import format_ranges, survey_processors

CPUINFO = "/proc/cpuinfo"

CPU = {
    (0, 0): (1, 0x756E6547, 0x6C65746E, 0x49656E69),
    (1, 0): (0x000206D7, 0x00100800, 0, 0x0FEBFBFF),
    (0x80000000, 0): (0, 0, 0, 0),
    (0x80860000, 0): (0, 0, 0, 0),
    (0xC0000000, 0): (0, 0, 0, 0),
}


def cpu(**changes):
    """Make a CPU's registers; ``ebx`` and the like are leaf 1's."""
    return {**CPU, (1, 0): Registers(*CPU[1, 0])._replace(**changes)}


def block(number, model="Xeon", microcode="0x710", flags="fpu sse"):
    return (
        f"processor\t: {number}\nmodel name\t: {model}\nmicrocode\t: {microcode}\n"
        f"flags\t\t: {flags}\n\n"
    ).encode()


def node(cpus, blocks=None, **more):
    """Make a node whose /dev/cpu/N/cpuid answers as ``cpus`` does, by N."""
    blocks = [block(number) for number in cpus] if blocks is None else blocks
    files = {f"/dev/cpu/{number}/cpuid": cpuid_device(one) for number, one in cpus.items()}
    return FakeFiles({CPUINFO: b"".join(blocks), **files}, **more)


def survey(files):
    found = survey_processors(files)
    assert files.open_paths == []
    return found


def test_processors_that_are_alike_are_one_cpu():
    (one,), remarks = survey(node({0: CPU, 1: CPU, 2: CPU}))
    assert one.processors == [0, 1, 2]
    assert (one.model_name, one.microcode, one.flags) == ("Xeon", "0x710", "fpu sse")
    assert one.source == "device"
    assert one.answers == {(0, 0): CPU[0, 0], (1, 0): CPU[1, 0]}
    assert remarks == []


def test_a_threads_own_number_makes_no_other_cpu_and_the_firsts_is_kept():
    (one,), _ = survey(node({0: cpu(ebx=0x06100800), 1: cpu(ebx=0x07100800)}))
    assert one.processors == [0, 1]
    assert one.answers[1, 0].ebx == 0x06100800


def test_a_mixed_node_is_said_with_what_differs():
    cpus, remarks = survey(
        node(
            {0: CPU, 1: cpu(eax=0x000306E4), 2: CPU},
            [block(0), block(1, "Xeon v2", flags="fpu sse rdrand"), block(2)],
        )
    )

    assert [one.processors for one in cpus] == [[0, 2], [1]]
    assert remarks == [
        "this node's processors are not all alike:",
        "  0,2: Xeon, CPUID signature 0x000206d7, microcode 0x710",
        "  1: Xeon v2, CPUID signature 0x000306e4, microcode 0x710, with the flags rdrand",
        "  CPUID differs in 0x1",
    ]


def test_a_half_updated_node_is_said_although_cpuid_is_the_same():
    cpus, remarks = survey(
        node({0: CPU, 1: CPU}, [block(0), block(1, microcode="0x714", flags="fpu")])
    )
    assert [one.microcode for one in cpus] == ["0x710", "0x714"]
    assert "  0: Xeon, CPUID signature 0x000206d7, microcode 0x710, with the flags sse" in remarks
    assert "  1: Xeon, CPUID signature 0x000206d7, microcode 0x714" in remarks
    assert not [line for line in remarks if "CPUID differs" in line]


def test_subleaves_that_differ_are_named_up_to_a_number():
    one = {**CPU, (0, 0): (0x4, 0, 0, 0), **{(leaf, 0): (0, 0, 0, 0) for leaf in (2, 3)}}
    one.update({(4, subleaf): (subleaf < 60, subleaf, 0, 0) for subleaf in range(61)})
    other = {**one, **{(4, subleaf): (1, subleaf, 1, 0) for subleaf in range(60)}}
    _, remarks = survey(node({0: one, 1: other}))
    named = "".join(f", 0x4 subleaf {subleaf}" for subleaf in range(1, 40))
    assert remarks[-1] == f"  CPUID differs in 0x4{named}, and others"


class Holes(FakeFiles):
    """Files whose devices answer EIO where nothing is recorded."""

    def pread(self, fd, size, position):
        if position not in self.files[self.paths[fd]]:
            raise OSError(errno.EIO, "Input/output error")
        return super().pread(fd, size, position)


def test_leaves_that_are_not_answered_are_unknown_and_said():
    files = Holes({CPUINFO: block(0), "/dev/cpu/0/cpuid": cpuid_device({(0, 0): CPU[0, 0]})})
    (one,), remarks = survey(files)
    assert list(one.answers) == [(0, 0)]
    assert remarks == [
        "4 of CPUID's answers could not be read, and are recorded as unknown: 0x1, 0x80000000, "
        "0x80860000, 0xc0000000"
    ]


def test_two_cpus_of_which_nothing_but_a_flag_is_known():
    device = cpuid_device({(0, 0): CPU[0, 0]})
    text = b"processor : 0\n\nprocessor : 1\nflags : avx\n\n"
    files = Holes({CPUINFO: text, "/dev/cpu/0/cpuid": device, "/dev/cpu/1/cpuid": device})
    cpus, remarks = survey(files)
    assert [one.flags for one in cpus] == [None, "avx"]
    assert remarks[1:3] == ["  0: nothing is known", "  1: with the flags avx"]


def test_without_the_device_the_instruction_is_executed_on_each_processor():
    files = node({}, [block(0), block(3)], instruction=CPU)
    (one,), _ = survey(files)
    assert (one.processors, one.source) == ([0, 3], "instruction")
    assert one.answers[1, 0] == CPU[1, 0]
    assert [call for call in files.calls if call[0] == "run_on"] == [("run_on", 0), ("run_on", 3)]


def test_a_processor_that_nobody_can_ask_is_said_and_left_out():
    files = node({0: CPU}, [block(0), block(1)])
    (one,), remarks = survey(files)
    assert one.processors == [0]
    assert remarks == [
        "processor 1: /dev/cpu/1/cpuid: No such file or directory (ENOENT); the CPUID "
        "instruction on it: Function not implemented (ENOSYS)"
    ]


def test_where_no_processor_tells_anything_that_is_an_error():
    with pytest.raises(CheckError) as caught:
        survey(node({}, [block(0)]))
    assert caught.value.message.startswith("no processor tells what it can do: processor 0: ")
    assert caught.value.hint == "Load the kernel's module cpuid: 'modprobe cpuid'."


def test_an_answer_of_another_length_is_no_hole():
    files = FakeFiles({CPUINFO: block(0), "/dev/cpu/0/cpuid": {0: struct.pack("<2I", 1, 2)}})
    with pytest.raises(CheckError, match="leaf 0x0, subleaf 0: 8 bytes, expected 16"):
        survey(files)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (errno.ENOENT, "/proc/cpuinfo: No such file or directory (ENOENT)"),
        (b"", "/proc/cpuinfo: cpuinfo, line 1: the text ends and no processor was listed"),
        (b"processor : x\n", "/proc/cpuinfo: processor 'x' has no number"),
        (b"processor : \xb2\n", "/proc/cpuinfo: processor '\xb2' has no number"),
        (b"processor : 99999\n", "/proc/cpuinfo: processor '99999' has no number"),
    ],
)
def test_without_cpuinfo_processor_0_stands_for_all_and_its_flags_are_unknown(content, said):
    files = FakeFiles({CPUINFO: content, "/dev/cpu/0/cpuid": cpuid_device(CPU)})
    (one,), remarks = survey(files)
    assert one.processors == [0]
    assert (one.model_name, one.microcode, one.flags) == (None, None, None)
    assert remarks == [said + ": processor 0 is taken for all, its flags for unknown"]


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([0], "0"), ([0, 1, 2, 3, 8], "0-3,8"), ([1, 3, 4], "1,3-4"), ([5, 6], "5-6")],
)
def test_numbers_as_ranges(numbers, text):
    assert format_ranges(numbers) == text


@given(st.sets(st.integers(0, 300), min_size=1))
def test_ranges_name_each_number_once(numbers):
    named = []
    for part in format_ranges(sorted(numbers)).split(","):
        first, _, last = part.partition("-")
        named += range(int(first), int(last or first) + 1)
    assert named == sorted(numbers)
