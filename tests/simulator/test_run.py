"""Any program on a simulated node: vzcptsim run, with real processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from simulator.fixtures import load_node
from simulator.requests import Request
from simulator.seam import SimulatedSyscalls

ROOT = Path(__file__).resolve().parents[2]
NODE = "042stab141.3.SandyBridge.default"
MASKING_NODE = "042stab141.3.SandyBridge.forced_cpuid_faulting"
HEADER = "Ctx      Id       VE       State\n"

Ended = subprocess.CompletedProcess[str]


def command_line(*words: str, node: str = NODE, options: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, "-m", "simulator", "run", "--node", node, *options, "--", *words]


def run(*words: str, node: str = NODE, options: tuple[str, ...] = ()) -> Ended:
    """Run a program on a node."""
    return subprocess.run(
        command_line(*words, node=node, options=options),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )


def shell(script: str, node: str = NODE, options: tuple[str, ...] = ()) -> Ended:
    return run("sh", "-c", script, node=node, options=options)


def guest(script: str, node: str = NODE, options: tuple[str, ...] = ()) -> Ended:
    """Run a Python program on a node; it knows nothing of any simulator."""
    source = textwrap.dedent(script)
    return run(sys.executable, "-I", "-S", "-c", source, node=node, options=options)


class TestEnding:
    def test_the_exit_status_is_the_commands(self) -> None:
        assert shell("exit 7").returncode == 7

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
    def test_a_signal_that_ends_the_command_ends_the_run(self, number: int) -> None:
        assert shell(f"kill -{number} $$").returncode == -number

    def test_a_command_that_is_not_there(self) -> None:
        ended = run("./nowhere")
        assert (ended.returncode, ended.stderr) == (
            127,
            "vzcptsim: ./nowhere: No such file or directory\n",
        )

    def test_a_command_that_cannot_be_executed(self) -> None:
        assert run("/dev/null").returncode == 126

    def test_no_command(self) -> None:
        ended = run()
        assert (ended.returncode, ended.stderr) == (1, "vzcptsim: run: no command after --\n")

    def test_what_is_left_behind_is_ended(self, tmp_path: Path) -> None:
        mark = tmp_path / "pid"
        ended = shell(f"sleep 1000 & echo $! > {mark}")
        assert ended.returncode == 0
        assert not Path("/proc", mark.read_text().strip()).exists()

    def test_a_signal_to_the_run_goes_to_the_command(self, tmp_path: Path) -> None:
        mark = tmp_path / "ready"
        script = f"trap 'echo bye; exit 9' TERM; touch {mark}; while :; do sleep 0.05; done"
        with subprocess.Popen(
            command_line("sh", "-c", script), stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            wait_for(mark.exists)
            process.terminate()
            output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (9, "bye\n")

    def test_the_command_does_not_outlive_a_supervisor_that_is_killed(self, tmp_path: Path) -> None:
        mark = tmp_path / "pid"
        script = f"echo $$ > {mark}.part; mv {mark}.part {mark}; exec sleep 1000"
        with subprocess.Popen(command_line("sh", "-c", script), cwd=ROOT) as process:
            wait_for(mark.exists)
            process.kill()
        command = Path("/proc", mark.read_text().strip())
        wait_for(lambda: not command.exists() or "Z" in (command / "stat").read_text())


def wait_for(condition: object) -> None:
    """Wait until something is so; two minutes are more than a busy machine takes."""
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestFiles:
    def test_what_the_nodes_files_read_as(self) -> None:
        paths = "/proc/cpt /proc/rst /proc/version /proc/vz/version"
        expected = f"{HEADER}{HEADER}Linux version 2.6.32-042stab141.3 (simulated)\n042stab141_3\n"
        assert shell(f"cat {paths}").stdout == expected

    def test_cpuinfo_and_veinfo(self) -> None:
        kernel = load_node(NODE).boot()
        process = SimulatedSyscalls(kernel)
        cpuinfo = process.read(process.open("/proc/cpuinfo", 0), 1 << 20).decode()
        shown = shell("cat /proc/cpuinfo /proc/vz/veinfo").stdout
        assert shown == cpuinfo + kernel.veinfo_text()

    def test_relative_paths_lead_to_the_same_files(self) -> None:
        assert shell("cd /proc && cat cpt ./vz/../rst").stdout == HEADER * 2

    def test_other_files_are_the_machines_own(self, tmp_path: Path) -> None:
        other = tmp_path / "other"
        other.write_text("mine\n")
        assert shell(f"cat {other}; test -e {other}.not || echo none").stdout == "mine\nnone\n"

    def test_who_the_machine_is(self) -> None:
        host = os.uname().nodename
        assert shell("uname -srmn").stdout == f"Linux {host} 2.6.32-042stab141.3 x86_64\n"

    def test_tests_of_files(self) -> None:
        script = """
            test -f /proc/cpt && test -r /proc/cpt && test -w /proc/cpt && echo file
            test -d /proc/vz && test -d /sys/module/ipv6 && echo folders
            test -x /proc/vz && ! test -x /proc/cpt && echo executable
            test -e /proc/vz/cpuid_override || echo no override
            stat -c '%a %u %g %s %h %F' /proc/rst
        """
        expected = "file\nfolders\nexecutable\nno override\n600 0 0 0 1 regular empty file\n"
        assert shell(script).stdout == expected

    def test_a_module_that_is_not_loaded(self) -> None:
        ended = shell("cat /proc/cpt; test -e /proc/rst || echo none", "no-modules.042stab113.5")
        assert ended.stdout == "none\n"
        assert "No such file or directory" in ended.stderr

    def test_a_user_who_is_not_root(self) -> None:
        script = "cat /proc/cpt; test -r /proc/cpt || echo no; cat /proc/vz/version"
        ended = shell(script, options=("--user", "65534"))
        assert ended.stdout == "no\n042stab141_3\n"
        assert "Permission denied" in ended.stderr

    def test_inside_a_container(self) -> None:
        script = "cat /proc/cpt; test -d /proc/vz && ! test -e /proc/bc && echo inside"
        ended = shell(script, options=("--inside", "101"))
        assert ended.stdout == "inside\n"
        assert "No such file or directory" in ended.stderr

    def test_the_override_is_read_and_written(self) -> None:
        script = """
            cat /proc/vz/cpuid_override
            exec 3<>/proc/vz/cpuid_override
            echo '1: 0 0 0 0' >&3; cat /proc/vz/cpuid_override
            (echo garbage > /proc/vz/cpuid_override) 2>/dev/null || echo refused
            cat /proc/vz/cpuid_override
        """
        table = "0x00000001: 0x00000000 0x00000000 0x00000000 0x00000000\n"
        assert shell(script, MASKING_NODE).stdout == f"{table}refused\n{table}"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_a_process_that_gives_up_root_is_nobody_to_the_node(self) -> None:
        ended = run("setpriv", "--reuid=65534", "cat", "/proc/cpt")
        assert "Permission denied" in ended.stderr


class TestCpuid:
    def test_a_leaf_is_read_from_the_device(self) -> None:
        ended = guest("""
            import os, struct
            fd = os.open("/dev/cpu/0/cpuid", os.O_RDONLY)
            print(*map(hex, struct.unpack("4I", os.pread(fd, 16, 0x80000001))))
            print(*map(hex, struct.unpack("4I", os.pread(fd, 16, 0xD | 1 << 32))))
            other = os.open("/proc/self/exe", os.O_RDONLY)
            print(os.pread(other, 16, 0)[:4])
        """)
        assert ended.stdout == ("0x206a1 0x0 0x1 0x28100800\n0x1 0x340 0x0 0x0\nb'\\x7fELF'\n")


class TestOpenFiles:
    def test_a_context_is_the_open_files_whatever_is_duplicated_or_inherited(self) -> None:
        ended = guest(f"""
            import fcntl, os
            first = os.open("/proc/cpt", os.O_RDWR)
            fcntl.ioctl(first, {Request.SET_VEID:#x}, 101)
            second = os.dup(first)
            os.close(first)
            other = os.open("/proc/cpt", os.O_RDWR)
            if os.fork() == 0:
                print(fcntl.ioctl(second, {Request.TEST_VECAPS:#x}, 235042207), flush=True)
                os._exit(0)
            os.wait()
            print(open("/proc/cpt").read().count("\\n"))
            os.close(second)
            print(open("/proc/cpt").read().count("\\n"))
            try:
                fcntl.ioctl(other, {Request.TEST_VECAPS:#x}, 0)
            except OSError as error:
                print(error.errno)
        """)
        assert (ended.stdout, ended.stderr) == ("0\n2\n1\n22\n", "")

    def test_an_open_file_shows_what_there_is_by_now(self) -> None:
        ended = guest(f"""
            import fcntl, os
            device = os.open("/proc/cpt", os.O_RDWR)
            listing = open("/proc/cpt")
            fcntl.ioctl(device, {Request.SET_VEID:#x}, 7)
            print(listing.read().split()[-2:])
        """)
        assert ended.stdout == "['7', '0']\n"

    def test_a_full_table_of_open_files_is_emfile(self) -> None:
        ended = guest("""
            import os, resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
            taken = []
            try:
                while True:
                    taken.append(os.open("/proc/cpt", os.O_RDWR))
            except OSError as error:
                print(error.errno)
            for fd in taken:
                os.close(fd)
            print(open("/proc/cpt").read() == open("/proc/rst").read())
        """)
        assert ended.stdout == "24\nTrue\n"

    def test_a_thousand_questions_at_once(self) -> None:
        ended = guest(f"""
            import fcntl, os, struct, threading
            wrong = []
            def ask(number):
                for one in range(4):
                    ctid = 101 + (number + one) % 5
                    fd = os.open("/proc/cpt", os.O_RDWR)
                    fcntl.ioctl(fd, {Request.SET_VEID:#x}, ctid)
                    result = fcntl.ioctl(fd, {Request.TEST_VECAPS:#x}, 0)
                    if result != (5 if ctid == 105 else 1):
                        wrong.append((ctid, result))
                    os.close(fd)
            for process in range(16):
                if os.fork() == 0:
                    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
                    for thread in threads: thread.start()
                    for thread in threads: thread.join()
                    os._exit(bool(wrong))
            print(sum(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(16)))
            print(open("/proc/cpt").read(), end="")
        """)
        assert (ended.stdout, ended.stderr) == (f"0\n{HEADER}", "")


#: Every way to spell the system calls, which a libc chooses among.
SPELLINGS = """
    import ctypes, errno, os, struct
    libc = ctypes.CDLL(None, use_errno=True)
    def call(*words):
        result = libc.syscall(*words)
        return result if result >= 0 else -ctypes.get_errno()
    AT_FDCWD, path, missing = -100, b"/proc/cpt", b"/proc/vz/nothing"
    buffer = ctypes.create_string_buffer(512)
    how = struct.pack("=QQQ", os.O_RDWR, 0, 0)
    def mode(): return struct.unpack_from("I", buffer, 24)[0]
    print(call(2, path, os.O_RDWR) > 2, call(257, AT_FDCWD, path, 2) > 2)
    print(call(437, AT_FDCWD, path, how, 24) > 2, call(2, missing, 0))
    print(call(4, path, buffer), oct(mode()), call(6, path, buffer), oct(mode()))
    print(call(262, AT_FDCWD, path, buffer, 0), oct(mode()), call(4, missing, buffer))
    print(call(332, AT_FDCWD, path, 0, 0x7FF, buffer), oct(struct.unpack_from("H", buffer, 28)[0]))
    print(call(21, path, os.R_OK), call(269, AT_FDCWD, path, os.X_OK))
    print(call(439, AT_FDCWD, path, os.W_OK, 0), call(21, missing, 0))
    print(call(4, path, 1), call(4, 1, buffer), call(4, None, buffer), call(63, 1))
    folder = os.open("/proc", os.O_RDONLY)
    print(call(262, folder, b"cpt", buffer, 0), call(262, 99, b"cpt", buffer, 0))
    print(call(4, b"/" + b"x" * 5000, buffer), call(262, folder, b"", buffer, 0x1000))
    print(call(16, folder, 0x2D05, 0), call(16, 99, 0x2D05, 0))
"""


def test_every_spelling_of_a_system_call_is_answered() -> None:
    ended = guest(SPELLINGS)
    assert (ended.stdout, ended.stderr) == (
        "True True\n"
        "True -2\n"
        "0 0o100600 0 0o100600\n"
        "0 0o100600 -2\n"
        "0 0o100600\n"
        "0 -13\n"
        "0 -2\n"
        "-14 -14 -14 -14\n"
        "0 -9\n"
        "-36 0\n"
        "-25 -9\n",
        "",
    )


RAW_C = r"""
/* Make raw requests of a device, and print what comes of each; nothing of a libc is used. */
typedef long word;
#ifdef __x86_64__
enum { WRITE = 1, OPEN = 2, IOCTL = 16, EXIT = 60, STAT = 4 };
static word call(word n, word a, word b, word c) {
    word r;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return r;
}
#else
enum { WRITE = 4, OPEN = 5, IOCTL = 54, EXIT = 1, STAT = 195 };
static word call(word n, word a, word b, word c) {
    word r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
#endif
static void print(word n) {
    char text[24]; int at = 24; unsigned long u = n < 0 ? -n : n;
    text[--at] = '\n';
    do text[--at] = '0' + u % 10; while (u /= 10);
    if (n < 0) text[--at] = '-';
    call(WRITE, 1, (word)(text + at), 24 - at);
}
struct request { unsigned int number; long long argument; };
static const struct request requests[] = { REQUESTS };
static unsigned int vecaps[2];
static char stat[256];
void start(void) {
    word fd = call(OPEN, (word)DEVICE, 2, 0);
    print(fd < 0 ? fd : 0);
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        word argument = (word)requests[i].argument;
        if (argument == 0x7654321) {
            vecaps[0] = 0; vecaps[1] = 0xdeadbeef;
            argument = (word)vecaps;
        }
        print(call(IOCTL, fd, (word)requests[i].number, argument));
    }
    print(vecaps[1]);
    print(call(STAT, (word)DEVICE, (word)stat, 0));
    print(*(unsigned int *)(stat + (sizeof(word) == 8 ? 24 : 16)));
    call(EXIT, 0, 0, 0);
}
void _start(void);
__asm__(".globl _start\n_start:\n"
#ifdef __x86_64__
        "and $-16, %rsp\n"
#endif
        "call start\n");
"""

#: Every request in turn on one open file, in an order that leaves something to answer.
ARGUMENTS = [
    *((request, 0) for request in (Request.TEST_CAPS, Request.TEST_VERSION)),
    (Request.TEST_VERSION, 2051),
    (Request.TEST_VERSION, -1),
    (Request.JOIN_CONTEXT, 777),
    (Request.PUT_CONTEXT, 0),
    (Request.GET_CONTEXT, 5),
    (Request.SET_ERRORFD, 2),
    (Request.SET_ERRORFD, -1),
    (Request.TEST_VECAPS, 0),
    (Request.SET_VEID, 107),
    (Request.TEST_VECAPS, 0),
    (Request.TEST_VECAPS, 235042207),
    (Request.TEST_VECAPS2, 1),
    (Request.TEST_VECAPS2, 0x7654321),
    (Request.SET_VEID, 112),
    (Request.TEST_VECAPS, 0),
    (Request.SET_LAZY, 1),
    (Request.SET_VEID, 102),
    (Request.SUSPEND, 0),
    (Request.SET_VEID, 1),
    (Request.DUMP, 0),
    (Request.RESUME, 0),
    (Request.KILL, 0),
    (Request.UNDUMP, 0),
    (Request.GET_CONTEXT, 6),
    (0x2D63, 0),
    (0x2D04, 101),
]


@pytest.mark.skipif(not shutil.which("gcc"), reason="there is no gcc here")
@pytest.mark.parametrize(("bits", "option"), [(64, "-m64"), (32, "-m32")])
@pytest.mark.parametrize("device", ["/proc/cpt", "/proc/rst"])
def test_raw_requests_of_a_static_program(
    device: str, bits: int, option: str, tmp_path: Path
) -> None:
    source, program = tmp_path / "raw.c", tmp_path / "raw"
    source.write_text(RAW_C)
    requests = ", ".join(f"{{{number:#x}u, {argument}LL}}" for number, argument in ARGUMENTS)
    flags = ["-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic"]
    defines = [f'-DDEVICE="{device}"', f"-DREQUESTS={requests}"]
    subprocess.run(["gcc", option, *flags, *defines, "-o", program, source], check=True)

    ended = run(str(program))

    results, diagnostics = answers(device, bits)
    assert [int(line) for line in ended.stdout.split()] == results
    assert ended.stderr == diagnostics


def answers(device: str, bits: int) -> tuple[list[int], str]:
    """Make the same requests of the same node in this process."""
    process = SimulatedSyscalls(load_node(NODE).boot(), pointer_bits=bits)
    reader, writer = process.pipe()
    process.set_nonblocking(reader)
    fd = process.open(device, os.O_RDWR)
    vecaps = bytearray(8)
    results = [0]
    for number, argument in ARGUMENTS:
        given: int | bytearray = (
            writer if (number, argument) == (Request.SET_ERRORFD, 2) else argument
        )
        if argument == 0x7654321:
            vecaps[4:] = (0xDEADBEEF).to_bytes(4, "little")
            given = vecaps
        try:
            results.append(process.ioctl(fd, number, given))
        except OSError as error:
            results.append(-(error.errno or 0))
    features = int.from_bytes(vecaps[4:], "little", signed=bits == 32)  # printed as a long
    results += [features, 0, 0o100600]
    try:
        return results, process.read(reader, 1 << 16).decode()
    except BlockingIOError:
        return results, ""


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ("run.install_filter = refuse", "no filter: Function not implemented; this takes Linux"),
        ("run.install_filter = None", "no filter: it ended; this takes Linux"),
        ("run._become = lambda *_, **__: os._exit(3)", "no filter: it ended; this takes Linux"),
    ],
)
def test_a_kernel_that_refuses_the_filter_is_said(broken: str, says: str) -> None:
    script = f"""
        import os, sys
        from simulator import cli, run
        def refuse(*_):
            raise OSError(38, "Function not implemented")
        {broken}
        sys.exit(cli.main(["run", "--node", "{NODE}", "--", "true"]))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vzcptsim: {says} 5.9 or later")


def test_the_drop_in_tool_is_none_the_wiser() -> None:
    ended = run(sys.executable, "-m", "vzcptcheck", "caps", "107", "235042207")
    assert ended.returncode == 2
    assert "scheduler policy is not supported 1/" in ended.stderr


def test_json_is_what_the_driver_of_the_matrix_speaks() -> None:
    ended = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "run_on_nodes.py")],
        input=json.dumps([[NODE, [["version"], ["caps", "101", "0"]]]]),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    (version, caps) = json.loads(ended.stdout)[NODE]
    assert version == [0, "2051\n", ""]
    assert caps[:2] == [2, ""]
