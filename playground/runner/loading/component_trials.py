"""Tries a component with its defaults, outside any scenario, and checks what it makes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.errors import ComponentError, PlaygroundError
from playground.plugins.causes import ISOLATED_EXCEPTIONS, describe_exception
from playground.plugins.registry import Component
from playground.plugins.signature import build, scenario_parameters

if TYPE_CHECKING:
    from torch import Generator

TRIAL_STEPS = 100
"""Budget with which a schedule is tried."""

TRIAL_SAMPLES = 4
"""Samples with which a model or a loss is tried."""


def find_fault(component: Component) -> str:
    """Return a one-line error about what a component makes; empty if nothing is wrong.

    Components with required parameters, and kinds that need other components, are not tried.
    """
    attempt = _ATTEMPTS.get(component.kind)
    if attempt is None:
        return ""
    try:
        if any(parameter.required for parameter in scenario_parameters(component)):
            return ""
        attempt(component)
    except PlaygroundError as error:
        text = error.faults[0].message
        return text if text.startswith(f"{component}") else f"{component}: {text}"
    except ISOLATED_EXCEPTIONS as error:
        return f"{component}: {describe_exception(error, component.origin.file)}"
    return ""


def _try_optimizer(component: Component) -> None:
    import torch

    from playground.core.trials import require_optimizer, require_rule
    from playground.core.update import UpdateRule

    optimizer = build(component, {})
    if isinstance(optimizer, UpdateRule):
        require_rule(optimizer, {"matrix": torch.ones(2, 2), "vector": torch.ones(2)})
    else:
        require_optimizer(optimizer, [torch.ones(2, 2)])


def _try_schedule(component: Component) -> None:
    from playground.core.trials import require_schedule

    require_schedule(build(component, {}, {"steps": TRIAL_STEPS}), TRIAL_STEPS)


def _try_dataset(component: Component) -> None:
    from playground.core.data import require_data

    injected = {"folder": Path(), "generator": partial(_make_generator, "dataset")}
    require_data(build(component, {}, injected), component.load())


def _make_generator(kind: str, seed: int) -> Generator:
    from playground.core.seeding import make_generator

    return make_generator(seed, kind)


def _try_model(component: Component) -> None:
    import torch

    from playground.core.losses import ShapeCheckedLoss
    from playground.core.problem import Batches, Problem, require_module
    from playground.core.seeding import preserve_torch_stream

    with preserve_torch_stream(torch.device("cpu")):
        module = require_module(build(component, {}, {"inputs": 2, "outputs": 1}), component.load())
        compare = ShapeCheckedLoss(torch.nn.functional.mse_loss, module, 1)
        data = torch.rand(TRIAL_SAMPLES, 2), torch.rand(TRIAL_SAMPLES, 1)
        Problem(module, lambda forward, batch: compare(forward(batch[0]), batch[1]), Batches(data)).probe()


def _try_loss(component: Component) -> None:
    import torch

    from playground.core.definition import describe
    from playground.core.losses import loss_traits
    from playground.core.problem import require_number

    loss: Any = build(component, {})
    known = loss_traits(loss)
    if not known.same_shape:
        return
    target = torch.arange(TRIAL_SAMPLES) % 2 if known.class_indices else torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    prediction = torch.linspace(0.1, 0.9, TRIAL_SAMPLES * 2).reshape(TRIAL_SAMPLES, 2)[
        :, : 2 if known.class_indices else 1
    ]
    prediction = prediction.clone().requires_grad_()
    value = require_number(loss(prediction, target), loss)
    if not value.requires_grad or torch.autograd.grad(value, prediction, allow_unused=True)[0] is None:
        raise ComponentError(f"{describe(loss)} returns a number that is cut off from the graph")


_ATTEMPTS = {
    "optimizer": _try_optimizer,
    "schedule": _try_schedule,
    "dataset": _try_dataset,
    "model": _try_model,
    "loss": _try_loss,
}
"""The function that tries a component, by kind."""
