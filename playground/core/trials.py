"""Checks that an optimizer, a schedule and a task follow their contracts, by trying them before the run."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import partial
from numbers import Real
from typing import Any, NoReturn

import torch
from torch import Tensor

from playground.core.definition import describe
from playground.core.problem import Problem, describe_type
from playground.core.steppers import OptimizerFactory, Schedule
from playground.core.torch_compiler import without_torch_compiler
from playground.core.traces import thin_steps
from playground.core.update import UpdateRule
from playground.errors import ComponentError, Fault

TRIAL_UPDATES = 2
"""The number of updates to try: the second one uses the state of the first."""

MAX_SCHEDULE_SAMPLES = 256
"""The number of steps at which a schedule is evaluated, spaced evenly by ratio."""

SAFE_SHARE = 1e-19
"""Below this share of a dtype's largest number, no product of two hyperparameters overflows."""


def require_schedule(schedule: Schedule, budget: int) -> float:
    """Return the largest factor of a schedule over a run.

    :param budget: steps of the run.
    :raises ComponentError: it returns anything but a finite, non-negative number.
    """
    largest = 0.0
    for step in thin_steps(max(budget, 1), MAX_SCHEDULE_SAMPLES):
        factor: Any = schedule(step)
        if not _is_number(factor):
            _refuse(schedule, f"returned {describe_type(factor)} at step {step}", "expected a number")
        if not (math.isfinite(factor) and factor >= 0):
            _refuse(schedule, f"returned {factor} at step {step}", "expected a finite number, not negative")
        largest = max(largest, float(factor))
    return largest


def require_rule(rule: UpdateRule, parameters: Mapping[str, Tensor], factor: float = 1.0) -> None:
    """Make two updates of copies of the parameters by a rule.

    :param factor: the largest of its schedule.
    :raises ComponentError: it is not a frozen dataclass, has no rate, returns a wrong type or shape, or raises.
    """
    if not _is_frozen_dataclass(type(rule)):
        _refuse(type(rule), "is not a frozen dataclass", "write @dataclass(frozen=True) above the class")
    rate: Any = getattr(rule, "lr", None)
    if not isinstance(rate, int | float | Tensor):
        _refuse(type(rule), "has no rate", "give it a field lr: float")
    numbers = _numbers({name: getattr(rule, name) for name in _field_names(type(rule))})
    for tensor in _one_of_each_shape(parameters.values()):
        require_representable({**numbers, "lr": rule.lr}, tensor.dtype, factor)
        try:
            _update_twice(rule, tensor.detach().clone(), factor)
        except (RuntimeError, OverflowError) as error:
            _refuse_overflow(partial(_update_twice, rule, tensor.detach().double(), factor), numbers, tensor, error)
            raise


def require_optimizer(factory: OptimizerFactory, parameters: Sequence[Tensor], factor: float = 1.0) -> None:
    """Make two steps with copies of the parameters by a `torch.optim.Optimizer`.

    :param factor: the largest of its schedule.
    :raises ComponentError: it is not an optimizer, or a hyperparameter is too large. Errors of the optimizer itself
        propagate.
    """
    with without_torch_compiler():
        made: Any = factory([tensor.detach().clone().requires_grad_() for tensor in parameters])
    if not isinstance(made, torch.optim.Optimizer):
        _refuse(factory, f"returned {describe_type(made)}", "expected a torch.optim.Optimizer, or an UpdateRule")
    numbers: dict[str, Any] = {}
    for group in made.param_groups:
        numbers |= _numbers(group)
    for tensor in _one_of_each_shape(parameters):
        require_representable(numbers, tensor.dtype, factor)
    try:
        _step_twice(factory, [tensor.detach().clone() for tensor in parameters])
    except (RuntimeError, OverflowError) as error:
        doubles = [tensor.detach().double() for tensor in parameters]
        _refuse_overflow(partial(_step_twice, factory, doubles), numbers, parameters[0], error)
        raise


def require_representable(numbers: Mapping[str, Any], dtype: torch.dtype, factor: float = 1.0) -> None:
    """Refuse hyperparameters that a dtype cannot represent.

    :param factor: the largest factor on `lr`.
    :raises ComponentError: names the first of them, at its key of the scenario.
    """
    largest = torch.finfo(dtype).max
    for name, value in numbers.items():
        size = max(map(abs, value), default=0.0) if isinstance(value, tuple) else abs(value)
        what = f"{name} {value:g}" if isinstance(value, Real) else f"{name} {value}"
        if name == "lr" and math.isfinite(size) and size * factor > largest >= size:
            what, size = f"{what} times the schedule's largest factor {factor:g}", size * factor
        if largest < size < math.inf:
            message = f"{what} is more than {_name(dtype)} can hold, at most {largest:g}{_remedy(dtype)}"
            raise ComponentError(Fault(message, ("optimizer", name)))


def is_extreme(numbers: Iterable[Any], dtype: torch.dtype) -> bool:
    """Tell whether a product of hyperparameters might overflow in a dtype."""
    return any(abs(each) > torch.finfo(dtype).max * SAFE_SHARE for each in numbers if isinstance(each, int | float))


def require_measures(task: Any, problem: Problem) -> None:
    """Let a task measure the initial parameters.

    :raises ComponentError: it returns anything but tensors by its declared names.
    """
    problem.module.eval()
    with torch.no_grad():
        measured = task.measure(problem, problem.parameters)
    if not isinstance(measured, Mapping):
        _refuse(type(task).measure, f"returned {describe_type(measured)}", "expected a mapping from names to tensors")
    for name, value in measured.items():
        if not isinstance(value, Tensor):
            _refuse(type(task).measure, f"returned {describe_type(value)} as {name!r}", "expected a tensor")
    if sorted(measured) != sorted(task.metrics):
        what = f"returned {', '.join(sorted(measured)) or 'nothing'}"
        _refuse(type(task).measure, what, f"its class declares the metrics {', '.join(task.metrics) or '()'}")


def _is_frozen_dataclass(kind_of_rule: type) -> bool:
    """Tell whether a class is a frozen dataclass whose own fields are all dataclass fields."""
    if not is_dataclass(kind_of_rule) or not kind_of_rule.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return False
    known = _field_names(kind_of_rule)
    own = inspect.get_annotations(kind_of_rule)
    return all(name in known or "ClassVar" in str(annotation) for name, annotation in own.items())


def _update_twice(rule: UpdateRule, parameter: Tensor, factor: float) -> None:
    state: Any = rule.init(parameter)
    _require_state(rule.init, state)
    gradient = torch.full_like(parameter, 0.5)
    for step in range(TRIAL_UPDATES):
        with torch.no_grad():
            result: Any = rule.update(parameter, gradient, dict(state), step, rule.lr * factor)
        if not isinstance(result, tuple) or len(result) != 2:  # a tensor of two entries could be unpacked, too
            _refuse(rule.update, f"returned {describe_type(result)}", "expected (parameter, state)")
        moved, state = result
        if not isinstance(moved, Tensor):
            _refuse(rule.update, f"returned {describe_type(moved)} as the parameter", "expected a tensor")
        if moved.shape != parameter.shape:
            wanted = f"expected shape {tuple(parameter.shape)}"
            _refuse(rule.update, f"returned a parameter of shape {tuple(moved.shape)}", wanted)
        if moved.dtype != parameter.dtype:
            _refuse(rule.update, f"returned a parameter of {moved.dtype}", f"expected {parameter.dtype}")
        _require_state(rule.update, state)
        parameter = moved


def _require_state(method: Callable[..., Any], state: Any) -> None:
    if not isinstance(state, Mapping):
        _refuse(method, f"returned {describe_type(state)} as the state", "expected a dict from names to tensors")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            _refuse(
                method, f"returned {describe_type(value)} in the state at {name!r}", "expected a tensor by its name"
            )


def _step_twice(factory: OptimizerFactory, tensors: Sequence[Tensor]) -> None:
    leaves = [tensor.requires_grad_() for tensor in tensors]
    with without_torch_compiler():
        optimizer = factory(leaves)
    if callable(train := getattr(optimizer, "train", None)):
        train()

    def closure() -> Tensor:
        for leaf in leaves:
            leaf.grad = torch.full_like(leaf, 0.5)
        with torch.no_grad():
            return torch.stack([leaf.sum() / 2 for leaf in leaves]).sum()

    for _ in range(TRIAL_UPDATES):
        closure()
        with without_torch_compiler():
            optimizer.step(closure)  # type: ignore[arg-type]


def _refuse_overflow(attempt: Callable[[], None], numbers: Mapping[str, Any], like: Tensor, error: Exception) -> None:
    """Raise an error about overflow if hyperparameters cause it: in float64 the same attempt succeeds."""
    if like.dtype == torch.float64 or not is_extreme(numbers.values(), like.dtype):
        return
    try:
        attempt()
    except Exception:  # another problem, which the first exception describes better
        return
    name, value = max(_singles(numbers).items(), key=lambda pair: abs(pair[1]))
    limit = torch.finfo(like.dtype).max
    message = (
        f"{name} {value:g} is too large: what the update makes of it is more than {_name(like.dtype)} can hold, "
        f"at most {limit:g}{_remedy(like.dtype)}"
    )
    raise ComponentError(Fault(message, ("optimizer", name))) from error


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that are numbers, or tuples of them."""
    return {
        name: value
        for name, value in values.items()
        if _is_number(value) or (isinstance(value, tuple) and value and all(map(_is_number, value)))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _singles(numbers: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in numbers.items() if isinstance(value, int | float)}


def _field_names(rule: Any) -> list[str]:
    return [field.name for field in fields(rule)]


def _one_of_each_shape(tensors: Iterable[Tensor]) -> list[Tensor]:
    return list({(tensor.shape, tensor.dtype): tensor for tensor in tensors}.values())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _remedy(dtype: torch.dtype) -> str:
    return "" if dtype == torch.float64 else "; make it smaller, or write dtype: float64"


def _refuse(component: Any, what: str, wanted: str) -> NoReturn:
    raise ComponentError(f"{describe(component)} {what}; {wanted}")
