"""What machines read: a schema and a line of jq for each command that writes JSON."""

import json
import re
from pathlib import Path

import pytest

from simulator.commands.schema import schema_names
from simulator.profiles.store import load_node
from support.documents import read_blocks
from support.images import build
from support.programs import replay, validator, vzcptsim
from support.running import NODE, ROOT
from tools import programs

PAGE = ROOT / "docs" / "machines.md"
HASWELL = "042stab141.3.Haswell.default"
CPU = "intel-xeon-x5550"

#: Commands that write JSON without being asked to.
_UNASKED = {"vzcptsim compose", "vzcptsim import", "vzcptcheck capture"}

#: What has an answer for each shape of each schema.
ANSWERS = {
    "nodes": ["vzcptsim nodes --json", "vzcptsim nodes --json ia64.*"],
    "kernels": ["vzcptsim kernels --json"],
    "cpus": ["vzcptsim cpus --json"],
    "profile": [
        f"vzcptsim compose --cpuid {CPU} --kernel 042stab141.3",
        "vzcptcheck capture --ct 102",
    ],
    "dump": ["vzcptsim import json dump.json"],
    "where": [f"vzcptsim where --json {NODE}:102 {HASWELL}"],
    "check": [f"vzcptsim check --json {NODE} {HASWELL}"],
    "matrix": [f"vzcptsim matrix --format json {NODE} {HASWELL}"],
    "pair": [
        f"vzcptsim matrix --full --format json {NODE} {HASWELL}",
        f"vzcptsim matrix --full --format json {CPU}@042stab141.3 {HASWELL}",
    ],
    "diff": [f"vzcptsim diff --json {NODE} {HASWELL}"],
    "pool": [f"vzcptsim pool --json {NODE} {HASWELL}"],
    "explain": [
        "vzcptcheck explain caps 0 --json",
        "vzcptcheck explain caps 4294967 --json",
        "vzcptcheck explain caps 511 2147483647 --json",
        "vzcptcheck explain version 2051 --json",
        "vzcptcheck explain version 1 --json",
    ],
    "image": [
        "vzcptcheck image whole --json",
        "vzcptcheck image cut --json",
        "vzcptcheck image tail --json",
    ],
}


def told() -> dict[str, list[str]]:
    """Return the schemas of each command, as the page has them."""
    rows = re.findall(r"^\| `(vzcpt\w+ \w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {command: re.findall(r"`([a-z]+)`", schemas) for command, schemas in rows}


def writes_json(program: programs.Program) -> set[str]:
    """List the commands of a program that have --json, or --format json."""
    return {
        f"{program.name} {command.name}"
        for command in program.commands
        for one in (*command.options, *command.operands)
        if "--json" in getattr(one, "flags", one.choices) or "json" in one.choices
        if command.name != "import"
    }


def test_each_command_that_writes_json_has_a_schema_and_each_schema_a_command() -> None:
    asked = {
        command
        for program in (programs.vzcptsim(), programs.vzcptcheck())
        for command in writes_json(program)
    }
    assert set(told()) == asked | _UNASKED
    named = {name for names in told().values() for name in names}
    assert named == set(schema_names()) == set(ANSWERS)


def test_each_command_that_writes_json_has_a_line_of_jq() -> None:
    lines = [
        line for block in read_blocks(PAGE) for line in block.text.splitlines() if "| jq" in line
    ]
    shown = {match[0] for line in lines if (match := re.search(r"vzcpt\w+ \w+", line))}
    assert shown == set(told())


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_command_answers_is_of_its_schema(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [[f"0x{leaf:x}", *["0x0"] * 5] for leaf in (0, 1)]
    (tmp_path / "dump.json").write_text(json.dumps([{"cpuid": rows}]), "utf-8")
    image = build()
    for file, data in {"whole": image, "cut": image[:-100], "tail": bytes(80) + image[80:]}.items():
        (tmp_path / file).write_bytes(data)
    for line in ANSWERS[name]:
        program, *words = line.split()
        is_simulators = program == "vzcptsim"
        said = vzcptsim(*words) if is_simulators else replay(load_node(NODE).boot(), *words)
        assert said.status != 1, said
        documents = said.stdout.splitlines() if name == "pair" else [said.stdout]
        for document in map(json.loads, documents):
            validator(name).validate(document)


def test_nothing_else_is_of_a_schema() -> None:
    """A schema that takes anything says nothing: each refuses what another one is for."""
    for name in ANSWERS:
        assert not validator(name).is_valid({"format": "none"})
        assert not validator(name).is_valid([{}])
