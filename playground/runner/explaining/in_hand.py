"""Explains a step of objects in hand: a model, a loss, a batch and an optimizer. It works on copies."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from playground.errors import ComponentError, Fault, PlaygroundError, suggest_names
from playground.explanation import Explanation, Sentence
from playground.plugins.causes import translate_errors
from playground.plugins.manager import Plugins
from playground.plugins.signature import build
from playground.plugins.use import ParameterizedObject
from playground.runner.explaining.explained_step import explain_step
from playground.runner.explaining.step import known_operations
from playground.runner.explaining.subject import ExplainedOptimizer, ExplainedSubject, describe_optimizer

if TYPE_CHECKING:
    import torch
    from torch import nn

    from playground.core.steppers import OneRun
    from playground.core.training_in_hand import OptimizerInHand, RuleFinder, TrainingInHand
    from playground.core.update import UpdateRule


def _(text: str) -> str:
    """Mark a sentence for the translation catalogues; the report translates it."""
    return text


COMPILED = Sentence(
    _("The model is compiled: what is explained is the module that was compiled, not the kernels made of it.")
)
PARALLEL = Sentence(_("The model is wrapped for several devices: what is explained is the module inside, on one."))

MAX_LABEL_RATES = 4
"""Learning rates that the label of an optimizer lists."""


def explain_objects(
    model: Any,
    loss: Any = None,
    data: Any = None,
    optimizer: Any = None,
    *,
    plugins: Plugins,
    step: int = 0,
    sample: int | None = None,
    digits: int = 4,
) -> Explanation:
    """Explain one step of objects in hand; see `playground.explain`.

    :param step: steps to make on the copies before the one that is explained.
    :raises ComponentError: the objects do not fit each other, cannot be copied, or one of them raises.
    """
    from playground.core.training_in_hand import copy_training

    module, notes = _unwrap(model)
    _require_callable(loss)
    _require_data(module, data)
    devices = {tensor.device for tensor in (*module.parameters(), *module.buffers())}
    with enter_isolation(devices):
        find_rule = find_rule_among(plugins)
        chosen = _choose_optimizer(optimizer, plugins)
        with translate_errors("the objects cannot be copied", ""):
            made = copy_training(module, _without_compiler(loss), data, chosen, find_rule)
        _require_sample(made, sample)
        with translate_errors(f"before step {step}", ""):
            for number in range(step if made.optimizer is not None else 0):
                made.stepper.evaluate(number)
                made.stepper.update(number)
        subject = _make_subject(made, type(module).__name__, step, find_rule)
        return explain_step(replace(subject, notes=notes), known_operations(plugins), sample, digits)


def _make_subject(made: TrainingInHand, title: str, step: int, find_rule: RuleFinder) -> ExplainedSubject:
    """Return the next step of the copies, numbered by the optimizer's own count of steps if it has one.

    :param step: steps that were made on the copies.
    """
    import torch

    optimizer: ExplainedOptimizer | None = None
    if isinstance(made.optimizer, torch.optim.Optimizer):
        step, optimizer = describe_torch_optimizer(made.stepper, made.optimizer, step, find_rule)
    elif made.optimizer is not None:
        optimizer = describe_optimizer(made.optimizer, type(made.optimizer).__name__)
    moves = optimizer is not None
    return ExplainedSubject(
        title=title, stepper=made.stepper, step=step, optimizer=optimizer, continues=lambda loss: moves
    )


def describe_torch_optimizer(
    stepper: OneRun, optimizer: torch.optim.Optimizer, step: int, find_rule: RuleFinder
) -> tuple[int, ExplainedOptimizer]:
    """Return the number of the next step and the optimizer, with the numbers of each parameter's own group."""
    from playground.core.stepper_in_hand import count_steps

    rule, own, counts = find_rule(optimizer), {}, [step]
    for name, parameter in stepper.problem.parameters.items():
        group = next((group for group in optimizer.param_groups if _holds(group, parameter)), None)
        if group is None:
            continue
        made = count_steps(optimizer.state.get(parameter, {}))
        settings = {} if rule is None else _rule_settings(type(rule), group)
        own[name] = {**settings, "lr": _as_number(group.get("lr")), "t": made + 1}
        counts += [made] if "step" in optimizer.state.get(parameter, {}) else []
    described = describe_optimizer(rule, "") if rule else ExplainedOptimizer(label="")
    shared = {
        key: value for key, value in described.settings.items() if all(each[key] == value for each in own.values())
    }
    rates = list(dict.fromkeys(each["lr"] for each in own.values()))
    several = len(rates) > 1 or len(shared) < len(described.settings)
    label = type(optimizer).__name__
    if len(rates) > 1:
        listed = [f"{rate:g}" for rate in rates[:MAX_LABEL_RATES]] + ["…"] * (len(rates) > MAX_LABEL_RATES)
        label += f"(lr = {', '.join(listed)})"
    return max(counts), replace(
        described, label=label, settings=shared, own=own, rule=None if several else described.rule
    )


def _holds(group: Mapping[str, Any], parameter: torch.Tensor) -> bool:
    return any(each is parameter for each in group["params"])


def find_rule_among(plugins: Plugins) -> RuleFinder:
    """Return a function that finds the update rule that equals an optimizer of `torch.optim`, if a plugin has one."""
    from playground.core.update import UpdateRule

    def find(optimizer: torch.optim.Optimizer) -> UpdateRule | None:
        kind = type(optimizer)
        if not kind.__module__.startswith("torch.optim.") or optimizer.param_groups[0].get("maximize"):
            return None
        rule: Any = None
        for name in plugins.registry.names("optimizer"):
            with suppress(PlaygroundError):  # a component that cannot be imported
                rule = plugins.registry.get("optimizer", name).load()
            is_rule = isinstance(rule, type) and issubclass(rule, UpdateRule)
            if is_rule and rule.torch_state and rule.__name__ == kind.__name__:
                found: UpdateRule = rule(**_rule_settings(rule, optimizer.param_groups[0]))
                return found
        return None

    return find


def _rule_settings(rule: type[UpdateRule], group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a rule from a group of parameters; `betas` and the like are pairs in `torch.optim`."""
    pairs = {
        "betas": ("beta1", "beta2"), "etas": ("eta_minus", "eta_plus"), "step_sizes": ("step_size_min", "step_size_max")
    }  # fmt: skip
    given = dict(group)
    for pair, names in pairs.items():
        given.update(zip(names, given.get(pair, ()), strict=False))
    return {each.name: _as_number(given[each.name]) for each in fields(rule) if each.name in given}  # type: ignore[arg-type]


def _as_number(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _choose_optimizer(optimizer: Any, plugins: Plugins) -> OptimizerInHand:
    """Return an optimizer, an update rule or a function that makes one of parameters.

    :raises ComponentError: it is none of them.
    """
    import torch

    from playground.core.update import UpdateRule

    if optimizer is None or isinstance(optimizer, torch.optim.Optimizer | UpdateRule):
        return optimizer
    given: Mapping[str, Any] = {}
    if isinstance(optimizer, ParameterizedObject):
        optimizer, given = optimizer.component, optimizer.parameters
    if isinstance(optimizer, str):
        names = plugins.registry.names("optimizer")
        if optimizer.lower() not in names:
            raise ComponentError(f"unknown optimizer {optimizer!r}{suggest_names(optimizer, names)}")
        return build(plugins.registry.get("optimizer", optimizer.lower()), given)  # type: ignore[no-any-return]
    if isinstance(optimizer, type) and issubclass(optimizer, UpdateRule):
        with translate_errors(f"the optimizer {optimizer.__name__} cannot be constructed", ""):
            return optimizer(**given)
    if isinstance(inner := getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        kind = type(optimizer).__name__
        raise ComponentError(f"the optimizer: {kind} holds a {type(inner).__name__}; pass {kind}.optimizer")
    if not callable(optimizer):
        kind = type(optimizer).__name__
        raise ComponentError(f"the optimizer: expected a torch.optim.Optimizer, an instance or a class, got a {kind}")
    return functools.partial(optimizer, **given) if given else optimizer


def _unwrap(model: Any) -> tuple[nn.Module, tuple[Sentence, ...]]:
    """Return the module inside wrappers of torch, and what to say of them.

    :raises ComponentError: it is no module.
    """
    from torch import nn

    if not isinstance(model, nn.Module):
        hint = f"; pass an instance: {model.__name__}(...)" if isinstance(model, type) else ""
        what = f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}"
        raise ComponentError(f"expected a scenario's file or an nn.Module, got {what}{hint}")
    notes = []
    if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
        model, notes = model.module, [PARALLEL]
    if isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
        return inner, (*notes, COMPILED)
    is_compiled = any(hasattr(part, "_orig_mod") or part._compiled_call_impl is not None for part in model.modules())
    return model, (*notes, COMPILED) if is_compiled else tuple(notes)


def _require_callable(loss: Any) -> None:
    """Refuse a loss that cannot be called, and a class in place of its instance."""
    from torch import nn

    order = "expected explain(model, loss, data, optimizer)"
    if isinstance(loss, type) and issubclass(loss, nn.Module):
        raise ComponentError(f"the loss is the class {loss.__name__}; pass an instance: {loss.__name__}()")
    if loss is not None and not callable(loss):
        raise ComponentError(f"the loss must be callable, got a {type(loss).__name__}; {order}")


def _require_data(model: nn.Module, data: Any) -> None:
    """Refuse a call without data of a model that takes inputs."""
    from playground.core.batch_in_hand import takes

    if data is None and not takes(model.forward, (), {}):
        raise ComponentError("no data was given: explain(model, loss, (x, y))")


def _without_compiler(loss: Any) -> Any:
    """Return the function or module that was compiled, or the loss itself."""
    return getattr(loss, "_torchdynamo_orig_callable", getattr(loss, "_orig_mod", loss))


def _require_sample(made: TrainingInHand, sample: int | None) -> None:
    from playground.core.batch_in_hand import count_samples

    samples = count_samples(made.stepper.problem.batches.data)
    if sample is not None and not 0 <= sample < samples:
        there = f"0 to {samples - 1}" if samples > 1 else "only 0" if samples else "none"
        raise ComponentError(f"no sample {sample} in this batch (samples: {there})")


@contextmanager
def enter_isolation(devices: Iterable[torch.device]) -> Iterator[None]:
    """Let the body evaluate objects in hand: gradients are recorded, and random streams are restored afterwards.

    :param devices: that the objects use.
    :raises ComponentError: the body raises an error of playground; no scenario names a place for its faults.
    """
    import torch

    from playground.core.seeding import preserve_every_stream

    try:
        with preserve_every_stream(devices), torch.inference_mode(mode=False), torch.enable_grad():
            yield
    except PlaygroundError as error:
        raise ComponentError(*(Fault(fault.message) for fault in error.faults)) from error.__cause__
