"""The files that tell of a node's processors, compared with what Linux itself showed."""

from pathlib import Path

import pytest

from simulator.facts.cpuid import CpuidTable, Registers
from simulator.kernel.cpu_files import SYS_CPU, format_stat, sys_cpu_texts
from support.simulated_nodes import AMD, INTEL, cpu


def epyc(apic: int) -> CpuidTable:
    """Return a processor of a virtual machine with an EPYC 9004, as its CPUID answers."""
    return cpu(vendor=AMD).replace(
        {
            (0x0, 0): cpu(vendor=AMD)[0x0, 0]._replace(eax=0x1C),
            (0x1, 0): Registers(0x00A10F11, apic << 24 | 0x00020800, 0xFFFA3203, 0x178BFBFF),
            (0xB, 0): Registers(0, 1, 0x100, apic),
            (0xB, 1): Registers(5, 2, 0x201, apic),
            (0x8000_0000, 0): Registers(0x8000_001E, 0, 0, 0),
            (0x8000_0005, 0): Registers(0xFF48FF40, 0xFF48FF40, 0x20080140, 0x20080140),
            (0x8000_0006, 0): Registers(0x5C002200, 0x6C004200, 0x04006140, 0x0A009140),
            (0x8000_001D, 0): Registers(0x00000121, 0x01C0003F, 0x0000003F, 0),
            (0x8000_001D, 1): Registers(0x00000122, 0x01C0003F, 0x0000003F, 0),
            (0x8000_001D, 2): Registers(0x00000143, 0x01C0003F, 0x000007FF, 2),
            (0x8000_001D, 3): Registers(0x00004163, 0x03C0003F, 0x00007FFF, 1),
            (0x8000_001E, 0): Registers(apic, apic, 0, 0),
        }
    )


NAMES = (
    *("level", "type", "size", "coherency_line_size", "physical_line_partition"),
    *("ways_of_associativity", "number_of_sets", "shared_cpu_map", "shared_cpu_list"),
)

#: What Linux 6.18 showed there: a processor, a cache, and its files in this order. Its masks are as
#: long as its processors are many.
SHOWN = """
    0 0 1 Data 32K 64 1 8 64 00000001 0
    0 1 1 Instruction 32K 64 1 8 64 00000001 0
    0 2 2 Unified 1024K 64 1 8 2048 00000001 0
    0 3 3 Unified 32768K 64 1 16 32768 00000003 0-1
    1 0 1 Data 32K 64 1 8 64 00000002 1
    1 1 1 Instruction 32K 64 1 8 64 00000002 1
    1 2 2 Unified 1024K 64 1 8 2048 00000002 1
    1 3 3 Unified 32768K 64 1 16 32768 00000003 0-1
"""


def test_caches_and_places_are_as_linux_shows_them() -> None:
    processors = {number: epyc(number) for number in (0, 1)}
    texts = sys_cpu_texts((0, 1), processors)
    for line in SHOWN.split("\n")[1:-1]:
        number, index, *values = line.split()
        folder = f"{SYS_CPU}/cpu{number}/cache/index{index}"
        assert [texts[f"{folder}/{name}"] for name in NAMES] == [f"{one}\n" for one in values]
        assert texts[folder] is texts[f"{SYS_CPU}/cpu{number}/cache"] is None
    for number in (0, 1):
        folder = f"{SYS_CPU}/cpu{number}/topology"
        assert {path: text for path, text in texts.items() if path.startswith(folder)} == {
            folder: None,
            f"{folder}/core_id": f"{number}\n",
            f"{folder}/physical_package_id": "0\n",
            f"{folder}/thread_siblings": f"0000000{1 << number}\n",
            f"{folder}/thread_siblings_list": f"{number}\n",
            f"{folder}/core_siblings": "00000003\n",
            f"{folder}/core_siblings_list": "0-1\n",
        }
    for name in ("possible", "present", "online"):
        assert texts[f"{SYS_CPU}/{name}"] == "0-1\n"
    assert texts[f"{SYS_CPU}/offline"] == "\n"
    assert f"{SYS_CPU}/cpu0/online" not in texts
    assert texts[f"{SYS_CPU}/cpu1/online"] == "1\n"


def told(numbers: tuple[int, ...], processors: dict[int, CpuidTable]) -> set[str]:
    """Return what is in the folders of processors, without their numbers."""
    texts = sys_cpu_texts(numbers, processors)
    return {path.partition("/cpu1/")[2] for path in texts if "/cpu1/" in path}


def test_of_processors_that_are_alike_nobody_knows_who_is_where() -> None:
    alike = told((0, 1), dict.fromkeys((0, 1), epyc(0)))
    assert not [path for path in alike if path.startswith("topology") or "shared" in path]
    assert "cache/index3/size" in alike
    apart = told((0, 1), {0: epyc(0), 1: epyc(1)})
    assert {path for path in apart - alike if "shared" not in path} == {
        "topology",
        *(f"topology/{name}" for name in ("core_id", "physical_package_id")),
        *(f"topology/{name}_siblings{end}" for name in ("core", "thread") for end in ("", "_list")),
    }


def test_a_place_that_is_not_recorded_is_not_there() -> None:
    unknown = cpu(vendor=INTEL).replace({(0x1, 0): Registers(1, 0x1B080000, 0, 1 << 28)})
    assert told((0, 1), {0: cpu(), 1: unknown}) == {"online"}


def test_who_shares_a_cache_is_not_told_by_amds_older_leaves() -> None:
    rows = {(0x8000_0006, 0): Registers(0, 0, 0x04009140, 0)}
    caches = {
        number: cpu(vendor=AMD).replace(
            {**rows, (0x1, 0): Registers(0x00A10F11, number << 24, 0, 0)}
        )
        for number in (0, 1)
    }
    paths = told((0, 1), caches)
    assert "cache/index0/size" in paths
    # Code 9 says that another leaf tells the ways.
    assert not [path for path in paths if "shared" in path or "ways" in path or "sets" in path]
    assert "topology/core_id" in paths
    texts = sys_cpu_texts((1,), {1: caches[1]})
    assert texts[f"{SYS_CPU}/cpu1/cache/index0/shared_cpu_list"] == "1\n"


def test_processors_of_a_large_node_are_in_groups_of_32() -> None:
    processors = {number: epyc(number) for number in (0, 1, 40, 70)}
    texts = sys_cpu_texts(tuple(processors), processors)
    assert texts[f"{SYS_CPU}/present"] == "0-1,40,70\n"
    mask = texts[f"{SYS_CPU}/cpu70/topology/thread_siblings"]
    assert mask == "00000040,00000000,00000000\n"


def test_without_cpuid_there_are_processors_and_nothing_of_them() -> None:
    texts = sys_cpu_texts((0, 2), {})
    assert {path.removeprefix(f"{SYS_CPU}/"): text for path, text in texts.items()} == {
        **dict.fromkeys(("possible", "present", "online"), "0,2\n"),
        "offline": "\n",
        "cpu0": None,
        "cpu2": None,
        "cpu2/online": "1\n",
    }


@pytest.mark.parametrize("numbers", [(0,), (0, 1, 2, 8)])
def test_stat_has_a_line_for_each_processor(numbers: tuple[int, ...]) -> None:
    lines = format_stat(numbers).splitlines()
    every, *each = [line.split() for line in lines if line.startswith("cpu")]
    assert every[0] == "cpu"
    assert [line[0] for line in each] == [f"cpu{number}" for number in numbers]
    assert all(
        sum(int(line[column]) for line in each) <= int(every[column])
        for column in range(1, len(every))
    )
    here = [line.split()[0] for line in Path("/proc/stat").read_text("ascii").splitlines()]
    assert {line.split()[0] for line in lines if not line.startswith("cpu")} == {
        key for key in here if not key.startswith("cpu")
    }
    assert all(len(line.split()) == 2 for line in lines if line.startswith(("intr", "softirq")))
