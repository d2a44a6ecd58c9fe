"""The contract of a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from playground.core.derivatives import flat_loss, list_parameter_coordinates
from playground.core.losses import loss_traits
from playground.core.problem import Batches, Problem
from playground.core.thresholds import find_centres
from playground.testing.differentiable import (
    WHY_DTYPE,
    WHY_VMAP,
    ValuesModule,
    require_close,
    require_no_draw,
    require_right_backward,
)
from playground.testing.verdict import require


class LossContract(ABC):
    """The rules for a loss: `class TestMine(LossContract)` with one method, `loss`.

    A loss of logits or class indices declares that with `playground.core.losses.declares`: `threshold=0.0`,
    `class_indices=True`.
    """

    @abstractmethod
    def loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the loss."""

    def sample(self) -> tuple[Tensor, Tensor]:
        """Return predictions and targets, float64, at which the loss has no kink; override if the default is not valid.

        :returns: predictions from 0.1 to 0.9, shape `(4, 2)`, and targets 0 or 1 of that shape; class indices of
            shape `(4,)` for a loss that declares them.
        """
        predictions = torch.linspace(0.1, 0.9, 8, dtype=torch.float64).reshape(2, 4).T.contiguous()
        if loss_traits(self.loss()).class_indices:
            return predictions, torch.tensor([0, 1, 1, 0])
        return predictions, torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=torch.float64)

    def test_is_one_number(self) -> None:
        """The loss is a 0-d tensor that depends on the prediction."""
        prediction, target = self.sample()
        found = self.loss()(prediction.requires_grad_(), target)
        require(
            found.dim() == 0,
            f"the loss has shape {tuple(found.shape)}, not ()",
            "an optimizer minimizes a single number",
        )
        require(found.requires_grad, "the loss does not depend on the prediction", "there would be nothing to minimize")

    def test_threshold_is_right(self) -> None:
        """The declared threshold of class 1 agrees with the loss: 0.5 for probabilities, 0 for logits."""
        known = loss_traits(self.loss())
        shown = find_centres(self.loss(), 1)
        if known.class_indices or known.threshold is None or not shown:
            pytest.skip("there is no declaration, or the loss is not symmetric about any threshold")
        wrong = (
            f"declares threshold={known.threshold:g}, but is symmetric about {' and '.join(map('{:g}'.format, shown))}"
        )
        require(known.threshold in shown, wrong, "`accuracy` would be wrong")

    def test_backward_is_right(self) -> None:
        """Autograd agrees with every independent route to the derivative by the prediction."""
        prediction, target = self.sample()
        loss = self.loss()
        found = loss(prediction.clone().requires_grad_(), target)
        if found.dim() or not found.requires_grad:
            pytest.skip("the loss is not one number that depends on the prediction; another rule reports that")
        problem = Problem(ValuesModule(prediction), lambda module, batch: loss(module(), batch[0]), Batches((target,)))
        g, z = flat_loss(problem, problem.parameters)
        require_right_backward(g, z, list_parameter_coordinates(problem.parameters), "the loss")

    def test_maps_over_runs(self) -> None:
        """Under vmap each run has the same loss as without it."""
        prediction, target = self.sample()
        loss = self.loss()
        stacked = torch.stack([prediction, prediction * 0.9])
        try:
            batched = vmap(loss, in_dims=(0, None))(stacked, target)
        except Exception as error:
            raise AssertionError(f"vmap refuses the loss: {error}\n  why it matters: {WHY_VMAP}") from error
        alone = torch.stack([loss(each, target) for each in stacked])
        require_close(batched, alone, "the loss of a run under vmap differs from its loss without it", WHY_VMAP)

    def test_keeps_the_dtype(self) -> None:
        """The loss has the dtype of the prediction."""
        prediction, target = self.sample()
        for dtype in (torch.float32, torch.float64):
            targets = target.to(dtype) if target.is_floating_point() else target
            found = self.loss()(prediction.to(dtype), targets).dtype
            require(found == dtype, f"the loss of a {dtype} prediction is {found}", WHY_DTYPE)

    def test_draws_nothing(self) -> None:
        """The same prediction always has the same loss."""
        prediction, target = self.sample()
        loss = self.loss()
        require_no_draw(lambda: loss(prediction, target), "the loss")

    def test_leaves_its_inputs_alone(self) -> None:
        """Predictions and targets are unchanged."""
        prediction, target = self.sample()
        before = prediction.clone(), target.clone()
        self.loss()(prediction, target)
        same = torch.equal(prediction, before[0]) and torch.equal(target, before[1])
        require(same, "the loss changed its inputs in place", "every later step would use other data")
