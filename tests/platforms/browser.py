"""The page of examples/browser in a real browser: it trains, and every choice works."""

from __future__ import annotations

import functools
import http.server
import runpy
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"
PATIENCE = 60
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address(tmp_path_factory: Any) -> Iterator[str]:
    """The page, built and served."""
    site = tmp_path_factory.mktemp("site")
    runpy.run_path(str(EXAMPLE / "build.py"))["main"](site)
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def driver(tmp_path_factory: Any) -> Iterator[webdriver.Chrome]:
    options = Options()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.binary_location = tool("chromium")
    driver = webdriver.Chrome(options, Service(tool("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def browser(driver: webdriver.Chrome, address: str) -> webdriver.Chrome:
    """The page, just loaded."""
    driver.get(address)
    WebDriverWait(driver, PATIENCE).until(lambda _: "Ready" in text(driver, "message"))
    return driver


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"this test needs {name}"
    return found


def text(driver: webdriver.Chrome, name: str) -> str:
    return driver.find_element(By.ID, name).text


def steps(driver: webdriver.Chrome) -> int:
    return int(text(driver, "steps"))


def choose(driver: webdriver.Chrome, name: str, value: str) -> None:
    Select(driver.find_element(By.ID, name)).select_by_visible_text(value)


def pixels(driver: webdriver.Chrome, selector: str) -> list[str]:
    """The contents of canvases."""
    script = "return [...document.querySelectorAll(arguments[0])].map((c) => c.toDataURL())"
    drawn: list[str] = driver.execute_script(script, selector)
    return drawn


def train(driver: webdriver.Chrome, until: int, pace: str = "100") -> None:
    choose(driver, "pace", pace)
    driver.find_element(By.ID, "train").click()
    WebDriverWait(driver, PATIENCE).until(lambda _: steps(driver) > until)
    driver.find_element(By.ID, "train").click()


def test_training_lowers_the_loss_and_redraws(browser: webdriver.Chrome) -> None:
    surface, features = pixels(browser, "#surface"), pixels(browser, "#features canvas")
    train(browser, 5, pace="1")
    first = float(text(browser, "loss"))
    train(browser, 3000)
    assert float(text(browser, "loss")) < 0.5 * first
    assert int(text(browser, "right").removesuffix("%")) > 90
    assert int(text(browser, "speed").replace(",", "")) > 0
    assert pixels(browser, "#surface") != surface
    assert len(set(pixels(browser, "#features canvas"))) == len(features) == 8
    assert not browser.get_log("browser")  # type: ignore[no-untyped-call]


def test_paused_it_stands_still(browser: webdriver.Chrome) -> None:
    train(browser, 10)
    before = steps(browser)
    browser.execute_async_script("setTimeout(arguments[0], 200)")
    assert steps(browser) == before


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize(("layers", "units"), [("1", "4"), ("1", "8"), ("2", "4"), ("2", "8")])
def test_every_network_learns(
    activation: str, layers: str, units: str, browser: webdriver.Chrome
) -> None:
    for name, value in (("activation", activation), ("layers", layers), ("units", units)):
        choose(browser, name, value)
    choose(browser, "data", "circle")
    choose(browser, "rate", "0.03")
    WebDriverWait(browser, PATIENCE).until(
        lambda _: len(pixels(browser, "#features canvas")) == int(layers) * int(units)
    )
    assert steps(browser) == 0
    train(browser, 2000)
    assert float(text(browser, "loss")) < 0.5


@pytest.mark.parametrize("data", ["two moons", "circle", "exclusive or", "spirals"])
def test_every_data_set_is_drawn(data: str, browser: webdriver.Chrome) -> None:
    choose(browser, "data", data)
    WebDriverWait(browser, PATIENCE).until(lambda _: steps(browser) == 0)
    train(browser, 500)
    assert float(text(browser, "loss")) < 0.69


def test_starting_again_forgets(browser: webdriver.Chrome) -> None:
    initial = pixels(browser, "#surface")
    train(browser, 300)
    assert pixels(browser, "#surface") != initial
    browser.find_element(By.ID, "reset").click()
    WebDriverWait(browser, PATIENCE).until(lambda _: steps(browser) == 0)
    assert pixels(browser, "#surface") == initial
