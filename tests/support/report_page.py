"""The HTML report in a real Chromium, as its reader has it: what is on the page, by its name."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from simulator.fleets.pool_change import Pool
from simulator.reports.as_html import html_text
from simulator.reports.view import View, note_on
from support.running import ROOT

#: Without these it asks the network for this and that.
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

_KEYS = {"Enter": "\r", " ": " "}
_CONTROL = 2


class Chromium:
    """One tab. What goes wrong on a page is in ``problems``."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a page anew, and wait until it can be used."""
        self._driver.set_script_timeout(60)
        self._driver.set_page_load_timeout(60)
        self._driver.get("about:blank")
        self._driver.get(f"{path.as_uri()}{fragment}")
        self._driver.execute_async_script(_WAIT)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script's text in the page, and return what it returns."""
        return self._driver.execute_script(script, *arguments)

    def run_async(self, script: str, *arguments: Any) -> Any:
        """Run a script's text that ends with calling its last argument."""
        return self._driver.execute_async_script(script, *arguments)

    def frame(self, times: int = 1) -> None:
        """Let the page draw."""
        script = "const done = arguments[0]; requestAnimationFrame(() => setTimeout(done))"
        for _ in range(times):
            self.run_async(script)

    def resize(self, width: int, height: int) -> None:
        """Give the page a window of this size."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, *, media: str = "", **features: str) -> None:
        """Set the medium, and what its user prefers (``color_scheme="dark"``)."""
        preferred = [
            {"name": f"prefers-{name.replace('_', '-')}", "value": value}
            for name, value in features.items()
        ]
        self.devtools("Emulation.setEmulatedMedia", media=media, features=preferred)

    def press(self, key: str, *, ctrl: bool = False) -> None:
        """Press a key on a keyboard, and let it go."""
        event: dict[str, Any] = {"key": key, "modifiers": _CONTROL if ctrl else 0}
        if key == "Tab":
            event["windowsVirtualKeyCode"] = 9
        text = {"text": _KEYS[key]} if key in _KEYS else {}
        self.devtools("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        self.devtools("Input.dispatchKeyEvent", type="keyUp", **event)

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        mouse = {"x": x, "y": y, "button": "left", "clickCount": 1}
        self.devtools("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        self.devtools("Input.dispatchMouseEvent", type="mouseReleased", **mouse)

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Use Chromium's own protocol."""
        return self._driver.execute_cdp_cmd(command, parameters)

    def busy(self) -> float:
        """Return for how many milliseconds the tab's thread has run since the page was opened."""
        metrics = self.devtools("Performance.getMetrics")["metrics"]
        return sum(1000 * one["value"] for one in metrics if one["name"] == "TaskDuration")

    def problems(self) -> list[str]:
        """Return what the console has said since it was last asked."""
        return [entry["message"] for entry in self._driver.get_log("browser")]


_WAIT = """
const done = arguments[0];
const wait = () =>
  performance.getEntriesByName("interactive").length ? done() : setTimeout(wait, 10);
wait();
"""


@contextmanager
def started(folder: Path) -> Iterator[Chromium]:
    """Start a browser that keeps its files in a folder, and end it."""
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (*_ARGUMENTS, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    try:
        browser = Chromium(driver)
        browser.devtools("Performance.enable", timeDomain="threadTicks")
        yield browser
    finally:
        driver.quit()


def _script(name: str) -> str:
    return (ROOT / "tests" / "data" / "report-page" / f"{name}.js").read_text("utf-8")


_SET = _script("set-field")

#: Feel for the first cell with the mouse: what is left of it and above it are names.
_FIRST_CELL = _script("first-cell")

#: Step through all cells by the keyboard's events, row by row, and collect what is read out.
_READ_ALL = _script("read-all")

_COLOUR = _script("colour")

_DESTINATIONS = _script("destinations")


def write_report(view: View, path: Path, notes: dict[str, Any], pool: Pool | None = None) -> Path:
    """Write a report into a file."""
    path.write_text("".join(html_text(view, notes=notes, pool=pool)), "utf-8")
    return path


def notes_on(profiles: Any) -> dict[str, Any]:
    """Note down what is known of nodes."""
    return {profile.name: note_on(profile) for profile in profiles}


class ReportPage:
    """A report that is open."""

    def __init__(self, browser: Chromium) -> None:
        self.browser = browser

    def text(self, selector: str) -> str:
        """Return what is to be read in an element, with single spaces."""
        script = "return document.querySelector(arguments[0]).innerText"
        return " ".join(str(self.browser.run(script, selector)).split())

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements alike."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        return [" ".join(text.split()) for text in self.browser.run(script, selector)]

    def attribute(self, selector: str, name: str) -> Any:
        """Return an attribute; None where it is not there."""
        script = "return document.querySelector(arguments[0]).getAttribute(arguments[1])"
        return self.browser.run(script, selector, name)

    def is_seen(self, selector: str) -> bool:
        """Tell whether an element is shown."""
        script = "return document.querySelector(arguments[0]).checkVisibility()"
        return bool(self.browser.run(script, selector))

    def fill(self, name: str, value: str | bool) -> None:
        """Fill in a field of the filters."""
        self.browser.run(_SET, name, value)
        self.browser.frame()

    def push(self, selector: str) -> None:
        """Push a button."""
        self.browser.run("document.querySelector(arguments[0]).click()", selector)
        self.browser.frame(2)

    def push_all(self, selector: str) -> None:
        """Push all buttons alike, until none is left that was not pushed."""
        script = "document.querySelectorAll(arguments[0]).forEach((one) => one.click())"
        self.browser.run(script, selector)
        self.browser.frame()

    def type(self, selector: str, text: str) -> None:
        """Type a text into a field, and leave the focus there."""
        self.browser.run("document.querySelector(arguments[0]).focus()", selector)
        self.browser.devtools("Input.insertText", text=text)
        self.browser.frame()

    def back(self) -> None:
        """Go back in the browser's history."""
        self.browser.run("history.back()")
        self.browser.frame(3)

    def destinations(self) -> dict[str, list[str]]:
        """Return the destinations in the answer to "where can it go", by outcome."""
        found: dict[str, list[str]] = self.browser.run(_DESTINATIONS)
        return {outcome: sorted(names) for outcome, names in found.items()}

    def blocks(self) -> list[tuple[list[str], str]]:
        """Return the destinations that have the same in their way, and what that is."""
        script = """
          document.querySelectorAll("#answer details").forEach((one) => (one.open = true));
          return [...document.querySelectorAll("#answer .block")].map((block) => [
            [...block.querySelectorAll(".place")].map((place) => place.title),
            block.querySelector(".because")?.innerText ?? "",
          ]);"""
        return [(names, text) for names, text in self.browser.run(script)]

    def found(self) -> str:
        """Return what the filters say that they leave."""
        return self.text("#found")

    def fragment(self) -> str:
        """Return the address's fragment."""
        return str(self.browser.run("return location.hash"))

    def go(self, fragment: str) -> None:
        """Go to another address of the page."""
        self.browser.run("location.hash = arguments[0]", fragment)
        self.browser.frame(2)

    def print(self) -> None:
        """Print it to a PDF."""
        answer = self.browser.devtools("Page.printToPDF", printBackground=True)
        assert base64.b64decode(answer["data"]).startswith(b"%PDF")

    def focus(self) -> None:
        """Go to the grid."""
        self.browser.run("document.getElementById('grid').focus()")
        self.browser.frame()

    def focused(self) -> str:
        """Return the id of what has the focus."""
        return str(self.browser.run("return document.activeElement.id"))

    def active(self) -> str:
        """Return what a screen reader reads of the active cell."""
        script = """
          const id = document.getElementById("grid").getAttribute("aria-activedescendant");
          return document.getElementById(id).textContent;"""
        return str(self.browser.run(script))

    def read_all(self) -> list[str]:
        """Return what is read out of every cell."""
        read: list[str] = self.browser.run(_READ_ALL)
        return read

    def first_cell(self) -> tuple[float, float]:
        """Return where the first cell's upper left corner is, in the window."""
        self.browser.run("document.getElementById('grid').scrollIntoView()")
        self.browser.frame()
        x, y = self.browser.run(_FIRST_CELL)
        return x, y

    def size(self) -> int:
        """Return how large cells are."""
        return int(self.browser.run("return document.getElementById('grid').dataset.size"))

    def place(self, row: int, column: int) -> tuple[float, float]:
        """Return where the middle of a cell is, in the window."""
        x, y = self.first_cell()
        return x + (column + 0.5) * self.size(), y + (row + 0.5) * self.size()

    def point(self, x: float, y: float) -> None:
        """Move the mouse to a place of the window."""
        self.browser.devtools("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.browser.frame()

    def click(self, row: int, column: int) -> None:
        """Click on a cell."""
        self.browser.click(*self.place(row, column))
        self.browser.frame()

    def colour(self, x: float, y: float) -> str:
        """Return the colour of a point of the grid."""
        return str(self.browser.run(_COLOUR, x, y))

    def variable(self, name: str) -> str:
        """Return one of the page's colours."""
        script = """
          const style = getComputedStyle(document.documentElement);
          return style.getPropertyValue(`--${arguments[0]}`).trim();"""
        return str(self.browser.run(script, name))

    def violations(self, axe: str) -> str:
        """Return what axe-core has against the page as it is."""
        self.browser.run(axe)
        script = """
          const done = arguments[0];
          axe
            .run(document, { resultTypes: ["violations"] })
            .then((found) => done(found.violations), (reason) => done(String(reason)));"""
        found = self.browser.run_async(script)
        assert isinstance(found, list), f"axe-core failed: {found}"
        return json.dumps(
            [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found], indent=1
        )
