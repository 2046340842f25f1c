"""The format of checkpoint images: header, chain of sections, tail, and what is wrong with one.

Little-endian, and the same in every published tree. Numbers and names are those of the kernel's
cpt_image.h. Nothing here touches the operating system: an image is read through a function of
size and position, a few records of it, however large it is.
"""

import struct

from vzcptcheck import versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Tuple

    #: Reads exactly as many bytes (the first) as there must be at a position (the second).
    Reader = Callable[[int, int], bytes]

SIGNATURE = b"\x79\x1c\x01\x63"
HEADER_SIZE = 80
TAIL_SIZE = 248

#: A section's header, and what every object begins with.
RECORD_SIZE = 16

#: What no image is shorter than.
LEAST_SIZE = HEADER_SIZE + TAIL_SIZE

#: From the TRAILER's header to the end: the last section, whose one object is the tail.
TRAILER_SIZE = RECORD_SIZE + TAIL_SIZE

#: Entries of the tail's index.
INDEX_SIZE = 27

#: The index's entry for a section that is not there.
ABSENT = (1 << 64) - 1

#: By architecture number.
ARCHITECTURES = ("i386", "EMT64", "IA64")
I386, EMT64, IA64 = range(3)

PAGE_SIZE = 4096
HZ_042STAB = 1000

SECTION_NAMES = (
    "ERROR", "VEINFO", "FILES", "TASKS", "MM", "FILES_STRUCT", "FS", "SIGHAND_STRUCT", "TTY",
    "SOCKET", "NAMESPACE", "SYSVSEM_UNDO", "INODE", "SYSV_SHM", "SYSV_SEM", "ORPHANS",
    "NET_DEVICE", "NET_IFADDR", "NET_ROUTE", "NET_IPTABLES", "NET_CONNTRACK",
    "NET_CONNTRACK_VE0", "UTSNAME", "TRAILER", "UBC", "SLM_SGREGS", "SLM_REGOBJS", "EPOLL",
    "VSYSCALL", "INOTIFY", "SYSV_MSG", "SNMP_STATS", "CGROUPS", "POSIX_TIMERS",
    "NET_IP6TABLES",
)  # fmt: skip
SECT_VEINFO = 1
SECT_TASKS = 3
SECT_NAMESPACE = 10
SECT_TRAILER = 23
SECT_UBC = 24

#: What no whole image is without: restore makes no container, and calls that a success.
NEEDED_SECTIONS = (SECT_VEINFO, SECT_NAMESPACE, SECT_TASKS, 4)

#: The tail's type as an object.
OBJ_TRAILER = 1034

#: How many sections are looked at. A kernel writes each of its kinds once, 35 at most; a chain
#: of sections without content could keep a reader busy for hours.
MOST_SECTIONS = 1024

_HEADER = struct.Struct("<4s4H2I2HQ2I4I4IQ")
_SECTION = struct.Struct("<QI2H")
_TAIL = struct.Struct(f"<QI2H2I{INDEX_SIZE}QI4s")


class Header:
    """What an image begins with; ``data`` are its 80 bytes."""

    __slots__ = (
        "architecture", "caps", "features", "hz", "image_version", "iptables_mask",
        "kernel_config", "length", "page_size", "reserved", "signature", "start_jiffies",
        "start_nanoseconds", "start_seconds",
    )  # fmt: skip

    signature: "bytes"
    length: "int"
    image_version: "int"
    architecture: "int"
    reserved: "int"
    page_size: "int"
    hz: "int"
    start_jiffies: "int"
    start_seconds: "int"
    start_nanoseconds: "int"
    iptables_mask: "int"

    def __init__(self, data: "bytes") -> "None":
        (
            self.signature,
            self.length,
            self.image_version,
            self.architecture,
            self.reserved,
            low,
            high,
            self.page_size,
            self.hz,
            self.start_jiffies,
            self.start_seconds,
            self.start_nanoseconds,
            *words,
            self.iptables_mask,
        ) = _HEADER.unpack(data)
        self.features: "int" = low | high << 32
        self.caps: "Tuple[int, ...]" = tuple(words[:4])
        self.kernel_config: "Tuple[int, ...]" = tuple(words[4:])


class Section:
    """A section's header: ``size`` is the distance to the next one, ``length`` its own."""

    __slots__ = ("length", "number", "offset", "size")

    size: "int"
    number: "int"
    length: "int"

    def __init__(self, data: "bytes", offset: "int") -> "None":
        self.offset = offset
        self.size, self.number, self.length, _ = _SECTION.unpack(data)

    @property
    def name(self) -> "str":
        """The number's name, or the number."""
        return section_name(self.number)

    @property
    def has_object(self) -> "bool":
        """Tell whether an object's beginning fits in."""
        return self.size - self.length >= RECORD_SIZE


class Tail:
    """What an image ends with; ``data`` are its 248 bytes."""

    __slots__ = (
        "content", "index", "lazy_pages", "length", "next", "object_type", "section_count",
        "signature", "tasks_64",
    )  # fmt: skip

    next: "int"
    object_type: "int"
    length: "int"
    content: "int"
    lazy_pages: "int"
    tasks_64: "int"
    section_count: "int"
    signature: "bytes"

    def __init__(self, data: "bytes") -> "None":
        (
            self.next,
            self.object_type,
            self.length,
            self.content,
            self.lazy_pages,
            self.tasks_64,
            *index,
            self.section_count,
            self.signature,
        ) = _TAIL.unpack(data)
        self.index: "Tuple[int, ...]" = tuple(index)


class Image:
    """An image, as far as there is one.

    ``header`` is None below 80 bytes, ``tail`` and ``trailer`` (the last section's header) below
    328. ``sections`` are those of the chain that are sound, without the TRAILER; ``broken`` is
    the one at which the chain breaks, None where it does not; ``is_cut``: there are more than
    are looked at. ``veinfo_object`` is the type of the first object in the last VEINFO section,
    None where none fits in; ``is_blank``: the objects are zeros, and not in VEINFO alone.
    """

    __slots__ = (
        "broken", "header", "is_blank", "is_cut", "sections", "size", "tail", "trailer",
        "veinfo_object",
    )  # fmt: skip

    def __init__(self, size: "int") -> "None":
        self.size = size
        self.header: "Header | None" = None
        self.tail: "Tail | None" = None
        self.trailer: "Section | None" = None
        self.sections: "Tuple[Section, ...]" = ()
        self.broken: "Section | None" = None
        self.is_cut = False
        self.veinfo_object: "int | None" = None
        self.is_blank = False

    @property
    def chain_end(self) -> "int":
        """Where the chain has to end: the TRAILER's header."""
        return self.size - TRAILER_SIZE

    @property
    def is_recognized(self) -> "bool":
        """Tell whether a signature is in its place, at either end."""
        ends = (self.header, self.tail)
        return any(end is not None and end.signature == SIGNATURE for end in ends)

    @property
    def has_whole_chain(self) -> "bool":
        """Tell whether the chain was followed to its end."""
        return self.tail is not None and self.broken is None and not self.is_cut

    def last_sections(self) -> "Dict[int, Section]":
        """Return the section that restore reads for each number: the last one."""
        return {section.number: section for section in self.sections}


class Fault:
    """Something that no kernel writes, with the offset that it is at."""

    __slots__ = ("offset", "text")

    def __init__(self, offset: "int", text: "str") -> "None":
        self.offset = offset
        self.text = text


def section_name(number: "int") -> "str":
    """Name a section as the kernel's header does, or by its number."""
    return SECTION_NAMES[number] if number < len(SECTION_NAMES) else f"section {number}"


def architecture_name(number: "int") -> "str":
    """Name an architecture, or give its number."""
    return ARCHITECTURES[number] if number < len(ARCHITECTURES) else f"number {number}"


def read_image(read: "Reader", size: "int") -> "Image":
    """Read the records of an image of this size; the contents of sections are passed over.

    Raises what ``read`` raises.
    """
    image = Image(size)
    if size >= HEADER_SIZE:
        image.header = Header(read(HEADER_SIZE, 0))
    if size >= LEAST_SIZE:
        data = read(TRAILER_SIZE, image.chain_end)
        image.trailer = Section(data[:RECORD_SIZE], image.chain_end)
        image.tail = Tail(data[RECORD_SIZE:])
    if image.is_recognized and image.header is not None and image.tail is not None:
        _follow_chain(image, image.header.length, read)
        _look_inside(image, read)
    return image


def _follow_chain(image: "Image", start: "int", read: "Reader") -> "None":
    """Gather the sections from the header's own length on, as restore does."""
    sections = []  # type: List[Section]
    position = start
    while position < image.chain_end and image.broken is None and not image.is_cut:
        section = Section(read(RECORD_SIZE, position), position)
        if chain_problem(section, image.chain_end):
            image.broken = section
        elif len(sections) == MOST_SECTIONS:
            image.is_cut = True
        else:
            sections.append(section)
            position += section.size
    image.sections = tuple(sections)


def chain_problem(section: "Section", chain_end: "int") -> "str":
    """Say why no section can follow this one; nothing where one can."""
    if section.length < RECORD_SIZE:
        return f"its header's length is {section.length}, below {RECORD_SIZE}"
    if section.size < section.length:
        return f"its size is {section.size}, below its header's length, {section.length}"
    if section.offset + section.size > chain_end:
        end = section.offset + section.size
        return f"it ends at {end}, beyond the TRAILER's header at {chain_end}"
    return ""


def _look_inside(image: "Image", read: "Reader") -> "None":
    """Learn the type of VEINFO's object; where that is blank, whether all objects are."""
    veinfo = image.last_sections().get(SECT_VEINFO)
    if veinfo is None or not veinfo.has_object:
        return
    image.veinfo_object = _object_type(veinfo, read)
    if not image.veinfo_object:
        image.is_blank = not any(
            _object_type(section, read) for section in image.sections if section.has_object
        )


def _object_type(section: "Section", read: "Reader") -> "int":
    """Read the type of a section's first object."""
    return Section(read(RECORD_SIZE, section.offset + section.length), 0).number


def missing_sections(image: "Image") -> "List[str]":
    """Name the sections that a whole image has, and this one's chain does not lead to."""
    found = image.last_sections()
    return [SECTION_NAMES[number] for number in NEEDED_SECTIONS if number not in found]


def repeated_sections(image: "Image") -> "List[Section]":
    """Return the sections whose number stands again later in the chain."""
    last = image.last_sections()
    return [section for section in image.sections if last[section.number] is not section]


def index_differences(image: "Image") -> "List[Tuple[int, int, int]]":
    """Return where the tail's index and the chain do not agree.

    A difference is a section's number, where the index has it, and where the chain does
    (``ABSENT`` for nowhere). There is none to be told where either cannot be read.
    """
    tail = image.tail
    if tail is None or tail.section_count != INDEX_SIZE or not image.has_whole_chain:
        return []
    places = {section.number: section.offset for section in image.sections}
    places[SECT_TRAILER] = image.chain_end
    return [
        (number, indexed, places.get(number, ABSENT))
        for number, indexed in enumerate(tail.index)
        if indexed != places.get(number, ABSENT)
    ]


def indexed_at(image: "Image", offset: "int") -> "int | None":
    """Return the number of the section that the tail's index has at an offset."""
    if image.tail is None or offset not in image.tail.index:
        return None
    return image.tail.index.index(offset)


def odd_records(image: "Image") -> "List[Fault]":
    """Return what no kernel writes, in places that restore does not look at."""
    expected = []  # type: List[Tuple[int, str, int, int]]
    if image.header is not None:
        expected += [
            (4, "the header's length", image.header.length, HEADER_SIZE),
            (10, "the header's reserved field", image.header.reserved, 0),
        ]
    if image.trailer is not None and image.tail is not None:
        start = image.chain_end
        expected += [
            (start, "the TRAILER's size", image.trailer.size, TRAILER_SIZE),
            (start + 8, "the TRAILER's number", image.trailer.number, SECT_TRAILER),
            (start + 12, "the TRAILER's header length", image.trailer.length, RECORD_SIZE),
            (start + 16, "the tail's size", image.tail.next, TAIL_SIZE),
            (start + 24, "the tail's type", image.tail.object_type, OBJ_TRAILER),
            (start + 28, "the tail's header length", image.tail.length, TAIL_SIZE),
            (start + 30, "the tail's kind of content", image.tail.content, 0),
        ]
    return [
        Fault(offset, f"{what} is {value}, not {right}")
        for offset, what, value, right in expected
        if value != right
    ]


def find_faults(image: "Image") -> "List[Fault]":
    """Return all that keeps an image from being one that some kernel wrote, by offset."""
    faults = [
        *_size_faults(image),
        *_header_faults(image),
        *_tail_faults(image),
        *_chain_faults(image),
        *odd_records(image),
    ]
    return sorted(faults, key=lambda fault: fault.offset)


def _size_faults(image: "Image") -> "List[Fault]":
    faults = []
    if image.size % 8:
        faults.append(Fault(image.size, f"the size, {image.size}, is no multiple of 8"))
    if image.size < LEAST_SIZE:
        faults.append(
            Fault(image.size, f"the file ends here, and no image is below {LEAST_SIZE} bytes")
        )
    return faults


def _header_faults(image: "Image") -> "List[Fault]":
    header = image.header
    if header is None:
        return []
    faults = []
    if header.signature != SIGNATURE:
        faults.append(Fault(0, "the header's signature is {}".format(_bytes(header.signature))))
    version = header.image_version
    restorers = versions.restorers(version)
    if not restorers:
        faults.append(
            Fault(6, f"image version {versions.describe(version)}: no kernel known restores it")
        )
    elif header.hz != HZ_042STAB and all(name.startswith("042stab") for name in restorers):
        faults.append(Fault(22, f"HZ is {header.hz}: what restores this version has {HZ_042STAB}"))
    if header.architecture >= len(ARCHITECTURES):
        faults.append(Fault(8, f"architecture {header.architecture} is none that is known"))
    elif header.architecture != IA64 and header.page_size != PAGE_SIZE:
        faults.append(Fault(20, f"the page size is {header.page_size}, not {PAGE_SIZE}"))
    return faults


def _tail_faults(image: "Image") -> "List[Fault]":
    tail = image.tail
    if tail is None:
        return []
    start = image.size - TAIL_SIZE
    faults = []
    if tail.signature != SIGNATURE:
        faults.append(
            Fault(start + 244, "the tail's signature is {}".format(_bytes(tail.signature)))
        )
    if tail.section_count != INDEX_SIZE:
        faults.append(
            Fault(start + 240, f"the tail counts {tail.section_count} sections, not {INDEX_SIZE}")
        )
    if tail.tasks_64 and image.header is not None and image.header.architecture == I386:
        faults.append(Fault(start + 20, f"{tail.tasks_64} 64-bit tasks in an image of i386"))
    faults += [
        Fault(
            start + 24 + 8 * number,
            "the tail's index has {} {}, the chain {}".format(
                section_name(number), place_words(indexed), place_words(found)
            ),
        )
        for number, indexed, found in index_differences(image)
    ]
    return faults


def _chain_faults(image: "Image") -> "List[Fault]":
    faults = []
    if image.broken is not None:
        problem = chain_problem(image.broken, image.chain_end)
        faults.append(
            Fault(image.broken.offset, f"the chain breaks at {image.broken.name}: {problem}")
        )
    if image.is_cut:
        end = image.sections[-1].offset + image.sections[-1].size
        faults.append(Fault(end, f"more than {MOST_SECTIONS} sections: the rest was not looked at"))
    faults += [
        Fault(section.offset, f"section {section.number} is none that a known kernel writes")
        for section in image.sections
        if section.number >= len(SECTION_NAMES)
    ]
    last = image.last_sections()
    faults += [
        Fault(section.offset, f"{section.name} is there again at {last[section.number].offset}")
        for section in repeated_sections(image)
    ]
    faults += _content_faults(image)
    return faults


def _content_faults(image: "Image") -> "List[Fault]":
    """Return what the chain, where it was followed to its end, does not hold."""
    if not image.has_whole_chain:
        return []
    faults = [
        Fault(image.chain_end, f"the chain ends here, without {name}")
        for name in missing_sections(image)
    ]
    problem = veinfo_problem(image)
    if problem:
        faults.append(Fault(image.last_sections()[SECT_VEINFO].offset, problem))
    return faults


#: Types of the objects that these sections begin with.
OBJECT_TYPES = {SECT_VEINFO: 13, SECT_UBC: 1042}


def veinfo_problem(image: "Image") -> "str":
    """Say what is wrong with what the last VEINFO section begins with; nothing where it is fine.

    Of an image whose contents were blanked the tail's index says what was there.
    """
    veinfo = image.last_sections().get(SECT_VEINFO)
    if veinfo is None:
        return ""
    if image.veinfo_object is None:
        return "VEINFO has no room for its object"
    if image.is_blank:
        number = indexed_at(image, veinfo.offset)
        known = number is None or number == SECT_VEINFO
        return "" if known else f"VEINFO has the place of {section_name(number or 0)}"
    right = OBJECT_TYPES[SECT_VEINFO]
    if image.veinfo_object != right:
        return f"VEINFO begins with an object of type {image.veinfo_object}, not {right}"
    return ""


def place_words(offset: "int") -> "str":
    """Say where a section is."""
    return "nowhere" if offset == ABSENT else f"at {offset}"


def _bytes(data: "bytes") -> "str":
    return " ".join(f"{byte:02x}" for byte in data)
