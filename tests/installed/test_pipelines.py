"""The example pipelines for CI services, each step as it is, with the wheel that is released."""

import shutil
from pathlib import Path

import pytest

from support.ci_files import scripts
from support.installed import WHEEL, call
from support.running import ROOT


@pytest.mark.parametrize("file", ["github-actions.yml", "gitlab-ci.yml"])
def test_each_step_of_an_example_pipeline_runs_with_the_wheel(tmp_path: Path, file: str) -> None:
    for name in ("wheels", "nodes"):
        (tmp_path / name).mkdir()
    shutil.copy(WHEEL, tmp_path / "wheels")
    for kind in ("SandyBridge", "Penryn"):
        shutil.copy(ROOT / "fixtures" / f"042stab141.3.{kind}.default.json", tmp_path / "nodes")
    lines = "\n".join(scripts(ROOT / "examples" / "ci" / file))
    expect = "vzcptsim matrix nodes/*.json --expect expected.tsv"
    # Where the file says, there is a Python of its own: GitHub's job has no other.
    own = "" if ".venv" in lines else "python3 -m venv .venv; PATH=$PWD/.venv/bin:$PATH\n"
    kept = lines.replace("vzcptsim matrix", f"{expect} --update\nvzcptsim matrix", 1)
    bash = ("bash", "-euo", "pipefail", "-c")
    call("env", "-C", tmp_path, *bash, own + kept)
    changed = ROOT / "fixtures" / "042stab141.3.SandyBridge.ipv6.disable.json"
    shutil.copy(changed, tmp_path / "nodes" / "042stab141.3.SandyBridge.default.json")
    gate = f"{expect} || echo status $?"
    assert "status 2" in call("env", "-C", tmp_path, *bash, f"PATH=.venv/bin:$PATH\n{gate}")
