"""How smoothly a live page follows the mouse, how soon it is live, and how large it is. Prints figures, judges none.

`pytest tests/benchmarks/test_live_page.py -m benchmark -s`, on idle cores.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

SCENARIOS = Path(__file__).parents[2] / "scenarios"

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]

COUNT_FRAMES = """() => {
  let last = performance.now();
  window.frames_ = [];
  const count = (now) => {
    window.frames_.push(now - last);
    last = now;
    window.counting = requestAnimationFrame(count);
  };
  window.counting = requestAnimationFrame(count);
}"""
END_COUNT = "() => { cancelAnimationFrame(window.counting); return window.frames_.slice(1); }"

LIVE_AFTER = """() => new Promise((then) => {
  const mark = () => performance.getEntriesByName("live")[0];
  const look = () => (mark() ? then(mark().startTime) : setTimeout(look, 5));
  look();
})"""
"""Milliseconds from the beginning of the page until it is live; plotly is compiled after that."""

DRAGGED = {
    "bowl": {"start": ".handle", "lr": "[data-dial=lr] input[type=range]"},
    "himmelblau": {"start": ".handle", "lr": "[data-dial=lr] input[type=range]", "maps": ".maps .handle"},
    "and_gate": {"a point": ".sample", "lr": "[data-dial=lr] input[type=range]"},
    "two_moons": {"a point": ".sample", "lr": "[data-dial=lr] input[type=range]"},
}
"""What is dragged on the page of each scenario; with `maps`, the maps of many runs are in sight."""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def write_page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    def write(name, *more):
        path = folder / f"{name}{len(more)}.html"
        command = [sys.executable, "-m", "playground", "run", str(SCENARIOS / f"{name}.yaml"), *more]
        subprocess.run([*command, "--html", str(path)], cwd=folder, check=True, capture_output=True)
        return path

    return write


def drag(page, selector):
    """Drag something around for some seconds, an event for each frame; return the lengths of the frames."""
    handle = page.locator(selector).first
    handle.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(COUNT_FRAMES)
    for i in range(150):
        page.mouse.move(x + 60 * math.sin(i / 8), y + 40 * math.sin(i / 11))
        page.wait_for_timeout(12)
    frames = sorted(page.evaluate(END_COUNT))
    page.mouse.up()
    return frames


@pytest.mark.parametrize("name", DRAGGED)
def test_frames_while_dragging(browser, write_page, name):
    path = write_page(name)
    grown = path.stat().st_size - write_page(name, "--no-live").stat().st_size
    page = browser.new_page(viewport={"width": 1280, "height": 1400})
    page.goto(path.as_uri())
    live = page.evaluate(LIVE_AFTER)
    programs = page.evaluate(
        "() => playground.parts[0].live.programs.map((each) => [each.name, atob(each.code).length])"
    )
    print(f"\n{name}: live after {live:.0f} ms")
    print(f"  the page grew by {grown / 1000:.0f} KB; bytes of the programs: {dict(programs)}")
    page.evaluate("() => playground.settled()")
    for plot in page.locator("figure.chart .plot:visible").all():
        plot.scroll_into_view_if_needed()
    for what, selector in DRAGGED[name].items():
        frames = drag(page, selector)
        median, late = frames[len(frames) // 2], frames[int(0.95 * len(frames))]
        print(f"  {what}: {1000 / median:.0f} frames a second (median {median:.1f} ms, 95th percentile {late:.1f} ms)")
    page.close()
