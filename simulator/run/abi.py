"""Structures of the Linux ABI that a supervisor writes into other processes' memory.

Sources: asm/stat.h, linux/stat.h and linux/utsname.h, for x86-64 and i386.
"""

import struct
from collections.abc import Iterable

from simulator.kernel.kernel import Stat

#: struct stat of x86-64: dev, ino, nlink, mode, uid, gid, pad, rdev, size, blksize, blocks, times.
_STAT_64 = struct.Struct("=QQQIIIIQqqq6Q24x")

#: struct stat64 of i386: dev, pad, ino, mode, nlink, uid, gid, rdev, pad, size, blksize, blocks,
#: times, ino.
_STAT_32 = struct.Struct("=Q4xIIIIIQ4xqIQ6IQ")

#: struct statx up to the times: mask, blksize, attributes, nlink, uid, gid, mode, pad, ino, size,
#: blocks, attributes mask; the rest is zeros.
_STATX = struct.Struct("=IIQIIIHxxQQQQ192x")
_STATX_BASIC_STATS = 0x7FF

_BLOCK = 1024

_UTSNAME_FIELD = 65


def pack_stat(stat: Stat) -> bytes:
    """Write struct stat as x86-64 programs read it."""
    return _STAT_64.pack(
        0,
        stat.inode,
        stat.nlink,
        stat.mode,
        stat.uid,
        stat.gid,
        0,
        0,
        stat.size,
        _BLOCK,
        0,
        *[0] * 6,
    )


def pack_stat64(stat: Stat) -> bytes:
    """Write struct stat64 as i386 programs read it."""
    return _STAT_32.pack(
        0,
        stat.inode,
        stat.mode,
        stat.nlink,
        stat.uid,
        stat.gid,
        0,
        stat.size,
        _BLOCK,
        0,
        *[0] * 6,
        stat.inode,
    )


def pack_statx(stat: Stat) -> bytes:
    """Write struct statx."""
    return _STATX.pack(
        _STATX_BASIC_STATS,
        _BLOCK,
        0,
        stat.nlink,
        stat.uid,
        stat.gid,
        stat.mode,
        stat.inode,
        stat.size,
        0,
        0,
    )


def pack_utsname(fields: Iterable[str]) -> bytes:
    """Write struct new_utsname: sysname, nodename, release, version, machine, domainname."""
    cut = (field.encode()[: _UTSNAME_FIELD - 1] for field in fields)
    return b"".join(field.ljust(_UTSNAME_FIELD, b"\0") for field in cut)
