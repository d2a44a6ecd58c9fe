from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html

from playground.errors import Fault, Place, ScenarioError
from playground.result import Expectation, Loss, Quartiles, ResultTable, Run, RunTrace, Status, Summary, Sweep, Verdict

RUN = Run(
    scenario="and_gate",
    id="1",
    seed=7,
    status=Status.BUDGET,
    verdict=Verdict.PASSED,
    steps=300,
    task="classification",
    summary="One neuron learns.",
    setup={"optimizer": "adam(lr=0.01)"},
    loss=Loss(0.2, 0.0125, 0.0125),
    parameters={"weight": [[3.766, 3.829]], "large": [[0.5] * 40] * 40},
    metrics={"accuracy": 1.0},
    expectations=(
        Expectation("loss below 0.05", 0.0125, passed=True),
        Expectation("x near 5", None, passed=False, note="not measured"),
    ),
    table=ResultTable(("a", "prediction"), tuple((1.0, 0.5) for _ in range(20))),
    seconds=0.2,
    trace=RunTrace(tuple(0.2 * 0.991**step for step in range(300))),
)


def shown(run):
    """Return the fragment, parsed, and its text."""
    page = html.fromstring(run._repr_html_())
    return page, " ".join(page.text_content().replace("\u2002", " ").split())


def test_everything_is_there():
    _, text = shown(RUN)
    for part in (
        "and_gate One neuron learns.",
        "passed all 300 steps used 200 ms",
        "optimizeradam(lr=0.01)",
        "seed7",
        "loss 0.2 → 0.0125",
        "0.0125 to 0.2, steps 0 to 300",
        "weight[[3.766, 3.829]]",
        "large40 × 40 numbers, 0.5 to 0.5",
        "accuracy1",
        "✔loss below 0.050.0125",
        "✘x near 5–not measured",
        "aprediction10.5000",
    ):
        assert part in text


def test_the_curve_runs_from_edge_to_edge():
    page, _ = shown(RUN)
    (line,) = page.iter("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
    assert points[0] == (0.0, 0.0)
    assert points[-1][1] == 90.0
    assert all(0 <= x <= 400 and 0 <= y <= 90 for x, y in points)


def test_a_gap_breaks_the_line():
    trace = RunTrace((3.0, 2.0, math.nan, math.inf, 1.0))
    page, _ = shown(replace(RUN, steps=5, trace=trace, loss=Loss(3.0, 0.5, 0.5)))
    assert len(list(page.iter("polyline"))) == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"verdict": Verdict.FAILED}, "failed all 300 steps used"),
        ({"verdict": Verdict.NONE}, "not judged all 300 steps used"),
        ({"status": Status.DIVERGED, "reason": "grew; lr 0.3"}, "passed diverged after 300 steps 200 msgrewlr 0.3"),
    ],
)
def test_how_it_ended(changes, told):
    assert told in shown(replace(RUN, **changes))[1]


def test_a_run_without_descent_has_no_loss_seed_or_curve():
    page, text = shown(replace(RUN, loss=None, trace=RunTrace(), status=Status.CONVERGED, reason="computed"))
    assert "passed computed 200 ms" in text
    assert "seed" not in text
    assert not list(page.iter("svg"))


def test_an_empty_run():
    _, text = shown(Run(scenario="x", id="1", seed=0, status=Status.ERROR, verdict=Verdict.FAILED, reason="boom"))
    assert text.endswith("failed error 0 msboomtask")


def test_it_is_small_and_needs_nothing_from_outside():
    text = replace(
        RUN, steps=100_000, trace=RunTrace(tuple(0.2 * 0.991**step for step in range(100_000)))
    )._repr_html_()
    assert len(text) < 20_000
    for word in ("<script", "http", "url(", "@import", "class=", "id="):
        assert word not in text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_text_is_never_markup(text):
    hostile = f"<b onclick='x'>&\"{text}"
    run = Run(
        scenario=hostile,
        id=hostile,
        seed=0,
        status=Status.ERROR,
        verdict=Verdict.FAILED,
        task=hostile,
        summary=hostile,
        reason=hostile,
        setup={hostile: hostile},
        parameters={hostile: 1.0},
        metrics={hostile: hostile},
        expectations=(Expectation(hostile, hostile, passed=True, note=hostile),),
        table=ResultTable((hostile,), ((hostile,),)),
    )
    page = etree.fromstring(run._repr_html_().replace("&ensp;", " "))
    assert not page.xpath("//*[@onclick]")
    assert {element.tag for element in page.iter()} == {"div", "b", "span", "table", "tr", "td"}


def summary(index, lr):
    return Summary(
        index=index,
        values={"optimizer.lr": lr},
        runs=4,
        passed=3,
        interval=(0.3, 0.95),
        loss=Quartiles(0.1, 0.2, math.inf),
        statuses={Status.BUDGET: 4},
        steps={},
    )


SUMMARIES = tuple(summary(index, 0.1 * index) for index in range(25))
SWEEP = Sweep(
    scenario="bowl<b>",
    file="bowl.yaml",
    id="0123456789abcdef",
    axes=("optimizer.lr",),
    seeds=4,
    size=100,
    runs=100,
    computed=100,
    engines={"compiled": 100},
    notes=("a note",) * 30,
    summaries=SUMMARIES,
    best=SUMMARIES[2:4],
    expectations=(Expectation("passed at least 0.9", 0.75, passed=False),),
    verdict=Verdict.FAILED,
    interrupted=False,
    seconds=1.0,
    store=".playground/results.sqlite",
)


def test_results_are_one_line_in_python():
    assert repr(RUN) == "<Run and_gate: passed, all 300 steps used, loss 0.2 → 0.0125>"
    assert str(SWEEP) == "<Sweep bowl<b>: failed, 100 runs, best at optimizer.lr = 0.2>"
    assert repr(replace(SWEEP, scenario="a\nb\x1b", best=(), runs=3)) == r"<Sweep a b\x1b: failed, 3 of 100 runs>"


def test_a_sweep_is_a_small_table_in_a_notebook():
    page, text = shown(SWEEP)
    assert text.startswith("bowl<b> a sweepfailed 100 runs 1.0 s")
    rows = [row.text_content() for row in page.xpath("//table")[0].iter("tr")]
    assert len(rows) == 11
    assert rows[:2] == ["optimizer.lrrunspassedloss ¼medianloss ¾", "0475.0%0.10.2inf"]
    for part in ("the first 10 of 25 settings", "best optimizer.lr = 0.2 (a tie with 1 more)", "✘passed at least 0.9"):
        assert part in text
    assert "0123456789ab in .playground/results.sqlite" in text
    assert page.xpath("//script|//b/b") == []


@pytest.mark.parametrize("changes", [{"summaries": (), "best": ()}, {"axes": ()}, {"interrupted": True}])
def test_a_sweep_without_settings_is_shown_too(changes):
    assert "100 runs" in shown(replace(SWEEP, **changes))[1]


def test_an_invalid_scenario_is_one_line_in_a_notebook():
    fault = Fault("unknown key 'x'", place=Place("a.yaml", 3, 1))
    assert ScenarioError(fault)._render_traceback_() == ["ScenarioError: a.yaml:3:1: unknown key 'x'"]
    assert len(ScenarioError(fault, fault)._render_traceback_()) == 2


def test_a_comparison_is_a_small_table(make_comparison):
    found = make_comparison(("adam", "sgd", "<lion>"), centers=(-0.5, 0.25), expected=["better than sgd"])
    page, text = shown(found)
    for part in (
        "adam compared with sgd, <lion> core, 40 families",
        "evaluations relative toon problems like theseon this suitenew problem",
        "sgd0.71× [0.57, 0.87] ▼ better0.71× [0.68, 0.73] ▼ better by more than 1.1×0.18×–2.83×",
        "to decide <lion>more seeds cannot help; 39 more families",
        "✔better than sgdshown",
        "look 1, α 0.025 of 0.05; says nothing about large networks",
    ):
        assert part in text
    assert not page.xpath("//lion | //script | //link")
    assert str(found) == "adam on core: better (sgd 0.71×), cannot tell (<lion> 1.19×)"


def test_a_refused_comparison_shows_the_suite(make_comparison):
    _, text = shown(make_comparison(families=8, refused=True, interrupted=True))
    assert "no statement on problems like these: 8 families, and at least 20 are needed" in text
    assert "evaluations relative toon this suitenew problemsgd0.71× [0.68, 0.73] ▼ better" in text
    assert "interrupted" in text
