"""Refusals in words: what the kernel found, and what to do about it."""

from vzcptcheck import versions
from vzcptcheck.devices import missing_word
from vzcptcheck.features import (
    CPU_FEATURES,
    FEATURES,
    feature_by_word,
    features_in,
    hidden_before,
    unknown_bits,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable, List, Sequence, Tuple

    from vzcptcheck.features import Feature

#: The kernel's result codes to CPT_TEST_VECAPS.
RESULTS = {
    1: "the destination does not show a CPU feature that the container needs",
    2: "something in the container cannot be checkpointed",
    3: "the destination has no IPv6, and the container needs it",
    4: "SLM is enabled on the destination without the module slm_dmprst",
    5: "the destination cannot restore private mount namespaces",
}

_WHERE_TO_LOOK = (
    "look there at /proc/cpuinfo, /proc/vz/cpuid_override, /proc/cmdline and 'uname -r'"
)
_HIDDEN = "    Its CPU lacks it, or /proc/vz/cpuid_override or a boot option hides it there"
_TOO_OLD = ", or its kernel is too old to show it"
_CPU_ADVICE = (
    "    Take away what hides it, choose another destination, or move the container while it is "
    "stopped."
)
_OTHER_ADVICE = "End what is named here, or move the container while it is stopped."

#: What a diagnostic has before any process's name, the container's capability bit that goes
#: with it, the advice.
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
        (
            "Choose a destination with a 042stab kernel, or end the processes in the container "
            "that use a private mount namespace."
        ),
    ),
    (
        "external process",
        "EXTERNAL_PROCESS",
        "End the session that entered the container (vzctl enter, vzctl exec).",
    ),
    (
        "foreign process",
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
    ("Error: task ", "PTRACED_FROM_VE0", "Detach the debugger on this node from the process."),
    (
        "NUMA mempolicy",
        "UNSUPPORTED_MISC",
        "Start the process again without a NUMA memory policy.",
    ),
    (
        "keys are used",
        "UNSUPPORTED_MISC",
        "End the process that holds keys of its own: see keyctl(1).",
    ),
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

    One that ``offered_caps`` has after all is marked, and one that older kernels never show.
    """
    return [
        "    {:<10} {}, capability bit {}{}".format(
            feature.word or feature.name,
            feature.origin,
            feature.bit,
            _note(feature, offered_caps),
        )
        for feature in features
    ]


def _note(feature: "Feature", offered_caps: "int") -> "str":
    """Say that a kernel never shows a feature, or that the number has what the kernel misses.

    Kernels before 042stab101 look at the bit of SSE4_1 where they say sse4_2.
    """
    since = hidden_before(feature, offered_caps)
    if since:
        return f" (no kernel before {since} shows it)"
    if not offered_caps & feature.mask:
        return ""
    why = ": this kernel takes sse4_1 for it" if feature.name == "SSE4_2" else ""
    return f" (which the number has{why})"


def container_refusal(
    ctid: "int",
    offered_caps: "int",
    result: "int",
    diagnostics: "Sequence[str]",
    unsupported_caps: "int | None",
) -> "List[str]":
    """Say everything at once that keeps a running container from its destination.

    ``result`` is the answer to CPT_TEST_VECAPS with ``offered_caps``, ``diagnostics`` what the
    kernel wrote, ``unsupported_caps`` what CPT_TEST_VECAPS2 told (None: it was not asked, or did
    not say).
    """
    words = [word for word in map(missing_word, diagnostics) if word is not None]
    others = [line for line in diagnostics if missing_word(line) is None]
    lines = [f"container {ctid} cannot be restored there: {_result_words(result)}"]
    lines += _missing_words(words, offered_caps)
    for line in others:
        lines += ["  kernel: " + line, "    " + _cause_of(line)[1]]
    return lines + _unsupported(unsupported_caps or 0)


def _result_words(result: "int") -> "str":
    return RESULTS.get(result, f"the kernel answers {result}, which is not known here")


def _missing_words(words: "Sequence[str]", offered_caps: "int") -> "List[str]":
    if not words:
        return []
    lines = ["  the destination does not show:"]
    for word in words:
        feature = feature_by_word(word)
        lines += feature_lines([feature], offered_caps) if feature else ["    " + word]
    known = [feature for feature in map(feature_by_word, words) if feature]
    return lines + _advice(known, offered_caps)


def _advice(missing: "Sequence[Feature]", offered_caps: "int") -> "List[str]":
    """Say what may hide features, and what to do: a number alone does not tell which it is.

    ``missing`` are those that are known; of none it is not known how new they are.
    """
    may_be_old = not missing or any(hidden_before(one, offered_caps) for one in missing)
    hidden = _HIDDEN + (_TOO_OLD if may_be_old else "")
    return [f"{hidden}: {_WHERE_TO_LOOK}.", _CPU_ADVICE]


def _cause_of(diagnostic: "str") -> "Tuple[str, str]":
    """Return the name of the bit that goes with a diagnostic ("" for none), and the advice.

    A process's name stands in parentheses. It is not looked at: its owner chose it.
    """
    said = diagnostic.partition("(")[0]
    for marker, name, advice in _CAUSES:
        if marker in said:
            return name, advice
    return "", _OTHER_ADVICE


def caps_of_diagnostic(diagnostic: "str") -> "int":
    """Return the capability bit of the container's that a diagnostic speaks of; 0 for none."""
    name = _cause_of(diagnostic)[0]
    return sum(feature.mask for feature in FEATURES if feature.name == name)


def _advice_about(feature: "Feature") -> "str":
    """Return the one advice for a bit; a bit with several causes has none of its own."""
    advices = {advice for _, name, advice in _CAUSES if name == feature.name}
    return advices.pop() if len(advices) == 1 else _OTHER_ADVICE


def _unsupported(caps: "int") -> "List[str]":
    lines = []
    for feature in features_in(caps):
        lines += [
            f"  {feature.origin} (capability bit {feature.bit})",
            "    " + _advice_about(feature),
        ]
    return lines + [f"  capability bit {bit} (no name)" for bit in unknown_bits(caps)]


def node_refusal(
    offered_caps: "int", own_features: "Sequence[Feature]", origin: "str"
) -> "List[str]":
    """Say which of this node's features a capability number lacks.

    ``own_features`` are this node's, ``origin`` says who says so; or they are none, and
    ``origin`` says why they are not known.
    """
    missing = [
        feature
        for feature in own_features
        if feature in CPU_FEATURES and not offered_caps & feature.mask
    ]
    lines = ["a container suspended on this node cannot be restored there"]
    if missing:
        lines.append(f"  this node's CPU has (by {origin}), and the number lacks:")
        lines += feature_lines(missing, offered_caps)
    elif own_features:
        lines.append(f"  the number has all that this node's CPU has (by {origin})")
    else:
        lines.append(f"  which feature is missing could not be learned: {origin}")
    return lines + _advice(missing, offered_caps)


def version_refusal(image_version: "int", accepted: "Sequence[int]") -> "List[str]":
    """Say whether an image version is too old or too new for this node.

    ``accepted`` are the named versions that this node's kernel takes, ascending.
    """
    described = versions.describe(image_version)
    lines = [f"image version {described} cannot be restored on this node"]
    if not accepted:
        return lines
    taken = ", ".join(versions.describe(version) for version in accepted)
    if image_version > accepted[-1]:
        reason = "too new"
        advice = "Update this node's kernel, or choose a destination with a newer one."
    else:
        reason = "too old"
        advice = "Update the source's kernel, or move the container while it is stopped."
    return [*lines, f"  It is {reason}: this kernel takes {taken}.", "  " + advice]
