"""The contract of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import vmap

from playground.core.derivatives import flat_loss, list_parameter_coordinates
from playground.core.functional import functional_call
from playground.core.problem import Batches, Problem
from playground.testing.differentiable import (
    WHY_DTYPE,
    WHY_RANDOM,
    WHY_VMAP,
    require_close,
    require_no_draw,
    require_right_backward,
)
from playground.testing.verdict import require


class ModelContract(ABC):
    """The rules for a model: `class TestMine(ModelContract)` with one method, `model`."""

    inputs: ClassVar[int] = 3
    """Number of features of the test samples."""

    outputs: ClassVar[int] = 2
    """Number of outputs for each test sample."""

    @abstractmethod
    def model(self, inputs: int, outputs: int) -> nn.Module:
        """Return a new model of these sizes, initialized from torch's global stream."""

    def samples(self) -> Tensor:
        """Return the test samples, shape `(5, inputs)`, float64, from -1 to 1."""
        return torch.linspace(-1, 1, 5 * self.inputs, dtype=torch.float64).sin().reshape(5, self.inputs)

    def test_shape(self) -> None:
        """Samples of shape `(samples, inputs)` give predictions of shape `(samples, outputs)`."""
        found, wanted = tuple(self._made()(self.samples()).shape), (5, self.outputs)
        require(found == wanted, f"predictions have shape {found}, not {wanted}", "no loss accepts such predictions")

    def test_backward_is_right(self) -> None:
        """Autograd agrees with every independent route to the derivative by each parameter."""
        problem = Problem(self._made(), lambda module, batch: module(*batch).sin().mean(), Batches((self.samples(),)))
        problem.module.eval()
        g, z = flat_loss(problem, problem.parameters)
        require_right_backward(g, z, list_parameter_coordinates(problem.parameters), "the model's output")

    def test_uses_every_parameter(self) -> None:
        """Every parameter has a gradient."""
        module = self._made()
        parameters = dict(module.named_parameters())
        found = torch.autograd.grad(module(self.samples()).sin().sum(), list(parameters.values()), allow_unused=True)
        unused = [name for name, gradient in zip(parameters, found, strict=True) if gradient is None]
        require(not unused, f"no output depends on {', '.join(unused)}", "a parameter without a gradient never learns")

    def test_maps_over_runs(self) -> None:
        """Under vmap each run has the same predictions as without it."""
        modules = [self._made(seed).eval() for seed in (0, 1)]
        states = [dict(module.named_parameters()) for module in modules]
        stacked = {name: torch.stack([state[name] for state in states]).detach() for name in states[0]}
        samples = self.samples()

        def forward(parameters: dict[str, Tensor]) -> Tensor:
            found: Tensor = functional_call(modules[0], parameters, (samples,))
            return found

        try:
            batched = vmap(forward)(stacked)
        except Exception as error:
            raise AssertionError(f"vmap refuses the model: {error}\n  why it matters: {WHY_VMAP}") from error
        alone = torch.stack([module(samples) for module in modules])
        require_close(batched, alone, "the predictions of a run under vmap differ from those without it", WHY_VMAP)

    def test_keeps_the_dtype(self) -> None:
        """The predictions have the dtype of the samples and parameters."""
        for dtype in (torch.float32, torch.float64):
            try:
                found = self._made().to(dtype)(self.samples().to(dtype)).dtype
            except RuntimeError as error:
                raise AssertionError(f"in {dtype}: {error}\n  why it matters: {WHY_DTYPE}") from error
            require(found == dtype, f"the prediction from {dtype} samples is {found}", WHY_DTYPE)

    def test_starts_from_the_seed(self) -> None:
        """The same seed gives the same initial parameters."""
        first, second = (list(self._made().parameters()) for _ in range(2))
        same = all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        require(same, "two models with the same seed differ; draw only from torch's global stream", WHY_RANDOM)

    def test_draws_nothing_in_evaluation(self) -> None:
        """In evaluation mode the same samples always have the same predictions."""
        module = self._made().eval()
        require_no_draw(lambda: module(self.samples()), "the model in evaluation mode")

    def _made(self, seed: int = 0) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.model(self.inputs, self.outputs).double()
