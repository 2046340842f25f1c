"""What Ansible finds out of a machine, on simulated nodes: nothing of the machine below."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.profiles.store import load_node
from support.running import command_line, finish

NODES = ("042stab061.9.Opteron_G3.default", "intel-xeon-gold-6336y.042stab092.1")


def facts_of(node: str, folder: Path) -> dict[str, Any]:
    """Return the facts that the module setup gathers on a node."""
    program = Path(sys.executable).parent / "ansible"
    words = ("localhost", "-c", "local", "-m", "setup", "-a", "gather_subset=hardware,virtual")
    environment = {
        **os.environ,
        "ANSIBLE_HOME": str(folder),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
    }
    ended = finish(command_line(str(program), *words, node=node), environment)
    assert ended.returncode == 0, ended.stderr
    name, _, document = ended.stdout.partition(" | SUCCESS => ")
    assert name == "localhost"
    facts: dict[str, Any] = json.loads(document)["ansible_facts"]
    return facts


@pytest.mark.parametrize("name", NODES)
def test_kernel_and_processors_are_the_nodes(name: str, tmp_path: Path) -> None:
    node = load_node(name)
    facts = facts_of(name, tmp_path)
    assert (facts["ansible_kernel"], facts["ansible_kernel_version"]) == (
        node.kernel.release,
        "#1 SMP",
    )
    counts = ("count", "cores", "threads_per_core", "vcpus", "nproc")
    assert [facts[f"ansible_processor_{one}"] for one in counts] == [1] * 5
    [cpu] = node.cpus
    assert facts["ansible_processor"] == ["0", cpu.cpuid.vendor, cpu.model_name]
    # It knows OpenVZ by /proc/vz; and what firmware would tell is not there.
    assert facts["ansible_virtualization_type"] == "openvz"
    told_by_firmware = ("bios_vendor", "product_name", "system_vendor", "board_vendor")
    assert {facts[f"ansible_{one}"] for one in told_by_firmware} == {"NA"}
    assert os.uname().release not in json.dumps(facts)
