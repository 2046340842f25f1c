"""What reading profiles and 'vzcptsim matrix' cost beside json.loads of the same files.

Usage: python benchmarks/matrix.py [NODES...]

For each size a fleet is generated into a temporary folder, 20 containers to a node: real CPUs,
some far more often than others, with kernels of all generations; a few nodes have an override, a
boot option, no IPv6, SLM, or lack a module. Then processes take turns: one parses the files by
json.loads and does nothing else, one reads and checks them as profiles, and one runs the whole
command, which writes the matrix by class as JSON. Seconds are of the processor, and of all
processes together: what else runs on the machine does not count. Of the command Python's start is
a part. Memory is that of the largest process. Exit status 1 where, at the largest size, the
least that a task took is above its limit, as a ratio to json.loads, or the matrix took more memory
than MEMORY_LIMIT.
"""

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from simulator.errors import UserError
from simulator.facts.capabilities import X86_64
from simulator.facts.generations import identify
from simulator.fleets.fleet import group_by_class
from simulator.fleets.matrix import Matrix
from simulator.fleets.reading import read_fleet
from simulator.kernel.containers import Container
from simulator.profiles.catalogue import load_cpus
from simulator.profiles.compose import CpuSource, compose, parse_spec
from simulator.profiles.nodes import resolve
from simulator.profiles.profile import KernelFacts
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_profile

SIZES = (100, 1_000, 10_000)
CONTAINERS = 20
_CPUS = 50
ROUNDS = 5
LIMITS = {"reading": 5.0, "matrix": 8.0}
MEMORY_LIMIT = 300  # MiB

_PROCESSES = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

#: Kernels, and how many nodes in a hundred have them.
_RELEASES = {
    "2.6.18-028stab056.1": 4,
    "2.6.32-dzhanibekov.1": 2,
    "2.6.32-042stab061.9": 5,
    "2.6.32-042stab090.5": 9,
    "2.6.32-042stab092.1": 10,
    "2.6.32-042stab108.1": 15,
    "2.6.32-042stab113.5": 25,
    "2.6.32-042stab141.3": 30,
}

#: What containers are made of, and how many in a hundred are.
_SPECS = {
    "fpu": 50,
    "": 14,
    "fpu,process=sshd,process=httpd,fpu": 14,
    "32bit,fpu": 6,
    "32bit": 3,
    "stopped": 3,
    "suspended": 1,
    "locked": 1,
    "fpu,process=bash,entered": 2,
    "fpu,policy=rr": 1,
    "fpu,device=tun0": 2,
    "fpu,mount=nfs": 1,
    "fpu,private-mounts": 1,
    "fpu,process=gdb,traced": 1,
}

#: What /proc/vz/cpuid_override is set to where it is: two answers to leaf 1.
_OVERRIDES = (
    "0x00000001: 0x000106a5 0x00000800 0x00982201 0x078bfbfd\n",
    "0x00000001: 0x000106a5 0x00000800 0x9e982203 0x078bfbfd\n",
)
_BOOT_OPTIONS = ("noxsave", "nordrand", "eagerfpu=off", "clearcpuid=154")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took."""

    seconds: float
    mebibytes: float


def main(arguments: list[str]) -> int:
    """Measure every size, print, and compare the largest with the limits."""
    if arguments and arguments[0] in _TASKS:
        return _run_task(*arguments)
    sizes = [int(one) for one in arguments] or SIZES
    print(
        f"{CONTAINERS} containers to a node; processor seconds: least and median of {ROUNDS} runs"
    )
    is_within = True
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            _generate(Path(folder), size)
            costs = _measure(folder)
            print(f"{size} nodes; {_output('classes', folder)}")
        is_within = _show(costs)
    return int(not is_within)


def _measure(folder: str) -> Mapping[str, list[Cost]]:
    costs: dict[str, list[Cost]] = {"loads": [], "reading": [], "matrix": []}
    for _ in range(ROUNDS):
        for task, spent in costs.items():
            seconds, kibibytes = map(float, _output(task, folder).split())
            spent.append(Cost(seconds, kibibytes / 1024))
    return costs


def _show(costs: Mapping[str, list[Cost]]) -> bool:
    """Print what tasks took, and tell whether all is within the limits."""
    seconds = {task: sorted(one.seconds for one in spent) for task, spent in costs.items()}
    memory = {task: max(one.mebibytes for one in spent) for task, spent in costs.items()}
    ratios = {task: spent[0] / seconds["loads"][0] for task, spent in seconds.items()}
    for task, spent in seconds.items():
        median = statistics.median(spent)
        of_medians = median / statistics.median(seconds["loads"])
        print(
            f"  {task:8} {spent[0]:7.2f} {median:7.2f} s   {ratios[task]:5.2f} {of_medians:5.2f} x"
            f"   {memory[task]:5.0f} MiB"
        )
    return memory["matrix"] <= MEMORY_LIMIT and all(
        ratios[task] <= limit for task, limit in LIMITS.items()
    )


# Tasks, each in a process of its own: its peak memory is its own too


def _output(task: str, folder: str) -> str:
    command = [sys.executable, __file__, task, folder]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def _run_task(task: str, folder: str) -> int:
    paths = sorted(str(path) for path in Path(folder).iterdir())
    begun = _seconds()
    told = _TASKS[task](paths)
    seconds = _seconds() - begun
    print(told or f"{seconds} {max(resource.getrusage(who).ru_maxrss for who in _PROCESSES)}")
    return 0


def _seconds() -> float:
    """Return the processor time of this process, and of those that it has waited for."""
    usages = map(resource.getrusage, _PROCESSES)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _load(paths: list[str]) -> str:
    for path in paths:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib's time is not json's)
            json.loads(file.read())
    return ""


def _read(paths: list[str]) -> str:
    for path in paths:
        load_profile(path)
    return ""


def _run_matrix(paths: list[str]) -> str:
    options = ("--format", "json", "--output", os.devnull)
    subprocess.run([sys.executable, "-m", "simulator", "matrix", *paths, *options], check=True)
    return ""


def _count_classes(paths: list[str]) -> str:
    fleet = read_fleet(resolve(paths), lambda _: None)
    matrix = Matrix(fleet, group_by_class(fleet))
    pairs = sum(1 for _ in matrix.pairs())
    kinds = f"{len(fleet.kernels)} kernels, {len(fleet.cpus)} CPUs"
    return (
        f"classes: {len(fleet.classes)} of nodes ({kinds}), {len(fleet.containers)} of containers; "
        f"{pairs} pairs of classes, {len(matrix.opinions)} different opinions"
    )


_TASKS: Mapping[str, Callable[[list[str]], str]] = MappingProxyType(
    {"loads": _load, "reading": _read, "matrix": _run_matrix, "classes": _count_classes}
)


# The fleet


def _generate(folder: Path, size: int) -> None:
    chance = random.Random(size)  # noqa: S311 (a fleet is no secret)
    cpus = list(_cpus())
    weights = [1 / rank for rank in range(1, len(cpus) + 1)]
    for number in range(size):
        name = f"node-{number:05}"
        (cpu,) = chance.choices(cpus, weights)
        (release,) = chance.choices(list(_RELEASES), list(_RELEASES.values()))
        containers = list(_containers(chance))
        kernel = _kernel(release, chance)
        profile = compose(name, cpu, kernel, containers, _override(release, chance))
        (folder / f"{name}.json").write_text(format_profile(profile), "utf-8")


def _cpus() -> Iterator[CpuSource]:
    """Yield the CPUs that 64-bit kernels run on, in an order of chance that is always the same."""
    names = sorted(load_cpus())
    random.Random(0).shuffle(names)  # noqa: S311 (nor are CPUs)
    for name in names[:_CPUS]:
        cpu = load_cpus()[name]
        source = CpuSource(cpu.table, cpu.name, cpu.dump_mode)
        try:
            compose(name, source, _plain_kernel("2.6.32-042stab141.3"), [])
        except UserError:
            continue
        yield source


def _plain_kernel(release: str) -> KernelFacts:
    return KernelFacts(release=release, machine=X86_64, vz_version=None)


def _kernel(release: str, chance: random.Random) -> KernelFacts:
    return KernelFacts(
        release=release,
        machine=X86_64,
        vz_version=None,
        boot_options=(chance.choice(_BOOT_OPTIONS),) if chance.random() < 0.03 else (),
        modules=frozenset(name for name in ("vzcpt", "vzrst") if chance.random() >= 0.01),
        ipv6=chance.random() >= 0.05,
        slm_without_module=chance.random() < 0.01,
    )


def _override(release: str, chance: random.Random) -> str | None:
    if not identify(release).generation.masked_cpuid:
        return None
    return chance.choice(_OVERRIDES) if chance.random() < 0.05 else ""


def _containers(chance: random.Random) -> Iterator[Container]:
    specs = chance.choices(list(_SPECS), list(_SPECS.values()), k=CONTAINERS)
    for ctid, spec in enumerate(specs, 101):
        yield parse_spec(f"{ctid}:{spec}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
