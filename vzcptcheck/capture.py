"""The profile of the node that this runs on: all that vzcptsim needs to simulate it.

It asks and changes nothing: no file is written, no module loaded, no container locked.
"""

import errno
import re
from collections import namedtuple

from vzcptcheck import versions
from vzcptcheck.arguments import INT_MAX
from vzcptcheck.asking import STOPPED, UNKNOWN, ContainerFacts, NodeAnswers, ask_about
from vzcptcheck.devices import CPT, RST, Device, missing_file_hint
from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.features import REGISTER_FEATURES
from vzcptcheck.files import read_file
from vzcptcheck.outcome import printable
from vzcptcheck.processors import format_ranges, survey_processors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from vzcptcheck.processors import Cpu
    from vzcptcheck.syscalls import Syscalls

#: The profile's format, as simulator/schema/profile.schema.json has it.
FORMAT = 1

PROC_VZ = "/proc/vz"
PROC_BC = "/proc/bc"
VZ_VERSION = "/proc/vz/version"
VEINFO = "/proc/vz/veinfo"
CPUID_OVERRIDE = "/proc/vz/cpuid_override"
CMDLINE = "/proc/cmdline"
IF_INET6 = "/proc/net/if_inet6"

#: A container's configuration, which is there for a stopped one too: see ctid.conf(5).
CONFIGURATION = "/etc/vz/conf/{}.conf"

_NO_IPV6 = 1 << 28
_SLM_DMPRST = 1 << 24

#: What on the kernel's command line changes what it sees of its CPU or its network.
_BOOT_OPTION = re.compile(
    r"(noxsave|noxsaveopt|nordrand|nofxsr|nosep|eagerfpu=\S+|clearcpuid=\S+|ipv6\.disable=\S+)"
)

#: A number as the kernel writes it.
_NUMBER = re.compile("-?[0-9]{1,10}")

#: States of a checkpoint context that holds its container suspended: suspended, dumping.
_HOLDING = (2, 3)

#: A machine without CPUID.
_IA64 = "ia64"


class Capture(namedtuple("Capture", ("document", "remarks"))):
    """A profile as plain data, in the order that it is written, and what is to be said of it."""

    __slots__ = ()


class _Answers(namedtuple("_Answers", ("has_cpt", "has_rst", "version", "accepted", "caps"))):
    """Which of the two files are there, and what they answered; None where they cannot tell."""

    __slots__ = ()


def capture_node(syscalls: "Syscalls", source: "str", ctids: "Sequence[int]" = ()) -> "Capture":
    """Ask the node for all that its profile holds.

    ``source`` says in the profile where it comes from, ``ctids`` are the containers to ask
    about, all that run if there are none. Raises ``CheckError`` where a fact that nothing can
    stand for is not to be had.
    """
    _require_node(syscalls)
    release, machine, _ = syscalls.uname()
    answers = _ask_kernel(syscalls)
    cpus: "list[Cpu]" = []
    remarks: "list[str]" = []
    if machine != _IA64:
        cpus, remarks = survey_processors(syscalls)
    boot_options = _boot_options(syscalls)
    has_ipv6 = _has_ipv6(syscalls, answers)
    node = NodeAnswers(_own_caps(answers, cpus), answers.version is not None, has_ipv6)
    containers = _ask_containers(syscalls, node, answers.has_cpt, ctids)
    kernel: "dict[str, object]" = {
        "release": printable(release),
        "machine": machine,
        "vz_version": _line_of(syscalls, VZ_VERSION),
        "boot_options": boot_options,
        "modules": ["vzcpt"] * answers.has_cpt + ["vzrst"] * answers.has_rst,
        "ipv6": has_ipv6,
    }
    if (answers.caps or 0) & _SLM_DMPRST:
        kernel["slm_without_module"] = True
    document = {
        "format": FORMAT,
        "origin": {"kind": "captured", "source": source},
        "kernel": kernel,
        "cpus": [_cpu_document(cpu) for cpu in cpus],
        "cpuid_override": _text_of(syscalls, CPUID_OVERRIDE),
        "answers": {
            "image_version": answers.version,
            "accepted_versions": answers.accepted,
            "capability_number": answers.caps,
        },
        "containers": [_container_document(ctid, facts) for ctid, facts in containers],
    }
    asked = [
        f"container {ctid} {facts.remark}: its needs are recorded as unknown"
        for ctid, facts in containers
        if facts.remark
    ]
    return Capture(document, [*remarks, *asked])


def _require_node(syscalls: "Syscalls") -> "None":
    if not (syscalls.exists(PROC_VZ) and syscalls.exists(PROC_BC)):
        raise CheckError(
            "there is no OpenVZ node to capture here",
            missing_file_hint(syscalls, CPT) + " 'capture --cpus' takes the CPUs of any machine.",
        )


def _ask_kernel(syscalls: "Syscalls") -> "_Answers":
    has_cpt = has_rst = False
    version = accepted = caps = None
    try:
        with Device(syscalls, CPT) as device:
            has_cpt = True
            version = _positive(device, "CPT_TEST_VERSION", device.test_version())
    except DeviceError as error:
        _require_missing(error)
    try:
        with Device(syscalls, RST) as device:
            has_rst = True
            caps = _positive(device, "CPT_TEST_CAPS", device.test_caps())
            accepted = _accepted_versions(device)
    except DeviceError as error:
        _require_missing(error)
    if has_cpt and has_rst and (version is None) != (accepted is None):
        raise CheckError(f"only one of {CPT} and {RST} answers CPT_TEST_VERSION")
    return _Answers(has_cpt, has_rst, version, accepted, caps)


def _require_missing(error: "DeviceError") -> "None":
    """Take that a module is not loaded for a fact, and nothing else."""
    if (error.call, error.number) != ("open", errno.ENOENT):
        raise error


def _positive(device: "Device", request: "str", answer: "int | None") -> "int | None":
    if answer is not None and answer <= 0:
        raise CheckError(f"{device.path}: ioctl {request}: unexpected answer {answer}")
    return answer


def _accepted_versions(device: "Device") -> "list[int] | None":
    """Ask about each version that has a name; None where the kernel has no such request."""
    accepted = []
    for version in sorted(versions.NAMES):
        answer = device.test_version(version)
        if answer is None and version == min(versions.NAMES):
            return None
        if answer not in (0, 1):
            raise CheckError(f"{device.path}: ioctl CPT_TEST_VERSION: unexpected answer {answer}")
        if answer:
            accepted.append(version)
    return accepted


def _own_caps(answers: "_Answers", cpus: "list[Cpu]") -> "int":
    """Return the node's own bits; those of its CPU's registers where its number is not told."""
    if answers.caps is not None or not cpus:
        return answers.caps or 0
    return sum(
        feature.mask
        for feature in REGISTER_FEATURES
        for registers in [cpus[0].answers.get((feature.leaf, feature.subleaf))]
        if registers and getattr(registers, feature.register) >> feature.register_bit & 1
    )


def _has_ipv6(syscalls: "Syscalls", answers: "_Answers") -> "bool":
    """Tell whether AF_INET6 is registered; a socket is not made, that could load the module.

    A kernel with CPT_TEST_VERSION says so in its number; of others the file tells.
    """
    if answers.accepted is not None:
        return not (answers.caps or 0) & _NO_IPV6
    return _text_of(syscalls, IF_INET6) is not None


def _boot_options(syscalls: "Syscalls") -> "list[str]":
    words = _required_text(syscalls, CMDLINE).split()
    return list(dict.fromkeys(word for word in words if _BOOT_OPTION.fullmatch(word)))


def _ask_containers(
    syscalls: "Syscalls", node: "NodeAnswers", has_cpt: "bool", ctids: "Sequence[int]"
) -> "list[tuple[int, ContainerFacts]]":
    """Ask about containers, in the order of their numbers.

    Without /proc/cpt nobody tells: /proc/vz/veinfo lists those that are locked like those that run.
    """
    listed = _listed_containers(syscalls)
    for ctid in ctids:
        _require_container(syscalls, ctid, listed)
    asked = sorted(set(ctids or listed))
    if not has_cpt:
        return [
            (ctid, ContainerFacts(UNKNOWN if ctid in listed else STOPPED, None, ""))
            for ctid in asked
        ]
    suspended = _suspended_containers(syscalls)
    return [(ctid, ask_about(syscalls, ctid, node, suspended)) for ctid in asked]


def _listed_containers(syscalls: "Syscalls") -> "list[int]":
    """List the containers that run, by /proc/vz/veinfo: number, class, processes, addresses."""
    ctids = []
    for number, line in enumerate(_required_text(syscalls, VEINFO).splitlines(), 1):
        word = line.split()[0] if line.split() else ""
        if not _NUMBER.fullmatch(word) or not 0 <= int(word) <= INT_MAX:
            raise CheckError(f"{VEINFO}, line {number}: no container's number in {line[:60]!r}")
        if int(word):
            ctids.append(int(word))
    return ctids


def _require_container(syscalls: "Syscalls", ctid: "int", listed: "list[int]") -> "None":
    """Refuse a number that neither the kernel nor the node's configuration knows."""
    path = CONFIGURATION.format(ctid)
    if ctid not in listed and not syscalls.exists(path):
        there = ", ".join(map(str, sorted(listed))) or "none"
        raise CheckError(
            f"there is no container {ctid} here: it does not run, and there is no {path}",
            f"Those that run: {there}. 'vzlist -a' has the stopped ones too.",
        )


def _suspended_containers(syscalls: "Syscalls") -> "set[int]":
    """List the containers that contexts of /proc/cpt hold suspended: see Device for the file."""
    held = set()
    for line in _required_text(syscalls, CPT).splitlines()[1:]:
        words = line.split()
        if len(words) != 4 or not all(map(_NUMBER.fullmatch, words[2:])):
            raise CheckError(f"{CPT}: no checkpoint context in {line[:60]!r}")
        if int(words[3]) in _HOLDING:
            held.add(int(words[2]))
    return held


def _line_of(syscalls: "Syscalls", path: "str") -> "str | None":
    text = _text_of(syscalls, path)
    return None if text is None else text.rstrip("\n")


def _text_of(syscalls: "Syscalls", path: "str") -> "str | None":
    """Read a file; None where there is none."""
    try:
        return _required_text(syscalls, path)
    except DeviceError as error:
        if error.number == errno.ENOENT:
            return None
        raise


def _required_text(syscalls: "Syscalls", path: "str") -> "str":
    """Read a file that every node has."""
    try:
        return read_file(syscalls, path).decode("utf-8", "backslashreplace")
    except OSError as error:
        raise DeviceError(path, "read", error) from error


def _cpu_document(cpu: "Cpu") -> "dict[str, object]":
    return {
        "processors": format_ranges(cpu.processors),
        "cpuid": [
            "0x{:08x} 0x{:x}: {}".format(
                leaf, subleaf, " ".join(f"0x{value:08x}" for value in registers)
            )
            for (leaf, subleaf), registers in cpu.answers.items()
        ],
        "model_name": cpu.model_name,
        "microcode": cpu.microcode,
        "flags": cpu.flags,
    }


def _container_document(ctid: "int", facts: "ContainerFacts") -> "dict[str, object]":
    needs = facts.needs
    return {
        "ctid": ctid,
        "state": facts.state,
        "needs": needs and {"caps": needs.caps, "reports": list(needs.reports)},
    }
