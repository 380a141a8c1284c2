"""Debian's Chromium without a window, driven through its own WebDriver; nothing of it reaches a network.

Where it isn't installed, tests that need it are skipped, but never under ``CI=true`` or ``RECONCILER_NEED_BROWSER=1``.
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Width and height in CSS pixels of a screen that is asked for nothing else.
SCREEN = (1280, 900)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
    # Whatever asks for a name of another machine gets none.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def programs() -> tuple[str, str] | None:
    """The paths of Chromium and its driver, if both are here."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def needed() -> bool:
    """True where a test must not be skipped for want of a browser."""
    said = (os.environ.get(name, "").lower() for name in ("CI", "RECONCILER_NEED_BROWSER"))
    return any(value not in ("", "0", "false") for value in said)


class Browser:
    """One browser with one page. Sizes, schemes and media are set as a device would have them."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def device(self, width: int = SCREEN[0], *, dark: bool = False, media: str = "", script: bool = True) -> None:
        """Be a screen ``width`` CSS pixels wide, or paper if ``media`` is ``print``; from the next page on."""
        size = {"width": width, "height": SCREEN[1], "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.command("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self.command("Emulation.setScriptExecutionDisabled", value=not script)

    def open(self, url: str) -> None:
        """Load a page, and forget what the console said before."""
        self.driver.get_log("browser")
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a function body in the page."""
        return self.driver.execute_script(script, *arguments)

    def console(self) -> list[str]:
        """What the console said since the page was opened: errors, warnings, violations of the page's policy."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def command(self, name: str, **values: Any) -> Any:
        """A command of the browser's own protocol."""
        return self.driver.execute_cdp_cmd(name, values)

    def photograph(self, path: Path, *, top: int = 0, height: int, width: int) -> None:
        """Write a part of the page, which may reach beyond the screen, as a PNG."""
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser with a profile of its own, which is gone afterwards. Raises `LookupError` where there is none."""
    found = programs()
    if found is None:
        raise LookupError("Chromium isn't installed here (on Debian: sudo apt-get install chromium chromium-driver)")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={SCREEN[0]},{SCREEN[1]}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(executable_path=found[1])
        driver = webdriver.Chrome(options=options, service=service)
        try:
            driver.set_page_load_timeout(60)
            yield Browser(driver)
        finally:
            driver.quit()


@contextmanager
def tested() -> Iterator[Browser]:
    """`browsing`, for tests: skips, or fails where a browser is needed."""
    if programs() is None:
        reason = "there is no Chromium with its driver (on Debian: sudo apt-get install chromium chromium-driver)"
        if needed():
            pytest.fail(f"a browser is needed here: {reason}", pytrace=False)
        pytest.skip(reason)
    with browsing() as browser:
        yield browser
