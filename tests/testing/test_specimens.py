"""Each rule of each contract catches the specimen that breaks just this rule, and no other rule minds that one."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from playground.core.data import Data
from playground.core.function import Function, Minimum
from playground.core.losses import declares
from playground.core.update import UpdateRule
from playground.testing import (
    DatasetContract,
    FunctionContract,
    LossContract,
    ModelContract,
    OptimizerContract,
    ScheduleContract,
)

METHODS = {
    OptimizerContract: "optimizer",
    LossContract: "loss",
    ModelContract: "model",
    FunctionContract: "function",
    DatasetContract: "dataset",
    ScheduleContract: "schedule",
}


# Update rules


@dataclass(frozen=True)
class Descent(UpdateRule):
    """Gradient descent.

    :param lr: learning rate.
    """

    lr: float = 0.01

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state


class Climbs(Descent):
    """Descends a bowl, and climbs where a gradient is steep."""

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * torch.where(gradient.abs() > 2, -gradient, gradient), state


class Timid(Descent):
    """Moves only where a direction is steep, and up elsewhere."""

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * torch.where(gradient.abs() > 1.5, gradient, -gradient / 100), state


class LooksAround(Descent):
    """Divides by the norm of the whole gradient."""

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient / gradient.norm(), state


class Draws(Descent):
    """Adds noise, when it is asked often enough."""

    calls: ClassVar = [0]

    def update(self, parameter, gradient, state, step, lr):
        self.calls[0] += 1
        return parameter - lr * gradient * (1 + 1e-13 * (self.calls[0] % 7)), state


class Rounds(Descent):
    """Works in float32."""

    def update(self, parameter, gradient, state, step, lr):
        return (parameter - lr * gradient).float().double(), state


class Overwrites(Descent):
    """Changes the gradient in place."""

    def update(self, parameter, gradient, state, step, lr):
        return parameter - gradient.mul_(lr), state


@dataclass(frozen=True)
class Silent(Descent):
    """Has a parameter that nobody explains."""

    mystery: float = 1.0


# torch optimizers


class Torch(torch.optim.Optimizer):
    """Gradient descent with momentum.

    :param lr: learning rate.
    """

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.move(parameter, group["lr"])
        return loss

    def move(self, parameter, lr):
        state = self.state[parameter]
        state["m"] = 0.5 * state.get("m", 0) + parameter.grad
        with torch.no_grad():
            parameter -= lr * state["m"]


class Forgets(Torch):
    """Keeps its momentum where state_dict does not see it."""

    def move(self, parameter, lr):
        hidden = self.__dict__.setdefault("hidden", {})
        hidden[parameter] = 0.5 * hidden.get(parameter, 0) + parameter.grad
        with torch.no_grad():
            parameter -= lr * hidden[parameter]


class OneRate(Torch):
    """Uses the rate of the last group for all."""

    def move(self, parameter, lr):
        super().move(parameter, self.param_groups[-1]["lr"])


class Swallows(Torch):
    """Calls the closure and keeps the loss for itself."""

    def step(self, closure=None):
        super().step(closure)


class NeedsGradients(Torch):
    """Takes for granted that every parameter has a gradient."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad.zero_()
        return loss


@dataclass
class Thawed(UpdateRule):
    """Gradient descent by a rate that anybody may change.

    :param lr: learning rate.
    """

    lr: float = 0.01

    def update(self, parameter, gradient, state, step, lr):
        return parameter - lr * gradient, state


OPTIMIZERS = {
    "returns_what_is_expected": Thawed(),
    "descends_a_bowl": Timid(),
    "descends_an_ill_conditioned_quadratic": Climbs(),
    "batched_runs_equal_single_runs": LooksAround(),
    "repeats_itself": Draws(),
    "keeps_float64": Rounds(),
    "documents_its_parameters": Silent(),
    "rule_leaves_its_inputs_alone": Overwrites(),
    "state_dict_resumes": Forgets,
    "parameter_groups": OneRate,
    "closure": Swallows,
    "leaves_what_has_no_gradient": NeedsGradients,
}


def mean_square(prediction, target):
    return ((prediction - target) ** 2).mean()


class Half(torch.autograd.Function):
    """The identity, whose backward is half of what it should be."""

    @staticmethod
    def forward(x):
        return x.clone()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, gradient):
        return gradient / 2

    @staticmethod
    def jvp(ctx, tangent):
        return tangent.clone()

    generate_vmap_rule = True


def halved(prediction, target):
    return (
        mean_square(Half.apply(prediction), target) if not prediction.is_complex() else mean_square(prediction, target)
    )


def noisy(prediction, target):
    return mean_square(prediction, target) + 0 * torch.rand(())


def looks(prediction, target):
    return mean_square(prediction, target) if prediction.abs().sum() > 0 else 0 * prediction.sum()


def single(prediction, target):
    found = mean_square(prediction, target)
    return found if found.is_complex() or prediction.dtype == torch.float64 else found.double()


def overwrites(prediction, target):
    return mean_square(prediction, target.clamp_(0, 0.75))


def reseeds(prediction, target):
    torch.manual_seed(5)
    return mean_square(prediction, target)


def ignores(prediction, target):
    return mean_square(0, target)


@declares(threshold=0.0)
def misplaced(prediction, target):
    return mean_square(prediction, target)


LOSSES = {
    "threshold_is_right": misplaced,
    "is_one_number": ignores,
    "draws_nothing": reseeds,
    "backward_is_right": halved,
    "maps_over_runs": looks,
    "keeps_the_dtype": single,
    "leaves_its_inputs_alone": overwrites,
}


class Linear(torch.nn.Module):
    """A linear layer, to be broken."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.rand(outputs, inputs))

    def forward(self, x):
        return x @ self.weight.T


class WrongShape(Linear):
    def forward(self, x):
        return super().forward(x).T


class WrongBackward(Linear):
    def forward(self, x):
        return super().forward(x) if self.weight.is_complex() else x @ Half.apply(self.weight).T


class Idle(Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.idle = torch.nn.Parameter(torch.ones(1))


class Looks(Linear):
    def forward(self, x):
        return super().forward(x) if self.weight.sum() > -1000 else x


class Widens(Linear):
    def forward(self, x):
        found = super().forward(x)
        return found.double() if found.dtype == torch.float32 else found


class Unseeded(Linear):
    made: ClassVar = [0]

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.made[0] += 1
        self.weight.data += self.made[0] % 5


class NeverRests(Linear):
    def forward(self, x):
        torch.rand(())
        return super().forward(x)


class Reseeds(Linear):
    def forward(self, x):
        torch.manual_seed(5)
        return super().forward(x)


MODELS = {
    "draws_nothing_in_evaluation": Reseeds,
    "shape": WrongShape,
    "backward_is_right": WrongBackward,
    "uses_every_parameter": Idle,
    "maps_over_runs": Looks,
    "keeps_the_dtype": Widens,
    "starts_from_the_seed": Unseeded,
}


ORIGIN = (Minimum((0.0, 0.0), 0.0),)


def of(formula, minima=ORIGIN):
    return lambda: Function(formula, 2, ((-2.0, 2.0), (-1.0, 1.0)), minima)


def sphere(x):
    return (x**2).sum(-1)


def reseeding(x):
    torch.manual_seed(5)
    return sphere(x)


FUNCTIONS = {
    "batches_of_points": of(lambda x: (x**2).sum(), ()),
    "draws_nothing": of(reseeding),
    "backward_is_right": of(lambda x: sphere(x if x.is_complex() else Half.apply(x))),
    "maps_over_runs": of(lambda x: sphere(x) if x.sum() > -1000 else x),
    "keeps_the_dtype": of(lambda x: sphere(x).double() if x.dtype == torch.float32 else sphere(x)),
    "stated_minima_are_minima": of(sphere, (Minimum((0.0, 0.0), 1.0),)),
}


def drawn(generator, **changes):
    inputs = torch.rand(5, 2, generator=generator)
    return replace(Data(inputs, inputs[:, :1].clone(), ("a", "b")), **changes)


EVER_OTHER = iter(range(1000))

DATASETS = {
    "same_seed_same_data": lambda generator: drawn(torch.Generator().manual_seed(next(EVER_OTHER))),
    "shapes": lambda generator: drawn(generator, names=("a",)),
    "finite": lambda generator: drawn(generator, targets=torch.full((5, 1), torch.inf)),
    "classes": lambda generator: drawn(generator, targets=torch.full((5, 1), 2.0), classes=2),
    "other_seed_other_data": lambda generator: drawn(torch.Generator().manual_seed(3)),
    "leaves_the_global_stream_alone": lambda generator: drawn(generator, classes=torch.rand(()) and None),
}


class Remembers:
    def __init__(self, steps):
        self.asked = 0

    def __call__(self, step):
        self.asked += 1
        return 1 / self.asked


SCHEDULES = {
    "a_factor_for_every_step": lambda steps: lambda step: -1.0 if step == 99 else 1.0,
    "depends_on_the_step_alone": Remembers,
}

SPECIMENS = [
    pytest.param(contract, f"test_{rule}", specimen, id=f"{METHODS[contract]}-{rule}")
    for contract, specimens in (
        (OptimizerContract, {rule: (lambda made=made: made) for rule, made in OPTIMIZERS.items()}),
        (LossContract, {rule: (lambda made=made: made) for rule, made in LOSSES.items()}),
        (ModelContract, MODELS),
        (FunctionContract, FUNCTIONS),
        (DatasetContract, DATASETS),
        (ScheduleContract, SCHEDULES),
    )
    for rule, specimen in specimens.items()
]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(("contract", "rule", "specimen"), SPECIMENS)
def test_a_specimen_is_caught_by_just_its_rule(broken_rules, contract, rule, specimen):
    broken = broken_rules(contract, specimen)
    assert set(broken) == {rule}, broken
    assert "\n  why it matters: " in broken[rule]


@pytest.mark.parametrize("contract", METHODS)
def test_every_rule_has_a_specimen(rules, contract):
    told = [param.values[1] for param in SPECIMENS if param.values[0] is contract]
    elsewhere = ["test_follows_the_reference"] if contract is OptimizerContract else []
    assert sorted(told + elsewhere) == rules(contract)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("contract", "specimen"),
    [
        (OptimizerContract, lambda: Descent()),
        (OptimizerContract, lambda: Torch),
        (LossContract, lambda: mean_square),
        (ModelContract, Linear),
        (FunctionContract, of(sphere)),
        (DatasetContract, drawn),
        (ScheduleContract, lambda steps: lambda step: 0.5),
    ],
)
def test_what_is_whole_breaks_no_rule(broken_rules, contract, specimen):
    assert broken_rules(contract, specimen) == {}


def test_a_reference_trajectory(broken_rules):
    path = tuple(0.99**step for step in range(10))
    assert broken_rules(OptimizerContract, Descent, trajectory=path) == {}
    assert set(broken_rules(OptimizerContract, lambda: Descent(lr=0.02), trajectory=path)) == {
        "test_follows_the_reference"
    }


def test_a_dataset_that_says_it_does_not_draw(broken_rules):
    assert set(broken_rules(DatasetContract, drawn, draws=False)) == {"test_other_seed_other_data"}
    fixed = drawn(torch.Generator().manual_seed(0))
    assert broken_rules(DatasetContract, lambda generator: fixed, draws=False) == {}


def test_what_vmap_refuses_as_well(broken_rules):
    """Random numbers are drawn where many runs go together too, and vmap refuses them."""
    assert set(broken_rules(LossContract, lambda: noisy)) == {"test_draws_nothing", "test_maps_over_runs"}
    draws = {"test_draws_nothing_in_evaluation", "test_maps_over_runs"}
    assert set(broken_rules(ModelContract, NeverRests)) == draws
    drawing = of(lambda x: sphere(x) + 0 * torch.rand(()))
    assert set(broken_rules(FunctionContract, drawing)) == {"test_draws_nothing", "test_maps_over_runs"}


def test_a_loss_that_is_a_list_of_one_number(broken_rules):
    assert set(broken_rules(LossContract, lambda: lambda p, t: mean_square(p, t)[None])) == {"test_is_one_number"}


def test_what_is_declared_is_not_asked_for(broken_rules):
    assert broken_rules(OptimizerContract, LooksAround, elementwise=False) == {}
    assert broken_rules(OptimizerContract, lambda: OneRate, parameter_groups=False) == {}
