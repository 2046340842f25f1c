"""Files that tools make and that are kept: written, or compared, and a difference is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.running import ROOT
from tools.made import settle


def settled(monkeypatch: pytest.MonkeyPatch, files: dict[Path, str], *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tool", *arguments])
    return settle("Make something.", files)


def test_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {tmp_path / "one": "1\n", tmp_path / "two": "2\n"}
    assert settled(monkeypatch, files) == 0
    assert {path: path.read_text("utf-8") for path in tmp_path.iterdir()} == files
    assert settled(monkeypatch, files, "--check") == 0


def test_one_that_differs_is_named_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, missing = tmp_path / "changed", tmp_path / "missing"
    changed.write_text("by hand", "utf-8")
    assert settled(monkeypatch, {changed: "made", missing: "made"}, "--check") == 1
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == [str(changed), str(missing)]
    assert changed.read_text("utf-8") == "by hand"
    assert not missing.exists()


@pytest.mark.parametrize("tool", ["make_manuals", "make_completions"])
def test_what_is_kept_is_as_it_is_made(tool: str) -> None:
    command = [sys.executable, "-m", f"tools.{tool}", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
