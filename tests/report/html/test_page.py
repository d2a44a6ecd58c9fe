from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.report.html import reporter
from playground.report.html.page import as_json
from playground.report.html.run_part import run_part
from playground.result import Batch, Diagnosis, Invalid

ALERT = "<script>alert(1)</script>"


def written(batch, folder):
    path = folder / "page.html"
    reporter.Html()(batch, path)
    return path.read_text(encoding="utf-8")


def test_texts_are_escaped(make_run, tmp_path, hostile):
    for text in (ALERT, f"</title>{ALERT}", "@@INLINE-DATA@@", hostile):
        page = written(Batch((make_run(scenario=text, summary=text, written=f"name: {text}"),)), tmp_path)
        assert page.count("<script") == 3
        assert "alert(1)<" not in page
        assert page.count("@@INLINE-DATA@@") == 0
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
        assert "part0" in json.loads(data[1])


def test_json_ends_no_script():
    assert json.loads(as_json({"a": "</script><!--&"})) == {"a": "</script><!--&"}
    assert not set("<>&") & set(as_json({"a": "</script><!--&"}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_json(float("nan"))


def test_nothing_is_fetched(make_run, tmp_path):
    page = written(Batch((make_run(),)), tmp_path)
    outside = page[: page.index("<script>")]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", outside)
    assert "@import" not in outside
    assert "url(" not in outside


def test_a_batch_has_an_index_and_one_bundle(make_run, make_failed, tmp_path):
    errors = (Invalid("c.yaml", 1, 2, "unknown key 'stepz'"),)
    page = written(Batch((make_run("a"), make_failed("b")), errors), tmp_path)
    assert 'href="#part0">a</a>' in page
    assert 'href="#part1">b</a>' in page
    assert "2 scenarios: 1 passed, 1 failed, 1 invalid" in page
    assert "unknown key" in page
    assert page.count("plotly.js v") == page[: page.index("plotly.js v") + 100].count("plotly.js v") == 1
    assert len(page) < 5_000_000


def test_what_is_missing_is_one_line(monkeypatch):
    monkeypatch.setattr(reporter, "find_spec", lambda name: None if name == "plotly" else object())
    with pytest.raises(PlaygroundError, match=r"plotly; .* pip install 'gradient-playground\[html\]'"):
        reporter.Html()


@pytest.mark.parametrize(
    ("command", "explain"),
    [
        ("playground run a.yaml", "playground explain a.yaml --step"),
        ("playground -p x.py run a.yaml --seed 3", "playground -p x.py explain a.yaml --set seed=3 --step"),
        ("", ""),
    ],
)
def test_the_command_that_explains(make_run, command, explain):
    from playground.report.html.run_part import _explain

    assert _explain(command) == explain
    assert run_part("part0", make_run(command=command))["explain"] == ""  # no step to be shown was recorded


def test_templates_are_in_the_package():
    folder = Path(reporter.__file__).with_name("templates")
    assert {path.name for path in folder.iterdir()} == {
        "chart.html",
        "page.css",
        "page.html",
        "page.js",
        "run.html",
        "sweep.html",
    }


def test_diagnoses_are_shown(make_run, tmp_path):
    told = Diagnosis("rate_too_large", "This run's is 0.3.", "Lower it.")
    page = written(Batch((make_run(diagnoses=(told,)),)), tmp_path)
    assert "<b>rate_too_large</b> This run&#39;s is 0.3. Lower it." in page
