"""What `run` returns can be repeated for a page, from files, keywords and objects; it is plain data otherwise."""

import copy
import html
import json
import pickle
import re
from dataclasses import asdict, fields

import pytest
import torch
from torch import nn

from playground import load_scenario, run
from playground.errors import PlaygroundError
from playground.report.html import reporter
from playground.result import Run

BOWL = """\
name: bowl
task: minimize
function: (2*x + 10)**2
start: {x: 1}
optimizer: {name: sgd, lr: 0.15}
steps: 20
"""


@pytest.fixture
def bowl(write, tmp_path, monkeypatch):
    monkeypatch.setenv("PLAYGROUND_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    return write("bowl.yaml", BOWL)


def read_data(page):
    """Return the data of the page's script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])["part0"]


DATA = (torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[1.0], [3.0], [5.0]]))


def run_file(path):
    return run(path)


def run_changed(path):
    return run(load_scenario(path), {"optimizer.lr": 0.1}, seed=3)


def run_keywords(path):
    return run(task="minimize", function="(x - 1)**2", start={"x": 0}, optimizer={"name": "adam"}, steps=20)


def run_objects(path):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    return run(task="regression", dataset=DATA, model=model, loss=nn.MSELoss(), optimizer=torch.optim.SGD, steps=20)


@pytest.mark.parametrize("make", [run_file, run_changed, run_keywords, run_objects], ids=lambda make: make.__name__)
def test_a_page_of_every_kind_of_run(bowl, make):
    result = make(bowl)
    page = result.live()
    assert page.title == result.scenario
    assert page.note == ""
    data = read_data(page.html())
    assert data["steps"][-1] == 20
    assert data["losses"][0] == pytest.approx(result.loss.first, rel=1e-5)
    assert data["live"]["programs"], data["live"]
    assert repr(page).startswith(f"<LivePage {result.scenario}, ")


def test_a_file_that_changed_since_is_not_read_again(bowl):
    result = run(bowl)
    bowl.write_text("task: [\n", encoding="utf-8")
    assert result.live().note == ""


def test_an_object_that_changed_since_is_told_of(bowl):
    model = nn.Linear(1, 1)
    result = run(task="regression", dataset=DATA, model=model, loss="mse", optimizer="sgd", steps=5)
    with torch.no_grad():
        model.weight += 1.0
    page = result.live()
    assert page.note.startswith("This is another run than the first one: the loss before step 0 was ")
    assert html.escape(page.note) in page.html()
    assert page.note in repr(page)


def test_a_task_without_a_descent_has_a_page(bowl):
    page = run(task="derivative", function="x**2", at={"x": [1, 2]}).live()
    assert read_data(page.html())["steps"] == []


def test_a_notebook_shows_a_frame(bowl):
    frame = run(bowl, name="a <b> & 'c' \"d\"").live()._repr_html_()
    found = re.fullmatch(
        r'<iframe title="([^"]*)" sandbox="([^"]*)" allow="[^"]*" style="[^"]*" srcdoc="([^"]*)"></iframe>', frame
    )
    title, sandbox, page = map(html.unescape, found.groups())
    assert title == "a <b> & 'c' \"d\", live"
    assert sandbox == "allow-scripts"
    assert page.startswith("<!doctype html>")
    assert "connect-src &#39;none&#39;" in page


def test_a_page_is_written_whole(bowl, tmp_path):
    page = run(bowl).live()
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page.html()
    with pytest.raises(PlaygroundError, match="cannot be written"):
        page.save("/dev/null/page.html")


def test_what_it_was_made_of_is_no_part_of_it(bowl):
    result = run(bowl)
    assert isinstance(result, Run)
    assert {each.name for each in fields(result)} == {each.name for each in fields(Run)}
    assert asdict(result)["scenario"] == "bowl"
    for other in (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result)):
        assert other == result
        with pytest.raises(PlaygroundError) as caught:
            other.live()
        assert str(caught.value).count("\n") == 0
        assert "call it on what playground.run returned" in str(caught.value)


def test_what_a_page_needs_is_said(bowl, monkeypatch):
    result = run(bowl)
    monkeypatch.setattr(reporter, "find_spec", lambda name: None)
    with pytest.raises(PlaygroundError, match=r"pip install 'gradient-playground\[html\]'"):
        result.live()
