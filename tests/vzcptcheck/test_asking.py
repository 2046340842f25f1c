"""What a container needs, learned from kernels that decide as kernel-facts.md says (section 6)."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vzcptcheck_fakes import (
    CPT_SET_VEID,
    CPT_TEST_VECAPS,
    CPT_TEST_VECAPS2,
    FakeKernel,
    error,
)
from vzcptcheck.asking import ContainerFacts, Needs, NodeAnswers, ask_about

CPT = "/proc/cpt"

#: Words and the bits that they test, in the kernels' order (kernel-facts.md, section 5).
_BASE = [("cmov", 0), ("fxsr", 1), ("sse", 2), ("sse2", 3)]
_SSE4 = [("sse4_1", 13), ("sse4_2", 14)]
_QUIRK = [("sse4_1", 13), ("sse4_2", 13)]
_MIDDLE = [("mmx", 4), ("3dnow", 5), ("3dnowext", 6)]
_ENTRY = [("sysenter", 7), ("emt64", 8), ("ia64", 9)]
_SYSCALL = [("syscall", 10), ("syscall32", 11)]
_LATE = [("xsave", 25), ("avx", 26), ("aesni", 27)]
_18 = [*_MIDDLE, ("sse4a", 15), *_ENTRY, *_SYSCALL, *_LATE]

CMOV, SSE4_1, SSE4_2, NAMESPACES = 1 << 0, 1 << 13, 1 << 14, 1 << 17
MISC, NO_IPV6 = 1 << 23, 1 << 28


class Kernel:
    """One generation's CPT_TEST_VECAPS. ``vecaps2``: always, on a yes alone, or not at all."""

    def __init__(self, words, unsupported, modern=True, vecaps2="always"):
        self.words = words
        self.unsupported = unsupported
        self.modern = modern
        self.vecaps2 = vecaps2

    def result(self, needs, capnum):
        result = 1 if self.missing(needs, capnum) else 0
        if capnum >> 24 & 1:
            result = 4 if self.modern else 1
        if needs & self.unsupported:
            result = 2
        if self.modern and capnum & ~needs & NO_IPV6:
            result = 3
        if self.modern and needs & ~capnum & NAMESPACES:
            result = 5
        return result

    def missing(self, needs, capnum):
        return [word for word, bit in self.words if needs & ~capnum & 1 << bit]

    def diagnostics(self, needs, reports, capnum):
        lines = [
            *reports,
            *map("Destination cpu does not have {}".format, self.missing(needs, capnum)),
        ]
        return "".join(f"Error: {line}\n" for line in lines).encode()

    def fill(self, needs, vecaps):
        result = self.result(needs, struct.unpack("=II", bytes(vecaps))[0])
        if self.vecaps2 == "not at all":
            return error(errno.EINVAL)
        if self.vecaps2 == "always" or result == 0:
            vecaps[4:] = struct.pack("=I", needs & self.unsupported)
        return result


KERNELS = {
    "028stab": Kernel([*_BASE, *_MIDDLE, *_ENTRY], 0xFFFF0000, False, "not at all"),
    "2.6.32": Kernel([*_BASE, *_MIDDLE, *_ENTRY, *_SYSCALL], 0xFFFF0000, False, "not at all"),
    "042stab": Kernel([*_BASE, *_QUIRK, *_18], 0xE1FD0000, True, "not at all"),
    "042stab092": Kernel([*_BASE, *_QUIRK, *_18], 0xE1FD0000, True, "on a yes"),
    "042stab107": Kernel([*_BASE, *_SSE4, *_18, ("rdrand", 29)], 0xC1FD0000),
}


class Node(FakeKernel):
    """A node of such a kernel with one container, 101."""

    def __init__(self, kernel, needs, reports=(), **more):
        self.kernel, self.needs, self.reports = kernel, needs, list(reports)
        answers = {
            (CPT, CPT_TEST_VECAPS): lambda capnum: kernel.result(self.needs, capnum),
            (CPT, CPT_TEST_VECAPS2): lambda vecaps: kernel.fill(self.needs, vecaps),
        }
        answers.update(more.pop("answers", {}))
        diagnostics = {
            CPT_TEST_VECAPS: lambda capnum: kernel.diagnostics(self.needs, self.reports, capnum),
            CPT_TEST_VECAPS2: b"Error: said twice\n",
        }
        super().__init__(answers, diagnostics, **more)


def ask(node, caps=0, suspended=()):
    facts = ask_about(node, 101, NodeAnswers(caps, node.kernel.modern), suspended)
    assert node.open_paths == []
    return facts


def learned(name, needs, reports=(), caps=0):
    """Return the bits and reports that are learned of a container that has these."""
    facts = ask(Node(KERNELS[name], needs, reports), caps)
    assert facts.state == "running"
    assert facts.remark == ""
    return facts.needs


def bits_of(name):
    return sorted({bit for _, bit in KERNELS[name].words})


@pytest.mark.parametrize(
    ("name", "bit"), [(name, bit) for name in KERNELS for bit in bits_of(name)]
)
def test_each_bit_that_a_kernel_tests_is_learned_alone(name, bit):
    assert learned(name, 1 << bit) == Needs(1 << bit, ())


@pytest.mark.parametrize("name", KERNELS)
@given(data=st.data())
def test_all_bits_that_a_kernel_tests_are_learned_together(name, data):
    needs = sum(1 << bit for bit in data.draw(st.sets(st.sampled_from(bits_of(name)))))

    assert learned(name, needs).caps == needs


@pytest.mark.parametrize("name", ["042stab", "042stab092", "042stab107"])
def test_a_private_mount_namespace_shows_by_its_own_result(name):
    assert learned(name, CMOV | NAMESPACES).caps == CMOV | NAMESPACES


@pytest.mark.parametrize("name", ["042stab092", "042stab107"])
def test_a_container_of_a_node_without_ipv6_carries_that(name):
    assert learned(name, CMOV | NO_IPV6).caps == CMOV | NO_IPV6


@pytest.mark.parametrize("name", ["028stab", "2.6.32"])
def test_where_ipv6_is_not_compared_nothing_is_said_of_it(name):
    assert learned(name, CMOV).caps == CMOV


@pytest.mark.parametrize("name", ["042stab", "042stab092"])
def test_sse4_2_is_taken_from_the_node_where_sse4_1_is_asked_twice(name):
    assert learned(name, SSE4_1 | SSE4_2, caps=SSE4_1 | SSE4_2).caps == SSE4_1 | SSE4_2
    assert learned(name, SSE4_1, caps=SSE4_1).caps == SSE4_1
    assert learned(name, CMOV, caps=SSE4_1 | SSE4_2).caps == CMOV


def test_sse4_2_is_asked_for_where_it_is_tested():
    assert learned("042stab107", SSE4_1, caps=SSE4_1 | SSE4_2).caps == SSE4_1


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("bit", "report"),
    [
        (16, "external process 1/1001(init) inside CT (e.g. vzctl enter or vzctl exec)."),
        (18, "scheduler policy is not supported 1/1001(init)"),
        (19, "task 1001/1(init) is ptraced from host system"),
        (20, "Unsupported filesystem ramfs"),
        (22, "unsupported netdevice dummy0"),
        (23, "keys are used by 1001,1(init)"),
    ],
)
def test_what_cannot_be_checkpointed_hides_no_cpus_bit(name, bit, report):
    needs = CMOV | SSE4_1 & sum(1 << one for one in bits_of(name)) | 1 << bit

    assert learned(name, needs, [report]) == Needs(needs, (report,))


def test_what_the_kernel_fills_in_goes_before_its_words():
    assert learned("042stab107", 1 << 21, ["keys are used by 1,1(a)"]).caps == 1 << 21


@pytest.mark.parametrize(("name", "bit"), [("2.6.32", 17), ("042stab", 23), ("042stab092", 23)])
def test_a_refusal_without_a_word_is_a_namespace_where_those_have_none(name, bit):
    assert learned(name, 1 << bit).caps == 1 << bit


def test_a_line_that_has_no_error_before_it_is_kept_whole():
    node = Node(KERNELS["042stab107"], 1 << 23)
    node.diagnostics[CPT_TEST_VECAPS] = b"said: Error: of a kind\n"

    assert ask(node).needs.reports == ("said: Error: of a kind",)


@pytest.mark.parametrize(
    ("number", "said", "suspended", "state"),
    [
        (errno.ESRCH, b"", [], "stopped"),
        (errno.ESRCH, b"Error: CT is not running\n", [], "stopping"),
        (errno.EBUSY, b"Error: CT is locked\n", [], "locked"),
        (errno.EBUSY, b"", [], "locked"),
        (errno.EBUSY, b"Error: CT is locked\n", [101, 102], "suspended"),
    ],
)
def test_an_errno_tells_what_a_container_does(number, said, suspended, state):
    node = Node(KERNELS["042stab107"], 0, answers={(CPT, CPT_TEST_VECAPS): error(number)})
    node.diagnostics[CPT_TEST_VECAPS] = said

    assert ask(node, suspended=suspended) == ContainerFacts(state, None, "")


@pytest.mark.parametrize("after", [1, 5, 20, 31])
def test_a_container_that_stops_in_the_middle_is_an_entry(after):
    node = Node(KERNELS["042stab107"], CMOV)
    answer = node.answers[CPT, CPT_TEST_VECAPS]
    asked = []

    def stops(capnum):
        asked.append(capnum)
        return error(errno.ESRCH) if len(asked) > after else answer(capnum)

    node.answers[CPT, CPT_TEST_VECAPS] = stops
    node.diagnostics[CPT_TEST_VECAPS] = b""

    assert ask(node) == ContainerFacts("stopped", None, "")


def test_a_container_that_comes_to_need_more_meanwhile_is_asked_again():
    node = Node(KERNELS["042stab107"], CMOV)
    answer = node.answers[CPT, CPT_TEST_VECAPS]
    asked = []

    def grows(capnum):
        asked.append(capnum)
        node.needs = CMOV if len(asked) < 20 else CMOV | 1 << 1
        return answer(capnum)

    node.answers[CPT, CPT_TEST_VECAPS] = grows

    assert ask(node).needs.caps == CMOV | 1 << 1


def test_a_container_that_never_stays_the_same_is_unknown():
    node = Node(KERNELS["042stab107"], 0)
    asked = []

    def changes(_):
        asked.append(1)
        return 2 * (len(asked) % 2)

    node.answers[CPT, CPT_TEST_VECAPS] = changes
    node.diagnostics.clear()

    facts = ask(node)

    assert facts == ContainerFacts("running", None, "changed each time that it was asked")
    assert len(asked) < 200


def test_more_than_a_page_of_diagnostics_may_hide_a_need():
    facts = ask(Node(KERNELS["042stab107"], 1 << 23, ["x" * 4090]))

    assert facts.needs is None
    assert "more to say of it than its page of 4096 bytes" in facts.remark


@pytest.mark.parametrize("result", [-1, 1, 3, 4, 5, 7])
def test_an_answer_to_everything_that_no_kernel_gives_is_unknown(result):
    facts = ask(Node(KERNELS["042stab107"], 0, answers={(CPT, CPT_TEST_VECAPS): result}))

    assert facts.needs is None
    assert f"unexpected answer {result}" in facts.remark


@pytest.mark.parametrize("request_number", [CPT_SET_VEID, CPT_TEST_VECAPS])
@pytest.mark.parametrize("number", [errno.EINTR, errno.EIO, errno.ENOMEM])
def test_another_errno_leaves_the_needs_unknown_and_says_so(request_number, number):
    facts = ask(Node(KERNELS["042stab107"], 0, answers={(CPT, request_number): error(number)}))

    assert (facts.state, facts.needs) == ("running", None)
    assert facts.remark.startswith("could not be asked: /proc/cpt: ioctl CPT_")


def test_diagnostics_that_cannot_be_read_leave_the_needs_unknown():
    node = Node(KERNELS["042stab107"], CMOV)
    first = [call[0] for call in record_of(node)].index("read")

    facts = ask(Node(KERNELS["042stab107"], CMOV, failing={first: errno.EIO}))

    assert facts.needs is None
    assert "/proc/cpt: read the diagnostics: Input/output error" in facts.remark


def record_of(node):
    ask(node)
    return node.calls


def test_no_argument_is_larger_than_an_int_or_says_that_the_destination_refuses():
    node = Node(KERNELS["042stab107"], CMOV)

    ask(node)

    capnums = [argument for _, request, argument in node.requests() if request == CPT_TEST_VECAPS]
    assert all(0 <= capnum <= 0x7FFFFFFF for capnum in capnums)
    assert all(not capnum >> 24 & 1 for capnum in capnums)
    assert [capnum for capnum in capnums if capnum & NO_IPV6] == [0x7EFFFFFF]


@given(st.integers(0, 0x3FFFFFFF))
def test_whatever_a_container_needs_is_learned_but_for_what_no_question_shows(needs):
    needs &= ~(1 << 24 | 1 << 12)

    assert learned("042stab107", needs).caps == needs
