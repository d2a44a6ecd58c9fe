"""Optimizers that no compiler can follow are refused with a reason, however late it shows; others are compiled."""

import importlib.util
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import playground
from playground.core.compiled import CannotCompileError
from playground.core.problem import Batches, Problem
from playground.plugins.manager import DISABLE_AUTOLOAD_VARIABLE
from playground.runner.store import Store
from playground.runner.sweeping.sweep import SweepOptions

PLUGIN = Path(__file__).parent / "unusual_optimizers.py"
STEPS = 130
OUTSIDE = "the optimizer changes {!r}, which is outside of it"


@pytest.fixture(autouse=True)
def _one_thread(one_thread):
    pass


@pytest.fixture(scope="module")
def kinds():
    """The classes of the plugin; in a module of its own, as a plugin is."""
    spec = importlib.util.spec_from_file_location("unusual_optimizers", PLUGIN)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


REFUSED = {
    "RaisesAtOnce": r"not today \(unusual_optimizers\.py:\d+\)",
    "RaisesLater": r"not at step 60 \(unusual_optimizers\.py:\d+\)",
    "NeedsNames": r"not enough values to unpack .* \(unusual_optimizers\.py:\d+\)|unbind|iterat",
    "NeedsTheModel": r"'list' object has no attribute 'parameters' \(unusual_optimizers\.py:\d+\)",
    "DrawsByTorch": r"draws random numbers \(randn_like\) \(unusual_optimizers\.py:\d+\)",
    "DrawsByPython": "draws random numbers",
    "DrawsByNumpy": "draws random numbers",
    "DrawsByItsGenerator": "step .* differs from plain PyTorch",
    "DrawsByAGlobalGenerator": OUTSIDE.format("GENERATOR"),
    "SignsByNumpy": r"numpy computes with a tensor of the run \(unusual_optimizers\.py:\d+\)",
    "CountsInAnArray": "step 59 differs from plain PyTorch",
    "TensorsInAGlobal": OUTSIDE.format("TENSORS"),
    "CountsInAGlobal": OUTSIDE.format("COUNT"),
    "CountsInADefault": OUTSIDE.format("a default of count_calls"),
    "CountsInAFunction": OUTSIDE.format("count_here.calls"),
    "CountsInItsClass": OUTSIDE.format("CountsInItsClass.count"),
    "CountsInAGlobalObject": OUTSIDE.format("COUNTER"),
    "CountsInAGlobalArray": OUTSIDE.format("ARRAY"),
    "CountsInTheClassOfAnAttribute": OUTSIDE.format("Schedule.count"),
    "TensorsInAClosure": OUTSIDE.format("remembered"),
    "CountsInAClosure": OUTSIDE.format("count"),
    "Iterates": "step 60 differs from plain PyTorch",
    "Generates": "step 60 differs from plain PyTorch",
    "Cycles": "the first 3 steps differ from plain PyTorch",
    "ReplacesParameters": r"unsupported operand .* \(unusual_optimizers\.py:\d+\)",
    "GrowingState": "what the optimizer remembers changes its shape",
    "GrowingList": "more than 32 different step programs",
    "StateOfLargeGradients": r"what the optimizer remembers depends on a number that differs between runs: state\.p\d",
    "AverageFromStep30": "what the optimizer does when a run ends depends on the step",
    "HalfPrecision": r"a step computes in torch\.bfloat16 within a run of torch\.float64 \(unusual_optimizers.py:\d+\)",
}

COMPILED = (
    *("NumberOfNumpy", "ReplacesByCopies", "AddsAGroup", "ChangesItsRate", "FlagByTheLoss", "EvaluatesTwice"),
    *("SearchesItsRate", "LastThree", "KeepsObjects", "KeepsGradients", "KeepsTheLoss", "SingleState"),
    *("RateAsATensor", "RareSteps", "HasAHook", "HasAScheduler", "ReadsTables"),
)


def test_every_optimizer_of_the_plugin_is_tested(kinds) -> None:
    classes = {kind.__name__ for kind in kinds.playground_optimizers().values()}
    assert {*REFUSED, *COMPILED, "Plain", "ModeByTheLoss"} == classes


@pytest.mark.sampled(6)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name, kinds, require_same) -> None:
    with pytest.raises(CannotCompileError, match=REFUSED[name]) as caught:
        require_same([partial(getattr(kinds, name), lr=rate) for rate in (0.1, 0.3)], steps=STEPS)
    assert "\n" not in str(caught.value)


@pytest.mark.sampled(1)
@pytest.mark.product(10)
@pytest.mark.parametrize("name", COMPILED)
def test_what_only_looks_strange_is_compiled(name, kinds, require_same) -> None:
    rates = (0.01, 0.1) if name in ("RateAsATensor", "HasAHook") else (0.1, 0.3)
    require_same([partial(getattr(kinds, name), lr=rate) for rate in rates], steps=STEPS)


def test_runs_that_go_where_none_usually_goes_are_left_out(kinds, require_same) -> None:
    """What the optimizer remembers is then of another kind: the next engine computes them."""
    require_same([partial(kinds.ModeByTheLoss, lr=rate) for rate in (0.001, 3.0, 0.01)], steps=60, left_out=[1])


# Parameters


class Unusual(nn.Module):
    """A linear model with another parameter.

    :param extra: empty, without axes, in another precision, constant or unused.
    """

    def __init__(self, extra: str) -> None:
        super().__init__()
        self.weight, self.extra = nn.Parameter(torch.ones(2, 1).double()), extra
        others = {
            "empty": torch.zeros(0, 3).double(),
            "mixed": torch.ones(()),
            "no axes": torch.ones(()).double(),
        }
        self.other = nn.Parameter(others.get(extra, torch.ones(1).double()), requires_grad=extra != "constant")

    def forward(self, x):
        out = x @ self.weight
        return out if self.extra == "unused" else out + self.other.sum() * 0.5


def unusual(extra):
    generator = torch.Generator().manual_seed(0)
    data = Batches((torch.randn(4, 2, generator=generator).double(), torch.ones(4, 1).double()))
    return Problem(Unusual(extra), lambda forward, batch: (forward(batch[0]) - batch[1]).square().mean(), data)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("extra", ["empty", "no axes", "constant", "unused"])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD, partial(torch.optim.Adam, foreach=True)])
def test_unusual_parameters(kind, extra, require_same) -> None:
    require_same([partial(kind, lr=rate) for rate in (0.01, 0.03)], problem=unusual(extra), steps=30)


def test_parameters_of_different_precision_are_refused(require_same) -> None:
    with pytest.raises(CannotCompileError, match="not all float32 or all float64"):
        require_same([partial(torch.optim.SGD, lr=0.1)], problem=unusual("mixed"))


OPTIONS = {
    "fused": ({"fused": True}, "'_fused_adam_' has no rule"),
    "differentiable": ({"differentiable": True}, "a leaf Variable that requires grad"),
    "capturable": ({"capturable": True}, "If capturable=True, params and state_steps must be on supported devices"),
}


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", OPTIONS)
def test_options_that_are_refused(name, require_same) -> None:
    options, why = OPTIONS[name]
    with pytest.raises(CannotCompileError, match=why):
        require_same([partial(torch.optim.Adam, lr=0.1, **options)])


# In a sweep


@pytest.fixture
def swept(root, tmp_path, monkeypatch):
    """Sweep the AND gate by an optimizer of the plugin: the sweep, and what its runs came to."""
    monkeypatch.setenv(DISABLE_AUTOLOAD_VARIABLE, "1")
    monkeypatch.chdir(tmp_path)

    def swept(name, engine, rates=(0.01, 0.1), seeds=2):
        found = playground.sweep(
            root / "scenarios/and_gate.yaml",
            {"optimizer.lr": list(rates)},
            seeds,
            {"optimizer": name, "steps": 120, "dtype": "float64"},
            plugins=[str(PLUGIN)],
            options=SweepOptions(engine=engine),
            folder=tmp_path / engine,
        )
        with Store.open(tmp_path / engine, create=False) as store:
            return found, sorted(
                (row.point, row.seed, row.status, row.steps, row.last) for _, row in store.rows(found.id)
            )

    return swept


def assert_same(rows, others):
    for mine, plain in zip(rows, others, strict=True):
        assert mine == (*plain[:-1], pytest.approx(plain[-1], rel=1e-10))


@pytest.mark.sampled(1)
@pytest.mark.product(2)
@pytest.mark.parametrize(
    "name", ["signs_by_numpy", "counts_in_an_array", "generates", "growing_state", "state_of_large_gradients"]
)
def test_another_engine_takes_what_is_refused(name, swept) -> None:
    found, rows = swept(name, "compiled")
    assert "compiled" not in found.engines
    (note,) = found.notes
    assert "\n" not in note
    assert_same(rows, swept(name, "plain")[1])


@pytest.mark.slow
def test_another_engine_takes_the_runs_that_are_left_out(swept) -> None:
    found, rows = swept("mode_by_the_loss", "compiled", (0.01, 3.0), 1)
    assert found.engines == {"compiled": 1, "batched": 1}
    assert_same(rows, swept("mode_by_the_loss", "plain", (0.01, 3.0), 1)[1])
