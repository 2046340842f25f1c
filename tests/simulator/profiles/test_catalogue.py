"""The catalogue of real CPUs: its file is sound, each composes, and is found as people spell it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace

from simulator.dumps.model import infer_mode
from simulator.facts.capabilities import X86_64
from simulator.facts.cpuid import Registers
from simulator.facts.features import as_64bit
from simulator.facts.generations import EXAMPLES
from simulator.profiles.catalogue import (
    TABLE,
    RecordedCpu,
    UnknownCpuError,
    find_cpu,
    is_cpu_name,
    load_cpus,
    merged,
    nearest,
    search,
)
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts
from support.samples import read_vectors

pytestmark = pytest.mark.unmeasured

CPUS = load_cpus()
SYSCALL = 11

LINES = [line for line in Path(TABLE).read_text("ascii").splitlines() if not line.startswith("#")]


def test_all_are_there() -> None:
    assert len(CPUS) == len(LINES) == 332
    names = [name for cpu in CPUS.values() for name in cpu.names]
    assert len(names) == len(set(names)) == 544
    assert {row["cpu"] for row in read_vectors("caps.tsv")} <= set(CPUS)


def test_all_are_immutable() -> None:
    with pytest.raises(TypeError):
        CPUS["another"] = CPUS["intel-xeon-e5345"]  # type: ignore[index]


def _hex(value: int) -> str:
    return f"{value:x}" if value else ""


def _row(key: tuple[int, int], registers: Registers) -> str:
    leaf, subleaf = key
    return f"{leaf:x}{f'.{subleaf:x}' if subleaf else ''}={','.join(map(_hex, registers))}"


def test_the_file_is_canonical() -> None:
    for line, cpu in zip(LINES, CPUS.values(), strict=True):
        rows = " ".join(_row(key, registers) for key, registers in cpu.table.items())
        columns = cpu.name, cpu.dump_mode, cpu.source, cpu.core, " ".join(cpu.also), rows
        assert line == "\t".join(columns)


@pytest.mark.parametrize("name", CPUS)
def test_what_is_said_of_a_cpu_is_what_its_registers_say(name: str) -> None:
    cpu = CPUS[name]
    assert cpu.name == name
    assert (cpu.vendor, cpu.brand) == (cpu.table.vendor, " ".join(cpu.table.brand.split()))
    assert cpu.brand
    for source in re.split(r" \+ 0x\S+(?: 0x\S+)* of ", cpu.source):
        assert source.partition(":")[0] in {"hwloc", "libcpuid", "InstLatx64", "libvirt"}
    assert cpu.table.has_bit(1, 0, "edx", 24)
    assert cpu.table.without_foreign() == cpu.table
    assert as_64bit(cpu.table).has_bit(0x8000_0001, 0, "edx", SYSCALL)


@pytest.mark.parametrize("name", CPUS)
def test_dump_mode_is_the_inferred_one_where_that_tells(name: str) -> None:
    cpu = CPUS[name]
    assert infer_mode(cpu.table) == cpu.dump_mode
    assert (cpu.dump_mode == "unknown") == (cpu.vendor != "GenuineIntel")


@pytest.mark.parametrize(
    ("name", "dump_mode"),
    [
        ("intel-xeon-w7-2475x", "32-bit"),
        ("intel-xeon-e5-2680-v3", "64-bit"),
        ("amd-epyc-7742", "unknown"),
    ],
)
def test_dump_mode(name: str, dump_mode: str) -> None:
    assert find_cpu(name).dump_mode == dump_mode


# What each generation's kernels make of them, transcribed by hand from the kernels' rules


Rows = Mapping[tuple[int, int], tuple[int, int, int, int]]

GENERATIONS = (
    *("028stab", "2.6.32", "042stab", "042stab088"),
    *("042stab092", "042stab101", "042stab107"),
)


def _rows(line: str) -> Rows:
    """Read a line of the catalogue's file without the product's parser."""
    rows = {}
    for row in line.split("\t")[5].split():
        match = re.fullmatch(r"(\w+)\.?(\w*)=(\w*),(\w*),(\w*),(\w*)", row)
        assert match is not None
        leaf, subleaf, *registers = (int(value or "0", 16) for value in match.groups())
        eax, ebx, ecx, edx = registers
        rows[leaf, subleaf] = eax, ebx, ecx, edx
    return rows


def _capability_number(rows: Rows, generation: str) -> int:
    """Return what CPT_TEST_CAPS answers on a 64-bit node with IPv6 and without SLM."""
    age = GENERATIONS.index(generation)
    _, _, ecx, edx = rows[1, 0]
    extended_ecx, extended_edx = rows[0x80000001, 0][2:]
    vendor = b"".join(rows[0, 0][i].to_bytes(4, "little") for i in (1, 3, 2))
    is_intel = vendor == b"GenuineIntel"
    number = 1 << 3 | 1 << 8  # SSE2 and EMT64, which an x86_64 kernel has
    number |= (edx >> 15 & 1) << 0  # CMOV
    number |= (edx >> 24 & 1) << 1  # FXSR
    number |= (edx >> 25 & 1) << 2  # SSE
    number |= (edx >> 23 & 1) << 4  # MMX
    number |= (extended_edx >> 31 & 1) << 5  # 3DNOW
    number |= (extended_edx >> 30 & 1) << 6  # 3DNOW2
    if age == 0:
        return number | (edx >> 11 & 1) << 7  # SEP
    if is_intel:
        number |= (edx >> 11 & 1) * (1 << 7 | 1 << 12)  # SEP and SEP32
        number |= 1 << 10  # SYSCALL, which a 64-bit kernel sees
    else:
        number |= (extended_edx >> 11 & 1) * (1 << 10 | 1 << 11)  # SYSCALL and SYSCALL32
    if age == 1:
        return number
    number |= 1 << 17  # NAMESPACES
    number |= (ecx >> 19 & 1) << 13  # SSE4_1
    number |= (ecx >> 20 & 1) << 14  # SSE4_2
    number |= (extended_ecx >> 6 & 1) << 15  # SSE4A
    number |= (ecx >> 26 & 1) << 25  # XSAVE
    number |= (ecx >> 28 & 1) << 26  # AVX
    number |= (ecx >> 25 & 1) << 27  # AESNI
    if age >= 5:
        number |= (ecx >> 30 & 1) << 29  # RDRAND
    return number


def test_every_cpu_composes_on_every_generation_and_shows_its_number() -> None:
    assert set(EXAMPLES) == set(GENERATIONS)
    for line, cpu in zip(LINES, CPUS.values(), strict=True):
        rows = _rows(line)
        # AMD's XSAVEOPT decides eager FPU: three dumps do not tell it, and the option does.
        is_untold = (0xD, 0) in rows and (0xD, 1) not in rows and cpu.vendor == "AuthenticAMD"
        for generation, release in EXAMPLES.items():
            kernel = KernelFacts(
                release=release,
                machine=X86_64,
                vz_version=None,
                boot_options=("eagerfpu=off",) if is_untold else (),
            )
            profile = compose("node", CpuSource(cpu.table, cpu.source, cpu.dump_mode), kernel, ())
            expected = _capability_number(rows, generation)
            assert profile.answers.capability_number == expected, (cpu.name, generation)
            assert profile.boot().capabilities() == expected


def test_the_transcription_is_the_kernels_own_where_those_were_asked() -> None:
    lines = {line.partition("\t")[0]: line for line in LINES}
    for row in read_vectors("caps.tsv"):
        for generation in GENERATIONS:
            assert str(_capability_number(_rows(lines[row["cpu"]]), generation)) == row[generation]


# By name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("intel-xeon-e5-2680-v3", "intel-xeon-e5-2680-v3"),
        # A product with the same registers.
        ("intel-xeon-e5-2650-v3", "intel-xeon-e5-2680-v3"),
        ("E5-2650 v3", "intel-xeon-e5-2680-v3"),
        ("E5-2650v3", "intel-xeon-e5-2680-v3"),
        ("e5 2650 V3", "intel-xeon-e5-2680-v3"),
        ("Xeon 2650 v3", "intel-xeon-e5-2680-v3"),
        ("Intel(R) Xeon(R) CPU E5-2650 v3 @ 2.30GHz", "intel-xeon-e5-2680-v3"),
        ("Intel® Xeon® Processor E5-2650 v3", "intel-xeon-e5-2680-v3"),
        ("AMD EPYC 7742 64-Core Processor", "amd-epyc-7742"),
        ("EPYC7742", "amd-epyc-7742"),
        ("X5550", "intel-xeon-x5550"),
        ("i7 8700K", "intel-core-i7-8700"),
        ("Core2 Duo E6850", "intel-core-2-duo-e6850"),
        ("Opteron 6272", "amd-opteron-6272"),
        ("xeon 3.40ghz tulsa", "intel-xeon-3-40ghz-15-6-8"),
        ("SandyBridge E5-2650", "intel-xeon-e5-2650-0"),
        ("sandy bridge e5-2650", "intel-xeon-e5-2650-0"),
        ("*-2680-v?", "intel-xeon-e5-2680-v3"),
        # Two steppings of one product, of which one's dump tells less: the other's is taken.
        ("i7-2600K", "intel-core-i7-2600k"),
    ],
)
def test_a_cpu_is_found_as_people_spell_it(name: str, found: str) -> None:
    assert find_cpu(name).name == found


@pytest.mark.parametrize("name", [name for cpu in CPUS.values() for name in cpu.names])
def test_every_name_is_found(name: str) -> None:
    assert is_cpu_name(name)
    assert name in find_cpu(name).names
    assert name in search(name)[find_cpu(name)]


#: Brands that do not tell which CPU it is.
NAMELESS = re.compile(r"Eng |CoreT|Genuine Intel|model unknown|Engineering|VIA Nano processor @")


@pytest.mark.parametrize("cpu", CPUS.values(), ids=lambda cpu: cpu.name)
def test_a_brand_finds_the_cpus_that_have_it(cpu: RecordedCpu) -> None:
    found = search(cpu.brand)
    if not NAMELESS.search(cpu.brand):
        assert cpu in found
        products = {one.brand for one in found}
        assert len(products) == 1 or cpu.brand.partition("@")[0].split()[-1] in str(found)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        # Whole words go before beginnings, and those before what is anywhere.
        ("E5-2650", ["intel-xeon-e5-2650-0", "intel-xeon-e5-2650-v3", "intel-xeon-e5-2650-v4"]),
        ("E5-2650l", ["intel-xeon-e5-2650l-v4"]),
        ("i7-870", ["intel-core-i7-8705g", "intel-core-i7-8700", "intel-core-i7-8700k"]),
        ("5-2650-v", ["intel-xeon-e5-2650-v3", "intel-xeon-e5-2650-v4"]),
        ("e5-4*", ["intel-xeon-e5-4620-v2", "intel-xeon-e5-4669-v3"]),
        ("ivy bridge ep", ["intel-xeon-e5-2697-v2"]),
        ("no such one", []),
        ("%", []),
        ("", []),
    ],
)
def test_search(text: str, names: list[str]) -> None:
    assert [name for found in search(text).values() for name in found] == names


@pytest.mark.parametrize(
    ("text", "name", "last"),
    [
        # Of the same product line, where that very product is not there.
        ("E5-2650 v2", "intel-xeon-e5-2697-v2", "intel-xeon-e5-4620-v2"),
        ("E5-2697v2x", "intel-xeon-e5-2697-v2", None),
        ("intel-xoen-x5550", "intel-xeon-x5550", None),
    ],
)
def test_an_unknown_name_brings_those_near_it(text: str, name: str, last: str | None) -> None:
    with pytest.raises(UnknownCpuError) as caught:
        find_cpu(text)
    assert caught.value.names[0] == name
    assert last in {None, caught.value.names[-1]}
    assert str(caught.value).startswith(f"no CPU is recorded as {text!r}, but there are: {name}")


@pytest.mark.parametrize("text", ["", "!!", "/etc/x5550", "./x5550", "nothing like it"])
def test_a_name_near_none_says_where_they_are(text: str) -> None:
    with pytest.raises(UnknownCpuError) as caught:
        find_cpu(text)
    assert caught.value.names == []
    assert str(caught.value) == f"no CPU is recorded as {text!r}; see 'vzcptsim cpus'"


def test_a_text_that_may_mean_several_names_them() -> None:
    with pytest.raises(UnknownCpuError) as caught:
        find_cpu("EPYC 7763")
    assert str(caught.value) == (
        "2 CPUs may be meant by 'EPYC 7763': amd-epyc-7763, amd-epyc-7763-erms-fsrm"
    )
    with pytest.raises(UnknownCpuError, match=r"CPUs may be meant by 'xeon': .*, \.\.\.$"):
        find_cpu("xeon")


def test_nothing_is_near_no_words() -> None:
    assert nearest("") == nearest("(R) @ 2 GHz") == {}


# In one line where they differ in nothing that matters


def _merged(*names: str) -> Iterator[list[str]]:
    for cpus in merged(map(find_cpu, names)):
        yield [cpu.name for cpu in cpus]


def test_cpus_that_differ_in_stepping_alone_are_in_one_line() -> None:
    names = "intel-core-i7-2600k-6-42-6", "intel-core-i7-2600k"
    assert find_cpu(names[0]).table.stepping != find_cpu(names[1]).table.stepping
    # The one of which more is known goes first.
    assert list(_merged(*names)) == [[names[1], names[0]]]
    assert list(_merged(names[0])) == [[names[0]]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # In instruction sets.
        ("12th-gen-intel-core-i9-12900k", "12th-gen-intel-core-i9-12900k-avx512"),
        ("amd-epyc-7763", "amd-epyc-7763-erms-fsrm"),
        ("intel-xeon-e5-2680-v3", "intel-xeon-e5-2699-v3-tsx-no-aes"),
        # In what the firmware let show.
        ("intel-xeon-e5-2697-v2", "intel-xeon-e5-4620-v2"),
        # In the model.
        ("intel-core-i7-7700", "intel-core-i7-6700k"),
    ],
)
def test_cpus_that_differ_in_what_matters_are_told_apart(one: str, other: str) -> None:
    assert list(_merged(one, other)) == [[one], [other]]


def test_cpus_of_other_areas_are_told_apart() -> None:
    cpu = find_cpu("intel-xeon-gold-6140")
    moved = cpu.registers.replace("d.7=400,680", "d.7=400,6c0")
    assert moved != cpu.registers
    assert len(list(merged([cpu, replace(cpu, registers=moved)]))) == 2
