"""The recorded CPUs: the data file is whole, and a wrong name is answered helpfully."""

import json
from importlib import resources

import pytest

from simulator.dumps.model import as_64bit, infer_mode
from simulator.profiles.store import UnknownCpuError, find_cpu, load_cpus

CPUS = load_cpus()
SYSCALL = 11


def test_all_are_there() -> None:
    assert len(CPUS) == 50


def test_all_are_immutable() -> None:
    with pytest.raises(TypeError):
        CPUS["another"] = CPUS["intel-xeon-e5345"]  # type: ignore[index]


def test_the_file_is_canonical() -> None:
    text = resources.files("simulator").joinpath("data/cpus.json").read_text("utf-8")
    lines = [
        json.dumps(
            {
                "name": cpu.name,
                "brand": cpu.brand,
                "vendor": cpu.vendor,
                "source": cpu.source,
                "dump_mode": cpu.dump_mode,
                "cpuid": cpu.table.rows(),
            },
            ensure_ascii=False,
        )
        for cpu in CPUS.values()
    ]
    assert text == '{"cpus": [\n' + ",\n".join(lines) + "\n]}\n"


@pytest.mark.parametrize("name", CPUS)
def test_what_is_said_of_a_cpu_is_what_its_registers_say(name: str) -> None:
    cpu = find_cpu(name)
    assert cpu.name == name
    assert cpu.vendor == cpu.table.vendor
    assert cpu.brand == " ".join(cpu.table.brand.split())
    assert cpu.source.partition(":")[0] in {"hwloc", "libcpuid", "InstLatx64"}
    assert cpu.table.has_bit(1, 0, "edx", 24)


@pytest.mark.parametrize("name", CPUS)
def test_a_64bit_kernel_has_syscall_on_each(name: str) -> None:
    assert as_64bit(find_cpu(name).table).has_bit(0x8000_0001, 0, "edx", SYSCALL)


@pytest.mark.parametrize("name", CPUS)
def test_dump_mode_is_the_inferred_one_where_that_tells(name: str) -> None:
    cpu = find_cpu(name)
    inferred = infer_mode(cpu.table)
    assert inferred in {"unknown", cpu.dump_mode}
    assert (inferred == "unknown") == (cpu.vendor != "GenuineIntel")


@pytest.mark.parametrize(
    ("name", "dump_mode"),
    [
        ("intel-xeon-w7-2475x", "32-bit"),
        ("intel-xeon-e5-2680-v3", "64-bit"),
        ("amd-opteron-6272", "64-bit"),
        ("amd-epyc-7742", "unknown"),
    ],
)
def test_dump_mode(name: str, dump_mode: str) -> None:
    assert find_cpu(name).dump_mode == dump_mode


def test_an_unknown_name_lists_those_near_it() -> None:
    with pytest.raises(UnknownCpuError) as caught:
        find_cpu("intel-xeon-e5-2697-v3")
    assert caught.value.name == "intel-xeon-e5-2697-v3"
    assert caught.value.names[0] == "intel-xeon-e5-2697-v2"
    assert len(caught.value.names) == 5
    assert "intel-xeon-e5-2697-v2" in str(caught.value)


def test_a_name_near_none_lists_all() -> None:
    with pytest.raises(UnknownCpuError) as caught:
        find_cpu("???")
    assert caught.value.names == list(CPUS)
