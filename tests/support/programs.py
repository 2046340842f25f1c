"""Both programs in this process, what they said, and a terminal that they may say it to."""

import io
import json
import re
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator

from simulator.cli import main as run_vzcptsim
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.in_process import SimulatedSyscalls
from vzcptcheck.cli import main

#: What sets colours: all that a terminal may be told.
SGR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal, and keeps what is written to it."""

    def isatty(self) -> bool:
        return True


class Said(NamedTuple):
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
    """Run vzcptcheck on a node, as ``vzcptsim replay`` does; no descriptor may outlive it."""
    process = SimulatedSyscalls(kernel, uid=uid, ctid=ctid, pointer_bits=pointer_bits)
    stdout, stderr = io.StringIO(), io.StringIO()
    status = main(arguments, process, stdout, stderr)
    assert process.open_descriptors == ()
    return Said(status, stdout.getvalue(), stderr.getvalue())


def vzcptsim(*arguments: str) -> Said:
    """Run a command of vzcptsim's in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    status = run_vzcptsim(arguments, stdout, stderr)
    return Said(status, stdout.getvalue(), stderr.getvalue())


def answer(*arguments: str) -> str:
    """Return what a command of vzcptsim's that does its work writes."""
    said = vzcptsim(*arguments)
    assert (said.status, said.stderr) == (0, "")
    return said.stdout


def mistake(*arguments: str) -> str:
    """Return the one message that a wrong command of vzcptsim's ends in."""
    said = vzcptsim(*arguments)
    assert (said.status, said.stdout) == (1, "")
    usage, name, message = said.stderr.rpartition("vzcptsim: ")
    assert not usage or (usage.startswith("usage: vzcptsim ") and usage.endswith("\n"))
    assert name
    assert message.endswith("\n")
    assert "Traceback" not in said.stderr
    return message.removesuffix("\n")


def published(command: str, *arguments: str) -> tuple[int, Any]:
    """Return a command's status, and its answer for machines, which is of its published shape."""
    said = vzcptsim(command, "--json", *arguments)
    assert said.stderr == ""
    document = json.loads(said.stdout)
    validator(command).validate(document)
    return said.status, document


@cache
def validator(name: str) -> Draft202012Validator:
    """Return what compares documents with a published schema, which is sound itself."""
    text = resources.files("simulator").joinpath(f"schema/{name}.schema.json").read_text("utf-8")
    schema = json.loads(text)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)
