"""Replicas that an update rule moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import torch
from torch import Tensor

from playground.core.gradients import Clip
from playground.core.problem import Problem
from playground.core.replicas.base import Parameters, Replicas
from playground.core.steppers import Schedule
from playground.core.update import State, UpdateRule


class RuleReplicas(Replicas):
    """Updates all replicas by one update rule, whose hyperparameters may differ from replica to replica.

    :param rule: one rule for all, with a tensor of shape `(replicas,)` for every hyperparameter that differs.
    :param schedule: factor on the learning rate; None for a constant rate.
    """

    def __init__(
        self,
        problem: Problem,
        parameters: Parameters,
        seeds: Sequence[int],
        rule: UpdateRule,
        schedule: Schedule | None = None,
        clip: Clip | None = None,
    ) -> None:
        super().__init__(problem, parameters, seeds, clip)
        self._schedule = schedule
        self._rules = {name: shape_rule(rule, tensor) for name, tensor in parameters.items()}
        self._states: dict[str, State] = {name: self._rules[name].init(tensor) for name, tensor in parameters.items()}

    def update(self, step: int) -> None:
        """Update every parameter that has a gradient; nothing is modified in place."""
        factor = None if self._schedule is None else self._schedule(step)
        with torch.no_grad():
            for name, gradient in self.gradients.items():
                rule = self._rules[name]
                self.parameters[name], self._states[name] = rule.update(
                    self.parameters[name],
                    gradient,
                    self._states[name],
                    step,
                    rule.lr if factor is None else rule.lr * factor,
                )

    def keep(self, chosen: Tensor) -> bool:
        """Continue with these replicas only; may be called between `evaluate` and `update`."""
        self.places = self.places[chosen]
        self.parameters = {name: tensor[chosen] for name, tensor in self.parameters.items()}
        self.gradients = {name: tensor[chosen] for name, tensor in self.gradients.items()}
        self._states = {
            name: {symbol: tensor[chosen] for symbol, tensor in state.items()} for name, state in self._states.items()
        }
        self._rules = {name: _select_replicas(rule, chosen) for name, rule in self._rules.items()}
        self._batches.keep(chosen)
        return True


def shape_rule(rule: UpdateRule, parameter: Tensor) -> UpdateRule:
    """Return the rule with its tensors in the parameter's dtype, shaped to broadcast against it."""
    shape = (-1, *[1] * (parameter.dim() - 1))
    return _replace_fields(
        rule, {name: value.to(parameter).reshape(shape) for name, value in _differing_hyperparameters(rule).items()}
    )


def _select_replicas(rule: UpdateRule, chosen: Tensor) -> UpdateRule:
    return _replace_fields(rule, {name: value[chosen] for name, value in _differing_hyperparameters(rule).items()})


def _differing_hyperparameters(rule: UpdateRule) -> dict[str, Tensor]:
    """Return the hyperparameters that differ from replica to replica."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule)}  # type: ignore[arg-type]
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def _replace_fields(rule: UpdateRule, changes: dict[str, Tensor]) -> UpdateRule:
    return replace(rule, **changes) if changes else rule  # type: ignore[type-var]
