"""/proc/cpt and /proc/rst: every request, in every state, on every generation."""

import errno
import struct
from contextlib import suppress

import pytest

from simulator.kernel.calls import FIONREAD, ContextState, Request
from simulator.kernel.containers import Container, Contents, Entered, Needs, State
from simulator.kernel.kernel import SimulatedKernel
from simulator.run.in_process import SimulatedSyscalls, Sink
from support.simulated_nodes import (
    EVERYTHING,
    SINCE_042STAB,
    SINCE_088,
    Client,
    caps,
    container,
    failing,
    node_facts,
    process,
)

NEWEST = "042stab107"
CPT, RST = "/proc/cpt", "/proc/rst"
HEADER = "Ctx      Id       VE       State\n"
NOT_OPEN = 999
DIRECTORY_FD = 500

NUMBERS = {
    "SET_DUMPFD": 0x40042D01, "SET_STATUSFD": 0x40042D02, "SET_LOCKFD": 0x40042D03,
    "SET_VEID": 0x40042D04, "SUSPEND": 0x2D05, "DUMP": 0x2D06, "UNDUMP": 0x2D07, "RESUME": 0x2D08,
    "KILL": 0x2D09, "JOIN_CONTEXT": 0x2D0A, "GET_CONTEXT": 0x40042D0B, "PUT_CONTEXT": 0x2D0C,
    "SET_CPU_FLAGS": 0x40042D12, "TEST_CAPS": 0x40042D13, "TEST_VECAPS": 0x40042D14,
    "SET_ERRORFD": 0x40042D15, "TEST_VERSION": 0x40042D1A, "SET_LOCKFD2": 0x40042D1B,
    "TEST_VECAPS2": 0x40042D1E,
}  # fmt: skip


#: Offers everything that is looked at, and refuses nothing.
WELCOMING = 0xFFFFFFFF & ~caps("SLM_DMPRST", "NO_IPV6")


def running(generation: str = NEWEST, *containers: Container) -> SimulatedKernel:
    """Return a node whose CPU has everything, with container 101 unless others are given."""
    return SimulatedKernel(node_facts(generation, *EVERYTHING), containers or (container(),))


def asking(kernel: SimulatedKernel, veid: int = 101) -> Client:
    """Return a client that has set where diagnostics go, and which container it is about."""
    client = Client(kernel)
    client.ask(Request.SET_ERRORFD, client.writer)
    client.ask(Request.SET_VEID, veid)
    return client


def listed(kernel: SimulatedKernel, path: str = CPT) -> list[str]:
    """Return the contexts as the file shows them, without their addresses."""
    observer = SimulatedSyscalls(kernel)
    text = observer.read(observer.open(path, 0), 1 << 16).decode()
    assert text.startswith(HEADER)
    return [line[17:] for line in text.removeprefix(HEADER).splitlines()]


# Requests


@pytest.mark.parametrize("name", NUMBERS)
def test_a_requests_number_is_the_headers(name: str) -> None:
    assert getattr(Request, name) == NUMBERS[name]


@pytest.mark.parametrize("path", [CPT, RST])
@pytest.mark.parametrize("request_number", [0x2D00, 0x40042D63, 0x40082D13, 0x2D13, 0x5401, 0])
def test_an_unknown_request_makes_a_context_and_is_einval(path: str, request_number: int) -> None:
    kernel = running()
    client = Client(kernel, path)
    with failing(errno.EINVAL):
        client.ask(request_number)
    assert len(listed(kernel, path)) == 1


OF_THE_OTHER_FILE = [
    *((CPT, name) for name in ("UNDUMP", "SET_STATUSFD", "SET_LOCKFD", "SET_LOCKFD2")),
    *((RST, name) for name in ("SUSPEND", "DUMP", "TEST_VECAPS", "TEST_VECAPS2", "SET_CPU_FLAGS")),
]


@pytest.mark.parametrize(("path", "request_name"), OF_THE_OTHER_FILE)
def test_requests_of_the_other_are_unknown(generation: str, path: str, request_name: str) -> None:
    with failing(errno.EINVAL):
        Client(running(generation), path).ask(getattr(Request, request_name))


@pytest.mark.parametrize(
    ("path", "request_name"),
    [
        (CPT, "TEST_VERSION"),
        (RST, "TEST_VERSION"),
        (CPT, "SET_LAZY"),
        (RST, "HARDLNK_ON"),
        (CPT, "SET_PRAM"),
    ],
)
def test_requests_that_came_with_042stab(generation: str, path: str, request_name: str) -> None:
    client = Client(running(generation), path)
    if generation in SINCE_042STAB:
        assert client.ask(getattr(Request, request_name)) >= 0
    else:
        with failing(errno.EINVAL):
            client.ask(getattr(Request, request_name))


def test_the_tracker_can_be_stopped_from_088_on_and_never_runs(generation: str) -> None:
    expected = errno.EBADRQC if generation in SINCE_088 else errno.EINVAL
    with failing(expected):
        Client(running(generation)).ask(Request.STOP_TRACKER)


@pytest.mark.parametrize("path", [CPT, RST])
@pytest.mark.parametrize("request_number", [Request.TEST_CAPS, Request.SET_VEID, 0x5401])
def test_a_32bit_program_on_a_64bit_kernel_gets_einval(path: str, request_number: int) -> None:
    short = SimulatedSyscalls(running(), pointer_bits=32)
    with failing(errno.EINVAL):
        short.ioctl(short.open(path, 2), request_number, 1)


def test_a_32bit_program_on_a_32bit_kernel_is_answered() -> None:
    kernel = SimulatedKernel(node_facts(NEWEST, machine="i686"))
    short = SimulatedSyscalls(kernel, pointer_bits=32)
    assert short.ioctl(short.open(RST, 2), Request.TEST_CAPS, 0) > 0


# CPT_TEST_VERSION, CPT_TEST_CAPS


@pytest.mark.parametrize(
    ("generation", "path", "version", "answer"),
    [
        # The version that the node writes.
        ("042stab", CPT, 5, 0x801),
        ("042stab088", CPT, 5, 0x803),
        (NEWEST, CPT, 5, 0x803),
        # Whether restore takes it.
        (NEWEST, RST, 0x803, 1),
        (NEWEST, RST, 0x804, 0),
        (NEWEST, RST, 0x302, 0),
        (NEWEST, RST, 0x10800, 1),
        (NEWEST, RST, -1, 0),
    ],
)
def test_test_version(generation: str, path: str, version: int, answer: int) -> None:
    assert Client(running(generation), path).ask(Request.TEST_VERSION, version) == answer


def test_test_caps_on_rst_is_the_nodes_number() -> None:
    kernel = running()
    assert Client(kernel, RST).ask(Request.TEST_CAPS, 5) == kernel.capabilities()


def test_test_caps_on_cpt_compares_the_whole_node_and_says_nothing(generation: str) -> None:
    kernel = running(generation)
    client = asking(kernel)
    if generation == "042stab101":
        with failing(errno.ENOSYS):
            client.ask(Request.TEST_CAPS, 0)
    else:
        assert client.ask(Request.TEST_CAPS, 0) == 1
        assert client.ask(Request.TEST_CAPS, kernel.capabilities()) == 0
        assert client.ask(Request.TEST_CAPS, 0xFFFFFFFF) == 0
    assert client.said() == []


@pytest.mark.parametrize(
    ("generation", "word", "tested"),
    [
        ("028stab", "EMT64", False),
        ("2.6.32", "SYSCALL", False),
        ("042stab", "AESNI", True),
        ("042stab", "EMT64", False),
        ("042stab092", "SYSCALL32", False),
        (NEWEST, "EMT64", True),
        (NEWEST, "SYSCALL", True),
        (NEWEST, "RDRAND", True),
        (NEWEST, "NAMESPACES", False),
    ],
)
def test_test_caps_on_cpt_tests_known_words(generation: str, word: str, tested: bool) -> None:
    kernel = running(generation)
    offered = kernel.capabilities() & ~caps(word)
    assert Client(kernel).ask(Request.TEST_CAPS, offered) == int(tested)


# Contexts


@pytest.mark.parametrize("path", [CPT, RST])
@pytest.mark.parametrize(
    ("request_name", "argument"),
    [("TEST_CAPS", 0xFFFFFFFF), ("TEST_VERSION", 0x803), ("PUT_CONTEXT", 0)],
)
def test_some_requests_make_no_context(path: str, request_name: str, argument: int) -> None:
    kernel = running()
    assert Client(kernel, path).ask(getattr(Request, request_name), argument) >= 0
    assert listed(kernel, path) == []


def test_any_other_makes_one_for_the_open_file_until_it_is_closed() -> None:
    kernel = running()
    client = asking(kernel)
    client.ask(Request.SET_VEID, 102)
    assert listed(kernel) == ["00000000 102      0"]
    assert listed(kernel, RST) == []
    client.close()
    assert listed(kernel) == []
    # A file that never had a context is closed as well.
    Client(kernel).close()
    assert listed(kernel) == []


def test_a_request_that_fails_makes_a_context_too_and_each_open_file_its_own() -> None:
    kernel = running()
    with failing(errno.EBADF):
        Client(kernel).ask(Request.SET_ERRORFD, NOT_OPEN)
    for veid in (101, 102):
        asking(kernel, veid)
    assert listed(kernel) == ["00000000 0        0", "00000000 101      0", "00000000 102      0"]


@pytest.mark.parametrize(
    ("argument", "shown"), [(-1, "4294967295"), (0x1_0000_0065, "101"), (0, "0")]
)
def test_set_veid_keeps_the_low_32_bits(argument: int, shown: str) -> None:
    kernel = running()
    asking(kernel, argument)
    assert listed(kernel)[0].split()[1] == shown


def named(kernel: SimulatedKernel, contextid: int, path: str = CPT) -> Client:
    """Return a client whose context has this name."""
    client = Client(kernel, path)
    client.ask(Request.SET_ERRORFD, client.writer)
    client.ask(Request.GET_CONTEXT, contextid)
    return client


@pytest.mark.parametrize("path", [CPT, RST])
def test_get_context_names_a_context_and_makes_it_sticky(path: str) -> None:
    kernel = running()
    named(kernel, 100, path).close()
    assert listed(kernel, path) == ["00000064 0        0"]


def test_get_context_on_a_fresh_cpt_is_enomem_though_it_was_done() -> None:
    kernel = running()
    client = Client(kernel)
    with failing(errno.ENOMEM):
        client.ask(Request.GET_CONTEXT, 100)
    client.close()
    assert listed(kernel) == ["00000064 0        0"]


def test_get_context_on_a_fresh_file() -> None:
    assert Client(running(), RST).ask(Request.GET_CONTEXT, 100) == 0
    with failing(errno.EEXIST):  # 0 finds itself.
        Client(running()).ask(Request.GET_CONTEXT, 0)


def test_get_context_of_a_taken_name_is_eexist() -> None:
    kernel = running()
    named(kernel, 100)
    with failing(errno.EEXIST):
        asking(kernel).ask(Request.GET_CONTEXT, 100)


@pytest.mark.parametrize("contextid", [100, 0x1_0000_0064])
def test_get_context_of_a_named_context_is_einval_but_for_its_own_name(contextid: int) -> None:
    client = named(running(), contextid)
    with failing(errno.EINVAL):
        client.ask(Request.GET_CONTEXT, 101)
    assert client.ask(Request.GET_CONTEXT, 100) == 0


def test_join_context_shares_a_context() -> None:
    kernel = running()
    owner = named(kernel, 100)
    other = Client(kernel)
    assert other.ask(Request.JOIN_CONTEXT, 100) == 0
    other.ask(Request.SET_VEID, 7)
    assert listed(kernel) == ["00000064 7        0"]
    owner.ask(Request.PUT_CONTEXT)
    assert listed(kernel) == ["00000064 7        0"]
    other.close()
    assert listed(kernel) == []


def test_join_context_leaves_the_context_before() -> None:
    kernel = running()
    named(kernel, 100)
    asking(kernel, 7).ask(Request.JOIN_CONTEXT, 100)
    assert listed(kernel) == ["00000064 0        0"]


def test_join_context_0_keeps_its_own_or_joins_any_nameless_one() -> None:
    kernel = running()
    client, other = asking(kernel, 7), Client(kernel)
    for one in (client, other):
        assert one.ask(Request.JOIN_CONTEXT, 0) == 0
    other.ask(Request.SET_VEID, 8)
    assert listed(kernel) == ["00000000 8        0"]
    for one in (client, other):
        one.close()
    assert listed(kernel) == []


@pytest.mark.parametrize("contextid", [0, 100])
def test_join_context_of_a_name_that_nobody_holds_in_its_file_is_enoent(contextid: int) -> None:
    kernel = running()
    named(kernel, 100, RST)
    with failing(errno.ENOENT):
        Client(kernel).ask(Request.JOIN_CONTEXT, contextid)
    assert listed(kernel) == []


def test_put_context_ends_even_a_sticky_one() -> None:
    kernel = running()
    assert named(kernel, 100).ask(Request.PUT_CONTEXT) == 0
    assert listed(kernel) == []


def in_state(state: ContextState, path: str = CPT) -> Client:
    """Return a client whose context is in a state that no simulated request leads to."""
    kernel = running()
    client = Client(kernel, path)
    client.ask(Request.SET_VEID, 101)
    (context,) = (kernel.cpt if path == CPT else kernel.rst).contexts
    context.state = state
    return client


@pytest.mark.parametrize("path", [CPT, RST])
@pytest.mark.parametrize(
    "request_number", [Request.SET_VEID, Request.RESUME, Request.GET_CONTEXT, 0x2D00]
)
def test_after_an_error_all_that_needs_a_context_is_ebusy(path: str, request_number: int) -> None:
    with failing(errno.EBUSY):
        in_state(ContextState.ERROR, path).ask(request_number, 5)


def test_after_an_error_the_others_are_answered() -> None:
    client = in_state(ContextState.ERROR)
    assert client.ask(Request.TEST_VERSION) == 0x803
    assert client.ask(Request.PUT_CONTEXT) == 0
    assert in_state(ContextState.IDLE).ask(Request.SET_CPU_FLAGS, 5) == 0


@pytest.mark.parametrize("state", [state for state in ContextState if state > ContextState.IDLE])
@pytest.mark.parametrize("request_name", ["SET_VEID", "SET_CPU_FLAGS", "SUSPEND"])
def test_a_context_at_work_takes_no_other_container(state: ContextState, request_name: str) -> None:
    with failing(errno.EBUSY):
        in_state(state).ask(getattr(Request, request_name), 102)


# Descriptors


TAKING_A_FILE = [
    *((CPT, f"SET_{name}") for name in ("ERRORFD", "DUMPFD", "PAGEINFDIN")),
    *((RST, f"SET_{name}") for name in ("ERRORFD", "DUMPFD", "STATUSFD", "LOCKFD", "LOCKFD2")),
    (RST, "SET_PAGEINFDOUT"),
]


@pytest.mark.parametrize(("path", "request_name"), TAKING_A_FILE)
@pytest.mark.parametrize("argument", [NOT_OPEN, -1, 0xFFFFFFFF])
def test_a_descriptor_not_open_is_ebadf(path: str, request_name: str, argument: int) -> None:
    client = Client(running(), path)
    with failing(errno.EBADF):
        client.ask(getattr(Request, request_name), argument)
    assert client.ask(getattr(Request, request_name), client.writer) == 0


def with_directory(path: str = CPT) -> Client:
    client = Client(running(), path)
    client.process.add(DIRECTORY_FD, Sink(is_directory=True))
    return client


def test_an_image_is_not_written_to_a_directory_but_restore_finds_out_later() -> None:
    with failing(errno.EBADF):
        with_directory().ask(Request.SET_DUMPFD, DIRECTORY_FD)
    assert with_directory(RST).ask(Request.SET_DUMPFD, DIRECTORY_FD) == 0


def test_linkdir_add_wants_a_directory() -> None:
    client = with_directory()
    assert client.ask(Request.LINKDIR_ADD, DIRECTORY_FD) == 0
    with failing(errno.ENOTDIR):
        client.ask(Request.LINKDIR_ADD, client.writer)
    with failing(errno.EBADFD):
        client.ask(Request.LINKDIR_ADD, NOT_OPEN)


def test_set_lazy_is_obsolete() -> None:
    client = asking(running())
    assert client.ask(Request.SET_LAZY, 0) == 0
    with failing(errno.EOPNOTSUPP):
        client.ask(Request.SET_LAZY, 1)
    assert client.said() == ["CPT_SET_LAZY ioctl is obsolete."]


@pytest.mark.parametrize(
    ("request_name", "held"),
    [
        ("SET_ERRORFD", True),
        ("SET_DUMPFD", True),
        ("SET_PAGEINFDIN", False),
        ("LINKDIR_ADD", False),
    ],
)
def test_the_kernel_holds_a_writing_end_while_it_needs_it(request_name: str, held: bool) -> None:
    client = Client(running())
    with suppress(NotADirectoryError):
        client.ask(getattr(Request, request_name), client.writer)
    client.process.close(client.writer)
    if held:
        with failing(errno.EAGAIN):
            client.process.read(client.pipe, 1)
    else:
        assert client.process.read(client.pipe, 1) == b""
    client.close()
    assert client.process.read(client.pipe, 1) == b""


# CPT_TEST_VECAPS


NO_CMOV, NO_EMT64, NO_SYSCALL = (
    f"Destination cpu does not have {word}" for word in ("cmov", "emt64", "syscall")
)
ENTERED = "external process 1/1001(init) inside CT (e.g. vzctl enter or vzctl exec)."
KNOWN_BY_NEEDS = Container(ctid=101, needs=Needs(caps("CMOV", "BIND_MOUNT"), ("said",)))


@pytest.mark.parametrize(
    ("one", "offered", "result", "said"),
    [
        (container(), WELCOMING, 0, []),
        (container(), 0, 1, [NO_CMOV, NO_EMT64, NO_SYSCALL]),
        # What is wrong with the container is said before what is missing.
        (container(entered=Entered.PROCESS), caps("EMT64", "SYSCALL"), 2, [ENTERED, NO_CMOV]),
        (KNOWN_BY_NEEDS, 0, 2, ["said", NO_CMOV]),
        # The offered number is cut to 32 bits.
        (container(), WELCOMING | 1 << 32, 0, []),
    ],
    ids=["fits", "lacks", "entered", "known by its needs", "33 bits"],
)
def test_test_vecaps_is_answered_and_explained(
    one: Container, offered: int, result: int, said: list[str]
) -> None:
    client = asking(running(NEWEST, one))
    assert client.ask(Request.TEST_VECAPS, offered) == result
    assert client.said() == said


def test_each_request_writes_its_own_diagnostics() -> None:
    client = asking(running())
    for _ in range(2):
        client.ask(Request.TEST_VECAPS, WELCOMING & ~caps("CMOV"))
        assert client.said() == [NO_CMOV]


def test_more_diagnostics_than_a_page_are_cut() -> None:
    crowd = Contents(
        tuple(process(pid=one, host_pid=1000 + one, policy="rr") for one in range(1, 200))
    )
    client = asking(running(NEWEST, Container(ctid=101, contents=crowd)))
    assert client.ask(Request.TEST_VECAPS, WELCOMING) == 2
    assert len(client.process.read(client.pipe, 1 << 16)) == 4096


def test_a_negative_offer_has_every_bit() -> None:
    assert asking(running()).ask(Request.TEST_VECAPS, -1) == 3


@pytest.mark.parametrize("request_name", ["TEST_VECAPS", "SUSPEND"])
@pytest.mark.parametrize(
    ("veid", "state", "number", "text"),
    [
        pytest.param(0, State.RUNNING, errno.EINVAL, [], id="VE 0"),
        pytest.param(4242, State.RUNNING, errno.ESRCH, [], id="none"),
        pytest.param(101, State.STOPPED, errno.ESRCH, [], id="stopped"),
        pytest.param(101, State.STOPPING, errno.ESRCH, ["CT is not running"], id="stopping"),
        pytest.param(101, State.UNKNOWN, errno.EIO, [], id="not known"),
        pytest.param(101, State.LOCKED, errno.EBUSY, ["CT is locked"], id="locked"),
        pytest.param(101, State.SUSPENDED, errno.EBUSY, ["CT is locked"], id="suspended"),
    ],
)
def test_a_container_that_does_not_run_cannot_be_tested(
    request_name: str, veid: int, state: State, number: int, text: list[str]
) -> None:
    kernel = running()
    kernel.set_state(101, state)
    client = asking(kernel, veid)
    with failing(number):
        client.ask(getattr(Request, request_name), WELCOMING)
    assert client.said() == text


def test_a_container_of_which_nothing_is_known_does_not_fit() -> None:
    with failing(errno.EINVAL):  # No container was named.
        Client(running()).ask(Request.TEST_VECAPS, WELCOMING)
    with failing(errno.EIO):
        asking(running(NEWEST, Container(ctid=101))).ask(Request.TEST_VECAPS, WELCOMING)


# CPT_TEST_VECAPS2

BEFORE = 0xDEADBEEF
WITHOUT_VECAPS2 = ("028stab", "2.6.32", "042stab", "042stab088")


def test_test_vecaps2_came_with_092(generation: str) -> None:
    client = asking(running(generation))
    argument = bytearray(struct.pack("=II", WELCOMING, BEFORE))
    if generation in WITHOUT_VECAPS2:
        with failing(errno.EINVAL):
            client.ask(Request.TEST_VECAPS2, argument)
    else:
        assert client.ask(Request.TEST_VECAPS2, argument) == 0
        assert struct.unpack("=II", argument) == (WELCOMING, 0)


@pytest.mark.parametrize(
    ("generation", "offered", "result", "filled"),
    [
        ("042stab092", WELCOMING, 2, False),
        ("042stab101", WELCOMING, 2, True),
        (NEWEST, WELCOMING, 2, True),
        (NEWEST, 0, 2, True),
        (NEWEST, WELCOMING | caps("NO_IPV6"), 3, True),
    ],
)
def test_test_vecaps2_tells_features(
    generation: str, offered: int, result: int, filled: bool
) -> None:
    client = asking(running(generation, container(traced=True, keys=True)))
    argument = bytearray(struct.pack("=II", offered, BEFORE))
    assert client.ask(Request.TEST_VECAPS2, argument) == result
    features = caps("PTRACED_FROM_VE0", "UNSUPPORTED_MISC") if filled else BEFORE
    assert struct.unpack("=II", argument) == (offered, features)


def test_test_vecaps2_says_what_test_vecaps_does() -> None:
    client = asking(running())
    client.ask(Request.TEST_VECAPS, 0)
    said = client.said()
    client.ask(Request.TEST_VECAPS2, bytearray(8))
    assert client.said() == said


@pytest.mark.parametrize("argument", [0, 1, -1, bytearray(7), bytearray()])
def test_test_vecaps2_of_no_memory_is_efault(argument: int | bytearray) -> None:
    with failing(errno.EFAULT):
        asking(running()).ask(Request.TEST_VECAPS2, argument)


# Suspending


def states(kernel: SimulatedKernel) -> list[State]:
    return [one.state for one in kernel.containers.values()]


def test_a_suspended_container_is_locked_for_everyone_until_it_resumes() -> None:
    kernel = running()
    client, other = asking(kernel), asking(kernel)
    assert client.ask(Request.SUSPEND) == 0
    assert listed(kernel)[0] == "00000000 101      2"
    for one in (client, other):
        with failing(errno.EBUSY):
            one.ask(Request.TEST_VECAPS, WELCOMING)
        assert one.said() == ["CT is locked"]
    assert client.ask(Request.RESUME) == 0
    assert listed(kernel)[0] == "00000000 101      0"
    assert other.ask(Request.TEST_VECAPS, WELCOMING) == 0


def test_a_suspended_container_resumes_when_its_context_ends_unless_that_is_sticky() -> None:
    kernel = running()
    client = asking(kernel)
    client.ask(Request.SUSPEND)
    client.close()
    assert states(kernel) == [State.RUNNING]
    client = named(kernel, 100)
    client.ask(Request.SET_VEID, 101)
    client.ask(Request.SUSPEND)
    client.close()
    assert states(kernel) == [State.SUSPENDED]
    heir = Client(kernel)
    heir.ask(Request.JOIN_CONTEXT, 100)
    heir.ask(Request.RESUME)
    assert states(kernel) == [State.RUNNING]


def test_a_killed_container_is_gone() -> None:
    client = asking(running())
    client.ask(Request.SUSPEND)
    assert client.ask(Request.KILL) == 0
    with failing(errno.ESRCH):
        client.ask(Request.TEST_VECAPS, WELCOMING)


@pytest.mark.parametrize("request_name", ["RESUME", "KILL", "DUMP"])
def test_nothing_can_be_done_with_what_is_not_suspended(request_name: str) -> None:
    with failing(errno.ENOENT):
        asking(running()).ask(getattr(Request, request_name))


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (Contents((process(),)), "this simulated node writes no images"),
        (Contents((process(),), dump_failure="tar exited with 255"), "tar exited with 255"),
        (None, "this simulated node writes no images"),
    ],
)
def test_a_dump_wants_a_file_and_fails_as_recorded(contents: Contents | None, said: str) -> None:
    client = asking(running(NEWEST, Container(ctid=101, contents=contents)))
    client.ask(Request.SUSPEND)
    with failing(errno.EBADF):
        client.ask(Request.DUMP)
    client.ask(Request.SET_DUMPFD, client.writer)
    with failing(errno.EINVAL):
        client.ask(Request.DUMP)
    assert client.said() == [said]


def test_no_image_is_restored() -> None:
    client = Client(running(), RST)
    with failing(errno.EBADF):
        client.ask(Request.UNDUMP)
    client.ask(Request.SET_ERRORFD, client.writer)
    client.ask(Request.SET_DUMPFD, client.writer)
    with failing(errno.EINVAL):
        client.ask(Request.UNDUMP)
    assert client.said() == ["this simulated node restores no images"]


# Reading and writing


def test_reading_goes_on_where_it_stopped_and_at_a_position_does_not_move_it() -> None:
    kernel = running()
    asking(kernel)
    client = Client(kernel)
    whole = client.process.pread(client.fd, 1 << 16, 0)
    assert client.process.pread(client.fd, 3, 4) == HEADER[4:7].encode()
    pieces = [client.process.read(client.fd, 10) for _ in range(len(whole) // 10 + 2)]
    assert b"".join(pieces) == whole
    assert pieces[-1] == b""


@pytest.mark.parametrize("path", [CPT, RST])
def test_writing_is_eio(path: str) -> None:
    client = Client(running(), path)
    with failing(errno.EIO):
        client.process.write(client.fd, b"x")


@pytest.mark.parametrize("pointer_bits", [32, 64])
def test_fionread_is_the_files_and_makes_no_context(pointer_bits: int) -> None:
    kernel = running()
    caller = SimulatedSyscalls(kernel, pointer_bits=pointer_bits)
    fd = caller.open(CPT, 2)
    assert len(caller.read(fd, 10)) == 10
    answer = bytearray(4)
    assert caller.ioctl(fd, FIONREAD, answer) == 0
    assert struct.unpack("=i", answer) == (-10,)
    assert listed(kernel) == []
