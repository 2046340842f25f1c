"""Programs beside Python that tests start, and the Debian packages that have them.

A test names its programs with ``needs()``. Where one is not installed, the test is skipped, and
pytest's last lines say what to install. Where SKIP_NOTHING is set, as .ci/run does, the test fails.

It is a plugin of pytest's, which tests/conftest.py registers; it runs on Python 3.6 too.
"""

import os
import shutil
from collections import Counter

import pytest

#: Which package of Debian's has which program.
PACKAGES = {
    "bash": "bash",
    "busybox": "busybox",
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "cpuid": "cpuid",
    "dash": "dash",
    "fish": "fish",
    "gcc": "gcc",
    "lscpu": "util-linux",
    "jq": "jq",
    "man": "man-db",
    "mandoc": "mandoc",
    "qemu-i386": "qemu-user",
    "qemu-x86_64": "qemu-user",
    "readelf": "binutils",
    "rsync": "rsync",
    "scp": "openssh-client",
    "sftp": "openssh-client",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "zsh": "zsh",
}

#: Where sshd is, which is on root's PATH alone.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(program: str) -> "str | None":
    """Return the path of a program, or None where it is not installed."""
    folders = (os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS)
    return shutil.which(program, path=os.pathsep.join(folders))


def needs(*programs: str) -> pytest.MarkDecorator:
    """Mark a test, a class or a parameter as one that starts these programs."""
    assert set(programs) <= set(PACKAGES)
    return pytest.mark.needs(*programs)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, ...): skip where one is not installed")


def pytest_runtest_setup(item: pytest.Item) -> None:
    require(item, *(program for mark in item.iter_markers("needs") for program in mark.args))


def require(item: pytest.Item, *programs: str) -> None:
    """Skip a test, or fail it where nothing is to be skipped, unless all programs are there."""
    missing = [program for program in dict.fromkeys(programs) if find(program) is None]
    if not missing:
        return
    reason = "not installed: " + ", ".join(f"{one} ({PACKAGES[one]})" for one in missing)
    if os.environ.get("SKIP_NOTHING"):
        pytest.fail(reason, pytrace=False)
    item.user_properties += [("needs", program) for program in missing]
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    reports = terminalreporter.stats.get("skipped", ())
    properties = [it for report in reports for it in getattr(report, "user_properties", ())]
    counts = Counter(program for name, program in properties if name == "needs")
    if counts:
        terminalreporter.section("skipped for want of a program")
        for program, count in sorted(counts.items()):
            terminalreporter.write_line(f"{program}: {count}")
        packages = " ".join(sorted({PACKAGES[program] for program in counts}))
        terminalreporter.write_line(f"Install what they need: apt-get install {packages}")
