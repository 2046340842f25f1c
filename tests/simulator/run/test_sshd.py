"""Other nodes by the real ssh and a real sshd: vzcptsim run --sshd-for, with real processes."""

import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

import pytest

from support.needed import needs
from support.running import LISTING, NODE, Ended, command_line, finish, has_ended, supervise
from support.ssh_lab import NEWER, OLD, Lab, laboratory

OPTIONS = ("--sshd-for", f"dest={NEWER}")

needs_sshd = needs("ssh", "ssh-keygen", "sshd")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with laboratory("--sshd-for", {"dest": NEWER, "old": OLD}) as made:
        yield made


@needs_sshd
class TestTheOtherNode:
    def test_the_command_runs_there_in_its_users_home_with_the_language(self, lab: Lab) -> None:
        remote = "uname -nr; cat /proc/cpt; pwd; echo $LC_X $OTHER"
        said = lab(f"cd /tmp; LC_X=mine OTHER=no ssh dest '{remote}'").stdout
        assert said == f"dest 2.6.32-042stab141.3\n{LISTING}{Path.home()}\nmine\n"

    @pytest.mark.parametrize(
        ("script", "expected"),
        [
            ("ssh $(id -un)@OLD ssh -p 22 dest uname -n", "dest\n"),
            ("ssh -q -T dest 'echo error >&2; exit 7' 2>&1; echo $?", "error\n7\n"),
            ("ssh dest 'kill -9 $$'; echo $?", "255\n"),
            ("head -c 1000000 /dev/zero | ssh dest cat | wc -c", "1000000\n"),
        ],
    )
    def test_it_is_as_by_any_ssh(self, lab: Lab, script: str, expected: str) -> None:
        assert lab(script).stdout == expected

    @needs("scp")
    def test_files_are_copied(self, lab: Lab, tmp_path: Path) -> None:
        (tmp_path / "sent").write_text("text\n")
        said = lab(f"scp -q {tmp_path}/sent dest:{tmp_path}/got")
        assert (said.status, said.stderr) == (0, "")
        assert (tmp_path / "got").read_text() == "text\n"

    @pytest.mark.skipif(os.getuid() != 0, reason="only root's sshd lets others in")
    @needs("sftp")
    @pytest.mark.parametrize(("user", "reads"), [("root", True), ("nobody", False)])
    def test_who_logs_in_is_that_user_to_the_node(
        self, lab: Lab, tmp_path: Path, user: str, reads: bool
    ) -> None:
        batch = f"-get /proc/cpt {tmp_path}/cpt\nget /proc/version {tmp_path}/version\n"
        said = lab(f"sftp -b - {user}@dest", given=batch)
        assert (said.status, (tmp_path / "cpt").exists()) == (0, reads), said.stderr


@needs_sshd
class TestEnding:
    def test_nothing_is_left(self, tmp_path: Path) -> None:
        folder = tmp_path / 'my "own" \xe9'
        folder.mkdir()
        remote = "sleep 1000 > /dev/null 2>&1 < /dev/null & echo $! $PPID"
        ended = start("sh", "-c", f"ssh dest '{remote}'; ls \"$TMPDIR\"", folder=folder)
        left, session, *made = ended.stdout.split()
        assert has_ended(int(left))
        assert has_ended(int(session))
        assert made != []
        assert list(folder.iterdir()) == []

    def test_an_interrupt_at_a_terminal_leaves_the_sshd_alone(self) -> None:
        script = "trap : INT; kill -INT 0; ssh dest uname -n"
        assert start("sh", "-c", script).stdout == "dest\n"


def start(*words: str, folder: Path | None = None) -> Ended:
    """Run a program in a session of its own, as at a terminal."""
    environment = {**os.environ, "TMPDIR": str(folder or gettempdir())}
    command = command_line(*words, options=OPTIONS)
    return finish(command, environment, start_new_session=True)


#: What goes wrong, and what is said then.
FAILURES = {
    "no sshd": (
        "ssh.shutil.which = lambda *_, **__: None",
        "--sshd-for needs sshd, and it is not here: install openssh-server",
    ),
    "no ssh-keygen": (
        "ssh.shutil.which = lambda name, **_: None if name == 'ssh-keygen' else '/bin/true'",
        "--sshd-for needs ssh-keygen, and it is not here: install openssh-client",
    ),
    "ssh-keygen fails": (
        "ssh.shutil.which = lambda *_, **__: '/bin/false'",
        "ssh-keygen makes no key: it says nothing",
    ),
    "sshd ends": (
        "ssh._find = lambda name, _: '/bin/false' if name == 'sshd' else shutil.which(name)",
        "sshd does not start: it says nothing",
    ),
    "sshd refuses its settings": (
        "ssh._SSHD_CONFIG = 'Nonsense yes\\n'",
        "sshd does not start: {folder}/sshd_config.dest: line 1: Bad configuration option: "
        "Nonsense; {folder}/sshd_config.dest: terminating, 1 bad configuration options",
    ),
    "sshd does not listen": (
        "ssh._PATIENCE = 0.1; ssh._listens = lambda _: False",
        "sshd does not start: it says nothing",
    ),
}


@needs_sshd
@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    broken, says = FAILURES[name]
    ended = supervise(
        f"""
        import shutil
        from simulator import cli
        from simulator.run import ssh
        {broken}
        words = ["--node", "{NODE}", *{OPTIONS}, "--", "true"]
        sys.exit(cli.main(["run", *words]))
        """,
        environment={**os.environ, "TMPDIR": str(tmp_path)},
    )
    said = re.sub(rf"{tmp_path}/vzcptsim-[^/]*", "{folder}", ended.stderr)
    assert (ended.returncode, said) == (1, f"vzcptsim: {says}\n")
    assert list(tmp_path.iterdir()) == []


def test_nodes_that_are_reached_without_one_need_no_openssh() -> None:
    ended = supervise(f"""
        from simulator import cli
        from simulator.run import ssh
        ssh._find = None
        words = ["--node", "{NODE}", "--node-for", "dest={NODE}", "--", "ssh", "dest", "true"]
        sys.exit(cli.main(["run", *words]))
    """)
    remark = "vzcptsim: dest: files are this machine's, unless --root-for gives others\n"
    assert (ended.returncode, ended.stderr) == (0, remark)


@needs_sshd
@pytest.mark.skipif(
    not pwd.getpwuid(os.getuid()).pw_shell.endswith("/bash"), reason="bash alone has that file"
)
@pytest.mark.parametrize(("option", "says"), [((), ""), (("--bashrc",), "read\n")])
def test_bash_reads_its_start_file_where_that_is_asked(
    option: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    home = pwd.getpwuid(os.getuid()).pw_dir
    start_file = Path(f"{tmp_path}{home}/.bashrc")
    start_file.parent.mkdir(parents=True)
    start_file.write_text("echo read\n")
    options = (*OPTIONS, "--root-for", f"dest={tmp_path}:{home}", *option)
    ended = finish(command_line("ssh", "dest", "pwd", options=options))
    assert (ended.returncode, ended.stdout) == (0, f"{says}{home}\n")
