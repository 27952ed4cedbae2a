"""The page of examples/browser in a real browser: it learns, and says what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.platforms.driving import (
    choose,
    choose_data,
    chromium,
    number,
    pixels,
    press,
    served,
    set_field,
    text,
    train,
    visit,
    wait,
)

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"


@pytest.fixture(scope="module")
def site(tmp_path_factory: Any) -> Path:
    """The page with some of its networks."""
    site: Path = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, str(EXAMPLE / "build.py"), str(site)]
    subprocess.run(
        [*command, "--layers", "1", "3", "--units", "2", "8"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path_factory.mktemp("elsewhere"),
        check=True,
    )
    return site


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site.parent) as found:
        yield found


@pytest.fixture(scope="module")
def driver(tmp_path_factory: Any) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def browser(driver: webdriver.Chrome, address: str) -> Iterator[webdriver.Chrome]:
    """The page, just loaded; what a test does to it may not be complained of in the console."""
    visit(driver, f"{address}site/")
    wait(driver, lambda: "Ready" in text(driver, "message"))
    yield driver
    assert not driver.get_log("browser")  # type: ignore[no-untyped-call]


def test_training_lowers_the_loss_and_redraws(browser: webdriver.Chrome) -> None:
    surface, units = pixels(browser, "#surface"), pixels(browser, "button.unit canvas")
    curve, first = pixels(browser, "#curve"), number(browser, "loss")
    train(browser, 3000)
    assert number(browser, "loss") < 0.2 * first
    assert number(browser, "test-loss") < 0.3 * first
    assert number(browser, "right") > 95
    assert number(browser, "test-right") > 95
    assert number(browser, "speed") >= number(browser, "speed-all") > 0
    assert number(browser, "passes") == round(number(browser, "steps") * 64 / 256)
    assert pixels(browser, "#surface") != surface
    assert pixels(browser, "#curve") != curve
    assert not set(pixels(browser, "button.unit canvas")) & set(units)
    assert "of the test points are right" in text(browser, "message")


def test_paused_it_stands_still(browser: webdriver.Chrome) -> None:
    train(browser, 10, pace="1 step a frame")
    before = number(browser, "steps")
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    assert number(browser, "steps") == before
    assert text(browser, "train") == "Train"


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize(("layers", "units"), [("1", "2"), ("1", "8"), ("3", "2"), ("3", "8")])
def test_every_network_learns(
    activation: str, layers: str, units: str, driver: webdriver.Chrome, address: str
) -> None:
    choices = f"layers={layers}&units={units}&activation={activation}&data=clouds"
    visit(driver, f"{address}site/#{choices}")
    wait(driver, lambda: "Ready" in text(driver, "message"))
    assert len(driver.find_elements(By.CSS_SELECTOR, "button.unit")) == int(layers) * int(units)
    train(driver, 1000)
    assert number(driver, "loss") < 0.1
    assert number(driver, "test-right") > 95


@pytest.mark.parametrize("data", ["moons", "circle", "quarters", "spirals", "clouds"])
def test_every_data_set_is_learned(data: str, browser: webdriver.Chrome) -> None:
    choose_data(browser, data)
    assert number(browser, "steps") == 0
    first = number(browser, "loss")
    choose(browser, "rate", "0.03")
    train(browser, 1500)
    assert number(browser, "loss") < min(0.8 * first, 0.6)


def test_sigmoid_units_separate_what_no_line_does(browser: webdriver.Chrome) -> None:
    choose(browser, "activation", "sigmoid")
    choose_data(browser, "quarters")
    choose(browser, "rate", "0.003")
    wait(browser, lambda: number(browser, "steps") == 0)
    assert number(browser, "test-right") < 75
    train(browser, 8000, pace="as fast as it can")
    assert number(browser, "test-right") > 90


def test_one_step_at_a_time(browser: webdriver.Chrome) -> None:
    before = pixels(browser, "#diagram .lines")
    for expected in (1, 2, 3):
        press(browser, "step")
        assert number(browser, "steps") == expected
    assert pixels(browser, "#diagram .lines") != before


def test_starting_again_forgets(browser: webdriver.Chrome) -> None:
    initial, loss = pixels(browser, "#surface"), text(browser, "loss")
    train(browser, 300)
    assert pixels(browser, "#surface") != initial
    press(browser, "reset")
    assert number(browser, "steps") == 0
    assert pixels(browser, "#surface") == initial
    assert text(browser, "loss") == loss


def test_what_a_step_takes_changes_while_the_weights_stay(browser: webdriver.Chrome) -> None:
    train(browser, 300)
    surface, steps = pixels(browser, "#surface"), number(browser, "steps")
    for name, value in (
        ("rate", "0.001"),
        ("optimizer", "Gradient descent"),
        ("batch", "4 points"),
    ):
        choose(browser, name, value)
        assert pixels(browser, "#surface") == surface
    press(browser, "step")
    assert number(browser, "steps") == steps + 1
    choose(browser, "rate", "1")
    before = number(browser, "loss")
    train(browser, int(steps) + 3000)
    assert number(browser, "loss") < before


def test_a_loss_that_is_no_number_ends_training(browser: webdriver.Chrome) -> None:
    script = "document.getElementsByName('rate')[0].append(new Option('too much', '1e39'))"
    browser.execute_script(script)
    choose(browser, "rate", "too much")
    press(browser, "train")
    wait(browser, lambda: "learning rate was too high" in text(browser, "message"))
    assert text(browser, "train") == "Train"
    press(browser, "step")
    assert "learning rate was too high" in text(browser, "message")
    press(browser, "reset")
    choose(browser, "rate", "0.01")
    train(browser, 100)
    assert "are right" in text(browser, "message")


def test_points_and_initial_weights_are_drawn_anew(browser: webdriver.Chrome) -> None:
    points, surface = pixels(browser, "#points"), pixels(browser, "#surface")
    for name, value in (("noise", "0.2"), ("seed", "5")):
        set_field(browser, name, value)
        assert pixels(browser, "#points") != points
        points = pixels(browser, "#points")
    assert pixels(browser, "#surface") == surface
    press(browser, "train")
    choose(browser, "weights", "random 2")
    press(browser, "train")
    choose(browser, "weights", "random 3")
    assert number(browser, "steps") == 0
    assert pixels(browser, "#surface") != surface
    browser.find_element(By.NAME, "test").click()
    assert pixels(browser, "#points") != points


def test_a_unit_is_shown_large(browser: webdriver.Chrome) -> None:
    answer = pixels(browser, "#surface")
    unit = browser.find_elements(By.CSS_SELECTOR, "button.unit")[2]
    browser.execute_script("arguments[0].focus()", unit)
    assert text(browser, "answer-title") == "What unit 3 of layer 1 gives"
    assert text(browser, "caption").startswith("tanh(")
    assert pixels(browser, "#surface") != answer
    unit.send_keys(Keys.ESCAPE)
    assert text(browser, "answer-title") == "What the network answers"
    assert pixels(browser, "#surface") == answer


def test_lines_show_the_gradient(browser: webdriver.Chrome) -> None:
    weights = pixels(browser, "#diagram .lines")
    choose(browser, "lines", "gradient of the last batch")
    assert "The widest line is" in text(browser, "lines-hint")
    assert pixels(browser, "#diagram .lines") != weights
    assert number(browser, "steps") == 0


def test_keys_alone_will_do(browser: webdriver.Chrome) -> None:
    browser.find_element(By.ID, "train").send_keys(Keys.SPACE)
    wait(browser, lambda: number(browser, "steps") > 20)
    browser.switch_to.active_element.send_keys(Keys.SPACE)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "One step"


def test_what_runs_can_be_read(browser: webdriver.Chrome) -> None:
    browser.find_element(By.CSS_SELECTOR, "#code summary").click()
    listing = browser.find_element(By.CSS_SELECTOR, "#code pre")
    wait(browser, lambda: "graph @learn_adam(" in listing.text)
    assert "d_dense1.w" in listing.text
    select = Select(browser.find_element(By.CSS_SELECTOR, "#code select"))
    select.select_by_visible_text("networks.py")
    wait(browser, lambda: "def declare(" in listing.text)
    assert "simd128" in text(browser, "facts")
    assert "Workspace" in text(browser, "facts")


def test_choices_come_back_with_the_address(browser: webdriver.Chrome) -> None:
    choose_data(browser, "spirals")
    browser.find_element(By.NAME, "test").click()
    choose(browser, "units", "2")
    wait(browser, lambda: "units=2" in browser.current_url)
    visit(browser, browser.current_url.replace("activation=tanh", "activation=none"))
    wait(browser, lambda: "Ready" in text(browser, "message"))
    assert len(browser.find_elements(By.CSS_SELECTOR, "button.unit")) == 2
    assert browser.find_element(By.CSS_SELECTOR, "[value=spirals]").is_selected()
    assert not browser.find_element(By.NAME, "test").is_selected()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (800, "light"), (1280, "dark")])
def test_nothing_sticks_out(width: int, scheme: str, browser: webdriver.Chrome) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    preferred = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    browser.execute_script("document.getElementById('code').open = true")
    train(browser, 50)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_units_are_spread_over_the_height(browser: webdriver.Chrome) -> None:
    height = browser.find_element(By.ID, "diagram").rect["height"]
    boxes = [each.rect for each in browser.find_elements(By.CSS_SELECTOR, "button.unit")]
    below = [after["y"] - before["y"] for before, after in pairwise(boxes)]
    assert len(boxes) == 8
    assert min(below) > boxes[0]["height"]
    assert sum(below) > 0.7 * height


def test_nothing_comes_from_elsewhere(browser: webdriver.Chrome, address: str) -> None:
    script = "return performance.getEntriesByType('resource').map((each) => each.name)"
    loaded = browser.execute_script(script)
    assert any(name.endswith("simd.wasm") for name in loaded)
    assert all(name.startswith((address, "data:")) for name in loaded)


COMPARE = """
const done = arguments[0];
const { Library } = await import("./library.js");
const { Session } = await import("./session.js");
const { drawSets } = await import("./data.js");
const kinds = [];
for (const kind of ["simd", "plain"]) {
  const library = await Library.load();
  library.kind = kind;
  const network = await library.network({ layers: 3, units: 8, activation: "tanh" });
  const session = new Session(network, drawSets("moons", library.points, 0.06, 1), 0);
  session.train({ batch: 64, optimizer: "adam", rate: 0.01 }, (count) => count < 100);
  session.judge();
  kinds.push(session.scores.training.loss);
}
done(kinds);
"""


def test_without_vector_instructions_the_same_is_learned(browser: webdriver.Chrome) -> None:
    script = f"(async () => {{ {COMPARE.replace('arguments[0]', 'finished')} }})()"
    simd, plain = browser.execute_async_script(f"const finished = arguments[0]; {script}")
    assert simd == pytest.approx(plain, rel=1e-3)
    assert plain < 0.4


def stale(site: Path) -> None:
    index = site / "networks.json"
    document = json.loads(index.read_text())
    for network in document["networks"]:
        for module in network["modules"].values():
            module["interface"] = str(int(module["interface"]) ^ 1)
    index.write_text(json.dumps(document))


def truncated(site: Path) -> None:
    for module in site.rglob("*.wasm"):
        module.write_bytes(module.read_bytes()[:1000])


def without_modules(site: Path) -> None:
    for module in site.rglob("*.wasm"):
        module.unlink()


def without_index(site: Path) -> None:
    (site / "networks.json").unlink()


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (stale, "header and object are not of the same build"),
        (truncated, "simd.wasm cannot be used"),
        (without_modules, "simd.wasm was not loaded: the server answers 404"),
        (without_index, "networks.json was not loaded: the server answers 404"),
    ],
)
def test_a_damaged_site_says_what_is_wrong(
    damage: Callable[[Path], None], told: str, driver: webdriver.Chrome, address: str, site: Path
) -> None:
    copy = site.with_name(damage.__name__)
    shutil.copytree(site, copy)
    damage(copy)
    visit(driver, f"{address}{copy.name}/")
    wait(driver, lambda: told in text(driver, "message"))


def test_a_network_that_is_missing_leaves_the_one_that_runs(
    driver: webdriver.Chrome, address: str, site: Path
) -> None:
    copy = site.with_name("incomplete")
    shutil.copytree(site, copy)
    shutil.rmtree(copy / "tanh_3x8")
    visit(driver, f"{address}incomplete/")
    wait(driver, lambda: "Ready" in text(driver, "message"))
    train(driver, 100)
    before = number(driver, "steps")
    choose(driver, "layers", "3")
    wait(driver, lambda: "was not loaded" in text(driver, "message"))
    assert driver.find_element(By.NAME, "layers").get_attribute("value") == "1"
    press(driver, "step")
    assert number(driver, "steps") == before + 1


def test_a_browser_without_webassembly_is_told(driver: webdriver.Chrome, address: str) -> None:
    script = {"source": "delete globalThis.WebAssembly"}
    added = driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    visit(driver, f"{address}site/")
    wait(driver, lambda: "no WebAssembly" in text(driver, "message"))
    driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_opened_as_a_file_it_asks_for_a_server(driver: webdriver.Chrome, site: Path) -> None:
    visit(driver, (site / "index.html").as_uri())
    assert "python -m http.server" in text(driver, "message")
