"""Make vzcptsim(1) and vzcptcheck-profile(5): see man/.

Usage: python -m tools.make_manuals [--check]

Commands and options are the parser's, properties of profiles those of the published schema. What
people have written is in tools/manuals/: a page of each name, with lines '@NAME@' where what is
made goes.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tools.made import settle
from tools.programs import ROOT, Command, Option, Program, vzcptsim
from tools.roff import bold, escape, italic, prose, sentence, synopsis
from vzcptcheck import __version__

_SOURCES = ROOT / "tools" / "manuals"
_FOLDER = ROOT / "man"
_SCHEMA = ROOT / "simulator" / "schema" / "profile.schema.json"

_MADE = '.\\" Made by tools.make_manuals of tools/manuals/ and {}: change those.'

Schema: TypeAlias = Mapping[str, Any]


def manuals() -> dict[Path, str]:
    """Return each page that is made, with its text."""
    program, schema = vzcptsim(), json.loads(_SCHEMA.read_text("utf-8"))
    meanings = tomllib.loads((_SOURCES / "meanings.toml").read_text("utf-8"))
    return {
        _FOLDER / "vzcptsim.1": _page(
            "vzcptsim.1",
            "the program's parser",
            {
                "SYNOPSIS": "\n".join(synopsis(command.usage) for command in program.commands),
                "COMMANDS": "\n".join(_commands(program)),
                "OPTIONS": "\n".join(_options(program.options)),
            },
        ),
        _FOLDER / "vzcptcheck-profile.5": _page(
            "vzcptcheck-profile.5",
            "simulator/schema/profile.schema.json",
            {
                "PROPERTIES": "\n".join(_properties(schema, meanings)),
                "EXAMPLE": escape((_SOURCES / "example.json").read_text("utf-8").rstrip()),
            },
        ),
    }


def _page(name: str, source: str, made: Mapping[str, str]) -> str:
    text = (_SOURCES / f"{name}.in").read_text("utf-8").replace("@VERSION@", __version__)
    for place, lines in made.items():
        text = text.replace(f"@{place}@", lines)
    return f"{_MADE.format(source)}\n{text}"


# Commands


def _commands(program: Program) -> Iterator[str]:
    for command in program.commands:
        yield f".SS {command.name}"
        yield prose(sentence(command.help))
        for paragraph in command.after:
            yield f".PP\n{prose(sentence(paragraph))}"
        yield from _operands(command)
        yield from _options([one for one in command.options if "--help" not in one.flags])


def _operands(command: Command) -> Iterator[str]:
    for one in command.operands:
        if one.help:
            yield f".TP\n{italic(one.metavar)}\n{prose(sentence(one.help))}"


def _options(options: list[Option] | tuple[Option, ...]) -> Iterator[str]:
    for option in options:
        value = f" {italic(option.metavar)}" if option.metavar else ""
        tag = ", ".join(f"{bold(flag)}{value}" for flag in option.flags)
        text = sentence(option.help)
        if option.choices:
            text += f" One of: {', '.join(option.choices)}."
        if option.repeats:
            text += " It may be given more than once."
        yield f".TP\n{tag}\n{prose(text)}"


# Properties


def properties(schema: Schema, root: Schema | None = None, where: str = "") -> Iterator[tuple]:
    """Yield each property of a schema: its path, whether it must be there, its own schema."""
    root = schema if root is None else root
    for name, raw in schema.get("properties", {}).items():
        one = _resolve(raw, root)
        path = f"{where}.{name}" if where else name
        yield path, name in schema.get("required", ()), one
        yield from properties(one, root, path)
        yield from properties(_resolve(one.get("items", {}), root), root, f"{path}[]")


def _resolve(schema: Schema, root: Schema) -> Schema:
    """Follow a reference within the file."""
    if "$ref" not in schema:
        return schema
    found: Any = root
    for step in schema["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def _properties(schema: Schema, meanings: Mapping[str, str]) -> Iterator[str]:
    paths = [path for path, _, _ in properties(schema)]
    surplus = meanings.keys() - set(paths)
    if surplus:
        raise SystemExit(f"meanings.toml: no property of profiles: {', '.join(sorted(surplus))}")
    for path, is_required, one in properties(schema):
        if ("description" in one) == (path in meanings):
            raise SystemExit(f"{path}: a meaning in the schema, or else in meanings.toml: one")
        text = one.get("description") or meanings[path]
        kind = _kind(one, schema)
        default = one.get("default")
        need = "required" if is_required else "optional"
        if default is not None:
            need += f", {json.dumps(default)} if absent"
        heading = f"{bold(path)} ({need}): {kind}"
        yield f".TP\n{heading}\n{prose(sentence(text))}"


_KINDS = {
    "array": "list",
    "boolean": "true or false",
    "integer": "integer",
    "null": "null",
    "object": "object",
    "string": "text",
}


def _kind(one: Schema, root: Schema, *, is_plural: bool = False) -> str:
    """Say what a value may be."""
    if "const" in one:
        return f"always {json.dumps(one['const'])}"
    if "enum" in one:
        return f"one of {', '.join(map(str, one['enum']))}"
    named = one["type"] if isinstance(one["type"], list) else [one["type"]]
    plural = "s" if is_plural else ""
    words = [
        _KINDS[name] + (plural if name in {"integer", "object", "string"} else "") for name in named
    ]
    if "minimum" in one:
        words[0] += f" from {one['minimum']}"
        words[0] += f" to {one['maximum']}" if "maximum" in one else ""
    if "items" in one:
        inner = _kind(_resolve(one["items"], root), root, is_plural=True)
        words[0] += f" of {inner.removeprefix('one of ')}"
    return " or ".join(words)


if __name__ == "__main__":
    sys.exit(settle(__doc__.splitlines()[0], manuals()))
