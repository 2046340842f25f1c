"""The format of /proc/cpuinfo on x86: a block of ``key : value`` lines for each processor.

Source: Linux arch/x86/kernel/cpu/proc.c, show_cpuinfo(). Each block begins with the key
``processor`` and ends with an empty line; no key comes twice in a block.
"""

from vzcptcheck.errors import CheckError

#: What Linux can be built for on x86 (NR_CPUS).
MOST_PROCESSORS = 8192


class CpuinfoError(CheckError):
    """The text is not that of /proc/cpuinfo; the message says at which line it went wrong."""


def parse_cpuinfo(text: "bytes") -> "list[dict[str, str]]":
    """Parse the whole text into one mapping for each processor, from key to value.

    Bytes beyond ASCII are read as Latin-1: a model name, which the CPU's maker chose, must not
    hide the rest. Raises ``CpuinfoError`` for a line without a colon, a block that does not
    begin with its processor, a key that comes twice in a block, and a text without a processor,
    or with more of them than Linux can have.
    """
    processors: "list[dict[str, str]]" = []
    block: "dict[str, str]" = {}
    lines = text.split(b"\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            block = {}
            continue
        if not block:
            processors.append(block)
            if len(processors) > MOST_PROCESSORS:
                raise _error_at(number, f"over {MOST_PROCESSORS} processors, which no kernel has")
        _add_line(block, number, line)
    if not processors:
        raise _error_at(len(lines), "the text ends and no processor was listed")
    return processors


def _add_line(block: "dict[str, str]", number: "int", line: "bytes") -> "None":
    name, colon, value = line.partition(b":")
    if not colon:
        raise _error_at(number, f"no colon in {line!r}")
    # Stripped as bytes: as text, some of Latin-1 would count as space.
    key = name.strip().decode("latin-1")
    if not block and key != "processor":
        raise _error_at(number, f"{key!r} stands where a processor begins")
    if key in block:
        raise _error_at(number, f"{key!r} comes a second time for one processor")
    block[key] = value.strip().decode("latin-1")


def _error_at(number: "int", problem: "str") -> "CpuinfoError":
    return CpuinfoError(f"cpuinfo, line {number}: {problem}")


def flags_of(processor: "dict[str, str]") -> "frozenset[str]":
    """List the words of a processor's ``flags``.

    Raises ``CpuinfoError`` where there are none: every x86 CPU has some, so that is a hole in
    what is known, not a CPU without features.
    """
    words = frozenset(processor.get("flags", "").split(" ")) - {""}
    if not words:
        raise CpuinfoError(
            "cpuinfo, processor {}: no flags line, or an empty one".format(
                processor.get("processor", "without a number")
            )
        )
    return words
