"""What programs that describe a machine say on a node: nothing is of the machine below.

The CPUID instruction cannot be led to the node, and lscpu asks it for the hypervisor: that is left
out of what lscpu says of its own. With --sysroot, it does not ask.
"""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

from simulator.facts.cpu_layout import caches_of
from simulator.facts.cpuid_device import device_answer
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from support.needed import needs
from support.running import command_line, finish, succeed
from vzcptcheck.cpuinfo import parse_cpuinfo

pytestmark = needs("cpuid", "lscpu")

#: Kernels of all generations, CPUs of all vendors; captured nodes and composed ones.
NODES = (
    "042stab061.9.Opteron_G3.default",
    "042stab092.1.qemu64.default",
    "042stab141.3.SandyBridge.captured",
    "amd-epyc-7451.042stab061.9",
    "amd-epyc-9655.028stab056.1",
    "intel-xeon-gold-6336y.042stab092.1",
    "intel-xeon-x5550.dzhanibekov.1",
    "hygon-c86-7185.042stab088.4",
    "zhaoxin-kaisheng-kh-40000-32.042stab090.5",
    "masked.042stab113.5",
)

#: What lscpu may say, and of what nothing is recorded here.
SAYS = {
    *("Architecture", "CPU op-mode(s)", "Byte Order", "CPU(s)", "On-line CPU(s) list"),
    *("Vendor ID", "Model name", "CPU family", "Model", "Stepping", "Flags", "Virtualization"),
    *("Thread(s) per core", "Core(s) per socket", "Socket(s)"),
    *(f"{name} cache" for name in ("L1d", "L1i", "L2", "L3")),
}
BY_THE_INSTRUCTION = {"Hypervisor vendor", "Virtualization type"}

MARK = "== next =="
COMMANDS = (
    "lscpu",
    "lscpu --json",
    "lscpu --sysroot / --json",
    "nproc",
    "cpuid -k -r",
    "cat /proc/cpuinfo",
    "uname -rv; sysctl -n kernel.osrelease kernel.version; cat /proc/version",
    "getconf _NPROCESSORS_CONF; getconf _NPROCESSORS_ONLN; grep -c '^cpu[0-9]' /proc/stat",
)


#: What cpuid remarks where two subleaves of a leaf are zeros, as those of SGX on a CPU without it.
_NO_SUBLEAVES = re.compile(r"cpuid: (reading .* duplicate results|older kernels .*|consider .*)\n")


@cache
def said(node: str) -> list[str]:
    """Return what each of the commands says on a node."""
    script = f"; echo '{MARK}'; ".join(COMMANDS)
    ended = finish(command_line("sh", "-c", script, node=node), {**os.environ, "LC_ALL": "C"})
    assert (ended.returncode, _NO_SUBLEAVES.sub("", ended.stderr)) == (0, "")
    return ended.stdout.split(f"{MARK}\n")


def fields(text: str) -> dict[str, str]:
    """Return what lscpu --json says."""
    return {one["field"].rstrip(":"): one["data"] for one in json.loads(text)["lscpu"]}


def of_this_machine() -> set[str]:
    """Return words that tell this machine from others."""
    ours = {os.uname().release, os.uname().version}
    for processor in parse_cpuinfo(Path("/proc/cpuinfo").read_bytes()):
        ours |= {processor.get(key, "") for key in ("model name", "bogomips", "cpu MHz")}
    return {word for word in ours if len(word) > 2}


@pytest.mark.parametrize("name", NODES)
def test_nothing_is_of_the_machine_below(name: str) -> None:
    profile = load_node(name)
    own = profile.cpus[0].model_name or ""
    everything = "\n".join(said(name))
    assert not [word for word in of_this_machine() if word in everything and word not in own]
    for text, others in zip(said(name)[1:3], (BY_THE_INSTRUCTION, set()), strict=True):
        assert fields(text).keys() <= SAYS | others
    plain = {line.partition(":")[0] for line in said(name)[0].splitlines()}
    assert plain - BY_THE_INSTRUCTION == fields(said(name)[2]).keys()


@pytest.mark.parametrize("name", NODES)
def test_lscpu_reads_what_cpuinfo_and_the_registers_say(name: str) -> None:
    shown = fields(said(name)[2])
    processor, *_ = parse_cpuinfo(said(name)[5].encode())
    table = load_node(name).cpus[0].cpuid
    assert {key: shown[key] for key in ("Vendor ID", "Model name", "CPU family", "Model")} == {
        "Vendor ID": processor["vendor_id"],
        "Model name": processor["model name"],
        "CPU family": processor["cpu family"],
        "Model": processor["model"],
    }
    assert (shown["Stepping"], shown["Flags"]) == (processor["stepping"], processor["flags"])
    caches = {key: text for key, text in shown.items() if key.endswith(" cache")}
    assert len(caches) == len(caches_of(table))
    for cache_ in caches_of(table):
        letter = {"Data": "d", "Instruction": "i", "Unified": ""}[cache_.type]
        size, unit, rest = caches[f"L{cache_.level}{letter} cache"].split(maxsplit=2)
        assert rest == "(1 instance)"
        assert float(size) * {"KiB": 1 << 10, "MiB": 1 << 20}[unit] == cache_.size


@pytest.mark.parametrize("name", NODES)
def test_there_are_as_many_processors_as_recorded(name: str) -> None:
    shown = fields(said(name)[2])
    assert (shown["CPU(s)"], shown["On-line CPU(s) list"]) == ("1", "0")
    assert said(name)[3] == "1\n"
    assert said(name)[7] == "1\n" * 3


@pytest.mark.parametrize("name", NODES)
def test_cpuid_reads_each_leaf_of_the_node(name: str) -> None:
    table = load_node(name).cpus[0].cpuid
    head, *rows = said(name)[4].splitlines()
    assert head == "CPU 0:"
    shown = {}
    for row in rows:
        leaf, subleaf, *registers = (int(word, 16) for word in re.findall(r"0x([0-9a-f]+)", row))
        assert tuple(registers) == device_answer(table, leaf, subleaf)
        shown[leaf, subleaf] = registers
    told = {key for key, registers in table.items() if any(registers)}
    # It asks for subleaves until one is the last of its leaf.
    assert {leaf for leaf, _ in told} <= {leaf for leaf, _ in shown}


@pytest.mark.parametrize("name", NODES)
def test_the_release_is_the_same_everywhere(name: str) -> None:
    release = load_node(name).kernel.release
    assert said(name)[6].splitlines() == [
        f"{release} #1 SMP",
        release,
        "#1 SMP",
        f"Linux version {release} (simulated) #1 SMP",
    ]


def several(profile: NodeProfile, folder: Path) -> str:
    """Write a profile of eight processors that are alike."""
    cpus = tuple(replace(one, processors="0-7") for one in profile.cpus)
    path = folder / "several.json"
    path.write_text(format_profile(replace(profile, cpus=cpus)), "utf-8")
    return str(path)


def test_of_several_processors_all_are_counted(tmp_path: Path) -> None:
    node = several(load_node("amd-epyc-7451.042stab061.9"), tmp_path)
    script = "lscpu --sysroot / --json; nproc; taskset -c 3,5-6 nproc; cpuid -k -r | grep -c ^CPU"
    text = succeed(command_line("sh", "-c", script, node=node))
    shown, _, counts = text.rpartition("}\n")
    assert fields(shown + "}")["On-line CPU(s) list"] == "0-7"
    assert counts.split() == ["8", "3", "8"]
