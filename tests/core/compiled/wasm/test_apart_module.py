"""A module that loops over samples: what a page changes after it was made, against plain PyTorch on the same data."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from playground.builtin import losses, models, optimizers
from playground.core.compiled.orders import SampleOrders
from playground.core.compiled.wasm.live_module import LiveTerms, NoModule, make_live_module
from playground.core.gradients import Clip
from playground.core.movers import make_mover
from playground.core.problem import Batches, Problem
from playground.core.stopping import StopRules

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


def make_problem(samples=21, size=None, dtype=torch.float64, loss=losses.bce_with_logits, hidden=(5,), seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 2, generator=generator, dtype=torch.float64).to(dtype)
    targets = (inputs[:, :1] * inputs[:, 1:] > 0).to(dtype)
    torch.manual_seed(1)
    module = models.mlp(2, 1, hidden=hidden, activation="tanh").to(dtype)
    return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), Batches((inputs, targets), size))


def orders_of(problem, steps):
    spans = SampleOrders(problem.batches, [0]).spans(steps)
    return np.concatenate([order.numpy() for _, _, order in spans], axis=1)


def require_same(descent, page, start, **tolerances):
    found = page.run(start[None])[0]
    wanted, last, final = descent.alone()
    tolerances = tolerances or {"rtol": descent.tolerance(), "atol": descent.tolerance()}
    np.testing.assert_allclose(found, wanted, **tolerances)
    np.testing.assert_allclose(page.rows("last")[0, 0], last, **tolerances)
    np.testing.assert_allclose(
        page.rows("final")[0, : len(final)], final, **{name: 10 * each for name, each in tolerances.items()}
    )


@pytest.mark.slow
@DTYPES
@pytest.mark.parametrize("size", [None, 32], ids=["all data", "mini-batches"])
def test_a_thousand_losses_of_two_hundred_samples(descent_of, start_of, dtype, size) -> None:
    problem = make_problem(200, size, dtype, hidden=(16, 16))
    descent = descent_of(problem, optimizers.Adam(lr=0.005), steps=1000)
    assert descent.live.apart
    assert len(descent.live.code) <= 50_000
    require_same(descent, descent.page(), start_of(problem))


@DTYPES
@pytest.mark.parametrize("size", [None, 4], ids=["all data", "mini-batches"])
@pytest.mark.parametrize("samples", [1, 3, 8, 50])
def test_the_number_of_samples_may_change(descent_of, start_of, dtype, size, samples) -> None:
    """A module made for 21 samples makes the run on other data."""
    made = descent_of(make_problem(size=size, dtype=dtype), optimizers.Adam(lr=0.02), steps=40)
    if size is not None and size > samples:
        size = samples
    changed = make_problem(samples, size, dtype, seed=5)
    descent = descent_of(changed, optimizers.Adam(lr=0.02), steps=40)
    orders = None if size is None else orders_of(changed, 40)
    if size == samples:  # the samples of an epoch come in their own order if a batch is all of them
        descent.problem = replace(changed, batches=Batches(changed.batches.data))
    require_same(descent, made.page(data=changed.batches.data, orders=orders), start_of(changed))


@pytest.mark.parametrize(("before", "after"), [(None, 6), (6, None), (6, 5)], ids=["to", "from", "other"])
def test_the_size_of_a_batch_may_change(descent_of, start_of, before, after) -> None:
    made = descent_of(make_problem(size=before), optimizers.SGD(lr=0.1, momentum=0.9), steps=50)
    changed = make_problem(size=after)
    descent = descent_of(changed, optimizers.SGD(lr=0.1, momentum=0.9), steps=50)
    require_same(descent, made.page(orders=None if after is None else orders_of(changed, 50)), start_of(changed))


def test_a_sum_is_no_mean(descent_of, start_of) -> None:
    def total(prediction, target):
        return (prediction - target).square().sum()

    made = descent_of(make_problem(loss=total), optimizers.SGD(lr=0.002), steps=40)
    assert made.live.apart
    changed = make_problem(9, loss=total, seed=3)
    descent = descent_of(changed, optimizers.SGD(lr=0.002), steps=40)
    require_same(descent, made.page(data=changed.batches.data), start_of(changed))


def test_class_indices_are_data(descent_of, start_of) -> None:
    problem = make_problem()
    targets = torch.randint(3, (21,), generator=torch.Generator().manual_seed(2))
    module = models.mlp(2, 3, hidden=(4,)).double()
    problem = replace(
        problem,
        module=module,
        loss=lambda forward, batch: losses.cross_entropy(forward(batch[0]), batch[1]),
        batches=Batches((problem.batches.data[0], targets)),
    )
    descent = descent_of(problem, optimizers.Adam(lr=0.02), steps=40)
    assert descent.live.apart
    require_same(descent, descent.page(), start_of(problem))


@DTYPES
@pytest.mark.parametrize(
    "clip", [Clip(value=0.02), Clip(norm=0.02), Clip(value=0.02, norm=0.05)], ids=["value", "norm", "both"]
)
def test_clipping(descent_of, start_of, dtype, clip) -> None:
    """The norm over all parameters lies between the two loops."""
    problem = make_problem(dtype=dtype)
    descent = descent_of(problem, optimizers.SGD(lr=0.5, momentum=0.5), steps=60, clip=clip)
    assert descent.live.apart
    free = descent_of(problem, optimizers.SGD(lr=0.5, momentum=0.5), steps=60)
    assert np.abs(free.alone()[0] - descent.alone()[0]).max() > 0.01
    require_same(descent, descent.page(), start_of(problem))


@DTYPES
@pytest.mark.parametrize(
    "rules",
    [
        StopRules(loss=0.45),
        StopRules(gradient=0.08),
        StopRules(patience=4, improvement=0.02),
        StopRules(divergence=1.2),
    ],
    ids=["loss", "gradient", "patience", "divergence"],
)
def test_runs_end_as_without_the_loop(descent_of, start_of, dtype, rules) -> None:
    problem = make_problem(dtype=dtype)
    rate = 40.0 if rules.divergence < 2 else 0.3
    found = []
    for apart in (True, False):
        descent = descent_of(problem, optimizers.SGD(lr=rate), steps=300, rules=rules, apart=apart)
        assert descent.live.apart is apart
        page = descent.page()
        page.run(start_of(problem)[None], part=17)
        final = page.rows("final")[0, : len(start_of(problem))]
        records = np.array([page.record(name)[0] for name in ("end_loss", "before_end", "limit")])
        found.append((page.ends(), page.losses()[0], final, records))
    (ends, *mine), (others, *theirs) = found
    assert ends == others
    assert ends[0][0] != "going"
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize("size", [None, 6], ids=["all data", "mini-batches"])
def test_losses_over_all_data(descent_of, start_of, size) -> None:
    problem = make_problem(size=size)
    kept = []
    for apart in (True, False):
        descent = descent_of(problem, optimizers.SGD(lr=0.3), steps=30, over_all_data=True, apart=apart)
        kept.append(descent.page(kept=[0, 4, 29]).run(start_of(problem)[None])[0])
    np.testing.assert_allclose(*kept, rtol=1e-12)


@DTYPES
def test_several_runs_in_parts(descent_of, start_of, dtype) -> None:
    """Runs have their own rates, and the same bits however steps and runs are divided."""
    problem = make_problem(size=6, dtype=dtype)
    descent = descent_of(problem, optimizers.RAdam(lr=0.02), steps=40)
    page, rates = descent.page(3), np.array([[0.02], [0.05], [0.001]])
    page.put("varying", rates)
    whole = page.run(np.repeat(start_of(problem)[None], 3, axis=0))
    np.testing.assert_array_equal(page.run(np.repeat(start_of(problem)[None], 3, axis=0), part=7), whole)
    for row, (rate,) in zip(whole, rates, strict=True):
        np.testing.assert_allclose(row, descent.alone(optimizers.RAdam(lr=rate))[0], rtol=descent.tolerance())
    path = page["path"]
    assert path.shape == (3, 40, len(start_of(problem)))
    np.testing.assert_array_equal(path[:, 0], np.repeat(start_of(problem)[None], 3, axis=0))


def test_the_loss_at_many_points(descent_of, start_of) -> None:
    problem = make_problem()
    page = descent_of(problem, optimizers.SGD(lr=0.1), steps=3).page(5)
    points = start_of(problem) + np.random.default_rng(0).normal(size=(5, len(start_of(problem))))
    page.put("points", points)
    page.call("evaluate", 0, 5)
    shapes = {name: each.shape for name, each in problem.parameters.items()}
    for height, point in zip(page.rows("heights")[:, 0], points, strict=True):
        pieces = torch.tensor(point).split([shape.numel() for shape in shapes.values()])
        given = {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
        assert height == pytest.approx(problem.loss(problem.forward(given), problem.batches.data).item(), rel=1e-12)


def test_a_dial_that_python_decides_by(descent_of, start_of) -> None:
    problem = make_problem()
    descent = descent_of(problem, partial(torch.optim.SGD, lr=0.1, momentum=0.0), steps=5)
    assert descent.live.apart
    page = descent.page()
    page["dials"][[dial.name for dial in descent.live.dials].index("momentum")] = 0.9
    page.run(start_of(problem)[None])
    assert page.fitting == 0


class TrustRatio(torch.optim.SGD):
    """Couples the entries of a tensor."""

    @torch.no_grad()
    def step(self, closure=None):
        group = self.param_groups[0]
        for each in group["params"]:
            each -= group["lr"] * each.grad / (each.grad.norm() + 1e-3)


def test_what_is_coupled_stays_one_program(descent_of, start_of) -> None:
    def root(prediction, target):
        return (prediction - target).square().mean().sqrt()

    for problem, optimizer in [
        (make_problem(5, loss=root), optimizers.Adam(lr=0.02)),
        (make_problem(5), partial(TrustRatio, lr=0.02)),
    ]:
        descent = descent_of(problem, optimizer, steps=40)
        assert not descent.live.apart
        assert descent.live.data == ((5, 2), (5, 1))
        np.testing.assert_allclose(descent.page().run(start_of(problem)[None])[0], descent.alone()[0], rtol=1e-11)


def test_why_a_large_step_is_no_module() -> None:
    def root(prediction, target):
        return (prediction - target).square().mean().sqrt()

    terms = LiveTerms(
        problem=make_problem(300, loss=root, hidden=(16,)), mover=make_mover([optimizers.Adam()]), steps=5
    )
    found = make_live_module(terms)
    assert isinstance(found, NoModule)
    assert found.reason.endswith("no loop over samples: the loss is no mean and no sum of losses of single samples")
    assert "scalar operations, more than 10,000" in found.reason
