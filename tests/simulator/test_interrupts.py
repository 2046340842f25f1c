"""Ctrl-C in both programs: one line, status 130, and nothing half done, whenever it comes."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulator.profiles.store import fixture_names
from support.running import NODE, ROOT, UNMEASURED, command_line, succeed, wait_for

HASWELL = "042stab141.3.Haswell.default"
CPU = "intel-xeon-e5-2680-v3"
INTERRUPTED = ROOT / "tests" / "support" / "interrupted.py"
WITH_ROOT = {**UNMEASURED, "PYTHONPATH": str(ROOT)}

#: A command line, and at how many moments of it an interrupt comes.
COMMANDS = {
    f"vzcptsim check {NODE} {HASWELL}": 6,
    f"vzcptsim matrix {NODE} {HASWELL} --format html -o matrix.html": 10,
    f"vzcptsim matrix {NODE} {HASWELL} --expect kept.tsv --update": 6,
    f"vzcptsim compose --kernel 042stab141.3 --cpuid {CPU} -o node.json": 6,
    f"vzcptsim run --node {NODE} -- sh -c 'echo done; exit 3'": 8,
    f"vzcptsim replay {NODE} -- capture -o node.json": 8,
    "vzcptcheck explain caps 511 --json": 5,
}


def interrupted(line: str, moments: int, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """Return what comes of a whole run, and of those that are interrupted."""
    script = f"exec {sys.executable} {INTERRUPTED} $0 {moments} {folder} {line.partition(' ')[2]}"
    package = {"vzcptsim": "simulator"}.get(line.partition(" ")[0], "vzcptcheck")
    printed = succeed(["sh", "-c", script, package], WITH_ROOT)
    whole, *others = map(json.loads, printed.splitlines())
    return whole, others


@pytest.mark.parametrize("line", COMMANDS)
def test_whenever_an_interrupt_comes_nothing_is_half_done(line: str, tmp_path: Path) -> None:
    whole, others = interrupted(line, COMMANDS[line], tmp_path)
    assert "interrupted" not in whole["stderr"]
    said = re.compile(r"vzcpt(?:sim|check): interrupted\n")
    for one in others:
        if one["status"] == 130:
            assert said.fullmatch(one["stderr"].removeprefix(whole["stderr"])), one
        else:
            # A program on a node takes it, and vzcptsim ends as that does.
            assert one["status"] in (whole["status"], -signal.SIGINT)
            assert one["stderr"] == whole["stderr"]
        assert one["files"] in ({}, whole["files"]), one
        assert one["status"] == 130 or one["files"] == whole["files"]
        assert one["stdout"] in (0, whole["stdout"]), one
        assert one["processes"] == 0
    statuses = [one["status"] for one in others]
    assert statuses.count(130) >= len(statuses) // 2


_IN_MANY_PROCESSES = """
import time
from simulator import __main__
from simulator.fleets import reading
reading.NODES_PER_PROCESS = 1
reading.os.sched_getaffinity = lambda _: range(3)
load = reading.load
reading.load = lambda node: time.sleep(0.1) or load(node)
__main__.script()
"""


def test_processes_that_read_a_fleet_are_ended_without_a_word(tmp_path: Path) -> None:
    """A terminal interrupts all of them at once."""
    command = [sys.executable, "-c", _IN_MANY_PROCESSES, "matrix", *fixture_names()]
    with subprocess.Popen(
        [*command, "--format", "csv", "-o", str(tmp_path / "matrix.csv")],
        env=WITH_ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: len(children.read_text("utf-8").split()) > 1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "vzcptsim: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_program_on_a_node_takes_the_interrupt_of_its_terminal() -> None:
    with subprocess.Popen(
        command_line("sh", "-c", "echo ready; exec sleep 60"),
        env=WITH_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    # A shell shows 130 for it.
    assert (process.returncode, said) == (-signal.SIGINT, "")
