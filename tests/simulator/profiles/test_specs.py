"""Containers on the command line: every word, every mistake."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.kernel.containers import POLICIES, Container, Contents, Entered, Process, State
from simulator.profiles.specs import SYNTAX, SpecError, parse_spec

INIT = Process(pid=1, host_pid=1001, name="init")


def init(**traits: Any) -> Process:
    return Process(**{"pid": 1, "host_pid": 1001, "name": "init", **traits})


def contents(spec: str) -> Contents:
    parsed = parse_spec(spec).contents
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("spec", "ctid"), [("1", 1), ("101", 101), ("101:", 101), ("007", 7), ("2147483647", 2**31 - 1)]
)
def test_a_number_alone_is_a_running_container_with_an_init(spec: str, ctid: int) -> None:
    assert parse_spec(spec) == Container(ctid=ctid, contents=Contents((INIT,)))


#: Words about a process, and what they say of it.
TRAITS: dict[str, dict[str, Any]] = {
    "fpu": {"used_fpu": True},
    "32bit": {"bits": 32},
    "no-vdso": {"vdso": False},
    "entered": {"entered": Entered.PROCESS},
    "entered=process": {"entered": Entered.PROCESS},
    "entered=group": {"entered": Entered.GROUP},
    "entered=session": {"entered": Entered.SESSION},
    "entered=foreign": {"entered": Entered.FOREIGN},
    **{f"policy={policy}": {"policy": policy} for policy in POLICIES},
    "traced": {"traced": True},
    "private-mounts": {"private_mounts": True},
    "mempolicy": {"mempolicy": True},
    "keys": {"keys": True},
}


@pytest.mark.parametrize("word", TRAITS)
def test_a_word_about_a_process(word: str) -> None:
    assert contents(f"101:{word}") == Contents((init(**TRAITS[word]),))


@pytest.mark.parametrize("state", ["stopped", "stopping", "locked", "suspended"])
def test_a_word_about_the_container(state: str) -> None:
    assert parse_spec(f"101:{state}").state is State(state)


def test_devices_and_mounts_add_up() -> None:
    spec = "101:device=tun9,mount=nfs,device=dummy0,mount=ramfs"
    assert contents(spec) == Contents((INIT,), ("tun9", "dummy0"), ("nfs", "ramfs"))


def test_words_are_about_the_last_process_named() -> None:
    assert contents("101:fpu,process=sshd,entered,32bit,process=a=b,keys").processes == (
        init(used_fpu=True),
        Process(pid=2, host_pid=1002, name="sshd", entered=Entered.PROCESS, bits=32),
        Process(pid=3, host_pid=1003, name="a=b", keys=True),
    )


def test_a_name_has_up_to_15_characters() -> None:
    assert contents("101:process=" + "x" * 15).processes[1].name == "x" * 15


NO_NUMBERS = [
    "", ":fpu", "0", "-1", "+1", "1.0", " 1", "x101", "2147483648", "00000000001",
    "000000000019999999999", "9" * 5000, "٣",
]  # fmt: skip
NO_WORDS = ["walking", "running", "fpu=yes", "process", "process=", "", "FPU"]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        *((spec, "it begins with a number from 1 to 2147483647") for spec in NO_NUMBERS),
        *((f"101:fpu,{word}", f"'{word}' is no word for it") for word in NO_WORDS),
        ("101:entered=friend", "entered is one of process, group, session, foreign"),
        ("101:policy=deadline", "policy is one of normal, batch, idle, fifo, rr"),
        ("101:process=" + "x" * 16, "a process's name has at most 15 characters"),
    ],
)
def test_a_mistake_is_named(spec: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(spec)
    assert f"container {spec!r}: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_word_that_is_none_brings_those_that_are() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("101:walking")
    assert str(caught.value).endswith(SYNTAX)
    words = {word.partition("=")[0] for word in TRAITS} | {"process=", "device=", "mount="}
    for word in words | {"stopped", "stopping", "locked", "suspended", "policy="}:
        assert word in SYNTAX


words = st.sampled_from(
    ["fpu", "32bit", "process=a", "device=b", "entered", "stopped", "policy=rr", "", "=", ","]
)


@given(
    st.text()
    | st.text("0123456789:,=abc")
    | st.lists(words).map(lambda some: "101:" + ",".join(some))
)
@example("1:" * 100)
def test_any_text_is_a_container_or_a_mistake(spec: str) -> None:
    try:
        said: int | str = parse_spec(spec).ctid
    except SpecError as refusal:
        said = str(refusal)
    assert said in range(1, 2**31) if isinstance(said, int) else repr(spec) in said
