"""The real system call layer on text files that are not this machine's."""

import errno

import pytest
from pyfakefs.fake_filesystem_unittest import Patcher

from simulator.kernel.tree import CPUINFO
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from vzcptcheck.cpuid import CpuidSource, read_cpu_features
from vzcptcheck.features import CPU_FEATURES
from vzcptcheck.syscalls import LinuxSyscalls


class WithoutInstruction(LinuxSyscalls):
    """The running kernel, on a machine where no page can be made executable."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        raise OSError(errno.EACCES, "refused")


@pytest.mark.parametrize(
    "name", ["042stab141.3.Haswell.default", "042stab141.3.phenom_3dnow_3dnowext.default"]
)
def test_a_nodes_cpuinfo_tells_its_features_where_nothing_else_does(name: str) -> None:
    node = SimulatedSyscalls(load_node(name).boot())
    contents = node.read(node.open(CPUINFO, 0), 1 << 16).decode()

    with Patcher() as patcher:
        patcher.fs.create_file(CPUINFO, contents=contents)
        told = read_cpu_features(WithoutInstruction())

    node_itself = read_cpu_features(node)
    assert told.source == CpuidSource.CPUINFO
    assert node_itself.source == CpuidSource.DEVICE
    for feature in CPU_FEATURES:
        # A 64-bit kernel hides sep where processes do not use it.
        if feature.word != "sysenter":
            assert told.has(feature) == node_itself.has(feature), feature.name
