from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from playground.errors import PlaygroundError
from playground.explanation import Explanation, GraphNode, TensorSummary, UnexplainedStep
from playground.report.html import reporter
from playground.report.html.page import SCRIPTS, as_json
from playground.report.html.run_part import run_part
from playground.result import Batch, Diagnosis, Loss, Recording, RunTrace, ScenarioFault, Status

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
    outside = page[: page.index('<script type="text/plain"')]
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", outside)
    assert "@import" not in outside
    assert "url(" not in outside


def test_a_batch_has_an_index_and_one_bundle(make_run, make_failed, tmp_path):
    errors = (ScenarioFault("c.yaml", 1, 2, "unknown key 'stepz'"),)
    page = written(Batch((make_run("a"), make_failed("b")), errors), tmp_path)
    assert 'href="#part0">a</a>' in page
    assert 'href="#part1">b</a>' in page
    assert "2 scenarios: 1 passed, 1 failed, 1 invalid" in page
    assert "unknown key" in page
    assert page.count("plotly.js v") == page[: page.index("plotly.js v") + 100].count("plotly.js v") == 1
    assert len(page) < 5_000_000


@pytest.mark.sampled(7)
@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("losses", [(math.inf,), (4e7, math.inf), (1.0, math.nan, math.nan)])
def test_every_status_has_a_page(make_run, tmp_path, status, losses):
    steps = tuple(range(len(losses)))
    recording = Recording(steps, {"x": tuple(losses)}, tuple(losses))
    ended = {"status": status, "steps": steps[-1], "loss": Loss(losses[0], losses[-1], losses[0])}
    page = written(Batch((make_run(**ended, trace=RunTrace(losses, recording)),)), tmp_path)
    assert str(status) in page or status is Status.BUDGET


def test_a_diagnosis_is_told(make_run, tmp_path):
    diagnosis = Diagnosis("dead_relu", "No unit of <hidden> is above 0.", "Start with other weights.")
    page = written(Batch((make_run(diagnoses=(diagnosis,)),)), tmp_path)
    assert "Diagnosis: dead_relu" in page
    assert "No unit of &lt;hidden&gt; is above 0." in page
    assert "Start with other weights." in page


def test_steps_are_explained_where_the_scrubber_stops(make_run, tmp_path):
    told = (explained(0, ALERT), explained(2, "@@INLINE-DATA@@"), UnexplainedStep(5, f"step 5: {ALERT}"))
    trace = RunTrace((3.0, 2.0, 1.0), Recording((0, 2, 5), {"x": (3.0, 2.0, 1.0)}, (1.0, 1.0, 1.0)))
    run = make_run(trace=trace, steps=5, loss=Loss(3.0, 1.0, 1.0), explanations=told)
    run = replace(run, trace=replace(trace, loss=(3.0, 2.5, 2.0, 1.5, 1.2)))
    assert run_part("part0", run)["data"]["explained"] == [0, 1, 2]
    page = written(Batch((run,)), tmp_path)
    assert page.count("<template>") == 3
    assert page.count("<script") == 3
    assert "Not explained from step 5 on: step 5: &lt;script&gt;" in page
    assert page.count("@@INLINE-DATA@@") == 0


def test_a_pass_without_steps_is_explained_without_a_scrubber(make_run, tmp_path):
    page = written(Batch((make_run(trace=RunTrace(), explanations=(explained(0, "z"),)),)), tmp_path)
    assert "Forward and backward, explained" in page
    assert "<template>" not in page


def explained(step, name):
    """Return an explanation of one value with a name."""
    node = GraphNode(name, "loss", TensorSummary((), 1.0, 1.0, 1.0, 1.0))
    return Explanation(
        scenario="a",
        summary="",
        file="a.yaml",
        step=step,
        samples=0,
        sample=None,
        digits=4,
        nodes=(node,),
        operations=(),
        parameters=(),
        loss=1.0,
    )


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
        "comparison.html",
        "explained.html",
        "live.html",
        "main.html",
        "page.css",
        "page.html",
        "run.html",
        "scripts",
        "sweep.html",
    }
    assert {path.stem for path in folder.joinpath("scripts").iterdir()} == {*SCRIPTS, "follow"}


def test_a_figure_says_how_it_was_made_what_was_left_out_included(make_run):
    made = run_part("part0", make_run(conditions={"optimizer": "adam(lr=0.01)", "steps": "300", "version": "0.1.0"}))[
        "made"
    ]
    assert made == (
        "and_gate · adam(lr=0.01) · 300 of 300 steps · start drawn by the seed · seed 0 · no clipping · constant rate"
        " · playground 0.1.0"
    )
