"""NODE on a command line: by name, by files in every form, from a fleet file or a stream."""

import errno
import io
import os
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.facts.cpuid import CpuidTable, Registers
from simulator.profiles.catalogue import find_cpu, load_cpus
from simulator.profiles.evidence import compose_node
from simulator.profiles.nodes import load_all, load_each, load_one, resolve
from simulator.profiles.profile import NodeProfile
from simulator.profiles.profile_json import format_profile
from simulator.profiles.store import load_node
from support.simulated_nodes import NEWEST, OLD, node, small_nodes
from support.simulated_profiles import encoded, good_document, rows_of

RECORDED = "ia64.028stab056.1"
CPU = "intel-xeon-x5550"
OTHER_CPU = "amd-opteron-6272"
TABLE = find_cpu(CPU).table


def dump_of(table: CpuidTable) -> str:
    """Write registers as AIDA64 does."""
    lines = ["CPU#000 AffMask: 0x0000000000000001"]
    for row in rows_of(table):
        leaf, subleaf, *registers = re.findall("0x([0-9a-f]+)", row)
        answer = "-".join(registers).upper()
        lines.append(f"CPUID {leaf.upper()}: {answer} [SL {int(subleaf, 16):02X}]")
    return "\n".join(lines) + "\n"


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def names(nodes: Sequence[str], release: str | None = None) -> list[str]:
    return [profile.name for profile in load_all(nodes, release)]


def refusal(nodes: Sequence[str], release: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        list(load_all(nodes, release))
    return str(caught.value)


@contextmanager
def piped(data: bytes) -> Iterator[str]:
    """Yield the path of a pipe with data in it, as shells make it of <(COMMAND)."""
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    yield f"/dev/fd/{reading}"
    os.close(reading)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | bytes], None]:
    """Give standard input."""

    def give(text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return give


def line_of(profile: NodeProfile, name: str | None = None) -> str:
    """Write a profile on one line, with a name where one is given."""
    beginning = "" if name is None else f'"name": "{name}", '
    return "{" + beginning + format_profile(profile).replace("\n", "").removeprefix("{") + "\n"


# One node


def test_a_recorded_node_goes_before_a_folder_of_that_name(here: Path) -> None:
    (here / RECORDED).mkdir()
    assert load_one(RECORDED) == load_node(RECORDED)


def test_a_profile_is_found_by_its_path_whatever_its_suffix(here: Path) -> None:
    for path in ("mine.json", "mine", "mine@042stab092.1"):
        write(here / path, encoded(good_document()))
        assert load_one(path).name == path.removesuffix(".json")
        assert load_one(path, "042stab141.3").kernel.release == good_document()["kernel"]["release"]


def test_a_node_may_come_through_a_pipe() -> None:
    with piped(encoded(good_document())) as path:
        assert load_one(path).kernel.release == good_document()["kernel"]["release"]
    with piped(b"{}") as path:
        assert refusal([path]).startswith(f"{path}: the key ")
    with piped(dump_of(TABLE).encode()) as path:
        assert load_one(f"{path}@042stab092.1").cpus == load_one(f"{CPU}@042stab092.1").cpus


@pytest.mark.parametrize(
    ("kernel", "release", "name"),
    [
        ("042stab092.1", "2.6.32-042stab092.1", "042stab092.1"),
        ("2.6.32-042stab092.1", "2.6.32-042stab092.1", "042stab092.1"),
        ("028stab056.1", "2.6.18-028stab056.1", "2.6.18-028stab056.1"),
        ("2.6.32-dzhanibekov.1", "2.6.32-dzhanibekov.1", "2.6.32-dzhanibekov.1"),
    ],
)
def test_a_cpu_and_a_kernel_are_a_node(kernel: str, release: str, name: str) -> None:
    profile = load_one(f"{CPU}@{kernel}")
    assert profile == compose_node(f"{CPU}@{name}", CPU, release)
    assert (profile.kernel.release, profile.name) == (release, f"{CPU}@{name}")
    assert load_one(CPU, kernel) == profile


def test_a_node_that_says_its_kernel_is_given_no_other() -> None:
    profiles = load_each([RECORDED, f"{CPU}@042stab092.1", CPU], "042stab141.3")
    releases = ["2.6.18-028stab056.1", "2.6.32-042stab092.1", "2.6.32-042stab141.3"]
    assert [one.kernel.release for one in profiles] == releases


def test_a_dump_is_a_node_with_the_same_registers(here: Path) -> None:
    write(here / "old" / "box.aida64", dump_of(TABLE))
    recorded = load_one(f"{CPU}@042stab092.1")
    for profile in (
        load_one("old/box.aida64@042stab092.1"),
        load_one("old/box.aida64", "042stab092.1"),
    ):
        assert profile.name == "box.aida64@042stab092.1"
        assert profile.cpus == recorded.cpus
        assert profile.answers == recorded.answers


def test_a_dump_may_come_on_standard_input(given: Callable[[str], None]) -> None:
    given(dump_of(TABLE))
    profile = load_one("-@042stab092.1")
    assert profile.name == "stdin@042stab092.1"
    assert profile.cpus == load_one(f"{CPU}@042stab092.1").cpus


def test_a_folder_may_be_a_dump(here: Path) -> None:
    rows = (one.replace("0x", "").replace(":", "").split() for one in rows_of(TABLE))
    lines = (f"5 {one[0]} 0 {one[1]} 0 => {' '.join(one[2:])}\n" for one in rows)
    write(here / "cpuid" / "pu0", "".join(lines))
    assert load_one("cpuid/@042stab092.1").name == "cpuid@042stab092.1"


def test_json_that_is_no_profile_is_a_dump_where_a_kernel_is_said(here: Path) -> None:
    rows = [row.replace(":", "").split() for row in rows_of(TABLE)]
    for document in ({"cpuid": rows}, [{"cpuid": rows}]):
        write(here / "dump.json", encoded(document))
        assert load_one("dump.json", "042stab092.1").name == "dump.json@042stab092.1"
        assert load_one("dump.json@", "042stab092.1").name == "dump.json@042stab092.1"
    message = "dump.json: no profile: say the kernel of this CPU, dump.json@RELEASE"
    assert refusal(["dump.json"]).startswith(message)


@pytest.mark.parametrize("release", [None, "042stab092.1"])
@pytest.mark.parametrize("text", ["{", '{"kernel": {}}', '{"\xff": 1}', '{"a":' * 10000, ""])
def test_json_that_may_be_a_damaged_profile_is_refused_as_one(
    here: Path, text: str, release: str | None
) -> None:
    write(here / "node.json", text.encode("latin-1"))
    assert re.match("node.json: (not |nested|the key)", refusal(["node.json"], release))


def test_a_cpu_without_long_mode_runs_a_32_bit_kernel(here: Path) -> None:
    features = TABLE[0x8000_0001, 0]
    without = TABLE.replace({(0x8000_0001, 0): features._replace(edx=features.edx & ~(1 << 29))})
    write(here / "box", dump_of(without))
    assert load_one("box@042stab092.1").kernel.machine == "i686"
    assert load_one(f"{CPU}@042stab092.1").kernel.machine == "x86_64"


def test_a_cpu_without_extended_leaves_is_left_to_compose(here: Path) -> None:
    signature = Registers(0x683, 0, 0, 0)
    old = CpuidTable([((0, 0), Registers(2, *TABLE[0, 0][1:])), ((1, 0), signature)])
    write(here / "box", dump_of(old))
    said = refusal(["box@042stab092.1"])
    assert said.endswith("as it is a 32-bit one: compose a 32-bit node, by '--machine i686'")


def test_a_cpu_of_which_long_mode_is_not_told_is_taken_for_a_64_bit_one(here: Path) -> None:
    rows = dump_of(TABLE).splitlines(keepends=True)
    write(here / "box", "".join(row for row in rows if "CPUID 80000001" not in row))
    assert load_one("box@042stab092.1").kernel.machine == "x86_64"


# Names


def test_nodes_are_called_by_paths_where_their_files_are_called_alike(here: Path) -> None:
    for path in ("a/cpuinfo", "b/cpuinfo", "c/other"):
        write(here / path, dump_of(TABLE))
    profiles = load_each(["a/cpuinfo", "b/cpuinfo", "c/other", CPU], "042stab092.1")
    assert [one.name for one in profiles] == [
        "a/cpuinfo@042stab092.1",
        "b/cpuinfo@042stab092.1",
        "other@042stab092.1",
        f"{CPU}@042stab092.1",
    ]
    assert names(["a/cpuinfo", "b/cpuinfo@042stab061.9"], "042stab092.1") == [
        "cpuinfo@042stab092.1",
        "cpuinfo@042stab061.9",
    ]


def test_a_node_that_is_given_twice_is_the_same_node() -> None:
    one, other = load_each([CPU, CPU], "042stab092.1")
    assert one == other


# Many nodes


def test_a_folder_is_the_profiles_in_it(here: Path) -> None:
    for name in ("b.json", "a.json"):
        write(here / "nodes" / name, encoded(good_document()))
    write(here / "nodes" / "README", "no profile")
    assert names(["nodes", f"{here}/nodes/", RECORDED]) == ["a", "b", "a", "b", RECORDED]


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        (["."], ".: a folder without profiles (*.json). Each dump in it is a NODE: ./* --kernel"),
        (["nodes/*.json"], "nodes/*.json: no file matches this pattern"),
        (["x?"], "x?: no file matches this pattern"),
        (["[ab]"], "[ab]: no file matches this pattern"),
        ([""], "a NODE is empty: was it to come from a variable that is not set?"),
        (["@042stab092.1"], "no node is recorded as '@042stab092.1', and no file is there"),
        (["ia64.028stab056.2"], "and no file is there; did you mean ia64.028stab056.1"),
        ([CPU], f"{CPU}: no profile: say the kernel of this CPU, {CPU}@RELEASE or --"),
        (["box"], "box: no profile: say the kernel of this CPU, box@RELEASE or --kernel RELEASE"),
        (["nonesuch@042stab092.1"], "nonesuch: no such file; no CPU is recorded as 'nonesuch'"),
        (["box@042stab092.1"], "box: not a register dump in any form known here; tried"),
        ([f"{CPU}@042"], "kernel release '042' is none that is known: "),
        ([f"{CPU}@"], f"{CPU}: no profile: say the kernel of this CPU, {CPU}@RELEASE or --"),
        (["-", "-"], "standard input (-) is named twice, and can be read once"),
        (["-", "-@042stab092.1"], "standard input (-) is named twice"),
    ],
)
def test_what_is_no_node(here: Path, nodes: list[str], problem: str) -> None:
    write(here / "box", "no dump")
    assert problem in refusal(nodes)
    with pytest.raises(UserError) as caught:
        load_each(nodes)
    assert problem in str(caught.value)


def test_what_is_neither_a_node_nor_a_cpu_is_told_as_both_where_a_kernel_is_said() -> None:
    said = refusal(["nonesuch"], "042stab092.1")
    assert said.startswith("no node is recorded as 'nonesuch', and no file is there; ")
    assert said.endswith("; no CPU is recorded as 'nonesuch'; see 'vzcptsim cpus'")
    ambiguous = refusal(["xeon"], "042stab092.1")
    assert " CPUs may be meant by 'xeon': " in ambiguous


def test_no_more_than_one_node_is_taken_where_one_is_wanted(
    here: Path, given: Callable[[str], None]
) -> None:
    for number in range(4):
        write(here / "many" / f"{number}.json", encoded(good_document()))
    write(here / "one" / "only.json", encoded(good_document()))
    assert load_one("one").name == "only"
    with pytest.raises(UserError, match=r"^many: 4 nodes, where one is wanted: many/0"):
        load_one("many")
    given(line_of(small_nodes()[0]) * 2)
    with pytest.raises(UserError, match=r"^standard input: several nodes, where one"):
        load_one("-")


# Profiles on standard input


def test_a_stream_has_a_document_a_line_with_a_name_in_it(given: Callable[[str], None]) -> None:
    strong, weak, *_ = small_nodes()
    given(line_of(strong, "one") + "\n" + line_of(weak).replace("\n", "\r\n") + line_of(weak, "x"))
    profiles = list(load_all(["-"]))
    assert [one.name for one in profiles] == ["one", "stdin-2", "x"]
    assert [one.cpus for one in profiles] == [strong.cpus, weak.cpus, weak.cpus]


def test_a_stream_may_have_documents_as_programs_print_them(given: Callable[[str], None]) -> None:
    nodes = small_nodes()
    given("".join(map(format_profile, nodes)))
    assert [one.cpus for one in load_all(["-"])] == [one.cpus for one in nodes]


def test_one_profile_may_come_from_a_program(given: Callable[[str], None]) -> None:
    given(format_profile(small_nodes()[0]))
    profile, other = load_each(["-", RECORDED])
    assert (profile.name, other.name) == ("stdin-1", RECORDED)


GOOD = line_of(node("good"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "standard input: no profile came: one JSON document a line is read"),
        ("\n \n", "standard input: no profile came"),
        (GOOD + "{}", "standard input, line 2: the key "),
        (GOOD + "\n{", 'standard input: it ends within a document, before a line "}"'),
        (GOOD + "{\n1\n}\n", "standard input, line 2: not JSON"),
        (GOOD + "[" * 10000, "standard input, line 2: nested too deeply"),
        ('{"name": 1, ' + GOOD[1:], "standard input, line 1: name: text"),
        ('{"name": "", ' + GOOD[1:], "standard input, line 1: name: text that is not empty"),
        ('{"name": "a", "name": "b", ' + GOOD[1:], 'the key "name" comes twice in one object'),
        ('{"nom": "a", ' + GOOD[1:], 'standard input, line 1: the key "nom" is not one of the'),
        (b'{"name": "\xff", ' + GOOD[1:].encode(), "standard input, line 1: not UTF-8"),
        ("x" * (1 << 20) + "x", "standard input: over 1 MiB, which no profile has"),
        ("{\n" + "x\n" * (1 << 19), "standard input: over 1 MiB, which no profile has"),
        (GOOD.replace('"image_version": 2051', '"image_version": 2049'), "line 1: answers.image_"),
    ],
)
def test_what_is_wrong_with_a_stream_is_told_by_its_line(
    given: Callable[[str | bytes], None], text: str | bytes, problem: str
) -> None:
    given(text)
    assert problem in refusal(["-"])


def test_standard_input_may_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal(["-"]) == "standard input: it is closed"


class _Endless(io.RawIOBase):
    """Profiles without an end."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        super().__init__()
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._rest = self._rest or next(self._lines, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def test_a_stream_takes_no_more_memory_than_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    text = line_of(small_nodes()[0], "NAME")
    lines = (text.replace("NAME", f"node-{number}").encode() for number in range(500))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(_Endless(lines))))
    profiles = load_all(["-"])
    first = next(profiles)
    tracemalloc.start()
    try:
        assert sum(1 for _ in profiles) == 499
        assert tracemalloc.get_traced_memory()[1] < 100 * len(text)
    finally:
        tracemalloc.stop()
    assert first.name == "node-0"


# Fleet files


def test_a_fleet_file_may_have_nodes_of_every_kind(here: Path) -> None:
    folder = here / "fleet"
    write(folder / "mine.json", encoded(good_document()))
    write(folder / "dumps" / "box", dump_of(TABLE))
    write(
        folder / "fleet.csv",
        f"""Name,CPU,Kernel,Containers
# old ones

a,{CPU},042stab092.1,"101:fpu 102:process=sshd,entered"
b,dumps/box,2.6.32-042stab061.9,103
c,dumps/box@042stab088.4,,
,{OTHER_CPU},,104
d,mine.json,,
,{RECORDED},,
""",
    )
    profiles = {one.name: one for one in load_all(["fleet/fleet.csv"], "042stab141.3")}
    assert list(profiles) == ["a", "b", "c", f"{OTHER_CPU}@042stab141.3", "d", RECORDED]
    assert [one.kernel.release for one in profiles.values()][:4] == [
        "2.6.32-042stab092.1",
        "2.6.32-042stab061.9",
        "2.6.32-042stab088.4",
        "2.6.32-042stab141.3",
    ]
    held = [[container.ctid for container in one.containers] for one in profiles.values()]
    assert held[:4] == [[101, 102], [103], [], [104]]
    assert held[4] == [one["ctid"] for one in good_document()["containers"]]
    assert profiles["b"].cpus[0].cpuid == profiles["a"].cpus[0].cpuid
    assert profiles[RECORDED] == load_node(RECORDED)


@pytest.mark.parametrize(
    "text",
    [
        f"n1,{CPU},042stab092.1,101:fpu\n",
        f"\ufeffn1;{CPU};042stab092.1;101:fpu\r\n",
        f"n1\t{CPU}\t042stab092.1\t101:fpu",
        f"kernel,containers,cpu,name\n042stab092.1,101:fpu,{CPU},n1",
        f"cpu;name;kernel;containers\n{CPU};n1;042stab092.1;101:fpu;;;\n;;;\n",
        f"sep=;\nname;cpu;kernel;containers\nn1;{CPU};042stab092.1;101:fpu\n",
        f"name,cpu,kernel,printed_by,containers\nn1,{CPU},042stab092.1,6.1.0,101:fpu",
    ],
)
@pytest.mark.parametrize("name", ["fleet.csv", "FLEET.CSV", "fleet.tsv"])
def test_a_fleet_file_is_read_as_spreadsheets_write_it(here: Path, text: str, name: str) -> None:
    write(here / name, text)
    profile = load_one(name)
    assert (profile.name, profile.kernel.release) == ("n1", "2.6.32-042stab092.1")
    assert [one.ctid for one in profile.containers] == [101]


def test_every_line_that_cannot_be_read_is_told(here: Path) -> None:
    write(here / "mine.json", encoded(good_document()))
    write(
        here / "fleet.csv",
        f"""name,cpu,kernel,containers
a,{CPU},042stab092.1,
a,{CPU},042stab092.1,
b,,042stab092.1,
c,{CPU},,
d,nonesuch,042stab092.1,
e,nonesuch,,
f,{CPU},linux,
g,{CPU},042stab092.1,101:shy
h,{CPU},042stab092.1,101:fpu,entered
i,mine.json,,101
j,{CPU},042stab092.1,0
k,"{CPU}
",042stab092.1,x
l,{CPU}@042stab092.1,,
""",
    )
    told = refusal(["fleet.csv"]).splitlines()
    assert told[0] == "fleet.csv: 11 lines cannot be read"
    for line, (number, problem) in zip(
        told[1:],
        [
            (3, "the name 'a' is on line 2 already"),
            (4, "no CPU: its name, a dump's path, a recorded node or a profile's path"),
            (5, f"{CPU}: no profile: say the kernel of this CPU, {CPU}@RELEASE or --"),
            (6, "no CPU is recorded as 'nonesuch'; see 'vzcptsim cpus'"),
            (7, "no node is recorded as 'nonesuch', and no file is there"),
            (8, "kernel release 'linux' is none that is known: "),
            (9, "container '101:shy': 'shy' is no word for it"),
            (10, "5 columns, where there are 4: name, cpu, kernel, containers. Containers with"),
            (11, "mine.json is a profile, which has its own containers"),
            (12, "container '0': it begins with a number from 1"),
            (13, "container 'x': it begins with a number from 1"),
        ],
        strict=True,
    ):
        assert line.startswith(f"  line {number}: {problem}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "fleet.csv: no line is a node's: name, cpu, kernel, containers"),
        ("name,cpu\n# none\n", "fleet.csv: no line is a node's"),
        ("name,cpu,ram\n", "1 line cannot be read\n  line 1: the columns are name, cpu, kernel, "),
        ("cpu,cpu\n", "line 1: the columns are name, cpu, kernel, containers, each once, and not"),
        (
            "name,processor,kernel\n",
            "line 1: no column is named cpu; the columns are name, cpu, ker",
        ),
        (f'a,{CPU},042stab092.1,"101', "line 1: unexpected end of data: a quotation mark is not"),
        (f"a,{CPU},042stab092.1,\nb,{'x' * 200000}", "line 2: field larger than field limit"),
        ("x,y,z\n" * 25, "25 lines cannot be read\n  line 1: "),
        ("x,y,z\n" * 25, "and 5 more"),
        ("a,box,042stab092.1,", "fleet.csv, line 1: box: not a register dump"),
        (f"a,{CPU},042stab092.1,101 101", "fleet.csv, line 1: a: containers"),
    ],
)
def test_what_is_no_fleet_file(here: Path, text: str, problem: str) -> None:
    write(here / "fleet.csv", text)
    write(here / "box", "no dump")
    assert problem in refusal(["fleet.csv"])


def test_nothing_is_composed_before_its_turn(here: Path) -> None:
    write(here / "fleet.csv", f"a,{CPU},042stab092.1\nb,{OTHER_CPU},042stab092.1\n")
    assert [one.name for one in resolve(["fleet.csv", "-"])] == ["a", "b", ""]


def test_every_recorded_cpu_is_a_node_of_both_ends_of_042stab() -> None:
    for cpu in load_cpus():
        for release in (OLD, NEWEST):
            assert load_one(f"{cpu}@{release}").kernel.release == release


def test_what_is_in_a_closed_folder_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: str, **_: object) -> os.stat_result:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "stat", closed)
    with pytest.raises(PermissionError, match=r"Permission denied: 'closed/mine\.json'"):
        resolve(["closed/mine.json"])
