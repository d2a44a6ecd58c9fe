"""Pages that compute their run themselves: their numbers are those of `playground.run` with the same settings.

Run with `pytest tests/browser -m browser`.
"""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

import playground

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

LAST = re.compile(r"last loss ([\d.e+-]+)\.(?: |$)")


@pytest.fixture
def scenarios(root):
    """The folder of the scenarios that ship."""
    return root / "scenarios"


@pytest.fixture
def open_live(write_page, open_page):
    """Open the page of a scenario and wait until its own run is made."""

    def open_live(name, *more, **options):
        page = open_page(write_page("run", f"{name}.yaml", *more), **options)
        page.locator(".part[data-live]").first.wait_for(state="attached")
        settle(page)
        return page

    return open_live


def settle(page):
    """Wait until nothing is left to compute."""
    page.evaluate("() => playground.settled()")


def state(page):
    return page.locator(".live-state").first.inner_text()


def told(page):
    return page.locator(".live-told").first.inner_text()


def dial(page, name):
    return page.locator(f'[data-dial="{name}"]').first


def type_in(page, name, value):
    box = dial(page, name).locator("input[type=number]")
    box.fill(str(value))
    box.press("Enter")
    settle(page)


def last_loss(page):
    return float(LAST.search(state(page)).group(1))


def expected_loss(scenarios, name, changes):
    return playground.run(scenarios / f"{name}.yaml", changes).loss.last


def is_near(found, wanted):
    """The page prints four digits, and computes in the precision of the scenario."""
    return found == pytest.approx(wanted, rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("name", ["bowl", "himmelblau", "rosenbrock", "and_gate", "xor_gate", "two_moons", "line"])
def test_a_page_agrees_with_python(open_live, name):
    agrees = r"has Python's losses, bit for bit|agrees with Python's losses to"
    assert re.match(rf"Live, in float(32|64)\. The scenario's own run ({agrees})", state(open_live(name)))


TYPED = {
    "a rate": ("bowl", {"lr": 0.24}, {"optimizer.lr": 0.24}),
    "momentum": ("himmelblau", {"momentum": 0.8}, {"optimizer.momentum": 0.8}),
    "a decay of adam": ("and_gate", {"beta1": 0.5, "lr": 0.05}, {"optimizer.beta1": 0.5, "optimizer.lr": 0.05}),
    "fewer steps": ("and_gate", {"steps": 100}, {"steps": 100}),
    "more steps": ("and_gate", {"steps": 1500}, {"steps": 1500}),
    "a seed": ("xor_gate", {"seed": 7}, {"seed": 7}),
    "a seed with mini-batches": ("two_moons", {"seed": 2, "lr": 0.02}, {"seed": 2, "optimizer.lr": 0.02}),
    "a start": (
        "himmelblau",
        {"start x[0]": 1, "start x[1]": 0.5, "steps": 20},
        {"start": {"x": [1, 0.5]}, "steps": 20},
    ),
}


@pytest.mark.parametrize("case", TYPED)
def test_typed_numbers_give_the_run_that_python_gives(open_live, scenarios, case):
    name, typed, changes = TYPED[case]
    page = open_live(name)
    for label, value in typed.items():
        type_in(page, label, value)
    assert is_near(last_loss(page), expected_loss(scenarios, name, changes))
    assert page.locator(".dial.changed").count() == len([name for name in typed if not name.startswith("start")])
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert is_near(last_loss(page), expected_loss(scenarios, name, {}))
    assert page.locator(".dial.changed").count() == 0


def test_a_schedule_is_switched_off(open_live, scenarios):
    page = open_live("two_moons")
    dial(page, "schedule").locator("input").uncheck()
    settle(page)
    assert is_near(last_loss(page), expected_loss(scenarios, "two_moons", {"schedule": "constant"}))


def test_keys_move_a_slider(open_live, scenarios):
    page = open_live("bowl")
    slider = page.get_by_role("slider", name="lr", exact=True)
    slider.focus()
    for _ in range(12):
        slider.press("ArrowLeft")
    settle(page)
    rate = float(dial(page, "lr").locator("input[type=number]").input_value())
    assert rate < 0.15
    assert is_near(last_loss(page), expected_loss(scenarios, "bowl", {"optimizer.lr": rate, "steps": 1000}))
    assert slider.get_attribute("aria-valuetext") == f"{rate:g}"


def test_what_is_typed_is_checked(open_live):
    page = open_live("and_gate")
    type_in(page, "steps", 0)
    assert told(page) == "steps: “0” is not a whole number from 1 to 2000."
    type_in(page, "lr", "")
    assert "lr: “” is not a number" in told(page)
    assert "All 1000 steps used" in state(page)


def test_expectations_are_judged_at_the_numbers_at_hand(open_live):
    page = open_live("and_gate")
    rows = page.locator(".expected tbody tr")
    type_in(page, "lr", 1e-4)
    assert rows.nth(0).inner_text().split("\t")[0].startswith("✘")
    assert float(rows.nth(0).locator("td").nth(2).inner_text()) == pytest.approx(last_loss(page), rel=1e-3)
    assert "of 3 expectations hold" in state(page)
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert [text[0] for text in rows.all_inner_texts()] == ["✔", "✔", "✔"]


@pytest.mark.parametrize(("rate", "end"), [(0.3, "Ended at step 21: diverged."), (1e30, "the loss is not finite")])
def test_what_ends_a_run_is_named(open_live, rate, end):
    page = open_live("bowl")
    type_in(page, "lr", rate)
    assert end in state(page)


def place_of(page, handle):
    box = handle.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def draw_charts(page):
    for plot in page.locator("figure.chart .plot:visible").all():
        plot.scroll_into_view_if_needed()
        plot.locator(".main-svg").first.wait_for(state="attached")
    settle(page)


def start_handle(page):
    page.locator("[data-chart=surface] .plot").scroll_into_view_if_needed()
    handle = page.locator("[data-chart=surface] .handle")
    handle.wait_for()
    return handle


def start_of(page):
    return [float(dial(page, f"start x[{i}]").locator("input[type=number]").input_value()) for i in (0, 1)]


def test_a_start_is_dragged_with_the_mouse(open_live, scenarios):
    page = open_live("himmelblau", height=1500)
    x, y = place_of(page, start_handle(page))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y - 120, steps=6)
    page.mouse.up()
    settle(page)
    a, b = start_of(page)
    assert a > -4.6
    assert b > -2.1
    assert is_near(last_loss(page), expected_loss(scenarios, "himmelblau", {"start": {"x": [a, b]}}))


def test_a_start_is_dragged_with_a_finger(open_live):
    page = open_live("himmelblau", height=1500, has_touch=True)
    x, y = place_of(page, start_handle(page))
    fingers = page.context.new_cdp_session(page)
    for kind, away in (("touchStart", 0), ("touchMove", 20), ("touchMove", 60), ("touchEnd", None)):
        points = [] if away is None else [{"x": x + away, "y": y}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    settle(page)
    assert start_of(page)[0] > -4.6


def test_a_start_is_moved_by_keys(open_live):
    page = open_live("himmelblau", height=1500)
    handle = start_handle(page)
    before = start_of(page)
    assert "Start at -4.659, -2.133" in handle.get_attribute("aria-label")
    handle.focus()
    handle.press("ArrowRight")
    handle.press("Shift+ArrowUp")
    settle(page)
    after = start_of(page)
    assert after[1] - before[1] > 5 * (after[0] - before[0]) > 0


def test_data_points_move_and_change_class(open_live):
    page = open_live("and_gate", height=1500)
    page.locator("[data-chart=boundary] .plot").scroll_into_view_if_needed()
    samples = page.locator("[data-chart=boundary] .sample")
    playwright.expect(samples).to_have_count(4)
    before, sample = last_loss(page), samples.first
    assert sample.get_attribute("tabindex") == "0"
    sample.focus()
    sample.press("c")
    settle(page)
    changed = last_loss(page)
    assert changed != before
    sample.press("n")
    assert "Sample 1 of 4, counted from 0" in page.evaluate("() => document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Shift+ArrowRight")
    settle(page)
    assert last_loss(page) != changed
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert last_loss(page) == before


def test_points_are_added_and_deleted_and_batches_change(open_live):
    page = open_live("two_moons", height=1500)
    page.locator("[data-chart=boundary] .plot").scroll_into_view_if_needed()
    samples = page.locator("[data-chart=boundary] .sample")
    playwright.expect(samples).to_have_count(200)
    before = last_loss(page)
    box = page.locator("[data-chart=boundary] .adder").bounding_box()
    page.mouse.click(box["x"] + 20, box["y"] + 20)
    settle(page)
    assert samples.count() == 201
    assert last_loss(page) != before
    page.get_by_role("button", name="Add a point").click()
    settle(page)
    assert samples.count() == 202
    samples.first.focus()
    page.keyboard.press("Delete")
    settle(page)
    assert samples.count() == 201
    page.get_by_role("button", name="Reset").click()
    settle(page)
    assert (samples.count(), last_loss(page)) == (200, before)


@pytest.mark.parametrize("size", [16, 200])
def test_batches_of_another_size_are_those_of_python(open_live, scenarios, size):
    page = open_live("two_moons")
    type_in(page, "batch size", size)
    type_in(page, "steps", 60)
    changes = {"steps": 60, "batch_size": size, "schedule": "constant"}
    dial(page, "schedule").locator("input").uncheck()
    settle(page)
    assert is_near(last_loss(page), expected_loss(scenarios, "two_moons", changes))


def test_two_optimizers_side_by_side(open_live, scenarios):
    page = open_live("himmelblau")
    dial(page, "beside it").locator("select").select_option(label="adam")
    type_in(page, "beside lr", 0.1)
    alone = expected_loss(scenarios, "himmelblau", {"optimizer": {"name": "adam", "lr": 0.1}})
    beside = float(re.search(r"adam: last loss ([\d.e+-]+)\.", state(page)).group(1))
    assert is_near(beside, alone)
    draw_charts(page)
    assert page.locator("[data-chart=surface] .over path[stroke-dasharray='8 5']").count() > 0


def test_what_is_not_computed_is_not_judged(open_live, scenarios):
    page = open_live("and_gate_handwritten", "--set", "expect.evaluations.at_most=5000")
    type_in(page, "lr", 0.5)
    rows = page.locator(".expected tbody tr").all_inner_texts()
    assert [row for row in rows if row.startswith("–")] == ["–\tevaluations at most 5000\tnot computed here"]
    assert "the page cannot judge 1 more" in state(page)
    assert "Recorded run" in page.evaluate("() => getComputedStyle(document.querySelector('.how'), '::before').content")


def test_numbers_of_charts_are_those_that_are_shown(open_live):
    page = open_live("himmelblau", height=1500)
    draw_charts(page)
    table = page.locator("[data-chart=loss] details.numbers")
    table.locator("summary").click()
    before = table.locator("table").first.inner_text()
    type_in(page, "lr", 0.005)
    assert table.locator("table").first.inner_text() != before
    rates = page.locator("[data-chart=rates] details.numbers")
    rates.locator("summary").click()
    assert rates.locator("table").first.locator("tbody tr").count() > 50
    basins = page.locator("[data-chart=basins] details.numbers")
    basins.locator("summary").click()
    shares = [float(row.split("\t")[1]) for row in basins.locator("table").last.locator("tbody tr").all_inner_texts()]
    assert len(shares) == 6
    assert sum(shares) == pytest.approx(1, abs=1e-4)


def test_noise_does_not_undo_an_edit(open_live):
    page = open_live("two_moons", height=1500)
    page.locator("[data-chart=boundary] .plot").scroll_into_view_if_needed()
    samples = page.locator("[data-chart=boundary] .sample")
    playwright.expect(samples).to_have_count(200)
    samples.first.focus()
    page.keyboard.press("Delete")
    settle(page)
    type_in(page, "added noise", 0.3)
    assert samples.count() == 199


def test_maps_of_many_runs(open_live, scenarios):
    page = open_live("himmelblau", height=1500)
    draw_charts(page)
    rates = dict(page.evaluate("() => playground.parts[0].session.rates"))
    assert len(rates) == 400
    rate, loss = min(rates.items(), key=lambda each: abs(each[0] - 0.003))
    assert is_near(loss, expected_loss(scenarios, "himmelblau", {"optimizer.lr": rate}))
    assert rates[max(rates)] is None
    side, kinds = page.evaluate(
        "() => { const { basins } = playground.parts[0].list.find((each) => each.basins); "
        "return [basins.side, [...new Set(basins.kinds)].sort()]; }"
    )
    assert side == 96
    assert {2, 3, 4, 5} <= set(kinds)


ADDRESS = "#optimizer=adam&lr=0.2&start=1,2&seed=99&steps=abc&beside=nothing&foo=1"


def test_a_state_in_the_address(open_live, scenarios):
    page = open_live("himmelblau", state=ADDRESS)
    assert told(page) == (
        "Left out of the address, because it cannot be used here: seed=99, steps=abc, beside=nothing, foo."
    )
    changes = {"optimizer": {"name": "adam", "lr": 0.2}, "start": {"x": [1, 2]}}
    assert is_near(last_loss(page), expected_loss(scenarios, "himmelblau", changes))
    type_in(page, "steps", 50)
    page.wait_for_url("**steps=50**")
    assert quote("<b>") not in page.url


def test_a_hostile_address(open_live):
    page = open_live("bowl", state="#lr=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&__proto__=1&constructor=2")
    assert "<img src=x onerror=alert(1)>" in told(page)
    assert page.locator("img").count() == 0


COPIED = {
    "numbers": ("himmelblau", "#lr=0.02&momentum=0.3&steps=40&start=1,2"),
    "another optimizer": ("himmelblau", "#optimizer=adam&lr=0.3&beta1=0.8"),
    "a seed and no schedule": ("two_moons", "#seed=3&schedule=off&lr=0.01"),
    "a network": ("xor_gate", "#lr=0.02&seed=5"),
}


@pytest.mark.parametrize("case", COPIED)
def test_the_copied_scenario_gives_the_same_run(open_live, tmp_path, case):
    name, address = COPIED[case]
    page = open_live(name, state=address)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy as YAML").click()
    text = page.locator(".live-text").input_value()
    (tmp_path / "copied.yaml").write_text(text, encoding="utf-8")
    assert is_near(last_loss(page), playground.run(tmp_path / "copied.yaml").loss.last)


@pytest.mark.parametrize(("name", "chart"), [("and_gate", "boundary"), ("line", "fit")])
def test_the_copied_scenario_has_the_points(open_live, tmp_path, name, chart):
    page = open_live(name, height=1500)
    page.locator(f"[data-chart={chart}] .plot").scroll_into_view_if_needed()
    sample = page.locator(f"[data-chart={chart}] .sample").first
    sample.wait_for()
    sample.focus()
    sample.press("Shift+ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    settle(page)
    type_in(page, "steps", 30)
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy as YAML").click()
    (tmp_path / "copied.yaml").write_text(page.locator(".live-text").input_value(), encoding="utf-8")
    assert is_near(last_loss(page), playground.run(tmp_path / "copied.yaml").loss.last)


def test_without_webassembly_the_page_replays(write_page, browser):
    page = browser.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(write_page("run", "bowl.yaml").as_uri())
    playwright.expect(page.locator(".live-state")).to_have_text(
        "Not live: this browser runs no WebAssembly. The page replays what Python computed."
    )
    assert page.locator(".dial").count() == 0
    page.locator(".scrubber input").focus()
    page.keyboard.press("End")
    playwright.expect(page.locator(".step")).to_have_text("step 1000")
    page.close()


def test_a_page_says_why_it_is_not_live(write_page, open_page):
    page = open_page(write_page("run", "bowl.yaml", "--set", "optimizer={name: torch.LBFGS}"))
    assert re.search(r"Not live: .+\. The page replays what Python computed\.", page.locator(".part").inner_text())
    assert page.locator(".live").count() == 0


def test_no_live(write_page, open_page):
    page = open_page(write_page("run", "bowl.yaml", "--no-live"))
    assert "live" not in page.locator(".part").inner_text().lower()
    assert page.locator(".live, .maps").count() == 0


def test_a_part_of_a_long_page_is_live_when_it_is_near(write_page, open_page, scenarios):
    page = open_page(write_page("run", "bowl.yaml", str(scenarios / "and_gate.yaml")))
    live = page.locator(".part[data-live]")
    playwright.expect(live).to_have_count(1)
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    playwright.expect(live).to_have_count(2)


def test_the_policy_allows_no_other_script(write_page, browser):
    page = browser.new_page()
    page.goto(write_page("run", "bowl.yaml").as_uri())
    page.wait_for_selector("html[data-ready]")
    found = page.evaluate("""async () => {
      const script = document.createElement("script");
      script.textContent = "window.wasRun = true";
      document.head.append(script);
      setTimeout("window.wasEvaluated = true");
      let fetched = true;
      try { await fetch("https://example.org/"); } catch { fetched = false; }
      await new Promise((then) => setTimeout(then, 100));
      return [Boolean(window.wasRun), Boolean(window.wasEvaluated), fetched];
    }""")
    assert found == [False, False, False]
    page.close()


UNNAMED = """() => [...document.querySelectorAll(".live :is(input, select, button)")]
  .filter((each) => !each.labels?.length && !each.getAttribute("aria-label") && !each.textContent)
  .map((each) => each.outerHTML)"""
"""The controls that a screen reader has no name for."""


@pytest.mark.parametrize("width", [1280, 390])
def test_every_control_has_a_name_and_is_on_the_screen(open_live, width):
    page = open_live("two_moons", width=width)
    for control in page.locator(".live :is(input, select, button):visible").all():
        box = control.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.evaluate(UNNAMED) == []
