"""Text as it travels: what mails, web pages and terminals put around a dump is taken off.

One pass before all parsers: carriage returns, colours, quoted-printable, HTML, quotes of mails,
prompts, comments, Markdown, numbers of lines, stamps of the kernel's log, and wrapped lines. A
line that is joined to the one before leaves an empty one, so lines keep their numbers; those that
quoted-printable and HTML put elsewhere are counted as they read. What no rule knows stays.

Sources: RFC 2045, 6.7 (quoted-printable), RFC 3676, 4.5 (quotes), and dumps on mailing lists.
"""

import json
import re
from binascii import a2b_qp
from collections.abc import Iterable, Iterator
from functools import partial

from simulator.dumps.flag_lines import join_flags
from simulator.facts.cpuid import REGISTERS
from simulator.sources.files import decode, open_text

#: A longer line, which no text that is read here has, is taken for several.
_LONGEST_LINE = 1 << 16

#: So many lines are remembered as they come.
_MOST_SEEN = 1 << 14

_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")

#: What takes no room on a screen.
_INVISIBLE = "\u200b\u200c\u200d\ufeff\x00"

#: No mail and no page is larger; in a larger text nothing is looked for but what stands in lines.
_MOST_SENT = 4 << 20
#: What word processors and web pages make of plain characters.
_TYPESET = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u201c\u201d\u201e", '"'),
        "\u2026": "...",
        "\uff1a": ":",
    }
)
_QUOTED = str.maketrans("\u201c\u201d\u201e\u2018\u2019", '"""\'\'')
_NEWLINES = re.compile(r"\r+\n|\r")

_ENCODED = re.compile(
    rb"=3D|^Content-Transfer-Encoding:[ \t]*quoted-printable|^[^\n]{60,76}=\r?$",
    re.MULTILINE | re.IGNORECASE,
)
_ENCODED_CAPITAL = b"=3d"

_TAGS = (
    "a|b|blockquote|body|br|center|code|div|em|font|h[1-6]|head|hr|html|i|kbd|li|link|meta|ol|p|"
    "pre|samp|span|strong|style|table|tbody|td|th|title|tr|tt|u|ul"
)
_TAG = re.compile(rf"</?(?P<tag>{_TAGS})(?=[\s/>])[^<>]{{0,1000}}>", re.IGNORECASE)
_BREAKING = re.compile(r"br|p|div|tr|li|pre|h[1-6]|hr|blockquote|title|style", re.IGNORECASE)
_OF_CELL = re.compile(r"<t[dh]\b", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#?[0-9A-Za-z]{2,8});")
_ESCAPED = re.compile(r"\\([][_*#<>=~-])")

_QUOTES = re.compile(r"^(?:[ \t]{0,8}(?:[A-Za-z]{1,3})?>)+")

#: When a line was printed, as logs say it.
_STAMP = (
    r"(?:[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.,]{5,18}(?:Z|[+-][0-9:]{4,6})?)"
)

#: What an answer begins with, in all forms that have one a line, and headings between them.
_ANSWER = re.compile(
    r"CPUID\s+(?:0x)?[0-9A-F]{8}\b"
    r"|0x[0-9A-F]{1,8}(?:\s+0x[0-9A-F]{1,8})?\s*:\s*(?:e|$)"
    r"|(?:basic_cpuid|ext_cpuid|(?:intel|amd)_fn[0-9a-f]+h?)\s*\["
    r"|[0-9A-F]{1,8}(?:\s+[0-9A-F]{1,8}){4}\s*=>"
    r"|CPU(?: *\#?[0-9]{1,6})?:"
    rf"|(?!{_STAMP})[A-Z0-9][^=(>\t]{{0,60}}\((?:0x)?[0-9a-f]{{1,8}}(?:/\w{{1,5}})?\):$"
    rf"|(?!{_STAMP})[A-Z0-9][^=>\t]{{0,60}}=\s*"
    r"(?:true|false|\"[^\"]{0,60}\"|.{0,60}\([0-9]{1,20}\)|0x[0-9a-f]{1,16})$"
    r"|(?:processor|vendor_id|cpu\ family|model|model\ name|stepping|microcode|cpuid\ level|flags"
    r"|Architecture|Vendor\ ID|hw_caps)\s*:"
    r"|(?:Origin|[A-Za-z ]{0,40}Features[0-9]?)\s*=\s*[0\"]",
    re.IGNORECASE,
)
_MARKS = r"(?:[\s>|#*+;`]|//|[0-9]{1,6}[:\t]|\[\s*[0-9]+\.[0-9]+\])"

#: Marks that stand before an answer; those with a stamp and what logged it, and without that.
_BEFORES = tuple(
    re.compile(pattern)
    for pattern in (
        f"{_MARKS}+",
        rf"{_MARKS}*{_STAMP} [\w.-]{{1,80}} [\w./-]{{1,60}}(?:\[[0-9]{{1,10}}\])?:{_MARKS}*",
        f"{_MARKS}*{_STAMP}{_MARKS}*",
    )
)

#: What pdsh, Ansible and grep put before each line: a machine's name, or a file's.
_HOST = re.compile(r"(?P<name>[\w./@-]{1,80}):[ \t]{0,16}")

#: A row of a table, with a leaf, perhaps a subleaf, and four registers; and one with two columns.
_CELL = r"\|\s*`?(0x[0-9A-F]{1,8})`?\s*"
_FIGURES = re.compile(rf"{_CELL}(?:{_CELL})?{_CELL * 4}\|?", re.IGNORECASE)
_CELLS = re.compile(r"\|\s*(?P<key>[^|:]{1,40}?)\s*:?\s*\|\s*:?\s*(?P<value>[^|]*?)\s*\|?")

_HEX = "[0-9A-F]{1,8}"
_EIGHT = "(?:0x)?[0-9A-F]{8}"

#: Rows that may be cut in two: what one begins with, all of it, and what the rest is made of.
_ROWS = tuple(
    tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)
    for patterns in (
        (
            r"CPUID\s+(?:0x)?[0-9A-F]{8}\b",
            rf"CPUID\s+{_EIGHT}(?:\s*:\s*|\s+){_EIGHT}(?:(?:\s*-\s*|\s+){_EIGHT}){{3}}(?!\w).*",
            rf"[-:]?\s*(?:0x)?{_HEX}(?:(?:\s*-\s*|\s+)(?:0x)?{_HEX}){{0,3}}\s*-?(?:\s*\[.*)?",
        ),
        (
            r"0x[0-9A-F]{1,8}(?:\s+0x[0-9A-F]{1,8})?\s*:",
            r"[^=]*(?:\be[abcd]x=0x[0-9A-F]{8}\s*){4}",
            rf"(?:(?:e[abcd]x=)?(?:0?x)?{_HEX}|[abcd]?x?=0x{_HEX})(?:\s+e[abcd]x=0x{_HEX}){{0,3}}",
        ),
        (
            r"(?:basic_cpuid|ext_cpuid|(?:intel|amd)_fn[0-9a-f]+h?)\s*\[",
            r"[^=]*=\s*[0-9A-F]{8}(?:\s+[0-9A-F]{8}){3}",
            rf"=?\s*{_HEX}(?:\s+{_HEX}){{0,3}}",
        ),
        (
            rf"{_HEX}(?:\s+{_HEX}){{4}}(?:\s*=>|$)",
            rf"[^=]*=>\s*{_HEX}(?:\s+{_HEX}){{3}}",
            rf"(?:=>)?\s*{_HEX}(?:\s+{_HEX}){{0,3}}",
        ),
    )
)
_VALUE = re.compile(r"=\s*(?:true|false)|true|false")

#: Several names before lines stand each before so many answers, and more.
_LEAST_OF_HOST = 2
_MOST_HOSTS = 1 << 14

_DOCUMENT = re.compile(r"^[ \t]*(?:[\[{]\s*(?:[\[{\]}\"0-9]|$)|<[?!A-Za-z])", re.MULTILINE)
#: XML that a page shows.
_ESCAPED_XML = re.compile(r"&lt;(?:capabilities|domainCapabilities|cpu|cpudata|processor)\b")
_END_TAG = re.compile(r"</[^<>]{1,100}>|/>")


def as_text(data: bytes) -> str:
    """Return a text without what encodings and terminals have put into it."""
    # One that begins with a mark of UTF-16 is of no mail.
    if _ENCODED.search(data) and (b"=3D" in data or _ENCODED_CAPITAL not in data):
        data = a2b_qp(data)
    return _NEWLINES.sub("\n", _shown(decode(data)))


def read_lines(data: bytes) -> list[str]:
    """Return the lines of a text, as ``as_lines`` does; of a large one no copy is made."""
    if len(data) <= _MOST_SENT:
        return as_lines(as_text(data))
    with open_text(data) as text:
        pieces = iter(partial(text.readline, _LONGEST_LINE), "")
        return _tidied(_shown(piece).strip() for piece in pieces)


def as_lines(text: str) -> list[str]:
    """Return the lines of a text, with nothing around the answers that they hold."""
    if _TAG.search(text) or _ENTITY.search(text):
        text = _without_html(text)
    return _tidied(_cut(text))


def _tidied(lines: Iterable[str]) -> list[str]:
    # Processors of one kind answer alike: lines that are the same are one.
    seen: dict[str, str] = {}
    tidied: list[str] = []
    for line in lines:
        bare = _without_marks(line.translate(_TYPESET))
        tidied.append(
            seen.setdefault(bare, bare) if len(seen) < _MOST_SEEN else seen.get(bare, bare)
        )
    _strip_hosts(tidied)
    _join_wrapped(tidied)
    return tidied


def _shown(text: str) -> str:
    """Return what a terminal shows of a text, with plain spaces."""
    for character in _INVISIBLE:
        text = text.replace(character, "")
    return _COLOURS.sub("", text).replace("\xa0", " ")


def as_document(text: str) -> str:
    """Return the JSON or the XML in a text, and the whole text where it has none."""
    if _ESCAPED_XML.search(text):
        text = _without_html(text)
    if not ({'"', "'"} & set(text)):
        text = text.translate(_QUOTED)
    lines = text.split("\n")
    quoted = sum(map(bool, map(_QUOTES.match, lines)))
    if quoted * 2 > sum(map(bool, map(str.strip, lines))):
        text = "\n".join(_QUOTES.sub("", line, count=1) for line in lines)
    begin = _DOCUMENT.search(text)
    if begin is None:
        return text
    document = text[begin.start() :].lstrip()
    # Lines stay counted as the file counts them.
    before = "\n" * text.count("\n", 0, begin.start())
    end = _end_of_document(document)
    return before + (document if _DOCUMENT.search(document[end:]) else document[:end])


def _end_of_document(document: str) -> int:
    if document.startswith("<"):
        ends = list(_END_TAG.finditer(document))
        return ends[-1].end() if ends else len(document)
    try:
        return json.JSONDecoder().raw_decode(document)[1]
    except (ValueError, RecursionError):
        return len(document)


def _without_html(text: str) -> str:
    from html import unescape

    return unescape(_TAG.sub(_instead_of_tag, text)).replace("\xa0", " ")


def _instead_of_tag(tag: re.Match[str]) -> str:
    if _BREAKING.fullmatch(tag["tag"]):
        return "\n"
    # Of cells, what begins them is what separates them.
    return "|" if _OF_CELL.match(tag[0]) else ""


def _cut(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield line[:_LONGEST_LINE].strip()
        for start in range(_LONGEST_LINE, len(line), _LONGEST_LINE):
            yield line[start : start + _LONGEST_LINE].strip()


def _without_marks(line: str) -> str:
    """Return a line without what stands before the answer in it."""
    if "\\" in line:
        line = _ESCAPED.sub(r"\1", line)
    if _ANSWER.match(line):
        return line
    line = _QUOTES.sub("", line, count=1).strip()
    if line.startswith("|"):
        line = _without_cells(line)
    for before in filter(None, (pattern.match(line) for pattern in _BEFORES)):
        bare = line[before.end() :].rstrip("`*| \t")
        if _ANSWER.match(bare):
            return bare
    return line


def _without_cells(line: str) -> str:
    """Return a row of a table as the form has it of which it is."""
    cells = _CELLS.fullmatch(line)
    if cells is not None and _ANSWER.match(f"{cells['key']}:"):
        return f"{cells['key']}: {cells['value']}"
    figures = _FIGURES.fullmatch(line)
    if figures is not None:
        leaf, subleaf, *registers = figures.groups(default="0x00")
        answer = zip(REGISTERS, registers, strict=True)
        return f"{leaf} {subleaf}: {' '.join(f'{name}={value}' for name, value in answer)}"
    return line


def _strip_hosts(lines: list[str]) -> None:
    """Take the names off that stand before each answer, if they are of one machine at a time."""
    count, hosts = 0, [""]
    for line in lines:
        host = _host(line)
        if host is not None:
            count += 1
            if hosts[-1] != host["name"]:
                hosts.append(host["name"])
            if len(hosts) > _MOST_HOSTS:
                return
    if count and len(set(hosts)) == len(hosts) <= 1 + max(count // _LEAST_OF_HOST, 1):
        for number, line in enumerate(lines):
            host = _host(line)
            if host is not None:
                lines[number] = line[host.end() :]


def _host(line: str) -> re.Match[str] | None:
    """Find a name that stands before an answer."""
    host = _HOST.match(line)
    return host if host is not None and _ANSWER.match(line[host.end() :]) else None


def _join_wrapped(lines: list[str]) -> None:
    """Join answers that are cut in two, or in more; what is joined leaves empty lines."""
    number = 0
    while number < len(lines):
        number += _join_row(lines, number) or join_flags(lines, number) or 1


def _join_row(lines: list[str], first: int) -> int:
    """Join the row that begins on a line; return how many lines it takes, 0 for no such row."""
    line = lines[first]
    for begin, whole, piece in _ROWS:
        if not begin.match(line):
            continue
        if whole.fullmatch(line):
            return 1
        joined = [line]
        for place in range(first + 1, min(first + 5, len(lines))):
            if not (lines[place] and piece.fullmatch(lines[place])):
                break
            # Terminals cut anywhere, mails at spaces.
            joined = [text + glue + lines[place] for text in joined for glue in (" ", "")]
            for text in joined:
                if whole.fullmatch(text):
                    lines[first : place + 1] = [text, *[""] * (place - first)]
                    return place - first + 1
    following = lines[first + 1] if first + 1 < len(lines) else ""
    if line and line.endswith("=") + following.startswith("=") == 1 and _VALUE.fullmatch(following):
        lines[first : first + 2] = [f"{line} {following}", ""]
        return 2
    return 0
