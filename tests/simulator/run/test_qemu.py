"""The emulated CPU: as near to each recorded node's as qemu-user can be, and what it runs."""

import errno
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from simulator.facts.cpuid import (
    CpuidTable,
    MissingLeafError,
    RegisterName,
    Registers,
    processor_ranges,
)
from simulator.facts.features import Feature
from simulator.run.elf_probe import ElfClass, build_probe
from simulator.run.qemu import (
    FEATURES,
    Differences,
    Emulation,
    EmulationError,
    IdentityDifference,
    Qemu,
    choose_model,
    describe,
    emulate,
    find_differences,
    find_qemu,
    measure_cpuid,
    parse_flags,
    resolve_program,
)
from support.needed import find, needs
from support.running import finish, printed, succeed, write_program
from support.samples import read_vectors
from support.simulated_nodes import AMD, INTEL, VENDORS, cpu
from support.simulated_profiles import recorded_nodes

NODES = recorded_nodes()
SANDY_BRIDGE = NODES["042stab141.3.SandyBridge.default"].cpus[0].cpuid
XEON = NODES["intel-xeon-e5-2650-0.042stab092.1"].cpus[0].cpuid

#: Distinct CPUs, each by the first node that has it.
CPUS: dict[CpuidTable, str] = {}
for _node in NODES.values():
    for _cpu in _node.cpus:
        CPUS.setdefault(_cpu.cpuid, _node.name)

#: The first version whose translator has AVX (qemu's ChangeLog/7.2).
FIRST_VERSION = (7, 2)
PYTHON = str(Path(sys.executable).resolve())


@cache
def is_too_old(program: str) -> bool:
    """Tell whether an emulator that is installed is older than FIRST_VERSION."""
    if find(program) is None:
        return False
    version = re.search(r"version (\d+)\.(\d+)", succeed([program, "--version"]))
    return version is None or tuple(map(int, version.groups())) < FIRST_VERSION


def needs_emulator(program: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test as one that starts an emulator, of a version that has AVX."""
    reason = f"this {program} is older than 7.2: its translator has no AVX"
    is_new = pytest.mark.skipif(is_too_old(program), reason=reason)
    return lambda test: needs(program)(is_new(test))


emulated = needs_emulator("qemu-x86_64")
emulated_i386 = needs_emulator("qemu-i386")
native = pytest.mark.skipif(os.uname().machine != "x86_64", reason="this machine is no x86-64")


Word = tuple[int, int, RegisterName]


def read_lacks() -> dict[Word, int]:
    """Read what qemu's translator does not have: the mask of each register."""
    lacks: Counter[Word] = Counter()
    for row in read_vectors("qemu-lacks.tsv"):
        word: Any = int(row["leaf"], 16), int(row["subleaf"]), row["register"]
        lacks[word] |= sum(1 << bit for bits in processor_ranges(row["bits"]) for bit in bits)
    return lacks


TCG_LACKS = read_lacks()
WORDS: list[Word] = sorted({*TCG_LACKS, (0x6, 0, "eax")})

#: The kernels did not turn XSAVE on, and left the processor's own bit; qemu always turns it on.
OSXSAVE = (0x1, 0, "ecx", 1 << 27)
EXTRA_OSXSAVE = {"042stab141.3.Haswell.clearcpuid.154", "042stab141.3.SandyBridge.noxsave"}


def recorded_words(cpuid: CpuidTable) -> Iterator[tuple[Word, int]]:
    for word in WORDS:
        try:
            yield word, cpuid.register(*word)
        except MissingLeafError:
            continue


@cache
def qemu(elf_class: ElfClass) -> Qemu:
    return find_qemu(elf_class)


@cache
def measured(cpuid: CpuidTable, elf_class: ElfClass = ElfClass.X86_64) -> CpuidTable:
    """Ask the CPU that is chosen for one what it answers."""
    return measure_cpuid(qemu(elf_class), choose_model(qemu(elf_class), cpuid))


def feature(name: str) -> Feature:
    (found,) = [one for one in FEATURES if one.name == name]
    return found


class TestNearness:
    """Expected are the recorded registers; ``measured`` are those of a run of the instruction."""

    @emulated
    @pytest.mark.parametrize("cpuid", CPUS, ids=CPUS.values())
    def test_nothing_is_missing_but_what_the_translator_lacks(self, cpuid: CpuidTable) -> None:
        answers = measured(cpuid)
        lacking = {
            word: bits
            for word, recorded in recorded_words(cpuid)
            if (bits := recorded & ~answers.register(*word) & ~TCG_LACKS[word])
        }
        assert lacking == {}

    @emulated
    @pytest.mark.parametrize("cpuid", CPUS, ids=CPUS.values())
    def test_nothing_is_there_that_the_node_has_not(self, cpuid: CpuidTable) -> None:
        answers = measured(cpuid)
        extra = {
            (*word, bits)
            for word, recorded in recorded_words(cpuid)
            if (bits := answers.register(*word) & ~recorded)
        }
        assert extra == ({OSXSAVE} if CPUS[cpuid] in EXTRA_OSXSAVE else set())

    @emulated
    @pytest.mark.parametrize("cpuid", CPUS, ids=CPUS.values())
    def test_it_is_known_by_the_same_names(self, cpuid: CpuidTable) -> None:
        answers = measured(cpuid)
        for leaf in (0x0, 0x8000_0002, 0x8000_0003, 0x8000_0004):
            assert answers[leaf, 0] == cpuid[leaf, 0]
        assert answers[0x1, 0].eax == cpuid[0x1, 0].eax
        assert answers[0x8000_0000, 0].eax == cpuid[0x8000_0000, 0].eax

    @emulated
    def test_nodes_captured_under_qemu_are_emulated_without_a_difference(self) -> None:
        assert find_differences(SANDY_BRIDGE, measured(SANDY_BRIDGE)) == Differences((), (), ())

    @emulated
    def test_the_hypervisor_bit_and_the_xsave_area_are_as_on_the_node(self) -> None:
        assert measured(SANDY_BRIDGE).has_bit(0x1, 0, "ecx", 31)
        assert not measured(XEON).has_bit(0x1, 0, "ecx", 31)
        assert measured(XEON)[0xD, 0] == XEON[0xD, 0] == Registers(7, 0x340, 0x340, 0)

    @emulated_i386
    def test_a_32_bit_program_sees_no_long_mode(self) -> None:
        found = find_differences(SANDY_BRIDGE, measured(SANDY_BRIDGE, ElfClass.I386))
        names = {one.name for one in found.missing}
        assert (names, found.extra, found.identity) == ({"lm", "syscall"}, (), ())

    @emulated
    def test_a_cpu_without_a_name(self) -> None:
        answers = measured(cpu("sse", "lm"))
        assert (answers.vendor, answers.brand) == (INTEL, "")
        assert answers.has_bit(0x1, 0, "edx", 25)

    @emulated
    def test_names_with_commas_lose_them(self) -> None:
        brand = b"A CPU, 2 GHz".ljust(16, b"\0")
        words = Registers(*(int.from_bytes(brand[at : at + 4], "little") for at in (0, 4, 8, 12)))
        empty = dict.fromkeys([(0x8000_0003, 0), (0x8000_0004, 0)], Registers(0, 0, 0, 0))
        last = {(0x8000_0000, 0): Registers(0x8000_0004, 0, 0, 0)}
        named = cpu("lm").replace({(0x8000_0002, 0): words, **empty, **last})
        assert find_differences(named, measured(named)).identity == (
            IdentityDifference("model-id", "A CPU, 2 GHz", "A CPU  2 GHz"),
        )

    @emulated
    def test_qemu_means_the_same_bits_by_its_names(self, tmp_path: Path) -> None:
        """All that has a name here, asked for at once: what is refused is told by its bit."""
        flags = parse_flags(finish(["qemu-x86_64", "-cpu", "help"]).stdout)
        named = {one.qemu_name: one for one in FEATURES if one.qemu_name in flags}
        assert len(named) > 150
        model = f"base,level=32,xlevel=0x80000021,{','.join(f'+{name}' for name in named)}"
        program = write_program(tmp_path / "program", build_probe([], ElfClass.X86_64))
        said = finish(["qemu-x86_64", "-cpu", model, program]).stderr
        refused = dict(re.findall(r"CPUID\S+?\.([\w.-]+) \[bit (\d+)\]", said))
        assert {name: named[name].bit for name in refused} == {
            name: int(bit) for name, bit in refused.items()
        }
        answers = measure_cpuid(qemu(ElfClass.X86_64), model)
        set_bits = {one for one in FEATURES if one.is_in(answers)}
        consequences = {feature("osxsave")} | {one for one in set_bits if not one.name}
        assert set_bits - consequences == {named[name] for name in named.keys() - refused.keys()}

    @emulated
    def test_each_name_alone_sets_its_bit(self) -> None:
        for one in qemu(ElfClass.X86_64).offered:
            if one.leaf in (0x1, 0x7):
                model = f"base,+lm,level=13,+{one.qemu_name}"
                assert one.is_in(measure_cpuid(qemu(ElfClass.X86_64), model)), one


class TestEmulating:
    @emulated
    def test_a_program_executes_the_instruction(self) -> None:
        script = (
            "from vzcptcheck.instruction import execute_cpuid as e;"
            "print([e(leaf, 0) for leaf in (0, 0x80000002, 0x80000003, 0x80000004)])"
        )
        ended = finish(emulate([PYTHON, "-S", "-c", script], XEON).command)
        expected = [tuple(XEON[leaf, 0]) for leaf in (0, 0x80000002, 0x80000003, 0x80000004)]
        assert printed(ended) == f"{expected}\n"

    @emulated
    def test_requests_of_the_checkpoint_get_to_no_kernel(self) -> None:
        """A kernel answers ENOTTY to such a request of this file."""
        request = "import fcntl; fcntl.ioctl(open('/dev/null'), 0x2d05, 0)"
        ended = finish(emulate([PYTHON, "-S", "-c", request], XEON).command)
        assert f"OSError: [Errno {errno.ENOSYS}]" in ended.stderr

    @emulated
    def test_a_program_keeps_the_name_that_it_was_called_by(self) -> None:
        emulation = emulate(["sh", "-c", "echo $0 $1; exit 3"], XEON)
        ended = finish(emulation.command)
        assert (ended.returncode, ended.stdout) == (3, "sh\n")

    @emulated
    def test_a_script_is_run_by_its_interpreter(self, tmp_path: Path) -> None:
        script = write_program(
            tmp_path / "script", "#!/bin/sh -e\nfalse | true; echo $0 $*; false; echo\n"
        )
        ended = finish(emulate([str(script), "a", "b"], XEON).command)
        assert (ended.returncode, ended.stdout) == (1, f"{script} a b\n")

    @emulated
    def test_an_extra_feature_is_told(self) -> None:
        cpuid = NODES["042stab141.3.SandyBridge.noxsave"].cpus[0].cpuid
        assert "features emulated alone (1): osxsave" in describe(emulate(["sh"], cpuid))

    @emulated
    def test_a_model_that_there_is_not(self) -> None:
        with pytest.raises(EmulationError, match=r"nonesuch.*try a later qemu-user"):
            measure_cpuid(qemu(ElfClass.X86_64), "nonesuch")

    def test_a_node_without_cpuid(self) -> None:
        with pytest.raises(EmulationError, match=r"no CPUID instruction to emulate \(ia64\)"):
            emulate(["sh"], None)


class TestDescription:
    def describe(self, recorded: CpuidTable, answers: CpuidTable) -> list[str]:
        found = find_differences(recorded, answers)
        return describe(Emulation(("/bin/qemu-x86_64",), answers, found)).splitlines()

    def test_a_cpu_without_differences(self) -> None:
        assert self.describe(XEON, XEON) == [
            "CPUID is answered by qemu-x86_64: GenuineIntel, family 6, model 45, stepping 7, "
            "Intel(R) Xeon(R) CPU E5-2650 0 @ 2.00GHz",
            "The emulator refuses requests to /proc/cpt and /proc/rst (ENOSYS), and programs that "
            "the command starts run on this machine's CPU.",
        ]

    def test_differences(self) -> None:
        recorded = XEON.replace({(0x1, 0): XEON[0x1, 0]._replace(edx=XEON[0x1, 0].edx & ~1)})
        less = XEON.replace(
            {
                (0x0, 0): Registers(0xD, *VENDORS[AMD]),
                (0x1, 0): XEON[0x1, 0]._replace(ecx=XEON[0x1, 0].ecx & ~(1 << 28 | 1 << 25)),
            }
        )
        assert self.describe(recorded, less)[1:-1] == [
            "features on the node alone (2): aes avx",
            "features emulated alone (1): fpu",
            "vendor: 'GenuineIntel' on the node, 'AuthenticAMD' emulated",
        ]

    def test_bits_without_a_name_are_counted(self) -> None:
        ones = Registers(0xFFFF_FFFF, 0, 0, 0)
        recorded = XEON.replace({(0xD, 0): ones})
        (line,) = self.describe(recorded, XEON)[1:-1]
        assert line == "features on the node alone (29)"

    def test_a_long_list_is_cut(self) -> None:
        nothing = dict.fromkeys([(0x1, 0), (0x8000_0001, 0)], Registers(0, 0, 0, 0))
        line = self.describe(XEON, XEON.replace(nothing))[1]
        assert line.endswith(" ...")
        assert len(line) < 300


class TestDifferences:
    def test_what_was_not_recorded_is_not_compared(self) -> None:
        hole = CpuidTable((key, answer) for key, answer in XEON.items() if key[0] == 0)
        assert find_differences(hole, XEON) == Differences((), (), ())

    def test_every_name_is_there_once(self) -> None:
        names = [one.name for one in FEATURES if one.name]
        assert len(names) == len(set(names))

    def test_the_brand_is_compared_with_its_blanks(self) -> None:
        recorded = XEON[0x8000_0002, 0]
        other = XEON.replace({(0x8000_0002, 0): recorded._replace(eax=0x20202041)})
        (found,) = find_differences(XEON, other).identity
        brand = "Intel(R) Xeon(R) CPU E5-2650 0 @ 2.00GHz"
        assert found == IdentityDifference("model-id", f"       {brand}", f"A      {brand}")


FAKE_HELP = """\
Available CPUs:
x86 base                  base CPU model type with no features enabled
x86 max                   Enables all features supported by the accelerator

Recognized CPUID flags:
  avx avx2
  lm sse4.1
"""


def test_flags_are_parsed() -> None:
    assert parse_flags(FAKE_HELP) == {"avx", "avx2", "lm", "sse4.1"}
    assert parse_flags("CPUs:\n  base\n") == frozenset()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder the only one on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


class TestFinding:
    """An emulator that is a script: it runs what it is given on this machine's CPU."""

    def fake(self, path: Path) -> None:
        write_program(
            path, f'#!/bin/sh\n[ "$2" != help ] || exec /bin/cat <<E\n{FAKE_HELP}E\nexec "$3"\n'
        )

    @native
    def test_a_static_one_will_do(self, folder: Path) -> None:
        self.fake(folder / "qemu-x86_64-static")
        found = find_qemu(ElfClass.X86_64)
        assert found.path == str(folder / "qemu-x86_64-static")
        assert feature("lm") in found.offered

    @native
    def test_what_it_answers_is_measured(self, folder: Path) -> None:
        self.fake(folder / "qemu-x86_64")
        host = measure_cpuid(find_qemu(ElfClass.X86_64), "max")
        emulation = emulate([sys.executable], host)
        assert emulation.cpuid.brand == host.brand
        assert emulation.command[1:3] == ("-cpu", choose_model(find_qemu(ElfClass.X86_64), host))
        assert emulation.command[3:] == (sys.executable,)
        assert emulation.differences == Differences((), (), ())

    @native
    def test_only_what_is_on_both_sides_is_asked_for(self, folder: Path) -> None:
        self.fake(folder / "qemu-x86_64")
        model = choose_model(find_qemu(ElfClass.X86_64), cpu("lm", "sse4_1", "sse2"))
        assert model == (
            "base,+sse4.1,+lm,vendor=GenuineIntel,family=6,model=45,stepping=7,"
            "level=13,xlevel=2147483649,model-id="
        )

    def test_an_emulator_that_says_nothing(self, folder: Path) -> None:
        write_program(folder / "qemu-x86_64", "#!/bin/sh\nexit 7\n")
        with pytest.raises(EmulationError, match="does not run its CPU model 'max': status 7;"):
            find_qemu(ElfClass.X86_64)

    @pytest.mark.parametrize("elf_class", ElfClass)
    @pytest.mark.usefixtures("folder")
    def test_none(self, elf_class: ElfClass) -> None:
        program = {ElfClass.X86_64: "qemu-x86_64", ElfClass.I386: "qemu-i386"}[elf_class]
        said = f"^--cpu-instruction needs {program}: install qemu-user$"
        with pytest.raises(EmulationError, match=said):
            find_qemu(elf_class)


class TestPrograms:
    """A folder that is all of PATH, with ``program`` of 64 bits and ``program32`` in it."""

    @pytest.fixture(autouse=True)
    def _programs(self, folder: Path) -> None:
        write_program(folder / "program", build_probe([], ElfClass.X86_64))
        write_program(folder / "program32", build_probe([], ElfClass.I386))

    def refuse(self, *command: str) -> str:
        with pytest.raises(EmulationError) as refused:
            resolve_program(command)
        return str(refused.value)

    def script(self, folder: Path, line: str, name: str = "script") -> str:
        return str(write_program(folder / name, f"#!{line}\n"))

    def test_by_path_or_by_name(self, folder: Path) -> None:
        path, words = f"{folder}/program", ("-0", "program32", f"{folder}/program32", "-a")
        assert resolve_program([path, "a"]) == (ElfClass.X86_64, (path, "a"))
        assert resolve_program(["program32", "-a"]) == (ElfClass.I386, words)

    @pytest.mark.parametrize(
        ("line", "arguments"),
        [
            ("{}/program", ()),
            (" {}/program\t", ()),
            ("{}/program -x", ("-x",)),
            ("{}/program \t-x  y ", ("-x  y",)),
        ],
    )
    def test_a_script(self, folder: Path, line: str, arguments: tuple[str, ...]) -> None:
        script = self.script(folder, line.format(folder))
        words = (f"{folder}/program", *arguments, script, "a")
        assert resolve_program(["script", "a"]) == (ElfClass.X86_64, words)

    def test_a_script_whose_interpreter_is_one(self, folder: Path) -> None:
        inner = self.script(folder, f"{folder}/program32 -i", "inner")
        outer = self.script(folder, f"{inner} -o", "outer")
        words = (f"{folder}/program32", "-i", inner, "-o", outer)
        assert resolve_program(["outer"]) == (ElfClass.I386, words)

    def test_no_interpreter_of_path_is_taken(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = self.script(folder, "program")
        assert self.refuse(script) == (
            f"./program (the interpreter of {script}): no such program there: see how it is spelled"
        )
        monkeypatch.chdir(folder)
        assert resolve_program([script]) == (ElfClass.X86_64, ("./program", script))

    def test_env(self, folder: Path) -> None:
        script = self.script(folder, "/usr/bin/env program")
        words = ("-0", "program", f"{folder}/program", script, "a")
        assert resolve_program([script, "a"]) == (ElfClass.X86_64, words)

    @pytest.mark.parametrize("line", ["/usr/bin/env", "/bin/env -S program", "/bin/env A=1 b"])
    def test_env_with_more_to_it(self, folder: Path, line: str) -> None:
        script = self.script(folder, line)
        assert self.refuse(script) == (
            f"{script}: what its line '#!{line}' starts would not be emulated: put the "
            "interpreter before the script in the command"
        )

    @pytest.mark.parametrize(
        ("line", "says"),
        [
            ("{}/script", "too many interpreters, each a script: name a program"),
            ("", "its #! line names no interpreter"),
            ("  \t", "its #! line names no interpreter"),
        ],
    )
    def test_scripts_without_end_or_interpreter(self, folder: Path, line: str, says: str) -> None:
        script = self.script(folder, line.format(folder))
        assert self.refuse(script) == f"{script}: {says}"

    @pytest.mark.parametrize(
        ("command", "says"),
        [
            ("nowhere", "nowhere: no such program on PATH: see how it is spelled"),
            ("{}/nowhere", "{}/nowhere: no such program there: see how it is spelled"),
            ("locked", "locked: not executable: see its permissions (chmod +x)"),
            (
                "text",
                "{}/text: neither an ELF program nor a script with a #! line: put its interpreter "
                "before it",
            ),
            ("other", "{}/other: a program for another machine than an x86"),
        ],
    )
    def test_what_cannot_be_emulated(self, folder: Path, command: str, says: str) -> None:
        other = bytearray(build_probe([], ElfClass.X86_64))
        other[18:20] = (183).to_bytes(2, "little")
        write_program(folder / "other", bytes(other))
        write_program(folder / "text", "echo hello\n")
        (folder / "locked").touch(0o644)
        assert self.refuse(command.format(folder)) == says.format(folder)

    def test_not_readable(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root reads everything."""

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr("simulator.run.qemu.read_beginning", refuse)
        assert self.refuse("program") == (
            f"{folder}/program: Permission denied: an emulator has to read the program"
        )
