"""The questions that vzmigrate asks, and the kernel's answers as statuses."""

from vzcptcheck.devices import CPT, RST, Device, ask_container
from vzcptcheck.errors import CheckError
from vzcptcheck.outcome import ExitStatus, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from vzcptcheck.features import Feature
    from vzcptcheck.syscalls import Syscalls

#: Where the kernel cannot tell, the original's answer is yes: it stands, and this is said.
_NOT_ASKED = (
    "warning: nothing was checked: this kernel has no CPT_TEST_VERSION, and whether it takes "
    "this version shows only at restore"
)
_NOT_COMPARED = (
    "warning: nothing was checked: this kernel does not compare capability numbers (ENOSYS, as "
    "042stab101.5 to 106 and 108.1 say); test the container while it is running"
)


def show_version(syscalls: "Syscalls") -> "Outcome":
    """Show the image version that this node writes (on the source)."""
    with Device(syscalls, CPT) as device:
        image_version = device.test_version()
    if image_version is None:
        raise CheckError(
            f"{CPT}: this kernel cannot be asked for its image version",
            "Kernels before 042stab have no such request: 2.6.18 028stab writes 770 (0x302), "
            "2.6.32 without stab writes 2048 (0x800).",
        )
    return Outcome(ExitStatus.YES, _positive(CPT, "CPT_TEST_VERSION", image_version))


def test_version(syscalls: "Syscalls", image_version: "int") -> "Outcome":
    """Test whether this node restores an image version (on the destination)."""
    with Device(syscalls, RST) as device:
        accepted = device.test_version(image_version)
        if accepted == 0:
            return Outcome(ExitStatus.NO, remarks=_refused_version(device, image_version))
    if accepted is None:
        return Outcome(ExitStatus.YES, remarks=[_NOT_ASKED])
    if accepted != 1:
        raise _unexpected(RST, "CPT_TEST_VERSION", accepted)
    return Outcome(ExitStatus.YES)


def show_caps(syscalls: "Syscalls") -> "Outcome":
    """Show this node's capability number (on the destination)."""
    with Device(syscalls, RST) as device:
        device.collect_diagnostics()
        capnum = device.test_caps()
    if capnum is None:
        raise CheckError(f"{RST}: this kernel has no capability number")
    return Outcome(ExitStatus.YES, _positive(RST, "CPT_TEST_CAPS", capnum))


def test_node(syscalls: "Syscalls", capnum: "int") -> "Outcome":
    """Test whether a container suspended on this node fits a capability number."""
    with Device(syscalls, CPT) as device:
        device.collect_diagnostics()
        refused = device.test_caps(capnum)
    if refused is None:
        return Outcome(ExitStatus.YES, remarks=[_NOT_COMPARED])
    if refused == 1:
        return Outcome(ExitStatus.NO, remarks=_refused_node(syscalls, capnum))
    if refused != 0:
        raise _unexpected(CPT, "CPT_TEST_CAPS", refused)
    return Outcome(ExitStatus.YES)


def test_container(syscalls: "Syscalls", ctid: "int", capnum: "int") -> "Outcome":
    """Test whether a container running on this node fits a capability number."""
    result, diagnostics, unsupported = ask_container(syscalls, ctid, capnum)
    if result == 0:
        return Outcome(ExitStatus.YES)
    if result < 0:
        raise _unexpected(CPT, "CPT_TEST_VECAPS", result)
    from vzcptcheck.reasons import container_refusal

    return Outcome(
        ExitStatus.NO,
        remarks=container_refusal(ctid, capnum, result, diagnostics, unsupported),
    )


def _refused_version(device: "Device", image_version: "int") -> "list[str]":
    from vzcptcheck import versions
    from vzcptcheck.reasons import version_refusal

    try:
        accepted = [known for known in sorted(versions.NAMES) if device.test_version(known) == 1]
    except CheckError as error:
        # The refusal stands: only its reason is not known.
        unknown = "  which versions it takes could not be learned: " + error.message
        return [*version_refusal(image_version, []), unknown]
    return version_refusal(image_version, accepted)


def _refused_node(syscalls: "Syscalls", capnum: "int") -> "list[str]":
    from vzcptcheck.reasons import node_refusal

    own, origin = _own_features(syscalls)
    return node_refusal(capnum, own, origin)


def _own_features(syscalls: "Syscalls") -> "tuple[list[Feature], str]":
    """List the features that this node's CPU has, and say who says so.

    The request that refused does not tell which feature it was: the node's own number does,
    and the CPU itself where /proc/rst does not answer: then without the features that a kernel
    counts by more than their register, since it may not have counted them here.
    """
    from vzcptcheck.cpuid import read_cpu_features
    from vzcptcheck.features import REGISTER_FEATURES, features_in

    own = _own_caps(syscalls)
    if own > 0:
        return features_in(own), "its capability number"
    try:
        cpu = read_cpu_features(syscalls)
        return [feature for feature in REGISTER_FEATURES if cpu.has(feature)], cpu.where
    except CheckError as error:
        return [], error.message


def _own_caps(syscalls: "Syscalls") -> "int":
    """Return this node's capability number; 0 where the kernel does not tell it."""
    try:
        with Device(syscalls, RST) as device:
            return device.test_caps() or 0
    except CheckError:
        return 0


def _positive(path: "str", request: "str", answer: "int") -> "str":
    if answer <= 0:
        raise _unexpected(path, request, answer)
    return f"{answer}\n"


def _unexpected(path: "str", request: "str", answer: "int") -> "CheckError":
    return CheckError(
        f"{path}: ioctl {request}: unexpected answer {answer}",
        "This kernel is not one that vzcptcheck knows: nothing can be said.",
    )
