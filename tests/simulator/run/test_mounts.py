"""A file system of a program's own: what is found where, and what is refused."""

import os
import subprocess
from pathlib import Path

import pytest

from simulator.errors import UserError
from simulator.run.mounts import Mount, own_files
from support.needed import needs
from support.running import MASKING_NODE, NODE, printed, run, shell, supervise

#: In a chroot, and in some containers, nobody may; asked of a program beside: it forks.
ALLOWED = any(
    subprocess.run(["unshare", *options, "true"], capture_output=True, check=False).returncode == 0
    for options in (["--mount"], ["--user", "--mount"])
)
where_allowed = pytest.mark.skipif(not ALLOWED, reason="mount namespaces are not allowed here")

#: Prints whether programs may have file systems of their own, and what a script says in one.
ENTER = """
    import ctypes
    from simulator.run.mounts import Mount, enter, may_mount
    from simulator.run.seccomp import LIBC
    if {without_rights}:
        # As any user, capset(2) takes away the right to mount, CAP_SYS_ADMIN.
        header, sets = (0x20080522).to_bytes(8, "little"), bytearray(24)
        for call in LIBC.capget, LIBC.capset:
            assert call(header, (ctypes.c_char * 24).from_buffer(sets)) == 0
            sets[2] &= ~0x20
    print(may_mount(), flush=True)
    os.chdir({folder!r})
    child = os.fork()
    if not child:
        enter([Mount(*pair) for pair in {pairs!r}])
        os._exit(subprocess.call(["sh", "-c", {script!r}]))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def enter(
    pairs: list[tuple[str, str]], script: str, folder: Path, *, without_rights: bool = False
) -> str:
    """Return what a shell script says in a file system with these mounts."""
    words = {"pairs": pairs, "script": script, "folder": str(folder)}
    ended = supervise(ENTER.format(**words, without_rights=without_rights))
    first, _, rest = printed(ended).partition("\n")
    assert first == "True"
    return rest


def names(folder: str) -> set[str]:
    """Return the names in a folder."""
    return {path.name for path in Path(folder).iterdir()}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Make a folder that is to be found elsewhere, which everybody may read and write."""
    folder = tmp_path / "own"
    (folder / "vz" / "private").mkdir(parents=True)
    (folder / "vz" / "private" / "conf").write_text("mine\n")
    for one in (folder, *folder.rglob("*")):
        one.chmod(0o777)
    for above in (tmp_path, *tmp_path.parents[:3]):
        above.chmod(above.stat().st_mode | 0o111)
    return folder


@where_allowed
class TestEntering:
    @pytest.mark.parametrize("without_rights", [False, True])
    def test_what_was_there_is_there_and_what_is_new_besides(
        self, own: Path, without_rights: bool
    ) -> None:
        before = names("/"), names("/usr")
        new, deep, file = "/vzcptsim-new", "/usr/vzcptsim-new/deep", "/vzcptsim-file"
        script = f"""
            cat {new}/private/conf {deep}/conf {file} /media/private/conf; pwd
            ls -A /; echo; ls -A /usr; echo; ls /bin/sh /proc/self/status
            echo written > {new}/private/written; test -d /proc/$$ && id -u
            grep -c vzcptsim- /proc/self/mountinfo
        """
        pairs = [
            (f"{own}/vz", new),
            (f"{own}/vz/private", deep),
            (f"{own}/vz/private/conf", file),
            (f"{own}/vz", "/media"),
        ]
        said = enter(pairs, script, own, without_rights=without_rights)
        above, below_usr, rest = said.split("\n\n")
        assert above.split("\n")[:5] == [*["mine"] * 4, str(own)]
        assert set(above.split("\n")[5:]) == before[0] | {new[1:], file[1:]}
        assert set(below_usr.split("\n")) == before[1] | {"vzcptsim-new"}
        # Nothing is mounted but the three, and nothing of it is this machine's.
        assert rest == f"/bin/sh\n/proc/self/status\n{os.getuid()}\n3\n"
        assert (own / "vz" / "private" / "written").read_text() == "written\n"
        assert (names("/"), names("/usr")) == before

    def test_what_hides_the_folder_that_one_is_in_leaves_one_at_the_root(self, own: Path) -> None:
        pairs = [(f"{own}/vz", "/vzcptsim-new"), (f"{own}/vz", str(own.parent))]
        assert enter(pairs, "pwd -P", own.parent) in (f"{own.parent}\n", "/\n")

    def test_nothing_to_mount_changes_nothing(self, own: Path) -> None:
        here = Path("/proc/self/ns/mnt").readlink()
        assert enter([], "readlink /proc/self/ns/mnt", own) == f"{here}\n"


class TestWhatAFolderHas:
    def test_all_that_is_in_it_but_what_is_the_nodes(self, own: Path) -> None:
        for name in ("proc", "sys", "dev", "etc"):
            (own / name).mkdir()
        assert own_files(str(own)) == (
            Mount(f"{own}/etc", "/etc"),
            Mount(f"{own}/vz", "/vz"),
        )

    def test_what_is_named(self, own: Path) -> None:
        named = own_files(f"{own}:/vz/private/:/vz/./private/conf")
        assert named == (
            Mount(f"{own}/vz/private", "/vz/private"),
            Mount(f"{own}/vz/private/conf", "/vz/private/conf"),
        )

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("{own}/nowhere", "{own}/nowhere: no folder; make it, with what"),
            ("{own}/vz/private/conf", "{own}/vz/private/conf: no folder"),
            ("{own}/empty", "{own}/empty: nothing in it; make the folders"),
            ("{own}:/nowhere", "{own}/nowhere: not there; make what is to be found at /nowhere"),
            ("{own}:/", "/: is the node's own; name other paths"),
            ("{own}:/proc/vz", "/proc/vz: is the node's own"),
            ("{own}:/vz/../sys", "/sys: is the node's own"),
            ("{own}:/vz", "/vz: the run has its files there; set TMPDIR to elsewhere"),
        ],
    )
    def test_what_cannot_be(
        self, own: Path, text: str, says: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tempfile.tempdir", "/vz/deeper")
        (own / "empty" / "proc").mkdir(parents=True)
        with pytest.raises(UserError) as refused:
            own_files(text.format(own=own))
        assert str(refused.value).startswith(says.format(own=own))


@where_allowed
class TestInARun:
    def test_the_node_has_its_own_files_and_its_kernels(self, own: Path) -> None:
        script = "cat /vz/private/conf /vz/../proc/vz/version; cd /vz/private; cat conf; uname -r"
        said = printed(shell(script, options=("--root", str(own))))
        assert said == "mine\n042stab141_3\nmine\n2.6.32-042stab141.3\n"

    def test_where_it_cannot_be_made_that_is_the_error(self, own: Path) -> None:
        (own / "etc").write_text("no folder")
        ended = run("true", options=("--root", f"{own}:/etc"))
        said = "vzcptsim: no file system of its own: /etc: Not a directory\n"
        assert (ended.returncode, ended.stdout, ended.stderr) == (1, "", said)

    @needs("ssh", "ssh-keygen", "sshd", "rsync")
    def test_a_folder_moves_from_one_node_to_the_other(self, own: Path, tmp_path: Path) -> None:
        there = tmp_path / "there"
        (there / "vz" / "private").mkdir(parents=True)
        script = """
            chmod 640 /vz/private/conf; touch -d 2020-01-01 /vz/private/conf
            rsync -a /vz/private/ dest:/vz/private/101/
            rsync -a -e /usr/bin/ssh dest:/vz/ /vz/back
            ssh dest 'hostname; uname -n; ls /vz /vz/private; cat /proc/vz/version'
        """
        options = ("--root", str(own), "--root-for", f"dest={there}", "--sshd-for", f"dest={NODE}")
        ended = shell(script, node=MASKING_NODE, options=options)
        assert ended.stderr == ""
        assert (
            ended.stdout.split("\n", 1)[1]
            == "dest\n/vz:\nprivate\n\n/vz/private:\n101\n042stab141_3\n"
        )
        copies = [there / "vz/private/101/conf", own / "vz/back/private/101/conf"]
        for one in copies:
            found = one.stat()
            assert (one.read_text(), found.st_mode, found.st_mtime) == (
                "mine\n",
                0o100640,
                1577836800,
            )
        assert not Path("/vz").exists()


def test_whether_there_may_be_any_is_found_by_trying() -> None:
    ended = supervise("""
        from simulator.run import mounts
        def refuse():
            raise PermissionError(errno.EPERM, "not permitted")
        mounts._leave_the_machines = refuse
        print(mounts.may_mount())
    """)
    assert (ended.returncode, ended.stdout) == (0, "False\n")
    assert "PermissionError" not in ended.stderr


#: Has a run whose machine allows no mount namespaces.
NOT_ALLOWED = f"""
    from simulator import cli
    from simulator.run import session
    session.may_mount = lambda: False
    words = ["--node", "{NODE}", "--node-for", "dest={NODE}", "--", "ssh", "dest", "true"]
    sys.exit(cli.main(["run", *words]))
"""


@needs("ssh")
def test_where_ssh_by_its_path_is_not_ours_that_is_said() -> None:
    ended = supervise(NOT_ALLOWED)
    first, *rest = ended.stderr.splitlines()
    assert first.startswith(
        "vzcptsim: mount namespaces are not allowed here: who calls /usr/bin/ssh "
    )
    assert (ended.returncode, len(rest)) == (0, 1)
