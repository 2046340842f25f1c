"""What the package may import, and where it may call the operating system."""

import ast
import os
import subprocess
import sys

import pytest

import vzcptcheck

PACKAGE = os.path.dirname(os.path.abspath(vzcptcheck.__file__))
FILES = sorted(name for name in os.listdir(PACKAGE) if name.endswith(".py"))

#: The modules at the bottom, which call the operating system.
BOTTOM = ("instruction.py", "syscalls.py")

#: What the others may take from a module that also makes system calls.
HARMLESS = {"os": ("O_", "strerror")}

#: Modules that make system calls, or lead to them.
CALLING = {
    "os", "posix", "posixpath", "fcntl", "mmap", "ctypes", "io", "_io", "socket", "subprocess",
    "shutil", "tempfile", "pathlib", "glob", "platform", "resource", "signal", "select",
    "multiprocessing", "asyncio", "importlib",
}  # fmt: skip
CALLING_NAMES = {"open", "exec", "eval", "compile", "__import__", "input", "print", "breakpoint"}

#: Modules that cost more than the whole of ``version``.
EXPENSIVE = {
    "argparse", "asyncio", "collections", "contextlib", "ctypes", "dataclasses", "datetime",
    "decimal", "enum", "functools", "inspect", "json", "locale", "logging", "mmap", "pathlib",
    "platform", "re", "shutil", "socket", "struct", "subprocess", "tempfile", "threading",
    "traceback", "typing", "warnings",
}  # fmt: skip


def imports_of(tree):
    """List (module, name or None) of every import outside ``if TYPE_CHECKING:``."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            found += [(node.module, alias.name) for alias in node.names]
    return found


def calls_in(tree):
    """List what a module does that may end in a system call."""
    modules = {name.split(".")[0] for name, taken in imports_of(tree) if taken is None}
    found = [
        f"from {module} import {taken}"
        for module, taken in imports_of(tree)
        if taken and module.split(".")[0] in CALLING
    ]
    found += sorted("import " + name for name in modules & CALLING - set(HARMLESS))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in CALLING_NAMES:
            found.append(node.id)
        elif isinstance(node, ast.Attribute):
            module = getattr(node.value, "id", "")
            if module in HARMLESS and not node.attr.startswith(HARMLESS[module]):
                found.append(f"{module}.{node.attr}")
    return found


def parsed(name):
    with open(os.path.join(PACKAGE, name)) as file:
        return ast.parse(file.read())


@pytest.mark.parametrize("name", [name for name in FILES if name not in BOTTOM])
def test_only_the_bottom_calls_the_operating_system(name):
    assert calls_in(parsed(name)) == []


@pytest.mark.parametrize("name", BOTTOM)
def test_the_bottom_is_seen_to_call_it(name):
    assert calls_in(parsed(name))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import fcntl", ["import fcntl"]),
        ("import os.path", []),
        ("import os\nos.path.exists('/')", ["os.path"]),
        ("import os\nos.read(0, 1)", ["os.read"]),
        ("import os\nos.open('/', os.O_RDWR)", ["os.open"]),
        ("import os\nos.O_RDONLY | os.O_CLOEXEC; os.strerror(2)", []),
        ("from os import read", ["from os import read"]),
        ("from os.path import exists", ["from os.path import exists"]),
        ("def read():\n    with open('/') as file: pass", ["open"]),
        ("TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import ctypes", []),
        ("syscalls.open('/', 0); syscalls.read(3, 1)", []),
    ],
)
def test_what_counts_as_calling_it(source, found):
    assert calls_in(ast.parse(source)) == found


@pytest.mark.parametrize("name", FILES)
def test_a_module_imports_the_standard_library_and_this_package(name):
    known = {
        "argparse", "collections", "ctypes", "difflib", "errno", "fcntl", "json", "mmap", "os",
        "re", "stat", "struct", "sys", "time", "vzcptcheck",
    }  # fmt: skip
    assert {module.split(".")[0] for module, _ in imports_of(parsed(name))} <= known


#: Prints the modules that a command adds to those of a bare interpreter.
FOOTPRINT = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
from vzcptcheck.cli import main
status = main(sys.argv[2:])
sys.stdout.write(" ".join(sorted(set(sys.modules) - before)))
sys.exit(status)
"""


def footprint(*arguments):
    """Run a command in a bare interpreter; return its status and what it imported."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", FOOTPRINT, os.path.dirname(PACKAGE), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    stdout, stderr = process.communicate()
    assert "Traceback" not in stderr
    return process.returncode, set(stdout.split("\n")[-1].split())


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        (["version"], {"commands", "devices", "ioctls", "syscalls"}),
        (["caps"], {"commands", "devices", "ioctls", "syscalls"}),
        (["version", "2051"], {"arguments", "commands", "devices", "ioctls", "syscalls"}),
        (["caps", "511"], {"arguments", "commands", "devices", "ioctls", "syscalls"}),
        (["caps", "101", "511"], {"arguments", "commands", "devices", "ioctls", "syscalls"}),
        (["help"], set()),
    ],
)
def test_a_command_imports_next_to_nothing(arguments, modules):
    _, imported = footprint(*arguments)
    assert imported & EXPENSIVE == set()
    assert {name for name in imported if name.startswith("vzcptcheck.")} == {
        "vzcptcheck." + name for name in modules | {"cli", "errors", "outcome"}
    }
