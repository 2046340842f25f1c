"""Other nodes by an ssh of our own: vzcptsim run --node-for, with real processes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.run import ssh_client
from support.running import (
    LISTING,
    NODE,
    Ended,
    has_ended,
    run,
    shell,
    supervise,
    wait_for,
    write_program,
)
from support.ssh_lab import NEWER, Lab, Said, laboratory

DEST = ("--node-for", f"dest={NEWER}")
DOOR = "ssh_client.socket.socket(fileno=os.open(ssh_client.DOOR, os.O_RDWR))"

#: A shell's function that writes so many x.
XS = "xs() { head -c $1 /dev/zero | tr '\\0' x; }; xs"


@pytest.fixture(scope="module")
def real_ssh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an ssh that stands for the real one: it tells its arguments."""
    folder = tmp_path_factory.mktemp("real")
    return write_program(folder / "ssh", '#!/bin/sh\necho real "$@"\n').parent


@pytest.fixture(scope="module")
def lab(real_ssh: Path) -> Iterator[Lab]:
    with laboratory("--node-for", path=str(real_ssh)) as made:
        yield made


@pytest.fixture(scope="module")
def unmeasured_lab() -> Iterator[Lab]:
    """Start a run without coverage, which takes minutes for hundreds of short processes."""
    with laboratory("--node-for", without={"COVERAGE_PROCESS_CONFIG"}) as made:
        yield made


class TestTheOtherNode:
    @pytest.mark.parametrize(
        ("script", "expected"),
        [
            ("ssh dest uname -nr", "dest 2.6.32-042stab141.3\n"),
            ("ssh old uname -nr", "old 2.6.32-042stab061.9\n"),
            ("ssh OLD uname -nr", "old 2.6.32-042stab061.9\n"),
            ("ssh old cat /proc/vz/version /proc/cpt", f"042stab061_9\n{LISTING}"),
            ("ssh dest ssh old ssh dest uname -n", "dest\n"),
            ("ssh dest 'uname -n; ssh old uname -n; uname -n'", "dest\nold\ndest\n"),
            # It runs in its user's home, as root.
            ("cd /tmp && ssh dest pwd", f"{Path.home()}\n"),
            # Words are joined for the shell there.
            ("ssh dest echo 'a  b' '$((1+2))' ';' uname -n", "a b 3\ndest\n"),
            # A command is as long as a program takes.
            (f'word=$({XS} 131000); ssh dest "echo $word" | wc -c', "131001\n"),
        ],
    )
    def test_the_command_runs_there(self, lab: Lab, script: str, expected: str) -> None:
        assert lab(script).stdout == expected

    def test_what_one_command_leaves_in_the_kernel_the_next_finds(self, lab: Lab) -> None:
        lab("ssh masking \"echo '1: 0 0 0 0' > /proc/vz/cpuid_override\"")
        shown = lab("ssh masking cat /proc/vz/cpuid_override").stdout
        assert shown == "0x00000001: 0x00000000 0x00000000 0x00000000 0x00000000\n"

    def test_its_environment_is_its_accounts_with_language_terminal_path(self, lab: Lab) -> None:
        other = dict.fromkeys(("MINE", "LANGUAGES", "PATHS", "TERMS", "LCX"), "1")
        said = lab("ssh dest env", LANG="C", LC_X="a=b", LANGUAGE="de", **other).stdout
        lines = [line for line in said.splitlines() if not line.startswith("COVERAGE")]
        found = dict(line.split("=", 1) for line in lines)
        of_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
        account = {"HOME", "LOGNAME", "SHELL", "USER"}
        kept = {"LANG", "LC_X", "LANGUAGE", "TERM", "PATH"}
        assert set(found) - of_shell - {"LC_ALL", "LC_CTYPE"} == account | kept
        assert (found["LC_X"], found["TERM"]) == ("a=b", "vt100")

    def test_it_is_of_the_clients_process_group(self, lab: Lab) -> None:
        group = "awk '{ print $5 }' /proc/self/stat"
        here, there = lab(f'{group}; ssh dest "{group.replace("$", chr(92) + "$")}"').stdout.split()
        assert here == there


class TestFiles:
    def test_any_bytes_pass_to_the_end(self, lab: Lab, tmp_path: Path) -> None:
        data = os.urandom(3 << 20)
        (tmp_path / "sent").write_bytes(data)
        said = lab(f"ssh dest cat < {tmp_path}/sent | ssh old cat > {tmp_path}/got")
        assert said.status == 0
        assert (tmp_path / "got").read_bytes() == data

    def test_standard_error_stays_apart(self, lab: Lab) -> None:
        said = lab("ssh dest 'echo out; echo error >&2'")
        assert (said.stdout, said.stderr) == ("out\n", "error\n")

    @pytest.mark.parametrize("option", ["-n", "-nT", "-q -n"])
    def test_with_n_standard_input_is_left_alone(self, lab: Lab, option: str) -> None:
        said = lab(f"ssh {option} dest cat; cat", given="mine")
        assert said.stdout == "mine"

    @pytest.mark.parametrize(
        ("closed", "stdout"), [("<&-", "ok\n"), (">&-", ""), ("2>&-", "ok\n"), ("<&- 2>&-", "ok\n")]
    )
    def test_a_closed_file_is_an_empty_one(self, lab: Lab, closed: str, stdout: str) -> None:
        said = lab(f"ssh dest 'cat && echo ok' {closed}")
        assert (said.status, said.stdout, said.stderr) == (0, stdout, "")


class TestCommands:
    @pytest.mark.parametrize(
        ("script", "status", "says"),
        [
            # What is too long for a program, and for a message.
            (f'word=$({XS} 100000); ssh dest ": $word" "$word"', 126, "Argument list too long"),
            (f"word=$({XS} 120000); ssh dest $(yes $word | head -n 16)", 255, "too long"),
        ],
    )
    def test_a_command_that_is_too_long_is_an_error(
        self, lab: Lab, script: str, status: int, says: str
    ) -> None:
        said = lab(script)
        assert said.status == status
        assert says in said.stderr
        assert said.stderr.startswith("ssh: dest: ") == (status == 255)

    @pytest.mark.parametrize("locale", ["C", "C.UTF-8", "POSIX"])
    def test_a_command_is_of_any_bytes(self, lab: Lab, locale: str) -> None:
        said = lab("ssh dest 'printf %s \xe9\xff\xc3\xa9\n\\\"\x01'", LC_ALL=locale)
        assert said.stdout == "\xe9\xff\xc3\xa9"

    def test_without_a_path(self, lab: Lab) -> None:
        script = "SSH=$(command -v ssh); unset PATH; $SSH dest /bin/uname -n; $SSH -V"
        assert lab(script).stdout.splitlines()[:1] == ["dest"]


class TestStatus:
    @pytest.mark.parametrize(
        ("script", "status"),
        [
            *((f"ssh dest exit {status}", status) for status in (0, 7, 255)),
            # One that a signal ends.
            *((f"ssh dest 'kill -{number} $$'", 255) for number in (9, 15)),
            # An error that nobody reads, and one before -f goes on behind.
            ("ssh nosuchuser@dest true 2>&-", 255),
            ("ssh -f nosuchuser@dest true", 255),
        ],
    )
    def test_it_is_the_commands(self, lab: Lab, script: str, status: int) -> None:
        assert lab(script).status == status

    def test_a_client_that_is_interrupted_says_nothing(self, lab: Lab, tmp_path: Path) -> None:
        pid = tmp_path / "pid"
        interrupt = f"kill -INT $(cat {pid}); sleep 0.1"
        said = lab(f"sh -c 'echo $$ > {pid}; exec ssh dest \"{interrupt}\"'; echo $?")
        assert said.stdout == "130\n"
        assert "Traceback" not in said.stderr


class TestOptions:
    @pytest.mark.parametrize(
        "words",
        [
            "-l root nosuchuser@dest",
            "ssh://root@dest:22",
            "-o BatchMode=yes -oConnectTimeout=1 -p 22 -q -T -x -a dest",
            "-tt -vvv -i /nowhere -F /nowhere dest -q --",
        ],
    )
    def test_what_is_accepted(self, lab: Lab, words: str) -> None:
        said = lab(f"ssh {words} 'uname -n; whoami'")
        assert (said.status, said.stdout, said.stderr) == (0, "dest\nroot\n", "")

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            ("-L 1:h:2 dest", "-L"),
            ("-N dest", "-N"),
            ("-W h:1 -L 1:h:2 dest", "-L -W"),
            ("dest -s sftp", "-s"),
        ],
    )
    def test_what_takes_a_real_sshd(self, lab: Lab, words: str, says: str) -> None:
        text = f"ssh: dest: {says} takes a real sshd: --sshd-for instead of --node-for\n"
        assert lab(f"ssh {words}") == Said(255, "", text)

    def test_with_f_the_command_goes_on_behind(self, lab: Lab, tmp_path: Path) -> None:
        done = tmp_path / "done"
        wait = f"while ! test -e {tmp_path}/go; do sleep 0.01; done"
        script = f"ssh -f dest '{wait}; cat > {done}' >/dev/null 2>&1; echo $?; touch {tmp_path}/go"
        assert lab(script, given="mine").stdout == "0\n"
        wait_for(done.exists)
        assert done.read_text() == ""


LEFT_TO_THE_REAL_ONE = [
    "elsewhere uname -n", "-p 23 root@elsewhere.example true", "ssh://elsewhere:23 -N", "-V",
    "-Q cipher", "-G dest", "-O check dest", "-Z dest", "dest -Z", "-l", "", "@dest true",
    "root@ true", "ssh://dest/path true",
]  # fmt: skip


class TestTheRealSsh:
    @pytest.mark.parametrize("words", LEFT_TO_THE_REAL_ONE)
    def test_what_is_none_of_ours_is_left_to_it_as_it_is(self, lab: Lab, words: str) -> None:
        said = lab(f"ssh {words}")
        assert (said.status, said.stdout) == (0, f"real {words}".strip() + "\n")

    def test_ours_comes_first_and_again_where_a_signal_hid_it(
        self, lab: Lab, real_ssh: Path
    ) -> None:
        first, second, third, *_ = lab("echo $PATH").stdout.split(":")
        assert (first, third) == (second, str(real_ssh))
        assert lab("dirname $(command -v ssh)").stdout == f"{first}\n"
        # However ours is spelled, the real one is the next.
        script = f"PATH=/nowhere:{first}/:{first}/../bin:{real_ssh}; ssh elsewhere"
        assert lab(script).stdout == "real elsewhere\n"


#: Runs a script on a node; accounts that no machine has stand in the user database.
ACCOUNTS = """
    import pwd
    def account(*_):
        return pwd.struct_passwd(("mary", "x", 4242, 4242, "", "/nowhere", {login!r}))
    pwd.getpwnam = account
    pwd.getpwuid = account
    from simulator.profiles.store import load_node
    from simulator.run.session import run
    from simulator.run.ssh import Host
    source, dest = load_node({source!r}).boot(), load_node({dest!r}).boot()
    status = run(source, ["sh", "-c", {script!r}], uid={uid}, hosts=[Host("dest", dest)])
    sys.exit(os.waitstatus_to_exitcode(status))
"""


class TestUsers:
    def as_mary(self, script: str, uid: int | None = None, login: str = "/bin/sh") -> Ended:
        words = {"script": script, "uid": uid, "login": login, "source": NODE, "dest": NEWER}
        return supervise(ACCOUNTS.format(**words))

    @pytest.mark.parametrize(("target", "uid"), [("mary@dest", None), ("dest", 4242)])
    def test_an_ordinary_one_is_not_root_to_the_node(self, target: str, uid: int | None) -> None:
        script = f"ssh {target} 'cat /proc/vz/version; pwd; echo $USER $HOME; cat /proc/cpt'"
        ended = self.as_mary(script, uid)
        assert ended.stdout == "042stab141_3\n/\nmary /nowhere\n"
        assert "Permission denied" in ended.stderr

    @pytest.mark.parametrize(
        ("script", "login", "stdout", "says"),
        [
            ("ssh mary@dest 'echo $SHELL'", "", "/bin/sh\n", ""),
            # Without a command the login shell reads standard input.
            ("echo 'uname -n; exit 5' | ssh mary@dest; echo $?", "/bin/sh", "dest\n5\n", ""),
            (
                "ssh mary@dest true; echo $?",
                "/nowhere/sh",
                "127\n",
                "/nowhere/sh: No such file or directory",
            ),
        ],
        ids=["not said", "no command", "not there"],
    )
    def test_the_login_shell(self, script: str, login: str, stdout: str, says: str) -> None:
        ended = self.as_mary(script, login=login)
        assert ended.stdout == stdout
        assert says in ended.stderr

    def test_one_who_is_not_root_here_may_be_root_there(self) -> None:
        ended = shell("ssh root@dest cat /proc/cpt; cat /proc/cpt", options=(*DEST, "--user=65534"))
        assert ended.stdout == LISTING
        assert "Permission denied" in ended.stderr

    def test_who_has_no_account(self, lab: Lab) -> None:
        text = "ssh: dest: there is no user nosuchuser\n"
        assert lab("ssh nosuchuser@dest true") == Said(255, "", text)
        ended = shell("ssh dest true", options=(*DEST, "--user", "424242"))
        assert ended.returncode == 255
        assert ended.stderr.endswith("\nssh: dest: there is no user 424242\n")


class TestEnds:
    def test_a_client_that_is_killed_hangs_up(self, lab: Lab, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        remote = (
            f'trap "echo hup >> {mark}; exit" HUP; echo on > {mark}; while :; do sleep 0.02; done'
        )
        lab(f"ssh dest '{remote}' & until test -s {mark}; do sleep 0.01; done; kill -9 $!")
        wait_for(lambda: mark.read_text() == "on\nhup\n")

    def test_a_client_killed_before_it_reads_harms_nobody(self, lab: Lab, tmp_path: Path) -> None:
        go = tmp_path / "go"
        remote = f"echo $$ > {tmp_path}/pid; while ! test -e {go}; do sleep 0.01; done"
        lab(f"""
            ssh dest '{remote}' &
            until test -s {tmp_path}/pid; do sleep 0.01; done
            kill -STOP $!; touch {go}
            while test -e /proc/$(cat {tmp_path}/pid); do sleep 0.01; done
            ssh dest true
            kill -KILL $!
        """)
        assert lab("ssh dest uname -n").stdout == "dest\n"
        assert lab.has_nothing_left_open()

    def test_what_a_command_leaves_behind_lives_on_until_the_run_ends(self, tmp_path: Path) -> None:
        left = "sleep 1000 > /dev/null 2>&1 < /dev/null & echo $!"
        script = f"PID=$(ssh dest '{left}'); ssh dest true; kill -0 $PID && echo $PID"
        ended = shell(script, options=DEST)
        assert ended.returncode == 0
        assert has_ended(int(ended.stdout))

    def test_the_run_ends_while_a_client_waits(self, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        remote = f"echo $$ > {mark}; sleep 1000"
        ended = shell(
            f"ssh dest '{remote}' & until test -s {mark}; do sleep 0.01; done", options=DEST
        )
        assert ended.returncode == 0
        assert has_ended(int(mark.read_text()))

    def test_two_hundred_commands_leave_nothing_open(self, unmeasured_lab: Lab) -> None:
        said = unmeasured_lab.python("""
            from simulator.run import ssh_client
            print(sum(ssh_client.main(["", "ssh", "dest", "true"]) for _ in range(200)))
        """)
        assert (said.stdout, said.stderr) == ("0\n", "")
        assert unmeasured_lab.has_nothing_left_open()

    def test_many_at_once(self, unmeasured_lab: Lab) -> None:
        said = unmeasured_lab("for n in $(seq 20); do ssh dest 'uname -n' & done; wait")
        assert said.stdout == "dest\n" * 20


#: What a program of the run may send, with which files, and what it is told.
NO_REQUEST = "this is no request of ssh's"
TOO_MANY = "the request is too long, or there are too many open files"
GARBAGE = {
    "nothing of ours": (b"\xff" * 100, "[0, 1, 2]", NO_REQUEST),
    "too few words": (b"dest\0root", "[0, 1, 2]", NO_REQUEST),
    "no assignment": (b"dest\0root\0true\0\0PATH", "[0, 1, 2]", NO_REQUEST),
    "no files": (b"dest\0root\0true\0", "[]", NO_REQUEST),
    "a file too few": (b"dest\0root\0true\0", "[0, 1]", NO_REQUEST),
    "brackets": (b"[" * 100000, "[0, 1, 2]", NO_REQUEST),
    "a file too many": (b"dest\0root\0true\0", "[0, 1, 2, 0]", TOO_MANY),
    "200 files": (b"dest\0root\0true\0", "[0] * 200", TOO_MANY),
}


class TestTheDoor:
    @pytest.mark.parametrize("name", GARBAGE)
    def test_garbage_is_refused(self, lab: Lab, name: str) -> None:
        message, files, says = GARBAGE[name]
        said = lab.python(f"""
            import os
            from simulator.run import ssh_client
            with {DOOR} as door:
                ssh_client.socket.send_fds(door, [{message!r}], {files})
                print(ssh_client.unpack(door.recv(1000)), door.recv(1000))
        """)
        assert said.stdout == f"{['error', says]} b''\n", said.stderr
        assert lab.has_nothing_left_open()

    def test_a_flood_that_nobody_reads_the_answers_to_harms_nobody(self, lab: Lab) -> None:
        lab.python(f"""
            import os
            from simulator.run import ssh_client
            doors = [{DOOR} for _ in range(50)]
            for door in doors:
                door.setblocking(False)
                try:
                    for _ in range(1000):
                        ssh_client.socket.send_fds(door, [b"x"], [0])
                except OSError:
                    pass
        """)
        assert lab("ssh dest uname -n").stdout == "dest\n"
        assert lab.has_nothing_left_open()

    def test_who_ends_with_an_answer_unread_hangs_up(self, lab: Lab, tmp_path: Path) -> None:
        mark = tmp_path / "mark"
        lab.python(f"""
            import os, time
            from simulator.run import ssh_client
            with {DOOR} as door:
                words = b"dest\\0root\\0echo > {mark}; exec sleep 1000\\0"
                ssh_client.socket.send_fds(door, [words], [os.open(os.devnull, os.O_RDWR)] * 3)
                while not os.path.exists({str(mark)!r}):
                    time.sleep(0.01)
        """)
        assert mark.exists()
        assert lab.has_nothing_left_open()

    def test_a_second_request_hangs_up(self, lab: Lab) -> None:
        said = lab.python(f"""
            import os
            from simulator.run import ssh_client
            with {DOOR} as door:
                for _ in range(2):
                    words = b"dest\\0root\\0sleep 1000\\0"
                    ssh_client.socket.send_fds(door, [words], [0, 1, 2])
                print(door.recv(1000), door.recv(1000))
        """)
        assert said.stdout == "b'started' b''\n"

    @pytest.mark.parametrize("flags", ["<", ">", "<>"])
    def test_it_opens_in_any_way(self, lab: Lab, flags: str) -> None:
        assert lab(f"exec 3{flags} {ssh_client.DOOR} && echo open").stdout == "open\n"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
    def test_another_real_user_is_not_let_in(self, lab: Lab) -> None:
        said = lab(f"setpriv --reuid=65534 sh -c 'exec 3<> {ssh_client.DOOR}'")
        assert said.status != 0
        assert "Permission denied" in said.stderr

    def test_without_other_nodes_there_is_none(self) -> None:
        assert "No such file" in run("ls", ssh_client.DOOR).stderr

    def test_a_node_that_cannot_be_started_is_told(self) -> None:
        ended = supervise(f"""
            from simulator.profiles.store import load_node
            from simulator.run.session import run
            from simulator.run.ssh import Host
            start = Runner.start
            def start_one(self, *words):
                Runner.start = refuse
                return start(self, *words)
            def refuse(*_):
                raise trees.RunError("there is no process left")
            Runner.start = start_one
            source = load_node({NODE!r}).boot()
            status = run(source, ["sh", "-c", "ssh dest true"], hosts=[Host("dest", source)])
            sys.exit(os.waitstatus_to_exitcode(status))
        """)
        text = "ssh: dest: there is no process left\n"
        assert (ended.returncode, ended.stderr) == (255, text)
