"""A node's files: which there are, who may open them, what they hold."""

import errno
import os
import stat
import struct
from typing import Any

import pytest

from simulator.facts.cpuid import ZEROS, CpuidTable
from simulator.facts.generations import identify
from simulator.kernel.calls import Request
from simulator.kernel.containers import Container, Contents, Needs, State
from simulator.kernel.files import Stat
from simulator.kernel.kernel import SimulatedKernel
from simulator.kernel.tree import DEBUG_CPT
from simulator.run.in_process import SimulatedSyscalls
from support.simulated_nodes import (
    AMD,
    EAGER_RELEASE,
    EVERYTHING,
    Client,
    caps,
    container,
    cpu,
    failing,
    node_facts,
    process,
)

CPT = "/proc/cpt"
RST = "/proc/rst"
CPUID = "/dev/cpu/0/cpuid"
CPUINFO = "/proc/cpuinfo"
OVERRIDE = "/proc/vz/cpuid_override"
NOBODY = 65534

#: What is in /proc whoever looks at it.
PROC_NAMES = ["cmdline", "cpuinfo", "net/", "stat", "sys/", "version", "vz/"]

#: Offers everything that is looked at, and refuses nothing.
WELCOMING = 0xFFFFFFFF & ~caps("SLM_DMPRST", "NO_IPV6")

CPUINFO_TEXT = "processor\t: 0\nvendor_id\t: GenuineIntel\n"


def node(*, cpuid: CpuidTable | None = None, **traits: Any) -> SimulatedKernel:
    """Return a node with every file there may be."""
    facts = node_facts("042stab107", cpuid=cpuid or cpu(*EVERYTHING))
    whole = {"has_override": True, "texts": {CPUINFO: CPUINFO_TEXT}}
    return SimulatedKernel(facts, [container()], **{**whole, **traits})


@pytest.fixture
def kernel() -> SimulatedKernel:
    """Return a node with every file there may be."""
    return node()


def root(kernel: SimulatedKernel) -> SimulatedSyscalls:
    return SimulatedSyscalls(kernel)


def read(kernel: SimulatedKernel, path: str) -> str:
    """Read a file of text whole, as root."""
    caller = root(kernel)
    return caller.read(caller.open(path, os.O_RDONLY), 1 << 16).decode()


# Which there are


@pytest.mark.parametrize(
    ("path", "mode", "rdev"),
    [
        (CPT, stat.S_IFREG | 0o600, 0),
        (RST, stat.S_IFREG | 0o600, 0),
        (CPUINFO, stat.S_IFREG | 0o444, 0),
        (OVERRIDE, stat.S_IFREG | 0o644, 0),
        (CPUID, stat.S_IFCHR | 0o400, os.makedev(203, 0)),
        ("/proc/vz", stat.S_IFDIR | 0o555, 0),
        ("/proc/vz/veip", stat.S_IFREG | 0o400, 0),
        ("/proc/bc", stat.S_IFDIR | 0o555, 0),
        ("/dev/kmsg", stat.S_IFCHR | 0o644, os.makedev(1, 11)),
        ("/sys/devices/system/cpu", stat.S_IFDIR | 0o555, 0),
        ("/sys/devices/system/cpu/cpu0", stat.S_IFDIR | 0o555, 0),
        ("/sys/devices/system/cpu/online", stat.S_IFREG | 0o444, 0),
        ("/etc/vz/conf", stat.S_IFDIR | 0o755, 0),
        ("/etc/vz/conf/101.conf", stat.S_IFREG | 0o644, 0),
    ],
)
def test_a_file_of_root(kernel: SimulatedKernel, path: str, mode: int, rdev: int) -> None:
    found = kernel.stat(path, root(kernel))
    assert found == Stat(mode, found.inode, uid=0, gid=0, size=0, nlink=1, rdev=rdev)


def test_each_file_has_an_inode_of_its_own(kernel: SimulatedKernel) -> None:
    paths = (CPT, RST, CPUINFO, OVERRIDE, CPUID, "/proc/vz", "/proc/bc", "/dev/cpu", "/dev/cpu/0")
    inodes = {path: kernel.stat(path, root(kernel)).inode for path in paths}
    assert len(set(inodes.values())) == len(paths)
    assert inodes == {path: kernel.stat(path, root(kernel)).inode for path in paths}


@pytest.mark.parametrize(
    ("path", "without"),
    [
        (CPT, node(modules=frozenset({"vzrst"}))),
        (RST, node(modules=frozenset({"vzcpt"}))),
        (OVERRIDE, node(has_override=False)),
        (CPUINFO, node(texts={})),
        (CPUID, SimulatedKernel(node_facts(machine="ia64", cpuid=None))),
        ("/proc/vz/meminfo", node()),
        ("/etc/vz/conf/102.conf", node()),
        ("", node()),
        ("proc/cpt", node()),
    ],
)
def test_a_file_that_is_not_there_is_enoent(path: str, without: SimulatedKernel) -> None:
    with failing(errno.ENOENT):
        root(without).open(path, os.O_RDWR)
    with failing(errno.ENOENT):
        without.stat(path, root(without))


@pytest.mark.parametrize("uid", [0, NOBODY])
@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_WRONLY, os.O_RDWR])
@pytest.mark.parametrize("path", ["/proc/vz", "/proc/bc", "/dev/cpu", "/dev/cpu/0"])
def test_a_folder_is_no_file(kernel: SimulatedKernel, path: str, flags: int, uid: int) -> None:
    with failing(errno.EISDIR):
        SimulatedSyscalls(kernel, uid=uid).open(path, flags)


@pytest.mark.parametrize(
    ("has_ipv6", "boot_options", "is_loaded"),
    [(True, (), True), (False, ("ipv6.disable=1",), True), (False, (), False)],
)
def test_files_of_ipv6(has_ipv6: bool, boot_options: tuple[str, ...], is_loaded: bool) -> None:
    process = root(SimulatedKernel(node_facts(has_ipv6=has_ipv6, boot_options=boot_options)))
    assert process.exists("/sys/module/ipv6") is is_loaded
    assert process.exists("/proc/net/if_inet6") is has_ipv6


def test_the_command_line_has_the_boot_options() -> None:
    options = ("noxsave", "clearcpuid=154")
    shown = read(SimulatedKernel(node_facts(boot_options=options)), "/proc/cmdline")
    assert shown == "ro noxsave clearcpuid=154\n"


def test_each_container_has_an_empty_configuration_even_a_stopped_one() -> None:
    kernel = SimulatedKernel(node_facts(), [Container(ctid=102, state=State.STOPPED), container()])
    assert kernel.list_folder("/etc/vz/conf", root(kernel)) == ["102.conf", "101.conf"]
    assert read(kernel, "/etc/vz/conf/102.conf") == ""


def test_a_suspended_container_is_in_the_list_of_contexts() -> None:
    held = Container(ctid=113, state=State.SUSPENDED)
    shown = read(SimulatedKernel(node_facts(), [held]), CPT)
    assert shown.splitlines()[1].split()[1:] == ["00000071", "113", "2"]


# Kernel, processors, containers


def test_the_kernels_release_is_told_alike_everywhere(kernel: SimulatedKernel) -> None:
    process = root(kernel)
    release, _, _ = process.uname()
    assert read(kernel, "/proc/sys/kernel/osrelease") == f"{release}\n"
    assert read(kernel, "/proc/sys/kernel/version") == "#1 SMP\n"
    assert read(kernel, "/proc/version") == f"Linux version {release} (simulated) #1 SMP\n"


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("2.6.32-042stab141.3", "042stab141_3\n"),
        ("2.6.18-028stab056.1", "028stab056_1\n"),
        ("2.6.32-dzhanibekov.1", "dzhanibekov_1\n"),
    ],
)
def test_openvzs_version_follows_from_the_release(release: str, version: str) -> None:
    """Recorded: a kernel 2.6.32-042stab141.3 calls itself 042stab141_3 in /proc/vz/version."""
    kernel = SimulatedKernel(node_facts(release=identify(release)))
    assert read(kernel, "/proc/vz/version") == version


def test_a_release_that_does_not_tell_openvzs_version_has_none() -> None:
    kernel = SimulatedKernel(node_facts(release=identify("2.6.32", "042stab088_4")))
    assert not root(kernel).exists("/proc/vz/version")


def test_a_node_has_as_many_processors_as_are_recorded_and_one_at_least() -> None:
    table = cpu(*EVERYTHING)
    kernel = node(processors=dict.fromkeys((0, 1, 17), table))
    assert kernel.processors == (0, 1, 17)
    assert read(kernel, "/sys/devices/system/cpu/online") == "0-1,17\n"
    assert read(kernel, "/proc/stat").count("cpu") == 4
    unknown = SimulatedKernel(node_facts(machine="ia64", cpuid=None))
    assert unknown.processors == (0,)
    assert read(unknown, "/sys/devices/system/cpu/present") == "0\n"


def test_a_container_sees_itself_alone_in_veinfo() -> None:
    kernel = SimulatedKernel(node_facts(), [container(), container(102)])
    assert read(kernel, "/proc/vz/veinfo").split()[::3] == ["102", "101", "0"]
    inside = SimulatedSyscalls(kernel, ctid=101)
    shown = inside.read(inside.open("/proc/vz/veinfo", READ), 4096)
    assert shown == b"       101     0     1\n"


def test_no_address_is_told() -> None:
    assert read(node(), "/proc/vz/veip") == ""


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/interrupts", "/proc/softirqs", "/proc/modules", "/proc/xen", "/proc/xen/privcmd"),
        *("/sys/hypervisor/type", "/sys/class/dmi/id/product_name", "/sys/module/kvm/refcnt"),
        *("/sys/devices/system/node/node0", "/sys/devices/system/cpu/vulnerabilities"),
    ],
)
def test_what_a_profile_does_not_tell_is_not_there(kernel: SimulatedKernel, path: str) -> None:
    assert kernel.owns(path)
    with failing(errno.ENOENT):
        kernel.stat(path, root(kernel))


@pytest.mark.parametrize(
    ("path", "is_above"),
    [
        *(("/proc", True), ("/sys/devices/system", True), ("/etc/vz", True)),
        *(("/", False), ("/proc/vz", False), ("/proc/1", False), ("/usr", False)),
    ],
)
def test_folders_above_the_nodes_files_are_known(
    kernel: SimulatedKernel, path: str, *, is_above: bool
) -> None:
    assert kernel.is_above(path) is is_above


# What is in folders


@pytest.mark.parametrize(
    ("path", "ctid", "names"),
    [
        ("/proc", 0, [*PROC_NAMES, "bc/", "cpt", "rst"]),
        ("/proc", 101, PROC_NAMES),
        ("/proc/vz", 0, ["cpuid_override", "veinfo", "veip", "version"]),
        ("/proc/vz", 101, ["veinfo", "version"]),
        ("/proc/bc", 0, []),
        ("/dev/cpu", 0, ["0/", "1/", "17/"]),
        ("/dev/cpu/17", 0, ["cpuid"]),
        ("/dev/cpu", 101, []),
        ("/dev", 0, ["cpu/", "kmsg"]),
        ("/nowhere", 0, []),
    ],
)
def test_a_folder_lists_what_its_reader_sees(path: str, ctid: int, names: list[str]) -> None:
    kernel = node(
        processors=dict.fromkeys((0, 1, 17), cpu(*EVERYTHING)),
        texts={CPUINFO: CPUINFO_TEXT, "/proc/vz/version": "042stab113_5\n"},
    )
    assert sorted(kernel.list_folder(path, SimulatedSyscalls(kernel, ctid=ctid))) == sorted(names)
    # A node whose CPU is not known has no processors.
    unknown = SimulatedKernel(node_facts(machine="ia64", cpuid=None))
    assert unknown.list_folder("/dev", root(unknown)) == ["kmsg"]


def test_each_processor_answers_for_itself() -> None:
    both = {0: cpu(*EVERYTHING), 3: cpu("sse2", vendor=AMD)}
    caller = root(node(cpuid=both[0], processors=both))
    for number, table in both.items():
        fd = caller.open(f"/dev/cpu/{number}/cpuid", os.O_RDONLY)
        for leaf in (0x0, 0x1, 0x80000001):
            assert struct.unpack("<4I", caller.pread(fd, 16, leaf)) == table[leaf, 0]
        caller.close(fd)
    assert not caller.exists("/dev/cpu/1/cpuid")


# Who may open them

READ, WRITE, BOTH = os.O_RDONLY, os.O_WRONLY, os.O_RDWR


@pytest.mark.parametrize("flags", [READ, WRITE, BOTH, BOTH | os.O_CLOEXEC])
@pytest.mark.parametrize("path", [CPT, RST, DEBUG_CPT, OVERRIDE, CPUINFO, CPUID])
def test_root_may_open_each_file(kernel: SimulatedKernel, path: str, flags: int) -> None:
    caller = root(kernel)
    caller.close(caller.open(path, flags))


@pytest.mark.parametrize(
    ("path", "permitted"),
    [
        (CPT, ()),
        (RST, ()),
        (CPUID, ()),
        (CPUINFO, (READ,)),
        (OVERRIDE, (READ,)),
        (DEBUG_CPT, (READ,)),
    ],
)
def test_others_may_read_what_all_may_read(
    kernel: SimulatedKernel, path: str, permitted: tuple[int, ...]
) -> None:
    caller = SimulatedSyscalls(kernel, uid=NOBODY)
    for flags in (READ, WRITE, BOTH, READ | WRITE | BOTH):
        if flags in permitted:
            caller.close(caller.open(path, flags))
        else:
            with failing(errno.EACCES):
                caller.open(path, flags)


@pytest.mark.parametrize("uid", [0, NOBODY])
@pytest.mark.parametrize("path", [CPT, RST, DEBUG_CPT, OVERRIDE, CPUID, "/proc/bc", "/etc/vz/conf"])
def test_containers_have_no_files_of_the_nodes(
    kernel: SimulatedKernel, path: str, uid: int
) -> None:
    caller = SimulatedSyscalls(kernel, uid=uid, ctid=101)
    assert not caller.exists(path)
    with failing(errno.ENOENT):
        caller.open(path, os.O_RDWR)
    assert caller.exists(CPUINFO)
    assert caller.exists("/proc/vz")


# /proc/cpuinfo


def test_cpuinfo_is_read_in_pieces(kernel: SimulatedKernel) -> None:
    caller = root(kernel)
    fd = caller.open(CPUINFO, READ)
    pieces = []
    while piece := caller.read(fd, 7):
        pieces.append(piece)
    assert b"".join(pieces) == CPUINFO_TEXT.encode()
    assert caller.pread(fd, 9, 0) == b"processor"


@pytest.mark.parametrize(
    ("path", "flags", "number"), [(CPUINFO, BOTH, errno.EIO), (CPUID, READ, errno.EINVAL)]
)
def test_cpuinfo_and_cpuid_take_no_text_and_have_no_requests(
    kernel: SimulatedKernel, path: str, flags: int, number: int
) -> None:
    caller = root(kernel)
    fd = caller.open(path, flags)
    with failing(number):
        caller.write(fd, b"x")
    with failing(errno.ENOTTY):
        caller.ioctl(fd, 0x2D08, 0)


# /dev/cpu/0/cpuid


def registers(caller: SimulatedSyscalls, leaf: int, subleaf: int = 0) -> tuple[int, ...]:
    fd = caller.open(CPUID, READ)
    answer = caller.pread(fd, 16, leaf | subleaf << 32)
    caller.close(fd)
    return struct.unpack("<4I", answer)


@pytest.mark.parametrize(
    ("leaf", "subleaf"), [(0x0, 0), (0x1, 0), (0x7, 0), (0xD, 1), (0x80000001, 0)]
)
def test_cpuid_is_read_by_leaf_and_subleaf(
    kernel: SimulatedKernel, leaf: int, subleaf: int
) -> None:
    assert registers(root(kernel), leaf, subleaf) == cpu(*EVERYTHING)[leaf, subleaf]


@pytest.mark.parametrize("leaf", [0xE, 0x80000008, 0x80860000, 0xC0000000])
def test_a_leaf_that_the_cpu_lacks_is_intels_highest_basic_leaf_or_zeros(leaf: int) -> None:
    """No error: recorded of the device (captured nodes), and Intel SDM volume 2A, CPUID."""
    last = cpu(*EVERYTHING)[0xD, 0]
    assert registers(root(node()), leaf) == last
    assert registers(root(node(cpuid=cpu(*EVERYTHING, vendor=AMD))), leaf) == ZEROS


@pytest.mark.parametrize("size", [1, 15, 17, 33])
def test_cpuid_is_read_in_sixteens(kernel: SimulatedKernel, size: int) -> None:
    caller = root(kernel)
    fd = caller.open(CPUID, READ)
    with failing(errno.EINVAL):
        caller.pread(fd, size, 0)
    with failing(errno.EINVAL):
        caller.read(fd, size)


def test_cpuid_reads_on_leaf_after_leaf(kernel: SimulatedKernel) -> None:
    caller = root(kernel)
    fd = caller.open(CPUID, READ)
    leaves = cpu(*EVERYTHING)
    both = struct.pack("<8I", *leaves[0x80000000, 0], *leaves[0x80000001, 0])
    assert caller.pread(fd, 32, 0x80000000) == both
    assert caller.read(fd, 16) == struct.pack("<4I", *leaves[0x0, 0])
    assert caller.read(fd, 16) == struct.pack("<4I", *leaves[0x1, 0])
    assert caller.read(fd, 0) == b""


def test_cpuid_is_read_up_to_the_first_hole() -> None:
    holed = cpu().replace({(0xD, 0): cpu()[0xD, 0]._replace(eax=0xE7)})
    caller = root(node(cpuid=holed))
    fd = caller.open(CPUID, READ)
    with failing(errno.EIO):
        caller.pread(fd, 16, 0xD | 5 << 32)
    without_7 = CpuidTable((key, row) for key, row in cpu().items() if key != (0x7, 0))
    caller = root(node(cpuid=without_7))
    fd = caller.open(CPUID, READ)
    assert caller.read(fd, 128) == struct.pack("<4I", *cpu()[0x0, 0]) + struct.pack(
        "<4I", *cpu()[0x1, 0]
    ) + bytes(5 * 16)
    with failing(errno.EIO):
        caller.read(fd, 16)


# /proc/sys/debug/cpt


def test_the_kernels_log_has_each_diagnostic_unless_the_sysctl_is_0(
    kernel: SimulatedKernel,
) -> None:
    client = Client(kernel)
    client.ask(Request.SET_VEID, 101)
    client.ask(Request.TEST_VECAPS, 0xFFFF & ~caps("CMOV"))
    line = "CPT ERR: ffff88003ee00000,101 :Destination cpu does not have cmov"
    assert kernel.log == [line]
    assert read(kernel, "/dev/kmsg") == f"{line}\n"

    fd = client.process.open(DEBUG_CPT, WRITE)
    assert client.process.write(fd, b" 0\n") == 3
    client.ask(Request.TEST_VECAPS, 0)
    assert (kernel.log, read(kernel, DEBUG_CPT)) == ([line], "0\n")
    client.process.write(fd, b"2")
    client.ask(Request.TEST_VECAPS, 0xFFFF & ~caps("CMOV"))
    assert kernel.log == [line, line]


def test_more_than_a_page_of_diagnostics_is_logged_whole() -> None:
    names = tuple(f"file-system-{number:0200}" for number in range(30))
    contents = Contents((process(),), unsupported_mounts=names)
    kernel = node()
    kernel.run_container(Container(ctid=102, contents=contents))
    client = Client(kernel)
    client.ask(Request.SET_VEID, 102)
    client.ask(Request.TEST_VECAPS, WELCOMING)
    said = [f"Unsupported filesystem {name}" for name in names]
    assert [line.partition(":")[2].partition(":")[2] for line in kernel.log] == said


@pytest.mark.parametrize("written", [b"x", b"-1", b"", "٣".encode(), b"0x1", b"1 2"])
def test_the_sysctl_takes_nothing_but_a_number(kernel: SimulatedKernel, written: bytes) -> None:
    caller = root(kernel)
    with failing(errno.EINVAL):
        caller.write(caller.open(DEBUG_CPT, WRITE), written)
    assert read(kernel, DEBUG_CPT) == "1\n"


def test_the_sysctl_is_not_there_without_the_module() -> None:
    with failing(errno.ENOENT):
        root(node(modules=frozenset({"vzrst"}))).open(DEBUG_CPT, READ)


# /proc/vz/cpuid_override


def write_override(kernel: SimulatedKernel, text: bytes) -> int:
    caller = root(kernel)
    return caller.write(caller.open(OVERRIDE, WRITE), text)


def test_an_override_is_taken_reads_back_and_masks_the_node(kernel: SimulatedKernel) -> None:
    before = kernel.capabilities()
    assert write_override(kernel, b"1: 0 0 bfffffff ffffffff\n") == 25
    assert read(kernel, OVERRIDE) == "0x00000001: 0x00000000 0x00000000 0xbfffffff 0xffffffff\n"
    assert kernel.capabilities() == before & ~caps("RDRAND")
    # Not CPUID on the node itself.
    assert registers(root(kernel), 0x1) == cpu(*EVERYTHING)[0x1, 0]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        (b"garbage\n", errno.EINVAL),
        (b"1: 0 0 0 0\r\n", errno.EINVAL),
        (b"1: 0 0 0 \xff", errno.EINVAL),
        (b"1: 0 0 0 0\n" * 17, errno.E2BIG),
        (b" " * 4096, errno.E2BIG),
    ],
)
def test_a_bad_override_does_nothing(kernel: SimulatedKernel, written: bytes, number: int) -> None:
    write_override(kernel, b"1: 0 0 bfffffff ffffffff\n")
    before = read(kernel, OVERRIDE), kernel.capabilities()
    with failing(number):
        write_override(kernel, written)
    assert (read(kernel, OVERRIDE), kernel.capabilities()) == before


@pytest.mark.parametrize("blank", [b"", b"\n"])
def test_a_blank_write_clears_the_override(kernel: SimulatedKernel, blank: bytes) -> None:
    before = kernel.capabilities()
    write_override(kernel, b"1: 0 0 0 0\n")
    assert write_override(kernel, blank) == len(blank)
    assert read(kernel, OVERRIDE) == ""
    assert kernel.capabilities() == before


def test_a_node_tells_whether_it_can_be_masked(kernel: SimulatedKernel) -> None:
    assert kernel.owns_file(OVERRIDE)
    assert not node(has_override=False).owns_file(OVERRIDE)


# The node itself


@pytest.mark.parametrize(("machine", "width"), [("x86_64", 64), ("i686", 32), ("ia64", 64)])
def test_pointers_are_as_wide_as_the_machine(machine: str, width: int) -> None:
    assert SimulatedKernel(node_facts(machine=machine)).pointer_bits == width


def test_a_node_knows_its_generation(generation: str) -> None:
    assert SimulatedKernel(node_facts(generation)).generation.name == generation


def test_needs_follow_the_node_where_the_contents_are_known(kernel: SimulatedKernel) -> None:
    known = container(used_fpu=True)
    before = kernel.needs_of(known).caps
    write_override(kernel, b"1: 0 0 bfffffff ffffffff\n")
    assert kernel.needs_of(known).caps == before & ~caps("RDRAND")


def test_a_mask_written_since_boot_leaves_the_fpu_eager() -> None:
    """XSAVEOPT made it so on this AMD; it was there when the kernel decided."""
    table = cpu("lm", "syscall", "sse", "xsaveopt", vendor=AMD)
    amd = SimulatedKernel(
        node_facts(cpuid=table, release=identify(EAGER_RELEASE)), [container()], has_override=True
    )
    before = amd.needs_of(container()).caps
    write_override(amd, b"d 1: 0 0 0 0\n")
    assert amd.needs_of(container()).caps == before
    assert before & caps("SSE")


def test_needs_are_as_stated_where_the_contents_are_not_known(kernel: SimulatedKernel) -> None:
    needs = Needs(caps("SSE4A"), ("said",))
    assert kernel.needs_of(Container(ctid=7, needs=needs)) == needs
    # A container of which nothing is known is not one without needs.
    with failing(errno.EIO):
        kernel.needs_of(Container(ctid=7))


def test_contents_go_before_stated_needs() -> None:
    amd = SimulatedKernel(node_facts("042stab107", vendor=AMD))
    both = Container(ctid=7, contents=container(bits=32).contents, needs=Needs(0))
    assert amd.needs_of(both).caps == caps("SYSCALL", "SYSCALL32")


def test_a_container_comes_and_changes(kernel: SimulatedKernel) -> None:
    kernel.run_container(container(102))
    kernel.set_state(102, State.LOCKED)
    states = {ctid: one.state for ctid, one in kernel.containers.items()}
    assert states == {101: State.RUNNING, 102: State.LOCKED}
