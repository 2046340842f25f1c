"""Run vzcptcheck on a simulated node, as ``vzcptsim replay`` does, and keep what it said."""

import io
from dataclasses import dataclass

from simulator.kernel.kernel import SimulatedKernel
from simulator.run.in_process import SimulatedSyscalls
from vzcptcheck.cli import main


@dataclass(frozen=True)
class Said:
    """An exit status and what came before it."""

    status: int
    stdout: str
    stderr: str


def replay(
    kernel: SimulatedKernel,
    *arguments: str,
    uid: int = 0,
    ctid: int = 0,
    pointer_bits: int | None = None,
) -> Said:
    """Run one command; no descriptor may outlive it."""
    process = SimulatedSyscalls(kernel, uid=uid, ctid=ctid, pointer_bits=pointer_bits)
    stdout, stderr = io.StringIO(), io.StringIO()
    status = main(arguments, process, stdout, stderr)
    assert process.open_descriptors == ()
    return Said(status, stdout.getvalue(), stderr.getvalue())
