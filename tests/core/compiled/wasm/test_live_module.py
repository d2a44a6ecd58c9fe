"""A descent as a WebAssembly module: the same losses as in plain PyTorch, whatever a page does with its inputs."""

import pkgutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from playground import builtin
from playground.builtin import losses, models, optimizers
from playground.builtin.tasks.minimize import Minimize
from playground.core.agreement import MAX_TWIN_DEVIATIONS, make_twins
from playground.core.compiled.arrays import STATUS_BY_END
from playground.core.compiled.errors import TooManyOperationsError
from playground.core.compiled.wasm import live_module
from playground.core.compiled.wasm.live_module import DialRange, LiveTerms, NoModule, make_live_module
from playground.core.descent import DescentTrace, descend
from playground.core.gradients import Clip
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem
from playground.core.setting import Setting
from playground.core.steppers import make_stepper
from playground.core.stopping import StopRules

RULES = [getattr(optimizers, name) for name in optimizers.__all__]
TORCH_OPTIMIZERS = (
    "SGD",
    "Adam",
    "AdamW",
    "Adagrad",
    "Adadelta",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "ASGD",
)
FLOOR = 1e-3
"""Losses below this are compared as if they were this large: they are differences of larger numbers."""


def minimize(name, dtype, start=None):
    function = pkgutil.resolve_name(builtin.playground_functions()[name])()
    return Minimize(function, {"x": start or [0.5] * function.dim}).problem(Setting(dtype))


def training(coverage, model, loss, dtype, size=None):
    torch.manual_seed(0)
    return coverage.training(coverage.MODELS[model], coverage.LOSSES[loss], dtype, size)


def deviation(descent, start):
    """The largest relative difference of the losses, and by how much a sensitive run may deviate more."""
    page = descent.page()
    found = page.run(start[None], part=13)[0].astype(float)
    assert page.fitting == page.tiles
    wanted, last, final = descent.alone()
    scale = np.maximum(FLOOR, np.abs(wanted))
    error = np.abs(found - wanted) / scale
    allowed = np.full(len(wanted), descent.tolerance())
    if (error > allowed).any():
        before = {name: each.detach().clone() for name, each in descent.problem.parameters.items()}
        for twin in make_twins(before):
            with torch.no_grad():
                for name, each in descent.problem.parameters.items():
                    each.copy_(twin[name])
            allowed = np.maximum(allowed, MAX_TWIN_DEVIATIONS * np.abs(descent.alone()[0] - wanted) / scale)
        with torch.no_grad():
            for name, each in descent.problem.parameters.items():
                each.copy_(before[name])
        allowed = np.maximum.accumulate(allowed)
    else:
        limit = 100 * descent.tolerance()
        np.testing.assert_allclose(page.rows("last")[0, 0], last, rtol=limit, atol=limit * FLOOR)
        np.testing.assert_allclose(page.rows("final")[0, : len(final)], final, rtol=limit, atol=limit)
    return error.max(), bool((error <= allowed).all()), bool(allowed[-1] == descent.tolerance())


CASES = {
    "adam": ("perceptron", "mse", partial(optimizers.Adam, lr=0.05), torch.float64, None),
    "radam has two phases": ("mlp tanh", "huber", partial(optimizers.RAdam, lr=0.02), torch.float32, None),
    "mini-batches": ("mlp elu", "cross_entropy", partial(optimizers.SGD, lr=0.05, momentum=0.9), torch.float32, 3),
    "mini-batches of doubles": ("mlp sin", "mse", partial(optimizers.NAdam, lr=0.02), torch.float64, 3),
    "constant data": ("rnn", "smooth_l1", partial(optimizers.Lion, lr=0.003), torch.float64, None),
}


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "unrolled"])
@pytest.mark.parametrize("case", CASES)
def test_losses_of_training(descent_of, start_of, coverage, case, apart) -> None:
    model, loss, rule, dtype, size = CASES[case]
    problem = training(coverage, model, loss, dtype, size)
    descent = descent_of(problem, rule(), steps=60, apart=apart)
    assert descent.live.apart is apart
    assert deviation(descent, start_of(problem))[1:] == (True, True)


@pytest.mark.parametrize("place", range(0, 40, 8))
def test_losses_of_functions(descent_of, start_of, coverage, place) -> None:
    problem = minimize(coverage.FUNCTIONS[place], torch.float64)
    descent = descent_of(problem, RULES[place % len(RULES)](lr=0.001), steps=60)
    assert deviation(descent, start_of(problem))[1] is True


def report(rows):
    """Print a coverage table; return the cases that are not as in PyTorch."""
    print(f"\n{'case':44} {'bytes':>6} {'operations':>10} {'inputs':>24} {'error':>8}")
    for label, live, error, good, calm in rows:
        if isinstance(live, NoModule):
            print(f"{label:44} {live.reason}")
            continue
        inputs = f"{len(live.dials) + len(live.varying)} numbers{', data' if live.data else ''}"
        inputs += ", apart" if live.apart else ""
        note = "" if good and calm else " sensitive" if good else " DIFFERS"
        print(f"{label:44} {len(live.code):6,} {live.operations:10,} {inputs:>24} {error:8.1e}{note}")
    return [label for label, live, _, good, _ in rows if isinstance(live, NoModule) or not good]


@pytest.mark.slow
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "unrolled"])
def test_everything_that_learns_from_data(descent_of, start_of, coverage, apart) -> None:
    """Every model and activation, loss, update rule and class of torch, in both precisions: a table."""
    rows, names = [], [name for name in coverage.MODELS for _ in range(2)]
    for place, model in enumerate(names):
        kinds = [name for name in coverage.LOSSES if name != "bce" or model not in coverage.NO_SIGMOID]
        loss, dtype, size = (
            kinds[place % len(kinds)],
            (torch.float32, torch.float64)[place % 2],
            (None, 3)[place // 2 % 2],
        )
        rule = RULES[place % len(RULES)]
        problem = training(coverage, model, loss, dtype, size)
        descent = descent_of(problem, rule(lr=0.01), steps=50, apart=apart)
        found = (0.0, False, False) if isinstance(descent.live, NoModule) else deviation(descent, start_of(problem))
        label = f"{model}, {loss}, {rule.__name__}, {str(dtype)[6:]}{', batches' if size else ''}"
        rows.append((label, descent.live, *found))
    for place, name in enumerate(TORCH_OPTIMIZERS):
        problem = training(coverage, "mlp tanh", "mse", (torch.float32, torch.float64)[place % 2])
        descent = descent_of(problem, partial(getattr(torch.optim, name), lr=0.01), steps=50, apart=apart)
        found = (0.0, False, False) if isinstance(descent.live, NoModule) else deviation(descent, start_of(problem))
        rows.append((f"torch.optim.{name}", descent.live, *found))
    assert report(rows) == []


@pytest.mark.slow
def test_every_function(descent_of, start_of, coverage) -> None:
    """Every function, with the update rules in turn: a table."""
    rows = []
    for place, name in enumerate(coverage.FUNCTIONS):
        rule, dtype = RULES[place % len(RULES)], (torch.float32, torch.float64)[place % 2]
        problem = minimize(name, dtype)
        descent = descent_of(problem, rule(lr=0.001), steps=50)
        rows.append(
            (f"{name}, {rule.__name__}, {str(dtype)[6:]}", descent.live, *deviation(descent, start_of(problem)))
        )
    assert report(rows) == []


def perceptron(dtype=torch.float64):
    torch.manual_seed(0)
    inputs = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0], [0.3, -0.7]], dtype=dtype)
    targets = torch.tensor([[1.0], [0], [1], [0], [0]], dtype=dtype)
    module = models.Perceptron(2, 1).to(dtype)
    return Problem(module, lambda forward, batch: losses.mse(forward(batch[0]), batch[1]), Batches((inputs, targets)))


def test_a_dial_needs_no_other_module(descent_of, start_of) -> None:
    """Shared numbers and those of each run are changed in memory; plain PyTorch is given the same."""
    problem = perceptron()
    descent = descent_of(problem, optimizers.Adam(lr=0.1, weight_decay=0.01), steps=80)
    rates = [0.001, 0.03, 0.1, 0.5, 1.0]
    page = descent.page(len(rates))
    names = [dial.name for dial in descent.live.dials]
    assert names == ["beta1", "beta2", "eps", "weight_decay"]
    page["dials"][names.index("beta1")] = 0.5
    page["dials"][names.index("weight_decay")] = 0.1
    page.put("varying", np.array(rates)[:, None])
    found = page.run(np.repeat(start_of(problem)[None], len(rates), axis=0))
    assert page.fitting == page.tiles
    for row, rate in zip(found, rates, strict=True):
        wanted, _, _ = descent.alone(optimizers.Adam(lr=rate, beta1=0.5, weight_decay=0.1))
        np.testing.assert_allclose(row, wanted, rtol=1e-11)


def test_a_dial_that_python_decides_by(descent_of, start_of) -> None:
    """Without momentum, torch's program has no velocity: the module says that another one is needed."""
    problem = perceptron()
    descent = descent_of(problem, partial(torch.optim.SGD, lr=0.1, momentum=0.0), steps=5)
    page = descent.page()
    page.run(start_of(problem)[None])
    assert page.fitting == page.tiles
    page["dials"][[dial.name for dial in descent.live.dials].index("momentum")] = 0.9
    page.run(start_of(problem)[None])
    assert page.fitting == 0


def test_a_number_that_an_optimizer_refuses_as_an_input(descent_of, start_of) -> None:
    """Nesterov's momentum needs a dampening of 0, which an input need not be."""
    problem = minimize("rosenbrock", torch.float64)
    descent = descent_of(problem, optimizers.SGD(lr=1e-4, momentum=0.9, nesterov=True))
    page = descent.page()
    assert [dial.name for dial in (*page.live.varying, *page.live.dials)] == ["lr", "momentum"]
    np.testing.assert_allclose(page.run(start_of(problem)[None])[0], descent.alone()[0], rtol=1e-12)


def test_many_starts_and_parts_of_the_steps(descent_of) -> None:
    """Nothing changes if a page makes a few steps at a time, nor with what other lanes do."""
    problem = minimize("rosenbrock", torch.float32)
    descent = descent_of(problem, optimizers.Adam(lr=0.02), steps=90)
    starts = np.random.default_rng(0).uniform(-2, 2, (10, 2)).astype(np.float32)
    page = descent.page(len(starts))
    whole = page.run(starts).copy()
    np.testing.assert_array_equal(page.run(starts, part=7), whole)
    page.run(starts[::-1])
    np.testing.assert_array_equal(page.losses()[::-1], whole)


def test_points_can_be_moved(descent_of, start_of) -> None:
    problem = perceptron()
    descent = descent_of(problem, optimizers.SGD(lr=0.3, momentum=0.9), steps=50)
    assert descent.live.data == ((5, 2), (5, 1))
    page = descent.page()
    problem.batches.data[0][2] = torch.tensor([-1.5, 2.0])
    page["data0"].reshape(5, 2)[2] = [-1.5, 2.0]
    np.testing.assert_allclose(page.run(start_of(problem)[None])[0], descent.alone()[0], rtol=1e-12)


def test_the_loss_at_many_points(descent_of) -> None:
    problem = minimize("himmelblau", torch.float64)
    page = descent_of(problem, optimizers.SGD(lr=0.01), steps=3).page(7)
    points = np.random.default_rng(1).uniform(-4, 4, (7, 2))
    page.put("points", points)
    page.call("evaluate", 0, page.tiles)
    x, y = points.T
    np.testing.assert_allclose(page.rows("heights")[:, 0], (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2, rtol=1e-12)


@pytest.mark.parametrize("size", [None, 3], ids=["all data", "mini-batches"])
def test_predictions_at_many_inputs(descent_of, start_of, coverage, size) -> None:
    problem = training(coverage, "mlp gelu", "cross_entropy", torch.float64, size)
    descent = descent_of(problem, optimizers.Adam(), steps=3)
    assert descent.live.outputs == 3
    page, points = descent.page(9), np.random.default_rng(2).uniform(-2, 2, (9, 2))
    page.put("inputs", points)
    page["model"][:] = start_of(problem)
    page.call("predict", 0, page.tiles)
    wanted = problem.module(torch.tensor(points)).detach().numpy()
    np.testing.assert_allclose(page.rows("outputs"), wanted, rtol=1e-13)
    assert descent_of(minimize("booth", torch.float64), optimizers.Adam(), steps=3).live.outputs == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_runs_end_as_in_pytorch(descent_of, dtype) -> None:
    """Diverged, not finite, converged, stalled: each with its step, and with the parameters there."""
    rules = StopRules(loss=1e-3, patience=20, improvement=0.5)
    rates, places = [0.02, 0.3, 0.02, 1e-6, 0.02, 0.02], [0.5, 0.5, float("nan"), 0.5, [1.0, 3.0], 10.0]
    starts = np.array([np.broadcast_to(each, 2) for each in places], dtype=str(dtype)[6:])
    descent = descent_of(minimize("booth", dtype), optimizers.SGD(lr=0.01), steps=300, rules=rules)
    page = descent.page(6)
    page.put("varying", np.array(rates)[:, None])
    found = page.run(starts, part=11)
    assert {"stalled", "diverged", "nonfinite", "loss"} == {end for end, _ in page.ends()}
    for run, (end, step) in enumerate(page.ends()):
        stepper = make_stepper(
            minimize("booth", dtype, list(starts[run].tolist())), optimizers.SGD(lr=rates[run]), None, None
        )
        trace = DescentTrace(300, rules)
        descend(stepper, trace)
        assert (STATUS_BY_END[end], step) == (trace.status, trace.steps)
        assert np.isnan(found[run, step + 1 :]).all()
        assert np.isfinite(found[run, :step]).all()
        final = np.concatenate([each.detach().numpy().reshape(-1) for each in stepper.parameters])
        np.testing.assert_allclose(page.rows("final")[run], final, rtol=1e-4)
        ended = [page.record("before_end")[run], page.record("end_loss")[run]]
        np.testing.assert_allclose(ended, [float("nan"), *trace.loss][-2:], rtol=1e-4)


def test_the_gradient_ends_a_run(descent_of, start_of) -> None:
    problem = minimize("booth", torch.float64)
    page = descent_of(problem, optimizers.SGD(lr=0.05), steps=400, rules=StopRules(gradient=1e-3)).page()
    found = page.run(start_of(problem)[None])[0]
    ((end, step),) = page.ends()
    assert end == "gradient"
    assert 0 < found[step] < 1e-6 < found[step - 20]


def test_schedules_clipping_and_thinned_losses(descent_of, start_of) -> None:
    problem = perceptron()
    schedule = lambda step: 0.97**step  # noqa: E731
    clip = Clip(norm=0.05)
    descent = descent_of(problem, optimizers.RMSprop(lr=0.02), steps=40, schedule=schedule, clip=clip)
    kept = [0, 3, 7, 39]
    page = descent.page(kept=kept)
    found = page.run(start_of(problem)[None])[0]
    np.testing.assert_allclose(found, descent.alone()[0][kept], rtol=1e-12)
    np.testing.assert_array_equal(page["path"][0, 0].reshape(-1), start_of(problem))
    page["factors"][:] = 1.0
    unscheduled = descent_of(problem, optimizers.RMSprop(lr=0.02), steps=40, clip=clip)
    np.testing.assert_allclose(page.run(start_of(problem)[None])[0], unscheduled.alone()[0][kept], rtol=1e-12)


NORM_CASES = {
    "one program": (None, None, StopRules()),
    "a norm that may end the run": (None, None, StopRules(gradient=1e-9)),
    "clipped": (None, Clip(norm=0.05), StopRules()),
    "two programs": (3, None, StopRules()),
}


@pytest.mark.parametrize("apart", [True, False], ids=["apart", "unrolled"])
@pytest.mark.parametrize("case", NORM_CASES)
def test_gradient_norms(descent_of, start_of, case, apart) -> None:
    size, clip, rules = NORM_CASES[case]
    problem = perceptron()
    problem = replace(problem, batches=Batches(problem.batches.data, size))
    descent = descent_of(problem, optimizers.SGD(lr=0.2), steps=20, clip=clip, rules=rules, apart=apart)
    page = descent.page(kept=[0, 5, 19])
    page["norms"][:] = np.nan
    page.run(start_of(problem)[None])
    found = page.kept("norms")[0]
    page.leave_out("norms")
    page["norms"][:] = -1.0
    np.testing.assert_array_equal(page.run(start_of(problem)[None])[0], page.losses()[0])
    assert (page["norms"] == -1.0).all()
    stepper, wanted = make_stepper(problem, optimizers.SGD(lr=0.2), None, clip), []
    for step in range(20):
        stepper.evaluate(step)
        wanted.append(stepper.gradient_norm())
        stepper.update(step)
    np.testing.assert_allclose(found, np.array(wanted)[[0, 5, 19]], rtol=1e-12)


def test_losses_over_all_data(descent_of, start_of) -> None:
    """With mini-batches, the kept losses may be those of all data."""
    problem = perceptron()
    problem = replace(problem, batches=Batches(problem.batches.data, 2))
    descent = descent_of(problem, optimizers.SGD(lr=0.2), steps=20, over_all_data=True)
    page = descent.page()
    found = page.run(start_of(problem)[None])[0]
    assert found[0] == pytest.approx(problem.loss(problem.module, problem.batches.data).item(), rel=1e-12)
    assert page.rows("last")[0, 0] == pytest.approx(descent.alone()[1], rel=1e-12)
    assert found[-1] != page.rows("last")[0, 0]


class Averages(torch.optim.SGD):
    """Ends at the average of all places, which `eval` moves the parameters to."""

    def step(self, closure=None):
        super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            state["average"] = (
                parameter.detach().clone()
                if "average" not in state
                else (0.9 * state["average"] + 0.1 * parameter.detach())
            )

    def train(self):
        pass

    @torch.no_grad()
    def eval(self):
        for parameter in self.param_groups[0]["params"]:
            parameter.copy_(self.state[parameter].get("average", parameter))


def test_an_optimizer_that_moves_parameters_at_the_end(descent_of, start_of) -> None:
    problem = perceptron()
    descent = descent_of(problem, partial(Averages, lr=0.3), steps=30)
    page = descent.page()
    losses_of_run = page.run(start_of(problem)[None])[0]
    wanted, last, final = descent.alone()
    np.testing.assert_allclose(losses_of_run, wanted, rtol=1e-12)
    np.testing.assert_allclose(page.rows("last")[0, 0], last, rtol=1e-12)
    np.testing.assert_allclose(page.rows("final")[0, : len(final)], final, rtol=1e-12)
    assert abs(last - problem.loss(problem.module, problem.batches.data).item()) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_several_numbers_that_differ_between_runs(descent_of, start_of, dtype) -> None:
    """A bias correction of each run has double precision in a kernel of single precision."""
    problem = perceptron(dtype)
    descent = descent_of(problem, optimizers.Adam(lr=0.1), steps=60, varying=("lr", "beta1", "beta2"))
    assert [dial.name for dial in descent.live.varying] == ["lr", "beta1", "beta2"]
    numbers = [(0.1, 0.9, 0.999), (0.03, 0.1, 0.99), (0.05, 0.5, 0.9999), (0.01, 0.99, 0.99), (0.1, 0.8, 0.999)]
    page = descent.page(len(numbers))
    page.put("varying", np.array(numbers))
    found = page.run(np.repeat(start_of(problem)[None], len(numbers), axis=0))
    for row, (lr, beta1, beta2) in zip(found, numbers, strict=True):
        wanted, _, _ = descent.alone(optimizers.Adam(lr=lr, beta1=beta1, beta2=beta2))
        np.testing.assert_allclose(row, wanted, rtol=1e-5 if dtype is torch.float32 else 1e-12)


def test_data_that_python_looks_at_are_constants(descent_of, start_of) -> None:
    """The points cannot be moved then, and the module says why."""
    problem = perceptron()

    def loss(forward, batch):
        return losses.mse(forward(batch[0]), batch[1]) * float(batch[0].max())

    problem = replace(problem, loss=loss)
    descent = descent_of(problem, optimizers.SGD(lr=0.2), steps=20)
    assert descent.live.data == ()
    assert descent.live.fixed_data
    page = descent.page()
    np.testing.assert_allclose(page.run(start_of(problem)[None])[0], descent.alone()[0], rtol=1e-12)


UNUSUAL = ("NumberOfNumpy", "AddsAGroup", "ModeByTheLoss", "SearchesItsRate", "EvaluatesTwice", "LastThree")


@pytest.mark.parametrize("name", UNUSUAL)
def test_optimizers_in_several_phases_and_ways(descent_of, start_of, load_beside, name) -> None:
    kinds = load_beside("unusual_optimizers")
    problem = perceptron()
    descent = descent_of(problem, partial(getattr(kinds, name), lr=0.05), steps=130)
    page = descent.page()
    found = page.run(start_of(problem)[None])[0]
    np.testing.assert_allclose(found, descent.alone()[0], rtol=1e-12)
    left = descent.live.left_out
    assert left is None or page.rows("final")[0, left] == 0


class Wanders(torch.optim.Optimizer):
    """Draws random numbers: no program."""

    def __init__(self, parameters, lr=0.1):
        super().__init__(parameters, {"lr": lr})

    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data.add_(torch.randn(()), alpha=group["lr"])


def test_why_there_is_no_module() -> None:
    terms = LiveTerms(problem=perceptron(), mover=make_mover([partial(Wanders, lr=0.1)]), steps=5)
    found = make_live_module(terms)
    assert isinstance(found, NoModule)
    assert "random" in found.reason


def test_ranges_are_those_that_are_given() -> None:
    ranges = {"lr": DialRange(1e-4, 1.0, is_logarithmic=True), "beta1": DialRange(0.5, 0.99)}
    mover = make_mover([optimizers.Adam(lr=0.05)])
    live = make_live_module(LiveTerms(problem=perceptron(), mover=mover, steps=5, ranges=ranges))
    assert not isinstance(live, NoModule)
    assert [(dial.name, dial.value, dial.range) for dial in live.varying] == [("lr", 0.05, ranges["lr"])]
    assert {dial.name: dial.range for dial in live.dials} == {
        "beta1": ranges["beta1"],
        **dict.fromkeys(("beta2", "eps", "weight_decay")),
    }
    assert live.parameters == {name: tuple(each.shape) for name, each in perceptron().parameters.items()}


def test_a_step_that_is_too_large_is_tried_once(monkeypatch) -> None:
    tried = []
    monkeypatch.setattr(live_module, "record_phases", lambda *_: tried.append(1) or refuse())

    def refuse():
        raise TooManyOperationsError("a step has 20,000 scalar operations, more than 10,000")

    terms = LiveTerms(problem=perceptron(), mover=make_mover([optimizers.Adam()]), steps=5, apart=False)
    assert make_live_module(terms) == NoModule("a step has 20,000 scalar operations, more than 10,000")
    assert tried == [1]
