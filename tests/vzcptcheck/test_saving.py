"""A file is written whole or not at all."""

import errno
import os
import stat

import pytest

from vzcptcheck.errors import CheckError
from vzcptcheck.saving import save_file
from vzcptcheck.syscalls import LinuxSyscalls

CALLS = ("lstat_mode", "create", "write", "fsync", "close", "rename")


class Failing(LinuxSyscalls):
    """The running kernel, but that one call fails; another does not take away what is left."""

    def __init__(self, call, number=errno.ENOSPC, also=""):
        self._number = number
        for name in (call, also):
            if name:
                setattr(self, name, self._fail)

    def _fail(self, *_):
        raise OSError(self._number, os.strerror(self._number))


class Slow(LinuxSyscalls):
    """The running kernel, taking three bytes at a time."""

    def write(self, fd, data):
        return super().write(fd, data[:3])


def save(folder, syscalls=None, mode=0o600, name="profile.json"):
    path = os.path.join(str(folder), name)
    save_file(syscalls or LinuxSyscalls(), path, b"0123456789", mode)
    return path


def refusal(*arguments):
    """Return the error that saving ends in."""
    with pytest.raises(CheckError) as caught:
        save(*arguments)
    return caught.value


def content(path):
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
def test_a_file_is_written_with_its_mode_whatever_the_umask(tmp_path, mode):
    before = os.umask(0o077)
    try:
        path = save(tmp_path, mode=mode)
    finally:
        os.umask(before)
    assert content(path) == b"0123456789"
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert os.listdir(str(tmp_path)) == ["profile.json"]


@pytest.mark.parametrize("syscalls", [LinuxSyscalls(), Slow()], ids=["at once", "3 bytes a time"])
def test_a_file_of_that_name_is_replaced_whole(tmp_path, syscalls):
    tmp_path.joinpath("profile.json").write_bytes(b"before")
    assert content(save(tmp_path, syscalls)) == b"0123456789"


def test_a_name_without_a_folder_is_in_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    save_file(LinuxSyscalls(), "profile.json", b"x", 0o600)
    assert os.listdir(str(tmp_path)) == ["profile.json"]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_leaves_what_was_there(tmp_path, call):
    tmp_path.joinpath("profile.json").write_bytes(b"before")
    error = refusal(tmp_path, Failing(call))
    assert error.message.startswith(f"{tmp_path}/profile.json: ")
    assert "No space left on device" in error.message
    assert "The file system is full" in error.hint
    assert os.listdir(str(tmp_path)) == ["profile.json"]
    assert content(str(tmp_path.joinpath("profile.json"))) == b"before"


def test_what_cannot_be_taken_away_does_not_hide_what_went_wrong(tmp_path):
    failing = Failing("fsync", errno.EIO, also="unlink")
    assert "Input/output error" in refusal(tmp_path, failing).message


def test_an_interruption_leaves_nothing(tmp_path):
    class Interrupted(LinuxSyscalls):
        def fsync(self, fd):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, Interrupted())

    assert os.listdir(str(tmp_path)) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    error = refusal(tmp_path / "missing")
    assert "No such file or directory" in error.message
    assert error.hint == "There is no such folder: make it first."


KINDS = {"folder": os.mkdir, "pipe": os.mkfifo, "link": lambda path: os.symlink("/dev/null", path)}


KINDS = {"folder": os.mkdir, "pipe": os.mkfifo, "link": lambda path: os.symlink("/dev/null", path)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_file_is_not_replaced(tmp_path, kind):
    path = str(tmp_path / "profile.json")
    KINDS[kind](path)
    before = os.lstat(path)
    assert "something else than a plain file" in refusal(tmp_path).message
    assert os.lstat(path) == before


def test_leftovers_of_others_are_stepped_over_and_kept_and_links_not_followed(tmp_path):
    target = tmp_path / "target"
    tmp_path.joinpath(".profile.json.0").write_bytes(b"another's")
    os.symlink(str(target), str(tmp_path / ".profile.json.1"))
    save(tmp_path)
    names = [".profile.json.0", ".profile.json.1", "profile.json"]
    assert sorted(os.listdir(str(tmp_path))) == names
    assert not target.exists()


def test_there_is_an_end_to_leftovers(tmp_path):
    for number in range(100):
        tmp_path.joinpath(f".profile.json.{number}").write_bytes(b"")
    assert refusal(tmp_path).hint == f"Remove those named {tmp_path}/.profile.json.*"


def test_a_file_whose_mode_cannot_be_set_is_not_left(tmp_path, monkeypatch):
    def refuse(fd, mode):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refuse)
    refusal(tmp_path)

    assert os.listdir(str(tmp_path)) == []
