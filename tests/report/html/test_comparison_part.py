"""A comparison as a page: its charts, its tables, and what is left out of it."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import plotly.graph_objects as go
import pytest
from lxml import html

from playground.comparison import SelfTestFinding
from playground.report.html.comparison_charts import contrast_chart, curve_charts, forest_chart
from playground.report.html.comparison_part import comparison_part
from playground.report.html.reporter import Html, write_comparison_page
from playground.result import Batch

EIGHT = ("adam", "sgd", "momentum", "nesterov", "lion", "rmsprop", "adagrad", "torch.Muon")


@pytest.fixture
def written(tmp_path):
    """Return the page of a comparison, parsed, and its text without scripts."""

    def write(comparison):
        write_comparison_page(comparison, tmp_path / "page.html")
        page = html.fromstring((tmp_path / "page.html").read_text(encoding="utf-8"))
        for script in page.xpath("//script | //style"):
            script.getparent().remove(script)
        return page, " ".join(" ".join(page.itertext()).split())

    return write


def check_figure(chart):
    """Check a chart against plotly's own validation and against what every chart must have."""
    text = re.sub(r'"@[a-z]+(/[0-9a-f]{2})?"', '"red"', json.dumps(chart.data(), allow_nan=False))
    figure = json.loads(text)
    for trace in figure["data"]:
        trace.pop("meta", None)
    go.Figure(figure["data"], figure["layout"])
    assert all(value["title"]["text"] for name, value in figure["layout"].items() if name[1:5] == "axis")
    assert chart.text.endswith(".")


@pytest.mark.parametrize("optimizers", [("adam", "sgd"), EIGHT], ids=["two", "eight"])
@pytest.mark.parametrize(("families", "refused"), [(40, False), (8, True)], ids=["judged", "refused"])
def test_every_chart_is_a_figure(make_comparison, optimizers, families, refused):
    comparison = make_comparison(optimizers, families=families, refused=refused)
    charts = [*curve_charts(comparison.curves), contrast_chart(comparison)]
    charts += [forest_chart(pair, "families") for pair in comparison.pairs]
    assert [chart.name for chart in charts[:4]] == ["reached", "sensitivity", "best", "contrasts"]
    for chart in charts:
        check_figure(chart)


def test_the_forest_has_a_row_for_each_family_below_the_estimands(make_comparison):
    (pair,) = make_comparison(families=20).pairs
    chart = forest_chart(pair, "families0")
    rows = chart.layout["yaxis"]["categoryarray"][::-1]
    assert rows[:3] == ["on problems like these", "on this suite", "a new problem"]
    assert len(rows) == 3 + 20
    estimates = next(trace for trace in chart.traces if trace["name"] == "estimates")
    assert estimates["marker"]["symbol"] == "diamond"
    assert estimates["x"] == [pair.like_these.factor, pair.suite.factor]
    assert estimates["error_x"]["array"][0] == pytest.approx(pair.like_these.high - pair.like_these.factor)
    styles = {(trace["marker"]["color"], trace["marker"]["symbol"]) for trace in chart.traces if "marker" in trace}
    assert len(styles) == len({each.probe for each in pair.families}) + 1
    low, high = chart.layout["xaxis"]["range"]
    assert low < 0 < high  # which includes a factor of 1


def test_families_whose_labels_would_be_cut_to_the_same_keep_their_rows(make_comparison):
    (pair,) = make_comparison(families=2).pairs
    long = "a family with a name that is too long, "
    families = [replace(each, family=long + end) for each, end in zip(pair.families, "ab", strict=True)]
    rows = forest_chart(replace(pair, families=families), "families0").layout["yaxis"]["categoryarray"]
    assert {long + "a", long + "b"} < set(rows)


@pytest.mark.parametrize(
    ("factors", "ticks"),
    [
        ([0.6, 1.7], ["½×", "1×", "2×"]),
        ([1.0], ["1×"]),
        ([0.001, 900.0], ["0.001×", "0.01×", "0.1×", "1×", "10×", "100×", "1e+03×"]),
        ([0.0, math.inf, math.nan], ["1×"]),
    ],
    ids=["narrow", "one", "wide", "not finite"],
)
def test_an_axis_of_factors(factors, ticks):
    from playground.report.html.comparison_charts import _factor_axis

    assert _factor_axis("factor", factors)["ticktext"] == ticks


def test_curves_are_on_absolute_axes_and_mark_the_chosen_values(make_comparison):
    reached, sensitivity, best = curve_charts(make_comparison(EIGHT[:4]).curves)
    assert reached.layout["xaxis"] == {"title": {"text": "gradient evaluations"}, "type": "log"}
    assert [trace["name"] for trace in reached.traces if trace.get("showlegend", True)] == list(EIGHT[:4])
    chosen = [trace for trace in sensitivity.traces if trace["name"].endswith(", chosen")]
    assert [(trace["x"], trace["text"][0]) for trace in chosen] == [([0.01, 0.03], "chosen 30 times of 40")] * 3
    assert sensitivity.text.endswith("because several parameters are tuned: momentum.")
    assert best.traces[0]["y"][0] == 2.0**9


def test_an_optimizer_without_curves_is_left_out(make_comparison):
    comparison = make_comparison(("adam", "sgd"), contrasts=[])
    bare = [replace(each, evaluations=(), rates=(), expected_best=()) for each in comparison.curves]
    part = comparison_part("part0", replace(comparison, curves=bare))
    assert list(part["data"]["charts"]) == ["families0"]


def test_costs_have_a_dot_for_each_pair_of_problems_and_intervals_where_there_are_some(make_comparison):
    chart = contrast_chart(make_comparison())
    dots, means = chart.traces[:2]
    assert len(dots["x"]) == 8 + 5 + 3
    assert means["y"] == ["rotation", "noise", "sparse gradients"]
    assert means["error_x"]["array"][2] == means["error_x"]["arrayminus"][2] == 0.0
    assert means["error_x"]["array"][0] > 0
    assert chart.text.endswith("Too few families for an interval: sparse gradients.")


def test_the_page_is_readable_without_a_script(written, make_comparison):
    page, text = written(make_comparison(("adam", "sgd", "lion"), expected=["better than sgd"]))
    for part in (
        "adam compared with sgd, lion ✔ passed",
        "Suite core: 78 problems of 40 families, and 2 outside the verdict. The comparison says nothing about large",
        "sgd 0.71× [0.57, 0.87] ▼ better 0.71× [0.68, 0.73] ▼ better by more than 1.1×",
        "On problems like these, adam needs 0.71× the gradient evaluations of sgd [0.57, 0.87]: better.",
        "adam against lion",
        "adam adam(lr=log:1e-05:10) 20 4,574,585 520,520 0 of 205 0 of 5,095 5,000 compiled, 95 batched f271eb38",
        "look 1, which spends α 0.025 of 0.05",
        "detectable 1.44× if families differ by 2×, 2.08× if families differ by 4×, with 80 % power",
        "protocol da185586acfcad98",
    ):
        assert part in text
    assert len(page.xpath("//div[@class='pair'][not(@hidden)]")) == 2
    assert len(page.xpath("//p[@class='pick'][@hidden]//option")) == 2
    assert len(page.xpath("//details[.//summary[text()='Families of adam against sgd']]//tbody/tr")) == 40


def test_one_pair_needs_no_choice(written, make_comparison):
    page, _ = written(make_comparison())
    assert not page.xpath("//*[@class='pick']")


def test_the_map_marks_failures_and_keeps_other_problems_apart(make_comparison):
    comparison = make_comparison(families=20)
    row = comparison.problems[0]
    changes = {
        "log_evaluations": {"adam": 3.0, "sgd": 5.0},
        "failed": {"adam": 0.0, "sgd": 0.25},
        "reached": {"adam": 1.0, "sgd": 0.5},
        "resolution": 0.1,
    }
    outside = replace(row, **changes, headline=False)
    counted, others = comparison_part("p", replace(comparison, problems=[replace(row, **changes), outside]))["maps"]
    ((probe, (shown,)),) = counted["groups"]
    assert [probe, shown["name"], shown["indistinct"]] == [row.probe, row.problem, True]
    assert shown["cells"] == [
        {"text": "best", "shade": 0.0, "failed": "", "title": "100% of the runs reach the hardest target"},
        {
            "text": "4.00×",
            "shade": 0.4,
            "failed": "✘ 25%",
            "title": "50% of the runs reach the hardest target; 25% of the runs failed",
        },
    ]
    ((_, (shown,)),) = others["groups"]
    assert [(cell["text"], cell["shade"]) for cell in shown["cells"]] == [("100%", 0.0), ("50%", 0.5)]


def test_problems_without_a_number(make_comparison):
    comparison = make_comparison(families=2)
    changes = {"log_evaluations": {"adam": math.nan, "sgd": math.nan}, "reached": {"adam": math.nan}, "failed": {}}
    rows = [replace(row, **changes) for row in comparison.problems]
    for shown in comparison_part("p", replace(comparison, problems=rows))["maps"]:
        texts = {cell["text"] for _, some in shown["groups"] for row in some for cell in row["cells"]}
        assert texts == {"–"}


def test_texts_are_escaped(written, make_comparison, hostile):
    for text in ("<script>alert(1)</script>", "@@INLINE-DATA@@", hostile):
        page, shown = written(make_comparison(("adam", text), notes=[text]))
        assert not page.xpath("//b[not(@class)]")
        assert shown.count("@@INLINE-DATA@@") == 0


def test_interrupted_ones_and_several_on_one_page(written, make_comparison, tmp_path):
    _, text = written(make_comparison(interrupted=True, families=8, refused=True))
    assert "Interrupted: only finished problems count" in text
    assert "No statement on problems like these: 8 families, and at least 20 are needed." in text
    assert "a new problem" not in text
    Html()(Batch((), comparisons=(make_comparison(), make_comparison(("lion", "sgd")))), tmp_path / "two.html")
    page = (tmp_path / "two.html").read_text(encoding="utf-8")
    assert '<a href="#part1">lion compared with sgd</a>' in page
    assert "2 scenarios: 2 not judged" in page


def test_a_self_test_is_a_table(written, make_comparison):
    row = SelfTestFinding(
        name="planted factor",
        measured="2× on this suite",
        repeats=1000,
        rate=0.5,
        low=0.45,
        high=0.55,
        requirement="41.1% ± 5 points",
        passed=False,
    )
    page, text = written(make_comparison(self_test=[row]))
    assert "✘ failed planted factor 2× on this suite 1,000 50.0% [45.0, 55.0] 41.1% ± 5 points" in text
    assert page.xpath("//h1/span[@class='verdict failed']")
