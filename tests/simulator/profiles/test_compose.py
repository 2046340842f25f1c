"""Profiles of nodes that never were: a CPU's registers and a kernel's rules."""

from typing import Any

import pytest

from simulator.facts.cpuid import CpuidTable, MissingLeafError, Registers
from simulator.facts.override import OverrideError
from simulator.facts.releases import UnknownReleaseError
from simulator.kernel.containers import Container, Needs, State
from simulator.profiles.compose import CpuSource, compose
from simulator.profiles.profile import KernelFacts, NodeProfile, OriginKind, ProfileError
from simulator.profiles.specs import parse_spec
from simulator.profiles.store import find_cpu
from support.simulated_nodes import AMD, EAGER_RELEASE, EVERYTHING, RELEASES, caps, container, cpu

NEWEST = RELEASES["042stab107"]
FULL = cpu(*EVERYTHING)


def composed(
    table: CpuidTable | None = FULL, *containers: Any, override: str | None = None, **traits: Any
) -> NodeProfile:
    kernel = KernelFacts(**{"release": NEWEST, "machine": "x86_64", "vz_version": None, **traits})
    source = None if table is None else CpuSource(table, "dump.txt, CPU 0", "64-bit")
    return compose("node", source, kernel, containers, override)


def flags(profile: NodeProfile) -> tuple[str, ...]:
    return tuple((profile.cpus[0].flags or "").split())


def test_it_says_that_it_was_composed_and_of_what() -> None:
    origin = composed().origin
    assert origin.kind is OriginKind.COMPOSED
    assert origin.source == (
        "registers: dump.txt, CPU 0, read in 64-bit mode; kernel: the rules of 042stab109.3, "
        "042stab111.12, 042stab113.5, 042stab141.3"
    )


@pytest.mark.parametrize("release", RELEASES.values())
def test_every_generation_can_be_composed(release: str) -> None:
    profile = composed(FULL, container(), release=release)
    assert profile.answers.capability_number == profile.boot().capabilities()
    assert profile.containers[0].needs == profile.boot().needs_of(container())


def test_the_cpu_is_processor_0_and_known_by_its_registers() -> None:
    (one,) = composed().cpus
    assert one.processors == "0"
    assert one.cpuid == FULL
    assert one.microcode is None
    assert {"cmov", "sep", "avx", "lm", "xsaveopt"} <= set((one.flags or "").split())


BRAND = b"Some   CPU @ 2.50GHz".ljust(48, b"\0")


def branded(text: bytes) -> CpuidTable:
    words = [int.from_bytes(text[start : start + 4], "little") for start in range(0, 48, 4)]
    answers = {(0x80000002 + number, 0): Registers(*words[4 * number :][:4]) for number in range(3)}
    return FULL.replace({(0x80000000, 0): Registers(0x80000004, 0, 0, 0), **answers})


@pytest.mark.parametrize(
    ("table", "name"),
    [
        (branded(BRAND), "Some CPU @ 2.50GHz"),
        (branded(bytes(48)), None),
        (FULL, None),
        (FULL.replace({(0x80000000, 0): Registers(0x80000004, 0, 0, 0)}), None),
    ],
    ids=["brand", "blank", "none", "not recorded"],
)
def test_the_model_is_the_brand_with_single_spaces(table: CpuidTable, name: str | None) -> None:
    assert composed(table).cpus[0].model_name == name


def test_a_64bit_kernel_sees_syscall_whoever_took_the_dump() -> None:
    words = [word for word in EVERYTHING if word != "syscall"]
    assert composed(cpu(*words)).cpus[0].cpuid == FULL


def test_boot_options_show_in_flags_and_answers_and_not_in_the_registers() -> None:
    plain, without = composed(), composed(boot_options=("noxsave",))
    assert set(flags(plain)) - set(flags(without)) == {"xsave", "xsaveopt"}
    assert without.cpus[0].cpuid == plain.cpus[0].cpuid
    assert plain.answers.capability_number is not None
    number = plain.answers.capability_number & ~caps("XSAVE")
    assert without.answers.capability_number == number


@pytest.mark.parametrize(
    ("release", "options", "vendor", "words", "shown"),
    [
        (NEWEST, (), "GenuineIntel", EVERYTHING, False),
        (EAGER_RELEASE, (), "GenuineIntel", EVERYTHING, True),
        (EAGER_RELEASE, ("eagerfpu=off",), "GenuineIntel", EVERYTHING, False),
        (EAGER_RELEASE, (), AMD, ("lm", "syscall"), False),
        (EAGER_RELEASE, (), AMD, ("lm", "syscall", "xsaveopt"), True),
    ],
)
def test_an_eager_fpu_shows_in_the_flags(
    release: str, options: tuple[str, ...], vendor: str, words: tuple[str, ...], shown: bool
) -> None:
    profile = composed(cpu(*words, vendor=vendor), release=release, boot_options=options)
    assert ("eagerfpu" in flags(profile)) is shown


def test_an_eager_fpu_shows_in_the_needs() -> None:
    (lazy,) = composed(FULL, container()).containers
    (eager,) = composed(FULL, container(), release=EAGER_RELEASE).containers
    assert lazy.needs == Needs(caps("CMOV", "SYSCALL", "EMT64"))
    assert eager.needs is not None
    assert eager.needs.caps & caps("AVX", "RDRAND") == caps("AVX", "RDRAND")


def test_the_override_is_kept_as_it_reads_back() -> None:
    profile = composed(override="1: 0 0 bfffffff ffffffff")
    assert profile.cpuid_override == ("0x00000001: 0x00000000 0x00000000 0xbfffffff 0xffffffff\n")
    assert composed(override="").cpuid_override == ""
    assert composed().cpuid_override is None


def test_a_container_that_cannot_be_asked_about_has_no_needs() -> None:
    stopped = composed(FULL, *_in_state(State.STOPPED)).containers
    unasked = composed(FULL, container(), modules=frozenset({"vzrst"})).containers
    assert [one.needs for one in (*stopped, *unasked)] == [None, None]


def _in_state(state: State) -> tuple[Any, ...]:
    known = container()
    return (type(known)(ctid=known.ctid, state=state, contents=known.contents),)


def test_ia64_is_composed_without_cpuid() -> None:
    profile = composed(None, container(), machine="ia64")
    assert profile.cpus == ()
    assert profile.origin.source.startswith("registers: no CPUID; kernel: ")
    assert profile.answers.capability_number == caps("IA64", "FXSR", "NAMESPACES")


# What is refused


@pytest.mark.parametrize(
    ("traits", "error"),
    [({"release": "5.4.0"}, UnknownReleaseError), ({"override": "garbage"}, OverrideError)],
)
def test_what_no_kernel_takes_is_refused(traits: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        composed(**traits)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({"table": None}, "cpus"),
        ({"table": FULL, "machine": "ia64"}, "cpus"),
        ({"table": cpu("syscall")}, "cpus[0].cpuid"),
        ({"table": FULL, "override": "", "release": RELEASES["042stab"]}, "cpuid_override"),
        ({"table": FULL, "boot_options": ("ipv6.disable=1",)}, "kernel.ipv6"),
    ],
)
def test_contradicting_facts_are_refused(arguments: dict[str, Any], path: str) -> None:
    table = arguments.pop("table")
    with pytest.raises(ProfileError) as caught:
        composed(table, **arguments)
    assert caught.value.where == "node"
    assert caught.value.path == path


def test_a_container_twice_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"containers\[1\].ctid: container 101 comes twice"):
        composed(FULL, container(), container())


@pytest.mark.parametrize("leaf", [0x1, 0x80000001])
def test_a_leaf_that_was_not_recorded_is_no_zeros(leaf: int) -> None:
    table = CpuidTable((key, value) for key, value in FULL.items() if key[0] != leaf)
    with pytest.raises((MissingLeafError, ProfileError), match=f"leaf {leaf:#010x}"):
        composed(table)


@pytest.mark.parametrize(("machine", "shown"), [("x86_64", True), ("i686", False)])
@pytest.mark.parametrize("name", ["intel-xeon-e5345", "intel-xeon-l5320"])
def test_intel_shows_syscall_to_64_bit_kernels_alone(
    name: str, machine: str, *, shown: bool
) -> None:
    """Whoever took the dump: that of the first CPU is 64-bit, of the second 32-bit."""
    profile = composed(find_cpu(name).table, machine=machine)
    assert profile.cpus[0].cpuid.has_bit(0x80000001, 0, "edx", 11) == shown


def test_a_32_bit_kernel_runs_32_bit_processes() -> None:
    by_needs = Container(ctid=102, needs=Needs(1))
    profile = composed(FULL, parse_spec("101:fpu"), by_needs, machine="i686")
    contents = profile.containers[0].contents
    assert contents is not None
    assert [one.bits for one in contents.processes] == [32]
    assert profile.containers[1] == by_needs
