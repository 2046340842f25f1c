"""What a container needs, learned from kernels that decide as kernel-facts.md says (section 6)."""

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import CPT, FakeKernel, error
from vzcptcheck.asking import ContainerFacts, Needs, NodeAnswers, ask_about

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
VECAPS = list(fakes.TEST_VECAPS)

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
        if self.modern and capnum & ~needs & NO_IPV6:
            lines.append("IPv6 not loaded or disabled on destination node")
        if self.modern and needs & ~capnum & NAMESPACES:
            where = "on destination node"
            lines.append(f"Mount namespaces migration support is not present {where}")
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

#: A kernel that has a word more than any that was read.
WORDY = Kernel([*_BASE, *_SSE4, *_18, ("rdrand", 29), ("movbe", 30)], 0xC1FD0000)


class Node(FakeKernel):
    """A node of such a kernel with one container, 101."""

    def __init__(self, kernel, needs, reports=(), **more):
        self.kernel, self.needs, self.reports = kernel, needs, list(reports)
        answers = {
            fakes.TEST_VECAPS: lambda capnum: kernel.result(self.needs, capnum),
            fakes.TEST_VECAPS2: lambda vecaps: kernel.fill(self.needs, vecaps),
        }
        answers.update(more.pop("answers", {}))

        def said(capnum):
            return kernel.diagnostics(self.needs, self.reports, capnum)

        def said_again(vecaps):
            has_request = kernel.vecaps2 != "not at all"
            return said(struct.unpack("=II", bytes(vecaps))[0]) if has_request else b""

        diagnostics = {fakes.CPT_TEST_VECAPS: said, fakes.CPT_TEST_VECAPS2: said_again}
        super().__init__(answers, diagnostics, **more)


def ask(node, caps=0, suspended=(), has_ipv6=False):
    facts = ask_about(node, 101, NodeAnswers(caps, node.kernel.modern, has_ipv6), suspended)
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


@pytest.mark.parametrize(
    ("name", "needs", "reports"),
    [
        # A private mount namespace shows by its own result.
        ("042stab", CMOV | NAMESPACES, ()),
        ("042stab092", CMOV | NAMESPACES, ()),
        ("042stab107", CMOV | NAMESPACES, ()),
        # A container of a node without IPv6 carries that; older kernels do not compare it.
        ("042stab092", CMOV | NO_IPV6, ()),
        ("042stab107", CMOV | NO_IPV6, ()),
        ("028stab", CMOV, ()),
        ("2.6.32", CMOV, ()),
        # What the kernel fills in goes before its words.
        ("042stab107", 1 << 21, ["keys are used by 1,1(a)"]),
        # A refusal without a word is a namespace where those have none.
        ("2.6.32", NAMESPACES, ()),
        ("042stab", MISC, ()),
        ("042stab092", MISC, ()),
    ],
)
def test_what_is_no_cpus_feature_is_learned_too(name, needs, reports):
    assert learned(name, needs, reports).caps == needs


@pytest.mark.parametrize(
    ("name", "needs", "own"),
    [
        # SSE4_2 is taken from the node where SSE4_1 is asked twice,
        *(
            (name, needs, own)
            for name in ("042stab", "042stab092")
            for needs, own in [
                (SSE4_1 | SSE4_2, SSE4_1 | SSE4_2),
                (SSE4_1, SSE4_1),
                (CMOV, SSE4_1 | SSE4_2),
            ]
        ),
        # and asked for where it is tested.
        ("042stab107", SSE4_1, SSE4_1 | SSE4_2),
    ],
)
def test_sse4_2_is_taken_from_the_node_or_asked_for(name, needs, own):
    assert learned(name, needs, caps=own).caps == needs


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


def test_a_line_that_has_no_error_before_it_is_kept_whole():
    node = Node(KERNELS["042stab107"], 1 << 23)
    line = b"said: Error: of a kind\n"
    node.diagnostics = {fakes.CPT_TEST_VECAPS: line, fakes.CPT_TEST_VECAPS2: line}
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
    node = Node(KERNELS["042stab107"], 0, answers={fakes.TEST_VECAPS: error(number)})
    node.diagnostics[fakes.CPT_TEST_VECAPS] = said
    assert ask(node, suspended=suspended) == ContainerFacts(state, None, "")


@pytest.mark.parametrize("after", [1, 5, 20, 31])
def test_a_container_that_stops_in_the_middle_is_an_entry(after):
    node = Node(KERNELS["042stab107"], CMOV)
    answer = node.answers[fakes.TEST_VECAPS]
    asked = []

    def stops(capnum):
        asked.append(capnum)
        return error(errno.ESRCH) if len(asked) > after else answer(capnum)

    node.answers[fakes.TEST_VECAPS] = stops
    node.diagnostics[fakes.CPT_TEST_VECAPS] = b""

    assert ask(node) == ContainerFacts("stopped", None, "")


def grow(node, after):
    """Let the node's container need FXSR too, once it was asked so often; return what is asked."""
    answer = node.answers[fakes.TEST_VECAPS]
    asked = []

    def grows(capnum):
        asked.append(capnum)
        if len(asked) == after:
            node.needs |= 1 << 1
        return answer(capnum)

    node.answers[fakes.TEST_VECAPS] = grows
    return asked


def test_a_container_that_comes_to_need_more_before_it_is_checked_is_asked_bit_by_bit():
    node = Node(KERNELS["042stab107"], CMOV)
    asked = grow(node, after=1)
    assert ask(node).needs.caps == CMOV | 1 << 1
    assert len(asked) > 20


def test_a_container_that_comes_to_need_more_meanwhile_is_asked_again():
    node = Node(WORDY, CMOV | 1 << 30)
    asked = grow(node, after=20)
    assert ask(node).needs.caps == CMOV | 1 << 1 | 1 << 30
    assert len(asked) > 40


def test_a_container_that_never_stays_the_same_is_unknown():
    node = Node(KERNELS["042stab107"], 0)
    asked = []

    def changes(_):
        asked.append(1)
        return 2 * (len(asked) % 2)

    node.answers[fakes.TEST_VECAPS] = node.answers[fakes.TEST_VECAPS2] = changes
    node.diagnostics.clear()

    assert ask(node) == ContainerFacts("running", None, "changed each time that it was asked")
    assert len(asked) < 200


def count_refusals(node):
    """Have the node's answers counted that are no yes and no errno: the log has lines of each."""
    refused = []

    def counting(answer):
        def counted(argument):
            result = answer(argument)
            if isinstance(result, int) and result:
                refused.append(argument)
            return result

        return counted

    for question in (fakes.TEST_VECAPS, fakes.TEST_VECAPS2):
        node.answers[question] = counting(node.answers[question])
    return refused


@pytest.mark.parametrize("has_ipv6", [False, True])
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("needs", "reports"),
    [
        (CMOV, ()),
        (CMOV | NAMESPACES, ()),
        (CMOV | NO_IPV6, ()),
        (CMOV | MISC, ["keys are used by 1,1(a)"]),
        (CMOV | MISC | NAMESPACES, ["keys are used by 1,1(a)"]),
        (CMOV | MISC | NAMESPACES | NO_IPV6, ["keys are used by 1,1(a)"]),
    ],
)
def test_a_container_is_refused_twice_at_most(name, needs, reports, has_ipv6):
    if has_ipv6 or not KERNELS[name].modern:
        needs &= ~NO_IPV6  # What a node has, no container of it carries that it has not.
    node = Node(KERNELS[name], needs, reports)
    refused = count_refusals(node)

    found = ask(node, has_ipv6=has_ipv6).needs

    told = needs if KERNELS[name].modern else needs & ~NAMESPACES
    assert found.caps in (needs, told)
    assert len(refused) <= 2


def test_words_that_outgrow_the_page_are_learned_bit_by_bit():
    long = ["x" * 3500]
    needs = sum(1 << bit for bit in bits_of("042stab107")) | MISC
    node = Node(KERNELS["042stab107"], needs, long)
    node.diagnostics[fakes.CPT_TEST_VECAPS] = lambda capnum: node.kernel.diagnostics(
        needs, long, capnum
    )[:4096]
    assert ask(node).needs == Needs(needs, tuple(long))


def test_a_word_that_is_not_known_here_is_learned_by_its_bit():
    assert ask(Node(WORDY, CMOV | 1 << 30)).needs == Needs(CMOV | 1 << 30, ())


LONG = {"reports": ["x" * 4090]}
UNASKED = "could not be asked: /proc/cpt: ioctl CPT_"


@pytest.mark.parametrize(
    ("how", "remark"),
    [
        # More than a page of diagnostics may hide a need.
        (LONG, "more to say of it than its page of 4096 bytes"),
        # Answers that no kernel gives.
        *(
            ({"answers": {fakes.TEST_VECAPS: result}}, f"unexpected answer {result}")
            for result in (-1, 1, 3, 4, 5, 7)
        ),
        *(
            ({"answers": {(CPT, request): error(number)}}, UNASKED)
            for request in (fakes.CPT_SET_VEID, fakes.CPT_TEST_VECAPS)
            for number in (errno.EINTR, errno.EIO, errno.ENOMEM)
        ),
    ],
)
def test_needs_are_unknown_and_that_is_said(how, remark):
    facts = ask(Node(KERNELS["042stab107"], MISC if how is LONG else 0, **how))
    # Of an errno nothing is learned; who answers, runs.
    assert (facts.state, facts.needs) == ("unknown" if remark == UNASKED else "running", None)
    assert remark in facts.remark
    assert facts.remark.startswith(remark) or remark != UNASKED


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
    node = Node(WORDY, CMOV | 1 << 30)
    ask(node)
    capnums = [argument for *question, argument in node.requests() if question == VECAPS]
    assert all(0 <= capnum <= 0x7FFFFFFF for capnum in capnums)
    assert all(not capnum >> 24 & 1 for capnum in capnums)
    assert [capnum for capnum in capnums if capnum & NO_IPV6] == [0x7EFFFFFF]


@given(st.integers(0, 0x3FFFFFFF))
def test_whatever_a_container_needs_is_learned_but_for_what_no_question_shows(needs):
    needs &= ~(1 << 24 | 1 << 12)
    assert learned("042stab107", needs).caps == needs
