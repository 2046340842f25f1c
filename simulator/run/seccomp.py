"""Seccomp user notification: a filter in a process and its children, a listener outside.

Sources: seccomp_unotify(2), linux/seccomp.h, linux/filter.h, linux/audit.h. The system calls are
made through ctypes; no compiler is needed. Linux 5.9 is the floor (SECCOMP_IOCTL_NOTIF_ADDFD).
"""

import ctypes
import errno
import fcntl
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from msgspec import Struct

from simulator.kernel.calls import fail
from simulator.run.system_calls import AUDIT_ARCH_X86_64, NAMES, REFUSED, SYSCALLS, X32

LIBC = ctypes.CDLL(None, use_errno=True)

#: Offsets in struct seccomp_data.
_NUMBER = 0
_ARCHITECTURE = 4
_FIRST_ARGUMENT = 16

_LOAD_WORD = 0x20
_JUMP_EQUAL = 0x15
_JUMP_NOT_LESS = 0x35
_JUMP_ALWAYS = 0x05
_AND = 0x54
_RETURN = 0x06

_ALLOW = 0x7FFF0000
_NOTIFY = 0x7FC00000
_FAIL = 0x00050000

_PR_SET_NO_NEW_PRIVS = 38
_SYS_SECCOMP = 317
_SET_MODE_FILTER = 1
_NEW_LISTENER = 1 << 3
_WAIT_KILLABLE_RECV = 1 << 5

#: struct sock_filter and struct sock_fprog.
_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("HP")

_NOTIFICATION = struct.Struct("=QIIiIQ6Q")
_RESPONSE = struct.Struct("=QqiI")
_ADD_FD = struct.Struct("=QIIII")
_CONTINUE = 1
_ADD_FD_SEND = 2

_SYNC_WAKE_UP = 1


def _iowr(number: int, size: int, direction: int = 3) -> int:
    return direction << 30 | size << 16 | ord("!") << 8 | number


_RECV = _iowr(0, 80)
_SEND = _iowr(1, 24)
_ID_VALID = _iowr(2, 8, direction=1)
_ADDFD = _iowr(3, 24, direction=1)
_SET_FLAGS = _iowr(4, 8, direction=1)

#: One argument of a system call that must have a value in some bits: position, mask, value.
Condition = tuple[int, int, int]

#: The system calls to notify of, by their names; with conditions, only if one of them holds.
Selections = Mapping[str, tuple[Condition, ...]]

#: An instruction of classic BPF: code, jump if true, jump if false, operand.
Instruction = tuple[int, int, int, int]

_REFUSE: Instruction = (_RETURN, 0, 0, _FAIL | errno.ENOSYS)


def build_filter(selections: Selections) -> list[Instruction]:
    """Write the filter; calls that are never answered fail with ENOSYS."""
    program = [(_LOAD_WORD, 0, 0, _ARCHITECTURE)]
    for arch, numbers in SYSCALLS.items():
        block = _block(numbers, selections)
        if arch == AUDIT_ARCH_X86_64:
            block[1:1] = [(_JUMP_NOT_LESS, 0, 1, X32), _REFUSE]
        program += [(_JUMP_EQUAL, 1, 0, arch), (_JUMP_ALWAYS, 0, 0, len(block)), *block]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _block(numbers: Mapping[str, int], selections: Selections) -> list[Instruction]:
    """Write the instructions for one architecture."""
    block = [(_LOAD_WORD, 0, 0, _NUMBER)]
    for name, conditions in selections.items():
        if name in numbers:
            body = _body(conditions)
            block += [(_JUMP_EQUAL, 0, len(body), numbers[name]), *body]
    for name in sorted(REFUSED & set(numbers)):
        block += [(_JUMP_EQUAL, 0, 1, numbers[name]), _REFUSE]
    return [*block, (_RETURN, 0, 0, _ALLOW)]


def _body(conditions: tuple[Condition, ...]) -> list[Instruction]:
    if not conditions:
        return [(_RETURN, 0, 0, _NOTIFY)]
    body: list[Instruction] = []
    for position, mask, value in conditions:
        body += [
            (_LOAD_WORD, 0, 0, _FIRST_ARGUMENT + 8 * position),
            (_AND, 0, 0, mask),
            (_JUMP_EQUAL, 0, 1, value),
            (_RETURN, 0, 0, _NOTIFY),
        ]
    return [*body, (_RETURN, 0, 0, _ALLOW)]


def checked(result: int) -> int:
    """Return what a function of the C library has returned; OSError if that is less than 0."""
    if result < 0:
        raise fail(ctypes.get_errno())
    return result


def install_filter(selections: Selections) -> int:
    """Filter this process and all its children from now on; return the listener's descriptor.

    OSError if the kernel does not support it or refuses.
    """
    checked(LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    instructions = build_filter(selections)
    code = ctypes.create_string_buffer(b"".join(_INSTRUCTION.pack(*one) for one in instructions))
    program = _PROGRAM.pack(len(instructions), ctypes.addressof(code))
    set_filter = partial(LIBC.syscall, _SYS_SECCOMP, _SET_MODE_FILTER)
    try:
        return checked(set_filter(_NEW_LISTENER | _WAIT_KILLABLE_RECV, program))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return checked(set_filter(_NEW_LISTENER, program))


class Notification(Struct, frozen=True):
    """A system call that waits for its answer: its thread, its number, its arguments."""

    id: int
    tid: int
    architecture: int
    number: int
    arguments: tuple[int, int, int, int, int, int]

    @property
    def name(self) -> str:
        """The system call's name."""
        return NAMES[self.architecture, self.number]


class Listener:
    """The supervisor's end: it receives notifications and answers each of them once.

    If the process is gone before its answer, the kernel answers ENOENT, which is ignored.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        # The waiting process runs at once, on this CPU: a quarter of the time (Linux 6.6).
        with suppress(OSError):
            fcntl.ioctl(fd, _SET_FLAGS, _SYNC_WAKE_UP)

    def receive(self) -> Notification | None:
        """Return the next notification; None if its process is gone."""
        buffer = bytearray(_NOTIFICATION.size)
        try:
            fcntl.ioctl(self.fd, _RECV, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return None
            raise
        identity, tid, _, number, architecture, _, *arguments = _NOTIFICATION.unpack(buffer)
        return Notification(identity, tid, architecture, number, tuple(arguments))

    def is_valid(self, notification: Notification) -> bool:
        """Return whether the process still waits; if so, its number has not been reused."""
        buffer = bytearray(struct.pack("=Q", notification.id))
        try:
            fcntl.ioctl(self.fd, _ID_VALID, buffer)
        except OSError:
            return False
        return True

    def let_through(self, notification: Notification) -> None:
        """Let the kernel execute the system call."""
        self._send(_RESPONSE.pack(notification.id, 0, 0, _CONTINUE))

    def answer(self, notification: Notification, value: int) -> None:
        """Return a value from the system call."""
        self._send(_RESPONSE.pack(notification.id, value, 0, 0))

    def fail(self, notification: Notification, number: int) -> None:
        """Fail the system call with an errno."""
        self._send(_RESPONSE.pack(notification.id, 0, -number, 0))

    def answer_with_file(self, notification: Notification, fd: int, flags: int) -> None:
        """Put a copy of a descriptor into the process, and return its number there."""
        request = _ADD_FD.pack(notification.id, _ADD_FD_SEND, fd, 0, flags)
        try:
            fcntl.ioctl(self.fd, _ADDFD, bytearray(request))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return
            self.fail(notification, error.errno or errno.EIO)

    def put_file(self, notification: Notification, fd: int) -> int:
        """Put a copy of a descriptor into the process; return its number there."""
        request = _ADD_FD.pack(notification.id, 0, fd, 0, os.O_CLOEXEC)
        return int(fcntl.ioctl(self.fd, _ADDFD, bytearray(request)))

    def _send(self, response: bytes) -> None:
        try:
            fcntl.ioctl(self.fd, _SEND, bytearray(response))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
