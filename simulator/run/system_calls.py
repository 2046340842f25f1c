"""The system calls that a run has to do with: their numbers, and which arguments are paths.

Sources: arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl for the numbers; the manual's
section 2 for the arguments.
"""

from collections.abc import Mapping

from msgspec import Struct

AUDIT_ARCH_X86_64 = 0xC000003E
AUDIT_ARCH_I386 = 0x40000003

#: Calls numbered from here on are of x32, which hardly any kernel has.
X32 = 0x40000000

#: Name, number on x86-64 and on i386 (``-``: there is none), and for each path: the argument of
#: the folder that it is relative to (``cwd``), its own argument, and when a link at its end is
#: not followed: ``!`` never, ``!3:100`` if argument 3 has that bit (hex). What is refused is
#: younger than OpenVZ kernels, or reaches files in ways that cannot be led to the node.
_TABLE = """
read                0   3
write               1   4
open                2   5   cwd/0!1:20000
stat                4   106 cwd/0
fstat               5   108
lstat               6   107 cwd/0!
stat64              -   195 cwd/0
lstat64             -   196 cwd/0!
fstat64             -   197
ioctl               16  54
pread64             17  180
readv               19  145
access              21  33  cwd/0
clone               56  120
execve              59  11  cwd/0
uname               63  122
truncate            76  92  cwd/0
truncate64          -   193 cwd/0
getcwd              79  183
chdir               80  12  cwd/0
rename              82  38  cwd/0! cwd/1!
mkdir               83  39  cwd/0!
rmdir               84  40  cwd/0!
creat               85  8   cwd/0
link                86  9   cwd/0! cwd/1!
unlink              87  10  cwd/0!
symlink             88  83  cwd/1!
readlink            89  85  cwd/0!
chmod               90  15  cwd/0
chown               92  182 cwd/0
chown32             -   212 cwd/0
lchown              94  16  cwd/0!
lchown32            -   198 cwd/0!
utime               132 30  cwd/0
mknod               133 14  cwd/0!
statfs              137 99  cwd/0
statfs64            -   268 cwd/0
pivot_root          155 217
chroot              161 61
mount               165 21
umount2             166 52
sched_setaffinity   203 241
sched_getaffinity   204 242
preadv              295 333
preadv2             327 378
setxattr            188 226 cwd/0
lsetxattr           189 227 cwd/0!
getxattr            191 229 cwd/0
lgetxattr           192 230 cwd/0!
listxattr           194 232 cwd/0
llistxattr          195 233 cwd/0!
removexattr         197 235 cwd/0
lremovexattr        198 236 cwd/0!
utimes              235 271 cwd/0
inotify_add_watch   254 292 cwd/1!2:2000000
openat              257 295 0/1!2:20000
mkdirat             258 296 0/1!
mknodat             259 297 0/1!
fchownat            260 298 0/1!4:100
futimesat           261 299 0/1
newfstatat          262 -   0/1!3:100
fstatat64           -   300 0/1!3:100
unlinkat            263 301 0/1!
renameat            264 302 0/1! 2/3!
linkat              265 303 0/1! 2/3!
symlinkat           266 304 1/2!
readlinkat          267 305 0/1!
fchmodat            268 306 0/1
faccessat           269 307 0/1
unshare             272 310
utimensat           280 320 0/1!3:100
utimensat_time64    -   412 0/1!3:100
setns               308 346
renameat2           316 353 0/1! 2/3!
execveat            322 358 0/1!4:100
statx               332 383 0/1!2:100
openat2             437 437 0/1
faccessat2          439 439 0/1!3:100
fchmodat2           452 452 0/1!3:100
oldstat             -   18  refused
oldfstat            -   28  refused
oldolduname         -   59  refused
oldlstat            -   84  refused
uselib              134 86  refused
olduname            -   109 refused
fanotify_init       300 338 refused
fanotify_mark       301 339 refused
name_to_handle_at   303 341 refused
open_by_handle_at   304 342 refused
io_uring_setup      425 425 refused
io_uring_enter      426 426 refused
io_uring_register   427 427 refused
open_tree           428 428 refused
move_mount          429 429 refused
fsopen              430 430 refused
fsconfig            431 431 refused
fsmount             432 432 refused
fspick              433 433 refused
clone3              435 435 refused
mount_setattr       442 442 refused
setxattrat          463 463 refused
getxattrat          464 464 refused
listxattrat         465 465 refused
removexattrat       466 466 refused
open_tree_attr      467 467 refused
file_getattr        468 468 refused
file_setattr        469 469 refused
"""


class PathArgument(Struct, frozen=True):
    """A path among a call's arguments; ``directory`` is None if the working folder is meant.

    A link at its end is not followed if the argument ``flags`` has the bit ``nofollow``, and never
    if ``follow`` is false.
    """

    directory: int | None
    position: int
    follow: bool = True
    flags: int = 0
    nofollow: int = 0

    def is_followed(self, arguments: tuple[int, ...]) -> bool:
        """Return whether a link at the end is followed."""
        return self.follow and not arguments[self.flags] & self.nofollow


def _parse_path(text: str) -> PathArgument:
    place, mark, condition = text.partition("!")
    directory, position = place.split("/")
    flags, _, bit = condition.partition(":")
    return PathArgument(
        None if directory == "cwd" else int(directory),
        int(position),
        follow=not mark or bool(condition),
        flags=int(flags or 0),
        nofollow=int(bit or "0", 16),
    )


_ROWS = [line.split() for line in _TABLE.split("\n") if line]

#: The calls that fail with ENOSYS.
REFUSED = frozenset(name for name, _, _, *notes in _ROWS if notes == ["refused"])

#: The paths among the arguments of each call that has any.
PATHS: Mapping[str, tuple[PathArgument, ...]] = {
    name: tuple(map(_parse_path, notes))
    for name, _, _, *notes in _ROWS
    if notes and name not in REFUSED
}

#: The calls' numbers by architecture.
SYSCALLS: Mapping[int, Mapping[str, int]] = {
    architecture: {row[0]: int(row[column]) for row in _ROWS if row[column] != "-"}
    for column, architecture in ((1, AUDIT_ARCH_X86_64), (2, AUDIT_ARCH_I386))
}

#: Their names by architecture and number.
NAMES: Mapping[tuple[int, int], str] = {
    (architecture, number): name
    for architecture, numbers in SYSCALLS.items()
    for name, number in numbers.items()
}
