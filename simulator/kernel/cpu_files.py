"""What /proc and /sys tell of a node's processors: how many there are, caches, cores, packages.

What no leaf of CPUID tells is not there. Sources: Linux Documentation/ABI/testing/
sysfs-devices-system-cpu, Documentation/admin-guide/cputopology.rst, proc(5).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from simulator.facts.cpu_layout import Cache, Place, apic_id, caches_of, place_of
from simulator.facts.cpuid import CpuidTable
from vzcptcheck.processors import format_ranges

SYS_CPU = "/sys/devices/system/cpu"

#: This machine's, which a node's has the counters of.
_PROC_STAT = "/proc/stat"

_Processors = Mapping[int, CpuidTable]

#: A folder's path, and the values in its files; None is a file that is not there.
_Folder = tuple[str, dict[str, object]]


def format_stat(numbers: Sequence[int]) -> str:
    """Write /proc/stat: this machine's time, in equal parts for each of the node's processors.

    What counts interrupts of this machine one by one is left out.
    """
    lines = []
    with open(_PROC_STAT, encoding="ascii") as file:
        for line in file:
            key, *values = line.split()
            if key == "cpu":
                share = " ".join(str(int(value) // len(numbers)) for value in values)
                lines += [line, *(f"cpu{number} {share}\n" for number in numbers)]
            elif key in ("intr", "softirq"):
                lines.append(f"{key} {values[0]}\n")
            elif not key.startswith("cpu"):
                lines.append(line)
    return "".join(lines)


def sys_cpu_texts(numbers: Sequence[int], processors: _Processors) -> dict[str, str | None]:
    """Return the texts below /sys/devices/system/cpu by their paths; None is a folder's.

    ``numbers`` are all processors, ``processors`` those whose CPUID is known.
    """
    every = f"{format_ranges(numbers)}\n"
    texts: dict[str, str | None] = {
        **dict.fromkeys((f"{SYS_CPU}/{name}" for name in ("possible", "present", "online")), every),
        f"{SYS_CPU}/offline": "\n",
    }
    for number in numbers:
        texts[f"{SYS_CPU}/cpu{number}"] = None
        if number:  # The first cannot be switched off.
            texts[f"{SYS_CPU}/cpu{number}/online"] = "1\n"
    for folder, values in (*_topology(processors), *_caches(processors)):
        texts[folder.rpartition("/")[0]] = texts[folder] = None
        told = {name: value for name, value in values.items() if value is not None}
        texts.update((f"{folder}/{name}", f"{value}\n") for name, value in told.items())
    return texts


def _topology(processors: _Processors) -> Iterator[_Folder]:
    """Yield each processor's place, and who is on its core and in its package."""
    places = _places(processors)
    for number, place in places.items():
        threads = [other for other, its in places.items() if its == place]
        cores = [other for other, its in places.items() if its.package == place.package]
        yield (
            f"{SYS_CPU}/cpu{number}/topology",
            {
                "core_id": place.core,
                "physical_package_id": place.package,
                "thread_siblings": _format_mask(threads),
                "thread_siblings_list": format_ranges(threads),
                "core_siblings": _format_mask(cores),
                "core_siblings_list": format_ranges(cores),
            },
        )


def _caches(processors: _Processors) -> Iterator[_Folder]:
    """Yield each processor's caches, and who shares them."""
    places = _places(processors)
    for number, table in processors.items():
        for index, cache in enumerate(caches_of(table)):
            sharing = _sharing(number, cache, processors) if places else None
            yield (
                f"{SYS_CPU}/cpu{number}/cache/index{index}",
                {
                    "level": cache.level,
                    "type": cache.type,
                    "size": f"{cache.size >> 10}K",
                    "coherency_line_size": cache.line,
                    "physical_line_partition": cache.partitions,
                    "ways_of_associativity": cache.ways,
                    "number_of_sets": cache.sets,
                    "shared_cpu_map": sharing and _format_mask(sharing),
                    "shared_cpu_list": sharing and format_ranges(sharing),
                },
            )


def _places(processors: _Processors) -> dict[int, Place]:
    """Return each processor's place; none if one is not known.

    Processors that are alike are recorded by the first of them: of the others, nobody knows.
    """
    tables = list(processors.values())
    places = {number: place_of(table) for number, table in processors.items()}
    known = {number: place for number, place in places.items() if place is not None}
    return known if len(set(tables)) == len(known) == len(places) else {}


def _sharing(number: int, cache: Cache, processors: _Processors) -> list[int] | None:
    """Return who shares a cache; None if it is not told. A cache is of neighbours by APIC id."""
    if len(processors) == 1:
        return [number]
    if cache.sharing is None:
        return None
    width = (cache.sharing - 1).bit_length()
    group = apic_id(processors[number]) >> width
    return [other for other, table in processors.items() if apic_id(table) >> width == group]


def _format_mask(numbers: Iterable[int]) -> str:
    """Write a set of processors as the kernel does: groups of 32 bits, the highest first."""
    mask = sum(1 << number for number in numbers)
    groups = range(mask.bit_length() // 32, -1, -1)
    return ",".join(f"{mask >> 32 * group & 0xFFFFFFFF:08x}" for group in groups)
