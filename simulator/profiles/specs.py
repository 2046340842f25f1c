"""Containers on the command line: CTID[:WORD,...], as in 101:fpu,process=sshd,entered."""

import re
from collections.abc import Callable
from typing import ClassVar

from msgspec.structs import replace

from simulator.errors import UserError
from simulator.kernel.containers import POLICIES, Container, Contents, Entered, Process, State

#: A process's id on the node is this much above its id in the container.
_FIRST_HOST_PID = 1000

_NUMBER = re.compile("[0-9]{1,10}")
_INT_MAX = 0x7FFFFFFF
_LONGEST_NAME = 15

SYNTAX = """\
A container is CTID[:WORD[,WORD...]]. Words about the container: stopped, stopping, locked,
suspended, device=NAME and mount=TYPE (a network device, a file system that cannot be
checkpointed). Words about a process, the first one being init: fpu, 32bit, no-vdso,
entered[=process|group|session|foreign], policy=normal|batch|idle|fifo|rr, traced,
private-mounts, mempolicy, keys. process=NAME begins another one."""

_STATES = {state.value: state for state in State if state is not State.RUNNING}
_ENTERED = {
    "process": Entered.PROCESS,
    "group": Entered.GROUP,
    "session": Entered.SESSION,
    "foreign": Entered.FOREIGN,
}
_FLAGS: dict[str, dict[str, object]] = {
    "fpu": {"used_fpu": True},
    "32bit": {"bits": 32},
    "no-vdso": {"vdso": False},
    "entered": {"entered": Entered.PROCESS},
    "traced": {"traced": True},
    "private-mounts": {"private_mounts": True},
    "mempolicy": {"mempolicy": True},
    "keys": {"keys": True},
}


class SpecError(UserError):
    """A container that is not spelled as SYNTAX says."""


def parse_spec(spec: str) -> Container:
    """Read a container; SpecError says which word is wrong."""
    number, _, words = spec.partition(":")
    container = _Draft(_parse_ctid(spec, number))
    for word in words.split(",") if words else ():
        container.add(spec, word)
    return container.finish()


class _Draft:
    """A container that is being spelled."""

    def __init__(self, ctid: int) -> None:
        self._ctid = ctid
        self._state = State.RUNNING
        self._processes = [Process(pid=1, host_pid=self._host_pid(1), name="init")]
        self._devices: list[str] = []
        self._mounts: list[str] = []

    def add(self, spec: str, word: str) -> None:
        """Take one word more."""
        key, equals, value = word.partition("=")
        if word in _STATES:
            self._state = _STATES[word]
        elif word in _FLAGS:
            self._change(**_FLAGS[word])
        elif equals and value and key in self._with_value:
            self._with_value[key](self, spec, value)
        else:
            raise SpecError(f"container {spec!r}: {word!r} is no word for it\n{SYNTAX}")

    def finish(self) -> Container:
        """Return the container."""
        contents = Contents(tuple(self._processes), tuple(self._devices), tuple(self._mounts))
        return Container(ctid=self._ctid, state=self._state, contents=contents)

    def _add_process(self, spec: str, name: str) -> None:
        if len(name) > _LONGEST_NAME:
            raise SpecError(f"container {spec!r}: a process's name has at most 15 characters")
        pid = len(self._processes) + 1
        self._processes.append(Process(pid=pid, host_pid=self._host_pid(pid), name=name))

    def _add_device(self, _: str, name: str) -> None:
        self._devices.append(name)

    def _add_mount(self, _: str, fstype: str) -> None:
        self._mounts.append(fstype)

    def _enter(self, spec: str, how: str) -> None:
        if how not in _ENTERED:
            raise SpecError(f"container {spec!r}: entered is one of {', '.join(_ENTERED)}")
        self._change(entered=_ENTERED[how])

    def _set_policy(self, spec: str, policy: str) -> None:
        if policy not in POLICIES:
            raise SpecError(f"container {spec!r}: policy is one of {', '.join(POLICIES)}")
        self._change(policy=policy)

    def _change(self, **traits: object) -> None:
        self._processes[-1] = replace(self._processes[-1], **traits)

    def _host_pid(self, pid: int) -> int:
        return _FIRST_HOST_PID + pid

    _with_value: ClassVar[dict[str, Callable[["_Draft", str, str], None]]] = {
        "process": _add_process,
        "device": _add_device,
        "mount": _add_mount,
        "entered": _enter,
        "policy": _set_policy,
    }


def _parse_ctid(spec: str, number: str) -> int:
    if not (_NUMBER.fullmatch(number) and 0 < int(number) <= _INT_MAX):
        raise SpecError(f"container {spec!r}: it begins with a number from 1 to {_INT_MAX}")
    return int(number)
