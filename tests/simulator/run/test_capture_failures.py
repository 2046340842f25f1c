"""Each call that a capture makes fails in turn with each errno that it can give.

Then there is one clear message and status 1, and no file; or the profile is whole but for facts
that are recorded as unknown, which is said; or the errno is itself how a kernel tells a fact.
"""

import errno
import functools
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from simulator.kernel.calls import Request
from simulator.kernel.kernel import SimulatedKernel
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from vzcptcheck.cli import main

#: The errnos that Linux documents for each call, or that these files' own code returns.
ERRNOS: Mapping[str, tuple[int, ...]] = {
    "open": (
        errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EBUSY,
        errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EIO,
    ),
    "close": (errno.EIO, errno.EINTR),
    "read": (errno.EIO, errno.EINTR, errno.EINVAL, errno.ENOMEM, errno.EFAULT),
    "pread": (errno.EIO, errno.EINTR, errno.EINVAL, errno.ENXIO, errno.EFAULT),
    "ioctl": (
        errno.EINVAL, errno.ENOSYS, errno.ESRCH, errno.EBUSY, errno.EINTR, errno.ENOMEM,
        errno.EPERM, errno.EBADF, errno.ENOTTY, errno.EIO, errno.EFAULT, errno.ENOENT,
    ),
    "pipe": (errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    "set_nonblocking": (errno.EPERM, errno.EBADF),
    "cpuid": (errno.ENOSYS, errno.EACCES, errno.EPERM, errno.ENOMEM),
    "run_on": (errno.EINVAL, errno.EPERM, errno.ESRCH),
    "lstat_mode": (errno.EACCES, errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EIO),
    "create": (
        errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.ENOENT, errno.EMFILE,
        errno.ENFILE, errno.ENAMETOOLONG, errno.ENOMEM, errno.EPERM, errno.ENOTDIR, errno.EIO,
    ),
    "write": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EINTR, errno.ENOMEM),
    "fsync": (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EINVAL),
    "rename": (
        errno.EACCES, errno.EBUSY, errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EXDEV,
        errno.EPERM, errno.EIO,
    ),
}  # fmt: skip

#: Where an errno is the kernel's way to tell a fact: the call, what it is about, the errno.
TOLD = {
    ("open", "/proc/cpt", errno.ENOENT): "vzcpt is not loaded",
    ("open", "/proc/rst", errno.ENOENT): "vzrst is not loaded",
    ("open", "/proc/vz/version", errno.ENOENT): "this kernel has no such file",
    ("open", "/proc/vz/cpuid_override", errno.ENOENT): "this kernel masks nothing",
    ("open", "/proc/net/if_inet6", errno.ENOENT): "IPv6 is not loaded",
    ("ioctl", "TEST_VERSION", errno.EINVAL): "this kernel has no such request",
    ("ioctl", "TEST_CAPS", errno.ENOSYS): "this kernel cannot tell",
    ("ioctl", "TEST_VECAPS", errno.ESRCH): "the container does not run",
    ("ioctl", "TEST_VECAPS", errno.EBUSY): "the container is locked",
    ("ioctl", "TEST_VECAPS2", errno.ESRCH): "the container does not run any more",
    ("ioctl", "TEST_VECAPS2", errno.EBUSY): "the container is locked now",
    ("ioctl", "TEST_VECAPS2", errno.EINVAL): "this kernel has no such request",
}

_load = functools.cache(load_node)


@dataclass(frozen=True)
class Case:
    """A node, and whether its kernel lets CPUID be read from a file."""

    name: str
    containers: int
    has_device: bool = True

    def boot(self) -> SimulatedKernel:
        profile = _load(self.name)
        kernel = replace(profile, containers=profile.containers[: self.containers]).boot()
        if not self.has_device:
            for path in [path for path in kernel._tree._files if path.startswith("/dev/cpu")]:
                del kernel._tree._files[path]
        return kernel


#: Old and new kernels, and one whose CPUID the instruction alone tells. A second container is
#: asked as the first one is, by many requests on kernels without CPT_TEST_CAPS.
CASES = (
    Case("042stab141.3.SandyBridge.forced_cpuid_faulting", 2),
    Case("intel-xeon-x5650.dzhanibekov.1", 1),
    Case("amd-opteron-6272.042stab088.4", 1, has_device=False),
)


REQUESTS = {number: name for name, number in vars(Request).items() if name.isupper()}

#: What a call is about, by its arguments, where a test looks at that.
ABOUT: Mapping[str, Callable[..., str]] = {
    "open": lambda process, path, flags: path,
    "read": lambda process, fd, size: process.paths.get(fd, ""),
    "pread": lambda process, fd, size, position: f"leaf {position:x}",
    "ioctl": lambda process, fd, request, argument: REQUESTS[request],
}


class Failing(SimulatedSyscalls):
    """A process one of whose calls fails: the one of number ``at``, from 0."""

    def __init__(self, kernel: SimulatedKernel, at: int = -1, number: int = 0) -> None:
        super().__init__(kernel)
        self.at = at
        self.number = number
        self.paths: dict[int, str] = {}
        self.made: list[tuple[str, str]] = []


def _failing(name: str) -> Callable[..., Any]:
    def call(self: Failing, *words: Any) -> Any:
        about = ABOUT[name](self, *words) if name in ABOUT else ""
        is_failing = len(self.made) == self.at
        self.made.append((name, about))
        if is_failing and name != "close":
            raise OSError(self.number, os.strerror(self.number))
        answer = getattr(super(Failing, self), name)(*words)
        if is_failing:  # As on Linux, the descriptor is gone even where close reports an error.
            raise OSError(self.number, os.strerror(self.number))
        if name == "open":
            self.paths[answer] = about
        return answer

    return call


for _name in ERRNOS:
    setattr(Failing, _name, _failing(_name))


@dataclass(frozen=True)
class Outcome:
    """What came of a capture: the profile is None where no file was written."""

    status: int
    profile: dict[str, Any] | None
    stderr: str


def capture(process: Failing, folder: Path) -> Outcome:
    """Capture into a folder; nothing but the profile may be in it afterwards."""
    path = folder / "node.json"
    stdout, stderr = io.StringIO(), io.StringIO()
    status = main(["capture", "-o", str(path)], process, stdout, stderr)
    assert stdout.getvalue() == ""
    assert process.open_descriptors == ()
    assert [one.name for one in folder.iterdir()] in ([], ["node.json"])
    profile = json.loads(path.read_text("utf-8")) if path.exists() else None
    path.unlink(missing_ok=True)
    return Outcome(status, profile, stderr.getvalue())


def failures(case: Case, folder: Path) -> Iterator[tuple[int, str, str, int]]:
    """Yield each call that is made, by its number, name and subject, with each of its errnos."""
    process = Failing(case.boot())
    assert capture(process, folder).status == 0
    for at, (name, about) in enumerate(process.made):
        for number in ERRNOS[name]:
            yield at, name, about, number


def differences(got: Any, truth: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield where a profile differs, and what it has there."""
    if isinstance(got, dict) and isinstance(truth, dict):
        for key in truth:
            yield from differences(got.get(key), truth[key], f"{path}.{key}")
    elif isinstance(got, list) and isinstance(truth, list) and path.endswith("cpuid"):
        yield from ((path, row) for row in got if row not in truth)
        if len(got) < len(truth):
            yield path, None
    elif isinstance(got, list) and isinstance(truth, list) and len(got) == len(truth):
        for number, (one, other) in enumerate(zip(got, truth, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif got != truth:
        yield path, got


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_call_fails_with_each_errno(case: Case, tmp_path: Path) -> None:
    truth = capture(Failing(case.boot()), tmp_path)
    wrong = []
    count = 0
    for at, name, about, number in failures(case, tmp_path):
        outcome = capture(Failing(case.boot(), at, number), tmp_path)
        problem = _problem(outcome, truth, name, about, number)
        if problem:
            wrong.append(f"call {at}, {name} {about}: {errno.errorcode[number]}: {problem}")
        count += 1
    assert wrong == []
    assert count > 400


def _problem(outcome: Outcome, truth: Outcome, name: str, about: str, number: int) -> str:
    """Say what is wrong with an outcome, or nothing."""
    if outcome.status == 1:
        first = outcome.stderr.partition("\n")[0]
        if outcome.profile is not None:
            return "status 1, and a file"
        is_named = errno.errorcode[number] in first or (name, about, number) in TOLD
        is_clear = first.startswith("vzcptcheck: ") and is_named
        return "" if is_clear else f"no clear message: {first}"
    if outcome.status != 0 or outcome.profile is None:
        return f"status {outcome.status}"
    return "" if (name, about, number) in TOLD else _weaker(outcome, truth)


def _weaker(outcome: Outcome, truth: Outcome) -> str:
    """Say of a profile where it has more than facts that are unknown, which is said."""
    found = list(differences(outcome.profile, truth.profile))
    if any(value not in {None, "unknown"} for _, value in found):
        return f"another fact: {found}"
    if found and outcome.stderr in ("", truth.stderr):
        return f"not said: {found}"
    return ""


def test_every_call_that_can_fail_does_fail_here(tmp_path: Path) -> None:
    made = set()
    for case in CASES:
        made |= {name for _, name, _, _ in failures(case, tmp_path)}
    assert made == set(ERRNOS)
