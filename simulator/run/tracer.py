"""Have a thread that waits in a system call make another one instead: enter an open folder.

The kernel enters no folder that this machine lacks. So the thread is traced for a moment, and is
made to enter a folder that stands for the node's, which is then its working folder for all calls,
and for all that it starts. It does not work on a thread that is traced already, by strace say.

Sources: ptrace(2); sys/user.h for the registers; syscall(2) for which of them have the arguments.
"""

import ctypes
import errno
import os
import signal
import struct
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from msgspec import Struct

from simulator.kernel.calls import fail
from simulator.run.remote import RemoteProcess
from simulator.run.seccomp import LIBC, Listener, checked

_SINGLESTEP, _GETREGS, _SETREGS, _DETACH = 9, 12, 13, 17
_SEIZE, _INTERRUPT = 0x4206, 0x4207
_WAIT_ALL = 0x40000000

#: struct user_regs_struct: 27 registers of 64 bits; positions in it.
_REGISTERS = struct.Struct("=27Q")
_RAX, _RIP, _ORIG_RAX = 10, 16, 15

#: syscall and int $0x80 are two bytes.
_INSTRUCTION = 2

_NO_CALL = (1 << 64) - 1


class _Convention(Struct, frozen=True):
    """How a program makes calls: their numbers, and the register of the first argument."""

    enter: int
    close: int
    first: int


#: By the width of pointers: RDI on x86-64, RBX on i386.
_CONVENTIONS = {64: _Convention(81, 3, 14), 32: _Convention(133, 6, 5)}


def enter_folder(listener: Listener, process: RemoteProcess, folder: int) -> None:
    """Answer the call that a thread waits in by entering an open folder; EACCES if it cannot be.

    If the thread ends meanwhile, nobody needs the answer.
    """
    tid = process.tid
    try:
        _ptrace(_SEIZE, tid)
    except OSError as error:
        raise fail(errno.EACCES) from error
    with suppress(ProcessLookupError):
        try:
            fd = listener.put_file(process.call, folder)
            _ptrace(_INTERRUPT, tid)
            listener.answer(process.call, 0)
            _make_calls(tid, _CONVENTIONS[process.pointer_bits()], fd)
        finally:
            _ptrace(_DETACH, tid)


def _make_calls(tid: int, convention: _Convention, fd: int) -> None:
    """Make the thread enter the folder and close it; its registers have the first's result."""
    signals = _wait(tid)
    buffer = ctypes.create_string_buffer(_REGISTERS.size)
    _ptrace(_GETREGS, tid, buffer)
    kept = list(_REGISTERS.unpack(buffer.raw))
    kept[_ORIG_RAX] = _NO_CALL
    results = []
    for number in (convention.enter, convention.close):
        registers = list(kept)
        registers[_RIP] -= _INSTRUCTION
        registers[_RAX] = number
        registers[convention.first] = fd
        _set_registers(tid, registers)
        _ptrace(_SINGLESTEP, tid)
        signals += _wait(tid, step=True)
        _ptrace(_GETREGS, tid, buffer)
        results.append(_REGISTERS.unpack(buffer.raw)[_RAX])
    kept[_RAX] = results[0]
    _set_registers(tid, kept)
    for one in signals:
        os.kill(tid, one)


def _set_registers(tid: int, registers: Sequence[int]) -> None:
    _ptrace(_SETREGS, tid, ctypes.create_string_buffer(_REGISTERS.pack(*registers)))


def _wait(tid: int, *, step: bool = False) -> list[int]:
    """Wait until the thread has stopped, or made its step; return signals that came before."""
    signals: list[int] = []
    while True:
        _, status = os.waitpid(tid, _WAIT_ALL)
        if not os.WIFSTOPPED(status):
            raise ProcessLookupError
        if os.WSTOPSIG(status) == signal.SIGTRAP and step is not bool(status >> 16):
            return signals
        if not status >> 16:
            signals.append(os.WSTOPSIG(status))
        _ptrace(_SINGLESTEP, tid)


def _ptrace(request: int, tid: int, data: object = None) -> None:
    call = partial(LIBC.ptrace, ctypes.c_long(request), ctypes.c_long(tid), None)
    checked(call(data))
