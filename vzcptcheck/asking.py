"""What a running container needs, learned by asking CPT_TEST_VECAPS once for each bit.

It is offered everything, then everything but one bit: where the kernel's answer is another one,
the container needs that bit. So what it says in words is not relied on for what it says by its
result, nor the other way round: one refusal's result hides another's, and words can be lost.
"""

import errno
from collections import namedtuple

from vzcptcheck.devices import CPT, Device
from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.features import FEATURES
from vzcptcheck.reasons import caps_of_diagnostic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from vzcptcheck.syscalls import Syscalls

_MASKS = {feature.name: feature.mask for feature in FEATURES}

#: Bits that a destination is refused for having, not for lacking.
_REFUSED_IF_SET = _MASKS["SLM_DMPRST"] | _MASKS["NO_IPV6"]

#: The largest argument that an ioctl of Python's takes on every width, without those bits.
#: No kernel gives bit 31 a meaning.
_EVERYTHING = 0x7FFFFFFF & ~_REFUSED_IF_SET

_FITS = 0
_UNSUPPORTED_FEATURE = 2

#: The kernel's page of diagnostics: what does not fit is lost without a word.
_PAGE = 4096
_ERROR = "Error: "

#: How often a container is asked that changes while it is asked.
_TRIES = 3

RUNNING = "running"


class NodeAnswers(namedtuple("NodeAnswers", ("caps", "has_test_version"))):
    """What asking a container rests on: ``caps`` are the node's own bits.

    A kernel that has CPT_TEST_VERSION (042stab) compares bits 17 and 28 by themselves.
    """

    __slots__ = ()


class Needs(namedtuple("Needs", ("caps", "reports"))):
    """Capability bits, and what the kernel says of the container, without 'Error: '."""

    __slots__ = ()


class ContainerFacts(namedtuple("ContainerFacts", ("state", "needs", "remark"))):
    """What asking came to: ``needs`` is None where they cannot be told, ``remark`` says why.

    ``state`` is running, stopping, stopped, locked or suspended.
    """

    __slots__ = ()


class _Answer(namedtuple("_Answer", ("result", "diagnostics"))):
    __slots__ = ()


class _ChangedError(Exception):
    """The container is not what it was when asking began."""


def ask_about(
    syscalls: "Syscalls", ctid: "int", node: "NodeAnswers", suspended: "Collection[int]"
) -> "ContainerFacts":
    """Ask what a container needs; nothing that goes wrong with one is the end of it all.

    ``suspended`` are the containers that a checkpoint context of the node's holds suspended.
    """
    try:
        with Device(syscalls, CPT) as device:
            device.collect_diagnostics()
            device.set_veid(ctid)
            try:
                return _ask_until_stable(device, node)
            except DeviceError as error:
                state = _state_told_by(error, device.diagnostics(), ctid in suspended)
                if not state:
                    raise
                return ContainerFacts(state, None, "")
    except CheckError as error:
        return ContainerFacts(RUNNING, None, f"could not be asked: {error.message}")


def _state_told_by(error: "DeviceError", diagnostics: "list[str]", is_suspended: "bool") -> "str":
    """Return the state that an errno of CPT_TEST_VECAPS means, or nothing.

    ESRCH: one that the kernel knows and that does not run is said so; one that it does not know
    is not.
    """
    if error.number == errno.ESRCH:
        return "stopping" if diagnostics else "stopped"
    if error.number == errno.EBUSY:
        return "suspended" if is_suspended else "locked"
    return ""


def _ask_until_stable(device: "Device", node: "NodeAnswers") -> "ContainerFacts":
    for _ in range(_TRIES):
        try:
            return ContainerFacts(RUNNING, _gather(device, node), "")
        except _ChangedError:
            continue
    return ContainerFacts(RUNNING, None, "changed each time that it was asked")


def _gather(device: "Device", node: "NodeAnswers") -> "Needs":
    whole = _ask(device, _EVERYTHING)
    if whole.result not in (_FITS, _UNSUPPORTED_FEATURE):
        raise CheckError(f"unexpected answer {whole.result} to CPT_TEST_VECAPS")
    answers = {
        1 << bit: _ask(device, _EVERYTHING & ~(1 << bit))
        for bit in range(_EVERYTHING.bit_length())
        if _EVERYTHING >> bit & 1
    }
    caps = sum(mask for mask, answer in answers.items() if answer != whole)
    caps |= _need_of_no_ipv6(device, node, whole)
    caps |= _hidden_sse4_2(node, whole, answers)
    caps |= _unsupported(device, node, whole)
    # What was found must be enough: if not, processes came or changed meanwhile.
    if _ask(device, caps & _EVERYTHING | caps & _MASKS["NO_IPV6"]) != whole:
        raise _ChangedError
    return Needs(caps, tuple(map(_without_error, whole.diagnostics)))


def _need_of_no_ipv6(device: "Device", node: "NodeAnswers", whole: "_Answer") -> "int":
    """Tell whether the container carries that its node has no IPv6: then it may go to another."""
    no_ipv6 = _MASKS["NO_IPV6"]
    if node.has_test_version and _ask(device, _EVERYTHING | no_ipv6) == whole:
        return no_ipv6
    return 0


def _hidden_sse4_2(node: "NodeAnswers", whole: "_Answer", answers: "dict[int, _Answer]") -> "int":
    """Return SSE4_2 where the kernel asks SSE4_1's bit in its place.

    Kernels below 042stab101 do (kernel-facts.md, section 5): two words for one bit. What needs
    the one needs the other there, if the node has it: both come with the use of the FPU.
    """
    sse4_2 = _MASKS["SSE4_2"]
    without_sse4_1, without_sse4_2 = answers[_MASKS["SSE4_1"]], answers[sse4_2]
    words = len(without_sse4_1.diagnostics) - len(whole.diagnostics)
    return node.caps & sse4_2 if words == 2 and without_sse4_2 == whole else 0


def _unsupported(device: "Device", node: "NodeAnswers", whole: "_Answer") -> "int":
    """Return the bits of what cannot be checkpointed: by the kernel's mask, else by its words."""
    if whole.result == _FITS:
        return 0
    features = device.unsupported_features(_EVERYTHING)
    device.diagnostics()
    if features is not None:
        return features
    caps = 0
    for line in whole.diagnostics:
        caps |= caps_of_diagnostic(line)
    if caps:
        return caps
    # 2.6.32 refuses a private mount namespace without a word; 042stab does not refuse it here.
    return _MASKS["UNSUPPORTED_MISC" if node.has_test_version else "NAMESPACES"]


def _ask(device: "Device", capnum: "int") -> "_Answer":
    result = device.test_vecaps(capnum)
    diagnostics = device.whole_diagnostics()
    if sum(len(line.encode("utf-8", "surrogateescape")) + 1 for line in diagnostics) >= _PAGE:
        raise CheckError(f"the kernel has more to say of it than its page of {_PAGE} bytes")
    return _Answer(result, diagnostics)


def _without_error(line: "str") -> "str":
    before, _, after = line.partition(_ERROR)
    return line if before else after
