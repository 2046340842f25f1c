"""A node's profile, made by asking: 'vzcptcheck capture'."""

import errno
import json
import os
import re
import stat

import pytest

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import CPT, HEADER, RST, FakeKernel, cpuid_device, error, run_command

CAPS = 0x20507
CPU = {
    (0, 0): (1, 0x756E6547, 0x6C65746E, 0x49656E69),
    (1, 0): (0x000206D7, 0, 1 << 20, 1 << 15),
    (0x80000000, 0): (0, 0, 0, 0),
    (0x80860000, 0): (0, 0, 0, 0),
    (0xC0000000, 0): (0, 0, 0, 0),
}
FILES = {
    CPT: HEADER,
    "/proc/cpuinfo": b"processor : 0\nmodel name : Xeon\nmicrocode : 0x710\nflags : fpu  sse\n\n",
    "/dev/cpu/0/cpuid": cpuid_device(CPU),
    "/proc/cmdline": b"ro root=LABEL=/ noxsave quiet clearcpuid=154 noxsave\n",
    "/proc/net/if_inet6": b"",
    "/proc/vz/version": b"042stab113_5\n",
    "/proc/vz/veinfo": b"    102     0     3\n    101     0     9 10.0.0.1\n    0     0    32\n",
}


def needs_cmov(capnum):
    """Answer for a container that needs CMOV and SYSCALL."""
    return int(0x401 & ~capnum != 0)


ANSWERS = {
    fakes.OWN_VERSION: 0x803,
    fakes.COMPARE_CAPS: 0,
    fakes.TAKES_VERSION: lambda version: int(version in (0x303, 0x803)),
    fakes.OWN_CAPS: CAPS,
    fakes.TEST_VECAPS: lambda capnum: 3 if capnum >> 28 & 1 else needs_cmov(capnum),
    fakes.TEST_VECAPS2: error(errno.EINVAL),
}


class Node(FakeKernel):
    """A node that changes as a test says; written are files of this machine."""

    def __init__(self, answers=(), files=(), machine="x86_64", **more):
        more.setdefault("existing", ("/proc/vz", "/proc/bc"))
        super().__init__(
            answers={**ANSWERS, **dict(answers)}, files={**FILES, **dict(files)}, **more
        )
        self.machine = machine

    def uname(self):
        return "2.6.32-042stab113.5", self.machine, "node7"

    lstat_mode = staticmethod(lambda path: os.lstat(path).st_mode)
    rename = staticmethod(os.rename)

    def create(self, path, mode):
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)

    def write(self, fd, data):
        return os.write(fd, data)

    def fsync(self, fd):
        os.fsync(fd)

    def close(self, fd):
        super().close(fd) if fd >= 1000 else os.close(fd)


def capture(node, *arguments):
    """Capture to standard output; return the profile and what was said beside it."""
    status, stdout, stderr = run_command(node, "capture", *arguments)
    assert status == 0, stderr
    assert node.open_paths == []
    return json.loads(stdout), stderr


def refusal(node, *arguments):
    """Return what is said by a capture that fails."""
    status, stdout, stderr = run_command(node, "capture", *arguments)
    assert (status, stdout) == (1, "")
    assert node.open_paths == []
    return stderr


def test_names_that_are_no_utf_8_are_written_as_text():
    class Odd(Node):
        def uname(self):
            return "2.6.32-042stab113.5\udcff", self.machine, "node\udc897"

    profile, _ = capture(Odd())
    assert json.dumps(profile, ensure_ascii=False).encode()
    assert profile["kernel"]["release"] == "2.6.32-042stab113.5\\udcff"
    assert " capture on node\\udc897, " in profile["origin"]["source"]


def test_a_profile_has_all_that_the_node_tells():
    profile, stderr = capture(Node())

    assert re.fullmatch(
        r"vzcptcheck \S+ capture on node7, \d{4}-\d\d-\d\d", profile["origin"].pop("source")
    )
    assert profile == {
        "format": 1,
        "origin": {"kind": "captured"},
        "kernel": {
            "release": "2.6.32-042stab113.5",
            "machine": "x86_64",
            "vz_version": "042stab113_5",
            "boot_options": ["noxsave", "clearcpuid=154"],
            "modules": ["vzcpt", "vzrst"],
            "ipv6": True,
        },
        "cpus": [
            {
                "processors": "0",
                "cpuid": [
                    "0x00000000 0x0: 0x00000001 0x756e6547 0x6c65746e 0x49656e69",
                    "0x00000001 0x0: 0x000206d7 0x00000000 0x00100000 0x00008000",
                ],
                "model_name": "Xeon",
                "microcode": "0x710",
                "flags": "fpu sse",
            }
        ],
        "cpuid_override": None,
        "answers": {
            "image_version": 0x803,
            "accepted_versions": [0x303, 0x803],
            "capability_number": CAPS,
        },
        "containers": [
            {"ctid": 101, "state": "running", "needs": {"caps": 0x401, "reports": []}},
            {"ctid": 102, "state": "running", "needs": {"caps": 0x401, "reports": []}},
        ],
    }
    assert stderr == ""


def test_it_only_asks():
    node = Node()
    capture(node)
    asked = {request for _, request, _ in node.requests()}
    assert asked - {request for _, request in ANSWERS} == {0x40042D04, 0x40042D15}  # VEID, ERRORFD
    assert {call[0] for call in node.calls} <= {
        "open", "close", "read", "pread", "ioctl", "pipe", "set_nonblocking"
    }  # fmt: skip


def test_a_module_that_is_not_loaded_is_a_fact():
    profile, _ = capture(Node(files={CPT: errno.ENOENT, RST: errno.ENOENT}))
    assert profile["kernel"]["modules"] == []
    assert profile["answers"] == {
        "image_version": None, "accepted_versions": None, "capability_number": None
    }  # fmt: skip
    assert [(one["state"], one["needs"]) for one in profile["containers"]] == [
        ("unknown", None), ("unknown", None)
    ]  # fmt: skip


def test_a_kernel_without_the_request_tells_no_versions():
    missing = error(errno.EINVAL)
    answers = {
        fakes.OWN_VERSION: missing,
        fakes.TAKES_VERSION: missing,
        fakes.COMPARE_CAPS: 0,
        fakes.TEST_VECAPS: needs_cmov,
    }

    profile, _ = capture(Node(answers))

    assert profile["answers"]["image_version"] is None
    assert profile["answers"]["accepted_versions"] is None
    assert profile["kernel"]["ipv6"] is True
    assert [one["needs"]["caps"] for one in profile["containers"]] == [0x401, 0x401]


OVERRIDE = "0x00000001: 0x00000000 0x00000000 0x00000001 0x00008000\n"


@pytest.mark.parametrize(
    ("node", "path", "fact"),
    [
        ({"machine": "ia64"}, ["cpus"], []),
        ({"files": {"/proc/vz/cpuid_override": OVERRIDE.encode()}}, ["cpuid_override"], OVERRIDE),
        (
            {"answers": {fakes.OWN_CAPS: error(errno.ENOSYS)}},
            ["answers", "capability_number"],
            None,
        ),
        ({"answers": {fakes.OWN_CAPS: CAPS | 1 << 24}}, ["kernel", "slm_without_module"], True),
    ],
)
def test_what_some_nodes_alone_have_or_have_not(node, path, fact):
    found, _ = capture(Node(**node))
    for key in path:
        found = found[key]
    assert found == fact


@pytest.mark.parametrize(
    ("answers", "files", "has_ipv6"),
    [
        ({fakes.OWN_CAPS: CAPS | 1 << 28}, {}, False),
        ({}, {"/proc/net/if_inet6": errno.ENOENT}, True),
        ({}, {RST: errno.ENOENT}, True),
        ({}, {RST: errno.ENOENT, "/proc/net/if_inet6": errno.ENOENT}, False),
    ],
)
def test_ipv6_is_told_by_the_kernels_number_and_else_by_its_file(answers, files, has_ipv6):
    assert capture(Node(answers, files))[0]["kernel"]["ipv6"] is has_ipv6


def test_without_the_number_the_registers_tell_what_the_node_has():
    """Below 042stab101 SSE4_2's bit is not asked for: the node's own stands for it."""

    def quirky(capnum):
        return int(0x6000 & ~capnum & 1 << 13 != 0)

    answers = {fakes.TEST_VECAPS: quirky}
    node = Node(answers, {RST: errno.ENOENT, "/proc/net/if_inet6": errno.ENOENT})
    node.diagnostics[fakes.CPT_TEST_VECAPS] = lambda capnum: (
        b""
        if capnum >> 13 & 1
        else b"Error: Destination cpu does not have sse4_1\n"
        b"Error: Destination cpu does not have sse4_2\n"
    )

    profile, _ = capture(node)

    assert profile["containers"][0]["needs"]["caps"] == 0x6000 | 1 << 28


def test_containers_that_are_named_are_asked_and_no_others():
    profile, _ = capture(Node(), "--ct", "102", "--ct=101", "--ct=102")
    assert [one["ctid"] for one in profile["containers"]] == [101, 102]


#: What stat() finds of a node that has a configuration of container 130 too.
WITH_130 = ("/proc/vz", "/proc/bc", "/etc/vz/conf/130.conf")


@pytest.mark.parametrize("files", [{}, {CPT: errno.ENOENT}])
def test_a_number_that_nobody_knows_is_an_error_that_lists_what_there_is(files):
    said = refusal(Node(files=files), "--ct", "101", "--ct", "130")
    assert said == (
        "vzcptcheck: there is no container 130 here: it does not run, and there is no "
        "/etc/vz/conf/130.conf\n"
        "  Those that run: 101, 102. 'vzlist -a' has the stopped ones too.\n"
    )
    alone = Node(files={**files, "/proc/vz/veinfo": b"    0     0    32\n"})
    assert "  Those that run: none. " in refusal(alone, "--ct", "101")


def test_a_container_that_is_configured_and_does_not_run_is_stopped():
    for files in ({}, {CPT: errno.ENOENT}):
        node = Node({fakes.TEST_VECAPS: error(errno.ESRCH)}, files, existing=WITH_130)
        profile, _ = capture(node, "--ct", "130")
        assert profile["containers"] == [{"ctid": 130, "state": "stopped", "needs": None}]


def test_a_container_that_a_context_holds_suspended():
    listing = HEADER + b"ffff88003ee00000 00000065 101      2\nffff88003ee02000 00000001 102 1\n"
    answers = {fakes.TEST_VECAPS: error(errno.EBUSY)}
    profile, _ = capture(Node(answers, {CPT: listing}))
    assert [one["state"] for one in profile["containers"]] == ["suspended", "locked"]


def test_a_container_that_cannot_be_asked_is_an_entry_and_is_said():
    profile, stderr = capture(Node({fakes.TEST_VECAPS: error(errno.EINTR)}), "--ct", "101")
    assert profile["containers"] == [{"ctid": 101, "state": "unknown", "needs": None}]
    assert stderr.startswith("vzcptcheck: container 101 could not be asked: /proc/cpt: ")
    assert stderr.endswith("its needs are recorded as unknown\n")


@pytest.mark.parametrize(
    ("existing", "hint"),
    [([], "This kernel is not OpenVZ's"), (["/proc/vz"], "This is the inside of a container")],
)
def test_elsewhere_than_on_a_node_there_is_nothing_to_capture(existing, hint):
    said = refusal(Node(existing=existing))
    assert "there is no OpenVZ node to capture here" in said
    assert hint in said
    assert "'capture --cpus' takes the CPUs of any machine" in said


def test_who_is_not_root_is_told_so():
    assert "Only root may ask" in refusal(Node(files={CPT: errno.EACCES}))


NO_VERSIONS = {fakes.TAKES_VERSION: lambda version: error(errno.EINVAL) if version else 0}


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({fakes.OWN_VERSION: 0}, "CPT_TEST_VERSION: unexpected answer 0"),
        ({fakes.TAKES_VERSION: 2}, "CPT_TEST_VERSION: unexpected answer 2"),
        ({fakes.OWN_CAPS: -5}, "CPT_TEST_CAPS: unexpected answer -5"),
        ({fakes.OWN_VERSION: error(errno.EINVAL)}, "only one of /proc/cpt and /proc/rst"),
        (NO_VERSIONS, "CPT_TEST_VERSION: unexpected answer None"),
    ],
)
def test_what_no_kernel_answers_is_an_error(answers, said):
    assert said in refusal(Node(answers))


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("/proc/vz/version", errno.EIO, ": read: Input/output error"),
        ("/proc/cmdline", errno.EIO, ": read: Input/output error"),
        ("/proc/vz/veinfo", b"x 0 1\n", ", line 1: no container's number"),
        ("/proc/vz/veinfo", "² 0 1\n".encode(), ", line 1: no container's number"),
        ("/proc/vz/veinfo", b"4294967296 0 1\n", ", line 1: no container's number"),
        ("/proc/vz/veinfo", b"0 0 1\n\n", ", line 2: no container's number"),
        (CPT, fakes.HEADER + "a 1 ² 2\n".encode(), ": no checkpoint context in"),
        (CPT, fakes.HEADER + b"one two\n", ": no checkpoint context in 'one two'"),
        (CPT, fakes.HEADER + b"a 1 2 x\n", ": no checkpoint context in 'a 1 2 x'"),
    ],
)
def test_what_no_kernel_writes_is_an_error(path, content, said):
    assert path + said in refusal(Node(files={path: content}))


@pytest.mark.parametrize(
    ("output", "options", "mode"), [("-o{}", [], 0o600), ("--output={}", ["--mode", "644"], 0o644)]
)
def test_a_file_is_its_owners_alone_unless_told_otherwise(tmp_path, output, options, mode):
    path = str(tmp_path / "node.json")
    outputs = ["-o", path] if output == "-o{}" else [output.format(path)]
    assert run_command(Node(), "capture", *outputs, *options) == (0, "", "")
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    with open(path, encoding="utf-8") as file:
        assert json.load(file)["answers"]["capability_number"] == CAPS


def test_a_dash_is_standard_output():
    profile, _ = capture(Node(), "-o", "-")
    assert profile["format"] == 1


def test_an_anonymous_profile_names_nobody():
    node = Node()
    node.diagnostics[fakes.CPT_TEST_VECAPS] = b"Error: keys are used by 1,1(bank)\n"
    node.existing |= {"/etc/vz/conf/4711.conf"}
    profile, _ = capture(node, "--anonymize", "--ct=4711")
    assert profile["containers"][0]["ctid"] == 101
    text = json.dumps(profile)
    assert "bank" not in text
    assert "node7" not in text


def test_the_cpus_alone_are_a_register_dump_of_any_machine():
    (entry,), _ = capture(Node(existing=()), "--cpus")

    assert entry == {
        "id": "0",
        "mode": "64-bit",
        "cpuid": [
            ["0x00000000", "0x0", "0x00000001", "0x756e6547", "0x6c65746e", "0x49656e69"],
            ["0x00000001", "0x0", "0x000206d7", "0x00000000", "0x00100000", "0x00008000"],
        ],
    }


@pytest.mark.parametrize(
    ("files", "bits", "machine", "mode"),
    [
        ({}, 32, "x86_64", "64-bit"),  # The kernel executes it.
        ({}, 32, "i686", "32-bit"),
        ({"/dev/cpu/0/cpuid": errno.ENOENT}, 32, "x86_64", "32-bit"),
        ({"/dev/cpu/0/cpuid": errno.ENOENT}, 64, "x86_64", "64-bit"),
    ],
)
def test_a_dump_says_in_which_mode_it_was_read(files, bits, machine, mode):
    (entry,), _ = capture(Node(files=files, bits=bits, machine=machine, instruction=CPU), "--cpus")
    assert entry["mode"] == mode


def test_a_dump_may_be_of_what_programs_are_told():
    told = {**CPU, (1, 0): (0x000206D7, 0, 0, 1 << 15)}
    node = Node(existing=(), instruction=told)
    (entry,), _ = capture(node, "--cpus", "--instruction")
    assert entry["cpuid"][1] == [
        "0x00000001", "0x0", "0x000206d7", "0x00000000", "0x00000000", "0x00008000"
    ]  # fmt: skip
    assert [call for call in node.calls if call[0] == "pread"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o"], "capture: -o takes a value"),
        (["--ct"], "capture: --ct takes a value"),
        (["-o", ""], "capture: -o takes a file's name, or '-' for standard output"),
        (["--ct", "x"], "'x' is not a number"),
        (["--ct", "0"], "container 0 is the node itself"),
        (["--mode", "rw"], "capture: --mode takes an octal number as chmod does, not 'rw'"),
        (["--mode", ""], "capture: --mode takes an octal number as chmod does, not ''"),
        (["--mode", "00600"], "capture: --mode takes an octal number"),
        (["--mode", "200"], "the owner reads it, and nobody executes it"),
        (["--mode", "755"], "the owner reads it, and nobody executes it"),
        (["file"], "capture: unknown argument 'file'"),
        (["--cpus", "--ct", "101"], "--cpus has no containers and no names"),
        (["--cpus", "--anonymize"], "--cpus has no containers and no names"),
        (["--instruction"], "--instruction goes with --cpus"),
    ],
)
def test_a_command_line_that_is_wrong_asks_nothing(arguments, said):
    node = Node()
    assert said in refusal(node, *arguments)
    assert node.calls == []
