"""Text as manual pages have it: troff's man macros, as man-db and mandoc both read them."""

import re
import textwrap

_WIDTH = 78
_OPTION = re.compile(r"(?<![\w-])(--?[a-zA-Z0-9][\w-]*)")
_NAME = re.compile(r"\b([A-Z][A-Z=]*[A-Z]|[A-Z])\b")


def escape(text: str) -> str:
    """Return text that is shown as it is."""
    return text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def bold(text: str) -> str:
    """Return text as it is typed."""
    return f"\\fB{escape(text)}\\fP"


def italic(text: str) -> str:
    """Return the name of what is to be filled in."""
    return f"\\fI{escape(text)}\\fP"


def prose(text: str) -> str:
    """Return a paragraph, folded, with options in bold."""
    lines = textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(_line, lines))


def _line(text: str) -> str:
    parts = _OPTION.split(text)
    marked = "".join(
        bold(part) if index % 2 else escape(part).replace("\\-", "-")
        for index, part in enumerate(parts)
    )
    return f"\\&{marked}" if marked.startswith((".", "\\(aq")) else marked


def synopsis(usage: str) -> str:
    """Return a usage: names of values in italics, all else that is typed in bold.

    An option and its value stay on one line.
    """
    program, rest = usage.split(" ", 1)
    groups = re.findall(r"\[[^|\]]*\](?:\.\.\.)?|\S+", rest)
    return f".SY {program}\n" + "\n".join(map(_group, groups)) + "\n.YS"


def _group(text: str) -> str:
    marked = "\\ ".join(map(_word, text.split(" ")))
    # Three dots end no sentence here.
    return f"{marked}\\&" if marked.endswith(".") else marked


def _word(word: str) -> str:
    parts = re.split(r"([\[\]|]+|\.\.\.)", word)
    return "".join(
        part if index % 2 or not part else italic(part) if _NAME.fullmatch(part) else bold(part)
        for index, part in enumerate(parts)
    )


def sentence(text: str) -> str:
    """Return a note of a table as a sentence."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."
