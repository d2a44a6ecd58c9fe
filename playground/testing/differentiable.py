"""Checks that the contracts of differentiable components share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from playground.core.derivatives import Coordinate, VectorFunction, check_derivatives, judge_entry
from playground.testing.verdict import require

WHY_BACKWARD = "an optimizer follows the gradients of backward: it would not follow the descent of the loss"
WHY_VMAP = "many runs are vectorized by torch.func.vmap; a component that does not support it makes a sweep sequential"
WHY_DTYPE = "a scenario with `dtype: float64` would silently lose precision (or fail on mixed dtypes)"
WHY_RANDOM = "a run is repeated from its seed only, and a hidden draw changes every number after it"


class ValuesModule(nn.Module):
    """A module whose output is its one parameter, `values`."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values.clone())

    def forward(self) -> Tensor:
        """Return the parameter."""
        return self.values


def require_right_backward(g: VectorFunction, z: Tensor, names: Sequence[Coordinate], what: str) -> None:
    """Differentiate g at z by every route, and require that autograd agrees.

    :param z: shape `(n,)`.
    :param names: the names of its entries.
    :raises AssertionError: autograd disagrees; contains the first wrong entry.
    """
    __tracebackhide__ = True
    for entry in check_derivatives(g, z, names).entries:
        found = judge_entry(entry, torch.finfo(z.dtype).eps)
        routes = ", ".join(f"{route} {value:.10g}" for route, value in entry.routes.items())
        words = found.words if found else ""
        require(found is None, f"the derivative of {what} by {entry.by[0]}: {routes}; {words}", WHY_BACKWARD)


def require_no_draw(compute: Callable[[], Tensor], what: str) -> None:
    """Require that computing twice gives bit-identical results and does not use torch's global random stream.

    :raises AssertionError: the results differ, or the stream was used.
    """
    __tracebackhide__ = True
    found: list[Tensor] = []
    moved = draws_from_stream(lambda: found.extend(compute() for _ in range(2)))
    first, second = found
    require(torch.equal(first, second), f"{what}: the same input gave two results", WHY_RANDOM)
    require(not moved, f"{what} drew from torch's global random stream", WHY_RANDOM)


def draws_from_stream(compute: Callable[[], object]) -> bool:
    """Return whether a computation draws from or seeds torch's global random stream; always restores the stream."""
    before = torch.get_rng_state()
    torch.rand(())  # move away from the initial state, so that setting the same seed again is detected
    here = torch.get_rng_state()
    try:
        compute()
        return not torch.equal(here, torch.get_rng_state())
    finally:
        torch.set_rng_state(before)


def require_close(found: Tensor, expected: Tensor, wrong: str, why: str, tolerance: float = 1e-10) -> None:
    """Require equal numbers, relative plus absolute; NaN equals NaN.

    :raises AssertionError: they differ; contains the largest difference.
    """
    __tracebackhide__ = True
    require(found.shape == expected.shape, f"{wrong}: shape {tuple(found.shape)}, not {tuple(expected.shape)}", why)
    close = torch.allclose(found.double(), expected.double(), tolerance, tolerance, equal_nan=True)
    largest = (found.double() - expected.double()).abs().max().item() if found.numel() else 0.0
    require(close, f"{wrong}, by up to {largest:.3g}", why)
