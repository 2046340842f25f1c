"""Programs on simulated nodes, run for tests in processes of their own."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

ROOT = Path(__file__).resolve().parents[2]
NODE = "042stab141.3.SandyBridge.default"
MASKING_NODE = "042stab141.3.SandyBridge.forced_cpuid_faulting"
HEADER = "Ctx      Id       VE       State\n"
#: What /proc/cpt of NODE shows: its container 113 is suspended.
LISTING = f"{HEADER}ffff88003ee00000 00000071 113      2\n"

Ended: TypeAlias = subprocess.CompletedProcess[str]

#: An environment in which coverage is not measured: for those who may not write its files, and
#: for many processes that show nothing new.
UNMEASURED = {name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")}

#: What scripts of supervise() begin with.
_SUPERVISOR = """
import errno, os, resource, signal, subprocess, sys, time
from simulator.run import program, session, trees
from simulator.facts.capabilities import NodeFacts
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.program import Program, children
from simulator.facts.generations import identify
from simulator.run.supervisor import Place
from simulator.run.trees import Runner

def node(release):
    facts = NodeFacts(release=identify(release), machine="x86_64", cpuid=None)
    return SimulatedKernel(facts, texts={"/proc/vz/version": release[7:].replace(".", "_") + "\\n"})

def open_files():
    return len(os.listdir("/proc/self/fd"))

def turn_until(runner, condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        runner.loop.turn(20)

kernel = node("2.6.32-042stab141.3")
"""


def command_line(*words: str, node: str = NODE, options: tuple[str, ...] = ()) -> list[str]:
    """Return how a program is run on a node."""
    return [sys.executable, "-m", "simulator", "run", "--node", node, *options, "--", *words]


def run(
    *words: str,
    node: str = NODE,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a program on a node."""
    command = command_line(*words, node=node, options=options)
    return finish(command, {**os.environ, **(environment or {})})


def shell(script: str, node: str = NODE, options: tuple[str, ...] = ()) -> Ended:
    """Run a shell script on a node."""
    return run("sh", "-c", script, node=node, options=options)


def guest(script: str, node: str = NODE, options: tuple[str, ...] = ()) -> Ended:
    """Run a Python program on a node; it knows nothing of any simulator."""
    source = textwrap.dedent(script)
    return run(sys.executable, "-I", "-S", "-c", source, node=node, options=options)


def supervise(script: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a Python program that runs programs on nodes, ``kernel`` is one."""
    return finish([sys.executable, "-c", _SUPERVISOR + textwrap.dedent(script)], environment)


def finish(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, **how: Any
) -> Ended:
    """Run a command to its end and keep what it said."""
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    settings = {"cwd": ROOT, "env": environment, "timeout": 120, **output, **how}
    ended: Ended = subprocess.run(command, text=True, check=False, **settings)
    return ended


def succeed(
    command: Sequence[str | Path], environment: Mapping[str, str] | None = None, **how: Any
) -> str:
    """Run a command that has to succeed with nothing to remark; return what it printed."""
    ended = finish(command, environment, **how)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout


def temporary_folder() -> Path:
    """Make a folder that is removed when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="vzcptsim-tests-"))
    atexit.register(shutil.rmtree, folder)
    return folder


def write_program(path: Path, text: str | bytes) -> Path:
    """Write a file that can be executed."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o755)
    return path


def printed(ended: Ended) -> str:
    """Return the standard output of what had nothing to say besides."""
    assert ended.stderr == ""
    return ended.stdout


def commands_on_nodes(commands: Mapping[str, Sequence[Sequence[str]]]) -> Any:
    """Run many commands of vzcptcheck on each of many nodes: see run_on_nodes.py."""
    script = ROOT / "tests" / "support" / "run_on_nodes.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    asked = json.dumps(list(commands.items()))
    return json.loads(succeed([sys.executable, script], environment, input=asked, timeout=600))


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so; two minutes are more than a busy machine takes."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    """Tell whether a process is gone, but for somebody's taking note of it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "XZ"
