"""Any program on a simulated node: vzcptsim run, with real processes."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from simulator.kernel.calls import Request
from simulator.kernel.tree import DEBUG_CPT
from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from support.needed import needs
from support.running import (
    HEADER,
    LISTING,
    MASKING_NODE,
    NODE,
    ROOT,
    UNMEASURED,
    Ended,
    command_line,
    commands_on_nodes,
    finish,
    guest,
    has_ended,
    run,
    shell,
    succeed,
    supervise,
    wait_for,
)
from support.simulated_nodes import cpu
from support.simulated_profiles import WORDS, encoded, good_document, rows_of


class TestEnding:
    @pytest.mark.parametrize(
        ("script", "status"),
        [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM), ("kill -KILL $$", -signal.SIGKILL)],
    )
    def test_the_status_or_the_signal_is_the_commands(self, script: str, status: int) -> None:
        assert shell(script).returncode == status

    @pytest.mark.parametrize(
        ("words", "status", "says"),
        [
            (["./nowhere"], 127, "vzcptsim: ./nowhere: No such file or directory\n"),
            (["/dev/null"], 126, "vzcptsim: /dev/null: Permission denied\n"),
            ([], 1, "vzcptsim: run: no command after --\n"),
        ],
    )
    def test_what_cannot_be_executed(self, words: list[str], status: int, says: str) -> None:
        ended = run(*words)
        assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", says)

    def test_what_is_left_behind_is_ended(self, tmp_path: Path) -> None:
        mark = tmp_path / "pid"
        ended = shell(f"sleep 1000 & echo $! > {mark}")
        assert ended.returncode == 0
        assert not Path("/proc", mark.read_text().strip()).exists()

    @pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
    def test_standard_files_may_be_closed(self, closed: str, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        command = command_line("sh", "-c", f"cat /proc/cpt > {mark}; exit 5")
        assert through_shell(f'exec "$@" {closed}', *command).returncode == 5
        assert mark.read_text() == LISTING

    def test_what_is_wrong_with_the_command_shows_in_its_status_at_least(self) -> None:
        assert through_shell('exec "$@" 2>&-', *command_line("./nowhere")).returncode == 127

    def test_a_run_inside_of_a_run_says_in_a_line_why_it_cannot(self) -> None:
        ended = run(*command_line("true"))
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
        assert ended.stderr.startswith("vzcptsim: no filter: Device or resource busy; ")
        assert "none inside of another vzcptsim run" in ended.stderr


def through_shell(script: str, *words: str) -> Ended:
    """Run a command by a shell script, which has it as its arguments."""
    return finish(["sh", "-c", script, "sh", *words])


class TestSignals:
    @pytest.mark.parametrize(
        "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
    )
    def test_one_that_asks_for_something_goes_on(self, number: int, tmp_path: Path) -> None:
        mark = tmp_path / "ready"
        script = f"trap 'echo bye; exit 9' {number}; touch {mark}; while :; do sleep 0.05; done"
        with subprocess.Popen(
            command_line("sh", "-c", script), stdout=subprocess.PIPE, text=True, cwd=ROOT
        ) as process:
            wait_for(mark.exists)
            process.send_signal(number)
            output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (9, "bye\n")

    def test_an_interrupt_from_the_terminal_is_the_commands_affair(self, tmp_path: Path) -> None:
        ready, seen, end = (tmp_path / name for name in ("ready", "seen", "end"))
        script = f"""
            trap 'touch {seen}' INT; touch {ready}
            until test -e {end}; do sleep 0.05; done; cat /proc/vz/version; exit 3
        """
        with subprocess.Popen(
            command_line("sh", "-c", script),
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        ) as process:
            wait_for(ready.exists)
            os.killpg(process.pid, signal.SIGINT)
            wait_for(seen.exists)
            end.touch()
            output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (3, "042stab141_3\n")

    @pytest.mark.parametrize(
        ("script", "status", "said"),
        [
            ("trap 'echo caught; exit 5' INT; touch $READY; while :; do sleep 0.05; done", 5, 1),
            ("sh -c 'touch $READY; exec sleep 1000'; echo caught", -signal.SIGINT, 0),
            ("ssh dest 'touch '$READY'; exec sleep 1000'; echo caught", -signal.SIGINT, 0),
        ],
    )
    def test_an_interrupt_to_the_supervisor_alone_is_as_one_of_the_terminals(
        self, script: str, status: int, said: int, tmp_path: Path
    ) -> None:
        """All programs get it: a shell that waits for another ends if that was interrupted."""
        ready = tmp_path / "ready"
        options = ("--node-for", f"dest={NODE}") if "ssh" in script else ()
        command = command_line("bash", "-c", script, options=options)
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**os.environ, "READY": str(ready)},
        ) as process:
            wait_for(ready.exists)
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=60)
        assert (process.returncode, output) == (status, "caught\n" * said)

    def test_an_interrupt_that_is_ignored_stays_so(self) -> None:
        command = command_line("grep", "SigIgn", "/proc/self/status")
        ended = through_shell("trap '' INT; exec \"$@\"", *command)
        assert int(ended.stdout.split()[1], 16) >> signal.SIGINT - 1 & 1


#: A tree of three: the command, which writes its number, one that it waits for, and a daemon: a
#: grandchild in a session of its own whose parent is gone.
THREE = """
    cd {folder}
    note() {{ echo $1 > $2.part; mv $2.part $2; }}
    setsid -f sh -c 'echo $$ > daemon.part; mv daemon.part daemon; exec sleep 1000'
    sleep 1000 & note $! child
    note $$ command
    wait
"""


class TestKilling:
    @pytest.fixture
    def three(self, tmp_path: Path) -> Mapping[str, Path]:
        return {name: tmp_path / name for name in ("command", "child", "daemon")}

    @pytest.mark.parametrize("killed", ["supervisor", "keeper"])
    def test_nobody_of_the_tree_outlives_who_is_over_it(
        self, killed: str, three: Mapping[str, Path], tmp_path: Path
    ) -> None:
        script = THREE.format(folder=tmp_path)
        with subprocess.Popen(command_line("sh", "-c", script), cwd=ROOT) as process:
            wait_for(lambda: all(mark.exists() for mark in three.values()))
            tree = [int(mark.read_text()) for mark in three.values()]
            [keeper] = children_of(process.pid)
            assert not any(map(has_ended, tree))
            os.kill(process.pid if killed == "supervisor" else keeper, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        wait_for(lambda: all(map(has_ended, [*tree, keeper])))


def children_of(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


#: What a shell prints on NODE; its folder has a file ``other``.
READING = {
    "text": (
        "cat /proc/cpt /proc/rst /proc/version /proc/vz/version",
        f"{LISTING}{HEADER}Linux version 2.6.32-042stab141.3 (simulated) #1 SMP\n042stab141_3\n",
    ),
    "relative paths": ("cd /proc && cat cpt ./vz/../rst", LISTING + HEADER),
    "the machine's own": (
        "cat $FOLDER/other; test -e $FOLDER/other.not || echo none",
        "mine\nnone\n",
    ),
    "uname": ("uname -srmn", f"Linux {os.uname().nodename} 2.6.32-042stab141.3 x86_64\n"),
    "tests": (
        """
        test -f /proc/cpt && test -r /proc/cpt && test -w /proc/cpt && echo file
        test -d /proc/vz && test -d /sys/module/ipv6 && echo folders
        test -x /proc/vz && ! test -x /proc/cpt && echo executable
        test -e /proc/vz/cpuid_override || echo no override
        stat -c '%a %u %g %s %h %F' /proc/rst
        """,
        "file\nfolders\nexecutable\nno override\n600 0 0 0 1 regular empty file\n",
    ),
    "inodes": (
        "diff -q /proc/cpt /proc/version; test /proc/cpt -ef /proc/rst || echo two",
        "Files /proc/cpt and /proc/version differ\ntwo\n",
    ),
    "copies": (
        "cp -r /proc/vz $FOLDER; cat $FOLDER/vz/version; cp /proc/cpt /dev/fd/1",
        f"042stab141_3\n{LISTING}",
    ),
}

#: Node, options, a script, what it prints, and what is wrong.
NOT_SEEN: dict[str, tuple[str, tuple[str, ...], str, str, str]] = {
    "a module that is not loaded": (
        "no-modules.042stab113.5",
        (),
        "cat /proc/cpt; test -e /proc/rst || echo none",
        "none\n",
        "No such file or directory",
    ),
    "a user who is not root": (
        NODE,
        ("--user", "65534"),
        "cat /proc/cpt; test -r /proc/cpt || echo no; cat /proc/vz/version",
        "no\n042stab141_3\n",
        "Permission denied",
    ),
    "inside a container": (
        NODE,
        ("--inside", "101"),
        "cat /proc/cpt; test -d /proc/vz && ! test -e /proc/bc && echo inside",
        "inside\n",
        "No such file or directory",
    ),
}


class TestFiles:
    @pytest.mark.parametrize("name", READING)
    def test_a_shell_reads_the_nodes_files(self, name: str, tmp_path: Path) -> None:
        script, stdout = READING[name]
        (tmp_path / "other").write_text("mine\n")
        ended = run("sh", "-c", script, environment={"FOLDER": str(tmp_path)})
        assert (ended.stdout, ended.stderr) == (stdout, "")

    @pytest.mark.parametrize("name", NOT_SEEN)
    def test_where_a_file_is_not_there_or_not_allowed(self, name: str) -> None:
        node, options, script, stdout, says = NOT_SEEN[name]
        ended = shell(script, node, options)
        assert ended.stdout == stdout
        assert says in ended.stderr

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

    def test_cpuinfo_and_veinfo(self) -> None:
        kernel = load_node(NODE).boot()
        process = SimulatedSyscalls(kernel)
        cpuinfo = process.read(process.open("/proc/cpuinfo", 0), 1 << 20).decode()
        shown = shell("cat /proc/cpuinfo /proc/vz/veinfo").stdout
        assert shown == cpuinfo + kernel.veinfo_text()

    def test_asking_whether_it_is_a_terminal_makes_a_context(self) -> None:
        """Recorded: Python's open() asks that, os.open() does not."""
        ended = guest("""
            import os
            def contexts():
                fd = os.open("/proc/cpt", os.O_RDONLY)
                print(os.read(fd, 4096).count(b"\\n"))
                os.close(fd)
            contexts()
            with open("/proc/cpt"):
                contexts()
            contexts()
        """)
        before, during, after = map(int, ended.stdout.split())
        assert (during, after) == (before + 1, before)

    def test_a_sysctl_is_written_and_reads_back(self) -> None:
        ended = run("sh", "-c", f"f={DEBUG_CPT}; cat $f; echo 0 >$f; cat $f; echo x >$f")
        assert ended.stdout == "1\n0\n"
        assert "Invalid argument" in ended.stderr or "I/O error" in ended.stderr  # dash, bash

    def test_the_kernels_log_has_what_was_refused(self) -> None:
        asking = f"{sys.executable} -m vzcptcheck caps 102 0 2>/dev/null"
        ended = run("sh", "-c", f"{asking}; cat /dev/kmsg")
        lines = ended.stdout.splitlines()
        assert all(line.startswith("CPT ERR: ffff8800") for line in lines)
        assert lines[0].endswith(",102 :Destination cpu does not have cmov")
        assert len(lines) == len(set(lines)) > 5

    @pytest.mark.parametrize("node", [NODE, MASKING_NODE])
    def test_writing_to_a_file_that_takes_none_is_refused(self, node: str) -> None:
        ended = guest(
            """
            import os
            for path in ("/proc/cpt", "/proc/rst", "/proc/vz/version"):
                before = open(path).read()
                for flags in (os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
                    fd = os.open(path, flags)
                    for write in (lambda: os.write(fd, b"x"), lambda: os.pwrite(fd, b"x", 0)):
                        try:
                            write()
                        except OSError as error:
                            print(error.errno)
                print(open(path).read() == before)
            """,
            node,
        )
        # Only write() itself is the node's to answer; the file behind refuses all other ways.
        answers = f"{errno.EIO}\n{errno.EPERM}\n" * 3 + "True\n"
        assert (ended.stdout, ended.stderr) == (answers * 3, "")

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_a_process_that_gives_up_root_is_nobody_to_the_node(self) -> None:
        ended = run("setpriv", "--reuid=65534", "cat", "/proc/cpt")
        assert "Permission denied" in ended.stderr

    def test_a_process_that_gives_up_root_on_its_own_is_nobody_too(self) -> None:
        ended = guest("""
            import os
            if os.getuid() == 0:
                os.setuid(65534)
            print(os.access("/proc/cpt", os.R_OK), os.access("/proc/vz/version", os.R_OK))
        """)
        assert ended.stdout == f"{os.getuid() != 0} True\n"

    def test_a_name_that_a_node_is_given_is_what_uname_says(self) -> None:
        ended = supervise("""
            with Runner() as runner:
                tree = runner.start(Place(kernel, hostname="there"), Program(("uname", "-nr")))
                runner.serve_until_ended(tree)
        """)
        assert ended.stdout == "there 2.6.32-042stab141.3\n"

    def test_at_a_door_there_is_what_its_function_opens(self, tmp_path: Path) -> None:
        (tmp_path / "behind").write_text("behind\n")
        ended = supervise(f"""
            doors = {{"/nowhere/door": lambda _: os.open("{tmp_path}/behind", os.O_RDONLY)}}
            with Runner() as runner:
                command = ("cat", "/nowhere/../nowhere/door")
                runner.serve_until_ended(runner.start(Place(kernel, doors=doors), Program(command)))
        """)
        assert (ended.stdout, ended.stderr) == ("behind\n", "")


class TestOrdinaryUsers:
    def test_who_runs_programs_is_root_to_the_node_and_all_works(self) -> None:
        question = """
            exec 3<> /proc/cpt; cat <&3; cat < /proc/vz/version; ls /proc/vz
            test -w /proc/cpt && echo writable; stat -c %u /proc/cpt; uname -r; exit 7
        """
        script = f"""
            import pathlib, tempfile  # Python itself may lie where only root reads.
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            print(session.run(kernel, ["/bin/cat", "/proc/cpt"]), flush=True)
            print(session.run(kernel, ["/bin/sh", "-c", {question!r}]), flush=True)
        """
        ended = supervise(script, UNMEASURED)
        assert (ended.stdout, ended.stderr) == (
            f"{HEADER}0\n{HEADER}042stab141_3\nveinfo\nveip\nversion\n"
            f"writable\n0\n2.6.32-042stab141.3\n{7 << 8}\n",
            "",
        )


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

    @pytest.mark.parametrize("read", ["os.read(fd, 16)", "os.pread(fd, 16, 0)"])
    def test_a_text_of_the_nodes_is_read_as_far_as_a_leaf_is_long(self, read: str) -> None:
        ended = guest(f"""
            import os
            fd = os.open("/proc/cpt", os.O_RDWR)
            print({read})
        """)
        assert ended.stdout == f"{LISTING[:16].encode()}\n"

    def test_a_leaf_is_read_where_the_device_is_at(self) -> None:
        ended = guest("""
            import os, struct
            fd = os.open("/dev/cpu/0/cpuid", os.O_RDONLY)
            def show():
                print(*map(hex, struct.unpack("4I", os.read(fd, 16))), os.lseek(fd, 0, os.SEEK_CUR))
            show()
            show()
            show()
            os.lseek(fd, 0xD | 1 << 32, os.SEEK_SET)
            show()
            copy = os.dup(fd)
            os.lseek(copy, 0x80000001, os.SEEK_SET)
            show()
            other = os.open("/proc/self/exe", os.O_RDONLY)
            print(os.read(other, 16)[:4], len(os.read(fd, 17)))
        """)
        assert ended.stdout.splitlines() == [
            "0xd 0x756e6547 0x6c65746e 0x49656e69 1",
            "0x206a1 0x800 0x9e982203 0x78bfbfd 2",
            "0x0 0x0 0x0 0x0 3",  # Leaf 2 was not recorded.
            f"0x1 0x340 0x0 0x0 {0xE | 1 << 32}",
            f"0x206a1 0x0 0x1 0x28100800 {0x80000002}",
            "b'\\x7fELF' 0",
        ]

    def test_each_processor_has_registers_of_its_own(self, tmp_path: Path) -> None:
        ended = guest(READ_PROCESSORS, str(two_cpus(tmp_path)))
        assert ended.stdout == f"{FIRST_CPU}\n{OTHER_CPU}\n{FIRST_CPU}\nnone\n"


FIRST_CPU, OTHER_CPU = (dict(cpu(*words).items())[1, 0] for words in (WORDS, WORDS[:7]))

#: What has registers is shown as (eax, ebx, ecx, edx) of leaf 1.
READ_PROCESSORS = """
    import os, struct
    for number in (3, 4, 8, 9):
        try:
            fd = os.open(f"/dev/cpu/{number}/cpuid", os.O_RDONLY)
        except FileNotFoundError:
            print("none")
        else:
            names = ("eax", "ebx", "ecx", "edx")
            values = struct.unpack("4I", os.pread(fd, 16, 1))
            print("Registers(%s)" % ", ".join(f"{n}={v}" for n, v in zip(names, values)))
"""


def two_cpus(folder: Path) -> Path:
    """Write a profile: processors 0 to 3 and 8 are of one kind, 4 to 7 of a lesser one."""
    document = good_document()
    document["cpus"][1]["cpuid"] = rows_of(cpu(*WORDS[:7]))
    profile = folder / "two-cpus.json"
    profile.write_bytes(encoded(document))
    return profile


class TestFolders:
    @pytest.mark.parametrize(
        ("node", "script", "shown"),
        [
            (
                NODE,
                "ls /proc/vz; echo /proc/vz/*",
                "veinfo\nveip\nversion\n/proc/vz/veinfo /proc/vz/veip /proc/vz/version\n",
            ),
            (
                MASKING_NODE,
                "ls -p /proc/vz /proc/bc /sys/module/ipv6",
                "/proc/bc:\n\n/proc/vz:\ncpuid_override\nveinfo\nveip\nversion\n\n/sys/module/ipv6:\n",
            ),
        ],
    )
    def test_their_files_are_listed(self, node: str, script: str, shown: str) -> None:
        assert shell(script, node).stdout == shown

    def test_processors_are_listed(self, tmp_path: Path) -> None:
        shown = shell("ls -p /dev/cpu; find /dev/cpu/4", str(two_cpus(tmp_path))).stdout
        numbers = [f"{number}/" for number in range(9)]
        assert shown.split() == [*numbers, "/dev/cpu/4", "/dev/cpu/4/cpuid"]

    def test_inside_a_container_only_what_containers_see(self) -> None:
        options = ("--inside", "102")
        ended = shell("ls /proc/vz; ls /proc/bc /dev/cpu", NODE, options)
        assert ended.stdout == "veinfo\nversion\n"
        assert ended.stderr.count("No such file or directory") == 2

    def test_an_open_one_leads_to_the_nodes_files(self) -> None:
        ended = guest("""
            import os
            folder = os.open("/proc/vz", os.O_RDONLY | os.O_DIRECTORY)
            def read(path):
                fd = os.open(path, os.O_RDONLY, dir_fd=folder)
                return os.read(fd, 100)
            print(os.listdir(folder) == os.listdir("/proc/vz"))
            print(read("version"), read("../vz/version"), read("../cpt"))
            print(os.stat("version", dir_fd=folder).st_size)
            os.fchdir(folder)
            print(open("version").read(), os.path.exists("cpuid_override"))
        """)
        assert (ended.stdout, ended.stderr) == (
            f"True\nb'042stab141_3\\n' b'042stab141_3\\n' {LISTING.encode()}\n0\n"
            "042stab141_3\n False\n",
            "",
        )

    @pytest.mark.parametrize("options", [(), ("--user", "65534")])
    def test_they_are_not_written(self, options: tuple[str, ...]) -> None:
        ended = guest(
            """
            import os
            for path, flags in [
                ("/proc/vz", os.O_WRONLY),
                ("/dev/cpu/0", os.O_RDWR),
                ("/proc/vz/version", os.O_DIRECTORY),
                ("/proc/vz/nothing", os.O_DIRECTORY),
            ]:
                try:
                    os.open(path, flags)
                except OSError as error:
                    print(error.errno)
            """,
            options=options,
        )
        numbers = [errno.EISDIR, errno.EISDIR, errno.ENOTDIR, errno.ENOENT]
        assert list(map(int, ended.stdout.split())) == numbers

    def test_nothing_of_them_is_left_at_the_end(self, tmp_path: Path) -> None:
        script = f"ls /proc/vz > /dev/null; ls {tmp_path}"
        ended = run("sh", "-c", script, environment={"TMPDIR": str(tmp_path)})
        assert ended.stdout.startswith("vzcptsim-")
        assert list(tmp_path.iterdir()) == []


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
            print(os.read(os.open("/proc/cpt", 0), 4096).count(b"\\n"))
            os.close(second)
            print(os.read(os.open("/proc/cpt", 0), 4096).count(b"\\n"))
            try:
                fcntl.ioctl(other, {Request.TEST_VECAPS:#x}, 0)
            except OSError as error:
                print(error.errno)
        """)
        assert (ended.stdout, ended.stderr) == ("0\n3\n2\n22\n", "")

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
            print(os.read(os.open("/proc/cpt", 0), 4096).decode(), end="")
        """)
        assert ended.stdout == f"24\n{LISTING}"

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
            print(os.read(os.open("/proc/cpt", 0), 4096).decode(), end="")
        """)
        assert (ended.stdout, ended.stderr) == (f"0\n{LISTING}", "")


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
    device, vz = os.open(path, os.O_RDWR), os.open("/proc/vz", os.O_RDONLY)
    print(call(5, device, buffer), oct(mode()), call(5, vz, buffer), oct(mode()))
    print(call(262, device, b"", buffer, 0x1000), oct(mode()), call(262, device, b"", buffer, 0))
    print(call(332, vz, b"", 0x1000, 0x7FF, buffer), oct(struct.unpack_from("H", buffer, 28)[0]))
    print(call(5, 99, buffer), call(5, 0, buffer), call(262, 99, b"", buffer, 0x1000))
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
    expected = """
        True True
        True -2
        0 0o100600 0 0o100600
        0 0o100600 -2
        0 0o100600 0 0o40555
        0 0o100600 -2
        0 0o40555
        -9 0 -9
        0 0o100600
        0 -13
        0 -2
        -14 -14 -14 -14
        0 -9
        -36 0
        -25 -9
    """
    assert (ended.stdout.split("\n"), ended.stderr) == (
        [*map(str.strip, expected.strip().splitlines()), ""],
        "",
    )


RAW_C = ROOT / "tests" / "data" / "raw-requests.c"

#: Every request in turn on one open file, in an order that leaves something to answer.
ARGUMENTS = [
    (Request.TEST_CAPS, 0), (Request.TEST_VERSION, 0), (Request.TEST_VERSION, 2051),
    (Request.TEST_VERSION, -1), (Request.JOIN_CONTEXT, 777), (Request.PUT_CONTEXT, 0),
    (Request.GET_CONTEXT, 5), (Request.SET_ERRORFD, 2), (Request.SET_ERRORFD, -1),
    (Request.TEST_VECAPS, 0), (Request.SET_VEID, 107), (Request.TEST_VECAPS, 0),
    (Request.TEST_VECAPS, 235042207), (Request.TEST_VECAPS2, 1), (Request.TEST_VECAPS2, 0x7654321),
    (Request.SET_VEID, 112), (Request.TEST_VECAPS, 0), (Request.SET_LAZY, 1),
    (Request.SET_VEID, 102), (Request.SUSPEND, 0), (Request.SET_VEID, 1), (Request.DUMP, 0),
    (Request.RESUME, 0), (Request.KILL, 0), (Request.UNDUMP, 0), (Request.GET_CONTEXT, 6),
    (0x2D63, 0), (0x2D04, 101),
]  # fmt: skip


@needs("gcc")
@pytest.mark.parametrize(("bits", "option"), [(64, "-m64"), (32, "-m32")])
@pytest.mark.parametrize("device", ["/proc/cpt", "/proc/rst"])
def test_raw_requests_of_a_static_program(
    device: str, bits: int, option: str, tmp_path: Path
) -> None:
    program = tmp_path / "raw"
    requests = ", ".join(f"{{{number:#x}u, {argument}LL}}" for number, argument in ARGUMENTS)
    flags = ["-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pic"]
    defines = [f'-DDEVICE="{device}"', f"-DREQUESTS={requests}"]
    succeed(["gcc", option, *flags, *defines, "-o", program, RAW_C])

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
        given: int | bytearray = argument
        if (number, argument) == (Request.SET_ERRORFD, 2):
            given = writer
        elif argument == 0x7654321:
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
        ("install_filter = refuse", "Function not implemented"),
        ("install_filter = None", "it ended"),
        ("_become = lambda *_: os._exit(3)", "it ended"),
        ("_keep = lambda *_: os._exit(3)", "it ended"),
    ],
)
def test_a_kernel_that_refuses_the_filter_is_said(broken: str, says: str) -> None:
    script = f"""
        import os, sys
        from simulator import cli
        from simulator.run import program
        def refuse(*_):
            raise OSError(38, "Function not implemented")
        program.{broken}
        sys.exit(cli.main(["run", "--node", "{NODE}", "--", "true"]))
    """
    ended = finish([sys.executable, "-c", textwrap.dedent(script)])
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"vzcptsim: no filter: {says}; this takes Linux 5.9 or later")


def test_the_drop_in_tool_is_none_the_wiser() -> None:
    ended = run(sys.executable, "-m", "vzcptcheck", "caps", "107", "235042207")
    assert ended.returncode == 2
    assert "scheduler policy is not supported 1/" in ended.stderr


def test_json_is_what_the_driver_of_the_matrix_speaks() -> None:
    (version, caps) = commands_on_nodes({NODE: [["version"], ["caps", "101", "0"]]})[NODE]
    assert version == [0, "2051\n", ""]
    assert caps[:2] == [2, ""]
