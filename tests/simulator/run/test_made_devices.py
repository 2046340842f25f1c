"""CPUID devices that programs make: the node's, and none of this machine's."""

import errno
import os
import stat
from pathlib import Path

import pytest

from simulator.profiles.store import load_node
from simulator.run.in_process import SimulatedSyscalls
from simulator.run.made_devices import MadeDevices, is_cpuid
from support.running import guest
from support.simulated_nodes import failing

NODE = load_node("042stab141.3.SandyBridge.default").boot()
ROOT, NOBODY = SimulatedSyscalls(NODE), SimulatedSyscalls(NODE, uid=65534)
FIRST, SECOND = os.makedev(203, 0), os.makedev(203, 1)


@pytest.mark.parametrize(
    ("mode", "device", "expected"),
    [
        (stat.S_IFCHR | 0o400, FIRST, True),
        (stat.S_IFBLK | 0o400, FIRST, False),
        (0o400, FIRST, False),
        (stat.S_IFCHR | 0o400, os.makedev(202, 0), False),
    ],
)
def test_a_cpuid_device_has_a_number_of_its_own(mode: int, device: int, *, expected: bool) -> None:
    assert is_cpuid(mode, device) is expected


def test_one_that_is_made_is_the_processors() -> None:
    devices = MadeDevices(NODE)
    assert not devices
    devices.make("/tmp/one", FIRST, ROOT)  # noqa: S108 (it is not made there)
    devices.make("/tmp/other", SECOND, ROOT)  # noqa: S108
    assert devices
    assert "/tmp/one" in devices  # noqa: S108
    found = [devices.stat(path) for path in ("/tmp/one", "/tmp/other")]  # noqa: S108
    assert [(one.mode, one.rdev) for one in found] == [
        (stat.S_IFCHR | 0o600, FIRST),
        (stat.S_IFCHR | 0o600, SECOND),
    ]
    assert found[0].inode != found[1].inode
    vendor = devices.open("/tmp/one", ROOT, os.O_RDONLY).pread(16, 0)  # noqa: S108
    assert vendor[4:8] == b"Genu"
    with failing(errno.ENXIO):
        devices.open("/tmp/other", ROOT, os.O_RDONLY)  # noqa: S108
    assert devices.remove("/tmp/one")  # noqa: S108
    assert not devices.remove("/tmp/one")  # noqa: S108


def test_only_root_makes_one_and_only_where_nothing_is(tmp_path: Path) -> None:
    devices = MadeDevices(NODE)
    path = str(tmp_path / "device")
    with failing(errno.EPERM):
        devices.make(path, FIRST, NOBODY)
    with failing(errno.EEXIST):
        devices.make(str(tmp_path), FIRST, ROOT)
    devices.make(path, FIRST, ROOT)
    with failing(errno.EEXIST):
        devices.make(path, FIRST, ROOT)


def test_programs_make_look_at_and_remove_them(tmp_path: Path) -> None:
    ended = guest(f"""
        import errno, os, stat
        os.chdir({str(tmp_path)!r})
        def attempt(call, *arguments):
            try:
                return call(*arguments)
            except OSError as error:
                return errno.errorcode[error.errno]
        for number in (0, 1):
            os.mknod("device", stat.S_IFCHR | 0o400, os.makedev(203, number))
            print(attempt(os.mknod, "device", stat.S_IFCHR | 0o400, os.makedev(203, number)))
            found = os.stat("device")
            print(stat.S_ISCHR(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev))
            fd = attempt(os.open, "device", os.O_RDONLY)
            print(fd if isinstance(fd, str) else os.read(fd, 16)[4:8])
            print(attempt(os.rename, "device", "other"), os.listdir())
            os.unlink("device")
            print(attempt(os.stat, "device"), attempt(os.unlink, "device"))
        os.mknod("plain", stat.S_IFREG | 0o600)
        print(os.listdir(), attempt(os.mknod, "/proc/cpt", stat.S_IFREG), os.unlink("plain"))
        print(attempt(os.mknod, "/proc/vz/x", stat.S_IFCHR, os.makedev(203, 0)))
    """)
    assert (ended.stdout.splitlines(), ended.stderr) == (
        [
            *("EEXIST", "True 203 0", "b'Genu'", "EXDEV []", "ENOENT ENOENT"),
            *("EEXIST", "True 203 1", "ENXIO", "EXDEV []", "ENOENT ENOENT"),
            "['plain'] EEXIST None",
            "ENOENT",
        ],
        "",
    )
