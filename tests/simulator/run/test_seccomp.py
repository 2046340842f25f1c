"""The filter, carried out here as the kernel would, and the listener's ways to fail."""

import ctypes
import errno
import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from simulator.run import seccomp
from simulator.run.seccomp import Listener, Notification, build_filter, install_filter
from simulator.run.supervisor import OVERRIDE_SELECTIONS, SELECTIONS
from simulator.run.system_calls import AUDIT_ARCH_I386, AUDIT_ARCH_X86_64, REFUSED, SYSCALLS, X32

ALLOW, NOTIFY, ENOSYS = 0x7FFF0000, 0x7FC00000, 0x00050000 | errno.ENOSYS
AARCH64 = 0xC00000B7
NOTIFICATION = Notification(1, 2, AUDIT_ARCH_X86_64, 3, (0, 0, 0, 0, 0, 0))


def decide(program: list[tuple[int, int, int, int]], arch: int, number: int, *words: int) -> int:
    """Carry a filter out: loads from struct seccomp_data, AND, jumps, return."""
    data = {0: number, 4: arch}
    for position, word in enumerate((*words, *[0] * (6 - len(words)))):
        data[16 + 8 * position] = word & 0xFFFFFFFF
    at = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            accumulator = data[operand]
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x05:
            at += operand
        else:
            assert code in (0x15, 0x35)
            holds = accumulator == operand if code == 0x15 else accumulator >= operand
            at += if_true if holds else if_false


@pytest.mark.parametrize("arch", SYSCALLS)
def test_what_is_selected_is_notified_and_nothing_else(arch: int) -> None:
    program = build_filter(SELECTIONS)
    selected = {name for name, conditions in SELECTIONS.items() if not conditions}
    numbers = {SYSCALLS[arch][name] for name in selected if name in SYSCALLS[arch]}
    conditional = {
        SYSCALLS[arch].get(name) for name, conditions in SELECTIONS.items() if conditions
    }
    refused = {SYSCALLS[arch][name] for name in REFUSED if name in SYSCALLS[arch]}
    assert len(refused) > 20
    for number in set(range(600)) - conditional:
        expected = NOTIFY if number in numbers else ENOSYS if number in refused else ALLOW
        assert decide(program, arch, number) == expected, number


@pytest.mark.parametrize("arch", SYSCALLS)
@pytest.mark.parametrize(
    ("request_number", "expected"),
    [
        (0x40042D13, NOTIFY),
        (0x2D63, NOTIFY),
        (0x5401, NOTIFY),
        (0x5402, ALLOW),
        (0x2E01, ALLOW),
    ],
)
def test_of_ioctl_only_checkpoints_requests_and_whether_it_is_a_terminal(
    arch: int, request_number: int, expected: int
) -> None:
    number = SYSCALLS[arch]["ioctl"]
    assert decide(build_filter(SELECTIONS), arch, number, 3, request_number) == expected


@pytest.mark.parametrize("arch", SYSCALLS)
@pytest.mark.parametrize("name", ["pread64", "read"])
@pytest.mark.parametrize(("size", "expected"), [(16, NOTIFY), (15, ALLOW), (4096, ALLOW)])
def test_of_reading_only_one_leaf(arch: int, name: str, size: int, expected: int) -> None:
    number = SYSCALLS[arch][name]
    assert decide(build_filter(SELECTIONS), arch, number, 3, 0, size) == expected


@pytest.mark.parametrize("arch", SYSCALLS)
@pytest.mark.parametrize(("size", "expected"), [(0, NOTIFY), (15, NOTIFY), (16, ALLOW)])
def test_long_writes_are_notified_where_there_is_an_override_to_write(
    arch: int, size: int, expected: int
) -> None:
    number = SYSCALLS[arch]["write"]
    assert decide(build_filter(SELECTIONS), arch, number, 1, 0, size) == expected
    assert decide(build_filter(OVERRIDE_SELECTIONS), arch, number, 1, 0, size) == NOTIFY


def test_calls_of_x32_are_refused() -> None:
    program = build_filter(SELECTIONS)
    for number in (0, 257, 512, 546, 0x3FFFFFFF):
        assert decide(program, AUDIT_ARCH_X86_64, X32 | number) == ENOSYS
    assert decide(program, AUDIT_ARCH_I386, X32) == ALLOW


@pytest.mark.parametrize("arch", SYSCALLS)
@pytest.mark.parametrize("name", ["clone", "unshare"])
@pytest.mark.parametrize(("flags", "expected"), [(0x20000, NOTIFY), (0x1D0F11, ALLOW)])
def test_a_process_with_mounts_of_its_own_is_noticed(
    arch: int, name: str, flags: int, expected: int
) -> None:
    assert decide(build_filter(SELECTIONS), arch, SYSCALLS[arch][name], flags) == expected


def test_another_architecture_is_let_alone() -> None:
    assert {decide(build_filter(SELECTIONS), AARCH64, number) for number in range(500)} == {ALLOW}


def test_the_numbers_are_two_tables() -> None:
    assert set(SYSCALLS) == {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386}


class TestInstalling:
    @pytest.fixture
    def install(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
        def install(prctl: int, *answers: int) -> int:
            """Install a filter on a kernel that gives these answers, errnos below zero."""
            left = list(answers)

            def syscall(*_: Any) -> int:
                answer = left.pop(0)
                ctypes.set_errno(-answer if answer < 0 else 0)
                return answer if answer >= 0 else -1

            libc = SimpleNamespace(prctl=lambda *_: prctl, syscall=syscall)
            monkeypatch.setattr(seccomp, "LIBC", libc)
            return install_filter(SELECTIONS)

        return install

    def test_an_older_kernel_is_asked_without_a_flag(self, install: Callable[..., int]) -> None:
        assert install(0, 7) == 7
        assert install(0, -errno.EINVAL, 7) == 7

    @pytest.mark.parametrize(
        ("answers", "number"),
        [
            ((-1,), 0),
            ((0, -errno.EACCES), errno.EACCES),
            ((0, -errno.EINVAL, -errno.EINVAL), errno.EINVAL),
        ],
    )
    def test_a_kernel_that_refuses(
        self, install: Callable[..., int], answers: tuple[int, ...], number: int
    ) -> None:
        ctypes.set_errno(0)
        with pytest.raises(OSError) as caught:
            install(*answers)
        assert caught.value.errno == number


class TestListener:
    @pytest.fixture
    def listener(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Listener]:
        def listener(number: int) -> Listener:
            """Make a listener to whom the kernel has one answer."""

            def ioctl(*_: Any) -> int:
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr(seccomp.fcntl, "ioctl", ioctl)
            return Listener(99)

        return listener

    @pytest.mark.parametrize("number", [errno.ENOENT, errno.EINTR])
    def test_a_process_that_is_gone_sends_nothing(
        self, listener: Callable[[int], Listener], number: int
    ) -> None:
        assert listener(number).receive() is None

    def test_a_listener_that_fails(self, listener: Callable[[int], Listener]) -> None:
        with pytest.raises(OSError):
            listener(errno.EBADF).receive()
        with pytest.raises(OSError):
            listener(errno.EBADF).answer(NOTIFICATION, 0)

    def test_one_that_is_gone_needs_no_answer(self, listener: Callable[[int], Listener]) -> None:
        gone = listener(errno.ENOENT)
        gone.answer(NOTIFICATION, 0)
        gone.fail(NOTIFICATION, errno.EIO)
        gone.let_through(NOTIFICATION)
        gone.answer_with_file(NOTIFICATION, 1, 0)
        assert not gone.is_valid(NOTIFICATION)
