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
from collections.abc import Iterator

from simulator.facts.features import FEATURES
from simulator.sources.files import decode

#: A longer line, which no text that is read here has, is taken for several.
_LONGEST_LINE = 1 << 16

#: Wrapped lines that are joined at most, which is those of the longest flags of today by far.
_MOST_PIECES = 256

_COLOURS = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|[\u200b\u200c\u200d\ufeff\x00]")
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
_ENTITY = re.compile(r"&(?:#?[0-9A-Za-z]{2,8});")
_ESCAPED = re.compile(r"\\([][_*#<>=~-])")

_QUOTES = re.compile(r"^(?:[ \t]{0,8}(?:[A-Za-z]{1,3})?>)+")

#: What an answer begins with, in all forms that have one a line, and headings between them.
_ANSWER = re.compile(
    r"CPUID\s+(?:0x)?[0-9A-F]{8}\b"
    r"|0x[0-9A-F]{1,8}(?:\s+0x[0-9A-F]{1,8})?\s*:\s*(?:e|$)"
    r"|(?:basic_cpuid|ext_cpuid|(?:intel|amd)_fn[0-9a-f]+h?)\s*\["
    r"|[0-9A-F]{1,8}(?:\s+[0-9A-F]{1,8}){4}\s*=>"
    r"|CPU(?: *\#?[0-9]{1,6})?:"
    r"|(?!.*\bkernel:)[A-Z0-9][^=(>\t]{0,60}\((?:0x)?[0-9a-f]{1,8}(?:/\w{1,5})?\):$"
    r"|(?!.*\bkernel:)[A-Z0-9][^=>\t]{0,60}=\s*"
    r"(?:true|false|\"[^\"]{0,60}\"|.{0,60}\([0-9]{1,20}\)|0x[0-9a-f]{1,16})$"
    r"|(?:processor|vendor_id|cpu\ family|model|model\ name|stepping|microcode|cpuid\ level|flags"
    r"|Architecture|Vendor\ ID|hw_caps)\s*:"
    r"|(?:Origin|[A-Za-z ]{0,40}Features[0-9]?)\s*=\s*[0\"]",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"(?:[\s>|#*+;`]|//|[0-9]{1,6}[:\t]|\[\s*[0-9]+\.[0-9]+\]"
    r"|[A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} [\w.-]{1,80} kernel:)+"
)

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
_FLAGS = re.compile(r"flags\s*:", re.IGNORECASE)
_WORDS = re.compile(r"[a-z0-9_.]{1,40}(?:\s+[a-z0-9_.]{1,40})*")
_VALUE = re.compile(r"=\s*(?:true|false)|true|false")

#: The words that flags are made of.
_KNOWN_WORDS = frozenset(
    word for feature in FEATURES for word in (feature.name, *feature.old_names)
)

_DOCUMENT = re.compile(r"^[ \t]*(?:[\[{]\s*(?:[\[{\]}\"0-9]|$)|<[?!A-Za-z])", re.MULTILINE)
_END_TAG = re.compile(r"</[^<>]{1,100}>|/>")


def as_text(data: bytes) -> str:
    """Return a text without what encodings and terminals have put into it."""
    # One that begins with a mark of UTF-16 is of no mail.
    if _ENCODED.search(data) and (b"=3D" in data or _ENCODED_CAPITAL not in data):
        data = a2b_qp(data)
    return _NEWLINES.sub("\n", _COLOURS.sub("", decode(data))).replace("\xa0", " ")


def as_lines(text: str) -> list[str]:
    """Return the lines of a text, with nothing around the answers that they hold."""
    if _TAG.search(text) or _ENTITY.search(text):
        text = _without_html(text)
    lines = [_without_marks(line) for line in _cut(text)]
    _join_wrapped(lines)
    return lines


def as_document(text: str) -> str:
    """Return the JSON or the XML in a text, and the whole text where it has none."""
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


def flag_words(line: str) -> int:
    """Count the words of a line that kernels print among a CPU's flags."""
    return sum(word in _KNOWN_WORDS for word in line.split())


def _without_html(text: str) -> str:
    from html import unescape

    bare = _TAG.sub(lambda tag: "\n" if _BREAKING.fullmatch(tag["tag"]) else "", text)
    return unescape(bare).replace("\xa0", " ")


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
    before = _BEFORE.match(line)
    if before is not None:
        bare = line[before.end() :].rstrip("`*| \t")
        if _ANSWER.match(bare):
            return bare
    return line


def _join_wrapped(lines: list[str]) -> None:
    """Join answers that are cut in two, or in more; what is joined leaves empty lines."""
    number = 0
    while number < len(lines):
        number += _join_row(lines, number) or _join_flags(lines, number) or 1


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


def _join_flags(lines: list[str], first: int) -> int:
    """Join the flags that begin on a line; return how many lines they take, 0 for no flags."""
    if not _FLAGS.match(lines[first]):
        return 0
    text, place = lines[first], first + 1
    while place < min(first + _MOST_PIECES, len(lines)) and _is_of_flags(lines[place]):
        text += ("" if _is_cut(text, lines[place]) else " ") + lines[place]
        lines[place] = ""
        place += 1
    lines[first] = text
    return place - first


def _is_of_flags(line: str) -> bool:
    return bool(_WORDS.fullmatch(line)) and flag_words(line) * 2 >= len(line.split())


def _is_cut(text: str, rest: str) -> bool:
    """Tell whether a word was cut: its end is no word, and both together are one."""
    head, tail = text.rsplit(maxsplit=1)[-1], rest.split(maxsplit=1)[0]
    return tail not in _KNOWN_WORDS and head + tail in _KNOWN_WORDS
