"""Draw the README's pictures: 'nox -s pictures'.

``terminal.svg`` is what commands print on a terminal, as text that is compared with what they
print now. ``page.png`` is the page as Chromium shows it; what it was made of is noted in it as a
digest.
"""

import base64
import io
import os
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import chdir
from hashlib import sha256
from html import escape
from pathlib import Path
from unittest.mock import patch

from simulator.cli import main

ROOT = Path(__file__).resolve().parents[1]
FLEET = "examples/fleet.csv"
TERMINAL = ROOT / "docs/pictures/terminal.svg"
PAGE = ROOT / "docs/pictures/page.png"

#: What is typed, and how many lines of the answer are shown.
SCREENS = ((("where", "--ct", "201", FLEET), 99), (("matrix", FLEET), 13))
COLUMNS = 88
#: What is seen of the page, and of which size.
ADDRESS = "#/view=fleet&from=ash&to=yew"
_WINDOW = {"width": 1280, "height": 760, "deviceScaleFactor": 1, "mobile": False}

_LETTER, _LINE, _MARGIN = 8.4, 19, 18
_SGR = re.compile(r"\x1b\[([\d;]*)m")
#: Colours of the terminal's styles, as SGR spells them.
_FILLS = {"32": "#5fd7a7", "36": "#6cc7e6", "35": "#f2b45c", "31": "#ff8f85", "33": "#c9cfd4"}
_CLASSES = {"1": "b", "2": "d"}

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"Source\0"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(arguments: Sequence[str]) -> str:
    """Return what a command prints on a terminal in colour, run in the checkout."""
    terminal = _Terminal()
    settings = {"COLUMNS": str(COLUMNS), "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": ""}
    with chdir(ROOT), patch.dict(os.environ, settings):
        main(arguments, terminal, None)
    return terminal.getvalue()


def terminal_picture() -> str:
    """Return the picture of a terminal: a line of text each."""
    lines = list(_screens())
    width = round(COLUMNS * _LETTER) + 2 * _MARGIN
    height = len(lines) * _LINE + 2 * _MARGIN
    rows = (
        f'<text x="{_MARGIN}" y="{_MARGIN + 14 + place * _LINE}">{"".join(_spans(text))}</text>\n'
        for place, text in enumerate(lines)
        if text
    )
    styles = "".join(f".c{code}{{fill:{colour}}}" for code, colour in _FILLS.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">\n'
        f"<style>text{{font:14px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"fill:#dbe3e8;white-space:pre}}.b{{font-weight:bold}}.d{{fill:#8d9ba5}}{styles}</style>\n"
        f'<rect width="{width}" height="{height}" rx="10" fill="#161d22"/>\n'
        f"{''.join(rows)}</svg>\n"
    )


def _screens() -> Iterator[str]:
    for number, (arguments, count) in enumerate(SCREENS):
        if number:
            yield ""
        yield f"\x1b[2m$\x1b[0m \x1b[1mvzcptsim {' '.join(arguments)}\x1b[0m"
        yield from printed(arguments).splitlines()[:count]


def _spans(text: str) -> Iterator[str]:
    """Yield a line's parts; each begins in its column, whatever font there is."""
    column, classes = 0, ""
    for place, part in enumerate(_SGR.split(text)):
        if place % 2:
            codes = part.split(";")
            names = [_CLASSES.get(one) or f"c{one}" for one in codes if one in _CLASSES | _FILLS]
            classes = " ".join(names)
        elif part:
            x = _MARGIN + column * _LETTER
            size = len(part) * _LETTER
            named = f' class="{classes}"' if classes else ""
            yield f'<tspan x="{x:g}" textLength="{size:g}"{named}>{escape(part)}</tspan>'
            column += len(part)


def page_digest() -> str:
    """Return a digest of what the page is made of, and of what it tells of the fleet."""
    paths = sorted((ROOT / "simulator/reports/templates").iterdir())
    paths += [ROOT / FLEET, ROOT / "examples/oldbox.txt"]
    told = printed(("matrix", FLEET))
    return sha256(b"\0".join([told.encode(), *(one.read_bytes() for one in paths)])).hexdigest()


def noted_digest(picture: bytes) -> str:
    """Return the digest that is noted in a picture; empty where there is none."""
    place = len(_SIGNATURE)
    while place < len(picture):
        size, kind = struct.unpack_from(">I4s", picture, place)
        text = picture[place + 8 : place + 8 + size]
        if kind == b"tEXt" and text.startswith(_KEYWORD):
            return text.removeprefix(_KEYWORD).decode("ascii")
        place += size + 12
    return ""


def with_note(picture: bytes, digest: str) -> bytes:
    """Return a picture in which a digest is noted, right after its header."""
    text = b"tEXt" + _KEYWORD + digest.encode("ascii")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    header = len(_SIGNATURE) + 25
    return picture[:header] + chunk + picture[header:]


def page_picture() -> bytes:
    """Return the page as Chromium shows it."""
    from selenium import webdriver  # noqa: PLC0415 (the other picture, and tests, take none)

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        # The time is left out: a picture of the same is the same.
        with chdir(ROOT), patch("time.strftime", return_value=""):
            main(("matrix", FLEET, "--format", "html", "--output", str(page)))
        options = webdriver.ChromeOptions()
        for argument in (
            "--headless",
            "--no-sandbox",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/chromium",
        ):
            options.add_argument(argument)
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        with webdriver.Chrome(options, service) as browser:
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", _WINDOW)
            browser.get(f"{page.as_uri()}{ADDRESS}")
            browser.execute_async_script(
                "const done = arguments[0]; requestAnimationFrame(() => setTimeout(done, 100))"
            )
            taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        return with_note(base64.b64decode(taken["data"]), page_digest())


if __name__ == "__main__":
    TERMINAL.write_text(terminal_picture(), "utf-8")
    PAGE.write_bytes(page_picture())
