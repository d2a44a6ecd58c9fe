"""The page of an explained step: its numbers follow the controls, and are written as Python writes them.

Run with `pytest tests/browser -m browser`. Skipped without playwright's package or without a Chromium.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

import pytest

from playground.core.formula_reader import evaluate_formula
from playground.explanation import TensorSummary
from playground.plugins.manager import load_plugins
from playground.report.explanation.formatting import format_number, format_tensor
from playground.report.explanation.language import translator
from playground.report.explanation.page import explanation_page
from playground.report.html.explained_page import explained_page
from playground.runner.explaining.step import explain, explain_live
from playground.runner.explaining.worked_arithmetic import Scope
from playground.scenario.model import load_scenario

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "playground" / "report" / "html" / "templates" / "scripts"
PLUGINS = load_plugins(autoload=False)

STEPS = {
    "and_gate": (3, 0),
    "and_gate_handwritten": (3, 1),
    "bowl": (4, None),
    "forward_pass": (0, 1),
    "himmelblau": (3, None),
    "line": (3, 1),
    "polynomial_fit": (3, 0),
    "rosenbrock": (10, None),
    "xor_gate": (3, 2),
}
"""The steps and samples of shipped scenarios that are shown."""

CHANGES = [
    (name, "optimizer.lr", "lr", 0.03) for name in ("and_gate", "line", "polynomial_fit", "rosenbrock", "xor_gate")
]
CHANGES += [("and_gate", "seed", "seed", 2), ("and_gate", "optimizer.beta1", "beta1", 0.8)]
CHANGES += [("himmelblau", "optimizer.momentum", "momentum", 0.7), ("bowl", "start.x", "start x", -2.5)]

NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]\d+)?")
MAY_ROUND = 2
"""How many units of the last digit the numbers of a page may differ in from those of Python, in single precision."""


@pytest.fixture
def show(browser, tmp_path):
    """Return an opener of pages, which must have no error."""
    faults = []

    def open_text(text):
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        path = tmp_path / f"{random.random()}.html"
        path.write_text(text, encoding="utf-8")
        page.goto(path.as_uri())
        return page

    yield open_text
    assert not faults


def recorded_page(name, *changes):
    """Return the page without controls of a shipped scenario with these changes."""
    step, sample = STEPS[name]
    loaded = load_scenario(ROOT / "scenarios" / f"{name}.yaml", changes)
    return explanation_page(explain(loaded, PLUGINS, step, sample), translator("en"), "en")


@cache
def live_text(name):
    step, sample = STEPS[name]
    loaded = load_scenario(ROOT / "scenarios" / f"{name}.yaml")
    return explained_page(*explain_live(loaded, PLUGINS, step, sample))


def live_page(show, name):
    page = show(live_text(name))
    filled(page, 1)
    return page


def filled(page, count):
    """Wait until the numbers were shown so many times."""
    playwright.expect(page.locator(f".part[data-filled='{count}']")).to_be_attached()


READ = """() => {
  for (const box of document.querySelectorAll(".explanation td input")) box.replaceWith(box.value);
  for (const each of document.querySelectorAll(".explanation details")) each.open = true;
  return [".forward", ".backward", ".update", ".picture"].map((part) => document.querySelector(`.explanation ${part}`))
    .flatMap((part) => [...part.querySelectorAll(".formula, .written, td, summary, .value, .slope, p, svg title")])
    .filter((each) => each.tagName === "title" || each.checkVisibility())
    .filter((each) => !each.querySelector("td, .written"))
    .map((each) => each.textContent).filter((each) => !each.includes("central differences"));
}"""


def lines_of(page):
    """Return every line of the forward pass, the backward pass, the update and the graph that is shown.

    The optimizer's own numbers are those of the file, so a page leaves out what `--set` adds to them.
    """
    return [re.sub(r"(, beta1=)[\d.]+", "", each) for each in page.evaluate(READ)]


def require_same(shown, recorded):
    """Check that texts are equal but for the last digit of numbers, which single precision may round otherwise."""
    assert [NUMBER.sub("0", each) for each in shown] == [NUMBER.sub("0", each) for each in recorded]
    for ours, theirs in zip(shown, recorded, strict=True):
        if theirs.endswith("…"):  # a mean that is cut off, whose exponent is not seen
            continue
        for found, wanted in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
            mantissa, _, exponent = wanted.partition("e")
            unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
            largest = max(abs(float(each)) for each in NUMBER.findall(theirs))  # the mean of numbers that cancel
            assert abs(float(found) - float(wanted)) <= MAY_ROUND * unit * 1.001 + 1e-8 * largest, (ours, theirs)


@pytest.mark.parametrize("name", STEPS)
def test_a_page_shows_the_recorded_numbers_as_python_does(show, name):
    page, recorded = live_page(show, name), show(recorded_page(name))
    assert page.locator(".words").inner_text() == recorded.locator(".words").inner_text()
    require_same(lines_of(page), lines_of(recorded))


@pytest.mark.parametrize(("name", "key", "dial", "value"), CHANGES)
def test_numbers_follow_a_control(show, name, key, dial, value):
    page = live_page(show, name)
    box = page.locator(f'.dial[data-dial="{dial}"] input[type=number]')
    box.fill(str(value))
    box.press("Enter")
    filled(page, 2)
    shown = lines_of(page)
    recorded = show(recorded_page(name, (key, str(value))))
    require_same(shown, lines_of(recorded))
    said = recorded.locator(".words").inner_text().splitlines()
    assert page.locator(".loss-change").inner_text() in said


def test_a_slider_and_a_number_of_the_data_change_every_number(show):
    page = live_page(show, "and_gate")
    before = lines_of(live_page(show, "and_gate"))
    slider = page.locator('.dial[data-dial="lr"] input[type=range]')
    slider.evaluate("(each) => { each.value = 700; each.dispatchEvent(new Event('input')); }")
    filled(page, 2)
    page.locator('.explanation input.datum[aria-label="x, entry 0"]').fill("0.5")
    filled(page, 3)
    playwright.expect(page.locator(".step-note")).to_contain_text("computed in this page")
    page.get_by_role("button", name="Reset").click()
    filled(page, 4)
    playwright.expect(page.locator(".step-note")).to_be_empty()
    assert lines_of(page) == before


def test_a_run_that_ends_before_the_step_says_so(show):
    page = live_page(show, "bowl")
    box = page.locator('.dial[data-dial="lr"] input[type=number]')
    box.fill("1e30")
    box.press("Enter")
    playwright.expect(page.locator(".step-note")).to_contain_text("the run ends at step")
    playwright.expect(page.locator(".explanation")).to_be_hidden()
    page.get_by_role("button", name="Reset").click()
    playwright.expect(page.locator(".explanation")).to_be_visible()


def test_a_term_that_a_setting_switched_off_is_not_shown_falsely(show):
    page = live_page(show, "himmelblau")
    box = page.locator('.dial[data-dial="weight_decay"] input[type=number]')
    box.fill("0.5")
    box.press("Enter")
    filled(page, 2)
    playwright.expect(page.locator(".rule").first).to_be_hidden()
    playwright.expect(page.locator("[data-update]").first).to_be_hidden()


TIES = [0.03125, -0.03125, 0.09375, 0.5, 1.5, 2.5, 1e-5, 9.9999e5, 999999.99999, 1e6, 1e22, 5e-324, 0.0, -0.0, 1 / 3]


def test_numbers_are_written_as_python_writes_them(show):
    page = show("<!doctype html><title>numbers</title>")
    script = (SCRIPTS / "python_numbers.js").read_text(encoding="utf-8")
    names = "{ fixedText, exponentText, generalText, reprText, shownNumber, plainNumber, shownTensor, readFormula }"
    helper = "const range = (count) => Array.from({ length: count }, (_, i) => i);"
    page.add_script_tag(content=f"{{ {helper} {script}; window.numbers = {names}; }}")
    drawn = random.Random(0)
    values = [*TIES, *(drawn.uniform(-1, 1) * 10.0 ** drawn.randint(-12, 12) for _ in range(400))]
    values += [round(drawn.uniform(-64, 64) * 32) / 32 for _ in range(200)]

    def written(function, digits):
        call = f"([values, digits]) => values.map((value) => numbers.{function}(value, digits))"
        return page.evaluate(call, [values, digits])

    for digits in (1, 2, 4, 9, 15):
        short = [f"{value:.{digits}f}" for value in values if abs(value) < 1e21]
        assert [text for text in written("fixedText", digits) if "e" not in text] == short
        assert written("exponentText", digits) == [f"{value:.{digits}e}" for value in values]
        assert written("generalText", digits) == [f"{value:.{digits}g}" for value in values]
        assert written("shownNumber", digits) == [format_number(value, digits) for value in values]
        scope = Scope(None, 0, digits)
        assert written("plainNumber", digits) == [scope.plain(value) for value in values]
    assert written("reprText", 0) == [repr(value) for value in values]
    row = TensorSummary((2, 2), 0.0, -1.0, 1.0, [[0.5, -0.5], [1.0, -1.0]])
    assert page.evaluate("() => numbers.shownTensor([0.5, -0.5, 1, -1], [2, 2], 4, 80)") == format_tensor(row, 4, 80)
    assert page.evaluate("() => numbers.shownTensor([0.5, -0.5, 1, -1], [2, 2], 4, 9)") == format_tensor(row, 4, 9)


@pytest.mark.parametrize(
    "formula",
    [
        "(-0.3)² + 2·0.5 − 1 / 4",
        "σ(0.3) / (1 + exp(−2))",
        "√(0.0007) + 1e-08",
        "|−3|·sign(-2)^3",
        "[0.3 > 0] + [0 ≤ 0.3 ≤ 1]",
        "[1 if -1 > 0, else 0.01]·4",
        "(−log 0.4379) + (−log(1 − 0.2))",
        "0.5(1 − 0.5)",
        "max(0.2, 3, 1) + clamp(5, ±2) + clamp(5, 0, 1)",
        "mean((0.2 − 1)²) + softplus(-2) + tanh(0.4) + Σ(3)",
        "2^−2 + π",
    ],
)
def test_arithmetic_is_read_as_python_reads_it(show, formula):
    page = show("<!doctype html><title>formula</title>")
    script = (SCRIPTS / "python_numbers.js").read_text(encoding="utf-8")
    page.add_script_tag(content=f"{{ {script}; window.readFormula = readFormula; }}")
    wanted = evaluate_formula(formula, {}).item()
    assert page.evaluate("(formula) => readFormula(formula)", formula) == pytest.approx(wanted, rel=1e-14)
