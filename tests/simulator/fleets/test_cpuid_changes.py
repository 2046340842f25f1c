"""What differs between two CPUs' answers: flags by name and bit, other registers whole."""

import pytest

from simulator.facts.cpuid import CpuidTable, RegisterName, Registers
from simulator.fleets.changes import Change, cpuid_changes
from simulator.profiles.catalogue import find_cpu
from support.simulated_nodes import EVERYTHING, cpu

OLD = cpu(*EVERYTHING)


def replaced(key: tuple[int, int], register: RegisterName, value: int) -> CpuidTable:
    """Give a register another value."""
    return OLD.replace({key: OLD[key]._replace(**{register: value})})


def changed(name: str, place: str, old: str, new: str) -> Change:
    return Change("cpu", name, old, new, place)


def changes(new: CpuidTable, old: CpuidTable = OLD) -> list[Change]:
    return list(cpuid_changes("cpu", old, new))


def with_leaves(**leaves: Registers) -> CpuidTable:
    """Return a CPU of many leaves: ``x8000001e_1`` is that leaf's subleaf 1."""
    answers = {(0, 0): Registers(0x24, 0, 0, 0), (0x80000000, 0): Registers(0x80000026, 0, 0, 0)}
    for name, registers in leaves.items():
        leaf, subleaf = name.removeprefix("x").split("_")
        answers[int(leaf, 16), int(subleaf)] = registers
    return CpuidTable(answers.items())


def test_equal_cpus_do_not_differ() -> None:
    assert changes(OLD) == []
    assert changes(OLD.replace({})) == []


@pytest.mark.parametrize(
    ("key", "register", "bit", "name", "place"),
    [
        ((0x1, 0), "ecx", 28, "avx", "CPUID 0x00000001 ecx bit 28"),
        ((0x1, 0), "edx", 15, "cmov", "CPUID 0x00000001 edx bit 15"),
        ((0x80000001, 0), "ecx", 6, "sse4a", "CPUID 0x80000001 ecx bit 6"),
        # The table has no name for DTES64.
        ((0x1, 0), "ecx", 2, "", "CPUID 0x00000001 ecx bit 2"),
    ],
)
def test_a_flag_is_told_by_its_bit(
    key: tuple[int, int], register: RegisterName, bit: int, name: str, place: str
) -> None:
    value = getattr(OLD[key], register)
    before, after = str(value >> bit & 1), str(~value >> bit & 1)
    expected = [changed(name, place, before, after)]
    assert changes(replaced(key, register, value ^ 1 << bit)) == expected


def test_flags_of_a_subleaf_are_told_with_it() -> None:
    old = with_leaves(xd_0=Registers(7, 0, 832, 0), xd_1=Registers(0, 0, 0, 0))
    new = with_leaves(xd_0=Registers(7, 0, 832, 0), xd_1=Registers(1, 0, 0, 0))
    place = "CPUID 0x0000000d subleaf 1 eax bit 0"
    assert changes(new, old) == [changed("xsaveopt", place, "0", "1")]


def test_a_register_without_flags_is_told_whole() -> None:
    signature = OLD[0x1, 0].eax
    assert changes(replaced((0x1, 0), "eax", 0x306F2)) == [
        changed("", "CPUID 0x00000001 eax", f"{signature:#010x}", "0x000306f2")
    ]


def test_a_leaf_that_was_not_recorded_is_no_zeros() -> None:
    old = with_leaves(x7_0=Registers(0, 1, 2, 3))
    new = with_leaves()
    recorded = "0x00000000 0x00000001 0x00000002 0x00000003"
    assert changes(new, old) == [changed("", "CPUID 0x00000007", recorded, "not recorded")]
    assert changes(old, new) == [changed("", "CPUID 0x00000007", "not recorded", recorded)]


def test_a_leaf_that_one_cpu_lacks_is_zeros() -> None:
    """An Intel CPU repeats its last leaf for one that it lacks: that is no answer."""
    old = CpuidTable({(0, 0): Registers(1, 0, 0, 0), (7, 0): Registers(0, 1 << 5, 0, 0)}.items())
    new = CpuidTable({(0, 0): Registers(7, 0, 0, 0), (7, 0): Registers(0, 1 << 5, 0, 0)}.items())
    assert changes(new, old) == [
        changed("", "CPUID 0x00000000 eax", "0x00000001", "0x00000007"),
        changed("avx2", "CPUID 0x00000007 ebx bit 5", "0", "1"),
    ]


def test_what_was_recorded_stands_without_the_subleaf_that_tells_of_it() -> None:
    old, new = with_leaves(x7_1=Registers(1, 0, 0, 0)), with_leaves(x7_1=Registers(2, 0, 0, 0))
    assert changes(new, old) == [
        changed("sha512", "CPUID 0x00000007 subleaf 1 eax bit 0", "1", "0"),
        changed("sm3", "CPUID 0x00000007 subleaf 1 eax bit 1", "0", "1"),
    ]


def test_the_vendor_and_the_brand_are_told_by_name() -> None:
    intel, amd = find_cpu("intel-xeon-e5-2680-v3").table, find_cpu("amd-opteron-6272").table
    told = changes(amd, intel)
    assert told[:2] == [
        changed("vendor", "CPUID 0x00000000", "GenuineIntel", "AuthenticAMD"),
        changed(
            "brand",
            "CPUID 0x80000002",
            "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz",
            "AMD Opteron(TM) Processor 6272",
        ),
    ]
    places = [change.place for change in told[2:]]
    assert not [place for place in places if re_told(place)]


def re_told(place: str) -> bool:
    """Tell whether registers that hold a name are told once more."""
    names = tuple(f"CPUID 0x8000000{number}" for number in (2, 3, 4))
    return place.startswith(names) or place in {f"CPUID 0x00000000 e{x}x" for x in "bcd"}


def test_a_brand_that_is_half_recorded_is_told_by_its_registers() -> None:
    whole = with_leaves(
        x80000002_0=Registers(1, 1, 1, 1),
        x80000003_0=Registers(1, 1, 1, 1),
        x80000004_0=Registers(1, 1, 1, 1),
    )
    half = with_leaves(x80000002_0=Registers(1, 1, 1, 2), x80000003_0=Registers(1, 1, 1, 1))
    assert [(change.place, change.new) for change in changes(half, whole)] == [
        ("CPUID 0x80000002 edx", "0x00000002"),
        ("CPUID 0x80000004", "not recorded"),
    ]


#: What the manuals say is the processor's own number, or is as its kernel has set it: Intel SDM
#: volume 2A, CPUID (leaves 1, 7, 0xb, 0xd, 0x1f); AMD APM volume 3, E.4.15 and on.
VOLATILE: list[tuple[str, RegisterName, int]] = [
    ("x1_0", "ebx", 0xFF000000),
    ("x1_0", "ecx", 1 << 27),
    ("x7_0", "ecx", 1 << 4),
    ("xb_0", "edx", 0xFFFFFFFF),
    ("xb_1", "edx", 0xFFFFFFFF),
    ("xd_0", "ebx", 0xFFFFFFFF),
    ("xd_1", "ebx", 0xFFFFFFFF),
    ("x1f_2", "edx", 0xFFFFFFFF),
    ("x8000001e_0", "eax", 0xFFFFFFFF),
    ("x8000001e_0", "ebx", 0xFF),
    ("x8000001e_0", "ecx", 0xFF),
    ("x80000026_3", "edx", 0xFFFFFFFF),
]


def pair(name: str, register: RegisterName, bits: int) -> tuple[CpuidTable, CpuidTable]:
    """Return two CPUs that differ in these bits."""
    zeros = Registers(0, 0, 0, 0)
    leaves = {"xd_0": zeros, "xd_1": zeros, name: zeros}
    return with_leaves(**leaves), with_leaves(
        **{**leaves, name: zeros._replace(**{register: bits})}
    )


@pytest.mark.parametrize(("name", "register", "bits"), VOLATILE)
def test_what_always_differs_is_left_aside(name: str, register: RegisterName, bits: int) -> None:
    assert list(cpuid_changes("cpu", *pair(name, register, bits))) == []


@pytest.mark.parametrize(
    ("name", "register", "bits"),
    [
        ("x1_0", "ebx", 1 << 23),
        ("x1_0", "ecx", 1 << 26),
        ("x7_0", "ecx", 1 << 3),
        ("x8000001e_0", "ebx", 1 << 8),
        ("x8000001e_0", "ecx", 1 << 8),
        ("xd_0", "ecx", 1),
        ("xb_0", "ebx", 1),
    ],
)
def test_what_stands_beside_it_is_not(name: str, register: RegisterName, bits: int) -> None:
    assert len(list(cpuid_changes("cpu", *pair(name, register, bits)))) == 1


def test_a_components_place_is_not_left_aside() -> None:
    old = with_leaves(xd_0=Registers(4, 0, 0, 0), xd_1=Registers(0, 0, 0, 0))
    one = old.replace({(0xD, 2): Registers(256, 576, 0, 0)})
    other = old.replace({(0xD, 2): Registers(256, 512, 0, 0)})
    assert changes(other, one) == [
        changed("", "CPUID 0x0000000d subleaf 2 ebx", "0x00000240", "0x00000200")
    ]
