"""Everything that we ship is compiled, but for what torch itself may refuse."""

import pkgutil
from functools import partial
from itertools import product

import pytest
import torch

from playground import builtin
from playground.builtin import losses, models, optimizers, sequences
from playground.builtin.tasks.minimize import Minimize
from playground.core.compiled import CannotCompileError
from playground.core.compiled.phases import record_phases
from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.movers import RuleMover
from playground.core.problem import Batches, Problem
from playground.core.setting import Setting

INPUTS = torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
CLASSES = torch.tensor([1, 0, 2, 0])
RULES = [getattr(optimizers, name) for name in optimizers.__all__]
LOSSES = {name: getattr(losses, name) for name in builtin.playground_losses()}
FUNCTIONS = [name for name in builtin.playground_functions() if name != "expression"]
MODELS = {
    "handwritten": models.Handwritten,
    "linear": models.linear,
    "perceptron": models.Perceptron,
    "polynomial": models.Polynomial,
    "rnn": sequences.RecurrentNetwork,
    "attention": sequences.Attention,
    **{
        f"mlp {name}": partial(models.mlp, hidden=(3,), activation=name, output="sigmoid")
        for name in models.ACTIVATIONS
    },
}
NO_SIGMOID = ("linear", "polynomial", "rnn", "attention")
"""Whose predictions may be no probabilities: binary cross-entropy of them is refused, as torch may refuse it."""


def training(model, loss, dtype, size):
    indices = loss is losses.cross_entropy
    targets = CLASSES if indices else torch.tensor([[1.0], [0], [0], [0]], dtype=dtype)
    module = model(2, 3 if indices else 1).to(dtype)
    data = Batches((INPUTS.to(dtype), targets), size)
    return Problem(module, lambda forward, batch: loss(forward(batch[0]), batch[1]), data)


def refusal(problem, rule):
    """Why a descent is not compiled; empty if it is."""
    try:
        record_phases(DescentSpec(problem, RuleMover(rule)), [1.0] * 5)
    except CannotCompileError as error:
        return str(error)
    return ""


def test_everything_is_walked() -> None:
    assert {name.split()[0] for name in MODELS} == set(builtin.playground_models())
    assert len(RULES) == len([name for name in builtin.playground_optimizers() if "." not in name])


@pytest.mark.product(1)
@pytest.mark.slow
@pytest.mark.parametrize("shift", range(len(RULES)))
def test_every_model_and_loss(shift) -> None:
    """Each pair has another rule than its neighbours; all shifts together are the whole product."""
    for place, (name, loss) in enumerate(product(MODELS, LOSSES)):
        k = (place + shift) % len(RULES)
        dtype, size = (torch.float32, torch.float64)[k % 2], (None, 2)[k // 2 % 2]
        problem = training(MODELS[name], LOSSES[loss], dtype, size)
        why = refusal(problem, RULES[k](lr=torch.tensor([0.1, 0.2])))
        assert not why or (loss == "bce" and name in NO_SIGMOID), (name, loss, RULES[k], why)


@pytest.mark.product(1)
@pytest.mark.slow
@pytest.mark.parametrize("shift", range(len(RULES)))
def test_every_function(shift) -> None:
    for place, name in enumerate(FUNCTIONS):
        function = pkgutil.resolve_name(builtin.playground_functions()[name])()
        k = (place + shift) % len(RULES)
        dtype = (torch.float32, torch.float64)[k % 2]
        problem = Minimize(function, {"x": [0.5] * function.dim}).problem(Setting(dtype))
        assert not refusal(problem, RULES[k](lr=torch.tensor([0.1, 0.2]))), (name, RULES[k])
