"""What is known of a container."""

import pytest

from simulator.kernel.containers import POLICIES, Container, Contents, Needs, Process, State


def test_a_container_is_running_and_nothing_is_known_of_it_unless_said() -> None:
    container = Container(ctid=101)
    assert container.state is State.RUNNING
    assert container.contents is None
    assert container.needs is None


def test_a_process_is_an_ordinary_64bit_one_unless_said() -> None:
    process = Process(pid=1, host_pid=1001)
    facts = (process.name, process.bits, process.vdso, process.policy, process.entered)
    assert facts == ("init", 64, True, "normal", None)
    traits = ("used_fpu", "traced", "private_mounts", "mempolicy", "keys", "kernel_thread")
    assert not any(getattr(process, trait) for trait in traits)


def test_the_states_and_policies_are_those_of_the_schema() -> None:
    states = ["running", "stopping", "stopped", "locked", "suspended", "unknown"]
    assert [state.value for state in State] == states
    assert POLICIES == ("normal", "batch", "idle", "fifo", "rr")


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (Process(pid=1, host_pid=2), "pid"),
        (Contents(()), "processes"),
        (Needs(0), "caps"),
        (Container(ctid=1), "state"),
    ],
)
def test_facts_cannot_be_changed(value: object, field: str) -> None:
    with pytest.raises(AttributeError):
        setattr(value, field, 5)
