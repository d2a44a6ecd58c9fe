"""Computes how steep the loss was where runs ended badly, since a kernel keeps no gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from playground.core.compiled.symbolic_run import DescentSpec
from playground.core.replicas import CannotBatchError, Parameters, RestingReplicas
from playground.core.replicas.base import NO_GRADIENT


def find_steepest(
    spec: DescentSpec, final: Mapping[str, Tensor], seeds: Sequence[int], steps: Tensor, bad: Tensor
) -> Parameters:
    """Return the largest entry of each parameter's gradient at the points where some runs ended.

    :param final: parameters of all runs by name.
    :param steps: the step at which each run ended, which determines its batch.
    :param bad: indices of the runs to compute.
    :returns: by name, shape `(runs,)`, float64; negative for the other runs and where there is no gradient.
    """
    found = {name: torch.full((len(steps),), NO_GRADIENT, dtype=torch.float64) for name in final}
    batched = spec.problem.batches.size is not None
    groups = sorted(set(steps[bad].tolist())) if batched else [0] * bool(len(bad))
    for step in groups:
        which = bad[steps[bad] == step] if batched else bad
        for name, size in _largest_entries(spec, final, seeds, which, step).items():
            found[name][which] = size
    return found


def _largest_entries(
    spec: DescentSpec, final: Mapping[str, Tensor], seeds: Sequence[int], which: Tensor, step: int
) -> Parameters:
    """Return the largest entries of some runs' gradients on their batches of one step."""
    parameters = {name: tensor[which] for name, tensor in final.items()}
    mine = [seeds[run] for run in which.tolist()]
    try:
        replicas = RestingReplicas(spec.problem, parameters, mine, spec.clip)
        replicas.evaluate(step)
    except CannotBatchError:  # a model that cannot be mapped over runs gets a shorter diagnosis
        return {}
    return {name: each.abs().reshape(len(each), -1).amax(1).double() for name, each in replicas.gradients.items()}
