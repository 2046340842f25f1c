"""Refusals in words: what the kernel found, and what to do about it."""

from vzcptcheck import versions
from vzcptcheck.features import CPU_FEATURES, feature_by_word, features_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Sequence

    from vzcptcheck.features import Feature

_CPU_DIAGNOSTIC = "Error: Destination cpu does not have "

#: The kernel's result codes to CPT_TEST_VECAPS.
RESULTS = {
    1: "the destination's CPU lacks what the container needs",
    2: "something in the container cannot be checkpointed",
    3: "the destination has no IPv6, and the container needs it",
    4: "SLM is enabled on the destination without the module slm_dmprst",
    5: "the destination cannot restore private mount namespaces",
}

_CPU_ADVICE = (
    "Choose a destination whose CPU has these features, or move the container while it is stopped."
)
_OTHER_ADVICE = "End what the kernel names, or move the container while it is stopped."

#: What a diagnostic has in it, the container's capability bit that goes with it, the advice.
_CAUSES = (
    (
        "SLM is enabled on destination",
        "",
        "Load the module on the destination: 'modprobe slm_dmprst'.",
    ),
    ("SLM is enabled", "SLM_DMPRST", "Load the module on this node: 'modprobe slm_dmprst'."),
    (
        "IPv6 not loaded",
        "",
        "Load IPv6 on the destination: 'modprobe ipv6', and boot without ipv6.disable=1.",
    ),
    (
        "Mount namespaces migration support",
        "",
        "Choose a destination with a 042stab kernel, or end the processes in the container "
        "that use a private mount namespace.",
    ),
    (
        "inside CT",
        "EXTERNAL_PROCESS",
        "End the session that entered the container (vzctl enter, vzctl exec).",
    ),
    (
        "namespaces are not supported",
        "NAMESPACES",
        "End the process that uses a private mount namespace.",
    ),
    (
        "scheduler policy",
        "SCHEDULER_POLICY",
        "Give the process a normal policy: 'chrt --other --pid 0 PID'.",
    ),
    ("is ptraced", "PTRACED_FROM_VE0", "Detach the debugger on this node from the process."),
    ("NUMA mempolicy", "", "Start the process again without a NUMA memory policy."),
    ("keys are used", "", "End the process that holds keys of its own: see keyctl(1)."),
    (
        "unsupported netdevice",
        "UNSUPPORTED_NETDEV",
        "Take the network device out of the container.",
    ),
    (
        "Unsupported filesystem",
        "UNSUPPORTED_FSTYPE",
        "Unmount the file system in the container.",
    ),
)


def feature_lines(features: "Iterable[Feature]", offered_caps: "int" = 0) -> "List[str]":
    """Name features one a line, with CPUID leaf, register and bit.

    A feature that ``offered_caps`` has after all is marked: before 042stab101 the kernel
    looks at sse4_1 where it says sse4_2.
    """
    return [
        "    {:<10} {}, capability bit {}{}".format(
            feature.word or feature.name,
            feature.origin,
            feature.bit,
            " (which the number has: this kernel takes sse4_1 for it)"
            if offered_caps & feature.mask
            else "",
        )
        for feature in features
    ]


def container_refusal(
    ctid: "int",
    offered_caps: "int",
    result: "int",
    diagnostics: "Sequence[str]",
    unsupported_caps: "int | None",
) -> "List[str]":
    """Say everything at once that keeps a running container from its destination.

    ``result`` is the answer to CPT_TEST_VECAPS with ``offered_caps``, ``diagnostics`` what the
    kernel wrote, ``unsupported_caps`` what CPT_TEST_VECAPS2 told (None: nothing).
    """
    words = [line[len(_CPU_DIAGNOSTIC) :] for line in diagnostics if _is_cpu(line)]
    others = [line for line in diagnostics if not _is_cpu(line)]
    lines = ["container {} cannot be restored there: {}".format(ctid, _result_words(result))]
    lines += _missing_words(words, offered_caps)
    for line in others:
        lines += ["  kernel: " + line, "    " + _advice_for(line)]
    return lines + _unexplained(unsupported_caps or 0, others)


def _is_cpu(line: "str") -> "bool":
    return line.startswith(_CPU_DIAGNOSTIC)


def _result_words(result: "int") -> "str":
    return RESULTS.get(result, "the kernel answers {}, which is not known here".format(result))


def _missing_words(words: "Sequence[str]", offered_caps: "int") -> "List[str]":
    if not words:
        return []
    lines = ["  missing on the destination's CPU:"]
    for word in words:
        feature = feature_by_word(word)
        lines += feature_lines([feature], offered_caps) if feature else ["    " + word]
    return [*lines, "    " + _CPU_ADVICE]


def _advice_for(diagnostic: "str") -> "str":
    for marker, _, advice in _CAUSES:
        if marker in diagnostic:
            return advice
    return _OTHER_ADVICE


def _unexplained(unsupported_caps: "int", diagnostics: "Sequence[str]") -> "List[str]":
    """Name the unsupported features that no diagnostic has spoken of."""
    lines = []
    for feature in features_in(unsupported_caps):
        cause = next((cause for cause in _CAUSES if cause[1] == feature.name), None)
        if cause is None:
            told = bool(diagnostics)
        else:
            told = any(cause[0] in line for line in diagnostics)
        if not told:
            lines += [
                "  {} (capability bit {})".format(feature.meaning, feature.bit),
                "    " + (cause[2] if cause else _OTHER_ADVICE),
            ]
    return lines


def node_refusal(
    offered_caps: "int", own_features: "Iterable[Feature]", origin: "str"
) -> "List[str]":
    """Say which of this node's features a capability number lacks.

    ``own_features`` are this node's, ``origin`` says who says so.
    """
    missing = [
        feature
        for feature in own_features
        if feature in CPU_FEATURES and not offered_caps & feature.mask
    ]
    lines = ["a container suspended on this node cannot be restored there"]
    if missing:
        lines.append("  this node's CPU has (by {}), and the number lacks:".format(origin))
        lines += feature_lines(missing)
    else:
        lines.append("  which feature is missing could not be learned: {}".format(origin))
    return [*lines, "    " + _CPU_ADVICE]


def version_refusal(image_version: "int", accepted: "Sequence[int]") -> "List[str]":
    """Say whether an image version is too old or too new for this node.

    ``accepted`` are the named versions that this node's kernel takes, ascending.
    """
    described = versions.describe(image_version)
    lines = ["image version {} cannot be restored on this node".format(described)]
    if not accepted:
        return lines
    taken = ", ".join(versions.describe(version) for version in accepted)
    if image_version > accepted[-1]:
        reason = "too new"
        advice = "Update this node's kernel, or choose a destination with a newer one."
    else:
        reason = "too old"
        advice = "Update the source's kernel, or move the container while it is stopped."
    return [*lines, "  It is {}: this kernel takes {}.".format(reason, taken), "  " + advice]
