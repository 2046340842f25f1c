"""Every way to name a node's file, from C, Python and a shell: led to the node, or refused.

The ways that are paths are opened in all three languages; those that are system calls are made by
a static program, those of 32 bits by int 0x80.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.needed import needs
from support.running import run, succeed, temporary_folder

VERSION = "Linux version 2.6.32-042stab141.3 (simulated) #1 SMP"

#: Paths to /proc/version, from a folder with these links in it. Descriptor 3 is open on the file,
#: 4 on /proc, and standard input on the file.
LINKS = {
    "absolute": "/proc/version",
    "relative": "../../../../../../proc//version",
    "folder": "/proc/",
    "chain": "more",
    "more": "./relative",
    "through": "/proc/self/root/proc/./self/root/proc",
    "back": "/proc/vz/..",
    "descriptor": "/proc/self/fd/3",
    "round": "round",
}
PATHS = (
    "/proc/version",
    "//proc/version",
    "/proc///version",
    "/./proc/./version",
    "/../../proc/version",
    "/proc/../proc/version",
    "/proc/vz/../version",
    "/proc/vz/./../vz/../version",
    "/proc/self/../version",
    "/proc/self/root/proc/version",
    "/proc/{pid}/root/proc/version",
    "/proc/thread-self/root/proc/version",
    "/proc/thread-self/../../../version",
    "/proc/self/task/{pid}/root/proc/version",
    "/proc/self/cwd/absolute",
    "/proc/self/fd/3",
    "/proc/{pid}/fd/3",
    "/proc/self/fd/4/version",
    "/dev/fd/3",
    "/dev/fd/4/vz/../version",
    "/dev/stdin",
    "absolute",
    "./relative",
    "{folder}/relative",
    "folder/version",
    "folder/vz/../version",
    "chain",
    "through/version",
    "back/version",
    "descriptor",
)
SHELL = """
for path in "$@"; do
    read -r line < "$path" || line=none
    echo "$line"
done
"""
PYTHON = """
import os, sys
for path in sys.argv[1:]:
    with open(path.replace("{pid}", str(os.getpid()))) as file:
        print(file.readline().rstrip())
"""

#: What a system call gives, in C. ``text(fd)`` is the first line of what is open, and other values
#: are results or negative errnos.
CALLS = {
    # Relative to folders
    'chdir("/proc"), text(open("version", 0))': VERSION,
    'chdir("folder"), text(open("../proc/version", 0))': VERSION,
    'fchdir(open("/proc", 0)), text(open("version", 0))': VERSION,
    'chdir("/proc/vz"), text(open("version", 0))': "042stab141_3",
    'chdir("/proc"), chdir("vz"), text(open("../version", 0))': VERSION,
    'chdir("/proc/vz"), chdir(".."), text(open("version", 0))': VERSION,
    'chdir("/proc/vz"), chdir("../../etc"), puts(getcwd(place, 99)) > 0': "/etc\n1",
    'chdir("/proc/vz"), chdir("/proc/self/cwd"), (long)(puts(getcwd(place, 99)) < 0)': (
        "/proc/vz\n0"
    ),
    'chdir("/proc/vz"), linked("/proc/self/cwd")': "/proc/vz",
    'chdir("/proc/vz"), getcwd(place, 5) == NULL ? -1 : 0': -errno.ERANGE,
    'chdir("/proc/vz"), text(open("../../proc/self/comm", 0))': "names",
    'chdir("/proc/vz"), linked("../self/root")': "/",
    'chdir("/proc/vz"), linked("../cmdline")': -errno.EINVAL,
    'chdir("/proc/vz"), linked("../uptime")': -errno.EINVAL,
    'chdir("/proc/vz"), access("../uptime", R_OK)': 0,
    'chdir("/proc/vz"), kind(stat("../../bin/.", &found))': "40755",
    'chdir("/proc/vz"), execl("../../bin/sh", "sh", "-c", "exit 7", NULL)': -errno.EACCES,
    'chdir("/proc/vz"), chdir("none")': -errno.ENOENT,
    'chdir("/etc/vz"), text(open("conf/101.conf", 0))': "",
    'fchdir(open("/proc/vz", 0)), text(open("../version", 0))': VERSION,
    'fchdir(open("/proc/vz", 0)), text(open("version", 0))': "042stab141_3",
    'fchdir(open("/proc/vz", 0)), text(open("../../dev/null", 0))': "",
    'fchdir(open("/proc/vz", 0)), (long)(puts(getcwd(place, 99)) < 0)': "/proc/vz\n0",
    'text(openat(open("/proc", 0), "version", 0))': VERSION,
    'text(openat(open("/", 0), "proc/version", 0))': VERSION,
    'text(openat(open("/", O_PATH), "proc/version", 0))': VERSION,
    'text(openat(open("/proc/vz", 0), "version", 0))': "042stab141_3",
    'text(openat(open("/proc/vz", O_PATH), "../version", 0))': VERSION,
    'text(openat(open("/proc", 0), "self/comm", 0))': "names",
    'text(open("/proc/net/if_inet6", 0))': "00000000000000000000000000000001 01 80 10 80       lo",
    'text(open("/proc/thread-self/net/if_inet6", 0))': (
        "00000000000000000000000000000001 01 80 10 80       lo"
    ),
    # Descriptors
    'text(open(at("/proc/self/fd/%d", open("/proc/version", O_PATH)), 0))': VERSION,
    'text(dup(open("/proc/version", 0)))': VERSION,
    'kind(AT(fstatat, open("/proc/cpt", O_PATH), "", &found, AT_EMPTY_PATH))': "100600",
    'kind(fstat(open("/proc/vz", 0), &found))': "40555",
    'linked(at("/proc/self/fd/%d", open("/proc/cpt", 2)))': "/proc/cpt",
    'linked(at("/proc/self/fd/%d", open("/proc/vz", 0)))': "/proc/vz",
    # Other calls to open
    'text(how("/proc/version", -100, 0))': VERSION,
    'text(how("/version", open("/proc", O_PATH), RESOLVE_IN_ROOT))': VERSION,
    'text(how("../self/../version", open("/proc", O_PATH), RESOLVE_IN_ROOT))': VERSION,
    'text(how("vz/../version", open("/proc", O_PATH), RESOLVE_BENEATH))': VERSION,
    'how("/proc/version", open("/proc", O_PATH), RESOLVE_BENEATH)': -errno.EXDEV,
    'how("absolute", -100, RESOLVE_NO_SYMLINKS)': -errno.ELOOP,
    'how("/proc/self/fd/3", -100, RESOLVE_NO_MAGICLINKS)': -errno.ELOOP,
    'how("proc/version", open("/", O_PATH), RESOLVE_NO_XDEV)': -errno.EXDEV,
    'open("absolute", O_NOFOLLOW)': -errno.ELOOP,
    'open("/proc/version", O_CREAT | O_EXCL, 0600)': -errno.EEXIST,
    'open("/proc/cpt/", 0)': -errno.ENOTDIR,
    'open("/proc/cpt/../version", 0)': -errno.ENOTDIR,
    'open("/proc/vz/none/../version", 0)': -errno.ENOENT,
    'open("/proc/version", O_DIRECTORY)': -errno.ENOTDIR,
    'open("round", 0)': -errno.ELOOP,
    'CALL(85, "/proc/cpt", 0600) > 2': 1,
    # Telling
    'kind(stat("//proc//cpt", &found))': "100600",
    'kind(lstat("/proc/../proc/cpt", &found))': "100600",
    'kind(lstat("absolute", &found))': "120777",
    'kind(stat("folder/cpt", &found))': "100600",
    'kind(AT(fstatat, open("/proc", O_PATH), "cpt", &found, 0))': "100600",
    'kind(AT(fstatat, open("/proc/vz", 0), "../cpt", &found, 0))': "100600",
    'kind(AT(fstatat, open("/proc/vz", 0), "..", &found, 0))': "40555",
    'access("folder/cpt", R_OK | W_OK)': 0,
    'access("folder/cpt", X_OK)': -errno.EACCES,
    'faccessat(open("/proc", 0), "vz/version", R_OK, 0)': 0,
    'CALL(439, open("/proc", 0), "vz/version", R_OK, 0)': 0,
    'CALL(332, open("/proc", O_PATH), "cpt", 0, 0x7ff, place)': 0,
    'linked("/proc/version")': -errno.EINVAL,
    'linked("")': -errno.ENOENT,
    'linked("absolute")': "/proc/version",
    # Refused
    'chdir("/proc/version")': -errno.ENOTDIR,
    'chdir("/proc/nothing")': -errno.ENOENT,
    'execl("/proc/version", "x", NULL)': -errno.EACCES,
    'truncate("/proc/../proc/version", 0)': -errno.EACCES,
    'unlink("/proc/cpt")': -errno.EPERM,
    'unlink("/proc/vz/none")': -errno.ENOENT,
    'chmod("folder/cpt", 0777)': -errno.EPERM,
    'link("/proc/version", "new")': -errno.EXDEV,
    'rename("new", "/proc/version")': -errno.EXDEV,
    'mkdir("/proc/vz", 0777)': -errno.EEXIST,
    'CALL(191, "/proc/cpt", "user.x", place, 9)': -errno.EOPNOTSUPP,
    'CALL(254, CALL(294, 0), "/proc/version", 1)': -errno.EACCES,
    'CALL(303, -100, "/proc/version", place, place, 0)': -errno.ENOSYS,
    "CALL(304, 3, place, 0)": -errno.ENOSYS,
    "CALL(425, 8, place)": -errno.ENOSYS,
    'CALL(428, -100, "/proc", 0)': -errno.ENOSYS,
    "CALL(435, place, 64)": -errno.ENOSYS,
    'CALL(0x40000000 | 257, -100, "/proc/version", 0)': -errno.ENOSYS,
    # 32 bits
    'text(CALL32(5, "folder/version", 0, 0, 0))': VERSION,
    'text(CALL32(295, open("/proc", 0), "vz/../version", 0, 0))': VERSION,
    'CALL32(12, "/proc", 0, 0, 0), text(CALL32(5, "version", 0, 0, 0))': VERSION,
    'CALL32(12, "/proc/vz", 0, 0, 0), text(CALL32(5, "version", 0, 0, 0))': "042stab141_3",
    'CALL32(195, "folder/cpt", place, 0, 0), *(int *)(place + 16)': 0o100600,
    'CALL32(106, "folder/cpt", place, 0, 0), *(unsigned short *)(place + 8)': 0o100600,
    'CALL32(300, open("/proc", 0), "cpt", place, 0), *(int *)(place + 16)': 0o100600,
    'CALL32(33, "folder/cpt", 1, 0, 0)': -errno.EACCES,
    'CALL32(10, "/proc/cpt", 0, 0, 0)': -errno.EPERM,
    'CALL32(18, "/proc/version", place, 0, 0)': -errno.ENOSYS,
    "CALL32(109, place, 0, 0, 0)": -errno.ENOSYS,
}  # fmt: skip
SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char place[4096], *said;
static struct stat found;

#define AT(call, ...) call(__VA_ARGS__)
#define CALL(...) syscall(__VA_ARGS__)

static long CALL32(long number, ...)
{
    long result, words[4];
    __builtin_va_list list;
    __builtin_va_start(list, number);
    for (int i = 0; i < 4; i++)
        words[i] = __builtin_va_arg(list, long);
    asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(words[0]), "c"(words[1]),
        "d"(words[2]), "S"(words[3]) : "memory", "r8", "r9", "r10", "r11");
    result = (int)result;
    if (result < 0)
        errno = -result, result = -1;
    return result;
}

static long text(long fd)
{
    if (fd < 0)
        return fd;
    static char line[256];
    line[0] = 0;
    if (read(fd, line, 255) < 0)
        return -1;
    line[strcspn(line, "\n")] = 0;
    said = line;
    return 0;
}

static long kind(long result)
{
    static char line[32];
    if (result == 0)
        snprintf(said = line, 32, "%o", found.st_mode);
    return result;
}

static char *at(const char *pattern, int number)
{
    static char path[64];
    snprintf(path, 64, pattern, number);
    return path;
}

static long linked(const char *path)
{
    static char line[256];
    long length = readlink(path, line, 255);
    if (length >= 0)
        said = line;
    return length < 0 ? -1 : 0;
}

static long how(const char *path, int folder, long rules)
{
    struct open_how wanted = {.resolve = rules};
    return syscall(SYS_openat2, folder, path, &wanted, sizeof(wanted));
}

static void tell(long result)
{
    if (said)
        puts(said);
    else
        printf("%ld\n", result == -1 ? -errno : result);
    fflush(stdout);
    _exit(0);
}

int main(int count, char **paths)
{
    for (int i = 1; i < count; i++) {
        snprintf(place, 4096, "%s", paths[i]);
        char *mark = strstr(place, "{pid}");
        if (mark)
            snprintf(mark, 999, "%d%s", getpid(), strstr(paths[i], "{pid}") + 5);
        text(open(place, O_RDONLY));
        puts(said);
    }
    fflush(stdout);
    said = NULL;
    @CALLS@
    return 0;
}
"""


@pytest.fixture(scope="module")
def folder() -> Path:
    """Make a folder with links to the node."""
    made = temporary_folder()
    for name, text in LINKS.items():
        (made / name).symlink_to(text)
    return made


@pytest.fixture(scope="module")
def program(folder: Path) -> Path:
    """Compile a static program that opens paths and makes system calls."""
    calls = "\n".join(f"if (!fork()) tell(({call})); wait(NULL);" for call in CALLS)
    (folder / "names.c").write_text(SOURCE.replace("@CALLS@", calls))
    flags = ["-static", "-no-pie", "-fno-pie", "-O1", "-w"]
    succeed(["gcc", *flags, "-o", folder / "names", folder / "names.c"])
    return folder / "names"


def told(folder: Path, *words: str) -> list[str]:
    """Run a program on the node, in the folder, with the file and /proc open; read its lines."""
    script = 'cd "$1"; shift; exec 3</proc/version 4</proc; exec "$@" <&3'
    ended = run("sh", "-c", script, "sh", str(folder), *words)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout.split("\n")[:-1]


@pytest.fixture(scope="module")
def of_c(folder: Path, program: Path) -> list[str]:
    return told(folder, str(program), *named(folder))


def named(folder: Path) -> list[str]:
    return [path.replace("{folder}", str(folder)) for path in PATHS]


def test_this_machine_is_another() -> None:
    assert os.uname().release not in VERSION


@needs("gcc")
@pytest.mark.parametrize("path", PATHS)
def test_a_static_program_opens_the_nodes_file(path: str, of_c: list[str]) -> None:
    assert of_c[PATHS.index(path)] == VERSION


@needs("gcc")
@pytest.mark.parametrize("call", CALLS)
def test_a_system_call_is_led_or_refused(call: str, of_c: list[str]) -> None:
    before = "\n".join(map(str, [*list(CALLS.values())[: list(CALLS).index(call)]])).count("\n")
    at = len(PATHS) + (before + 1 if list(CALLS).index(call) else 0)
    expected = str(CALLS[call]).split("\n")
    assert of_c[at : at + len(expected)] == expected


#: Other roots and mounts, in which only root can put a program; {folder} is one of its own.
ROOTS = {
    "a folder bound elsewhere": (
        "mount --bind /proc {folder} && cat {folder}/version {folder}/vz/version",
        f"{VERSION}\n042stab141_3\n",
    ),
    "a file bound elsewhere": (
        "touch {folder}/file && mount --bind /proc/version {folder}/file && cat {folder}/file",
        f"{VERSION}\n",
    ),
    "another /proc": (
        "mount -t proc proc {folder} && cat {folder}/version {folder}/self/root/proc/version",
        f"{VERSION}\n" * 2,
    ),
    "another root": (
        """mkdir {folder}/proc && mount -t proc proc {folder}/proc && exec PYTHON -IS -c "
import os
os.chroot('{folder}')
os.chdir('/proc/self')
thread = '/proc/thread-self/../../../version'
for path in ('/proc/version', '../version', '/../proc/vz/../version', thread):
    print(open(path).read(), end='')
try:
    open('/etc/passwd')
except OSError as error:
    print(error.errno)
os.chdir('/')
print(open('proc/vz/version').read(), end='')
" """,
        f"{VERSION}\n" * 4 + "2\n042stab141_3\n",
    ),
}


def can_mount() -> bool:
    """Tell whether a process can have mounts of its own here."""
    probe = ["unshare", "-m", "-p", "-f", "mount", "-t", "proc", "proc", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="takes root, and mounts")
@pytest.mark.parametrize("options", ["-m", "-mpf"])
@pytest.mark.parametrize("name", ROOTS)
def test_of_other_roots_and_mounts(name: str, options: str, tmp_path: Path) -> None:
    script, shown = ROOTS[name]
    ended = run(
        "unshare",
        options,
        "sh",
        "-c",
        script.replace("{folder}", str(tmp_path)).replace("PYTHON", sys.executable),
    )
    assert (ended.stdout, ended.stderr) == (shown, "")


def test_python_opens_it(folder: Path) -> None:
    words = [sys.executable, "-IS", "-c", PYTHON, *named(folder)]
    assert dict(zip(PATHS, told(folder, *words), strict=True)) == dict.fromkeys(PATHS, VERSION)


def test_a_shell_opens_it(folder: Path) -> None:
    script = SHELL.replace('"$@"', " ".join(f'"{path}"' for path in named(folder)))
    words = ["sh", "-c", script.replace("{pid}", "$$")]
    assert dict(zip(PATHS, told(folder, *words), strict=True)) == dict.fromkeys(PATHS, VERSION)
