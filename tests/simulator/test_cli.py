"""vzcptsim: each command, each mistake, and an output that cannot be written."""

import errno
import gc
import io
import json
import os
import runpy
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simulator import __main__
from simulator.cli import main
from simulator.commands.schema import schema_names
from simulator.profiles.catalogue import load_cpus
from simulator.profiles.profile import OriginKind
from simulator.profiles.store import fixture_names, load_node
from simulator.run.qemu import Differences, Emulation
from support.programs import answer, mistake, vzcptsim
from support.running import finish, succeed
from support.simulated_nodes import EVERYTHING, cpu
from support.simulated_profiles import encoded, good_document, rows_of
from vzcptcheck import __version__

KERNEL = "2.6.32-042stab113.5"
CPU = "intel-xeon-e5-2680-v3"
NODE = "042stab141.3.SandyBridge.default"


def compose(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(answer("compose", "--kernel", KERNEL, *arguments))
    return document


# Help


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_names_every_command(word: str) -> None:
    text = answer(word)
    assert text.startswith("usage: vzcptsim ")
    for command in ("nodes", "kernels", "cpus", "replay", "compose"):
        assert f"    {command} " in text


@pytest.mark.parametrize("command", ["nodes", "kernels", "cpus", "replay", "compose"])
def test_each_command_has_help(command: str) -> None:
    assert answer(command, "--help").startswith(f"usage: vzcptsim {command} ")


def test_who_asks_for_help_may_have_said_a_part() -> None:
    assert answer("run", "--kernel", "141.3", "--help") == answer("run", "--help")


@pytest.mark.parametrize(("columns", "width"), [("100", 100), ("40", 40), ("wide", 80)])
def test_help_is_as_wide_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    longest = max(map(len, answer("--help").splitlines()))
    assert width - 20 < longest <= width - 2


def test_the_version_is_the_packages() -> None:
    assert answer("--version") == f"vzcptsim {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "the following arguments are required: COMMAND"),
        (("frobnicate",), "there is no command 'frobnicate'; see vzcptsim help"),
        (("chek",), "there is no command 'chek'; did you mean check?"),
        (("help", "matrx"), "there is no command 'matrx'; did you mean matrix?"),
        (("nodes", "--jason"), "there is no option '--jason'; did you mean --json?"),
        (("nodes", "--frobnicate=1"), "there is no option '--frobnicate=1'"),
        (("replay",), "the following arguments are required: NODE"),
        (("replay", "--user", "root", NODE), "argument --user: 'root' is no user's number"),
        (("compose",), "the following arguments are required: --kernel"),
        (("compose", "--kernel", KERNEL, "--machine", "sparc"), "invalid choice: 'sparc'"),
        (("compose", "--kernel", KERNEL, "--no-module", "vzmon"), "invalid choice: 'vzmon'"),
        (("compose", "--kernel", KERNEL, "--processor", "x"), "invalid int value: 'x'"),
    ],
)
def test_what_is_wrong_comes_last_after_the_usage(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake(*arguments)
    assert vzcptsim(*arguments).stderr.startswith("usage: vzcptsim")


@pytest.mark.parametrize("words", [(), ("ls",), ("--node", NODE), ("--node", NODE, "--bashrc")])
def test_who_asks_how_a_command_for_a_node_is_used_is_told(words: tuple[str, ...]) -> None:
    assert answer("run", *words, "--help") == answer("run", "-h")


def test_help_is_a_command_too() -> None:
    assert answer("help") == answer("--help")
    assert answer("help", "check") == answer("check", "--help")


@pytest.mark.parametrize("name", schema_names())
def test_a_published_schema_is_printed(name: str) -> None:
    document = json.loads(answer("schema", name))
    assert document["$id"].startswith(f"urn:vzcptcheck:{name}")


def test_a_schema_that_there_is_not_names_those_that_there_are() -> None:
    assert mistake("schema", "chek").endswith("'profile', 'where'); did you mean check?")


# Listings


LIKE_A_PATTERN = {
    (): fixture_names(),
    ("*noxsave*", "ia64.*"): [
        "042stab141.3.SandyBridge.noxsave",
        "ia64.028stab056.1",
        "ia64.dzhanibekov.1",
        "noxsave.042stab113.5",
    ],
}


@pytest.mark.parametrize("patterns", LIKE_A_PATTERN)
def test_nodes_lists_those_like_a_pattern(patterns: tuple[str, ...]) -> None:
    listed = json.loads(answer("nodes", "--json", *patterns))
    assert [node["node"] for node in listed] == LIKE_A_PATTERN[patterns]


def test_kernels_and_cpus_are_listed() -> None:
    assert len(json.loads(answer("kernels", "--json"))) == 7
    assert [one["cpu"] for one in json.loads(answer("cpus", "--json"))] == list(load_cpus())


@pytest.mark.parametrize(
    ("command", "rows"),
    [(("nodes", "IA64*"), 2), (("kernels",), 7), (("cpus",), 200)],
)
def test_a_listing_for_people_has_a_line_a_row(command: tuple[str, ...], rows: int) -> None:
    assert len(answer(*command).splitlines()) == rows + 1


# Replay


def test_replay_runs_the_production_tool_on_a_node() -> None:
    number = load_node(NODE).answers.capability_number
    assert answer("replay", NODE, "--", "caps") == f"{number}\n"
    assert answer("replay", NODE, "--", "version") == "2051\n"
    assert answer("replay", NODE).startswith("Usage: vzcptcheck")


def test_replay_ends_with_its_status() -> None:
    said = vzcptsim("replay", NODE, "--", "version", "2048000")
    assert (said.status, said.stdout) == (2, "")
    assert "cannot be restored" in said.stderr


def test_replay_hands_over_what_looks_like_an_option() -> None:
    assert answer("replay", NODE, "--", "--version") == f"vzcptcheck {__version__}\n"
    assert vzcptsim("replay", NODE, "--", "--", "caps").status == 1


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--user", "65534"), "Permission denied"),
        (("--inside", "101"), "the inside of a container"),
        (("--32-bit",), "32-bit"),
    ],
)
def test_replay_runs_as_someone_else(options: tuple[str, ...], problem: str) -> None:
    said = vzcptsim("replay", *options, NODE, "--", "caps")
    assert (said.status, said.stdout) == (1, "")
    assert problem in said.stderr


def test_replay_takes_a_path(here: Path) -> None:
    (here / "mine.json").write_bytes(encoded(good_document()))
    assert answer("replay", "mine.json", "--", "version") == "2051\n"


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("nowhere", "no node is recorded as 'nowhere', and no file is there"),
        (".", ".: a folder without profiles (*.json). "),
    ],
)
def test_replay_of_no_node(here: Path, node: str, problem: str) -> None:
    assert problem in mistake("replay", node, "--", "caps")


def test_replay_of_a_bad_profile_names_the_place(here: Path) -> None:
    document = good_document()
    document["containers"][0]["ctid"] = 0
    (here / "bad.json").write_bytes(encoded(document))
    problem = mistake("replay", "bad.json", "--", "caps")
    assert problem == (
        "bad.json: containers[0].ctid: a whole number from 1 to 2147483647 is wanted, and this is 0"
    )


# Compose: where registers come from

TABLE = cpu(*EVERYTHING)
AIDA64 = "".join(
    f"CPUID {leaf:08X}: {eax:08X}-{ebx:08X}-{ecx:08X}-{edx:08X} [SL {subleaf:02X}]\n"
    for (leaf, subleaf), (eax, ebx, ecx, edx) in TABLE.items()
)
CPUID_R = "CPU 0:\n" + "".join(
    f"   0x{leaf:08x} 0x{subleaf:02x}: eax=0x{eax:08x} ebx=0x{ebx:08x} "
    f"ecx=0x{ecx:08x} edx=0x{edx:08x}\n"
    for (leaf, subleaf), (eax, ebx, ecx, edx) in TABLE.items()
)
JSON = json.dumps([{"id": "mine", "cpuid": TABLE.rows()}])


DUMPS = {
    "AIDA64": (AIDA64, "AIDA64 or InstLatx64, CPU 0"),
    "cpuid -r": (CPUID_R, "cpuid -r, CPU 0"),
    "JSON": (JSON, "JSON, CPU mine"),
    "not UTF-8": (f"\xff\n{AIDA64}", "AIDA64 or InstLatx64, CPU 0"),
}


@pytest.mark.parametrize("name", DUMPS)
@pytest.mark.parametrize("from_stdin", [False, True], ids=["file", "stdin"])
def test_compose_reads_a_dump(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str, from_stdin: bool
) -> None:
    dump, form = DUMPS[name]
    data = dump.encode("latin-1")
    (here / "dump.txt").write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    document = compose("--cpuid", "-" if from_stdin else "./dump.txt")
    assert document["cpus"][0]["cpuid"] == rows_of(TABLE)
    where = "standard input" if from_stdin else "dump.txt"
    assert document["origin"]["source"].startswith(f"registers: {where}, {form}, read in ")


def test_compose_takes_the_cpu_of_a_number(here: Path) -> None:
    other = TABLE.replace({(0x7, 0): TABLE[0xD, 0]})
    dump = json.dumps([{"cpuid": TABLE.rows()}, {"cpuid": other.rows()}])
    (here / "dump.json").write_text(dump)
    first = compose("--cpuid", "dump.json")
    second = compose("--cpuid", "dump.json", "--processor", "1")
    assert first["cpus"] != second["cpus"]
    assert ", CPU 1, " in second["origin"]["source"]


def test_compose_takes_a_recorded_cpu() -> None:
    document = compose("--cpuid", CPU)
    assert document["cpus"][0]["model_name"] == load_cpus()[CPU].brand
    assert f"{CPU} (hwloc:" in document["origin"]["source"]


def test_a_fixture_can_be_composed_again() -> None:
    text = answer(*("compose", "--cpuid", CPU, "--kernel", KERNEL), *("--cpuid-override", ""))
    assert load_node("masked-nothing.042stab113.5").cpuid_override == ""
    assert json.loads(text)["cpuid_override"] == ""


@pytest.mark.parametrize("processor", ["1", "-1", "99999999999999999999"])
@pytest.mark.parametrize("dump", [CPU, "dump.json"])
def test_a_processor_that_is_not_there(here: Path, dump: str, processor: str) -> None:
    (here / "dump.json").write_text(JSON)
    problem = mistake("compose", "--kernel", KERNEL, "--cpuid", dump, f"--processor={processor}")
    assert problem == f"{dump}: no --processor {processor}: the first of 1 is 0"


NO_DUMP = "not a register dump in any form known here"


@pytest.mark.parametrize(
    ("dump", "problem"),
    [
        ("nowhere.txt", "nowhere.txt: no such file; no CPU is recorded as 'nowhere.txt'; see"),
        ("intel-xeon-e5-2687-v3", "but there are: intel-xeon-e5-2680-v3"),
        ("E5-2650", "no such file; 3 CPUs may be meant by 'E5-2650': intel-xeon-e5-2650-0,"),
        (".", f".: {NO_DUMP}; tried\n  hwloc: no file is named pu0"),
        ("", f".: {NO_DUMP}; tried\n  hwloc: no file is named pu0"),
        ("bad.txt", f"bad.txt: {NO_DUMP}; tried\n  hwloc: it is"),
        ("cut.txt", "cut.txt: line 1: aida64: not an answer as AIDA64"),
        ("-", f"standard input: {NO_DUMP}"),
    ],
)
def test_a_dump_that_cannot_be_read(
    here: Path, monkeypatch: pytest.MonkeyPatch, dump: str, problem: str
) -> None:
    (here / "bad.txt").write_text("no dump\n")
    (here / "cut.txt").write_text(AIDA64[:30])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"no dump\n")))
    assert problem in mistake("compose", "--kernel", KERNEL, "--cpuid", dump)


class Broken(io.BytesIO):
    """A stream whose disk is broken."""

    def read(self, _: int | None = -1) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("stdin", "problem"),
    [
        (None, "standard input: it is closed"),
        (io.TextIOWrapper(Broken()), "standard input: Input/output error"),
    ],
    ids=["closed", "broken"],
)
def test_a_standard_input_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, stdin: Any, problem: str
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)
    assert mistake("compose", "--kernel", KERNEL, "--cpuid", "-") == problem


# Compose: the rest


def test_compose_puts_every_option_into_the_profile() -> None:
    document = compose(
        *("--cpuid", CPU, "--machine", "x86_64", "--boot-option", "noxsave"),
        *("--boot-option", "nordrand", "--no-ipv6", "--slm", "--no-module", "vzrst"),
        *("--cpuid-override", "1: 0 0 ffffffff ffffffff", "--ct", "101:fpu", "--ct", "102:locked"),
    )
    assert document["origin"]["kind"] == "composed"
    assert document["kernel"] == {
        "release": KERNEL,
        "machine": "x86_64",
        "vz_version": None,
        "boot_options": ["noxsave", "nordrand"],
        "modules": ["vzcpt"],
        "ipv6": False,
        "slm_without_module": True,
    }
    assert document["cpuid_override"].endswith(" 0xffffffff 0xffffffff\n")
    assert [(one["ctid"], one["state"]) for one in document["containers"]] == [
        (101, "running"),
        (102, "locked"),
    ]


@pytest.mark.parametrize(
    ("release", "vz_version", "number"),
    [("2.6.32", "042stab088_4", 0x803), ("2.6.32-26-pve", "042stab061.9", 0x801)],
)
def test_what_the_release_does_not_tell_vz_version_does(
    release: str, vz_version: str, number: int
) -> None:
    given = ("compose", "--cpuid", CPU, "--kernel", release)
    assert "--vz-version of compose" in mistake(*given)
    document = json.loads(answer(*given, "--vz-version", vz_version))
    assert document["kernel"]["vz_version"] == vz_version
    assert document["answers"]["image_version"] == number


def test_compose_without_ipv6_modules_and_cpuid() -> None:
    assert compose("--cpuid", CPU, "--boot-option", "ipv6.disable=1")["kernel"]["ipv6"] is False
    document = compose("--cpuid", CPU, "--no-module", "vzcpt", "--no-module", "vzrst")
    assert document["kernel"]["modules"] == []
    assert set(document["answers"].values()) == {None}
    assert compose("--machine", "ia64")["cpus"] == []


OLD = ("--cpuid", CPU, "--kernel", "2.6.32-042stab092.1")
TWICE = ("--cpuid", CPU, "--boot-option", "x")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--machine", "ia64", "--cpuid", CPU), "composed: cpus: 1 CPUs with CPUID, on machine"),
        ((), "composed: cpus: 0 CPUs with CPUID, on machine x86_64"),
        (("--cpuid", CPU, "--kernel", "5.4.0"), "kernel release '5.4.0' is none that is known"),
        (("--cpuid", CPU, "--ct", "0"), "container '0': it begins with a number from 1"),
        (("--cpuid", CPU, "--ct", "101:walking"), "'walking' is no word for it"),
        (("--cpuid", CPU, "--ct", "1", "--ct", "1"), "containers[1].ctid: container 1 comes twice"),
        (("--cpuid", CPU, "--cpuid-override", "garbage"), "line 1: 'garbage' is no 'LEAF"),
        ((*OLD, "--cpuid-override", ""), "a kernel of generation 042stab092 has no such file"),
        (("--cpuid", CPU, "--boot-option", "a b"), 'spaces is wanted, and this is "a b"'),
        (("--cpuid", CPU, "--boot-option", ""), 'text without spaces is wanted, and this is ""'),
        ((*TWICE, "--boot-option", "x"), "kernel.boot_options: a value comes twice"),
        (("--cpuid", CPU, "--ct", "1:process=\udcff"), "half of a surrogate pair is no character"),
    ],
)
def test_compose_of_what_makes_no_sense(arguments: tuple[str, ...], problem: str) -> None:
    kernel = () if "--kernel" in arguments else ("--kernel", KERNEL)
    assert problem in mistake("compose", *kernel, *arguments)


def test_compose_of_a_hole(here: Path) -> None:
    rows = [row for row in TABLE.rows() if row[0] != "0x80000001"]
    (here / "hole.json").write_text(json.dumps({"cpuid": rows}))
    assert compose("--cpuid", "hole.json")["answers"]["capability_number"] is None


# Compose: the file that is written

COMPOSE = ("compose", "--kernel", KERNEL, "--cpuid", CPU, "-o")


def test_compose_writes_a_file_that_is_a_node(here: Path) -> None:
    assert answer(*COMPOSE, "mine.v1.json") == ""
    assert [path.name for path in here.iterdir()] == ["mine.v1.json"]
    node = load_node("mine.v1.json")
    assert node.name == "mine.v1"
    assert node.origin.kind is OriginKind.COMPOSED


@pytest.mark.parametrize("before", [{}, {"node.json": "old\n"}], ids=["none", "an old one"])
def test_a_file_that_cannot_be_written_changes_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, before: dict[str, str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for name, text in before.items():
        (here / name).write_text(text)
    monkeypatch.setattr(os, "replace", full)
    assert mistake(*COMPOSE, "node.json") == "node.json: No space left on device"
    assert {path.name: path.read_text() for path in here.iterdir()} == before


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("nowhere/node.json", "nowhere/node.json: No such file or directory"),
        ("file/node.json", "file/node.json: Not a directory"),
        (".", ".: Is a directory"),
        ("", "the name of the file to write is empty"),
        ("/", "/: Is a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_made(here: Path, output: str, problem: str) -> None:
    (here / "file").touch()
    assert problem in mistake(*COMPOSE, output)
    assert [path.name for path in here.iterdir()] == ["file"]


def test_a_profile_that_is_refused_is_not_written(here: Path) -> None:
    mistake(*COMPOSE, "node.json", "--ct", "1", "--ct", "1")
    assert list(here.iterdir()) == []


# Outputs that take nothing

COMMANDS = ["nodes ia64*", "nodes ia64* --json", "kernels", "cpus", "--help", "--version"]
COMMANDS += [f"compose --cpuid {CPU} --kernel {KERNEL}", f"replay {NODE} -- caps"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_is_an_error(command: str) -> None:
    stderr = io.StringIO()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert main(command.split(), full, stderr) == 1
    assert "standard output: " in stderr.getvalue()
    assert "No space left on device" in stderr.getvalue()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_output_is_an_error(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    stderr = io.StringIO()
    assert main(command.split(), None, stderr) == 1
    assert stderr.getvalue().endswith("standard output: it is closed\n")


def test_a_character_that_the_output_does_not_know_is_an_error(here: Path) -> None:
    document = good_document()
    document["cpus"][0]["model_name"] = "Ω"
    (here / "dump.json").write_text(JSON)
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    stderr = io.StringIO()
    arguments = ("compose", "--cpuid", "dump.json", "--kernel", KERNEL, "--ct", "1:process=Ω")
    assert main(arguments, stdout, stderr) == 1
    assert "standard output: 'ascii' codec can't encode" in stderr.getvalue()


def test_the_status_stands_where_nobody_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = io.StringIO()
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["frobnicate"], stdout) == 1
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert main(["frobnicate"], stdout, full) == 1
        # What it did not take would fail again when it is closed.
        with pytest.raises(OSError):
            full.close()
    assert stdout.getvalue() == ""


PROGRAM = [sys.executable, "-m", "simulator"]


def test_the_module_runs_as_a_program() -> None:
    listed = json.loads(succeed([*PROGRAM, "nodes", "ia64.028*", "--json"]))
    assert listed[0]["node"] == "ia64.028stab056.1"


@pytest.mark.parametrize("argument", ["kernels", "--help"])
def test_a_program_that_cannot_write_ends_with_1(argument: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = finish([*PROGRAM, argument], stdout=full)
    said = "vzcptsim: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_program_whose_reader_is_gone_ends_with_1() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = finish([*PROGRAM, "kernels"], stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "vzcptsim: standard output: Broken pipe\n")


# The program's start


class _Ended(BaseException):
    """The process would end here, without more ado."""


@pytest.fixture
def ended_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Return the statuses that the process would have ended with; it takes interrupts as before."""
    statuses: list[int] = []

    def end(status: int) -> None:
        statuses.append(status)
        raise _Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(gc, "set_threshold", lambda _: None)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(sys, "argv", ["vzcptsim", "--version"])
    handler = signal.getsignal(signal.SIGINT)
    yield statuses
    signal.signal(signal.SIGINT, handler)


def test_the_program_ends_with_the_status(
    ended_with: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["vzcptsim", "frobnicate"])
    with pytest.raises(_Ended):
        runpy.run_path(__main__.__file__, run_name="__main__")
    assert ended_with == [1]


def test_the_program_takes_its_arguments_from_the_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vzcptsim", "--version"])
    assert __main__.run() == 0
    assert capsys.readouterr() == (f"vzcptsim {__version__}\n", "")


def test_an_older_python_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 99))
    assert __main__.run() == 1
    said = "vzcptsim: Python 3.11 or later is needed; vzcptcheck runs on 3.6\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--node-for", "dest"], "run: 'dest' is no HOST=NODE"),
        (["--node-for", "dest="], "run: 'dest=' is no HOST=NODE"),
        (["--sshd-for", "=x"], "run: '=x' is no HOST=NODE"),
        (["--sshd-for", f"-oProxy={NODE}"], f"run: '-oProxy={NODE}' is no HOST=NODE"),
        (["--sshd-for", f"a b={NODE}"], f"run: 'a b={NODE}' is no HOST=NODE"),
        (["--node-for", "dest=nowhere"], "no node is recorded as 'nowhere'"),
        (["--node-for", f"dest={NODE}", "--sshd-for", f"DEST={NODE}"], "host DEST is named twice"),
        (["--root-for", "dest"], "run: 'dest' is no HOST=FOLDER"),
        (["--root-for", "dest=/"], "run: --root-for dest: no --node-for or --sshd-for makes that"),
        (["--root", "/nowhere"], "/nowhere: no folder; make it"),
    ],
)
def test_hosts_that_are_none(options: list[str], says: str) -> None:
    name, value = options[:2]
    assert says in mistake("run", "--node", NODE, f"{name}={value}", *options[2:], "--", "true")


def test_run_under_qemu_runs_a_command_and_says_what_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulated = ("qemu-x86_64", "-cpu", "max", "./look")
    asked: list[Any] = []
    run_commands: list[Any] = []

    def emulate(command: list[str], cpuid: Any) -> Emulation:
        asked.append((command, cpuid))
        return Emulation(emulated, TABLE, Differences(missing=(), extra=(), identity=()))

    def run(_: Any, command: Any, **options: Any) -> int:
        run_commands.append(command)
        return 0

    monkeypatch.setattr("simulator.run.qemu.emulate", emulate)
    monkeypatch.setattr("simulator.run.session.run", run)
    monkeypatch.setattr("simulator.run.session.end_as", lambda status: status)
    said = vzcptsim("run", "--node", NODE, "--cpu-instruction", "--", "./look")
    assert (said.status, said.stdout) == (0, "")
    assert said.stderr.startswith("vzcptsim: CPUID is answered by qemu-x86_64: ")
    assert all(line.startswith("vzcptsim: ") for line in said.stderr.splitlines())
    assert asked == [(["./look"], load_node(NODE).cpus[0].cpuid)]
    assert run_commands == [emulated]


def test_run_under_qemu_of_a_node_without_cpuid_is_a_mistake() -> None:
    node = "ia64.028stab056.1"
    problem = mistake("run", "--node", node, "--cpu-instruction", "--", "true")
    assert problem.startswith("this node's CPU has no CPUID instruction to emulate (ia64)")


@pytest.fixture
def fresh_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the command line and all that it imports imported anew, and forgotten afterwards."""
    for name in own_modules():
        monkeypatch.delitem(sys.modules, name)
    yield
    for name in own_modules():
        del sys.modules[name]


def own_modules() -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] == "simulator"]


@pytest.mark.usefixtures("fresh_imports")
def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["vzcptsim", "matrix", NODE, "no-ipv6.042stab113.5", "--format", "html"]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert __main__.run() == 1
    assert capsys.readouterr().err == (
        "vzcptsim: the package jinja2 is missing: pip install 'vzcptcheck[sim]'\n"
    )


@pytest.mark.usefixtures("fresh_imports")
@pytest.mark.parametrize("module", ["simulator.cli", "simulator.profiles.store"])
def test_a_module_of_its_own_that_is_missing_is_no_package_to_install(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["vzcptsim", "nodes"])
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError):
        __main__.run()


@pytest.mark.parametrize("closed", [None, "stderr"])
def test_the_program_ends_with_its_status_and_all_that_it_wrote(
    ended_with: list[int], monkeypatch: pytest.MonkeyPatch, closed: str | None
) -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    stderr.close()
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", closed and stderr)
    with pytest.raises(_Ended):
        __main__.script()
    assert (ended_with, stdout.getvalue()) == ([0], f"vzcptsim {__version__}\n")


def test_where_something_was_not_written_python_says_so_as_it_ends(
    ended_with: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "flush", fail)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(sys, "stderr", stderr)
    with pytest.raises(SystemExit) as ended:
        __main__.script()
    assert (ended.value.code, ended_with) == (0, [])


# Ctrl-C


def test_an_interrupt_that_is_ignored_stays_so(ended_with: list[int]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(_Ended):
        __main__.script()
    assert (ended_with, signal.getsignal(signal.SIGINT)) == ([0], signal.SIG_IGN)


def test_an_interrupt_is_one_line_and_a_status_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("simulator.profiles.store.fixture_names", interrupt)
    assert vzcptsim("nodes") == (130, "", "vzcptsim: interrupted\n")


@pytest.mark.parametrize("stderr", [io.StringIO(), None])
def test_an_interrupt_while_modules_are_imported_is_no_other(
    ended_with: list[int], monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setattr(__main__, "run", interrupt)
    with pytest.raises(_Ended):
        __main__.script()
    assert ended_with == [130]
    assert stderr is None or stderr.getvalue() == "vzcptsim: interrupted\n"


def test_an_interrupt_waits_until_a_module_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that comes in the middle of an import is looked at again soon, and raises then."""
    waited: list[float] = []
    handled: list[Any] = []
    monkeypatch.setattr(signal, "signal", lambda *given: handled.append(given))
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: waited.append(seconds))
    importing = SimpleNamespace(
        f_code=SimpleNamespace(co_filename="<frozen importlib._bootstrap>"), f_back=None
    )
    inside = SimpleNamespace(f_code=SimpleNamespace(co_filename="a.py"), f_back=importing)
    __main__._interrupt(signal.SIGINT, inside)  # what the interpreter calls
    assert waited == [__main__._SOON]
    with pytest.raises(KeyboardInterrupt):
        __main__._interrupt(signal.SIGINT, sys._getframe())
    # The next one does not disturb what puts away what is half done.
    assert handled == [
        (signal.SIGALRM, __main__._interrupt),
        (signal.SIGINT, signal.SIG_IGN),
    ]


def test_an_interrupt_while_an_object_is_freed_comes_once_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(signal, "setitimer", lambda _, seconds: waited.append(seconds))
    monkeypatch.setattr(sys, "unraisablehook", __main__._interrupt_again)

    class Freed:
        def __init__(self, error: type[BaseException]) -> None:
            self.error = error

        def __del__(self) -> None:
            raise self.error

    Freed(KeyboardInterrupt)
    assert waited == [__main__._SOON]
    assert capsys.readouterr().err == ""
    Freed(ValueError)
    assert "Exception ignored" in capsys.readouterr().err


def test_a_usage_that_cannot_be_written_is_not_missed() -> None:
    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError

    assert main(["chek"], io.StringIO(), Closed()) == 1
