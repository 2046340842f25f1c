"""vzcptsim diff: what has changed on a node, and whether that matters."""

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from simulator.cli import main
from simulator.profiles.store import fixture_names
from support.programs import SGR, Terminal, mistake, published, vzcptsim
from support.simulated_profiles import encoded, good_document

DEFAULT = "042stab141.3.SandyBridge.default"
NOXSAVE = "042stab141.3.SandyBridge.noxsave"
EAGER_OFF = "042stab141.3.SandyBridge.eagerfpu.off"
PENRYN = "042stab141.3.Penryn.default"


diff = partial(vzcptsim, "diff")


def compared(*arguments: str) -> dict[str, Any]:
    """Return the answer for machines, of its published shape, and with its status."""
    status, document = published("diff", *arguments)
    assert status == (2 if document["matters"] else 0)
    return dict(document)


# What has changed


def test_a_boot_without_xsave() -> None:
    """What noxsave takes: kernel-facts.md, section 10."""
    document = compared(DEFAULT, NOXSAVE)
    by_part: dict[str, list[tuple[str, str | None, str | None]]] = {}
    for change in document["changes"]:
        values = change["name"], change["old"], change["new"]
        by_part.setdefault(change["part"], []).append(values)
    assert by_part["kernel"] == [("boot option", None, "noxsave")]
    assert by_part["cpu"] == [("flag", "xsave", None), ("flag", "xsaveopt", None)]
    assert by_part["answers"][1:] == [("xsave", "1", "0")]
    assert by_part["container 101"] == [("xsave", "1", "0")]
    assert {name for name, *_ in by_part["containers"]} == {"container"}


def test_the_nodes_are_named_as_they_were_given(tmp_path: Path) -> None:
    """One node at two times is mostly one name in two folders."""
    paths = []
    for time in ("before", "after"):
        (tmp_path / time).mkdir()
        paths.append(tmp_path / time / "node.json")
        paths[-1].write_bytes(encoded(good_document()))
    old, new = map(str, paths)
    document = compared(old, new, old)
    assert (document["old"], document["new"], document["nodes"]) == (old, new, ["node"])
    assert diff(old, new)[1] == f"{old} to {new}: no differences\n"


@pytest.mark.parametrize("name", fixture_names()[::15])
def test_any_difference_has_the_published_shape(name: str) -> None:
    document = compared(DEFAULT, name, "no-modules.042stab113.5", "ia64.028stab056.1")
    assert document["nodes"] == ["no-modules.042stab113.5", "ia64.028stab056.1"]


# Whether it matters


def test_nothing_differs() -> None:
    assert diff(DEFAULT, DEFAULT) == (0, f"{DEFAULT} to {DEFAULT}: no differences\n", "")
    assert diff(DEFAULT, DEFAULT, PENRYN)[0] == 0


def test_without_nodes_any_difference_matters() -> None:
    assert diff(DEFAULT, NOXSAVE)[0] == 2


def test_with_nodes_an_outcome_that_changes_matters() -> None:
    document = compared(DEFAULT, NOXSAVE, DEFAULT)
    assert document["matters"] is True
    (first, *_) = document["verdicts"]
    assert (first["node"], first["container"]) == (DEFAULT, 101)
    assert first["changed_node_is"] == "destination"
    restore = first["restore"]
    assert (restore["old"], restore["new"], restore["gone"]) == ("possible", "not possible", [])
    assert [one["feature"] for one in restore["come"]] == ["xsave"]
    assert "feature-hidden-by-boot-option" in document["codes"]


def test_with_nodes_a_difference_that_changes_no_verdict_does_not() -> None:
    document = compared(DEFAULT, EAGER_OFF, DEFAULT, "--waive", "xsave-area-smaller")
    assert document["changes"]
    assert document["waived"] == ["xsave-area-smaller"]
    assert (document["verdicts"], document["matters"]) == ([], False)


def test_programs_matter_unless_they_are_left_out(tmp_path: Path) -> None:
    """A microcode update takes TSX (RTM) away: the kernel does not look at it, programs do."""
    old, new, other = (str(tmp_path / f"{name}.json") for name in ("old", "new", "other"))
    compose = ("compose", "--kernel", "2.6.32-042stab113.5", "--cpuid", "intel-xeon-gold-6140")
    for path in (old, new, other):
        assert main([*compose, "--ct", "101", "-o", path], io.StringIO(), io.StringIO()) == 0
    document = json.loads(Path(new).read_text())
    rows = document["cpus"][0]["cpuid"]
    (row,) = [row for row in rows if row.startswith("0x00000007 0x0:")]
    words = row.split()
    words[3] = f"{int(words[3], 16) & ~(1 << 11):#010x}"
    rows[rows.index(row)] = " ".join(words)
    Path(new).write_text(json.dumps(document))
    found = compared(old, new, other)
    assert [(one["name"], one["old"], one["new"]) for one in found["changes"]] == [
        ("rtm", "1", "0")
    ]
    assert (found["restore_only"], found["matters"]) == (False, True)
    (verdict,) = found["verdicts"]
    assert (verdict["changed_node_is"], verdict["container"]) == ("destination", 101)
    assert verdict["restore"] == {"old": "possible", "new": "possible", "gone": [], "come": []}
    assert [one["feature"] for one in verdict["programs"]["come"]] == ["rtm"]
    alone = compared(old, new, other, "--restore-only")
    assert (alone["restore_only"], alone["matters"]) == (True, False)
    assert alone["verdicts"] == found["verdicts"]
    assert compared(old, new, other, "--waive", "instructions-missing")["matters"] is False


def test_the_answer_for_people_names_the_verdicts() -> None:
    status, stdout, stderr = diff(DEFAULT, NOXSAVE, DEFAULT)
    assert (status, stderr) == (2, "")
    assert f"\n  from {DEFAULT}, containers 101-" in stdout
    assert "\n    + feature-hidden-by-boot-option: xsave\n" in stdout


# What is asked wrongly


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "the following arguments are required: OLD, NEW"),
        ((DEFAULT,), "the following arguments are required: NEW"),
        ((DEFAULT, "nowhere"), "no node is recorded as 'nowhere'"),
        ((DEFAULT, NOXSAVE, "nowhere"), "no node is recorded as 'nowhere'"),
        ((DEFAULT, NOXSAVE, "--waive", "avx"), "there is no code 'avx'"),
        (
            (DEFAULT, NOXSAVE, "--waive", "module-missing"),
            "--waive module-missing: restore refuses for this reason",
        ),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake("diff", *arguments)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_answer_that_is_not_taken_whole_is_an_error(options: tuple[str, ...]) -> None:
    stderr = io.StringIO()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        # By itself it would be 2.
        assert main(["diff", *options, DEFAULT, NOXSAVE], full, stderr) == 1
    assert stderr.getvalue() == "vzcptsim: standard output: No space left on device\n"


def test_the_help_tells_what_the_status_says() -> None:
    text = " ".join(diff("--help")[1].split())
    assert "0 where the outcome of no migration to or from a NODE changes, and 2 where " in text


# What names may hold


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["a file", "a terminal"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_names_do_not_speak_to_the_terminal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stream: type[io.StringIO],
    options: tuple[str, ...],
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    name = "\x1b[2J\x9b1m\u202e\r\x07"
    document = good_document()
    document["cpus"][0]["model_name"] = name
    document["containers"][2]["needs"]["reports"] = [name]
    document["kernel"]["vz_version"] = name
    path = tmp_path / f"{name}.json"
    path.write_bytes(encoded(document))
    stdout = stream()
    assert main(["diff", *options, str(path), DEFAULT, str(path)], stdout, io.StringIO()) == 2
    text = SGR.sub("", stdout.getvalue())
    assert text.replace("\n", "").isprintable()
    spelled = r"\u001b[2J\u009b1m\u202e\r\u0007" if options else r"\x1b[2J\x9b1m\u202e\r\x07"
    assert spelled in text
