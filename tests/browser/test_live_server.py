"""The page of `playground live` in a browser: it follows a file, shows a fault with its line, and says when it ends.

Run with `pytest tests/browser -m browser`. Skipped without playwright's package or without a Chromium.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

PATIENCE = 120_000
"""Milliseconds to wait for what must happen."""

BOWL = """\
name: bowl
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 100
"""


@pytest.fixture
def open_page(browser):
    """Open a page; returns it with the addresses that it asks for. Nothing may go wrong in it until the test ends."""
    wrong, asked = [], []

    def open_page(address, width=1000):
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error.stack)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        return page, asked

    yield open_page
    assert wrong == []


@pytest.fixture
def follow(write, tmp_path):
    """Start the command on a file; returns the process and its address."""
    started = []

    def follow():
        write("bowl.yaml", BOWL)
        command = [sys.executable, "-m", "playground", "live", "bowl.yaml", "--no-browser"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process, process.stdout.readline().split()[0]

    yield follow
    for process in started:
        process.kill()
        process.communicate()


def test_a_page_follows_a_file_to_the_end(write, follow, open_page):
    process, address = follow()
    page, asked = open_page(address)
    status, expect = page.get_by_role("status").first, playwright.expect
    expect(status).to_contain_text("following bowl.yaml; recorded at")
    expect(page.get_by_role("heading", level=1)).to_contain_text("bowl")
    page.locator("figure.chart .plot").first.scroll_into_view_if_needed()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    write("bowl.yaml", BOWL.replace("lr: 0.15", "lrr: 0.15"))
    expect(status).to_contain_text("bowl.yaml:5:24: unknown parameter 'lrr' of optimizer 'sgd'; did you mean 'lr'?")
    expect(status).to_be_in_viewport()
    expect(page.get_by_role("heading", level=1)).to_contain_text("bowl")  # what was there stays
    write("bowl.yaml", BOWL.replace("name: bowl", "name: <b>again</b>"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("<b>again</b>")
    expect(page).to_have_title("<b>again</b>")
    expect(status).not_to_contain_text("unknown parameter")
    process.send_signal(signal.SIGINT)
    expect(status).to_contain_text("The command has ended")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<b>again</b>")
    assert {url.partition("?")[0] for url in asked if url.startswith("http")} == {
        address.partition("?")[0],
        f"{address.partition('?')[0]}events",
    }


def test_a_command_that_is_killed_is_noticed(follow, open_page):
    process, address = follow()
    page, _ = open_page(address)
    playwright.expect(page.get_by_role("status").first).to_contain_text("following bowl.yaml; recorded at")
    process.kill()
    playwright.expect(page.get_by_role("status").first).to_contain_text("The command does not answer")


def test_a_fault_fits_a_phone(write, follow, open_page):
    _, address = follow()
    page, _ = open_page(address, width=390)
    write("bowl.yaml", BOWL.replace("optimizer: {name: sgd", f"optimizer: {{name: {'a_long_name_' * 20}"))
    playwright.expect(page.get_by_role("status").first).to_contain_text("unknown optimizer")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_notebook_runs_the_page_in_a_frame(tmp_path, open_page):
    from playground import run

    result = run(task="minimize", function="(2*x + 10)**2", start={"x": 1}, optimizer="sgd", steps=50)
    host = tmp_path / "notebook.html"
    host.write_text(f"<!doctype html><meta charset=utf-8>{result.live()._repr_html_()}", encoding="utf-8")
    page, asked = open_page(host.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for()
    frame.locator("figure.chart .plot").first.scroll_into_view_if_needed()
    playwright.expect(frame.locator(".js-plotly-plot").first).to_be_visible()
    assert asked == [host.as_uri()]
