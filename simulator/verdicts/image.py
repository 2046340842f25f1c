"""Both verdicts on restoring a checkpoint image on a node."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from simulator.errors import UserError
from simulator.facts.bits import CPT_CPU_X86_EMT64, WORDS, bits_with_words, mask, place_of
from simulator.facts.capabilities import capability_bounds
from simulator.facts.generations import GENERATIONS
from simulator.kernel.restore import (
    Finding,
    Restorer,
    answer,
    find_refusals,
    frame_refusals,
    restorer_of,
)
from simulator.kernel.tree import RST
from simulator.profiles.profile import NodeProfile
from simulator.verdicts.codes import find_code
from simulator.verdicts.migrations import ImageRestore, Migration
from simulator.verdicts.verdict import Judgement, Opinion, Reason, Weight
from vzcptcheck.errors import CheckError
from vzcptcheck.image import (
    ABSENT,
    EMT64,
    I386,
    IA64,
    PAGE_SIZE,
    TAIL_SIZE,
    Header,
    Image,
    Tail,
    architecture_name,
    index_differences,
    indexed_at,
    missing_sections,
    odd_records,
    place_words,
    repeated_sections,
    section_name,
)
from vzcptcheck.image_command import open_image
from vzcptcheck.syscalls import LinuxSyscalls

#: The most that any kernel compares of a suspended container, as the newest does (CPT_TEST_CAPS, 19
#: bits): those of the node that it was suspended on, whatever of it its processes have used.
_COMPARED = GENERATIONS[-1].vecaps_bits


class ImageDestination(NamedTuple):
    """A node that an image is to be restored on.

    ``caps`` is its capability number; ``may_caps`` are bits that it may have beside them, where
    its CPU is known in part.
    """

    restorer: Restorer
    has_rst: bool
    caps: int
    may_caps: int = 0


class ImageFileError(UserError):
    """An image that cannot be read."""


def load_image(source: str) -> Image:
    """Read an image's records; a pipe or a folder is an image of no size, as to the kernel.

    Raises ImageFileError where the file cannot be read.
    """
    try:
        if not stat.S_ISREG(os.stat(source).st_mode):
            return Image(0)
        return open_image(LinuxSyscalls(), source)
    except OSError as error:
        raise ImageFileError(f"{source}: {error.strerror}") from error
    except CheckError as error:
        raise ImageFileError(" ".join(filter(None, (error.message, error.hint)))) from error


def destination_of(node: NodeProfile) -> ImageDestination:
    """Return what of a node matters."""
    facts = node.facts()
    least, most = capability_bounds(facts)
    has_rst = "vzrst" in node.kernel.modules
    return ImageDestination(restorer_of(facts), has_rst, least, most & ~least)


def judge_restore(image: Image, node: NodeProfile, waived: Iterable[str] = ()) -> Migration:
    """Judge the restore of an image on a node; ``waived`` are codes that do not count."""
    destination = destination_of(node)
    judgement = Judgement(
        restore_opinion(image, destination), programs_opinion(image, destination).waive(waived)
    )
    findings = find_refusals(image, destination.restorer)
    return Migration(
        None,
        judgement,
        image=ImageRestore(image, answer(findings) if destination.has_rst else None),
    )


def refuse_damage(image: Image, name: str) -> None:
    """Raise UserError where a file is no image, or not whole as it was written.

    No kernel restores such a file, and that says nothing of the destination.
    """
    if not image.is_recognized:
        what = "it is neither a profile nor a checkpoint image" if image.size else "it is empty"
        raise UserError(
            f"{name}: {what}; --image has it judged as an image all the same. Of a register dump, "
            f"say the kernel: {name}@RELEASE, or --kernel RELEASE"
        )
    for finding in frame_refusals(image):
        where = f" ({finding.place}: {finding.source})" if finding.place else f" ({finding.source})"
        raise UserError(
            f"{name}: this image is damaged: {find_code(finding.code).summary}{where}. Copy it "
            f"again; 'vzcptcheck image' tells what it has, --image has it judged as it is"
        )


def restore_opinion(image: Image, destination: ImageDestination) -> Opinion:
    """Return every check of restore's that an image does not pass; the first is what it says."""
    return Opinion(
        (
            *_module_reasons(destination),
            *map(_reason_of, find_refusals(image, destination.restorer)),
        )
    )


def _reason_of(finding: Finding) -> Reason:
    return Reason(
        finding.code,
        Weight.REFUSES if finding.is_certain else Weight.UNKNOWN,
        finding.feature,
        finding.place,
        finding.source,
        finding.destination,
        finding.needed_by,
    )


def _module_reasons(destination: ImageDestination) -> Iterator[Reason]:
    if not destination.has_rst:
        yield Reason(
            "module-missing", Weight.UNKNOWN, feature="vzrst", place=RST, destination="not loaded"
        )


def programs_opinion(image: Image, destination: ImageDestination) -> Opinion:
    """Return what restore does not look at; of what is no image at all there is nothing to say."""
    return Opinion(tuple(_programs_reasons(image, destination)))


def _programs_reasons(image: Image, destination: ImageDestination) -> Iterator[Reason]:
    if image.header is None or image.tail is None or not image.is_recognized:
        return
    yield from _section_reasons(image)
    yield from _machine_reasons(image.header, image.tail, destination.restorer.architecture)
    yield from _caps_reasons(image.header, image.tail, destination)
    if image.tail.lazy_pages:
        yield Reason("image-lazy-pages", Weight.UNKNOWN, source=str(image.tail.lazy_pages))
    for odd in odd_records(image):
        yield Reason(
            "image-odd-record", Weight.REMARK, place=f"offset {odd.offset}", source=odd.text
        )
    if image.is_blank:
        yield Reason("image-blank", Weight.REMARK)


def _section_reasons(image: Image) -> Iterator[Reason]:
    # What comes after those that were looked at may hold them.
    for name in () if image.is_cut else missing_sections(image):
        yield Reason("image-section-missing", Weight.REFUSES, feature=name)
    last = image.last_sections()
    for number, times in Counter(one.number for one in repeated_sections(image)).items():
        yield Reason(
            "image-section-repeated",
            Weight.REFUSES,
            feature=section_name(number),
            place=f"offset {last[number].offset}",
            source=f"{times} before it",
        )
    for number, indexed, found in index_differences(image):
        stranger = None if found == ABSENT else indexed_at(image, found)
        yield Reason(
            "image-index-differs",
            Weight.UNKNOWN if stranger is None else Weight.REFUSES,
            feature=section_name(number),
            place=f"offset {image.size - TAIL_SIZE + 24 + 8 * number}",
            source=f"by the index {place_words(indexed)}, by the chain {place_words(found)}",
        )


def _machine_reasons(header: Header, tail: Tail, architecture: int) -> Iterator[Reason]:
    """Compare what the image was made on with the destination, where restore does not."""
    one, other = architecture_name(header.architecture), architecture_name(architecture)
    if (header.architecture == IA64) != (architecture == IA64):
        yield Reason("architecture-differs", Weight.REFUSES, source=one, destination=other)
    elif header.architecture > IA64:
        yield Reason("image-architecture-unknown", Weight.UNKNOWN, place="offset 8", source=one)
    elif header.architecture == EMT64 and architecture == I386 and not tail.tasks_64:
        yield Reason("kernel-narrower", Weight.UNKNOWN, source=one, destination=other)
    if architecture != IA64 and header.page_size != PAGE_SIZE:
        yield Reason(
            "image-page-size",
            Weight.REFUSES,
            place="offset 20",
            source=str(header.page_size),
            destination=str(PAGE_SIZE),
        )


def _caps_reasons(header: Header, tail: Tail, destination: ImageDestination) -> Iterator[Reason]:
    """Compare the capability number of the node that the image was made on, where it has one."""
    if not header.caps[0]:
        yield Reason("image-caps-not-recorded", Weight.UNKNOWN, place="offset 40", source="0")
    # The tail tells for certain whether a 64-bit kernel is needed.
    required_caps = header.caps[0] & ~(0 if tail.tasks_64 else mask(CPT_CPU_X86_EMT64))
    missing_caps = required_caps & ~destination.caps & _COMPARED
    for bit in bits_with_words(missing_caps):
        is_told = not destination.may_caps >> bit & 1
        yield Reason(
            "image-cpu-feature-missing" if is_told else "cpuid-not-recorded",
            Weight.REFUSES if is_told else Weight.UNKNOWN,
            feature=WORDS[bit],
            place=place_of(bit),
            source="1",
            destination="0" if is_told else "not recorded",
        )
