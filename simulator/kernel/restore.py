"""What restore in a kernel makes of a checkpoint image: its checks, in its own order.

Sources: kernel-facts.md, sections 5 and 8, and what CPT_UNDUMP of 042stab061.9 and 141.3 said to
real images and to mutations of them, which every row of tests/data/restore.tsv repeats; of images
without VEINFO or NAMESPACE section 11. Distances are taken as they stand: what a sum above 2**64
would do was not recorded.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simulator.facts.capabilities import I386 as I386_MACHINES
from simulator.facts.capabilities import X86_64, NodeFacts
from simulator.facts.generations import ASKED_VERSIONS, RestoreRule
from vzcptcheck.image import (
    EMT64,
    I386,
    IA64,
    INDEX_SIZE,
    LEAST_SIZE,
    MOST_SECTIONS,
    OBJECT_TYPES,
    SECT_NAMESPACE,
    SECT_TASKS,
    SECT_VEINFO,
    SIGNATURE,
    Header,
    Image,
    Section,
    Tail,
    architecture_name,
    chain_problem,
    indexed_at,
    section_name,
    veinfo_problem,
)
from vzcptcheck.versions import describe

_EINVAL = "EINVAL"

#: What restore ends with where a section is not there that it asks for when it makes the container,
#: in the order in which it asks.
_ASKED_SECTIONS = ((SECT_VEINFO, "EIO"), (SECT_NAMESPACE, "ENODEV"))


class Restorer(NamedTuple):
    """What of a kernel its restore depends on.

    ``hz`` is None where it is not known; ``section_ends`` are the lowest and the highest that
    the first unknown section number may be; ``architecture`` is its number in an image.
    """

    restores: RestoreRule
    hz: int | None
    section_ends: tuple[int, int]
    architecture: int


class Finding(NamedTuple):
    """A check that does not pass, or may not (``is_certain``), and the values that it compares.

    ``code`` names the check; ``source`` is the image's value, ``destination`` the kernel's, and
    ``needed_by`` who in the image asks for it. ``diagnostics`` are the kernel's lines, with their
    ``Error: ``; None where they were not recorded.
    """

    code: str
    feature: str = ""
    place: str = ""
    source: str = ""
    destination: str = ""
    needed_by: str = ""
    is_certain: bool = True
    diagnostics: tuple[str, ...] | None = ()
    errno: str = _EINVAL


class Answer(NamedTuple):
    """What CPT_UNDUMP answers; what is not known of it is None.

    ``result`` is 0 or -1, and ``errno`` is empty with 0. ``stopped_at`` is the code of the
    check that refuses; the later ones the kernel does not come to.
    """

    result: int | None
    errno: str | None
    diagnostics: tuple[str, ...] | None
    stopped_at: str | None = None


def restorer_of(facts: NodeFacts) -> Restorer:
    """Return what a node's restore depends on."""
    release = facts.release
    return Restorer(
        release.generation.restores,
        release.generation.hz,
        release.section_ends,
        _architecture_of(facts.machine),
    )


def _architecture_of(machine: str) -> int:
    if machine == X86_64:
        return EMT64
    return I386 if machine in I386_MACHINES else IA64


def find_refusals(image: Image, kernel: Restorer) -> tuple[Finding, ...]:
    """Return every check that an image does not pass, in the kernel's order.

    The first is what the kernel writes; but one that only leaves unknown is passed, or not. Of a
    file that has no signature at either end nothing is said but that.
    """
    findings = [*_size(image)]
    if image.header is not None:
        findings += _signature(image.header)
    if image.header is None or not image.is_recognized:
        return tuple(findings)
    findings += _hz(image.header, kernel)
    findings += _version(image.header, kernel)
    if image.tail is not None:
        findings += _tail(image, image.tail)
        findings += _chain(image, kernel)
        findings += _architecture(image.header, image.tail, kernel)
        findings += _veinfo(image)
        findings += _asked_sections(image)
    return tuple(findings)


def frame_refusals(image: Image) -> Iterator[Finding]:
    """Yield what no kernel takes of an image's frame: its ends, and its chain of sections."""
    yield from _size(image)
    if image.header is not None:
        yield from _signature(image.header)
    if image.tail is not None and image.is_recognized:
        yield from _tail(image, image.tail)
        yield from _broken_chain(image)


def answer(findings: Iterable[Finding]) -> Answer:
    """Return what the kernel answers; after a check that is not known, its words are not."""
    unsure: set[str] = set()
    for finding in findings:
        if not finding.is_certain:
            unsure.add(finding.errno)
        elif unsure:
            return Answer(-1, finding.errno if unsure == {finding.errno} else None, None)
        else:
            return Answer(-1, finding.errno, finding.diagnostics, finding.code)
    return Answer(None, None, None) if unsure else Answer(0, "", ())


def _size(image: Image) -> Iterator[Finding]:
    if image.size % 8 or image.size < LEAST_SIZE:
        yield Finding(
            "image-size",
            source=f"{image.size} bytes",
            destination=f"a multiple of 8, at least {LEAST_SIZE}",
        )


def _signature(header: Header) -> Iterator[Finding]:
    if header.signature != SIGNATURE:
        yield Finding(
            "image-signature",
            place="offset 0",
            source=header.signature.hex(" "),
            destination=SIGNATURE.hex(" "),
        )


def _hz(header: Header, kernel: Restorer) -> Iterator[Finding]:
    if header.hz == kernel.hz:
        return
    is_known = kernel.hz is not None
    yield Finding(
        "image-hz",
        place="offset 22",
        source=str(header.hz),
        destination=str(kernel.hz) if is_known else "not known",
        is_certain=is_known,
        diagnostics=_lines(f"HZ mismatch: {header.hz} != {kernel.hz}") if is_known else (),
    )


def _version(header: Header, kernel: Restorer) -> Iterator[Finding]:
    version = header.image_version
    if not kernel.restores(version):
        yield Finding(
            "image-version",
            place="offset 6",
            source=describe(version),
            destination=", ".join(describe(one) for one in ASKED_VERSIONS if kernel.restores(one)),
            diagnostics=_lines(f"Unknown image version: {version:x}. Can't restore."),
        )


def _tail(image: Image, tail: Tail) -> Iterator[Finding]:
    if tail.signature != SIGNATURE:
        yield Finding(
            "image-tail",
            feature="signature",
            place=f"offset {image.size - 4}",
            source=tail.signature.hex(" "),
            destination=SIGNATURE.hex(" "),
        )
    if tail.section_count != INDEX_SIZE:
        yield Finding(
            "image-tail",
            feature="nsect",
            place=f"offset {image.size - 8}",
            source=str(tail.section_count),
            destination=str(INDEX_SIZE),
        )


def _chain(image: Image, kernel: Restorer) -> Iterator[Finding]:
    """Follow the chain: lengths and numbers are one check, and none of them says anything."""
    for section in image.sections:
        yield from _number(section, kernel)
    yield from _broken_chain(image)


def _broken_chain(image: Image) -> Iterator[Finding]:
    if image.broken is not None:
        yield Finding(
            "image-chain",
            feature=image.broken.name,
            place=f"offset {image.broken.offset}",
            source=chain_problem(image.broken, image.chain_end),
        )
    if image.is_cut:
        source = f"more than {MOST_SECTIONS} sections"
        yield Finding("image-chain-long", source=source, is_certain=False)


def _number(section: Section, kernel: Restorer) -> Iterator[Finding]:
    lowest, highest = kernel.section_ends
    if section.number >= lowest:
        yield Finding(
            "image-section-unknown",
            feature=section.name,
            place=f"offset {section.offset}",
            source=f"number {section.number}",
            destination=f"up to {lowest - 1}" + (f" or {highest - 1}" if highest > lowest else ""),
            is_certain=section.number >= highest,
        )


def _architecture(header: Header, tail: Tail, kernel: Restorer) -> Iterator[Finding]:
    if tail.tasks_64 and header.architecture != kernel.architecture:
        yield Finding(
            "image-64-bit",
            place="offset 8",
            source=architecture_name(header.architecture),
            destination=architecture_name(kernel.architecture),
            needed_by=f"64-bit tasks: {tail.tasks_64}",
            diagnostics=_lines("Cannot restore 64 bit container on this architecture"),
        )


def _veinfo(image: Image) -> Iterator[Finding]:
    """Read VEINFO's object, as restore does once it has opened the image.

    Recorded on 141.3: one of another type, with its text, and a section without room for any,
    in silence. Of a blank image the tail's index says what was there; a type that is not known
    leaves the kernel's first line out.
    """
    problem = veinfo_problem(image)
    if problem and image.has_whole_chain:
        veinfo = image.last_sections()[SECT_VEINFO]
        yield Finding(
            "image-veinfo",
            feature=veinfo.name,
            place=f"offset {veinfo.offset}",
            source=problem,
            diagnostics=_lines(*_veinfo_texts(image, veinfo)),
        )


def _veinfo_texts(image: Image, veinfo: Section) -> tuple[str, ...]:
    if image.veinfo_object is None:
        return ()
    found: int | None = image.veinfo_object
    if image.is_blank:
        found = OBJECT_TYPES.get(indexed_at(image, veinfo.offset) or 0)
    right, position = OBJECT_TYPES[SECT_VEINFO], veinfo.offset + veinfo.length
    wrong = f"_rst_get_object: wrong object type: {found} (expected: {right}) @{position}"
    return ("rst_veinfo: -22",) if found is None else (wrong, "rst_veinfo: -22")


def _asked_sections(image: Image) -> Iterator[Finding]:
    """Look for the sections that a container is made of: without TASKS none is made."""
    found = image.last_sections()
    if not image.has_whole_chain or SECT_TASKS not in found:
        return
    for number, errno in _ASKED_SECTIONS:
        if number not in found:
            yield Finding(
                "image-section-not-found",
                feature=section_name(number),
                destination=errno,
                diagnostics=None,
                errno=errno,
            )


def _lines(*texts: str) -> tuple[str, ...]:
    return tuple(f"Error: {text}" for text in texts)
