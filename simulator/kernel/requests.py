"""Requests to /proc/cpt and /proc/rst, by number, as the kernel's header makes them."""

from enum import IntEnum


def _io(number: int) -> int:
    return ord("-") << 8 | number


def _iow(number: int, size: int = 4) -> int:
    return 1 << 30 | size << 16 | _io(number)


class Request(IntEnum):
    """Every request that some generation knows; the whole number must match."""

    SET_DUMPFD = _iow(1)
    SET_STATUSFD = _iow(2)
    SET_LOCKFD = _iow(3)
    SET_VEID = _iow(4)
    SUSPEND = _io(5)
    DUMP = _io(6)
    UNDUMP = _io(7)
    RESUME = _io(8)
    KILL = _io(9)
    JOIN_CONTEXT = _io(10)
    GET_CONTEXT = _iow(11)
    PUT_CONTEXT = _io(12)
    SET_PAGEINFDIN = _iow(13)
    SET_PAGEINFDOUT = _iow(14)
    SET_LAZY = _iow(17)
    SET_CPU_FLAGS = _iow(18)
    TEST_CAPS = _iow(19)
    TEST_VECAPS = _iow(20)
    SET_ERRORFD = _iow(21)
    LINKDIR_ADD = _iow(24)
    HARDLNK_ON = _iow(25)
    TEST_VERSION = _iow(26)
    SET_LOCKFD2 = _iow(27)
    SET_PRAM = _iow(28)
    STOP_TRACKER = _iow(29)
    TEST_VECAPS2 = _iow(30)


#: The one request that the file layer answers before the module sees it.
FIONREAD = 0x541B
