"""Pages as a browser shows them: no request, no error, nothing wider than the screen, and a scrubber that moves it all.

Run with `pytest tests/browser -m browser`; `PICTURES=FOLDER` keeps screenshots to be looked at. Skipped without
playwright's package or without a Chromium.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest

import playground
from playground.report.html.reporter import Html, write_comparison_page
from playground.result import Batch, Loss, Recording, Run, RunTrace, Status, Verdict

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

SCENARIOS = Path(__file__).parents[2] / "scenarios"

COMMANDS = {
    "run": ["run", "two_moons.yaml"],
    "gate": ["run", "and_gate.yaml"],
    "bowl": ["run", "bowl.yaml"],
    "path": ["run", "himmelblau.yaml"],
    "sweep": ["sweep", "and_gate.yaml", "--over", "optimizer=sgd,adam,lion", "--over", "optimizer.lr=log:1e-3:10:12"],
    "batch": ["run", ".", "--no-live"],
    "broken": ["run", "broken/exploding_product.yaml"],
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory, make_comparison, write_page):
    """Return a maker of pages, each made once; only those that are tested as live are."""
    folder = tmp_path_factory.mktemp("pages")

    def page(name, *more):
        if name == "comparison":
            path = folder / f"{name}.html"
            optimizers = ("adam", "sgd", "an_optimizer_with_a_long_name", "torch.Muon")
            write_comparison_page(make_comparison(optimizers), path)
            return path
        verb, what, *others = COMMANDS[name]
        return write_page(verb, what, *others, *(["--seeds", "10"] if verb == "sweep" else []), *more)

    return page


REPLAY = "--no-live"


def seen_whole(page):
    """Bring every chart into sight that is not hidden, so that it is drawn; parts that become live then have more."""
    undrawn = page.locator("figure.chart .plot:visible:not(.js-plotly-plot)")
    while undrawn.count():
        while undrawn.count():
            plot = undrawn.first.element_handle()
            plot.scroll_into_view_if_needed()
            plot.wait_for_selector(".main-svg", state="attached")
        page.wait_for_timeout(1000)
        page.evaluate("() => playground.settled()")
    page.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", [*COMMANDS, "comparison"])
def test_nothing_is_asked_for_or_too_wide(pages, open_page, name, width, scheme):
    page = open_page(pages(name), width, scheme)
    seen_whole(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    drawn, charts = (page.locator(f"figure.chart{inside}:visible").count() for inside in (" .js-plotly-plot", ""))
    assert drawn == charts > 0
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder, f"{name}-{width}-{scheme}.png"), full_page=True)


def test_the_scrubber_moves_everything(pages, open_page):
    page = open_page(pages("gate", REPLAY), height=2600)  # charts that are out of sight follow when they are seen again
    seen_whole(page)
    slider = page.locator("input[type=range]")
    surface = "document.querySelector('[data-chart=boundary] canvas').toDataURL()"
    loss = "document.querySelector('[data-chart=loss] .over path').getAttribute('d').match(/[\\d.]+/)[0]"
    cells = ".live-parameters td, .live-predictions td"
    playwright.expect(page.locator(".step")).to_have_text("step 0")
    slider.focus()
    page.keyboard.press("End")
    playwright.expect(page.locator(".step")).to_have_text("step 1000")
    last = page.evaluate(surface), page.evaluate(loss), page.locator(cells).all_inner_texts()
    page.keyboard.press("Home")
    playwright.expect(page.locator(".step")).to_have_text("step 0")
    first = page.evaluate(surface), page.evaluate(loss), page.locator(cells).all_inner_texts()
    assert float(first[1]) < float(last[1])
    assert all(a != b for a, b in zip(first, last, strict=True))
    page.keyboard.press("ArrowRight")
    playwright.expect(page.locator(".step")).to_have_text("step 1")
    assert page.locator(".explain b").inner_text() == "1"


def test_the_explanation_follows_the_step(pages, open_page):
    page = open_page(pages("gate", REPLAY))
    told, jumps = page.locator(".explained .shown"), page.locator(".jumps")
    playwright.expect(told).to_contain_text("Step 0 on 4 samples")
    page.locator("input[type=range]").focus()
    page.keyboard.press("End")
    playwright.expect(told).to_contain_text("Step 1000 on 4 samples")
    playwright.expect(told).to_contain_text("Nothing moves")
    jumps.get_by_role("button", name="2", exact=True).focus()
    page.keyboard.press("Enter")
    playwright.expect(page.locator(".step")).to_have_text("step 2")
    playwright.expect(told).to_contain_text("The step lowered the loss on the same data from 0.188")
    assert jumps.locator("[aria-pressed=true]").inner_text() == "2"
    page.locator("input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    playwright.expect(jumps).to_contain_text("step 3 is not")
    playwright.expect(told).to_contain_text("Step 2 on 4 samples")
    jumps.get_by_role("button", name="Go to step 2").click()
    playwright.expect(page.locator(".step")).to_have_text("step 2")
    assert "not" not in jumps.inner_text()


CUT_OFF = """drawn => [...drawn.querySelectorAll("svg text, svg rect")].map(each => each.getBoundingClientRect())
  .filter(box => box.width && (box.left < 0 || box.right > innerWidth)).length"""
"""Counts what of a graph is outside the screen, and would have to be scrolled to."""


@pytest.mark.parametrize("name", ["gate", "run"])
def test_the_graph_of_a_step_is_whole_on_a_phone(pages, open_page, name):
    drawn = open_page(pages(name, REPLAY), 390).locator(".explained .drawn").first
    drawn.scroll_into_view_if_needed()
    assert drawn.locator("svg:visible").count() == 1
    assert drawn.locator("svg:visible text").count() > 5
    assert drawn.evaluate(CUT_OFF) == 0
    assert drawn.evaluate("each => each.scrollWidth <= each.clientWidth")


PAUSED = """async () => {
  const slider = document.querySelector("input[type=range]"), last = Number(slider.max);
  const frame = () => new Promise(requestAnimationFrame), at = () => Number(slider.value);
  while (at() === 0 || at() === last) await frame();
  document.querySelector(".play").click();
  const seen = [at()];
  for (let i = 0; i < 20; i++) { await frame(); seen.push(at()); }
  return seen;
}"""
"""Pauses as soon as something moved, and returns where the page was at each of some frames after that."""


def test_play_and_pause(pages, open_page):
    page = open_page(pages("bowl", REPLAY))
    page.locator("select").select_option("0.5")
    page.locator(".play").click()
    assert page.locator(".play").get_attribute("aria-label") == "Pause"
    seen = page.evaluate(PAUSED)
    assert 0 < seen[0] < 120
    assert set(seen) == {seen[0]}
    assert page.locator(".play").get_attribute("aria-label") == "Play"


def test_scale_and_numbers(pages, open_page):
    page = open_page(pages("gate", REPLAY))
    seen_whole(page)
    figure = page.locator("[data-chart=loss]")
    figure.get_by_role("button", name="log scale").click()
    assert page.evaluate("document.querySelector('[data-chart=loss] .plot').layout.yaxis.type") == "log"
    figure.locator("summary").click()
    figure.locator(".numbers tbody tr").first.wait_for()
    assert figure.locator(".numbers tbody tr").count() > 500
    assert "\n0\t0.19" in figure.locator(".numbers table").first.inner_text()


def test_steps_on_a_logarithmic_axis(pages, open_page):
    page = open_page(pages("path", REPLAY))  # whose loss moves no more after a tenth of its steps
    seen_whole(page)
    axis, first = (
        f"document.querySelector('[data-chart=loss] .plot').{what}" for what in ("layout.xaxis", "data[0].x[0]")
    )
    assert page.evaluate(f"{axis}.type") == "log"
    assert 0 < page.evaluate(first) < 1
    page.locator("[data-chart=loss]").get_by_role("button", name="log steps").click()
    assert page.evaluate(f"{axis}.type") == "linear"
    assert page.evaluate(first) == 0


def test_the_settings_of_a_sweep(pages, open_page):
    page = open_page(pages("sweep"))
    page.locator(".settings input").fill("lion 0.152")
    rows = page.locator(".settings tbody tr:visible")
    assert rows.count() == 1
    rows.first.locator("button").click()
    assert page.locator(".runs tbody tr").count() == 10
    page.locator(".settings input").fill("")
    page.get_by_role("button", name="median loss").click()
    first = page.locator(".settings > .wide tbody tr").first.inner_text()
    assert first.startswith("lion")


MARK = """(chart) => {
  const plot = document.querySelector(`[data-chart=${chart}] .plot`), { xaxis: x, yaxis: y } = plot._fullLayout;
  const { left, top } = plot.getBoundingClientRect(), series = plot.data.filter((trace) => trace.error_y ?? trace.z);
  const marks = series.flatMap((trace) => trace.z
    ? [[x.d2p(trace.x[0]), y.d2p(trace.y[0]), trace.customdata[0][0]]]
    : trace.customdata.map((point, i) => [x.d2p(trace.x[i]), y.d2p(trace.y[i]), point]));
  const [at, down] = marks[0], near = marks.filter((mark) => Math.hypot(mark[0] - at, mark[1] - down) < 20);
  return [left + x._offset + at, top + y._offset + down, near.map((mark) => String(mark[2]))];
}"""
"""Where the first mark of a chart is on the screen, and the settings of all marks that are as good as there."""


@pytest.mark.parametrize("chart", ["passed", "loss", "heat"])
def test_a_click_on_a_mark_shows_the_runs_of_its_setting(pages, open_page, chart):
    page = open_page(pages("sweep"))
    seen_whole(page)
    page.locator(f"#part0 [data-chart={chart}]").scroll_into_view_if_needed()
    x, y, points = page.evaluate(MARK, chart)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    playwright.expect(page.locator(".runs tbody tr")).to_have_count(10)
    assert page.locator("tr.chosen").get_attribute("data-point") in points


def test_a_hostile_name(tmp_path, open_page):
    scenario = tmp_path / "hostile.yaml"
    text = (SCENARIOS / "bowl.yaml").read_text(encoding="utf-8")
    text = text.replace("name: bowl", "name: '<script>alert(1)</script>'")
    scenario.write_text(text, encoding="utf-8")
    path = tmp_path / "page.html"
    subprocess.run(
        [sys.executable, "-m", "playground", "run", scenario, "--html", path], check=True, capture_output=True
    )
    page = open_page(path)
    assert "<script>alert(1)</script>" in page.locator("h1").inner_text()


def test_every_status(tmp_path, open_page):
    run = playground.run(SCENARIOS / "broken" / "exploding_product.yaml", record=60)
    path = tmp_path / "page.html"
    Html()(Batch(tuple(replace(run, scenario=status, status=status) for status in Status)), path)
    page = open_page(path)
    seen_whole(page)
    assert page.locator(".part").count() == page.locator(".diagnosis").count() == len(Status)


def test_paper(pages, open_page):
    page = open_page(pages("gate", REPLAY))
    page.emulate_media(media="print")
    playwright.expect(page.locator("figure.chart .js-plotly-plot")).to_have_count(page.locator("figure.chart").count())
    assert not page.locator(".scrubber").is_visible()


def test_one_pair_of_a_comparison_is_shown(pages, open_page):
    page = open_page(pages("comparison"))
    pair = page.locator(".pair:visible")
    playwright.expect(pair).to_have_count(1)
    playwright.expect(pair.locator(".pair-name")).to_have_text("adam against sgd")
    page.locator(".pick select").select_option("2")
    playwright.expect(pair).to_have_count(1)
    playwright.expect(pair.locator(".pair-name")).to_have_text("adam against torch.Muon")
    chart = pair.locator("figure.chart")
    chart.scroll_into_view_if_needed()
    chart.locator(".main-svg").first.wait_for(state="attached")
    chart.locator("summary").click()
    numbers = chart.locator("details.numbers table").first
    assert numbers.locator("thead th").all_inner_texts()[2:] == ["low", "high"]
    low, high = (float(cell) for cell in numbers.locator("tbody tr").first.locator("td").all_inner_texts()[2:])
    assert low < high
    page.emulate_media(media="print")  # hidden charts are left alone
    page.emulate_media(media="screen")


def test_a_comparison_shows_all_pairs_without_javascript(pages, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages("comparison").as_uri())
    assert page.locator(".pair:visible").count() == 3
    assert page.locator(".pick:visible").count() == 0
    context.close()


LONG = "a_rather_long_name_of_a_layer.encoder_of_the_attention_block"


@pytest.fixture(scope="module")
def shown_in_notebooks():
    """Return what a notebook shows of objects in hand with long names, and the page of an explanation."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = type("ANetworkWithANameThatIsRatherLongAndHasNoSpaces", (nn.Sequential,), {})
    model = network(OrderedDict({LONG.replace(".", "_"): nn.Linear(4, 8), "last": nn.Linear(8, 3)}))
    x, y = torch.randn(40, 4), torch.randint(0, 3, (40,))
    keys = {"task": "classification", "dataset": (x, y), "model": model, "loss": nn.CrossEntropyLoss()}
    return {
        "run": playground.run(**keys, optimizer="adam", steps=40)._repr_html_(),
        "verdict": playground.check_derivatives(model, nn.CrossEntropyLoss(), (x, y))._repr_html_(),
        "explanation": playground.explain(model, nn.CrossEntropyLoss(), (x, y), torch.optim.Adam).html(),
    }


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["run", "verdict", "explanation"])
def test_nothing_of_objects_in_hand_is_wider_than_the_screen(shown_in_notebooks, browser, name, width):
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.set_content(shown_in_notebooks[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder, f"{name}-in-hand-{width}.png"), full_page=True)
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_values_of_parameters_with_long_names_are_in_sight(browser, tmp_path, width):
    loss, recording = Loss(1.0, 0.5, 0.5), Recording((0, 1), {LONG: ([0.0, 1.0], [0.5, 1.5])}, (1.0, None))
    given = {"scenario": "s", "id": "0", "seed": 0, "status": Status.BUDGET, "verdict": Verdict.NONE, "steps": 1}
    run = Run(**given, loss=loss, trace=RunTrace((1.0,), recording), parameters={LONG: [0.5, 1.5]})
    Html()(Batch((run,)), tmp_path / "page.html")
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector("html[data-ready]")
    table = page.locator(".live-parameters")
    assert table.evaluate("each => each.scrollWidth <= each.parentElement.clientWidth")
    assert table.locator("td").count() == 2
    page.close()
