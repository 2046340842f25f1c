"""Hostile input without a fuzzer: what one kept or found is given to its target once more.

What fuzz/ tells of itself is in fuzz/run.py and fuzz/attempts.py.
"""

import io
import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import seeds
from fuzz.attempts import FindingError, Target, attempt, printed_error, require_message
from fuzz.bombs import bombs
from fuzz.large import MOST_MEMORY_MIB, MOST_SECONDS, large_inputs
from fuzz.node import MadeUpNode
from fuzz.parts import join_parts, split_parts
from fuzz.targets import TARGETS
from simulator.cli import main as run_vzcptsim
from simulator.dumps.model import DumpError
from simulator.dumps.recognise import KEYS
from simulator.errors import UserError
from simulator.output import Streams
from simulator.profiles.compose import SYNTAX, parse_spec
from vzcptcheck.cli import main as run_vzcptcheck
from vzcptcheck.errors import CheckError, UsageError

pytestmark = pytest.mark.unmeasured

FUZZ = Path(__file__).resolve().parents[2] / "fuzz"
KEPT, FOUND = FUZZ / "corpus", FUZZ / "findings"

#: In memory that is traced everything takes some times as long; large.py has the large ones.
SMALL = 1 << 14
BOMBS = bombs(share=8)

#: Of these forms no CPU is known whole.
TOLD_IN_PART = {"dump-lscpu", "dump-qmp", "dump-xen", "dump-freebsd", "dump-firecracker"}


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.is_file())


def cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds that work takes, and the MiB beyond what there is before."""
    tracemalloc.start()
    try:
        began = time.process_time()
        work()
        return time.process_time() - began, tracemalloc.get_traced_memory()[1] / (1 << 20)
    finally:
        tracemalloc.stop()


def require_cheap(name: str, data: bytes) -> None:
    seconds, memory = cost(lambda: attempt(TARGETS[name], data))
    assert seconds <= MOST_SECONDS
    assert memory <= MOST_MEMORY_MIB


# Every input that was kept


def test_each_target_has_a_corpus_and_each_corpus_a_target() -> None:
    assert {path.name for path in KEPT.iterdir()} == set(TARGETS)
    assert {path.name for path in FOUND.iterdir()} <= set(TARGETS)
    assert all(files_of(KEPT / name) for name in TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_kept_is_answered_or_refused_in_one_clear_message(name: str) -> None:
    for path in files_of(KEPT / name):
        attempt(TARGETS[name], path.read_bytes())


@pytest.mark.parametrize(
    "path", [path for name in TARGETS for path in files_of(FOUND / name)], ids=lambda one: one.name
)
def test_what_was_found_is_found_no_more(path: Path) -> None:
    require_cheap(path.parent.name, path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_first_inputs_reach_behind_the_first_check(name: str) -> None:
    """One of a target's seeds at least is taken by one of its parsers."""
    target = TARGETS[name]
    assert any(len(attempt(target, seed)) < len(target.attempts) for seed in target.seeds()) or (
        name in {"dump-criu", "dump-cpuid", "dump-cpuinfo", "cpuinfo", *TOLD_IN_PART}
    )


# Large ones


@pytest.mark.parametrize("name", TARGETS)
def test_large_inputs_take_little(name: str) -> None:
    for seed in list(TARGETS[name].seeds())[:2]:
        attempt(TARGETS[name], seed)
        for _, data in large_inputs(seed, SMALL):
            require_cheap(name, data)


@pytest.mark.parametrize(
    ("name", "bomb"),
    [
        pytest.param(name, bomb, id=f"{name}-{bomb}")
        for name, inputs in BOMBS.items()
        for bomb in inputs
    ],
)
def test_bombs(name: str, bomb: str) -> None:
    require_cheap(name, BOMBS[name][bomb])


def test_files_that_seem_to_have_terabytes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.json"
    with sparse.open("wb") as file:
        file.truncate(1 << 40)
    printed = []

    def ask() -> None:
        for run in (
            lambda stderr: run_vzcptcheck(["image", str(sparse)], None, io.StringIO(), stderr),
            lambda stderr: run_vzcptsim(["replay", str(sparse)], io.StringIO(), stderr),
        ):
            stderr = io.StringIO()
            assert run(stderr) == 1
            printed.append(stderr.getvalue())

    seconds, memory = cost(ask)
    assert seconds <= MOST_SECONDS
    assert memory <= MOST_MEMORY_MIB
    for text in printed:
        require_message(text)
    assert "no checkpoint image" in printed[0]
    assert "over 1 MiB, which no profile has" in printed[1]


# What the fuzzer would have to see


def target_of(error: Exception | None) -> Target:
    def raising(_: bytes) -> None:
        if error is not None:
            raise error

    return Target("some", (raising,), (UserError, CheckError), list, hint=SYNTAX)


def test_promised_errors_are_printed_as_the_programs_do() -> None:
    assert attempt(target_of(None), b"") == []
    assert attempt(target_of(DumpError("bad", 3)), b"") == ["vzcptsim: line 3: bad\n"]
    said = attempt(target_of(UsageError("bad", "Do better.")), b"")
    assert said == ["vzcptcheck: bad\n  Do better.\n"]


@pytest.mark.parametrize("error", [KeyError("x"), RecursionError(), MemoryError(), ValueError("x")])
def test_any_other_error_is_a_finding(error: Exception) -> None:
    with pytest.raises(type(error)):
        attempt(target_of(error), b"")


@pytest.mark.parametrize(
    ("message", "finding"),
    [
        ("", "no message"),
        (" \n", "no message"),
        ("one\ntwo", "not one message"),
        ("x\n" * 9000, "a message of"),
    ],
)
def test_an_unclear_message_is_a_finding(message: str, finding: str) -> None:
    with pytest.raises(FindingError, match=finding):
        attempt(target_of(UserError(message)), b"")


def test_a_message_that_speaks_to_the_terminal_is_a_finding() -> None:
    with pytest.raises(FindingError, match="control characters"):
        require_message("vzcptsim: \x1b[2J\n")


def test_a_known_hint_may_follow() -> None:
    with pytest.raises(UserError) as caught:
        parse_spec("x")
    require_message(printed_error(caught.value), SYNTAX)


def test_an_error_that_no_program_prints_is_a_finding() -> None:
    with pytest.raises(FindingError, match="nobody makes a message"):
        printed_error(ValueError("x"))


# What remarks quote


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31m \x9b \x00 \u202e", r"\x1b[31m \x9b \x00 \u202e"),
        ("one\n  two\r", "one\n  two\\r"),
        ("a" * 2001, "a" * 2000 + "..."),
        ("a" * 2000 + "\nb", "a" * 2000 + "\nb"),
    ],
)
def test_vzcptsim_prints_what_cannot_speak_to_the_terminal(said: str, shown: str) -> None:
    stderr = io.StringIO()
    Streams(None, stderr).remark(said)
    assert stderr.getvalue() == f"vzcptsim: {shown}\n"


# Parts and nodes


def test_parts_are_joined_and_split() -> None:
    parts = {"proc/cpt": b"one\n=== \n", "x": b"", "answers": b"cpt CPT_TEST_CAPS 1"}
    assert split_parts(join_parts(parts)) == {"": b"", **parts}
    assert split_parts(b"no part") == {"": b"no part"}


def test_a_made_up_node_is_asked_as_a_real_one() -> None:
    (captured, *_) = seeds.nodes()
    stdout, stderr = io.StringIO(), io.StringIO()
    assert run_vzcptcheck(["capture"], MadeUpNode(split_parts(captured)), stdout, stderr) == 0
    document = json.loads(stdout.getvalue())
    assert document["answers"]["image_version"] == 2051
    assert document["kernel"]["boot_options"] == ["noxsave", "clearcpuid=154"]
    assert [one["ctid"] for one in document["containers"]] == [102]


def test_every_form_of_dump_is_a_target() -> None:
    assert {f"dump-{key}" for key in KEYS} <= set(TARGETS)
