"""What a reader does with the page of examples/browser, and what is then to be seen.

Owns these words of the tests. Drives a browser that Selenium started.
"""

from __future__ import annotations

from collections.abc import Callable

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE = 60


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
