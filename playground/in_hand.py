"""Functions for Python users who have a model, a loss, a batch or an optimizer in hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playground.api import _load_plugins, load_scenario
from playground.errors import ComponentError
from playground.plugins.manager import Plugins
from playground.report.explanation.explained import ExplainedStep
from playground.runner.single.memory import limit_memory
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    from torch import nn


def explain(
    subject: str | Path | Loaded | nn.Module,
    loss: Callable[..., Any] | None = None,
    data: Any = None,
    optimizer: Any = None,
    *,
    step: int = 0,
    sample: int | None = None,
    digits: int = 4,
    plugins: Sequence[str] | Plugins = (),
) -> ExplainedStep:
    """Explain one step with all its numbers: forward pass, backward pass and update.

    :param subject: a scenario's file or the result of `load_scenario`, or a model in hand. Of a model, the step is made
        on copies: nothing of yours is changed, neither numbers nor modes, hooks or random streams.
    :param loss: of a model: computes the loss from its output and the targets; None if the output is the loss.
    :param data: of a model: one batch, `(x, y)`, `x` alone, `((x1, x2), y)` or a dict of the model's arguments.
    :param optimizer: of a model: an optimizer in its present state, a class of optimizers or another function that
        makes one of parameters, or None to explain forward and backward only.
    :param step: the step to explain, from 0; of a model, from the present one.
    :param sample: the sample whose arithmetic is written out.
    :param digits: decimals in written-out arithmetic.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :returns: the explanation; a notebook displays its page.
    :raises PlaygroundError: the scenario is not valid, the objects do not fit each other or cannot be copied, or one of
        them raises.
    """
    _require_whole_numbers(step=step, sample=sample, digits=digits)
    loaded_plugins = _load_plugins(plugins)
    if isinstance(subject, str | Path | Loaded):
        from playground.runner.explaining.step import explain as explain_scenario

        if loss is not None or data is not None or optimizer is not None:
            raise ComponentError("explain of a scenario takes no loss, data or optimizer: the file names them")
        loaded = subject if isinstance(subject, Loaded) else load_scenario(subject, plugins=loaded_plugins)
        with limit_memory(None):
            return ExplainedStep(explain_scenario(loaded, loaded_plugins, step, sample, digits))
    from playground.runner.explaining.in_hand import explain_objects

    return ExplainedStep(
        explain_objects(subject, loss, data, optimizer, plugins=loaded_plugins, step=step, sample=sample, digits=digits)
    )


def _require_whole_numbers(*, step: int, sample: int | None, digits: int) -> None:
    """Refuse numbers that the command refuses.

    :raises ComponentError: one is no whole number, or out of range.
    """
    for name, value, low, high in (("step", step, 0, None), ("sample", sample, 0, None), ("digits", digits, 1, 15)):
        if name == "sample" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise ComponentError(f"{name}: expected a whole number {bounds}, got {value!r}")
