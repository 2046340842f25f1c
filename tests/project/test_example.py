"""The manual's shell examples between simulated nodes: a pair that passes, each that fails."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from simulator.profiles.store import load_node
from support.needed import needs
from support.programs import replay
from support.running import ROOT, Ended, command_line, finish, write_program

pytestmark = pytest.mark.unmeasured

SCRIPT = ROOT / "examples" / "check-migration.sh"
OVER_SSH = ROOT / "examples" / "migrate-over-ssh.sh"

#: The example of vzcptcheck(8), line by line (its host is root@$DEST).
MANUAL = """\
VERSION=$(vzcptcheck version)
echo Got CPT version: $VERSION
ssh root@$DEST vzcptcheck version $VERSION
echo Version check result: $?
CAPS=$(ssh root@$DEST vzcptcheck caps)
echo Got caps: $CAPS
vzcptcheck caps $VEID $CAPS
echo Caps check result: $?
"""

NEW = "042stab141.3.SandyBridge.default"
NEWER_CPU = "042stab141.3.Haswell.default"
OLD_CPU = "042stab141.3.Penryn.default"
OLD_KERNEL = "042stab061.9.SandyBridge.default"
NO_IPV6 = "042stab141.3.SandyBridge.ipv6.disable"
NO_REQUEST = "intel-xeon-e5-2697-v2.028stab056.1"
NO_NAMESPACES = "intel-xeon-x5650.dzhanibekov.1"

#: Containers of the recorded boots.
FPU, MOUNTS, ENTERED, LOCKED, SUSPENDED, STOPPED = 102, 105, 108, 112, 113, 1012


@dataclass(frozen=True)
class Case:
    """A migration: its statuses as the example prints them, and what stderr says."""

    source: str
    destination: str
    ctid: int
    version: int
    caps: int
    says: str
    source_options: str = ""
    destination_options: str = ""


CASES = {
    "passes": Case(NEW, NEWER_CPU, FPU, 0, 0, ""),
    "version refused": Case(NEW, OLD_KERNEL, FPU, 2, 0, "It is too new"),
    "CPU feature missing": Case(NEW, OLD_CPU, FPU, 0, 2, "avx        CPUID 0x00000001 ecx bit 28"),
    "unsupported feature": Case(NEW, NEWER_CPU, ENTERED, 0, 2, "foreign process 4/"),
    "no IPv6": Case(NEW, NO_IPV6, FPU, 0, 2, "IPv6 not loaded or disabled on destination"),
    "no mount namespaces": Case(
        OLD_CPU, NO_NAMESPACES, MOUNTS, 0, 2, "Mount namespaces migration support is not present"
    ),
    "module not loaded on the source": Case(
        "no-vzcpt.042stab141.3", NEWER_CPU, 101, 0, 1, "run 'modprobe vzcpt'"
    ),
    "not root on the source": Case(
        NEW, NEWER_CPU, FPU, 0, 1, "Only root may ask", source_options="--user 65534"
    ),
    "not root on the destination": Case(
        NEW, NEWER_CPU, FPU, 1, 2, "Only root may ask", destination_options="--user 65534"
    ),
    "inside a container": Case(
        NEW, NEWER_CPU, FPU, 0, 1, "inside of a container", source_options="--inside 101"
    ),
    "no such container": Case(NEW, NEWER_CPU, 4242, 0, 1, "there is none of that number"),
    "container stopped": Case(NEW, NEWER_CPU, STOPPED, 0, 1, "is not running"),
    "container locked": Case(NEW, NEWER_CPU, LOCKED, 0, 1, "Error: CT is locked"),
    "container suspended": Case(NEW, NEWER_CPU, SUSPENDED, 0, 1, "test a suspended one by"),
    "kernel without the request": Case(NEW, NO_REQUEST, FPU, 0, 2, "warning: nothing was checked"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_example_ends_as_a_real_kernel_would_have_it(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ended = run_example(case, tmp_path)
    results = [int(number) for number in re.findall(r"check result: (\d+)", ended.stdout)]
    assert results == [case.version, case.caps], ended.stderr
    assert case.says in ended.stderr
    assert ended.returncode == (1 if 1 in results else max(results))


def test_a_suspended_container_passes_where_the_kernel_cannot_tell() -> None:
    said = replay(load_node("042stab108.1.qemu64.default").boot(), "caps", "1")
    assert (said.status, said.stdout) == (0, "")
    assert "warning: nothing was checked" in said.stderr


@pytest.mark.parametrize("script", [SCRIPT, OVER_SSH])
def test_the_scripts_have_the_manuals_lines_letter_for_letter(script: Path) -> None:
    assert f"\n{MANUAL}" in script.read_text("utf-8")


#: What the manual's lines print; the containers' features are their CPUs'.
PRINTED = """\
Got CPT version: 2051
Version check result: {version}
Got caps: {{caps}}
Caps check result: {caps}
"""


@pytest.mark.parametrize(
    "kind",
    [
        "--node-for",
        pytest.param(
            "--sshd-for",
            marks=[
                needs("ssh", "ssh-keygen", "sshd"),
                pytest.mark.skipif(os.getuid() != 0, reason="root alone lets root log in"),
            ],
        ),
    ],
)
@pytest.mark.parametrize("name", ["passes", "version refused", "CPU feature missing"])
def test_the_manuals_lines_run_over_ssh(name: str, kind: str, tmp_path: Path) -> None:
    case = CASES[name]
    ended = run_over_ssh(case, kind, tmp_path)
    caps = replay(load_node(case.destination).boot(), "caps").stdout.strip()
    printed = PRINTED.format(version=case.version, caps=case.caps).format(caps=caps)
    assert (ended.returncode, ended.stdout) == (0, printed), ended.stderr
    assert case.says in ended.stderr


def test_the_script_over_ssh_tells_how_it_is_used() -> None:
    ended = finish(["sh", OVER_SSH, "dest"])
    assert (ended.returncode, ended.stderr) == (1, f"Usage: {OVER_SSH} DEST CTID\n")


def with_program(folder: Path, name: str, text: str) -> dict[str, str]:
    """Write a program, and return an environment that has it first on PATH."""
    write_program(folder / name, f"#!/bin/sh\n{text}\n")
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def run_over_ssh(case: Case, kind: str, folder: Path) -> Ended:
    """Run the script on the source, with a vzcptcheck on PATH that is this checkout's.

    A real sshd hands PATH on, and nothing else.
    """
    program = f'PYTHONPATH="{ROOT}" exec "{sys.executable}" -m vzcptcheck "$@"'
    environment = with_program(folder, "vzcptcheck", program)
    words, options = (str(OVER_SSH), "dest", str(case.ctid)), (kind, f"dest={case.destination}")
    return finish(command_line(*words, node=case.source, options=options), environment)


def run_example(case: Case, folder: Path) -> Ended:
    """Run the script with a vzcptsim on PATH that is this checkout's."""
    environment = {
        **with_program(folder, "vzcptsim", f'exec "{sys.executable}" -m simulator "$@"'),
        "PYTHONPATH": str(ROOT),
        "SOURCE_OPTIONS": case.source_options,
        "DEST_OPTIONS": case.destination_options,
    }
    return finish(["sh", SCRIPT, case.source, case.destination, str(case.ctid)], environment)
