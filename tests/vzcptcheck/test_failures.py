"""Whatever system call fails: no yes and no no by mistake, and nothing left open.

Until the kernel has answered the question, a call that fails is an error. From then on the
answer stands: what fails only closes a file, or looks for the reasons of a refusal.
"""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support import vzcptcheck_fakes as fakes
from support.vzcptcheck_fakes import FakeKernel, cpuid_device, error, fill_in, run_command

CPUID = {
    (0, 0): (1, 0x68747541, 0x444D4163, 0x69746E65),
    (1, 0): (0x00100F23, 0x80000800, 0x00802009, 0x078BFBFD),
    (0x80000000, 0): (0x80000001, 0, 0, 0),
    (0x80000001, 0): (0x00100F23, 0, 0x00000065, 0x2993FBFD),
}

DIAGNOSTICS = b"Error: Destination cpu does not have avx\nError: unsupported netdevice tun0\n"

#: Errnos with no meaning of their own for any call, and some that have one for some calls.
PLAIN_ERRNOS = [errno.EIO, errno.EINTR, errno.ENOMEM, errno.EBADF, errno.EAGAIN, errno.EBUSY]
ERRNOS = [*PLAIN_ERRNOS, errno.ENOENT, errno.EACCES, errno.ESRCH, errno.EMFILE, errno.ENOTTY]


class Scenario:
    """A command, and what the kernel answers: the first of the answers decides."""

    def __init__(self, name, command, status, answers, **node):
        self.name = name
        self.arguments = command.split()
        self.deciding = next(iter(answers))
        self.status = status
        self.answers = answers
        self.node = node

    def run(self, failing=()):
        """Run the command; return the node, the status, stdout and stderr."""
        kernel = FakeKernel(self.answers, failing=failing, **self.node)
        outcome = run_command(kernel, *self.arguments)
        assert kernel.open_paths == [], "left open"
        return (kernel, *outcome)

    def decided_at(self):
        """Tell the number of the call that decides, the first of its kind."""
        calls = [call[:3] for call in self.run()[0].calls]
        return calls.index(("ioctl", *self.deciding))


#: Kernels and CPUs that say why.
VECAPS2_SAYS = {fakes.TEST_VECAPS2: fill_in(1 << 20)}
SAID = {fakes.CPT_TEST_VECAPS: DIAGNOSTICS}
BY_DEVICE = {"/dev/cpu/0/cpuid": cpuid_device(CPUID)}
BY_FLAGS = {"/proc/cpuinfo": b"processor: 0\nflags: fpu avx\n"}
UNASKED = {fakes.TAKES_VERSION: error(errno.EINVAL)}

SCENARIOS = [
    Scenario("show version", "version", 0, {fakes.OWN_VERSION: 9}),
    Scenario("version accepted", "version 9", 0, {fakes.TAKES_VERSION: 1}),
    Scenario("version rejected", "version 9", 2, {fakes.TAKES_VERSION: 0}),
    Scenario("version not asked for", "version 9", 0, {fakes.OWN_CAPS: 511, **UNASKED}),
    Scenario("show caps", "caps", 0, {fakes.OWN_CAPS: 511}),
    Scenario("node fits", "caps 511", 0, {fakes.COMPARE_CAPS: 0}),
    Scenario("by its number", "caps 1", 2, {fakes.COMPARE_CAPS: 1, fakes.OWN_CAPS: 511}),
    Scenario("by its CPU", "caps 1", 2, {fakes.COMPARE_CAPS: 1}, files=BY_DEVICE),
    Scenario("by its flags", "caps 1", 2, {fakes.COMPARE_CAPS: 1}, files=BY_FLAGS),
    Scenario("container fits", "caps 101 511", 0, {fakes.TEST_VECAPS: 0}),
    Scenario(
        "container refused",
        "caps 101 511",
        2,
        {fakes.TEST_VECAPS: 2, **VECAPS2_SAYS},
        diagnostics=SAID,
    ),
]


SCENARIO_IDS = [scenario.name for scenario in SCENARIOS]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=SCENARIO_IDS)
def test_without_a_failure(scenario):
    assert scenario.run()[1] == scenario.status


@pytest.mark.parametrize("number", ERRNOS, ids=errno.errorcode.get)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=SCENARIO_IDS)
def test_each_call_failing_alone(scenario, number):
    undisturbed, status, answer, remarks = scenario.run()
    decided = scenario.decided_at()
    for failing, call in enumerate(undisturbed.calls):
        kernel, *outcome = scenario.run({failing: number})
        assert kernel.calls[failing] == call
        if call[0] == "close":
            # The same words too, but for the CPU's own file: that is read no further.
            assert outcome[:2] == [status, answer]
            assert outcome[2] == remarks or failing > decided
        elif failing <= decided:
            assert outcome[:2] == [1, ""]
            assert outcome[2].startswith("vzcptcheck: ")
        else:
            assert outcome[:2] == [status, answer]
            assert outcome[2].splitlines()[0] == remarks.splitlines()[0]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=SCENARIO_IDS)
def test_every_call_failing_from_one_on(scenario):
    decided = scenario.decided_at()
    for first in range(len(scenario.run()[0].calls)):
        failing = dict.fromkeys(range(first, first + 1000), errno.EIO)
        _, status, _, remarks = scenario.run(failing)
        assert status == (scenario.status if first > decided else 1)
        assert remarks or status == 0


@given(
    st.sampled_from(SCENARIOS),
    st.dictionaries(st.integers(0, 40), st.sampled_from(PLAIN_ERRNOS), max_size=8),
)
def test_any_calls_failing_at_once(scenario, failing):
    kernel, status, answer, remarks = scenario.run(failing)

    made = [
        number not in failing
        for number, call in enumerate(kernel.calls)
        if call[0] == "ioctl" and call[1:3] == scenario.deciding
    ]
    if made[:1] == [True]:
        assert status == scenario.status
    else:
        assert status == 1
        assert answer == ""
        assert remarks
