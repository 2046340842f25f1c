"""A real Chromium without a window, driven by ChromeDriver: both are Debian's packages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

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
        """ContainerGroup a page anew, and wait until it can be used."""
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

    def frame(self) -> None:
        """Let the page draw."""
        self.run_async("const done = arguments[0]; requestAnimationFrame(() => setTimeout(done))")

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
        yield Chromium(driver)
    finally:
        driver.quit()
