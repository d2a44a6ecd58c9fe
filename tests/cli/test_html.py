"""`--html` on run and sweep, and `playground report`."""

from __future__ import annotations

import pytest

MAX_LIVE_BYTES = 300_000
"""The most that a page grows by."""

BOWL = """
task: minimize
function: x**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.1}
steps: 20
expect: {loss: {below: 1}}
"""


@pytest.mark.sampled(1)
@pytest.mark.parametrize("option", [("--html", "page.html"), ("--report", "html=page.html")])
def test_a_run(write, playground, tmp_path, option):
    write("bowl.yaml", BOWL)
    assert playground("run", "bowl.yaml", "--set", "optimizer.lr=0.2", *option).exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'type="range" min="0" max="20"' in page
    assert "playground run bowl.yaml --set optimizer.lr=0.2" in page
    assert "lr: 0.2" in page


@pytest.mark.slow
def test_side_by_side(write, playground, tmp_path):
    write("some/a.yaml", BOWL)
    write("some/b.yaml", BOWL)
    assert playground("run", "some", "-j", 2, "--html", "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('type="range" min="0" max="20"') == page.count("The step, explained") == 2
    assert page.count("The step lowered the loss") == 2 * 5  # at 0, 1, 2, 5 and 10; the last makes no update


def test_sweep_and_report(write, playground, tmp_path):
    write("bowl.yaml", BOWL)
    done = playground("sweep", "bowl.yaml", "--over", "optimizer.lr=0.1,0.2", "--html", "sweep.html")
    assert done.exit_code == 0
    assert playground("report", "--html", "report.html").exit_code == 0
    assert playground("report", "bowl", "--html", "named.html").exit_code == 0
    for name in ("sweep", "report", "named"):
        assert 'data-chart="loss"' in (tmp_path / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["sweep", "run"])
def test_the_example_of_a_sweep(write, playground, tmp_path, command):
    """The page shows one run at the best setting, which is in no other output."""
    write("bowl.yaml", BOWL + "sweep: {over: {optimizer.lr: [0.1, 0.2], seed: [4, 5]}}\n")
    pages, documents = [], []
    for options in ((), ("--no-live",)):
        done = playground(command, "bowl.yaml", "--html", "page.html", "--json", *options)
        assert done.exit_code == 0
        documents.append(done.stdout.count('"scenario"'))
        pages.append((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert pages[0].count('"programs":[') == pages[0].count("bowl, a run at the best setting <span") == 1
    assert "lr: 0.2" in pages[0]
    assert "a run at the best setting" not in pages[1]
    assert pages[0].count("<h1") == pages[1].count("<h1") == 1
    assert documents[0] == documents[1]


def test_the_example_of_a_stored_sweep(write, playground, tmp_path):
    write("bowl.yaml", BOWL)
    assert playground("sweep", "bowl.yaml", "--over", "optimizer.lr=0.1,0.2").exit_code == 0
    for options, count in (((), 1), (("--no-live",), 0)):
        assert playground("report", "--html", "page.html", *options).exit_code == 0
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert page.count("bowl, a run at the best setting <span") == page.count('"programs":[') == count


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("report",), "nothing to write"),
        (("report", "--html", "a.html"), "there are no results yet"),
        (("report", "--report", "htm=a.html"), "htm"),
    ],
)
def test_what_cannot_be_reported(playground, arguments, told):
    done = playground(*arguments)
    assert done.exit_code == 2
    assert told in done.output


@pytest.mark.parametrize("option", ["--html", "--report"])
def test_no_live(write, playground, tmp_path, option):
    """A page has the program of the descent, unless it is left out; nothing else has it."""
    write("bowl.yaml", BOWL)
    target = "page.html" if option == "--html" else "html=page.html"
    pages = []
    for options in ((), ("--no-live",)):
        done = playground("run", "bowl.yaml", option, target, "--json", *options)
        assert done.exit_code == 0
        assert "programs" not in done.stdout
        pages.append((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert '"live":{"programs":[{"name":"sgd","code":"' in pages[0]
    assert '"programs":' not in pages[1]
    assert 0 < len(pages[0]) - len(pages[1]) < MAX_LIVE_BYTES


def test_why_a_page_is_not_live(write, playground, tmp_path, monkeypatch):
    monkeypatch.setattr("playground.runner.single.live.MAX_STEPS", 10)
    write("bowl.yaml", BOWL)
    assert playground("run", "bowl.yaml", "--html", "page.html").exit_code == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"live":{"reason":"20 steps are more than the 10 that a page takes"}' in page


def test_other_reports_have_no_program(write, playground, tmp_path):
    write("bowl.yaml", BOWL)
    written = {"json": "run.json", "junit": "run.xml"}
    options = [word for name, file in written.items() for word in ("--report", f"{name}={file}")]
    assert playground("run", "bowl.yaml", "--html", "page.html", *options).exit_code == 0
    for file in written.values():
        assert "live" not in (tmp_path / file).read_text(encoding="utf-8")
