"""/proc/cpuinfo: what the kernels booted for the recordings showed, and who else can read it."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from simulator.facts.cpuid import processor_ranges
from simulator.kernel.files import format_cpuinfo
from simulator.kernel.tree import CPUINFO
from simulator.profiles.profile import NodeProfile
from simulator.run.in_process import SimulatedSyscalls
from support.simulated_nodes import AMD, cpu
from support.simulated_profiles import captured_nodes
from vzcptcheck import cpuinfo

CAPTURED = captured_nodes()


def shown(profile: NodeProfile) -> bytes:
    """Return what the node's /proc/cpuinfo reads as."""
    node = SimulatedSyscalls(profile.boot())
    return node.read(node.open(CPUINFO, os.O_RDONLY), 1 << 20)


@pytest.mark.parametrize(
    ("processors", "numbers"),
    [("0", [0]), ("0-3,8", [0, 1, 2, 3, 8]), ("7,5-6", [7, 5, 6]), ("3-0", [])],
)
def test_processors_of_a_list(processors: str, numbers: list[int]) -> None:
    assert [one for part in processor_ranges(processors) for one in part] == numbers


@given(st.lists(st.integers(0, 9999).map(lambda first: range(first, first + 3)), min_size=1))
def test_a_list_of_ranges_is_read_as_written(ranges: list[range]) -> None:
    text = ",".join(f"{one[0]}-{one[-1]}" for one in ranges)
    assert list(processor_ranges(text)) == ranges


def test_a_processor_is_a_block_as_the_kernel_writes_it() -> None:
    block = format_cpuinfo(0, cpu("cmov", vendor=AMD), "Some CPU", "0x15", "fpu cmov")
    assert block.splitlines() == [
        "processor\t: 0",
        "vendor_id\t: AuthenticAMD",
        "cpu family\t: 6",
        "model\t\t: 45",
        "model name\t: Some CPU",
        "stepping\t: 7",
        "microcode\t: 0x15",
        "flags\t\t: fpu cmov",
    ]
    assert block.endswith("\n")


def test_what_is_not_known_has_no_line() -> None:
    block = format_cpuinfo(0, cpu(), None, None, None)
    keys = [line.partition("\t")[0] for line in block.splitlines()]
    assert keys == ["processor", "vendor_id", "cpu family", "model", "stepping"]


@pytest.mark.parametrize("profile", CAPTURED, ids=lambda profile: profile.name)
def test_the_production_tools_parser_reads_it(profile: NodeProfile) -> None:
    processor, *_ = cpuinfo.parse_cpuinfo(shown(profile))
    assert processor["vendor_id"] == profile.cpus[0].cpuid.vendor
    assert cpuinfo.flags_of(processor) == frozenset((profile.cpus[0].flags or "").split())


def test_several_processors_are_apart_by_an_empty_line() -> None:
    (kind,) = CAPTURED[0].cpus
    kinds = tuple(replace(kind, processors=numbers) for numbers in ("0-1,4", "6"))
    blocks = cpuinfo.parse_cpuinfo(shown(replace(CAPTURED[0], cpus=kinds)))
    assert [block["processor"] for block in blocks] == ["0", "1", "4", "6"]
