"""The loop against hand-written PyTorch: same numbers, same count of steps, an honest end."""

import math

import pytest
import torch
from torch import nn

from playground.builtin.optimizers import SGD, Adam
from playground.core.descent import DescentTrace, descend
from playground.core.gradients import Clip
from playground.core.problem import Batches, Problem
from playground.core.steppers import RuleStepper, TorchStepper
from playground.core.stopping import StopRules
from playground.result import Status


class Bowl(nn.Module):
    """(2x + 10)² with x as a parameter."""

    def __init__(self, start: float = 1.0) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.tensor(start, dtype=torch.float64))

    def forward(self) -> torch.Tensor:
        return (2 * self.x + 10) ** 2


def problem(module: nn.Module) -> Problem:
    return Problem(module, lambda forward, batch: forward())


def down(stepper, steps: int, **rules) -> DescentTrace:
    descent = DescentTrace(steps, StopRules(**rules))
    descend(stepper, descent)
    return descent


def test_bowl_shrinks_the_error_by_a_fifth_each_step() -> None:
    """Each step of SGD(0.15) maps x to -0.2x - 6, so loss[k] = 144 · 0.04^k."""
    module = Bowl()
    descent = down(RuleStepper(problem(module), SGD(lr=0.15)), 10)
    assert descent.loss == pytest.approx([144 * 0.04**k for k in range(10)], rel=1e-9)
    assert module.x.item() == pytest.approx(-5 + 6 * (-0.2) ** 10, rel=1e-12)
    assert (descent.steps, descent.status) == (10, Status.BUDGET)
    assert descent.last == pytest.approx(144 * 0.04**10, rel=1e-6)


def test_zero_steps_is_a_forward_pass() -> None:
    module = Bowl()
    descent = down(RuleStepper(problem(module), SGD(lr=0.15)), 0)
    assert (descent.loss, descent.last, descent.best, descent.steps) == ([], 144.0, 144.0, 0)
    assert module.x.item() == 1.0


def test_stopping_leaves_the_parameters_that_the_last_recorded_loss_belongs_to() -> None:
    module = Bowl()
    descent = down(RuleStepper(problem(module), SGD(lr=0.15)), 1000, loss=1.0)
    assert descent.status is Status.CONVERGED
    assert descent.loss[-1] <= 1.0 < descent.loss[-2]
    assert descent.last == descent.loss[-1] == ((2 * module.x + 10) ** 2).item()
    assert descent.steps == len(descent.loss) - 1


def test_the_last_update_may_still_meet_a_rule() -> None:
    """144 · 0.04² = 0.23 is reached only by the final parameters."""
    descent = down(RuleStepper(problem(Bowl()), SGD(lr=0.15)), 2, loss=0.5)
    assert (descent.status, descent.steps) == (Status.CONVERGED, 2)


def test_divergence_is_told_before_it_overflows() -> None:
    descent = down(RuleStepper(problem(Bowl()), SGD(lr=0.3)), 1000)
    assert descent.status is Status.DIVERGED
    assert math.isfinite(descent.last)
    assert "divergence limit" in descent.reason


def test_a_loss_that_is_not_finite_ends_the_run_at_once() -> None:
    class Root(Bowl):
        def forward(self) -> torch.Tensor:
            return (self.x - 3).sqrt()

    descent = down(RuleStepper(problem(Root(4.0)), SGD(lr=1.0)), 1000)
    assert descent.status is Status.NONFINITE
    assert math.isnan(descent.last)
    assert math.isnan(descent.loss[-1])
    assert all(map(math.isfinite, descent.loss[:-1]))
    assert descent.best == min(descent.loss[:-1])


def test_a_loss_that_was_never_finite_names_no_finite_one() -> None:
    descent = down(RuleStepper(problem(Bowl(math.inf)), SGD(lr=1.0)), 10)
    assert (descent.status, descent.steps) == (Status.NONFINITE, 0)
    assert descent.reason == "the loss is inf before the first step"


def test_oscillation_at_the_edge_of_stability_stalls() -> None:
    descent = down(RuleStepper(problem(Bowl()), SGD(lr=0.25)), 1000, patience=20)
    assert (descent.status, descent.steps) == (Status.STALLED, 20)
    assert "on the loss 144 of step 0" in descent.reason


def test_gradient_rule() -> None:
    descent = down(RuleStepper(problem(Bowl()), SGD(lr=0.15)), 1000, gradient=1e-3)
    assert descent.status is Status.CONVERGED
    assert 8 * abs(descent.last / 4) ** 0.5 <= 1e-3  # |f'| = 8 |x + 5| and f = 4 (x + 5)²


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()


INPUTS = torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=torch.float64)
TARGETS = torch.tensor([[0], [1], [1], [0]], dtype=torch.float64)


def fit(module: nn.Module, size: int | None = None, seed: int = 0) -> Problem:
    batches = Batches((INPUTS, TARGETS), size, seed)
    return Problem(module, lambda forward, batch: nn.functional.mse_loss(forward(batch[0]), batch[1]), batches)


TORCH = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.05),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.5, max_iter=5),
    "Rprop": lambda p: torch.optim.Rprop(p),
    "Adafactor": lambda p: torch.optim.Adafactor(p),
}


@pytest.mark.parametrize("name", TORCH)
def test_torch_optimizers_move_as_in_a_hand_written_loop(name: str) -> None:
    make = TORCH[name]
    theirs = network()
    optimizer = make(theirs.parameters())
    losses = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(theirs(INPUTS), TARGETS)
        loss.backward()
        return loss

    for _ in range(20):
        losses.append(nn.functional.mse_loss(theirs(INPUTS), TARGETS).item())
        optimizer.step(closure)
    ours = network()
    descent = down(TorchStepper(fit(ours), make), 20)
    assert descent.loss == losses
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


class DecayInPlace(torch.optim.Optimizer):
    """SGD that writes the weight decay into `.grad`, as many an optimizer does."""

    def __init__(self, params) -> None:
        super().__init__(params, {"lr": 0.1})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for parameter in self.param_groups[0]["params"]:
            parameter.grad.add_(parameter, alpha=0.5)
            parameter.add_(parameter.grad, alpha=-0.1)


class Pair(nn.Module):
    """Two parameters that autograd hands one and the same gradient tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        self.b = nn.Parameter(torch.tensor([[5.0, 6.0], [7.0, 8.0]]))


class SumSquared(Pair):
    def forward(self) -> torch.Tensor:
        return (self.a + self.b).square().sum()


class Total(Pair):
    """Its gradient is one number, expanded."""

    def forward(self) -> torch.Tensor:
        return self.a.sum() + self.b.sum()


class Transposed(Pair):
    """Its gradient has other strides than the parameter, so that `.grad.view(-1)` fails on it."""

    def forward(self) -> torch.Tensor:
        return (self.a.t() * torch.arange(4.0).view(2, 2)).sum() + self.b.sum()


@pytest.mark.parametrize("kind", [SumSquared, Total, Transposed])
@pytest.mark.parametrize("make", [DecayInPlace, lambda p: torch.optim.LBFGS(p, lr=0.01)])
def test_an_optimizer_may_write_into_its_gradients(kind: type[Pair], make) -> None:
    theirs, ours = kind(), kind()
    optimizer = make(list(theirs.parameters()))

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = theirs()
        loss.backward()
        return loss

    for _ in range(3):
        closure()
        optimizer.step(closure)
    down(TorchStepper(problem(ours), make), 3)
    assert torch.equal(ours.a, theirs.a)
    assert torch.equal(ours.b, theirs.b)


@pytest.mark.parametrize(("name", "more"), [("Adam", False), ("LBFGS", True)])
def test_evaluations_count_an_optimizers_own_closure_calls(name: str, more: bool) -> None:
    stepper = TorchStepper(fit(network()), TORCH[name])
    down(stepper, 10)
    assert (stepper.evaluations > 11) is more
    assert stepper.evaluations >= 11  # one for each step, one for the final parameters


@pytest.mark.parametrize("calls", [0, 1, 3])
def test_an_optimizer_may_call_its_closure_as_often_as_it_likes(calls: int) -> None:
    class Caller(torch.optim.SGD):
        def step(self, closure=None):
            losses = [closure().item() for _ in range(calls)]
            assert len(set(losses)) <= 1  # parameters stand still between the calls
            return super().step()

    stepper = TorchStepper(fit(network()), lambda p: Caller(p, lr=0.1))
    descent = down(stepper, 5)
    expected = down(TorchStepper(fit(network()), lambda p: torch.optim.SGD(p, lr=0.1)), 5)
    assert descent.loss == expected.loss
    assert stepper.evaluations == 6 + 5 * max(0, calls - 1)


def test_schedule_free_optimizers_are_switched_to_train_and_eval() -> None:
    seen = []

    class Switching(torch.optim.SGD):
        def train(self) -> None:
            seen.append("train")

        def eval(self) -> None:
            seen.append("eval")

    down(TorchStepper(fit(network()), lambda p: Switching(p, lr=0.1)), 3)
    assert seen == ["train", "eval"]


def test_a_schedule_scales_the_rate_of_rules_and_of_torch_alike() -> None:
    halving = lambda step: 0.5**step  # noqa: E731
    ours = down(RuleStepper(fit(network()), SGD(lr=0.5), halving), 10)
    theirs = down(TorchStepper(fit(network()), lambda p: torch.optim.SGD(p, lr=0.5), halving), 10)
    constant = down(RuleStepper(fit(network()), SGD(lr=0.5)), 10)
    assert ours.loss == pytest.approx(theirs.loss, rel=1e-14)
    assert ours.loss != constant.loss


def test_clipping_is_that_of_torch() -> None:
    module = network()
    loss = nn.functional.mse_loss(100 * module(INPUTS), TARGETS)
    found = torch.autograd.grad(loss, list(module.parameters()))
    for parameter, gradient in zip(module.parameters(), found, strict=True):
        parameter.grad = gradient.clone()
    nn.utils.clip_grad_value_(module.parameters(), 30.0)
    nn.utils.clip_grad_norm_(module.parameters(), 2.0)
    clipped = Clip(value=30.0, norm=2.0)(found)
    for parameter, gradient in zip(module.parameters(), clipped, strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-6, atol=1e-9)


def test_clipping_leaves_a_zero_gradient_alone() -> None:
    (zero,) = Clip(norm=1.0)([torch.zeros(3)])
    assert torch.equal(zero, torch.zeros(3))


def test_an_unused_parameter_stays_where_it_is() -> None:
    module = Bowl()
    module.spare = nn.Parameter(torch.ones(2))
    for stepper in (
        RuleStepper(problem(module), Adam(lr=0.1)),
        TorchStepper(problem(module), lambda p: torch.optim.AdamW(p, weight_decay=0.5)),
    ):
        down(stepper, 5)
        assert torch.equal(module.spare, torch.ones(2))


def test_ctrl_c_keeps_what_was_reached() -> None:
    class Impatient(Bowl):
        def forward(self) -> torch.Tensor:
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 4:
                raise KeyboardInterrupt
            return super().forward()

    descent = down(RuleStepper(problem(Impatient()), SGD(lr=0.15)), 1000)
    assert (descent.status, descent.steps, len(descent.loss)) == (Status.INTERRUPTED, 3, 3)
    assert descent.last == pytest.approx(144 * 0.04**3)


def test_an_optimizer_may_have_a_step_without_a_closure() -> None:
    class Plain(torch.optim.SGD):
        def step(self):
            return super().step()

    ours = down(TorchStepper(fit(network()), lambda p: Plain(p, lr=0.1)), 5)
    theirs = down(TorchStepper(fit(network()), lambda p: torch.optim.SGD(p, lr=0.1)), 5)
    assert ours.loss == theirs.loss
