"""A comparison in a terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from playground.comparison import SelfTestFinding
from playground.report.comparing import show_comparison
from playground.report.console import show
from playground.result import Batch

LONG = "an_optimizer_with_a_name_that_does_not_end_before_the_table_does"
EIGHT = ("adam", "sgd", "momentum", "nesterov", "lion", "rmsprop", "adagrad", "torch.Muon")


@pytest.fixture
def shown(lines):
    """Return what is printed of a comparison, line by line."""
    return lambda comparison, width=80: lines(lambda console: show_comparison(comparison, console), width)


def test_one_baseline(shown, make_comparison):
    assert "\n".join(shown(make_comparison())) == (
        "adam  compared with sgd\n"
        "  suite core: 78 problems of 40 families, and 2 outside the verdict\n"
        "\n"
        "  gradient evaluations that adam needs, relative to sgd\n"
        "  on problems like these  0.71×  [0.57, 0.87]  ▼ BETTER\n"
        "  on this suite           0.71×  [0.68, 0.73]  ▼ BETTER by more than 1.1×\n"
        "  one setting for all     1.00×  [0.81, 1.23]  = EQUIVALENT\n"
        "  a new problem                  0.18×–2.83×\n"
        "\n"
        "  where      ▼ better on plateau 0.68×, ill-conditioning 0.69×, curved valley\n"
        "             0.73×, saddle 0.75×\n"
        "             · under 5 families: noise 0.58×, data 0.64×\n"
        "  costs      rotation 1.55×▲, noise 1.37×▲, sparse gradients 1.46×·  (adam with\n"
        "             the property, relative to without)\n"
        "  problems   better 19, worse 6, equal 5, cannot tell 24\n"
        "  24 of 80 problems tell no optimizers apart: seeds differ over 3× as much\n"
        "\n"
        "  holds      by penalty 1× ✔   penalty 10× ✔   final loss ✘ cannot tell\n"
        "  fair?      ✔ 20 trials each, scored on fresh seeds, with the same starts\n"
        "             ✘ at the grid's edge: sgd 2 of 205 choices\n"
        "             · failed: sgd 5 of 5,095 runs\n"
        "  look       1, which spends α 0.025 of 0.05\n"
        "             80 % power at 1.44× if families differ by 2×, 2.08× if by 4×\n"
        "  limits     says nothing about large networks"
    )


def test_several_baselines(shown, make_comparison):
    found = shown(make_comparison(("adam", "sgd", "momentum", "lion")))
    assert found[3:16] == [
        "  gradient evaluations that adam needs, relative to each baseline",
        "  on problems like these; at the right, on a single new problem",
        "    sgd       0.71×  [0.57, 0.87]  ▼ BETTER                    0.18×–2.83×",
        "    momentum  1.00×  [0.81, 1.23]  = EQUIVALENT                0.25×–4.00×",
        "    lion      1.41×  [1.15, 1.74]  ▲ WORSE                     0.35×–5.66×",
        "  on this suite",
        "    sgd       0.71×  [0.68, 0.73]  ▼ BETTER by more than 1.1×",
        "    momentum  1.00×  [0.97, 1.04]  = EQUIVALENT",
        "    lion      1.41×  [1.37, 1.46]  ▲ WORSE by more than 1.1×",
        "",
        "  where, by probe (·: under 5 families)",
        "    sgd       ▼ plateau 0.68×, ill-conditioning 0.69× and 2 more  · 2",
        "    momentum  ? 4 cannot tell  · 2",
    ]
    assert "    lion          19      6      5           24  2.00× [1.62, 2.46] ▲" in found
    assert len(found) <= 36


def test_what_would_decide_is_said_once(shown, make_comparison):
    found = shown(make_comparison(("adam", "sgd", "lion", "muon"), centers=(0.25,)))
    assert "  to decide  sgd, lion, muon: more seeds cannot help; 39 more families" in found
    assert "    lion  1.19×  [0.97, 1.46]  ? CANNOT TELL              0.30×–4.76×" in found


def test_a_refused_headline_leaves_the_suite(shown, make_comparison):
    for optimizers in (("adam", "sgd"), ("adam", "sgd", "lion")):
        found = shown(make_comparison(optimizers, families=8, refused=True))
        assert "  no statement on problems like these: 8 families, and at least 20 are needed" in found
        assert any(line.startswith("  on this suite") for line in found)
        assert not any("like these" in line for line in found[5:])
        assert not any("80 % power" in line for line in found)  # which is that of the refused statement


@pytest.mark.parametrize("optimizers", [EIGHT, (LONG, "adam", LONG), EIGHT[:2]], ids=["eight", "long", "two"])
@pytest.mark.parametrize("width", [80, 60])
def test_everything_fits_the_terminal(shown, make_comparison, optimizers, width):
    found = shown(make_comparison(optimizers, notes=["a note " * 30]), width)
    assert max(map(len, found)) <= width
    assert len(found) <= (60 if width == 80 else 90)


def test_all_pairs_name_both_optimizers(shown, make_comparison):
    found = shown(make_comparison(("adam", "sgd", "lion"), all_pairs=True))
    assert "  gradient evaluations that the first needs, relative to the second" in found
    assert sum(line.startswith("    sgd / lion ") for line in found) == 4


def test_unequal_trials_and_holding_metrics_are_marked(shown, make_comparison):
    comparison = make_comparison()
    first, second = comparison.ledger
    pair = replace(comparison.pairs[0], holds={"penalty 1×": "better", "final loss": "worse"})
    ledger = [replace(first, trials=5, at_edge=0), replace(second, at_edge=0, failed=0)]
    found = shown(replace(comparison, ledger=ledger, pairs=[pair]))
    assert "  fair?      ✘ unequal trials: adam 5, sgd 20, scored on fresh seeds, with the" in found
    assert "             ✔ at the grid's edge: none" in found
    assert "             · failed: none" in found
    assert "  holds      by penalty 1× ✔   final loss ✘ worse" in found


def test_metrics_that_do_not_hold_are_named_with_their_pairs(shown, make_comparison):
    found = shown(make_comparison(("adam", "sgd", "lion", "muon"), centers=(-0.5, 0.5)))
    assert "penalty 10× ✔   final loss ✘ cannot tell (sgd, lion, muon)" in " ".join(found).replace(13 * " ", "")


def test_expectations_notes_and_interruption(shown, make_comparison):
    miss = "expected better than sgd, found cannot tell: adam needs 1.02× [0.91, 1.13] on this suite"
    found = shown(
        make_comparison(
            expected=["better than sgd", "better than sgd by more than 1.1"],
            unmet=[miss],
            notes=["booth: not compiled"],
            interrupted=True,
        )
    )
    assert "  interrupted: finished problems only; run the same command to continue" in found
    text = " ".join(" ".join(found).split())
    assert text.endswith(
        "booth: not compiled ✘ better than sgd, found cannot tell: adam needs 1.02× [0.91, 1.13] on this suite "
        "✔ better than sgd by more than 1.1"
    )


def test_numbers_that_are_not_finite(shown, make_comparison):
    comparison = make_comparison()
    pair = comparison.pairs[0]
    suite = replace(pair.suite, factor=math.nan, low=0.0, high=math.inf, word="cannot tell", text="cannot tell")
    found = shown(replace(comparison, pairs=[replace(pair, suite=suite, shared=None, new_problem=None, probes=[])]))
    assert "  on this suite               –  [0, ∞]        ? CANNOT TELL" in found


def test_signs_are_words_in_ascii(make_comparison):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    show_comparison(make_comparison(), Console(file=stream, width=80))
    stream.seek(0)
    text = stream.read()
    assert "0.71x  [0.57, 0.87]  v BETTER" in text
    assert "look       1, which spends alpha 0.025 of 0.05" in text


def test_verdicts_have_colours_beside_their_words(terminal, make_comparison):
    console = terminal(force_terminal=True, color_system="standard")
    show_comparison(make_comparison(), console)
    assert "\x1b[1;32m▼ BETTER\x1b[0m" in console.file.getvalue()


def test_a_batch_shows_one_in_full_and_several_in_a_table(lines, make_comparison):
    comparison = make_comparison(expected=["better than sgd"], unmet=["expected better than sgd, found worse: 1.2×"])
    assert lines(lambda console: show(Batch((), comparisons=(comparison,)), console))[0] == "adam  compared with sgd"
    found = lines(lambda console: show(Batch((), comparisons=(comparison, comparison)), console))
    assert found.count("adam  compared with sgd") == 2
    assert ["core.yaml", "failed", "2", "optimizers", "1", "min", "2", "s"] in map(str.split, found)
    assert "failed   core.yaml: better than sgd, measured worse: 1.2×" in found


def test_a_self_test_shows_every_rate_and_what_is_required(shown, make_comparison):
    names = ("same optimizer, disjoint tuning seeds", "same optimizer, disjoint tuning seeds", "planted factor")
    rows = [
        SelfTestFinding(
            name=name,
            measured="different on this suite",
            repeats=1000,
            rate=rate,
            low=rate / 2,
            high=rate * 2,
            requirement="at most 5%",
            passed=rate < 0.05,
        )
        for name, rate in zip(names, (0.012, 0.02, 0.3), strict=True)
    ]
    found = shown(make_comparison(self_test=rows))
    begin = found.index("  self-test: same optimizer, disjoint tuning seeds")
    assert found[begin + 1 :] == [
        "    ✔   1.2%  different on this suite; required at most 5%",
        "    ✔   2.0%  different on this suite; required at most 5%",
        "  self-test: planted factor",
        "    ✘  30.0%  different on this suite; required at most 5%",
        "",
        "  ✘ self-test: planted factor, different on this suite: at most 5%, found",
        "    30.0%",
    ]


def test_hostile_names(shown, make_comparison, hostile):
    text = "\n".join(shown(make_comparison(("adam", hostile), notes=[hostile])))
    assert "\x1b" not in text
    assert "[bold red]" in text
