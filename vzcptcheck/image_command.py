"""``image``: a checkpoint image's header, tail and sections in words, and whether it is whole.

No node is asked, and no section's content is read: a few records of the file, by position.
"""

import os
import stat
import time

from vzcptcheck.errors import CheckError, DeviceError
from vzcptcheck.explain import caps_facts, explain_caps, explain_version, version_facts
from vzcptcheck.image import (
    ABSENT,
    HZ_042STAB,
    architecture_name,
    find_faults,
    index_differences,
    read_image,
)
from vzcptcheck.outcome import ExitStatus, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence

    from vzcptcheck.image import Fault, Header, Image, Reader, Section, Tail
    from vzcptcheck.syscalls import Syscalls

#: A reader must not wait at a pipe, nor become a terminal's.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

_NO_IMAGE_HINT = "A checkpoint image is a regular file, such as 'vzctl suspend --dumpfile' makes."


def show_image(syscalls: "Syscalls", path: "str", as_json: "bool") -> "Outcome":
    """Say what the image at a path is; NO where it is not whole.

    Raises CheckError where it cannot be read, or is no image at all.
    """
    image = open_image(syscalls, path)
    if not image.is_recognized:
        raise CheckError(
            f"{path}: no checkpoint image: the signature 79 1c 01 63 is not at its beginning, "
            "nor at its end",
            _NO_IMAGE_HINT,
        )
    faults = find_faults(image)
    outcome = Outcome(ExitStatus.NO if faults else ExitStatus.YES, _text(image, faults))
    if as_json:
        import json

        outcome.answer = json.dumps(image_facts(image), indent=2) + "\n"
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        outcome.remarks = [f"{path}: this image is not whole: {count}"]
    return outcome


def open_image(syscalls: "Syscalls", path: "str") -> "Image":
    """Read the records of the image at a path, whether it is one or not.

    Raises CheckError where that is no regular file, where a call fails, and where the file
    becomes shorter while it is read. The descriptor is closed whatever happens.
    """
    call = "stat"
    try:
        mode = syscalls.stat_mode(path)
        if not stat.S_ISREG(mode):
            raise CheckError(f"{path}: this is {_kind(mode)}", _NO_IMAGE_HINT)
        call = "open"
        fd = syscalls.open(path, _FLAGS)
        try:
            call = "read"
            return read_image(_reader(syscalls, fd, path), syscalls.file_size(fd))
        finally:
            syscalls.close(fd)
    except OSError as error:
        raise DeviceError(path, call, error) from error


def _reader(syscalls: "Syscalls", fd: "int", path: "str") -> "Reader":
    """Return what reads all that is asked for, in as many pieces as it comes in."""

    def read(size: "int", position: "int") -> "bytes":
        data = b""
        while len(data) < size:
            piece = syscalls.pread(fd, size - len(data), position + len(data))
            if not piece:
                raise CheckError(
                    f"{path}: it became shorter while it was read: nothing is at "
                    f"{position + len(data)} any more",
                    "Ask again when nobody writes to it.",
                )
            data += piece
        return data

    return read


def _kind(mode: "int") -> "str":
    kinds = (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    for is_kind, name in kinds:
        if is_kind(mode):
            return name
    return "a device"


def image_facts(image: "Image") -> "Dict[str, Any]":
    """Return an image as plain data; what cannot be read of it is null."""
    faults = find_faults(image)
    return {
        "size": image.size,
        "header": image.header and _header_facts(image.header),
        "tail": image.tail and _tail_facts(image.tail),
        "sections": [_section_facts(section) for section in image.sections],
        "blank": image.is_blank,
        "whole": not faults,
        "faults": [{"offset": fault.offset, "fault": fault.text} for fault in faults],
    }


def _header_facts(header: "Header") -> "Dict[str, Any]":
    return {
        "signature": header.signature.hex(),
        "length": header.length,
        "version": version_facts(header.image_version),
        "architecture": architecture_name(header.architecture),
        "architecture_number": header.architecture,
        "features": header.features,
        "page_size": header.page_size,
        "hz": header.hz,
        "start_jiffies": header.start_jiffies,
        "start_seconds": header.start_seconds,
        "start_nanoseconds": header.start_nanoseconds,
        "capabilities": caps_facts(header.caps[0]) if header.caps[0] else None,
        "capability_words": list(header.caps),
        "kernel_config": list(header.kernel_config),
        "iptables_mask": header.iptables_mask,
    }


def _tail_facts(tail: "Tail") -> "Dict[str, Any]":
    return {
        "signature": tail.signature.hex(),
        "tasks_64": tail.tasks_64,
        "lazy_pages": tail.lazy_pages,
        "section_count": tail.section_count,
        "index": [None if offset == ABSENT else offset for offset in tail.index],
    }


def _section_facts(section: "Section") -> "Dict[str, Any]":
    return {
        "number": section.number,
        "name": section.name,
        "offset": section.offset,
        "size": section.size,
    }


def _text(image: "Image", faults: "Sequence[Fault]") -> "str":
    lines = [f"checkpoint image, {image.size} bytes", "header"]
    lines += _header_lines(image.header) if image.header else ["  none"]
    lines.append("tail")
    lines += _tail_lines(image, image.tail) if image.tail else ["  none"]
    lines += ["sections", "  number  name                   offset        size"]
    lines += [_section_line(section) for section in image.sections]
    lines.append("integrity")
    lines += [f"  at {fault.offset}: {fault.text}" for fault in faults] or ["  whole"]
    if image.is_blank:
        lines.append("  the sections' contents are blank: a sample, which no kernel can restore")
    return "\n".join(lines) + "\n"


def _header_lines(header: "Header") -> "List[str]":
    config = " ".join(f"0x{word:x}" for word in header.kernel_config)
    wide = "PAE or 64-bit" if header.kernel_config[0] & 1 else "neither PAE nor 64-bit"
    return [
        "  image version   " + _indented(explain_version(header.image_version, False)),
        f"  architecture    {architecture_name(header.architecture)}",
        f"  page size       {header.page_size}",
        f"  HZ              {header.hz}{_hz_words(header.hz)}",
        f"  start           {_time_words(header)}, jiffy {header.start_jiffies}",
        f"  VE features     0x{header.features:016x}",
        "  capabilities    "
        + (
            _indented(explain_caps(header.caps[0], None, False))
            if header.caps[0]
            else "none recorded"
        ),
        f"  kernel config   {config} ({wide})",
        f"  iptables mask   0x{header.iptables_mask:x}",
    ]


def _indented(explained: "Outcome") -> "str":
    """Put what ``explain`` answers below a line's beginning."""
    return "\n  ".join(explained.answer.splitlines())


def _hz_words(hz: "int") -> "str":
    return "" if hz == HZ_042STAB else f" (042stab kernels restore {HZ_042STAB} alone)"


def _time_words(header: "Header") -> "str":
    date = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(header.start_seconds))
    return f"{date}.{header.start_nanoseconds:09d} UTC"


def _tail_lines(image: "Image", tail: "Tail") -> "List[str]":
    return [
        f"  64-bit tasks    {tail.tasks_64}",
        f"  lazy pages      {tail.lazy_pages}",
        f"  index           {_index_words(image)}",
    ]


def _index_words(image: "Image") -> "str":
    if not image.has_whole_chain:
        return "not compared: the chain of sections does not reach it"
    differences = len(index_differences(image))
    return f"not that of the chain: {differences} entries" if differences else "as the chain has it"


def _section_line(section: "Section") -> "str":
    return f"  {section.number:>6}  {section.name:<17}  {section.offset:>10}  {section.size:>10}"
