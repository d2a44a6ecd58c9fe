"""A browser for tests of pages; skipped without playwright's package or without a Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120_000
"""Milliseconds to wait for what must happen: a limit for what hangs, not a measure of what is slow."""

SCENARIOS = Path(__file__).parents[2] / "scenarios"


def pytest_collection_modifyitems(items):
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"))


@pytest.fixture(scope="session")
def write_page(tmp_path_factory):
    """Return a maker of pages by the command line, each made once."""
    folder, made = tmp_path_factory.mktemp("pages"), {}

    def write(verb, what, *more):
        words = verb, what, *more
        if words not in made:
            path = made[words] = folder / f"{len(made)}.html"
            plugin = str(SCENARIOS / "broken" / "mistakes.py")
            command = [sys.executable, "-m", "playground", "-p", plugin, verb, str(SCENARIOS / what), *more]
            subprocess.run([*command, "--html", str(path)], cwd=folder, check=True, capture_output=True)
        return made[words]

    return write


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        playwright.expect.set_options(timeout=PATIENCE)
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Open a page with the network and the console watched; nothing may be said or asked for until the test ends."""
    seen, contexts = [], []

    def open_page(path, width=1280, scheme="light", height=900, state="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (seen.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: seen.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri() + state)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert seen == []
