"""Every module of both packages is imported: coverage knows of no other."""

import importlib
import pkgutil

import pytest

import simulator
import vzcptcheck

MODULES = sorted(
    found.name
    for package in (simulator, vzcptcheck)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not found.name.endswith("__main__")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_imported_by_itself(name: str) -> None:
    assert importlib.import_module(name).__doc__
