"""A browser with the page of examples/browser: what a reader does, and what is then to be seen.

Owns these words of the tests, the browser, which Selenium drives, and the server of the page.
"""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.graphc.exporting import tool

PATIENCE = 60
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of the files in a folder."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """A browser that keeps what it must in a folder of its own."""
    options = Options()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = tool("chromium")
    driver = webdriver.Chrome(options, Service(tool("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def visit(driver: webdriver.Chrome, url: str) -> None:
    """Load a page, even if only what stands behind # differs from the one that is shown."""
    driver.get("about:blank")
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    driver.get(url)


def wait(driver: webdriver.Chrome, until: Callable[[], bool]) -> None:
    WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(lambda _: until())


def text(driver: webdriver.Chrome, name: str) -> str:
    return driver.find_element(By.ID, name).text


def number(driver: webdriver.Chrome, name: str) -> float:
    return float(text(driver, name).replace(",", "").removesuffix(" %"))


def press(driver: webdriver.Chrome, name: str) -> None:
    driver.find_element(By.ID, name).click()


def choose(driver: webdriver.Chrome, name: str, shown: str) -> None:
    Select(driver.find_element(By.NAME, name)).select_by_visible_text(shown)


def choose_data(driver: webdriver.Chrome, name: str) -> None:
    driver.find_element(By.CSS_SELECTOR, f"#data label:has([value={name}])").click()


def set_field(driver: webdriver.Chrome, name: str, value: str) -> None:
    field = driver.find_element(By.NAME, name)
    script = "arguments[0].value = arguments[1];"
    script += "arguments[0].dispatchEvent(new Event('change', { bubbles: true }))"
    driver.execute_script(script, field, value)


def pixels(driver: webdriver.Chrome, selector: str) -> list[str]:
    """The contents of canvases."""
    script = "return [...document.querySelectorAll(arguments[0])].map((c) => c.toDataURL())"
    drawn: list[str] = driver.execute_script(script, selector)
    return drawn


def train(driver: webdriver.Chrome, steps: int, pace: str = "100 steps a frame") -> None:
    """Train at least so many steps, then pause."""
    choose(driver, "pace", pace)
    press(driver, "train")
    wait(driver, lambda: number(driver, "steps") >= steps)
    press(driver, "train")
