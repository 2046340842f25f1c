"""What of this project reads bytes from outside, in one table."""

import argparse
import io
import json
import struct
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial

from fuzz import seeds
from fuzz.attempts import (
    Target,
    printed_remark,
    require,
    require_message,
    require_printable,
)
from fuzz.node import MadeUpNode
from fuzz.parts import split_parts
from simulator.cli import build_parser
from simulator.dumps.checkpoint import is_image, parse_checkpoint, parse_folder
from simulator.dumps.model import DumpError, table_of
from simulator.dumps.own_json import format_dumps
from simulator.dumps.pasted import as_document, as_text, read_lines
from simulator.dumps.recognise import AUTO, KEYS, MAX_BYTES, MOST_LINES, parse_dump
from simulator.dumps.summary import differences, group
from simulator.errors import UserError
from simulator.facts.capabilities import I386, IA64, X86_64
from simulator.facts.generations import EXAMPLES, identify
from simulator.facts.override import (
    MAX_ENTRIES,
    OverrideError,
    apply_override,
    format_override,
    parse_override,
)
from simulator.fleets.expectation_text import format_expectation, parse_expectation
from simulator.kernel.restore import Restorer, answer, find_refusals
from simulator.output import Streams
from simulator.profiles.compose import SYNTAX, CpuSource, SpecError, compose, parse_spec
from simulator.profiles.gathered import MOST_BYTES, GatheredError, make_profile, read_packed
from simulator.profiles.profile import KernelFacts, NodeProfile, ProfileError
from simulator.profiles.profile_checks import check_profile
from simulator.profiles.profile_json import format_profile, parse_profile
from simulator.reports.check_report import reason_document
from simulator.sources.archive import read_archive
from simulator.sources.files import SourceError
from simulator.verdicts.codes import find_code
from simulator.verdicts.image import ImageDestination, programs_opinion, restore_opinion
from vzcptcheck.anonymize import anonymize
from vzcptcheck.arguments import INT_MAX, parse_number
from vzcptcheck.cli import USAGE
from vzcptcheck.cli import main as run_vzcptcheck
from vzcptcheck.cpuinfo import CpuinfoError, flags_of, parse_cpuinfo
from vzcptcheck.errors import UsageError
from vzcptcheck.image import read_image
from vzcptcheck.image_command import image_facts
from vzcptcheck.outcome import ExitStatus

WHERE = "input"

#: JSON and XML are looked for in no larger text.
SMALL = 1 << 20

_STATUSES = (ExitStatus.YES, ExitStatus.ERROR, ExitStatus.NO)

_DIAGNOSTICS_HEAD = struct.Struct("<BI")


def _profile(data: bytes) -> None:
    """Read a profile; one that is taken reads the same once it is written."""
    profile = check_profile(parse_profile(data, WHERE, WHERE), WHERE)
    again = parse_profile(format_profile(profile).encode("utf-8"), WHERE, WHERE)
    require(again == profile, "a profile reads otherwise once it is written")


def _dump(key: str, data: bytes) -> None:
    """Read a dump; what is made of it in the project's own form says the same."""
    dumps = parse_dump(data, key)
    require(bool(dumps), "a dump without a CPU")
    kinds = group(dumps)
    for other in kinds[1:]:
        list(differences(kinds[0], other))
    again = parse_dump(format_dumps(kinds).encode("utf-8"), "json")
    require(
        [one.answers() for one in again] == [one.answers() for one in kinds],
        "a dump reads otherwise once it is written",
    )
    for kind in kinds:
        table_of(kind).without_foreign()


def _pasted(data: bytes) -> None:
    """Tidy a text; lines stay within their bounds, and none is made up."""
    if data.count(b"\n") <= MOST_LINES:
        lines = read_lines(data)
        require(all(line == line.strip() for line in lines), "a line has space around it")
    if len(data) <= SMALL:
        as_document(as_text(data))


def _import(data: bytes) -> None:
    """Run ``vzcptsim import`` on standard input; what it writes, it reads."""
    stdout, stderr = _run_import(data)
    require_printable(stdout)
    for line in stderr.splitlines(keepends=True):
        require_message(line)
    same, _ = _run_import(stdout.encode("utf-8"))
    require(json.loads(same) == json.loads(stdout), "a dump reads otherwise once it is imported")


def _run_import(data: bytes) -> tuple[str, str]:
    stdin, stdout, stderr = sys.stdin, io.StringIO(), io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    try:
        options = _import_options()
        status = options.command(options, Streams(stdout, stderr))
    finally:
        sys.stdin = stdin
    require(status == ExitStatus.YES, f"status {status} without an error")
    return stdout.getvalue(), stderr.getvalue()


@cache
def _import_options() -> argparse.Namespace:
    return build_parser().parse_args(["import", "-"])


def _archive(data: bytes) -> None:
    files = read_archive(data, lambda name: not name.endswith("/"))
    require(all(isinstance(text, bytes) for text in files.values()), "a file without content")


def _checkpoint(data: bytes) -> None:
    """Read a checkpoint's images; the CPU in it is read as of the image alone."""
    files = split_parts(data)
    read = parse_checkpoint({name: text for name, text in files.items() if is_image(name)})
    require(read.components == 0 or bool(read.has_xsave_area), "state without an XSAVE area")
    if read.cpu is not None:
        require(parse_folder(files) == [read.cpu], "a checkpoint's CPU is read in two ways")


def _packed(data: bytes) -> None:
    _make_profile(read_packed(data))


def _gathered(data: bytes) -> None:
    files = split_parts(data)
    _make_profile({name: text for name, text in files.items() if name in _GATHERED})


#: What read_packed lets through.
_GATHERED = frozenset(
    {"about", "notes", "proc/cpt", "proc/rst", "proc/cmdline", "proc/cpuinfo", "proc/vz/version"}
    | {"proc/vz/veinfo", "proc/vz/cpuid_override", "proc/net/if_inet6", "cpuid/0", "cpuid/1"}
)


def _make_profile(files: dict[str, bytes]) -> None:
    """Make a gathered node's profile; what is written of it can be read."""
    made = make_profile(files, WHERE)
    for remark in made.remarks:
        require_message(printed_remark(remark))
    text = format_profile(made.profile)
    again = check_profile(parse_profile(text.encode("utf-8"), "gathered", WHERE), WHERE)
    require(again == made.profile, "a gathered profile reads otherwise once it is written")


@cache
def _destinations() -> tuple[ImageDestination, ...]:
    destinations = []
    for release in map(identify, EXAMPLES.values()):
        generation = release.generation
        for architecture in range(3):
            restorer = Restorer(
                generation.restores, generation.hz, release.section_ends, architecture
            )
            destinations.append(ImageDestination(restorer, True, 0))
    return tuple(destinations)


def _image(data: bytes) -> None:
    """Judge an image on nodes of every generation and architecture."""

    def read(size: int, position: int) -> bytes:
        in_file = min(position, size) >= 0 and position + size <= len(data)
        require(in_file, f"{size} bytes are read at {position}, of {len(data)}")
        return data[position : position + size]

    image = read_image(read, len(data))
    for destination in _destinations():
        findings = find_refusals(image, destination.restorer)
        said = answer(findings)
        require(said.result in (0, -1, None), f"restore answers {said.result}")
        for line in said.diagnostics or ():
            require_printable(line)
        for opinion in (
            restore_opinion(image, destination),
            programs_opinion(image, destination),
        ):
            for reason in opinion.reasons:
                find_code(reason.code)
                require_printable(json.dumps(reason_document(reason)))
    json.dumps(image_facts(image))


def _image_command(data: bytes) -> None:
    """Run ``vzcptcheck image`` on it."""
    for words in ["image", "/image/1"], ["image", "/image/1", "--json"]:
        status, stdout, _ = _run_on_node(words, {"image/1": data})
        if words[-1] == "--json" and stdout:
            require(json.loads(stdout)["whole"] == (status == ExitStatus.YES), "two answers")


def _override(data: bytes) -> None:
    """Read an override; it reads back in one way, and takes features away alone."""
    entries = parse_override(data.decode("utf-8", "surrogateescape"))
    require(len(entries) <= MAX_ENTRIES, f"{len(entries)} entries")
    text = format_override(entries)
    require(parse_override(text) == entries, "an override reads otherwise once it is written")
    own, masked = seeds.small_table(), apply_override(seeds.small_table(), entries)
    for key, registers in masked.items():
        added = [one & ~two for one, two in zip(registers, own[key], strict=True)]
        require(not any(added), "an override adds features")


def _cpuinfo(data: bytes) -> None:
    for block in parse_cpuinfo(data):
        flags_of(block)


def _node(data: bytes) -> None:
    """Run vzcptcheck on a made-up node; a profile that is captured has the schema's shape."""
    parts = split_parts(data)
    words = parts.get("words", b"").decode("utf-8", "surrogateescape").split("\n")
    status, stdout, _ = _run_on_node(words, parts)
    if words[0] == "capture" and status == ExitStatus.YES:
        document = json.loads(stdout)
        if isinstance(document, list):
            parse_dump(stdout.encode(), "json")
        else:
            for one in document, anonymize(document):
                problem = _shape_problem(one)
                require(not problem, f"a capture that is no profile: {problem}")


def _shape_problem(document: object) -> str:
    try:
        parse_profile(json.dumps(document).encode("utf-8"), WHERE, WHERE)
    except ProfileError as error:
        return str(error)
    return ""


def _run_on_node(words: list[str], parts: dict[str, bytes]) -> tuple[int, str, str]:
    """Run vzcptcheck, and check what it prints, and that it closes what it opens."""
    node = MadeUpNode(parts)
    stdout, stderr = io.StringIO(), io.StringIO()
    status = run_vzcptcheck(words, node, stdout, stderr)
    require(status in _STATUSES, f"status {status}")
    require(not node.open_files, f"left open: {node.open_files}")
    require_printable(stdout.getvalue())
    said = stderr.getvalue().removeprefix(USAGE)
    require_printable(said)
    require(status == ExitStatus.YES or bool(said), f"status {status} without a word")
    for line in said.splitlines():
        require(line.startswith(("vzcptcheck: ", "  ")), f"not ours: {line!r}")
    return status, stdout.getvalue(), said


def _arguments(data: bytes) -> None:
    """Read a number; run vzcptcheck with any words on a node where nothing is."""
    words = data.decode("utf-8", "surrogateescape").split("\n")
    _run_on_node(words, {})


def _number(data: bytes) -> None:
    number = parse_number(data.decode("utf-8", "surrogateescape"), "capability number")
    require(0 <= number <= INT_MAX, f"number {number}")


def _diagnostics(data: bytes) -> None:
    """Test a container that the kernel refuses in these words; capture and anonymize it."""
    head = data[: _DIAGNOSTICS_HEAD.size].ljust(_DIAGNOSTICS_HEAD.size, b"\0")
    result, unsupported = _DIAGNOSTICS_HEAD.unpack(head)
    answers = (
        f"cpt CPT_SET_ERRORFD 0\ncpt CPT_SET_VEID 0\ncpt CPT_TEST_VERSION 2051\n"
        f"cpt CPT_TEST_VECAPS {result}\ncpt CPT_TEST_VECAPS2 {unsupported}"
    )
    said = data[_DIAGNOSTICS_HEAD.size :]
    parts = {"answers": answers.encode(), "diagnostics": said, "proc/cpt": b""}
    status, stdout, _ = _run_on_node(["caps", "101", "5"], parts)
    require(status == (ExitStatus.NO if result else ExitStatus.YES), f"status {status}")
    require(not stdout, "an answer where there is none")
    reports = said.decode("utf-8", "backslashreplace").split("\n")
    container = {"ctid": 7, "state": "running", "needs": {"caps": 0, "reports": reports}}
    (anonymous,) = anonymize({"cpus": [], "containers": [container]})["containers"]
    require(len(anonymous["needs"]["reports"]) == len(reports), "a report is lost")


def _expectation(data: bytes) -> None:
    """Read a matrix that is kept: it is as it would be written, and as ASCII as that."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return
    written = format_expectation(parse_expectation(text, WHERE))
    require(written == text, "a kept matrix reads otherwise once it is written")
    require_printable(written.replace("\t", " "))


def _spec(data: bytes) -> None:
    """Read a container, and compose a node with it as ``vzcptsim compose`` does."""
    container = parse_spec(data.decode("utf-8", "surrogateescape"))
    for machine in (X86_64, I386[0], IA64):
        cpu = None if machine == IA64 else CpuSource(seeds.small_table(), WHERE, "64-bit")
        release = EXAMPLES["028stab" if machine == IA64 else "042stab107"]
        _read_again(compose(WHERE, cpu, _kernel(release, machine), [container]))


def _release(data: bytes) -> None:
    """Identify a kernel, and compose a node of it."""
    release, _, version = data.decode("utf-8", "surrogateescape").partition("\n")
    kernel = _kernel(release, X86_64, version)
    _read_again(compose(WHERE, CpuSource(seeds.small_table(), WHERE, "64-bit"), kernel, []))


def _kernel(release: str, machine: str, vz_version: str | None = None) -> KernelFacts:
    return KernelFacts(
        release=release,
        machine=machine,
        vz_version=vz_version,
        boot_options=(),
        modules=frozenset({"vzcpt", "vzrst"}),
        ipv6=True,
    )


def _read_again(profile: NodeProfile) -> None:
    text = format_profile(profile).encode("utf-8", "surrogatepass")
    again = parse_profile(text, WHERE, WHERE)
    require(again == profile, "a composed profile reads otherwise once it is written")


#: What makes the first inputs of each form of dump, by the key that users know the form by.
_FORMS: dict[str, tuple[Callable[[], Iterable[bytes]], str]] = {
    "hwloc": (seeds.hwloc, "text"),
    "criu": (seeds.criu, "json"),
    "aida64": (seeds.aida64, "text"),
    "cpuid-r": (seeds.cpuid_r, "text"),
    "cpuid": (seeds.cpuid_text, "text"),
    "libcpuid": (seeds.libcpuid, "text"),
    "libvirt": (seeds.every_libvirt, "text"),
    "rjcp": (seeds.rjcp, "text"),
    "xen": (seeds.xen, "text"),
    "freebsd": (seeds.freebsd, "text"),
    "lscpu": (seeds.lscpu, "text"),
    "qmp": (seeds.qmp, "json"),
    "firecracker": (seeds.firecracker, "json"),
    "cpuinfo": (seeds.cpuinfo, "text"),
    "json": (seeds.own_json, "json"),
}

_DUMPS = tuple(
    Target(f"dump-{key}", (partial(_dump, key),), (DumpError,), *_FORMS[key], most=MAX_BYTES)
    for key in KEYS
)

TARGETS = {
    target.name: target
    for target in (
        Target("profiles", (_profile,), (ProfileError,), seeds.profiles, "json"),
        *_DUMPS,
        Target(
            "pasted",
            (_pasted, partial(_dump, AUTO)),
            (DumpError,),
            seeds.as_sent,
            "text",
            most=MAX_BYTES,
        ),
        Target("import", (_import,), (UserError,), seeds.dumps, most=MAX_BYTES),
        Target(
            "archives",
            (_archive, partial(_dump, "hwloc"), _packed),
            (SourceError, DumpError, GatheredError, ProfileError),
            seeds.archives,
            "tar",
            most=MAX_BYTES,
        ),
        Target(
            "gathered", (_gathered,), (GatheredError, ProfileError), seeds.gathered, most=MOST_BYTES
        ),
        Target("checkpoints", (_checkpoint,), (DumpError,), seeds.checkpoints, most=MAX_BYTES),
        Target("images", (_image, _image_command), (), seeds.images),
        Target("override", (_override,), (OverrideError,), seeds.overrides, "text"),
        Target("cpuinfo", (_cpuinfo,), (CpuinfoError,), seeds.cpuinfo, "text", most=MOST_BYTES),
        Target("node", (_node,), (), seeds.nodes),
        Target("diagnostics", (_diagnostics,), (), seeds.diagnostics),
        Target("arguments", (_arguments, _number), (UsageError,), seeds.arguments, "text"),
        Target("expectations", (_expectation,), (UserError,), seeds.expectations, "text"),
        Target("specs", (_spec,), (SpecError, ProfileError), seeds.specs, hint=SYNTAX),
        Target("releases", (_release,), (UserError,), seeds.releases),
    )
}
