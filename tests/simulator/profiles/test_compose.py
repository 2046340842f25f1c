"""Profiles of nodes that never were: a CPU's registers and a kernel's rules."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.dumps.recognise import parse_dump
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.facts.cpuid_device import device_answer
from simulator.facts.generations import UnknownReleaseError
from simulator.facts.override import OverrideError
from simulator.kernel.containers import (
    POLICIES,
    Container,
    Contents,
    Entered,
    Needs,
    Process,
    State,
)
from simulator.profiles.catalogue import find_cpu
from simulator.profiles.compose import (
    SYNTAX,
    ComposeError,
    CpuSource,
    SpecError,
    compose,
    parse_spec,
)
from simulator.profiles.profile import KernelFacts, NodeProfile, OriginKind, ProfileError
from simulator.profiles.store import load_node
from support.simulated_nodes import AMD, EAGER_RELEASE, EVERYTHING, RELEASES, caps, container, cpu
from support.simulated_profiles import captured_nodes

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


@pytest.mark.parametrize("boot", captured_nodes(), ids=lambda boot: boot.name)
def test_the_flags_are_those_that_each_recorded_boot_printed(boot: NodeProfile) -> None:
    """By the registers, the release and the boot options alone."""
    recorded = boot.cpus[0]
    made = composed(
        recorded.cpuid,
        release=boot.kernel.release,
        vz_version=boot.kernel.vz_version,
        machine=boot.kernel.machine,
        boot_options=boot.kernel.boot_options,
        ipv6=boot.kernel.ipv6,
        override=boot.cpuid_override,
    )
    assert made.cpus[0].flags == recorded.flags


def test_all_recorded_boots_are_looked_at() -> None:
    assert sum(bool(boot.cpus[0].flags) for boot in captured_nodes()) >= 35


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


def without(leaf: int, subleaf: int = 0, **traits: Any) -> CpuidTable:
    """Make a CPU without AVX of which an answer was not recorded."""
    table = cpu("lm", "syscall", "xsave", **traits)
    return CpuidTable((key, value) for key, value in table.items() if key != (leaf, subleaf))


def test_where_xsaveopt_decides_on_eager_fpu_and_is_not_known_needs_are_not_either() -> None:
    containers = container(), container(102, used_fpu=True)
    profile = composed(without(0xD, 1, vendor=AMD), *containers, release=EAGER_RELEASE)
    idle, busy = profile.containers
    assert idle.needs is None
    assert busy.needs is not None
    assert profile.answers.capability_number is not None
    assert profile.cpus[0].flags is None


@pytest.mark.parametrize(
    ("traits", "options", "eager"),
    [
        ({"vendor": AMD}, ("eagerfpu=on",), True),
        ({"vendor": AMD}, ("eagerfpu=off",), False),
        ({"vendor": AMD}, ("noxsave",), False),
        ({"vendor": AMD}, ("noxsaveopt",), False),
        ({}, (), True),
    ],
)
def test_elsewhere_xsaveopt_need_not_be_known(
    traits: dict[str, Any], options: tuple[str, ...], eager: bool
) -> None:
    table = without(0xD, 1, **traits)
    profile = composed(table, container(), release=EAGER_RELEASE, boot_options=options)
    assert ("eagerfpu" in flags(profile)) is eager
    assert composed(table, container(), release=NEWEST).containers[0].needs is not None


@pytest.mark.parametrize("vendor", [AMD, "CentaurHauls"])
def test_long_mode_without_syscall_is_a_guests(vendor: str) -> None:
    first = cpu("lm", vendor=AMD)[0, 0]
    named = {AMD: first, "CentaurHauls": Registers(0xD, 0x746E6543, 0x736C7561, 0x48727561)}
    table = cpu("lm", vendor=AMD).replace({(0, 0): named[vendor]})
    with pytest.raises(ComposeError, match=f"long mode and no SYSCALL.* of {vendor}.*machine that"):
        composed(table)
    assert composed(table, machine="i686").cpus[0].cpuid == table


def p6(model: int, *, vendor: str = "GenuineIntel") -> CpuidTable:
    """Make a CPU of family 6 without recorded extended leaves."""
    table = CpuidTable(
        (key, value)
        for key, value in cpu("cmov", "mmx", vendor=vendor).items()
        if key[0] < 0x8000_0000
    )
    return table.replace({(1, 0): table[1, 0]._replace(eax=0x600 | model << 4)})


def test_a_dump_of_a_32bit_cpu_has_no_extended_leaves() -> None:
    with pytest.raises(ComposeError, match=r"family 6, model 8.* is a 32-bit one: .*machine i686"):
        composed(p6(8))
    profile = composed(p6(8), container(), machine="i686")
    assert profile.answers.capability_number == caps("CMOV", "MMX", "NAMESPACES")
    answers_zeros = p6(8).replace({(0x8000_0000, 0): Registers(0, 0, 0, 0)})
    again = composed(answers_zeros, container(), machine="i686")
    assert again.cpus[0].cpuid == profile.cpus[0].cpuid == answers_zeros


@pytest.mark.parametrize("table", [p6(9), p6(8, vendor=AMD)])
@pytest.mark.parametrize("machine", ["x86_64", "i686"])
def test_of_another_cpu_the_extended_leaves_are_missing(table: CpuidTable, machine: str) -> None:
    with pytest.raises(ComposeError, match=r"leaf 0x80000000 was not recorded\. .*32-bit"):
        composed(table, machine=machine)


def test_a_container_twice_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"containers\[1\].ctid: container 101 comes twice"):
        composed(FULL, container(), container())


def test_without_leaf_1_there_is_no_cpu_to_compose_of() -> None:
    table = CpuidTable((key, value) for key, value in FULL.items() if key[0] != 0x1)
    with pytest.raises(ProfileError, match="leaf 0x00000001"):
        composed(table)


def test_a_leaf_that_was_not_recorded_is_no_zeros() -> None:
    table = CpuidTable((key, value) for key, value in FULL.items() if key[0] != 0x80000001)
    assert composed(table).answers.capability_number is None


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


# Containers on the command line


INIT = Process(pid=1, host_pid=1001, name="init")


def init(**traits: Any) -> Process:
    return Process(**{"pid": 1, "host_pid": 1001, "name": "init", **traits})


def contents(spec: str) -> Contents:
    parsed = parse_spec(spec).contents
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("spec", "ctid"), [("1", 1), ("101", 101), ("101:", 101), ("007", 7), ("2147483647", 2**31 - 1)]
)
def test_a_number_alone_is_a_running_container_with_an_init(spec: str, ctid: int) -> None:
    assert parse_spec(spec) == Container(ctid=ctid, contents=Contents((INIT,)))


#: Words about a process, and what they say of it.
TRAITS: dict[str, dict[str, Any]] = {
    "fpu": {"used_fpu": True},
    "32bit": {"bits": 32},
    "no-vdso": {"vdso": False},
    "entered": {"entered": Entered.FOREIGN},
    "entered=process": {"entered": Entered.PROCESS},
    "entered=group": {"entered": Entered.GROUP},
    "entered=session": {"entered": Entered.SESSION},
    "entered=foreign": {"entered": Entered.FOREIGN},
    **{f"policy={policy}": {"policy": policy} for policy in POLICIES},
    "traced": {"traced": True},
    "private-mounts": {"private_mounts": True},
    "mempolicy": {"mempolicy": True},
    "keys": {"keys": True},
}


@pytest.mark.parametrize("word", TRAITS)
def test_a_word_about_a_process(word: str) -> None:
    assert contents(f"101:{word}") == Contents((init(**TRAITS[word]),))


def test_a_process_has_entered_as_the_booted_kernels_say_it() -> None:
    recorded = {
        process.entered
        for node in captured_nodes()
        for one in node.containers
        if one.contents is not None
        for process in one.contents.processes
    }
    assert recorded == {None, contents("101:entered").processes[0].entered}


@pytest.mark.parametrize("state", ["stopped", "stopping", "locked", "suspended"])
def test_a_word_about_the_container(state: str) -> None:
    assert parse_spec(f"101:{state}").state is State(state)


def test_devices_and_mounts_add_up() -> None:
    spec = "101:device=tun9,mount=nfs,device=dummy0,mount=ramfs"
    assert contents(spec) == Contents((INIT,), ("tun9", "dummy0"), ("nfs", "ramfs"))


def test_words_are_about_the_last_process_named() -> None:
    assert contents("101:fpu,process=sshd,entered,32bit,process=a=b,keys").processes == (
        init(used_fpu=True),
        Process(pid=2, host_pid=1002, name="sshd", entered=Entered.FOREIGN, bits=32),
        Process(pid=3, host_pid=1003, name="a=b", keys=True),
    )


def test_a_name_has_up_to_15_characters() -> None:
    assert contents("101:process=" + "x" * 15).processes[1].name == "x" * 15


NO_NUMBERS = [
    "", ":fpu", "0", "-1", "+1", "1.0", " 1", "x101", "2147483648", "00000000001",
    "000000000019999999999", "9" * 5000, "٣",
]  # fmt: skip
NO_WORDS = ["walking", "running", "fpu=yes", "process", "process=", "", "FPU"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        *((spec, "it begins with a number from 1 to 2147483647") for spec in NO_NUMBERS),
        *((f"101:fpu,{word}", f"'{word}' is no word for it") for word in NO_WORDS),
        ("101:entered=friend", "entered is one of foreign, process, group, session"),
        ("101:policy=deadline", "policy is one of normal, batch, idle, fifo, rr"),
        ("101:process=" + "x" * 16, "a process's name has at most 15 characters"),
    ],
)
def test_a_mistake_is_named(spec: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    assert f"container {spec!r}: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_word_that_is_none_brings_those_that_are() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("101:walking")
    assert str(caught.value).endswith(SYNTAX)
    words = {word.partition("=")[0] for word in TRAITS} | {"process=", "device=", "mount="}
    for word in words | {"stopped", "stopping", "locked", "suspended", "policy="}:
        assert word in SYNTAX


words = st.sampled_from(
    ["fpu", "32bit", "process=a", "device=b", "entered", "stopped", "policy=rr", "", "=", ","]
)


@given(
    st.text()
    | st.text("0123456789:,=abc")
    | st.lists(words).map(lambda some: "101:" + ",".join(some))
)
@example("1:" * 100)
def test_any_text_is_a_container_or_a_mistake(spec: str) -> None:
    try:
        said: int | str = parse_spec(spec).ctid
    except SpecError as refusal:
        said = str(refusal)
    assert said in range(1, 2**31) if isinstance(said, int) else repr(spec) in said


# Dumps


@pytest.mark.parametrize("cpu_name", ["SandyBridge", "Opteron_G3", "qemu64"])
def test_a_nodes_cpuid_device_gives_back_every_row_of_its_dump(cpu_name: str) -> None:
    """Caches, topology and hypervisors' leaves too: dumps of whole CPUs that kernels showed."""
    rows = dict(load_node(f"042stab141.3.{cpu_name}.captured").cpus[0].cpuid.items())
    lines = [
        f"   0x{leaf:08x} 0x{subleaf:02x}: eax=0x{eax:08x} ebx=0x{ebx:08x} ecx=0x{ecx:08x} "
        f"edx=0x{edx:08x}"
        for (leaf, subleaf), (eax, ebx, ecx, edx) in rows.items()
    ]
    [dump] = parse_dump("\n".join(["CPU 0:", *lines, ""]).encode())
    assert dump.table is not None
    kernel = KernelFacts(release=NEWEST, machine="x86_64", vz_version=None)
    node = compose("node", CpuSource(dump.table, "dump.txt", dump.mode), kernel, ())
    assert {0x2, 0x4, 0x4000_0000} < {leaf for leaf, _ in rows}
    assert rows == {key: device_answer(node.cpus[0].cpuid, *key) for key in rows}
