"""gather/vzcptcheck-gather.sh on simulated nodes, by every shell at hand.

Its archive makes the fixture's profile again, but for what only a kernel tells.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from simulator.kernel.containers import Container, State
from simulator.profiles.gathered import load_gathered
from simulator.profiles.profile import NodeProfile
from simulator.profiles.store import load_node, load_profile
from support.needed import needs
from support.running import MASKING_NODE, ROOT, Ended, command_line, finish, run, wait_for
from support.simulated_nodes import cpu
from support.simulated_profiles import (
    WORDS,
    encoded,
    good_document,
    rows_of,
    shown_version,
    without_given,
)
from vzcptcheck import __version__

pytestmark = pytest.mark.unmeasured

SCRIPT = ROOT / "gather" / "vzcptcheck-gather.sh"
EARLY = "042stab061.9.Opteron_G3.default"
#: Leaves with subleaves of every kind: listed, counted, by a mask, XSAVE's.
LATE = "13th-gen-intel-core-i7-1370p.042stab088.4"

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}


def shells() -> list[object]:
    return [pytest.param(name, marks=needs(name)) for name in SHELLS]


def gather(node: str, *words: str, shell: str = "dash", path: str = "") -> Ended:
    """Run the script on a node."""
    search = os.pathsep.join(filter(None, (path, os.environ["PATH"])))
    command = SHELLS[shell] if shutil.which(shell) else ["sh"]
    return run(*command, str(SCRIPT), *words, node=node, environment={"PATH": search})


def applets(folder: Path) -> str:
    """Make a folder of busybox's own programs, which come first then."""
    for name in ("awk", "cat", "date", "dd", "mktemp", "mv", "od", "rm", "sort", "tar", "uname"):
        (folder / name).symlink_to(shutil.which("busybox") or "")
    return str(folder)


def as_gathered(node: NodeProfile) -> NodeProfile:
    """Return what of a node its files tell; what a CPU lacks was never asked for."""
    cpus = (replace(one, cpuid=without_given(one.cpuid.without_foreign())) for one in node.cpus)
    there = sorted(node.containers, key=lambda one: one.ctid)
    return replace(
        node,
        name="gathered",
        kernel=replace(node.kernel, vz_version=shown_version(node.kernel)),
        cpus=tuple(cpus),
        containers=tuple(
            Container(
                ctid=one.ctid,
                state=State.SUSPENDED if one.state is State.SUSPENDED else State.UNKNOWN,
            )
            for one in there
            if one.state is not State.STOPPED
        ),
    )


def check(archive: Path, node: NodeProfile) -> None:
    profile = load_gathered(str(archive)).profile
    assert profile.answers.capability_number is None
    cpus = tuple(replace(one, cpuid=without_given(one.cpuid)) for one in profile.cpus)
    gathered = replace(profile, origin=node.origin, answers=node.answers, cpus=cpus)
    assert gathered == as_gathered(node)


@pytest.mark.parametrize("node", [EARLY, LATE, MASKING_NODE])
@pytest.mark.parametrize("shell", shells())
def test_what_is_gathered_is_the_node(shell: str, node: str, tmp_path: Path) -> None:
    archive = tmp_path / "node.tar"
    path = applets(tmp_path) if shell == "busybox" else ""
    ended = gather(node, "-o", str(archive), shell=shell, path=path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    check(archive, load_node(node))
    assert archive.stat().st_mode & 0o777 == 0o600


def two_kinds(folder: Path) -> Path:
    """Write a profile whose processors 0 to 3 and 8 are of one kind, 4 to 7 of a lesser one."""
    document = good_document()
    del document["origin"]["utrace"], document["kernel"]["slm_without_module"]
    document["cpus"][1] |= {
        "cpuid": rows_of(cpu(*WORDS[:8])),
        "model_name": "Other CPU: a lesser one",
        "flags": "fpu lm",
    }
    # The leaf of serial numbers, which this one claims to have.
    serial = "0x00000003 0x0: 0x00000000 0x00000000 0x00000007 0x00000009"
    document["cpus"][0]["cpuid"].append(serial)
    document["containers"] = [
        {"ctid": ctid, "state": state, "needs": None}
        for ctid, state in ((5101, "running"), (5102, "suspended"), (5103, "running"))
    ]
    profile = folder / "two-kinds.json"
    profile.write_bytes(encoded(document))
    return profile


def test_one_processor_of_each_kind_is_asked(tmp_path: Path) -> None:
    profile, archive = two_kinds(tmp_path), tmp_path / "node.tar"
    assert gather(str(profile), "-o", str(archive)).stderr == ""
    check(archive, load_profile(profile))
    with tarfile.open(archive) as packed:
        names = [name for name in packed.getnames() if "/cpuid/" in name]
    assert sorted(names) == ["vzcptcheck-gathered/cpuid/0", "vzcptcheck-gathered/cpuid/4"]


def test_of_many_kinds_not_all_are_asked_and_that_is_said(tmp_path: Path) -> None:
    profile, archive = two_kinds(tmp_path), tmp_path / "node.tar"
    text = SCRIPT.read_text("utf-8")
    assert text.count("\nMOST_KINDS=16\n") == 1
    script = tmp_path / "script"
    script.write_text(text.replace("\nMOST_KINDS=16\n", "\nMOST_KINDS=1\n"), "utf-8")
    ended = run("sh", str(script), "-o", str(archive), node=str(profile))
    said = "more than 1 kinds of processors: from 4 on none is asked"
    assert (ended.returncode, ended.stderr) == (0, f"vzcptcheck-gather: {said}\n")
    found = load_gathered(str(archive))
    # What /proc/cpuinfo tells of the others is known.
    assert [one.processors for one in found.profile.cpus] == ["0-3,8", "4-7"]
    assert found.remarks[0] == said


def test_names_are_left_out_where_that_is_asked_for(tmp_path: Path) -> None:
    profile, archive = two_kinds(tmp_path), tmp_path / "node.tar"
    assert gather(str(profile), "-a", "-o", str(archive)).stderr == ""
    found = load_gathered(str(archive)).profile
    assert " on " not in found.origin.source
    assert found.containers == (
        Container(ctid=101, state=State.UNKNOWN),
        Container(ctid=102, state=State.SUSPENDED),
        Container(ctid=103, state=State.UNKNOWN),
    )
    assert found.cpus[0].cpuid[0x3, 0] == (0, 0, 0, 0)
    assert found.kernel == load_profile(profile).kernel
    with tarfile.open(archive) as packed:
        files = [packed.extractfile(one) for one in packed if one.isfile()]
        texts = b"\n".join(file.read() for file in files if file is not None)
    assert not re.search(rb"510\d|000013ee|ffff8800|ro nordrand", texts)
    assert os.uname().nodename not in texts.decode().split()


@pytest.mark.parametrize("shell", shells())
def test_it_goes_to_standard_output(shell: str, tmp_path: Path) -> None:
    # As bytes: run() reads text.
    command = command_line(*SHELLS[shell], str(SCRIPT), "-o", "-", node=EARLY)
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ended = subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=environment)
    assert list(tmp_path.iterdir()) == []
    archive = tmp_path / "node.tar"
    archive.write_bytes(ended.stdout)
    check(archive, load_node(EARLY))


def test_without_a_name_it_goes_into_the_working_folder(tmp_path: Path) -> None:
    ended = run("sh", "-c", 'cd "$0" && exec sh "$1"', str(tmp_path), str(SCRIPT), node=EARLY)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [one.name for one in tmp_path.iterdir()] == ["vzcptcheck-gathered.tar"]


@pytest.mark.parametrize("name", ["-dash", "with space", "x" * 200])
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    script = 'cd "$0" && exec sh "$1" -o "$2"'
    ended = run("sh", "-c", script, str(tmp_path), str(SCRIPT), name, node=EARLY)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def refused(node: str, *words: str, options: tuple[str, ...] = ()) -> str:
    ended = run("sh", str(SCRIPT), *words, node=node, options=options)
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr


class TestItRefuses:
    def test_where_it_is_no_node(self, tmp_path: Path) -> None:
        ended = finish(["sh", SCRIPT, "-o", tmp_path / "node.tar"])
        assert ended.returncode == 1
        assert "there is no OpenVZ node to gather here" in ended.stderr
        assert list(tmp_path.iterdir()) == []

    def test_inside_a_container(self, tmp_path: Path) -> None:
        said = refused(EARLY, "-o", str(tmp_path / "x"), options=("--inside", "101"))
        assert "outside of containers" in said

    def test_who_is_not_root(self, tmp_path: Path) -> None:
        said = refused(EARLY, "-o", str(tmp_path / "x"), options=("--user", "1000"))
        assert "/proc/cpt: cannot be read, or not kept: run this as root" in said
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("words", [("-x",), ("-o",), ("word",), ("-a", "word")])
    def test_other_words(self, words: tuple[str, ...]) -> None:
        assert "usage: vzcptcheck-gather.sh [-a] [-o FILE]" in refused(EARLY, *words)

    def test_what_is_no_plain_file(self, tmp_path: Path) -> None:
        assert "there is something else than a plain file" in refused(EARLY, "-o", str(tmp_path))

    def test_a_folder_that_is_not_there(self, tmp_path: Path) -> None:
        said = refused(EARLY, "-o", str(tmp_path / "none" / "node.tar"))
        assert "no folder can be made there" in said

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
    def test_an_output_that_is_full(self) -> None:
        ended = run("sh", "-c", 'sh "$0" -o - >/dev/full', str(SCRIPT), node=EARLY)
        assert ended.returncode == 1
        assert "standard output: cannot be written" in ended.stderr


def test_nothing_is_left_where_it_is_interrupted(tmp_path: Path) -> None:
    command = command_line("sh", str(SCRIPT), "-o", str(tmp_path / "node.tar"), node=LATE)
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(tmp_path.glob(".vzcptcheck-gathered.*/*/cpuid/0")))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 1
    # The run may end before the script has taken everything away.
    wait_for(lambda: not list(tmp_path.iterdir()))


#: Runs a program on a node whose kernel has no module cpuid.
_WITHOUT_CPUID = """
import sys
from pathlib import Path
from simulator.profiles.store import load_node
from simulator.run.session import end_as, run
kernel = load_node(sys.argv[1]).boot()
files = kernel._tree._files
kernel._tree._files = {path: one for path, one in files.items() if not path.endswith("/cpuid")}
sys.exit(end_as(run(kernel, sys.argv[2:])))
"""


def test_a_node_without_the_cpuid_module_says_what_to_do(tmp_path: Path) -> None:
    archive = tmp_path / "node.tar"
    program = [sys.executable, "-c", _WITHOUT_CPUID, EARLY]
    ended = finish([*program, "sh", str(SCRIPT), "-o", str(archive)])
    said = (
        "/dev/cpu/0/cpuid: not there: load the module cpuid ('modprobe cpuid') and gather once more"
    )
    assert (ended.returncode, ended.stderr) == (0, f"vzcptcheck-gather: {said}\n")
    with tarfile.open(archive) as packed:
        notes = packed.extractfile("vzcptcheck-gathered/notes")
        assert notes is not None
        assert notes.read().decode() == f"{said}\n"


def test_the_script_is_of_this_version() -> None:
    assert f"\nVERSION={__version__}\n" in SCRIPT.read_text("utf-8")
