"""Where to take checkpoints of a pool: levels to build for, and what glibc can leave out."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from simulator.facts.cpu_traits import traits_without_kernel
from simulator.facts.cpuid import REGISTERS
from simulator.facts.features import BY_NAME, FEATURES, HARMFUL, Feature
from simulator.fleets.checkpoints import Plan, tunables_without
from simulator.profiles.catalogue import find_cpu
from support.running import finish

#: The x86-64 psABI 1.0, table 3.1, by the names that /proc/cpuinfo has. OSXSAVE is XSAVE to
#: programs, and what is of AVX works with it alone.
LEVELS: Mapping[str, str] = {
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}


def plan(common: int) -> Plan:
    return Plan((), common, ())


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_takes_each_of_its_features(level: str) -> None:
    number = int(level[-1])
    below = f"x86-64-v{number - 1}" if number > 2 else ""
    assert plan(HARMFUL).level == "x86-64-v4"
    for name in LEVELS[level].split():
        assert plan(HARMFUL & ~BY_NAME[name].mask).level == below
    higher = [name for other in LEVELS if other > level for name in LEVELS[other].split()]
    without = sum(BY_NAME[name].mask for name in higher)
    assert plan(HARMFUL & ~without).level == level


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("amd-opteron-250", ""),
        ("intel-xeon-e5462", ""),
        ("intel-core-i5-2500", "x86-64-v2"),
        ("amd-opteron-6348", "x86-64-v2"),
        ("intel-xeon-e5-2680-v3", "x86-64-v3"),
        ("amd-epyc-7451", "x86-64-v3"),
        ("intel-xeon-gold-6140", "x86-64-v4"),
        ("amd-epyc-9655", "x86-64-v4"),
    ],
)
def test_levels_of_real_cpus(name: str, level: str) -> None:
    traits = traits_without_kernel((find_cpu(name).table,))
    assert plan(traits.usable).level == level


def features(words: str) -> int:
    return sum(BY_NAME[name].mask for name in words.split())


def test_what_glibc_does_not_take_away_is_left_out() -> None:
    taken = tunables_without(features("avx2 avx512f rtm abm"))
    assert taken == "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-LZCNT"
    assert tunables_without(features("rtm movdiri")) == ""
    assert tunables_without(0) == ""


# The names, as the glibc of this machine takes them

_LOADER = Path("/lib64/ld-linux-x86-64.so.2")
_LEAVES = {(0x1, 0): 0, (0x7, 0): 1, (0x8000_0001, 0): 2, (0xD, 1): 3}
_ACTIVE = re.compile(
    r"^x86\.cpu_features\.features\[0x(\w+)\]\.active\[0x(\d)\]=0x(\w+)$", re.MULTILINE
)

NAMED = [feature for feature in FEATURES if feature.glibc_name]


def active(**environment: str) -> dict[tuple[int, int], int]:
    """Return what glibc would use, by its numbers of leaves and registers."""
    ended = finish([_LOADER, "--list-diagnostics"], {"LC_ALL": "C", **environment})
    return {
        (int(leaf, 16), int(name)): int(bits, 16)
        for leaf, name, bits in _ACTIVE.findall(ended.stdout)
    }


@pytest.mark.skipif(not _LOADER.exists() or not active(), reason="no glibc from 2.33 on")
@pytest.mark.parametrize("feature", NAMED, ids=lambda one: one.name)
def test_glibc_takes_away_what_is_named(feature: Feature) -> None:
    name, _, value = tunables_without(feature.mask).partition("=")
    before, after = active(), active(**{name: value})
    place = _LEAVES[feature.leaf, feature.subleaf], REGISTERS.index(feature.register)
    assert before[place] & ~after[place] == before[place] & 1 << feature.bit
