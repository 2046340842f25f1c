"""vzcptsim check: the kernel's opinion is the two commands', ours stands beside it."""

import io
import json
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from simulator.cli import main
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.store import find_cpu, fixture_names, load_node
from simulator.verdicts.codes import CODES, Code
from support.images import CAPS_SANDY_BRIDGE, CHAIN_061, build, change
from support.programs import SGR, Said, Terminal, mistake, published, replay, vzcptsim
from support.simulated_profiles import encoded, good_document

SANDY_BRIDGE = "042stab141.3.SandyBridge.default"
HASWELL = "042stab141.3.Haswell.default"
PENRYN = "042stab141.3.Penryn.default"

#: The exit status of a verdict.
STATUS_OF = {"possible": 0, "not possible": 2, "unknown": 1}

#: Real pairs, spread over all of them; tests/matrix has every one.
PAIRS = list(product(fixture_names(), repeat=2))[::1129]


def check(*arguments: str) -> Said:
    """Run the command, and return its status and what it wrote."""
    return vzcptsim("check", *arguments)


def judged(*arguments: str) -> dict[str, Any]:
    """Return the answer for machines, of its published shape, and with its status."""
    status, document = published("check", *arguments)
    assert status == STATUS_OF[document["verdict"]]
    return dict(document)


def verdicts(document: Mapping[str, Any]) -> dict[int | None, str]:
    return {one["container"]: one["verdict"] for one in document["migrations"]}


def compose(path: Path, cpu: str, release: str, *containers: str) -> str:
    """Make a node of a real CPU."""
    specs = [word for container in containers for word in ("--ct", container)]
    arguments = ["compose", "--cpuid", cpu, "--kernel", release, "-o", str(path), *specs]
    assert main(arguments, io.StringIO(), io.StringIO()) == 0
    return str(path)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a node with a Haswell CPU: containers with and without FPU state."""
    path = tmp_path_factory.mktemp("nodes") / "newer.json"
    return compose(path, "intel-xeon-e5-2680-v3", "2.6.32-042stab113.5", "101:fpu", "102")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a node with an Ivy Bridge CPU: to the kernel it is as good, to programs it is not.

    What its dump leaves out of leaf 0xd is as on another one of its model and stepping.
    """
    path = tmp_path_factory.mktemp("nodes") / "older.json"
    table, other = (find_cpu(f"intel-xeon-e5-{name}").table for name in ("2697-v2", "4620-v2"))
    assert table[0x1, 0].eax == other[0x1, 0].eax
    whole = table.replace({(0xD, 1): other[0xD, 1]})
    dump = path.with_name("dump.json")
    dump.write_text(json.dumps({"cpuid": whole.rows(), "mode": "32-bit"}), "utf-8")
    return compose(path, str(dump), "2.6.32-042stab113.5")


# The kernel's opinion


def statuses_of_commands(
    source: SimulatedKernel, destination: SimulatedKernel, *caps_of: str
) -> list[int]:
    """Run what vzmigrate runs, as far as it gets: each question's status.

    The last one is ``caps CTID CAPNUM``, or ``caps CAPNUM``.
    """
    version = replay(source, "version")
    asked = [version]
    if version.status == 0:
        asked.append(replay(destination, "version", version.stdout.strip()))
    number = replay(destination, "caps")
    asked.append(number)
    if number.status == 0:
        asked.append(replay(source, "caps", *caps_of, number.stdout.strip()))
    return [said.status for said in asked]


def verdict_of_commands(statuses: list[int]) -> str:
    if 2 in statuses:
        return "not possible"
    return "unknown" if 1 in statuses else "possible"


@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_the_kernels_verdicts_are_those_of_the_two_commands(source: str, destination: str) -> None:
    document = judged(source, destination)
    node, other = load_node(source), load_node(destination).boot()
    kernel = node.boot()
    expected = {
        container.ctid: verdict_of_commands(
            statuses_of_commands(kernel, other, str(container.ctid))
        )
        for container in node.containers
    }
    assert {ctid: word for ctid, word in verdicts(document).items() if ctid} == expected
    worst = [word for word in ("not possible", "unknown", "possible") if word in expected.values()]
    assert document["verdict"] in (worst[:1] or STATUS_OF)


@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_a_suspended_containers_verdict_is_the_commands(source: str, destination: str) -> None:
    statuses = statuses_of_commands(load_node(source).boot(), load_node(destination).boot())
    document = judged(source, destination, "--suspended", "7")
    assert verdicts(document) == {7: verdict_of_commands(statuses)}
    assert [migration["suspended"] for migration in document["migrations"]] == [True]


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        # No containers: 'version' and 'caps' alone. 042stab061.9 takes up to 0x801.
        ("042stab141.3.Haswell.nordrand", "042stab061.9.qemu64.default", "not possible"),
        ("042stab141.3.Haswell.nordrand", "042stab141.3.qemu64.default", "possible"),
        ("042stab141.3.Haswell.nordrand", "no-modules.042stab113.5", "unknown"),
    ],
)
def test_the_nodes_alone_are_judged_where_there_is_no_container(
    source: str, destination: str, expected: str
) -> None:
    assert load_node(source).containers == ()
    assert verdicts(judged(source, destination)) == {None: expected}


def test_the_readmes_container_lacks_four_features() -> None:
    status, stdout, stderr = check("--ct", "102", SANDY_BRIDGE, PENRYN)
    assert (status, stderr) == (2, "")
    assert stdout.startswith(f"not possible: {SANDY_BRIDGE} to {PENRYN}\n  container 102: ")
    kernel = stdout.partition("\nOurs")[0]
    for name, bit, number in [("sse4_2", 20, 14), ("xsave", 26, 25), ("avx", 28, 26)]:
        place = f"CPUID 0x00000001 ecx bit {bit}, capability bit {number}"
        assert re.search(rf"^ +{name} +{place} +source: 1, destination: 0$", kernel, re.MULTILINE)
    assert kernel.count("destination: 0") == 4


def test_a_destination_that_has_all_is_possible() -> None:
    document = judged(SANDY_BRIDGE, HASWELL, "--ct", "102")
    (migration,) = document["migrations"]
    assert migration["kernel"] == {"verdict": "possible", "reasons": []}


def test_what_the_kernel_says_stands_beside_its_reason() -> None:
    document = judged(SANDY_BRIDGE, HASWELL, "--ct", "108")
    (reason,) = document["migrations"][0]["kernel"]["reasons"]
    assert reason["code"] == "container-entered"
    assert reason["reports"] == [
        "foreign process 4/1715(veinit) inside CT (e.g. vzctl enter or vzctl exec)."
    ]
    assert reason["reports"][0] in check(SANDY_BRIDGE, HASWELL, "--ct", "108")[1]


# Ours, beside it


def test_ours_changes_no_status_by_itself(older: str, newer: str) -> None:
    document = judged(newer, older)
    assert verdicts(document) == {101: "possible", 102: "possible"}
    # Haswell has these, Ivy Bridge does not; the kernel looks at none of them.
    missing = {
        reason["feature"]
        for reason in document["migrations"][0]["ours"]["reasons"]
        if reason["weight"] == "refuses"
    }
    assert missing == {"fma", "movbe", "bmi1", "avx2", "bmi2", "abm"}
    assert {one["ours"]["verdict"] for one in document["migrations"]} == {"not possible"}


def test_strict_counts_ours_in(older: str, newer: str) -> None:
    document = judged(newer, older, "--strict")
    assert document["strict"] is True
    assert verdicts(document) == {101: "not possible", 102: "not possible"}
    assert judged(older, newer, "--strict")["verdict"] == "possible"


def test_what_is_waived_does_not_count_and_is_told(older: str, newer: str) -> None:
    waive = "--waive", "instructions-missing", "--waive", "instructions-missing"
    document = judged(newer, older, "--strict", *waive)
    assert document["waived"] == ["instructions-missing"]
    # LZCNT turns into BSR there, whatever becomes of the others.
    assert document["verdict"] == "not possible"
    reasons = document["migrations"][0]["ours"]["reasons"]
    assert {one["code"] for one in reasons if one["waived"]} == {"instructions-missing"}
    document = judged(newer, older, "--strict", *waive, "--waive", "instructions-differ")
    assert document["verdict"] == "possible"
    text = check(newer, older, *waive)[1]
    assert "\n  waived: instructions-missing\n" in text
    assert "\n  waived: instructions-missing: " in text


def test_verbose_tells_all_there_is_of_remarks(older: str, newer: str) -> None:
    short, whole = check(newer, older)[1], check(newer, older, "--verbose")[1]
    assert re.search(
        r"^  remark: instructions-kernel-only: \d+: .*\binvpcid\b", short, re.MULTILINE
    )
    assert not re.search(r"invpcid +CPUID", short)
    assert re.search(r"^      invpcid +CPUID 0x00000007 ebx bit 10 ", whole, re.MULTILINE)
    assert "--verbose" not in whole


def test_the_codes_are_documented_beside_the_reasons() -> None:
    document = judged(SANDY_BRIDGE, PENRYN)
    used = {
        reason["code"]
        for migration in document["migrations"]
        for opinion in (migration["kernel"], migration["ours"])
        for reason in opinion["reasons"]
    }
    assert set(document["codes"]) == used
    code = CODES["cpu-feature-missing"]
    assert document["codes"]["cpu-feature-missing"] == {
        "opinion": "kernel",
        "summary": code.summary,
        "explanation": code.explanation,
        "next_step": code.next_step,
    }


# An image in place of the source


def image_file(folder: Path, changes: str = "", name: str = "Dump.102", **fields: int) -> str:
    """Write an image, changed."""
    path = folder / name
    path.write_bytes(change(build(caps=CAPS_SANDY_BRIDGE, blank=False, **fields), changes))
    return str(path)


def restored(path: str, destination: str, *options: str) -> dict[str, Any]:
    """Return the one migration of an image."""
    document = judged(path, destination, *options)
    (migration,) = document["migrations"]
    assert document["source"] == path
    assert (migration["container"], migration["suspended"]) == (None, False)
    return dict(migration)


def codes_of(opinion: Mapping[str, Any]) -> list[str]:
    return [reason["code"] for reason in opinion["reasons"]]


def test_an_image_that_restores_is_possible(tmp_path: Path) -> None:
    migration = restored(image_file(tmp_path), SANDY_BRIDGE, "--strict")
    assert migration["verdict"] == "possible"
    expected = {"result": 0, "errno": "", "diagnostics": [], "stopped_at": None}
    assert migration["restore"] == expected
    assert migration["image"]["header"]["version"]["image_version"] == 0x803
    assert migration["image"]["whole"] is True


def test_what_the_kernel_says_and_what_it_does_not_come_to(tmp_path: Path) -> None:
    path = image_file(tmp_path, "u16@22=100;u16@6=0x900;u32@88=99")
    migration = restored(path, SANDY_BRIDGE)
    assert migration["verdict"] == "not possible"
    assert migration["restore"] == {
        "result": -1,
        "errno": "EINVAL",
        "diagnostics": ["Error: HZ mismatch: 100 != 1000"],
        "stopped_at": "image-hz",
    }
    assert codes_of(migration["kernel"]) == [
        "image-hz",
        "image-version",
        "image-section-unknown",
        "image-section-not-found",
    ]
    status, stdout, stderr = check(path, SANDY_BRIDGE)
    assert (status, stderr) == (2, "")
    assert stdout.startswith(
        f"not possible: {path} to {SANDY_BRIDGE}\n"
        "  the image: the kernel says not possible, we say not possible\n"
        "  restore answers -1 EINVAL at image-hz, and looks no further\n"
        "    Error: HZ mismatch: 100 != 1000\n"
    )


def test_a_cpu_without_the_images_features_is_for_ours_to_refuse(tmp_path: Path) -> None:
    path = image_file(tmp_path)
    migration = restored(path, PENRYN)
    assert migration["verdict"] == "possible"
    features = [reason["feature"] for reason in migration["ours"]["reasons"]]
    assert features == ["sse4_2", "xsave", "avx", "aesni"]
    assert restored(path, PENRYN, "--strict")["verdict"] == "not possible"
    waived = restored(path, PENRYN, "--strict", "--waive", "image-cpu-feature-missing")
    assert waived["verdict"] == "possible"
    assert "  restore answers 0\n" in check(path, PENRYN)[1]


def test_an_older_kernel_does_not_restore_it(tmp_path: Path) -> None:
    migration = restored(image_file(tmp_path), "042stab061.9.SandyBridge.default")
    said = ["Error: Unknown image version: 803. Can't restore."]
    assert migration["restore"]["diagnostics"] == said


@pytest.mark.parametrize("changes", ["cut=0", "cut=3", "u8@0=0", "zero@0=4"])
def test_a_damaged_image_is_judged_as_one(tmp_path: Path, changes: str) -> None:
    assert restored(image_file(tmp_path, changes), SANDY_BRIDGE)["verdict"] == "not possible"


def test_what_looks_like_a_profile_is_judged_as_an_image_where_it_is_said(tmp_path: Path) -> None:
    path = image_file(tmp_path, name="node.json")
    assert path in mistake("check", path, SANDY_BRIDGE)
    assert restored(path, SANDY_BRIDGE, "--image")["verdict"] == "possible"
    # A folder has no size.
    folder = restored(str(tmp_path), SANDY_BRIDGE, "--image")
    assert codes_of(folder["kernel"]) == ["image-size"]
    assert (folder["image"]["header"], folder["image"]["tail"]) == (None, None)


def test_a_kernel_whose_hz_is_not_known_is_unknown(tmp_path: Path) -> None:
    older = "slm.dzhanibekov.1"
    chain = tuple(section for section in CHAIN_061 if section[0] < 31)
    path = tmp_path / "Dump.7"
    path.write_bytes(build(chain, 0x800, blank=False))
    assert restored(str(path), older)["verdict"] == "unknown"
    nothing = {"result": None, "errno": None, "diagnostics": None, "stopped_at": None}
    assert restored(str(path), older)["restore"] == nothing
    assert "  what restore answers is not known\n" in check(str(path), older)[1]
    path.write_bytes(build(chain, 0x801, blank=False))
    assert restored(str(path), older)["verdict"] == "not possible"
    assert (
        "  restore answers -1 EINVAL, at which check is not known\n" in (check(str(path), older)[1])
    )


def test_without_vzrst_restore_is_not_asked(tmp_path: Path) -> None:
    path = image_file(tmp_path)
    migration = restored(path, "no-modules.042stab113.5")
    assert (migration["verdict"], migration["restore"]) == ("unknown", None)
    assert codes_of(migration["kernel"]) == ["module-missing"]
    assert "restore answers" not in check(path, "no-modules.042stab113.5")[1]


@pytest.mark.parametrize("option", ["--ct", "--suspended"])
def test_an_image_is_of_one_container(tmp_path: Path, option: str) -> None:
    path = image_file(tmp_path)
    assert mistake("check", path, SANDY_BRIDGE, option, "7").startswith(
        f"{path} is an image, of one container: no --ct, no --suspended"
    )
    assert "not allowed with argument" in mistake(
        "check", path, SANDY_BRIDGE, option, "7", "--image"
    )


def test_an_image_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "missing")
    assert mistake("check", path, SANDY_BRIDGE, "--image") == f"{path}: No such file or directory"
    assert mistake("check", path, SANDY_BRIDGE).startswith(f"no node is recorded as {path!r}")


def test_a_migration_between_nodes_has_no_image() -> None:
    (migration,) = judged(SANDY_BRIDGE, HASWELL, "--ct", "102")["migrations"]
    assert (migration["image"], migration["restore"]) == (None, None)


# What is asked wrongly


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "the following arguments are required: SOURCE, DESTINATION"),
        ((SANDY_BRIDGE,), "the following arguments are required: DESTINATION"),
        ((SANDY_BRIDGE, PENRYN, HASWELL), f"unrecognized arguments: {HASWELL}"),
        ((SANDY_BRIDGE, PENRYN, "--ct", "0"), "argument --ct: '0' is no container's number"),
        ((SANDY_BRIDGE, PENRYN, "--ct", "x"), "argument --ct: 'x' is no container's number"),
        ((SANDY_BRIDGE, PENRYN, "--ct", "-1"), "argument --ct: '-1' is no container's number"),
        ((SANDY_BRIDGE, PENRYN, "--ct", "٣"), "argument --ct: '٣' is no container's number"),
        ((SANDY_BRIDGE, PENRYN, "--suspended", "4294967296"), "is no container's number"),
        ((SANDY_BRIDGE, PENRYN, "--ct", "9" * 9999), "is no container's number"),
        (
            (SANDY_BRIDGE, PENRYN, "--ct", "102", "--suspended", "102"),
            "argument --suspended: not allowed with argument --ct",
        ),
    ],
)
def test_a_wrong_command_line_ends_in_its_usage(arguments: tuple[str, ...], problem: str) -> None:
    message = mistake("check", *arguments)
    assert problem in message
    assert "\nusage: vzcptsim " in message


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("nowhere", PENRYN), "no node is recorded as 'nowhere'"),
        ((SANDY_BRIDGE, "nowhere"), "no node is recorded as 'nowhere'"),
        (
            (SANDY_BRIDGE, PENRYN, "--ct", "7"),
            f"'{SANDY_BRIDGE}' has no container 7; there are: 101,",
        ),
        (
            (SANDY_BRIDGE, PENRYN, "--waive", "instructions-mising"),
            "there is no code 'instructions-mising': did you mean instructions-missing",
        ),
        (
            (SANDY_BRIDGE, PENRYN, "--waive", "cpu-feature-missing"),
            "--waive cpu-feature-missing: this reason is the kernel's",
        ),
        (("--explain", "cpu-feature"), "there is no code 'cpu-feature': did you mean"),
        (("--explain", "zzz"), "there is no code 'zzz': there are module-missing, "),
    ],
)
def test_a_mistake_is_named(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake("check", *arguments)


def test_a_profile_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    assert mistake("check", SANDY_BRIDGE, str(tmp_path / "bad.json")).startswith(
        f"{tmp_path}/bad.json: "
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_answer_that_is_not_taken_whole_is_an_error(options: tuple[str, ...]) -> None:
    stderr = io.StringIO()
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        # By itself it would be 0, or 2.
        assert main(["check", *options, SANDY_BRIDGE, HASWELL], full, stderr) == 1
    assert stderr.getvalue() == "vzcptsim: standard output: No space left on device\n"


# What a code means


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)
def test_a_code_is_explained_without_nodes(monkeypatch: pytest.MonkeyPatch, code: Code) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    status, stdout, stderr = check("--explain", code.name)
    assert (status, stderr) == (0, "")
    whose = "the kernel's" if code.opinion == "kernel" else "ours; it may be waived"
    assert " ".join(stdout.split()) == " ".join(
        f"{code.name} ({whose}): {code.summary}. {code.explanation} Next: {code.next_step}".split()
    )
    assert max(map(len, stdout.splitlines())) < 60


# What names may hold


def hostile_node(folder: Path) -> str:
    """Write a node whose file and whose processes have names that speak to a terminal."""
    document = good_document()
    container = document["containers"][0]
    name = "\x1b[2J\x9b1m\u202e\n\x07"
    document["containers"] = [container]
    for process in container["origin"]["processes"]:
        process["name"] = name
    container["needs"]["reports"] = [
        report.replace("(init)", f"({name})") for report in container["needs"]["reports"]
    ]
    path = folder / "a\x1b]0;title\x07\n.json"
    path.write_bytes(encoded(document))
    return str(path)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal], ids=["a file", "a terminal"])
def test_names_do_not_speak_to_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    node = hostile_node(tmp_path)
    stdout = stream()
    assert main(["check", node, PENRYN], stdout, io.StringIO()) == 2
    text = SGR.sub("", stdout.getvalue())
    assert text.replace("\n", "").isprintable()
    assert r"keys are used by 1001,1001(\x1b[2J\x9b1m\u202e\n\x07)" in text
    assert r"not possible: a\x1b]0;title\x07\n to " in text


def test_json_is_ascii_and_holds_them_as_they_are(tmp_path: Path) -> None:
    stdout = check("--json", hostile_node(tmp_path), PENRYN)[1]
    assert stdout.isascii()
    assert stdout.replace("\n", "").isprintable()
    document = json.loads(stdout)
    assert document["source"] == "a\x1b]0;title\x07\n"
    reports = [
        report
        for reason in document["migrations"][0]["kernel"]["reasons"]
        for report in reason["reports"]
    ]
    assert "keys are used by 1001,1001(\x1b[2J\x9b1m\u202e\n\x07)" in reports
