"""Draw who imports whom: docs/architecture.svg, and the table of groups in docs/architecture.md.

Usage: python -m tools.draw_architecture [--check]

Modules are put into groups by the table below; arrows between groups are the imports in the source.
An arrow that follows from others is left out of the picture, and stands in the table. Drawing
takes graphviz's dot; --check takes nothing: it reads the arrows out of the picture.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "architecture.svg"
PAGE = ROOT / "docs" / "architecture.md"

#: From the top down: what is above may import what is below.
PACKAGES = ("tests", "simulator", "vzcptcheck")

_MARKS = ("<!-- made by tools.draw_architecture -->\n", "<!-- end -->\n")
_SVG = "{http://www.w3.org/2000/svg}"

Edges: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """Modules of one package that do one thing: ``modules`` are names, or folders with a star."""

    package: str
    name: str
    does: str
    modules: str

    @property
    def key(self) -> str:
        """Return the name that is unique."""
        return f"{self.package}: {self.name}"

    def has(self, module: str) -> bool:
        """Tell whether a module of the package is in this group."""
        names = self.modules.split()
        return module in names or f"{module.partition('.')[0]}.*" in names or "*" in names


GROUPS = (
    Group("tests", "tests", "specifications that run", "*"),
    Group(
        "simulator",
        "command line",
        "options in, exit status out",
        "cli commands.* __main__ __init__ pytest_plugin",
    ),
    Group(
        "simulator",
        "reports",
        "verdicts for people, machines and CI",
        "reports.*",
    ),
    Group(
        "simulator",
        "fleets",
        "matrix, pool, diff: many nodes, by class",
        "fleets.*",
    ),
    Group(
        "simulator",
        "opinions",
        "one migration judged: the kernel's opinion and ours",
        "opinions.*",
    ),
    Group(
        "simulator",
        "run",
        "any program on a node: seccomp, ssh, qemu",
        "run.*",
    ),
    Group("simulator", "seam", "vzcptcheck's system calls, answered in process", "seam"),
    Group(
        "simulator",
        "profiles",
        "recorded, composed and gathered nodes",
        "profiles.*",
    ),
    Group("simulator", "dumps", "register dumps in every form", "dumps.*"),
    Group(
        "simulator",
        "simulated kernel",
        "/proc/cpt and /proc/rst as the real ones answer",
        "kernels.*",
    ),
    Group(
        "simulator",
        "rules",
        "CPUs, and what each generation of kernels makes of them",
        "rules.*",
    ),
    Group("simulator", "errors", "a user's mistakes, and whole output", "errors output"),
    Group(
        "vzcptcheck",
        "command line",
        "arguments in, exit status out",
        "__init__ __main__ capture_command cli commands image_command",
    ),
    Group(
        "vzcptcheck",
        "capture",
        "this node as a profile",
        "anonymize asking capture processors saving",
    ),
    Group(
        "vzcptcheck",
        "words",
        "numbers and refusals explained",
        "explain features reasons versions",
    ),
    Group("vzcptcheck", "image", "checkpoint images, read", "image"),
    Group("vzcptcheck", "CPU", "CPUID and /proc/cpuinfo", "cpuid cpuinfo leaves"),
    Group("vzcptcheck", "devices", "/proc/cpt, /proc/rst, their ioctls", "devices ioctls"),
    Group(
        "vzcptcheck",
        "system calls",
        "all that opens, reads and calls ioctl",
        "files instruction syscalls",
    ),
    Group(
        "vzcptcheck",
        "basics",
        "numbers read, outcomes, errors with a hint",
        "arguments errors outcome",
    ),
)


# What the source says


def imports(root: Path = ROOT) -> dict[str, set[str]]:
    """Return what each module of the project imports of the project, by their whole names."""
    modules = {
        _name(path, root): path for package in PACKAGES for path in (root / package).rglob("*.py")
    }
    # Tests' helpers are imported without the folder's name.
    return {
        name: {
            target
            for imported in _imported(ast.parse(path.read_text("utf-8")))
            for target in (_module(imported, modules) or _module(f"tests.{imported}", modules),)
            if target not in {"", name}
        }
        for name, path in modules.items()
    }


def _name(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield the names that are imported when the module runs, or later: not for types alone."""
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and getattr(branch.test, "id", "") == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _module(name: str, modules: Mapping[str, Path]) -> str:
    """Return the module that a name is, or is in; nothing where it is not the project's.

    A package itself is none: there is nothing in it but its version.
    """
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return "" if name and modules[name].name == "__init__.py" else name


def group_of(module: str, groups: Iterable[Group] = GROUPS) -> Group:
    """Return the group of a module; SystemExit where it is in none, or in several."""
    package, _, rest = module.partition(".")
    found = [one for one in groups if one.package == package and one.has(rest or "__init__")]
    if len(found) != 1:
        raise SystemExit(f"{module}: in {len(found)} groups of tools/draw_architecture.py, not 1")
    return found[0]


def edges(imported: Mapping[str, Iterable[str]]) -> Edges:
    """Return which groups import which others."""
    return frozenset(
        (source.key, target.key)
        for module, targets in imported.items()
        for source in [group_of(module)]
        for target in map(group_of, targets)
        if source != target
    )


def wrong_ways(all_edges: Edges) -> list[str]:
    """Name what is not from above to below: packages that import upwards, and circles of groups."""
    rank = {one.key: PACKAGES.index(one.package) for one in GROUPS}
    wrong = [f"{one} imports {other}" for one, other in all_edges if rank[one] > rank[other]]
    circles = [one.key for one in GROUPS if one.key in _reach(one.key, all_edges)]
    return sorted(wrong) + [f"{key} is in a circle" for key in circles]


def _reach(start: str, all_edges: Edges) -> set[str]:
    """Return all that is imported by a group, and by those in turn."""
    found: set[str] = set()
    todo = {start}
    while todo:
        todo = {target for source, target in all_edges if source in todo} - found
        found |= todo
    return found


def plain_edges(all_edges: Edges) -> Edges:
    """Leave out the edges that follow from others."""
    return frozenset(
        edge for edge in all_edges if edge[1] not in _reach(edge[0], all_edges - {edge})
    )


# What is drawn


_HEAD = """\
digraph {
  graph [rankdir=TB, fontname="sans-serif", fontsize=13, nodesep=0.3, ranksep=0.45, pad=0.2];
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif", fontsize=12];
  node [margin="0.14,0.08"];
  edge [color="#555555", arrowsize=0.7];
"""
_CLUSTER = """\
  subgraph cluster_%s {
    label="%s"; labeljust=l; labelloc=%s;
    style="rounded,filled"; color="#bbbbbb"; fillcolor="%s";
%s
  }
"""


def dot_text(drawn: Edges) -> str:
    """Write the picture for dot."""
    clusters = [
        _CLUSTER
        % (package, *look, "\n".join(_node(one) for one in GROUPS if one.package == package))
        for package, look in _LOOKS.items()
    ]
    arrows = [f'  "{source}" -> "{target}";\n' for source, target in sorted(drawn)]
    return "".join([_HEAD, *clusters, *arrows, "}\n"])


#: How a package looks: its title, where that stands, and what colour is behind.
_LOOKS = {
    "tests": ("tests/", "t", "#f3f3f3"),
    "simulator": ("simulator/ (vzcptsim)", "t", "#e3eefb"),
    "vzcptcheck": ("vzcptcheck/ (on nodes)", "b", "#e5f4e3"),
}


def _node(one: Group) -> str:
    words = "<br/>".join(_folded(one.does))
    return f'    "{one.key}" [label=<<b>{one.name}</b><br/><font point-size="10">{words}</font>>];'


def _folded(text: str, width: int = 30) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def drawn_edges(picture: str) -> Edges:
    """Read the arrows out of a picture that dot made."""
    found = (tuple(title.split("->", 1)) for title in _titles(picture, "edge"))
    return frozenset((source, target) for source, target in found)


def drawn_groups(picture: str) -> set[str]:
    """Read the boxes out of a picture."""
    return set(_titles(picture, "node"))


def _titles(picture: str, kind: str) -> list[str]:
    drawing = ET.fromstring(picture)  # noqa: S314 (it is our own file)
    found = drawing.iterfind(f".//{_SVG}g[@class='{kind}']/{_SVG}title")
    return [title.text or "" for title in found]


def table(all_edges: Edges) -> str:
    """Write every group: what it does, its modules, and all that it imports."""
    lines = ["| group | what it does | modules | imports |", "|---|---|---|---|"]
    for one in GROUPS:
        if one.package != "tests":
            targets = [
                other.name if other.package == one.package else other.key
                for other in GROUPS
                if (one.key, other.key) in all_edges
            ]
            modules = ", ".join(f"`{name}`" for name in one.modules.split() if name[:2] != "__")
            imported = ", ".join(targets) or "nothing"
            lines.append(f"| **{one.key}** | {one.does} | {modules} | {imported} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, all_edges: Edges) -> str:
    """Return the page with its table made anew."""
    before, rest = page.split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    return f"{before}{_MARKS[0]}\n{table(all_edges)}\n{_MARKS[1]}{after}"


def problems(picture: str, page: str, all_edges: Edges) -> list[str]:
    """Say what picture and page do not have as the source has it."""
    drawn, expected = drawn_edges(picture), plain_edges(all_edges)
    found = wrong_ways(all_edges)
    found += [f"the picture lacks: {' -> '.join(edge)}" for edge in sorted(expected - drawn)]
    found += [f"the source lacks: {' -> '.join(edge)}" for edge in sorted(drawn - expected)]
    if drawn_groups(picture) != {one.key for one in GROUPS}:
        found.append("the picture's boxes are not the groups")
    if page != with_table(page, all_edges):
        found.append(f"the table of {PAGE.name} is not what the source says")
    return found


def main(arguments: list[str]) -> int:
    """Draw, or check; return an exit status."""
    all_edges = edges(imports())
    if arguments == ["--check"]:
        found = problems(PICTURE.read_text("utf-8"), PAGE.read_text("utf-8"), all_edges)
    else:
        found = wrong_ways(all_edges)
        command = ["dot", "-Tsvg"]
        text = dot_text(plain_edges(all_edges))
        made = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        PICTURE.write_text(_anonymous(made.stdout), "utf-8")
        PAGE.write_text(with_table(PAGE.read_text("utf-8"), all_edges), "utf-8")
    for problem in found:
        print(problem)
    return int(bool(found))


def _anonymous(picture: str) -> str:
    """Leave out which dot has made it."""
    return re.sub(r"<!-- Generated by .*?-->\n", "", picture, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
