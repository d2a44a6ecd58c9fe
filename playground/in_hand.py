"""Functions for Python users who have a model, a loss, a batch or an optimizer in hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from playground.api import load_requested_plugins, load_scenario
from playground.errors import ComponentError
from playground.plugins.causes import translate_errors
from playground.plugins.manager import Plugins
from playground.report.derivative_verdict import DerivativeVerdict
from playground.report.explanation.explained import ExplainedStep
from playground.runner.single.memory import limit_memory
from playground.scenario.model import Loaded

if TYPE_CHECKING:
    import torch
    from torch import nn

    from playground.core.derivatives_in_hand import FunctionInHand


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
        makes one of parameters, `use(MyOptimizer, lr=0.1)`, a name, or None to explain forward and backward only.
    :param step: the step to explain, from 0; of a model, from the present one.
    :param sample: the sample whose arithmetic is written out.
    :param digits: decimals in written-out arithmetic.
    :param plugins: files or names of plugins to load, and `no:NAME` to leave out a plugin, as for `-p`; or the result
        of `load_plugins`.
    :returns: the explanation; a notebook displays its page.
    :raises PlaygroundError: the scenario is not valid, the objects do not fit each other or cannot be copied, or one of
        them raises.
    """
    _require_whole_numbers(step=step, digits=digits, **({} if sample is None else {"sample": sample}))
    loaded_plugins = load_requested_plugins(plugins)
    if isinstance(subject, str | Path | Loaded):
        from playground.runner.explaining.step import explain as explain_scenario

        if loss is not None or data is not None or optimizer is not None:
            raise ComponentError("explain of a scenario takes no loss, data or optimizer: the file names them")
        loaded = subject if isinstance(subject, Loaded) else load_scenario(subject, plugins=loaded_plugins)
        with limit_memory(None):
            known = loaded_plugins.extend(loaded.in_hand)
            return ExplainedStep(explain_scenario(loaded, known, step, sample, digits))
    from playground.runner.explaining.in_hand import explain_objects

    return ExplainedStep(
        explain_objects(subject, loss, data, optimizer, plugins=loaded_plugins, step=step, sample=sample, digits=digits)
    )


def check_derivatives(
    subject: Callable[..., Any] | nn.Module,
    *inputs: Any,
    derivative: Callable[..., Any] | None = None,
    order: int = 1,
    entries: int | None = None,
    seed: int = 0,
) -> DerivativeVerdict:
    """Compare autograd with every other route to the same derivatives; say which one is wrong, and why.

    ::

        verdict = check_derivatives(MyFunction.apply, x)
        verdict = check_derivatives(module, loss, (x, y))
        assert verdict.passed, verdict

    The routes are forward mode, your own derivative, the complex step, and central differences with Richardson
    extrapolation. All of them are compared in float64, and autograd also in the dtype of the inputs. Of many numbers, a
    random sample is checked one by one, and all of them along a random direction. An output of several numbers is
    multiplied by a fixed random direction; the numbers of a small one are checked one by one as well.

    :param subject: a function, or a module. Nothing of yours is changed.
    :param inputs: what it takes; each float tensor that requires a gradient counts, or all if none does. Of a module,
        its trainable parameters count as well. A loss and a batch, `(x, y)`, check the loss by the module's parameters.
    :param derivative: computes the derivative from the same inputs: the gradient of a single number, one for each
        input, or the derivative of each number by itself, or the Jacobian, shape `(outputs, inputs)`.
    :param order: 1 for the gradient, 2 for second derivatives.
    :param entries: how many numbers are checked one by one; by default up to 64, or 8 with `order=2`;
        fewer of very many numbers.
    :param seed: of the sample and the random directions.
    :returns: the verdict; its text is the one-line cause.
    :raises ComponentError: there is nothing to differentiate, or the subject raises or cannot be computed in float64.
    """
    from playground.core.derivatives_in_hand import check_function
    from playground.core.setting import one_thread
    from playground.report.derivative_verdict import make_verdict
    from playground.runner.explaining.in_hand import enter_isolation

    if order not in (1, 2) or isinstance(order, bool):
        raise ComponentError(f"order: expected 1 or 2, got {order!r}")
    _require_whole_numbers(seed=seed, **({} if entries is None else {"entries": entries}))
    _require_instance(subject)
    with enter_isolation(_find_devices(subject, inputs)), one_thread():
        with translate_errors("cannot be checked", ""):
            function = _read_subject(subject, inputs, derivative)
        return make_verdict(function.name, check_function(function, order, seed, entries))


def _require_instance(subject: Any) -> None:
    """Refuse what cannot be called, and a class in place of its instance or of its `apply`.

    :raises ComponentError: it is one of them.
    """
    from torch import autograd, nn

    expected = "expected a function or an nn.Module"
    if isinstance(subject, type) and issubclass(subject, nn.Module | autograd.Function):
        name = subject.__name__
        remedy = f"pass an instance: {name}(...)" if issubclass(subject, nn.Module) else f"pass {name}.apply"
        raise ComponentError(f"{expected}, got the class {name}; {remedy}")
    if not callable(subject):
        raise ComponentError(f"{expected}, got a {type(subject).__name__}")


def _find_devices(subject: Any, inputs: Sequence[Any]) -> set[torch.device]:
    """Return the devices of the tensors among the inputs, and of a module's parameters."""
    from torch import Tensor, nn

    parameters = subject.parameters() if isinstance(subject, nn.Module) else ()
    return {each.device for each in (*inputs, *parameters) if isinstance(each, Tensor)}


def _read_subject(subject: Any, inputs: Sequence[Any], derivative: Callable[..., Any] | None) -> FunctionInHand:
    """Return a function, a module with its inputs, or a module's loss on a batch, as a function of one vector."""
    from torch import Tensor, nn

    from playground.core import derivatives_in_hand

    if not isinstance(subject, nn.Module):
        return derivatives_in_hand.read_function(subject, inputs, derivative)
    if derivative is not None:
        raise ComponentError("derivative: of a module, no derivative can be given; check a function of its parameters")
    if len(inputs) == 2 and callable(inputs[0]) and not isinstance(inputs[0], Tensor):
        return derivatives_in_hand.read_loss(subject, *inputs)
    return derivatives_in_hand.read_module(subject, inputs)


_RANGES: Final = {"step": (0, None), "sample": (0, None), "digits": (1, 15), "seed": (0, None), "entries": (1, None)}


def _require_whole_numbers(**values: Any) -> None:
    """Refuse numbers that the command refuses.

    :raises ComponentError: one is no whole number, or out of range.
    """
    for name, value in values.items():
        low, high = _RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
            bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
            raise ComponentError(f"{name}: expected a whole number {bounds}, got {value!r}")
