"""What a running container needs, learned by asking CPT_TEST_VECAPS.

The kernel writes each diagnostic of a refusal to its log too, where it looks like a migration that
failed: so a container is refused twice at most. It is offered nothing, which names every feature
that it needs, and then what was found, which must be enough.

Where the words do not tell it (they outgrow the kernel's page, one is not known here, or what was
found is not enough), it is offered everything but one bit, for each bit: where the kernel's answer
is another one, the container needs that bit.
"""

import errno
from collections import namedtuple

from vzcptcheck.devices import CPT, EVERYTHING, UNSUPPORTED_FEATURE, Device, missing_word
from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.features import FEATURES, feature_by_word
from vzcptcheck.reasons import caps_of_diagnostic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from vzcptcheck.syscalls import Syscalls

_MASKS = {feature.name: feature.mask for feature in FEATURES}

#: The kernel's result codes, beside UNSUPPORTED_FEATURE.
_FITS = 0
_NO_CPU_FEATURE = 1
_NO_IPV6_MODULE = 3
_NO_MNT_NAMESPACES = 5

#: What the kernel writes where it takes private mount namespaces for a feature of the destination.
_NAMESPACES_TEXT = "Error: Mount namespaces migration support"

#: The kernel's page of diagnostics: what does not fit is lost without a word.
_PAGE = 4096
_ERROR = "Error: "

#: How often a container is asked that changes while it is asked.
_TRIES = 3

RUNNING = "running"
STOPPED = "stopped"
UNKNOWN = "unknown"


class NodeAnswers(namedtuple("NodeAnswers", ("caps", "has_test_version", "has_ipv6"))):
    """What asking a container rests on: ``caps`` are the node's own bits.

    A kernel that has CPT_TEST_VERSION (042stab) compares bits 17 and 28 by themselves.
    """

    __slots__ = ()

    @property
    def no_ipv6(self) -> "int":
        """The bit that a container of this node may carry, which says that it needs no IPv6."""
        return 0 if self.has_ipv6 or not self.has_test_version else _MASKS["NO_IPV6"]


class Needs(namedtuple("Needs", ("caps", "reports"))):
    """Capability bits, and what the kernel writes of the container, without 'Error: '."""

    __slots__ = ()


class ContainerFacts(namedtuple("ContainerFacts", ("state", "needs", "remark"))):
    """What asking came to: ``needs`` is None where they cannot be told, ``remark`` says why.

    ``state`` is running, stopping, stopped, locked or suspended; or unknown.
    """

    __slots__ = ()


class _Answer(namedtuple("_Answer", ("result", "diagnostics", "features"))):
    """``features`` are the unsupported ones; None where the kernel was not asked or says none."""

    __slots__ = ()


class _ChangedError(Exception):
    """The container is not what it was when asking began."""


class _FullPageError(CheckError):
    """The kernel may have had more to say."""


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
        # An errno says nothing of the container; what is no errno is an answer of one that runs.
        state = UNKNOWN if isinstance(error, DeviceError) else RUNNING
        return ContainerFacts(state, None, f"could not be asked: {error.message}")


def _state_told_by(error: "DeviceError", diagnostics: "list[str]", is_suspended: "bool") -> "str":
    """Return the state that an errno of CPT_TEST_VECAPS means, or nothing.

    ESRCH: one that the kernel knows and that does not run is said so; one that it does not know
    is not.
    """
    if error.number == errno.ESRCH:
        return "stopping" if diagnostics else STOPPED
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
    return _gather_by_words(device, node) or _gather_bit_by_bit(device, node)


def _gather_by_words(device: "Device", node: "NodeAnswers") -> "Needs | None":
    """Ask with nothing, and check what was found; None where it is not certain."""
    try:
        nothing = _ask(device, 0)
    except _FullPageError:
        return None
    named, reports = _caps_named(nothing.diagnostics)
    if named is None or nothing.result not in _results_without(named):
        return None
    if not node.caps & _MASKS["SSE4_2"]:
        # A kernel below 042stab101 says sse4_2 where it means SSE4_1's bit.
        named &= ~_MASKS["SSE4_2"]
    is_unsupported = nothing.result == UNSUPPORTED_FEATURE or bool(reports)
    no_ipv6 = node.no_ipv6
    check = _ask_features(device, named | no_ipv6)
    if no_ipv6 and check.result == _NO_IPV6_MODULE:
        # It does not carry the bit, and this refusal hides what the result would be without it.
        no_ipv6 = 0
        if is_unsupported:
            check = check._replace(result=UNSUPPORTED_FEATURE, diagnostics=check.diagnostics[:-1])
        else:
            check = _ask_features(device, named)
    results = (UNSUPPORTED_FEATURE,) if is_unsupported else (_FITS, UNSUPPORTED_FEATURE)
    if check.result not in results or check.diagnostics != reports:
        return None
    return _needs(named | no_ipv6 | _unsupported(node, check), reports)


def _results_without(caps: "int") -> "tuple[int, ...]":
    """Return what a kernel may answer for a container that needs these bits and is offered none."""
    if caps & _MASKS["NAMESPACES"]:
        return (_NO_MNT_NAMESPACES,)
    return (_NO_CPU_FEATURE if caps else _FITS, UNSUPPORTED_FEATURE)


def _caps_named(diagnostics: "list[str]") -> "tuple[int | None, list[str]]":
    """Return the bits that diagnostics miss on the destination, and what else they say.

    The bits are None where a word of the kernel's is not known here.
    """
    caps: "int | None" = 0
    reports = []
    for line in diagnostics:
        word = missing_word(line)
        if word is not None:
            feature = feature_by_word(word)
            caps = None if caps is None or feature is None else caps | feature.mask
        elif line.startswith(_NAMESPACES_TEXT):
            caps = None if caps is None else caps | _MASKS["NAMESPACES"]
        else:
            reports.append(line)
    return caps, reports


def _needs(caps: "int", reports: "list[str]") -> "Needs":
    return Needs(caps, tuple(map(_without_error, reports)))


def _gather_bit_by_bit(device: "Device", node: "NodeAnswers") -> "Needs":
    whole = _ask(device, EVERYTHING)
    if whole.result not in (_FITS, UNSUPPORTED_FEATURE):
        raise CheckError(f"unexpected answer {whole.result} to CPT_TEST_VECAPS")
    answers = {
        1 << bit: _ask(device, EVERYTHING & ~(1 << bit))
        for bit in range(EVERYTHING.bit_length())
        if EVERYTHING >> bit & 1
    }
    caps = sum(mask for mask, answer in answers.items() if answer != whole)
    if node.no_ipv6 and _ask(device, EVERYTHING | node.no_ipv6) == whole:
        caps |= node.no_ipv6
    caps |= _hidden_sse4_2(node, whole, answers)
    # What was found must be enough: if not, processes came or changed meanwhile.
    check = _ask_features(device, caps)
    if check._replace(features=None) != whole:
        raise _ChangedError
    return _needs(caps | _unsupported(node, check), whole.diagnostics)


def _hidden_sse4_2(node: "NodeAnswers", whole: "_Answer", answers: "dict[int, _Answer]") -> "int":
    """Return SSE4_2 where the kernel asks SSE4_1's bit in its place.

    Kernels below 042stab101 do (kernel-facts.md, section 5): two words for one bit. What needs
    the one needs the other there, if the node has it: both come with the use of the FPU.
    """
    sse4_2 = _MASKS["SSE4_2"]
    without_sse4_1, without_sse4_2 = answers[_MASKS["SSE4_1"]], answers[sse4_2]
    words = len(without_sse4_1.diagnostics) - len(whole.diagnostics)
    return node.caps & sse4_2 if words == 2 and without_sse4_2 == whole else 0


def _unsupported(node: "NodeAnswers", answer: "_Answer") -> "int":
    """Return the bits of what cannot be checkpointed: by the kernel's mask, else by its words."""
    if answer.result == _FITS:
        return 0
    if answer.features is not None:
        features: "int" = answer.features
        return features
    caps = 0
    for line in answer.diagnostics:
        caps |= caps_of_diagnostic(line)
    if caps:
        return caps
    # 2.6.32 refuses a private mount namespace without a word; 042stab does not refuse it here.
    return _MASKS["UNSUPPORTED_MISC" if node.has_test_version else "NAMESPACES"]


def _ask(device: "Device", capnum: "int") -> "_Answer":
    return _Answer(device.test_vecaps(capnum), _diagnostics(device), None)


def _ask_features(device: "Device", capnum: "int") -> "_Answer":
    result, features = device.test_vecaps2(capnum)
    return _Answer(result, _diagnostics(device), features)


def _diagnostics(device: "Device") -> "list[str]":
    diagnostics = device.whole_diagnostics()
    if sum(len(line.encode("utf-8", "surrogateescape")) + 1 for line in diagnostics) >= _PAGE:
        raise _FullPageError(f"the kernel has more to say of it than its page of {_PAGE} bytes")
    return diagnostics


def _without_error(line: "str") -> "str":
    before, _, after = line.partition(_ERROR)
    return line if before else after
