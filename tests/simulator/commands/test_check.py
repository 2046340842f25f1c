"""vzcptsim check: restore is what the two commands answer, programs stand beside it."""

import io
import json
import re
from collections.abc import Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from simulator.cli import main
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.catalogue import find_cpu
from simulator.profiles.store import fixture_names, load_node
from simulator.verdicts.codes import CODES, Code, find_code
from support.images import CAPS_SANDY_BRIDGE, CHAIN_061, build, change
from support.programs import SGR, Terminal, mistake, published, replay, vzcptsim
from support.simulated_profiles import encoded, good_document

SANDY_BRIDGE = "042stab141.3.SandyBridge.default"
HASWELL = "042stab141.3.Haswell.default"
PENRYN = "042stab141.3.Penryn.default"

#: The exit status of an outcome.
STATUS_OF = {"safe": 0, "risky": 2, "refused": 2, "unknown": 3}

#: The outcome where restore alone counts.
OUTCOME_OF = {"possible": "safe", "not possible": "refused", "unknown": "unknown"}

#: Real pairs, spread over all of them; tests/matrix has every one.
PAIRS = list(product(fixture_names(), repeat=2))[::1129]


check = partial(vzcptsim, "check")


def judged(*arguments: str) -> dict[str, Any]:
    """Return the answer for machines, of its published shape, and with its status."""
    status, document = published("check", *arguments)
    assert status == STATUS_OF[document["outcome"]]
    return dict(document)


def outcomes(document: Mapping[str, Any]) -> dict[int | None, str]:
    return {one["container"]: one["outcome"] for one in document["migrations"]}


def verdicts_on(about: str, document: Mapping[str, Any]) -> dict[int | None, str]:
    return {one["container"]: one[about]["verdict"] for one in document["migrations"]}


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
    """Return a node with an Ivy Bridge CPU: to restore it is as good, to programs it is not."""
    path = tmp_path_factory.mktemp("nodes") / "older.json"
    return compose(path, "intel-xeon-e5-2697-v2", "2.6.32-042stab113.5")


# Restore


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
def test_restore_is_what_the_two_commands_answer(source: str, destination: str) -> None:
    node, other = load_node(source), load_node(destination).boot()
    kernel = node.boot()
    expected = {
        container.ctid: verdict_of_commands(
            statuses_of_commands(kernel, other, str(container.ctid))
        )
        for container in node.containers
    }
    document = judged(source, destination)
    found = verdicts_on("restore", document)
    assert {ctid: word for ctid, word in found.items() if ctid} == expected
    alone = judged(source, destination, "--restore-only")
    assert alone["restore_only"] is True
    assert verdicts_on("restore", alone) == found
    assert outcomes(alone) == {ctid: OUTCOME_OF[word] for ctid, word in found.items()}
    worst = [word for word in ("not possible", "unknown", "possible") if word in found.values()]
    assert alone["outcome"] == OUTCOME_OF[worst[0]]


@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_a_suspended_containers_restore_is_what_they_answer(source: str, destination: str) -> None:
    statuses = statuses_of_commands(load_node(source).boot(), load_node(destination).boot())
    document = judged(source, destination, "--suspended", "7")
    assert verdicts_on("restore", document) == {7: verdict_of_commands(statuses)}
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
    assert verdicts_on("restore", judged(source, destination)) == {None: expected}


def test_the_readmes_container_lacks_four_features() -> None:
    status, stdout, stderr = check("--ct", "102", SANDY_BRIDGE, PENRYN)
    assert (status, stderr) == (2, "")
    assert stdout.startswith(
        f"refused: {SANDY_BRIDGE} to {PENRYN}\n"
        "The destination's CPU lacks a feature that the source's kernel compares: "
        "sse4_2 xsave avx aesni\n"
        "  container 102: refused, "
    )
    restore = stdout.partition("\nPrograms:")[0]
    for name, bit, number in [("sse4_2", 20, 14), ("xsave", 26, 25), ("avx", 28, 26)]:
        place = f"CPUID 0x00000001 ecx bit {bit}, capability bit {number}"
        assert re.search(rf"^ +{name} +{place} +source: 1, destination: 0$", restore, re.MULTILINE)
    assert restore.count("destination: 0") == 4


def test_what_the_kernel_writes_stands_beside_its_reason() -> None:
    document = judged(SANDY_BRIDGE, HASWELL, "--ct", "108")
    (reason,) = document["migrations"][0]["restore"]["reasons"]
    assert reason["code"] == "container-entered"
    assert reason["reports"] == [
        "foreign process 4/1715(veinit) inside CT (e.g. vzctl enter or vzctl exec)."
    ]
    assert reason["reports"][0] in check(SANDY_BRIDGE, HASWELL, "--ct", "108")[1]


# Programs, and the outcome of both


@pytest.fixture(scope="module")
def unrecorded(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the older node by an old dump of its CPU: it leaves out what XSAVE can do."""
    path = tmp_path_factory.mktemp("nodes") / "unrecorded.json"
    rows = find_cpu("intel-xeon-e5-2697-v2").table.rows()
    dump = path.with_name("dump.json")
    told = [row for row in rows if row[:2] != ["0x0000000d", "0x1"]]
    dump.write_text(json.dumps({"cpuid": told, "mode": "32-bit"}), "utf-8")
    return compose(path, str(dump), "2.6.32-042stab113.5")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the newer node with a container that is locked beside one that is not."""
    path = tmp_path_factory.mktemp("nodes") / "locked.json"
    specs = "101:fpu", "103:locked"
    return compose(path, "intel-xeon-e5-2680-v3", "2.6.32-042stab113.5", *specs)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return that node with one that is entered, too."""
    path = tmp_path_factory.mktemp("nodes") / "mixed.json"
    specs = "101:fpu", "103:locked", "104:entered"
    return compose(path, "intel-xeon-e5-2680-v3", "2.6.32-042stab113.5", *specs)


@pytest.mark.parametrize(
    ("arguments", "outcome", "restore_only"),
    [
        (("older", "newer"), "safe", "safe"),
        # Haswell has instruction sets that Ivy Bridge lacks, and the kernel looks at none of them.
        (("newer", "older"), "risky", "safe"),
        ((SANDY_BRIDGE, PENRYN), "refused", "refused"),
        # Nobody can be asked; or restore is sure, and it is not known of programs.
        ((SANDY_BRIDGE, "no-modules.042stab113.5"), "unknown", "unknown"),
        (("older", "unrecorded"), "unknown", "safe"),
        # What is waived leaves nothing unknown, and what restore refuses is refused.
        (("older", "unrecorded", "--waive", "cpuid-not-recorded"), "safe", "safe"),
        ((SANDY_BRIDGE, PENRYN, "--waive", "instructions-missing"), "refused", "refused"),
        # Several containers: the worst counts, and a definite no outranks what is not known.
        (("mixed", "newer", "--ct", "101"), "safe", "safe"),
        (("mixed", "newer", "--ct", "103"), "unknown", "unknown"),
        (("mixed", "newer", "--ct", "104"), "refused", "refused"),
        (("mixed", "newer"), "refused", "refused"),
        (("locked", "newer"), "unknown", "unknown"),
        (("locked", "older"), "risky", "unknown"),
    ],
)
def test_the_outcome_is_of_both_verdicts_and_is_the_status(
    request: pytest.FixtureRequest, arguments: tuple[str, ...], outcome: str, restore_only: str
) -> None:
    made = {"newer", "older", "unrecorded", "mixed", "locked"}
    asked = [request.getfixturevalue(one) if one in made else one for one in arguments]
    for options, expected in ((), outcome), (("--restore-only",), restore_only):
        document = judged(*asked, *options)
        assert document["outcome"] == expected
        assert document["restore_only"] is bool(options)
        status, stdout, _ = check(*asked, *options)
        assert status == STATUS_OF[expected]
        assert stdout.startswith(f"{expected}: ")
        assert ("Programs, left out by --restore-only:" in stdout) is bool(options)


def test_programs_are_judged_by_instructions_that_restore_passes(older: str, newer: str) -> None:
    document = judged(newer, older)
    assert outcomes(document) == {101: "risky", 102: "risky"}
    assert verdicts_on("restore", document) == {101: "possible", 102: "possible"}
    assert verdicts_on("programs", document) == {101: "not possible", 102: "not possible"}
    missing = {
        reason["feature"]
        for reason in document["migrations"][0]["programs"]["reasons"]
        if reason["weight"] == "refuses"
    }
    assert missing == {"fma", "movbe", "bmi1", "avx2", "bmi2", "abm"}


def test_what_is_waived_does_not_count_and_is_told(older: str, newer: str) -> None:
    waive = "--waive", "instructions-missing", "--waive", "instructions-missing"
    document = judged(newer, older, *waive)
    assert document["waived"] == ["instructions-missing"]
    # LZCNT turns into BSR there, whatever becomes of the others.
    assert document["outcome"] == "risky"
    reasons = document["migrations"][0]["programs"]["reasons"]
    assert {one["code"] for one in reasons if one["waived"]} == {"instructions-missing"}
    assert judged(newer, older, *waive, "--waive", "instructions-differ")["outcome"] == "safe"
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
        for about in ("restore", "programs")
        for reason in migration[about]["reasons"]
    }
    assert set(document["codes"]) == used
    code = CODES["cpu-feature-missing"]
    assert document["codes"]["cpu-feature-missing"] == {
        "verdict": "restore",
        "summary": code.summary,
        "explanation": code.explanation,
        "hidden_by": code.hidden_by,
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


def codes_of(verdict: Mapping[str, Any]) -> list[str]:
    return [reason["code"] for reason in verdict["reasons"]]


def test_an_image_that_restores_is_safe(tmp_path: Path) -> None:
    migration = restored(image_file(tmp_path), SANDY_BRIDGE)
    assert migration["outcome"] == "safe"
    expected = {"result": 0, "errno": "", "diagnostics": [], "stopped_at": None}
    assert migration["answer"] == expected
    assert migration["image"]["header"]["version"]["image_version"] == 0x803
    assert migration["image"]["whole"] is True


def test_what_restore_answers_and_what_it_does_not_come_to(tmp_path: Path) -> None:
    path = image_file(tmp_path, "u16@22=100;u16@6=0x900;u32@88=99")
    migration = restored(path, SANDY_BRIDGE)
    assert migration["outcome"] == "refused"
    assert migration["answer"] == {
        "result": -1,
        "errno": "EINVAL",
        "diagnostics": ["Error: HZ mismatch: 100 != 1000"],
        "stopped_at": "image-hz",
    }
    assert codes_of(migration["restore"]) == [
        "image-hz",
        "image-version",
        "image-section-unknown",
        "image-section-not-found",
    ]
    status, stdout, stderr = check(path, SANDY_BRIDGE)
    assert (status, stderr) == (2, "")
    assert stdout.startswith(
        f"refused: {path} to {SANDY_BRIDGE}\n"
        f"{find_code('image-hz').summary}\n"
        "  the image: refused, restore not possible, programs not possible\n"
        "  restore answers -1 EINVAL at image-hz, and looks no further\n"
        "    Error: HZ mismatch: 100 != 1000\n"
    )


def test_a_cpu_without_the_images_features_is_a_risk_for_programs(tmp_path: Path) -> None:
    path = image_file(tmp_path)
    migration = restored(path, PENRYN)
    assert migration["outcome"] == "risky"
    features = [reason["feature"] for reason in migration["programs"]["reasons"]]
    assert features == ["sse4_2", "xsave", "avx", "aesni"]
    assert restored(path, PENRYN, "--restore-only")["outcome"] == "safe"
    assert restored(path, PENRYN, "--waive", "image-cpu-feature-missing")["outcome"] == "safe"
    assert "  restore answers 0\n" in check(path, PENRYN)[1]


def test_an_older_kernel_does_not_restore_it(tmp_path: Path) -> None:
    migration = restored(image_file(tmp_path), "042stab061.9.SandyBridge.default")
    said = ["Error: Unknown image version: 803. Can't restore."]
    assert migration["answer"]["diagnostics"] == said


DAMAGED = "this image is damaged: "
NO_IMAGE = "it is neither a profile nor a checkpoint image"


@pytest.mark.parametrize(
    ("changes", "problem", "codes"),
    [
        ("cut=0", "it is empty", ["image-size"]),
        ("cut=3", NO_IMAGE, ["image-size"]),
        ("zero@0=4;zero@end-4=4", NO_IMAGE, ["image-signature"]),
        # An end that was overwritten, or is not there yet; half of it; some bytes too many.
        ("zero@0=4", DAMAGED, ["image-signature"]),
        ("u8@0=0", DAMAGED, ["image-signature"]),
        ("zero@end-4=4", DAMAGED, ["image-tail"]),
        ("u32@end-8=26", DAMAGED, ["image-tail"]),
        ("cut=8192", DAMAGED, ["image-tail"]),
        ("cut=8189", DAMAGED, ["image-size"]),
        ("append=4", DAMAGED, ["image-size"]),
        # A section whose length leads nowhere.
        ("u64@80=7", DAMAGED, ["image-chain"]),
    ],
)
def test_a_damaged_source_is_an_error_unless_it_is_said_to_be_an_image(
    tmp_path: Path, changes: str, problem: str, codes: list[str]
) -> None:
    path = image_file(tmp_path, changes)
    for options in (), ("--restore-only",), ("--json",):
        message = mistake("check", path, SANDY_BRIDGE, *options)
        assert message.startswith(f"{path}: {problem}")
        assert "--image has it judged as" in message
    migration = restored(path, SANDY_BRIDGE, "--image")
    assert migration["outcome"] == "refused"
    assert codes_of(migration["restore"])[: len(codes)] == codes


@pytest.mark.parametrize("content", [b"VZ notes\n", b"[]", b"\x7fELF" + bytes(4096), b"\0" * 4096])
def test_what_is_no_image_is_an_error_unless_it_is_said_to_be_one(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert mistake("check", str(path), SANDY_BRIDGE).startswith(f"{path}: {NO_IMAGE}; --image ")
    assert restored(str(path), SANDY_BRIDGE, "--image")["outcome"] == "refused"


@pytest.mark.parametrize(
    "changes",
    # What a kernel refuses of a whole image: its HZ, its version, a section that it does not know.
    ["u16@22=100", "u16@6=0x900", "u32@88=99"],
)
def test_a_whole_image_that_is_refused_is_no_error(tmp_path: Path, changes: str) -> None:
    assert restored(image_file(tmp_path, changes), SANDY_BRIDGE)["outcome"] == "refused"


def test_what_looks_like_a_profile_is_judged_as_an_image_where_it_is_said(tmp_path: Path) -> None:
    path = image_file(tmp_path, name="node.json")
    assert path in mistake("check", path, SANDY_BRIDGE)
    assert restored(path, SANDY_BRIDGE, "--image")["outcome"] == "safe"
    # A folder has no size.
    folder = restored(str(tmp_path), SANDY_BRIDGE, "--image")
    assert codes_of(folder["restore"]) == ["image-size"]
    assert (folder["image"]["header"], folder["image"]["tail"]) == (None, None)


def test_a_kernel_whose_hz_is_not_known_is_unknown(tmp_path: Path) -> None:
    older = "slm.dzhanibekov.1"
    chain = tuple(section for section in CHAIN_061 if section[0] < 31)
    path = tmp_path / "Dump.7"
    path.write_bytes(build(chain, 0x800, blank=False))
    migration = restored(str(path), older)
    nothing = {"result": None, "errno": None, "diagnostics": None, "stopped_at": None}
    assert (migration["outcome"], migration["answer"]) == ("unknown", nothing)
    assert "  what restore answers is not known\n" in check(str(path), older)[1]
    path.write_bytes(build(chain, 0x801, blank=False))
    assert restored(str(path), older)["outcome"] == "refused"
    assert (
        "  restore answers -1 EINVAL, at which check is not known\n" in check(str(path), older)[1]
    )


def test_without_vzrst_restore_is_not_asked(tmp_path: Path) -> None:
    path = image_file(tmp_path)
    migration = restored(path, "no-modules.042stab113.5")
    assert (migration["outcome"], migration["answer"]) == ("unknown", None)
    assert codes_of(migration["restore"]) == ["module-missing"]
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
    assert (migration["image"], migration["answer"]) == (None, None)


# What is asked wrongly


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "the following arguments are required: SOURCE, DESTINATION"),
        ((SANDY_BRIDGE,), "the following arguments are required: DESTINATION"),
        ((SANDY_BRIDGE, PENRYN, HASWELL), f"{HASWELL!r} is one word too many"),
        ((SANDY_BRIDGE, PENRYN, "--strict"), "there is no option '--strict'"),
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
def test_what_is_wrong_comes_last_after_the_usage(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in mistake("check", *arguments)
    assert vzcptsim("check", *arguments).stderr.startswith("usage: vzcptsim check ")


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
            "--waive cpu-feature-missing: restore refuses for this reason",
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
    about = "restore" if code.verdict == "restore" else "programs; it may be waived"
    hidden_by = f" Hidden by: {code.hidden_by}." if code.hidden_by else ""
    said = f"{code.name} (on {about}): {code.summary}. {code.explanation}{hidden_by}"
    said += f" Next: {code.next_step}"
    assert " ".join(stdout.split()) == " ".join(said.split())
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
    assert r"refused: a\x1b]0;title\x07\n to " in text


def test_json_is_ascii_and_holds_them_as_they_are(tmp_path: Path) -> None:
    stdout = check("--json", hostile_node(tmp_path), PENRYN)[1]
    assert stdout.isascii()
    assert stdout.replace("\n", "").isprintable()
    document = json.loads(stdout)
    assert document["source"] == "a\x1b]0;title\x07\n"
    reports = [
        report
        for reason in document["migrations"][0]["restore"]["reasons"]
        for report in reason["reports"]
    ]
    assert "keys are used by 1001,1001(\x1b[2J\x9b1m\u202e\n\x07)" in reports
