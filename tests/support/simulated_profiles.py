"""Profiles for tests: a good one that has everything a profile may say, and any other shape."""

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import strategies as st

from simulator.facts.cpuid import CpuidTable, Registers, parse_rows
from simulator.kernel.containers import (
    POLICIES,
    Container,
    Contents,
    Entered,
    Needs,
    Process,
    State,
)
from simulator.profiles.profile import (
    Answers,
    CpuFacts,
    KernelFacts,
    NodeProfile,
    Origin,
    OriginKind,
)
from simulator.profiles.store import fixture_names, load_node
from support.samples import document
from support.simulated_nodes import cpu

Document = dict[str, Any]

_FEATURES = (
    "lm syscall cmov fxsr sse sse2 mmx sysenter sse4_1 sse4_2 aesni xsave avx rdrand xsaveopt"
)
WORDS = tuple(_FEATURES.split())


#: Where AVX's state is on every CPU, which the device tells even where it was not recorded.
_AVX_STATE = Registers(0x100, 0x240, 0, 0)


def without_given(table: CpuidTable) -> CpuidTable:
    """Leave out the rows that the device answers where nothing was recorded, too."""
    return CpuidTable(
        (key, answer)
        for key, answer in table.items()
        if any(answer) and (key, answer) != ((0xD, 2), _AVX_STATE)
    )


def recorded_rows(rows: list[str]) -> list[str]:
    """Leave out the same of rows as profiles spell them."""
    return rows_of(without_given(parse_rows([row.replace(":", "").split() for row in rows])))


def shown_version(kernel: KernelFacts) -> str:
    """Return what /proc/vz/version reads as: where it was not recorded, the release tells."""
    return kernel.vz_version or kernel.release.partition("-")[2].replace(".", "_")


def rows_of(table: CpuidTable) -> list[str]:
    """Spell what CPUID answered as profiles do."""
    return [f"{row[0]} {row[1]}: {' '.join(row[2:])}" for row in table.rows()]


ROWS = rows_of(cpu(*WORDS))

#: What the CPU above has for a kernel of the newest generation, but for what is hidden below:
#: RDRAND by a boot option, AESNI by the override. IPv6 is not there.
CAPABILITY_NUMBER = 0x1602759F

_GOOD: Document = document("good-profile.json")
for _cpu in _GOOD["cpus"]:
    _cpu["cpuid"] = list(ROWS)


@cache
def recorded_nodes() -> Mapping[str, NodeProfile]:
    """Return every fixture by its name, read once for all tests."""
    return {name: load_node(name) for name in fixture_names()}


def captured_nodes() -> list[NodeProfile]:
    """Return the nodes that were booted."""
    nodes = recorded_nodes().values()
    return [node for node in nodes if node.origin.kind is OriginKind.CAPTURED]


def good_document() -> Document:
    """Return a good profile as a document of its own, to spoil."""
    return copy.deepcopy(_GOOD)


def encoded(document: object) -> bytes:
    """Return a document as a profile's file has it."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


# Any profile of the schema's shape

_names = st.text(min_size=1, max_size=8)
_words = st.from_regex(r"[a-z0-9_.=]{1,8}", fullmatch=True)
_numbers = st.integers(0, 0xFFFFFFFF)
_ints = st.integers(1, 0x7FFFFFFF)
_registers = st.builds(Registers, _numbers, _numbers, _numbers, _numbers)


def _table(answers: dict[tuple[int, int], Registers], first: Registers) -> CpuidTable:
    return CpuidTable({**answers, (0, 0): first}.items())


_tables = st.builds(
    _table, st.dictionaries(st.tuples(_numbers, _numbers), _registers, max_size=4), _registers
)
_cpus = st.builds(
    CpuFacts,
    processors=st.from_regex(r"[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3})?", fullmatch=True),
    cpuid=_tables,
    model_name=st.none() | st.text(),
    microcode=st.none() | st.text(),
    flags=st.none() | st.lists(_words, max_size=4).map(" ".join),
)
_processes = st.builds(
    Process,
    pid=_ints,
    host_pid=_ints,
    name=_names,
    bits=st.sampled_from([32, 64]),
    vdso=st.booleans(),
    used_fpu=st.booleans(),
    entered=st.none() | st.sampled_from(Entered),
    policy=st.sampled_from(POLICIES),
    traced=st.booleans(),
    private_mounts=st.booleans(),
    mempolicy=st.booleans(),
    keys=st.booleans(),
    kernel_thread=st.booleans(),
)
_contents = st.builds(
    Contents,
    processes=st.lists(_processes, min_size=1, max_size=3).map(tuple),
    unsupported_devices=st.lists(_names, max_size=2).map(tuple),
    unsupported_mounts=st.lists(_names, max_size=2).map(tuple),
    dump_failure=_names,
)
_containers = st.builds(
    Container,
    ctid=_ints,
    state=st.sampled_from(State),
    contents=st.none() | _contents,
    needs=st.none() | st.builds(Needs, _numbers, st.lists(_names, max_size=2).map(tuple)),
)
_kernels = st.builds(
    KernelFacts,
    release=_names | st.sampled_from(["2.6.32", "2.6.32-042stab113.5", "2.6.18-028stab056.1"]),
    machine=st.sampled_from(["x86_64", "i686", "ia64"]),
    vz_version=st.none() | st.text(),
    boot_options=st.lists(_words, unique=True, max_size=3).map(tuple),
    modules=st.frozensets(st.sampled_from(["vzcpt", "vzrst"])),
    ipv6=st.booleans(),
    slm_without_module=st.booleans(),
)

#: Profiles whose facts may well contradict each other.
profiles = st.builds(
    NodeProfile,
    name=_names,
    origin=st.builds(Origin, st.sampled_from(OriginKind), _names, st.booleans()),
    kernel=_kernels,
    cpus=st.lists(_cpus, max_size=2).map(tuple),
    cpuid_override=st.none() | st.text(),
    answers=st.builds(
        Answers,
        st.none() | _ints,
        st.none() | st.lists(_ints, unique=True, max_size=4).map(tuple),
        st.none() | _ints,
    ),
    containers=st.lists(_containers, max_size=2).map(tuple),
)
